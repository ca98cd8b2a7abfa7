"""A sample of rows."""

from typing import Any

from agnostic_ig.baselines._base import Baseline, BaselineRows, Layout, check_background, uniform_rows
from agnostic_ig.frames import matrix_shape, take_rows
from agnostic_ig.validation import check_integer, check_number, check_random_state, invalid

__all__ = ["Sample"]


class Sample(Baseline):
    """Rows drawn from a background without replacement, with the standard error that drawing brings.

    The result's ``std_error`` is ``s / sqrt(n) * sqrt(1 - n / N)`` for each value: s the standard deviation of the
    attributions over the n drawn rows, N the rows there are (finite-population correction, Cochran 1977, 2.15).

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Background that rows are drawn from.
    n : int, default=None
        Rows to draw. None with ``tol=None``: all of them, so that nothing is sampled and the error is zero.
    tol : float, default=None
        Instead of `n`: each explained row uses as many rows, drawn in one shared order, as its summed standard
        error needs to fall to ``tol`` times its summed absolute values.
    max_n : int, default=None
        With `tol`: most rows to draw. None: all.
    random_state : int, Generator or None, default=None
        Seed of the draw; None is a fixed seed, so that answers repeat.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostic_ig import baselines
    >>> baselines.Sample(np.arange(10.0)[:, None], n=4).resolve(None).rows.shape
    (4, 1)
    """

    def __init__(
        self,
        X: Any,
        n: int | None = None,
        *,
        tol: float | None = None,
        max_n: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.X = check_background("Sample", X)
        self.n = check_integer("Sample", "n", n, at_least=2, allow_none=True)
        self.tol = check_number("Sample", "tol", tol, above=0.0, allow_none=True)
        self.max_n = check_integer("Sample", "max_n", max_n, at_least=2, allow_none=True)
        self.random_state = random_state
        self.n_rows = matrix_shape(self.X)[0]
        check_random_state("Sample", "random_state", random_state)
        self._check_together()

    def _check_together(self) -> None:
        if self.n is not None and self.tol is not None:
            raise invalid("Sample", "n", "None together with 'tol'", self.n, "Bound the draws of 'tol' by 'max_n'.")
        if self.max_n is not None and self.tol is None:
            raise invalid("Sample", "max_n", "None without 'tol'", self.max_n, "Say how many rows to draw by 'n'.")
        if self.n is not None and self.n > self.n_rows:
            raise invalid("Sample", "n", f"at most the {self.n_rows:,} rows of X", self.n)

    def resolve(self, X: Any, layout: Layout | None = None) -> BaselineRows:
        n = min(self.n or self.max_n or self.n_rows, self.n_rows)
        if n == self.n_rows and self.tol is None:
            return uniform_rows(self.X, f"all {n:,} rows", population=n)
        rng = check_random_state("Sample", "random_state", self.random_state)
        rows = take_rows(self.X, rng.permutation(self.n_rows)[:n])
        return uniform_rows(rows, self._describe(n), population=self.n_rows, tol=self.tol)

    def _describe(self, n: int) -> str:
        if self.tol is None:
            return f"{n:,} rows drawn from {self.n_rows:,}"
        return f"up to {n:,} rows drawn from {self.n_rows:,} until the standard error is below {self.tol:g}"
