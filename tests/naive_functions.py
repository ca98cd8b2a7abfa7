"""Slow, obvious oracles for functions: Shapley values of a set function, Integrated Gradients of a black box.

`KNOWN` holds functions whose Integrated Gradients are known in closed form. Nothing of the package is
imported.
"""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np


def exact(number: float | Fraction) -> Fraction:
    """The number itself as a fraction: 0.1 is 3602879701896397/2**55, not 1/10."""
    return number if isinstance(number, Fraction) else Fraction(float(number))


def expit(margin: float) -> float:
    """1 / (1 + exp(−m)) without overflow."""
    small = math.exp(-abs(margin))
    return 1 / (1 + small) if margin >= 0 else small / (1 + small)


def subsets(players: Iterable) -> list[frozenset]:
    """All subsets, the empty one first."""
    players = list(players)
    return [frozenset(T) for size in range(len(players) + 1) for T in combinations(players, size)]


def shapley(value_of_frozenset: Callable[[frozenset], float | Fraction], players: Iterable) -> dict:
    """{player: Σ_T |T|! (n − |T| − 1)! / n! · (v(T + player) − v(T))}, T over all sets without the player.

    Values are Fractions: exact in what `value_of_frozenset` returns.
    """
    players = list(players)
    n, everybody = len(players), frozenset(players)
    value = {T: exact(value_of_frozenset(T)) for T in subsets(players)}
    return {
        player: sum(
            Fraction(math.factorial(len(T)) * math.factorial(n - len(T) - 1), math.factorial(n))
            * (value[T | {player}] - value[T])
            for T in subsets(everybody - {player})
        )
        for player in players
    }


def mean_over_orders(value_of_frozenset: Callable[[frozenset], float | Fraction], players: Iterable) -> dict:
    """The Shapley value as it is told: the mean of a player's effect over all orders of arrival."""
    orders = list(permutations(players))
    credits = dict.fromkeys(orders[0], Fraction(0))
    for order in orders:
        for k, player in enumerate(order):
            credits[player] += exact(value_of_frozenset(frozenset(order[: k + 1])))
            credits[player] -= exact(value_of_frozenset(frozenset(order[:k])))
    return {player: credit / len(orders) for player, credit in credits.items()}


def staircase(f, x, b, n_steps, discrete=()):
    """Integrated Gradients of any function, by moving one column at a time along n_steps pieces of the path.

    Inside a piece the moves are averaged over all orders (up to six moving columns), else over "first" and
    "last". Accuracy: O(1/n²) for smooth f; O(1/n) across kinks, and for jumps whose height changes along the
    path. Piecewise-constant f with axis-parallel jumps: rounding only, if no piece holds two places of
    crossing and no end of a piece is one (take n_steps odd, ½ is a frequent crossing); a tie inside a piece
    is right with up to six moving columns. Wrong at oblique jumps: the credit depends on the place in the
    piece (its mean over shifted pieces is right).

    Parameters
    ----------
    f : function, rows (m, d) -> (m,) or (m, n_outputs)
    x, b : arrays of shape (d,), finite in the columns that are not discrete
    n_steps : int; of each half of the path where discrete columns differ
    discrete : columns that move whole, in one tie over all subsets at α = ½ (no other crossing may lie there)

    Returns
    -------
    ndarray of shape (d,) or (d, n_outputs)
    """
    x, b = np.array(x, dtype=np.float64), np.array(b, dtype=np.float64)
    whole = np.isin(np.arange(len(x)), list(discrete))
    if not (np.isfinite(x) & np.isfinite(b))[~whole].all():
        raise ValueError("staircase: columns with missing or infinite values must be named in 'discrete'.")
    switching = np.flatnonzero(whole & (x != b))  # NaN on both sides is among them and has no effect
    moving = np.flatnonzero(~whole & (x != b))
    scheme = every_order if len(moving) <= 6 else first_and_last

    def points(start, stop, standing):
        alpha = np.linspace(start, stop, n_steps + 1)[:, None]
        return np.where(whole, standing, (1 - alpha) * np.where(whole, 0, b) + alpha * np.where(whole, 0, x))

    if len(switching) == 0:
        return _credit_pieces(f, points(0, 1, x), moving, scheme)
    before, after = points(0, 0.5, b), points(0.5, 1, x)
    halves = [_credit_pieces(f, half, moving, scheme) for half in (before, after)]
    return sum(halves) + _credit_pieces(f, np.stack([before[-1], after[0]]), switching, every_order)


def _credit_pieces(f, points, moving, scheme):
    """Credits of the moving columns, summed over the pieces between neighbouring points."""
    moved_sets, weights = scheme(len(moving))
    moved = np.zeros((len(moved_sets), points.shape[1]), dtype=bool)
    for row, moved_set in zip(moved, moved_sets, strict=True):
        row[moving[list(moved_set)]] = True
    rows = np.where(moved, points[1:, None], points[:-1, None])
    values = np.asarray(f(rows.reshape(-1, points.shape[1])), dtype=np.float64)
    values = values.reshape(*rows.shape[:2], *values.shape[1:])
    changes = values - values[:, :1]  # a column's weights add up to 0; exact zeros where f stands still
    credits = np.zeros((points.shape[1], *values.shape[2:]))
    credits[moving] = np.tensordot(weights, changes, axes=(1, 1)).sum(axis=1)
    return credits


def every_order(n: int) -> tuple[list[frozenset], np.ndarray]:
    """All 2ⁿ sets of moved columns, and the weight of f there in each column's Shapley value, (n, 2ⁿ)."""
    moved_sets, weights = subsets(range(n)), np.zeros((n, 2**n))
    for i, k in np.ndindex(n, 2**n):
        others = len(moved_sets[k] - {i})
        weight = math.factorial(others) * math.factorial(n - others - 1) / math.factorial(n)
        weights[i, k] = weight if i in moved_sets[k] else -weight
    return moved_sets, weights


def first_and_last(n: int) -> tuple[list[frozenset], np.ndarray]:
    """Nobody, each alone, each left out, everybody: a column's mean effect as first and as last to move."""
    alone = [frozenset({i}) for i in range(n)]
    moved_sets = [frozenset(), *alone, *(frozenset(range(n)) - one for one in alone), frozenset(range(n))]
    one, everybody = np.eye(n), np.ones((n, 1))
    return moved_sets, np.hstack([-everybody, one, -one, everybody]) / 2


def gradient_quadrature(gradient, x, b, n_nodes):
    """(x − b) ∫ ∇f(z(α)) dα by Gauss–Legendre; exact where ∇f is a polynomial of degree < 2·n_nodes in α.

    `gradient` maps rows (m, d) to (m, d) or (m, d, n_outputs). For analytic f the error falls geometrically;
    across a kink only like 1/n_nodes, and jumps are not seen at all.
    """
    x, b = np.array(x, dtype=np.float64), np.array(b, dtype=np.float64)
    place, weight = np.polynomial.legendre.leggauss(n_nodes)
    gradients = gradient(b + (place[:, None] + 1) / 2 * (x - b))
    return ((x - b) * np.tensordot(weight / 2, gradients, axes=(0, 0)).T).T


class Known(NamedTuple):
    """A function with its answer. `kind`: smooth, kink, jump (axis-parallel) or oblique (a slanted jump)."""

    name: str
    function: Callable[[np.ndarray], np.ndarray]
    x: tuple[float, ...]
    b: tuple[float, ...]
    answer: tuple[float, ...]
    source: str
    kind: str = "smooth"


STY = "Sundararajan, Taly, Yan 2017"
SN = "Sundararajan, Najmi 2020"
HAND = "by hand: "

KNOWN = [
    Known("linear", lambda z: 3 * z[:, 0] - 2 * z[:, 1] + 7, (2, 5), (1, -1), (3, -12), HAND + "w_j d_j"),
    Known("cube of a sum", lambda z: (z[:, 0] + z[:, 1]) ** 3, (5, 1), (0, 0), (180, 36), SN),
    Known("product", lambda z: z[:, 0] * z[:, 1], (3, 2), (1, 1), (3, 2), HAND + "2 ∫(1 + a) da, ∫(1 + 2a) da"),
    Known(
        "square times",
        lambda z: z[:, 0] ** 2 * z[:, 1],
        (1, 1),
        (0, 0),
        (2 / 3, 1 / 3),
        HAND + "∫2a² da, ∫a² da",
    ),
    Known("unused column", lambda z: z[:, 0] ** 2, (3, 4), (1, 1), (8, 0), HAND + "completeness, one column"),
    Known(
        "sigmoid of a line",
        lambda z: 1 / (1 + np.exp(-(z[:, 0] - 2 * z[:, 1]))),
        (4, 0.5),
        (0, 0),
        (4 / 3 * (expit(3) - 0.5), -1 / 3 * (expit(3) - 0.5)),
        HAND + "w_j d_j / Σ w d of the change",
    ),
    Known(
        "Gaussian bump",
        lambda z: np.exp(-(z**2).sum(axis=1)),
        (1, -2),
        (0, 0),
        (0.2 * math.expm1(-5), 0.8 * math.expm1(-5)),
        HAND + "d_j² / |d|² of the change",
    ),
    Known("min at (5, 1)", lambda z: z.min(axis=1), (5, 1), (0, 0), (0, 1), SN, "kink"),
    Known("min at (1, 3)", lambda z: z.min(axis=1), (1, 3), (0, 0), (1, 0), STY, "kink"),
    Known(
        "kink on the way",
        lambda z: np.maximum(z[:, 0] + z[:, 1] - 1, 0),
        (3, 1),
        (0, 0),
        (9 / 4, 3 / 4),
        HAND + "d_j times the length 3/4 of the active stretch",
        "kink",
    ),
    Known(
        "flat end",
        lambda z: 1 - np.maximum(1 - z[:, 0], 0),
        (2, 9),
        (0, 9),
        (1, 0),
        STY + ", example for sensitivity: gradient 0 at x, credit 1",
        "kink",
    ),
    Known(
        "later of two steps",
        lambda z: ((z[:, 0] > 0.3) & (z[:, 1] > 0.6)).astype(float),
        (1, 1),
        (0, 0),
        (0, 1),
        HAND + "the jump is where the second one passes",
        "jump",
    ),
    Known(
        "two steps at once",
        lambda z: ((z[:, 0] > 0.3) & (z[:, 1] > 0.3)).astype(float),
        (1, 1),
        (0, 0),
        (0.5, 0.5),
        HAND + "symmetry",
        "jump",
    ),
    Known(
        "slope and step",
        lambda z: z[:, 0] * (z[:, 1] > 0.3),
        (1, 1),
        (0, 0),
        (0.7, 0.3),
        HAND + "slope for 0.7 of the path, jump of height 0.3",
        "jump",
    ),
    Known(
        "slanted step",
        lambda z: (z[:, 0] + 2 * z[:, 1] > 1.75).astype(float),
        (1, 1),
        (0, 0),
        (1 / 3, 2 / 3),
        HAND + "J d_j n_j / Σ d n",
        "oblique",
    ),
    Known(
        "slanted step, a negative share",
        lambda z: (2 * z[:, 0] - z[:, 1] > 0.5).astype(float),
        (1, 1),
        (0, 0),
        (2, -1),
        HAND + "J d_j n_j / Σ d n",
        "oblique",
    ),
]
