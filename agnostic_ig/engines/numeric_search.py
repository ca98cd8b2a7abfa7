"""The search of a stepped path: intervals that wait, intervals under test, and what is found.

Every round tests all pieces that wait beside those that are further on, and cuts those that fail. A piece is cut and
both its parts are put to the first test in one question, so that a path is searched in few rounds.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_found import Found
from agnostic_ig.engines.numeric_groups import Trial, check_ends
from agnostic_ig.engines.numeric_limits import narrowest, no_change
from agnostic_ig.engines.numeric_logit import ENOUGH_VOTES, explain_in_log_odds, is_saturated, note_votes
from agnostic_ig.engines.numeric_pieces import Effort, cut, first_intervals
from agnostic_ig.engines.numeric_rounds import Steps, Together
from agnostic_ig.engines.numeric_tie import Intervals, half_and_half, rank_within

__all__ = ["Search"]

FEW_DONE = 8  # times as many pairs go on
TESTS_AT_HALF = range(200, 240)  # more groups, where whole numbers cross at one half, all at once


class Search:
    """The search of the paths of some pairs.

    Attributes
    ----------
    found : Found
        Intervals in which single players explain what happens.
    ties : Intervals
        Narrow ones in which they do not.
    limit : ndarray (n_pairs, n_outputs)
        Differences that count as none.
    """

    def __init__(self, asker: Any, pairs: np.ndarray, effort: Effort) -> None:
        self._asker, self._tests = asker, effort.tests
        self._waiting, self.ties = first_intervals(asker, pairs, effort.pieces)
        self.found, self.limit = Found(asker, effort), no_change(asker)
        self._together = Together(asker)
        self._n_moving = asker.moving.sum(axis=1)
        self._n_tested = np.zeros(len(asker.block), dtype=np.int64)  # of every pair, under test at the moment
        self._n_unsure = self._n_tested.copy()  # passed, but to be tested again

    def run(self, values: np.ndarray, error: np.ndarray) -> None:
        """Search until everything is found, tied, or, where the budget ends, closed into values and error."""
        while len(self._waiting) or len(self._together) or (self._n_unsure > 0).any():
            self._start(values, error)
            self._start_again()
            if len(self._together):
                self._together.round()
        self.found.close()

    def _start_again(self) -> None:
        """Test all of a pair again once all of it has passed; while most pairs go on, not for a few of them alone."""
        is_searched = self._count(self._waiting.pair) + self._n_tested > 0
        is_done = (self._n_unsure > 0) & ~is_searched
        if is_done.any() and FEW_DONE * is_done.sum() >= is_searched.sum():
            self._n_unsure[is_done] = 0
            self._together.start(self._test_again(is_done))

    def _test_again(self, is_done: np.ndarray) -> Steps[None]:
        failed = yield from self.found.tested_again(is_done, self.limit)
        self._waiting = Intervals.joined([self._waiting, cut(failed)])

    def _start(self, values: np.ndarray, error: np.ndarray) -> None:
        """Put to the test what waits, as far as the budget goes; in log-odds where these have been seen to add up."""
        now, self._waiting, spent = self._affordable()
        spent.ask_ends(self._asker)
        half_and_half(self._asker, spent, values, error)
        linked = (self._asker.votes[now.pair] >= ENOUGH_VOTES) & ~self._asker.moves_units[now.pair]
        linked &= ~(is_saturated(now.f_low) | is_saturated(now.f_high))
        self._n_tested += self._count(now.pair)
        for some, test in ((now[~linked], self._test), (now[linked], self._test_in_log_odds)):
            if len(some):
                self._together.start(test(some))

    def _affordable(self) -> tuple[Intervals, Intervals, Intervals]:
        """Intervals to look at now, later, and those of pairs that can only just close what is open.

        Every open interval, and every tie, keeps what closing it costs: two rows a moving player, and its ends.
        """
        waiting, close = self._waiting, 2 * self._n_moving + 2
        n_open = self._count(np.append(waiting.pair, self.ties.pair))
        cost = self._tests.cost(self._n_moving) + close  # one that fails leaves another one open
        cost += len(TESTS_AT_HALF) * self._asker.moves_whole_numbers
        free = self._asker.remaining(np.arange(len(cost))) - close * n_open
        free -= (cost + close) * self._n_tested + self._tests.again * self._n_unsure
        can = np.maximum(free, 0) // cost
        waiting = waiting[np.lexsort((waiting.low, waiting.high - waiting.low, waiting.pair))]  # narrowest first
        now = rank_within(waiting.pair) < can[waiting.pair]
        spent = ((can == 0) & (self._n_tested == 0))[waiting.pair]
        return waiting[now], waiting[~now & ~spent], waiting[spent]

    def _count(self, pair: np.ndarray) -> np.ndarray:
        return np.bincount(pair, minlength=len(self._n_moving))

    def _test(self, now: Intervals) -> Steps[None]:
        trial = Trial(
            self._asker, now, self.limit[now.pair], self._tests, lambda rows: self._failed(now[rows]), note_votes
        )
        yield from trial.steps()
        yield from self._test_at_half(trial)
        self._passed(now.pair[trial.alive])
        self.found.add(now[trial.alive], trial.effects[trial.alive], trial.defect[trial.alive])

    def _test_at_half(self, trial: Trial) -> Steps[None]:
        """More groups where whole numbers move, all of which may cross at one half."""
        asker, now, alive = self._asker, trial.now, trial.alive
        around = (now.low < 0.5) & (now.high > 0.5) & asker.moves_whole_numbers[now.pair]
        tied = alive[around[alive]]
        found = np.zeros_like(trial.defect)
        found[tied] = yield from check_ends(asker, now, tied, trial.effects, TESTS_AT_HALF)
        trial.keep(found[alive])
        # Where nothing but units moves, all of it may cross there: few enough are enumerated whatever tests say.
        trial.drop((around & asker.is_enumerated_at_half[now.pair])[trial.alive])

    def _test_in_log_odds(self, now: Intervals) -> Steps[None]:
        explained, effects = yield from explain_in_log_odds(
            self._asker,
            now,
            self._tests,
            lambda rows: self._failed(now[rows]),
            lambda rows: self._passed(now.pair[rows]),
        )
        self.found.add(now[explained], effects[explained], np.zeros_like(now.f_low[explained]))

    def _passed(self, pairs: np.ndarray) -> None:
        self._n_tested -= self._count(pairs)
        self._n_unsure += self._count(pairs)

    def _failed(self, failed: Intervals) -> None:
        """Cut them, or keep them as ties where they are too narrow."""
        if len(failed) == 0:
            return
        self._n_tested -= self._count(failed.pair)
        narrow = failed.high - failed.low <= narrowest(self._asker)[failed.pair]
        self.ties = Intervals.joined([self.ties, failed[narrow]])
        self._waiting = Intervals.joined([self._waiting, cut(failed[~narrow])])
