"""What stood in the data for each feature, and how people read it."""

import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.frames_tables import by_columns, column_values, is_missing

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = [
    "feature_reader",
    "feature_values",
    "format_contribution",
    "format_value",
    "has_value",
    "is_missing",
]


def feature_values(explanation: "Explanation", feature: int) -> np.ndarray | None:
    """Elements of one feature's column, shape (n_samples,) (1 for a single row).

    None where there is no single column: groups, merged players, aggregates over rows.
    """
    return feature_reader(explanation)(feature)


def has_value(explanation: "Explanation", feature: int) -> bool:
    """Whether one column of the data stands for this feature."""
    return explanation._data is not None and len(explanation._data_columns[feature]) == 1


def feature_reader(explanation: "Explanation") -> Callable[[int], np.ndarray | None]:
    """`feature_values` for many features: sparse data are turned to columns once, and dense one at a time."""
    table = None if explanation._data is None else by_columns(explanation._data)

    def read(feature: int) -> np.ndarray | None:
        if not has_value(explanation, feature):
            return None
        return column_values(table, explanation._data_columns[feature][0])

    return read


def format_value(value: Any) -> str:
    """A value of the data as people write it: 1250 rather than 1250.0, ``missing`` for NaN.

    Examples
    --------
    >>> format_value(1250.0), format_value(0.123456789), format_value(float("nan")), format_value("red")
    ('1250', '0.123457', 'missing', 'red')
    """
    if is_missing(value):
        return "missing"
    if not isinstance(value, numbers.Real) or isinstance(value, numbers.Integral):
        return str(value)
    number = float(value)
    if number.is_integer() and abs(number) < 1e15:
        return f"{number:.0f}"
    # Large amounts keep their cents; six digits are enough to tell small numbers apart.
    return f"{number:.2f}" if 1e4 <= abs(number) < 1e15 else f"{number:.6g}"


def format_contribution(contribution: float) -> str:
    """A contribution with its sign, two decimals or, below 0.1, two digits.

    Examples
    --------
    >>> format_contribution(0.3127), format_contribution(-0.00416), format_contribution(12.0)
    ('+0.31', '-0.0042', '+12.00')
    """
    return f"{contribution:+.2f}" if abs(contribution) >= 0.1 else f"{contribution:+.2g}"
