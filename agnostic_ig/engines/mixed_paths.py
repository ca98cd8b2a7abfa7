"""Integrated Gradients of a formula on trees and smooth functions: jumps, ties, and quadrature between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.discrete_moves import HalfMoves, moves_at_half
from agnostic_ig.engines.smooth_function import AGREED, SmoothFunction
from agnostic_ig.engines.smooth_paths import SmoothPaths, follow
from agnostic_ig.engines.stepped_paths import Jumps, find_jumps
from agnostic_ig.engines.tie_games import MAX_ENUMERATED, draw, enumerate_all
from agnostic_ig.kernels.tree_nodes import GRID
from agnostic_ig.numerics.hashing import child_keys
from agnostic_ig.numerics.quadrature import gauss_kronrod
from agnostic_ig.parallel import batches

__all__ = ["attribute_mixed"]

MAX_HALVINGS = 30
MAX_POINTS = 1 << 14


def attribute_mixed(
    trees: Sequence[Any],
    smooth: SmoothFunction | None,
    formula: SmoothFunction,
    block: PairBlock,
    columns: Columns,
    outputs: np.ndarray,
    settings: Settings,
) -> PairAnswer:
    """Attributions of formula(margins of trees, outputs of a smooth function) for every pair."""
    half = None if smooth is None else moves_at_half(block, columns.discrete)
    others = None
    if half is not None:
        others = np.zeros((len(block), columns.n_players), dtype=bool)
        np.logical_or.at(others, (slice(None), columns.player_of), half.moves)
    jumps = find_jumps(trees, block, columns, others)
    paths = None if smooth is None else follow(smooth, block, columns, half)
    walk = _Walk(smooth, formula, block, columns, outputs, half, jumps, paths)
    values = np.zeros((len(block), columns.n_players, len(outputs)))
    walk.credit_jumps(values)
    variance = walk.credit_ties(values, settings)
    error = None
    if paths is not None:
        error = walk.integrate_between(values)
    return PairAnswer(values, error, variance)


@dataclass(frozen=True)
class _Walk:
    """What is known of the paths of a block."""

    smooth: SmoothFunction | None
    formula: SmoothFunction
    block: PairBlock
    columns: Columns
    outputs: np.ndarray
    half: HalfMoves | None
    jumps: Jumps
    paths: SmoothPaths | None

    def outputs_of(self, margins: np.ndarray, smooth: np.ndarray | None) -> np.ndarray:
        states = margins if smooth is None else np.concatenate([margins, smooth], axis=1)
        return self.formula.values(states)[:, self.outputs]

    def smooth_at(self, groups: np.ndarray) -> np.ndarray | None:
        """Outputs of the smooth function at groups of jumps, just before them."""
        if self.paths is None:
            return None
        pair, alpha = self.jumps.pair[groups], self.jumps.alpha[groups]
        return self.paths.values_at(self.paths.stretch_at(pair, alpha, after=False), alpha)

    def moves_smooth(self, groups: np.ndarray) -> np.ndarray:
        """Whether the smooth function itself jumps there: its discrete columns move."""
        if self.half is None:
            return np.zeros(len(groups), dtype=bool)
        return (self.jumps.alpha[groups] == 0.5) & self.half.moves[self.jumps.pair[groups]].any(axis=1)

    def credit_jumps(self, values: np.ndarray) -> None:
        """Jumps of one player: all of the change."""
        every = np.arange(len(self.jumps))
        single = np.flatnonzero((self.jumps.lowest == self.jumps.highest) & ~self.moves_smooth(every))
        smooth, before = self.smooth_at(single), self.jumps.before[single]
        change = self.outputs_of(before + self.jumps.change[single], smooth) - self.outputs_of(before, smooth)
        np.add.at(values, (self.jumps.pair[single], self.jumps.lowest[single]), change)

    def credit_ties(self, values: np.ndarray, settings: Settings) -> np.ndarray | None:
        """Several players at one alpha: the Shapley value; the variance (alike) of those that were drawn."""
        every = np.arange(len(self.jumps))
        tied = np.flatnonzero((self.jumps.lowest != self.jumps.highest) | self.moves_smooth(every))
        variance = None
        for group in tied:
            game = _Tie(self, group, self.jumps.players(group))
            pair = self.jumps.pair[group]
            if game.n_players <= MAX_ENUMERATED:
                values[pair, game.players] += enumerate_all(game)[0]
                continue
            seeds = child_keys(self.block.seeds[pair : pair + 1], int(self.jumps.alpha[group] * GRID))
            mean, spread = draw(game, seeds, settings)
            values[pair, game.players] += mean[0]
            variance = np.zeros_like(values) if variance is None else variance
            variance[pair, game.players] += spread[0]
        return variance

    def integrate_between(self, values: np.ndarray) -> np.ndarray | None:
        """What moves smoothly between jumps; returns an error (alike) where it did not come down to rounding."""
        pair, low, high, group = self._gaps()
        starts = self.jumps.starts
        after = np.concatenate([self.jumps.before + self.jumps.change, np.zeros((1, starts.shape[1]))])
        margins = np.where((group >= 0)[:, None], after[group], starts[pair])
        stretch = self.paths.stretch_at(pair, low, after=True)
        size, error = np.zeros((len(self.block), len(self.outputs))), np.zeros_like(values)
        for halving in range(MAX_HALVINGS + 1):
            mean, differ, whole = self._rules(margins, stretch, low, high)
            if halving == 0:
                np.add.at(size, pair, whole)
            ready = (differ.max(axis=1, initial=0.0) <= AGREED * size[pair]).all(axis=1) | (halving == MAX_HALVINGS)
            np.add.at(values, pair[ready], mean[ready])
            if halving == MAX_HALVINGS:
                np.add.at(error, pair, differ)
            pair, margins, stretch, low, high = (a[~ready] for a in (pair, margins, stretch, low, high))
            if len(pair) == 0:
                break
            middle = (low + high) / 2.0
            pair, margins, stretch = (np.repeat(a, 2, axis=0) for a in (pair, margins, stretch))
            low, high = np.stack([low, middle], axis=1).ravel(), np.stack([middle, high], axis=1).ravel()
        error += self.paths.doubt * np.abs(values)
        return error if error.any() else None

    def _gaps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(pair, low, high) between neighbouring jumps and borders of series, and the last group before (-1: none)."""
        jumps, paths = self.jumps, self.paths
        pair = np.concatenate([paths.pair, jumps.pair])
        place = np.concatenate([paths.low, jumps.alpha])
        group = np.concatenate([np.full(len(paths.pair), -1), np.arange(len(jumps))])
        order = np.lexsort((group, place, pair))
        pair, place, group = pair[order], place[order], group[order]
        is_last = np.append(np.diff(pair) != 0, True)
        high = np.where(is_last, 1.0, np.append(place[1:], 1.0))
        # A border has the margins of the last group before it of its own pair.
        latest = np.maximum.accumulate(group)
        own = latest >= np.searchsorted(jumps.pair, pair)
        latest = np.where(own, latest, -1)
        keep = high > place
        return pair[keep], place[keep], high[keep], latest[keep]

    def _rules(
        self, margins: np.ndarray, stretch: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Integrals (n, n_players, n_outputs) over gaps, how far two rules differ, and the size (n, n_outputs)."""
        parts = [self._rules_of_some(margins[p], stretch[p], low[p], high[p]) for p in batches(len(low), self._room)]
        return tuple(np.concatenate(fields) for fields in zip(*parts, strict=True))

    @property
    def _room(self) -> int:
        return max(1, MAX_POINTS // len(gauss_kronrod()[0]))

    def _rules_of_some(
        self, margins: np.ndarray, stretch: np.ndarray, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        nodes, weights, fewer = gauss_kronrod()
        values, slopes = self.paths.both_at(stretch, low[:, None] + (high - low)[:, None] * nodes)
        n, n_points, n_smooth = values.shape
        states = np.concatenate([np.repeat(margins, n_points, axis=0), values.reshape(-1, n_smooth)], axis=1)
        steep = self.formula.gradients(states)[:, margins.shape[1] :, self.outputs]
        flow = slopes.reshape(n * n_points, -1, n_smooth) @ steep
        flow = flow.reshape(n, n_points, *flow.shape[1:]) * (high - low)[:, None, None, None]
        mean, other = (np.einsum("k,nkpo->npo", rule, flow) for rule in (weights, fewer))
        return mean, np.abs(mean - other), np.einsum("k,nkpo->no", weights, np.abs(flow))


@dataclass(frozen=True)
class _Tie:
    """One group of jumps of several players, as a game."""

    walk: _Walk
    group: int
    players: np.ndarray
    n_games: int = 1

    @property
    def n_players(self) -> int:
        return len(self.players)

    def some(self, games: np.ndarray) -> "_Tie":
        return self

    def values(self, moved: np.ndarray) -> np.ndarray:
        walk = self.walk
        margins = walk.jumps.margins(self.group, self.players, moved[0], walk.columns.n_players)
        return walk.outputs_of(margins, self._smooth(moved[0]))[None]

    def _smooth(self, moved: np.ndarray) -> np.ndarray | None:
        """Outputs of the smooth function, of whose columns those of the moved players have moved."""
        walk, group = self.walk, np.array([self.group])
        if walk.smooth is None:
            return None
        if not walk.moves_smooth(group)[0]:
            return np.repeat(walk.smooth_at(group), len(moved), axis=0)
        pair = walk.jumps.pair[self.group]
        who = np.zeros((len(moved), walk.columns.n_players), dtype=bool)
        who[:, self.players] = moved
        columns = who[:, walk.columns.player_of] & walk.half.moves[pair]
        return walk.smooth.values(np.where(columns, walk.half.after[pair], walk.half.before[pair]))
