"""CSV files in batches: every batch is parsed by itself, and a column means the same in all of them."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.streaming.csv_lines import Records, opened_text, read_header
from agnostic_ig.streaming.source import LARGEST_EXACT, Column, Frame, Source, first_line

__all__ = ["open_csv"]

ADVICE = "Read the column as text (as_text), or clean the file."


def open_csv(path: Path) -> Source:
    """Header of a CSV file, which has at least one row."""
    with opened_text(path) as file:
        records = Records(file, path.name)
        columns = read_header(records)
        if next(records.checked(len(columns)), None) is None:
            raise InvalidInputError(f"{path.name} has a header but no rows.")
    return Source(columns, None, lambda wanted, rows, text: _batches(path, columns, wanted, rows, text))


def _batches(path: Path, columns: list[str], wanted: Sequence[str], rows: int, text: frozenset[str]) -> Iterator[Frame]:
    kinds = _Kinds(path.name, dict.fromkeys(text, "text"))
    with opened_text(path) as file:
        records = Records(file, path.name)
        read_header(records)
        checked = records.checked(len(columns))
        while block := "".join(islice(checked, rows)):
            read = _parse(block, path.name, columns, wanted, kinds.text_columns(wanted))
            frame = _with_exact_integers(read, block, path.name, columns)
            kinds.check(frame)
            yield frame


def _parse(block: str, name: str, columns: Sequence[str], wanted: Sequence[str], text: Iterable[str]) -> Frame:
    """One batch; `text` columns stay as they are, types of the others show."""
    import pandas as pd

    # Before 3.1 pandas read some floats one unit in the last place off unless told; now it warns if told.
    is_exact = tuple(int(part) for part in pd.__version__.split(".")[:2]) >= (3, 1)
    precision: dict[str, Any] = {} if is_exact else {"float_precision": "round_trip"}
    try:
        frame = pd.read_csv(
            io.StringIO(block),
            header=None,
            names=list(columns),
            usecols=list(wanted),
            index_col=False,
            dtype=dict.fromkeys(text, str),
            low_memory=False,  # the types of a batch are decided once, not piece by piece
            **precision,
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise InvalidInputError(f"{name} is not a CSV file: {first_line(error)}") from error
    return frame[list(wanted)]


class _Kinds:
    """What each column holds (number, boolean, text), decided by the first batch that holds anything."""

    def __init__(self, name: str, kinds: dict[str, str]) -> None:
        self._name = name
        self._kinds = kinds
        self._n_rows = 0

    def text_columns(self, wanted: Sequence[str]) -> list[str]:
        """Columns that must not be read as numbers even where a batch looks like it."""
        return [column for column in wanted if self._kinds.get(column) == "text"]

    def check(self, frame: Frame) -> None:
        """Refuse a batch in which a column changes its kind; integers and decimals are one kind."""
        for column in frame.columns:
            kind = _kind(frame[column])
            known = self._kinds.setdefault(column, kind) if kind else kind
            if kind != known:
                raise InvalidInputError(self._complaint(column, frame[column], known))
        self._n_rows += len(frame)

    def _complaint(self, column: str, values: Column, known: str) -> str:
        wrong = values.notna() & ~_IS_KIND[known](values)
        place = int((wrong if wrong.any() else values.notna()).to_numpy().argmax())
        return (
            f"{self._name}: column {column!r} holds {str(values.iloc[place])!r} in row "
            f"{self._n_rows + place + 1}, but every row before holds a {known} or nothing. {ADVICE}"
        )


def _kind(values: Column) -> str | None:
    """Number, boolean or text; None where everything is missing."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if values.isna().all():
        return None
    if is_bool_dtype(values.dtype):
        return "boolean"
    if is_numeric_dtype(values.dtype):
        return "number"
    return "boolean" if _all_are(bool, values) else "text"


def _all_are(kind: type, values: Column) -> bool:
    """Whether all values of an object column that are not missing are of a Python type."""
    return values.dtype == object and bool(values.dropna().map(lambda value: isinstance(value, kind)).all())


def _are_numbers(values: Column) -> Column:
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").notna()


def _are_booleans(values: Column) -> Column:
    return values.map(lambda value: str(value).lower() in ("true", "false"))


_IS_KIND = {"number": _are_numbers, "boolean": _are_booleans}


def _with_exact_integers(frame: Frame, block: str, name: str, columns: Sequence[str]) -> Frame:
    """The batch with whole numbers read again that float64 rounds, next to missing ones or beyond 64 bits."""
    rounded = [column for column in frame.columns if _is_rounded(frame[column])]
    if not rounded:
        return frame
    text = _parse(block, name, columns, rounded, rounded)
    return frame.assign(**{column: _exact(text[column], frame[column]) for column in rounded})


def _is_rounded(values: Column) -> bool:
    """Floats so large that they may have been integers, or Python integers beyond 64 bits."""
    if values.dtype == float:
        return bool(values.isna().any() and (values.abs() >= LARGEST_EXACT).any())
    return _all_are(int, values) and not _all_are(bool, values)


def _exact(text: Column, read: Column) -> Any:
    """The values as integers of 64 bits, or as text beyond; as they were read where they are no integers."""
    import pandas as pd

    if not text.dropna().str.fullmatch(r"\s*[+-]?\d+\s*").all():
        return read
    integers = [int(value) if isinstance(value, str) else None for value in text]
    fits = all(-(2**63) <= value < 2**63 for value in integers if value is not None)
    return pd.array(integers, dtype="Int64") if fits else text
