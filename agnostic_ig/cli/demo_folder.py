"""The folder of the demo: its own files are replaced, nobody else's are touched."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from agnostic_ig.cli.messages import about
from agnostic_ig.exceptions import InvalidInputError

__all__ = ["DemoFiles", "demo_folder"]

# A small file that says: the other two were made by the demo, so it may replace them.
MARK = ".agnostic-ig-demo"
MARK_TEXT = (
    "`agnostic-ig demo` wrote attributions.parquet and report.html here, and replaces them when it runs again.\n"
)


class DemoFiles(NamedTuple):
    """Where the demo writes."""

    table: Path
    report: Path


@contextmanager
def demo_folder(path: str) -> Iterator[DemoFiles]:
    """A folder to write the demo's files to; made if need be, and gone again if nothing was written.

    Raises
    ------
    InvalidInputError
        The folder cannot be made or written to, or has files of these names that the demo did not write.
    """
    folder = Path(path)
    files, mark = DemoFiles(folder / "attributions.parquet", folder / "report.html"), folder / MARK
    is_new, is_marked = not folder.exists(), mark.exists()
    _check(folder, [] if is_marked else files)
    try:
        with about("--out"):
            folder.mkdir(exist_ok=True)
            mark.write_text(MARK_TEXT, encoding="utf-8")
        yield files
    finally:
        if not any(file.exists() for file in files):
            _leave(folder, mark, is_new, is_marked)


def _check(folder: Path, foreign: list[Path] | DemoFiles) -> None:
    """The folder exists or can be made, and has none of these files."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"--out: {str(folder)!r} is a file, not a folder.")
    if not folder.absolute().parent.is_dir():
        raise InvalidInputError(f"--out: {str(folder)!r} must be in a folder that exists.")
    strange = [file.name for file in foreign if file.exists()]
    if strange:
        raise InvalidInputError(
            f"--out: {str(folder)!r} has a file {strange[0]} that is not of an earlier demo; choose another folder."
        )


def _leave(folder: Path, mark: Path, is_new: bool, is_marked: bool) -> None:
    """Everything as it was; if that fails too, the error that led here is the one to report."""
    with suppress(OSError):
        if not is_marked:
            mark.unlink(missing_ok=True)
        if is_new:
            folder.rmdir()
