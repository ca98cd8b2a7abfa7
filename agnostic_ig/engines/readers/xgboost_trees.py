"""Reader of XGBoost: float32 trees of gbtree and dart, read from the model's own JSON.

treelite reads the same trees, but refuses models of columns of categories (XGBoost >= 3.1 stores their names).
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.readers.xgboost_codes import encoder, known_categories
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import Listed, TreeTable, join_trees

__all__ = ["read"]

# XGBoost casts X to float32 and goes left where `x < threshold`, a float32 too.
ROUTING = np.float32
# objective -> link from margins to predictions
LINKS = {
    **dict.fromkeys(("binary:logistic", "reg:logistic"), "sigmoid"),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), "softmax"),
    **dict.fromkeys(("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft"), "exp"),
    **dict.fromkeys(("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror"), "identity"),
    **dict.fromkeys(("reg:absoluteerror", "reg:quantileerror", "binary:logitraw"), "identity"),
    **dict.fromkeys(("rank:pairwise", "rank:ndcg", "rank:map"), "identity"),
}


def _log_odds(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # a model of one class starts from 0 or 1
        return np.log(p) - np.log1p(-p)


# link -> from base_score, which is a prediction, to the margin; for other links it is a margin already
MARGIN_OF: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": _log_odds,
    "exp": np.log,
}

Tree = Mapping[str, Any]


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the boosting rounds that the model predicts with, on the margin or through the objective's link."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    learner = json.loads(booster.save_raw("json"))["learner"]
    objective = learner["objective"]["name"]
    link = _link(objective, response)
    boosted = learner["gradient_booster"]
    if boosted["name"] == "gblinear":
        raise Unsupported("gblinear is a linear model, which has no trees")
    forest = boosted["gbtree"]["model"] if boosted["name"] == "dart" else boosted["model"]
    trees = forest["trees"][: _n_used(model, forest["iteration_indptr"])]
    weights = np.array(boosted.get("weight_drop", [1.0] * len(trees)), dtype=np.float32).tolist()
    tables = [_table(*one) for one in zip(trees, weights, forest["tree_info"], strict=False)]
    start = _start(objective, learner["learner_model_param"])
    return TreeEngine(
        join_trees(tables, routing=ROUTING, strict=True), start, link, ROUTING, type(model).__name__,
        two_sided=response.name == "predict_proba" and len(start) == 1,
        encoding=partial(encoder, known_categories(forest), getattr(model, "missing", None)),
    )  # fmt: skip


def _link(objective: str, response: Response) -> str:
    if response.name == "decision_function":
        return "identity"
    link = LINKS.get(objective)
    is_step = response.kind == "classifier" or objective == "multi:softmax"
    if response.name == "predict" and is_step:
        raise Unsupported(f"predict with the objective {objective!r} is a step function of the margins")
    if link is None or (response.name == "predict_proba" and link in ("identity", "exp")):
        raise Unsupported(f"{response.name} with the objective {objective!r} has no link here")
    return link


def _start(objective: str, param: Mapping[str, str]) -> np.ndarray:
    """base_score as margins: XGBoost >= 3.1 has one for each, older versions one for all."""
    base_score = np.atleast_1d(json.loads(param["base_score"])).astype(np.float64)
    n_margins = max(int(param["num_class"]), int(param["num_target"]), len(base_score))
    margin_of = MARGIN_OF.get(LINKS.get(objective, "identity"), np.asarray)
    return np.broadcast_to(margin_of(base_score), n_margins).copy()


def _n_used(model: Any, trees_until: list[int]) -> int:
    """Trees that predict: scikit-learn's wrappers stop at the best round of early stopping, a Booster does not."""
    best = getattr(model, "best_iteration", None) if hasattr(model, "get_booster") else None
    return trees_until[-1 if best is None else best + 1]


def _table(tree: Tree, weight: float, output: int) -> TreeTable:
    """A leaf has no left child; its value stands where other nodes have their threshold."""
    left, right = (np.array(tree[f"{side}_children"], dtype=np.int64) for side in ("left", "right"))
    leaf = left < 0
    numbers = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
    width = int(tree["tree_param"]["size_leaf_vector"])
    return TreeTable(
        np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int64)),
        numbers,
        left,
        np.where(leaf, -1, right),
        np.array(tree["default_left"], dtype=bool),
        weight * (_leaf_vectors(tree, leaf, right, width) if width > 1 else numbers[:, None]),
        output,
        _categories(tree),
    )


def _leaf_vectors(tree: Tree, leaf: np.ndarray, right: np.ndarray, width: int) -> np.ndarray:
    """(n_nodes, width) of multi_output_tree; XGBoost < 3.2 has them among its weights of all nodes."""
    if "leaf_weights" not in tree:
        return np.array(tree["base_weights"], dtype=np.float32).astype(np.float64).reshape(-1, width)
    values = np.zeros((len(leaf), width))
    # The right child of a leaf is the place of its vector.
    values[leaf] = np.array(tree["leaf_weights"], dtype=np.float32).reshape(-1, width)[right[leaf]]
    return values


def _categories(tree: Tree) -> dict[int, Listed]:
    """Codes that go right, by node; all others, negative ones too, go left."""
    codes = np.array(tree["categories"], dtype=np.int64)
    parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: Listed(codes[begin : begin + size], left=False) for node, begin, size in parts}
