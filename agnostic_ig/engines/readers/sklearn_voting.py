"""Reader of scikit-learn's Voting: a weighted mean of its members."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.readers.parts import read_parts
from agnostic_ig.engines.response import Response

__all__ = ["read"]

AVERAGED = {"classifier": "predict_proba", "regressor": "predict"}


def read(model: Any, response: Response) -> Any:
    """Engine of the mean of all members that were not dropped."""
    family = type(model).__name__
    if response.name != AVERAGED[response.kind]:
        raise Unsupported(f"{response.name} of {family} is a step function of its members")
    given = model.weights
    if given is not None:
        given = [w for w, (_, member) in zip(given, model.estimators, strict=True) if member != "drop"]
    engines = read_parts(model.estimators_, response.name)
    weights = np.full(len(engines), 1.0) if given is None else np.asarray(given, dtype=np.float64)
    n_outputs = len(model.classes_) if response.kind == "classifier" else 1
    mean = Affine(np.kron((weights / weights.sum())[:, None], np.eye(n_outputs)), 0.0)
    return combine(mean, engines, family)
