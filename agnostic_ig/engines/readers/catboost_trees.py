"""Reader of CatBoost: trees of float borders and one-hot values, from the model's own JSON.

Only the JSON holds every kind of tree: treelite does not read CatBoost, and the model's methods tell splits as text.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import Listed, TreeTable, join_trees

__all__ = ["read"]

# CatBoost casts X to float32 and goes right where `x > border`.
ROUTING = np.float32
# A border at an end of float32 asks whether a value is missing. It becomes infinite: it is no place on a path.
END = float(np.finfo(np.float32).max)
SIGMOIDS = ("Logloss", "CrossEntropy", "MultiClassOneVsAll", "MultiLogloss", "MultiCrossEntropy")
PROBABILITY_LINKS = {"MultiClass": "softmax", **dict.fromkeys(SIGMOIDS, "sigmoid")}
# Losses whose margins CatBoostRegressor.predict changes; all others it hands out.
PREDICTION_LINKS = {"Poisson": "exp", "Tweedie": "exp", "RMSEWithUncertainty": None}


class Split(NamedTuple):
    """Right where ``x > border``, or where a category is the one of this code."""

    feature: int
    border: float = 0.0
    missing_left: bool = True
    code: int | None = None


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of all trees, on the margin or through the loss's link."""
    if model.get_text_feature_indices() or model.get_embedding_feature_indices():
        raise Unsupported("it makes features of text or of embeddings")
    stored = _stored(model)
    link = _link(model, stored, response)
    scale, bias = stored["scale_and_bias"]
    features = stored["features_info"]
    shapes = {"oblivious_trees": _oblivious, "trees": _nested}
    tables = [make(tree, features, len(bias)) for key, make in shapes.items() for tree in stored.get(key, ())]
    trees = join_trees(tables, routing=ROUTING)
    return TreeEngine(
        trees._replace(value=scale * trees.value), np.array(bias, dtype=float), link, ROUTING, type(model).__name__,
        two_sided=len(bias) == 1, encoding=_encoding(model, features),
    )  # fmt: skip


def _stored(model: Any) -> Any:
    with TemporaryDirectory() as folder:
        model.save_model(path := f"{folder}/model.json", format="json")
        return json.loads(Path(path).read_text(encoding="utf-8"))


def _link(model: Any, stored: Any, response: Response) -> str:
    from catboost import CatBoostRegressor

    loss = stored.get("model_info", {}).get("params", {}).get("loss_function", {}).get("type")
    links = {"decision_function": "identity", "predict_proba": PROBABILITY_LINKS.get(loss)}
    if response.kind != "classifier":
        changed = PREDICTION_LINKS if isinstance(model, CatBoostRegressor) else {}
        links["predict"] = changed.get(loss, "identity")
    link = links.get(response.name)
    if link is None:
        raise Unsupported(f"{response.name} of {type(model).__name__} with loss {loss} has no link here")
    return link


def _oblivious(tree: Any, features: Any, width: int) -> TreeTable:
    """One split a level; bit i of a leaf's number says whether split i goes right."""
    levels = [_split(split, features) for split in reversed(tree.get("splits") or [])]
    inner = [split for level, split in enumerate(levels) for _ in range(2**level)]
    children = np.array([[1], [2]]) + 2 * np.arange(len(inner))
    return _table(inner, children, np.reshape(tree["leaf_values"], (-1, width)))


def _nested(tree: Any, features: Any, width: int) -> TreeTable:
    """Nodes inside each other; until all are counted, leaves have numbers below 0."""
    inner, children, leaves = [], [], []

    def add(node: Any) -> int:
        if "split" not in node:
            leaves.append(node["value"])
            return -len(leaves)
        place = len(inner)
        inner.append(_split(node["split"], features))
        children.append([])
        children[place] = [add(node["left"]), add(node["right"])]
        return place

    add(tree)
    places = np.array(children, dtype=np.int64).reshape(-1, 2).T
    return _table(inner, np.where(places < 0, len(inner) - 1 - places, places), np.reshape(leaves, (-1, width)))


def _table(inner: list[Split], children: np.ndarray, leaves: np.ndarray) -> TreeTable:
    """Inner nodes first, leaves behind them; children (2, n_inner) of left and right."""
    nodes = [*inner, *[Split(-1)] * len(leaves)]
    feature, border, missing_left = (np.array([node[i] for node in nodes]) for i in range(3))
    left, right = np.pad(children, [(0, 0), (0, len(leaves))], constant_values=-1)
    listed = {i: Listed(np.array([split.code]), left=False) for i, split in enumerate(inner) if split.code is not None}
    value = np.concatenate([np.zeros((len(inner), leaves.shape[1])), leaves])
    return TreeTable(feature, border, left, right, missing_left, value, categories=listed)


def _split(split: Any, features: Any) -> Split:
    if split["split_type"] == "OneHotFeature":
        feature = features["categorical_features"][split["cat_feature_index"]]
        return Split(feature["flat_feature_index"], code=feature["values"].index(split["value"]))
    if split["split_type"] != "FloatFeature":
        raise Unsupported(f"it splits on statistics of categories ({split['split_type']})")
    feature, border = features["float_features"][split["float_feature_index"]], split["border"]
    border = border if abs(border) < END else np.copysign(np.inf, border)
    return Split(feature["flat_feature_index"], border, feature["nan_value_treatment"] != "AsTrue")


def _encoding(model: Any, features: Any) -> Callable[[Any], Callable]:
    """Rows as the trees split on them."""
    numbers, categorical = (features.get(f"{kind}_features", []) for kind in ("float", "categorical"))
    ends = [(f["flat_feature_index"], end) for f in numbers for end in (-END, END) if end in f["borders"]]
    asked = [(f["flat_feature_index"], i) for i, f in enumerate(categorical) if f.get("values")]
    return lambda codec: partial(_encode, model, ends, asked, codec.columns)


def _encode(model: Any, ends: list, asked: list, columns: Any, rows: np.ndarray) -> np.ndarray:
    """Categories by their place among those that trees ask for; what is beyond a border at an end is missing."""
    rows = rows.copy()
    for j, end in ends:
        rows[rows[:, j] > end if end > 0 else rows[:, j] <= end, j] = np.nan
    for j, i in asked:
        values, places = np.unique(rows[:, j], return_inverse=True)
        codes = [model._object._calc_cat_feature_perfect_hash(t, i) for t in _texts(columns[j], values)]
        rows[:, j] = np.array(codes)[places]
    return rows


def _texts(column: Any, values: np.ndarray) -> list[str]:
    """Categories as CatBoost hashes them: integers and booleans as whole numbers, levels as they read."""
    levels = column.elements(values) if column.kind == "levels" else (f"{value + 0.0:.0f}" for value in values)
    return [str(level) for level in levels]
