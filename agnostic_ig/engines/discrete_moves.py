"""What happens at one half of a path of a smooth model: categories that change, values that appear or go missing."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.engines.tie_games import MAX_ENUMERATED, draw, enumerate_all, singles
from agnostic_ig.parallel import batches

__all__ = ["HalfMoves", "credit_tie", "displacements", "moves_at_half", "sum_by_player"]

FEW = 8  # tied players up to which enumerating costs no more than a closed form behind a link
MAX_STATES = 1 << 21  # numbers of states held at once


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
    jumps = discrete if block.jumps is None else discrete | block.jumps
    moves = differs & (jumps | ~np.isfinite(b) | ~np.isfinite(x))
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
    if np.array_equal(columns.player_of, np.arange(columns.n_players)):
        return values
    sums = np.zeros((len(values), columns.n_players, values.shape[2]))
    np.add.at(sums, (slice(None), columns.player_of), values)
    return sums


def credit_tie(
    function: Any, half: HalfMoves, columns: Columns, outputs: np.ndarray, block: PairBlock, settings: Settings
) -> tuple[np.ndarray, np.ndarray | None]:
    """Shapley values (n_pairs, n_players, n_outputs) of what moves at one half, and their variance if any was drawn.

    A sum of functions of single columns, also behind links that say how, needs every player's own effect only.
    Otherwise up to MAX_ENUMERATED players are enumerated, and beyond, orders are drawn, each with its reverse.
    """
    credits = np.zeros((len(block), columns.n_players, len(outputs)))
    players = np.zeros((len(block), columns.n_players), dtype=bool)
    np.logical_or.at(players, (slice(None), columns.player_of), half.moves)
    n_tied = players.sum(axis=1)
    variance = None
    for k in np.unique(n_tied[n_tied > 0]):
        rows = np.flatnonzero(n_tied == k)
        game = _Tie(function, half, columns, outputs, rows, np.nonzero(players[rows])[1].reshape(-1, k))
        closed = game.closed_form() if function.is_additive or k > FEW else None
        if closed is not None:
            share = closed
        elif k <= MAX_ENUMERATED:
            share = enumerate_all(game)
        else:
            share, spread = draw(game, block.seeds[rows], settings)
            variance = np.zeros_like(credits) if variance is None else variance
            variance[rows[:, None], game.players] = spread
        credits[rows[:, None], game.players] = share
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

    @property
    def n_games(self) -> int:
        return len(self.rows)

    @property
    def n_players(self) -> int:
        return self.players.shape[1]

    def some(self, games: np.ndarray) -> "_Tie":
        return replace(self, rows=self.rows[games], players=self.players[games])

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

    def closed_form(self) -> np.ndarray | None:
        """Shapley values (n, k, n_outputs), if the function knows them from the effects of single players."""
        values = self.function.tie_values(self._effects_of)
        return None if values is None else values[:, :, self.outputs]

    def _effects_of(self, function: Any) -> tuple[np.ndarray, np.ndarray]:
        """Values of a function (n, n_outputs) before, and every player's own effect on them (n, k, n_outputs)."""
        return singles(replace(self, function=function, outputs=np.arange(function.n_outputs)))
