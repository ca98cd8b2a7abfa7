"""Reader of scikit-learn's Stacking: a final model of the members' answers."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.readers.parts import read_part, second_of
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of the final model's function of what its members say."""
    family = type(model).__name__
    final = read_part(model.final_estimator_, response.name)
    if not isinstance(final, SmoothEngine):
        raise Unsupported(f"{family} puts {final.family}, a step function, on the answers of its members")
    members = [(e, name) for e, name in zip(model.estimators_, model.stack_method_, strict=True) if e != "drop"]
    engines = [_member(model, member, name) for member, name in members]
    if model.passthrough:
        n_features = model.n_features_in_
        engines.append(SmoothEngine(Affine(np.eye(n_features), 0.0), "the columns of X"))
    return combine(final.function, engines, family)


def _member(model: Any, member: Any, name: str) -> Any:
    """What the final model sees of a member: of two probabilities the second one."""
    engine = read_part(member, name)
    if name == "predict_proba" and len(model.classes_) == 2:
        return second_of(engine)
    return engine
