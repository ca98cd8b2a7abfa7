"""What every format offers to readers and writers of tables."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from agnostic_ig.streaming.atomic import AtomicFile

__all__ = ["LARGEST_EXACT", "Batches", "Column", "Frame", "Sink", "Source", "first_line"]

# A pandas DataFrame and a Series: pandas is optional, so their classes cannot be named here.
Frame = Any
Column = Any

# Integers beyond this are not all float64 numbers; account numbers often are.
LARGEST_EXACT = 2**53

# (columns wanted, rows of a batch, columns to leave as text) -> batches.
Batches = Callable[[Sequence[str], int, frozenset[str]], Iterator[Frame]]


class Source(NamedTuple):
    """An opened table of any format."""

    columns: list[str]
    n_rows: int | None
    batches: Batches


class Sink(Protocol):
    """One format being written: takes frames of the same columns."""

    file: AtomicFile

    def write(self, frame: Frame) -> None:
        """Append rows."""

    def finish(self) -> None:
        """Bring the last bytes into the file's stream, which stays open."""

    def discard(self) -> None:
        """Remove the unfinished file, whatever state it is in."""


def first_line(error: Any, limit: int = 160) -> str:
    """Beginning of an error's message, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."
