"""Reader of scikit-learn's models of one part a class or a pair of classes."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.link_functions import Normalised, two_sided
from agnostic_ig.engines.readers.parts import read_part, read_parts
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.step_functions import Stepwise

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of all parts together."""
    family = type(model).__name__
    read_kind = KINDS.get((family, response.name))
    if read_kind is None:
        raise Unsupported(f"{response.name} of {family} is a step function of its parts")
    return read_kind(model, family)


def _rest_margins(model: Any, family: str) -> Any:
    return combine(None, read_parts(model.estimators_, "decision_function"), family)


def _rest_shares(model: Any, family: str) -> Any:
    """The second probability of every part; shares of them where classes exclude each other."""
    engines = read_parts(model.estimators_, "predict_proba")
    n = len(engines)
    second = Affine(np.kron(np.eye(n), [[0.0], [1.0]]), 0.0)
    parts = combine(second, engines, family)
    if n == 1:
        return combine(two_sided(Affine(np.eye(1), 0.0)), [parts], family)
    return parts if model.multilabel_ else combine(Normalised(n), [parts], family)


def _pair_votes(model: Any, family: str) -> Any:
    """Votes and confidences of all pairs of classes, as scikit-learn joins them."""
    from sklearn.utils.multiclass import _ovr_decision_function

    parts = model.estimators_
    by_margin = hasattr(parts[0], "decision_function")
    engines = [read_part(part, "decision_function", "predict_proba") for part in parts]
    if not by_margin:
        second = Affine(np.array([[0.0], [1.0]]), 0.0)
        engines = [combine(second, [engine], engine.family) for engine in engines]
    n_classes, border = len(model.classes_), 0.0 if by_margin else 0.5

    def join_votes(confidences: np.ndarray) -> np.ndarray:
        decided = _ovr_decision_function((confidences > border).astype(int), confidences, n_classes)
        return decided[:, 1:] if n_classes == 2 else decided

    return combine(Stepwise(join_votes, 1 if n_classes == 2 else n_classes), engines, family)


KINDS = {
    ("OneVsRestClassifier", "decision_function"): _rest_margins,
    ("OneVsRestClassifier", "predict_proba"): _rest_shares,
    ("OneVsOneClassifier", "decision_function"): _pair_votes,
}
