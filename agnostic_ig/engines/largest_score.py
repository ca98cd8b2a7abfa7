"""Labels of smooth classifiers: 1 for the class with the largest score, 0 for the others."""

import numpy as np

from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["LargestScore"]


class LargestScore:
    """`Branches` of the class with the largest score: a surface for every pair, where both are equal.

    Of equal scores the first wins. One score alone is that of the second of two classes, against 0.
    """

    def __init__(self, scores: SmoothFunction) -> None:
        if scores.n_outputs == 1:
            scores = compose(Affine([[0.0, 1.0]], 0.0), scores)
        self.n_outputs = n = scores.n_outputs
        self.first, self.second = np.triu_indices(n, 1)
        pairs = np.zeros((n, len(self.first)))
        pairs[self.first, np.arange(len(self.first))], pairs[self.second, np.arange(len(self.first))] = 1.0, -1.0
        self.pairs, self.levels, self.breaks = pairs, compose(Affine(pairs, 0.0), scores), scores.breaks

    def values(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        """Who wins against everybody else."""
        wins = above.astype(float) @ (self.pairs > 0.0).T + (~above).astype(float) @ (self.pairs < 0.0).T
        return (wins == self.n_outputs - 1).astype(float)

    def gradients(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        return np.zeros((*rows.shape, self.n_outputs))
