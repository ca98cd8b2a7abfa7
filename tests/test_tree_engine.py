"""The structural tree engine against the oracle in fractions, on random trees and on fitted models."""

import math
from fractions import Fraction

import cases
import catboost_oracles
import lightgbm_oracles
import naive
import numpy as np
import pytest
import sklearn_oracles
import xgboost_oracles
from counts import count
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from tree_models import attribute, engine_of, oracle_values

from agnostic_ig import IntegratedGradients

POOLS = {
    "continuous": lambda rng, n: rng.normal(size=n).tolist(),
    "integers": lambda rng, n: [0.5, 1.5, 2.5],
    "on the grid": lambda rng, n: [0.0, 1.0, 2.0],
    "binary": lambda rng, n: [0.5],
}
POINTS = {
    "continuous": lambda rng, n: rng.normal(size=n),
    "integers": lambda rng, n: rng.integers(0, 4, size=n).astype(float),
    "on the grid": lambda rng, n: rng.integers(0, 3, size=n).astype(float),
    "binary": lambda rng, n: rng.integers(0, 2, size=n).astype(float),
}


def draw_model(seed, kind, link, *, routing="float64", n_features=5, n_trees=4, depth=4, strict=False):
    """A random model of the oracle, and a random pair."""
    rng = np.random.default_rng(seed)
    n_outputs = 3 if link == "softmax" else 1
    thresholds = [POOLS[kind](rng, 6) for _ in range(n_features)]
    model = naive.random_forest(
        rng, n_trees * n_outputs, n_features, depth, thresholds, n_outputs=n_outputs,
        one_output_each=n_outputs > 1, link=link, routing=routing, strict=strict,
        intercept=(0.25,) * n_outputs if n_outputs > 1 else 0.25, weights=[0.125] * n_trees * n_outputs,
    )  # fmt: skip
    x, b = POINTS[kind](rng, n_features), POINTS[kind](rng, n_features)
    return model, x, b, rng


def assert_agrees(values, wanted, tolerance=cases.EXACT):
    scale = np.abs(wanted).sum(axis=0, keepdims=True)
    assert np.all(np.abs(values - wanted) <= tolerance * scale + 1e-15), (values, wanted)


@pytest.mark.campaign
@settings(max_examples=count("random trees"), deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(sorted(POOLS)),
    st.sampled_from(sorted(naive.LINKS)),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
)
def test_random_trees_agree_with_fractions(seed, kind, link, routing, strict):
    model, x, b, _ = draw_model(seed, kind, link, routing=routing, strict=strict)
    values, answer = attribute(engine_of(model), x, b)
    assert_agrees(values, oracle_values(model, x, b))
    assert answer.variance is None


@pytest.mark.campaign
@settings(max_examples=count("random trees, missing values and discrete columns"), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["identity", "sigmoid"]))
def test_missing_values_and_discrete_columns(seed, link):
    model, x, b, rng = draw_model(seed, "integers", link, n_features=6)
    x[rng.random(6) < 0.3] = math.nan
    b[rng.random(6) < 0.3] = math.nan
    x[rng.random(6) < 0.1] = math.inf
    discrete = [j for j in range(6) if rng.random() < 0.4]
    values, _ = attribute(engine_of(model), x, b, discrete)
    assert_agrees(values, oracle_values(model, x.tolist(), b.tolist(), discrete=discrete))


@pytest.mark.campaign
@settings(max_examples=count("random trees, native categories"), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["identity", "softmax"]), st.sampled_from([4, 40]))
def test_native_categories(seed, link, n_codes):
    """Codes that a node lists, codes that none lists, and missing ones, beside numbers that cross at ½ too."""
    rng = np.random.default_rng(seed)
    n_outputs = 3 if link == "softmax" else 1
    sets = [frozenset(rng.choice(n_codes, n_codes // 2, replace=False).tolist()) for _ in range(8)]
    thresholds = [sets, sets[:3], [0.5, 1.5], rng.normal(size=4).tolist()]
    model = naive.random_forest(
        rng, 4 * n_outputs, 4, 4, thresholds, n_outputs=n_outputs, one_output_each=n_outputs > 1, link=link,
        intercept=(0.25,) * n_outputs if n_outputs > 1 else 0.25,
    )  # fmt: skip
    x, b = (np.append(rng.integers(-1, n_codes + 3, size=2), rng.integers(0, 3, size=2)).astype(float) for _ in "xb")
    x[rng.random(4) < 0.15] = math.nan
    values, _ = attribute(engine_of(model), x, b)
    assert_agrees(values, oracle_values(model, x.tolist(), b.tolist()))


@pytest.mark.campaign
@settings(max_examples=count("random trees, categories of several columns"), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["identity", "sigmoid"]))
def test_columns_that_encode_one_category_are_one_player(seed, link):
    model, x, b, _ = draw_model(seed, "binary", link, n_features=7, depth=5)
    players = [0, 1, 1, 1, 2, 2, 3]
    discrete = [1, 2, 3, 4, 5]
    values, _ = attribute(engine_of(model), x, b, discrete, players)
    assert_agrees(values, oracle_values(model, x, b, discrete=discrete, players=players))


@pytest.mark.campaign
@settings(max_examples=count("random trees, decimal data in float32 families"), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]), st.booleans())
def test_float32_families_find_the_ties_of_decimal_data(seed, digits, single):
    """Thresholds as a float32 forest learns them: midpoints of rounded decimals. x and b in float64 or float32."""
    rng = np.random.default_rng(seed)
    unit = 10.0**-digits
    column = np.round(rng.integers(0, 40, size=(12, 4)) * unit, digits)
    low, high = column.astype(np.float32).astype(float), (column + unit).astype(np.float32).astype(float)
    thresholds = [((low[:, j] + high[:, j]) / 2).tolist() for j in range(4)]
    model = naive.random_forest(rng, 5, 4, 4, thresholds, routing="float32")
    x, b = (np.round(rng.integers(0, 40, size=4) * unit, digits) for _ in range(2))

    def place(feature, threshold, x_j, b_j):
        ideal = Fraction(round(threshold * 2 * 10**digits), 2 * 10**digits)
        x_j, b_j = (Fraction(round(v * 10**digits), 10**digits) for v in (x_j, b_j))
        return (ideal - b_j) / (x_j - b_j)

    given_x, given_b = ((v.astype(np.float32) if single else v).astype(float) for v in (x, b))
    values, _ = attribute(engine_of(model), given_x, given_b)
    assert_agrees(values, oracle_values(model, given_x, given_b, place=place))


def test_ends_beside_a_decimal_grid_stay_where_they_are():
    """Thresholds on the grid say nothing of x: only what is a rounded decimal moves."""
    both = naive.step(0, 0.5, 0, naive.step(1, 0.5))
    engine = engine_of(naive.Forest([both], routing="float32"))
    for b0 in (0.0, 0.01):
        np.testing.assert_array_equal(attribute(engine, [0.8123, 1.0], [b0, 0.0])[0][:, 0], [1.0, 0.0])


def test_rounded_decimals_tie_from_their_start():
    """Both cross halfway, 0.1 to 0.2 and 0.3 to 0.7, though none of these is a float32."""
    low, high = np.float32([0.1, 0.3]).astype(float), np.float32([0.2, 0.7]).astype(float)
    middle = ((low + high) / 2).tolist()
    engine = engine_of(naive.Forest([naive.step(0, middle[0], 0, naive.step(1, middle[1]))], routing="float32"))
    np.testing.assert_array_equal(attribute(engine, [0.2, 0.7], [0.1, 0.3])[0][:, 0], [0.5, 0.5])


def test_a_code_beyond_a_list_is_not_looked_up_in_the_next():
    trees = [naive.Node(0, frozenset({code}), naive.Leaf(10.0**code), naive.Leaf(0.0)) for code in (1, 0)]
    engine = engine_of(naive.Forest(trees))
    np.testing.assert_array_equal(engine.predict(np.array([[0.0], [1.0], [31.0], [32.0]]))[:, 0], [1.0, 10.0, 0.0, 0.0])


def test_continuous_thresholds_of_a_float32_family_stay_where_they_are():
    X, _, score = cases.data("continuous")
    forest = RandomForestRegressor(20, random_state=0).fit(X, score)
    trees = IntegratedGradients(forest, X[0])
    trees.explain(X[:1])
    engine = trees._built.built.engine
    np.testing.assert_array_equal(engine.trees.nodes["place"], engine.trees.nodes["threshold"])


# "decimals as they are" is what the grid of alphas does not do on purpose.
KNOWN = [k for k in naive.KNOWN_TREES if k.name != "decimals as they are"]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_answers(known):
    options = {k: v for k, v in known.options.items() if k in ("discrete", "players")}
    if "players" in options:
        options["discrete"] = [0, 1]
    values, _ = attribute(engine_of(known.model), known.x, known.b, **options)
    np.testing.assert_allclose(values[:, -1], [float(a) for a in known.answer], rtol=0, atol=1e-15)


ORACLES = {
    "sklearn": sklearn_oracles,
    "lightgbm": lightgbm_oracles,
    "catboost": catboost_oracles,
    "xgboost": xgboost_oracles,
}


def oracle_of(case):
    """The oracle's model of a fitted case, read in the tests and not by the package."""
    kind = type(case.model())
    return ORACLES[kind.__module__.partition(".")[0]].READINGS[kind.__name__](case.model(), case.response_method)


@pytest.mark.parametrize("case", cases.TREES, ids=lambda case: case.name)
def test_fitted_models_agree_with_fractions(case):
    model = oracle_of(case)
    for i, k in ((3, 40), (5, 41)):
        x, b = case.X[i], case.X[k]
        e = IntegratedGradients(case.model(), b, response_method=case.response_method).explain(x[None])
        wanted = oracle_values(model, x.tolist(), b.tolist())
        values = e.values[0].reshape(len(x), -1)
        picked = wanted if values.shape[1] == wanted.shape[1] else wanted[:, -1:]
        assert_agrees(values, picked)
        assert e.exact
        assert e.engine == "tree_ensemble"


def test_ties_too_large_to_enumerate_are_sampled_and_say_so():
    """14 flags under a sigmoid: the sampled answer lies within its standard errors of enumeration in NumPy."""
    rng = np.random.default_rng(0)
    model = naive.random_forest(rng, 30, 14, 3, [[0.5]] * 14, link="sigmoid", weights=[0.05] * 30)
    engine = engine_of(model)
    values, answer = attribute(engine, np.ones(14), np.zeros(14), thoroughness="thorough")
    states = (np.arange(2**14)[:, None] >> np.arange(14)) & 1
    f = engine.predict(states.astype(float))[:, 1]
    wanted = shapley_of_table(f, 14)
    error = np.sqrt(answer.variance[0, :, 0])
    assert not answer.converged[0]
    assert np.all(error > 0)
    assert np.all(np.abs(values[:, 0] - wanted) <= 5 * error)
    assert np.abs(values[:, 0] - wanted).max() <= 0.01 * np.abs(wanted).sum()


def test_a_pair_with_a_large_tie_is_answered_once():
    """What a pair got before its large tie was met is taken back before it is done over with the sampler."""
    rng = np.random.default_rng(0)
    model = naive.random_forest(rng, 30, 15, 3, [[0.25]] + [[0.5]] * 14, link="sigmoid", weights=[0.05] * 30)
    engine = engine_of(model)
    values = attribute(engine, np.ones(15), np.zeros(15))[0][:, 0]
    f = engine.predict(np.array([[0.0] * 15, [1.0] + [0.0] * 14, [1.0] * 15]))[:, 1]
    assert values[0] == pytest.approx(f[1] - f[0], abs=1e-14)
    assert values.sum() == pytest.approx(f[2] - f[0], abs=1e-12)


def shapley_of_table(f, n):
    """Shapley value from the values of all 2**n states, vectorised over states."""
    index = np.arange(2**n)
    size = ((index[:, None] >> np.arange(n)) & 1).sum(axis=1)
    weight = np.array([math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)])
    out = np.empty(n)
    for i in range(n):
        without = index[(index >> i) & 1 == 0]
        out[i] = np.sum(weight[size[without]] * (f[without | (1 << i)] - f[without]))
    return out


def test_enumerated_ties_under_a_link_equal_brute_force():
    rng = np.random.default_rng(1)
    model = naive.random_forest(rng, 20, 12, 4, [[0.5]] * 12, link="sigmoid", weights=[0.1] * 20)
    engine = engine_of(model)
    values, answer = attribute(engine, np.ones(12), np.zeros(12))
    states = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    wanted = shapley_of_table(engine.predict(states.astype(float))[:, 1], 12)
    np.testing.assert_allclose(values[:, 0], wanted, rtol=0, atol=1e-14)
    assert answer.variance is None


def test_many_leaves_outgrow_the_first_room_for_terms():
    """A pair that meets more leaves than the first buffer holds is collected again."""
    rng = np.random.default_rng(2)
    thresholds = [rng.normal(size=50).tolist() for _ in range(6)]
    model = naive.random_forest(rng, 60, 6, 9, thresholds, link="exp", weights=[0.001] * 60)
    x, b = np.full(6, 3.0), np.full(6, -3.0)
    values, _ = attribute(engine_of(model), x, b)
    ends = [float(naive.predict(model, v)) for v in (x, b)]
    assert abs(values.sum() - (ends[0] - ends[1])) <= 1e-12 * np.abs(values).sum()
