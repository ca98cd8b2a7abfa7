"""The numeric engine where numbers are huge or tiny: right, or said, and never a warning of arithmetic."""

import warnings

import numpy as np
import pytest

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning, ModelOutputError

SIZES = [1e-310, 1e-200, 1e150, 1e200, 1e300, 1e307]
B, X = np.zeros(3), np.ones((1, 3))


def smooth(Z):
    return np.sin(Z[:, 0]) + Z[:, 1] ** 2 * Z[:, 2]


def stepped(Z):
    return (Z[:, 0] > 0.3) + 2.0 * ((Z[:, 1] > 0.6) & (Z[:, 2] > 0.2))


def mixed(Z):
    return smooth(Z) + 1.5 * (Z[:, 2] > 0.31)


def kinked(Z):
    return np.maximum(Z[:, 0] + Z[:, 1] - 0.7, 0.0) + Z[:, 2]


def slanted(Z):
    return (Z[:, 0] + 2.0 * Z[:, 1] + Z[:, 2] > 1.234) * 1.0


ANSWERS = {
    smooth: [np.sin(1.0), 2 / 3, 1 / 3],
    stepped: [1.0, 2.0, 0.0],
    mixed: [np.sin(1.0), 2 / 3, 1 / 3 + 1.5],
    kinked: [0.65, 0.65, 1.0],
    slanted: [0.25, 0.5, 0.25],
}


def explain(function, b=B, x=X, **options):
    """Of rows that may be explained badly, if that is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        return IntegratedGradients(function, b, **options).explain(x)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("function", ANSWERS, ids=lambda function: function.__name__)
def test_outputs_of_any_size(function, size):
    """Rounding of numbers below the normal ones is 1e-14 of the smallest size here, and is in no estimate."""
    e = explain(lambda Z: size * function(Z))
    wanted = size * np.array(ANSWERS[function])
    assert (np.abs(e.values[0] - wanted) <= e.error_estimate[0] + 1e-10 * np.abs(wanted).sum()).all()
    if size > 1e-200:
        assert e.error_estimate.sum() <= 1e-6 * np.abs(wanted).sum()


@pytest.mark.parametrize("size", [1e150, 1e300])
def test_huge_units_change_nothing_but_the_unit(size):
    """Squares of what is in the middle of the path would overflow; powers of two are exact."""
    unit = 2.0 ** np.round(np.log2(size))
    plain, huge = (explain(lambda Z, unit=unit: unit * mixed(Z)) for unit in (1.0, unit))
    assert np.abs(huge.values / unit - plain.values).max() < 1e-9


def test_outputs_of_different_sizes_have_units_of_their_own():
    e = explain(lambda Z: np.column_stack([1e300 * smooth(Z), smooth(Z)]))
    assert np.abs(e.values[0, :, 1] - ANSWERS[smooth]).max() < 1e-8
    assert np.abs(e.values[0, :, 0] / 1e300 - ANSWERS[smooth]).max() < 1e-8


@pytest.mark.parametrize("size", [1e200, 1e308])
def test_what_is_huge_in_the_middle_of_the_path_only(size):
    e = explain(lambda Z: size * Z[:, 0] * (1.0 - Z[:, 1]))
    wanted = size * np.array([0.5, -0.5, 0.0])
    assert (np.abs(e.values[0] - wanted) <= e.error_estimate[0]).all()
    assert e.error_estimate.max() < 1e-6 * size


def test_a_jump_to_huge_values_and_back():
    e = explain(lambda Z: 1e308 * ((Z[:, 0] > 0.3) & (Z[:, 1] < 0.6)))
    assert e.values[0].tolist() == [1e308, -1e308, 0.0]


def test_tiny_jumps_are_not_lost():
    e = explain(lambda Z: 1e-310 * ((Z[:, 0] > 0.3) & (Z[:, 1] < 0.6)))
    assert e.values[0].tolist() == [1e-310, -1e-310, 0.0]


def test_the_tails_of_a_bell_are_tiny_and_its_middle_is_not():
    e = explain(lambda Z: np.exp(-2800.0 * (Z[:, 0] - 0.5) ** 2) + 1e-310 * Z[:, 1])
    assert (np.abs(e.values[0]) <= e.error_estimate[0] + 1e-9).all()


@pytest.mark.parametrize("function", [lambda Z: np.where(Z[:, 0] > 0.5, 1.7e308, -1.7e308),
                                      lambda Z: 1.7e308 * (2.0 * Z[:, 0] - 1.0)], ids=["step", "line"])  # fmt: skip
def test_differences_that_are_no_number(function):
    with pytest.raises(ModelOutputError, match=r"must differ by less than 1.8e\+308 between X and the baseline"):
        explain(function)


@pytest.mark.parametrize("size", [1e-300, 1e150, 1e300, 1.7e308])
@pytest.mark.parametrize("start", [0.0, -1.0])
def test_inputs_of_any_size(size, start):
    """Where x - b overflows there is no way between, and the column moves at one half."""
    e = explain(lambda Z: np.tanh(Z[:, 0] / size) + 2.0 * (Z[:, 1] > size / 3.0), size * np.full(2, start),
                size * np.ones((1, 2)))  # fmt: skip
    wanted = [np.tanh(1.0) - np.tanh(start), 2.0]
    assert np.abs(e.values[0] - wanted).max() < 1e-7


def test_warnings_of_the_model_are_the_models():
    with pytest.warns(RuntimeWarning, match="overflow"):
        explain(lambda Z: np.minimum(np.exp(1000.0 * Z[:, 0]), 1e9))
