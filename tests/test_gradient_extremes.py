"""Gradients where scales are unknown, numbers are huge or tiny, answers are rounded, or noise hides the curve."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import agnostic_ig as aig

ROWS = np.random.default_rng(1).normal(size=(100, 2))
SHAPES = {
    "sine": (np.sin, np.cos),
    "bell": (lambda Z: 1.0 / (1.0 + Z**2), lambda Z: -2.0 * Z / (1.0 + Z**2) ** 2),
}
STENCILS = [{}, {"order": 4}, {"scheme": "forward", "order": 1}]


def measured(function, truth, X, **options):
    """The result, and how far it is from the truth."""
    result = aig.gradient(function, X, **options)
    return result, np.abs(result.gradient - truth)


def additive(shape, offset=0.0, scale=1.0):
    """A sum over features of a function of (x - offset) / scale, and its gradient."""
    term, slope = SHAPES[shape]
    return (lambda X: term((X - offset) / scale).sum(axis=1)), (lambda X: slope((X - offset) / scale) / scale)


@pytest.mark.parametrize("options", STENCILS, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("offset", [1e7, 1e8, -1e10, 1e12])
def test_features_with_huge_offsets(offset, shape, options):
    """What varies over a unit or so, at 1e12, where neighbours are 1e-4 apart."""
    function, slope = additive(shape, offset)
    X = ROWS + offset
    result, wrong = measured(function, slope(X), X, **options)
    assert (wrong <= result.error).mean() >= 0.98
    assert np.median(result.error) < (1e-5 if abs(offset) < 1e11 else 1e-2)


@pytest.mark.parametrize("options", STENCILS, ids=str)
@pytest.mark.parametrize("scale", [1e7, 1e10, 1e14])
def test_features_of_huge_scale(scale, options):
    """What varies over its own size only: the step grows from a unit."""
    function, slope = additive("sine", scale=scale)
    X = ROWS * scale
    result, wrong = measured(function, slope(X), X, **options)
    assert (wrong <= result.error).mean() >= 0.98
    assert np.median(wrong) * scale < 1e-7


@pytest.mark.parametrize("size", [1e-320, 1e-308, 1e-200, 1e200, 1e307])
def test_outputs_of_any_size(size):
    """The last two decimals that are lost below 1e-307 are in the error."""
    term, slope = SHAPES["sine"]
    result, wrong = measured(lambda X: size * term(X).sum(axis=1), size * slope(ROWS), ROWS)
    assert (wrong <= result.error).mean() >= 0.98
    if size > 1e-300:
        assert np.median(result.error / size) < 1e-9


@pytest.mark.parametrize("options", [*STENCILS, {"richardson": True}], ids=str)
@pytest.mark.parametrize("size", [1e200, 1.7e308, -1.79e308])
def test_inputs_of_any_size(size, options):
    """Probes stay below the largest number."""

    def function(X):
        assert np.isfinite(X).all()
        return np.sin(X / size).sum(axis=1)

    X = size * np.array([[1.0, 0.5], [0.2, -0.9]])
    result, wrong = measured(function, np.cos(X / size) / size, X, **options)
    assert (wrong <= result.error + 1e-12 / abs(size)).all()
    assert (result.error < 1e-5 / abs(size)).all()


def test_a_jump_that_is_no_number_has_no_gradient():
    result = aig.gradient(lambda X: np.where(X[:, 0] >= 0.5, 1.7e308, -1.7e308), [[0.5], [0.49]])
    assert np.isnan(result.gradient[0, 0])
    assert np.isnan(result.error[0, 0])
    assert result.gradient[1, 0] == 0.0


# --- answers rounded to decimals --------------------------------------------------------------------------------


def curve(X):
    return np.sin(X[:, 0]) / 2.0 + X[:, 1]


@pytest.mark.parametrize("options", STENCILS, ids=str)
@pytest.mark.parametrize("decimals", [2, 3, 5, 6, 8])
def test_rounding_to_decimals_is_part_of_the_error(decimals, options):
    truth = np.column_stack([np.cos(ROWS[:, 0]) / 2.0, np.ones(len(ROWS))])
    result, wrong = measured(lambda X: np.round(curve(X), decimals), truth, ROWS, **options)
    assert (wrong <= result.error).mean() >= 0.98
    assert np.median(result.error) < 1.5


def test_a_forest_of_votes_may_be_a_rounded_curve_as_far_as_answers_tell():
    """Its slope is zero all the same, and said to be."""
    forest = RandomForestClassifier(100, random_state=0).fit(ROWS, ROWS.sum(axis=1) > 0)
    result = aig.gradient(forest, ROWS[:20] + 0.01)
    assert result.locally_constant.all()
    assert (result.gradient == 0.0).all()


def test_counts_and_labels_are_steps():
    result = aig.gradient(lambda X: np.floor(X[:, 0]) + 2.0 * (X[:, 1] > 0.0), ROWS)
    assert result.locally_constant.all()
    assert result.error.max() < 1e-3  # rounding to float32 over the step, as far as answers tell


# --- curves behind noise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("scheme", ["forward", "backward"])
@pytest.mark.parametrize("shape", SHAPES)
def test_first_order_differences_that_agree_by_rounding_alone(shape, scheme, precision):
    """Three estimates may be equal because rounding hides the curve: 6 % of the errors were too small by half."""
    function, slope = additive(shape, scale=0.1)
    rows = np.random.default_rng(2).normal(size=(300, 2))
    options = {"scheme": scheme, "order": 1}
    result, wrong = measured(lambda X: function(X).astype(precision).astype(float), slope(rows), rows, **options)
    assert (wrong <= result.error).mean() >= 0.985
    assert np.median(result.error / wrong) < 30
