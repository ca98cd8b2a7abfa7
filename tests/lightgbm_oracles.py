"""Fitted LightGBM models as models of the oracle, from `dump_model` and not from the text that the package reads.

`READINGS` holds one function a class: (model, response) -> Forest. It says what the trees are; `rows_of` says what
LightGBM makes of a row first.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import naive

__all__ = ["READINGS", "forest", "rows_of"]

LINKS = {"multiclass": "softmax", "poisson": "exp", "gamma": "exp", "tweedie": "exp"}
SIGMOIDS = ("binary", "multiclassova", "cross_entropy")


def forest(model: Any, response: str) -> naive.Forest:
    """All trees of the best iteration."""
    dumped = getattr(model, "booster_", model).dump_model()
    width = dumped["num_tree_per_iteration"]
    trees = [_node(tree["tree_structure"]) for tree in dumped["tree_info"]]
    weight, link = Fraction(1), "identity"
    if response != "decision_function":
        name, *options = dumped.get("objective", "").split()
        scale = next((Fraction(float(o[8:])) for o in options if o.startswith("sigmoid:")), Fraction(1))
        weight = scale / (len(trees) // width) if dumped["average_output"] else scale
        link = "sigmoid" if name in SIGMOIDS else LINKS.get(name, "identity")
    outputs = [i % width for i in range(len(trees))]
    return naive.Forest(trees, [weight] * len(trees), outputs, (0.0,) * width, link)


def _node(node: dict) -> Any:
    if "leaf_value" in node:
        return naive.Leaf(float(node["leaf_value"]))
    left, right = _node(node["left_child"]), _node(node["right_child"])
    if node["decision_type"] == "==":
        codes = frozenset(float(code) for code in node["threshold"].split("||"))
        return naive.Node(node["split_feature"], codes, left, right)
    threshold = float(node["threshold"])
    missing_left = threshold >= 0 if node["missing_type"] == "None" else node["default_left"]
    return naive.Node(node["split_feature"], threshold, left, right, missing_left)


def rows_of(model: Any, rows: Any) -> list[list[float]]:
    """Zeros as LightGBM sees them: what is as small counts as 0, and as missing in columns where zero is missing."""
    missing = set()

    def look(node: dict) -> None:
        if "leaf_value" not in node:
            if node["missing_type"] == "Zero" and node["decision_type"] == "<=":
                missing.add(node["split_feature"])
            look(node["left_child"])
            look(node["right_child"])

    for tree in getattr(model, "booster_", model).dump_model()["tree_info"]:
        look(tree["tree_structure"])
    return [[_zero(v, j in missing) if abs(v) <= 1.0000000180025095e-35 else v for j, v in enumerate(r)] for r in rows]


def _zero(value: float, is_missing: bool) -> float:
    return float("nan") if is_missing else 0.0


READINGS: dict[str, Callable[[Any, str], naive.Forest]] = dict.fromkeys(
    ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "Booster"), forest
)
