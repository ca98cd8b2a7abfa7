"""Models made of models: one formula on the margins of trees and the outputs of smooth functions.

`combine` takes the engines of the parts apart, into trees, smooth functions and a formula on both, and chooses the
engine that serves the whole.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings, Unsupported
from agnostic_ig.engines.function_algebra import Affine, compose, join, of_columns
from agnostic_ig.engines.link_functions import Elementwise, Softmax, two_sided
from agnostic_ig.engines.mixed_paths import attribute_mixed
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.engines.tree_ensemble import TreeEngine

__all__ = ["CompositeEngine", "SumEngine", "combine", "constant", "in_columns_of"]

PAIRS_PER_BATCH = {False: 256, True: 32}  # by whether there are smooth parts
MAX_BATCH_VALUES = 4_000_000


@dataclass
class _Parts:
    """``formula(margins of all trees, outputs of all smooth functions)``."""

    trees: list[TreeEngine]
    smooth: list[SmoothFunction]
    formula: SmoothFunction
    family: str
    name: str = "composite"
    exact: bool = True
    uses_threads: bool = False
    why: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = [f"{len(self.trees)} sum(s) of trees"] * bool(self.trees)
        kinds += [f"{len(self.smooth)} smooth function(s)"] * bool(self.smooth)
        self.facts = {"parts": " and ".join(kinds)}

    def with_black_box(self, black_box: Any) -> Any:
        """The same engine for rows as today's codec encodes them."""
        engine = copy.copy(self)
        engine.trees = [tree.with_black_box(black_box) for tree in self.trees]
        engine.smooth = [function.with_black_box(black_box) for function in self.smooth]
        return engine

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        parts = [tree.predict(X) for tree in self.trees] + [function.values(X) for function in self.smooth]
        return self.formula.values(np.concatenate(parts, axis=1))

    def edges(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Values on and beside thresholds of the trees."""
        found = [tree.edges(rng, n // len(self.trees)) for tree in self.trees]
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True)) if found else None


class SumEngine(_Parts):
    """A weighted sum of parts: the same sum of their attributions."""

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        coef = _weights(self.formula, self.width)[:, outputs]
        values = np.zeros((len(block), columns.n_players, len(outputs)))
        error = variance = None
        place = 0
        for engine, width in self._engines():
            own = coef[place : place + width]
            used = np.flatnonzero(own.any(axis=1))
            place += width
            if used.size:
                answer = engine.attribute(block, columns, used, settings)
                values += answer.values @ own[used]
                error = _add(error, answer.error, np.abs(own[used]))
                # Drawn apart from each other, but not the outputs of one part: their standard errors add at most.
                spread = None if answer.variance is None else np.sqrt(answer.variance)
                variance = _add(variance, spread, np.abs(own[used]), power=2)
        return PairAnswer(values, error, variance)

    @property
    def width(self) -> int:
        return sum(width for _, width in self._engines())

    def _engines(self) -> list[tuple[Any, int]]:
        """The engine of every part, and how many outputs it has."""
        smooth = [(SmoothEngine(function, self.family), function.n_outputs) for function in self.smooth]
        return [(tree, len(tree.start)) for tree in self.trees] + smooth

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """What the part with the most memory can take."""
        return min(engine.pairs_per_batch(n_features, n_outputs) for engine, _ in self._engines())


class CompositeEngine(_Parts):
    """Jumps of all trees one after the other, and quadrature of what is smooth between them, through the formula."""

    def with_black_box(self, black_box: Any) -> "CompositeEngine":
        engine = super().with_black_box(black_box)
        if any(getattr(tree, "has_components", False) for tree in engine.trees):
            raise Unsupported(f"trees of {self.family} stand behind a mixture of columns")
        return engine

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        smooth = join(self.smooth) if self.smooth else None
        return attribute_mixed(self.trees, smooth, self.formula, block, columns, outputs, settings)

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs whose jumps fit in memory."""
        n_trees = sum(len(tree.trees.root) for tree in self.trees)
        return int(np.clip(MAX_BATCH_VALUES // (40 * n_trees), 1, PAIRS_PER_BATCH[bool(self.smooth)]))


def _weights(formula: SmoothFunction, width: int) -> np.ndarray:
    """(width, n_outputs) of an affine formula."""
    return formula.gradients(np.zeros((1, width)))[0]


def _add(total: np.ndarray | None, more: np.ndarray | None, coef: np.ndarray, power: int = 1) -> np.ndarray | None:
    """total + (more @ coef)**power, where None stands for nothing."""
    if more is None:
        return total
    added = (more @ coef) ** power
    return added if total is None else total + added


def combine(outer: SmoothFunction | None, engines: Sequence[Any], family: str) -> Any:
    """The engine of ``outer(outputs of all engines, side by side)``; None: the outputs themselves.

    Parameters
    ----------
    outer : SmoothFunction
        May take steps (`is_smooth` is False) where all parts are trees.
    engines : sequence of TreeEngine, SmoothEngine, SumEngine or CompositeEngine

    Raises
    ------
    Unsupported
        If a function that takes steps meets a smooth part.
    """
    parts = [_taken_apart(engine) for engine in engines]
    trees = [tree for part in parts for tree in part.trees]
    smooth = [function for part in parts for function in part.smooth]
    formula = _inner(parts, sum(len(tree.start) for tree in trees))
    if outer is not None:
        if smooth and not outer.is_smooth:
            raise Unsupported(f"{family} takes steps between smooth parts")
        formula = compose(outer, formula)
    if not trees:
        return SmoothEngine(compose(formula, join(smooth)), family)
    kind, why = (SumEngine, "a weighted sum of parts with exact engines")
    if not formula.is_affine:
        kind, why = CompositeEngine, "parts with exact engines: their jumps, and what is smooth between them"
    return kind(trees, smooth, formula, family, why=why)


def constant(values: np.ndarray, family: str) -> Any:
    """A part that always answers with `values` (n_outputs,)."""
    return _Parts([], [], Affine(np.zeros((0, len(values))), values), family)


def in_columns_of(engine: Any, columns: np.ndarray, n_columns: int) -> Any:
    """The engine of a part that sees only some columns, in the columns of the whole."""
    columns = np.asarray(columns)
    if np.array_equal(columns, np.arange(n_columns)):
        return engine
    if isinstance(engine, TreeEngine):
        return _trees_in_columns(engine, columns)
    parts = _taken_apart(engine)
    trees = [_trees_in_columns(tree, columns) for tree in parts.trees]
    smooth = [of_columns(function, columns, n_columns) for function in parts.smooth]
    if not trees:
        return SmoothEngine(compose(parts.formula, join(smooth)), engine.family)
    kind = SumEngine if parts.formula.is_affine else CompositeEngine
    return kind(trees, smooth, parts.formula, engine.family, why=engine.why)


def _trees_in_columns(engine: TreeEngine, columns: np.ndarray) -> TreeEngine:
    if engine.encoding is not None:
        raise Unsupported(f"{engine.family} sees some columns only, and codes of its own in them")
    nodes = engine.trees.nodes.copy()
    nodes["feature"] = np.append(columns, -1)[nodes["feature"]]  # a leaf's -1 stays what it is
    return replace(engine, trees=engine.trees._replace(nodes=nodes))


def _inner(parts: Sequence[_Parts], n_margins: int) -> SmoothFunction:
    """The formulas of all parts side by side, of the margins of all trees and then all smooth outputs."""
    width = n_margins + sum(function.n_outputs for part in parts for function in part.smooth)
    formulas, margin, output = [], 0, n_margins
    for part in parts:
        n_own = sum(len(tree.start) for tree in part.trees)
        n_smooth = sum(function.n_outputs for function in part.smooth)
        places = np.concatenate([np.arange(margin, margin + n_own), np.arange(output, output + n_smooth)])
        margin, output = margin + n_own, output + n_smooth
        formulas.append(of_columns(part.formula, places, width))
    return join(formulas)


def _taken_apart(engine: Any) -> _Parts:
    """An engine as a formula on trees without a link and smooth functions."""
    if isinstance(engine, _Parts):
        return engine
    if hasattr(engine, "behind"):  # of a pipeline: all parts stand behind its transformers
        inner = _taken_apart(engine.inner)
        trees, smooth = ([engine.behind(part) for part in parts] for parts in (inner.trees, inner.smooth))
        return _Parts(trees, smooth, inner.formula, engine.family)
    if isinstance(engine, SmoothEngine):
        n = engine.function.n_outputs
        return _Parts([], [engine.function], Affine(np.eye(n), 0.0), engine.family)
    if isinstance(engine, TreeEngine):
        tree = replace(engine, link="identity", shift=0.0)
        return _Parts([tree], [], _tree_formula(engine), engine.family)
    raise Unsupported(f"{engine.family} is answered by an engine that is no part of another")


def _tree_formula(engine: TreeEngine) -> SmoothFunction:
    """From the margins of a tree engine to its outputs."""
    n = len(engine.start)
    identity = Affine(np.eye(n), engine.shift)
    if engine.link == "identity":
        return identity
    if engine.link == "softmax":
        return Softmax(n)
    link = compose(identity, Elementwise(engine.link, n))
    return two_sided(link) if engine.is_one_sided else link
