"""Setting rows beside rows: cohorts and contrasts."""

from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.results.grouping import require_signed
from agnostic_ig.validation import invalid

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["contrast_rows", "split_cohorts"]


def split_cohorts(explanation: "Explanation", labels: Any) -> dict[Any, "Explanation"]:
    """Label -> explanation of its rows, labels in order of first appearance."""
    _require_rows(explanation, "cohorts")
    listed = _check_labels(labels, len(explanation))
    rows: dict[Any, list[int]] = {}
    for row, label in enumerate(listed):
        rows.setdefault(label, []).append(row)
    return {label: explanation[np.array(members)] for label, members in rows.items()}


def contrast_rows(explanation: "Explanation", a: Any, b: Any) -> "Explanation":
    """Row a minus row b, an explanation of prediction a with prediction b as its base value."""
    _require_rows(explanation, "contrast")
    require_signed(explanation, "contrast", "Contrast first, then take absolute values")
    left, right = (_one_row(explanation, name, row) for name, row in (("a", a), ("b", b)))
    labels = f"row {left.index} minus row {right.index}"
    return left._derive(
        values=left.values - right.values,
        base_values=None if left.base_values is None else right.predictions,
        convergence_delta=_gap(left, right),
        error_estimate=_added(left.error_estimate, right.error_estimate),
        std_error=_added(left.std_error, right.std_error),
        n_evaluations=_added(left.n_evaluations, right.n_evaluations),
        smoothed_predictions=None,
        description={**left.description, "contrast": labels},
    )


def _require_rows(explanation: "Explanation", method: str) -> None:
    if "sample" not in explanation._axes:
        raise InvalidInputError(f"Explanation.{method} needs several rows; this explanation has no row axis.")


def _check_labels(labels: Any, n_samples: int) -> list[Any]:
    """One label per row as Python values; missing ones raise, because nobody asked to drop rows."""
    if isinstance(labels, str) or not hasattr(labels, "__iter__"):
        raise invalid("Explanation.cohorts", "labels", f"an array of {n_samples} labels", labels)
    listed = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if len(listed) != n_samples:
        hint = f"It has {len(listed)} entries."
        raise invalid("Explanation.cohorts", "labels", f"an array of {n_samples} labels", labels, hint)
    for row, label in enumerate(listed):
        if label is None or type(label).__name__ == "NAType" or label != label:
            hint = f"Fill the missing label of row {row}, or leave the row out first."
            raise invalid("Explanation.cohorts", "labels", "free of missing values", label, hint)
    return listed


def _one_row(explanation: "Explanation", name: str, row: Any) -> "Explanation":
    """A row by position."""
    n_samples = len(explanation)
    is_position = isinstance(row, int | np.integer) and not isinstance(row, bool)
    if not is_position or not -n_samples <= row < n_samples:
        raise invalid("Explanation.contrast", name, f"the position of a row, below {n_samples}", row)
    return explanation[int(row)]


def _gap(left: "Explanation", right: "Explanation") -> Any:
    """Σ(values a - values b) - (prediction a - prediction b), from what both rows know of themselves."""
    if left.convergence_delta is None or left.base_values is None:
        return None
    return (left.convergence_delta - right.convergence_delta) - (left.base_values - right.base_values)


def _added(left: Any, right: Any) -> Any:
    """Errors of a difference are at most the sum of the errors."""
    return None if left is None else left + right
