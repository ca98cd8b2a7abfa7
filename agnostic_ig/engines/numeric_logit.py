"""Probabilities of boosted trees: their features act independently in log-odds, not in the probability itself.

Where the first group tests of a pair add up in log-odds and not in probabilities, its intervals are explained in
log-odds, where several players may share one. Probabilities depend on the order in which these cross, and places
on the path tell it: what has moved there is the subset of players whose effects add up to the log-odds.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from agnostic_ig.engines.numeric_groups import GroupTests, Trial
from agnostic_ig.engines.numeric_rounds import Steps, on_path
from agnostic_ig.engines.numeric_tie import NOTHING, Intervals
from agnostic_ig.kernels.group_tests import MOST
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["ENOUGH_VOTES", "explain_in_log_odds", "is_saturated", "note_votes"]

Told = Callable[[np.ndarray], None]

ENOUGH_VOTES = 8  # first tests that add up in log-odds only, before a pair is explained in them

ROUNDING = 1e-15  # of a probability
SATURATED = 1e-6  # log-odds that are known no better than this say nothing: the probability is too close to 0 or 1
STEPS = 40  # cuts at most
AT_ONCE = 5e-7  # players that are not apart by this, in units of the path, tie, and have no order


def log_odds(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(p) - np.log1p(-p)


def _in_log_odds(steps: Steps[None]) -> Steps[None]:
    """The same steps, which are told log-odds."""
    answers = None
    try:
        while True:
            answers = log_odds((yield steps.send(answers)))
    except StopIteration:
        return


def note_votes(asker: Any, now: Intervals, one: np.ndarray, other: np.ndarray, limit: np.ndarray) -> None:
    """Count, for every pair, first tests that add up in log-odds only, less those that do in probabilities only."""
    answers = np.stack([one, other, now.f_low, now.f_high])
    if answers.shape[2] != 1 or len(now) == 0:
        return
    inside = ((answers > 0.0) & (answers < 1.0)).all(axis=(0, 2))
    plain = (np.abs(one + other - now.f_low - now.f_high) <= limit)[:, 0]
    odds = log_odds(np.where(inside[None, :, None], answers, 0.5))
    defect = np.abs(odds[0] + odds[1] - odds[2] - odds[3])
    in_odds = inside & (defect <= _limit(now, odds[2:])).all(axis=1)
    np.add.at(asker.votes, now.pair, in_odds.astype(np.int64) - plain)


def _limit(now: Intervals, ends: np.ndarray) -> np.ndarray:
    """(n, 1): differences of log-odds that are rounding; nan where they would hide what matters, or there are none."""
    p = np.stack([now.f_low, now.f_high])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        limit = NOTHING * np.abs(ends).max(axis=0) + (ROUNDING / (p * (1.0 - p))).max(axis=0)
    return np.where(limit <= SATURATED, limit, np.nan)


def is_saturated(f: np.ndarray) -> np.ndarray:
    """(n,): probabilities (n, n_outputs) whose log-odds say nothing; not known yet (nan) is not saturated."""
    with np.errstate(over="ignore"):  # what is no probability
        return (f * (1.0 - f) < ROUNDING / SATURATED).any(axis=1)


def explain_in_log_odds(
    asker: Any, now: Intervals, tests: GroupTests, failed: Told, passed: Told
) -> Steps[tuple[np.ndarray, np.ndarray]]:
    """Which intervals are explained, as by `numeric_groups.Trial`, and the effects of players on the probability.

    failed, passed: called with the places of intervals as soon as that is known.
    """
    ends = now.unknown_ends(asker)
    ends.fill(now, (yield ends.question))
    odds_at_ends = log_odds(now.f_low), log_odds(now.f_high)
    limit = _limit(now, np.stack(odds_at_ends))
    known = np.isfinite(limit)[:, 0]
    odds_at_ends = [np.where(known[:, None], odds, 0.0) for odds in odds_at_ends]
    linked = Intervals(now.pair, now.low, now.high, *odds_at_ends, now.key)
    trial = Trial(asker, linked, np.where(known[:, None], limit, -1.0), tests, failed)  # nothing passes below zero
    yield from _in_log_odds(trial.steps())
    odds, explained = trial.effects, trial.explained
    effects = np.zeros_like(odds)
    alone = explained & ((odds != 0).any(axis=2).sum(axis=1) <= 1)
    effects[alone] = (odds[alone] != 0) * (now.f_high - now.f_low)[alone][:, None, :]
    passed(np.flatnonzero(alone))
    several = np.flatnonzero(explained & ~alone)
    order = _Order(asker, linked[several], odds[several], limit[several])
    yield from order.steps(lambda rows: failed(several[rows]), lambda rows: passed(several[rows]))
    effects[several], explained[several] = order.effects, order.ordered
    return explained, effects


class _Order:
    """The order in which players cross, and their effects on the probability one after the other.

    Stretches of the intervals are cut at random places until one player, or none, crosses in each.

    Attributes
    ----------
    ordered : ndarray of bool (n,)
        Intervals that could be put in order.
    effects : ndarray (n, n_players, 1)
    """

    def __init__(self, asker: Any, linked: Intervals, odds: np.ndarray, limit: np.ndarray) -> None:
        self.asker, self.linked, self.limit = asker, linked, limit
        self.players = np.argsort(-np.abs(odds[:, :, 0]), axis=1, kind="stable")[:, :MOST]
        self.sizes = np.take_along_axis(odds[:, :, 0], self.players, axis=1)
        self.ordered = (odds[:, :, 0] != 0).sum(axis=1) <= MOST
        self.effects = np.zeros_like(odds)
        self._subsets = (np.arange(1 << self.players.shape[1])[:, None] >> np.arange(self.players.shape[1])) & 1 == 1

    def steps(self, failed: Told, passed: Told) -> Steps[None]:
        """Cut, until everything is in order or given up; tells of every interval as soon as it is."""
        waiting = np.arange(len(self.linked))
        failed(waiting[~self.ordered])
        waiting = waiting[self.ordered]
        some = self.linked[waiting]
        stretches = _Stretches(
            waiting, some.low, some.high, some.f_low[:, 0], some.f_high[:, 0], (self.sizes != 0)[waiting]
        )
        for step in range(STEPS):
            stretches = self._credit(stretches)
            is_left = np.isin(waiting, stretches.row)
            done, waiting = waiting[~is_left], waiting[is_left]
            failed(done[~self.ordered[done]])
            passed(done[self.ordered[done]])
            if len(waiting) == 0:
                return
            middle = stretches.middles(self.linked.key, step)
            answers = yield on_path(self.asker, self.linked.pair[stretches.row], middle)
            stretches = self._cut(stretches, middle, log_odds(answers)[:, 0])
        self.ordered[waiting] = False
        failed(waiting)

    def _credit(self, stretches: "_Stretches") -> "_Stretches":
        """Credit what single players do; the stretches in which more of them cross are left."""
        n_left = stretches.left.sum(axis=1)
        single = stretches[n_left == 1]
        player = self.players[single.row, single.left.argmax(axis=1)]
        np.add.at(self.effects, (single.row, player, 0), expit(single.stop) - expit(single.start))
        return stretches[n_left > 1]

    def _cut(self, stretches: "_Stretches", middle: np.ndarray, odds: np.ndarray) -> "_Stretches":
        """Both parts of all stretches, by the players that have crossed in the middle, of intervals that go on."""
        row, left = stretches.row, stretches.left
        sums = (self._subsets[None] & left[:, None]) @ self.sizes[row][:, :, None]
        apart = np.abs(odds[:, None] - stretches.start[:, None] - sums[:, :, 0])
        best = apart.argmin(axis=1)
        lost = ~(apart[np.arange(len(row)), best] <= self.limit[row, 0] * MOST)
        self.ordered[row[lost | (stretches.high - stretches.low < AT_ONCE)]] = False
        moved = self._subsets[best] & left
        below = stretches._replace(high=middle, stop=odds, left=moved)
        above = stretches._replace(low=middle, start=odds, left=left & ~moved)
        both = _Stretches(*(np.concatenate(parts) for parts in zip(below, above, strict=True)))
        return both[self.ordered[both.row]]


class _Stretches(NamedTuple):
    """Parts of intervals `row`, with the log-odds at both ends, and which of the MOST players cross in each (left)."""

    row: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    left: np.ndarray

    def __getitem__(self, some: Any) -> "_Stretches":  # type: ignore[override]
        return _Stretches(*(part[some] for part in tuple(self)))

    def middles(self, keys: np.ndarray, step: int) -> np.ndarray:
        """A random place in the middle of each."""
        key = child_keys(child_keys(keys[self.row], 8100 + step), self.low.view(np.uint64))
        return self.low + (0.3 + 0.4 * uniform(key)) * (self.high - self.low)
