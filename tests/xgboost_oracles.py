"""Fitted XGBoost models as models of the oracle, from `get_dump` and not from the model file that the package reads.

`READINGS` holds one function a class: (model, response) -> Forest.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import naive
import numpy as np

__all__ = ["READINGS", "forest", "logit"]

# objective -> (link of the oracle, from base_score to the margin)
OBJECTIVES = {
    "binary:logistic": ("sigmoid", lambda p: logit(p)),
    "reg:logistic": ("sigmoid", lambda p: logit(p)),
    "multi:softprob": ("softmax", float),
    "count:poisson": ("exp", math.log),
    "reg:gamma": ("exp", math.log),
    "reg:tweedie": ("exp", math.log),
}


def logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def forest(model: Any, response: str) -> naive.Forest:
    """The trees up to the best round of a wrapper, and all of a Booster."""
    is_wrapper = hasattr(model, "get_booster")
    booster = model.get_booster() if is_wrapper else model
    learner = json.loads(booster.save_config())["learner"]
    parallel = int(learner["gradient_booster"].get("gbtree_model_param", {}).get("num_parallel_tree", 1))
    names = booster.feature_names or [f"f{j}" for j in range(booster.num_features())]
    trees = [_node(json.loads(text), names) for text in booster.get_dump(dump_format="json")]
    link, margin = OBJECTIVES.get(learner["objective"]["name"], ("identity", float))
    start = tuple(margin(score) for score in np.ravel(json.loads(learner["learner_model_param"]["base_score"])))
    outputs = [i // parallel % len(start) for i in range(len(trees))]
    if isinstance(_first_leaf(trees[0]), tuple):
        outputs = None
    elif is_wrapper and getattr(model, "early_stopping_rounds", None):
        trees = trees[: (model.best_iteration + 1) * len(start) * parallel]
    chosen = "identity" if response == "decision_function" else link
    return naive.Forest(
        trees, _weights(booster, len(trees)), outputs and outputs[: len(trees)], start, chosen, "float32", True
    )


def _weights(booster: Any, n: int) -> list[float]:
    """What dart multiplies its trees with; no dump tells."""
    boosted = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    return [float(np.float32(weight)) for weight in boosted.get("weight_drop", [1.0] * n)][:n]


def _first_leaf(node: Any) -> Any:
    return node.value if isinstance(node, naive.Leaf) else _first_leaf(node.left)


def _node(node: dict, names: list[str]) -> Any:
    """`yes` is where the condition holds: below the threshold, or one of the categories."""
    if "leaf" in node:
        values = np.float32(node["leaf"]).tolist()
        return naive.Leaf(tuple(values) if isinstance(values, list) else values)
    children = {child["nodeid"]: child for child in node["children"]}
    yes, no = (_node(children[node[answer]], names) for answer in ("yes", "no"))
    condition = node["split_condition"]
    threshold = frozenset(map(float, condition)) if isinstance(condition, list) else float(np.float32(condition))
    return naive.Node(names.index(node["split"]), threshold, yes, no, node["missing"] == node["yes"])


READINGS: dict[str, Callable[[Any, str], naive.Forest]] = dict.fromkeys(
    ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor", "Booster"), forest
)
