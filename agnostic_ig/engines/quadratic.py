"""Quadratic functions: squared distances from centres, in a metric of every centre's own."""

import numpy as np

from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction

__all__ = ["Quadratic", "SeparableQuadratic"]


class _Parabolas(SmoothFunction):
    """Functions whose gradient is linear, so that its mean is the gradient half way."""

    is_quadratic = True

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        return self.gradients(starts / 2.0 + ends / 2.0), None


class Quadratic(_Parabolas):
    """Output k is ``constants[k] - |(row - centres[k]) @ factors[k]|**2``.

    centres (n_outputs, n_features), factors (n_outputs, n_features, rank), constants (n_outputs,).
    """

    def __init__(self, centres: np.ndarray, factors: np.ndarray, constants: np.ndarray) -> None:
        self.centres, self.factors = np.asarray(centres), np.asarray(factors)
        self.constants = np.asarray(constants)
        self.n_outputs = len(self.centres)

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.constants - (self._whitened(rows) ** 2).sum(axis=2)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        slopes = -2.0 * np.einsum("nkr,kdr->nkd", self._whitened(rows), self.factors, optimize=True)
        return slopes.transpose(0, 2, 1)

    def _whitened(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_outputs, rank)."""
        pairs = zip(self.centres, self.factors, strict=True)
        return np.stack([(rows - centre) @ factor for centre, factor in pairs], axis=1)


class SeparableQuadratic(_Parabolas):
    """Output k is ``constants[k] - sum over columns of weights[k] * (row - centres[k])**2``; all (n_outputs, ...)."""

    is_additive = True

    def __init__(self, centres: np.ndarray, weights: np.ndarray, constants: np.ndarray) -> None:
        self.centres, self.weights = np.asarray(centres), np.asarray(weights)
        self.constants = np.asarray(constants)
        self.n_outputs = len(self.centres)

    def values(self, rows: np.ndarray) -> np.ndarray:
        pairs = zip(self.centres, self.weights, strict=True)
        return self.constants - np.stack([(rows - centre) ** 2 @ weight for centre, weight in pairs], axis=1)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return -2.0 * self.weights.T * (rows[:, :, None] - self.centres.T)
