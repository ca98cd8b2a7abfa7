"""Broken lines: functions that are linear between given places, and constant beyond the first and the last."""

import numpy as np

from agnostic_ig.engines.link_functions import diagonal
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction

__all__ = ["Interpolated"]


class Interpolated(SmoothFunction):
    """The same broken line through (places, heights) of every column; places ascend."""

    is_additive = True

    def __init__(self, places: np.ndarray, heights: np.ndarray, n_outputs: int = 1) -> None:
        self.places, self.heights = np.asarray(places, dtype=np.float64), np.asarray(heights, dtype=np.float64)
        self.slopes = np.concatenate([[0.0], np.diff(self.heights) / np.diff(self.places), [0.0]])
        self.n_outputs = n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        return np.interp(rows, self.places, self.heights)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return diagonal(self.slopes[self._pieces(rows)])

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        piece = self._pieces(starts)
        inside = piece == self._pieces(ends)
        change, move = self.values(ends) - self.values(starts), ends - starts
        return diagonal(np.where(inside, self.slopes[piece], change / np.where(inside, 1.0, move))), None

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = (self.places - starts[:, :, None]) / (ends - starts)[:, :, None]
        crossed = (alpha > 0.0) & (alpha < 1.0)
        return np.nonzero(crossed)[0], alpha[crossed]

    def _pieces(self, rows: np.ndarray) -> np.ndarray:
        """0 before the first place, 1 from it to the second, and so on."""
        return np.searchsorted(self.places, rows, side="right")
