"""Numbers as text, with just the digits that a library writes.

A number of 32 or 64 bits is written with the digits that it takes to read it back. Most other strings of as many
digits are not what any number would be written as, which shows that a digit was changed.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import numpy as np

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.requirement import require

__all__ = ["MAX_DIGITS", "double", "seventeen_digits", "single"]

MAX_DIGITS = 40  # of a token; none that a library writes is half as long
DIGITS = 17
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
LARGEST_SINGLE = float(np.finfo(np.float32).max)


def single(token: str) -> float:
    """A number of 32 bits in the fewest digits that tell it from its neighbours (XGBoost)."""
    return _read(token, _write_single)


def double(token: str) -> float:
    """A number of 64 bits in the nearest seventeen digits, ties either way, or in the fewest (CatBoost)."""
    exact = Decimal(_plain(token))
    half = Decimal(5).scaleb(exact.adjusted() - DIGITS) if exact else 0
    is_near = abs(Decimal(token) - exact) <= half
    return float(exact) if is_near else _read(token, repr)


def seventeen_digits(token: str) -> float:
    """A number of 64 bits as ``%.17g`` writes it, to the letter (LightGBM)."""
    value = _plain(token)
    require(f"{value:.17g}" == token, _changed(token))
    return value


def _write_single(value: float) -> str:
    return str(np.float32(value)) if abs(value) <= LARGEST_SINGLE else "inf"


def _read(token: str, write: Callable[[float], str]) -> float:
    """The number, if writing it gives these digits, in whatever notation."""
    value = _plain(token)
    try:
        is_same = Decimal(token) == Decimal(write(value))
    except InvalidOperation:
        is_same = False
    require(is_same, _changed(token))
    return value


def _plain(token: str) -> float:
    require(len(token) <= MAX_DIGITS, f"it holds a number of {len(token)} digits")
    try:
        value = float(token)
    except ValueError:
        raise UnsafeFileError(f"it holds {token!r} where a number belongs") from None
    require(abs(value) < np.inf, f"it holds {token}, which is not finite")
    # Python takes 1_0 and digits of any script for numbers as well.
    require(NUMBER.fullmatch(token), f"it holds {token!r} where a number belongs")
    return value


def _changed(token: str) -> str:
    return f"it holds the number {token}, which no number of this format is written as; a digit was changed"
