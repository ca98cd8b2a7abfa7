"""What other tools do to attribute a plain function along a straight path, with the same arguments each."""

from collections.abc import Callable

import numpy as np

from benchmarks.numeric_oracles import Function


class Predicts:
    """What treeig asks of a model."""

    def __init__(self, function: Function) -> None:
        self.predict = function


def treeig_numeric(function: Function, baseline: np.ndarray, rows: np.ndarray, spread: np.ndarray) -> np.ndarray:
    import treeig

    return treeig.TreeIGNumeric(Predicts(function), baseline).attribute(rows)


def increments(n_steps: int) -> Callable[..., np.ndarray]:
    """One feature at a time moves along each of n_steps equal parts of the path."""

    def attribute(function: Function, baseline: np.ndarray, rows: np.ndarray, spread: np.ndarray) -> np.ndarray:
        starts = np.arange(n_steps)[:, None] / n_steps
        return np.array([_increments(function, baseline + starts * (x - baseline), (x - baseline) / n_steps)
                         for x in rows])  # fmt: skip

    return attribute


def _increments(function: Function, path: np.ndarray, step: np.ndarray) -> np.ndarray:
    moved = path[:, None, :] + np.diag(step)
    answers = function(moved.reshape(-1, len(step))).reshape(len(path), len(step))
    return (answers.astype(float) - function(path)[:, None]).sum(axis=0)


def differences(of_path: bool) -> Callable[..., np.ndarray]:
    """Central differences at 50 Gauss-Legendre nodes; h is 1e-4 of x - b, or of each feature's standard deviation."""
    nodes, weights = np.polynomial.legendre.leggauss(50)

    def attribute(function: Function, baseline: np.ndarray, rows: np.ndarray, spread: np.ndarray) -> np.ndarray:
        values = np.zeros_like(rows)
        for x, value in zip(rows, values, strict=True):
            h = 1e-4 * (x - baseline if of_path else spread)
            path = baseline + (nodes[:, None] + 1) / 2 * (x - baseline)
            ends = [function((path[:, None, :] + sign * np.diag(h)).reshape(-1, len(x))) for sign in (1, -1)]
            slopes = (ends[0].astype(float) - ends[1]).reshape(len(path), len(x)) / (2 * h)
            value[:] = weights / 2 @ slopes * (x - baseline)
        return values

    return attribute
