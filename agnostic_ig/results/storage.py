"""Explanations as files: which field goes where, and what is wrong with a file that cannot be read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError, MissingDependencyError
from agnostic_ig.frames import column_names, container_of, matrix_shape
from agnostic_ig.frames_parts import build_table, split_table
from agnostic_ig.results.archive import read_archive, write_archive
from agnostic_ig.results.fields import AXES, FIELD_AXES, check_description, check_names, check_shapes

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["read_explanation", "save_explanation"]

_FORMAT = "agnostic-ig explanation"
_VERSION = 1
# Facts that JSON holds as they are, and the type each must have on the way back.
_FACTS: dict[str, type] = {
    "engine": str,
    "exact": bool,
    "method": str,
    "response_method": str,
    "n_shared_evaluations": int,
    "feature_names": list,
    "output_names": list,
    "description": dict,
    "_additive": bool,
}


def save_explanation(explanation: "Explanation", path: str | os.PathLike) -> None:
    """Write every field; see `Explanation.save`."""
    arrays = {
        name: _as_array(getattr(explanation, name)) for name in FIELD_AXES if getattr(explanation, name) is not None
    }
    layout = None
    if explanation._data is not None:
        layout, parts = split_table(explanation._data)
        arrays |= {f"data.{name}": part for name, part in parts.items()}
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "axes": list(explanation._axes),
        "facts": {name: getattr(explanation, name) for name in _FACTS},
        "data": layout,
        "data_columns": [list(columns) for columns in explanation._data_columns],
    }
    names = (explanation._data is not None and column_names(explanation._data)) or []
    words = {f"data.column{j}": f"Column {name!r} of the data" for j, name in enumerate(names)}
    write_archive(Path(path), manifest, arrays, words)


def read_explanation(path: str | os.PathLike) -> dict[str, Any]:
    """The state of a saved explanation; every way to be wrong becomes one error that names the file."""
    with open(path, "rb") as file:
        try:
            manifest, arrays = read_archive(file, _FORMAT, _VERSION)
            return _restore(manifest, arrays)
        except MissingDependencyError:
            raise
        except Exception as error:
            # zipfile, json, numpy, pandas, polars and scipy each have errors of their own for damaged input.
            reason = (str(error) or type(error).__name__).rstrip(".")
            raise InvalidInputError(
                f"{os.fspath(path)} is not an explanation saved by agnostic-ig, or is damaged: {reason}."
            ) from error


def _restore(manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Fields from arrays and facts, checked as the constructor checks them."""
    state = {name: _as_field(arrays.get(name)) for name in FIELD_AXES}
    for name, kind in _FACTS.items():
        state[name] = manifest["facts"][name]
        if type(state[name]) is not kind:
            raise InvalidInputError(f"{name!r} is not a {kind.__name__}")
    for name in ("feature_names", "output_names"):
        state[name] = check_names(name, state[name])
    check_description(state["description"])
    state["_axes"] = tuple(axis for axis in AXES if axis in manifest["axes"])
    _check_kinds(state)
    state["_data_columns"] = [tuple(columns) for columns in manifest["data_columns"]]
    parts = {name.removeprefix("data."): part for name, part in arrays.items() if name.startswith("data.")}
    state["_data"] = None if manifest["data"] is None else build_table(manifest["data"], parts)
    check_shapes(state, state["_axes"])
    _check_table(state)
    return state


def _check_kinds(state: dict[str, Any]) -> None:
    """Values are there with the axes they are said to have, and numbers are numbers."""
    if state["values"] is None or np.ndim(state["values"]) != len(state["_axes"]):
        raise InvalidInputError("its values do not have the axes they should")
    for name in FIELD_AXES:
        if name != "index" and state[name] is not None and state[name].dtype.kind not in "iuf":
            raise InvalidInputError(f"its {name} are not numbers")


def _check_table(state: dict[str, Any]) -> None:
    """As many rows as values, and columns where features look for them."""
    table = state["_data"]
    if table is None:
        return
    n_rows, n_columns = matrix_shape(table)
    expected = len(state["values"]) if "sample" in state["_axes"] else 1
    if n_rows != expected and not (container_of(table) == "polars" and n_columns == 0):
        raise InvalidInputError(f"its data have {n_rows} rows and {expected} are explained")
    positions = [position for columns in state["_data_columns"] for position in columns]
    if any(type(position) is not int or not 0 <= position < n_columns for position in positions):
        raise InvalidInputError("its features look for columns that its data do not have")


def _as_array(field: Any) -> np.ndarray:
    """Single numbers and labels of one-row explanations as arrays without axes."""
    if isinstance(field, np.ndarray | np.generic):
        return np.asarray(field)
    label = np.empty((), dtype=object)
    label[()] = field
    return label


def _as_field(array: np.ndarray | None) -> Any:
    """The inverse: an array without axes was a single number or label."""
    return array[()] if array is not None and array.ndim == 0 else array
