"""Members of an ensemble by their own readers: their trees in the columns and outputs of the whole."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.response import resolve_response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable
from agnostic_ig.kernels.tree_nodes import MISSING_LEFT

__all__ = ["in_columns", "in_outputs", "is_sum_of_trees", "read_member", "tables_of"]


def read_member(member: Any, name: str) -> TreeEngine:
    """Engine of a member's response `name`, if that is a plain sum of trees of numbers."""
    kind = type(member).__name__
    if not hasattr(member, name):
        raise Unsupported(f"{kind} has no {name}")
    engine = read_model(member, resolve_response("the ensemble", member, name))
    if not is_sum_of_trees(engine):
        raise Unsupported(f"{name} of {kind} is no sum of trees that split on numbers")
    return engine


def is_sum_of_trees(engine: Any) -> bool:
    """Whether an engine is a plain sum of trees of numbers, whose tables can stand beside others."""
    return isinstance(engine, TreeEngine) and engine.link == "identity" and engine.encoding is None and not engine.shift


def tables_of(engine: TreeEngine) -> list[TreeTable]:
    """The tables that were joined, for engines without categories."""
    trees = engine.trees
    ends = [*trees.root[1:].tolist(), len(trees.nodes)]
    return [
        _table(trees.nodes[root:end], root, trees.value[root:end], output)
        for root, end, output in zip(trees.root.tolist(), ends, trees.output.tolist(), strict=True)
    ]


def _table(nodes: np.ndarray, root: int, value: np.ndarray, output: int) -> TreeTable:
    left, right = nodes["left"] - root, nodes["right"] - root
    missing_left = nodes["flags"] & MISSING_LEFT != 0
    return TreeTable(nodes["feature"], nodes["threshold"], left, right, missing_left, value, output)


def in_columns(tables: Sequence[TreeTable], columns: Any, n_columns: int) -> list[TreeTable]:
    """Tables of a member, splitting on columns of the whole; `columns` (n_member,) are the places of its own."""
    columns = np.asarray(columns)
    highest = max(int(table.feature.max()) for table in tables)
    if highest >= len(columns) or (columns < 0).any() or (columns >= n_columns).any():
        raise Unsupported("a member splits on a column that the whole has not")
    place = np.append(columns, -1)  # a leaf's -1 stays what it is
    return [replace(table, feature=place[table.feature]) for table in tables]


def in_outputs(tables: Sequence[TreeTable], outputs: Any, width: int) -> list[TreeTable]:
    """Tables whose leaves hold some outputs, with all `width` of them; the others get 0."""
    value = [np.zeros((len(table.feature), width)) for table in tables]
    for table, wide in zip(tables, value, strict=True):
        wide[:, outputs] = table.value
    return [replace(table, value=wide) for table, wide in zip(tables, value, strict=True)]
