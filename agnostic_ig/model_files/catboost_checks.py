"""CatBoost's JSON, from a file or exported from a loaded model: splits, leaves and borders that fit each other."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from agnostic_ig.model_files.documents import check_keys, finite, part, whole_number
from agnostic_ig.model_files.requirement import require

__all__ = ["check_catboost", "loss_of"]

MAX_FEATURES, MAX_OUTPUTS, MAX_DEPTH = 1 << 22, 1 << 16, 32
TREES = ("oblivious_trees", "trees")


def check_catboost(document: Any) -> None:
    """Everything that CatBoost will take for granted."""
    check_keys(document, "the document", ("features_info", "model_info", "scale_and_bias"), (*TREES, "ctr_data"))
    require(sum(key in document for key in TREES) == 1, "it does not have one kind of trees")
    n_outputs = _check_scale(document["scale_and_bias"])
    splits = _splits(document["features_info"])
    key = next(key for key in TREES if key in document)
    for tree in part(document, key, list, "the document"):
        SHAPES[key](tree, splits, n_outputs)


def loss_of(document: Any) -> str:
    """The loss as CatBoost takes it for a parameter; "" if the model does not tell."""
    try:
        loss = document["model_info"]["params"]["loss_function"]
        params = {key: value for key, value in loss.get("params", {}).items() if not key.startswith("__")}
        options = ";".join(f"{key}={value}" for key, value in params.items())
        return f"{loss['type']}:{options}" if options else str(loss["type"])
    except (KeyError, TypeError, AttributeError):
        return ""


def _check_scale(scale_and_bias: Any) -> int:
    """One factor and a bias for every output; returns how many."""
    is_pair = isinstance(scale_and_bias, list) and len(scale_and_bias) == 2
    require(is_pair, "scale_and_bias is not a factor and a list")
    finite(scale_and_bias[:1], "scale")
    biases = finite(scale_and_bias[1], "bias")
    require(0 < biases.size <= MAX_OUTPUTS, f"it has {biases.size} outputs")
    return biases.size


def _splits(info: Any) -> list[tuple[str, Any]]:
    """Every possible split in the order of its number: its kind and what it asks."""
    kinds = ("float_features", "categorical_features", "ctrs", "text_features", "embedding_features")
    check_keys(info, "features_info", (), kinds)
    places = []
    for kind in ("float_features", "categorical_features", "text_features", "embedding_features"):
        for index, feature in enumerate(info.get(kind, ())):
            what = f"a feature of {kind}"
            require(isinstance(feature, dict), f"{what} is not an object")
            whole_number(feature.get("feature_index"), f"feature_index of {what}", index, index)
            places.append(whole_number(feature.get("flat_feature_index"), f"place of {what}", 0, MAX_FEATURES))
    require(len(set(places)) == len(places), "two features have one place")
    return [*_borders(info), *_values(info), *_ctr_borders(info)]


def _borders(info: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for index, feature in enumerate(info.get("float_features", ())):
        for border in _rising(feature.get("borders", []), "borders of a feature"):
            yield "FloatFeature", (index, border)


def _values(info: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for index, feature in enumerate(info.get("categorical_features", ())):
        values = feature.get("values", [])
        require(isinstance(values, list), "values of a categorical feature are not a list")
        for value in values:
            yield "OneHotFeature", (index, whole_number(value, "a value of a category", -(2**31), 2**32))


def _ctr_borders(info: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for ctr in info.get("ctrs", ()):
        require(isinstance(ctr, dict), "a statistic of categories is not an object")
        for border in _rising(ctr.get("borders", []), "borders of a statistic"):
            yield "OnlineCtr", (None, border)


def _rising(values: Any, what: str) -> list[float]:
    borders = finite(values, what)
    with np.errstate(over="ignore"):
        require((borders.astype(np.float32) == borders).all(), f"{what} are not of 32 bits: a digit was changed")
    require((np.diff(borders) > 0).all(), f"{what} do not rise")
    return borders.tolist()


# split_type -> the keys that say once more what the number of the split says
ASKS = {
    "FloatFeature": ("float_feature_index", "border"),
    "OneHotFeature": ("cat_feature_index", "value"),
    "OnlineCtr": (None, "border"),
}


def _check_split(split: Any, splits: list[tuple[str, Any]]) -> None:
    """A split is the one that its number says."""
    require(isinstance(split, dict), "a split is not an object")
    number = whole_number(split.get("split_index"), "the number of a split", 0, len(splits) - 1)
    kind, asked = splits[number]
    require(split.get("split_type") == kind, "a split is of another kind than its number says")
    index_key, value_key = ASKS[kind]
    index = split.get(index_key) if index_key else None
    require((index, split.get(value_key)) == asked, "a split asks something else than its number says")


def _check_oblivious(tree: Any, splits: list[tuple[str, Any]], n_outputs: int) -> None:
    """One split a level, and every leaf its values."""
    check_keys(tree, "a tree", ("leaf_values", "splits"), ("leaf_weights",))
    levels = tree["splits"] if tree["splits"] is not None else []
    require(isinstance(levels, list) and len(levels) <= MAX_DEPTH, "a tree has no proper splits")
    for split in levels:
        _check_split(split, splits)
    finite(tree["leaf_values"], "leaf_values", n_outputs << len(levels))
    # Sums of models have no weights.
    weights = tree.get("leaf_weights", [])
    finite(weights, "leaf_weights", 1 << len(levels) if weights else 0)


def _check_nested(tree: Any, splits: list[tuple[str, Any]], n_outputs: int) -> None:
    """Nodes inside nodes, without recursion."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        require(isinstance(node, dict), "a node of a tree is not an object")
        if "split" in node:
            check_keys(node, "a split", ("left", "right", "split"))
            _check_split(node["split"], splits)
            waiting += [node["left"], node["right"]]
        else:
            check_keys(node, "a leaf", ("value",), ("weight",))
            value = node["value"]
            finite(value if isinstance(value, list) else [value], "a leaf", n_outputs)


# key of the trees -> the check of one
SHAPES = {"oblivious_trees": _check_oblivious, "trees": _check_nested}
