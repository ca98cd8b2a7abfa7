"""Reader of estimators that answer with another estimator, which they fitted, chose or froze."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import nearest, read_model
from agnostic_ig.engines.composite import in_columns_of
from agnostic_ig.engines.response import Response, resolve_response

__all__ = ["read"]

# class -> the attribute with the estimator that answers; the responses that it passes on as they are (None: all)
INNER = {
    "sklearn.BaseSearchCV": ("best_estimator_", None),
    "sklearn.FrozenEstimator": ("estimator", None),
    "sklearn.SelfTrainingClassifier": ("estimator_", None),
    "sklearn.RFE": ("estimator_", None),
    "sklearn.BaseThresholdClassifier": ("estimator_", ("predict_proba", "decision_function")),
}


def read(model: Any, response: Response) -> Any:
    """Engine of the estimator inside."""
    attribute, passed_on = nearest(model, INNER)
    family = type(model).__name__
    if passed_on is not None and response.name not in passed_on:
        raise Unsupported(f"{response.name} of {family} is a step function of its score")
    inner = getattr(model, attribute if hasattr(model, attribute) else f"base_{attribute}")  # scikit-learn 1.5
    engine = read_model(inner, resolve_response("the wrapper", inner, response.name))
    if hasattr(model, "support_"):  # it selects columns first
        engine = in_columns_of(engine, np.flatnonzero(model.support_), len(model.support_))
    engine.family = f"{family} of {engine.family}"
    return engine
