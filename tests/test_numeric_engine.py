"""The numeric engine: closed forms, the structural engine as oracle, honest errors, exact counts."""

import warnings

import cases
import naive
import numpy as np
import pytest
from counts import count
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines import numeric_tie
from agnostic_ig.exceptions import BudgetWarning, NoiseWarning
from agnostic_ig.kernels import shapley
from agnostic_ig.numerics.quadrature import gauss_legendre

# What `tol` asks, and what quadrature of differences reaches on smooth functions of size one.
TOLERANCE = {"smooth": 1e-8, "jump": 1e-12}


def numeric(model, baseline, X, **options):
    return IntegratedGradients(model, baseline, engine="numeric", **options).explain(X)


@pytest.mark.parametrize("known", [k for k in naive.KNOWN if k.kind in TOLERANCE], ids=lambda known: known.name)
def test_known_functions(known):
    e = numeric(known.function, np.array(known.b, float), np.array([known.x], float))
    wanted = np.array([float(a) for a in known.answer])
    assert np.all(np.abs(e.values[0] - wanted) <= e.error_estimate[0] + TOLERANCE[known.kind] * np.abs(wanted).sum())
    assert e.error_estimate.sum() <= 1e-6 * np.abs(wanted).sum()


@pytest.mark.parametrize("known", [k for k in naive.KNOWN if k.kind not in TOLERANCE], ids=lambda known: known.name)
def test_kinks_and_oblique_jumps_are_covered_by_their_error(known):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        e = numeric(known.function, np.array(known.b, float), np.array([known.x], float))
    wanted = np.array([float(a) for a in known.answer])
    assert np.all(np.abs(e.values[0] - wanted) <= e.error_estimate[0] + 1e-12 * np.abs(wanted).sum())


FORESTS = {
    "depth 8": lambda: RandomForestClassifier(100, max_depth=8, random_state=0),
    "full depth": lambda: RandomForestClassifier(60, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=60, random_state=0),
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", FORESTS)
def test_agrees_with_the_structural_engine_within_its_own_error(name):
    """At least 98 % of the values, as the project asks; 6 features interact in the data."""
    rng = np.random.default_rng(3)
    n = count("rows explained by both engines")
    X = rng.normal(size=(1000 + n, 10))
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) * X[:, 3] + X[:, 4] > X[:, 5]
    model, baseline = FORESTS[name]().fit(X[:1000], y[:1000]), X[:1000].mean(axis=0)
    exact = IntegratedGradients(model, baseline).explain(X[1000:])
    e = numeric(model, baseline, X[1000:])
    size = np.abs(exact.values).sum(axis=1, keepdims=True)
    covered = np.abs(e.values - exact.values) <= e.error_estimate + 1e-12 * size
    assert exact.engine == "tree_ensemble"
    assert e.engine == "numeric"
    assert covered.mean() >= 0.98
    assert (e.error_estimate.sum(axis=1) <= 1e-6 * size[:, 0]).mean() >= 0.9  # sharp: no huge estimate as a way out


@pytest.mark.parametrize("case", [c for c in cases.TREES if not c.missing and not c.single], ids=lambda case: case.name)
def test_small_models_with_ties_agree(case):
    baseline, X = case.X[40], case.X[3:7]
    exact = IntegratedGradients(case.model(), baseline, response_method=case.response_method).explain(X)
    e = numeric(case.model(), baseline, X, response_method=case.response_method)
    size = np.abs(exact.values).sum(axis=1, keepdims=True)
    assert np.all(np.abs(e.values - exact.values) <= e.error_estimate + cases.NUMERIC * size)


@pytest.mark.parametrize("case", [c for c in cases.TREES if c.missing], ids=lambda case: case.name)
def test_missing_values_move_at_one_half(case):
    rows = np.flatnonzero(np.isnan(case.X).any(axis=1))[:4]
    baseline = case.X[40]
    exact = IntegratedGradients(case.model(), baseline).explain(case.X[rows])
    e = numeric(case.model(), baseline, case.X[rows])
    size = np.abs(exact.values).sum(axis=1, keepdims=True)
    assert np.isnan(case.X[rows]).any()
    assert np.all(np.abs(e.values - exact.values) <= e.error_estimate + cases.NUMERIC * size)


@pytest.mark.parametrize("discrete", [[0], [0, 3], [3, 4]])
def test_discrete_columns_move_at_one_half(discrete):
    case = cases.BY_NAME["RandomForestRegressor"]
    options = {"categorical_features": discrete}
    exact = IntegratedGradients(case.model(), case.X[40], **options).explain(case.X[3:7])
    e = numeric(case.model(), case.X[40], case.X[3:7], **options)
    continuous = IntegratedGradients(case.model(), case.X[40]).explain(case.X[3:7])
    size = np.abs(exact.values).sum(axis=1, keepdims=True)
    assert np.all(np.abs(e.values - exact.values) <= e.error_estimate + cases.NUMERIC * size)
    assert np.abs(exact.values - continuous.values).max() > 1e-3 * size.max()


def test_a_discrete_column_beside_smooth_ones():
    """f = x0² x1 + 2 [x2] x0: the flag moves at one half, where x0 = 1/2; quadrature does the rest on both sides."""

    def f(X):
        return X[:, 0] ** 2 * X[:, 1] + 2 * X[:, 2] * X[:, 0]

    e = numeric(f, [0.0, 0.0, 0.0], [[1.0, 1.0, 1.0]], categorical_features=[2])
    assert e.n_evaluations[0] < 1000  # quadrature, not thousands of intervals
    np.testing.assert_allclose(e.values, [[2 / 3 + 1.0, 1 / 3, 1.0]], atol=1e-6)
    assert np.all(np.abs(e.values - [[5 / 3, 1 / 3, 1.0]]) <= e.error_estimate + 1e-12)


def test_linear_and_logistic_models_in_closed_form():
    X, y, _ = cases.data()
    model = LogisticRegression().fit(X, y)
    e = numeric(model, X[0], X[1:6])
    margin = model.decision_function
    change = model.predict_proba(X[1:6])[:, 1] - model.predict_proba(X[:1])[0, 1]
    wanted = (X[1:6] - X[0]) * model.coef_ / (margin(X[1:6]) - margin(X[:1]))[:, None] * change[:, None]
    np.testing.assert_allclose(e.values, wanted, atol=1e-7)


def test_large_ties_are_shared_by_enumeration_and_beyond_by_permutations():
    """The product of k flags: by symmetry every flag gets 1/k."""
    for k in (3, 12, 15):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BudgetWarning)  # 15 flags are sampled
            e = numeric(lambda X: X.prod(axis=1), np.zeros(k), np.ones((1, k)), categorical_features=list(range(k)))
        assert np.all(np.abs(e.values - 1 / k) <= e.error_estimate + 1e-12)
        assert e.values.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_players_that_tie_have_no_order_in_log_odds_either(seed):
    """Two of many steps in the log-odds are at one place, the end of the path: both orders count alike."""
    rng = np.random.default_rng(seed)
    places, heights = rng.random((12, 8)), rng.normal(size=(12, 8))
    places[0, 0] = places[1, 0] = 1.0
    x, b = 1.0 + rng.random(12), -rng.random(12)
    thresholds = np.where(places == 1.0, x[:, None], b[:, None] + places * (x - b)[:, None])

    def f(Z):
        return 1.0 / (1.0 + np.exp(-((Z[:, :, None] >= thresholds) * heights).sum(axis=(1, 2))))

    e = numeric(f, b, x[None])
    order = np.argsort(places, axis=None, kind="stable")
    wanted = np.mean([credits_in_order(order, heights), credits_in_order(swapped(order), heights)], axis=0)
    np.testing.assert_allclose(e.values[0], wanted, atol=1e-12)


def test_two_features_on_their_thresholds_tie_at_the_end_of_the_path():
    """A row of the training data lies on thresholds; the path, rounded, seems to reach one of them before the other."""
    X, y = make_classification(1000, 30, n_informative=10, random_state=0)
    X = X.astype(np.float32).astype(np.float64)
    model, baseline = HistGradientBoostingClassifier(random_state=0).fit(X, y), np.median(X, axis=0)
    exact = IntegratedGradients(model, baseline).explain(X[:1]).values
    e = numeric(lambda Z: model.predict_proba(Z)[:, 1], baseline, X[:1])
    np.testing.assert_allclose(e.values, exact, atol=1e-10)


def credits_in_order(order, heights):
    odds, credits = 0.0, np.zeros(len(heights))
    for place in order:
        before, odds = odds, odds + heights.flat[place]
        credits[place // heights.shape[1]] += 1.0 / (1.0 + np.exp(-odds)) - 1.0 / (1.0 + np.exp(-before))
    return credits


def swapped(order):
    """The last two the other way round."""
    return np.append(order[:-2], order[:-3:-1])


def test_an_effect_that_no_single_flag_shows():
    """Majority of three: no flag matters at either end, only in between."""
    e = numeric(lambda X: (X.sum(axis=1) > 1.5) * 1.0, np.zeros(3), np.ones((1, 3)), categorical_features=[0, 1, 2])
    np.testing.assert_allclose(e.values, np.full((1, 3), 1 / 3), atol=1e-12)


def test_what_a_tie_leaves_unexplained_is_error(monkeypatch):
    """If the search for players with an effect misses them all, the whole change is said to be in doubt."""
    nobody = lambda asker, ties, threshold, effects: np.zeros_like(asker.moving[ties.pair])  # noqa: E731
    monkeypatch.setattr(numeric_tie, "_active_players", nobody)
    twos = np.full((1, 3), 2.0)  # units are enumerated without a search
    with pytest.warns(BudgetWarning, match="1 of 1 rows"):
        e = numeric(lambda X: (X.sum(axis=1) > 3.0) * 1.0, np.zeros(3), twos, categorical_features=[0, 1, 2])
    assert (e.values == 0).all()
    assert (e.error_estimate >= 1.0).all()


def test_an_effect_that_begins_and_ends_inside_one_interval():
    """x1 steps while x0 is in a band a hundredth wide: before and behind the band nothing of it is left to see.

    Intervals a sixty-fourth wide find it by their tests at random places inside, mostly; "thorough" cuts finer.
    """

    def f(X):
        return ((X[:, 0] > 0.3) & (X[:, 0] < 0.31)) * (1.0 + (X[:, 1] > 0.305))

    runs = [numeric(f, [0.0, 0.0], [[1.0, 1.0]], random_state=seed).values[0] for seed in range(20)]
    assert sum(np.allclose(values, [-1.0, 1.0], atol=1e-9) for values in runs) >= 10
    e = numeric(f, [0.0, 0.0], [[1.0, 1.0]], thoroughness="thorough")
    np.testing.assert_allclose(e.values, [[-1.0, 1.0]], atol=1e-9)


def test_counts_are_exact_and_batches_change_nothing():
    seen = [0]

    def f(X):
        seen[0] += len(X)
        return np.where(X[:, 0] > 0.2, X[:, 1], X[:, 2] ** 2) + (X[:, 3] > 1)

    X = cases.data()[0]
    e = numeric(f, X[:2], X[5:15])
    assert e.n_evaluations.sum() + e.n_shared_evaluations == seen[0]
    for batch_size in (1, 3):
        again = numeric(f, X[:2], X[5:15], batch_size=batch_size)
        np.testing.assert_array_equal(again.values, e.values)
        np.testing.assert_array_equal(again.n_evaluations, e.n_evaluations)


def test_a_small_budget_is_kept_and_said():
    X = cases.data()[0]
    f = cases.BY_NAME["RandomForestRegressor"].model().predict

    with pytest.warns(BudgetWarning, match=r"rows did not reach tol=1e-06 .* relative error is"):
        e = numeric(f, X[0], X[1:9], max_evaluations=300)
    exact = IntegratedGradients(f.__self__, X[0]).explain(X[1:9])
    assert e.n_evaluations.max() <= 300
    assert not e.exact
    covered = np.abs(e.values - exact.values) <= e.error_estimate + 1e-12
    assert covered.mean() >= 0.95


def test_probes_stay_inside_the_box_of_baseline_and_input():
    low, high = np.full(5, np.inf), np.full(5, -np.inf)

    def f(X):
        np.minimum(low, X.min(axis=0), out=low)
        np.maximum(high, X.max(axis=0), out=high)
        return X[:, 0] * X[:, 1] + (X[:, 2] > 0.1)

    X = cases.data()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        numeric(f, X[0], X[1:2])
    assert (low >= X[:2].min(axis=0)).all()
    assert (high <= X[:2].max(axis=0)).all()


def test_a_row_equal_to_its_baseline_gets_zero():
    X = cases.data()[0]
    e = numeric(lambda X: X.sum(axis=1), X[0], X[:1])
    assert (e.values == 0).all()
    assert (e.error_estimate == 0).all()


@pytest.mark.parametrize("n", [1, 2, 8, 64])
def test_gauss_legendre_is_exact_for_polynomials(n):
    nodes, weights = gauss_legendre(n)
    for degree in range(2 * n):
        assert weights @ nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-13)
    if n < 8:
        assert abs(weights @ nodes ** (2 * n) - 1 / (2 * n + 1)) > 1e-6


@pytest.mark.parametrize("n", [1, 2, 5])
def test_shapley_kernel_equals_enumeration(n):
    outputs = np.random.default_rng(n).normal(size=(2**n, 2))
    for function in (shapley.shapley_of_states, shapley.shapley_of_states.py_func):
        credits = np.zeros((n, 2))
        function(outputs, np.arange(n), n, credits)
        for o in range(2):
            wanted = naive.shapley(lambda T, o=o: outputs[sum(1 << i for i in T), o], range(n))
            np.testing.assert_allclose(credits[:, o], [float(wanted[i]) for i in range(n)], atol=1e-14)


@pytest.mark.parametrize("function", [lambda Z: Z[:, 0] - Z[:, 1], lambda Z: (Z[:, 0] > 0.3) * 1e10])
def test_where_nobody_could_look_the_error_is_not_known(function):
    with pytest.warns(BudgetWarning, match="relative error is inf"):
        e = numeric(function, [0.0, 0.0, 5.0], [[1.0, 1.0, 5.0]], max_evaluations=2)
    np.testing.assert_array_equal(e.error_estimate, [[np.inf, np.inf, 0.0]])


@pytest.mark.parametrize(("b", "x"), [(np.inf, np.inf), (-1.5e308, 1.5e308)])
def test_ways_that_are_not_finite_are_no_arithmetic(b, x):
    e = numeric(lambda Z: np.tanh(Z[:, 0] / 1e308) + Z[:, 1], [b, 0.0], [[x, 1.0]])
    np.testing.assert_allclose(e.values, [[np.tanh(x / 1e308) - np.tanh(b / 1e308), 1.0]], rtol=0, atol=1e-7)


def test_a_budget_larger_than_any_machine_number():
    assert numeric(lambda Z: Z[:, 0], [0.0], [[1.0]], max_evaluations=10**30).values == pytest.approx(1.0)


@pytest.mark.parametrize("budget", [300, 1000, 1500, 20_000])
def test_jumps_that_nobody_could_look_for_are_in_the_error(budget):
    """The scan says that the path is broken; what the sum of two jumps hides is not nothing."""
    rng = np.random.default_rng(6)
    slopes, heights = rng.normal(size=40), np.array([5.0, -5.0])
    f = lambda Z: np.sin(Z * slopes).sum(axis=1) + (Z[:, :2] > [0.1, 0.8]) @ heights  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        e = numeric(f, np.zeros(40), np.ones((1, 40)), max_evaluations=budget)
    wanted = np.sin(slopes) + np.append(heights, np.zeros(38))
    assert (np.abs(e.values[0] - wanted) <= e.error_estimate[0] + 1e-8).all()
    assert budget < 20_000 or e.error_estimate.max() < 1e-4


@pytest.mark.parametrize("big", [5.0, 38.0, 45.0])
def test_probabilities_that_come_to_zero_or_one(big):
    """There log-odds are infinite, or say nothing; they are not taken for an explanation."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        places, weights = rng.uniform(0.01, 0.99, 100), rng.normal(0, 0.3, 100)
        weights[:2] = big, -big
        e = numeric(lambda Z: expit(((places < Z) * weights).sum(axis=1)), np.zeros(100), np.full((1, 100), 1.7))  # noqa: B023
        odds, wanted = 0.0, np.zeros(100)
        for j in np.argsort(places):
            wanted[j] = expit(odds + weights[j]) - expit(odds)
            odds += weights[j]
        np.testing.assert_allclose(e.values[0], wanted, rtol=0, atol=1e-10)


def test_a_model_that_drifts_from_call_to_call_is_random():
    calls = []

    def f(Z):
        calls.append(len(Z))
        return Z[:, 0] + 0.01 * len(calls)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        numeric(f, [0.0, 0.0], [[1.0, 1.0]])
    assert NoiseWarning in [one.category for one in said]


BOOSTING = HistGradientBoostingClassifier(max_iter=40, random_state=0)


@pytest.mark.parametrize("budget", [150, 700, None])
def test_neither_company_nor_batches_change_a_row_whatever_its_budget(budget):
    """Intervals of all rows are tested side by side, in log-odds too; when one is through depends on its row alone."""
    X, y = make_classification(400, 8, random_state=1)
    model = BOOSTING.fit(X, y)
    wanted = IntegratedGradients(model.predict_proba, X[0], max_evaluations=budget, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        together = wanted.explain(X[10:20], target=1)
        for size in (1, 4):
            apart = wanted.set_params(batch_size=size).explain(X[10:20], target=1)
            for name in ("values", "error_estimate", "n_evaluations"):
                np.testing.assert_array_equal(getattr(apart, name), getattr(together, name))
    assert budget is None or together.n_evaluations.max() <= budget


def test_rows_are_explained_in_few_calls():
    """A call of a forest costs as much as thousands of its rows, so what waits is asked together."""
    X, y = make_classification(600, 12, n_informative=6, random_state=0)
    model = RandomForestClassifier(50, max_depth=6, random_state=0).fit(X, y)
    sizes = []

    def predict(Z):
        sizes.append(len(Z))
        return model.predict_proba(Z)[:, 1]

    e = numeric(predict, X.mean(axis=0), X[:30], progress=False)
    assert sum(sizes) == e.n_evaluations.sum() + 31
    assert len(sizes) <= 60
