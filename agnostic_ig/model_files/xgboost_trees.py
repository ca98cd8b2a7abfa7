"""Trees of XGBoost: every node reached once, every split on a feature and categories that exist."""

from typing import Any

import numpy as np

from agnostic_ig.model_files.documents import check_keys, finite, whole, whole_number
from agnostic_ig.model_files.requirement import require

__all__ = ["check_leaves", "check_tree"]

LEAF = -1
NO_PARENT = (-1, 2**31 - 1)
MAX_NODES = 1 << 30
# XGBoost takes larger categories for missing, and makes a bit for each smaller one.
MAX_CATEGORY = 1 << 24
# Up to this share of leaves that differ from their weights are damage, more are the way in which it was trained.
FEW = 0.25

BY_NODE = ("default_left", "left_children", "parents", "right_children", "split_indices", "split_type")
CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
OTHERS = ("base_weights", "id", "split_conditions", "tree_param")
STATISTICS = ("loss_changes", "sum_hessian")


def check_tree(tree: Any, index: int, n_features: int, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Refuse a tree that prediction would not come through; returns values of its leaves and their weights."""
    check_keys(tree, f"tree {index}", (*BY_NODE, *CATEGORIES, *OTHERS), (*STATISTICS, "leaf_weights"))
    whole_number(tree["id"], f"the id of tree {index}", index, index)
    n_nodes, n_deleted = _check_param(tree["tree_param"], n_features, 1 if "leaf_weights" not in tree else n_outputs)
    nodes = {key: whole(tree[key], key, n_nodes) for key in BY_NODE}
    for key in STATISTICS:
        finite(tree.get(key, np.zeros(n_nodes)), key, n_nodes)
    is_live = _check_paths(nodes, n_deleted)
    is_leaf = nodes["left_children"] == LEAF
    inner = ~is_leaf
    features, kinds = nodes["split_indices"][inner], nodes["split_type"]
    known = (features >= 0) & (features < n_features)
    require(known.all(), f"a node splits on a feature that is none of the {n_features}")
    require(np.isin(nodes["default_left"], (0, 1)).all(), "default_left is neither 0 nor 1")
    _check_categories(tree, kinds, inner)
    conditions = _conditions(tree, kinds, n_nodes)
    if "leaf_weights" in tree:
        return _check_leaf_vectors(tree, nodes["right_children"][is_leaf], n_nodes, n_outputs)
    require((nodes["right_children"][is_leaf] == LEAF).all(), "a node has one child only")
    weights = finite(tree["base_weights"], "base_weights", n_nodes)
    return conditions[is_live & is_leaf], weights[is_live & is_leaf]


def _check_param(param: Any, n_features: int, n_values: int) -> tuple[int, int]:
    check_keys(param, "tree_param", ("num_deleted", "num_feature", "num_nodes", "size_leaf_vector"))
    n_nodes = whole_number(param["num_nodes"], "num_nodes", 1, MAX_NODES)
    is_old = n_values == 1 and param["size_leaf_vector"] not in ("0", "1")
    require(not is_old, "XGBoost before 3.1 wrote its leaves of several values: load it with XGBoost and save it again")
    whole_number(param["num_feature"], "num_feature of a tree", n_features, n_features)
    whole_number(param["size_leaf_vector"], "size_leaf_vector", min(n_values, 1) if n_values > 1 else 0, n_values)
    return n_nodes, whole_number(param["num_deleted"], "num_deleted", 0, n_nodes - 1)


def _check_paths(nodes: dict[str, np.ndarray], n_deleted: int) -> np.ndarray:
    """Walk down from the root, level by level; returns which nodes are reached. Deleted ones are not."""
    left, right, parents = nodes["left_children"], nodes["right_children"], nodes["parents"]
    require(parents[0] in NO_PARENT, "the root of a tree has a parent")
    inside = (left >= LEAF) & (left < left.size) & (right >= LEAF) & (right < left.size)
    require(inside.all(), "a node points outside of its tree")
    visits = np.zeros(left.size, dtype=np.int64)
    level = np.zeros(1, dtype=np.int64)
    while level.size:
        visits += np.bincount(level, minlength=left.size)
        require((visits <= 1).all(), "a node of a tree is reached twice")
        inner = level[left[level] != LEAF]
        level = np.concatenate([left[inner], right[inner]])
        require((level > 0).all(), "a node has one child only, or the root for a child")
        require(np.array_equal(parents[level], np.tile(inner, 2)), "a node names another parent than its own")
    require(left.size - visits.sum() == n_deleted, "nodes of a tree are reached from nowhere")
    require((left[visits == 0] == LEAF).all(), "a deleted node has children")
    return visits == 1


def _conditions(tree: dict[str, Any], kinds: np.ndarray, n_nodes: int) -> np.ndarray:
    """Thresholds and values of leaves; splits by category had NaN before XGBoost 3."""
    conditions = tree["split_conditions"]
    if isinstance(conditions, list | np.ndarray) and len(conditions) == n_nodes:
        conditions = [0.0 if kind else condition for kind, condition in zip(kinds, conditions, strict=True)]
    return finite(conditions, "split_conditions", n_nodes)


def _check_categories(tree: dict[str, Any], kinds: np.ndarray, inner: np.ndarray) -> None:
    """Splits by category have one list each, all of them side by side."""
    lists = {key: whole(tree[key], key) for key in CATEGORIES}
    require(np.isin(kinds, (0, 1)).all(), "split_type is neither 0 nor 1")
    require(np.array_equal(np.flatnonzero(kinds), lists["categories_nodes"]), "categories are those of other nodes")
    require(inner[lists["categories_nodes"]].all(), "a leaf has categories")
    sizes, starts = lists["categories_sizes"], lists["categories_segments"]
    require(sizes.size == starts.size == lists["categories_nodes"].size, "categories of some nodes are missing")
    require((sizes > 0).all(), "a node has no categories")
    require(np.array_equal(starts, np.cumsum(sizes) - sizes), "categories of a node begin at a wrong place")
    values = lists["categories"]
    require(values.size == sizes.sum(), "there are more or fewer categories than the nodes have")
    require(((values >= 0) & (values < MAX_CATEGORY)).all(), "a category is none")
    firsts = np.isin(np.arange(1, values.size), starts)
    require((firsts | (np.diff(values) > 0)).all(), "categories of a node are not in their order")


def _check_leaf_vectors(
    tree: dict[str, Any], leaves: np.ndarray, n_nodes: int, n_outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    """The right child of a leaf is its row among the values."""
    require(np.array_equal(np.sort(leaves), np.arange(leaves.size)), "leaves have other values than their own")
    finite(tree["leaf_weights"], "leaf_weights", leaves.size * n_outputs)
    finite(tree["base_weights"], "base_weights", n_nodes * n_outputs)
    return np.empty(0), np.empty(0)


def check_leaves(trees: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """Refuse a tree where few leaves have another value than the rest of them say.

    A leaf is written twice, as its value and as its weight. Most ways of training make both the same; the others
    make them differ in nearly all leaves of a tree.
    """
    for values, weights in trees:
        strange = int(np.count_nonzero(values != weights))
        is_rule = strange > FEW * values.size
        require(strange == 0 or is_rule, f"{strange} of the {values.size} leaves of a tree contradict their weights")
