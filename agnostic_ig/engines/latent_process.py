"""Gaussian processes behind a sigmoid: mean and variance of the latent function, and the averaged sigmoid."""

import numpy as np
from scipy import special

from agnostic_ig.engines.compiled_rows import plain, products
from agnostic_ig.engines.covariances import Covariance
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.parallel import batches

__all__ = ["AveragedSigmoid", "LatentMoments"]

MAX_NUMBERS = 1_000_000
# Williams & Barber, Bayesian classification with Gaussian processes (1998), appendix A: the sigmoid as a sum of error
# functions, with the numbers that scikit-learn uses.
SLOPES = np.array([0.41, 0.4, 0.37, 0.44, 0.39])
SIZES = np.array([-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654])


class LatentMoments(SmoothFunction):
    """Mean k.weights and variance k(z, z) - |shrink k|**2 of the latent function, k = k(z, training points)."""

    n_outputs = 2

    def __init__(self, covariance: Covariance, weights: np.ndarray, shrink: np.ndarray) -> None:
        self.covariance, self.weights = covariance, plain(weights)
        self.shrink, self.shrink_t = plain(shrink), plain(shrink.T)

    def values(self, rows: np.ndarray) -> np.ndarray:
        moments = np.empty((len(rows), 2))
        for part in self._blocks(len(rows)):
            near = self.covariance.values(rows[part])
            moments[part, 0] = products(near, self.weights[:, None])[:, 0]
            moments[part, 1] = self.covariance.diagonal(rows[part]) - (products(near, self.shrink_t) ** 2).sum(axis=1)
        return moments

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        slopes = np.empty((*rows.shape, 2))
        for part in self._blocks(len(rows)):
            some = rows[part]
            told = products(products(self.covariance.values(some), self.shrink_t), self.shrink)
            slopes[part, :, 0] = self.covariance.pull(some, np.broadcast_to(self.weights, told.shape))
            slopes[part, :, 1] = self.covariance.diagonal_gradients(some) - 2.0 * self.covariance.pull(some, told)
        return slopes

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return self.covariance.breaks(starts, ends)

    def _blocks(self, n: int) -> list[slice]:
        return batches(n, max(1, MAX_NUMBERS // len(self.weights)))


class AveragedSigmoid(SmoothFunction):
    """The mean of a sigmoid of a normal variable, from its mean and variance (n, 2)."""

    n_outputs = 1

    def values(self, rows: np.ndarray) -> np.ndarray:
        inside = SLOPES * rows[:, :1] / self._spread(rows)
        return 0.5 * ((SIZES * special.erf(inside)).sum(axis=1, keepdims=True) + SIZES.sum())

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        spread = self._spread(rows)
        density = SIZES / np.sqrt(np.pi) * np.exp(-((SLOPES * rows[:, :1] / spread) ** 2))
        by_mean = density * SLOPES / spread
        by_variance = -by_mean * SLOPES**2 * rows[:, :1] / spread**2
        return np.stack([by_mean.sum(axis=1), by_variance.sum(axis=1)], axis=1)[:, :, None]

    @staticmethod
    def _spread(rows: np.ndarray) -> np.ndarray:
        return np.sqrt(1.0 + 2.0 * SLOPES**2 * rows[:, 1:])
