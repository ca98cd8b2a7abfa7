"""Smooth paths once more, by a detour: what cancels on the path does not cancel beside it.

Two jumps, or kinks, of one size that follow each other closely on the path show at none of the places looked at. On a
detour from b to x every player is ahead or behind by an amount of its own, so that they come apart: a smooth model is
smooth there, too, and mostly of hardly higher degree, and one that jumps is not.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_tie import Intervals
from agnostic_ig.numerics.chebyshev import chebyshev_coefficients, chebyshev_points, degree_below
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["compare_detours"]

DETOURS = 2
POINTS = np.array([32, 40, 48, 56, 64, 80, 96, 128])  # pieces between the Chebyshev points of a detour
FARTHEST = 0.8  # how far a player is ahead at most, in units of a (1 - a); less than 1: nobody ever goes back
AHEAD = 8.0  # the same, times the degree of the path: what a detour adds to the degree at most, mostly
ROOM = 2  # for that, which is enough down to what is noticed
# Two jumps that are apart leave about a quarter of their size in the last quarter of the coefficients, in the mean.
SIZE = 6.0
NOTICED = 100.0  # what does not fade on a detour, in units of what counts as faded on the path


def compare_detours(
    asker: Any, panels: Intervals, degree: np.ndarray, limit: np.ndarray, reserve: np.ndarray
) -> np.ndarray:
    """(n, n_outputs): size of jumps that detours show; 0 where detours are smooth, or cannot be paid for.

    degree (n,): of smooth panels. It is raised where detours are waves that the path does not show. reserve (n,): model
    rows that are to be left for the panels; limit (n, n_outputs): what counts as faded.
    """
    left, everyone = np.zeros_like(panels.f_low), np.arange(len(asker.block))
    points = POINTS[np.minimum(np.searchsorted(0.75 * POINTS, degree + ROOM), len(POINTS) - 1)]
    cost = np.bincount(panels.pair, DETOURS * (points + POINTS[-1]) + reserve, minlength=len(everyone))
    rich = (cost <= asker.remaining(everyone))[panels.pair]
    for n in np.unique(points[rich]):
        some = np.flatnonzero(rich & (points == n))
        left[some] = _not_smooth(asker, panels[some], degree[some], limit[some], int(n))[0]
    again = np.flatnonzero((left > 0.0).any(axis=1))
    left[again], found = _not_smooth(asker, panels[again], degree[again], limit[again], int(POINTS[-1]))
    degree[again] = np.where((left[again] > 0.0).any(axis=1), degree[again], found)
    return SIZE * left


def _not_smooth(
    asker: Any, panels: Intervals, degree: np.ndarray, limit: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """(n_panels, n_outputs): the last quarter of the Chebyshev coefficients of detours, summed, where it is too much,
    and (n_panels,) degrees of the detours."""
    which = np.repeat(np.arange(len(panels)), DETOURS)
    places = chebyshev_points(n)[1:-1]
    farthest = np.minimum(FARTHEST, AHEAD / np.maximum(degree, 1))[which, None] * (places * (1.0 - places))
    moved = places[:, None] + farthest[:, :, None] * _ahead(asker, panels[which])[:, None, :]
    alpha = panels.low[which, None, None] + (panels.high - panels.low)[which, None, None] * moved
    answers = asker.ask_apart(np.repeat(panels.pair[which], len(places)), alpha.reshape(-1, alpha.shape[2]))
    inner = answers.reshape(len(which), len(places), len(asker.outputs))
    values = np.concatenate([panels.f_low[which, None], inner, panels.f_high[which, None]], axis=1)
    coefficients = chebyshev_coefficients(values).reshape(len(panels), DETOURS, n + 1, len(asker.outputs))
    rest = np.abs(coefficients[:, :, 3 * n // 4 :]).sum(axis=2).max(axis=1)
    degrees = degree_below(coefficients, np.broadcast_to(limit[:, None], coefficients[:, :, 0].shape))
    return np.where(rest > NOTICED * limit, rest, 0.0), degrees.max(axis=1)


def _ahead(asker: Any, panels: Intervals) -> np.ndarray:
    """(n, n_players): numbers from -1 to 1, others for every panel and when it comes once more."""
    keys = child_keys(panels.key, 9800 + np.arange(len(panels)) % DETOURS)
    players = range(asker.columns.n_players)
    return 2.0 * np.stack([uniform(child_keys(keys, player)) for player in players], axis=1) - 1.0
