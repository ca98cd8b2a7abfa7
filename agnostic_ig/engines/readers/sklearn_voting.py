"""Reader of scikit-learn's Voting: a weighted mean of its members."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import compose
from agnostic_ig.engines.readers.parts import read_parts, weighted_mean
from agnostic_ig.engines.readers.sklearn_labels import read_labels
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.step_functions import indicate_largest

__all__ = ["read"]

AVERAGED = {"classifier": "predict_proba", "regressor": "predict"}


def read(model: Any, response: Response) -> Any:
    """Engine of the mean of all members that were not dropped."""
    family = type(model).__name__
    if response.name == "predict" and response.kind == "classifier" and model.voting == "hard":
        return _votes(model, family)
    if response.name != AVERAGED[response.kind]:
        raise Unsupported(f"{response.name} of {family} is a step function of its members")
    engines = read_parts(model.estimators_, response.name)
    n_outputs = len(model.classes_) if response.kind == "classifier" else 1
    return combine(weighted_mean(_weights(model, len(engines)), [np.eye(n_outputs)] * len(engines)), engines, family)


def _votes(model: Any, family: str) -> Any:
    """The label with the most votes; members call classes by their places."""
    engines = [read_labels(member) for member in model.estimators_]
    classes = np.eye(len(model.classes_))
    votes = weighted_mean(_weights(model, len(engines)), [classes[member.classes_] for member in model.estimators_])
    return combine(compose(indicate_largest(len(classes)), votes), engines, family)


def _weights(model: Any, n: int) -> np.ndarray:
    """Weights of the members that were not dropped."""
    given = model.weights
    if given is not None:
        given = [w for w, (_, member) in zip(given, model.estimators, strict=True) if member != "drop"]
    return np.full(n, 1.0) if given is None else np.asarray(given, dtype=np.float64)
