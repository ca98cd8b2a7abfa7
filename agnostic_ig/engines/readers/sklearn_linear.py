"""Reader of scikit-learn's linear models: a weighted sum of the columns, behind a link where there is one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import nearest
from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.largest_score import LargestScore
from agnostic_ig.engines.level_steps import Branched, StepEngine
from agnostic_ig.engines.link_functions import Elementwise
from agnostic_ig.engines.readers.class_probabilities import (
    of_clipped_margins,
    of_log_likelihoods,
    of_one_against_rest,
)
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["read"]


def read(model: Any, response: Response) -> SmoothEngine | StepEngine:
    """Engine of the margin, or of what a link makes of it."""
    name = type(model).__name__
    if response.kind == "classifier" and response.name == "predict" and response.exclusive:
        return StepEngine(SmoothEngine(Branched(LargestScore(_margin(model))), name))
    if response.kind != "regressor" and response.name == "predict":
        raise Unsupported(f"predict of {name} is a step function of its margin")
    link = nearest(model, LINKS[response.name]) or _margin_itself
    return SmoothEngine(link(model, _margin(model)), name)


def _dense(coef: Any) -> np.ndarray:
    """Coefficients (n_outputs, n_features), sparse or not, of one output or several."""
    return np.atleast_2d(coef.toarray() if hasattr(coef, "toarray") else coef)


def _margin(model: Any) -> Affine:
    coef = _dense(model.coef_)
    intercept = nearest(model, INTERCEPTS)
    return Affine(coef.T, np.ravel(model.intercept_ if intercept is None else intercept(model, coef)))


def _margin_itself(model: Any, margin: Affine) -> SmoothFunction:
    return margin


def _of_the_logarithm(model: Any, margin: Affine) -> SmoothFunction:
    return compose(Elementwise("exp", 1), margin)


def _tweedie(model: Any, margin: Affine) -> SmoothFunction:
    is_log = model.link == "log" or (model.link == "auto" and model.power > 0)
    return _of_the_logarithm(model, margin) if is_log else margin


def _logistic(model: Any, margin: Affine) -> SmoothFunction:
    """Multinomial, but for what scikit-learn before 1.8 also had: a model a class, and two classes as two margins."""
    how = getattr(model, "multi_class", "auto")
    several = margin.n_outputs > 1
    if how == "ovr" or (several and how != "multinomial" and model.solver == "liblinear"):
        return of_one_against_rest(margin)
    return of_log_likelihoods(
        compose(Affine([[2.0]], [0.0]), margin) if how == "multinomial" and not several else margin
    )


def _discriminant(model: Any, margin: Affine) -> SmoothFunction:
    return of_log_likelihoods(margin)


def _gradient_descent(model: Any, margin: Affine) -> SmoothFunction:
    if model.loss == "modified_huber" and margin.n_outputs > 1:
        raise Unsupported("shares of margins that are clipped at zero jump where all of them are zero")
    return (of_clipped_margins if model.loss == "modified_huber" else of_one_against_rest)(margin)


def _without_offset(model: Any, margin: Affine) -> SmoothFunction:
    return Affine(margin.coef, [0.0])


def _at_zero(model: Any, coef: np.ndarray) -> np.ndarray:
    """Of models that centre the columns first."""
    return model.intercept_ - coef @ model._x_mean


Link = Callable[[Any, Affine], SmoothFunction]
# Response -> class, by itself or as a base, -> what the response makes of the margin; the margin itself otherwise.
LINKS: dict[str, dict[str, Link]] = {
    "predict": {
        "sklearn.PoissonRegressor": _of_the_logarithm,
        "sklearn.GammaRegressor": _of_the_logarithm,
        "sklearn.TweedieRegressor": _tweedie,
    },
    "decision_function": {},
    "predict_proba": {
        "sklearn.LogisticRegression": _logistic,
        "sklearn.LinearDiscriminantAnalysis": _discriminant,
        "sklearn.SGDClassifier": _gradient_descent,
    },
    "score_samples": {"sklearn.SGDOneClassSVM": _without_offset},
}
INTERCEPTS: dict[str, Callable[[Any, np.ndarray], np.ndarray]] = {
    "sklearn.SGDOneClassSVM": lambda model, coef: -model.offset_,
    "sklearn.PLSRegression": _at_zero,
    "sklearn.PLSCanonical": _at_zero,
    "sklearn.CCA": _at_zero,
}
