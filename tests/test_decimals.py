"""The decimal grid of a column, as its float32 thresholds show it."""

import numpy as np
import pytest

from agnostic_ig.numerics.decimals import decimal_unit, snap


def as_learned(low, high):
    """Midpoints of neighbours that were rounded to float32."""
    low, high = (np.asarray(v, dtype=np.float32).astype(float) for v in (low, high))
    return (low + high) / 2


@pytest.mark.parametrize(("digits", "unit"), [(0, 0.5), (1, 0.05), (2, 0.005), (3, 0.0005)])
def test_the_coarsest_grid_is_found(digits, unit):
    low = np.round(np.arange(1, 60, 7) * 10.0**-digits, digits)
    thresholds = as_learned(low, low + 10.0**-digits)
    assert decimal_unit(thresholds) == unit
    np.testing.assert_array_equal(snap(thresholds, unit), np.round(thresholds, digits + 1))


def test_continuous_columns_have_no_grid():
    thresholds = np.random.default_rng(0).normal(size=40)
    assert decimal_unit(as_learned(thresholds, thresholds + 0.01)) == 0.0


def test_a_grid_that_rounding_hides_is_none():
    """Cents at ten million: float32 cannot tell them apart, and every number would lie on the grid."""
    assert decimal_unit(np.array([10_000_000.015, 10_000_123.335])) == 0.0


@pytest.mark.parametrize("thresholds", [[], [np.inf], [np.nan, -np.inf]])
def test_nothing_to_go_by(thresholds):
    assert decimal_unit(np.array(thresholds, dtype=float)) == 0.0


@pytest.mark.parametrize("near_zero", [-1.4e-45, float(np.float32(-12.3) + np.float32(12.2)) / 2])
def test_a_threshold_near_zero_has_the_rounding_of_the_column(near_zero):
    """XGBoost writes 0 as the number below it; the middle of -12.3 and 12.2 carries the rounding of both."""
    assert decimal_unit(np.append(as_learned([3.1, 12.2, 7.4], [3.2, 12.3, 7.5]), near_zero)) == 0.05


def test_thresholds_computed_in_float32():
    low, high = np.array([1.3, 10.1, 0.2], dtype=np.float32), np.array([1.4, 10.2, 0.3], dtype=np.float32)
    assert decimal_unit(((low + high) * np.float32(0.5)).astype(float)) == 0.05


def test_thresholds_that_tell_missing_values_apart_do_not_count():
    assert decimal_unit(np.append(as_learned([0.1, 0.4], [0.2, 0.5]), [np.inf, -np.inf])) == 0.05
