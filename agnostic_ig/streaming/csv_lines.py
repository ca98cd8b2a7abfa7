"""The text of a CSV file, cut into records and counted before pandas sees it.

pandas fills rows that are too short with missing values and, here and there drops what is too long; a shifted
row must not become an explanation. Counting commas costs little next to parsing.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TextIO

from agnostic_ig.exceptions import InvalidInputError

__all__ = ["Records", "opened_text", "read_header"]

# A line without an end is not a table: stop before it fills the memory.
MAX_LINE = 1 << 24


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """The decoded text of a plain or gzip file; whatever is wrong with it becomes one clear error."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{path.name} is not UTF-8 text (byte 0x{error.object[error.start]:02x}): save it as UTF-8."
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidInputError(f"{path.name} is a damaged or truncated gzip file: {error}.") from error
    except csv.Error as error:
        raise InvalidInputError(f"{path.name} is not a CSV file: {error}.") from error
    except OSError as error:
        raise InvalidInputError(f"Cannot read {path.name}: {error.strerror or error}.") from error


class Records:
    """Records of a CSV file, which may go over several lines inside quotes."""

    def __init__(self, file: TextIO, name: str) -> None:
        self.name = name
        self.n_lines = 0
        self._readline = partial(file.readline, MAX_LINE)

    def fields(self) -> Iterator[tuple[str, list[str] | None]]:
        """Text of every record that is not blank and, where quotes may hide commas, its fields."""
        for line in self._lines():
            if '"' in line:
                read: list[str] = []
                fields = next(csv.reader(self._recorded(line, read)))
                yield "".join(read), fields
            elif line.strip():
                yield line, None

    def checked(self, n_columns: int) -> Iterator[str]:
        """Text of every record, each of which has as many fields as there are columns."""
        for text, fields in self.fields():
            n_fields = text.count(",") + 1 if fields is None else len(fields)
            if n_fields != n_columns:
                found = f"{n_fields} fields, but the header has {n_columns} columns"
                raise InvalidInputError(f"{self.name}, line {self.n_lines}: {found}.")
            yield text

    def _lines(self) -> Iterator[str]:
        for line in iter(self._readline, ""):
            self.n_lines += 1
            if "\0" in line:
                raise InvalidInputError(f"{self.name} is not a CSV file: a zero byte in line {self.n_lines}.")
            if len(line) == MAX_LINE:
                raise InvalidInputError(f"{self.name} is not a CSV file: line {self.n_lines} does not end.")
            yield line

    def _recorded(self, line: str, read: list[str]) -> Iterator[str]:
        """The line and as many more as the reader asks for, noted down."""
        for one in chain([line], self._lines()):
            read.append(one)
            yield one


def read_header(records: Records) -> list[str]:
    """Names of the columns; a column without a name gets pandas's."""
    first = next(records.fields(), None)
    if first is None:
        raise InvalidInputError(f"{records.name} is empty.")
    text, fields = first
    names = text.rstrip("\r\n").split(",") if fields is None else fields
    if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
        raise InvalidInputError(
            f"{records.name} seems to be separated by {other!r}: only commas are read. Save it with commas."
        )
    return [name or f"Unnamed: {place}" for place, name in enumerate(names)]
