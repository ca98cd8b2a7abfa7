"""Covariance functions of rows and fixed points, and the gradients of weighted sums of them.

`pull` is what the chain rule needs: the gradient of sum_k weights[i, k] k(z, s_k) at row i, the weights held fixed. No
array with rows, points and columns at once is ever made.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from scipy import special

from agnostic_ig.engines.compiled_rows import plain, products
from agnostic_ig.kernels.kernel_path import scaled_squares

__all__ = ["PROFILES", "Constant", "Covariance", "Dot", "Gaussian", "Power", "Product", "Profile", "Radial", "Sum"]

Array = np.ndarray
Breaks = tuple[np.ndarray, np.ndarray] | None
# A path that comes so near to a kink, relative to its length, is cut beside it.
NEAR = 1e-2


class Covariance:
    """k(z, s) between rows z and the points s of the model.

    `diagonal` and `diagonal_gradients` are those of k(z, z).
    """

    def values(self, rows: Array) -> Array:
        """(n, n_points)."""
        raise NotImplementedError

    def pull(self, rows: Array, weights: Array) -> Array:
        """(n, n_features): gradient of sum_k weights[:, k] k(z, s_k); weights (n, n_points)."""
        raise NotImplementedError

    def diagonal(self, rows: Array) -> Array:
        """(n,)."""
        raise NotImplementedError

    def diagonal_gradients(self, rows: Array) -> Array:
        """(n, n_features)."""
        return np.zeros(rows.shape)

    def breaks(self, starts: Array, ends: Array) -> Breaks:
        """(path, alpha) where the gradient is not analytic."""


class Constant(Covariance):
    """The same number everywhere; noise is 0 between rows and points, and `own` on the diagonal."""

    def __init__(self, value: float, n_points: int, own: float | None = None) -> None:
        self.value, self.n_points, self.own = value, n_points, value if own is None else own

    def values(self, rows: Array) -> Array:
        return np.full((len(rows), self.n_points), self.value)

    def pull(self, rows: Array, weights: Array) -> Array:
        return np.zeros(rows.shape)

    def diagonal(self, rows: Array) -> Array:
        return np.full(len(rows), self.own)


class Dot(Covariance):
    """z.s + offset."""

    def __init__(self, points: Array, offset: float) -> None:
        self.points = plain(points)
        self.points_t = plain(self.points.T)
        self.offset = offset

    def values(self, rows: Array) -> Array:
        return products(rows, self.points_t) + self.offset

    def pull(self, rows: Array, weights: Array) -> Array:
        return products(weights, self.points)

    def diagonal(self, rows: Array) -> Array:
        return (rows * rows).sum(axis=1) + self.offset

    def diagonal_gradients(self, rows: Array) -> Array:
        return 2.0 * rows


class Profile(NamedTuple):
    """A function of the squared distance, its slope, and whether it has a kink at distance 0."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    has_kink: bool = False


class Radial(Covariance):
    """profile(|scales (z - s)|**2)."""

    def __init__(self, points: Array, scales: Array | float, profile: Profile) -> None:
        self.points = plain(points)
        self.points_t = plain(self.points.T)
        self.scales = plain(np.broadcast_to(scales, self.points.shape[1:]))
        self.profile = profile

    def values(self, rows: Array) -> Array:
        return self.profile.value(self._squares(rows))

    def pull(self, rows: Array, weights: Array) -> Array:
        slopes = weights * self.profile.slope(self._squares(rows))
        lines = slopes.sum(axis=1, keepdims=True) * rows - products(slopes, self.points)
        return 2.0 * self.scales**2 * lines

    def diagonal(self, rows: Array) -> Array:
        return np.full(len(rows), float(self.profile.value(np.zeros(1))[0]))

    def breaks(self, starts: Array, ends: Array) -> Breaks:
        if not self.profile.has_kink:
            return None
        moves = (ends - starts) * self.scales
        length = (moves**2).sum(axis=1, keepdims=True)
        # (s - b).d, with the rows' and the points' own part
        along = products(moves, self.points_t * self.scales[:, None]) - (moves * starts * self.scales).sum(
            axis=1, keepdims=True
        )
        alpha = np.divide(along, length, out=np.zeros_like(along), where=length > 0.0)
        apart = self._squares(starts) - alpha * along
        path, point = np.nonzero((apart <= NEAR**2 * length) & (alpha > 0.0) & (alpha < 1.0))
        return path, alpha[path, point]

    def _squares(self, rows: Array) -> Array:
        squares = np.empty((len(rows), len(self.points)))
        scaled_squares(self.points_t, self.scales, plain(rows), squares)
        return squares


class Gaussian(Radial):
    """exp(-|scales (z - s)|**2)."""

    def __init__(self, points: Array, scales: Array | float) -> None:
        super().__init__(points, scales, Profile(lambda q: np.exp(-q), lambda q: -np.exp(-q)))


class _OfParts(Covariance):
    """Covariances combined."""

    def __init__(self, parts: Sequence[Covariance]) -> None:
        self.parts = list(parts)

    def breaks(self, starts: Array, ends: Array) -> Breaks:
        found = [breaks for part in self.parts if (breaks := part.breaks(starts, ends)) is not None]
        return (np.concatenate([b[0] for b in found]), np.concatenate([b[1] for b in found])) if found else None


class Sum(_OfParts):
    """The sum of covariances."""

    def values(self, rows: Array) -> Array:
        return sum(part.values(rows) for part in self.parts)

    def pull(self, rows: Array, weights: Array) -> Array:
        return sum(part.pull(rows, weights) for part in self.parts)

    def diagonal(self, rows: Array) -> Array:
        return sum(part.diagonal(rows) for part in self.parts)

    def diagonal_gradients(self, rows: Array) -> Array:
        return sum(part.diagonal_gradients(rows) for part in self.parts)


class Product(_OfParts):
    """The product of covariances."""

    def values(self, rows: Array) -> Array:
        return reduce(np.multiply, [part.values(rows) for part in self.parts])

    def pull(self, rows: Array, weights: Array) -> Array:
        others = _all_but_one([part.values(rows) for part in self.parts])
        return sum(part.pull(rows, weights * other) for part, other in zip(self.parts, others, strict=True))

    def diagonal(self, rows: Array) -> Array:
        return reduce(np.multiply, [part.diagonal(rows) for part in self.parts])

    def diagonal_gradients(self, rows: Array) -> Array:
        others = _all_but_one([part.diagonal(rows) for part in self.parts])
        return sum(
            other[:, None] * part.diagonal_gradients(rows) for part, other in zip(self.parts, others, strict=True)
        )


class Power(_OfParts):
    """A covariance to a fixed power."""

    def __init__(self, part: Covariance, exponent: float) -> None:
        super().__init__([part])
        self.exponent = exponent

    def values(self, rows: Array) -> Array:
        return self.parts[0].values(rows) ** self.exponent

    def pull(self, rows: Array, weights: Array) -> Array:
        part = self.parts[0]
        return part.pull(rows, weights * self._slope(part.values(rows)))

    def diagonal(self, rows: Array) -> Array:
        return self.parts[0].diagonal(rows) ** self.exponent

    def diagonal_gradients(self, rows: Array) -> Array:
        part = self.parts[0]
        return self._slope(part.diagonal(rows))[:, None] * part.diagonal_gradients(rows)

    def _slope(self, values: Array) -> Array:
        return self.exponent * values ** (self.exponent - 1.0)


def _all_but_one(values: list[Array]) -> list[Array]:
    """For every one the product of the others."""
    return [reduce(np.multiply, values[:k] + values[k + 1 :], np.ones_like(values[k])) for k in range(len(values))]


def _exponential() -> Profile:
    def slope(q: Array) -> Array:
        r = np.sqrt(q)
        return np.divide(-np.exp(-r), 2.0 * r, out=np.zeros_like(r), where=r > 0.0)

    return Profile(lambda q: np.exp(-np.sqrt(q)), slope, True)


def _once_differentiable() -> Profile:
    def value(q: Array) -> Array:
        t = np.sqrt(3.0 * q)
        return (1.0 + t) * np.exp(-t)

    return Profile(value, lambda q: -1.5 * np.exp(-np.sqrt(3.0 * q)), True)


def _twice_differentiable() -> Profile:
    def value(q: Array) -> Array:
        t = np.sqrt(5.0 * q)
        return (1.0 + t + t * t / 3.0) * np.exp(-t)

    def slope(q: Array) -> Array:
        t = np.sqrt(5.0 * q)
        return -5.0 / 6.0 * (1.0 + t) * np.exp(-t)

    return Profile(value, slope, True)


def _bessel(nu: float) -> Profile:
    """t**nu K_nu(t), as DLMF 10.29.4 differentiates it."""
    size = 2.0 ** (1.0 - nu) / special.gamma(nu)

    def product(order: float, q: Array, at_zero: float) -> Array:
        t = np.sqrt(2.0 * nu * q)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(t > 0.0, size * t**order * special.kv(order, t), at_zero)

    limit = 2.0 ** (nu - 2.0) * special.gamma(nu - 1.0) * size if nu > 1.0 else 0.0
    return Profile(lambda q: product(nu, q, 1.0), lambda q: -nu * product(nu - 1.0, q, limit), True)


_MATERN = {0.5: _exponential, 1.5: _once_differentiable, 2.5: _twice_differentiable}


def _matern(nu: float) -> Profile:
    return _MATERN[nu]() if nu in _MATERN else _bessel(nu)


def _rational(alpha: float) -> Profile:
    def base(q: Array) -> Array:
        return 1.0 + q / (2.0 * alpha)

    return Profile(lambda q: base(q) ** -alpha, lambda q: -0.5 * base(q) ** (-alpha - 1.0))


def _periodic(length: float, period: float) -> Profile:
    def value(q: Array) -> Array:
        return np.exp(-2.0 * (np.sin(np.pi / period * np.sqrt(q)) / length) ** 2)

    def slope(q: Array) -> Array:
        turn = np.sinc(2.0 / period * np.sqrt(q))
        return -2.0 * (np.pi / (period * length)) ** 2 * turn * value(q)

    return Profile(value, slope)


PROFILES = {"matern": _matern, "rational": _rational, "periodic": _periodic}
