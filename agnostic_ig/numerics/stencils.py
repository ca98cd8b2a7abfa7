"""Finite-difference stencils of the first derivative as data, and what is asked at h, h/2, h/4, ... for one answer.

A stencil of offsets o and weights w gives f'(x) ~ sum(w * f(x + o h)) / h, exact for polynomials of its order.
"""

import functools
import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

__all__ = ["LEVELS", "SCHEMES", "STENCILS", "Ladder", "Stencil", "first_derivative_weights", "make_ladder", "orders_of"]

# Steps h, h/2, h/4 that estimates come from: two of them show how much is left, the third that it shrinks as it must.
LEVELS = 3
# Rounds of Richardson extrapolation: each estimate is then made of three steps.
EXTRAPOLATIONS = 2


@dataclass(frozen=True)
class Stencil:
    """Places and weights of one finite difference, for a step of one.

    Attributes
    ----------
    scheme : {"central", "forward", "backward"}
    order : int
        The error is that constant times h**order, to leading order; polynomials of this degree have none.
    offsets : tuple of int
    weights : tuple of Fraction
        They sum to zero.
    spacing : int
        The next powers of h in the error are order + spacing, order + 2 * spacing, ...
    """

    scheme: str
    order: int
    offsets: tuple[int, ...]
    weights: tuple[Fraction, ...]
    spacing: int


def first_derivative_weights(offsets: tuple[int, ...]) -> tuple[Fraction, ...]:
    """Weights of f(offsets) in the derivative at 0 of the polynomial through these points and 0, exactly.

    The derivative at 0 of Lagrange's polynomial of a place a is the product of b / (b - a) over the other places b,
    divided by a; that of 0 itself makes the sum zero.
    """
    places = [place for place in offsets if place]
    weight = {a: math.prod((Fraction(b, b - a) for b in places if b != a), start=Fraction(1, a)) for a in places}
    weight[0] = -sum(weight.values())
    return tuple(weight[place] for place in offsets)


def _stencil(scheme: str, order: int) -> Stencil:
    """The shortest one of this order: neighbours on both sides, or x itself and those on one side."""
    sides = {
        "central": [o for o in range(-(order // 2), order // 2 + 1) if o],
        "forward": range(order + 1),
        "backward": range(-order, 1),
    }
    offsets = tuple(sides[scheme])
    return Stencil(scheme, order, offsets, first_derivative_weights(offsets), 2 if scheme == "central" else 1)


_ORDERS = {"central": (2, 4, 6), "forward": (1, 2, 4, 6), "backward": (1, 2, 4, 6)}
SCHEMES = tuple(_ORDERS)
STENCILS = {(scheme, order): _stencil(scheme, order) for scheme, orders in _ORDERS.items() for order in orders}


def orders_of(scheme: str) -> tuple[int, ...]:
    """Orders that there are for a scheme."""
    return _ORDERS[scheme]


@dataclass(frozen=True)
class Ladder:
    """One stencil at several steps, as linear forms of f(x + o h) - f(x) over the union of all offsets o.

    Attributes
    ----------
    order : int
        Of the estimates, after extrapolation if there is any.
    offsets : ndarray of shape (n_offsets,)
        Without 0: f(x) is known.
    weights : ndarray of shape (LEVELS, n_offsets)
        Estimates whose error falls by 2**order from one to the next.
    gaps : ndarray of shape (LEVELS, n_offsets)
        Forward less backward difference at h, h/2, h/4, which falls with h unless there is a kink at x; zeros if
        one-sided.
    norms : ndarray of shape (LEVELS,)
        Summed absolute weights, that of f(x) included: what noise is multiplied by.
    reach : float
        Largest absolute offset.
    constant : float
        Error of the first estimate for h = 1 and a derivative of order `order` + 1 that is one.
    """

    order: int
    offsets: np.ndarray
    weights: np.ndarray
    gaps: np.ndarray
    norms: np.ndarray
    reach: float
    constant: float


@functools.cache
def make_ladder(scheme: str, order: int, richardson: bool) -> Ladder:
    """Estimates from h, h/2, h/4; with Richardson extrapolation each of them from its own step and the next two."""
    stencil = STENCILS[scheme, order]
    forms = [_at_level(stencil, level) for level in range(LEVELS + EXTRAPOLATIONS * richardson)]
    power = order
    for _ in range(EXTRAPOLATIONS * richardson):
        forms = [_extrapolate(wide, narrow, power) for wide, narrow in pairwise(forms)]
        power += stencil.spacing
    offsets = sorted({offset for form in forms for offset in form})
    weights = np.array([[float(form.get(offset, 0)) for offset in offsets] for form in forms])
    norms = np.abs(weights).sum(axis=1) + [abs(float(sum(form.values()))) for form in forms]
    constant = abs(float(sum(w * o ** (power + 1) for o, w in forms[0].items()) / math.factorial(power + 1)))
    places = np.array([float(offset) for offset in offsets])
    return Ladder(power, places, weights, _gaps(places, scheme), norms, float(np.abs(places).max()), constant)


def _at_level(stencil: Stencil, level: int) -> dict[Fraction, Fraction]:
    """The stencil at h / 2**level: weights by offset in units of h."""
    pairs = zip(stencil.offsets, stencil.weights, strict=True)
    return {Fraction(offset, 2**level): weight * 2**level for offset, weight in pairs if offset}


def _extrapolate(
    wide: dict[Fraction, Fraction], narrow: dict[Fraction, Fraction], power: int
) -> dict[Fraction, Fraction]:
    """Cancels the term h**power between steps h and h/2."""
    gain = 2**power
    places = wide.keys() | narrow.keys()
    return {o: (gain * narrow.get(o, Fraction(0)) - wide.get(o, Fraction(0))) / (gain - 1) for o in places}


def _gaps(places: np.ndarray, scheme: str) -> np.ndarray:
    """Weights of the second difference over h at h, h/2, h/4."""
    steps = 0.5 ** np.arange(LEVELS)
    both = np.abs(places)[None, :] == steps[:, None]
    return np.where(both & (scheme == "central"), 1.0 / steps[:, None], 0.0)
