"""Undo float32 rounding of decimal columns, so that crossings which coincide in decimals coincide in our numbers.

A float32 family learns its thresholds from rounded inputs: midpoints of 0.1 and 0.2 come out as 0.15000000223…,
while places on the path come from the user's float64 x and b. Crossings that are equal in decimals (0.15 between
0.1 and 0.2 is one half) would then differ by 1e-8 and more, and ties would be missed. A column whose thresholds
all lie within that rounding of one decimal grid is taken to be decimal, and its thresholds move onto the grid.
Only places on the path change, by at most the rounding itself; sides are always decided by what the model holds.
"""

import numpy as np

__all__ = ["decimal_unit", "snap"]

FINEST = 7  # digits after the point tried: float32 carries no more
# Values carry half a unit in the last place of float32, ROUNDING at most. A threshold between two of them carries
# the error of the larger, however close to 0 their middle is, and that of its own computation in float32: so what
# counts is the largest of the column, twice. The grid must be coarse against that, or any number would lie on it.
ROUNDING = float(np.finfo(np.float32).eps)
CLEARANCE = 8


def decimal_unit(thresholds: np.ndarray) -> float:
    """Step of the coarsest decimal grid that holds all thresholds of one column, or 0.0 if there is none.

    Grids are half powers of ten: midpoints of decimals with k digits are multiples of ``0.5 * 10**-k``.
    """
    thresholds = thresholds[np.isfinite(thresholds)]  # others tell missing values apart
    if thresholds.size == 0:
        return 0.0
    room = 2.0 * ROUNDING * np.abs(thresholds).max()
    for digits in range(FINEST + 1):
        unit = 0.5 * 10.0**-digits
        if unit < CLEARANCE * room:
            return 0.0
        if (np.abs(thresholds - snap(thresholds, unit)) <= room).all():
            return unit
    return 0.0


def snap(values: np.ndarray, unit: float | np.ndarray) -> np.ndarray:
    """The nearest multiples of `unit`, which is one over an even integer times a power of ten.

    Divides by the exact integer 1/unit, so that the result is the float64 nearest to the decimal.
    """
    per_unit = np.rint(1.0 / unit)
    return np.rint(values * per_unit) / per_unit
