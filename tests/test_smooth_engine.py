"""The engine of smooth models: quadrature down to rounding, kinks, and what happens at one half of the path."""

import itertools
import math

import cases
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.engines.function_algebra import Affine, Composed, Joined, OfColumns, compose, join
from agnostic_ig.engines.link_functions import LINKS, Elementwise, Normalised, Softmax
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction, integrate_gradients
from agnostic_ig.numerics.hashing import keys_of_rows

EXACT = [case for case in cases.SMOOTH if case.engine == "smooth"]


class Wave(SmoothFunction):
    """sin(speed * x0) * x1."""

    n_outputs = 1

    def __init__(self, speed):
        self.speed = speed

    def values(self, rows):
        return np.sin(self.speed * rows[:, :1]) * rows[:, 1:]

    def gradients(self, rows):
        first, second = self.speed * np.cos(self.speed * rows[:, 0]) * rows[:, 1], np.sin(self.speed * rows[:, 0])
        return np.stack([first, second], axis=1)[:, :, None]


def wave_truth(speed, b, x):
    """By parts: the second feature gets (x1 - b1) times the mean of the sine."""
    mean = (math.cos(speed * b[0]) - math.cos(speed * x[0])) / (speed * (x[0] - b[0]))
    second = (x[1] - b[1]) * mean
    return np.array([math.sin(speed * x[0]) * x[1] - math.sin(speed * b[0]) * b[1] - second, second])


class Kink(SmoothFunction):
    """max(x0, 0) * x1, with a kink where the path passes x0 = 0."""

    n_outputs = 1

    def values(self, rows):
        return np.maximum(rows[:, :1], 0.0) * rows[:, 1:]

    def gradients(self, rows):
        return np.stack([(rows[:, 0] > 0) * rows[:, 1], np.maximum(rows[:, 0], 0.0)], axis=1)[:, :, None]

    def breaks(self, starts, ends):
        crosses = np.flatnonzero(starts[:, 0] * ends[:, 0] < 0)
        return crosses, starts[crosses, 0] / (starts[crosses, 0] - ends[crosses, 0])


def block(rows, baselines):
    outputs = np.zeros((len(rows), 1)), np.zeros((len(baselines), 1))
    return PairBlock(rows, baselines, *outputs, lambda: keys_of_rows(3, np.tile(rows, (len(baselines), 1))))


def plain_columns(n, discrete=()):
    names = [f"x{j}" for j in range(n)]
    return Columns(names, np.isin(np.arange(n), discrete), np.arange(n), names)


@pytest.mark.parametrize("speed", [0.3, 5.0, 80.0, 900.0])
def test_quadrature_comes_down_to_rounding(speed):
    b, x = np.array([[0.1, -0.7], [-1.0, 0.5]]), np.array([[1.3, 2.0], [0.4, 0.5]])
    means, error = integrate_gradients(Wave(speed), b, x)
    wanted = np.stack([wave_truth(speed, *pair) for pair in zip(b, x, strict=True)])
    # The gradient is as large as the speed and cancels; its rounding is what is left.
    np.testing.assert_allclose((x - b) * means[:, :, 0], wanted, rtol=0, atol=1e-14 * max(1.0, speed))
    assert error is None


def test_kinks_that_are_told_cost_no_accuracy_and_kinks_that_are_not_are_said():
    b, x = np.array([[-1.0, 0.3], [0.2, 1.0], [1.0, 1.0]]), np.array([[0.7, 2.0], [0.5, -1.0], [-0.1, 0.0]])
    means, error = integrate_gradients(Kink(), b, x)
    assert error is None
    np.testing.assert_allclose((x - b) * means[:, :, 0], [kink_truth(*p) for p in zip(b, x, strict=True)], atol=2e-15)
    silent = Kink()
    silent.breaks = lambda starts, ends: None
    found, said = integrate_gradients(silent, b, x)
    off = np.abs(found - means)
    assert (off <= (0.0 if said is None else said) + 1e-12).all()


class Cliff(SmoothFunction):
    """tanh(steep * (x0 - 0.37)) * x1: between the nodes of any rule, for steep ones."""

    n_outputs = 1

    def __init__(self, steep):
        self.steep = steep

    def values(self, rows):
        return np.tanh(self.steep * (rows[:, :1] - 0.37)) * rows[:, 1:]

    def gradients(self, rows):
        height = np.tanh(self.steep * (rows[:, 0] - 0.37))
        return np.stack([self.steep * (1 - height**2) * rows[:, 1], height], axis=1)[:, :, None]


@pytest.mark.parametrize("steep", [1e2, 1e4, 1e6, 1e9, 1e12])
def test_changes_between_the_nodes_are_found_or_said(steep):
    b, x = np.array([[0.0, 1.0], [0.1, 2.0]]), np.array([[1.0, 1.0], [0.9, 3.0]])
    means, error = integrate_gradients(Cliff(steep), b, x)
    found = ((x - b) * means[:, :, 0]).sum(axis=1)
    change = np.diff(np.stack([Cliff(steep).values(rows)[:, 0] for rows in (b, x)]), axis=0)[0]
    said = 0.0 if error is None else ((x - b) * error[:, :, 0]).sum(axis=1)
    assert (np.abs(found - change) <= said + 1e-8).all()
    if steep <= 1e6:
        np.testing.assert_allclose(found, change, rtol=1e-9)


def kink_truth(b, x):
    """Integrals of polynomials between the places where x0 is positive."""
    start = 0.0 if b[0] >= 0 else b[0] / (b[0] - x[0])
    stop = 1.0 if x[0] >= 0 else b[0] / (b[0] - x[0])
    d = x - b
    line = [np.polynomial.Polynomial([b[j], d[j]]) for j in (0, 1)]
    whole = [(line[1 - j]).integ() for j in (0, 1)]
    return [d[j] * (whole[j](stop) - whole[j](start)) for j in (0, 1)]


@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_engine_agrees_with_dense_quadrature_of_the_model(case):
    """Central differences of the model's own answers at 64 Gauss-Legendre nodes: right to about 1e-8."""
    X, model = case.X[:4], case.model()
    e = IntegratedGradients(model, case.X[9], response_method=case.response_method).explain(X)
    assert (e.engine, e.exact) == ("smooth", True)
    method = getattr(model, e.response_method)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    values = 0.0
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        points, step = case.X[9] + node * (X - case.X[9]), 1e-5
        slopes = [
            (method(points + step * unit) - method(points - step * unit)) / (2 * step) for unit in np.eye(X.shape[1])
        ]
        values = values + weight * np.stack(slopes, axis=1).reshape(len(X), X.shape[1], -1)
    values = (X - case.X[9])[:, :, None] * values
    ours = e.values.reshape(values.shape[0], values.shape[1], -1)
    theirs = values[:, :, -ours.shape[2] :]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7 * np.abs(theirs).sum(axis=1).max())
    gap, total = np.abs(e.convergence_delta), np.abs(e.values).sum(axis=1)
    assert (gap <= case.rounding * (total + np.abs(e.predictions))).all()


def shapley_at_half(f, b, x, discrete):
    """Two smooth halves by dense quadrature, and the mean over all orders of the moves between them."""
    d = x - b
    values = np.zeros(len(b))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for low, frozen in ((0.0, b), (0.5, x)):
        for node, weight in zip((nodes + 1) / 4 + low, weights / 4, strict=True):
            point = np.where(discrete, frozen, b + node * d)
            values += np.where(discrete, 0.0, weight * d * f.gradients(point[None])[0, :, 0])
    moving = np.flatnonzero(discrete & (b != x))
    orders = list(itertools.permutations(moving))
    for order in orders:
        point = np.where(discrete, b, (b + x) / 2)
        for j in order:
            before = f.values(point[None])[0, 0]
            point[j] = x[j]
            values[j] += (f.values(point[None])[0, 0] - before) / len(orders)
    return values


def test_discrete_columns_move_at_one_half():
    rng = np.random.default_rng(2)
    f = compose(Elementwise("sigmoid", 1), Affine(rng.normal(size=(6, 1)), 0.3))
    rows, baselines = rng.normal(size=(3, 6)), rng.normal(size=(2, 6))
    rows[0, 4] = baselines[0, 4]  # does not change
    columns = plain_columns(6, discrete=[1, 2, 4])
    engine = SmoothEngine(f, "test")
    answer = engine.attribute(block(rows, baselines), columns, np.array([0]), Settings())
    wanted = [shapley_at_half(f, b, x, columns.discrete) for b in baselines for x in rows]
    np.testing.assert_allclose(answer.values[:, :, 0], wanted, rtol=0, atol=1e-14)
    assert answer.variance is None


def test_columns_of_one_player_move_as_one():
    rng = np.random.default_rng(3)
    f = compose(Elementwise("sigmoid", 1), Affine(rng.normal(size=(4, 1)), 0.0))
    columns = Columns(list("abcd"), np.array([False, True, True, True]), np.array([0, 1, 1, 2]), ["a", "bc", "d"])
    b, x = rng.normal(size=(2, 4))
    values = SmoothEngine(f, "test").attribute(block(x[None], b[None]), columns, np.array([0]), Settings()).values
    merged = Composed(f, Affine(np.array([[1.0, 0, 0, 0], [0, b[1], b[2], 0], [0, x[1] - b[1], x[2] - b[2], 0],
                                          [0, 0, 0, 1.0]]), np.zeros(4)))  # fmt: skip
    # One column that goes from 0 to 1 stands for both, beside a constant 1.
    wanted = shapley_at_half(
        merged, np.array([b[0], 1.0, 0.0, b[3]]), np.array([x[0], 1.0, 1.0, x[3]]), np.array([False, False, True, True])
    )
    np.testing.assert_allclose(values[0, :, 0], wanted[[0, 2, 3]], rtol=0, atol=1e-14)


def test_missing_values_that_appear_move_at_one_half():
    """A function that reads a missing value as 5."""

    class Filled(SmoothFunction):
        n_outputs = 1

        def values(self, rows):
            return np.where(np.isnan(rows), 5.0, rows).prod(axis=1, keepdims=True)

        def gradients(self, rows):
            full = np.where(np.isnan(rows), 5.0, rows)
            return (full.prod(axis=1, keepdims=True) / full * ~np.isnan(rows))[:, :, None]

    b, x = np.array([[1.0, np.nan, np.nan]]), np.array([[2.0, 3.0, np.nan]])
    answer = SmoothEngine(Filled(), "test").attribute(block(x, b), plain_columns(3), np.array([0]), Settings())
    # The first goes 1 -> 1.5 beside 25, then 1.5 -> 2 beside 15; between them 5 becomes 3 beside 1.5 * 5.
    np.testing.assert_allclose(answer.values[0, :, 0], [12.5 + 7.5, -15.0, 0.0], rtol=1e-14)


class WithoutClosedForm(Softmax):
    """Shares whose ties are enumerated or drawn."""

    def tie_of_sums(self, before, effects):
        return None


@pytest.mark.parametrize("n_players", [12, 13, 16])
def test_many_discrete_columns_are_enumerated_or_drawn(n_players):
    """Equal columns have equal shares; beyond 12 orders are drawn, and the error that is said holds."""
    weights = np.where(np.arange(n_players) < 3, 1.0, -0.3)
    f = compose(WithoutClosedForm(2), Affine(np.stack([weights, -weights], axis=1), np.zeros(2)))
    b, x = np.zeros((1, n_players)), np.ones((1, n_players))
    columns = plain_columns(n_players, discrete=range(n_players))
    settings = Settings(tol=1e-4)
    answer = SmoothEngine(f, "test").attribute(block(x, b), columns, np.array([1]), settings)
    values = answer.values[0, :, 0]
    counts = [shapley_of_two_kinds(n_players, 3, k) for k in (0, 1)]
    wanted = np.where(weights > 0, *counts)
    if n_players <= 12:
        assert answer.variance is None
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-14)
    else:
        spread = np.sqrt(answer.variance[0, :, 0])
        assert (np.abs(values - wanted) <= 5 * spread + 1e-14).all()
        assert 0 < spread.max() < 2e-2 * np.abs(values).max()
    np.testing.assert_allclose(values.sum(), np.diff(f.values(np.concatenate([b, x]))[:, 1])[0], atol=1e-14)


def shapley_of_two_kinds(n, n_first, kind):
    """Share of one player of a kind where outputs depend on how many of both kinds (weights 1, -0.3) have moved."""
    own, other = (n_first, n - n_first) if kind == 0 else (n - n_first, n_first)
    weight = (1.0, -0.3) if kind == 0 else (-0.3, 1.0)
    total = 0.0
    for i, j in itertools.product(range(own), range(other + 1)):
        chance = math.comb(own - 1, i) * math.comb(other, j) / (n * math.comb(n - 1, i + j))
        margins = [2 * (weight[0] * (i + more) + weight[1] * j) for more in (0, 1)]
        total += chance * (1 / (1 + math.exp(margins[1])) - 1 / (1 + math.exp(margins[0])))
    return total


@pytest.mark.parametrize("name", sorted(LINKS.keys() - {"relu"}))
def test_links_have_the_slopes_and_secants_of_their_values(name):
    link = LINKS[name]
    low = np.array([-30.0, -3.0, -0.5, 0.2, 1.0, 2.0])
    if name == "log_of_share":
        low = np.exp(low / 40)
    for gap in (0.0, 1e-12, 1e-3, 0.7, 20.0):
        high = low + gap
        nodes, weights = np.polynomial.legendre.leggauss(120)
        places = low + (nodes[:, None] + 1) / 2 * (high - low)
        mean = (weights[:, None] / 2 * link.slope(places)).sum(axis=0)
        np.testing.assert_allclose(link.secant(low, high), mean, rtol=2e-13)
    step = 1e-6
    slopes = (link.value(low + step) - link.value(low - step)) / (2 * step)
    np.testing.assert_allclose(link.slope(low), slopes, rtol=1e-7, atol=1e-10)


def test_the_secant_of_relu_is_exact_across_its_kink():
    link = LINKS["relu"]
    low, high = (
        np.array([-3.0, -1.0, 0.0, 0.0, -2.0, 0.5, 0.0, -1e300]),
        np.array([1.0, 0.0, 2.0, 0.0, -1.0, 4.0, 1e-300, 1e300]),
    )
    assert link.secant(low, high).tolist() == [0.25, 0.0, 1.0, 0.5, 0.0, 1.0, 1.0, 0.5]
    assert link.slope(np.array([-1.0, 0.0, 2.0])).tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("spread", [1e-9, 0.2, 0.9, 3.9, 15.9, 40.0, 1000.0])
def test_softmax_is_integrated_to_rounding_whatever_its_margins_move_by(spread):
    """Against 24 nodes on each of so many parts that margins move less than 4 apart in one."""
    rng = np.random.default_rng(3)
    moves = rng.uniform(-0.5, 0.5, size=(20, 4))
    moves *= spread / np.ptp(moves, axis=1, keepdims=True)
    starts = rng.normal(size=(20, 4)) - moves * rng.random((20, 1))
    softmax, parts = Softmax(4), int(spread / 4) + 1
    wanted = np.zeros((20, 4, 4))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    for part in range(parts):
        for node, weight in zip(nodes, weights, strict=True):
            alpha = (part + (node + 1.0) / 2.0) / parts
            wanted += weight / 2.0 / parts * softmax.gradients(starts + alpha * moves)
    means, error = softmax.mean_gradients(starts, starts + moves)
    assert error is None
    np.testing.assert_allclose(means, wanted, rtol=0, atol=2e-15)


def test_a_softmax_that_is_a_step_is_complete():
    """Margins that move by 1e8, where the tops change in a hundred millionth of the path."""
    rng = np.random.default_rng(5)
    starts, ends = 1e8 * rng.normal(size=(2, 40, 5))
    means, _ = Softmax(5).mean_gradients(starts, ends)
    change = ((ends - starts)[:, :, None] * means).sum(axis=1)
    moved = Softmax(5).values(ends) - Softmax(5).values(starts)
    assert np.abs(moved).max() == 1.0
    np.testing.assert_allclose(change, moved, rtol=0, atol=1e-7)  # places on the path are rounded to 1e-8 of a margin


FUNCTIONS = {
    "softmax": Softmax(3),
    "shares": compose(Normalised(3), Elementwise("sigmoid", 3)),
    "joined": Joined([Wave(2.0), Affine(np.ones((2, 1)), 1.0)]),
    "of columns": OfColumns(Wave(2.0), np.array([2, 0])),
    "of one column twice": OfColumns(Wave(2.0), np.array([1, 1])),
    "affine of smooth": compose(Affine(np.array([[2.0, -1.0]]), np.zeros(2)), Wave(3.0)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_composed_functions(name):
    """Against central differences, and means against the default quadrature."""
    f = FUNCTIONS[name]
    n = 2 if name in ("joined", "affine of smooth") else 3
    rng = np.random.default_rng(4)
    rows, others, step = rng.normal(size=(5, n)), rng.normal(size=(5, n)), 1e-6
    slopes = [(f.values(rows + step * u) - f.values(rows - step * u)) / (2 * step) for u in np.eye(n)]
    np.testing.assert_allclose(f.gradients(rows), np.stack(slopes, axis=1), rtol=0, atol=1e-8)
    np.testing.assert_allclose(f.mean_gradients(rows, others)[0], integrate_gradients(f, rows, others)[0], atol=1e-13)


def test_affine_functions_stay_affine():
    first, second = Affine(np.ones((2, 3)), 1.0), Affine(np.eye(3), 2.0)
    assert isinstance(compose(second, first), Affine)
    assert isinstance(join([first, first]), Affine)
    assert compose(second, first).values(np.ones((1, 2))).tolist() == [[5.0, 5.0, 5.0]]
    assert join([first, second_of(first)]).values(np.ones((1, 2))).tolist() == [[3.0, 3.0, 3.0, 6.0, 6.0, 6.0]]
    assert not Composed(Elementwise("sigmoid", 3), first).is_affine
    assert Composed(second, first).is_additive


def second_of(function):
    return compose(Affine(2 * np.eye(3), 0.0), function)


def test_linear_models_answer_in_any_number_of_outputs():
    X, _, score = cases.data()
    model = LinearRegression().fit(X, np.column_stack([score, X[:, 0]]))
    e = IntegratedGradients(model, X[:2]).explain(X[5:7])
    wanted = (X[5:7] - X[:2].mean(axis=0))[:, :, None] * model.coef_.T
    np.testing.assert_allclose(e.values, wanted, rtol=0, atol=1e-13)
    assert e.error_estimate.max() == 0.0
    assert e.n_evaluations.sum() == 0


def test_labels_of_linear_classifiers_are_steps_along_the_normal():
    X, y, _ = cases.data()
    model = LogisticRegression().fit(X, y)
    e = IntegratedGradients(model, X[0], response_method="predict").explain(X[1:3])
    assert e.engine == "smooth"
    pulls = (X[1:3] - X[0]) * model.coef_[0]
    steps = np.diff(np.vstack([model.predict(X[:1]).repeat(2), model.predict(X[1:3])]), axis=0)[0]
    np.testing.assert_allclose(e.values, pulls / pulls.sum(axis=1, keepdims=True) * steps[:, None], atol=1e-12)
