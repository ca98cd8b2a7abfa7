"""Reader of scikit-learn's TransformedTargetRegressor: the inverse of a transformation of what was learned."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.link_functions import Elementwise
from agnostic_ig.engines.readers.parts import read_part
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.engines.step_functions import Stepwise

__all__ = ["read"]

# Inverse transformations whose slopes are known: affine ones by their class, and functions.
AFFINE = ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")
SHIFTED = {np.exp: ("exp", 0.0), np.expm1: ("exp", -1.0), np.tanh: ("tanh", 0.0)}


def read(model: Any, response: Response) -> Any:
    """Engine of the regressor behind the inverse transformation."""
    family = type(model).__name__
    engine = read_part(model.regressor_, response.name)
    n = 1 if model._training_dim == 1 else _n_targets(model.regressor_, engine)
    return combine(_inverse(model.transformer_, n), [engine], family)


def _n_targets(regressor: Any, engine: Any) -> int:
    return engine.predict(np.zeros((1, regressor.n_features_in_))).shape[1]


def _inverse(transformer: Any, n: int) -> SmoothFunction:
    """The inverse transformation of n targets."""
    if type(transformer).__name__ in AFFINE:
        if getattr(transformer, "clip", False):
            raise Unsupported("the inverse transformation clips")
        shift = transformer.inverse_transform(np.zeros((1, n)))[0]
        return Affine(transformer.inverse_transform(np.eye(n)) - shift, shift)
    function = getattr(transformer, "inverse_func", False)
    if function is None:
        return Affine(np.eye(n), 0.0)
    if function in SHIFTED:
        link, shift = SHIFTED[function]
        return compose(Affine(np.eye(n), shift), Elementwise(link, n))
    return Stepwise(transformer.inverse_transform, n)
