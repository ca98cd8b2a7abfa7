"""Smooth functions made of smooth functions: constants, affine maps, one after the other, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostic_ig.engines.discrete_moves import displacements
from agnostic_ig.engines.smooth_function import Effects, MeanGradients, SmoothFunction

__all__ = ["Affine", "Composed", "Constant", "Joined", "OfColumns", "compose", "join", "of_columns"]


class Affine(SmoothFunction):
    """``rows @ coef + intercept``; coef (n_features, n_outputs), intercept (n_outputs,)."""

    is_additive = True
    is_affine = True
    is_quadratic = True

    def __init__(self, coef: np.ndarray, intercept: np.ndarray) -> None:
        self.coef = np.asarray(coef, dtype=np.float64)
        self.intercept = np.broadcast_to(np.asarray(intercept, dtype=np.float64), self.coef.shape[1:])
        self.n_outputs = self.coef.shape[1]

    def values(self, rows: np.ndarray) -> np.ndarray:
        return rows @ self.coef + self.intercept

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.coef, (len(rows), *self.coef.shape))

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        return self.gradients(starts), None


class Constant(SmoothFunction):
    """The same outputs (n_outputs,) for every row."""

    is_additive = True
    is_affine = True
    is_quadratic = True

    def __init__(self, outputs: np.ndarray) -> None:
        self.outputs = np.asarray(outputs, dtype=np.float64)
        self.n_outputs = len(self.outputs)

    def values(self, rows: np.ndarray) -> np.ndarray:
        return np.tile(self.outputs, (len(rows), 1))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros((*rows.shape, self.n_outputs))

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        return self.gradients(starts), None


class Composed(SmoothFunction):
    """outer(inner(rows)).

    Behind an affine map the path stays straight, so that the mean gradient is the map times the outer function's own.
    Behind a quadratic one it is a parabola, whose gradient needs the mean of the outer function's, and its moment.
    """

    def __init__(self, outer: SmoothFunction, inner: SmoothFunction) -> None:
        self.outer, self.inner = outer, inner
        self.n_outputs = outer.n_outputs

    @property
    def is_affine(self) -> bool:
        return self.outer.is_affine and self.inner.is_affine

    @property
    def is_smooth(self) -> bool:
        return self.outer.is_smooth and self.inner.is_smooth

    @property
    def is_additive(self) -> bool:
        return self.outer.is_affine and self.inner.is_additive

    @property
    def is_quadratic(self) -> bool:
        return (self.outer.is_quadratic and self.inner.is_affine) or (self.outer.is_affine and self.inner.is_quadratic)

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.outer.values(self.inner.values(rows))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self.inner.gradients(rows) @ self.outer.gradients(self.inner.values(rows))

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of both; the outer function's are known where the inner one is affine only."""
        inner = self.inner.breaks(starts, ends)
        if not self.inner.is_affine:
            return inner
        return self.outer.breaks(self.inner.values(starts), self.inner.values(ends))

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        if self.inner.is_affine:
            means, error = self.outer.mean_gradients(self.inner.values(starts), self.inner.values(ends))
            coef = self.inner.gradients(np.zeros((1, starts.shape[1])))[0]
            return _through(coef, means), None if error is None else _through(np.abs(coef), error)
        if self.outer.is_affine:
            means, error = self.inner.mean_gradients(starts, ends)
            coef = self.outer.gradients(np.zeros((1, self.inner.n_outputs)))[0]
            return means @ coef, None if error is None else error @ np.abs(coef)
        if self.inner.is_quadratic:
            return self._behind_parabola(starts, ends)
        return super().mean_gradients(starts, ends)

    def _behind_parabola(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        """The inner gradients change linearly, so that the outer ones are needed times 1 - alpha, and times alpha."""
        moves = displacements(starts, ends)[:, None, :]
        first, last = self.inner.gradients(starts), self.inner.gradients(ends)
        slope, bend = (moves @ first)[:, 0], (moves @ (last - first))[:, 0] / 2.0
        means, error = self.outer.mean_gradients_on_parabolas(self.inner.values(starts), slope, bend)
        inner = np.concatenate([first, last], axis=2)
        return inner @ means, None if error is None else np.abs(inner) @ error

    def tie_values(self, effects_of: Effects) -> np.ndarray | None:
        if self.inner.is_additive:
            return self.outer.tie_of_sums(*effects_of(self.inner))
        values = self.inner.tie_values(effects_of) if self.outer.is_affine else None
        return None if values is None else self.outer.tie_of_sums(np.zeros_like(values[:, 0]), values)

    def tie_of_sums(self, before: np.ndarray, effects: np.ndarray) -> np.ndarray | None:
        values = self.inner.tie_of_sums(before, effects) if self.outer.is_affine else None
        return None if values is None else self.outer.tie_of_sums(np.zeros_like(values[:, 0]), values)

    def with_black_box(self, black_box: Any) -> "Composed":
        return Composed(self.outer, self.inner.with_black_box(black_box))


class Joined(SmoothFunction):
    """Outputs of several functions of the same rows, side by side."""

    def __init__(self, functions: Sequence[SmoothFunction]) -> None:
        self.functions = list(functions)
        self.n_outputs = sum(function.n_outputs for function in functions)

    @property
    def is_affine(self) -> bool:
        return all(function.is_affine for function in self.functions)

    @property
    def is_smooth(self) -> bool:
        return all(function.is_smooth for function in self.functions)

    @property
    def is_additive(self) -> bool:
        return all(function.is_additive for function in self.functions)

    @property
    def is_quadratic(self) -> bool:
        return all(function.is_quadratic for function in self.functions)

    def values(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([function.values(rows) for function in self.functions], axis=1)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([function.gradients(rows) for function in self.functions], axis=2)

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        found = [breaks for function in self.functions if (breaks := function.breaks(starts, ends)) is not None]
        return (np.concatenate([b[0] for b in found]), np.concatenate([b[1] for b in found])) if found else None

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        parts = [function.mean_gradients(starts, ends) for function in self.functions]
        means = np.concatenate([means for means, _ in parts], axis=2)
        if all(error is None for _, error in parts):
            return means, None
        errors = [np.zeros_like(means) if error is None else error for means, error in parts]
        return means, np.concatenate(errors, axis=2)

    def tie_values(self, effects_of: Effects) -> np.ndarray | None:
        parts = [function.tie_values(effects_of) for function in self.functions]
        return None if any(part is None for part in parts) else np.concatenate(parts, axis=2)

    def with_black_box(self, black_box: Any) -> "Joined":
        return Joined([function.with_black_box(black_box) for function in self.functions])


class OfColumns(SmoothFunction):
    """A function of some columns, in the columns of the whole."""

    def __init__(self, function: SmoothFunction, columns: np.ndarray) -> None:
        self.function, self.columns = function, np.asarray(columns)
        self.n_outputs = function.n_outputs

    @property
    def is_affine(self) -> bool:
        return self.function.is_affine

    @property
    def is_smooth(self) -> bool:
        return self.function.is_smooth

    @property
    def is_additive(self) -> bool:
        return self.function.is_additive

    @property
    def is_quadratic(self) -> bool:
        return self.function.is_quadratic

    def values(self, rows: np.ndarray) -> np.ndarray:
        return self.function.values(rows[:, self.columns])

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self._spread(self.function.gradients(rows[:, self.columns]), rows.shape[1])

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        return self.function.breaks(starts[:, self.columns], ends[:, self.columns])

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        means, error = self.function.mean_gradients(starts[:, self.columns], ends[:, self.columns])
        width = starts.shape[1]
        return self._spread(means, width), None if error is None else self._spread(error, width)

    def tie_values(self, effects_of: Effects) -> np.ndarray | None:
        return self.function.tie_values(lambda function: effects_of(OfColumns(function, self.columns)))

    def _spread(self, gradients: np.ndarray, width: int) -> np.ndarray:
        """The same in all columns, summed where a column is taken more than once."""
        wide = np.zeros((len(gradients), width, gradients.shape[2]))
        np.add.at(wide, (slice(None), self.columns), gradients)
        return wide


def of_columns(function: SmoothFunction, columns: np.ndarray, width: int) -> SmoothFunction:
    """A function of some of `width` columns, as a function of all of them."""
    if isinstance(function, Affine):
        coef = np.zeros((width, function.n_outputs))
        np.add.at(coef, columns, function.coef)
        return Affine(coef, function.intercept)
    return OfColumns(function, columns)


def compose(outer: SmoothFunction, inner: SmoothFunction) -> SmoothFunction:
    """outer(inner(rows)), as one affine map where both are."""
    if isinstance(outer, Affine) and isinstance(inner, Affine):
        return Affine(inner.coef @ outer.coef, inner.intercept @ outer.coef + outer.intercept)
    return Composed(outer, inner)


def join(functions: Sequence[SmoothFunction]) -> SmoothFunction:
    """All outputs side by side, as one affine map where all are."""
    if len(functions) == 1:
        return functions[0]
    if all(isinstance(function, Affine) for function in functions):
        coef = np.concatenate([function.coef for function in functions], axis=1)
        return Affine(coef, np.concatenate([function.intercept for function in functions]))
    return Joined(functions)


def _through(coef: np.ndarray, means: np.ndarray) -> np.ndarray:
    """coef (d, m), the same for all rows, times means (n, m, k) in one product of matrices."""
    n, m, k = means.shape
    product = means.transpose(0, 2, 1).reshape(n * k, m) @ coef.T
    return product.reshape(n, k, len(coef)).transpose(0, 2, 1)
