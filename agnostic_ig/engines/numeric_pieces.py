"""The pieces of stepped paths that are looked at, and how hard."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_groups import GroupTests
from agnostic_ig.engines.numeric_limits import narrowest
from agnostic_ig.engines.numeric_tie import Intervals, rank_within
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["EFFORTS", "Effort", "cut", "first_intervals", "is_at_half"]

HALF_WIDTH = 0.49  # of the interval around one half, in units of the narrowest: it is cut no further
PIECES_OF_UNITS = 29  # where nothing but units moves, and most crosses at one half


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


def first_intervals(asker: Any, pairs: np.ndarray, pieces: int) -> tuple[Intervals, Intervals]:
    """The path of every pair in uneven pieces, and the ties at one half where something jumps there."""
    pair, low = _starts(asker, pairs, pieces)
    number = rank_within(pair)
    high = np.append(low[1:], 1.0)
    high[:-1][number[1:] == 0] = 1.0
    inner = low > 0.0
    f_low = asker.f_b[pair].copy()
    f_low[inner] = asker.ask_path(pair[inner], low[inner])
    f_high = asker.f_x[pair].copy()
    f_high[:-1][high[:-1] < 1.0] = f_low[1:][high[:-1] < 1.0]
    all_of_them = Intervals(pair, low, high, f_low, f_high, child_keys(asker.block.seeds[pair], number))
    at_half = is_at_half(asker, all_of_them)
    return all_of_them[~at_half], all_of_them[at_half]


def is_at_half(asker: Any, intervals: Intervals) -> np.ndarray:
    """The intervals in which discrete columns move."""
    return asker.jumps_at_half[intervals.pair] & (intervals.low == 0.5 - HALF_WIDTH * narrowest(asker)[intervals.pair])


def _starts(asker: Any, pairs: np.ndarray, pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """(pair, low) of the first intervals, in order of pairs, which are sorted, and places."""
    n_pieces = _n_pieces(asker, pairs, pieces)
    pair, n_pieces = np.repeat(pairs, n_pieces), np.repeat(n_pieces, n_pieces)
    number = rank_within(pair)
    shift = 0.3 * (uniform(child_keys(asker.block.seeds[pair], number)) - 0.5)
    low = (number + np.where(number > 0, shift, 0.0)) / n_pieces
    split = (asker.jumps_at_half | asker.moves_whole_numbers)[pairs]
    split = pairs[split & (asker.remaining(pairs) >= 6 * asker.moving[pairs].sum(axis=1) + 4)]
    half_width = HALF_WIDTH * narrowest(asker)
    kept = (number == 0) | (np.abs(low - 0.5) > half_width[pair]) | ~np.isin(pair, split)
    pair = np.concatenate([pair[kept], split, split])
    low = np.concatenate([low[kept], 0.5 - half_width[split], 0.5 + half_width[split]])
    order = np.lexsort((low, pair))
    return pair[order], low[order]


def _n_pieces(asker: Any, pairs: np.ndarray, pieces: int) -> np.ndarray:
    """(n_pairs,): as many as the budget of every pair can close twice over."""
    n_moving = asker.moving[pairs].sum(axis=1)
    # Bands, which a feature enters and leaves within one piece, are more frequent the fewer features there are.
    wanted = np.rint(pieces * np.maximum(1.0, 30 / np.maximum(n_moving, 1))).astype(np.int64)
    wanted = np.where(asker.moves_units[pairs], PIECES_OF_UNITS, wanted)
    return np.clip(asker.remaining(pairs) // (4 * n_moving + 2), 1, wanted)


def cut(failed: Intervals) -> Intervals:
    """Both parts of every interval, cut in its middle sixth; what the model says there is not known yet."""
    share = 0.425 + 0.15 * uniform(child_keys(failed.key, 7001))
    middle = failed.low + share * (failed.high - failed.low)
    return Intervals.joined(failed.cut_at(middle, np.full_like(failed.f_low, np.nan), (7002, 7003)))
