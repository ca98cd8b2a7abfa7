"""The pieces of stepped paths that are looked at, and how hard."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_groups import GroupTests
from agnostic_ig.engines.numeric_limits import narrowest
from agnostic_ig.engines.numeric_tie import Intervals
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
    at_half = is_at_half(asker, all_of_them)
    return all_of_them[~at_half], all_of_them[at_half]


def is_at_half(asker: Any, intervals: Intervals) -> np.ndarray:
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


def cut(failed: Intervals) -> Intervals:
    """Both parts of every interval, cut in its middle sixth; what the model says there is not known yet."""
    share = 0.425 + 0.15 * uniform(child_keys(failed.key, 7001))
    middle = failed.low + share * (failed.high - failed.low)
    return Intervals.joined(failed.cut_at(middle, np.full_like(failed.f_low, np.nan), (7002, 7003)))
