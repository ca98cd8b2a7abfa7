"""JSON as the boosting libraries write it, and what is asked of its parts.

Whatever a library would read in its own way (a key twice, NaN, numbers with more digits than it writes) is refused:
what was checked here must be what is loaded there.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.number_text import MAX_DIGITS
from agnostic_ig.model_files.requirement import one_line, require

__all__ = ["check_brackets", "check_keys", "finite", "parse_json", "part", "whole", "whole_number"]

WHOLE = re.compile(r"-?[0-9]+")
# A list or an object takes twenty times the memory of its two brackets; models hold a few in a hundred bytes.
FREE_BRACKETS, BYTES_PER_BRACKET = 10_000, 8


def parse_json(data: bytes, number: Callable[[str], float], allow_nan: bool = False) -> Any:
    """The document; `number` turns what is not a whole number into a float, or refuses it."""
    constant = _nan if allow_nan else _no_constant
    check_brackets(data)
    try:
        text = data.decode("utf-8")
        return json.loads(
            text, parse_float=number, parse_int=_integer, parse_constant=constant, object_pairs_hook=_unique
        )
    except UnsafeFileError:
        raise
    except RecursionError:
        raise UnsafeFileError("it is nested too deeply") from None
    except ValueError as error:
        raise UnsafeFileError(f"it is not whole JSON text ({one_line(error)})") from error


def check_brackets(data: bytes) -> None:
    """Refuse what would take far more memory than its size."""
    brackets = data.count(b"[") + data.count(b"{")
    require(brackets <= FREE_BRACKETS + len(data) / BYTES_PER_BRACKET, "it holds little but brackets")


def _integer(token: str) -> int:
    # Python takes quadratic time for the digits of whole numbers, and libraries hold 64 bits.
    require(len(token) <= MAX_DIGITS, f"it holds a whole number of {len(token)} digits")
    return int(token)


def _no_constant(token: str) -> float:
    raise UnsafeFileError(f"it holds {token}, which is no number")


def _nan(token: str) -> float:
    require(token == "NaN", f"it holds {token}, which is no number")
    return np.nan


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    require(len(members) == len(pairs), "a key stands twice in one of its objects")
    return members


def check_keys(members: Any, what: str, needed: Iterable[str], allowed: Iterable[str] = ()) -> None:
    """An object has all keys that are needed, and none that nobody knows."""
    require(isinstance(members, dict), f"{what} is not an object")
    missing, unknown = set(needed) - set(members), set(members) - set(needed) - set(allowed)
    require(not missing, f"{what} lacks {', '.join(sorted(missing))}")
    require(not unknown, f"{what} holds {_shown(unknown)}, which nothing reads")


def _shown(names: Iterable[str]) -> str:
    """Few names, and little of each."""
    return ", ".join(repr(name)[:30] for name in sorted(names)[:3])


def part(members: Any, key: str, kind: type, what: str) -> Any:
    """One member of an object, of the kind it must have."""
    require(isinstance(members, dict) and isinstance(members.get(key), kind), f"{what} has no proper {key}")
    return members[key]


def whole(values: Any, what: str, length: int | None = None) -> np.ndarray:
    """An array of whole numbers of 64 bits."""
    array = _array(values, what, length)
    require(array.dtype.kind in "iu" or not array.size, f"{what} holds something else than whole numbers")
    return array.astype(np.int64)


def finite(values: Any, what: str, length: int | None = None) -> np.ndarray:
    """An array of finite numbers."""
    array = _array(values, what, length)
    require(array.dtype.kind in "iuf" or not array.size, f"{what} holds something else than numbers")
    array = array.astype(np.float64)
    require(np.isfinite(array).all(), f"{what} holds a number that is not finite")
    return array


def _array(values: Any, what: str, length: int | None) -> np.ndarray:
    require(isinstance(values, list | np.ndarray), f"{what} is not a list")
    require(length is None or len(values) == length, f"{what} has {len(values)} entries instead of {length}")
    # numpy would turn true and false among numbers into 1 and 0.
    require(isinstance(values, np.ndarray) or bool not in set(map(type, values)), f"{what} holds true or false")
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError):  # lists of several lengths
        array = np.empty((), dtype=object)
    require(array.ndim == 1, f"{what} is not a plain list of numbers")
    return array


def whole_number(value: Any, what: str, low: int, high: int) -> int:
    """A whole number between two bounds, perhaps written as text, as XGBoost does."""
    if isinstance(value, str) and len(value) <= MAX_DIGITS and WHOLE.fullmatch(value):
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    require(is_whole and low <= value <= high, f"{what} is not a whole number from {low} to {high}")
    return value
