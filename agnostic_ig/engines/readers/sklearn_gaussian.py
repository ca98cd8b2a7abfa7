"""Reader of scikit-learn's models of normal distributions: distances from centres, and probabilities of them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import nearest
from agnostic_ig.engines.quadratic import Quadratic, SeparableQuadratic
from agnostic_ig.engines.readers.class_probabilities import log_ratio, of_log_likelihoods
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["read"]


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of the logarithms of likelihoods, their differences, or probabilities."""
    name = type(model).__name__
    if response.name == "predict":
        raise Unsupported(f"predict of {name} is a step function of distances")
    scores = nearest(model, SCORES)(model, response)
    return SmoothEngine(RESPONSES[response.name](scores), name)


def _naive(model: Any, response: Response) -> SmoothFunction:
    constants = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    return SeparableQuadratic(model.theta_, 0.5 / model.var_, constants)


def _discriminant(model: Any, response: Response) -> SmoothFunction:
    factors = [
        rotation * np.sqrt(0.5 / scaling) for rotation, scaling in zip(model.rotations_, model.scalings_, strict=True)
    ]
    sizes = np.array([np.log(scaling).sum() for scaling in model.scalings_])
    return Quadratic(model.means_, np.stack(factors), np.log(model.priors_) - 0.5 * sizes)


def _centroid(model: Any, response: Response) -> SmoothFunction:
    spread = model.within_class_std_dev_
    weights = np.where(spread != 0.0, spread, 1.0) ** -2.0
    centroids = np.asarray(model.centroids_)
    return SeparableQuadratic(centroids, np.broadcast_to(weights, centroids.shape), 2.0 * np.log(model.class_prior_))


def _envelope(model: Any, response: Response) -> SmoothFunction:
    """Rounding leaves eigenvalues of what is no direction of the data below 0."""
    size, direction = np.linalg.eigh(model.get_precision())
    factor = direction * np.sqrt(np.maximum(size, 0.0))
    shift = -model.offset_ if response.name == "decision_function" else 0.0
    return Quadratic(model.location_[None, :], factor[None, :, :], np.array([shift]))


# Class -> a quadratic function a class, or one of them all.
SCORES: dict[str, Callable[[Any, Response], SmoothFunction]] = {
    "sklearn.GaussianNB": _naive,
    "sklearn.QuadraticDiscriminantAnalysis": _discriminant,
    "sklearn.NearestCentroid": _centroid,
    "sklearn.EllipticEnvelope": _envelope,
}
RESPONSES: dict[str, Callable[[SmoothFunction], SmoothFunction]] = {
    "decision_function": log_ratio,
    "predict_proba": of_log_likelihoods,
    "score_samples": lambda scores: scores,
}
