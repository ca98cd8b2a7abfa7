"""What a reader is told before any figure: what was explained, by whom, how exactly and at what cost.

Works for every explanation, also for one row, one feature or an aggregate: those have lost an axis, and
``Explanation._full`` gives it back with size 1.
"""

import numpy as np

from agnostic_ig.report.wording import number, plural, scientific
from agnostic_ig.results import Explanation
from agnostic_ig.results.completeness import relative_convergence_delta

__all__ = ["mean_magnitude", "overview", "ranked", "value_noun"]

METHOD_NAMES = {"IntegratedGradients": "Integrated Gradients"}


def value_noun(explanation: Explanation) -> str:
    """What one value is called: without a base value (SmoothGrad) nothing adds up, so nothing contributes."""
    return "value" if explanation.base_values is None else "contribution"


def mean_magnitude(explanation: Explanation) -> np.ndarray:
    """Mean |value| of each feature over the rows and outputs that have a value; nan where none has."""
    magnitude = np.abs(explanation._full("values"))
    n_known = np.isfinite(magnitude).sum(axis=(0, 2))
    total = np.nansum(magnitude, axis=(0, 2))
    return np.divide(total, n_known, out=np.full(len(total), np.nan), where=n_known > 0)


def ranked(magnitude: np.ndarray) -> np.ndarray:
    """Features from the largest magnitude to the smallest, first come first where equal; nan is left out."""
    order = np.argsort(-magnitude, kind="stable")
    return order[np.isfinite(magnitude[order])]


def overview(explanation: Explanation) -> list[tuple[str, str]]:
    """Term and text, in reading order."""
    facts = {
        "Method": METHOD_NAMES.get(explanation.method, explanation.method),
        "Output explained": f"{explanation.response_method}: {', '.join(explanation.output_names)}",
        "Engine": f"{explanation.engine} ({'exact' if explanation.exact else 'approximate'})",
        "Rows explained": _rows(explanation),
        "Features": number(explanation._full("values").shape[1]),
        "Base value": _span(explanation.base_values),
        "Predictions": _span(explanation.predictions),
        "Cost": _cost(explanation),
        "Largest error estimate": None if explanation.exact else _largest(explanation.error_estimate),
        "Largest standard error": _largest(explanation.std_error),
        "Worst completeness gap": _worst_gap(explanation),
    }
    return [(term, text) for term, text in facts.items() if text is not None]


def _rows(explanation: Explanation) -> str:
    return "an aggregate" if explanation.index is None else number(len(explanation._labels()))


def _span(values: np.ndarray | None) -> str | None:
    """Smallest to largest, or the one value there is."""
    if values is None:
        return None
    known = np.asarray(values)[np.isfinite(values)]
    ends = dict.fromkeys(number(end) for end in (known.min(), known.max())) if known.size else ["none"]
    return " to ".join(ends)


def _cost(explanation: Explanation) -> str:
    """Rows that the model was asked to predict."""
    if explanation.n_evaluations is None:
        return "not recorded"
    per_row, shared = explanation._full("n_evaluations"), int(explanation.n_shared_evaluations)
    total = int(per_row.sum()) + shared
    if not total:
        return "no predictions asked of the model"
    parts = f"{number(per_row.sum() / max(len(per_row), 1))} per row explained, {shared:,} shared"
    return f"{plural(total, 'model row')}: {parts}"


def _largest(errors: np.ndarray | None) -> str | None:
    """The largest error of a single value, where one was estimated."""
    if errors is None or not np.isfinite(errors).any():
        return None
    return scientific(float(np.nanmax(errors)))


def _worst_gap(explanation: Explanation) -> str:
    """The row that misses its prediction by most, and the largest gap relative to a row's contributions."""
    if explanation.convergence_delta is None or not np.isfinite(explanation.convergence_delta).any():
        return "not claimed"
    delta = explanation._full("convergence_delta")
    worst = np.unravel_index(np.nanargmax(np.abs(delta)), delta.shape)
    relative = np.nanmax(relative_convergence_delta(explanation._full("values"), delta))
    case = f"{scientific(float(delta[worst]))} (case {explanation._labels()[worst[0]]})"
    return f"{case}; at most {scientific(float(relative))} of a case's contributions"
