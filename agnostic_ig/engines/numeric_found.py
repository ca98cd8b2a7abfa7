"""What the search of stepped paths has found: explained intervals, tested again where jumps of one size come up."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_groups import check_ends
from agnostic_ig.engines.numeric_logit import ENOUGH_VOTES
from agnostic_ig.engines.numeric_pieces import Effort
from agnostic_ig.engines.numeric_rounds import Steps
from agnostic_ig.engines.numeric_tie import Intervals, rank_within
from agnostic_ig.kernels.path_probe import sum_by_group

__all__ = ["Found"]

TESTS_AT_ONCE = 3
EQUAL = 1e-9  # sizes of jumps that count as equal, relative


@dataclass(frozen=True)
class Explained:
    """Intervals, effects (n, n_players, n_outputs) in them, defects (n, n_outputs), and which need no further tests."""

    intervals: Intervals
    effects: np.ndarray
    defect: np.ndarray
    is_sure: np.ndarray

    def __getitem__(self, rows: Any) -> "Explained":
        return Explained(self.intervals[rows], self.effects[rows], self.defect[rows], self.is_sure[rows])

    @classmethod
    def joined(cls, parts: list["Explained"]) -> "Explained":
        """All of them, in the order of pairs and places, whenever each was found."""
        intervals = Intervals.joined(part.intervals for part in parts)
        effects, defect, is_sure = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("effects", "defect", "is_sure")
        )
        order = np.lexsort((intervals.low, intervals.pair))
        return cls(intervals[order], effects[order], defect[order], is_sure[order])


class Found:
    """Intervals that are explained, with the effects of single players in them.

    Jumps of one size cancel in a test more often than others do, and the leaves of deep forests have them: pairs that
    show such jumps have their intervals tested again.
    """

    def __init__(self, asker: Any, effort: Effort) -> None:
        self._asker, self._effort = asker, effort
        self._parts: list[tuple[Explained, np.ndarray]] = []  # and which rows of each are still in here
        n_outputs = len(asker.outputs)
        self.add(Intervals.none(n_outputs), np.zeros((0, asker.columns.n_players, n_outputs)), np.zeros((0, n_outputs)))

    def add(self, intervals: Intervals, effects: np.ndarray, defect: np.ndarray) -> None:
        """Keep what has been explained."""
        self._keep(Explained(intervals, effects, defect, np.zeros(len(intervals), dtype=bool)))

    def _keep(self, explained: Explained) -> None:
        self._parts.append((explained, np.arange(len(explained.intervals))))

    def _taken_out(self, is_taken: np.ndarray) -> Explained:
        """All of some pairs; is_taken (n_pairs,)."""
        taken, parts = [], []
        for part, rows in self._parts:
            mine = is_taken[part.intervals.pair[rows]]
            taken.append(part[rows[mine]])
            if not mine.all() or len(self._parts) == 1:
                parts.append((part, rows[~mine]))
        self._parts = parts
        return Explained.joined(taken)

    def close(self) -> None:
        """Nothing comes any more: what there is becomes `intervals`, `effects` and `defect`."""
        whole = self._taken_out(np.ones(len(self._asker.block), dtype=bool))
        self.intervals, self.effects, self.defect = whole.intervals, whole.effects, whole.defect

    def tested_again(self, is_tested: np.ndarray, threshold: np.ndarray) -> Steps[Intervals]:
        """Intervals of some pairs, of which all are found, that do not stand up to further tests; is_tested (n_pairs,).

        They are not among what is found any more.
        """
        found, tests = self._taken_out(is_tested), self._effort.tests
        intervals, unsure = found.intervals, ~found.is_sure
        share, limit = self._share_of_equal_jumps(found)[intervals.pair], threshold[intervals.pair]
        times = np.ceil(tests.again * (0.15 + 0.85 * share)) * (share > 0.01)
        times[found.is_sure | (self._asker.votes[intervals.pair] >= ENOUGH_VOTES)] = 0
        failed = (intervals.high - intervals.low > self._effort.widest) & (share > 0.5) & unsure
        for number in range(0, int(times.max(initial=0)), TESTS_AT_ONCE):
            asked = np.flatnonzero((times > number) & ~failed)
            which = range(tests.ends + number, tests.ends + min(number + TESTS_AT_ONCE, tests.again))
            defect = yield from check_ends(self._asker, intervals, asked, found.effects, which)
            found.defect[asked] = np.maximum(found.defect[asked], defect)
            failed[asked] |= (defect > limit[asked]).any(axis=1)
        failed = self._affordable(found, failed)
        found.is_sure[:] = True
        self._keep(found[~failed])
        return intervals[failed]

    def take(self, some: np.ndarray) -> Intervals:
        """Some intervals, which are not among those found any more."""
        taken = self.intervals[some]
        self.intervals, self.effects, self.defect = self.intervals[~some], self.effects[~some], self.defect[~some]
        return taken

    def _affordable(self, found: Explained, failed: np.ndarray) -> np.ndarray:
        """Failed intervals that can be cut and closed; the others keep their effects, all of them as defect, too."""
        pair = np.where(failed, found.intervals.pair, len(self._asker.block))
        rank = rank_within(pair)
        cost = 4 * self._asker.moving.sum(axis=1) + 1
        can = self._asker.remaining(found.intervals.pair) // cost[found.intervals.pair]
        left = failed & (rank >= can)
        found.defect[left] += np.abs(found.effects[left]).sum(axis=1)
        return failed & ~left

    def _share_of_equal_jumps(self, found: Explained) -> np.ndarray:
        """(n_pairs,): share of the jumps found that are as large as another one."""
        row, player, output = np.nonzero(found.effects)
        size = np.abs(found.effects[row, player, output])
        pair = found.intervals.pair[row]
        order = np.lexsort((size, output, pair))
        pair, output, size = pair[order], output[order], size[order]
        equal = (np.diff(pair) == 0) & (np.diff(output) == 0) & (np.diff(size) <= EQUAL * size[1:])
        n_pairs = len(self._asker.block)
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
