"""Mean slopes of softmax on straight and bent paths, against dense quadrature that knows where they are steep."""

import numpy as np
import pytest
from naive_smooth import mean_on_path
from scipy.special import expit

from agnostic_ig.engines.link_functions import Softmax
from agnostic_ig.engines.smooth_function import SmoothFunction, integrate_gradients, integrate_parabolas

UNDERFLOW = 1e-290  # what is smaller has no digits to lose


def special_places(start, slope, bend):
    """Where two margins meet, or differ most."""
    found = []
    for i in range(len(start)):
        for j in range(i):
            difference = np.array([bend[i] - bend[j], slope[i] - slope[j], start[i] - start[j]])
            roots = np.roots(difference) if difference.any() else np.zeros(0)
            found += roots.real[np.abs(roots.imag) <= 1e-6 * np.abs(roots.real)].tolist()
            if difference[0]:
                found.append(-difference[1] / (2 * difference[0]))
    return [place for place in found if 0.0 < place < 1.0]


def naive_moments(start, slope, bend):
    """(2, n, n) of products of two shares, times 1 - alpha and times alpha."""

    def products(alpha):
        margins = start + alpha * (slope + alpha * bend)
        shares = np.exp(margins - margins.max())
        shares /= shares.sum()
        return np.stack([(1 - alpha) * np.outer(shares, shares), alpha * np.outer(shares, shares)])

    return mean_on_path(products, special_places(start, slope, bend))


def assert_moments(start, slope, bend):
    """To the digits that shares have: margins of size m are rounded by 1e-16 m, a few times on both sides."""
    n, rtol = len(start), 1e-13 + 4e-16 * (np.abs(start) + np.abs(slope) + np.abs(bend)).max()
    ours = Softmax(n).mean_gradients_on_parabolas(start[None], slope[None], bend[None])[0].reshape(2, n, n)
    theirs = -naive_moments(start, slope, bend)
    for half in range(2):
        np.fill_diagonal(theirs[half], 0.0)
        np.fill_diagonal(theirs[half], -theirs[half].sum(axis=1))
    # Every class by itself: shares of 1e-20 are as right as large ones. Both moments are used together.
    size = np.abs(theirs).sum(axis=(0, 2))[:, None]
    assert (np.abs(ours - theirs) <= rtol * size + UNDERFLOW).all()


@pytest.mark.parametrize("steepness", [1e-9, 0.1, 5.0, 50.0, 600.0, 1e4, 1e6])
@pytest.mark.parametrize("n", [2, 3, 6])
def test_straight_paths(n, steepness):
    rng = np.random.default_rng(n)
    for _ in range(3):
        start, end = steepness * rng.normal(size=(2, n))
        assert_moments(start, end - start, np.zeros(n))


def test_saturated_shares_keep_their_digits():
    start = np.array([0.0, -50.0, -300.0])
    assert_moments(start, np.array([0.0, 1e-9, -1e-9]), np.zeros(3))
    assert_moments(start, np.array([0.0, 30.0, 200.0]), np.zeros(3))


def test_a_second_change_much_steeper_than_the_first_is_not_missed():
    """From class 0 to 1 near 0.3, slowly, and to class 2 at 0.9, within 1e-9 of the path."""
    start, slope = np.array([6.0, 0.0, -0.9e9]), np.array([0.0, 20.0, 1e9])
    moments = Softmax(3).mean_gradients(start[None], (start + slope)[None])[0][0]
    assert_moments(start, slope, np.zeros(3))
    np.testing.assert_allclose(moments[2] @ slope, 1.0, rtol=1e-6)


@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6])
def test_a_class_that_shows_on_a_bit_of_the_path_only_is_not_missed(width):
    """Class 2 is likely within `width` of 0.4142 only, beside a slow change between the others."""
    curve = -1.0 / width**2
    start = np.array([3.0, 0.0, 8.0 + curve * 0.4142**2])
    slope, bend = np.array([0.0, 8.0, -2.0 * curve * 0.4142]), np.array([0.0, 0.0, curve])
    assert_moments(start, slope, bend)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_bent_paths(n):
    rng = np.random.default_rng(n)
    for size in (1e-6, 1.0, 30.0, 1e3):
        start, slope, bend = size * rng.normal(size=(3, n))
        assert_moments(start, slope, bend)


def test_default_quadrature_on_bent_paths_agrees():
    rng = np.random.default_rng(5)
    start, slope, bend = 3.0 * rng.normal(size=(3, 4, 3))
    ours, _ = Softmax(3).mean_gradients_on_parabolas(start, slope, bend)
    theirs, error = integrate_parabolas(Softmax(3), start, slope, bend)
    assert error is None
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)


class TwoChanges(SmoothFunction):
    """A slow change of the first column at 0.3, one of the second within 1e-6 of 0.9, and nothing that joins them."""

    n_outputs = 1
    speeds, places = np.array([20.0, 1e7]), np.array([0.3, 0.9])

    def values(self, rows):
        return expit(self.speeds * (rows - self.places)).sum(axis=1, keepdims=True)

    def gradients(self, rows):
        margins = self.speeds * (rows - self.places)
        return (self.speeds * expit(margins) * expit(-margins))[:, :, None]


def test_default_quadrature_misses_no_steep_change():
    b, x = np.zeros((1, 2)), np.ones((1, 2))
    means, error = integrate_gradients(TwoChanges(), b, x)
    assert error is None
    np.testing.assert_allclose(means[0, :, 0], [expit(14.0) - expit(-6.0), 1.0], rtol=1e-10)
    moments, _ = integrate_parabolas(TwoChanges(), b, x / 2, x / 2)  # alpha (1 + alpha) / 2
    np.testing.assert_allclose(moments[0, :2, 0] / 2 + moments[0, 2:, 0] * 1.5, means[0, :, 0], rtol=1e-10)
