"""Links from margins to outputs, as smooth functions: values, slopes, and exact mean slopes between two margins."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.link_ties import LINK_TIES, shares_of_ties
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction
from agnostic_ig.kernels.softmax_path import softmax_moments
from agnostic_ig.numerics.quadrature import gauss_kronrod

__all__ = ["LINKS", "Elementwise", "Link", "Normalised", "Softmax", "diagonal", "two_sided"]

Array = np.ndarray


class Link(NamedTuple):
    """A function of one number, its slope, and its secant (g(b) - g(a)) / (b - a) for a <= b without cancellation."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    secant: Callable[[Array, Array], Array]


def _falling(move: Array) -> Array:
    """(1 - exp(-M)) / M, which is 1 at M = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(move == 0.0, 1.0, -np.expm1(-move) / move)


def _sigmoid_slope(margin: Array) -> Array:
    return special.expit(margin) * special.expit(-margin)


def _sigmoid_secant(low: Array, high: Array) -> Array:
    return special.expit(high) * special.expit(-low) * _falling(high - low)


SMALLEST_SHARE = 1e-12


def _log_secant(low: Array, move: Array) -> Array:
    """(log(low + M) - log(low)) / M."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(move == 0.0, 1.0 / low, np.log1p(move / low) / move)


def _relu_slope(margin: Array) -> Array:
    """One half at zero: what small noise, which goes either way, has on average."""
    return np.heaviside(margin, 0.5)


def _relu_secant(low: Array, high: Array) -> Array:
    """The share of the way that lies above zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((low < 0.0) & (high > 0.0), high / (high - low), _relu_slope(low + high))


LINKS = {
    "sigmoid": Link(special.expit, _sigmoid_slope, _sigmoid_secant),
    "sigmoid_of_double": Link(
        lambda margin: special.expit(2.0 * margin),
        lambda margin: 2.0 * _sigmoid_slope(2.0 * margin),
        lambda low, high: 2.0 * _sigmoid_secant(2.0 * low, 2.0 * high),
    ),
    "exp": Link(np.exp, np.exp, lambda low, high: np.exp(high) * _falling(high - low)),
    # Logarithms of probabilities as scikit-learn takes them where it scales temperatures, away from log(0).
    "log_of_share": Link(
        lambda share: np.log(share + SMALLEST_SHARE),
        lambda share: 1.0 / (share + SMALLEST_SHARE),
        lambda low, high: _log_secant(low + SMALLEST_SHARE, high - low),
    ),
    "tanh": Link(
        np.tanh,
        lambda margin: 4.0 * _sigmoid_slope(2.0 * margin),  # tanh(m) = 2 sigmoid(2m) - 1
        lambda low, high: 4.0 * _sigmoid_secant(2.0 * low, 2.0 * high),
    ),
    "isolation": Link(
        lambda margin: -np.exp2(-margin),
        lambda margin: np.log(2.0) * np.exp2(-margin),
        lambda low, high: np.log(2.0) * np.exp2(-low) * _falling(np.log(2.0) * (high - low)),
    ),
    "relu": Link(lambda margin: np.maximum(margin, 0.0), _relu_slope, _relu_secant),
}


class Elementwise(SmoothFunction):
    """The same link of every margin."""

    is_additive = False

    def __init__(self, name: str, n_outputs: int) -> None:
        self.name, self.n_outputs = name, n_outputs
        self.link = LINKS[name]

    def values(self, rows: Array) -> Array:
        return self.link.value(rows)

    def gradients(self, rows: Array) -> Array:
        return diagonal(self.link.slope(rows))

    def mean_gradients(self, starts: Array, ends: Array) -> MeanGradients:
        return diagonal(self.link.secant(np.minimum(starts, ends), np.maximum(starts, ends))), None

    def tie_of_sums(self, before: Array, effects: Array) -> Array | None:
        if self.name not in LINK_TIES:
            return None
        shares = [shares_of_ties(self.name, before[:, m], effects[:, :, m]) for m in range(self.n_outputs)]
        return np.stack(shares, axis=2)


class Softmax(SmoothFunction):
    """exp(margins) by their sum."""

    def __init__(self, n_outputs: int) -> None:
        self.n_outputs = n_outputs

    def values(self, rows: Array) -> Array:
        return special.softmax(rows, axis=1)

    def gradients(self, rows: Array) -> Array:
        p = self.values(rows)
        steep = -p[:, :, None] * p[:, None, :]
        every = np.arange(self.n_outputs)
        steep[:, every, every] = 0.0
        steep[:, every, every] = -steep.sum(axis=2)  # p (1 - p) without cancellation where p is nearly 1
        return steep

    def mean_gradients(self, starts: Array, ends: Array) -> MeanGradients:
        return self._moments(starts, ends - starts, np.zeros_like(starts)).sum(axis=1), None

    def mean_gradients_on_parabolas(self, start: Array, slope: Array, bend: Array) -> MeanGradients:
        return self._moments(start, slope, bend).reshape(len(start), -1, self.n_outputs), None

    def _moments(self, *parabolas: Array) -> Array:
        moments = np.zeros((len(parabolas[0]), 2, self.n_outputs, self.n_outputs))
        softmax_moments(*map(np.ascontiguousarray, parabolas), *gauss_kronrod(), moments)
        return moments

    def tie_of_sums(self, before: Array, effects: Array) -> Array | None:
        """Of two classes, whose shares are sigmoids of the difference."""
        if self.n_outputs != 2:
            return None
        shares = shares_of_ties("sigmoid", before[:, 1] - before[:, 0], effects[:, :, 1] - effects[:, :, 0])
        return np.stack([-shares, shares], axis=2)


class Normalised(SmoothFunction):
    """Shares p / sum(p), with equal shares where all are 0, as one-against-rest probabilities are made."""

    def __init__(self, n_outputs: int) -> None:
        self.n_outputs = n_outputs

    def values(self, rows: Array) -> Array:
        total = rows.sum(axis=1, keepdims=True)
        return np.divide(rows, total, out=np.full(rows.shape, 1.0 / self.n_outputs), where=total != 0.0)

    def gradients(self, rows: Array) -> Array:
        total = rows.sum(axis=1)[:, None, None]
        shares = self.values(rows)
        steep = np.eye(self.n_outputs) - shares[:, None, :]
        return np.divide(steep, total, out=np.zeros_like(steep), where=total != 0.0)


def two_sided(function: SmoothFunction) -> SmoothFunction:
    """(1 - p, p) from p."""
    return compose(Affine(np.array([[-1.0, 1.0]]), np.array([1.0, 0.0])), function)


def diagonal(values: Array) -> Array:
    """(n, k, k) with the values (n, k) on the diagonal."""
    wide = np.zeros((*values.shape, values.shape[1]))
    every = np.arange(values.shape[1])
    wide[:, every, every] = values
    return wide
