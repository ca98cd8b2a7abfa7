"""The linear pieces of ReLU nets along straight paths, for many paths at once in flat arrays.

What a layer says is known at sorted points of every path and linear between them. Where a unit passes zero between two
points, a point is added; what comes out of the units is linear between the new points, and the next layer follows.
A piece is named by the point where it starts; the last point of every path starts one of no length.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["LinearPieces"]


@dataclass(frozen=True)
class _Points:
    """Sorted points of paths, and what a layer says there.

    path, alpha (n_points,); margins (n_points, n_units). `first` (n_coarse,) tells where each piece of the coarser
    points before this layer starts among the finer ones.
    """

    path: np.ndarray
    alpha: np.ndarray
    margins: np.ndarray
    first: np.ndarray

    def lengths(self) -> np.ndarray:
        """Of the pieces; 0 where the path ends."""
        lengths = np.zeros(len(self.alpha))
        lengths[:-1] = np.where(self.path[1:] == self.path[:-1], np.diff(self.alpha), 0.0)
        return lengths

    def slopes(self) -> np.ndarray:
        """Slopes of the units on the pieces: 1 above zero, 0 below, and one half for a unit that stays at zero."""
        doubled = self.margins.copy()
        doubled[:-1] += self.margins[1:]
        return np.heaviside(doubled, 0.5, out=doubled)


def _ends(starts: np.ndarray, ends: np.ndarray) -> _Points:
    """Both ends of every path."""
    n, width = starts.shape
    margins = np.stack([starts, ends], axis=1).reshape(2 * n, width)
    return _Points(np.repeat(np.arange(n), 2), np.tile([0.0, 1.0], n), margins, np.arange(2 * n))


def _cut(points: _Points) -> _Points:
    """The points, and those where a unit passes zero, which is exactly zero there."""
    above = points.margins > 0.0
    passes = above[1:] != above[:-1]
    passes[points.path[1:] != points.path[:-1]] = False
    piece, unit = np.divmod(np.flatnonzero(passes), max(1, passes.shape[1]))
    low, high = points.margins[piece, unit], points.margins[piece + 1, unit]
    share = low / (low - high)
    order = np.lexsort((share, piece))
    piece, unit, share = piece[order], unit[order], share[order]
    n_old, n_new = len(points.path), len(piece)
    old = np.arange(n_old) + np.searchsorted(piece, np.arange(n_old))
    new = piece + 1 + np.arange(n_new)
    margins = np.empty((n_old + n_new, points.margins.shape[1]))
    alpha, path = np.empty(n_old + n_new), np.empty(n_old + n_new, dtype=np.int64)
    margins[old], alpha[old], path[old] = points.margins, points.alpha, points.path
    margins[new] = _between(points.margins, piece, share[:, None])
    alpha[new], path[new] = _between(points.alpha, piece, share), points.path[piece]
    margins[new, unit] = 0.0
    return _Points(path, alpha, margins, old)


def _between(values: np.ndarray, piece: np.ndarray, share: np.ndarray) -> np.ndarray:
    low = values[piece]
    return low + share * (values[piece + 1] - low)


class LinearPieces:
    """Pieces of the paths from starts to ends (n, n_units), margins of the first hidden layer.

    layers are the affine maps behind the hidden layers.
    """

    def __init__(self, layers: Sequence[Affine], starts: np.ndarray, ends: np.ndarray) -> None:
        self.layers = layers
        self.hidden: list[_Points] = []
        points = _ends(starts, ends)
        for layer in layers:
            points = _cut(points)
            self.hidden.append(points)
            says = layer.values(np.maximum(points.margins, 0.0))
            points = _Points(points.path, points.alpha, says, np.arange(len(says)))
        self.outputs = points

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """(path, alpha) of all points."""
        return self.outputs.path, self.outputs.alpha

    def mean_gradients(self, output: SmoothFunction | None) -> np.ndarray:
        """Mean gradients (n, n_units, n_outputs) of output(margins of the last layer), or of these margins.

        Pieces are summed, weighted by their lengths, into the coarser ones of the layer before as soon as its slopes
        are constant on them.
        """
        back = self._behind_last(output)
        for points, layer in zip(self.hidden[-2::-1], self.layers[-2::-1], strict=True):
            back = _behind(back, layer.coef)
            back *= points.slopes()[:, None, :]
            back = _summed(points, np.ones(len(points.alpha)), back)
        return back[::2].swapaxes(1, 2)

    def _behind_last(self, output: SmoothFunction | None) -> np.ndarray:
        """Integrals (n_coarser, n_outputs, n_units) of the slopes with respect to the last hidden layer's margins."""
        points, coef = self.hidden[-1], self.layers[-1].coef
        lengths = points.lengths()
        if output is None:
            return _summed(points, lengths, points.slopes())[:, None, :] * coef.T
        real = np.flatnonzero(lengths)
        means, _ = output.mean_gradients(self.outputs.margins[real], self.outputs.margins[real + 1])
        back = np.zeros((len(lengths), output.n_outputs, len(coef)))
        back[real] = _behind(means.swapaxes(1, 2), coef)
        back *= points.slopes()[:, None, :]
        return _summed(points, lengths, back)


def _behind(back: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Gradients (n, n_outputs, n_units) before an affine map."""
    return (back.reshape(-1, coef.shape[1]) @ coef.T).reshape(*back.shape[:2], coef.shape[0])


def _summed(points: _Points, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weighted sums of the values on the pieces that make up each coarser piece."""
    n = len(values)
    bounds = np.append(points.first, n)
    sums = sparse.csr_matrix((weights, np.arange(n), bounds), shape=(len(points.first), n))
    return (sums @ values.reshape(n, math.prod(values.shape[1:]))).reshape(-1, *values.shape[1:])
