"""Numbers and names as the page prints them."""

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["decimals_for", "fixed", "number", "percent", "plural", "scientific", "shortened"]

MINUS = "−"


def number(value: Any) -> str:
    """A feature value, prediction or statistic with four significant digits; text stays text."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        return "missing" if value is None else str(value)
    value = float(value)
    if not math.isfinite(value):
        return "missing" if math.isnan(value) else str(value).replace("-", MINUS)
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", MINUS)
    if not 1e-4 <= abs(value) < 1e9:
        return scientific(value)
    return fixed(value, decimals_for([value]), sign="-").rstrip("0").rstrip(".")


def decimals_for(values: Iterable[float], digits: int = 4) -> int:
    """Decimals that give the largest of these values `digits` significant digits."""
    largest = max((abs(float(v)) for v in values if math.isfinite(v)), default=0.0)
    return min(max(digits - 1 - math.floor(math.log10(largest)), 0), 12) if largest else digits - 1


def fixed(value: float, decimals: int, sign: str = "+") -> str:
    """A contribution with a given number of decimals, so that a column of them lines up."""
    if not math.isfinite(value):
        return "no value"
    text = f"{value:{sign},.{decimals}f}"
    is_zero = not text.strip("+-0.")
    return text.strip("+-") if is_zero else text.replace("-", MINUS)


def scientific(value: float) -> str:
    """An error or a very small number; nan says that there is none."""
    if not value:
        return "0"
    return "not defined" if math.isnan(value) else f"{value:.2e}".replace("-", MINUS)


def percent(share: float) -> str:
    """A share in 0–1 as a percentage."""
    return f"{100 * share:.1f} %"


def plural(count: int, noun: str) -> str:
    """'1 row', '2,000 rows'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def shortened(name: Any, width: int) -> str:
    """One line of at most `width` characters; cut in the middle, because names often differ at their end."""
    text = " ".join(str(name).split())
    tail = (width - 1) // 3
    return text if len(text) <= width else f"{text[: width - 1 - tail]}…{text[-tail:]}"
