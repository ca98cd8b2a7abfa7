"""The mean over all training points within a radius of a row."""

from collections.abc import Callable

import numpy as np

from agnostic_ig.engines.neighbours import MAX_DISTANCES, ROUNDING, Steps
from agnostic_ig.engines.smooth_function import SmoothFunction
from agnostic_ig.kernels.neighbour_path import distances
from agnostic_ig.kernels.radius_path import radius_steps
from agnostic_ig.parallel import batches

__all__ = ["PointsWithin"]


class PointsWithin(SmoothFunction):
    """The mean of values (N, m) over the points (N, d) within a radius; `empty` (m,), or NaN, where there are none.

    ask : from rows to a list of indices of the points within, as the model finds them; it decides on the sphere.
    """

    is_smooth = False

    def __init__(
        self, sites: np.ndarray, values: np.ndarray, radius: float, empty: np.ndarray, ask: Callable[[np.ndarray], list]
    ) -> None:
        self.sites, self.table, self.radius, self.empty, self.ask = sites, values, radius, empty, ask
        self.n_outputs = values.shape[1]
        self.squares = (sites**2).sum(axis=1)

    def values(self, rows: np.ndarray) -> np.ndarray:
        within = self._within(rows)
        n = within.sum(axis=1)[:, None]
        return np.where(n > 0, within @ self.table / np.maximum(n, 1), self.empty)

    def steps(self, starts: np.ndarray, ends: np.ndarray) -> Steps:
        """Of paths from starts to ends (n, d)."""
        credits = np.zeros((*starts.shape, self.n_outputs))
        doubt = np.zeros((len(starts), self.n_outputs))
        for part in batches(len(starts), max(1, MAX_DISTANCES // len(self.sites))):
            paths = np.ascontiguousarray(starts[part]), np.ascontiguousarray(ends[part])
            sides = self._within(paths[0]), self._within(paths[1])
            radius_steps(self.sites, self.table, self.radius, *paths, *sides, self.empty, credits[part], doubt[part])
        return Steps(credits, doubt)

    def _within(self, rows: np.ndarray) -> np.ndarray:
        """(n, N): which points are within; as the model says where one is on the sphere."""
        apart = np.empty((len(rows), len(self.sites)))
        distances(np.ascontiguousarray(rows), self.sites, apart)
        beyond = apart - self.radius**2
        within = beyond <= 0.0
        size = (rows**2).sum(axis=1)[:, None] + self.squares + self.radius**2
        on_sphere = np.abs(beyond) <= ROUNDING * size
        close = np.flatnonzero(on_sphere.any(axis=1))
        if close.size:
            for row, members in zip(close, self.ask(rows[close]), strict=True):
                within[row, on_sphere[row]] = np.isin(np.flatnonzero(on_sphere[row]), members)
        return within
