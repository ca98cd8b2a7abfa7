"""Reader of scikit-learn's Gaussian processes: the mean of a regressor, the probabilities of a classifier."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.covariance_sums import covariance_sum
from agnostic_ig.engines.covariances import PROFILES, Constant, Covariance, Dot, Gaussian, Power, Product, Radial, Sum
from agnostic_ig.engines.function_algebra import compose, join
from agnostic_ig.engines.kernel_machine import PROBED, noise_of_sum
from agnostic_ig.engines.latent_process import AveragedSigmoid, LatentMoments
from agnostic_ig.engines.link_functions import Normalised, two_sided
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["read"]


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of the predicted mean, or of the class probabilities."""
    if response.kind != "classifier":
        mean, noise = _mean(model)
        return SmoothEngine(mean, type(model).__name__, noise=noise)
    if response.name != "predict_proba":
        raise Unsupported(f"{response.name} of {type(model).__name__} is a step function of its probabilities")
    return SmoothEngine(_probabilities(model), type(model).__name__)


def _mean(model: Any) -> tuple[SmoothFunction, float]:
    """The mean in the units of y, which is normalised in training where the user wants, and what rounding does to it.

    Without noise in y the weights of near points are large and cancel.
    """
    if not hasattr(model, "X_train_"):
        raise Unsupported("a Gaussian process that was not fitted predicts its prior")
    points = np.asarray(model.X_train_, dtype=np.float64)
    weights = np.asarray(model.alpha_).reshape(len(points), -1) * np.atleast_1d(model._y_train_std)
    covariance = covariance_of(model.kernel_, points)
    mean = covariance_sum(covariance, weights, np.atleast_1d(model._y_train_mean))
    sizes = np.abs(covariance.values(points[:PROBED])) @ np.abs(weights)
    return mean, noise_of_sum(mean.values(points[:PROBED]), sizes)


def _probabilities(model: Any) -> SmoothFunction:
    """Two classes: the sigmoid averaged over the latent function. More: one such against the rest, normalised."""
    if len(model.classes_) == 2:
        return two_sided(_averaged(model.base_estimator_))
    members = [_averaged(member) for member in model.base_estimator_.estimators_]
    return compose(Normalised(len(members)), join(members))


def _averaged(binary: Any) -> SmoothFunction:
    """The probability of the second class, by Laplace's approximation of the posterior."""
    points = np.asarray(binary.X_train_, dtype=np.float64)
    shrink = solve_triangular(binary.L_, np.diag(binary.W_sr_), lower=True)
    moments = LatentMoments(covariance_of(binary.kernel_, points), binary.y_train_ - binary.pi_, shrink)
    return compose(AveragedSigmoid(), moments)


def covariance_of(kernel: Any, points: np.ndarray) -> Covariance:
    """A kernel of scikit-learn around the training points.

    Raises
    ------
    Unsupported
        If it is none of KERNELS, or a subclass, which may do anything.
    """
    build = KERNELS.get(type(kernel).__name__) if type(kernel).__module__.startswith("sklearn.") else None
    if build is None:
        raise Unsupported(f"the gradient of the kernel {type(kernel).__name__} is not known")
    return build(kernel, points)


def _radial(kernel: Any, points: np.ndarray, profile: str, parameter: float) -> Covariance:
    return Radial(points, 1.0 / np.asarray(kernel.length_scale), PROFILES[profile](parameter))


def _gaussian(kernel: Any, points: np.ndarray) -> Covariance:
    return Gaussian(points, np.sqrt(0.5) / np.asarray(kernel.length_scale))


def _matern(kernel: Any, points: np.ndarray) -> Covariance:
    return _gaussian(kernel, points) if kernel.nu == np.inf else _radial(kernel, points, "matern", kernel.nu)


KERNELS: dict[str, Callable[[Any, np.ndarray], Covariance]] = {
    "ConstantKernel": lambda kernel, points: Constant(kernel.constant_value, len(points)),
    "WhiteKernel": lambda kernel, points: Constant(0.0, len(points), own=kernel.noise_level),
    "RBF": _gaussian,
    "Matern": _matern,
    "RationalQuadratic": lambda kernel, points: _radial(kernel, points, "rational", kernel.alpha),
    "ExpSineSquared": lambda kernel, points: Radial(
        points, 1.0, PROFILES["periodic"](kernel.length_scale, kernel.periodicity)
    ),
    "DotProduct": lambda kernel, points: Dot(points, kernel.sigma_0**2),
    "Sum": lambda kernel, points: Sum([covariance_of(part, points) for part in (kernel.k1, kernel.k2)]),
    "Product": lambda kernel, points: Product([covariance_of(part, points) for part in (kernel.k1, kernel.k2)]),
    "Exponentiation": lambda kernel, points: Power(covariance_of(kernel.kernel, points), kernel.exponent),
}
