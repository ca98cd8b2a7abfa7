"""Reader of scikit-learn's linear models: a weighted sum of the columns, behind a link where there is one."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.link_functions import Elementwise, Softmax, two_sided
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["read"]


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of the margin, or of the probabilities behind it."""
    margin = Affine(np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_))
    if response.name == "decision_function" or response.kind != "classifier":
        return SmoothEngine(margin, type(model).__name__)
    if response.name != "predict_proba":
        raise Unsupported(f"{response.name} of {type(model).__name__} is a step function of its margin")
    return SmoothEngine(_probabilities(margin), type(model).__name__)


def _probabilities(margin: SmoothFunction) -> SmoothFunction:
    if margin.n_outputs == 1:
        return two_sided(compose(Elementwise("sigmoid", 1), margin))
    return compose(Softmax(margin.n_outputs), margin)
