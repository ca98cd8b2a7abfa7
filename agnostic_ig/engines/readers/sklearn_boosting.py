"""Reader of scikit-learn's GradientBoosting: float32 trees on top of a start, a link for probabilities."""

from dataclasses import replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.readers.sklearn_forest import ROUTING, cart_table
from agnostic_ig.engines.readers.sklearn_members import read_member, tables_of
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["read"]

# (loss, more than two classes) -> link from margins to probabilities
PROBABILITY_LINKS = {
    ("log_loss", False): "sigmoid",
    ("exponential", False): "sigmoid_of_double",
    ("log_loss", True): "softmax",
}


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the boosted trees, on the margin or through the probability's link."""
    link = _link(model, response)
    start, tables = _start(model, response)
    tables += [
        cart_table(tree.tree_, model.learning_rate * tree.tree_.value[:, 0, :], output)
        for stage in model.estimators_
        for output, tree in enumerate(stage)
    ]
    return TreeEngine(join_trees(tables, routing=ROUTING), start, link, ROUTING, type(model).__name__)


def _link(model: Any, response: Response) -> str:
    if response.name in ("decision_function",) or response.kind == "regressor":
        return "identity"
    link = PROBABILITY_LINKS.get((model.loss, len(response.classes) > 2))
    if response.name != "predict_proba" or link is None:
        raise Unsupported(f"{response.name} of {type(model).__name__} with loss {model.loss!r} has no link here")
    return link


def _start(model: Any, response: Response) -> tuple[np.ndarray, list[TreeTable]]:
    """What boosting starts from: a constant a margin, and trees where `init` is made of trees."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if isinstance(model.init_, str | DummyClassifier | DummyRegressor):
        row = np.zeros((1, model.n_features_in_), dtype=np.float32)
        return model._raw_predict_init(row)[0].astype(np.float64), []
    try:
        return _start_from_trees(model, response)
    except Unsupported as reason:
        raise Unsupported(f"it starts from {type(model.init_).__name__}: {reason}") from None


def _start_from_trees(model: Any, response: Response) -> tuple[np.ndarray, list[TreeTable]]:
    """The first model sees what the trees see, numbers in float32, whatever it compares in by itself."""
    engine = read_member(model.init_, "predict_proba" if response.kind == "classifier" else "predict")
    if engine.trees.strict:
        raise Unsupported("it puts values on a threshold to the other side than the trees that follow")
    tables = tables_of(engine)
    if response.kind != "classifier":
        return engine.start, tables
    if len(tables) > 1:
        raise Unsupported("log odds of an average of trees are no sum over trees")
    margins = _margins(model, tables[0].value)
    each = [replace(tables[0], value=margins[:, [k]], output=k) for k in range(margins.shape[1])]
    return np.zeros(len(each)), each


def _margins(model: Any, shares: np.ndarray) -> np.ndarray:
    """Log odds (n_nodes, n_margins) that boosting sees in class shares; shares of 0 and 1 are moved by one rounding."""
    rounding = np.finfo(np.float64).eps
    seen = np.clip(shares if model._loss.is_multiclass else shares[:, 1], rounding, 1 - rounding)
    return model._loss.link.link(seen).reshape(len(shares), -1)
