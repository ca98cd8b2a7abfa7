"""Reader of scikit-learn's HistGradientBoosting without native categories: float64 trees, missing directions."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine, TreeTable, join_trees

__all__ = ["read"]

ROUTING = np.float64
# Losses whose predictions are the exponential of the margin.
LOG_LOSSES = ("poisson", "gamma")


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the boosted trees, on the margin or through the link."""
    tables = [_table(predictor.nodes, output) for stage in model._predictors for output, predictor in enumerate(stage)]
    start = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    trees = join_trees(tables, routing=ROUTING)
    return TreeEngine(trees, start, _link(model, response), ROUTING, type(model).__name__)


def _table(nodes: np.ndarray, output: int) -> TreeTable:
    leaf = nodes["is_leaf"].astype(bool)
    if nodes["is_categorical"][~leaf].any():
        raise Unsupported("it splits on native categories, which have no exact engine yet")
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    feature = np.where(leaf, -1, nodes["feature_idx"].astype(np.int64))
    missing_left = nodes["missing_go_to_left"].astype(bool)
    return TreeTable(feature, nodes["num_threshold"], left, right, missing_left, nodes["value"][:, None], output)


def _link(model: Any, response: Response) -> str:
    if response.kind == "regressor":
        return "exp" if model.loss in LOG_LOSSES else "identity"
    links = {"decision_function": "identity", "predict_proba": "softmax" if len(response.classes) > 2 else "sigmoid"}
    if response.name not in links:
        raise Unsupported(f"{response.name} of {type(model).__name__} is a step function of its margins")
    return links[response.name]
