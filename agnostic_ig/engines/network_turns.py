"""ReLU nets of one hidden layer along straight paths: every unit turns on or off at most once."""

import numpy as np

from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["TurningUnits"]


class TurningUnits:
    """The units max(0, margin) on the paths whose margins go from starts to ends (n, n_units), and a layer behind them.

    The last layer's margins are linear between the places where units turn. The mean slope of an output with respect
    to a unit is the layer's weight times the integral of the output function's slope over the part of the path on
    which the unit is on; with integrals up to every turn at hand, that is a difference of two of them.
    """

    def __init__(self, layer: Affine, starts: np.ndarray, ends: np.ndarray) -> None:
        self.layer, self.starts = layer, starts
        moves = ends - starts
        turns = (starts > 0.0) != (ends > 0.0)
        places = np.divide(starts, starts - ends, out=np.ones_like(starts), where=turns)
        order = places.argsort(axis=1)
        self.rank = order.argsort(axis=1)
        # A unit that stays at zero has the slope one half: what small noise, which goes either way, has on average.
        self.slope = np.where(turns, starts > 0.0, np.heaviside(starts + ends, 0.5))
        self.turn = np.where(turns, np.where(ends > 0.0, 1.0, -1.0), 0.0)
        ordered = np.take_along_axis(places, order, axis=1)
        n = len(starts)
        self.lengths = np.diff(ordered, axis=1, prepend=np.zeros((n, 1)), append=np.ones((n, 1)))
        gained = np.take_along_axis(self.turn * moves, order, axis=1)
        self.margins = self._margins((self.slope * moves) @ layer.coef, gained[:, :, None] * layer.coef[order])

    def _margins(self, rates: np.ndarray, gained: np.ndarray) -> np.ndarray:
        """The last layer's margins (n, n_units + 2, n_margins) at both ends and all turns, from its rates of change
        at first (n, n_margins), and what these gain at the turns (n, n_units, n_margins)."""
        rates = np.concatenate([rates[:, None, :], gained], axis=1).cumsum(axis=1)
        first = self.layer.values(np.maximum(self.starts, 0.0))[:, None, :]
        return np.concatenate([first, rates * self.lengths[:, :, None]], axis=1).cumsum(axis=1)

    def mean_gradients(self, output: SmoothFunction) -> np.ndarray:
        """Mean gradients (n, n_units, n_outputs) of output(margins)."""
        path, piece = np.nonzero(self.lengths)
        means, _ = output.mean_gradients(self.margins[path, piece], self.margins[path, piece + 1])
        upto = np.zeros((len(self.lengths), self.lengths.shape[1] + 1, *means.shape[1:]))
        upto[path, piece + 1] = means * self.lengths[path, piece][:, None, None]
        np.cumsum(upto, axis=1, out=upto)
        return (self.layer.coef[:, None, :] @ self._while_on(upto))[:, :, 0, :]

    def _while_on(self, upto: np.ndarray) -> np.ndarray:
        """Integrals (n, n_units, n_margins, n_outputs) of the output's slopes over the places where a unit is on, from
        those up to every place."""
        before, whole = upto[np.arange(len(upto))[:, None], self.rank + 1], upto[:, -1:]
        slope, turn = self.slope[:, :, None, None], self.turn[:, :, None, None]
        return slope * before + (slope + turn) * (whole - before)
