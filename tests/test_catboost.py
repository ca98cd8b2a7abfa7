"""CatBoost: leaf for leaf for every shape of tree, missing values, one-hot categories, and what has no exact engine."""

import cases
import catboost
import naive
import numpy as np
import pandas as pd
import pytest
from catboost_oracles import forest, word_codes
from tree_leaves import engine_of, leaf_numbers, rows_at_thresholds
from tree_models import oracle_values

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines.readers import catboost_trees
from agnostic_ig.exceptions import EngineUnavailableError, EngineWarning

OPTIONS = {"iterations": 10, "one_hot_max_size": 10, **cases.CATBOOST}
X, LABEL, SCORE = cases.data()
HOLES = cases.missing_data()
LARGEST = float(np.finfo(np.float32).max)


def fit(kind="Regressor", rows=HOLES, y=None, categories=None, **options):
    y = {"Regressor": SCORE, "Classifier": LABEL}[kind] if y is None else y
    return getattr(catboost, f"CatBoost{kind}")(**{**OPTIONS, **options}).fit(rows, y, cat_features=categories)


def scaled():
    model = fit()
    model.set_scale_and_bias(2.5, -0.75)
    return model


FITTED = {
    "NaN goes left": lambda: fit(nan_mode="Min"),
    "NaN goes right": lambda: fit(nan_mode="Max"),
    "no NaN in training": lambda: fit(rows=X),
    "Depthwise": lambda: fit(grow_policy="Depthwise"),
    "Lossguide": lambda: fit(grow_policy="Lossguide", nan_mode="Max"),
    "three classes": lambda: fit("Classifier", y=cases.three_classes()),
    "three classes, Lossguide": lambda: fit("Classifier", y=cases.three_classes(), grow_policy="Lossguide"),
    "scale and bias": scaled,
    "one leaf": lambda: fit(grow_policy="Lossguide", min_data_in_leaf=300, iterations=2),
}


def strange_rows():
    """All missing, and what is at and beyond the ends of float32."""
    rows = np.repeat(HOLES[:1], 8, axis=0)
    rows[:, :3] = np.array([np.nan, 0.0, np.inf, -np.inf, LARGEST, -LARGEST, 3e38, -3e38])[:, None]
    return rows


def assert_same_leaves(ours, theirs):
    """One to one: CatBoost numbers the leaves of trees that are not oblivious in an order of its own."""
    assert ours.shape == theirs.shape
    for a, b in zip(ours.T.tolist(), theirs.T.tolist(), strict=True):
        assert len(set(a)) == len(set(b)) == len(set(zip(a, b, strict=True)))


@pytest.mark.parametrize("name", FITTED)
def test_leaf_for_leaf(name):
    model = FITTED[name]()
    engine, black_box = engine_of(model, HOLES, "decision_function")
    for dtype in (np.float64, np.float32):
        rows = np.concatenate([rows_at_thresholds(engine, HOLES, dtype), strange_rows()])
        assert_same_leaves(leaf_numbers(engine, rows.astype(float)), model.calc_leaf_indexes(rows))
        theirs = black_box.ask_matrix(rows)
        np.testing.assert_allclose(engine.predict(rows), theirs, rtol=0, atol=1e-14 * np.abs(theirs).max())


@pytest.mark.parametrize("name", FITTED)
def test_attributions_agree_with_fractions(name):
    model = FITTED[name]()
    for response in ("auto", "decision_function") if hasattr(model, "predict_proba") else ("auto",):
        oracle = forest(model, response)
        for i, k in ((3, 40), (5, 41), (6, 70)):
            e = IntegratedGradients(model, HOLES[k], response_method=response, engine="exact").explain(HOLES[[i]])
            wanted = oracle_values(oracle, HOLES[i].tolist(), HOLES[k].tolist())
            scale = np.abs(wanted).sum()
            np.testing.assert_allclose(e.values[0].reshape(5, -1), wanted, rtol=0, atol=cases.EXACT * scale)


def test_the_ends_of_float32_move_as_missing_values_do():
    """-3.4e38 marks cells without data in some sources, and there CatBoost has the border of missing values."""
    model = fit(nan_mode="Min")
    rows = np.repeat(HOLES[[40]], 2, axis=0)
    rows[0, 0], rows[1, 0] = np.nan, -LARGEST
    e = IntegratedGradients(model, HOLES[3], engine="exact").explain(rows)
    np.testing.assert_array_equal(e.values[0], e.values[1])


# --- categories -----------------------------------------------------------------------------------------------

WORDS = np.array(["de", "at", "ch", "it"])
# How a column of words or whole numbers may come; CatBoost takes it as the same categories.
COLUMNS = {
    "category": lambda words: pd.Categorical(words, categories=["it", "??", *sorted(set(words) - {"it"})]),
    "text": list,
    "objects": lambda words: np.array(words, dtype=object),
}


def frame(kind="category", words=None):
    words = WORDS[X[:, 3].astype(int)] if words is None else words
    return pd.DataFrame(X, columns=list("abcde")).assign(d=COLUMNS[kind](words), e=X[:, 4].astype(int))


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
def test_one_hot_categories(kind, policy):
    """Words in any column type, some of them unknown to the model, against trees that split on hashes of words."""
    model = fit(rows=frame(), categories=["d"], grow_policy=policy)
    oracle = forest(model, "auto")
    assert any(isinstance(n.threshold, frozenset) for tree in oracle.trees for n in naive.nodes(tree))
    words = WORDS[X[:, 3].astype(int)].astype("<U3")
    words[:3] = "new"
    table, codes = frame(kind, words), word_codes(model, 0, set(words))
    plain = np.column_stack([X[:, :3], [codes[word] for word in words], X[:, 4]])
    for i, k in ((0, 40), (3, 42), (20, 5)):
        e = IntegratedGradients(model, table.iloc[[k]], engine="exact").explain(table.iloc[[i]])
        wanted = oracle_values(oracle, plain[i].tolist(), plain[k].tolist())
        np.testing.assert_allclose(e.values[0], wanted[:, 0], rtol=0, atol=cases.EXACT * np.abs(wanted).sum())


@pytest.mark.parametrize("dtype", [int, "Int64", bool, "category"])
def test_whole_numbers_as_categories(dtype):
    table = frame().assign(e=(X[:, 4] > 1).astype(int) if dtype is bool else X[:, 4].astype(int)).astype({"e": dtype})
    model = fit(rows=table, categories=["d", "e"])
    e = IntegratedGradients(model, table.iloc[[0]], engine="exact").explain(table.iloc[1:30])
    f = model.predict(table.iloc[:30])
    np.testing.assert_allclose(e.values.sum(axis=1), f[1:] - f[0], rtol=0, atol=1e-12)
    assert np.abs(e.values[:, 4]).max() > 0.01


@pytest.mark.parametrize("dtype", [int, object])
def test_categories_of_an_array(dtype):
    """CatBoost takes no categories from arrays of floats, which is what passes through the engines."""
    rows = np.round(X).astype(dtype)
    rows[:, 3:] = X[:, 3:].astype(int)
    model = fit("Classifier", rows=rows, categories=[3, 4])
    baseline = [0.0, 0.0, 0.0, -0.0, 2.0]
    exact, numeric = (
        IntegratedGradients(model, baseline, engine=engine).explain(rows[:9]).values for engine in ("exact", "numeric")
    )
    np.testing.assert_allclose(numeric, exact, rtol=0, atol=1e-12)
    assert np.abs(exact[:, 3]).max() > 0.01


# --- links ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["Poisson", "Tweedie:variance_power=1.5", "Quantile:alpha=0.3", "MAE", "MultiRMSE"])
def test_losses_of_a_regressor(loss):
    y = np.column_stack([SCORE, X[:, 0]]) if loss == "MultiRMSE" else np.abs(SCORE)
    engine, black_box = engine_of(fit(y=y, loss_function=loss), HOLES)
    assert engine.link == ("exp" if loss[0] in "PT" else "identity")
    theirs = black_box.ask_matrix(HOLES.copy())
    np.testing.assert_allclose(engine.predict(HOLES), theirs, rtol=0, atol=1e-14 * np.abs(theirs).max())


@pytest.mark.parametrize("loss", ["CrossEntropy", "MultiClass", "MultiClassOneVsAll", "MultiLogloss"])
def test_losses_of_a_classifier(loss):
    y = {"CrossEntropy": LABEL, "MultiLogloss": np.column_stack([LABEL, X[:, 0] > 0, X[:, 1] > 0]).astype(int)}
    model = fit("Classifier", y=y.get(loss, cases.three_classes()), loss_function=loss)
    e = IntegratedGradients(model, HOLES[0], engine="exact").explain(HOLES[1:4])
    p = model.predict_proba(HOLES[:4])[:, -e.values.reshape(3, 5, -1).shape[2] :]
    np.testing.assert_allclose(e.values.reshape(3, 5, -1).sum(axis=1), p[1:] - p[0], rtol=0, atol=1e-12)


def test_the_plain_class_answers_with_margins():
    model = catboost.CatBoost({**OPTIONS, "loss_function": "Poisson"}).fit(HOLES, np.abs(SCORE))
    assert engine_of(model, HOLES)[0].link == "identity"
    model = catboost.CatBoost({**OPTIONS, "loss_function": "Logloss"}).fit(HOLES, LABEL)
    e = IntegratedGradients(model, HOLES[0], engine="exact").explain(HOLES[1:4])
    f = model.predict(HOLES[:4])
    np.testing.assert_allclose(e.values.sum(axis=1), f[1:] - f[0], rtol=0, atol=1e-12)


# --- what has no exact engine ----------------------------------------------------------------------------------


def with_text():
    table = frame().assign(d=[f"{word} and {i % 7}" for i, word in enumerate(WORDS[X[:, 3].astype(int)])])
    return catboost.CatBoostRegressor(**OPTIONS).fit(table, SCORE, text_features=["d"]), table


REFUSED = {
    "statistics of categories": lambda: (fit(rows=frame(), categories=["d"], one_hot_max_size=1), frame()),
    "features of text": with_text,
    "RMSEWithUncertainty has no link": lambda: (fit(loss_function="RMSEWithUncertainty"), HOLES),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_the_numeric_engine_answers_what_has_no_exact_engine(reason):
    model, table = REFUSED[reason]()
    report = inspect_model(model, X=table)
    assert report.engine == "numeric"
    assert reason in report.why


def test_predict_of_a_classifier_is_refused():
    with pytest.raises(EngineUnavailableError, match="predict of CatBoostClassifier"):
        IntegratedGradients(fit("Classifier"), X[0], response_method="predict", engine="exact").explain(X[:1])


# --- faults of the reader --------------------------------------------------------------------------------------


def _changed(change):
    honest = catboost_trees._split
    return lambda split, features: honest(split, features)._replace(**change(honest(split, features)))


FAULTS = {
    "border": lambda split: {"border": split.border + 1e-4},
    "missing values": lambda split: {"missing_left": not split.missing_left},
    "category": lambda split: {"code": None if split.code is None else split.code + 1},
    "feature": lambda split: {"feature": split.feature if split.code is not None else (split.feature + 1) % 3},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_corrupted_reader_is_caught(fault, monkeypatch):
    table = frame().assign(a=HOLES[:, 0])
    model = fit(rows=table, categories=["d"])
    assert inspect_model(model, X=table).engine == "tree_ensemble"
    monkeypatch.setattr(catboost_trees, "_split", _changed(FAULTS[fault]))
    with pytest.warns(EngineWarning, match="does not reproduce CatBoostRegressor.predict"):
        inspect_model(model, X=table)
