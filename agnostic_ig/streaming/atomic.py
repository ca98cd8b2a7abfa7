"""Files that appear complete or not at all."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.validation import invalid, type_error

__all__ = ["AtomicFile", "check_destination"]


def check_destination(owner: str, path: Any, *, force: bool) -> Path:
    """A path that a file can be written to, and that no file has unless `force`."""
    if not isinstance(path, str | os.PathLike):
        raise type_error(owner, "path", "a str or path-like", path)
    path = Path(path)
    if not path.parent.is_dir():
        raise invalid(owner, "path", "a file in a folder that exists", str(path))
    if path.is_dir():
        raise invalid(owner, "path", "a file, not a folder", str(path))
    if path.exists() and not force:
        raise invalid(owner, "path", "a new file", str(path), "It exists: pass force=True (--force) to replace it.")
    return path


class AtomicFile:
    """A file written under a temporary name in its own folder and renamed when all of it is on disk.

    `stream` takes the bytes; then call `commit`, or `discard`, after which nothing is left.
    """

    def __init__(self, owner: str, path: Path, *, force: bool) -> None:
        self._owner, self._path, self._force = owner, path, force
        self.temporary = path.with_name(f".agnostic-ig-{secrets.token_hex(8)}.tmp")
        try:
            self.stream: BinaryIO = self.temporary.open("xb")
        except OSError as error:
            raise InvalidInputError(
                f"The 'path' parameter of {owner} must be in a folder that can be written to. "
                f"Got {str(path)!r} instead: {error.strerror}."
            ) from error

    def commit(self) -> None:
        """Give the file its name, once its bytes are on disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        check_destination(self._owner, self._path, force=self._force)  # it may have appeared meanwhile
        os.replace(self.temporary, self._path)

    def discard(self) -> None:
        """Remove what was written."""
        # A full disk fails once more while buffers are emptied; the error that led here is the one to report.
        with contextlib.suppress(OSError, ValueError):
            self.stream.close()
        self.temporary.unlink(missing_ok=True)
