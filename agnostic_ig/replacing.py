"""Files that appear complete or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new name beside `path`, of the same ending; what is written there takes its place at the end.

    After an error `path` stays as it was, and nothing is left of what was written.
    """
    temporary = path.with_name(f".agnostic-ig-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
