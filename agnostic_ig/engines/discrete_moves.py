"""What happens at one half of a path of a smooth model: categories that change, values that appear or go missing."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.kernels.shapley import share
from agnostic_ig.numerics.hashing import child_keys, uniform
from agnostic_ig.parallel import batches

__all__ = ["MAX_ENUMERATED", "TIE_DRAWS", "HalfMoves", "credit_tie", "displacements", "moves_at_half", "sum_by_player"]

MAX_ENUMERATED = 12  # tied players whose 2**k states are enumerated; beyond, permutations
# Pairs of antithetic permutations spent on one tie of more than MAX_ENUMERATED players.
TIE_DRAWS = {"fast": 128, "standard": 1024, "thorough": 8192}
FEWEST_SQUARES = 16
MAX_STATES = 1 << 21  # numbers of states held at once

Values = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class HalfMoves:
    """Rows just before and just after one half, and the columns (n_pairs, n_features) that change between them."""

    before: np.ndarray
    after: np.ndarray
    moves: np.ndarray


def moves_at_half(block: PairBlock, discrete: np.ndarray) -> HalfMoves | None:
    """What moves at one half: discrete columns, and values that are not finite; None where nothing does."""
    b, x = block.b, block.x
    differs = (b != x) & ~(np.isnan(b) & np.isnan(x))
    moves = differs & (discrete | ~np.isfinite(b) | ~np.isfinite(x))
    if not moves.any():
        return None
    with np.errstate(invalid="ignore"):
        middle = np.where(differs, b / 2.0 + x / 2.0, b)
    return HalfMoves(np.where(moves, b, middle), np.where(moves, x, middle), moves)


def displacements(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """ends - starts; 0 where both are missing, or the same infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(starts) | np.isfinite(ends), ends - starts, 0.0)


def sum_by_player(values: np.ndarray, columns: Columns) -> np.ndarray:
    """(n_pairs, n_players, n_outputs) from (n_pairs, n_features, n_outputs)."""
    if columns.n_players == values.shape[1]:
        return values
    sums = np.zeros((len(values), columns.n_players, values.shape[2]))
    np.add.at(sums, (slice(None), columns.player_of), values)
    return sums


def credit_tie(
    function: Any, half: HalfMoves, columns: Columns, outputs: np.ndarray, block: PairBlock, settings: Settings
) -> tuple[np.ndarray, np.ndarray | None]:
    """Shapley values (n_pairs, n_players, n_outputs) of what moves at one half, and their variance if any was drawn.

    A sum of functions of single columns needs every player's own effect only. Otherwise up to MAX_ENUMERATED players
    are enumerated, and beyond, orders are drawn, each with its reverse.
    """
    credits = np.zeros((len(block), columns.n_players, len(outputs)))
    players = np.zeros((len(block), columns.n_players), dtype=bool)
    np.logical_or.at(players, (slice(None), columns.player_of), half.moves)
    n_tied = players.sum(axis=1)
    variance = None
    for k in np.unique(n_tied[n_tied > 0]):
        rows = np.flatnonzero(n_tied == k)
        tie = _Tie(function, half, columns, outputs, rows, np.nonzero(players[rows])[1].reshape(-1, k))
        if function.is_additive:
            share = tie.singles()
        elif k <= MAX_ENUMERATED:
            share = tie.enumerated()
        else:
            share, spread = tie.drawn(block.seeds[rows], settings)
            variance = np.zeros_like(credits) if variance is None else variance
            variance[rows[:, None], tie.players] = spread
        credits[rows[:, None], tie.players] = share
    return credits, variance


@dataclass(frozen=True)
class _Tie:
    """Pairs `rows` in which k `players` (n, k) each move at one half."""

    function: Any
    half: HalfMoves
    columns: Columns
    outputs: np.ndarray
    rows: np.ndarray
    players: np.ndarray

    def values(self, moved: np.ndarray) -> np.ndarray:
        """(n, n_states, n_outputs) where the i-th players of moved (n, n_states, k) have moved, and nobody else."""
        n, n_states = moved.shape[:2]
        results = np.empty((n, n_states, len(self.outputs)))
        room = max(1, MAX_STATES // (n_states * self.half.before.shape[1]))
        for part in batches(n, room):
            rows = self.rows[part]
            who = np.zeros((len(rows), n_states, self.columns.n_players), dtype=bool)
            np.put_along_axis(who, np.broadcast_to(self.players[part][:, None, :], moved[part].shape), moved[part], 2)
            columns = who[:, :, self.columns.player_of] & self.half.moves[rows][:, None, :]
            states = np.where(columns, self.half.after[rows][:, None, :], self.half.before[rows][:, None, :])
            answers = self.function.values(states.reshape(-1, states.shape[2]))[:, self.outputs]
            results[part] = answers.reshape(len(rows), n_states, -1)
        return results

    def singles(self) -> np.ndarray:
        """Every player's own effect (n, k, n_outputs)."""
        k = self.players.shape[1]
        alone = np.concatenate([np.zeros((1, k), dtype=bool), np.eye(k, dtype=bool)])
        values = self.values(np.broadcast_to(alone, (len(self.rows), k + 1, k)))
        return values[:, 1:] - values[:, :1]

    def enumerated(self) -> np.ndarray:
        """Shapley values (n, k, n_outputs) from all 2**k states."""
        k = self.players.shape[1]
        subsets = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1 == 1
        values = self.values(np.broadcast_to(subsets, (len(self.rows), *subsets.shape)))
        return np.einsum("ks,nso->nko", _shapley_weights(k), values)

    def drawn(self, seeds: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Means over squares of orders until `tol` or TIE_DRAWS, and their variances (n, k, n_outputs)."""
        shape = (*self.players.shape, len(self.outputs))
        total, squares, n_drawn = np.zeros(shape), np.zeros(shape), np.zeros((len(seeds), 1, 1))
        open_rows = np.arange(len(seeds))
        for number in range(max(FEWEST_SQUARES, TIE_DRAWS[settings.thoroughness] // shape[1])):
            some = replace(self, rows=self.rows[open_rows], players=self.players[open_rows])
            gains = some._square_of_orders(child_keys(seeds[open_rows], number))
            total[open_rows] += gains
            squares[open_rows] += gains**2
            n_drawn[open_rows] += 1.0
            if number + 1 < FEWEST_SQUARES:
                continue
            mean = total / n_drawn
            variance = np.maximum(squares / n_drawn - mean**2, 0.0) / (n_drawn - 1.0)
            noisy = np.sqrt(variance).sum(axis=1) > settings.tol * np.abs(mean).sum(axis=1)
            open_rows = np.flatnonzero(noisy.any(axis=1))
            if open_rows.size == 0:
                break
        return mean, variance

    def _square_of_orders(self, seeds: np.ndarray) -> np.ndarray:
        """Marginal effects (n, k, n_outputs), averaged over all rotations of one order a pair and their reverses.

        Every player stands once at every place: what depends on how many have moved before does not vary.
        """
        k = self.players.shape[1]
        order = uniform(child_keys(seeds[:, None], np.arange(k)[None, :])).argsort(axis=1).argsort(axis=1)
        total = np.zeros((*self.players.shape, len(self.outputs)))
        for turn in range(k):
            rank = (order + turn) % k
            for ranks in (rank, k - 1 - rank):
                values = self.values(ranks[:, None, :] < np.arange(k + 1)[None, :, None])
                total += np.take_along_axis(np.diff(values, axis=1), ranks[:, :, None], axis=1)
        return total / (2 * k)


@functools.cache
def _shapley_weights(k: int) -> np.ndarray:
    """(k, 2**k): the Shapley value is this times the values of all subsets."""
    subset = np.arange(1 << k)
    size = np.array([n.bit_count() for n in range(1 << k)])
    gain = np.array([share(s + 1, k - s - 1) for s in range(k)] + [0.0])  # of joining s others
    joined = (subset >> np.arange(k)[:, None]) & 1 == 1
    return np.where(joined, gain[size - 1], -gain[size])
