"""Smooth functions along paths, as Chebyshev series on stretches short enough for rounding."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock
from agnostic_ig.engines.discrete_moves import HalfMoves, displacements, sum_by_player
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.numerics.chebyshev import chebyshev_coefficients, chebyshev_points

__all__ = ["SmoothPaths", "follow"]

N_TERMS = 24
TAIL = 3  # terms at the end of a series that must be rounding
ROUNDING = 1e-13  # relative to the largest term
MAX_HALVINGS = 26


@dataclass(frozen=True)
class _Lines:
    """Rows of pairs as base + alpha * moves: before one half, and behind it, where discrete columns have moved."""

    before: np.ndarray
    after: np.ndarray
    moves: np.ndarray

    def rows(self, pair: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """(n, n_points, n_features) at alpha (n, n_points); a stretch lies on one side of one half."""
        behind = alpha.mean(axis=1) > 0.5
        base = np.where(behind[:, None], self.after[pair], self.before[pair])
        return base[:, None, :] + alpha[:, :, None] * self.moves[pair][:, None, :]


@dataclass(frozen=True)
class SmoothPaths:
    """Series on stretches that follow each other, ordered by pair and alpha.

    pair, low, high (n_stretches,); values (n_stretches, N_TERMS, n_outputs) and slopes (n_stretches, N_TERMS,
    n_players, n_outputs), the part of d/d alpha that each player's columns bring, are coefficients. doubt: how far
    series may be off, relative to their values, where they did not come down to rounding.
    """

    pair: np.ndarray
    low: np.ndarray
    high: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    doubt: float

    def stretch_at(self, pair: np.ndarray, alpha: np.ndarray, after: bool) -> np.ndarray:
        """The stretch of a pair that holds alpha; where two meet, the one behind it (after) or before it.

        A key of pair and alpha in one number tells cells of 2**-40 apart for the few pairs of a block.
        """
        place = np.searchsorted(self.pair + self.low / 2.0, pair + alpha / 2.0, side="right" if after else "left") - 1
        first = np.searchsorted(self.pair, pair)
        return np.maximum(place, first)

    def values_at(self, stretch: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """(n, n_outputs) at alpha (n,) of stretches (n,)."""
        return np.einsum("nk,nko->no", self._basis(stretch, alpha), self.values[stretch])

    def both_at(self, stretch: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (n, n_points, n_outputs) and slopes (n, n_points, n_players, n_outputs) at alpha (n, n_points).

        Stretches (n,) in ascending order: points of one stretch share two matrix products.
        """
        n, n_points = alpha.shape
        values = np.empty((n, n_points, self.values.shape[2]))
        slopes = np.empty((n, n_points, *self.slopes.shape[2:]))
        basis = self._basis(np.repeat(stretch, n_points), alpha.ravel()).reshape(n, n_points, N_TERMS)
        borders = [0, *(np.flatnonzero(np.diff(stretch)) + 1), n]
        for start, stop in pairwise(borders):
            if start < stop:
                one, points = stretch[start], basis[start:stop].reshape(-1, N_TERMS)
                values[start:stop] = (points @ self.values[one]).reshape(stop - start, n_points, -1)
                flat = points @ self.slopes[one].reshape(N_TERMS, -1)
                slopes[start:stop] = flat.reshape(stop - start, n_points, *self.slopes.shape[2:])
        return values, slopes

    def _basis(self, stretch: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """(n, N_TERMS): Chebyshev polynomials of stretches (n,) at alpha (n,)."""
        low, high = self.low[stretch], self.high[stretch]
        return np.polynomial.chebyshev.chebvander((2.0 * alpha - low - high) / (high - low), N_TERMS - 1)


def follow(function: SmoothFunction, block: PairBlock, columns: Columns, half: HalfMoves | None) -> SmoothPaths:
    """A function along all paths of a block, on halves of halves of the stretches between its breaks."""
    moves = displacements(block.b, block.x)
    lines = _Lines(block.b, block.b, moves)
    if half is not None:
        lines = _Lines(block.b, np.where(half.moves, block.x, block.b), np.where(half.moves, 0.0, moves))
    pair, low, high = _first_stretches(function, block, half)
    done, doubt = [], 0.0
    for halving in range(MAX_HALVINGS + 1):
        values, slopes, tail = _expand(function, lines, columns, pair, low, high)
        ready = (tail <= ROUNDING) | (halving == MAX_HALVINGS)
        doubt = max(doubt, float(np.max(tail[ready], initial=0.0)))
        done.append((pair[ready], low[ready], high[ready], values[ready], slopes[ready]))
        pair, low, high = pair[~ready], low[~ready], high[~ready]
        if len(pair) == 0:
            break
        middle = (low + high) / 2.0
        pair, low, high = np.repeat(pair, 2), np.stack([low, middle], 1).ravel(), np.stack([middle, high], 1).ravel()
    pair, low, high, values, slopes = (np.concatenate(parts) for parts in zip(*done, strict=True))
    order = np.lexsort((low, pair))
    return SmoothPaths(pair[order], low[order], high[order], values[order], slopes[order], max(doubt - ROUNDING, 0.0))


def _first_stretches(
    function: SmoothFunction, block: PairBlock, half: HalfMoves | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pair, low, high) of the stretches between breaks of the function, and one half where something moves there."""
    every = np.arange(len(block))
    if half is None:
        cuts = [function.breaks(block.b, block.x)]
    else:
        parts = ((block.b, half.before, 0.0), (half.after, block.x, 0.5))
        cuts = [_scaled(function.breaks(start, end), shift) for start, end, shift in parts]
        cuts.append((every, np.full(len(block), 0.5)))
    cuts = [cut for cut in cuts if cut is not None]
    pair = np.concatenate([every, *(cut[0] for cut in cuts)])
    place = np.concatenate([np.zeros(len(block)), *(cut[1] for cut in cuts)])
    pair, place = np.unique(np.stack([pair, place]), axis=1)
    inside = place < 1.0
    pair, place = pair[inside].astype(np.int64), place[inside]
    ends = np.append(place[1:], 1.0)
    ends[np.append(np.diff(pair) != 0, True)] = 1.0
    return pair, place, ends


def _scaled(breaks: tuple[np.ndarray, np.ndarray] | None, shift: float) -> tuple[np.ndarray, np.ndarray] | None:
    return None if breaks is None else (breaks[0], shift + breaks[1] / 2.0)


def _expand(
    function: SmoothFunction, lines: _Lines, columns: Columns, pair: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients of values and slopes on stretches, and the size (n,) of their ends relative to their largest."""
    alpha = low[:, None] + (high - low)[:, None] * chebyshev_points(N_TERMS - 1)
    points = lines.rows(pair, alpha).reshape(-1, lines.moves.shape[1])
    values = function.values(points).reshape(*alpha.shape, -1)
    parts = function.gradients(points) * np.repeat(lines.moves[pair], N_TERMS, axis=0)[:, :, None]
    slopes = sum_by_player(parts, columns).reshape(*alpha.shape, columns.n_players, -1)
    series = chebyshev_coefficients(values), chebyshev_coefficients(slopes.reshape(*alpha.shape, -1))
    tails = [_tail(one) for one in series]
    return series[0], series[1].reshape(slopes.shape), np.maximum(*tails)


def _tail(series: np.ndarray) -> np.ndarray:
    """(n,): the last terms of series (n, N_TERMS, m), relative to the largest of any."""
    size = np.abs(series)
    largest = size.max(axis=(1, 2), initial=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(largest > 0.0, size[:, -TAIL:].max(axis=(1, 2), initial=0.0) / largest, 0.0)
