"""Reader of scikit-learn's CalibratedClassifierCV: the mean of calibrated members."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine, compose, join, of_columns
from agnostic_ig.engines.link_functions import Elementwise, Normalised, Softmax, two_sided
from agnostic_ig.engines.readers.parts import read_part, second_of, weighted_mean
from agnostic_ig.engines.readers.sklearn_isotonic import broken_line
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of the mean of the probabilities of all calibrated members."""
    family = type(model).__name__
    if response.name != "predict_proba":
        raise Unsupported(f"{response.name} of {family} is a step function of its probabilities")
    engines = [_calibrated(model, member) for member in model.calibrated_classifiers_]
    mean = weighted_mean(np.ones(len(engines)), [np.eye(len(model.classes_))] * len(engines))
    return combine(mean, engines, family)


def _calibrated(model: Any, member: Any) -> Any:
    """Engine of one member behind its calibrators."""
    engine = read_part(member.estimator, "decision_function", "predict_proba")
    n_classes = len(member.classes)
    by_margin = hasattr(member.estimator, "decision_function")
    if n_classes == 2 and not by_margin:
        engine = second_of(engine)
    if member.method == "temperature":
        return combine(_by_temperature(member, n_classes, by_margin), [engine], engine.family)
    return combine(_one_by_one(member, n_classes), [engine], engine.family)


def _one_by_one(member: Any, n_classes: int) -> SmoothFunction:
    """Every class calibrated by itself, and shares of all of them."""
    calibrated = [CALIBRATORS[member.method](calibrator) for calibrator in member.calibrators]
    if n_classes == 2:
        return two_sided(calibrated[0])
    place = np.searchsorted(member.classes, member.estimator.classes_)
    n = len(calibrated)
    each = join([of_columns(function, np.array([k]), n) for k, function in enumerate(calibrated)])
    wide = np.zeros((n, n_classes))  # a class that a member has not seen has probability 0
    wide[np.arange(n), place] = 1.0
    return compose(Normalised(n_classes), compose(Affine(wide, 0.0), each))


def _by_temperature(member: Any, n_classes: int, by_margin: bool) -> SmoothFunction:
    """Softmax of the logits, by the inverse temperature; of two classes the logits are -m and m."""
    beta = float(member.calibrators[0].beta_)
    to_logits = Affine(np.array([[-1.0, 1.0]]) if n_classes == 2 else np.eye(n_classes), 0.0)
    if not by_margin:
        pair = two_sided(Affine(np.eye(1), 0.0)) if n_classes == 2 else Affine(np.eye(n_classes), 0.0)
        to_logits = compose(Elementwise("log_of_share", n_classes), pair)
    scaled = compose(Affine(beta * np.eye(n_classes), 0.0), to_logits)
    return compose(Softmax(n_classes), scaled)


def _sigmoid(calibrator: Any) -> SmoothFunction:
    line = Affine(np.array([[-float(calibrator.a_)]]), -float(calibrator.b_))
    return compose(Elementwise("sigmoid", 1), line)


def _isotonic(calibrator: Any) -> SmoothFunction:
    return broken_line(calibrator)


# method -> function of one member's margin
CALIBRATORS = {"sigmoid": _sigmoid, "isotonic": _isotonic}
