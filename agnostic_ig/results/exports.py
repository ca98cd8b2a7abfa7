"""Explanations for other libraries: a pandas DataFrame, a shap.Explanation."""

import copy
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.frames_tables import make_frame
from agnostic_ig.results.feature_values import feature_reader, is_missing
from agnostic_ig.validation import import_optional

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["to_frame", "to_shap"]

_ROW_COLUMNS = {
    "base_value": "base_values",
    "prediction": "predictions",
    "convergence_delta": "convergence_delta",
}


def to_frame(explanation: "Explanation") -> Any:
    """One row per sample (and output); see `Explanation.to_frame`."""
    values = explanation._full("values")
    n_samples, n_features, n_outputs = values.shape
    # (n, p, K) -> (n·K, p): the outputs of a sample follow each other.
    flat = values.transpose(0, 2, 1).reshape(n_samples * n_outputs, n_features)
    columns = {_column_label(name): flat[:, j] for j, name in enumerate(explanation.feature_names)}
    for label, field in _ROW_COLUMNS.items():
        if getattr(explanation, field) is not None:
            columns[label] = explanation._full(field).ravel()
    labels = explanation._labels()
    if "output" not in explanation._axes:
        return make_frame(columns, labels, like=explanation._data)
    outputs = np.tile(np.array(explanation.output_names, dtype=object), n_samples)
    return make_frame(columns, np.repeat(labels, n_outputs), second=("output", outputs))


def _column_label(feature: str) -> str:
    """A feature named like one of our columns gets the prefix that output files use."""
    return f"attribution:{feature}" if feature in _ROW_COLUMNS else feature


def to_shap(explanation: "Explanation") -> Any:
    """The same numbers as a shap.Explanation; see `Explanation.to_shap`."""
    shap = import_optional("shap", extra="test", purpose="to_shap")
    columns = [] if explanation._data is None else _shap_columns(explanation)
    data = np.column_stack(columns) if columns else None
    if data is not None and "sample" not in explanation._axes:
        data = data[0]
    if data is not None and "feature" not in explanation._axes:
        data = data[..., 0]
    return shap.Explanation(
        values=np.array(explanation.values),
        base_values=copy.copy(explanation.base_values),
        data=data,
        feature_names=list(explanation.feature_names),
        output_names=list(explanation.output_names) if "output" in explanation._axes else None,
    )


def _shap_columns(explanation: "Explanation") -> list[np.ndarray]:
    """Data per feature: all numbers or all objects; NaN for features without a single value."""
    n_samples = len(explanation._labels())
    found = map(feature_reader(explanation), range(len(explanation.feature_names)))
    columns = [np.full(n_samples, np.nan) if column is None else column for column in found]
    if all(_is_numeric(column) for column in columns):
        return [_as_numbers(column) for column in columns]
    return [column.astype(object) for column in columns]


def _is_numeric(column: np.ndarray) -> bool:
    """Numbers and missing values only; text that looks like a number is text."""
    if column.dtype.kind != "O":
        return column.dtype.kind in "biuf"
    return all(isinstance(one, numbers.Real) or is_missing(one) for one in column)


def _as_numbers(column: np.ndarray) -> np.ndarray:
    """float64, missing values as NaN."""
    if column.dtype.kind != "O":
        return column.astype(np.float64)
    return np.array([np.nan if is_missing(one) else float(one) for one in column])
