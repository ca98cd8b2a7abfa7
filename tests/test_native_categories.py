"""Columns that HistGradientBoosting itself splits by category: any table, any category, and both engines alike."""

import copy

import cases
import naive
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn_oracles import READINGS
from tree_models import attribute, engine_of, oracle_values

from agnostic_ig import IntegratedGradients, baselines, inspect_model

X, LABEL, SCORE = cases.category_data(), cases.data()[1], cases.data()[2]
NAMES = ["amount", "shop", "hour", "country", "age"]
SHOPS = {code: f"shop {code:g}" for code in (2, 3, 5, 7, 11, 13, 17, 40)}
COUNTRIES = dict(enumerate(["de", "at", "ch", "it"]))
HAS_SHOP = np.isfinite(X).all(axis=1)
WHOLE = X[HAS_SHOP]


def fit(table, categorical=(1, 3), y=SCORE):
    kind = HistGradientBoostingClassifier if y is LABEL else HistGradientBoostingRegressor
    return kind(max_iter=10, categorical_features=categorical, random_state=0).fit(table, y)


def columns(rows):
    """The columns of a frame by name: words where the array has numbers."""
    named = dict(zip(NAMES, rows.T, strict=True))
    named["shop"] = [SHOPS.get(code) for code in rows[:, 1]]
    named["country"] = [COUNTRIES[code] for code in rows[:, 3]]
    return named


# Categories out of order, and one that no row has, so that codes of the frame are not those of the model.
CATEGORY = {
    "shop": pd.CategoricalDtype([SHOPS[c] for c in (40, 2, 13, 3, 17, 5, 7, 11)] + ["shop 99"]),
    "country": pd.CategoricalDtype(["it", "zz", "at", "de", "ch"]),
}
ENUM = {name: pl.Enum(list(dtype.categories)) for name, dtype in CATEGORY.items()}
# name -> (frame of rows, `categorical_features`)
FRAMES = {
    "category": (lambda rows: pd.DataFrame(columns(rows)).astype(CATEGORY), "from_dtype"),
    "text by name": (lambda rows: pd.DataFrame(columns(rows)), ["shop", "country"]),
    "objects with None": (lambda rows: pd.DataFrame(columns(rows)).astype({"shop": object}), ["shop", "country"]),
    "category in a mask": (
        lambda rows: pd.DataFrame(columns(rows)).astype(CATEGORY),
        [False, True, False, True, False],
    ),
    "numbers by index": (lambda rows: pd.DataFrame(rows, columns=NAMES), [1, 3]),
    "polars enum": (lambda rows: pl.DataFrame(columns(rows)).cast(ENUM), "from_dtype"),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames_agree_with_arrays_of_codes(kind):
    """Words for codes: what the oracle says of the array of codes, in the columns of the user."""
    frame, categorical = FRAMES[kind]
    rows, baseline = np.concatenate([WHOLE[:3], X[~HAS_SHOP][:2]]), WHOLE[40:42]
    model = fit(frame(X), categorical)
    e = IntegratedGradients(model, frame(baseline), engine="exact").explain(frame(rows))
    oracle = as_it_sees(model, frame)
    for row, values in zip(rows, e.values, strict=True):
        wanted = np.mean([oracle_values(oracle, row, b)[:, 0] for b in baseline], axis=0)
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-12 * np.abs(wanted).sum())
    assert e.feature_names == NAMES
    assert (np.abs(e.values[:, [1, 3]]).max(axis=0) > 0).all()
    assert inspect_model(model, X=frame(X)).agreement <= 1e-14


def as_it_sees(model, frame):
    """The oracle's model on the array's codes: the model's own encoder is asked what it makes of each of them."""
    plain = copy.deepcopy(model)
    encoder = plain._preprocessor.named_transformers_["encoder"]
    encoder.categories_ = [np.arange(len(categories)) for categories in encoder.categories_]
    oracle = READINGS["HistGradientBoostingRegressor"](plain, "predict")
    meaning = {1: meaning_of(model, frame, 1, [*SHOPS, np.nan]), 3: meaning_of(model, frame, 3, [*COUNTRIES])}
    return naive.Forest([renamed(t, meaning) for t in oracle.trees], None, oracle.outputs, oracle.intercept)


def meaning_of(model, frame, column, codes):
    """The array's code behind every code of the model."""
    rows = np.repeat(WHOLE[:1], len(codes), axis=0)
    rows[:, column] = codes
    seen = np.asarray(model._preprocessor.transform(frame(rows)), dtype=float)[:, (1, 3).index(column)]
    return {own: float(code) for own, code in zip(seen.tolist(), codes, strict=True) if not np.isnan(own)}


def renamed(node, meaning):
    """The same tree with the array's codes; where a missing value has a code of its own, it goes as that is listed."""
    if isinstance(node, naive.Leaf):
        return node
    threshold, missing_left = node.threshold, node.missing_left
    if isinstance(threshold, frozenset):
        named = meaning[node.feature]
        own = [code for code, ours in named.items() if np.isnan(ours)]
        missing_left = own[0] in threshold if own else missing_left
        threshold = frozenset(named[code] for code in threshold if code not in own)
    return naive.Node(node.feature, threshold, renamed(node.left, meaning), renamed(node.right, meaning), missing_left)


def test_answers_at_words_are_not_taken_for_those_at_others_of_the_same_code():
    frame, categorical = FRAMES["text by name"]
    model = fit(frame(X), categorical)
    first, second = np.repeat(WHOLE[:1], 300, axis=0), np.repeat(WHOLE[:1], 300, axis=0)
    first[:, 1], second[:, 1] = 2, 2
    first[1::2, 1], second[1::2, 1] = 3, 5
    ig = IntegratedGradients(model, frame(first))
    ig.explain(frame(first[:1]))
    base_value = ig.set_params(baseline=frame(second)).explain(frame(second[:1])).base_values[0]
    np.testing.assert_allclose(base_value, model.predict(frame(second)).mean(), rtol=1e-12)


def test_categories_never_seen_go_where_missing_values_go():
    model = fit(X, y=LABEL)
    unseen, missing = WHOLE[:20].copy(), WHOLE[:20].copy()
    unseen[::2, 1], unseen[::3, 3] = [4.0, 99.0] * 5, 2.5
    missing[::2, 1], missing[::3, 3] = np.nan, np.nan
    explainer = IntegratedGradients(model, WHOLE[40:50], engine="exact")
    np.testing.assert_array_equal(explainer.explain(unseen).values, explainer.explain(missing).values)
    assert (explainer.explain(unseen).values != explainer.explain(WHOLE[:20]).values).any(axis=1)[::6].all()


def test_a_category_unknown_to_training_in_a_frame():
    frame, categorical = FRAMES["category"]
    model = fit(frame(X), categorical)
    rows = frame(WHOLE[:4])
    rows.loc[1, "shop"], rows.loc[2, "shop"] = "shop 99", None
    rows.loc[2, ["amount", "hour", "country", "age"]] = rows.loc[1, ["amount", "hour", "country", "age"]].values
    values = IntegratedGradients(model, frame(WHOLE[40:50]), engine="exact").explain(rows).values
    np.testing.assert_array_equal(values[1], values[2])


@pytest.mark.parametrize("ask", [lambda model: model, lambda model: model.predict], ids=["estimator", "bound method"])
def test_the_numeric_engine_moves_them_at_one_half_too(ask):
    model = fit(X)
    exact = IntegratedGradients(model, WHOLE[40]).explain(WHOLE[:5])
    e = IntegratedGradients(ask(model), WHOLE[40], engine="numeric").explain(WHOLE[:5])
    size = np.abs(exact.values).sum(axis=1, keepdims=True)
    assert (exact.engine, e.engine) == ("tree_ensemble", "numeric")
    assert np.all(np.abs(e.values - exact.values) <= e.error_estimate + cases.NUMERIC * size)


def test_a_baseline_of_means_takes_the_commonest_category():
    e = IntegratedGradients(fit(X), baselines.Mean(WHOLE), engine="exact").explain(WHOLE[:1])
    named = IntegratedGradients(fit(X), baselines.Mean(WHOLE), categorical_features=[1, 3]).explain(WHOLE[:1])
    np.testing.assert_array_equal(e.values, named.values)


def test_a_category_equals_its_one_hot_columns_that_move_as_one():
    """One column of eight shops, or eight flags that are one player: the same trees, the same values."""
    model = fit(WHOLE, [1], SCORE[HAS_SHOP])
    native = READINGS["HistGradientBoostingRegressor"](model, "predict")
    shops = [float(shop) for shop in SHOPS]
    flags = naive.Forest([one_hot(tree, shops) for tree in native.trees], None, native.outputs, native.intercept)
    players = [0, 1, 2, 3, 4] + [1] * len(shops)
    x, b = WHOLE[:8], WHOLE[40]
    e = IntegratedGradients(model, b).explain(x)
    for row, values in zip(x, e.values, strict=True):
        wide = [np.append(one, np.equal(shops, one[1])) for one in (row, b)]
        ours, _ = attribute(engine_of(flags), *wide, discrete=range(5, 13), players=players)
        np.testing.assert_allclose(ours[:, 0], values, rtol=0, atol=1e-14 * np.abs(values).sum())
    assert (e.values[:, 1] != 0).any()


def one_hot(node, shops):
    """A node that lists shops asks the flag of each in turn: any of them goes left."""
    if isinstance(node, naive.Leaf):
        return node
    left, right = one_hot(node.left, shops), one_hot(node.right, shops)
    if not isinstance(node.threshold, frozenset):
        return naive.Node(node.feature, node.threshold, left, right, node.missing_left)
    for shop in node.threshold:
        right = naive.Node(5 + shops.index(shop), 0.5, right, left)
    return right
