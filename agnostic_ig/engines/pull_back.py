"""Engines of models inside pipelines, in the columns that the user knows.

Where every inner column comes from one column of the user, the inner engine answers as it is: crossings, players and
discrete moves of the inner columns are those of their sources. Where transformers mix columns, gradients go back
through the affine map, and the jump of a component is shared by what each column contributes to its way.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings, Unsupported
from agnostic_ig.engines.column_map import ColumnMap
from agnostic_ig.engines.composite import CompositeEngine, SumEngine
from agnostic_ig.engines.discrete_moves import displacements, sum_by_player
from agnostic_ig.engines.readers.transformers import Reading
from agnostic_ig.engines.response import BlackBox
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction
from agnostic_ig.engines.tree_ensemble import TreeEngine

__all__ = ["InsideEngine", "PulledFunction"]

EXAMPLES = 16  # rows that the structure is checked on


@dataclass
class InsideEngine:
    """The engine of a model behind transformers, before there is a table.

    Attributes
    ----------
    inner : engine of the model
    transform : callable
        All transformers, on the user's container.
    depends : ndarray of bool, shape (n_features, n_inner)
        Which of the user's columns each inner column comes from.
    reading : Reading
    """

    inner: Any
    transform: Callable[[Any], Any]
    depends: np.ndarray
    reading: Reading

    name = property(attrgetter("inner.name"))
    exact = property(attrgetter("inner.exact"))
    why = property(attrgetter("inner.why"))
    family = property(attrgetter("inner.family"))
    start = property(attrgetter("inner.start"))  # of trees, as parts of other models ask for them
    trees = property(attrgetter("inner.trees"))

    @property
    def facts(self) -> dict[str, str]:
        n_features, n_inner = self.depends.shape
        return self.inner.facts | {"pipeline": f"{n_features} columns become {n_inner} before the model"}

    def behind(self, part: Any) -> Any:
        """A part of the inner model behind the same transformers."""
        return InsideFunction(part, self) if isinstance(part, SmoothFunction) else replace(self, inner=part)

    def with_black_box(self, black_box: BlackBox) -> "Separate":
        """The engine for rows as today's codec encodes them, checked on rows that the model has answered.

        Raises
        ------
        Unsupported
            If what moves continuously today passes a transformer that is not affine, or trees stand behind mixtures of
            columns that jump.
        """
        inner, column_map = self.bound(black_box)
        way = MIXED.get(type(inner)) if column_map.mixes.any() else Separate
        if way is None:
            raise Unsupported(f"the pipeline mixes columns before a model whose engine is {inner.name}")
        if way is MixedSteps:
            self._check_mixtures(column_map, np.isnan(black_box.examples).any(axis=0))
        return way(self, inner, column_map)

    def _check_mixtures(self, column_map: ColumnMap, has_gaps: np.ndarray) -> None:
        """No column of a mixture jumps in any of the rows at hand."""
        jumps = column_map.codec.discrete | self.reading.filled & has_gaps
        beyond = np.flatnonzero(column_map.depends[:, column_map.mixes].any(axis=1) & jumps)
        if beyond.size:
            name = column_map.codec.names[beyond[0]]
            raise Unsupported(f"trees stand behind a mixture of columns in which {name!r} jumps")

    def bound(self, black_box: BlackBox) -> tuple[Any, ColumnMap]:
        """What stands inside, and the way there, for rows as today's codec encodes them."""
        for j, name in self.reading.curved.items():
            if not black_box.codec.discrete[j]:
                raise Unsupported(f"{name} is not affine in column {black_box.codec.names[j]!r}")
        examples = black_box.examples[:: 1 + len(black_box.examples) // EXAMPLES]
        column_map = ColumnMap.of(self.transform, self.depends, black_box.codec, examples)
        column_map.check(examples)
        inside = BlackBox(black_box.response, column_map.inner_codec, column_map.rows(examples))
        inside.scales = column_map.scales
        return self.inner.with_black_box(inside), column_map


@dataclass
class Separate:
    """Every inner column comes from one column of the user."""

    origin: InsideEngine
    inner: Any
    column_map: ColumnMap

    name = property(attrgetter("inner.name"))
    exact = property(attrgetter("inner.exact"))
    why = property(attrgetter("inner.why"))
    facts = property(attrgetter("origin.facts"))
    uses_threads = property(attrgetter("inner.uses_threads"))
    start = property(attrgetter("inner.start"))
    trees = property(attrgetter("inner.trees"))

    def with_black_box(self, black_box: BlackBox) -> "Separate":
        """The same engine for rows as today's codec encodes them."""
        return self.origin.with_black_box(black_box)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        return self.inner.predict(self.column_map.rows(X))

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        inside = self.column_map.block(block)
        return self.inner.attribute(inside, self.column_map.columns(columns), outputs, settings)

    def on_paths(self, block: PairBlock, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Ends of paths in the inner columns, and their players."""
        return self.inner.on_paths(self.column_map.block(block), self.column_map.columns(columns))

    def edges(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """None: thresholds lie in the inner columns, and rounding keeps the user's columns beside them."""
        return np.zeros(0, dtype=np.int64), np.zeros(0)

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs whose inner columns fit in memory."""
        return self.inner.pairs_per_batch(max(n_features, self.column_map.depends.shape[1]), n_outputs)


class PulledFunction(SmoothFunction):
    """function(map(rows)) of the user's columns: on a straight path without discrete moves the map is affine."""

    def __init__(self, function: SmoothFunction, column_map: ColumnMap) -> None:
        self.function, self.column_map = function, column_map
        self.n_outputs = function.n_outputs
        self.is_additive = function.is_affine

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.function.values(self.column_map.rows(rows))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.column_map.slopes @ self.function.gradients(self.column_map.rows(rows))

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return self.function.breaks(self.column_map.rows(starts), self.column_map.rows(ends))

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        slopes = self.column_map.slopes
        means, error = self.function.mean_gradients(self.column_map.rows(starts), self.column_map.rows(ends))
        return slopes @ means, None if error is None else np.abs(slopes) @ error


class InsideFunction(SmoothFunction):
    """A smooth function behind transformers, before there is a table."""

    def __init__(self, function: SmoothFunction, origin: InsideEngine) -> None:
        self.function, self.origin = function, origin
        self.n_outputs, self.is_smooth = function.n_outputs, function.is_smooth

    def with_black_box(self, black_box: BlackBox) -> PulledFunction:
        """The function for rows as today's codec encodes them."""
        return PulledFunction(*replace(self.origin, inner=self.function).bound(black_box))


class MixedSmooth(Separate):
    """A smooth model behind mixtures of columns."""

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        pulled = replace(self.inner, function=PulledFunction(self.inner.function, self.column_map))
        return pulled.attribute(block, columns, outputs, settings)


class MixedSteps(Separate):
    """Trees, and formulas on them, behind mixtures of columns, each a player of its own until its jumps are shared."""

    has_components = True  # which are no players of the user's: such trees are no part of a larger walk

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        inside = self.column_map.block(block)
        answer = self.inner.attribute(inside, self._components(columns), outputs, settings)
        shares, n = self._shares(block, columns), columns.n_players
        values = answer.values[:, :n] + np.einsum("pjc,pco->pjo", shares, answer.values[:, n:])
        error, variance = answer.error, answer.variance
        if error is not None:
            error = _with_mixtures(error, shares)
        if variance is not None:
            variance = _with_mixtures(np.sqrt(variance), shares) ** 2
        return replace(answer, values=values, error=error, variance=variance)

    def _components(self, columns: Columns) -> Columns:
        """Inner columns; behind the user's players comes one player a mixture."""
        inner, mixes = self.column_map.columns(columns), self.column_map.mixes
        n_mixed = int(mixes.sum())
        player_of = inner.player_of.copy()
        player_of[mixes] = columns.n_players + np.arange(n_mixed)
        names = columns.player_names + [f"mixture {c}" for c in range(n_mixed)]
        return Columns(inner.names, inner.discrete, player_of, names)

    def _shares(self, block: PairBlock, columns: Columns) -> np.ndarray:
        """(n_pairs, n_players, n_mixed): what each player contributes to the way of a mixture, which sums to 1."""
        ways = np.nan_to_num(displacements(block.b, block.x))  # what is missing is in no mixture
        parts = ways[:, :, None] * self.column_map.slopes[:, self.column_map.mixes]
        by_player = sum_by_player(parts, columns)
        whole = by_player.sum(axis=1, keepdims=True)
        return np.divide(by_player, whole, out=np.zeros_like(by_player), where=whole != 0.0)


def _with_mixtures(sizes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Sizes of errors of players and mixtures (n_pairs, n_players + n_mixed, n_outputs), for the players."""
    n_players = shares.shape[1]
    return sizes[:, :n_players] + np.einsum("pjc,pco->pjo", np.abs(shares), sizes[:, n_players:])


# How engines answer behind mixtures of columns.
MIXED: dict[type, Callable[[InsideEngine, Any, ColumnMap], Separate]] = {
    SmoothEngine: MixedSmooth,
    TreeEngine: MixedSteps,
    SumEngine: MixedSteps,
    CompositeEngine: MixedSteps,
}
