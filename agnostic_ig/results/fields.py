"""The fields of an explanation: which axes each has, and the checks they pass on entry."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames import column_names, container_of, matrix_shape, row_labels

__all__ = [
    "AXES",
    "FIELD_AXES",
    "axes_of_field",
    "check_description",
    "check_fields",
    "check_names",
    "check_shapes",
]

AXES = ("sample", "feature", "output")

# Slicing, aggregation and storage all follow this table; a new field is one row here.
FIELD_AXES: dict[str, tuple[str, ...]] = {
    "values": ("sample", "feature", "output"),
    "base_values": ("sample", "output"),
    "predictions": ("sample", "output"),
    "smoothed_predictions": ("sample", "output"),
    "convergence_delta": ("sample", "output"),
    "error_estimate": ("sample", "feature", "output"),
    "std_error": ("sample", "feature", "output"),
    "n_evaluations": ("sample",),
    "index": ("sample",),
}

_NUMBERS = (
    *("base_values", "predictions", "smoothed_predictions"),
    *("convergence_delta", "error_estimate", "std_error"),
)
# numpy's booleans and integers become Python's, which JSON knows.
_FACTS = {"engine": str, "exact": bool, "method": str, "response_method": str, "n_shared_evaluations": int}


def axes_of_field(name: str, axes: Sequence[str]) -> tuple[str, ...]:
    """Axes of one field of an explanation that has these axes."""
    return tuple(axis for axis in FIELD_AXES[name] if axis in axes)


def check_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Clean fields of a full explanation from the constructor's arguments."""
    values = _as_float("values", given["values"])
    if values.ndim not in (2, 3):
        raise InvalidInputError(
            "'values' of Explanation must have shape (n_samples, n_features) or "
            f"(n_samples, n_features, n_outputs). Got shape {values.shape} instead."
        )
    fields = dict(given, values=values, data=_check_data(given["data"], len(values)))
    for name in _NUMBERS:
        fields[name] = _as_float(name, given[name])
    for name, kind in _FACTS.items():
        fields[name] = kind(given[name])
    fields["n_evaluations"] = None if given["n_evaluations"] is None else np.asarray(given["n_evaluations"])
    fields["index"] = _check_index(given["index"], fields["data"], len(values))
    fields["feature_names"] = check_names("feature_names", given["feature_names"])
    fields["output_names"] = check_names("output_names", given["output_names"])
    fields["description"] = check_description(given["description"])
    fields["data_columns"] = _check_data_columns(given["data_columns"], fields["data"], fields["feature_names"])
    axes = AXES[: values.ndim]
    check_shapes(fields, axes)
    return fields


def check_shapes(fields: dict[str, Any], axes: Sequence[str]) -> None:
    """Every field has the sizes that ``values`` and the names say."""
    sizes = dict(zip(axes, np.shape(fields["values"]), strict=True))
    for name in FIELD_AXES:
        its_axes = axes_of_field(name, axes)
        expected = tuple(sizes[axis] for axis in its_axes)
        field = fields[name]
        # The label of a single row may be a tuple, which has no shape of its own.
        shape = field.shape if isinstance(field, np.ndarray) else ()
        if field is not None and shape != expected:
            raise InvalidInputError(
                f"'{name}' of Explanation must have shape {expected}, one entry per "
                f"{' and '.join(its_axes)}, because 'values' has shape {np.shape(fields['values'])}. "
                f"Got shape {shape} instead."
            )
    for name, axis in (("feature_names", "feature"), ("output_names", "output")):
        if len(fields[name]) != sizes.get(axis, 1):
            raise InvalidInputError(
                f"'{name}' of Explanation must hold {sizes.get(axis, 1)} names, one per {axis}. "
                f"Got {len(fields[name])} instead."
            )


def _as_float(name: str, given: Any) -> np.ndarray | None:
    """A float64 array, not copied where it is one already."""
    if given is None and name != "values":
        return None
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"'{name}' of Explanation must be an array of numbers: {error}") from error


def _check_data(data: Any, n_samples: int) -> Any:
    """The user's table, untouched; lists become arrays."""
    if data is None:
        return None
    if container_of(data) == "array":
        data = np.asarray(data)
    shape = matrix_shape(data)
    if len(shape) != 2 or shape[0] != n_samples:
        raise InvalidInputError(
            f"'data' of Explanation must be a table of {n_samples} rows. Got shape {tuple(shape)} instead."
        )
    return data


def _check_index(index: Any, data: Any, n_samples: int) -> np.ndarray:
    """Row labels as a 1-D array; tuples, the labels of a MultiIndex, stay whole."""
    if index is None:
        return np.arange(n_samples) if data is None else row_labels(data)
    labels = np.asarray(index)
    if labels.ndim == 1:
        return labels
    whole = np.empty(len(index), dtype=object)
    whole[:] = [tuple(label) for label in index]
    return whole


def check_names(name: str, given: Any) -> list[str]:
    """Distinct strings: a name stands for one column or output in ``explanation[:, name]``."""
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise InvalidInputError(f"'{name}' of Explanation must be a list of names. Got {given!r} instead.")
    names = [str(one) for one in given]
    if len(set(names)) != len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise InvalidInputError(f"'{name}' of Explanation must be distinct. {twice!r} stands there twice.")
    return names


def check_description(given: Any) -> dict[str, str]:
    """Free facts, text to text, so that they can be stored as JSON."""
    facts = {} if given is None else given
    if not isinstance(facts, dict) or not all(isinstance(one, str) for item in facts.items() for one in item):
        raise InvalidInputError(f"'description' of Explanation must be a dict of str to str. Got {given!r} instead.")
    return dict(facts)


def _check_data_columns(given: Any, data: Any, feature_names: list[str]) -> list[tuple[int, ...]]:
    """Per feature the positions of the columns of data it stands for."""
    columns = _match_columns(data, feature_names) if given is None else given
    columns = [tuple(int(position) for position in positions) for positions in columns]
    width = 0 if data is None else matrix_shape(data)[1]
    inside = all(0 <= position < width for positions in columns for position in positions)
    if len(columns) != len(feature_names) or not inside:
        raise InvalidInputError(
            f"'data_columns' of Explanation must hold {len(feature_names)} lists of column positions below "
            f"{width}, one list per feature. Got {given!r} instead."
        )
    return columns


def _match_columns(data: Any, feature_names: list[str]) -> list[tuple[int, ...]]:
    """By name where all are known, by place where the counts agree, else by the names that are known."""
    if data is None:
        return [()] * len(feature_names)
    places = {str(name): place for place, name in enumerate(column_names(data) or [])}
    known = [name in places for name in feature_names]
    if not all(known) and len(feature_names) == matrix_shape(data)[1]:
        return [(place,) for place in range(len(feature_names))]
    return [(places[name],) if name in places else () for name in feature_names]
