"""Fitted CatBoost models as models of the oracle, from their JSON, read here and not by the package.

`READINGS` holds one function a class: (model, response) -> Forest. Categories stand in rows by
their codes, see `word_codes`.
"""

import json
import pathlib
import tempfile
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import catboost
import naive
import numpy as np

__all__ = ["READINGS", "forest", "word_codes"]

LINKS = {"Logloss": "sigmoid", "CrossEntropy": "sigmoid", "MultiClassOneVsAll": "sigmoid", "MultiClass": "softmax"}


def forest(model: Any, response: str) -> naive.Forest:
    """All trees, oblivious ones grown into nodes."""
    told = _told(model)
    scale, bias = told["scale_and_bias"]
    read = _Reading(told["features_info"], len(bias))
    trees = [read.level(tree, 0, 0) for tree in told.get("oblivious_trees", [])]
    trees += [read.nested(tree) for tree in told.get("trees", [])]
    loss = told["model_info"]["params"]["loss_function"]["type"]
    link = LINKS.get(loss, "identity") if response == "predict_proba" or hasattr(model, "predict_proba") else "identity"
    if loss == "Poisson" and isinstance(model, catboost.CatBoostRegressor):
        link = "exp"
    if response == "decision_function":
        link = "identity"
    weights = [Fraction(scale)] * len(trees)
    return naive.Forest(trees, weights, None, tuple(float(b) for b in bias), link, "float32")


def _told(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        model.save_model(f"{folder}/m.json", format="json")
        return json.loads(pathlib.Path(folder, "m.json").read_text())


class _Reading:
    """Splits of one model's trees as nodes."""

    def __init__(self, features: dict, width: int) -> None:
        self.features, self.width = features, width

    def level(self, tree: dict, level: int, leaf: int) -> Any:
        """Split number `level` of an oblivious tree; passing it sets bit `level` of the leaf's number."""
        splits = tree["splits"] or []
        if level == len(splits):
            return self.leaf(tree["leaf_values"][leaf * self.width : (leaf + 1) * self.width])
        sides = [self.level(tree, level + 1, leaf | passed << level) for passed in (0, 1)]
        return self.node(splits[level], *sides)

    def nested(self, node: dict) -> Any:
        if "value" in node:
            return self.leaf(np.atleast_1d(node["value"]))
        return self.node(node["split"], self.nested(node["left"]), self.nested(node["right"]))

    def leaf(self, values: Any) -> Any:
        return naive.Leaf(tuple(float(v) for v in values))

    def node(self, split: dict, failed: Any, passed: Any) -> Any:
        if "value" in split:
            column = self.features["categorical_features"][split["cat_feature_index"]]
            code = column["values"].index(split["value"])
            return naive.Node(column["flat_feature_index"], frozenset([code]), passed, failed)
        column = self.features["float_features"][split["float_feature_index"]]
        missing_left = column["nan_value_treatment"] in ("AsIs", "AsFalse")
        return naive.Node(column["flat_feature_index"], split["border"], failed, passed, missing_left)


def word_codes(model: Any, number: int, words: set[str]) -> dict[str, int]:
    """Places of words (not of integers) in the list that the model has of its categorical column of this number.

    -1 stands for others. Their hashes are those that CatBoost also has for groups.
    """
    listed = _told(model)["features_info"]["categorical_features"][number]["values"]
    found = catboost.Pool([[0.0]] * len(words), group_id=list(words)).get_group_id_hash()
    known = dict(zip(words, found.astype(np.uint32).view(np.int32).tolist(), strict=True))
    return {word: listed.index(code) if code in listed else -1 for word, code in known.items()}


READINGS: dict[str, Callable[[Any, str], naive.Forest]] = dict.fromkeys(
    ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker", "CatBoost"), forest
)
