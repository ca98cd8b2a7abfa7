"""How long a job will take, told from a few of its rows."""

import time
import warnings
from typing import Any

from sklearn.base import clone

from agnostic_ig.frames import matrix_shape, take_rows

__all__ = ["SIZES", "seconds_for", "spoken"]

# Rows timed, one number after the other, as long as that takes little time and few of the rows: engines work on
# many rows at once, so few rows make a row look dear.
SIZES = (8, 64)
LITTLE_SECONDS = 3.0
FEW = 20


def seconds_for(explainer: Any, X: Any, target: Any, n_rows: int) -> float:
    """Seconds that `explainer` needs for `n_rows` rows like the first of X, of which there should be ``SIZES[-1]``.

    A copy of the explainer is timed, so that the real one meets its rows as if nothing had been tried.
    """
    trial = clone(explainer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _seconds(trial, X, target, 1)  # compiles, and builds the engine
        one = per_row = seconds = _seconds(trial, X, target, 1)
        for size in SIZES:
            if seconds > LITTLE_SECONDS or size > min(n_rows // FEW, matrix_shape(X)[0]):
                break
            seconds = _seconds(trial, X, target, size)
            # What a call costs whatever its rows (asking the model about the baseline) is paid once a batch.
            per_row = max(seconds - one, 0.0) / (size - 1)
    return one + per_row * n_rows


def spoken(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _seconds(explainer: Any, X: Any, target: Any, n_rows: int) -> float:
    started = time.perf_counter()
    explainer.explain(take_rows(X, slice(0, n_rows)), target)
    return time.perf_counter() - started
