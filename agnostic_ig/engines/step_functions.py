"""Functions that take steps, which serve behind trees: where parts only jump, their answers before and after do."""

from collections.abc import Callable

import numpy as np

from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["DECIMALS", "Stepwise", "indicate_largest", "weighted_median"]

# Margins are sums of jumps, and the model's own are sums in another order: what is decided by comparing them is decided
# on numbers rounded to so many places, so that equal ones stay equal.
DECIMALS = 12


class Stepwise(SmoothFunction):
    """Any function from rows (n, n_features) to (n, n_outputs) of numbers that only jump: between jumps it is level."""

    is_smooth = False

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], n_outputs: int) -> None:
        self.function, self.n_outputs = function, n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.function(rows)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros((*rows.shape, self.n_outputs))


def indicate_largest(n: int) -> Stepwise:
    """1 for the largest of n numbers, the first of equal ones; 0 for the others."""
    return Stepwise(lambda rows: np.eye(n)[rows.round(DECIMALS).argmax(axis=1)], n)


def weighted_median(weights: np.ndarray) -> Stepwise:
    """The smallest number with at least half of the weight at or below it."""

    def median(rows: np.ndarray) -> np.ndarray:
        order = rows.argsort(axis=1)
        below = np.cumsum(weights[order], axis=1)
        place = (below >= 0.5 * below[:, -1:]).argmax(axis=1)
        every = np.arange(len(rows))
        return rows[every, order[every, place]][:, None]

    return Stepwise(median, 1)
