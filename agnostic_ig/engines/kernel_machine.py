"""Weighted sums of kernels around the points of a fitted model, as smooth functions with mean gradients."""

from collections.abc import Callable

import numpy as np

from agnostic_ig.engines.compiled_rows import plain, products
from agnostic_ig.engines.covariances import Covariance
from agnostic_ig.engines.link_functions import Link
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction
from agnostic_ig.kernels.kernel_path import gaussian_gradients, gaussian_values
from agnostic_ig.parallel import batches

__all__ = ["PROBED", "CovarianceSum", "GaussianSum", "RidgeSum", "noise_of_sum", "power_link"]

MAX_NUMBERS = 1_000_000  # of rows x points held at once
PROBED = 64  # points at which it is looked at what rounding does
NEGLIGIBLE = 1e-11  # rounding that is not worth telling, relative to the predictions


def noise_of_sum(values: np.ndarray, sizes: np.ndarray) -> float:
    """What rounding may do to sums of these values whose terms add up to these sizes without signs; 0 if negligible.

    Measured on libsvm's own sums it is 0.2 to 2 roundings of the sizes.
    """
    noise = 4.0 * np.finfo(np.float64).eps * sizes.max(initial=0.0)
    return float(noise) if noise > NEGLIGIBLE * np.abs(values).max(initial=0.0) else 0.0


class _PointSum(SmoothFunction):
    """sum_k weights[k] k(z, points[k]) + intercept; points (N, d), weights (N, n_outputs)."""

    def __init__(self, points: np.ndarray, weights: np.ndarray, intercept: np.ndarray | float) -> None:
        self.points = plain(points)
        self.points_t = plain(self.points.T)
        self.weights = plain(weights)
        self.n_outputs = self.weights.shape[1]
        self.intercept = np.broadcast_to(np.asarray(intercept, dtype=np.float64), (self.n_outputs,))

    def _blocks(self, n: int) -> list[slice]:
        return batches(n, max(1, MAX_NUMBERS // max(1, len(self.points))))

    def _starts_of_sums(self, n: int) -> np.ndarray:
        return np.tile(self.intercept, (n, 1))


class GaussianSum(_PointSum):
    """Kernels exp(-|scales (z - s)|**2), scales (d,); mean gradients in closed form."""

    def __init__(
        self, points: np.ndarray, scales: np.ndarray, weights: np.ndarray, intercept: np.ndarray | float = 0.0
    ) -> None:
        super().__init__(points, weights, intercept)
        self.scales = plain(np.broadcast_to(scales, self.points.shape[1:]))

    def values(self, rows: np.ndarray) -> np.ndarray:
        sums = self._starts_of_sums(len(rows))
        gaussian_values(self.points_t, self.scales, self.weights, plain(rows), sums)
        return sums

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.mean_gradients(rows, rows)[0]

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        means = np.zeros((*starts.shape, self.n_outputs))
        gaussian_gradients(self.points, self.points_t, self.scales, self.weights, plain(starts), plain(ends), means)
        return means, None


def power_link(degree: int) -> Link:
    """u**degree; its secant is the sum of the products of powers of both ends, which does not cancel."""

    def secant(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        total = np.zeros_like(low)
        for k in range(degree):
            total = total * low + high**k
        return total

    return Link(lambda u: u**degree, lambda u: degree * u ** max(degree - 1, 0), secant)


class RidgeSum(_PointSum):
    """Kernels h(slope z.s + offset): along a straight path every one is a function of one number; closed form."""

    def __init__(
        self,
        points: np.ndarray,
        slope: float,
        offset: float,
        link: Link,
        weights: np.ndarray,
        intercept: np.ndarray | float = 0.0,
    ) -> None:
        super().__init__(slope * np.asarray(points, dtype=np.float64), weights, intercept)
        self.offset, self.link = offset, link

    def values(self, rows: np.ndarray) -> np.ndarray:
        sums = np.empty((len(rows), self.n_outputs))
        for part in self._blocks(len(rows)):
            sums[part] = products(self.link.value(self._inner(rows[part])), self.weights)
        return sums + self.intercept

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self._pulled(len(rows), lambda part: self.link.slope(self._inner(rows[part])), rows.shape[1])

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        def secants(part: slice) -> np.ndarray:
            first, last = self._inner(starts[part]), self._inner(ends[part])
            return self.link.secant(np.minimum(first, last), np.maximum(first, last))

        return self._pulled(len(starts), secants, starts.shape[1]), None

    def _inner(self, rows: np.ndarray) -> np.ndarray:
        shown_once = len(rows) > 1 and rows.strides[0] == 0  # one baseline for all rows
        inner = products(rows[:1] if shown_once else rows, self.points_t) + self.offset
        return np.broadcast_to(inner, (len(rows), inner.shape[1]))

    def _pulled(self, n: int, slopes: Callable[[slice], np.ndarray], n_features: int) -> np.ndarray:
        means = np.empty((n, n_features, self.n_outputs))
        for part in self._blocks(n):
            steep = slopes(part)
            for o in range(self.n_outputs):
                means[part, :, o] = products(steep * self.weights[:, o], self.points)
        return means


class CovarianceSum(SmoothFunction):
    """Kernels of any covariance function that knows its gradient; means by quadrature, cut where it has kinks."""

    def __init__(self, covariance: Covariance, weights: np.ndarray, intercept: np.ndarray | float = 0.0) -> None:
        self.covariance = covariance
        self.weights = plain(weights)
        self.n_outputs = self.weights.shape[1]
        self.intercept = intercept

    def values(self, rows: np.ndarray) -> np.ndarray:
        sums = np.empty((len(rows), self.n_outputs))
        for part in self._blocks(len(rows)):
            sums[part] = products(self.covariance.values(rows[part]), self.weights)
        return sums + self.intercept

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        slopes = np.empty((*rows.shape, self.n_outputs))
        for part in self._blocks(len(rows)):
            some = rows[part]
            for o in range(self.n_outputs):
                weights = np.broadcast_to(self.weights[:, o], (len(some), len(self.weights)))
                slopes[part, :, o] = self.covariance.pull(some, weights)
        return slopes

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return self.covariance.breaks(starts, ends)

    def _blocks(self, n: int) -> list[slice]:
        return batches(n, max(1, MAX_NUMBERS // max(1, len(self.weights))))
