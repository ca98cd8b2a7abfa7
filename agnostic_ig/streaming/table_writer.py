"""Tables written batch by batch, complete or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.streaming.atomic import AtomicFile, check_destination
from agnostic_ig.streaming.csv_sink import CsvSink
from agnostic_ig.streaming.parquet_sink import ParquetSink
from agnostic_ig.streaming.source import Frame, Sink
from agnostic_ig.validation import check_flag, import_optional, invalid

__all__ = ["TableWriter"]


# Extension -> what writes that format.
SINKS: dict[str, Callable[[Callable[[], AtomicFile]], Sink]] = {".parquet": ParquetSink, ".csv": CsvSink}


class TableWriter:
    """Write a table batch by batch; the file appears under its name when the ``with`` block ends well.

    Parameters
    ----------
    path : str or path-like
        A new ``.parquet`` or ``.csv`` file in an existing folder. In CSV, text that a spreadsheet would take
        for a formula gets an apostrophe in front.
    force : bool, default False
        Replace a file that is there already.

    Attributes
    ----------
    n_rows : int
        Rows written so far.

    Raises
    ------
    InvalidParameterError
        The path has another extension, is taken, or its folder does not exist.
    InvalidInputError
        The folder cannot be written to, batches do not fit together, or no row was written.
    OSError
        The disk is full or failed. Like after any other error, nothing is left behind.

    Examples
    --------
    >>> import tempfile, pathlib, pandas as pd
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> with TableWriter(path) as writer:
    ...     writer.write(pd.DataFrame({"score": [0.1]}))
    ...     writer.write(pd.DataFrame({"score": [0.25]}))
    >>> path.read_text()
    'score\\n0.1\\n0.25\\n'
    """

    def __init__(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        self._force = bool(check_flag("TableWriter", "force", force))
        self.path = check_destination("TableWriter", path, force=self._force)
        if self.path.suffix.lower() not in SINKS:
            raise invalid("TableWriter", "path", f"a file that ends in {' or '.join(SINKS)}", str(path))
        self.n_rows = 0
        self._columns: list[str] | None = None
        self._sink: Sink | None = None

    def __enter__(self) -> Self:
        import_optional("pandas", extra="app", purpose="Writing tables")
        self._sink = SINKS[self.path.suffix.lower()](self._new_file)
        return self

    def write(self, frame: Frame) -> None:
        """Append the rows of a frame with the same columns as every one before; its index is not written."""
        if self._sink is None:
            raise RuntimeError("TableWriter writes inside a with block: with TableWriter(path) as writer: ...")
        self._check_columns(list(frame.columns))
        try:
            self._sink.write(frame)
        except OSError as error:
            raise _failed(self.path, error) from error
        self.n_rows += len(frame)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sink, self._sink = self._sink, None
        try:
            if kind is None:
                self._finish(sink)
        except OSError as failure:
            raise _failed(self.path, failure) from failure
        finally:
            sink.discard()  # after a commit there is nothing left to remove

    def _finish(self, sink: Sink) -> None:
        if self._columns is None:
            raise InvalidInputError(f"No batch was written to {self.path.name}: there is nothing to save.")
        sink.finish()
        sink.file.commit()

    def _new_file(self) -> AtomicFile:
        return AtomicFile("TableWriter", self.path, force=self._force)

    def _check_columns(self, columns: list[Any]) -> None:
        if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
            raise InvalidInputError(f"Columns of {self.path.name} need names that are text and all different.")
        if self._columns is not None and columns != self._columns:
            odd = sorted(set(columns) ^ set(self._columns)) or ["another order"]
            raise InvalidInputError(f"A batch for {self.path.name} has other columns than the first: {odd[0]!r}.")
        self._columns = columns


def _failed(path: Path, error: OSError) -> OSError:
    """The same kind of error, saying which file it was about."""
    reason = error.strerror or " ".join(str(error).split())
    text = f"Writing {path.name} failed and nothing was left behind: {reason}"
    return OSError(error.errno, text) if error.errno else OSError(text)
