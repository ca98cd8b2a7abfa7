"""Group tests of an interval: which players move the model in it, do they act independently, and by how much each.

Every moving player has a code of its own, of ``m = ceil(log2(n_moving))`` bits. Test b moves the players whose bit b is
set across the interval. Two players differ in a bit, so that effects of two that cancel show up in some test, and a
single player that acts is named by the answers. What the first test adds is the others moved alone: if players act
independently, both effects add up to the effect of moving all.

Candidates are players that no test rules out: not among those that did nothing together, nor left out where the others
did everything. Their single effects must add up, and predict what random groups do, at the ends of the interval
and at a random place inside it, which sees what begins and ends between them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines.numeric_tie import Intervals, alone
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["FEW", "GroupTests", "check_ends", "explain"]

MANY = 12  # candidates from which an interval is rather cut than searched
FEW = 12  # players among which bands are so frequent that one place more is looked at
FEW_BITS = 4  # so few players, in bits of their codes, are searched in any case
MOST = 4  # players whose crossings are told apart inside an interval; with more of them it is cut


@dataclass(frozen=True)
class GroupTests:
    """How hard to look: groups checked at the far end of an interval (all players without an effect, and random ones),
    and places inside it.

    again: further groups at the far end, where jumps of one size come up again and again.
    """

    ends: int
    inside: int
    again: int

    def cost(self, n_moving: np.ndarray) -> np.ndarray:
        """Model rows that one interval costs at most."""
        n_bits = np.ceil(np.log2(np.maximum(n_moving, 2))).astype(int)
        return 3 + n_bits + max(MANY, 1 << FEW_BITS) + self.ends + 3 * (self.inside + 1) + self.again


def explain(
    asker: Any, now: Intervals, limit: np.ndarray, tests: GroupTests, first_test: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which intervals are explained, the effects of single players in them, and the largest defect of their tests.

    limit (n, n_outputs): differences that count as none. first_test: told what the first test of every interval said.
    """
    effects = np.zeros((len(now), asker.columns.n_players, now.f_low.shape[1]))
    defect = np.zeros_like(now.f_low)
    alive, candidates, answered = _candidates(asker, now, limit, defect, first_test)
    alive = _single_effects(asker, now, alive, candidates, effects, limit, defect)
    alive = answered.check(now, alive, effects, limit, defect)
    alive = _check_others(asker, now, alive, effects, limit, defect)
    alive = check_ends(asker, now, alive, effects, range(1, tests.ends), limit, defect)
    if tests.inside:
        alive = _check_inside(asker, now, alive, effects, tests.inside, limit, defect)
    explained = np.zeros(len(now), dtype=bool)
    explained[alive] = True
    return explained, effects, defect


class _Answered(NamedTuple):
    """Groups (n, n_players) that were moved in some of the intervals, and the model's answers."""

    which: np.ndarray
    groups: np.ndarray
    answers: np.ndarray

    def check(
        self, now: Intervals, alive: np.ndarray, effects: np.ndarray, limit: np.ndarray, defect: np.ndarray
    ) -> np.ndarray:
        """The alive intervals in which all groups did what the single effects say."""
        said = now.f_low[self.which] + np.einsum("np,npk->nk", self.groups, effects[self.which])
        found = np.zeros_like(defect)
        np.maximum.at(found, self.which, np.abs(self.answers - said))
        return _pass(alive, found[alive], limit, defect)


def _candidates(
    asker: Any, now: Intervals, limit: np.ndarray, defect: np.ndarray, first_test: Any
) -> tuple[np.ndarray, np.ndarray, _Answered]:
    """Intervals that pass the first test and have few candidates, the candidates (n, n_players) of all, and answers."""
    moving = asker.moving[now.pair]
    code = _codes(now.key, moving)
    n_bits = np.ceil(np.log2(np.maximum(moving.sum(axis=1), 2))).astype(int)
    first = moving & (code & 1 == 1)
    everyone = np.arange(len(now))
    answers = now.ask(asker, np.tile(everyone, 2), np.concatenate([first, moving & ~first]))
    one, other = answers.reshape(2, len(now), now.f_low.shape[1])
    alive = _pass(everyone, np.abs(one + other - now.f_low - now.f_high), limit, defect)
    if first_test is not None:
        first_test(asker, now, one, other, limit)
    candidates = _ruled_in(moving, first, one, now, limit)
    which = np.repeat(alive, n_bits[alive] - 1)
    bit = np.concatenate([np.arange(1, k) for k in n_bits[alive]]) if len(which) else which
    groups = moving[which] & (code[which] >> bit[:, None] & 1 == 1)
    answers = now.ask(asker, which, groups)
    np.logical_and.at(candidates, which, _ruled_in(moving[which], groups, answers, now[which], limit[which]))
    few = candidates[alive].sum(axis=1) <= MANY
    few |= n_bits[alive] <= FEW_BITS
    defect[alive[~few]] = np.inf
    answered = _Answered(
        np.append(everyone, which), np.concatenate([first, groups]), np.concatenate([one, answers])
    )  # fmt: skip
    return alive[few], candidates, answered


def _codes(keys: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """(n, n_players): a number below n_moving for every moving player, drawn anew for every interval."""
    draw = uniform(child_keys(child_keys(keys, 11)[:, None], np.arange(moving.shape[1])[None, :]))
    draw[~moving] = 2.0
    return draw.argsort(axis=1).argsort(axis=1)


def _ruled_in(
    moving: np.ndarray, group: np.ndarray, answer: np.ndarray, of: Intervals, limit: np.ndarray
) -> np.ndarray:
    """(n, n_players): players that may act by one test: what has moved did something, what has not is missing."""
    did_nothing = (np.abs(answer - of.f_low) <= limit).all(axis=1)
    did_all = (np.abs(answer - of.f_high) <= limit).all(axis=1)
    return moving & ~(group & did_nothing[:, None]) & ~(~group & did_all[:, None])


def _pass(rows: np.ndarray, found: np.ndarray, limit: np.ndarray, defect: np.ndarray) -> np.ndarray:
    """The rows whose defect found is within the limit; the largest defect of each is kept."""
    defect[rows] = np.maximum(defect[rows], found)
    return rows[(found <= limit[rows]).all(axis=1)]


def _single_effects(
    asker: Any, now: Intervals, alive: np.ndarray, candidates: np.ndarray, effects: np.ndarray, limit: np.ndarray,
    defect: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Fill in the effects of single candidates; returns the intervals where they add up."""
    place, player = np.nonzero(candidates[alive])
    row = alive[place]
    effects[row, player] = now.ask(asker, row, alone(player, candidates.shape[1])) - now.f_low[row]
    gap = np.abs(effects[alive].sum(axis=1) - (now.f_high - now.f_low)[alive])
    return _pass(alive, gap, limit, defect)


def _random_groups(asker: Any, now: Intervals, which: np.ndarray, number: np.ndarray) -> np.ndarray:
    """(n, n_players): every moving player with probability one half, drawn anew for every number (n,)."""
    keys = child_keys(child_keys(now.key[which], 1000 + number)[:, None], np.arange(asker.columns.n_players)[None, :])
    return asker.moving[now.pair[which]] & (uniform(keys) < 0.5)


def _check_others(
    asker: Any, now: Intervals, alive: np.ndarray, effects: np.ndarray, limit: np.ndarray, defect: np.ndarray
) -> np.ndarray:
    """Intervals in which all players without an effect do nothing together: in "a or b" either explains it all."""
    active = (effects[alive] != 0).any(axis=2)
    some = active.any(axis=1)
    which, groups = alive[some], asker.moving[now.pair[alive[some]]] & ~active[some]
    return _Answered(which, groups, now.ask(asker, which, groups)).check(now, alive, effects, limit, defect)


def check_ends(
    asker: Any, now: Intervals, alive: np.ndarray, effects: np.ndarray, numbers: range, limit: np.ndarray,
    defect: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Those of the alive intervals in which all of some random groups do what the single effects say."""
    which, number = np.tile(alive, len(numbers)), np.repeat(numbers, len(alive))
    groups = _random_groups(asker, now, which, number)
    return _Answered(which, groups, now.ask(asker, which, groups)).check(now, alive, effects, limit, defect)


def _check_inside(
    asker: Any, now: Intervals, alive: np.ndarray, effects: np.ndarray, n: int, limit: np.ndarray, defect: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Intervals in which the players with an effect explain the path at a random place in each of n equal parts.

    Mostly some of them have moved there, and others not. Elsewhere the path passes through a band that begins and ends
    inside, or over a stair: then these players, in two groups, must explain that by themselves.
    """
    more = alive[asker.moving[now.pair[alive]].sum(axis=1) <= FEW]
    which, number = np.append(np.tile(alive, n), more), np.repeat(np.arange(n + 1), [len(alive)] * n + [len(more)])
    draw = uniform(child_keys(now.key[which], 500 + number))
    share = np.where(number < n, (number + draw) / n, draw)
    place = now.low[which] + (now.high - now.low)[which] * share
    inside = asker.ask_path(now.pair[which], place)
    sums = _subset_sums(effects[which])
    apart = np.abs(inside[:, None, :] - now.f_low[which][:, None, :] - sums)
    found = np.take_along_axis(apart, apart.max(axis=2).argmin(axis=1)[:, None, None], axis=1)[:, 0]
    odd = np.flatnonzero((found > limit[which]).any(axis=1))
    some = now[which[odd]]
    keys = child_keys(some.key, 300 + number[odd])
    part = Intervals(some.pair, some.low, place[odd], some.f_low, inside[odd], keys)
    found[odd] = _defect_of_two_groups(asker, part, (effects[which[odd]] != 0).any(axis=2))
    worst = np.zeros_like(defect)
    np.maximum.at(worst, which, found)
    return _pass(alive, worst[alive], limit, defect)


def _defect_of_two_groups(asker: Any, part: Intervals, active: np.ndarray) -> np.ndarray:
    """(n, n_outputs): how far the effects of two groups, which hold all active players, are from the whole effect."""
    draw = uniform(child_keys(part.key[:, None], np.arange(active.shape[1])[None, :]))
    draw[~active] = 2.0
    one = active & (draw.argsort(axis=1).argsort(axis=1) < (active.sum(axis=1, keepdims=True) + 1) // 2)
    other = active & ~one
    everyone, two = np.arange(len(part)), np.flatnonzero(other.any(axis=1))
    answers = part.ask(asker, np.concatenate([everyone, two]), np.concatenate([one, other[two]]))
    change = answers[: len(part)] - part.f_high
    change[two] += answers[len(part) :] - part.f_low[two]
    return np.abs(change)


def _subset_sums(effects: np.ndarray) -> np.ndarray:
    """(n, 2**MOST, n_outputs): sums of all subsets of the MOST largest effects of every interval."""
    largest = np.argsort(-np.abs(effects).max(axis=2), axis=1, kind="stable")[:, :MOST]
    largest = np.take_along_axis(effects, largest[:, :, None], axis=1)
    sums = np.zeros((len(effects), 1, effects.shape[2]))
    for k in range(largest.shape[1]):
        sums = np.concatenate([sums, sums + largest[:, k : k + 1]], axis=1)
    return sums
