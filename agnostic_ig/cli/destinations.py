"""Files that a command will write: checked before work begins, and in place all together or not at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agnostic_ig.cli.messages import about
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.replacing import replacing
from agnostic_ig.streaming.atomic import AtomicFile, check_destination
from agnostic_ig.validation import import_optional

__all__ = ["check_libraries", "check_new_file", "staged"]

# Ending of a file -> libraries that write it.
LIBRARIES = {
    ".parquet": ("pandas", "pyarrow"),
    ".csv": ("pandas",),
    ".html": ("jinja2", "plotly"),
    ".htm": ("jinja2", "plotly"),
}


def check_libraries(option: str, ending: str) -> None:
    """What is needed to write such a file is installed: better known before hours of work than after."""
    for library in LIBRARIES[ending]:
        import_optional(library, extra="app", purpose=f"{option} with a {ending} file")


def check_new_file(option: str, path: str, endings: tuple[str, ...], inputs: Iterable[str | None], force: bool) -> None:
    """A file can be written here, of this kind, and it is none of those that are read."""
    if Path(path).suffix.lower() not in endings:
        raise InvalidInputError(f"{option}: must end in {' or '.join(endings)}. Got {path!r} instead.")
    for other in inputs:
        if other is not None and os.path.realpath(other) == os.path.realpath(path):
            raise InvalidInputError(
                f"{option}: {path!r} is read or written as something else too; choose another name."
            )
    check_libraries(option, Path(path).suffix.lower())
    with about(option):
        destination = check_destination(option, path, force=force)
        AtomicFile(option, destination, force=force).discard()  # whether the folder takes a file


@contextmanager
def staged(path: str | Path | None) -> Iterator[Path | None]:
    """A name beside `path` to write to; what is there at the end becomes `path`, and after an error is removed."""
    if path is None:
        yield None
        return
    with replacing(Path(path)) as temporary:
        yield temporary
