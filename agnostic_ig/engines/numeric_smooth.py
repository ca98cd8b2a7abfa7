"""Smooth stretches of the path: Gauss-Legendre quadrature of finite differences, of an order that a scan has told.

The model along the path is a function of one variable, and cheap: its Chebyshev coefficients say whether it is smooth,
of which degree, and how noisy. Only then single features are asked, one row each at every node: forward differences at
even nodes and backward ones at odd nodes, so that what they miss first cancels between neighbours.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_tie import Intervals, alone
from agnostic_ig.numerics.chebyshev import chebyshev_coefficients, chebyshev_points, degree_below
from agnostic_ig.numerics.quadrature import gauss_legendre

__all__ = [
    "MAX_ORDER",
    "NOISY",
    "ROUNDING",
    "integrate_panels",
    "measure_noise",
    "merged",
    "rows_of",
    "scan",
]

POINTS = (16, 32, 64, 128)  # pieces between the Chebyshev points of a scan, doubled until the coefficients fade
MORE = 3  # nodes beyond those of the degree
LEAST_ORDER, MAX_ORDER = 3, 64  # fewer nodes tell nothing about the rate at which coefficients fade
# Steps of differences in units of the path: where truncation meets the noise of the model, and not below.
SMALLEST_STEP, LARGEST_STEP = 3e-8, 0.05
ROUNDING = {np.float64: 1e-16, np.float32: 3e-8, np.float16: 2.5e-4}  # noise of a model that shows none
NOISE_POINTS, NOISE_SPACING = 8, 1.2345e-6
NOISY = 1e-11  # from this noise, relative, differences on one side would miss more than a tenth of the usual tol
CHEAP = 64  # differences that are so few are central ones, which are more exact
SIGMAS = 3.0
FINER = 1.15  # nodes for single features, whose slopes vary more than their sum, in units of those for the sum
FADING = 0.02  # share of the largest coefficient from which the last ones say that the rule converges
# What alternating signs let through: sum (-1)^q w_q t_q is close to 1.2 / n**2 for Gauss-Legendre rules.
LEAK = 2.0


def measure_noise(asker: Any, pairs: np.ndarray) -> None:
    """Note in asker.noise how noisy the model is on the paths of these pairs, relative to its size.

    The third differences of noise with standard deviation s have the variance 20 s**2; those of a smooth function
    vanish at such spacing (Moré and Wild, Estimating Computational Noise, 2011).
    """
    alpha = 0.37 + NOISE_SPACING * np.arange(NOISE_POINTS)
    answers = asker.ask_path(np.repeat(pairs, len(alpha)), np.tile(alpha, len(pairs)))
    relative = answers.reshape(len(pairs), len(alpha), len(asker.outputs)) / (asker.size[pairs, None, None] + 1e-300)
    third = np.diff(relative, n=3, axis=1)
    sigma = np.sqrt((third**2).mean(axis=1) / 20.0).max(axis=1, initial=0.0)
    asker.noise[pairs] = np.maximum(np.maximum(sigma, asker.randomness[pairs]), ROUNDING[asker.precision])


def scan(
    asker: Any, panels: Intervals, limit: np.ndarray, points: tuple[int, ...] = POINTS, of: Any = None
) -> np.ndarray:
    """(n,): degree of the model on each panel, -1 where its Chebyshev coefficients do not fade to limit (n, n_outputs).

    of: what is scanned, a function of pairs and alphas; the model itself if None.
    """
    degree = np.full(len(panels), -1)
    rows, values = np.arange(len(panels)), np.stack([panels.f_low, panels.f_high], axis=1)
    for n in points:
        new = np.full(len(rows), (n + 1 - values.shape[1]) * (2 if of else 1))
        rich = _sums_before(panels.pair[rows], new) + new <= asker.remaining(panels.pair[rows])
        rows, values = rows[rich], values[rich]
        values = _refined(of or asker.ask_path, panels[rows], values, n)
        found = degree_below(chebyshev_coefficients(values), limit[rows])
        faded = found <= 3 * n // 4
        degree[rows[faded]] = np.maximum(found[faded], 0)  # nothing at all is a constant
        rows, values = rows[~faded], values[~faded]
    return degree


def _refined(ask: Any, panels: Intervals, values: np.ndarray, n: int) -> np.ndarray:
    """Values at n + 1 Chebyshev points, of which every so many are known."""
    every = n // (values.shape[1] - 1)
    new = np.flatnonzero(np.arange(n + 1) % every)
    places = chebyshev_points(n)[new]
    alpha = panels.low[:, None] + (panels.high - panels.low)[:, None] * places[None, :]
    answers = ask(np.repeat(panels.pair, len(new)), alpha.ravel())
    finer = np.empty((len(panels), n + 1, values.shape[2]))
    finer[:, ::every], finer[:, new] = values, answers.reshape(len(panels), len(new), values.shape[2])
    return finer


def integrate_panels(
    asker: Any, panels: Intervals, degree: np.ndarray, tol: float, values: np.ndarray, error: np.ndarray,
    more: int = MORE, largest_order: int = MAX_ORDER, keep: Any = None,
) -> np.ndarray:  # fmt: skip
    """Add the integrals over the panels to values, and their error to error; returns (n,) which could be paid for.

    The order is that of the degree and `more`, because single features may vary where their sum does not. It grows
    while the coefficients of some feature's slope do not fade. Panels of degree -1 are known to be rough: they get the
    largest order; what comes to the largest order may be rough in single features. keep: told the slopes at the nodes
    of every panel that was paid for (`numeric_hidden.Primitives.note`).
    """
    rough = degree < 0
    order = np.where(rough, largest_order, np.clip(_told(degree) + more, LEAST_ORDER, largest_order))
    order = _within_budget(asker, panels, order)
    waiting, paid = np.arange(len(panels)), np.zeros(len(panels), dtype=bool)
    while len(waiting):
        waiting = waiting[_affordable(asker, panels[waiting], order[waiting])]
        again = []
        for n in np.unique(order[waiting]):
            some = waiting[order[waiting] == n]
            slopes, integral, rest, found = _gauss(asker, panels[some], int(n), rough[some] | (n >= largest_order))
            if keep is not None:
                keep(some, *gauss_legendre(int(n)), slopes)
            np.maximum.at(asker.steepest, panels.pair[some], np.abs(integral) / _width(panels[some])[:, None, None])
            size = _width(panels[some])[:, None] * asker.steepest[panels.pair[some]].sum(axis=1) + 1e-300
            if n < LEAST_ORDER:
                rest = _gap(asker, panels[some], integral)
            poor = (rest.sum(axis=1) > np.maximum(0.5 * tol * size, found.sum(axis=1))).any(axis=1)
            poor &= LEAST_ORDER <= n < largest_order
            poor &= _affordable(asker, panels[some], np.full(len(some), 3 * n // 2 + 1))
            again.append(some[poor])
            np.add.at(values, panels.pair[some[~poor]], integral[~poor])
            np.add.at(error, panels.pair[some[~poor]], (rest + found)[~poor])
            paid[some[~poor]] = True
        waiting = np.concatenate([np.empty(0, dtype=np.int64), *again])
        order[waiting] = np.minimum(3 * order[waiting] // 2 + 1, largest_order)
    return paid


def _told(degree: np.ndarray) -> np.ndarray:
    """(n,): nodes that single features need, by the degree of their sum."""
    return (FINER * (degree // 2)).astype(int)


def rows_of(asker: Any, panels: Intervals, degree: np.ndarray) -> np.ndarray:
    """(n,): model rows that it takes to integrate smooth panels of these degrees."""
    return _cost(asker, panels, np.clip(_told(degree) + MORE, LEAST_ORDER, MAX_ORDER))


def merged(asker: Any, panels: Intervals, degree: np.ndarray) -> tuple[Intervals, np.ndarray]:
    """Panels and their degrees; neighbours as one where a node each is too much to pay for.

    They come to as many parts of the path as there are nodes to pay for.
    """
    order = np.lexsort((panels.low, panels.pair))
    panels, degree = panels[order], degree[order]
    cost = _cost(asker, panels, np.ones(len(panels), dtype=np.int64))
    can = np.maximum(asker.remaining(panels.pair) // np.maximum(cost, 1), 1)
    poor = np.bincount(panels.pair, minlength=len(asker.block))[panels.pair] > can
    part = np.where(poor, (0.5 * (panels.low + panels.high) * can).astype(np.int64), np.arange(len(panels)))
    first = np.ones(len(panels), dtype=bool)
    first[1:] = (np.diff(panels.pair) != 0) | (np.diff(part) != 0)
    last = np.append(first[1:], True)[: len(panels)]
    one = panels[first]
    several = Intervals(one.pair, one.low, panels.high[last], one.f_low, panels.f_high[last], one.key)
    return several, np.where(last[first], degree[first], 0)


def _width(panels: Intervals) -> np.ndarray:
    return panels.high - panels.low


def _within_budget(asker: Any, panels: Intervals, order: np.ndarray) -> np.ndarray:
    """Orders that pairs can pay for: where all panels together are too many, narrow ones get one node, or two."""
    total = np.bincount(panels.pair, _cost(asker, panels, order), minlength=len(asker.block))
    room = asker.remaining(np.arange(len(asker.block)))
    poor = (total > room)[panels.pair]
    wanted, order = order, np.where(poor, np.minimum(order, 1), order)
    widest = np.lexsort((panels.low - panels.high, panels.pair))
    for most in (2, LEAST_ORDER, MAX_ORDER):  # what is left goes to the widest
        room_left = room - np.bincount(panels.pair, _cost(asker, panels, order), minlength=len(room))
        more = np.minimum(wanted, most)
        extra = (_cost(asker, panels, more) - _cost(asker, panels, order))[widest]
        can = _sums_before(panels.pair[widest], extra) + extra <= room_left[panels.pair[widest]]
        order[widest[can]] = more[widest[can]]
    return order


def _gap(asker: Any, panels: Intervals, integral: np.ndarray) -> np.ndarray:
    """(n_panels, n_players, n_outputs): how far integrals are from what the model moves by, for every moving player.

    The errors of players have any sign, so that n of them of one size add up to sqrt(n) of it.
    """
    moving = asker.moving[panels.pair]
    gap = (
        np.abs(panels.f_high - panels.f_low - integral.sum(axis=1))
        * np.minimum(SIGMAS / np.sqrt(np.maximum(moving.sum(axis=1), 1)), 1.0)[:, None]
    )
    return gap[:, None, :] * moving[:, :, None]


def _is_both_sided(asker: Any, panels: Intervals, order: np.ndarray) -> np.ndarray:
    """(n,): differences of a panel are central ones."""
    return (asker.noise[panels.pair] > NOISY) | (order * asker.moving[panels.pair].sum(axis=1) <= CHEAP)


def _cost(asker: Any, panels: Intervals, order: np.ndarray) -> np.ndarray:
    """(n,): model rows of a rule of that order on each panel."""
    n_moving = asker.moving[panels.pair].sum(axis=1)
    return order * (n_moving * (1 + _is_both_sided(asker, panels, order)) + 1)


def _affordable(asker: Any, panels: Intervals, order: np.ndarray) -> np.ndarray:
    """(n,): panels whose nodes the budget of their pair has room for, those before them included."""
    return _sums_before(panels.pair, cost := _cost(asker, panels, order)) + cost <= asker.remaining(panels.pair)


def _sums_before(pair: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """(n,): the costs of all entries of the same pair that stand before each."""
    by_pair = np.argsort(pair, kind="stable")
    before = np.cumsum(cost[by_pair]) - cost[by_pair]
    sums = np.empty(len(cost), dtype=before.dtype)
    sums[by_pair] = before - before[np.searchsorted(pair[by_pair], pair[by_pair])]
    return sums


def _gauss(asker: Any, panels: Intervals, n: int, rough: np.ndarray) -> tuple[np.ndarray, ...]:
    """Slopes at the nodes, their integrals (n_panels, n_players, n_outputs), what more nodes would change, and what
    differences cannot see."""
    nodes, weights = gauss_legendre(n)
    width, noise = panels.high - panels.low, asker.noise[panels.pair]
    n_moving = asker.moving[panels.pair].sum(axis=1)
    both_sides = _is_both_sided(asker, panels, np.full(len(panels), n))
    step = np.where(both_sides, np.cbrt(noise), np.sqrt(noise * n_moving / LEAK) * n)
    step = np.minimum(np.clip(step, SMALLEST_STEP, LARGEST_STEP), 0.1 * width / n)
    # Outermost nodes are closer to the end of the panel than that; no difference may reach beyond it.
    steps = np.minimum(step[:, None], width[:, None] * np.minimum(nodes, 1.0 - nodes))
    slopes, curvature = _slopes(asker, panels, panels.low[:, None] + width[:, None] * nodes, steps, both_sides)
    integral = width[:, None, None] * np.einsum("q,npqk->npk", weights, slopes)
    bend = np.abs(np.diff(slopes, axis=2) / np.diff(nodes)[:, None]).max(axis=2, initial=0.0) / width[:, None, None]
    missed = np.where(both_sides, step**2, 0.5 * LEAK * step / n**2)[:, None, None] * bend
    missed = np.fmin(missed, (step**2)[:, None, None] * _third_derivative(slopes, curvature, both_sides))
    blurred = SIGMAS * noise * asker.size[panels.pair] * np.sqrt(2.0 * ((weights / steps) ** 2).sum(axis=1))
    found = width[:, None, None] * (missed + blurred[:, None, None] * (asker.moving[panels.pair][:, :, None]))
    return slopes, integral, width[:, None, None] * _rest_of_rule(slopes, nodes, weights, rough), found


def _slopes(
    asker: Any, panels: Intervals, alpha: np.ndarray, step: np.ndarray, both_sides: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Difference quotients of single players at alpha (n_panels, n_nodes), and second ones, which are 0 where unknown.

    Forward at even nodes, backward at odd ones; central where `both_sides` says so. Both have the shape (n_panels,
    n_players, n_nodes, n_outputs).
    """
    n_nodes = alpha.shape[1]
    sign = np.where(np.arange(n_nodes) % 2, -1.0, 1.0)
    row, player = np.nonzero(asker.moving[panels.pair])
    moved = np.repeat(alone(player, asker.columns.n_players), n_nodes, axis=0)
    pair, at, ahead = np.repeat(panels.pair[row], n_nodes), alpha[row].ravel(), (step * sign)[row].ravel()
    plain = asker.ask_path(np.repeat(panels.pair, n_nodes), alpha.ravel()).reshape(*alpha.shape, len(asker.outputs))
    one = asker.ask(pair, at, at + ahead, moved)
    middle = plain[row].reshape(one.shape)
    other, two = middle.copy(), np.repeat(both_sides[row], n_nodes)
    other[two] = asker.ask(pair[two], at[two], (at - ahead)[two], moved[two])
    quotient = (one - other) / (ahead * np.where(two, 2.0, 1.0))[:, None]
    with np.errstate(over="ignore"):
        second = np.where(two[:, None], one - middle + (other - middle), 0.0) / ahead[:, None] ** 2
    slopes = np.zeros((2, len(panels), asker.columns.n_players, n_nodes, one.shape[1]))
    slopes[:, row, player] = np.stack([quotient, second]).reshape(2, len(row), n_nodes, one.shape[1])
    return slopes[0], slopes[1]


def _third_derivative(slopes: np.ndarray, curvature: np.ndarray, both_sides: np.ndarray) -> np.ndarray:
    """(n_panels, n_players, n_outputs): of single players along their own ways, by what the first two say.

    Those of waves and exponentials have the ratios 1 : k : k**2. Without central differences nothing is known: inf.
    """
    first, second = np.abs(slopes).max(axis=2), np.abs(curvature).max(axis=2)
    third = np.full_like(first, np.inf)
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large or no number, the bend of the path bounds
        np.divide(second, first, out=third, where=both_sides[:, None, None] & (first > 0.0))
        return third * second


def _rest_of_rule(slopes: np.ndarray, nodes: np.ndarray, weights: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """(n_panels, n_players, n_outputs): error of the rule by how the Legendre coefficients of the slopes fade.

    The rule of n nodes is exact to degree 2 n - 1; the coefficients up to n - 1 tell a rate, which is followed on. It
    makes about 0.6 / sqrt(n) of the Legendre polynomial of degree 2 n. Once the coefficients fade they do so faster and
    faster: on nets and kernel machines the rate made 10 to 200 times too much of what was left.
    """
    n = len(nodes)
    legendre = np.polynomial.legendre.legvander(2.0 * nodes - 1.0, n - 1) * (2.0 * np.arange(n) + 1.0)
    coefficients = np.abs(np.einsum("q,qm,npqk->npmk", weights, legendre, slopes))
    largest, last = coefficients.max(axis=2), coefficients[:, :, -2:].max(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        fade = np.where(largest > 0, last / largest, 0.0)
    rest = largest * (fade ** (1.0 / max(n - 1.5, 0.5))) ** (2 * n)
    rest = np.where(fade < FADING, 0.1, 2.0) / n**0.5 * rest
    return np.where(rough[:, None, None], last, rest)  # behind a kink nothing fades any faster
