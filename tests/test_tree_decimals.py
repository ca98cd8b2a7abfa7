"""Decimal columns of float32 families: a row's ties are found whatever stands beside it, and both engines agree."""

from fractions import Fraction

import cases
import naive
import numpy as np
import pytest
import xgboost
from lightgbm import LGBMRegressor
from sklearn.ensemble import BaggingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from sklearn_oracles import READINGS
from tree_models import attribute, engine_of, oracle_values

from agnostic_ig import IntegratedGradients

GATE = [[0.1, 10.1], [0.1, 10.2], [0.2, 10.1], [0.2, 10.2]]
RNG = np.random.default_rng(0)
X = np.round(RNG.normal(size=(600, 5)), 1)
X[RNG.random(X.shape) < 0.2] = np.nan
Y = np.nansum(X[:, :3], axis=1) + np.nan_to_num(X[:, 3] * X[:, 4])


@pytest.mark.parametrize("company", [0, 1, 2])
def test_a_tie_is_found_beside_rows_that_share_a_value_with_the_baseline(company):
    gate = DecisionTreeRegressor(random_state=0).fit(GATE, [0.0, 0.0, 0.0, 1.0])
    values = IntegratedGradients(gate, GATE[0]).explain([GATE[company], GATE[3]]).values
    np.testing.assert_array_equal(values[1], [0.5, 0.5])


MODELS = {
    "forest": lambda: RandomForestRegressor(8, random_state=0),
    "bagging": lambda: BaggingRegressor(n_estimators=6, random_state=0),
    "xgboost": lambda: xgboost.XGBRegressor(n_estimators=8, max_depth=4),
    "xgboost exact": lambda: xgboost.XGBRegressor(n_estimators=8, max_depth=4, tree_method="exact"),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_rows_together_get_the_bits_of_each_alone(name):
    explainer = IntegratedGradients(MODELS[name]().fit(X, Y), X[5], engine="exact")
    together = explainer.explain(X[:60]).values
    for i in range(0, 60, 3):
        np.testing.assert_array_equal(explainer.explain(X[i : i + 1]).values[0], together[i])


def in_tenths(feature, threshold, x_j, b_j):
    """Where the path crosses, for the decimals that are meant."""
    x_j, b_j = (Fraction(round(10 * v), 10) for v in (x_j, b_j))
    return (Fraction(round(20 * threshold), 20) - b_j) / (x_j - b_j)


@pytest.mark.parametrize("name", ["forest", "bagging"])
def test_signed_decimals_with_gaps_agree_with_fractions(name):
    """Thresholds that straddle 0 carry the rounding of the values beside them, which are far from it."""
    model = MODELS[name]().fit(X, Y)
    oracle = READINGS[type(model).__name__](model, "predict")
    e = IntegratedGradients(model, X[7]).explain(X[20:40])
    for i in range(20):
        wanted = oracle_values(oracle, X[20 + i].tolist(), X[7].tolist(), place=in_tenths)[:, 0]
        assert np.abs(e.values[i] - wanted).max() <= cases.EXACT * np.abs(wanted).sum()


@pytest.mark.parametrize("make", [HistGradientBoostingRegressor, lambda: LGBMRegressor(n_estimators=20, verbosity=-1)])
def test_infinite_ends_move_at_one_half_in_both_engines(make):
    table = np.random.default_rng(1).normal(size=(400, 4))
    model = make().fit(table, table[:, 0] + table[:, 1] * table[:, 2])
    rows = table[:6].copy()
    rows[[0, 1, 2], [0, 1, 2]] = [np.inf, -np.inf, np.inf]
    exact, numeric = (
        IntegratedGradients(model, table[9], engine=engine, random_state=0).explain(rows)
        for engine in ("exact", "numeric")
    )
    size = np.abs(exact.values).sum(axis=1, keepdims=True)
    assert np.abs(exact.values - numeric.values).max() <= cases.NUMERIC * size.max()


def test_ends_that_share_a_place_on_the_grid_cross_between_them():
    """0.5 and the next float32 are one decimal; the path between them leaves the threshold at once."""
    gate = naive.Forest([naive.step(0, 0.5, 0, naive.step(1, 0.5))], routing="float32")
    values, _ = attribute(engine_of(gate), [float(np.nextafter(np.float32(0.5), np.float32(1))), 2.0], [0.5, 0.0])
    np.testing.assert_array_equal(values[:, 0], [0.0, 1.0])
