"""Probabilities of boosted trees: their features act independently in log-odds, not in the probability itself.

Where the first group tests of a pair add up in log-odds and not in probabilities, its intervals are explained in
log-odds, where several players may share one. Probabilities depend on the order in which these cross, and places
on the path tell it: what has moved there is the subset of players whose effects add up to the log-odds.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_groups import MOST, GroupTests, explain
from agnostic_ig.engines.numeric_tie import NOTHING, Intervals
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["explain_in_log_odds", "note_votes"]

ROUNDING = 1e-15  # of a probability
STEPS = 40  # cuts at most
AT_ONCE = 5e-7  # players that are not apart by this, in units of the path, tie, and have no order


def log_odds(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(p) - np.log1p(-p)


class _InLogOdds:
    """An asker whose answers are log-odds."""

    def __init__(self, asker: Any) -> None:
        self._asker = asker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asker, name)

    def ask(self, *question: Any) -> np.ndarray:
        return log_odds(self._asker.ask(*question))

    def ask_path(self, *question: Any) -> np.ndarray:
        return log_odds(self._asker.ask_path(*question))


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
    """(n, 1): differences of log-odds that are rounding."""
    p = np.stack([now.f_low, now.f_high])
    with np.errstate(divide="ignore", invalid="ignore"):
        return NOTHING * np.abs(ends).max(axis=0) + (ROUNDING / (p * (1.0 - p))).max(axis=0)


def explain_in_log_odds(asker: Any, now: Intervals, tests: GroupTests) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `numeric_groups.explain`: which intervals are explained, effects on the probability, and defects."""
    inner = _InLogOdds(asker)
    ends = log_odds(now.f_low), log_odds(now.f_high)
    limit = _limit(now, np.stack(ends))
    linked = Intervals(now.pair, now.low, now.high, *ends, now.key)
    explained, odds, _ = explain(inner, linked, limit, tests)
    effects = np.zeros_like(odds)
    alone = explained & ((odds != 0).any(axis=2).sum(axis=1) <= 1)
    effects[alone] = (odds[alone] != 0) * (now.f_high - now.f_low)[alone][:, None, :]
    several = np.flatnonzero(explained & ~alone)
    ordered, effects[several] = _in_order(inner, linked[several], now[several], odds[several], limit[several])
    explained[several[~ordered]] = False
    return explained, effects, np.zeros_like(now.f_low)


def _in_order(
    asker: Any, linked: Intervals, now: Intervals, odds: np.ndarray, limit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which intervals could be put in order, and the effects on the probability of their players one after the other.

    Stretches of the intervals are cut at random places until one player, or none, crosses in each.
    """
    players = np.argsort(-np.abs(odds[:, :, 0]), axis=1, kind="stable")[:, :MOST]
    sizes = np.take_along_axis(odds[:, :, 0], players, axis=1)
    everyone = np.arange(len(now))
    ordered = (odds[:, :, 0] != 0).sum(axis=1) <= MOST
    effects = np.zeros_like(odds)
    subsets = (np.arange(1 << players.shape[1])[:, None] >> np.arange(players.shape[1])) & 1 == 1
    row, low, high = everyone[ordered], now.low[ordered], now.high[ordered]
    start, stop = linked.f_low[ordered, 0], linked.f_high[ordered, 0]
    left = (sizes != 0)[ordered]  # (n_stretches, MOST): players that cross in it
    for step in range(STEPS):
        single = left.sum(axis=1) == 1
        player = players[row[single], left[single].argmax(axis=1)]
        np.add.at(effects, (row[single], player, 0), _probability(stop[single]) - _probability(start[single]))
        row, low, high, start, stop, left = (a[left.sum(axis=1) > 1] for a in (row, low, high, start, stop, left))
        if len(row) == 0:
            break
        key = child_keys(child_keys(now.key[row], 8100 + step), low.view(np.uint64))
        middle = low + (0.3 + 0.4 * uniform(key)) * (high - low)
        odds_there = asker.ask_path(now.pair[row], middle)[:, 0]
        sums = (subsets[None] & left[:, None]) @ sizes[row][:, :, None]
        apart = np.abs(odds_there[:, None] - start[:, None] - sums[:, :, 0])
        best = apart.argmin(axis=1)
        lost = (apart[np.arange(len(row)), best] > limit[row, 0] * MOST) | (high - low < AT_ONCE)
        ordered[row[lost]] = False
        moved = subsets[best] & left
        row, left = np.tile(row, 2), np.concatenate([moved, left & ~moved])
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        start, stop = np.concatenate([start, odds_there]), np.concatenate([odds_there, stop])
        keep = ordered[row]
        row, low, high, start, stop, left = (a[keep] for a in (row, low, high, start, stop, left))
    ordered[row] = False
    return ordered, effects


def _probability(odds: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(odds)
