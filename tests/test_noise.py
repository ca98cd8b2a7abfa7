"""Noise of answers, measured along short lines."""

import numpy as np
import pytest

from agnostic_ig.numerics.hashing import keys_of_rows, uniform
from agnostic_ig.numerics.noise import MARKS, POINTS, SPACINGS, line_noise, lines_of, measure_noise

N_ROWS = 200


def line_values(rng, sigma, smooth=True):
    """Values (n, POINTS + 1, 1) of a cubic at the marks of a short line, with Gaussian noise."""
    t = 1e-5 * MARKS
    trend = (1.0 + 3.0 * t - 2.0 * t**2 + t**3) if smooth else 0.0 * t
    return (trend + sigma * rng.normal(size=(N_ROWS, POINTS + 1)))[:, :, None]


def measure(function, rows, precision=np.float64):
    """Noise at rows whose features all move, without bounds."""
    draws = uniform(keys_of_rows(0, rows))[:, None] * np.linspace(1.0, 0.3, rows.shape[1])
    lines = lines_of(rows, np.ones(rows.shape, dtype=bool), draws, np.full((2, *rows.shape), np.inf))
    return measure_noise(lambda X: function(X)[:, None], rows, function(rows)[:, None], lines, precision)


@pytest.mark.parametrize("sigma", [1e-9, 1e-6])
def test_gaussian_noise_on_a_smooth_function(rng, sigma):
    """Eight values tell a standard deviation within a factor of three, as the search for a step allows for."""
    found, tied = line_noise(line_values(rng, sigma))
    assert 0.8 <= np.median(found) / sigma <= 1.2
    assert np.mean(found < sigma / 3.0) < 0.02
    assert np.mean(found > 2.0 * sigma) < 0.02
    assert not tied.any()


def test_a_smooth_function_alone_has_no_noise_but_rounding():
    t = 1e-5 * MARKS
    found, _ = line_noise(np.exp(t)[None, :, None])
    assert 1e-18 < found[0, 0] < 1e-15


def test_marks_are_a_ruler_whose_distances_differ():
    distances = np.abs(MARKS[:, None] - MARKS[None, :])[np.triu_indices(len(MARKS), 1)]
    assert len(set(distances)) == len(distances)
    assert MARKS[0] == 0


@pytest.mark.parametrize("turns", [1.0, 0.5, 2.0, 0.123, 7.9])
def test_ripples_do_not_hide_between_the_marks(turns):
    """A ripple is noise, unless it fits whole turns between all marks."""
    phase = np.linspace(0.0, 6.0, 50)[:, None, None]
    found, _ = line_noise(np.sin(phase + 2 * np.pi * (turns + 0.03) * MARKS[None, :, None]))
    assert np.median(found) > 0.1


def test_outputs_are_apart(rng):
    values = np.concatenate([line_values(rng, 1e-9), line_values(rng, 1e-3)], axis=2)
    found, _ = line_noise(values)
    assert np.median(found[:, 1] / found[:, 0]) > 1e5


@pytest.mark.parametrize(("equal", "is_tied"), [(POINTS, True), (4, True), (3, False), (0, False)])
def test_ties(equal, is_tied):
    """Tied where at least half of the steps between the values are zero."""
    values = np.cumsum(np.r_[0.0, np.zeros(equal), np.ones(POINTS - equal)])
    assert line_noise(values[None, :, None])[1][0, 0] == is_tied


def hashed(size):
    """A smooth function with deterministic noise, evenly in [-size, size]."""
    return lambda X: np.exp(X @ [0.3, -0.2]) + size * (2.0 * uniform(keys_of_rows(1, X)) - 1.0)


def smooth(X):
    return np.exp(X @ [0.3, -0.2])


def test_deterministic_noise_of_a_model(rng):
    noise = measure(hashed(1e-6), rng.normal(size=(N_ROWS, 2)))
    spread = 1e-6 / np.sqrt(3.0)  # of the even distribution
    assert 0.7 <= np.median(noise.sigma) / spread <= 2.5


def test_rounding_of_float64_and_of_float32_behind_float64(rng):
    rows = rng.normal(size=(N_ROWS, 2))
    answers = smooth(rows)[:, None]
    double = measure(smooth, rows)
    single = measure(lambda X: smooth(X).astype(np.float32).astype(np.float64), rows)
    for noise, eps in ((double, np.finfo(np.float64).eps), (single, np.finfo(np.float32).eps)):
        assert (noise.unit == eps / 2).all()
        assert 0.1 <= np.median(noise.sigma / (eps * answers)) <= 2.0


def test_float32_inputs_are_noise_too(rng):
    """A model that rounds X to float32 is rough at that scale, although its answers are float64 all through."""
    noise = measure(lambda X: smooth(X.astype(np.float32).astype(np.float64)), rng.normal(size=(N_ROWS, 2)))
    assert 1e-9 <= np.median(noise.sigma) <= 1e-7


def test_answers_that_do_not_move_have_no_noise(rng):
    seen = []

    def constant(X):
        seen.append(len(X))
        return np.full(len(X), 0.1)

    noise = measure(constant, rng.normal(size=(3, 2)))
    assert (noise.sigma == 0.0).all()
    assert seen == [3] + [3 * POINTS] * len(SPACINGS)
    assert measure(smooth, np.ones((3, 2)) * 0.3).sigma.shape == (3, 1)


def test_float32_answers_start_at_a_longer_line():
    for precision, spacing in ((np.float64, SPACINGS[0]), (np.float32, SPACINGS[1])):
        seen = []

        def model(X, seen=seen):
            seen.append(X.copy())
            return X[:, 0]

        measure(model, np.array([[1.0]]), precision)
        way = (seen[1][:, 0] - 1.0) / (spacing * MARKS[1:])
        assert (way == way[0]).all()
        assert 0.5 <= abs(way[0]) <= 2.0


def test_a_row_does_not_depend_on_the_others(rng):
    rows = np.r_[rng.normal(size=(4, 2)), 1e-6 * rng.normal(size=(2, 2)), np.zeros((1, 2))]
    together = measure(hashed(1e-9), rows)
    for i in range(len(rows)):
        assert measure(hashed(1e-9), rows[i : i + 1]).sigma == together.sigma[i]


# --- lines --------------------------------------------------------------------------------------------------------


def test_lines_go_in_proportion_to_the_row_and_without_rounding(rng):
    rows = np.array([[3.0, -1e-6, 0.0, 5.0]])
    moves, free = np.array([[True, True, True, False]]), np.full((2, 1, 4), np.inf)
    lines = lines_of(rows, moves, np.array([[0.5, 0.0, 0.75, 0.9]]), free)
    np.testing.assert_array_equal(lines, [[2.0, -(2.0**-20), 1.5 + 2.0**-26, 0.0]])
    x = rng.normal(size=(500, 1))
    lines = lines_of(x, np.ones(x.shape, dtype=bool), rng.random(x.shape), np.full((2, *x.shape), np.inf))
    assert ((np.abs(lines) >= np.abs(x) / 2) & (np.abs(lines) <= 2 * np.abs(x))).all()
    for spacing in SPACINGS:
        ways = spacing * MARKS * lines
        inside = np.frexp(x + ways)[1] == np.frexp(x)[1]  # elsewhere the unit in the last place doubles
        np.testing.assert_array_equal(((x + ways) - x)[inside], ways[inside])


def test_features_of_a_sum_do_not_cancel(rng):
    """x and -x would move the sum nowhere if both went as far."""
    rows = np.repeat(rng.normal(size=(200, 1)), 2, axis=1)
    lines = lines_of(rows, np.ones(rows.shape, dtype=bool), rng.random(rows.shape), np.full((2, *rows.shape), np.inf))
    assert np.mean(lines.sum(axis=1) == 0.0) < 0.05
    assert 0.3 < np.mean(lines > 0) < 0.7


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (0.0, 1.0), (1.0, 1.0 + 1e-9), (1.0 - 1e-12, 1.0 + 1e-9)])
def test_lines_stay_inside_bounds(low, high):
    rows = np.array([[1.0]])
    room = np.stack([rows - low, high - rows])
    for draw in (0.0, 0.49, 0.5, 0.99):
        line = lines_of(rows, np.array([[True]]), np.array([[draw]]), room)
        places = 1.0 + np.outer(SPACINGS, MARKS) * line
        assert line != 0.0
        assert low <= places.min()
        assert places.max() <= high


def test_no_room_no_line():
    rows = np.array([[1.0]])
    assert lines_of(rows, np.array([[True]]), np.array([[1.0]]), np.zeros((2, 1, 1))) == 0.0
    noise = measure_noise(None, rows, rows, np.zeros((1, 1)), np.float64)  # asks nothing
    assert noise.sigma == 0.0
