"""Smooth paths of the numeric engine: Chebyshev coefficients, scans, quadrature of differences, few model rows."""

import warnings

import naive_functions as naive
import numpy as np
import pytest
from askers import intervals_of, make_asker
from sklearn.svm import SVC

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines.numeric_smooth import measure_noise, scan
from agnostic_ig.exceptions import BudgetWarning
from agnostic_ig.numerics.chebyshev import chebyshev_coefficients, chebyshev_points, degree_below

TOL = 1e-6  # the default of the engine, relative to the summed absolute values
DIFFERENCES = 3e-8  # what differences of functions of size one see, at steps where rounding and curvature meet


# --- coefficients ---


@pytest.mark.parametrize("n", [4, 16, 64])
def test_coefficients_of_chebyshev_polynomials(n):
    """T_k at the points of [0, 1] has the coefficient 1 at k and no other."""
    points = chebyshev_points(n)
    values = np.cos(np.arange(n + 1) * np.arccos(2 * points - 1)[:, None])
    np.testing.assert_allclose(chebyshev_coefficients(values), np.eye(n + 1), atol=1e-13)


def test_coefficients_of_many_functions_at_once():
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(3, 9, 2))
    points = chebyshev_points(8)
    values = np.stack([np.polynomial.chebyshev.chebval(2 * points - 1, one).T for one in wanted])
    np.testing.assert_allclose(chebyshev_coefficients(values), wanted, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 16, 64])
def test_points_are_nested_and_ordered(n):
    points = chebyshev_points(n)
    assert points[0] == 0.0
    assert points[-1] == 1.0
    assert len(points) == n + 1
    assert (np.diff(points) > 0).all()
    np.testing.assert_allclose(chebyshev_points(2 * n)[::2], points, rtol=0, atol=1e-15)
    np.testing.assert_allclose(points + points[::-1], 1.0, rtol=0, atol=1e-15)


def test_degree_below_sums_what_remains():
    one = np.array([3.0, 0.0, 0.5, 0.06, 0.06, 0.0])[:, None]
    for tolerance, degree in ((1e-9, 4), (0.07, 3), (0.13, 2), (0.63, 0), (5.0, -1)):
        assert degree_below(one, np.array([tolerance])) == degree
    two = np.stack([np.column_stack([one, 0 * one]), np.column_stack([0 * one, one[::-1]])])
    np.testing.assert_array_equal(degree_below(two, np.array([[0.07, 1.0], [1.0, 0.07]])), [3, 5])
    np.testing.assert_array_equal(degree_below(two, np.array([[0.07, 1.0], [1.0, 10.0]])), [3, -1])


# --- scans ---


@pytest.mark.parametrize("degree", [0, 1, 2, 5, 12, 13, 24, 25, 48, 90, 96])
@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_the_scan_finds_the_degree_of_polynomials(precision, degree):
    """With coefficients of size one; 3/4 of the points are room enough, and where they are not, they are doubled."""
    coefficients = np.random.default_rng(degree).uniform(0.5, 1.0, size=degree + 1)

    def f(Z):
        return np.polynomial.chebyshev.chebval(2 * Z[:, 0] - 1, coefficients).astype(precision)

    asker = make_asker(f, [1.0], precision=precision)
    limit = 1e-9 if precision is np.float64 else 1e-2  # 128 roundings to float32, of a function that reaches 97
    assert scan(asker, intervals_of(asker, [0], 0.0, 1.0), np.full((1, 1), limit))[0] == degree
    assert asker.n_evaluations[0] == next(n for n in (16, 32, 64, 128) if degree <= 3 * n // 4) - 1


def test_nothing_at_all_is_a_constant():
    asker = make_asker(lambda Z: 0.0 * Z[:, 0], [1.0])
    assert scan(asker, intervals_of(asker, [0], 0.0, 1.0), np.full((1, 1), 1e-9))[0] == 0


BROKEN = {
    "kink": lambda Z: np.abs(Z[:, 0] - 0.31),
    "jump": lambda Z: np.sin(Z[:, 0]) + (Z[:, 0] > 0.31),
    "a small jump": lambda Z: np.sin(Z[:, 0]) + 1e-5 * (Z[:, 0] > 0.31),
    "too many waves": lambda Z: np.sin(200.0 * Z[:, 0]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_scan_says_what_is_not_smooth(name):
    asker = make_asker(BROKEN[name], [1.0])
    assert scan(asker, intervals_of(asker, [0], 0.0, 1.0), np.full((1, 1), 1e-8))[0] == -1
    assert asker.n_evaluations[0] == 127


def test_the_scan_of_a_panel_sees_that_panel_only():
    asker = make_asker(BROKEN["kink"], [1.0])
    panels = intervals_of(asker, [0, 0, 0], np.array([0.0, 0.31, 0.2]), np.array([0.31, 1.0, 0.4]))
    np.testing.assert_array_equal(scan(asker, panels, np.full((3, 1), 1e-9)), [1, 1, -1])


@pytest.mark.parametrize("sigma", [1e-9, 1e-6, 1e-3])
def test_noise_is_measured_and_not_taken_for_curvature(sigma):
    """Third differences of eight values tell a standard deviation within a factor of three."""
    rng = np.random.default_rng(0)
    asker = make_asker(lambda Z: 2.0 + np.sin(3 * Z[:, 0]) + sigma * rng.normal(size=len(Z)), np.ones((40, 1)))
    measure_noise(asker, np.arange(40))
    relative = sigma / asker.size
    assert (asker.noise < 3 * relative).all()
    assert (asker.noise > relative / 4).all()
    assert np.median(asker.noise / relative) == pytest.approx(1.0, abs=0.35)


def test_a_smooth_function_has_the_noise_of_rounding():
    asker = make_asker(lambda Z: 2.0 + np.sin(3 * Z[:, 0]), np.ones((10, 1)))
    measure_noise(asker, np.arange(10))
    assert (asker.noise < 3e-16).all()


# --- attributions ---


class Counted:
    """A function that counts the rows it is asked."""

    def __init__(self, function):
        self.function, self.n_rows = function, 0

    def __call__(self, Z):
        self.n_rows += len(Z)
        return self.function(Z)


def explained(function, b, rows, most, **options):
    """The explanation of every row by itself, and its true cost, which must be what is said and at most `most`."""
    explanations = []
    for x in rows:
        counted = Counted(function)
        e = IntegratedGradients(counted, b, engine="numeric", **options).explain(x[None])
        assert counted.n_rows == e.n_evaluations[0] + e.n_shared_evaluations
        assert counted.n_rows <= most
        explanations.append(e)
    return np.concatenate([e.values for e in explanations]), np.concatenate([e.error_estimate for e in explanations])


@pytest.mark.parametrize("powers", [[1, 1], [2, 1, 0], [3, 1, 4, 1, 5], [1, 0, 0, 0, 0, 0, 7]])
def test_monomials_are_exact_to_the_precision_of_differences(powers):
    """prod z_j^p_j from zero to one: p_j / sum p."""
    powers = np.array(powers)
    e = IntegratedGradients(lambda Z: np.prod(Z**powers, axis=1), np.zeros(len(powers)), engine="numeric").explain(
        np.ones((1, len(powers)))
    )
    np.testing.assert_allclose(e.values, [powers / powers.sum()], atol=DIFFERENCES)
    assert (np.abs(e.values - powers / powers.sum()) <= e.error_estimate + 1e-12).all()
    assert e.error_estimate.sum() <= TOL


def test_polynomials_of_high_degree_between_any_points():
    """Sums of powers of linear functions: Gauss-Legendre quadrature of the gradient is the oracle."""
    rng = np.random.default_rng(5)
    W, b, rows = rng.normal(size=(4, 6)) / 4, rng.normal(size=4), rng.normal(size=(5, 4))
    degrees = np.array([1, 2, 5, 9, 14, 20])
    e = IntegratedGradients(lambda Z: ((Z @ W) ** degrees).sum(axis=1), b, engine="numeric").explain(rows)
    wanted = [naive.gradient_quadrature(lambda Z: (degrees * (Z @ W) ** (degrees - 1)) @ W.T, x, b, 12) for x in rows]
    distance, size = np.abs(e.values - wanted), np.abs(wanted).sum(axis=1, keepdims=True)
    assert (distance <= DIFFERENCES * size).all()
    assert (distance <= e.error_estimate + 1e-12 * size).all()


def test_linear_functions_cost_one_scan_and_a_few_nodes():
    w = np.random.default_rng(0).normal(size=30)
    values, error = explained(lambda Z: Z @ w + 3.0, np.zeros(30), np.ones((1, 30)), 200)
    np.testing.assert_allclose(values, [w], atol=DIFFERENCES * np.abs(w).sum())
    assert (np.abs(values - w) <= error + 1e-12).all()


def support_vector_machine():
    """Decision function of an RBF kernel machine and its gradient."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 30))
    model = SVC(gamma=1 / 30).fit(X, X[:, 0] * X[:, 1] + X[:, 2] > 0)

    def gradient(Z):
        away = Z[:, None] - model.support_vectors_
        kernel = np.exp(-(away**2).sum(axis=2) / 30)
        return np.einsum("k,nk,nkj->nj", -2 / 30 * model.dual_coef_[0], kernel, away)

    return model.decision_function, gradient


def tanh_net():
    """A probability: 40 hidden units behind a sigmoid."""
    rng = np.random.default_rng(1)
    W, c, v = rng.normal(size=(30, 40)) / 30**0.5, rng.normal(size=40), rng.normal(size=40) / 3

    def f(Z):
        return 1 / (1 + np.exp(-np.tanh(Z @ W + c) @ v))

    def gradient(Z):
        p = f(Z)
        return (p * (1 - p))[:, None] * (((1 - np.tanh(Z @ W + c) ** 2) * v) @ W.T)

    return f, gradient


MODELS = {"kernel machine": (support_vector_machine, 500), "tanh net": (tanh_net, 1500)}


@pytest.mark.parametrize("name", MODELS)
def test_smooth_models_of_30_features_to_1e_6_by_few_rows(name):
    make, most = MODELS[name]
    f, gradient = make()
    rng = np.random.default_rng(2)
    b, rows = 0.1 * rng.normal(size=30), rng.normal(size=(15, 30))
    wanted = np.array([naive.gradient_quadrature(gradient, x, b, 100) for x in rows])
    np.testing.assert_allclose(wanted.sum(axis=1), f(rows) - f(b[None]), atol=1e-12)
    values, error = explained(f, b, rows, most)
    distance, size = np.abs(values - wanted), np.abs(wanted).sum(axis=1)
    assert (distance.sum(axis=1) <= TOL * size).all()
    assert (error.sum(axis=1) <= TOL * size).all()
    assert (distance <= error + 1e-12 * size[:, None]).mean() >= 0.98
    assert np.median(error) <= 100 * np.median(distance)  # covered by an estimate of about that size


def test_answers_in_single_precision_are_covered():
    """The noise of float32 is 6e-8: tol is out of reach, and said so."""
    f, gradient = tanh_net()
    rng = np.random.default_rng(2)
    b, rows = 0.1 * rng.normal(size=30), rng.normal(size=(10, 30))
    wanted = np.array([naive.gradient_quadrature(gradient, x, b, 100) for x in rows])
    with pytest.warns(BudgetWarning, match="10 of 10 rows did not reach"):
        e = IntegratedGradients(lambda Z: f(Z).astype(np.float32), b, engine="numeric").explain(rows)
    distance, size = np.abs(e.values - wanted), np.abs(wanted).sum(axis=1)
    assert (distance <= e.error_estimate).mean() >= 0.98
    assert (distance.sum(axis=1) <= 1e-3 * size).all()
    assert (e.error_estimate.sum(axis=1) <= 1e-2 * size).all()


@pytest.mark.parametrize("n_waves", [20, 40, 60])
def test_wide_differences_stay_on_the_path(n_waves):
    """In single precision they are wider than the outermost of many nodes are away from the end of the path."""
    w = np.array([1.0, -2.0, 0.5])

    def f(Z):
        return (Z @ w + 0.05 * np.sin(n_waves * Z.mean(axis=1))).astype(np.float32)

    wanted = w + 0.05 * np.sin(n_waves) / 3
    with pytest.warns(BudgetWarning, match="1 of 1 rows did not reach"):
        e = IntegratedGradients(f, np.zeros(3), engine="numeric").explain(np.ones((1, 3)))
    assert (np.abs(e.values - wanted) <= e.error_estimate).all()
    assert np.abs(e.values - wanted).max() <= 5e-5
    assert e.error_estimate.max() <= 2e-3


def test_jumps_in_single_precision_may_be_of_any_feature():
    """They are not looked for there; which feature jumps is not known, but what is missing from the sum is."""
    rng = np.random.default_rng(0)
    at, w = rng.uniform(0.05, 0.95, 6), np.array([0.5, -0.3, 0.2, 0.4, -0.1, 0.3])
    heights = np.array([0.1, -0.05, 0.2, 0.15, -0.1, 0.05])

    def f(Z):
        return (np.sin(Z @ w) + (at < Z) @ heights).astype(np.float32)

    wanted = np.sin(w.sum()) / w.sum() * w + heights
    with pytest.warns(BudgetWarning, match="1 of 1 rows did not reach"):
        e = IntegratedGradients(f, np.zeros(6), engine="numeric").explain(np.ones((1, 6)))
    assert (np.abs(e.values - wanted) <= e.error_estimate).all()


def test_a_wave_of_single_features_that_cancels_on_the_path():
    """sin(9 x0) - sin(9 x1) is nothing on the path x0 = x1, where the scan sees a line only."""
    f = lambda Z: np.sin(9 * Z[:, 0]) - np.sin(9 * Z[:, 1]) + Z[:, 2]  # noqa: E731
    wanted = np.array([np.sin(9), -np.sin(9), 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        e = IntegratedGradients(f, np.zeros(3), engine="numeric").explain(np.ones((1, 3)))
    assert (np.abs(e.values - wanted) <= e.error_estimate + 1e-12).all()
    np.testing.assert_allclose(e.values, [wanted], atol=TOL)


def test_several_outputs_share_their_rows():
    f, gradient = tanh_net()
    kernel, kernel_gradient = support_vector_machine()
    rng = np.random.default_rng(2)
    b, rows = 0.1 * rng.normal(size=30), rng.normal(size=(3, 30))
    values, error = explained(lambda Z: np.column_stack([f(Z), kernel(Z)]), b, rows, 1500)
    for k, one in enumerate((gradient, kernel_gradient)):
        wanted = np.array([naive.gradient_quadrature(one, x, b, 100) for x in rows])
        assert (np.abs(values[:, :, k] - wanted).sum(axis=1) <= TOL * np.abs(wanted).sum(axis=1)).all()
        assert (np.abs(values[:, :, k] - wanted) <= error[:, :, k] + 1e-12).mean() >= 0.98
