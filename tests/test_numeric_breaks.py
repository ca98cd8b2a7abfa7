"""Broken paths of the numeric engine: kinks and jumps are found where they are, sums of models, budgets kept."""

import itertools
import warnings

import naive_functions as naive
import numpy as np
import pytest
from askers import intervals_of, make_asker
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines.numeric_breaks import NARROW, TOGETHER, find_breaks
from agnostic_ig.exceptions import BudgetWarning

TOL = 1e-6  # the default of the engine, relative to the summed absolute values
LIMIT = 1e-8  # what the breaks looked for move a model of size one by


class Net:
    """One hidden layer of rectified or of smooth units, with path places of its kinks and an analytic gradient."""

    def __init__(self, seed, n_features, n_units):
        rng = np.random.default_rng(seed)
        self.W, self.c = rng.normal(size=(n_features, n_units)) / n_features**0.5, rng.normal(size=n_units)
        self.v, self.x = rng.normal(size=n_units), rng.normal(size=n_features)

    def relu(self, Z):
        return np.maximum(Z @ self.W + self.c, 0) @ self.v

    def tanh(self, Z):
        return np.tanh(Z @ self.W + self.c) @ self.v

    def kinks(self, x, b=0.0):
        start, end = b @ self.W + self.c if np.ndim(b) else self.c, x @ self.W + self.c
        places = np.sort(start / (start - end))
        return places[(places > 0) & (places < 1)]

    def attributions_of_relu(self, x, b, link=lambda u: (u, np.ones_like(u))):
        """Between kinks the gradient is constant, but for the link, (value, slope) of the answer u."""
        cuts, values = np.concatenate([[0.0], self.kinks(x, b), [1.0]]), 0.0

        def gradient(Z):
            return link(self.relu(Z))[1][:, None] * (((Z @ self.W + self.c > 0) * self.v) @ self.W.T)

        for low, high in itertools.pairwise(cuts):
            values = values + naive.gradient_quadrature(gradient, b + high * (x - b), b + low * (x - b), 12)
        return values

    def attributions_of_tanh(self, x, b):
        return naive.gradient_quadrature(
            lambda Z: ((1 - np.tanh(Z @ self.W + self.c) ** 2) * self.v) @ self.W.T, x, b, 150
        )


def found_in(f, x, limit=LIMIT, low=0.0, high=1.0, reserve=0, budget=10**6):
    asker = make_asker(f, x, budget=budget)
    panel = intervals_of(asker, [0], low, high)
    breaks = find_breaks(asker, panel, np.full((1, asker.f_x.shape[1]), limit), reserve)
    return breaks.intervals, breaks.jumps, asker.n_evaluations[0]


# --- kinks ---


@pytest.mark.parametrize(("n_features", "n_units"), [(5, 20), (30, 60)])
def test_all_kinks_of_a_net_are_found(n_features, n_units):
    """And nothing else: each place found is a kink, to 1e-6; kinks closer than that are one."""
    n_kinks = 0
    for seed in range(40):
        net = Net(seed, n_features, n_units)
        wanted = net.kinks(net.x)
        intervals, jumps, _ = found_in(net.relu, net.x)
        assert not jumps.any()
        np.testing.assert_array_equal(intervals.low, intervals.high)
        apart = np.abs(intervals.low[:, None] - wanted)
        assert (apart.min(axis=0, initial=np.inf) <= TOGETHER).all()
        assert (apart.min(axis=1, initial=np.inf) <= TOGETHER).all()
        n_kinks += len(wanted)
    assert n_kinks > 4 * 40


def test_kinks_cost_few_rows_each():
    """After 161 places with their slopes, and up to three places inside every cell, a few dozen rows a kink."""
    net = Net(1, 30, 60)
    n_rows = found_in(net.relu, net.x)[2]
    assert n_rows <= 5 * 160 + 45 * len(net.kinks(net.x))


def test_kinks_of_curves_are_found():
    """|sin(5 t) - 0.5|: between kinks it bends, so the lines at the ends of a cell do not meet at the kink."""
    wanted = np.array([np.arcsin(0.5), np.pi - np.arcsin(0.5)]) / 5
    intervals, jumps, _ = found_in(lambda Z: np.abs(np.sin(5 * Z[:, 0]) - 0.5), [1.0], limit=1e-6)
    assert not jumps.any()
    np.testing.assert_allclose(intervals.low, wanted, atol=TOGETHER)


def test_a_smooth_path_has_no_breaks():
    net = Net(2, 10, 30)
    intervals, _, n_rows = found_in(net.tanh, net.x)
    assert len(intervals) == 0
    assert n_rows <= 5 * 160 + 10


def test_only_the_panel_is_searched():
    net = Net(3, 30, 60)
    wanted = net.kinks(net.x)
    low, high = 0.5 * (wanted[4] + wanted[5]), 0.5 * (wanted[-3] + wanted[-2])
    intervals, _, _ = found_in(net.relu, net.x, low=low, high=high)
    np.testing.assert_allclose(intervals.low, wanted[5:-2], atol=TOGETHER)


def test_breaks_below_the_limit_are_not_looked_for():
    f = lambda Z: np.sin(Z[:, 0]) + np.abs(Z[:, 0] - 0.3) + 1e-7 * (Z[:, 0] > 0.6)  # noqa: E731
    np.testing.assert_allclose(found_in(f, [1.0], limit=1e-5)[0].low, [0.3], atol=TOGETHER)
    intervals, jumps, _ = found_in(f, [1.0], limit=1e-9)
    np.testing.assert_allclose(intervals.low, [0.3, 0.6], atol=TOGETHER)
    np.testing.assert_array_equal(jumps, [False, True])


# --- jumps ---


@pytest.mark.parametrize("seed", range(6))
def test_jumps_on_a_smooth_function_are_located_with_their_heights(seed):
    rng = np.random.default_rng(seed)
    places = np.sort(rng.uniform(0.02, 0.98, 8))
    heights = rng.choice([-1, 1], 8) * 10.0 ** rng.uniform(-1.5, 0, 8)
    intervals, jumps, _ = found_in(lambda Z: np.sin(3 * Z[:, 0]) + (Z[:, :1] > places) @ heights, [1.0])
    assert jumps.all()
    assert len(intervals) == 8
    assert ((intervals.low <= places) & (places <= intervals.high)).all()
    assert (intervals.high - intervals.low <= NARROW).all()
    # the smooth part moves by its slope, at most 3, on the way
    np.testing.assert_allclose((intervals.f_high - intervals.f_low)[:, 0], heights, rtol=0, atol=3 * NARROW)


def test_jumps_and_kinks_together():
    """A net with jumps: two beside its kinks, and one just where a kink is."""
    net = Net(4, 30, 30)
    kinks = net.kinks(net.x)
    places = np.sort([0.223456, kinks[2], 0.7123])
    direction = net.x / (net.x @ net.x)

    def f(Z):
        return net.relu(Z) + ((Z @ direction)[:, None] > places).sum(axis=1)

    intervals, jumps, _ = found_in(f, net.x)
    middle = 0.5 * (intervals.low + intervals.high)
    np.testing.assert_allclose(middle[jumps], places, atol=1e-7)
    np.testing.assert_allclose(middle[~jumps], np.delete(kinks, 2), atol=TOGETHER)


def test_breaks_of_any_output_are_found():
    f = lambda Z: np.column_stack([Z[:, 0], np.abs(Z[:, 0] - 0.3), Z[:, 0] ** 2 + 0.1 * (Z[:, 0] > 0.6)])  # noqa: E731
    intervals, jumps, _ = found_in(f, [1.0])
    np.testing.assert_allclose(intervals.low, [0.3, 0.6], atol=TOGETHER)
    np.testing.assert_array_equal(jumps, [False, True])


def test_a_search_ends_with_its_budget():
    net = Net(5, 30, 150)
    enough = found_in(net.relu, net.x)[2]
    for budget in range(0, enough, enough // 12):
        assert found_in(net.relu, net.x, budget=budget)[2] <= budget
        assert found_in(net.relu, net.x, budget=budget + 500, reserve=500)[2] <= budget


# --- attributions ---


def numeric(f, b, rows, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)  # the errors that it speaks of are judged by the tests
        return IntegratedGradients(f, b, engine="numeric", **options).explain(rows)


THRESHOLDS = np.array([0.2, -0.1, 0.1, 0.05, 0.0])


def steps(Z):
    """Jumps of five features, two of which interact with another one."""
    one = Z[:, :5] > THRESHOLDS
    return 0.7 * one[:, 0] + 0.4 * (one[:, 1] & one[:, 2]) - 0.3 * (one[:, 3] & ~one[:, 4])


def attributions_of_steps(x, b):
    """Each jump to the feature that crosses its threshold there."""
    values, d = np.zeros(len(x)), x - b
    for j, threshold in enumerate(THRESHOLDS):
        alpha = (threshold - b[j]) / d[j]
        if 0 < alpha < 1:
            before, behind = steps(np.array([b + (alpha - 1e-9) * d, b + (alpha + 1e-9) * d]))
            values[j] += behind - before
    return values


def sigmoid(u):
    p = 1 / (1 + np.exp(-u))
    return p, p * (1 - p)


NET = Net(0, 30, 20)
BROKEN = {
    "net": (NET.relu, NET.attributions_of_relu),
    "probability of a net": (lambda Z: sigmoid(NET.relu(Z))[0], lambda x, b: NET.attributions_of_relu(x, b, sigmoid)),
    "smooth and stepped": (
        lambda Z: NET.tanh(Z) + steps(Z),
        lambda x, b: NET.attributions_of_tanh(x, b) + attributions_of_steps(x, b),
    ),
    "net and steps": (
        lambda Z: NET.relu(Z) + steps(Z),
        lambda x, b: NET.attributions_of_relu(x, b) + attributions_of_steps(x, b),
    ),
    "steps": (steps, attributions_of_steps),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_paths_against_their_exact_attributions(name):
    f, attributions = BROKEN[name]
    rng = np.random.default_rng(9)
    b, rows = 0.1 * rng.normal(size=30), rng.normal(size=(12, 30))
    wanted = np.array([attributions(x, b) for x in rows])
    np.testing.assert_allclose(wanted.sum(axis=1), f(rows) - f(b[None]), atol=1e-11)
    e = numeric(f, b, rows)
    distance, size = np.abs(e.values - wanted), np.abs(wanted).sum(axis=1)
    claims = e.error_estimate.sum(axis=1) <= TOL * size
    assert (distance <= e.error_estimate + 3e-9 * size[:, None]).mean() >= 0.98
    assert (distance.sum(axis=1) <= TOL * size)[claims].all()
    assert claims.mean() >= 0.8
    assert (distance.sum(axis=1) <= 1e-3 * size).all()


def test_single_precision_beside_jumps_is_said():
    f = lambda Z: (NET.tanh(Z) + steps(Z)).astype(np.float32)  # noqa: E731
    rng = np.random.default_rng(9)
    b, rows = 0.1 * rng.normal(size=30), rng.normal(size=(6, 30))
    wanted = np.array([NET.attributions_of_tanh(x, b) + attributions_of_steps(x, b) for x in rows])
    with pytest.warns(BudgetWarning, match="6 of 6 rows did not reach"):
        e = IntegratedGradients(f, b, engine="numeric").explain(rows)
    distance = np.abs(e.values - wanted)
    assert (distance.sum(axis=1) <= e.error_estimate.sum(axis=1)).all()


# --- budgets ---


def budget_models(n_features):
    """Functions of all kinds that the engine tells apart."""
    net, rng = Net(7, n_features, 12), np.random.default_rng(7)
    X = rng.normal(size=(300, n_features))
    y = X[:, 0] * X[:, 1] + X[:, 2] > 0
    forest = RandomForestClassifier(15, max_depth=5, random_state=0).fit(X, y)
    neighbours = KNeighborsClassifier(3, algorithm="brute").fit(X, y)
    w = rng.normal(size=n_features)
    functions = {
        "tanh": net.tanh,
        "relu": net.relu,
        "forest": lambda Z: forest.predict_proba(Z)[:, 1],
        "neighbours": lambda Z: neighbours.predict_proba(Z)[:, 1],
        "label": lambda Z: 1.0 * (Z @ w > 0.1),
        "smooth and stepped": lambda Z: net.tanh(Z) + forest.predict_proba(Z)[:, 1],
        "smooth times stepped": lambda Z: net.tanh(Z) * (1 + forest.predict_proba(Z)[:, 1]),
        "net and label": lambda Z: net.relu(Z) + (Z @ w > 0.1),
        "noise": lambda Z: net.tanh(Z) + 1e-6 * np.sin(1e9 * (Z @ w)),
        "waves": lambda Z: np.sin(1e4 * (Z @ w)),
        "root": lambda Z: np.sqrt(np.abs(Z @ w)),
        "fine": lambda Z: np.round(net.tanh(Z) * 1e5) / 1e5,
        "two outputs": lambda Z: np.column_stack([net.tanh(Z), forest.predict_proba(Z)[:, 1]]),
    }
    return X, functions


BUDGET_DATA = {d: budget_models(d) for d in (4, 12)}
BUDGETS = {"continuous": ([], (50, 100, 200, 500, 1000, 3000, 8000, 20000)), "discrete": ([0, 2], (1000, 3000, 20000))}


@pytest.mark.parametrize("precision", [np.float64, np.float32])
@pytest.mark.parametrize("columns", BUDGETS)
@pytest.mark.parametrize("n_features", BUDGET_DATA)
@pytest.mark.parametrize("name", BUDGET_DATA[4][1])
def test_no_row_costs_more_than_its_budget(name, n_features, columns, precision):
    X, functions = BUDGET_DATA[n_features]
    discrete, budgets = BUDGETS[columns]
    for budget in budgets:
        e = numeric(
            lambda Z: functions[name](Z).astype(precision), X[0], X[1:3], max_evaluations=budget,
            categorical_features=discrete or None,
        )  # fmt: skip
        assert e.n_evaluations.max() <= budget, (budget, e.n_evaluations)
        assert np.isfinite(e.error_estimate).all()


@pytest.mark.parametrize("budget", [120, 130, 160, 200, 300, 400, 500])
@pytest.mark.parametrize("name", ["tanh", "relu", "smooth and stepped", "noise"])
def test_both_halves_of_a_path_share_one_budget(name, budget):
    """They are scanned side by side."""
    X, functions = BUDGET_DATA[12]
    e = numeric(functions[name], X[0], X[1:9], max_evaluations=budget, categorical_features=[0, 2])
    assert e.n_evaluations.max() <= budget


def many_kinks(seed, n_features=40, n_units=60):
    """A sum of rectified units whose kinks lie anywhere on the way from 0 to 1, and its attributions."""
    rng = np.random.default_rng(seed)
    W, a, places = rng.normal(size=(n_units, n_features)), rng.normal(size=n_units), rng.uniform(0.02, 0.98, n_units)
    slopes = W.sum(axis=1)
    share_on = np.where(slopes > 0, 1.0 - places, places)
    return lambda Z: np.maximum(Z @ W.T - slopes * places, 0.0) @ a, (a * share_on) @ W


@pytest.mark.parametrize(("budget", "reached"), [(3_500, 0.05), (5_000, 0.02), (7_000, 0.01)])
def test_kinks_beyond_the_budget_share_the_nodes_there_are(budget, reached):
    """A node each is too much for 60 panels: without any, a row was off by 40 to 90 %."""
    for seed in range(3):
        f, wanted = many_kinks(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BudgetWarning)
            e = IntegratedGradients(f, np.zeros(40), max_evaluations=budget, progress=False).explain(np.ones((1, 40)))
        error = np.abs(e.values[0] - wanted)
        assert error.sum() <= reached * np.abs(wanted).sum()
        assert (error <= e.error_estimate[0] + 1e-9).all()
        assert e.n_evaluations[0] <= budget
