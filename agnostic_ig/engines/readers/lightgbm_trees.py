"""Reader of LightGBM: float64 trees with bitsets of categories, read from the model's own text.

The text holds flat arrays with 17 digits, so every number comes back exactly and deep trees need no recursion.
treelite reads the same text, but does not know that zero may be taken as missing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import Listed, TreeTable, join_trees

__all__ = ["read"]

ROUTING = np.float64
LINKS = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "multiclassova": "sigmoid",
    "multiclass": "softmax",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
}
WITHOUT_LINK = {
    "cross_entropy_lambda": "its prediction is log(1 + exp(margin))",
    "regression sqrt": "its prediction is the square of the margin (reg_sqrt=True)",
}
IS_CATEGORICAL, DEFAULT_LEFT, ZERO_IS_MISSING, NAN_IS_MISSING = 1, 2, 4, 8  # bits of a decision_type
ZERO = float(np.float32(1e-35))  # LightGBM's own width of zero

Fields = Mapping[str, str]


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the iterations that the model predicts with, on the margin or through the objective's link."""
    booster = getattr(model, "booster_", model)
    header, *trees = [
        _fields(part) for part in booster.model_to_string().partition("\nend of trees")[0].split("\nTree=")
    ]
    if any(tree.get("is_linear", "0") != "0" for tree in trees):
        raise Unsupported("its leaves are linear functions (linear_tree=True)")
    link, weight = _link(header.get("objective", ""), response)
    n_margins = int(header["num_tree_per_iteration"])
    if "average_output" in header and response.name != "decision_function":  # raw scores of forests are sums
        weight /= len(trees) // n_margins
    joined = join_trees([_table(t, weight, i % n_margins) for i, t in enumerate(trees)], routing=ROUTING)
    return TreeEngine(
        joined, np.zeros(n_margins), link, ROUTING, type(model).__name__,
        two_sided=n_margins == 1 and response.name == "predict_proba",
        encoding=_encoding(trees, booster.pandas_categorical or []),
    )  # fmt: skip


def _fields(part: str) -> Fields:
    """The lines ``name=value`` of one part of the text."""
    return {name: value for name, _, value in (line.partition("=") for line in part.splitlines())}


def _link(objective: str, response: Response) -> tuple[str, float]:
    """Link of an objective such as "binary sigmoid:2", and what margins are multiplied with before it."""
    if response.name == "decision_function":
        return "identity", 1.0
    if response.name == "predict" and response.kind == "classifier":
        raise Unsupported("predict of a classifier is a step function of its margins")
    name, *options = objective.split(" ")
    reason = WITHOUT_LINK.get(name) or WITHOUT_LINK.get(objective)
    if reason is not None:
        raise Unsupported(f"{reason}, which has no link here")
    scales = [float(option.removeprefix("sigmoid:")) for option in options if option.startswith("sigmoid:")]
    return LINKS.get(name, "identity"), *(scales or [1.0])


def _table(tree: Fields, weight: float, output: int) -> TreeTable:
    """Inner nodes first, leaves behind them: a child c < 0 is the leaf -c - 1."""
    value = weight * _numbers(tree, "leaf_value")
    decision, n_inner = _numbers(tree, "decision_type", np.int64), len(value) - 1
    threshold = _numbers(tree, "threshold")
    # NaN is read as 0 where nothing is missing by nature, and is in no set of categories.
    default_left = np.where(decision & (ZERO_IS_MISSING | NAN_IS_MISSING), decision & DEFAULT_LEFT, threshold >= 0)
    missing_left = (default_left != 0) & (decision & IS_CATEGORICAL == 0)
    left, right = (_numbers(tree, side, np.int64) for side in ("left_child", "right_child"))

    def with_leaves(inner: np.ndarray, leaf: Any) -> np.ndarray:
        return np.concatenate([inner, np.full(len(value), leaf)])

    return TreeTable(
        with_leaves(_numbers(tree, "split_feature", np.int64), -1),
        with_leaves(threshold, 0.0),
        *(with_leaves(np.where(child < 0, n_inner - 1 - child, child), -1) for child in (left, right)),
        with_leaves(missing_left, False),
        np.concatenate([np.zeros(n_inner), value])[:, None],
        output,
        _categories(tree, np.flatnonzero(decision & IS_CATEGORICAL), threshold),
    )


def _numbers(tree: Fields, name: str, dtype: type = np.float64) -> np.ndarray:
    return np.array(tree.get(name, "").split(), dtype=dtype)


def _categories(tree: Fields, nodes: np.ndarray, threshold: np.ndarray) -> dict[int, Listed]:
    """Codes that go left; the threshold of a categorical node says which of the tree's bitsets is its own."""
    bounds, words = (_numbers(tree, f"cat_{name}", np.int64) for name in ("boundaries", "threshold"))
    bits = (words[:, None] >> np.arange(32)) & 1
    sets = {int(node): int(threshold[node]) for node in nodes}
    return {node: Listed(np.flatnonzero(bits[bounds[k] : bounds[k + 1]])) for node, k in sets.items()}


def _encoding(trees: list[Fields], pandas_categorical: list[list]) -> Callable[[Any], Callable]:
    """Rows as the trees split on them."""
    feature, decision = (
        np.concatenate([_numbers(t, name, np.int64) for t in trees]) for name in ("split_feature", "decision_type")
    )
    is_number = decision & IS_CATEGORICAL == 0
    categorical = np.unique(feature[~is_number])
    zeros, nans = (np.unique(feature[is_number & (decision & bit != 0)]) for bit in (ZERO_IS_MISSING, NAN_IS_MISSING))
    if np.intersect1d(zeros, nans).size:
        raise Unsupported("some of its trees take zero as missing where others take NaN as missing")
    return lambda codec: partial(_encode, _codes(codec, pandas_categorical), categorical, zeros)


def _encode(codes: Mapping[int, np.ndarray], whole: np.ndarray, zeros: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """LightGBM's codes of categories, cut to integers; what it takes for zero as 0, or as NaN where that is missing."""
    rows = rows.copy()
    for j, code in codes.items():
        present = ~np.isnan(rows[:, j])
        rows[present, j] = code[rows[present, j].astype(np.int64)]
    rows[:, whole] = np.trunc(rows[:, whole])
    rows[np.abs(rows) <= ZERO] = 0.0
    rows[:, zeros] = np.where(rows[:, zeros] == 0.0, np.nan, rows[:, zeros])
    return rows


def _codes(codec: Any, pandas_categorical: list[list]) -> dict[int, np.ndarray]:
    """For every column of categories the model's code of each level, NaN for levels that training had not."""
    columns = [j for j, column in enumerate(codec.columns) if column.kind == "levels"]
    known = [{level: float(code) for code, level in enumerate(levels)} for levels in pandas_categorical]
    return {
        j: np.array([codes.get(level, np.nan) for level in codec.columns[j].levels])
        for j, codes in zip(columns, known, strict=False)
    }
