"""How long a job will take, told from a few of its rows."""

import time
import warnings
from typing import Any

from sklearn.base import clone

from agnostic_ig.frames import matrix_shape, take_rows

__all__ = ["seconds_for", "spoken"]

# Rows timed after the first; a first row so slow that these would take long is enough by itself.
MORE_ROWS = 8
SLOW_ROW_SECONDS = 1.0


def seconds_for(explainer: Any, X: Any, target: Any, n_rows: int) -> float:
    """Seconds that `explainer` needs for `n_rows` rows like the first of X.

    A copy of the explainer is timed, so that the real one meets its rows as if nothing had been tried.
    """
    trial = clone(explainer)
    few = min(1 + MORE_ROWS, matrix_shape(X)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _seconds(trial, X, target, 1)  # compiles, and builds the engine
        one = _seconds(trial, X, target, 1)
        if one > SLOW_ROW_SECONDS or few == 1:
            return one * n_rows
        # What a call costs whatever its rows (asking the model about the baseline) is paid once.
        return one + max(_seconds(trial, X, target, few) - one, 0.0) / (few - 1) * n_rows


def spoken(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _seconds(explainer: Any, X: Any, target: Any, n_rows: int) -> float:
    started = time.perf_counter()
    explainer.explain(take_rows(X, slice(0, n_rows)), target)
    return time.perf_counter() - started
