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
    answer = np.ravel(model.constant_) if response.kind == "regressor" else _of_classes(model, response.name)
    return SmoothEngine(Constant(answer), name)


def _of_classes(model: Any, name: str) -> np.ndarray:
    """Shares of the classes, or 1 for the class that is said; those of several outputs side by side."""
    several = isinstance(model.classes_, list)
    classes = model.classes_ if several else [model.classes_]
    shares = model.class_prior_ if several else [model.class_prior_]
    said = np.ravel(model.constant) if model.strategy == "constant" else [None] * len(classes)
    parts = zip(classes, shares, said, strict=True)
    return np.concatenate([_of_one_output(model.strategy, name, *part) for part in parts])


def _of_one_output(strategy: str, name: str, classes: np.ndarray, shares: np.ndarray, said: Any) -> np.ndarray:
    if strategy == "constant":
        return np.where(classes == said, 1.0, 0.0)
    if name == "predict_proba" and strategy == "prior":
        return np.asarray(shares)
    if name == "predict_proba" and strategy == "uniform":
        return np.full(len(classes), 1.0 / len(classes))
    return np.eye(len(classes))[np.argmax(shares)]
