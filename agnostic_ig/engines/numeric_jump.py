"""Stepped paths: cut them until the effects of single players explain every interval.

An interval is explained when its players act independently in it, by the group tests of `numeric_groups` or, in
log-odds, of `numeric_logit`. Otherwise it is cut at a random place near its middle (never at a round number: data that
cross at one half would make up a state in between). Intervals that are still not explained when they are narrower
than NARROWEST are ties, or jumps across slanted surfaces (`numeric_surface`); some explained jumps are looked at once
more, because single players may seem to explain a slanted one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Settings
from agnostic_ig.engines.numeric_breaks import NARROW
from agnostic_ig.engines.numeric_groups import GroupTests, check_ends, explain
from agnostic_ig.engines.numeric_logit import explain_in_log_odds, note_votes
from agnostic_ig.engines.numeric_smooth import ROUNDING_OF_FLOAT32
from agnostic_ig.engines.numeric_surface import (
    PLACES,
    PLANE,
    located,
    looks_slanted,
    shares_of_surface,
    single_players_fail,
    stands_alone,
)
from agnostic_ig.engines.numeric_tie import NOTHING, Intervals, Settled, half_and_half, settle
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["by_size", "narrowest", "no_change", "rank_within", "refine", "settle_at_half", "share_jumps"]

# Width of intervals that are cut no further. Stepped models may round to float32, which moves crossings that coincide
# in decimals apart by about 1e-7; a model that moves with every minute step does not.
NARROWEST = {"stepped": 5e-7, "mixed": NARROW}
HALF_WIDTH = 0.49  # of the interval around one half, in units of the narrowest: it is cut no further
LOOK = 100  # model rows that this may cost for one of them
BESIDE = 1e-4  # how close to a slanted jump players that move alone may cross its surface
LOOKED_AT = 2  # explained jumps of a pair that are looked at for slanted surfaces
FOUND = 3e-7  # how finely shares of a slanted surface are known


@dataclass(frozen=True)
class Effort:
    """How hard to look: pieces cut before any test, tests of every interval, and how wide one may be where jumps of
    one size come up again and again."""

    pieces: int
    widest: float
    tests: GroupTests


EFFORTS = {
    "fast": Effort(16, 1 / 24, GroupTests(ends=2, inside=1, again=8)),
    "standard": Effort(56, 1 / 80, GroupTests(ends=4, inside=2, again=16)),
    "thorough": Effort(256, 1 / 256, GroupTests(ends=12, inside=4, again=24)),
}
NOTICED = 12.0  # sums of four random answers that are no chance, in standard deviations of one
DRIFT = 50.0  # how steep a smooth part may be that moves on across the interval of a jump
AT_A_JUMP = GroupTests(ends=3, inside=0, again=0)  # of a known place: nothing else is near
ENOUGH_VOTES = 8  # first tests that add up in log-odds only, before a pair is explained in them
TESTS_AT_ONCE = 3
TESTS_AT_HALF = range(200, 240)  # more groups, where whole numbers cross at one half, all at once
PIECES_OF_UNITS = 29  # where nothing but units moves, and most crosses at one half
EQUAL = 1e-9  # sizes of jumps that count as equal, relative


def refine(asker: Any, pairs: np.ndarray, settings: Settings, values: np.ndarray, error: np.ndarray) -> None:
    """Add the attributions of the pairs to values, and their error estimates to error."""
    poor = asker.remaining(pairs) < 2 * asker.moving[pairs].sum(axis=1) + 2
    error[pairs[poor]] += (np.abs(asker.f_x - asker.f_b)[:, None, :] * asker.moving[:, :, None])[pairs[poor]]
    pairs = pairs[~poor]
    if len(pairs) == 0:
        return
    effort = EFFORTS[settings.thoroughness]
    waiting, ties = _first_intervals(asker, pairs, effort.pieces)
    found, threshold = _Found(asker, effort), no_change(asker)
    while len(waiting) or len(waiting := _cut(asker, found.taken_back(threshold))):
        now, waiting, spent = _affordable(asker, waiting, ties, found.reserved(), effort.tests)
        half_and_half(asker, spent, values, error)
        explained, effects, defect = _explain(asker, now, threshold, effort.tests)
        found.add(now[explained], effects[explained], defect[explained])
        failed = now[~explained]
        narrow = failed.high - failed.low <= narrowest(asker)[failed.pair]
        ties = Intervals.joined([ties, failed[narrow]])
        waiting = Intervals.joined([waiting, _cut(asker, failed[~narrow])])
    ties = Intervals.joined([ties, _slanted_after_all(asker, found)])
    found.credit(values, error)
    _settle_ties(asker, ties, threshold, values, error)


def _explain(
    asker: Any, now: Intervals, threshold: np.ndarray, tests: GroupTests
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `explain`; in log-odds where these have been seen to add up, and probabilities not."""
    linked = (asker.votes[now.pair] >= ENOUGH_VOTES) & ~asker.moves_units[now.pair]
    explained, defect = np.zeros(len(now), dtype=bool), np.zeros_like(now.f_low)
    effects = np.zeros((len(now), asker.columns.n_players, len(asker.outputs)))
    plain = now[~linked]
    explained[~linked], effects[~linked], defect[~linked] = explain(
        asker, plain, threshold[plain.pair], tests, note_votes
    )
    explained[linked], effects[linked], defect[linked] = explain_in_log_odds(asker, now[linked], tests)
    tied = explained & ~linked & asker.moves_whole_numbers[now.pair] & (now.low < 0.5) & (now.high > 0.5)
    tied, limit = np.flatnonzero(tied), threshold[now.pair]
    explained[np.setdiff1d(tied, check_ends(asker, now, tied, effects, TESTS_AT_HALF, limit, defect))] = False
    # Where nothing but units moves, all of it may cross there at once: few enough are enumerated whatever tests say.
    explained[tied[asker.is_enumerated_at_half[now.pair[tied]]]] = False
    return explained, effects, defect


def share_jumps(asker: Any, jumps: Intervals, values: np.ndarray, error: np.ndarray) -> None:
    """Add what jumps in narrow intervals credit, the largest of every pair first, as far as its budget goes."""
    threshold, n_moving = no_change(asker), asker.moving.sum(axis=1)
    ties, queue = Intervals.none(len(asker.outputs)), jumps[by_size(jumps)]
    cost = AT_A_JUMP.cost(n_moving) + 2 * n_moving
    while len(queue):
        kept = 2 * n_moving * np.bincount(ties.pair, minlength=len(n_moving))
        can = (asker.remaining(np.arange(len(n_moving))) - kept) // cost
        affordable = rank_within(queue.pair) < can[queue.pair]
        now, queue = queue[affordable], queue[~affordable & (can[queue.pair] > 0)]
        explained, effects, defect = explain(asker, now, threshold[now.pair], AT_A_JUMP)
        np.add.at(values, now.pair[explained], effects[explained])
        np.add.at(error, now.pair[explained], defect[explained][:, None, :] * (effects[explained] != 0))
        ties = Intervals.joined([ties, now[~explained]])
    _settle_ties(asker, ties, threshold, values, error)


class _Found:
    """Intervals that are explained, with the effects of single players in them.

    Jumps of one size cancel in a test more often than others do, and the leaves of deep forests have them: pairs that
    show such jumps have their intervals tested again.
    """

    def __init__(self, asker: Any, effort: "Effort") -> None:
        self._asker, self._effort = asker, effort
        n_outputs = len(asker.outputs)
        self.intervals = Intervals.none(n_outputs)
        self.effects = np.zeros((0, asker.columns.n_players, n_outputs))
        self.defect = np.zeros((0, n_outputs))
        self._is_sure = np.zeros(0, dtype=bool)

    def add(self, intervals: Intervals, effects: np.ndarray, defect: np.ndarray) -> None:
        self.intervals = Intervals.joined([self.intervals, intervals])
        self.effects = np.concatenate([self.effects, effects])
        self.defect = np.concatenate([self.defect, defect])
        self._is_sure = np.append(self._is_sure, np.zeros(len(intervals), dtype=bool))

    def reserved(self) -> np.ndarray:
        """(n_pairs,): model rows that testing again may cost."""
        unsure = self.intervals.pair[~self._is_sure]
        return self._effort.tests.again * np.bincount(unsure, minlength=len(self._asker.block))

    def taken_back(self, threshold: np.ndarray) -> Intervals:
        """Intervals that did not stand up to further tests."""
        share, limit = self._share_of_equal_jumps()[self.intervals.pair], threshold[self.intervals.pair]
        times = np.ceil(self._effort.tests.again * (0.15 + 0.85 * share)) * (share > 0.01)
        times[self._is_sure | (self._asker.votes[self.intervals.pair] >= ENOUGH_VOTES)] = 0
        failed = (self.intervals.high - self.intervals.low > self._effort.widest) & (share > 0.5) & ~self._is_sure
        for number in range(0, int(times.max(initial=0)), TESTS_AT_ONCE):
            asked = np.flatnonzero((times > number) & ~failed)
            last = min(number + TESTS_AT_ONCE, self._effort.tests.again)
            which = range(self._effort.tests.ends + number, self._effort.tests.ends + last)
            passed = check_ends(self._asker, self.intervals, asked, self.effects, which, limit, self.defect)
            failed[np.setdiff1d(asked, passed)] = True
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
        """(n_pairs,): share of the jumps found that are as large as another one."""
        row, player, output = np.nonzero(self.effects)
        size = np.abs(self.effects[row, player, output])
        pair = self.intervals.pair[row]
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
        np.add.at(values, self.intervals.pair, self.effects)
        np.add.at(error, self.intervals.pair, self.defect[:, None, :] * (self.effects != 0))


def settle_at_half(asker: Any, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attributions, and their error, of what happens at one half in these pairs."""
    low, high = 0.5 - narrowest(asker)[pairs] / 2, 0.5 + narrowest(asker)[pairs] / 2
    ends = asker.ask_path(pairs, low), asker.ask_path(pairs, high)
    settled = settle(asker, Intervals(pairs, low, high, *ends, asker.block.seeds[pairs]), no_change(asker)[pairs])
    return settled.values, settled.error


def narrowest(asker: Any) -> np.ndarray:
    """(n_pairs,): width of intervals that are cut no further, and of the one in which discrete moves happen."""
    return np.where(asker.moves_smoothly, NARROWEST["mixed"], NARROWEST["stepped"])


def no_change(asker: Any) -> np.ndarray:
    """(n_pairs, n_outputs): differences of the model that count as none, by what has been seen of it so far."""
    change = np.abs(asker.f_x - asker.f_b)
    drift = DRIFT * NARROW * asker.moves_smoothly[:, None]
    rounding = ROUNDING_OF_FLOAT32 if asker.precision is np.float32 else 0.0
    random = NOTICED * (np.maximum(asker.randomness, rounding) * asker.size)[:, None]
    return (NOTHING + drift) * np.maximum(change, 0.01 * asker.size[:, None]) + random + 1e-300


# --- cutting -------------------------------------------------------------------------------------------------------


def _first_intervals(asker: Any, pairs: np.ndarray, pieces: int) -> tuple[Intervals, Intervals]:
    """The path of every pair in uneven pieces, and the ties at one half where something jumps there."""
    parts = [_pieces_of_pair(asker, p, pieces) for p in pairs]
    pair = np.repeat(pairs, [len(low) for low, _ in parts])
    low, high = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    number = np.concatenate([np.arange(len(part[0])) for part in parts])
    inner = low > 0.0
    f_low = asker.f_b[pair].copy()
    f_low[inner] = asker.ask_path(pair[inner], low[inner])
    f_high = asker.f_x[pair].copy()
    f_high[:-1][high[:-1] < 1.0] = f_low[1:][high[:-1] < 1.0]
    all_of_them = Intervals(pair, low, high, f_low, f_high, child_keys(asker.block.seeds[pair], number))
    at_half = _is_at_half(asker, all_of_them)
    return all_of_them[~at_half], all_of_them[at_half]


def _is_at_half(asker: Any, intervals: Intervals) -> np.ndarray:
    """The intervals in which discrete columns move."""
    return asker.jumps_at_half[intervals.pair] & (intervals.low == 0.5 - HALF_WIDTH * narrowest(asker)[intervals.pair])


def _pieces_of_pair(asker: Any, pair: int, pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the first intervals of one pair: as many as its budget can close twice over."""
    n_moving = int(asker.moving[pair].sum())
    # Bands, which a feature enters and leaves within one piece, are more frequent the fewer features there are.
    pieces = round(pieces * max(1.0, 30 / max(n_moving, 1)))
    pieces = PIECES_OF_UNITS if asker.moves_units[pair] else pieces
    pieces = int(np.clip(asker.remaining([pair])[0] // (4 * n_moving + 2), 1, pieces))
    shift = 0.3 * (uniform(child_keys(asker.block.seeds[pair], np.arange(pieces))) - 0.5)
    cuts = (np.arange(pieces)[1:] + shift[1:]) / pieces
    at_half = asker.jumps_at_half[pair] or asker.moves_whole_numbers[pair]
    if at_half and asker.remaining([pair])[0] >= 6 * n_moving + 4:
        half_width = HALF_WIDTH * narrowest(asker)[pair]
        cuts = cuts[np.abs(cuts - 0.5) > half_width]
        cuts = np.sort(np.append(cuts, [0.5 - half_width, 0.5 + half_width]))
    return np.append(0.0, cuts), np.append(cuts, 1.0)


def _cut(asker: Any, failed: Intervals) -> Intervals:
    """Both parts of every interval, cut in its middle sixth."""
    if len(failed) == 0:
        return failed
    share = 0.425 + 0.15 * uniform(child_keys(failed.key, 7001))
    middle = failed.low + share * (failed.high - failed.low)
    return Intervals.joined(failed.cut_at(middle, asker.ask_path(failed.pair, middle), (7002, 7003)))


def _affordable(
    asker: Any, waiting: Intervals, ties: Intervals, reserved: np.ndarray, tests: GroupTests
) -> tuple[Intervals, Intervals, Intervals]:
    """Intervals to look at now, later, and those of pairs that can only just close what is open.

    Every open interval, and every tie, keeps two rows a moving player in reserve, so that it can be closed.
    """
    n_moving = asker.moving.sum(axis=1)
    n_open = np.bincount(np.append(waiting.pair, ties.pair), minlength=len(n_moving))
    cost = tests.cost(n_moving) + 2 * n_moving  # one that fails leaves another one open
    cost += len(TESTS_AT_HALF) * asker.moves_whole_numbers
    free = asker.remaining(np.arange(len(n_moving))) - 2 * n_moving * n_open - reserved
    can = np.maximum(free, 0) // cost
    narrowest_first = np.lexsort((waiting.low, waiting.high - waiting.low, waiting.pair))
    waiting = waiting[narrowest_first]
    now = rank_within(waiting.pair) < can[waiting.pair]
    spent = can[waiting.pair] == 0
    return waiting[now], waiting[~now & ~spent], waiting[spent]


def rank_within(pair: np.ndarray) -> np.ndarray:
    """How many entries of the same pair stand before each."""
    order = np.argsort(pair, kind="stable")
    rank = np.empty(len(pair), dtype=np.int64)
    rank[order] = np.arange(len(pair)) - np.searchsorted(pair[order], pair[order])
    return rank


# --- ties ----------------------------------------------------------------------------------------------------------


def _settle_ties(asker: Any, ties: Intervals, threshold: np.ndarray, values: np.ndarray, error: np.ndarray) -> None:
    """Share what happens at once: across a slanted surface by its normal, and the rest by the Shapley value.

    What happens at one half is not looked at: it has no place of its own. Nor is what has a smooth part beside it.
    """
    ties = ties[by_size(ties)]
    rank = rank_within(ties.pair)
    settle_now = _is_at_half(asker, ties) | asker.moves_smoothly[ties.pair]
    n_moving = asker.moving[ties.pair].sum(axis=1)
    n_ties = np.bincount(ties.pair, minlength=len(asker.block))[ties.pair]
    room = asker.remaining(ties.pair) - 2 * n_moving * n_ties
    looked = ~settle_now & (rank < room // (4 * n_moving + 1))
    looked[looked] = stands_alone(asker, ties[looked])
    slanted = looked.copy()
    slanted[looked] = looks_slanted(asker, ties[looked])
    plane = slanted.copy()
    plane[slanted], slanted[slanted] = _credit_surfaces(
        asker, ties[slanted], (asker.remaining(ties.pair) - 2 * n_moving * n_ties)[slanted], values, error
    )
    rest = ~plane & ~_is_beside(ties, plane, threshold)
    settled = settle(asker, ties[rest], threshold[ties.pair[rest]])
    # It failed its tests, so players interact in it; if they seem not to, it is none of the kinds known here.
    doubtful = ~settle_now & (slanted | ~looked)
    _add(asker, ties[rest], settled, doubtful[rest] | (settled.is_additive() & ~settle_now[rest]), values, error)


def _is_beside(ties: Intervals, plane: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """(n_ties,): the path does not jump there, but it crosses a slanted surface close by, where single players do."""
    still = (np.abs(ties.f_high - ties.f_low) <= threshold[ties.pair]).all(axis=1)
    close = np.abs(ties.low[:, None] - ties.low[plane][None, :]) <= BESIDE
    return still & (close & (ties.pair[:, None] == ties.pair[plane][None, :])).any(axis=1)


def _credit_surfaces(
    asker: Any, jumps: Intervals, room: np.ndarray, values: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share jumps by the normals of their surfaces; returns which of them are planes, and which are slanted at all.

    room (n_jumps,): model rows that may be spent on all jumps of a pair. What cannot be paid for is taken as slanted.
    """
    cost = (PLACES + 2) * asker.moving[jumps.pair].sum(axis=1) + 60
    affordable = (rank_within(jumps.pair) + 1) * cost <= room
    some = jumps[affordable]
    shares, gap = shares_of_surface(asker, some)
    flat = gap <= PLANE
    jump = (some.f_high - some.f_low)[flat][:, None, :]
    size = np.maximum(gap, FOUND)[flat][:, None] * (np.abs(shares[flat]) + FOUND * asker.moving[some.pair[flat]])
    np.add.at(values, some.pair[flat], shares[flat][:, :, None] * jump)
    np.add.at(error, some.pair[flat], size[:, :, None] * np.abs(jump))
    plane, slanted = affordable.copy(), np.ones(len(jumps), dtype=bool)
    plane[affordable] = flat
    slanted[affordable] = ((shares != 0) & (np.abs(shares - 1.0) > PLANE)).any(axis=1)
    return plane, slanted


def _add(
    asker: Any, ties: Intervals, settled: Settled, doubtful: np.ndarray, values: np.ndarray, error: np.ndarray
) -> None:
    """Add the shares of ties, with their errors, and the size of all shares where in doubt."""
    size = np.abs(settled.values).sum(axis=1, keepdims=True) * asker.moving[ties.pair][:, :, None]
    np.add.at(values, ties.pair, settled.values)
    np.add.at(error, ties.pair, settled.error + size * doubtful[:, None, None])


# --- slanted surfaces among what seemed to be explained ---


def _slanted_after_all(asker: Any, found: _Found) -> Intervals:
    """All jumps of the pairs in which one of the largest explained ones turns out to be slanted.

    Just where such a surface is crossed, single players may seem to explain it.
    """
    limit = no_change(asker)
    jumping = (np.abs(found.intervals.f_low - found.intervals.f_high) > limit[found.intervals.pair]).any(axis=1)
    order = np.flatnonzero(jumping & ~asker.moves_smoothly[found.intervals.pair])
    order = order[by_size(found.intervals[order])]
    some = found.intervals[order]
    looked = (rank_within(some.pair) < LOOKED_AT) & (asker.remaining(some.pair) >= LOOKED_AT * LOOK)
    origin, jumps = located(asker, some[looked], NARROWEST["mixed"], limit)
    few = (rank_within(jumps.pair) < LOOKED_AT) & (asker.remaining(jumps.pair) >= LOOK)
    origin, jumps = origin[few], jumps[few]
    active = (found.effects[order[looked]] != 0).any(axis=2)[origin]
    slanted = np.unique(jumps.pair[single_players_fail(asker, jumps, active)])
    taken = found.take(_largest_affordable(asker, found, np.isin(found.intervals.pair, slanted) & jumping))
    return located(asker, taken, NARROWEST["stepped"], limit)[1]


def _largest_affordable(asker: Any, found: _Found, doubtful: np.ndarray) -> np.ndarray:
    """Doubtful intervals that can be shared anew, the largest first; the others stay, all of them as defect, too."""
    order = np.flatnonzero(doubtful)
    order = order[by_size(found.intervals[order])]
    pair = found.intervals.pair[order]
    cost = (PLACES + 12) * asker.moving[pair].sum(axis=1) + LOOK
    rich = rank_within(pair) < asker.remaining(pair) // cost
    taken = np.zeros(len(doubtful), dtype=bool)
    taken[order[rich]] = True
    found.defect[order[~rich]] += np.abs(found.effects[order[~rich]]).sum(axis=1)
    return taken


def by_size(jumps: Intervals) -> np.ndarray:
    """The order in which the jumps of every pair go from large to small."""
    return np.lexsort((-np.abs(jumps.f_high - jumps.f_low).max(axis=1, initial=0.0), jumps.pair))
