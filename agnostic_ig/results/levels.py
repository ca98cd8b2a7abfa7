"""Arrays of objects (text, None, dates …) as integer codes and a JSON-able list of levels, without pickle."""

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames_parts import scalar_from_text, scalar_to_text

__all__ = ["decode_objects", "encode_objects"]

# A level is (type word, parts). Types are told apart so that 1, 1.0 and True stay three levels.
_Level = tuple[str, Any]

_BY_TYPE: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    type(None): ("none", lambda value: "", lambda text: None),
    bool: ("bool", int, bool),
    int: ("int", str, int),
    float: ("float", float.hex, float.fromhex),
    str: ("str", str, str),
    bytes: ("bytes", bytes.hex, bytes.fromhex),
    decimal.Decimal: ("decimal", str, decimal.Decimal),
    datetime.datetime: ("datetime", datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: ("date", datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: ("time", datetime.time.isoformat, datetime.time.fromisoformat),
    datetime.timedelta: (
        "timedelta",
        lambda span: (span.days, span.seconds, span.microseconds),
        lambda parts: datetime.timedelta(*parts),
    ),
    tuple: ("tuple", lambda items: tuple(map(_encode, items)), lambda items: tuple(map(_decode, items))),
}
_BY_WORD = {word: decode for word, _, decode in _BY_TYPE.values()}


def encode_objects(array: np.ndarray, name: str) -> tuple[np.ndarray, list[_Level]]:
    """Codes of the array's shape and the levels they count; `name` is for the error message.

    Raises
    ------
    InvalidInputError
        An element is of a type that cannot be written down without pickle.
    """
    places: dict[_Level, int] = {}
    codes = np.empty(array.size, dtype=np.int64)
    for position, element in enumerate(array.ravel()):
        try:
            level = _encode(element)
        except TypeError as error:
            raise InvalidInputError(
                f"{name} holds {error}, which cannot be saved; turn it into text or numbers first."
            ) from error
        codes[position] = places.setdefault(level, len(places))
    return codes.reshape(array.shape), list(places)


def decode_objects(codes: np.ndarray, levels: list[Any]) -> np.ndarray:
    """The object array that was encoded."""
    if codes.dtype.kind != "i" or (codes.size and not 0 <= codes.min() <= codes.max() < len(levels)):
        raise InvalidInputError("codes do not match their levels")
    table = np.empty(len(levels), dtype=object)
    table[:] = [_decode(level) for level in levels]
    # take() would hand out the element itself for a single code.
    objects = np.empty(codes.shape, dtype=object)
    objects[...] = table[codes]
    return objects


def _encode(value: Any) -> _Level:
    """One element; types match exactly, because a subclass is not its base (a Timestamp is no datetime)."""
    if type(value) in _BY_TYPE:
        word, encode, _ = _BY_TYPE[type(value)]
        return word, encode(value)
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return "numpy", (value.dtype.str, value.tobytes().hex())
    if (parts := scalar_to_text(value)) is not None:
        return "pandas", parts
    raise TypeError(f"an element of type {type(value).__name__}")


def _decode(level: Any) -> Any:
    word, parts = level
    if word == "numpy":
        return _numpy_scalar(*parts)
    if word == "pandas":
        return scalar_from_text(*parts)
    return _BY_WORD[word](parts)


def _numpy_scalar(dtype: str, text: str) -> Any:
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise InvalidInputError("a numpy scalar cannot hold objects")
    return np.frombuffer(bytes.fromhex(text), dtype=kind, count=1)[0]
