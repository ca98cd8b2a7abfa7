"""Signed sums of attributions over groups of features."""

from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.results.slicing import find_name
from agnostic_ig.validation import invalid

if TYPE_CHECKING:
    from agnostic_ig.results.explanation import Explanation

__all__ = ["group_features", "plan_groups", "require_signed"]


def group_features(explanation: "Explanation", groups: Any) -> "Explanation":
    """Replace the members of every group by their sum, at the place of the first member."""
    require_signed(explanation, "group", "Group first, then take absolute values: e.group(...).abs")
    if "feature" not in explanation._axes:
        raise InvalidInputError("Explanation.group needs the feature axis, which this explanation has lost.")
    plan = plan_groups("Explanation.group", explanation.feature_names, groups)
    place = explanation._axes.index("feature")
    columns = explanation._data_columns
    return explanation._derive(
        **{
            name: _sum_members(getattr(explanation, name), [members for _, members in plan], place)
            for name in ("values", "error_estimate", "std_error")
        },
        feature_names=[name for name, _ in plan],
        _data_columns=[tuple(c for member in members for c in columns[member]) for _, members in plan],
    )


def require_signed(explanation: "Explanation", method: str, hint: str) -> None:
    """Absolute values and extremes are no contributions: sums of them overstate."""
    if not explanation._additive:
        raise InvalidInputError(
            f"Explanation.{method} needs signed attributions, not absolute values or extremes. {hint}."
        )


def plan_groups(owner: str, names: list[str], groups: Any) -> list[tuple[str, list[int]]]:
    """(name, members) of every column of the result, in order."""
    members = _check_groups(owner, names, groups)
    group_of = {feature: group for group, features in members.items() for feature in features}
    plan: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        label = group_of.get(position, name)
        if position not in group_of and label in members:
            hint = "Give the group another name, or put that column into it."
            raise invalid(owner, "groups", "names that no other column has", label, hint)
        plan[label] = members.get(label, [position])
    return list(plan.items())


def _check_groups(owner: str, names: list[str], groups: Any) -> dict[str, list[int]]:
    """Group name -> positions of its members; no column in two groups."""
    if not isinstance(groups, dict) or not all(isinstance(name, str) for name in groups):
        raise invalid(owner, "groups", 'a dict like {"name": [columns]}', groups)
    found: dict[str, list[int]] = {}
    for name, columns in groups.items():
        if isinstance(columns, str) or not hasattr(columns, "__iter__") or not len(list(columns)):
            raise invalid(owner, "groups", f"a list of columns for {name!r}", columns)
        found[name] = [_position(owner, names, column) for column in columns]
    everyone = [member for members in found.values() for member in members]
    if len(set(everyone)) != len(everyone):
        twice = next(names[member] for member in everyone if everyone.count(member) > 1)
        raise invalid(owner, "groups", "disjoint", twice, "This column stands in it twice.")
    return found


def _position(owner: str, names: list[str], column: Any) -> int:
    """A column by name or position."""
    if isinstance(column, int | np.integer) and not isinstance(column, bool):
        if not -len(names) <= column < len(names):
            raise invalid(owner, "groups", f"made of columns below {len(names)}", column)
        return int(column) % len(names)
    return find_name("feature", str(column), names)


def _sum_members(array: np.ndarray | None, members: list[list[int]], place: int) -> np.ndarray | None:
    """Sums over the members of each group along one axis."""
    if array is None:
        return None
    return np.stack([np.take(array, one, axis=place).sum(axis=place) for one in members], axis=place)
