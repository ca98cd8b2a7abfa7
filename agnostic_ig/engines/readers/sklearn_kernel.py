"""Reader of scikit-learn's kernel machines: support vector machines, one-class machines, kernel ridge."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.kernel_machine import PROBED, GaussianSum, RidgeSum, noise_of_sum, power_link
from agnostic_ig.engines.level_steps import LevelSteps, StepEngine, Surfaces
from agnostic_ig.engines.libsvm_outputs import CoupledPair, Votes, pair_surfaces, vote_surfaces
from agnostic_ig.engines.link_functions import LINKS
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["kernel_sum", "read"]

# points, weights, intercept, gamma, coef0, degree -> the function
Build = Callable[[np.ndarray, np.ndarray, np.ndarray, float, float, float], SmoothFunction]


def _linear(points: np.ndarray, weights: np.ndarray, intercept: np.ndarray, *_: float) -> SmoothFunction:
    return Affine(points.T @ weights, intercept)


def _rbf(
    points: np.ndarray, weights: np.ndarray, intercept: np.ndarray, gamma: float, coef0: float, degree: float
) -> SmoothFunction:
    return GaussianSum(points, np.sqrt(gamma), weights, intercept)


def _polynomial(
    points: np.ndarray, weights: np.ndarray, intercept: np.ndarray, gamma: float, coef0: float, degree: float
) -> SmoothFunction:
    if degree != int(degree):
        raise Unsupported(f"a polynomial kernel of degree {degree:g} is no polynomial")
    return RidgeSum(points, gamma, coef0, power_link(int(degree)), weights, intercept)


def _sigmoid(
    points: np.ndarray, weights: np.ndarray, intercept: np.ndarray, gamma: float, coef0: float, degree: float
) -> SmoothFunction:
    return RidgeSum(points, gamma, coef0, LINKS["tanh"], weights, intercept)


KERNELS: dict[str, Build] = {
    "linear": _linear,
    "rbf": _rbf,
    "poly": _polynomial,
    "polynomial": _polynomial,
    "sigmoid": _sigmoid,
}


def kernel_sum(
    model: Any, points: Any, weights: Any, intercept: np.ndarray | float, gamma: float
) -> tuple[SmoothFunction, float]:
    """sum_k weights[k] k(z, points[k]) + intercept with the kernel that the model names, and what rounding does to it.

    Raises
    ------
    Unsupported
        If the kernel is the user's own function, or has no smooth form in KERNELS.
    """
    name = type(model).__name__
    if callable(model.kernel):
        raise Unsupported(f"the kernel of this {name} is a function of the user's own, whose gradient is not known")
    if model.kernel not in KERNELS:
        raise Unsupported(f"the kernel {model.kernel!r} of {name} is none of {', '.join(KERNELS)}")
    points, weights, build = _dense(points), _dense(weights), KERNELS[model.kernel]
    intercept = np.broadcast_to(np.asarray(intercept, dtype=np.float64), weights.shape[1:])
    function = build(points, weights, intercept, float(gamma), float(model.coef0), float(model.degree))
    # Without any signs the other kernels can only grow; that of a distance has none.
    bare = points if model.kernel == "rbf" else np.abs(points)
    sizes = build(bare, np.abs(weights), np.abs(intercept), gamma, abs(model.coef0), model.degree)
    return function, noise_of_sum(function.values(points[:PROBED]), sizes.values(bare[:PROBED]))


def _dense(matrix: Any) -> np.ndarray:
    """Models that were fitted on sparse data keep sparse matrices."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float64)


def read(model: Any, response: Response) -> SmoothEngine | StepEngine:
    """Engine of the sum of kernels that this kind of machine answers with."""
    kind = next(name for base in type(model).__mro__ if (name := base.__name__) in MACHINES)
    return MACHINES[kind](model, response)


def _ridge(model: Any, response: Response) -> SmoothEngine:
    """KernelRidge: one sum of kernels a target."""
    points = _dense(model.X_fit_)
    gamma = 1.0 / points.shape[1] if model.gamma is None else model.gamma
    weights = _dense(model.dual_coef_).reshape(len(points), -1)
    return _engine(kernel_sum(model, points, weights, 0.0, gamma), model)


def _support(model: Any, weights: np.ndarray, intercept: np.ndarray | float) -> tuple[SmoothFunction, float]:
    """Sums of kernels around the support vectors."""
    return kernel_sum(model, model.support_vectors_, weights, intercept, model._gamma)


def _regressor(model: Any, response: Response) -> SmoothEngine:
    return _engine(_support(model, _dense(model.dual_coef_).T, model.intercept_), model)


def _one_class(model: Any, response: Response) -> SmoothEngine:
    """decision_function is score_samples less the offset."""
    if response.name == "predict":
        raise Unsupported(f"predict of {type(model).__name__} is a step function of its score")
    intercept = model.intercept_ if response.name == "decision_function" else 0.0
    return _engine(_support(model, _dense(model.dual_coef_).T, intercept), model)


def _classifier(model: Any, response: Response) -> SmoothEngine | StepEngine:
    if response.name == "predict":
        raise Unsupported(f"predict of {type(model).__name__} is a step function of its margins")
    if response.name == "predict_proba":
        return _probabilities(model)
    if len(model.classes_) == 2:
        return _engine(_support(model, _dense(model.dual_coef_).T, model.intercept_), model)
    margins = _pair_margins(model)
    if model.decision_function_shape == "ovo":
        return _engine(margins, model)
    votes = Votes(len(model.classes_))
    return _stepped(votes, margins, vote_surfaces(votes), model)


def _probabilities(model: Any) -> StepEngine:
    """Platt's sigmoid of two classes, as libsvm rounds it off."""
    if len(model.classes_) > 2:
        raise Unsupported(
            f"predict_proba of {type(model).__name__} for more than two classes is an iteration that stops early; "
            "CalibratedClassifierCV gives probabilities that have a formula"
        )
    pair = CoupledPair(float(model._probA[0]), float(model._probB[0]))  # probA_ and probB_ warn since 1.9
    margin = _support(model, _dense(model.dual_coef_).T, model.intercept_)
    return _stepped(pair, margin, pair_surfaces(pair), model)


def _stepped(
    outer: SmoothFunction, sum_and_noise: tuple[SmoothFunction, float], surfaces: Surfaces, model: Any
) -> StepEngine:
    inner, noise = sum_and_noise
    return StepEngine(SmoothEngine(LevelSteps(outer, inner, surfaces), type(model).__name__, noise=noise))


def _pair_margins(model: Any) -> tuple[SmoothFunction, float]:
    """One margin a pair of classes i < j: row j - 1 of dual_coef_ on the vectors of i, row i on those of j."""
    dual, n_classes = _dense(model.dual_coef_), len(model.classes_)
    ends = np.concatenate([[0], np.cumsum(model.n_support_)])
    weights = np.zeros((dual.shape[1], n_classes * (n_classes - 1) // 2))
    pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    for column, (i, j) in enumerate(pairs):
        weights[ends[i] : ends[i + 1], column] = dual[j - 1, ends[i] : ends[i + 1]]
        weights[ends[j] : ends[j + 1], column] = dual[i, ends[j] : ends[j + 1]]
    return _support(model, weights, model.intercept_)


def _engine(sum_and_noise: tuple[SmoothFunction, float], model: Any) -> SmoothEngine:
    function, noise = sum_and_noise
    return SmoothEngine(function, type(model).__name__, noise=noise)


MACHINES = {
    "SVC": _classifier,
    "NuSVC": _classifier,
    "SVR": _regressor,
    "NuSVR": _regressor,
    "OneClassSVM": _one_class,
    "KernelRidge": _ridge,
}
