"""Reader of scikit-learn's AdaBoostClassifier (SAMME): weighted votes of trees, a link for probabilities."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.readers.parts import read_parts
from agnostic_ig.engines.readers.sklearn_forest import ROUTING, cart_table
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.step_functions import weighted_median
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of the weighted votes, which are constant in every leaf, or of a regressor's weighted median."""
    if response.kind == "regressor":
        return _read_regressor(model, response)
    _check(model, response)
    n_classes = len(model.classes_)
    # With two classes there is one margin, whose half goes to each of them; with more, 1 / (n_classes - 1) of each.
    links = {"decision_function": "identity", "predict_proba": "sigmoid" if n_classes == 2 else "softmax"}
    scale = n_classes - 1 if links[response.name] == "softmax" else 1
    shares = model.estimator_weights_[: len(model.estimators_)] / model.estimator_weights_.sum() / scale
    tables = [_votes(model, tree, share) for tree, share in zip(model.estimators_, shares, strict=True)]
    trees = join_trees(tables, routing=ROUTING)
    return TreeEngine(trees, np.zeros(trees.value.shape[1]), links[response.name], ROUTING, type(model).__name__)


def _read_regressor(model: Any, response: Response) -> Any:
    """Engine of the weighted median of all members."""
    weights = np.asarray(model.estimator_weights_[: len(model.estimators_)])
    return combine(weighted_median(weights), read_parts(model.estimators_, response.name), type(model).__name__)


def _check(model: Any, response: Response) -> None:
    """Refuse what is no function of a sum over trees."""
    from sklearn.tree import DecisionTreeClassifier

    family = type(model).__name__
    if response.name not in ("decision_function", "predict_proba"):
        raise Unsupported(f"{response.name} of {family} is a step function of its margins")
    if getattr(model, "algorithm", "SAMME") == "SAMME.R":  # scikit-learn before 1.8
        raise Unsupported(f"{family} with algorithm 'SAMME.R' has no exact engine")
    others = [member for member in model.estimators_ if not isinstance(member, DecisionTreeClassifier)]
    if others:
        raise Unsupported(f"{family} over {type(others[0]).__name__} has no exact engine: its members are no trees")
    if len(model.classes_) < 2:
        raise Unsupported(f"{family} was fitted on one class and answers with a constant")


def _votes(model: Any, member: Any, share: float) -> TreeTable:
    """A tree's vote for the class it predicts, against all others; one column for two classes."""
    predicted = member.classes_[member.tree_.value[:, 0, :].argmax(axis=1)]
    against = -1.0 / (len(model.classes_) - 1)
    value = share * np.where(predicted[:, None] == model.classes_, 1.0, against)
    return cart_table(member.tree_, value[:, 1:] - value[:, :1] if len(model.classes_) == 2 else value)
