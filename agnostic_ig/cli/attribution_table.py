"""Attributions as the rows of an output file."""

from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.frames_tables import make_frame
from agnostic_ig.results import Explanation

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["attribution_table", "output_columns"]


def output_columns(features: list[str], n_reasons: int, is_single: bool) -> list[str]:
    """Names of the columns that follow the carried ones."""
    reasons = [f"reason_{rank}" for rank in range(1, n_reasons + 1)]
    values = [f"attribution:{name}" for name in features]
    return [*([] if is_single else ["output"]), "prediction", "base_value", "convergence_delta", *values, *reasons]


def attribution_table(
    explanation: Explanation,
    carried: "DataFrame",
    n_reasons: int,
    towards: str = "up",
    phrases: dict[str, str] | None = None,
) -> "DataFrame":
    """One row per case, or per case and output where there are several outputs.

    Parameters
    ----------
    explanation : Explanation
    carried : DataFrame
        Columns to keep, with the rows of the explanation.
    n_reasons : int
        Columns ``reason_1`` and so on; 0: none.
    towards, phrases
        As for ``Explanation.reason_codes``.

    Returns
    -------
    DataFrame
        The carried columns, ``output`` if there are several, ``prediction``, ``base_value``,
        ``convergence_delta``, ``attribution:<feature>`` each, reasons in words.
    """
    values = explanation.values
    is_many = values.ndim == 3
    parts = [explanation[..., k] for k in range(values.shape[2])] if is_many else [explanation]
    outputs = {"output": _interleaved([np.full(len(values), name) for name in explanation.output_names])}
    columns = (outputs if is_many else {}) | _merged([_columns(part, n_reasons, towards, phrases) for part in parts])
    rows = np.repeat(np.arange(len(values)), len(parts))
    return carried.iloc[rows].reset_index(drop=True).join(make_frame(columns, np.arange(len(rows))))


def _merged(parts: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {name: _interleaved([part[name] for part in parts]) for name in parts[0]}


def _interleaved(parts: list[np.ndarray]) -> np.ndarray:
    """Outputs of a case follow each other."""
    return np.stack(parts, axis=1).ravel()


def _columns(
    explanation: Explanation, n_reasons: int, towards: str, phrases: dict[str, str] | None
) -> dict[str, np.ndarray]:
    """Columns of one output."""
    numbers = {
        "prediction": explanation.predictions,
        "base_value": explanation.base_values,
        "convergence_delta": explanation.convergence_delta,
    }
    values = {f"attribution:{name}": explanation.values[:, j] for j, name in enumerate(explanation.feature_names)}
    return numbers | values | _reasons(explanation, n_reasons, towards, phrases)


def _reasons(
    explanation: Explanation, n_reasons: int, towards: str, phrases: dict[str, str] | None
) -> dict[str, np.ndarray]:
    """Reasons in words by rank; None where a row has fewer."""
    if n_reasons == 0:
        return {}
    codes = explanation.reason_codes(n_reasons, towards=towards, phrases=phrases)
    table = np.full((len(codes), n_reasons), None, dtype=object)
    for row, reasons in enumerate(codes):
        table[row, : len(reasons)] = [reason.text for reason in reasons]
    return {f"reason_{rank + 1}": table[:, rank] for rank in range(n_reasons)}
