"""Which leaf of every tree an engine reaches, and rows that stand on and beside its thresholds."""

import copy
from typing import Any

import numpy as np

from agnostic_ig.engines import _build
from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.frames import Codec
from agnostic_ig.kernels.tree_nodes import CATEGORICAL


def engine_of(model: Any, X: Any, response_method: str = "auto") -> tuple[TreeEngine, BlackBox]:
    """The engine that the reader makes for a model, not verified, and the model asked as the package asks it."""
    response = resolve_response("test", model, response_method)
    black_box = BlackBox(response, Codec.from_tables([("X", X)]))
    return _build.read_model(model, response).with_black_box(black_box), black_box


def leaf_numbers(engine: TreeEngine, rows: np.ndarray) -> np.ndarray:
    """(n, n_trees): the leaf that a row reaches in each tree; leaves count from 0 in the order of the reader."""
    trees = engine.trees
    leaves = np.cumsum(trees.nodes["feature"] < 0) - 1
    tree_of = np.searchsorted(trees.root, np.arange(len(leaves)), side="right") - 1
    first = np.concatenate([[0], leaves[trees.root[1:] - 1] + 1])
    numbered = copy.copy(engine)
    numbered.trees = trees._replace(
        value=(leaves - first[tree_of])[:, None].astype(float), output=np.arange(len(trees.root))
    )
    numbered.start, numbered.link, numbered.shift = np.zeros(len(trees.root)), "identity", 0.0
    return numbered.predict(rows).astype(int)


def rows_at_thresholds(engine: TreeEngine, X: np.ndarray, dtype: type) -> np.ndarray:
    """Rows of X, and the same moved onto every threshold and one unit in the last place to both sides of it."""
    nodes = engine.trees.nodes
    numeric = (nodes["feature"] >= 0) & np.isfinite(nodes["threshold"]) & (nodes["flags"] & CATEGORICAL == 0)
    on = nodes["threshold"][numeric].astype(dtype)
    places = np.concatenate([on, np.nextafter(on, dtype(-np.inf)), np.nextafter(on, dtype(np.inf))])
    rows = X[np.random.default_rng(0).integers(len(X), size=len(places))].astype(dtype)
    rows[np.arange(len(places)), np.tile(nodes["feature"][numeric], 3)] = places
    return np.concatenate([X.astype(dtype), rows])
