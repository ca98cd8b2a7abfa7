"""Cutting explanations: ``e[3]``, ``e[2:5, ["a", "b"]]``, ``e[..., "fraud"]``."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames_tables import take_columns, take_rows
from agnostic_ig.results.fields import FIELD_AXES, axes_of_field
from agnostic_ig.validation import shorten

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["find_name", "select"]

Pick = int | slice | np.ndarray
_WHOLE = slice(None)


def select(explanation: "Explanation", key: Any) -> "Explanation":
    """The part of an explanation that `key` names; axes are cut one after another, as by ``numpy.ix_``."""
    axes = explanation._axes
    picks = _parse_key(explanation, key)
    changes: dict[str, Any] = {
        name: _cut(getattr(explanation, name), axes_of_field(name, axes), picks) for name in FIELD_AXES
    }
    changes["_axes"] = tuple(axis for axis in axes if not isinstance(picks.get(axis), int))
    changes["output_names"] = _listed(explanation.output_names, picks.get("output", _WHOLE))
    if "sample" in picks and explanation._data is not None:
        changes["_data"] = take_rows(explanation._data, _as_selection(picks["sample"]))
    if "feature" in picks:
        table = changes.get("_data", explanation._data)
        changes |= _cut_features(explanation, picks["feature"], table)
    return explanation._derive(**changes)


def find_name(kind: str, name: str, names: Sequence[str]) -> int:
    """Position of a feature or output; the error offers what the writer may have meant."""
    if name in names:
        return list(names).index(name)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names[:10])}."
    raise InvalidInputError(f"The explanation has no {kind} {name!r}. {hint}")


def _cut_features(explanation: "Explanation", pick: Pick, table: Any) -> dict[str, Any]:
    """Names and data of the chosen features; a part of the features need not add up to anything."""
    names = _listed(explanation.feature_names, pick)
    if len(set(names)) < len(names):
        raise IndexError(f"A feature can be chosen once only. Got {shorten(names)}.")
    chosen = _listed(explanation._data_columns, pick)
    positions = list(dict.fromkeys(position for columns in chosen for position in columns))
    return {
        "feature_names": names,
        "convergence_delta": None,
        "_data": None if table is None else take_columns(table, positions),
        "_data_columns": [tuple(positions.index(position) for position in columns) for columns in chosen],
    }


def _parse_key(explanation: "Explanation", key: Any) -> dict[str, Pick]:
    """What to take along each axis; axes that stay whole are left out."""
    axes, shape = explanation._axes, explanation.shape
    parts = _expand_ellipsis(list(key) if isinstance(key, tuple) else [key], axes)
    names = {"feature": explanation.feature_names, "output": explanation.output_names}
    picks = {
        axis: _as_pick(part, axis, size, names.get(axis)) for axis, size, part in zip(axes, shape, parts, strict=False)
    }
    return {axis: pick for axis, pick in picks.items() if not (isinstance(pick, slice) and pick == _WHOLE)}


def _expand_ellipsis(parts: list[Any], axes: Sequence[str]) -> list[Any]:
    """Whole axes in the place of ``...``, as many as are missing."""
    places = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1 or len(parts) - len(places) > len(axes):
        raise IndexError(f"Too many indices: this explanation has the axes {', '.join(axes) or '(none)'}.")
    if places:
        parts[places[0] : places[0] + 1] = [_WHOLE] * (len(axes) - len(parts) + 1)
    return parts


def _as_pick(part: Any, axis: str, size: int, names: list[str] | None) -> Pick:
    """One part of a key as an int (the axis goes), a slice or an array of positions."""
    if isinstance(part, slice):
        return part
    if isinstance(part, str):
        return _find(part, axis, names)
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        return _within(int(part), axis, size)
    array = _as_array(part, axis, names)
    if array.dtype == bool and array.shape == (size,):
        return np.flatnonzero(array)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise IndexError(
            f"The {axis} axis (size {size}) is cut by an integer, a slice, a list of integers"
            f"{'' if names is None else ' or names'} or a mask of {size} booleans. Got {shorten(part)}."
        )
    for one in array[(array < -size) | (array >= size)]:
        _within(int(one), axis, size)
    return array.astype(np.intp)


def _as_array(part: Any, axis: str, names: list[str] | None) -> np.ndarray:
    """A list, array or Series of positions, booleans or names; names become positions."""
    if not hasattr(part, "__iter__"):
        return np.empty((), dtype=object)
    entries = np.asarray(part)
    if entries.dtype.kind in "biu":
        return entries
    listed = [_find(one, axis, names) if isinstance(one, str) else one for one in part]
    return np.asarray(listed) if listed else np.empty(0, dtype=np.intp)


def _find(name: str, axis: str, names: list[str] | None) -> int:
    """Position of a name; rows have labels but are taken by position."""
    if names is None:
        raise IndexError(f"Rows are taken by position, not by name. For a column write explanation[:, {name!r}].")
    return find_name(axis, name, names)


def _within(position: int, axis: str, size: int) -> int:
    """A position from 0 on; IndexError outside, as iteration needs it."""
    if not -size <= position < size:
        raise IndexError(f"Position {position} is outside the {axis} axis, which has size {size}.")
    return position % size


def _cut(array: Any, its_axes: Sequence[str], picks: dict[str, Pick]) -> Any:
    """A copy of the chosen part of one field."""
    if array is None:
        return None
    for place in reversed(range(len(its_axes))):
        if its_axes[place] in picks:
            array = array[(_WHOLE,) * place + (picks[its_axes[place]],)]
    return array.copy() if isinstance(array, np.ndarray) else array


def _as_selection(pick: Pick) -> slice | np.ndarray:
    """A pick that keeps the axis: the data of one row stay a table inside."""
    return slice(pick, pick + 1) if isinstance(pick, int) else pick


def _listed(entries: Sequence[Any], pick: Pick) -> list[Any]:
    """The chosen entries of a list; one for an int."""
    if isinstance(pick, np.ndarray):
        return [entries[position] for position in pick]
    return list(entries[_as_selection(pick)])
