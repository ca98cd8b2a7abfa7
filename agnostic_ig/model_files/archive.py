"""Zip archives, looked at before they are unpacked: how many members, how large, how often used."""

import io
import os
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from agnostic_ig.model_files.requirement import require

__all__ = ["allowed_bytes", "check_archive", "size_of"]

MAX_MEMBERS = 500_000
# Trees compress by a factor of 5 to 20, bombs by 1000. Small files may unpack to FREE_BYTES at any ratio.
MAX_RATIO = 100
FREE_BYTES = 64 << 20
MAX_BYTES = 8 << 30


def check_archive(archive: zipfile.ZipFile, packed_bytes: int) -> None:
    """Refuse an archive that would unpack to far more than its size on disk."""
    members = archive.infolist()
    limit = allowed_bytes(packed_bytes)
    require(len(members) <= MAX_MEMBERS, f"it has {len(members)} members, more than {MAX_MEMBERS}")
    total = sum(member.file_size for member in members)
    require(total <= limit, f"it would unpack to {total} bytes, more than the {limit} allowed for its size")
    # Sparse matrices are archives inside the archive, whatever they are called.
    total += sum(sum(member.file_size for member in inner.infolist()) for inner in _inner_archives(archive))
    require(total <= limit, f"it would unpack to {total} bytes, more than the {limit} allowed for its size")


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file, which is left at its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def allowed_bytes(packed_bytes: int) -> int:
    """What a file of this size may unpack to; always as much as is there."""
    return max(packed_bytes, min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * packed_bytes)))


def _inner_archives(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipFile]:
    for member in archive.infolist():
        with archive.open(member) as stream:
            beginning = stream.read(2)
            if beginning == b"PK":
                yield zipfile.ZipFile(io.BytesIO(beginning + stream.read()))
