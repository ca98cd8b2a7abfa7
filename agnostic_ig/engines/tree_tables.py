"""Trees as a reader gives them, one table a tree, and joined as the kernels take them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from agnostic_ig.engines.response import Scales
from agnostic_ig.kernels.tree_nodes import CATEGORICAL, LISTED_RIGHT, MISSING_LEFT, NODE, Trees
from agnostic_ig.numerics.decimals import decimal_unit, snap

__all__ = ["Listed", "TreeTable", "decimal_units", "join_trees", "place_in_units"]


class Listed(NamedTuple):
    """Categories listed by a node: codes >= 0, and whether they go left; all other codes go the other way."""

    codes: np.ndarray
    left: bool = True


@dataclass(frozen=True)
class TreeTable:
    """Nodes of one tree: arrays (n_nodes,), children -1 at leaves; value (n_nodes, width) for outputs from `output`.

    categories holds, by node, the list of every node that splits on categories; its threshold does not count.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    output: int = 0
    categories: Mapping[int, Listed] = field(default_factory=dict)


def join_trees(tables: list[TreeTable], *, routing: type, strict: bool = False) -> Trees:
    """All trees in one set of arrays, with the places of thresholds on the path."""
    offsets = np.cumsum([0, *(len(t.feature) for t in tables)])[:-1]
    nodes = np.zeros(sum(len(t.feature) for t in tables), dtype=NODE)
    for name in ("feature", "threshold"):
        nodes[name] = np.concatenate([getattr(t, name) for t in tables])
    nodes["flags"] = MISSING_LEFT * np.concatenate([t.missing_left for t in tables])
    for side in ("left", "right"):
        nodes[side] = np.concatenate([getattr(t, side) + o for t, o in zip(tables, offsets, strict=True)])
    listed = {o + node: one for t, o in zip(tables, offsets, strict=True) for node, one in t.categories.items()}
    sets = _list_categories(nodes, listed)
    nodes["place"] = _places(nodes, routing)
    if strict:
        numeric = (nodes["feature"] >= 0) & (nodes["flags"] & CATEGORICAL == 0)
        nodes["threshold"][numeric] = _one_step_lower(nodes["threshold"][numeric], routing)
    return Trees(
        nodes,
        np.concatenate([np.atleast_2d(t.value) for t in tables]).astype(np.float64),
        offsets.astype(np.int64),
        np.array([t.output for t in tables], dtype=np.int64),
        max(_depth(t) for t in tables),
        strict,
        sets,
    )


def _one_step_lower(threshold: np.ndarray, routing: type) -> np.ndarray:
    """The largest number of the routing dtype that is below: ``x < t`` is ``x <= that``."""
    near = threshold.astype(routing)
    return np.where(near < threshold, near, np.nextafter(near, routing(-np.inf))).astype(np.float64)


def _list_categories(nodes: np.ndarray, listed: Mapping[int, Listed]) -> np.ndarray:
    """Mark categorical nodes, and return one row of bits for each of them."""
    highest = max((int(np.max(one.codes, initial=0)) for one in listed.values()), default=0)
    sets = np.zeros((max(1, len(listed)), highest // 32 + 1), dtype=np.uint32)
    for row, (node, one) in enumerate(listed.items()):
        codes = np.asarray(one.codes, dtype=np.uint32)
        np.bitwise_or.at(sets[row], codes >> 5, np.uint32(1) << (codes & 31))
        nodes["threshold"][node] = row
        nodes["flags"][node] |= CATEGORICAL | (0 if one.left else LISTED_RIGHT)
    return sets


def _depth(table: TreeTable) -> int:
    """Longest path, level by level."""
    level, depth = np.array([0]), 0
    while True:
        inner = level[table.feature[level] >= 0]
        if inner.size == 0:
            return depth
        level, depth = np.concatenate([table.left[inner], table.right[inner]]), depth + 1


def _places(nodes: np.ndarray, routing: type) -> np.ndarray:
    """Thresholds with the rounding of a float32 family undone where a column is decimal."""
    feature, threshold = nodes["feature"], nodes["threshold"]
    units = decimal_units(nodes, routing)[feature]
    units[feature < 0] = 0.0
    return np.where(units > 0, snap(threshold, np.where(units > 0, units, 1.0)), threshold)


def place_in_units(trees: Trees, scales: Scales, routing: type) -> tuple[Trees, np.ndarray]:
    """Trees whose thresholds have places in the user's units where these are decimal, and the grids (0.0: none)."""
    nodes = trees.nodes.copy()
    inner = nodes["feature"] >= 0
    feature = nodes["feature"][inner]
    nodes["threshold"][inner] = (nodes["place"][inner] - scales.offset[feature]) / scales.slope[feature]
    units = decimal_units(nodes, routing)
    unscaled = (scales.slope == 1.0) & (scales.offset == 0.0)
    units[unscaled[: len(units)]] = 0.0
    of_node = np.where(inner, units[nodes["feature"]], 0.0)
    snapped = snap(nodes["threshold"], np.where(of_node > 0.0, of_node, 1.0))
    nodes["place"] = np.where(of_node > 0.0, snapped, nodes["place"])
    nodes["threshold"] = trees.nodes["threshold"]
    return trees._replace(nodes=nodes), units


def decimal_units(nodes: np.ndarray, routing: type) -> np.ndarray:
    """Decimal grid of every column (0.0: none) as its thresholds show it; families that route in float64 need none."""
    n_features = int(nodes["feature"].max(initial=0)) + 1
    if routing is np.float64:
        return np.zeros(n_features)
    numeric = nodes[nodes["flags"] & CATEGORICAL == 0]
    feature, threshold = numeric["feature"], numeric["threshold"]
    order = np.argsort(feature, kind="stable")
    ends = np.searchsorted(feature[order], np.arange(n_features + 1))
    thresholds = threshold[order]
    return np.array([decimal_unit(thresholds[i:j]) for i, j in pairwise(ends)])
