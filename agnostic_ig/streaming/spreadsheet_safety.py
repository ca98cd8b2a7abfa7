"""Text that a spreadsheet would run as a formula, made harmless before it is written to CSV.

See OWASP, "CSV Injection": a cell that begins with one of these characters may be evaluated on opening.
"""

import re
from typing import Any

from agnostic_ig.streaming.source import Frame

__all__ = ["neutralised", "neutralised_cell", "text_columns"]

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")
# Text that is a plain number, such as an amount that was read as text, is no formula.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def text_columns(frame: Frame) -> list[str]:
    """Columns that may hold text."""
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

    harmless = (is_numeric_dtype, is_datetime64_any_dtype)
    return [name for name in frame.columns if not any(test(frame[name].dtype) for test in harmless)]


def neutralised(frame: Frame) -> Frame:
    """The same frame with an apostrophe before every text that could be a formula; numbers stay."""
    return frame.assign(**{name: frame[name].astype(object).map(neutralised_cell) for name in text_columns(frame)})


def neutralised_cell(value: Any) -> Any:
    """One cell; only text changes."""
    if isinstance(value, str) and value.startswith(FORMULA_BEGINNINGS) and not NUMBER.fullmatch(value):
        return "'" + value
    return value
