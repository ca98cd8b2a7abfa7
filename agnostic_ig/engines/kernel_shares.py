"""Shares of labels among near points, weighted by Gaussians of the distance, and normalised."""

import numpy as np

from agnostic_ig.engines.compiled_rows import plain, products
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.kernels.kernel_path import scaled_squares
from agnostic_ig.parallel import batches

__all__ = ["KernelShares"]

MAX_NUMBERS = 1_000_000


class KernelShares(SmoothFunction):
    """sum_k w_k labels[k] / sum of that over the labels, w_k = exp(-gamma |z - points[k]|**2); labels (N, n_outputs).

    Only differences of squared distances count, so that nothing underflows far from all points.
    """

    def __init__(self, points: np.ndarray, gamma: float, labels: np.ndarray) -> None:
        self.points, self.points_t = plain(points), plain(np.asarray(points).T)
        self.scales = np.full(self.points.shape[1], np.sqrt(gamma))
        self.labels = plain(labels)
        self.n_outputs = self.labels.shape[1]

    def values(self, rows: np.ndarray) -> np.ndarray:
        shares = np.empty((len(rows), self.n_outputs))
        for part in self._blocks(len(rows)):
            shares[part] = self._weights_and_shares(rows[part])[1]
        return shares

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """The weights' changes add up to 0, so that only the points themselves are left of z - point."""
        slopes = np.empty((*rows.shape, self.n_outputs))
        for part in self._blocks(len(rows)):
            weights, shares = self._weights_and_shares(rows[part])
            for o in range(self.n_outputs):
                changes = weights * (self.labels[:, o] - shares[:, [o]] * self.labels.sum(axis=1))
                lines = products(changes, self.points) - changes.sum(axis=1, keepdims=True) * rows[part]
                slopes[part, :, o] = 2.0 * self.scales**2 * lines
        return slopes

    def _weights_and_shares(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (n, N) over the total of all labels, and shares (n, n_outputs)."""
        squares = np.empty((len(rows), len(self.points)))
        scaled_squares(self.points_t, self.scales, plain(rows), squares)
        weights = np.exp(squares.min(axis=1, keepdims=True) - squares)
        sums = products(weights, self.labels)
        total = sums.sum(axis=1, keepdims=True)
        return weights / total, sums / total

    def _blocks(self, n: int) -> list[slice]:
        return batches(n, max(1, MAX_NUMBERS // len(self.points)))
