"""Say that a job is long as soon as that can be told from its first blocks."""

import threading
import time
import warnings

from agnostic_ig.engines._build import caller_stacklevel
from agnostic_ig.exceptions import DurationWarning

__all__ = ["Pace"]

LONG_SECONDS = 60.0
WATCHED_SECONDS = 2.0  # a shorter look would take a slow moment for a slow job


class Pace:
    """Counts pairs as they are done; the first block, in which kernels may be compiled, only starts the clock."""

    def __init__(self, n_pairs: int, advice: str) -> None:
        self.n_pairs = n_pairs
        self.advice = advice
        self._done = 0
        self._started: float | None = None
        self._before = 0
        self._lock = threading.Lock()

    def note(self, n_pairs: int) -> None:
        """Some more pairs are done; warns once, if what is left takes more than a minute."""
        with self._lock:
            self._done += n_pairs
            seconds = self._seconds_left()
        if seconds is not None and seconds > LONG_SECONDS:
            warnings.warn(
                f"This takes about {seconds / 60:.0f} min more: {self.n_pairs:,} pairs of a row and a baseline. "
                f"{self.advice}",
                DurationWarning,
                stacklevel=caller_stacklevel(),
            )

    def _seconds_left(self) -> float | None:
        """What is left at the rate so far; told once, and not before it can be."""
        if self._started is None:
            self._started, self._before = time.perf_counter(), self._done
            return None
        elapsed = time.perf_counter() - self._started
        if elapsed < WATCHED_SECONDS:
            return None
        self._started = float("inf")  # told
        return elapsed * (self.n_pairs - self._done) / (self._done - self._before)
