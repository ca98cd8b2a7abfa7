"""Functions that step where a smooth function passes a level: votes of pairs, iterations that stop early.

A step across the surface D = level is shared by d_j n_j / sum_k d_k n_k, with d = x - b and n the gradient of D where
the path crosses: the limit of the attributions of a smoothed step.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.path_roots import Candidates, find_roots
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction, integrate_gradients

__all__ = ["LevelSteps", "StepEngine", "Surfaces"]

POLISHED = 3  # Newton's steps from a series' root to the function's own


class Surfaces(NamedTuple):
    """Where margins (k,) pass margins @ normals = levels, and what the outputs then jump by, on the way up.

    normals (k, n_surfaces), levels (n_surfaces,), jumps (n_surfaces, n_outputs); a jump of 0 is a kink. A value on
    the level is above it.
    """

    normals: np.ndarray
    levels: np.ndarray
    jumps: np.ndarray


class _Roots(NamedTuple):
    """Crossings: path, surface, alpha and change (+1 up, -1 down); in doubt: places where two may have been missed."""

    path: np.ndarray
    surface: np.ndarray
    alpha: np.ndarray
    change: np.ndarray
    bend: np.ndarray
    noise: np.ndarray


class LevelSteps(SmoothFunction):
    """outer(inner(rows)) where outer is smooth between the surfaces; its gradients are those beside them."""

    is_smooth = False

    def __init__(self, outer: SmoothFunction, inner: SmoothFunction, surfaces: Surfaces) -> None:
        self.outer, self.inner, self.surfaces = outer, inner, surfaces
        self.n_outputs = outer.n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.outer.values(self.inner.values(rows))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.gradients(rows) @ self.outer.gradients(self.inner.values(rows))

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        roots, touches = self._crossings(starts, ends)
        means, error = integrate_gradients(_Between(self, roots), starts, ends, steps=True)
        error = np.zeros_like(means) if error is None else error
        self._credit(roots, starts, ends, means, error)
        self._doubt(touches, starts, ends, error)
        return means, error if error.any() else None

    def _heights(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_surfaces) above the levels."""
        return self.inner.values(rows) @ self.surfaces.normals - self.surfaces.levels

    def _crossings(self, starts: np.ndarray, ends: np.ndarray) -> tuple[_Roots, _Roots]:
        """All crossings, and the places where the path touches a surface as closely as rounding can tell.

        The side is looked at between all candidates; at the ends it is the function's own, so that steps always add up.
        """
        moves = ends - starts
        found = find_roots(lambda path, alpha: self._heights(starts[path] + alpha[:, None] * moves[path]), len(starts))
        marks, is_first, is_last = _marks(found, len(starts), len(self.surfaces.levels))
        path, surface, alpha = marks.path, marks.function, marks.alpha
        middle = np.flatnonzero(~is_last)
        rows = starts[path[middle]] + ((alpha[middle] + alpha[middle + 1]) / 2.0)[:, None] * moves[path[middle]]
        before, after = np.empty(len(path), dtype=bool), np.empty(len(path), dtype=bool)
        after[middle] = before[middle + 1] = self._heights(rows)[np.arange(len(rows)), surface[middle]] >= 0.0
        before[is_first] = self._heights(starts)[path[is_first], surface[is_first]] >= 0.0
        after[is_last] = self._heights(ends)[path[is_last], surface[is_last]] >= 0.0
        change = after.astype(float) - before.astype(float)
        whole = _Roots(path, surface, alpha, change, marks.bend, marks.noise)
        crossing = change != 0.0
        touching = ~(crossing | is_first | is_last)
        return tuple(_Roots(*(part[chosen] for part in whole)) for chosen in (crossing, touching))

    def _normals(self, roots: _Roots, alpha: np.ndarray, starts: np.ndarray, moves: np.ndarray) -> tuple:
        """Gradients (n, d) of the heights at roots, their slopes along the path, and the heights themselves."""
        rows = starts[roots.path] + alpha[:, None] * moves[roots.path]
        normals = np.einsum("rdk,kr->rd", self.inner.gradients(rows), self.surfaces.normals[:, roots.surface])
        slopes = (normals * moves[roots.path]).sum(axis=1)
        return normals, slopes, self._heights(rows)[np.arange(len(rows)), roots.surface]

    def _credit(
        self, roots: _Roots, starts: np.ndarray, ends: np.ndarray, means: np.ndarray, error: np.ndarray
    ) -> None:
        """Add what crossings bring to the mean gradients, and what rounding of the place does to it."""
        roots = _Roots(*(part[self.surfaces.jumps[roots.surface].any(axis=1)] for part in roots))
        moves, alpha = ends - starts, roots.alpha
        for _ in range(POLISHED):
            normals, slopes, heights = self._normals(roots, alpha, starts, moves)
            step = np.divide(heights, slopes, out=np.zeros_like(slopes), where=np.abs(slopes) > np.abs(heights))
            alpha = np.clip(alpha - step, 0.0, 1.0)
        normals, slopes, _ = self._normals(roots, alpha, starts, moves)
        steep = slopes != 0.0
        shares = np.divide(normals, slopes[:, None], out=np.zeros_like(normals), where=steep[:, None])
        brought = shares[:, :, None] * (roots.change[:, None] * self.surfaces.jumps[roots.surface])[:, None, :]
        np.add.at(means, roots.path, brought)
        unsure = np.divide(roots.noise * roots.bend, slopes**2, out=np.ones_like(slopes), where=steep)
        tell = np.flatnonzero(unsure > 1e-12)
        np.add.at(error, roots.path[tell], np.abs(brought[tell]) * np.minimum(unsure[tell], 1.0)[:, None, None])

    def _doubt(self, touches: _Roots, starts: np.ndarray, ends: np.ndarray, error: np.ndarray) -> None:
        """Where a path touches a surface: two crossings at the distance that rounding hides bring this much each."""
        touches = _Roots(*(part[self.surfaces.jumps[touches.surface].any(axis=1)] for part in touches))
        normals, _, heights = self._normals(touches, touches.alpha, starts, ends - starts)
        close = np.flatnonzero(np.abs(heights) <= touches.noise)
        with np.errstate(divide="ignore"):
            steep = 1.0 / np.sqrt(2.0 * touches.noise[close] * touches.bend[close])
        size = np.abs(normals[close]) * np.minimum(steep, 1e150)[:, None]
        jumps = np.abs(self.surfaces.jumps[touches.surface[close]])
        np.add.at(error, touches.path[close], 2.0 * size[:, :, None] * jumps[:, None, :])


class _Between(SmoothFunction):
    """A function with the crossings of its surfaces as breaks."""

    def __init__(self, function: LevelSteps, roots: _Roots) -> None:
        self.function, self.roots, self.n_outputs = function, roots, function.n_outputs

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.function.gradients(rows)

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.roots.path, self.roots.alpha


def _marks(found: Candidates, n_paths: int, n_surfaces: int) -> tuple[Candidates, np.ndarray, np.ndarray]:
    """Candidates and both ends of every path for every surface, in order; which are the first and the last ones."""
    path, surface = (part.ravel() for part in np.indices((n_paths, n_surfaces)))
    nothing = np.zeros(len(path))
    ends = [Candidates(path, surface, nothing + end, nothing, nothing) for end in (0.0, 1.0)]
    names = ("path", "function", "alpha", "bend", "noise")
    columns = [np.concatenate([getattr(one, name) for one in (ends[0], found, ends[1])]) for name in names]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    marks = Candidates(*(column[order] for column in columns))
    return marks, marks.alpha == 0.0, marks.alpha == 1.0


@dataclass
class StepEngine:
    """The engine of `LevelSteps`; it is no part of others, which would have to know its steps."""

    engine: SmoothEngine
    name: str = "smooth"
    exact: bool = True
    uses_threads: bool = False
    why: str = "smooth, with steps at the roots of smooth functions along the path, which are all found"

    @property
    def family(self) -> str:
        return self.engine.family

    @property
    def facts(self) -> dict[str, str]:
        return self.engine.facts

    def with_black_box(self, black_box: Any) -> "StepEngine":
        """Rows are taken as they are."""
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        return self.engine.predict(X)

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        return self.engine.attribute(block, columns, outputs, settings)

    def edges(self, rng: np.random.Generator, n: int) -> None:
        """The surfaces are not along axes: no threshold of one column is known."""

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs whose gradients fit in memory."""
        return self.engine.pairs_per_batch(n_features, n_outputs)
