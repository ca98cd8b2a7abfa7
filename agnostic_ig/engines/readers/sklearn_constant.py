"""Reader of scikit-learn's dummies: the same answer for every row."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.function_algebra import Constant
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine

__all__ = ["read"]

# Response -> strategies that draw it.
RANDOM = {"predict": ("stratified", "uniform"), "predict_proba": ("stratified",)}


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of a constant."""
    name = type(model).__name__
    if model.strategy in RANDOM[response.name]:
        raise Unsupported(f"{response.name} of {name} with strategy {model.strategy!r} is drawn at random")
    return SmoothEngine(Constant(response.outputs(np.zeros((1, 1)))[0]), name)
