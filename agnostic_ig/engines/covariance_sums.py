"""Weighted sums of covariances, each part by the best means there is: closed form, or quadrature to rounding."""

from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from agnostic_ig.engines.covariances import Constant, Covariance, Dot, Gaussian, Power, Product, Sum
from agnostic_ig.engines.function_algebra import Affine, compose, join
from agnostic_ig.engines.kernel_machine import CovarianceSum, GaussianSum, RidgeSum, power_link
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["covariance_sum"]


@dataclass(frozen=True)
class _Term:
    """size * exp(-|scales (z - s)|**2) * (product of others); scales None: no such factor."""

    size: float = 1.0
    scales: np.ndarray | None = None
    points: np.ndarray | None = None
    others: list[Covariance] = field(default_factory=list)

    @property
    def is_constant(self) -> bool:
        return self.scales is None and not self.others

    def factors(self) -> list[Covariance]:
        """All but the size."""
        return self.others if self.scales is None else [Gaussian(self.points, self.scales), *self.others]

    def times(self, other: "_Term") -> "_Term":
        """Gaussians around the same points are one."""
        both = [term for term in (self, other) if term.scales is not None]
        scales = np.sqrt(sum(term.scales**2 for term in both)) if both else None
        points = both[0].points if both else None
        return _Term(self.size * other.size, scales, points, self.others + other.others)

    def to_the(self, exponent: float) -> "_Term":
        scales = None if self.scales is None else self.scales * np.sqrt(exponent)
        return _Term(self.size**exponent, scales, self.points, [Power(one, exponent) for one in self.others])


def covariance_sum(covariance: Covariance, weights: np.ndarray, intercept: np.ndarray) -> SmoothFunction:
    """sum_k weights[k] k(z, s_k) + intercept; weights (n_points, n_outputs)."""
    terms = _terms(covariance)
    level = intercept + sum((term.size for term in terms if term.is_constant), 0.0) * weights.sum(axis=0)
    closed, rest = [], []
    for term in terms:
        function = _closed_form(term, weights * term.size)
        if function is not None:
            closed.append(function)
        elif not term.is_constant:
            rest.append(Product([Constant(term.size, len(weights)), *term.factors()]))
    if rest or not closed:
        closed.append(CovarianceSum(Sum([*rest, Constant(0.0, len(weights))]), weights))
    total = np.tile(np.eye(weights.shape[1]), (len(closed), 1))
    return compose(Affine(total, level), join(closed))


def _closed_form(term: _Term, weights: np.ndarray) -> SmoothFunction | None:
    """The weighted sum of a term whose mean gradients need no quadrature; None for another."""
    if term.scales is not None:
        return None if term.others else GaussianSum(term.points, term.scales, weights)
    if len(term.others) != 1:
        return None
    (only,) = term.others
    if isinstance(only, Dot):
        return Affine(only.points.T @ weights, only.offset * weights.sum(axis=0))
    if isinstance(only, Power) and isinstance(only.parts[0], Dot) and only.exponent in (2, 3, 4, 5, 6, 7, 8):
        dot = only.parts[0]
        return RidgeSum(dot.points, 1.0, dot.offset, power_link(int(only.exponent)), weights)
    return None


def _terms(covariance: Covariance) -> list[_Term]:
    """The covariance as a sum of products."""
    if isinstance(covariance, Constant):
        return [_Term(covariance.value)]
    if isinstance(covariance, Gaussian):
        return [_Term(1.0, covariance.scales, covariance.points)]
    if isinstance(covariance, Sum):
        return [term for part in covariance.parts for term in _terms(part)]
    if isinstance(covariance, Product):
        every = [_terms(part) for part in covariance.parts]
        return reduce(lambda one, two: [a.times(b) for a in one for b in two], every)
    if isinstance(covariance, Power):
        inside = _terms(covariance.parts[0])
        if len(inside) == 1 and covariance.exponent > 0.0:
            return [inside[0].to_the(covariance.exponent)]
    return [_Term(others=[covariance])]
