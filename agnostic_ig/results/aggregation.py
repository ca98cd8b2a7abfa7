"""Absolute values, means, sums and extremes of explanations."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.results.fields import FIELD_AXES, axes_of_field
from agnostic_ig.validation import invalid

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["absolute", "reduce"]

_OPERATIONS: dict[str, Callable] = {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min}
# Means and sums of attributions still explain the mean or sum of predictions; extremes explain nothing.
_ADDITIVE = ("mean", "sum")
_FOLLOW = ("base_values", "predictions", "smoothed_predictions")


def absolute(explanation: "Explanation") -> "Explanation":
    """|values|. Errors of |v| are at most those of v, so both kinds of error stay as bounds."""
    return explanation._derive(values=np.abs(explanation.values), convergence_delta=None, _additive=False)


def reduce(explanation: "Explanation", operation: str, axis: Any) -> "Explanation":
    """An aggregate along some axes; what no longer applies becomes None."""
    axes = explanation._axes
    dropped = tuple(axes[place] for place in _check_axis(operation, axis, len(axes)))
    changes: dict[str, Any] = {name: _reduce_field(explanation, name, operation, dropped) for name in FIELD_AXES}
    changes |= dict.fromkeys(("convergence_delta", "error_estimate", "std_error"))
    changes["_axes"] = tuple(one for one in axes if one not in dropped)
    changes["_additive"] = explanation._additive and operation in _ADDITIVE
    if "sample" in dropped:
        changes |= {"_data": None, "_data_columns": [()] * len(explanation.feature_names)}
    if "feature" in dropped:
        columns = changes.get("_data_columns", explanation._data_columns)
        changes |= {"feature_names": [operation], "_data_columns": [sum(columns, ())]}
    if "output" in dropped:
        changes["output_names"] = [operation]
    return explanation._derive(**changes)


def _check_axis(operation: str, axis: Any, n_axes: int) -> tuple[int, ...]:
    """Axes to drop as positions from 0 on, each once; None means all."""
    given = tuple(range(n_axes)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    known = all(isinstance(one, int | np.integer) and -n_axes <= one < n_axes for one in given)
    places = {one % n_axes for one in given} if known else set()
    if len(places) != len(given):
        must = f"None, an axis below {n_axes} or a tuple of such axes"
        raise invalid(f"Explanation.{operation}", "axis", must, axis)
    return tuple(sorted(places))


def _reduce_field(explanation: "Explanation", name: str, operation: str, dropped: tuple[str, ...]) -> Any:
    """One field after the aggregation: reduced, untouched where it has none of the axes, or None."""
    field = getattr(explanation, name)
    its_axes = axes_of_field(name, explanation._axes)
    places = tuple(place for place, axis in enumerate(its_axes) if axis in dropped)
    if field is None or not places:
        return field
    if name == "values" or (name in _FOLLOW and operation in _ADDITIVE):
        return _OPERATIONS[operation](field, axis=places)
    return None
