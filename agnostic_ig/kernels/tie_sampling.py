"""Shapley values of many players that tie under a link, by antithetic permutations with a control variate."""

import numpy as np

from agnostic_ig.kernels._jit import kernel
from agnostic_ig.kernels.links import apply_link, link_slopes
from agnostic_ig.kernels.shapley import share

__all__ = ["sample_tie"]


@kernel
def _random_below(seed, n):
    """A number in range(n) from the splitmix64 sequence whose state is seed[0]."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    z = seed[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) % np.uint64(n))


@kernel
def _margin_gains(trees, terms, order, start, stop, local, rank, gains):
    """gains[r] = change of the margins when the player of rank r moves, in the order given by rank[local]."""
    n_tied = gains.shape[0]
    gains[:] = 0.0
    for i in range(start, stop):
        t = terms.term[order[i]]
        born, dead = -1, n_tied
        middle = t["first"] + t["n_open"]
        for m in range(t["first"], middle):
            born = max(born, rank[local[terms.member[m]]])
        for m in range(middle, middle + t["n_closed"]):
            dead = min(dead, rank[local[terms.member[m]]])
        if born < dead:
            for v in range(trees.value.shape[1]):
                value, k = trees.value[t["leaf"], v], t["output"] + v
                if born >= 0:
                    gains[born, k] += value
                if dead < n_tied:
                    gains[dead, k] -= value


@kernel
def _expected_gains(trees, terms, order, start, stop, local, expected):
    """Shapley value of the margins themselves, expected[local player, margin]: the mean of `_margin_gains`."""
    expected[:] = 0.0
    for i in range(start, stop):
        t = terms.term[order[i]]
        n_open, n_closed = t["n_open"], t["n_closed"]
        middle = t["first"] + n_open
        for v in range(trees.value.shape[1]):
            value, k = trees.value[t["leaf"], v], t["output"] + v
            for m in range(t["first"], middle):
                expected[local[terms.member[m]], k] += value * share(n_open, n_closed)
            for m in range(middle, middle + n_closed):
                expected[local[terms.member[m]], k] -= value * share(n_closed, n_open)


@kernel
def sample_tie(
    trees, terms, order, start, stop, local, players, n_tied, margins, link, seed, tol, max_draws, credits, variances
):  # fmt: skip
    """Shapley value of a large tie by antithetic permutations.

    Control variate: the gain of the margin times the link's slope halfway, whose mean over permutations is known.
    Stops when the summed standard errors are below tol times the summed credits, or after max_draws pairs.
    """
    n_margins = margins.size
    gains = np.empty((n_tied, n_margins))
    expected = np.empty((n_tied, n_margins))
    _expected_gains(trees, terms, order, start, stop, local, expected)
    slopes = np.empty((n_margins, n_margins))
    halfway = margins.copy()
    for i in range(n_tied):
        for k in range(n_margins):
            halfway[k] += 0.5 * expected[i, k]
    link_slopes(link, halfway, slopes)
    mean = np.zeros((n_tied, n_margins))
    spread = np.zeros((n_tied, n_margins))
    draw = np.empty((n_tied, n_margins))
    rank, turn = np.arange(n_tied), np.arange(n_tied)
    before, after = np.empty(n_margins), np.empty(n_margins)
    state = np.empty(n_margins)
    n_draws = 0
    while n_draws < max_draws:
        for i in range(n_tied - 1, 0, -1):
            other = _random_below(seed, i + 1)
            rank[i], rank[other] = rank[other], rank[i]
        draw[:] = 0.0
        for _ in range(2):
            _margin_gains(trees, terms, order, start, stop, local, rank, gains)
            for i in range(n_tied):
                turn[rank[i]] = i
            for k in range(n_margins):
                state[k] = margins[k]
            apply_link(link, state, before)
            for r in range(n_tied):
                for k in range(n_margins):
                    state[k] += gains[r, k]
                apply_link(link, state, after)
                for o in range(n_margins):
                    control = 0.0
                    for k in range(n_margins):
                        control += slopes[o, k] * (gains[r, k] - expected[turn[r], k])
                    draw[turn[r], o] += 0.5 * (after[o] - before[o] - control)
                    before[o] = after[o]
            for i in range(n_tied):  # the antithetic order: last first
                rank[i] = n_tied - 1 - rank[i]
        n_draws += 1
        error, size = 0.0, 0.0
        for i in range(n_tied):
            for o in range(n_margins):
                shift = draw[i, o] - mean[i, o]
                mean[i, o] += shift / n_draws
                spread[i, o] += shift * (draw[i, o] - mean[i, o])
                error += np.sqrt(spread[i, o])
                size += np.abs(mean[i, o])
        if n_draws % 32 == 0 and error <= tol * size * np.sqrt(n_draws * (n_draws - 1.0)):
            break
    for i in range(n_tied):
        for o in range(n_margins):
            credits[players[i], o] += mean[i, o]
            variances[players[i], o] += spread[i, o] / (n_draws * (n_draws - 1.0))
