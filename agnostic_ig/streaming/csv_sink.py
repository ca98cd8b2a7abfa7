"""CSV files: floats as ``repr`` writes them, so that they can be read back exactly, and no formulas."""

import csv
import io
from collections.abc import Callable

from agnostic_ig.streaming.atomic import AtomicFile
from agnostic_ig.streaming.source import Frame
from agnostic_ig.streaming.spreadsheet_safety import neutralised, neutralised_cell, text_columns

__all__ = ["CsvSink"]


class CsvSink:
    """Appends frames as lines, below one header."""

    def __init__(self, new_file: Callable[[], AtomicFile]) -> None:
        self.file = new_file()
        self._text = io.TextIOWrapper(self.file.stream, encoding="utf-8", newline="", write_through=True)
        self._has_header = False

    def write(self, frame: Frame) -> None:
        """Append rows."""
        header = False if self._has_header else [neutralised_cell(name) for name in frame.columns]
        # Older csv modules quote line feeds, but not carriage returns, at which readers end a row too.
        quoting = csv.QUOTE_NONNUMERIC if _has_carriage_return(frame) else csv.QUOTE_MINIMAL
        neutralised(frame).to_csv(self._text, index=False, header=header, lineterminator="\n", quoting=quoting)
        self._has_header = True

    def finish(self) -> None:
        """Let go of the stream, which stays open."""
        self._text.detach()

    def discard(self) -> None:
        """Remove the unfinished file."""
        self.file.discard()


def _has_carriage_return(frame: Frame) -> bool:
    columns = [frame[name].astype(str) for name in text_columns(frame)]
    return any("\r" in name for name in frame.columns) or any(
        column.str.contains("\r", regex=False).any() for column in columns
    )
