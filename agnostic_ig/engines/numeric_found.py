"""What the search of stepped paths has found: explained intervals, tested again where jumps of one size come up."""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_groups import check_ends
from agnostic_ig.engines.numeric_logit import ENOUGH_VOTES
from agnostic_ig.engines.numeric_pieces import Effort
from agnostic_ig.engines.numeric_rounds import run
from agnostic_ig.engines.numeric_tie import Intervals, rank_within
from agnostic_ig.kernels.path_probe import sum_by_group

__all__ = ["Found"]

TESTS_AT_ONCE = 3
EQUAL = 1e-9  # sizes of jumps that count as equal, relative


class Found:
    """Intervals that are explained, with the effects of single players in them.

    Jumps of one size cancel in a test more often than others do, and the leaves of deep forests have them: pairs that
    show such jumps have their intervals tested again.
    """

    def __init__(self, asker: Any, effort: Effort) -> None:
        self._asker, self._effort = asker, effort
        n_outputs = len(asker.outputs)
        self.intervals = Intervals.none(n_outputs)
        self.effects = np.zeros((0, asker.columns.n_players, n_outputs))
        self.defect = np.zeros((0, n_outputs))
        self._is_sure = np.zeros(0, dtype=bool)
        self._new: list[tuple[Intervals, np.ndarray, np.ndarray]] = []

    def add(self, intervals: Intervals, effects: np.ndarray, defect: np.ndarray) -> None:
        """Keep what has been explained; it counts from the next `taken_back` on."""
        self._new.append((intervals, effects, defect))

    def _take_in(self) -> None:
        """In the order of pairs and places, whenever each was found."""
        parts = zip((self.intervals, self.effects, self.defect), *self._new, strict=True)
        intervals, effects, defect = next(parts), next(parts), np.concatenate(next(parts))
        intervals = Intervals.joined(intervals)
        order = np.lexsort((intervals.low, intervals.pair))
        is_sure = np.append(self._is_sure, np.zeros(len(defect) - len(self._is_sure), dtype=bool))
        self.intervals, self.effects = intervals[order], np.concatenate(effects)[order]
        self.defect, self._is_sure, self._new = defect[order], is_sure[order], []

    def taken_back(self, threshold: np.ndarray) -> Intervals:
        """Intervals that did not stand up to further tests."""
        self._take_in()
        share, limit = self._share_of_equal_jumps()[self.intervals.pair], threshold[self.intervals.pair]
        times = np.ceil(self._effort.tests.again * (0.15 + 0.85 * share)) * (share > 0.01)
        times[self._is_sure | (self._asker.votes[self.intervals.pair] >= ENOUGH_VOTES)] = 0
        failed = (self.intervals.high - self.intervals.low > self._effort.widest) & (share > 0.5) & ~self._is_sure
        for number in range(0, int(times.max(initial=0)), TESTS_AT_ONCE):
            asked = np.flatnonzero((times > number) & ~failed)
            last = min(number + TESTS_AT_ONCE, self._effort.tests.again)
            which = range(self._effort.tests.ends + number, self._effort.tests.ends + last)
            defect = run(self._asker, check_ends(self._asker, self.intervals, asked, self.effects, which))
            self.defect[asked] = np.maximum(self.defect[asked], defect)
            failed[asked] |= (defect > limit[asked]).any(axis=1)
        self._is_sure[:] = True
        return self.take(self._affordable(failed))

    def take(self, some: np.ndarray) -> Intervals:
        """Some intervals, which are not among those found any more."""
        taken = self.intervals[some]
        self.intervals, self.effects = self.intervals[~some], self.effects[~some]
        self.defect, self._is_sure = self.defect[~some], self._is_sure[~some]
        return taken

    def _affordable(self, failed: np.ndarray) -> np.ndarray:
        """Failed intervals that can be cut and closed; the others keep their effects, all of them as defect, too."""
        pair = np.where(failed, self.intervals.pair, len(self._asker.block))
        rank = rank_within(pair)
        cost = 4 * self._asker.moving.sum(axis=1) + 1
        can = self._asker.remaining(self.intervals.pair) // cost[self.intervals.pair]
        left = failed & (rank >= can)
        self.defect[left] += np.abs(self.effects[left]).sum(axis=1)
        return failed & ~left

    def _share_of_equal_jumps(self) -> np.ndarray:
        """(n_pairs,): share of the jumps found that are as large as another one, of pairs that are not sure yet."""
        n_pairs, unsure = len(self._asker.block), self.intervals.pair[~self._is_sure]
        some = np.flatnonzero((np.bincount(unsure, minlength=n_pairs) > 0)[self.intervals.pair])
        place, player, output = np.nonzero(self.effects[some])
        row = some[place]
        size = np.abs(self.effects[row, player, output])
        pair = self.intervals.pair[row]
        order = np.lexsort((size, output, pair))
        pair, output, size = pair[order], output[order], size[order]
        equal = (np.diff(pair) == 0) & (np.diff(output) == 0) & (np.diff(size) <= EQUAL * size[1:])
        return np.bincount(pair[1:][equal], minlength=n_pairs) / np.maximum(np.bincount(pair, minlength=n_pairs), 1)

    def credit(self, values: np.ndarray, error: np.ndarray) -> None:
        """Add the effects to values, and what the tests left unexplained to the error of the players credited.

        Where intervals are wide, because the budget bought no more pieces, as much as their largest effect may be
        hidden from every player.
        """
        wide = self.intervals.high - self.intervals.low > 3.0 / self._effort.pieces
        hidden, moving = np.zeros_like(self._asker.f_x), self._asker.moving[:, :, None]
        np.maximum.at(hidden, self.intervals.pair[wide], np.abs(self.effects[wide]).max(axis=1, initial=0.0))
        error += hidden[:, None, :] * moving
        ones = np.ones(len(self.intervals))
        sum_by_group(self.intervals.pair, ones, self.effects, values)
        sum_by_group(self.intervals.pair, ones, self.defect[:, None, :] * (self.effects != 0), error)
