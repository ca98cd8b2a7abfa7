"""Ties of any number of players under a link, in closed form, where their effects on the margin add up."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels.tie_products import shapley_of_sums
from agnostic_ig.numerics.quadrature import gauss_legendre

__all__ = ["LINK_TIES", "shares_of_ties"]

# sigmoid(u) = 1/(2 pi i) times the integral of pi / sin(pi s) exp(s u) ds up a vertical line at 0 < Re s < 1; for
# differences of sigmoids any line at -1 < Re s < 1 will do. Where most is saturated, lines off the middle keep small
# numbers small: on each the terms are bounded by exp(Re s * u).
LINES = np.arange(-4, 5) / 8.0
HIGHEST = 12.5  # pi / |sin(pi s)| is 1e-17 of itself there
# The rule of equal distances h sees margins that are 2 pi / h away as well, exp(-RESERVE) times what they are.
RESERVE = 40.0
SATURATED = 2.0  # from here on the series exp(-u) - exp(-2u) + ... of what is missing to 0 or 1 is short
OVERFLOW = 700.0  # exponents beyond have no number
SMALLEST_GROWTH = 1e-300


class Terms(NamedTuple):
    """A link as a sum of exponentials, real parts of weight * exp(rate * margin); both (n_terms,)."""

    rates: np.ndarray
    weights: np.ndarray


def shares_of_ties(name: str, before: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Shapley values (n, k) of link(before + sum of the effects of those who moved); before (n,), effects (n, k)."""
    terms_of = LINK_TIES[name]
    credits = np.zeros_like(effects)
    places, weights = gauss_legendre((effects.shape[1] + 1) // 2)
    for margin, effect, credit in zip(before, effects, credits, strict=True):
        terms = terms_of(margin, effect, places)
        starts = terms.weights * np.exp(terms.rates * margin)
        shapley_of_sums(starts, np.expm1(terms.rates[:, None] * effect), places, weights, credit)
    return credits


def _sigmoid_terms(margin: float, effects: np.ndarray, places: np.ndarray) -> Terms:
    """A geometric series where every coalition is on one side of 0, and away from it; an integral otherwise."""
    lowest, highest = margin + np.minimum(effects, 0.0).sum(), margin + np.maximum(effects, 0.0).sum()
    if max(lowest, -highest) < SATURATED:
        return _nodes_on_a_line(margin, effects, places)
    side = -1.0 if lowest > 0.0 else 1.0
    powers = np.arange(1.0, np.ceil(RESERVE / max(lowest, -highest)) + 1.0)
    if powers[-1] * np.abs(effects).sum() > OVERFLOW:
        return _nodes_on_a_line(margin, effects, places)
    return Terms(side * powers, side * np.where(powers % 2.0 == 1.0, 1.0, -1.0))


def _nodes_on_a_line(margin: float, effects: np.ndarray, places: np.ndarray) -> Terms:
    """The line is the one on which the terms are smallest."""
    step = np.pi / (abs(margin) + np.abs(effects).sum() + RESERVE)
    height = np.arange(0.0, HIGHEST, step)
    line = _line(margin, effects, places)
    rates = line + 1j * height
    if line == 0.0:
        rates[0] = SMALLEST_GROWTH  # where 1 / sin meets the growth 0 of the effects: finite in the limit
    weights = step / np.sin(np.pi * rates)
    weights[0] /= 2.0
    return Terms(rates, weights)


def _line(margin: float, effects: np.ndarray, places: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        growths = np.expm1(LINES[:, None] * effects)
    sizes = LINES * margin + np.log1p(places[:, None, None] * growths).sum(axis=2).max(axis=0)
    return float(LINES[np.argmin(sizes)])


def _of_double(margin: float, effects: np.ndarray, places: np.ndarray, scale: float = 1.0) -> Terms:
    rates, weights = _sigmoid_terms(2.0 * margin, 2.0 * effects, places)
    return Terms(2.0 * rates, scale * weights)


def _exponential(rate: float, weight: float) -> Callable[[float, np.ndarray, np.ndarray], Terms]:
    terms = Terms(np.array([rate]), np.array([weight]))
    return lambda margin, effects, places: terms


# Name of a link -> its terms for one margin before, effects (k,) and places of q.
LINK_TIES: dict[str, Callable[[float, np.ndarray, np.ndarray], Terms]] = {
    "sigmoid": _sigmoid_terms,
    "sigmoid_of_double": _of_double,
    "tanh": lambda margin, effects, places: _of_double(margin, effects, places, scale=2.0),
    "exp": _exponential(1.0, 1.0),
    "isolation": _exponential(-np.log(2.0), -1.0),
}
