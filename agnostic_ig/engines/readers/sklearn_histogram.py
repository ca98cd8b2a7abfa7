"""Reader of scikit-learn's HistGradientBoosting: float64 trees, missing directions, native categories."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import Listed, TreeTable, join_trees

__all__ = ["read"]

ROUTING = np.float64
# Losses whose predictions are the exponential of the margin.
LOG_LOSSES = ("poisson", "gamma")


class Codes(NamedTuple):
    """A categorical column: its values, sorted, as the codec has them, the model's code of each, that of NaN."""

    values: np.ndarray
    codes: np.ndarray
    missing: float


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the boosted trees, on the margin or through the link."""
    columns = _columns(model)
    tables = [
        _table(predictor, output, columns) for stage in model._predictors for output, predictor in enumerate(stage)
    ]
    start = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    trees, link = join_trees(tables, routing=ROUTING), _link(model, response)
    encoding = None if not _categorical(model).any() else partial(_encoder, model)
    return TreeEngine(trees, start, link, ROUTING, type(model).__name__, encoding=encoding)


def _categorical(model: Any) -> np.ndarray:
    """Mask of the user's columns that are categories."""
    mask = getattr(model, "is_categorical_", None)
    return np.zeros(model.n_features_in_, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)


def _columns(model: Any) -> np.ndarray:
    """The user's column behind every column that the trees see: categories stand first there."""
    return np.argsort(~_categorical(model), kind="stable")


def _table(predictor: Any, output: int, columns: np.ndarray) -> TreeTable:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    feature = np.where(leaf, -1, columns[nodes["feature_idx"].astype(np.int64)])
    missing_left = nodes["missing_go_to_left"].astype(bool)
    threshold, value = nodes["num_threshold"], nodes["value"][:, None]
    return TreeTable(feature, threshold, left, right, missing_left, value, output, _listed(predictor))


def _listed(predictor: Any) -> dict[int, Listed]:
    """Codes that go left, by categorical node; known ones that are not listed go right."""
    nodes = predictor.nodes
    inner = np.flatnonzero((nodes["is_leaf"] == 0) & (nodes["is_categorical"] != 0))
    words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][inner]].astype("<u4")
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little") if inner.size else words
    return {int(node): Listed(np.flatnonzero(row)) for node, row in zip(inner, bits, strict=True)}


def _link(model: Any, response: Response) -> str:
    if response.kind == "regressor":
        return "exp" if model.loss in LOG_LOSSES else "identity"
    links = {"decision_function": "identity", "predict_proba": "softmax" if len(response.classes) > 2 else "sigmoid"}
    if response.name not in links:
        raise Unsupported(f"{response.name} of {type(model).__name__} is a step function of its margins")
    return links[response.name]


def _encoder(model: Any, codec: Any) -> Callable[[np.ndarray], np.ndarray]:
    """From rows of a codec to rows with the model's own codes of categories, as its own preprocessor gives them."""
    categorical = np.flatnonzero(_categorical(model))
    known = model._preprocessor.named_transformers_["encoder"].categories_
    values = [_values(codec.columns[j], categories) for j, categories in zip(categorical, known, strict=True)]
    asked = np.zeros((1 + max(map(len, values)), len(codec.columns)))
    asked[:, categorical] = np.nan
    for j, listed in zip(categorical, values, strict=True):
        asked[: len(listed), j] = listed
    answers = np.asarray(model._preprocessor.transform(codec.decode(asked)), dtype=np.float64)
    codes = {
        j: Codes(listed, answers[: len(listed), i], answers[-1, i])
        for i, (j, listed) in enumerate(zip(categorical.tolist(), values, strict=True))
    }
    return partial(_encode, codes)


def _values(column: Any, categories: np.ndarray) -> np.ndarray:
    """All values of a categorical column that the model may know, sorted, as the codec encodes them."""
    sizes = {"levels": len(column.levels), "bool": 2}
    if column.kind in sizes:
        return np.arange(sizes[column.kind], dtype=np.float64)
    numbers = categories.astype(np.float64)
    return np.sort(numbers[~np.isnan(numbers)])


def _encode(columns: dict[int, Codes], rows: np.ndarray) -> np.ndarray:
    """Categories that the model does not know are missing to it."""
    encoded = rows.copy()
    for j, (values, codes, missing) in columns.items():
        place = np.searchsorted(values, rows[:, j])
        known = np.where(np.append(values, np.nan)[place] == rows[:, j], np.append(codes, np.nan)[place], np.nan)
        encoded[:, j] = np.where(np.isnan(rows[:, j]), missing, known)
    return encoded
