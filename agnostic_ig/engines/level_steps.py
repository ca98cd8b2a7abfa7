"""Functions that step where a smooth function passes a level: votes of pairs, iterations that stop early.

A step across the surface D = level is shared by d_j n_j / sum_k d_k n_k, with d = x - b and n the gradient of D where
the path crosses: the limit of the attributions of a smoothed step.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.path_roots import Candidates, find_roots
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction, integrate_gradients

__all__ = ["Branched", "Branches", "LevelSteps", "StepEngine", "Stepped", "Surfaces"]

SAME_PLACE = 1e-12  # of two crossings, by alpha
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


class Stepped(SmoothFunction):
    """A function that is smooth between surfaces, where heights are 0; its gradients are those beside them.

    A kind gives heights, their gradients, the jumps on the way up, and kinks of its own as `breaks`.
    """

    is_smooth = False

    def heights(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_surfaces) above the surfaces; 0 is above."""
        raise NotImplementedError

    def height_gradients(self, rows: np.ndarray, surface: np.ndarray) -> np.ndarray:
        """(n, d): the gradient of one height a row."""
        raise NotImplementedError

    def jumps(self, rows: np.ndarray, surface: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What outputs jump by on a surface at each row, on the way up, and how far that is in doubt, (n, n_outputs).

        `near` (n, n_surfaces) are other surfaces that the path crosses at the same place.
        """
        raise NotImplementedError

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        roots, touches = self._crossings(starts, ends)
        means, error = integrate_gradients(_Between(self, roots), starts, ends, steps=True)
        error = np.zeros_like(means) if error is None else error
        self._credit(roots, starts, ends, means, error)
        self._doubt(touches, starts, ends, error)
        return means, error if error.any() else None

    def _crossings(self, starts: np.ndarray, ends: np.ndarray) -> tuple[_Roots, _Roots]:
        """All crossings, and the places where the path touches a surface as closely as rounding can tell.

        The side is looked at between all candidates; at the ends it is the function's own, so that steps always add up.
        """
        moves = ends - starts
        found = find_roots(lambda path, alpha: self.heights(starts[path] + alpha[:, None] * moves[path]), len(starts))
        marks, is_first, is_last = _marks(found, len(starts), self.heights(starts[:1]).shape[1])
        path, surface, alpha = marks.path, marks.function, marks.alpha
        middle = np.flatnonzero(~is_last)
        rows = starts[path[middle]] + ((alpha[middle] + alpha[middle + 1]) / 2.0)[:, None] * moves[path[middle]]
        before, after = np.empty(len(path), dtype=bool), np.empty(len(path), dtype=bool)
        after[middle] = before[middle + 1] = self.heights(rows)[np.arange(len(rows)), surface[middle]] >= 0.0
        before[is_first] = self.heights(starts)[path[is_first], surface[is_first]] >= 0.0
        after[is_last] = self.heights(ends)[path[is_last], surface[is_last]] >= 0.0
        change = after.astype(float) - before.astype(float)
        whole = _Roots(path, surface, alpha, change, marks.bend, marks.noise)
        crossing = change != 0.0
        touching = ~(crossing | is_first | is_last)
        return tuple(_Roots(*(part[chosen] for part in whole)) for chosen in (crossing, touching))

    def _normals(self, roots: _Roots, alpha: np.ndarray, starts: np.ndarray, moves: np.ndarray) -> tuple:
        """Gradients (n, d) of the heights at roots, their slopes along the path, and the heights themselves."""
        rows = starts[roots.path] + alpha[:, None] * moves[roots.path]
        normals = self.height_gradients(rows, roots.surface)
        slopes = (normals * moves[roots.path]).sum(axis=1)
        return normals, slopes, self.heights(rows)[np.arange(len(rows)), roots.surface]

    def _credit(
        self, roots: _Roots, starts: np.ndarray, ends: np.ndarray, means: np.ndarray, error: np.ndarray
    ) -> None:
        """Add what crossings bring to the mean gradients, and what rounding of the place does to it."""
        moves, alpha = ends - starts, roots.alpha
        for _ in range(POLISHED):
            normals, slopes, heights = self._normals(roots, alpha, starts, moves)
            step = np.divide(heights, slopes, out=np.zeros_like(slopes), where=np.abs(slopes) > np.abs(heights))
            alpha = np.clip(alpha - step, 0.0, 1.0)
        normals, slopes, _ = self._normals(roots, alpha, starts, moves)
        rows = starts[roots.path] + alpha[:, None] * moves[roots.path]
        jumps, doubt = self.jumps(rows, roots.surface, _near(roots, alpha, self.heights(rows).shape[1]))
        steep = slopes != 0.0
        shares = np.divide(normals, slopes[:, None], out=np.zeros_like(normals), where=steep[:, None])
        brought = shares[:, :, None] * (roots.change[:, None] * jumps)[:, None, :]
        np.add.at(means, roots.path, brought)
        np.add.at(error, roots.path, np.abs(shares)[:, :, None] * doubt[:, None, :])
        unsure = np.divide(roots.noise * roots.bend, slopes**2, out=np.ones_like(slopes), where=steep)
        tell = np.flatnonzero(unsure > 1e-12)
        np.add.at(error, roots.path[tell], np.abs(brought[tell]) * np.minimum(unsure[tell], 1.0)[:, None, None])

    def _doubt(self, touches: _Roots, starts: np.ndarray, ends: np.ndarray, error: np.ndarray) -> None:
        """Where a path touches a surface: two crossings at the distance that rounding hides bring this much each."""
        normals, _, heights = self._normals(touches, touches.alpha, starts, ends - starts)
        close = np.abs(heights) <= touches.noise
        touches, normals = _Roots(*(part[close] for part in touches)), normals[close]
        rows = starts[touches.path] + touches.alpha[:, None] * (ends - starts)[touches.path]
        jumps, _ = self.jumps(rows, touches.surface, np.zeros_like(self.heights(rows), dtype=bool))
        with np.errstate(divide="ignore"):
            steep = 1.0 / np.sqrt(2.0 * touches.noise * touches.bend)
        size = np.abs(normals) * np.minimum(steep, 1e150)[:, None]
        np.add.at(error, touches.path, 2.0 * size[:, :, None] * np.abs(jumps)[:, None, :])


class LevelSteps(Stepped):
    """outer(inner(rows)), whose jumps are the same everywhere on a surface."""

    def __init__(self, outer: SmoothFunction, inner: SmoothFunction, surfaces: Surfaces) -> None:
        self.outer, self.inner, self.surfaces = outer, inner, surfaces
        self.n_outputs = outer.n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.outer.values(self.inner.values(rows))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.gradients(rows) @ self.outer.gradients(self.inner.values(rows))

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return self.inner.breaks(starts, ends)

    def heights(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.values(rows) @ self.surfaces.normals - self.surfaces.levels

    def height_gradients(self, rows: np.ndarray, surface: np.ndarray) -> np.ndarray:
        return np.einsum("rdk,kr->rd", self.inner.gradients(rows), self.surfaces.normals[:, surface])

    def jumps(self, rows: np.ndarray, surface: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        jumps = self.surfaces.jumps[surface]
        return jumps, np.zeros_like(jumps)


class Branches(Protocol):
    """A smooth function for every choice of sides (n, n_surfaces) of the surfaces `levels` = 0; True is above."""

    n_outputs: int
    levels: SmoothFunction

    def values(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        """(n, n_outputs)."""

    def gradients(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        """(n, d, n_outputs)."""

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Kinks besides the surfaces."""


class Branched(Stepped):
    """The branch of the side of every surface that a row is on; jumps are what branches differ by where they meet."""

    def __init__(self, branches: Branches) -> None:
        self.branches, self.n_outputs = branches, branches.n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.branches.values(rows, self.heights(rows) >= 0.0)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.branches.gradients(rows, self.heights(rows) >= 0.0)

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return self.branches.breaks(starts, ends)

    def heights(self, rows: np.ndarray) -> np.ndarray:
        return self.branches.levels.values(rows)

    def height_gradients(self, rows: np.ndarray, surface: np.ndarray) -> np.ndarray:
        return self.branches.levels.gradients(rows)[np.arange(len(rows)), :, surface]

    def jumps(self, rows: np.ndarray, surface: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """In doubt where it depends on the side of another surface, crossed at the same place."""
        above = self.heights(rows) >= 0.0
        jumps = self._change(rows, above, surface)
        doubt, crowded = np.zeros_like(jumps), np.flatnonzero(near.any(axis=1))
        for sides in (near, ~near):  # on the others' one side, and on their other one
            above[near] = sides[near]
            doubt[crowded] += np.abs(self._change(rows[crowded], above[crowded], surface[crowded]) - jumps[crowded])
        return jumps, doubt

    def _change(self, rows: np.ndarray, above: np.ndarray, surface: np.ndarray) -> np.ndarray:
        every, sides = np.arange(len(rows)), []
        for side in (True, False):
            above = above.copy()
            above[every, surface] = side
            sides.append(self.branches.values(rows, above))
        return sides[0] - sides[1]


class _Between(SmoothFunction):
    """A function with the crossings of its surfaces as breaks, beside its own."""

    def __init__(self, function: Stepped, roots: _Roots) -> None:
        self.function, self.roots, self.n_outputs = function, roots, function.n_outputs

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.function.gradients(rows)

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = self.function.breaks(starts, ends)
        crossings = self.roots.path, self.roots.alpha
        return crossings if own is None else tuple(np.concatenate(both) for both in zip(crossings, own, strict=True))


def _near(roots: _Roots, alpha: np.ndarray, n_surfaces: int) -> np.ndarray:
    """(n, n_surfaces): the other surfaces that the path of every root crosses where it does, as far as one can tell."""
    near = np.zeros((len(alpha), n_surfaces), dtype=bool)
    order = np.lexsort((alpha, roots.path))
    for apart in range(1, len(order)):
        first, second = order[:-apart], order[apart:]
        same = (roots.path[first] == roots.path[second]) & (alpha[second] - alpha[first] <= SAME_PLACE)
        if not same.any():
            break
        near[first[same], roots.surface[second[same]]] = True
        near[second[same], roots.surface[first[same]]] = True
    near[np.arange(len(alpha)), roots.surface] = False
    return near


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
    """The engine of `Stepped` functions; it is no part of others, which would have to know its steps."""

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
