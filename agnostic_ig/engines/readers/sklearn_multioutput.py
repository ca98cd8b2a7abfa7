"""Reader of scikit-learn's models of several outputs: parts side by side, and chains of regressors."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine, compose, join
from agnostic_ig.engines.label_chain import LabelChain
from agnostic_ig.engines.level_steps import Branched, StepEngine
from agnostic_ig.engines.readers.parts import SECOND, read_part, read_parts
from agnostic_ig.engines.readers.sklearn_labels import OWN_BORDER
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["read"]

MOST_LABELS = 6  # that a chain passes on; there are 2**6 - 1 surfaces of theirs

SIDE_BY_SIDE = {"MultiOutputRegressor": ("predict",), "MultiOutputClassifier": ("predict_proba",)}


def read(model: Any, response: Response) -> Any:
    """Engine of all outputs."""
    family = type(model).__name__
    if response.name in SIDE_BY_SIDE.get(family, ()):
        return combine(None, read_parts(model.estimators_, response.name), family)
    if family == "RegressorChain" and response.name == "predict":
        return _chain(model, family)
    if family == "ClassifierChain":
        return _classifier_chain(model, response.name, family)
    raise Unsupported(f"{response.name} of {family} is a step function of its parts")


def _chain(model: Any, family: str) -> SmoothEngine:
    """Every part sees the columns and what the parts before it said."""
    parts = [_function(part, "predict", family) for part in model.estimators_]
    seen: SmoothFunction = Affine(np.eye(model.n_features_in_), 0.0)
    said = []
    for part in parts:
        said.append(compose(part, seen))
        seen = join([seen, said[-1]])
    return SmoothEngine(join([said[k] for k in np.argsort(model.order_)]), family)


def _classifier_chain(model: Any, name: str, family: str) -> SmoothEngine:
    """Probabilities or margins of a chain whose parts pass on smooth answers, not labels."""
    passed_on = getattr(model, "chain_method_", "predict")
    if passed_on == "predict":
        return _label_chain(model, name, family)
    seen: SmoothFunction = Affine(np.eye(model.n_features_in_), 0.0)
    said = []
    for part in model.estimators_:
        said.append(compose(_second(part, name, family), seen))
        seen = join([seen, compose(_second(part, passed_on, family), seen)])
    return SmoothEngine(join([said[k] for k in np.argsort(model.order_)]), family)


def _label_chain(model: Any, name: str, family: str) -> StepEngine | SmoothEngine:
    """A chain whose parts pass on labels, which step where a margin is 0 or a probability one half."""
    *before, _ = parts = model.estimators_
    if len(before) > MOST_LABELS:
        raise Unsupported(f"{family} passes on {len(before)} labels, which make more than {2**MOST_LABELS} branches")
    answers = [_second(part, name, family) for part in parts]
    if not before:
        return SmoothEngine(answers[0], family)
    margins = [_label_margin(part, family) for part in before]
    labels = [np.asarray(part.classes_, dtype=np.float64) for part in before]
    chain = LabelChain(answers, margins, labels, np.argsort(model.order_), model.n_features_in_)
    return StepEngine(SmoothEngine(Branched(chain), family))


def _label_margin(part: Any, family: str) -> SmoothFunction:
    """One output, above 0 where the label of a part is its second class."""
    kind = type(part).__name__
    if kind in OWN_BORDER:
        raise Unsupported(f"{family} passes on labels of {kind}, whose border is not read")
    if len(part.classes_) != 2:
        raise Unsupported(f"{family} passes on labels of {len(part.classes_)} classes")
    if hasattr(part, "decision_function"):
        return _function(part, "decision_function", family)
    return compose(Affine([[-1.0], [1.0]], 0.0), _function(part, "predict_proba", family))


def _second(part: Any, name: str, family: str) -> SmoothFunction:
    """The margin of a part, or its second probability."""
    function = _function(part, name, family)
    return compose(SECOND, function) if name == "predict_proba" else function


def _function(part: Any, name: str, family: str) -> SmoothFunction:
    engine = read_part(part, name)
    if not isinstance(engine, SmoothEngine):
        raise Unsupported(f"{family} puts {engine.family}, a step function, on the answers of others")
    return engine.function
