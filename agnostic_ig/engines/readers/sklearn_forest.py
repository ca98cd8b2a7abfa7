"""Reader of scikit-learn's single trees and averaged forests."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["cart_table", "read"]

# scikit-learn casts X to float32 and compares `float32(x) <= threshold`, the threshold in float64.
ROUTING = np.float32
EXPLAINED = {"classifier": "predict_proba", "regressor": "predict"}


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of a tree or of the average of its trees."""
    if response.name != EXPLAINED.get(response.kind):
        raise Unsupported(f"{response.name} of {type(model).__name__} is no average of leaf values")
    members = getattr(model, "estimators_", None) or [model]
    tables = [cart_table(tree.tree_, _leaf_values(tree) / len(members)) for tree in members]
    trees = join_trees(tables, routing=ROUTING)
    return TreeEngine(trees, np.zeros(trees.value.shape[1]), "identity", ROUTING, type(model).__name__)


def cart_table(tree: Any, value: np.ndarray, output: int = 0) -> TreeTable:
    """Our node table of one fitted ``tree_``; value is (n_nodes, width)."""
    missing_left = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count, dtype=bool))
    feature = np.where(tree.children_left < 0, -1, tree.feature)
    return TreeTable(
        feature, tree.threshold, tree.children_left, tree.children_right, missing_left.astype(bool), value, output
    )


def _leaf_values(model: Any) -> np.ndarray:
    """(n_nodes, width): class shares of every output side by side, or the means."""
    value = model.tree_.value  # (n_nodes, n_outputs, max_n_classes)
    if not hasattr(model, "classes_"):
        return value[:, :, 0]
    n_classes = np.atleast_1d(model.n_classes_)
    shares = [value[:, o, :n] / value[:, o, :n].sum(axis=1, keepdims=True) for o, n in enumerate(n_classes)]
    return np.hstack(shares)
