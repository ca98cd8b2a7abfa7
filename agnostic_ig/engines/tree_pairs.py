"""Pairs as the tree kernels take them: ends cast as the family casts, and how fast the path crosses a column."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import PairBlock
from agnostic_ig.kernels.pair_layout import crossing_rates, lay_out
from agnostic_ig.kernels.tree_batch import Groups
from agnostic_ig.kernels.tree_nodes import COLUMN
from agnostic_ig.numerics.decimals import ROUNDING, snap

__all__ = ["PathEnds", "cast", "group_pairs", "path_ends"]


@dataclass(frozen=True)
class PathEnds:
    """From one end of every path to the other; arrays (n_pairs, n_features).

    start, end: as the family compares them with thresholds; these say where the path is as well, so that a threshold
    equal to an end is crossed at that end. start_place: the start, with the rounding of the cast undone in decimal
    columns. rate: GRID / (end - start), undone in the same way; 0 where the column moves at one half.
    """

    start: np.ndarray
    end: np.ndarray
    start_place: np.ndarray
    rate: np.ndarray

    def surely_tied(self, player_of: np.ndarray) -> np.ndarray:
        """(n_pairs,): whether several players move at one half."""
        at_half = (self.rate == 0.0) & ~(np.isnan(self.start) & np.isnan(self.end))
        if not at_half.any():
            return np.zeros(len(at_half), dtype=bool)
        player = np.where(at_half, player_of, -1)
        lowest = np.where(at_half, player_of, player_of.max()).min(axis=1)
        return player.max(axis=1) > lowest

    def columns(self) -> np.ndarray:
        """The same, with what one column of a pair needs side by side."""
        columns = np.empty(self.rate.shape, dtype=COLUMN)
        columns["x"], columns["b"] = self.end, self.start
        columns["b_place"], columns["per_alpha"] = self.start_place, self.rate
        return columns


def path_ends(
    block: PairBlock, prepared: Any, routing: type, units: np.ndarray, discrete: np.ndarray, scales: Any = None
) -> PathEnds:
    """Paths of a block from its baselines to its rows.

    prepared: from our rows to the numbers that the trees split on. units (n_features,): decimal grids of columns, 0 for
    none. discrete (n_features,): columns that move at one half. scales: columns whose places are in the user's units,
    and their `Scales`; None for none.
    """
    uncast = [prepared(ends) for ends in (block.baselines, block.rows)]
    baselines, rows = (cast(ends, routing) for ends in uncast)
    placed = [_in_units(*both, scales) for both in zip((baselines, rows), uncast, strict=True)]
    starts, ends = block.by_baseline(baselines), block.by_row(rows)
    start_place, end_place = block.by_baseline(_on_grid(placed[0], units)), block.by_row(_on_grid(placed[1], units))
    rate = crossing_rates(starts, ends, start_place, end_place, discrete)
    if block.jumps is not None:
        rate[block.jumps & (starts != ends)] = 0.0
    return PathEnds(starts, ends, start_place, rate)


def cast(X: np.ndarray, routing: type) -> np.ndarray:
    """Values as a family compares them, in float64; those beyond its range become infinite, as they do there."""
    if routing is np.float64:
        return X
    with np.errstate(over="ignore"):
        return X.astype(routing).astype(np.float64)


def _in_units(values: np.ndarray, uncast: np.ndarray, scales: Any) -> np.ndarray:
    """Values, with those of scaled decimal columns in the user's units."""
    if scales is None:
        return values
    columns, (slope, offset) = scales
    values = values.copy()
    values[:, columns] = (uncast[:, columns] - offset) / slope
    return values


def _on_grid(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Values with the rounding to float32 undone in decimal columns.

    Every value by itself: pairs that share an end must have it in the same place, whatever their other ends.
    """
    values = values.copy()
    for j in np.flatnonzero(units):
        on_grid = snap(values[:, j], units[j])
        near = np.abs(values[:, j] - on_grid) <= ROUNDING * np.abs(values[:, j])
        values[near, j] = on_grid[near]
    return values


def group_pairs(ends: PathEnds, n_rows: int, limit: int) -> Groups:
    """Pairs in groups of at most `limit` that share their start, which changes after every n_rows pairs."""
    n = len(ends.rate)
    first = np.concatenate([*(np.arange(a, a + n_rows, limit) for a in range(0, n, n_rows)), [n]])
    leaders = first[:-1]
    return Groups(
        first.astype(np.uint64),
        ends.start[leaders],
        ends.start_place[leaders],
        *lay_out(ends.end, ends.rate, first),
    )
