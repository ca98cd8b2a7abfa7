"""LightGBM's text: as many numbers as its counts say, nodes that form a tree, and what it tells twice told alike."""

import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.lightgbm_text import ModelText
from agnostic_ig.model_files.number_text import seventeen_digits
from agnostic_ig.model_files.requirement import require

__all__ = ["check_lightgbm"]

VERSIONS = ("v3", "v4")
MAX_FEATURES, MAX_OUTPUTS, MAX_LEAVES = 1 << 22, 1 << 16, 1 << 24
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
# Bits of decision_type.
CATEGORICAL, MISSING_SHIFT = 1, 2
N_MISSING_TYPES = 3
# Counts of rows may have been estimated when a tree was grown on several machines.
SLACK_ROWS, SLACK_SHARE = 2, 0.01


def check_lightgbm(text: ModelText) -> None:
    """Everything that LightGBM will take for granted."""
    version = text.header["version"]
    require(
        version in VERSIONS,
        f"its format is {version[:10]!r} and not v3 or v4: load it with LightGBM and save it again",
    )
    n_features = _check_header(text)
    trees = [_check_tree(tree, n_features) for tree in text.trees]
    _check_importances(text, trees)


def _check_header(text: ModelText) -> int:
    """Features, names and outputs agree; returns the number of features."""
    header = text.header
    n_features = _one(header["max_feature_idx"], "max_feature_idx", 0, MAX_FEATURES - 1) + 1
    for key in ("feature_names", "feature_infos", "monotone_constraints"):
        entries = header[key].split(" ") if key in header else [""] * n_features
        require(len(entries) == n_features, f"{key} has {len(entries)} entries for {n_features} features")
    n_classes = _one(header["num_class"], "num_class", 1, MAX_OUTPUTS)
    _one(header["num_tree_per_iteration"], "num_tree_per_iteration", n_classes, n_classes)
    _one(header["label_index"], "label_index", 0, MAX_FEATURES)
    require(len(text.trees) % n_classes == 0, f"{len(text.trees)} trees are no whole rounds of {n_classes}")
    _check_objective(header.get("objective", ""), header | text.parameters)
    return n_features


def _check_objective(objective: str, told: dict[str, str]) -> None:
    """What follows the name of the objective stands among the parameters too."""
    for option in objective.split(" ")[1:]:
        key, _, value = option.partition(":")
        if key in told:
            is_same = _number(value) == _number(told[key])
            require(is_same, f"its objective has {key} {value}, its parameters {told[key][:30]}")


def _check_tree(tree: dict[str, str], n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Refuse a tree that prediction would not come through; returns features and gains of its splits."""
    n_leaves = _one(tree["num_leaves"], "num_leaves", 1, MAX_LEAVES)
    n_inner = n_leaves - 1
    features = _whole(tree, "split_feature", n_inner, 0, n_features - 1)
    left, right = (_whole(tree, key, n_inner, -n_leaves, n_inner - 1) for key in ("left_child", "right_child"))
    _check_children(left, right, n_leaves)
    thresholds = _exact(tree, "threshold", n_inner, read=_threshold)
    _check_decisions(tree, thresholds, n_inner)
    _exact(tree, "leaf_value", n_leaves)
    _exact(tree, "leaf_weight", n_leaves if n_inner else None)
    for key in ("internal_value", "internal_weight"):
        _rough(tree, key, n_inner)
    _rough(tree, "shrinkage", 1)
    _check_counts(tree, left, right, n_leaves)
    _check_linear(tree, n_leaves, n_features)
    return features, _rough(tree, "split_gain", n_inner)


def _check_children(left: np.ndarray, right: np.ndarray, n_leaves: int) -> None:
    """Splits come after their parent, and every split and every leaf (written as ~leaf) has one parent."""
    children = np.concatenate([left, right])
    n_inner = n_leaves - 1
    parents = np.tile(np.arange(n_inner), 2)
    is_split = children >= 0
    require((children[is_split] > parents[is_split]).all(), "a node of a tree points backwards")
    if n_inner:
        splits, leaves = np.sort(children[is_split]), np.sort(~children[~is_split])
        is_tree = np.array_equal(splits, np.arange(1, n_inner)) and np.array_equal(leaves, np.arange(n_leaves))
        require(is_tree, "a node of a tree does not have exactly one parent")


def _check_decisions(tree: dict[str, str], thresholds: np.ndarray, n_inner: int) -> None:
    """Splits by category number their lists of bits, one after the other."""
    kinds = _whole(tree, "decision_type", n_inner, 0, (N_MISSING_TYPES << MISSING_SHIFT) - 1)
    n_lists = _one(tree["num_cat"], "num_cat", 0, MAX_LEAVES)
    numbers = thresholds[(kinds & CATEGORICAL) != 0]
    require(np.array_equal(numbers, np.arange(n_lists)), "splits by category do not name their lists in order")
    if n_lists == 0:
        require("cat_boundaries" not in tree and "cat_threshold" not in tree, "it has categories that no split uses")
        return
    starts = _whole(tree, "cat_boundaries", n_lists + 1, 0, 1 << 31)
    require(starts[0] == 0 and (np.diff(starts) > 0).all(), "lists of categories begin at wrong places")
    _whole(tree, "cat_threshold", int(starts[-1]), 0, (1 << 32) - 1)


def _check_counts(tree: dict[str, str], left: np.ndarray, right: np.ndarray, n_leaves: int) -> None:
    """Rows of a split are those of its children."""
    leaves = _whole(tree, "leaf_count", n_leaves, 0, 1 << 40)
    splits = _whole(tree, "internal_count", n_leaves - 1, 0, 1 << 40)
    below = np.concatenate([splits, leaves[::-1]])  # a leaf is written as its place from the end, from -1 on
    difference = np.abs(splits - below[left] - below[right])
    require((difference <= SLACK_ROWS + SLACK_SHARE * splits).all(), "a split has other rows than its children")


def _check_linear(tree: dict[str, str], n_leaves: int, n_features: int) -> None:
    """Linear models in the leaves."""
    if _one(tree.get("is_linear", "0"), "is_linear", 0, 1) == 0:
        return
    for key in ("leaf_const", "num_features", "leaf_features", "leaf_coeff"):
        require(key in tree, f"a tree with linear leaves lacks {key}")
    _exact(tree, "leaf_const", n_leaves)
    total = int(_whole(tree, "num_features", n_leaves, 0, n_features).sum())
    _whole(tree, "leaf_features", total, 0, n_features - 1)
    _exact(tree, "leaf_coeff", total)


def _check_importances(text: ModelText, trees: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """How often a feature is split on is told again after the trees, unless gains are, or other trees counted."""
    names = text.header["feature_names"].split(" ")
    told = {name: _one(number, "an importance", 0, 1 << 62) for name, number in text.importances.items()}
    features = [feature for features, gains in trees for feature in features[gains > 0].tolist()]
    if sum(told.values()) == len(features):
        counted = Counter(names[feature] for feature in features)
        require(told == counted, "its trees split on other features than its importances say")


# --- numbers


def _one(token: str, what: str, low: int, high: int) -> int:
    require(WHOLE.fullmatch(token) and low <= int(token) <= high, f"{what} is not a whole number from {low} to {high}")
    return int(token)


def _tokens(tree: dict[str, str], key: str, length: int | None) -> list[str]:
    tokens = tree[key].split()
    require(length is None or len(tokens) == length, f"{key} has {len(tokens)} entries instead of {length}")
    return tokens


def _whole(tree: dict[str, str], key: str, length: int, low: int, high: int) -> np.ndarray:
    """Whole numbers between two bounds, without a digit or sign that LightGBM would not write."""
    tokens = _tokens(tree, key, length)
    require(all(map(WHOLE.fullmatch, tokens)), f"{key} holds something else than whole numbers")
    numbers = np.array([int(token) for token in tokens], dtype=np.int64)
    require(((numbers >= low) & (numbers <= high)).all(), f"{key} holds a number that is not from {low} to {high}")
    return numbers


def _exact(
    tree: dict[str, str], key: str, length: int | None, read: Callable[[str], float] = seventeen_digits
) -> np.ndarray:
    """Numbers in seventeen digits."""
    return np.array([read(token) for token in _tokens(tree, key, length)], dtype=np.float64)


def _threshold(token: str) -> float:
    """Infinite where a split is between missing values and all others."""
    return np.inf if token == "inf" else seventeen_digits(token)


def _rough(tree: dict[str, str], key: str, length: int) -> np.ndarray:
    """Numbers in fewer digits, which no prediction depends on."""
    tokens = _tokens(tree, key, length)
    return np.array([_number(token) for token in tokens], dtype=np.float64)


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        raise UnsafeFileError(f"it holds {token[:30]!r} where a number belongs") from None
