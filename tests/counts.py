"""How often what is random is tried: small in the tests, full in `python -m benchmarks.campaigns`.

Tests that use a count carry the marker `campaign`, by which a campaign finds them.
"""

import os
from typing import NamedTuple

# Set by benchmarks.campaigns.
FULL = "AGNOSTIC_IG_CAMPAIGN"


class Count(NamedTuple):
    """Repeats in the test suite, and in a campaign."""

    tests: int
    campaign: int


COUNTS = {
    "damaged model files": Count(20, 1000),
    "damaged booster files": Count(120, 3000),
    "random trees": Count(60, 3000),
    "random trees, missing values and discrete columns": Count(30, 1000),
    "random trees, many pairs": Count(30, 1000),
    "random trees, native categories": Count(40, 1000),
    "random trees, categories of several columns": Count(30, 1000),
    "random trees, decimal data in float32 families": Count(40, 2000),
    "rows explained by both engines": Count(20, 200),
}


def count(name: str) -> int:
    """How often to try."""
    return COUNTS[name].campaign if os.environ.get(FULL) else COUNTS[name].tests
