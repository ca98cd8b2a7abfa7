"""Functions without gradients, which serve behind trees: where parts only jump, their answers before and after do."""

from collections.abc import Callable

import numpy as np

from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["Stepwise"]


class Stepwise(SmoothFunction):
    """Any function from rows (n, n_features) to (n, n_outputs)."""

    is_smooth = False

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], n_outputs: int) -> None:
        self.function, self.n_outputs = function, n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.function(rows)
