"""Pipelines: mixtures of columns, models made of pipelines, containers, columns encoded inside, and what is refused."""

import copy
import functools

import naive_pipelines as naive
import numpy as np
import pandas as pd
import pipeline_cases as cases
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.exceptions import EngineUnavailableError

TABLE = cases.rows()
WHOLE = TABLE[np.isfinite(TABLE).all(axis=1)]
NUMBERS = WHOLE[:, [0, 1, 3]]
TARGET = WHOLE[:, 0] / 50 + np.sin(WHOLE[:, 3] / 4) - WHOLE[:, 1] / 20 * (WHOLE[:, 0] > 60)


def relative(actual, wanted):
    return np.abs(actual - wanted).max() / np.abs(wanted).sum()


# --- mixtures -----------------------------------------------------------------------------------------------


def thresholds_behind(pca, scaler, trees, b):
    """(component, place) of all thresholds, as differences from where b is."""
    at_b = pca.components_ @ ((b - scaler.mean_) / scaler.scale_ - pca.mean_)
    inner = [(f, t) for tree in trees for f, t in zip(tree.feature, tree.threshold, strict=True) if f >= 0]
    return [(f, t - at_b[f]) for f, t in inner]


def test_trees_behind_a_projection_share_their_jumps():
    """Forests behind PCA behind a scaler: every jump by what the columns contribute to the way of the component."""
    model = make_pipeline(StandardScaler(), PCA(2), RandomForestRegressor(4, max_depth=4, random_state=0))
    model.fit(NUMBERS, TARGET)
    scaler, pca, forest = (step for _, step in model.steps)
    mixture = pca.components_.T / scaler.scale_[:, None]
    for x, b in zip(NUMBERS[:8], NUMBERS[20:28], strict=True):
        places = thresholds_behind(pca, scaler, [tree.tree_ for tree in forest.estimators_], b)
        wanted = naive.slanted(model.predict, places, mixture, x, b)
        e = IntegratedGradients(model, b, engine="exact").explain([x])
        assert relative(e.values[0], wanted) <= 1e-9
        assert e.engine == "tree_ensemble"


def test_mixtures_and_columns_of_their_own_side_by_side():
    """Two numbers mixed, one passed, words encoded: linked trees, and a sum of trees and a line."""
    columns = ColumnTransformer(
        [
            ("mixed", make_pipeline(StandardScaler(), PCA(2)), ["amount", "hour"]),
            ("shop", OneHotEncoder(), ["shop"]),
            ("age", "passthrough", ["age"]),
        ]
    )
    X, y = cases.frame(WHOLE), TARGET + WHOLE[:, 2]
    boosting = make_pipeline(columns, GradientBoostingClassifier(n_estimators=4, random_state=0)).fit(X, y > 1.5)
    exact, numeric = (
        IntegratedGradients(boosting, X.iloc[[50]], engine=engine, tol=1e-7).explain(X.iloc[:3]).values
        for engine in ("exact", "numeric")
    )
    assert np.abs(exact[:, [4, 5]]).max() == 0.0  # columns that the pipeline drops
    np.testing.assert_allclose(exact, numeric, rtol=0, atol=1e-6 * np.abs(exact).sum(axis=1).max())
    trees, line = RandomForestRegressor(2, max_depth=3, random_state=0), LinearRegression()
    whole, *parts = (
        IntegratedGradients(make_pipeline(columns, last).fit(X, y), X.iloc[[50]], engine="exact").explain(X[:9]).values
        for last in (VotingRegressor([("trees", trees), ("line", line)]), trees, line)
    )
    np.testing.assert_allclose(whole, (parts[0] + parts[1]) / 2, rtol=0, atol=1e-12)


def test_jumps_in_a_mixture_before_trees_are_left_to_the_numeric_engine():
    """Flags always jump; numbers with gaps that are filled do in rows that have some."""
    X = cases.frame()
    forest = RandomForestRegressor(2, max_depth=2, random_state=0)
    flags = make_pipeline(cases.one_hot(), PCA(3), forest).fit(X, cases.score())
    with pytest.raises(EngineUnavailableError, match="trees stand behind a mixture of columns in which 'shop' jumps"):
        IntegratedGradients(flags, cases.frame(WHOLE[:1]), engine="exact").explain(cases.frame(WHOLE[1:2]))
    numbers = X[cases.NUMBERS]
    model = make_pipeline(SimpleImputer(), StandardScaler(), PCA(2), forest).fit(numbers, cases.score())
    whole = numbers[np.isfinite(TABLE[:, 1])]
    ig = IntegratedGradients(model, whole[:1], engine="exact")
    filled = ig.explain(whole[1:5])
    same = IntegratedGradients(model[1:], whole[:1].to_numpy(), engine="exact").explain(whole[1:5].to_numpy())
    np.testing.assert_array_equal(filled.values, same.values)
    with pytest.raises(EngineUnavailableError, match="a mixture of columns in which 'age' jumps"):
        ig.explain(numbers[np.isnan(TABLE[:, 1])])
    ig.set_params(engine="auto")
    assert ig.explain(whole[1:5]).engine == "tree_ensemble"
    mixed = ig.explain(numbers[np.isnan(TABLE[:, 1])][:1])
    assert mixed.engine == "numeric"
    assert ig.explain(whole[1:5]).engine == "tree_ensemble"


# --- models made of pipelines -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pipelines vote", "a vote behind transformers"])
def test_votes_are_the_mean_of_their_members(name):
    model = cases.COMPOSED[name]().fit(cases.frame(), cases.score())
    members = model.estimators_ if name == "pipelines vote" else model[-1].estimators_
    trees, line = (
        member.predict if name == "pipelines vote" else functools.partial(behind, model[:-1], member)
        for member in members
    )
    for x, b in cases.pairs():
        e = IntegratedGradients(model, cases.frame([b]), engine="exact").explain(cases.frame([x]))
        stepped = naive.stepped(trees, x, b, cases.COLUMNS)
        straight = naive.linear(lambda X: line(X)[:, None], np.asarray, lambda m: np.eye(len(m)), x, b, cases.COLUMNS)
        assert relative(e.values[0], (stepped + straight[:, 0]) / 2) <= 1e-9


def behind(transformers, member, X):
    return member.predict(transformers.transform(X))


def test_stacked_pipelines_agree_with_the_numeric_engine():
    model = cases.COMPOSED["pipelines stacked"]().fit(cases.frame(), cases.labels())
    x, b = cases.pairs()[2]
    exact, numeric = (
        IntegratedGradients(model, cases.frame([b]), engine=engine, tol=1e-7).explain(cases.frame([x]))
        for engine in ("exact", "numeric")
    )
    assert relative(exact.values, numeric.values) <= 1e-6


# --- columns encoded inside ---------------------------------------------------------------------------------


def test_numbers_that_a_model_encodes_move_at_one_half_for_every_engine():
    """One-hot hours are one player with one move, whoever answers and however the model is passed."""
    columns = ColumnTransformer(
        [("hour", OneHotEncoder(handle_unknown="ignore"), ["hour"]), ("rest", "passthrough", ["amount", "age"])]
    )
    X = pd.DataFrame(NUMBERS, columns=["amount", "age", "hour"])
    model = make_pipeline(columns, LogisticRegression(max_iter=5000)).fit(X, TARGET > 0)
    x, b = X.iloc[[3]], X.iloc[[9]]
    wanted = naive.linear(
        lambda F: model.decision_function(F)[:, None], naive.sigmoid, naive.sigmoid_slope, x.to_numpy()[0],
        b.to_numpy()[0], dict.fromkeys(X.columns), ["hour"],
    )  # fmt: skip
    ways = ((model, "exact", 1e-12), (model, "numeric", 1e-6), (model.predict_proba, "auto", 1e-6))
    for asked, engine, tolerance in ways:
        e = IntegratedGradients(asked, b, engine=engine).explain(x)
        values = e.values[0, :, 1] if e.values.ndim == 3 else e.values[0]
        assert relative(values, wanted[:, 1]) <= tolerance
        assert e.description["categories"] == "hour: encoded inside the model, so they move at one half"


# --- ties ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("scaler", [StandardScaler(), StandardScaler(with_std=False), MinMaxScaler((-1, 2))], ids=str)
def test_decimal_columns_tie_behind_a_scaler(scaler, unit):
    """Forests round scaled columns to float32; crossings tie as those of the same trees in the user's units do."""
    rng = np.random.default_rng(0)
    X = np.round(rng.integers(3, 23, size=(2000, 4)) * unit, 6)
    y = X @ rng.normal(size=4) + X[:, 0] * X[:, 1] / unit / 20
    model = make_pipeline(scaler, RandomForestRegressor(4, max_depth=5, random_state=0)).fit(X, y)
    plain = copy.deepcopy(model[-1])
    offset = scaler.transform(np.zeros((1, 4)))[0]
    slope = scaler.transform(np.ones((1, 4)))[0] - offset
    for tree in plain.estimators_:
        j, threshold = tree.tree_.feature, tree.tree_.threshold
        inner = j >= 0
        in_units = (threshold[inner] - offset[j[inner]]) / slope[j[inner]]
        threshold[inner] = np.round(in_units / unit * 2) / 2 * unit
    np.testing.assert_allclose(plain.predict(X), model.predict(X))
    ours, wanted = (IntegratedGradients(m, X[0], engine="exact").explain(X[1:60]).values for m in (model, plain))
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-12 * np.abs(wanted).sum(axis=1).max())


# --- containers ---------------------------------------------------------------------------------------------


def test_arrays_frames_and_set_output_agree():
    """The same numbers in whatever container, and whatever the transformers hand on."""
    x, b = NUMBERS[:3], NUMBERS[10:12]
    names = ["amount", "age", "hour"]
    plain = make_pipeline(StandardScaler(), RandomForestRegressor(3, max_depth=4, random_state=0))
    wanted = IntegratedGradients(plain.fit(NUMBERS, TARGET), b).explain(x).values
    for frame in (pd.DataFrame, lambda rows, columns: pl.DataFrame(rows, schema=columns)):
        for output in ("default", "pandas", "polars"):
            model = make_pipeline(StandardScaler(), RandomForestRegressor(3, max_depth=4, random_state=0))
            model.set_output(transform=output).fit(frame(NUMBERS, columns=names), TARGET)
            e = IntegratedGradients(model, frame(b, columns=names), engine="exact").explain(frame(x, columns=names))
            np.testing.assert_array_equal(e.values, wanted)


def test_categories_that_pass_to_a_model_that_knows_them():
    """pandas' categories behind a ColumnTransformer with pandas output, for histograms that split by category."""
    X = cases.frame().astype(dict.fromkeys(cases.WORDS, "category"))
    columns = ColumnTransformer([("numbers", StandardScaler(), cases.NUMBERS)], remainder="passthrough")
    columns.set_output(transform="pandas")
    model = make_pipeline(columns, HistGradientBoostingRegressor(max_iter=10, random_state=0)).fit(X, cases.score())
    for x, b in cases.pairs():
        baseline, row = (cases.frame([one]).astype(X.dtypes) for one in (b, x))
        e = IntegratedGradients(model, baseline, engine="exact").explain(row)
        wanted = naive.stepped(lambda F: model.predict(F.astype(X.dtypes)), x, b, cases.COLUMNS)
        assert relative(e.values[0], wanted) <= 1e-9


def test_other_tables_after_the_first():
    """Codes of words change with the table; the engine follows."""
    model = cases.fitted("forest, one-hot")
    explainer = IntegratedGradients(model, cases.frame(TABLE[:1]), engine="exact")
    first = explainer.explain(cases.frame(TABLE[1:9])).values
    one_by_one = [explainer.explain(cases.frame(TABLE[i : i + 1])).values[0] for i in range(1, 9)]
    np.testing.assert_array_equal(first, one_by_one)


# --- samplers, and what is refused --------------------------------------------------------------------------


class Sampler(BaseEstimator):
    """As imbalanced-learn's: resamples when its pipeline is fitted."""

    def fit_resample(self, X, y):
        return X[::2], y[::2]


class SamplingPipeline(Pipeline):
    """As imbalanced-learn's: leaves samplers out when it predicts."""

    def fit(self, X, y):
        for _, step in self.steps[:-1]:
            X, y = step.fit_resample(X, y) if hasattr(step, "fit_resample") else (step.fit_transform(X, y), y)
        self.steps[-1][1].fit(X, y)
        return self

    def predict(self, X):
        return Pipeline([step for step in self.steps if not hasattr(step[1], "fit_resample")]).predict(X)


def test_samplers_let_everything_pass():
    forest = RandomForestRegressor(3, max_depth=4, random_state=0)
    model = SamplingPipeline([("scale", StandardScaler()), ("sample", Sampler()), ("trees", forest)])
    model.fit(NUMBERS, TARGET)
    same = Pipeline([model.steps[0], model.steps[2]])
    ours, wanted = (IntegratedGradients(m, NUMBERS[9], engine="exact").explain(NUMBERS[:4]) for m in (model, same))
    np.testing.assert_array_equal(ours.values, wanted.values)


def test_what_bends_is_explained_in_the_columns_of_the_user():
    """A transformer that is not affine: the numeric engine, with the reason, and words still move at one half."""
    columns = ColumnTransformer(
        [("numbers", QuantileTransformer(n_quantiles=20), ["amount", "hour"]), ("shop", OrdinalEncoder(), ["shop"])]
    )
    X = pd.DataFrame({"amount": WHOLE[:, 0], "shop": WHOLE[:, 2], "hour": WHOLE[:, 3]})
    model = make_pipeline(columns, LinearRegression()).fit(X, TARGET)
    e = IntegratedGradients(model, X.iloc[[5]]).explain(X.iloc[:2])
    assert (e.engine, e.exact) == ("numeric", False)
    assert e.description["why"] == "QuantileTransformer is not affine in column 'amount'"
    assert e.description["categories"].startswith("shop:")
    assert e.feature_names == ["amount", "shop", "hour"]


def test_inspection_describes_the_pipeline():
    report = inspect_model(cases.fitted("forest, one-hot"), X=cases.frame())
    assert report.exact
    assert report.agreement <= 1e-12
    assert report.facts["pipeline"] == "6 columns become 12 before the model"
