"""LightGBM: leaf for leaf, what it takes as missing, categories, links of objectives, and answers worked by hand."""

import cases
import lightgbm
import naive
import numpy as np
import pandas as pd
import pytest
from lightgbm_oracles import forest, rows_of
from tree_leaves import engine_of, leaf_numbers, rows_at_thresholds
from tree_models import oracle_values

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.native_categories import native_categories
from agnostic_ig.engines.readers import lightgbm_trees
from agnostic_ig.exceptions import EngineUnavailableError, EngineWarning, InvalidInputError, InvalidParameterError

OPTIONS = {"n_estimators": 10, "min_data_per_group": 5, "cat_smooth": 1.0, "max_cat_to_onehot": 1, **cases.LIGHTGBM}
X, LABEL, SCORE = cases.data()
# Thresholds are the number above the middle of two values: what should cross at one half does within this grid.
GRID = naive.same_cell(40)
HOLES = cases.missing_data().copy()
HOLES[np.random.default_rng(3).random(X.shape) < 0.2] = 0.0
HOLES.setflags(write=False)


def fit(kind="Regressor", rows=HOLES, y=None, categories="auto", **options):
    y = {"Regressor": SCORE, "Classifier": LABEL}[kind] if y is None else y
    model = getattr(lightgbm, f"LGBM{kind}")(**{**OPTIONS, **options})
    return model.fit(rows, y, categorical_feature=categories)


def strange_rows(categories):
    """Rows with what rarely comes: all missing, all zero, infinities, what is almost zero, categories that are none."""
    tiny = float(np.float32(1e-35))
    rows = np.repeat(HOLES[:1], 12, axis=0)
    rows[:2] = [[np.nan], [0.0]]
    rows[2:4, :3] = [[np.inf], [-np.inf]]
    rows[4:8, :3] = [[tiny], [-tiny], [np.nextafter(tiny, 1)], [-np.nextafter(tiny, 1)]]
    if categories:
        rows[:, 3] = [-1, -0.5, -0.0, 2.7, 3, 4, 31, 32, 64, 2.0**31 - 1, np.nan, 1e-36]
    return rows


# name -> how it is fitted
FITTED = {
    "NaN is missing": lambda: fit(),
    "zero is missing": lambda: fit(zero_as_missing=True),
    "nothing is missing": lambda: fit(use_missing=False),
    "categories": lambda: fit(categories=[3, 4]),
    "categories, zero is missing": lambda: fit(categories=[3], zero_as_missing=True),
    "many categories": lambda: fit(rows=np.column_stack([X[:, :3], np.arange(300) % 70, X[:, 4]]), categories=[3]),
    "random forest": lambda: fit("Classifier", boosting_type="rf", subsample=0.7, subsample_freq=1),
    "dart": lambda: fit(boosting_type="dart"),
    "goss": lambda: fit(data_sample_strategy="goss"),
    "three classes": lambda: fit("Classifier", y=cases.three_classes()),
    "sigmoid twice as steep": lambda: fit("Classifier", sigmoid=2.0),
}


@pytest.mark.parametrize("name", FITTED)
def test_leaf_for_leaf(name):
    model = FITTED[name]()
    engine, black_box = engine_of(model, HOLES, "decision_function")
    for dtype in (np.float64, np.float32):
        rows = np.concatenate([rows_at_thresholds(engine, HOLES, dtype), strange_rows("categories" in name)])
        theirs = model.predict(rows, pred_leaf=True)
        np.testing.assert_array_equal(leaf_numbers(engine, rows.astype(float)), theirs)
        np.testing.assert_array_equal(engine.predict(rows), black_box.ask_matrix(rows))


@pytest.mark.parametrize("name", FITTED)
def test_attributions_agree_with_fractions(name):
    model = FITTED[name]()
    for response in ("auto", "decision_function") if hasattr(model, "classes_") else ("auto",):
        oracle = forest(model, response)
        for i, k in ((3, 40), (5, 41), (6, 70)):
            x, b = rows_of(model, HOLES[[i, k]])
            e = IntegratedGradients(model, HOLES[k], response_method=response, engine="exact").explain(HOLES[[i]])
            discrete = [3, 4] if "categories" in name else []
            wanted = oracle_values(oracle, x, b, discrete=discrete, equality=GRID)
            values = e.values[0].reshape(5, -1)
            scale = np.abs(wanted).sum()
            np.testing.assert_allclose(values, wanted[:, -values.shape[1] :], rtol=0, atol=cases.EXACT * scale)


def test_thresholds_beside_zero_are_read_to_the_last_digit():
    """LightGBM keeps zero in a bin of its own, between two thresholds of 1e-35 in float32."""
    thresholds = engine_of(fit(), HOLES)[0].trees.nodes["threshold"]
    assert {1.0000000180025095e-35, -1.0000000180025095e-35} <= set(thresholds.tolist())


# --- what is missing ------------------------------------------------------------------------------------------


def test_an_endpoint_of_zero_that_is_missing_moves_at_one_half():
    """f(x0, x1) is 2 at (missing, low), 6 at (missing, high), 1 at (4, low) and 3 at (4, high).

    x0 goes from 0, which is missing, to 4, at one half. x1 goes from low to high before, with it, or after: before,
    x1 gets 6 - 2 and x0 3 - 6; after, x0 gets 1 - 2 and x1 3 - 1; together, each gets the mean of the two.
    """
    corners = [[0.0, 1.0], [0.0, 2.0], [4.0, 1.0], [4.0, 2.0], [8.0, 1.0], [8.0, 2.0]]  # of two values none is missing
    rows, y = np.repeat(corners, 30, axis=0), np.repeat([2.0, 6.0, 1.0, 3.0, 1.0, 3.0], 30)
    options = {"n_estimators": 1, "learning_rate": 1.0, "boost_from_average": False, "zero_as_missing": True}
    model = fit(rows=rows, y=y, **options)
    nodes = engine_of(model, rows)[0].trees.nodes
    (middle,) = set(nodes["threshold"][nodes["feature"] == 1])
    np.testing.assert_allclose(model.predict(corners), y[::30], rtol=1e-7)
    for alpha, wanted in ((0.25, [-3, 4]), (0.5, [-2, 3]), (0.75, [-1, 2])):
        b, x = [0.0, middle - alpha], [[4.0, middle + 1 - alpha]]
        e = IntegratedGradients(model, b, engine="exact").explain(x)
        np.testing.assert_allclose(e.values, [wanted], rtol=1e-7)


def test_missing_values_are_zero_where_training_had_none():
    model = fit(use_missing=False)
    engine, _ = engine_of(model, HOLES)
    rows = np.nan_to_num(HOLES)
    np.testing.assert_array_equal(engine.predict(np.where(rows == 0, np.nan, rows)), engine.predict(rows))
    e = IntegratedGradients(model, [np.nan] * 5, engine="exact").explain(np.zeros((1, 5)))
    np.testing.assert_array_equal(e.values, np.zeros((1, 5)))


def test_zero_and_nan_missing_in_one_column_are_refused():
    zeros = fit(zero_as_missing=True)
    both = lightgbm.LGBMRegressor(**OPTIONS).fit(HOLES, SCORE, init_model=zeros)
    with pytest.raises(Unsupported, match="zero as missing where others take NaN"):
        engine_of(both, HOLES)


def test_both_engines_move_categories_of_an_array_at_one_half():
    model = fit(categories=[3, 4])
    whole = HOLES[~np.isnan(HOLES).any(axis=1)]
    exact, numeric = (
        IntegratedGradients(model, whole[9], engine=engine).explain(whole[:9]).values for engine in ("exact", "numeric")
    )
    np.testing.assert_allclose(numeric, exact, rtol=0, atol=1e-12)


# --- categories of frames -------------------------------------------------------------------------------------

WORDS = np.array(["de", "at", "ch", "it"])


def frame(order=("it", "de", "at", "ch"), rows=X):
    """The mixed data with words for column 3, its categories in the order given; others are missing."""
    table = pd.DataFrame(rows, columns=list("abcde"))
    return table.assign(d=pd.Categorical(WORDS[rows[:, 3].astype(int)])).assign(
        d=lambda t: t["d"].cat.set_categories(order)
    )


def test_frames_with_other_categories_than_in_training():
    """Columns in another order of categories, with unknown ones and missing ones, against the codes of training."""
    model = fit(rows=frame())
    oracle = forest(model, "auto")
    assert any(isinstance(n.threshold, frozenset) for tree in oracle.trees for n in naive.nodes(tree))
    table = frame(("xx", "ch", "de", "at"))  # no "it": these are missing
    table.loc[:9, "d"] = "xx"
    codes = [{"it": 0.0, "de": 1.0, "at": 2.0, "ch": 3.0}.get(word, np.nan) for word in table["d"]]
    plain = np.column_stack([X[:, :3], codes, X[:, 4]])
    assert np.isnan(codes).sum() > 20
    for i, k in ((0, 40), (3, 42), (20, 5)):
        e = IntegratedGradients(model, table.iloc[[k]], engine="exact").explain(table.iloc[[i]])
        wanted = oracle_values(oracle, plain[i].tolist(), plain[k].tolist(), equality=GRID)
        np.testing.assert_allclose(e.values[0], wanted[:, 0], rtol=0, atol=cases.EXACT * np.abs(wanted).sum())


def test_ordered_categories_are_split_as_numbers():
    table = frame().assign(d=lambda t: t["d"].cat.as_ordered())
    engine, black_box = engine_of(fit(rows=table), table)
    assert engine.categorical.size == 0
    rows = black_box.codec.encode("X", table)
    np.testing.assert_array_equal(engine.predict(rows), black_box.ask_matrix(rows))


# --- objectives -----------------------------------------------------------------------------------------------

LINKS = {
    "regression": "identity",
    "regression_l1": "identity",
    "quantile": "identity",
    "huber": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "cross_entropy": "sigmoid",
    "binary": "sigmoid",
}


@pytest.mark.parametrize("objective", LINKS)
def test_objectives_of_a_regressor(objective):
    y = LABEL if LINKS[objective] == "sigmoid" else np.abs(SCORE) + 0.1
    model = fit(y=y, objective=objective)
    engine, black_box = engine_of(model, HOLES)
    assert engine.link == LINKS[objective]
    np.testing.assert_allclose(engine.predict(HOLES), black_box.ask_matrix(HOLES.copy()), rtol=1e-14)


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_objectives_of_several_classes(objective):
    model = fit("Classifier", y=cases.three_classes(), objective=objective)
    e = IntegratedGradients(model, HOLES[0], engine="exact").explain(HOLES[1:4])
    p = model.predict_proba(HOLES[:4])
    np.testing.assert_allclose(e.values.sum(axis=1), p[1:] - p[0], rtol=0, atol=1e-12)


REFUSED = {
    "linear functions": lambda: fit(linear_tree=True, rows=X),
    "log(1 + exp(margin))": lambda: fit(y=LABEL, objective="cross_entropy_lambda"),
    "the square of the margin": lambda: fit(reg_sqrt=True),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_the_numeric_engine_answers_where_no_link_fits(reason):
    model = REFUSED[reason]()
    report = inspect_model(model, X=X)
    assert report.engine == "numeric"
    assert reason in report.why


def test_a_booster_without_trees_is_refused():
    booster = lightgbm.Booster({"verbosity": -1}, lightgbm.Dataset(X, SCORE))
    with pytest.raises(InvalidParameterError, match="must be fitted"):
        IntegratedGradients(booster, X[0]).explain(X[:1])


def test_predict_of_a_classifier_is_refused():
    with pytest.raises(EngineUnavailableError, match="step function"):
        IntegratedGradients(fit("Classifier"), X[0], response_method="predict", engine="exact").explain(X[:1])


@pytest.mark.parametrize("n_best", [3, None])
def test_the_iterations_that_predict_are_read(n_best):
    """What early stopping found best, or all."""
    booster = lightgbm.train(cases.LIGHTGBM, lightgbm.Dataset(HOLES, SCORE), 9)
    booster.best_iteration = n_best or -1
    engine, black_box = engine_of(booster, HOLES)
    assert len(engine.trees.root) == (n_best or 9)
    np.testing.assert_array_equal(engine.predict(HOLES), black_box.ask_matrix(HOLES.copy()))


# --- faults of the reader --------------------------------------------------------------------------------------


def _flip(name, change):
    honest = lightgbm_trees._numbers
    return lambda tree, asked, dtype=np.float64: (change if asked == name else lambda v: v)(honest(tree, asked, dtype))


FAULTS = {
    "threshold": ("_numbers", _flip("threshold", lambda v: v + 1e-9)),
    "missing values": ("_numbers", _flip("decision_type", lambda v: v ^ 2)),
    "categories": ("_numbers", _flip("cat_threshold", lambda v: v ^ 4)),
    "width of zero": ("ZERO", 0.5),
    "codes as they are": ("_codes", lambda codec, known: {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_corrupted_reader_is_caught(fault, monkeypatch):
    table = frame(rows=HOLES[~np.isnan(HOLES[:, 3])])
    model = fit(rows=table, y=SCORE[~np.isnan(HOLES[:, 3])])
    asked = table.assign(d=table["d"].cat.set_categories(["ch", "it", "at", "de"]))
    assert IntegratedGradients(model, asked.iloc[[0]]).explain(asked).engine == "tree_ensemble"
    monkeypatch.setattr(lightgbm_trees, *FAULTS[fault])
    with pytest.warns(EngineWarning, match="does not reproduce LGBMRegressor.predict"):
        inspect_model(model, X=asked)


def test_names_with_spaces_which_lightgbm_writes_with_underscores():
    X, y, _ = cases.data()
    frame = pd.DataFrame(X, columns=["loan amount", "age", "x 2", "d", "e"])
    model = lightgbm.LGBMClassifier(n_estimators=5, verbosity=-1).fit(frame, y)
    for one in (model, model.booster_):
        e = IntegratedGradients(one, frame.iloc[0], engine="exact").explain(frame.iloc[1:4])
        assert e.feature_names == list(frame.columns)
    with pytest.raises(InvalidInputError, match="another order"):
        IntegratedGradients(model, frame.iloc[0]).explain(frame[frame.columns[::-1]])


def test_a_column_that_was_not_used_is_no_category():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    rows[:, 1] = 1.0
    model = lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(rows, rows[:, 0])
    np.testing.assert_array_equal(native_categories(model, 2), [False, False])
