"""Tables on disk, whatever their format: columns and rows are known at once, the data comes in batches."""

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.streaming.csv_tables import open_csv
from agnostic_ig.streaming.parquet_tables import open_parquet
from agnostic_ig.streaming.source import Frame, Source
from agnostic_ig.validation import check_integer, import_optional, invalid, shorten, type_error

__all__ = ["Table", "open_table", "read_table"]

# What a name ends with -> who opens it; the longest match wins by its place.
OPENERS: dict[str, Callable[[Path], Source]] = {
    ".csv.gz": open_csv,
    ".csv": open_csv,
    ".parquet": open_parquet,
}


@dataclass(frozen=True)
class Table:
    """A table on disk; iterating it yields its rows as pandas DataFrames, in order and in bounded memory.

    Attributes
    ----------
    path : pathlib.Path
        The file or folder.
    columns : list of str
        Names of the columns that batches have, in order.
    n_rows : int or None
        Number of rows; None where only reading the file would tell (CSV).
    """

    path: Path
    columns: list[str]
    n_rows: int | None
    _batches: Callable[[], Iterator[Frame]] = field(repr=False)

    def __iter__(self) -> Iterator[Frame]:
        """Batches from the beginning; a table can be read many times."""
        return self._batches()


def open_table(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    batch_rows: int = 10_000,
    as_text: Sequence[str] = (),
) -> Table:
    """Open a CSV file, a Parquet file, or a folder of Parquet files that continue each other by name.

    Parameters
    ----------
    path : str or path-like
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file, or a folder with ``.parquet`` files of the same columns.
        CSV means UTF-8 text with commas and a header line; what pandas takes for missing is missing.
    columns : sequence of str, optional
        Columns wanted, in this order. Default: all.
    batch_rows : int, default 10_000
        Rows of a batch at most.
    as_text : sequence of str, default ()
        Columns of a CSV file whose cells stay the text that they are, such as account numbers ("007").
        Other columns are numbers, true/false or text by what the first batch shows, and must stay that.

    Returns
    -------
    Table
        Its `columns` and `n_rows`; iterate it for the rows.

    Raises
    ------
    InvalidInputError
        The file is missing, empty, damaged or of another kind, has no rows, two columns of one name or lacks
        a column; the message names the file. Damage further down is found when its batch is read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "small.csv"
    >>> _ = path.write_text("amount,country\\n1.5,FR\\n2.5,DE\\n3.5,FR\\n")
    >>> table = open_table(path, batch_rows=2)
    >>> table.columns
    ['amount', 'country']
    >>> [len(batch) for batch in table]
    [2, 1]
    """
    rows = check_integer("open_table", "batch_rows", batch_rows, at_least=1)
    path = _check_path(path)
    import_optional("pandas", extra="app", purpose="Reading tables")
    source = _opener(path)(path)
    _check_unique(source.columns, path)
    wanted = source.columns if columns is None else _check_columns("columns", columns, source.columns, path)
    if not wanted:
        raise invalid("open_table", "columns", "None or at least one column name", columns)
    text = frozenset(_check_columns("as_text", as_text, source.columns, path))
    return Table(path, list(wanted), source.n_rows, lambda: source.batches(wanted, rows, text))


def read_table(
    path: str | os.PathLike[str], *, columns: Sequence[str] | None = None, as_text: Sequence[str] = ()
) -> Frame:
    """All rows of a table at once, numbered from 0.

    Parameters and errors are those of `open_table`.

    Parameters
    ----------
    path : str or path-like
        The file or folder.
    columns : sequence of str, optional
        Columns wanted, in this order. Default: all.
    as_text : sequence of str, default ()
        Columns of a CSV file whose cells stay the text that they are.

    Returns
    -------
    pandas.DataFrame
        Every row.
    """
    batches = list(open_table(path, columns=columns, batch_rows=100_000, as_text=as_text))
    pandas = import_optional("pandas", extra="app", purpose="Reading tables")
    return batches[0] if len(batches) == 1 else pandas.concat(batches, ignore_index=True)


def _check_path(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise type_error("open_table", "path", "a str or path-like", path)
    path = Path(path)
    if not (path.is_file() or path.is_dir()):
        what = "is neither a file nor a folder" if path.exists() else "does not exist"
        raise InvalidInputError(f"The 'path' parameter of open_table must be a table: {str(path)!r} {what}.")
    return path


def _opener(path: Path) -> Callable[[Path], Source]:
    if path.is_dir():
        return open_parquet
    for ending, opener in OPENERS.items():
        if path.name.lower().endswith(ending):
            return opener
    raise InvalidInputError(
        f"{path.name} is no kind of table that can be read: use {', '.join(OPENERS)} or a folder of .parquet files."
    )


def _check_unique(names: Sequence[str], path: Path) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise InvalidInputError(f"{path.name} has several columns named {shorten(repeated[0])}: rename all but one.")


def _check_columns(parameter: str, wanted: Any, present: Sequence[str], path: Path) -> list[str]:
    """The wanted names, all of which the table has."""
    is_sequence = isinstance(wanted, Iterable) and not isinstance(wanted, str)
    if not is_sequence or not all(isinstance(name, str) for name in wanted):
        raise invalid("open_table", parameter, "a sequence of column names", wanted)
    missing = [name for name in wanted if name not in present]
    if missing:
        close = difflib.get_close_matches(missing[0], present, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidInputError(f"{path.name} has no column {', '.join(map(repr, missing[:5]))}.{hint}")
    _check_unique(wanted, path)
    return list(wanted)
