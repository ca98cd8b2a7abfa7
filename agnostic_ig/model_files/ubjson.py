"""UBJSON, as far as XGBoost writes it: anything else is refused, so that nothing can be read in two ways."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.documents import check_brackets
from agnostic_ig.model_files.requirement import require

__all__ = ["parse_ubjson"]

MAX_DEPTH = 20
# Big-endian numbers by their marker.
NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}


def parse_ubjson(data: bytes) -> Any:
    """The document: dicts, lists, arrays of numbers, text, numbers."""
    check_brackets(data)
    reader = _Reader(data)
    document = reader.value(0)
    require(reader.place == len(data), "something follows its end")
    return document


class _Reader:
    """A place in the bytes; what is read may not go past their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        require(0 <= count <= len(self.data) - self.place, "it is cut short, or a length in it is wrong")
        self.place += count
        return self.data[self.place - count : self.place]

    def value(self, depth: int) -> Any:
        """Any value, by its marker."""
        require(depth <= MAX_DEPTH, "it is nested too deeply")
        marker = self.take(1)
        if marker in NUMBERS:
            return self.array(marker, 1)[0].item()
        require(marker in VALUES, f"it holds {marker!r} where a value begins")
        return VALUES[marker](self, depth)

    def array(self, marker: bytes, count: int) -> np.ndarray:
        """Numbers of one kind, side by side."""
        kind = np.dtype(NUMBERS[marker])
        return np.frombuffer(self.take(count * kind.itemsize), dtype=kind)

    def length(self) -> int:
        """Marker and number of a length."""
        require(self.take(1) == b"L", "a length in it is not of 64 bits")
        (count,) = struct.unpack(">q", self.take(8))
        require(0 <= count <= len(self.data), "a length in it is larger than the file")
        return count

    def text(self) -> str:
        """Text after its length."""
        try:
            return self.take(self.length()).decode("utf-8")
        except UnicodeDecodeError:
            raise UnsafeFileError("it holds text that is not UTF-8") from None

    def list(self, depth: int) -> Any:
        """An array with its kind and length, or a list with its length."""
        marker = None
        if self.data[self.place : self.place + 1] == b"$":
            self.take(1)
            marker = self.take(1)
            require(marker in NUMBERS, f"it holds an array of {marker!r}")
        require(self.take(1) == b"#", "a list in it has no length")
        count = self.length()
        return self.array(marker, count) if marker else [self.value(depth + 1) for _ in range(count)]

    def members(self, depth: int) -> dict[str, Any]:
        """Keys and values up to the closing bracket."""
        found: dict[str, Any] = {}
        while self.data[self.place : self.place + 1] != b"}":
            key = self.text()
            require(key not in found, "a key stands twice in one of its objects")
            found[key] = self.value(depth + 1)
        self.take(1)
        return found


VALUES: dict[bytes, Callable[[_Reader, int], Any]] = {
    b"{": _Reader.members,
    b"[": _Reader.list,
    b"S": lambda reader, depth: reader.text(),
    b"T": lambda reader, depth: True,
    b"F": lambda reader, depth: False,
}
