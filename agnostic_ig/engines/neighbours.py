"""The engine of nearest neighbours: every change among them on a path is found, and shared by its plane or sphere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.discrete_moves import credit_tie, displacements, moves_at_half, sum_by_player
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.kernels.neighbour_path import distances, nearest_steps
from agnostic_ig.parallel import batches

__all__ = ["NearestPoints", "NeighbourEngine", "Steps"]

PAIRS_PER_BATCH = 1024
MAX_BATCH_VALUES = 1_000_000
MAX_DISTANCES = 1 << 22  # held at once
# Squared distances closer than this, relative to what the model adds them up from, are in the order that it says.
ROUNDING = 1e-12


class Steps(NamedTuple):
    """What steps bring to each column (n, d, m), and sizes (n, m) of those that the path does not determine."""

    credits: np.ndarray
    doubt: np.ndarray


class NearestPoints(SmoothFunction):
    """The mean of values (N, m) over the k training points (N, d) nearest to a row.

    ask : from rows to the indices (n, k) of their neighbours, as the model finds them; it decides between equal ones.
    """

    is_smooth = False

    def __init__(self, sites: np.ndarray, values: np.ndarray, k: int, ask: Callable[[np.ndarray], np.ndarray]) -> None:
        self.sites, self.table, self.k, self.ask = sites, values, k, ask
        self.n_outputs = values.shape[1]
        self.squares = (sites**2).sum(axis=1)

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.table[self._members(rows)].sum(axis=1) / self.k

    def steps(self, starts: np.ndarray, ends: np.ndarray) -> Steps:
        """Of paths from starts to ends (n, d)."""
        credits = np.zeros((*starts.shape, self.n_outputs))
        doubt = np.zeros((len(starts), self.n_outputs))
        paths = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
        nearest = self._members_once(paths[0]), self._members_once(paths[1])
        nearest_steps(self.sites, self.table, *paths, *nearest, credits, doubt)
        return Steps(credits / self.k, doubt / self.k)

    def _members_once(self, rows: np.ndarray) -> np.ndarray:
        """The same of rows many of which are equal: ends of pairs."""
        different, place = np.unique(rows, axis=0, return_inverse=True)
        return self._members(different)[place.ravel()]

    def _members(self, rows: np.ndarray) -> np.ndarray:
        """Indices (n, k) of the nearest; as the model says where the next one is as near."""
        members = np.empty((len(rows), self.k), dtype=np.int64)
        for part in batches(len(rows), max(1, MAX_DISTANCES // len(self.sites))):
            members[part] = self._nearest(np.ascontiguousarray(rows[part]))
        return members

    def _nearest(self, rows: np.ndarray) -> np.ndarray:
        n = len(self.sites)
        if self.k == n:
            return np.tile(np.arange(n), (len(rows), 1))
        apart = np.empty((len(rows), n))
        distances(rows, self.sites, apart)
        order = apart.argpartition((self.k - 1, self.k), axis=1)
        members = order[:, : self.k]
        last, beyond = (np.take_along_axis(apart, order[:, [i]], axis=1)[:, 0] for i in (self.k - 1, self.k))
        size = (rows**2).sum(axis=1) + self.squares[order[:, self.k - 1]]
        close = np.flatnonzero(beyond - last <= ROUNDING * size)
        if close.size:
            theirs = self.ask(rows[close])
            farthest = np.take_along_axis(apart[close], theirs, axis=1).max(axis=1)
            agreed = farthest - last[close] <= ROUNDING * size[close]
            members[close[agreed]] = theirs[agreed]
        return members


@dataclass
class NeighbourEngine:
    """Integrated Gradients of what only steps, along paths whose steps are all known."""

    function: Any
    family: str
    name: str = "neighbours"
    exact: bool = True
    uses_threads: bool = False
    why: str = "nearest neighbours: every change among them on the path is found"
    facts: dict[str, str] = field(default_factory=dict)

    def with_black_box(self, black_box: Any) -> "NeighbourEngine":
        """Rows are taken as they are."""
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        return self.function.values(X)

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        moves = moves_at_half(block, columns.discrete)
        if moves is None:
            return self._answer(block.b, block.x, columns, outputs)
        halves = ((block.b, moves.before), (moves.after, block.x))
        first, second = (self._answer(*half, columns, outputs) for half in halves)
        tie, variance = credit_tie(self.function, moves, columns, outputs, block, settings)
        values, error = first.values + second.values + tie, first.error + second.error
        return PairAnswer(values, error, variance, converged=np.isfinite(error).all(axis=(1, 2)))

    def _answer(self, starts: np.ndarray, ends: np.ndarray, columns: Columns, outputs: np.ndarray) -> PairAnswer:
        """Of paths on which nothing moves at one half."""
        steps = self.function.steps(starts, ends)
        values = sum_by_player(steps.credits[:, :, outputs], columns)
        ways = displacements(starts, ends)[:, :, None] != 0.0
        doubt = np.where(ways, steps.doubt[:, None, outputs], 0.0)
        error = sum_by_player(doubt, columns)
        return PairAnswer(values, error, converged=np.isfinite(error).all(axis=(1, 2)))

    def edges(self, rng: np.random.Generator, n: int) -> None:
        """The surfaces are not along axes: no threshold of one column is known."""

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs whose steps fit in memory."""
        return int(np.clip(MAX_BATCH_VALUES // (n_features * self.function.n_outputs), 1, PAIRS_PER_BATCH))
