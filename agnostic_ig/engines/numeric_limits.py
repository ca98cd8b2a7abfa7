"""What counts as no change of the model, and as too narrow to be cut."""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_breaks import NARROW
from agnostic_ig.engines.numeric_smooth import ROUNDING
from agnostic_ig.engines.numeric_tie import NOTHING

__all__ = ["NARROWEST", "narrowest", "no_change"]

# Width of intervals that are cut no further. Stepped models may round to float32, which moves crossings that coincide
# in decimals apart by about 1e-7; a model that moves with every minute step does not.
NARROWEST = {"stepped": 5e-7, "mixed": NARROW}
NOTICED = 12.0  # sums of four random answers that are no chance, in standard deviations of one
SMALLEST = 5e-324  # of all numbers
DRIFT = 50.0  # how steep a smooth part may be that moves on across the interval of a jump


def narrowest(asker: Any) -> np.ndarray:
    """(n_pairs,): width of intervals that are cut no further, and of the one in which discrete moves happen."""
    return np.where(asker.moves_smoothly, NARROWEST["mixed"], NARROWEST["stepped"])


def no_change(asker: Any) -> np.ndarray:
    """(n_pairs, n_outputs): differences of the model that count as none, by what has been seen of it so far."""
    change = np.abs(asker.f_x - asker.f_b)
    drift = DRIFT * NARROW * asker.moves_smoothly[:, None]
    rounding = 0.0 if asker.precision is np.float64 else ROUNDING[asker.precision]
    random = NOTICED * (np.maximum(asker.randomness, rounding) * asker.size)[:, None]
    return (NOTHING + drift) * np.maximum(change, 0.01 * asker.size[:, None]) + random + SMALLEST
