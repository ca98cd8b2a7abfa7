"""Reader of scikit-learn's models of one part a class or a pair of classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine, constant
from agnostic_ig.engines.function_algebra import Affine, compose, join
from agnostic_ig.engines.level_steps import LevelSteps, StepEngine
from agnostic_ig.engines.libsvm_outputs import Votes, vote_surfaces
from agnostic_ig.engines.link_functions import Normalised, two_sided
from agnostic_ig.engines.readers.parts import SECOND, read_part, second_of
from agnostic_ig.engines.readers.sklearn_labels import OWN_BORDER
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.step_functions import DECIMALS, Stepwise

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of all parts together."""
    family = type(model).__name__
    read_kind = KINDS.get((family, response.name))
    if read_kind is None:
        raise Unsupported(f"{response.name} of {family} is a step function of its parts")
    return read_kind(model, family)


def _rest_margins(model: Any, family: str) -> Any:
    return combine(None, [_read(part, "decision_function") for part in model.estimators_], family)


def _rest_shares(model: Any, family: str) -> Any:
    """The second probability of every part; shares of them where classes exclude each other."""
    engines = [_read(part, "predict_proba") for part in model.estimators_]
    n = len(engines)
    parts = combine(None, [second_of(engine) for engine in engines], family)
    if n == 1:
        return combine(two_sided(Affine(np.eye(1), 0.0)), [parts], family)
    return parts if model.multilabel_ else combine(Normalised(n), [parts], family)


def _pair_votes(model: Any, family: str) -> Any:
    """Votes and confidences of all pairs of classes, as scikit-learn joins them."""
    from sklearn.utils.multiclass import _ovr_decision_function

    n_classes, border = len(model.classes_), 0.0 if hasattr(model.estimators_[0], "decision_function") else 0.5

    def join_votes(confidences: np.ndarray) -> np.ndarray:
        won = confidences.round(DECIMALS) > border
        decided = _ovr_decision_function(won.astype(int), confidences, n_classes)
        return decided[:, 1:] if n_classes == 2 else decided

    confidences = _confidences(model.estimators_)
    if all(isinstance(engine, SmoothEngine) for engine in confidences):
        return _smooth_votes(model, confidences, border, family)
    return combine(Stepwise(join_votes, 1 if n_classes == 2 else n_classes), confidences, family)


def _smooth_votes(model: Any, confidences: Sequence[SmoothEngine], border: float, family: str) -> StepEngine:
    """The same where confidences change smoothly: they speak for the second of a pair, above the border."""
    unread = {type(part).__name__ for part in model.estimators_} & OWN_BORDER
    if unread:
        raise Unsupported(f"{family} takes labels of {', '.join(sorted(unread))}, whose border is not read")
    for_first = compose(Affine(-np.eye(len(confidences)), 0.0), join([engine.function for engine in confidences]))
    votes = Votes(len(model.classes_), -border)
    surfaces = vote_surfaces(votes)
    if len(model.classes_) == 2:
        votes, surfaces = compose(SECOND, votes), surfaces._replace(jumps=surfaces.jumps @ SECOND.coef)
    return StepEngine(SmoothEngine(LevelSteps(votes, for_first, surfaces), family))


def _nearest_code(model: Any, family: str) -> Any:
    """The class whose code is nearest to what all parts say."""
    from sklearn.metrics import pairwise_distances_argmin

    def indicate(confidences: np.ndarray) -> np.ndarray:
        nearest = pairwise_distances_argmin(confidences.round(DECIMALS), model.code_book_)
        return np.eye(len(model.classes_))[nearest]

    return combine(Stepwise(indicate, len(model.classes_)), _confidences(model.estimators_), family)


def _confidences(parts: Sequence[Any]) -> list[Any]:
    """Engines of what scikit-learn takes of two-class parts: their margin, or their second probability."""
    engines = []
    for part in parts:
        engine = _read(part, "decision_function", "predict_proba")
        engines.append(engine if hasattr(part, "decision_function") else second_of(engine))
    return engines


def _read(part: Any, *names: str) -> Any:
    """Engine of a part; where a class was in all of the training rows or in none, the part is a constant."""
    if type(part).__name__ != "_ConstantPredictor":
        return read_part(part, *names)
    answer = np.ravel(getattr(part, names[0])(np.zeros((1, 1)))).astype(np.float64)
    return constant(answer, type(part).__name__)


KINDS = {
    ("OneVsRestClassifier", "decision_function"): _rest_margins,
    ("OneVsRestClassifier", "predict_proba"): _rest_shares,
    ("OneVsOneClassifier", "decision_function"): _pair_votes,
    ("OutputCodeClassifier", "predict"): _nearest_code,
}
