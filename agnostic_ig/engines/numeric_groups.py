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

from agnostic_ig.engines.numeric_tie import Intervals
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["GroupTests", "check_ends", "explain"]

MANY = 12  # candidates from which an interval is rather cut than searched
MOST = 4  # players whose crossings are told apart inside an interval; with more of them it is cut


@dataclass(frozen=True)
class GroupTests:
    """How hard to look: random groups checked at the far end of an interval, and at a place inside it.

    again: further groups at the far end, where jumps of one size come up again and again.
    """

    ends: int
    inside: int
    again: int

    def cost(self, n_moving: np.ndarray) -> np.ndarray:
        """Model rows that one interval costs at most."""
        n_bits = np.ceil(np.log2(np.maximum(n_moving, 2))).astype(int)
        return 3 + n_bits + MANY + self.ends + 3 * self.inside + self.again


def explain(
    asker: Any, now: Intervals, limit: np.ndarray, tests: GroupTests
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which intervals are explained, the effects of single players in them, and the largest defect of their tests.

    limit (n, n_outputs): differences that count as none.
    """
    effects = np.zeros((len(now), asker.columns.n_players, now.f_low.shape[1]))
    defect = np.zeros_like(now.f_low)
    alive, candidates, answered = _candidates(asker, now, limit, defect)
    alive = _single_effects(asker, now, alive, candidates, effects, limit, defect)
    alive = answered.check(now, alive, effects, limit, defect)
    alive = check_ends(asker, now, alive, effects, range(tests.ends), limit, defect)
    for number in range(tests.inside):
        alive = _check_inside(asker, now, alive, effects, number, tests.inside, limit, defect)
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
    asker: Any, now: Intervals, limit: np.ndarray, defect: np.ndarray
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
    candidates = _ruled_in(moving, first, one, now, limit)
    which = np.repeat(alive, n_bits[alive] - 1)
    bit = np.concatenate([np.arange(1, k) for k in n_bits[alive]]) if len(which) else which
    groups = moving[which] & (code[which] >> bit[:, None] & 1 == 1)
    answers = now.ask(asker, which, groups)
    np.logical_and.at(candidates, which, _ruled_in(moving[which], groups, answers, now[which], limit[which]))
    few = candidates[alive].sum(axis=1) <= MANY
    few |= n_bits[alive] <= 4
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
    alone = np.zeros((len(row), candidates.shape[1]), dtype=bool)
    alone[np.arange(len(row)), player] = True
    effects[row, player] = now.ask(asker, row, alone) - now.f_low[row]
    gap = np.abs(effects[alive].sum(axis=1) - (now.f_high - now.f_low)[alive])
    return _pass(alive, gap, limit, defect)


def _random_groups(asker: Any, now: Intervals, alive: np.ndarray, number: int) -> np.ndarray:
    """(n_alive, n_players): every moving player with probability one half."""
    keys = child_keys(child_keys(now.key[alive], 100 + number)[:, None], np.arange(asker.columns.n_players)[None, :])
    return asker.moving[now.pair[alive]] & (uniform(keys) < 0.5)


def check_ends(
    asker: Any, now: Intervals, alive: np.ndarray, effects: np.ndarray, numbers: range, limit: np.ndarray,
    defect: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Those of the alive intervals in which random groups do what the single effects say, one group after the other."""
    for number in numbers:
        group = _random_groups(asker, now, alive, number)
        said = now.f_low[alive] + np.einsum("np,npk->nk", group, effects[alive])
        alive = _pass(alive, np.abs(now.ask(asker, alive, group) - said), limit, defect)
    return alive


def _check_inside(
    asker: Any, now: Intervals, alive: np.ndarray, effects: np.ndarray, number: int, of: int, limit: np.ndarray,
    defect: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Intervals in which the players with an effect explain the path at a place inside, in part `number` of `of`.

    Mostly some of them have moved there, and others not. Elsewhere the path passes through a band that begins and ends
    inside, or over a stair: then these players, in two groups, must explain that by themselves.
    """
    place = now.low[alive] + (now.high - now.low)[alive] * (
        (number + uniform(child_keys(now.key[alive], 500 + number))) / of
    )
    inside = asker.ask_path(now.pair[alive], place)
    apart = np.abs(inside[:, None, :] - now.f_low[alive][:, None, :] - _subset_sums(effects[alive]))
    found = np.take_along_axis(apart, apart.max(axis=2).argmin(axis=1)[:, None, None], axis=1)[:, 0]
    odd = np.flatnonzero((found > limit[alive]).any(axis=1))
    some = now[alive[odd]]
    part = Intervals(some.pair, some.low, place[odd], some.f_low, inside[odd], some.key)
    found[odd] = _defect_of_two_groups(asker, part, (effects[alive[odd]] != 0).any(axis=2), number)
    return _pass(alive, found, limit, defect)


def _defect_of_two_groups(asker: Any, part: Intervals, active: np.ndarray, number: int) -> np.ndarray:
    """(n, n_outputs): how far the effects of two groups, which hold all active players, are from the whole effect."""
    draw = uniform(child_keys(child_keys(part.key, 300 + number)[:, None], np.arange(active.shape[1])[None, :]))
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
