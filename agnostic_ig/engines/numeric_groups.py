"""Group tests of an interval: which players move the model in it, do they act independently, and by how much each.

Every moving player has a code of its own, of ``m = ceil(log2(n_moving))`` bits. Test b moves the players whose bit b is
set across the interval. Two players differ in a bit, so that effects of two that cancel show up in some test, and a
single player that acts is named by the answers. What the first test adds is the others moved alone: if players act
independently, both effects add up to the effect of moving all.

Candidates are players that no test rules out: not among those that did nothing together, nor left out where the others
did everything. Their single effects must add up, and predict what random groups do, at the ends of the interval
and at a random place inside it, which sees what begins and ends between them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines.numeric_rounds import Question, Steps, on_path, run
from agnostic_ig.engines.numeric_tie import Intervals, alone, rank_within
from agnostic_ig.kernels.group_tests import (
    defects_of_groups,
    draw_codes,
    groups_of_bits,
    nearest_sums,
    random_groups,
    rule_out,
)
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["FEW", "ROUNDED", "GroupTests", "Trial", "check_ends", "codes", "explain"]

MANY = 12  # candidates from which an interval is rather cut than searched
ROUNDED = 2e-14  # what is added up in another order differs by no more, relative
FEW = 12  # players among which bands are so frequent that one place more is looked at
FEW_BITS = 4  # so few players, in bits of their codes, are searched in any case


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
    asker: Any, now: Intervals, limit: np.ndarray, tests: GroupTests
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which intervals are explained, the effects of single players in them, and the largest defect of their tests.

    limit (n, n_outputs): differences that count as none.
    """
    trial = Trial(asker, now, limit, tests)
    run(asker, trial.steps())
    return trial.explained, trial.effects, trial.defect


class _Answered(NamedTuple):
    """Groups (n, n_players) that were moved in some of the intervals, and the model's answers."""

    which: np.ndarray
    groups: np.ndarray
    answers: np.ndarray

    def defects(self, now: Intervals, effects: np.ndarray) -> np.ndarray:
        """(n_intervals, n_outputs): how far at most any of the groups is from what the single effects say."""
        found = np.zeros_like(now.f_low)
        defects_of_groups(self.which, self.groups, self.answers, now.f_low, effects, found)
        return found


class Trial:
    """Intervals under test.

    told: called with the places of intervals that fail, as soon as they do. first_test: called with what the first test
    of every interval said.

    Attributes
    ----------
    alive : ndarray
        Places of the intervals that have passed so far.
    effects, defect : ndarray (n, n_players, n_outputs), (n, n_outputs)
        Of single players; and what the tests have left unexplained.
    """

    def __init__(
        self, asker: Any, now: Intervals, limit: np.ndarray, tests: GroupTests,
        told: Callable[[np.ndarray], None] | None = None, first_test: Callable[..., None] | None = None,
    ) -> None:  # fmt: skip
        self.asker, self.now, self.limit, self.tests = asker, now, limit, tests
        self._told, self._first_test = told, first_test
        self.moving = asker.moving[now.pair]
        self.n_bits = np.ceil(np.log2(np.maximum(self.moving.sum(axis=1), 2))).astype(int)
        self.alive = np.arange(len(now))
        self.effects = np.zeros((*self.moving.shape, now.f_low.shape[1]))
        self.defect = np.zeros_like(now.f_low)

    @property
    def explained(self) -> np.ndarray:
        """(n,): intervals that have passed."""
        return np.isin(np.arange(len(self.now)), self.alive)

    def steps(self) -> Steps[None]:
        """All tests, one after the other, of the intervals that are still alive.

        Every one of them puts as many questions, so that when an interval is through depends on no other one.
        """
        for test in (self._halves, self._codes, self._singles, self._others, self._ends, self._inside):
            yield from test()

    def keep(self, found: np.ndarray) -> None:
        """Go on with the intervals whose defects found (n_alive, n_outputs) are within the limit."""
        self.defect[self.alive] = np.maximum(self.defect[self.alive], found)
        self.drop(~(found <= self.limit[self.alive]).all(axis=1))  # nan passes nothing

    def drop(self, failed: np.ndarray) -> None:
        """Go on without some (n_alive,) of the intervals."""
        lost, self.alive = self.alive[failed], self.alive[~failed]
        if self._told is not None:
            self._told(lost)

    def _halves(self) -> Steps[None]:
        """The first group and all others, each moved alone; and ends that are not known yet."""
        now, everyone = self.now, np.arange(len(self.now))
        self._code = codes(now.key, self.moving)
        first = self.moving & (self._code & 1 == 1)
        ends = now.unknown_ends(self.asker)
        halves = now.question(np.tile(everyone, 2), np.concatenate([first, self.moving & ~first]))
        answers = yield Question.joined([ends.question, halves])
        ends.fill(now, answers[: len(ends.question.pair)])
        one, other = answers[len(ends.question.pair) :].reshape(2, len(now), now.f_low.shape[1])
        if self._first_test is not None:
            self._first_test(self.asker, now, one, other, self.limit)
        self.candidates = self.moving.copy()
        rule_out(everyone, first, one, now.f_low, now.f_high, self.limit, self.candidates)
        self._answered = _Answered(everyone, first, one)
        self.keep(np.abs(one + other - now.f_low - now.f_high))

    def _codes(self) -> Steps[None]:
        """The other bits of the codes; then intervals with many candidates are given up."""
        now, n_bits = self.now, self.n_bits
        which = np.repeat(self.alive, n_bits[self.alive] - 1)
        bit = 1 + rank_within(which)
        groups = np.empty((len(which), self.moving.shape[1]), dtype=bool)
        groups_of_bits(self._code, self.moving, which, bit, groups)
        answers = yield now.question(which, groups)
        rule_out(which, groups, answers, now.f_low, now.f_high, self.limit, self.candidates)
        self._answered = _Answered(
            *(np.concatenate(parts) for parts in zip(self._answered, (which, groups, answers), strict=True))
        )
        many = self.candidates[self.alive].sum(axis=1) > MANY
        many &= n_bits[self.alive] > FEW_BITS
        self.defect[self.alive[many]] = np.inf
        self.drop(many)

    def _singles(self) -> Steps[None]:
        """Effects of single candidates: they must add up, and to what the codes said."""
        now, alive = self.now, self.alive
        place, player = np.nonzero(self.candidates[alive])
        row = alive[place]
        answers = yield now.question(row, alone(player, self.moving.shape[1]))
        effects = answers - now.f_low[row]
        effects[np.abs(effects) <= ROUNDED * self.asker.size[now.pair[row], None]] = 0.0
        self.effects[row, player] = effects
        gap = np.abs(self.effects[alive].sum(axis=1) - (now.f_high - now.f_low)[alive])
        self.keep(np.maximum(gap, self._answered.defects(now, self.effects)[alive]))

    def _others(self) -> Steps[None]:
        """All players without an effect do nothing together: in "a or b" either explains it all."""
        active = (self.effects[self.alive] != 0).any(axis=2)
        some = active.any(axis=1)
        which, groups = self.alive[some], (self.moving[self.alive] & ~active)[some]
        answers = yield self.now.question(which, groups)
        self.keep(_Answered(which, groups, answers).defects(self.now, self.effects)[self.alive])

    def _ends(self) -> Steps[None]:
        """Random groups at the far end."""
        numbers = range(1, self.tests.ends)
        self.keep((yield from check_ends(self.asker, self.now, self.alive, self.effects, numbers)))

    def _inside(self) -> Steps[None]:
        """The players with an effect explain the path at a random place in each of some equal parts.

        Mostly some of them have moved there, and others not. Elsewhere the path passes through a band that begins and
        ends inside, or over a stair: then these players, in two groups, must explain that by themselves.
        """
        if not self.tests.inside:
            return
        asker, now, n, alive = self.asker, self.now, self.tests.inside, self.alive
        more = alive[self.moving[alive].sum(axis=1) <= FEW]
        which, number = np.append(np.tile(alive, n), more), np.repeat(np.arange(n + 1), [len(alive)] * n + [len(more)])
        draw = uniform(child_keys(now.key[which], 500 + number))
        place = now.low[which] + (now.high - now.low)[which] * np.where(number < n, (number + draw) / n, draw)
        inside = yield on_path(asker, now.pair[which], place)
        found = np.empty_like(inside)
        nearest_sums(inside - now.f_low[which], which, self.effects, found)
        odd = np.flatnonzero((found > self.limit[which]).any(axis=1))
        some, keys = now[which[odd]], child_keys(now.key[which[odd]], 300 + number[odd])
        part = Intervals(some.pair, some.low, place[odd], some.f_low, inside[odd], keys)
        found[odd] = yield from _defect_of_two_groups(part, (self.effects[which[odd]] != 0).any(axis=2))
        worst = np.zeros_like(self.defect)
        np.maximum.at(worst, which, found)
        self.keep(worst[alive])


def codes(keys: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """(n, n_players): a number below n_moving for every moving player, drawn anew for every interval."""
    code = np.empty(moving.shape, dtype=np.int32)
    draw_codes(keys, moving, code)
    return code


def check_ends(asker: Any, now: Intervals, some: np.ndarray, effects: np.ndarray, numbers: range) -> Steps[np.ndarray]:
    """(n_some, n_outputs): how far at most random groups are from what the single effects say, in some intervals."""
    which, number = np.tile(some, len(numbers)), np.repeat(numbers, len(some))
    groups = asker.moving[now.pair[which]]
    random_groups(now.key[which], 1000 + number, groups, groups)
    answers = yield now.question(which, groups)
    return _Answered(which, groups, answers).defects(now, effects)[some]


def _defect_of_two_groups(part: Intervals, active: np.ndarray) -> Steps[np.ndarray]:
    """(n, n_outputs): how far the effects of two groups, which hold all active players, are from the whole effect."""
    draw = uniform(child_keys(part.key[:, None], np.arange(active.shape[1])[None, :]))
    draw[~active] = 2.0
    one = active & (draw.argsort(axis=1).argsort(axis=1) < (active.sum(axis=1, keepdims=True) + 1) // 2)
    other = active & ~one
    everyone, two = np.arange(len(part)), np.flatnonzero(other.any(axis=1))
    answers = yield part.question(np.concatenate([everyone, two]), np.concatenate([one, other[two]]))
    change = answers[: len(part)] - part.f_high
    change[two] += answers[len(part) :] - part.f_low[two]
    return np.abs(change)
