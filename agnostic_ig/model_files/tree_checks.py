"""Nodes of trees: compiled code follows their numbers without looking, so they are checked first."""

from typing import Any

import numpy as np

from agnostic_ig.model_files.requirement import require

__all__ = ["check_tree", "check_tree_predictor"]

LEAF = -1
BITSET_WORDS = 8  # 256 categories in words of 32 bits


def check_tree(tree: Any) -> None:
    """Nodes of ``sklearn.tree._tree.Tree``."""
    require(1 <= tree.node_count <= tree.capacity, f"a tree says that it has {tree.node_count} nodes")
    left, right = tree.children_left, tree.children_right
    is_leaf = left == LEAF
    require(np.array_equal(is_leaf, right == LEAF), "a node of a tree has one child only")
    depth = _check_children(left[~is_leaf], right[~is_leaf], np.flatnonzero(~is_leaf), tree.node_count)
    # decision_path writes one entry for each level it was told of.
    require(depth <= tree.max_depth <= tree.node_count, f"a tree of depth {depth} says {tree.max_depth}")
    _check_features(tree.feature[~is_leaf], tree.n_features)
    _check_thresholds(tree.threshold[~is_leaf])
    require(tree.value.size > 0, "a tree has no values")
    require(np.isfinite(tree.value).all(), "a tree has a value that is not finite")


def check_tree_predictor(predictor: Any) -> None:
    """Nodes of HistGradientBoosting's ``TreePredictor``; its features are checked with its model."""
    nodes = predictor.nodes
    require(nodes.ndim == 1 and nodes.size > 0, "a tree has no nodes")
    require(np.isin(nodes["is_leaf"], (0, 1)).all(), "a node of a tree is neither a leaf nor a split")
    inner = nodes[nodes["is_leaf"] == 0]
    parents = np.flatnonzero(nodes["is_leaf"] == 0)
    left, right = inner["left"].astype(np.int64), inner["right"].astype(np.int64)
    _check_children(left, right, parents, nodes.size)
    _check_thresholds(inner["num_threshold"])
    require(np.isfinite(nodes["value"]).all(), "a tree has a value that is not finite")
    _check_bitsets(predictor, inner[inner["is_categorical"] != 0]["bitset_idx"])


def _check_bitsets(predictor: Any, rows: np.ndarray) -> None:
    """Every categorical split owns a row of 256 bits."""
    for bitsets in (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets):
        is_table = isinstance(bitsets, np.ndarray) and bitsets.ndim == 2 and bitsets.dtype == np.uint32
        require(is_table and bitsets.shape[1] == BITSET_WORDS, "categories of a tree have the wrong shape")
        require((rows < len(bitsets)).all(), "a node of a tree points at categories that do not exist")


def _check_children(left: np.ndarray, right: np.ndarray, parents: np.ndarray, n_nodes: int) -> int:
    """Children follow their parent, and every node but the root has one parent; returns the depth."""
    children = np.concatenate([left, right])
    after_parent = children > np.concatenate([parents, parents])
    require((after_parent & (children < n_nodes)).all(), "a node of a tree points outside of it or backwards")
    n_parents = np.bincount(children, minlength=n_nodes)
    require((n_parents[1:] == 1).all(), "a node of a tree does not have exactly one parent")
    return _depth(left, right, parents, n_nodes)


def _depth(left: np.ndarray, right: np.ndarray, parents: np.ndarray, n_nodes: int) -> int:
    """Levels below the root, walked one at a time."""
    children = np.full((n_nodes, 2), LEAF)
    children[parents] = np.column_stack([left, right])
    depth, level = 0, children[0]
    while (level := level[level != LEAF]).size:
        depth, level = depth + 1, children[level].ravel()
    return depth


def _check_features(features: np.ndarray, n_features: int) -> None:
    known = (features >= 0) & (features < n_features)
    require(known.all(), f"a node of a tree splits on a feature that is none of the {n_features}")


def _check_thresholds(thresholds: np.ndarray) -> None:
    # +inf is what scikit-learn writes for "everything but missing"; nothing writes -inf or NaN.
    require((thresholds > -np.inf).all(), "a node of a tree has a threshold that is not a number")
