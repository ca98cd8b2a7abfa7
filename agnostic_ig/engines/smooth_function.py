"""Functions that bring gradients of their own, and the mean of the gradient along a path."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines.discrete_moves import displacements
from agnostic_ig.numerics.quadrature import gauss_kronrod
from agnostic_ig.parallel import batches

__all__ = ["AGREED", "Effects", "MeanGradients", "SmoothFunction", "integrate_gradients", "integrate_parabolas"]

# Means (n, n_features, n_outputs), and what is known of their error beyond rounding: an array alike, or None for none.
MeanGradients = tuple[np.ndarray, np.ndarray | None]
# Of paths (m,) at alphas (m, n_nodes): gradients (m, n_nodes, n_features, n_outputs).
Slopes = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Of a function at a tie of k players: its values (n, n_outputs) before, and what each changes alone (n, k, n_outputs).
Effects = Callable[["SmoothFunction"], tuple[np.ndarray, np.ndarray]]

MAX_VALUES = 2_000_000  # numbers of gradients held at once
# A stretch is done when its two rules agree so far that the better one is right to rounding: for analytic integrands
# its error is about the 3/2 power of 200 times what they differ by (QUADPACK's rule), here 5e-16.
AGREED = 3e-13
# Halving makes the rules of an analytic integrand agree 2**14 times better. Where it does not help, rounding is left,
# if it is small, or the integrand is not analytic there.
HELPED, ROUNDING = 0.25, 1e-8
MAX_HALVINGS = 40
VISIBLE, MISSED = 1e-10, 0.01  # change beside the outputs that is no rounding, and its share that means must explain
COMPLETE = 1e-9  # relative gap to the change of the function that is more than rounding
NEGLIGIBLE = 1e-11  # differences, relative to the whole, that are not worth telling


class SmoothFunction:
    """A differentiable function of rows, read from a fitted model.

    A family derives from it and gives `values` and `gradients`; `mean_gradients` where it has a closed form; `breaks`
    where gradients have kinks or jumps of their own.

    Attributes
    ----------
    n_outputs : int
    is_additive : bool
        Whether every output is a sum of functions of single columns: then ties need no enumeration.
    is_affine : bool
        Whether the gradient is the same everywhere: then a straight path stays straight.
    is_smooth : bool
        Whether its gradient is all there is to know of its change; functions that take steps serve behind trees only.
    is_quadratic : bool
        Whether the gradient changes linearly along every straight path.
    """

    n_outputs: int
    is_additive: bool = False
    is_affine: bool = False
    is_smooth: bool = True
    is_quadratic: bool = False

    def values(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_outputs) at rows (n, n_features)."""
        raise NotImplementedError

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_features, n_outputs) at rows (n, n_features)."""
        raise NotImplementedError

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """(path, alpha) of the places where the gradient is not analytic; None where there are none on any path."""

    def with_black_box(self, black_box: Any) -> "SmoothFunction":
        """The same function for rows as today's codec encodes them."""
        return self

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        """Mean of the gradient on the straight paths from starts to ends (n, n_features)."""
        return integrate_gradients(self, starts, ends)

    def mean_gradients_on_parabolas(self, start: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> MeanGradients:
        """Means (n, 2 * n_features, n_outputs) of the gradient times 1 - alpha, then times alpha.

        The paths are start + alpha * slope + alpha**2 * bend, all (n, n_features).
        """
        return integrate_parabolas(self, start, slope, bend)

    def tie_values(self, effects_of: "Effects") -> np.ndarray | None:
        """Shapley values (n, k, n_outputs) of players that move at once; None where no closed form is known."""
        return effects_of(self)[1] if self.is_additive else None

    def tie_of_sums(self, before: np.ndarray, effects: np.ndarray) -> np.ndarray | None:
        """The same where the players' effects (n, k, n_features) on the rows before (n, n_features) add up."""
        return effects @ self.gradients(before) if self.is_affine else None


def integrate_gradients(
    function: SmoothFunction, starts: np.ndarray, ends: np.ndarray, *, steps: bool = False
) -> MeanGradients:
    """Mean gradients by Gauss-Kronrod rules on halves of halves, down to rounding.

    The paths are cut at the function's own breaks. Between them the integrand is analytic, and the rules converge
    geometrically; where they do not come down to rounding the error says so. Means must explain by how much the
    function changes, unless it takes `steps` besides.
    """
    moves = displacements(starts, ends)

    def slopes(path: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        points = starts[path][:, None, :] + alpha[:, :, None] * moves[path][:, None, :]
        gradients = function.gradients(points.reshape(-1, points.shape[2]))
        return gradients.reshape(*alpha.shape, *gradients.shape[1:])

    def values(path: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        return function.values(starts[path] + alpha[:, None] * moves[path])

    whole = _cut(len(moves), function.breaks(starts, ends))
    check = None if steps else _Check(values, moves)
    means, error = _integrate(_Sums(slopes, moves, function.n_outputs, check), whole)
    if steps:
        return means, error
    gap = _gap(function, starts, ends, moves[:, :, None] * means)
    if gap.any():
        ways = np.abs(moves).sum(axis=1)
        error = (0.0 if error is None else error) + (gap / np.where(ways > 0.0, ways, 1.0))[:, None, None] + 0.0 * means
    return means, error


def _gap(function: SmoothFunction, starts: np.ndarray, ends: np.ndarray, attributions: np.ndarray) -> np.ndarray:
    """(n,): what attributions leave of the change of the function, where it is more than rounding; else 0."""
    first, last = function.values(starts), function.values(ends)
    gap = np.abs(attributions.sum(axis=1) - (last - first))
    size = np.abs(attributions).sum(axis=1) + np.abs(first) + np.abs(last)
    return np.where(gap > COMPLETE * size, gap, 0.0).max(axis=1, initial=0.0)


def integrate_parabolas(
    function: SmoothFunction, start: np.ndarray, slope: np.ndarray, bend: np.ndarray
) -> MeanGradients:
    """Means (n, 2 * n_features, n_outputs) of the gradient times 1 - alpha and times alpha, where paths are bent."""

    def slopes(path: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        a = alpha[:, :, None]
        points = start[path][:, None, :] + a * (slope[path][:, None, :] + a * bend[path][:, None, :])
        gradients = function.gradients(points.reshape(-1, points.shape[2]))
        gradients = gradients.reshape(*alpha.shape, *gradients.shape[1:])
        return np.concatenate([(1.0 - a)[..., None] * gradients, a[..., None] * gradients], axis=2)

    def values(path: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        a = alpha[:, None]
        return function.values(start[path] + a * (slope[path] + a * bend[path]))

    check = _Check(values, np.concatenate([slope, slope + 2.0 * bend], axis=1))
    still = np.zeros((len(start), 2 * start.shape[1]))
    return _integrate(_Sums(slopes, still, function.n_outputs, check), _cut(len(start), None))


def _integrate(sums: "_Sums", whole: tuple[np.ndarray, ...]) -> MeanGradients:
    """Stretches of all paths, and halves of those that are not done."""
    stretches = [whole]
    while stretches:
        path, low, high, apart = stretches.pop()
        for part in batches(len(path), sums.room):
            halves = sums.add(path[part], low[part], high[part], apart[part])
            if len(halves[0]):
                stretches.append(halves)
    return sums.means, (sums.error if sums.error.any() else None)


def _cut(n: int, breaks: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, ...]:
    """(path, low, high) of the stretches between breaks, and how far rules were apart on what each is a half of."""
    path, place = (np.zeros(0, dtype=np.int64), np.zeros(0)) if breaks is None else breaks
    path, place = path[(place > 0.0) & (place < 1.0)], place[(place > 0.0) & (place < 1.0)]
    paths = np.concatenate([np.arange(n), path])
    low, high = np.concatenate([np.zeros(n), place]), np.concatenate([np.ones(n), place])
    starts, ends = np.lexsort((low, paths)), np.lexsort((high, paths))
    return paths[starts], low[starts], high[ends], np.full(len(paths), np.inf)


@dataclass(frozen=True)
class _Check:
    """Whether means explain by how much the function changes: what is steep may hide between the nodes of a rule.

    `values` gives the outputs on paths (m,) at alphas (m,); `drive` (n, n_features) is what means are multiplied by.
    """

    values: Callable[[np.ndarray, np.ndarray], np.ndarray]
    drive: np.ndarray

    def misses(self, path: np.ndarray, low: np.ndarray, high: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Stretches (m,) whose change is more than rounding, and is not explained."""
        before, after = self.values(path, low), self.values(path, high)
        change, size = after - before, np.abs(before) + np.abs(after)
        explained = (self.drive[path][:, :, None] * mean).sum(axis=1)
        hidden = (np.abs(change) > VISIBLE * size) & (np.abs(change - explained) > MISSED * np.abs(change))
        return hidden.any(axis=1)


class _Sums:
    """Sums over the stretches of every path that are done."""

    def __init__(self, slopes: Slopes, moves: np.ndarray, n_outputs: int, check: _Check | None) -> None:
        self.slopes, self.moves, self.check = slopes, moves, check
        self.means = np.zeros((*moves.shape, n_outputs))
        self.error = np.zeros_like(self.means)
        self.sizes = np.zeros_like(self.means)  # of the means, without the signs
        self.room = max(1, MAX_VALUES // (len(gauss_kronrod()[0]) * max(1, self.means[:1].size)))

    def add(self, path: np.ndarray, low: np.ndarray, high: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, ...]:
        """Add the stretches that are done, and return the halves of the others."""
        mean, other, size = self._rules(path, low, high)
        np.maximum.at(self.sizes, path, size)
        differ = np.abs(mean - other)
        allowed = self._allowed(path)
        with np.errstate(divide="ignore", invalid="ignore"):
            worst = np.nan_to_num(differ / allowed, nan=0.0, posinf=np.inf).max(axis=(1, 2), initial=0.0)
        stalled = (worst > HELPED * apart) & (worst <= ROUNDING / AGREED)
        agree = np.flatnonzero((worst <= 1.0) | stalled)
        done = np.zeros(len(path), dtype=bool)
        done[agree] = True
        if self.check is not None:
            done[agree] = ~self.check.misses(path[agree], low[agree], high[agree], mean[agree])
        done |= high - low < 2.0**-MAX_HALVINGS
        np.add.at(self.means, path[done], mean[done])
        tell = done & (worst > NEGLIGIBLE / AGREED)
        np.add.at(self.error, path[tell], differ[tell])
        middle = (low + high) / 2.0
        path, low, high, worst = (
            np.concatenate([one[~done], two[~done]])
            for one, two in ((path, path), (low, middle), (middle, high), (worst, worst))
        )
        return path, low, high, worst

    def _rules(self, path: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...]:
        """What both rules add to the means (n, n_features, n_outputs), and the better one without signs."""
        nodes, weights, weights_of_7 = gauss_kronrod()
        alpha = low[:, None] + (high - low)[:, None] * nodes
        slopes = self.slopes(path, alpha)
        width = (high - low)[:, None, None]
        each = [(weights, slopes), (weights_of_7, slopes), (weights, np.abs(slopes))]
        return tuple(width * np.einsum("k,pkjo->pjo", w, values) for w, values in each)

    def _allowed(self, path: np.ndarray) -> np.ndarray:
        """By how much the rules may differ: in terms of the whole path's attributions, or, where a column does not
        move, of its largest gradient."""
        moves = np.abs(self.moves[path])[:, :, None]
        whole = (self.sizes[path] * moves).sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return AGREED * np.where(moves > 0.0, whole / moves, self.sizes[path].max(axis=1, keepdims=True))
