"""XGBoost: leaf for leaf, what it takes as missing, categories, links of objectives, and faults that are caught."""

import pickle

import cases
import naive
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from scipy import sparse
from tree_leaves import engine_of, leaf_numbers
from tree_models import oracle_values
from xgboost_oracles import forest

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines.readers import xgboost_codes, xgboost_trees
from agnostic_ig.exceptions import EngineUnavailableError, EngineWarning

X, LABEL, SCORE = cases.data()
HOLES = cases.missing_data()
OPTIONS = {"n_estimators": 8, "max_depth": 4, "n_jobs": 1}
TYPES = ["q", "c", "q", "c", "q"]
# As the model sees them: then what touches a threshold at an end of the path does so in every engine.
SINGLE = X.astype(np.float32).astype(float)


def fit(kind="Regressor", rows=HOLES, y=None, **options):
    y = LABEL if kind.endswith("Classifier") and y is None else SCORE if y is None else y
    return getattr(xgboost, f"XGB{kind}")(**{**OPTIONS, **options}).fit(rows, y)


def categories(**options):
    return fit(rows=cases.category_data(), enable_categorical=True, feature_types=TYPES, **options)


def booster_of(model):
    return model.get_booster() if hasattr(model, "get_booster") else model


# name -> how it is fitted
FITTED = {
    "number": fit,
    "dart": lambda: fit(booster="dart", rate_drop=0.5, one_drop=True, random_state=3),
    "three classes": lambda: fit("Classifier", y=cases.LABELS["three codes"]()),
    "parallel trees": lambda: fit("RFClassifier", y=cases.LABELS["three codes"]()),
    "vector leaves": lambda: fit(y=cases.LABELS["two numbers"](), multi_strategy="multi_output_tree"),
    "many leaves": lambda: fit(max_depth=0, max_leaves=20, grow_policy="lossguide"),
    "exact splits": lambda: fit(tree_method="exact"),
    "sets of categories": lambda: categories(max_cat_to_onehot=1),
    "single categories": lambda: categories(max_cat_to_onehot=50),
    "categories, dart": lambda: categories(booster="dart", rate_drop=0.5, one_drop=True),
}


def thresholds(node):
    """(feature, threshold) of every numeric node below."""
    if isinstance(node, naive.Node):
        if not isinstance(node.threshold, frozenset):
            yield node.feature, node.threshold
        yield from thresholds(node.left)
        yield from thresholds(node.right)


def rows_at_thresholds(model, rows):
    """Rows on each threshold, and one unit in the last place of float32 and of float64 to each side of it."""
    feature, on = map(np.array, zip(*(one for t in forest(model, "").trees for one in thresholds(t)), strict=True))
    single = on.astype(np.float32)
    ulps = [np.nextafter(start, start.dtype.type(to)) for start in (on, single) for to in (-np.inf, np.inf)]
    places = np.concatenate([on, *ulps])
    moved = rows[np.random.default_rng(0).integers(len(rows), size=len(places))]
    moved[np.arange(len(places)), np.tile(feature, 5)] = places
    return np.concatenate([rows, moved])


def strange(rows):
    """Rows with what rarely comes; codes that no node lists, that are negative, and that are no whole numbers."""
    odd = np.repeat(rows[:1], 12, axis=0)
    odd[:4, [0, 2, 4]] = [[np.nan], [0.0], [-0.0], [1e-45]]
    for column in (1, 3):
        odd[:, column] = [-3, -1, -0.5, -0.0, 0.5, 2.99, 31, 32, 64, 2.0**24, 1e9, np.nan]
    return odd


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FITTED)
def test_leaf_for_leaf(name, dtype):
    model = FITTED[name]()
    table = cases.category_data() if "categories" in name else HOLES
    engine, black_box = engine_of(model, table, "decision_function")
    rows = np.concatenate([rows_at_thresholds(model, table), strange(table)]).astype(dtype)
    data = xgboost.DMatrix(rows, feature_types=TYPES if "categories" in name else None, enable_categorical=True)
    theirs = booster_of(model).predict(data, pred_leaf=True).reshape(len(rows), -1)
    frame = booster_of(model).trees_to_dataframe() if name != "vector leaves" else None
    ours = leaf_numbers(engine, rows.astype(float))
    assert ours.shape == theirs.shape
    for t in range(ours.shape[1]):
        ids = np.unique(theirs[:, t]) if frame is None else frame.query(f"Tree == {t} and Feature == 'Leaf'")["Node"]
        np.testing.assert_array_equal(np.sort(ids)[ours[:, t]], theirs[:, t])
    margins = black_box.ask_matrix(rows.astype(float))
    np.testing.assert_allclose(engine.predict(rows), margins, rtol=0, atol=cases.SINGLE * np.abs(margins).max())


@pytest.mark.parametrize("name", FITTED)
def test_attributions_agree_with_fractions(name):
    model = FITTED[name]()
    table = cases.category_data() if "categories" in name else HOLES
    for response in ("auto", "decision_function"):
        oracle = forest(model, response)
        for i, k in ((3, 40), (5, 41), (6, 70)):
            e = IntegratedGradients(model, table[k], response_method=response, engine="exact").explain(table[[i]])
            discrete = [1, 3] if "categories" in name else []
            wanted = oracle_values(oracle, table[i].tolist(), table[k].tolist(), discrete=discrete)
            values = e.values[0].reshape(wanted.shape)
            assert np.abs(values - wanted).max() <= cases.EXACT * np.abs(wanted).sum()


@pytest.mark.parametrize("name", ["number", "three classes", "vector leaves", "sets of categories"])
def test_numeric_engine_agrees(name):
    """It asks for predictions only; what is in its way is that they come in float32."""
    model = FITTED[name]()
    table = cases.category_data() if "categories" in name else SINGLE
    exact, numeric = (
        IntegratedGradients(model, table[40], engine=engine, tol=1e-4, random_state=0).explain(table[3:9])
        for engine in ("exact", "numeric")
    )
    room = cases.SINGLE * max(np.abs(exact.predictions).max(), 1.0)
    assert (exact.engine, numeric.engine) == ("tree_ensemble", "numeric")
    assert np.abs(exact.values - numeric.values).max() <= room


@pytest.mark.parametrize("name", ["number", "three classes", "vector leaves"])
def test_rows_of_training_cross_their_own_thresholds_at_the_end_of_the_path(name):
    """XGBoost splits at values of training rows in float32: with such ends several columns cross at alpha 0 or 1, and
    the rounding of the user's float64, some 1e-8 of alpha, must not decide which of them is first."""
    model = FITTED[name]()
    rounded, raw = (IntegratedGradients(model, table[40], engine="exact").explain(table[3:30]) for table in (SINGLE, X))
    np.testing.assert_array_equal(raw.values, rounded.values)


# --- what counts as missing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("missing", "digits", "dtype"), [(2.0, 9, float), (0.1, 1, float), (0.1, 1, np.float32)])
def test_a_value_that_means_missing(missing, digits, dtype):
    """It is compared in float32, and NaN is missing beside it: the answers are those of a table with holes."""
    rows = np.round(HOLES, digits).astype(dtype)
    model = fit(rows=rows, missing=missing)
    means_missing = rows == dtype(missing)
    holes = np.where(means_missing, np.nan, rows)
    assert means_missing.sum() > 10
    np.testing.assert_array_equal(
        IntegratedGradients(model, rows[40], engine="exact").explain(rows[3:20]).values,
        IntegratedGradients(booster_of(model), holes[40], engine="exact").explain(holes[3:20]).values,
    )
    given = rows.astype(float)
    engine_of(model, rows)[0].predict(given)
    np.testing.assert_array_equal(given, rows)


def test_a_missing_value_is_looked_for_before_the_category():
    """2 means missing: the frame's own code 2, whatever code the same category has in the model."""
    words = np.array(["a", "b", "c", "d"])[X[:, 3].astype(int)]
    frame = pd.DataFrame({"x": X[:, 0], "word": pd.Categorical(words)})
    model = fit(rows=frame, enable_categorical=True, missing=2.0)
    turned = frame.assign(word=frame["word"].cat.set_categories(["d", "c", "b", "a"]))
    for table in (frame, turned):
        assert inspect_model(model, X=table).engine == "tree_ensemble"
    assert (model.predict(frame) != model.predict(turned)).any()


@pytest.mark.parametrize("native", [False, True], ids=["wrapper", "Booster"])
@pytest.mark.parametrize("fitted_on", ["sparse", "frame"])
def test_gaps_of_sparse_matrices_are_missing(fitted_on, native):
    gaps = sparse.csr_matrix(np.where(np.abs(X) < 0.5, 0.0, X))
    holes = np.where(gaps.toarray() == 0.0, np.nan, gaps.toarray())
    model = fit(rows=pd.DataFrame(gaps.toarray(), columns=list("abcde")) if fitted_on == "frame" else gaps)
    asked = booster_of(model) if native else model
    e = IntegratedGradients(asked, gaps[40], engine="exact").explain(gaps[3:20])
    np.testing.assert_array_equal(e.predictions, model.predict(gaps[3:20]))
    dense = booster_of(model)
    named = holes if dense.feature_names is None else pd.DataFrame(holes, columns=dense.feature_names)
    wanted = IntegratedGradients(dense, named[40:41], engine="exact").explain(named[3:20])
    np.testing.assert_array_equal(e.values, wanted.values)


# --- categories of frames --------------------------------------------------------------------------------------

SHOPS = ["north", "east", "south", "west", "air", "sea", "web", "post"]
PLACES = np.random.default_rng(5).integers(len(SHOPS), size=len(X))
GAPS = np.random.default_rng(6).random(len(X)) < 0.1


def table_of(kind=pd, shops=SHOPS):
    """A number, a shop that may be missing, and an hour that is a category of numbers."""
    named = [None if gap else SHOPS[place] for place, gap in zip(PLACES, GAPS, strict=True)]
    if kind is pl:
        return pl.DataFrame({"x": X[:, 0], "shop": pl.Series(named, dtype=pl.Enum(shops))})
    hours = pd.Categorical(X[:, 3].astype(int) * 6, categories=[18, 0, 12, 6])
    return pd.DataFrame({"x": X[:, 0], "shop": pd.Categorical(named, categories=shops), "hour": hours})


def codes():
    """The table as the oracle of a model fitted on `table_of()` sees it."""
    hours = np.argsort([18, 0, 12, 6])[X[:, 3].astype(int)]
    return np.column_stack([X[:, 0], np.where(GAPS, np.nan, PLACES), hours]).astype(float)


ON_SHOPS = SCORE + PLACES % 3
OTHER_ORDER = [*sorted(SHOPS), "zoo"][:-1]


@pytest.mark.parametrize("native", [False, True], ids=["wrapper", "Booster"])
@pytest.mark.parametrize("onehot", [1, 50])
def test_words_are_looked_up_whatever_their_order(onehot, native):
    model = fit(rows=table_of(), y=ON_SHOPS, enable_categorical=True, max_cat_to_onehot=onehot)
    asked, oracle = booster_of(model) if native else model, forest(model, "auto")
    table = table_of(shops=OTHER_ORDER)
    table["hour"] = table["hour"].cat.set_categories([0, 6, 12, 18])
    for i, k in ((3, 40), (5, 41), (int(np.flatnonzero(GAPS)[0]), 70)):
        e = IntegratedGradients(asked, table.iloc[[k]], engine="exact").explain(table.iloc[[i]])
        wanted = oracle_values(oracle, codes()[i].tolist(), codes()[k].tolist(), discrete=[1, 2])
        assert np.abs(e.values[0] - wanted[:, 0]).max() <= cases.EXACT * np.abs(wanted).sum()


def test_polars_agrees_with_pandas():
    with_numbers, words = table_of()[["x", "shop"]], table_of(pl, OTHER_ORDER)
    model = fit(rows=table_of(pl), y=ON_SHOPS, enable_categorical=True)
    theirs = fit(rows=with_numbers, y=ON_SHOPS, enable_categorical=True)
    np.testing.assert_array_equal(
        IntegratedGradients(model, words[40], engine="exact").explain(words[3:20]).values,
        IntegratedGradients(theirs, with_numbers.iloc[[40]], engine="exact").explain(with_numbers.iloc[3:20]).values,
    )


@pytest.mark.parametrize(("new", "next_known"), [("bus", "east"), ("norths", "post"), ("a", "air")])
def test_an_unknown_word_is_taken_for_the_next_one(new, next_known):
    """So XGBoost 3.2 reads it, and there is no error to see; the explanation follows the model."""
    model = fit(rows=table_of(), y=ON_SHOPS, enable_categorical=True)
    table = table_of(shops=[*SHOPS, new])
    unknown, known = (
        table.iloc[3:20].assign(shop=pd.Categorical([word] * 17, [*SHOPS, new])) for word in (new, next_known)
    )
    explainer = IntegratedGradients(model, table.iloc[[40]], engine="exact")
    np.testing.assert_array_equal(model.predict(unknown), model.predict(known))
    np.testing.assert_array_equal(explainer.explain(unknown).values, explainer.explain(known).values)


def test_words_that_xgboost_mixes_up_are_left_to_the_numeric_engine():
    """It counts letters where it should count bytes; the numeric engine explains what it answers."""
    table = table_of()
    table["shop"] = table["shop"].cat.rename_categories({"north": "nörd", "east": "öst"})
    report = inspect_model(fit(rows=table, y=ON_SHOPS, enable_categorical=True), X=table)
    assert (report.engine, report.exact) == ("numeric", False)
    assert "unless they are ASCII" in report.why


# --- outputs ---------------------------------------------------------------------------------------------------

POSITIVE = np.abs(SCORE) + 0.1
# name -> how it is fitted
OBJECTIVES = {
    **{
        f"{objective}, base_score={base}": (lambda o=objective, b=base: fit(objective=o, y=POSITIVE, base_score=b))
        for objective in ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "reg:squarederror")
        for base in (None, 2.0)
    },
    **{f"{o}": (lambda o=o: fit(objective=o)) for o in ("reg:absoluteerror", "reg:pseudohubererror")},
    "reg:squaredlogerror": lambda: fit(objective="reg:squaredlogerror", y=POSITIVE),
    "reg:quantileerror": lambda: fit(objective="reg:quantileerror", quantile_alpha=[0.2, 0.5, 0.8]),
    "reg:logistic": lambda: fit(objective="reg:logistic", y=LABEL),
    "reg:logistic, base_score": lambda: fit(objective="reg:logistic", y=LABEL, base_score=0.2),
    "binary:logistic, base_score": lambda: fit("Classifier", base_score=0.2),
    "multi:softmax": lambda: fit("Classifier", y=cases.LABELS["three codes"](), objective="multi:softmax"),
    "multi:softprob, base_score": lambda: fit("Classifier", y=cases.LABELS["three codes"](), base_score=0.3),
    "of one's own": lambda: fit(objective=lambda y, p: (p - y, np.ones_like(p))),
    "rank:pairwise": lambda: xgboost.XGBRanker(objective="rank:pairwise", **OPTIONS).fit(
        HOLES, LABEL, qid=np.arange(300) // 20
    ),
}


@pytest.mark.parametrize("response", ["auto", "decision_function"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives(name, response):
    report = inspect_model(OBJECTIVES[name](), X=HOLES, response_method=response)
    assert (report.engine, report.exact) == ("tree_ensemble", True)
    assert report.agreement <= cases.SINGLE


@pytest.mark.parametrize("objective", ["binary:logitraw", "binary:hinge"])
def test_margins_of_objectives_without_a_probability(objective):
    report = inspect_model(fit("Classifier", objective=objective), X=HOLES, response_method="decision_function")
    assert report.engine == "tree_ensemble"
    assert report.agreement <= cases.SINGLE


def softmax_booster():
    data = xgboost.DMatrix(X, cases.LABELS["three codes"]())
    return xgboost.train({"objective": "multi:softmax", "num_class": 3, "nthread": 1}, data, 3)


def linear():
    """XGBoost says while it is fitted that it will be gone some day."""
    with xgboost.config_context(verbosity=0):
        return fit(rows=X, booster="gblinear")


REFUSED = {
    "linear": (linear, "auto", "gblinear is a linear model, which has no trees"),
    "label": (lambda: fit("Classifier"), "predict", "a step function of the margins"),
    "label of a Booster": (softmax_booster, "predict", "'multi:softmax' is a step function"),
    "hinge": (lambda: fit("Classifier", objective="binary:hinge"), "predict_proba", "'binary:hinge' has no link"),
    "raw": (lambda: fit("Classifier", objective="binary:logitraw"), "predict_proba", "'binary:logitraw' has no link"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_engine_says_why(name):
    make, response, why = REFUSED[name]
    report = inspect_model(make(), X=X, response_method=response)
    assert report.engine == "numeric"
    assert why in report.why
    with pytest.raises(EngineUnavailableError, match=why):
        IntegratedGradients(make(), X[0], response_method=response, engine="exact").explain(X[:2])


def test_a_wrapper_stops_at_its_best_round_and_a_booster_does_not():
    model = xgboost.XGBRegressor(early_stopping_rounds=2, learning_rate=1.0, max_depth=3, n_jobs=1)
    model.fit(X[:200], SCORE[:200], eval_set=[(X[200:], SCORE[200:])], verbose=False)
    assert model.best_iteration + 1 < booster_of(model).num_boosted_rounds()
    answers = {}
    for one in (model, booster_of(model)):
        e = IntegratedGradients(one, X[40], engine="exact").explain(X[3:4])
        wanted = oracle_values(forest(one, "auto"), X[3].tolist(), X[40].tolist())
        assert np.abs(e.values[0] - wanted[:, 0]).max() <= cases.EXACT * np.abs(wanted).sum()
        answers[type(one)] = e.values
    assert (answers[xgboost.XGBRegressor] != answers[xgboost.Booster]).any()


def test_labels_that_do_not_exclude_each_other_are_outputs_of_their_own():
    for flags in (2, 3):
        labels = np.column_stack([X[:, j] > 0 for j in range(flags)]).astype(int)
        model = fit("Classifier", rows=X, y=labels)
        e = IntegratedGradients(model, X[40], engine="exact").explain(X[3:9])
        assert e.output_names == [str(j) for j in range(flags)]
        np.testing.assert_allclose(e.predictions, model.predict_proba(X[3:9]), atol=cases.SINGLE)
        one = IntegratedGradients(model, X[40], engine="exact").explain(X[3:9], target=1)
        np.testing.assert_array_equal(one.values, e.values[:, :, 1])


# --- pickles, threads, faults ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["three classes", "dart", "sets of categories"])
def test_pickled_explainers_and_threads_give_the_same_bits(name):
    model = FITTED[name]()
    table = cases.category_data() if "categories" in name else HOLES
    explainer = IntegratedGradients(model, table[40:50], engine="exact")
    wanted = explainer.explain(table[:40]).values
    again = pickle.loads(pickle.dumps(explainer))
    for one in (again, again.set_params(n_jobs=2, batch_size=7)):
        e = one.explain(table[:40])
        assert e.exact
        np.testing.assert_array_equal(e.values, wanted)


def shift_thresholds(tree):
    """By one unit in the last place of float32."""
    leaf = np.array(tree["left_children"]) < 0
    numbers = np.array(tree["split_conditions"], dtype=np.float32)
    return {**tree, "split_conditions": np.where(leaf, numbers, np.nextafter(numbers, np.float32(np.inf))).tolist()}


def turn_missing(tree):
    return {**tree, "default_left": [1 - left for left in tree["default_left"]]}


def drop_a_category(tree):
    return {**tree, "categories": [tree["categories"][0]] * len(tree["categories"])}


def change_leaves(tree):
    """By five roundings of the largest leaf."""
    leaf = np.array(tree["left_children"]) < 0
    return {**tree, "split_conditions": (np.array(tree["split_conditions"]) + 1e-4 * leaf).tolist()}


@pytest.mark.parametrize("fault", [shift_thresholds, turn_missing, drop_a_category, change_leaves])
def test_a_corrupted_reader_is_caught(fault, monkeypatch):
    honest = xgboost_trees._table
    monkeypatch.setattr(xgboost_trees, "_table", lambda tree, *more: honest(fault(tree), *more))
    table = cases.category_data()
    assert_caught(categories(max_cat_to_onehot=1), table)


@pytest.mark.parametrize("fault", ["codes", "missing", "gaps"])
def test_a_corrupted_encoding_is_caught(fault, monkeypatch):
    table, model = table_of(shops=OTHER_ORDER), fit(rows=table_of(), y=ON_SHOPS, enable_categorical=True)
    if fault == "codes":
        monkeypatch.setattr(xgboost_codes, "_codes", lambda levels, names: np.arange(len(levels)))
    else:
        monkeypatch.setattr(xgboost_codes, "_clear", lambda missing, rows: None)
        table = sparse.csr_matrix(X) if fault == "gaps" else X
        model = fit(rows=table, missing=2.0 if fault == "missing" else np.nan)
    assert_caught(model, table)


def assert_caught(model, table):
    with pytest.warns(EngineWarning, match=r"does not reproduce .* the numeric engine answers"):
        assert inspect_model(model, X=table).engine == "numeric"
