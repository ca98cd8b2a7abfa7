"""Reader of scikit-learn's GradientBoosting: float32 trees, a constant start, a link for probabilities."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.readers.sklearn_forest import ROUTING, cart_table
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine, join_trees

__all__ = ["read"]

# (loss, more than two classes) -> link from margins to probabilities
PROBABILITY_LINKS = {
    ("log_loss", False): "sigmoid",
    ("exponential", False): "sigmoid_of_double",
    ("log_loss", True): "softmax",
}


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the boosted trees, on the margin or through the probability's link."""
    start = _start(model)
    tables = [
        cart_table(tree.tree_, model.learning_rate * tree.tree_.value[:, 0, :], output)
        for stage in model.estimators_
        for output, tree in enumerate(stage)
    ]
    return TreeEngine(join_trees(tables, routing=ROUTING), start, _link(model, response), ROUTING, type(model).__name__)


def _link(model: Any, response: Response) -> str:
    if response.name in ("decision_function",) or response.kind == "regressor":
        return "identity"
    link = PROBABILITY_LINKS.get((model.loss, len(response.classes) > 2))
    if response.name != "predict_proba" or link is None:
        raise Unsupported(f"{response.name} of {type(model).__name__} with loss {model.loss!r} has no link here")
    return link


def _start(model: Any) -> np.ndarray:
    """The constant that boosting starts from, one margin each."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if not isinstance(model.init_, str | DummyClassifier | DummyRegressor):
        raise Unsupported(f"it starts from {type(model.init_).__name__}, a model of its own")
    return model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0].astype(np.float64)
