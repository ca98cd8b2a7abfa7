"""Which columns move how and are reported how: `categorical_features`, `feature_names` and `groups` in all forms."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import RandomForestRegressor

from agnostic_ig import IntegratedGradients, baselines
from agnostic_ig.exceptions import InvalidParameterError

NAMES = ["amount", "red", "blue", "hour"]
X = np.array([[3.0, 1.0, 0.0, 2.0], [4.0, 0.0, 1.0, 8.0], [1.0, 0.0, 0.0, 5.0]])
BASE = np.array([1.0, 0.0, 1.0, 5.0])
FRAME = pd.DataFrame(X, columns=NAMES)


def function(X):
    """Every column interacts with every other, so that who moves with whom matters."""
    X = np.asarray(X, dtype=np.float64)
    return X[:, 0] * (1.0 + X[:, 1]) * (2.0 - X[:, 2]) + X[:, 0] * X[:, 3]


def explain(X=FRAME, target=None, **options):
    return IntegratedGradients(function, BASE, **options).explain(X, target)


# --- categorical_features -------------------------------------------------------------------------------------

FORMS = {
    "names": ["red", "blue"],
    "indices": [1, 2],
    "numpy indices": np.array([2, 1]),
    "mask": [False, True, True, False],
    "numpy mask": np.array([False, True, True, False]),
    "Series mask": pd.Series([False, True, True, False]),
    "Index": pd.Index(["blue", "red"]),
    "tuple": ("red", 2),
    "numpy names": np.array(["red", "blue"]),
    "twice": ["red", "red", "blue"],
    "range": range(1, 3),
    "dict of single columns": {"red": ["red"], "blue": ["blue"]},
    "dict of names": {"red": "red", "blue": 2},
}


def jumping():
    """red and blue jump at one half together, by hand: two orders of a tie after a straight way of the others."""
    return explain(FRAME.astype({"red": bool, "blue": bool}))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_names_the_same_columns(form):
    e = explain(categorical_features=FORMS[form])
    np.testing.assert_array_equal(e.values, jumping().values)
    assert e.feature_names == NAMES
    assert (np.abs(e.values - explain().values) > 1e-3).any()


@pytest.mark.parametrize("form", ["names", "indices", "mask"])
def test_arrays_and_polars_take_them_as_well(form):
    for table in (X, pl.DataFrame(X, schema=NAMES)):
        features = FORMS[form] if not isinstance(table, np.ndarray) or form != "names" else ["x1", "x2"]
        np.testing.assert_array_equal(explain(table, categorical_features=features).values, jumping().values)


@pytest.mark.parametrize("single", ["red", 1, np.int64(1), ["red"]])
def test_one_column_needs_no_list(single):
    wanted = explain(FRAME.astype({"red": bool}))
    np.testing.assert_array_equal(explain(categorical_features=single).values, wanted.values)


def test_nothing_named_is_nothing_said():
    np.testing.assert_array_equal(explain(categorical_features=[]).values, explain().values)
    np.testing.assert_array_equal(explain(categorical_features={}).values, explain().values)


ONE = [{"colour": ["red", "blue"]}, {"colour": [1, 2]}, {"colour": [False, True, True, False]}, {"red": ["blue", 1]}]


@pytest.mark.parametrize("categories", ONE)
def test_a_dict_makes_one_player(categories):
    """As if the category were one column of three levels."""
    e = explain(categorical_features=categories)
    name = next(iter(categories))
    assert e.feature_names == ["amount", name, "hour"]
    coded = pd.DataFrame({"amount": X[:, 0], "colour": ["red", "blue", "none"], "hour": X[:, 3]})

    def decoded(frame):
        red, blue = (frame["colour"] == "red", frame["colour"] == "blue")
        return function(np.column_stack([frame["amount"], red, blue, frame["hour"]]))

    wanted = IntegratedGradients(decoded, pd.Series({"amount": 1.0, "colour": "blue", "hour": 5.0})).explain(coded)
    np.testing.assert_allclose(e.values, wanted.values, rtol=0, atol=1e-12)
    assert e.data is FRAME


def test_an_exact_engine_moves_a_player_as_one():
    """The flag crosses where the colours do: one player among two is not three players of whom two are summed."""
    rng = np.random.default_rng(0)
    flag = rng.integers(0, 2, 300).astype(float)
    rows = np.column_stack([flag, np.eye(3)[rng.integers(0, 3, 300)]])
    model = RandomForestRegressor(5, random_state=0).fit(rows, flag * (rows[:, 1] + 3 * rows[:, 2]))
    options = {"categorical_features": {"colour": [1, 2, 3]}}
    exact = IntegratedGradients(model, rows[0], **options).explain(rows[1:30])
    numeric = IntegratedGradients(model, rows[0], engine="numeric", **options).explain(rows[1:30])
    assert exact.exact
    np.testing.assert_allclose(exact.values, numeric.values, atol=1e-6)
    apart = IntegratedGradients(model, rows[0]).explain(rows[1:30]).values[:, 1:].sum(axis=1)
    assert (np.abs(exact.values[:, 1] - apart) > 0.05).any()


BAD = [
    (["green"], "'green'"),
    ([4], "Got 4 instead"),
    ([-1], "Got -1 instead"),
    ([1.0], "Got 1.0 instead"),
    ([True, False], "Got True instead"),
    ([None], "Got None instead"),
    (["red", ["blue"]], "Got ['blue'] instead"),
    ({"colour": []}, "a dict of non-empty column lists that do not overlap"),
    ({"a": ["red"], "b": ["red", "blue"]}, "a dict of non-empty column lists that do not overlap"),
    ({"hour": ["red", "blue"]}, "a dict whose keys are no names of other columns"),
    ({"c": ["red"], "d": ["green"]}, "'green'"),
]


@pytest.mark.parametrize(("features", "message"), BAD, ids=str)
def test_columns_that_there_are_not(features, message):
    words = rf"'categorical_features' parameter of IntegratedGradients must be .*{re.escape(message)}"
    with pytest.raises(InvalidParameterError, match=words):
        explain(categorical_features=features)


def test_columns_of_two_levels_of_names():
    two = FRAME.set_axis(pd.MultiIndex.from_tuples([("in", "a"), ("c", "r"), ("c", "b"), ("in", "h")]), axis=1)
    e = explain(two, categorical_features=[("c", "r"), ("c", "b")])
    np.testing.assert_array_equal(e.values, jumping().values)
    assert e.feature_names[1] == "('c', 'r')"


# --- feature_names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [X, FRAME, pl.DataFrame(X, schema=NAMES)], ids=["array", "pandas", "polars"])
def test_names_are_shown(table):
    e = explain(table, feature_names=["A", "B", "C", "D"])
    assert e.feature_names == ["A", "B", "C", "D"]
    np.testing.assert_array_equal(e.values, explain().values)
    np.testing.assert_array_equal(np.asarray(e[:, "B"].data), X[:, 1])


def test_names_that_belong_to_other_columns_do_not_mix_up_the_data():
    e = explain(feature_names=["hour", "blue", "red", "amount"])
    np.testing.assert_array_equal(e[:, "hour"].data, X[:, 0])
    for j, name in enumerate(e.feature_names):
        np.testing.assert_array_equal(e[:, name].values, explain().values[:, j])


def test_either_name_calls_a_column():
    shown = {"feature_names": ["A", "B", "C", "D"]}
    for names in (["red", "blue"], ["B", "C"], ["B", "blue"]):
        e = explain(categorical_features=names, **shown)
        np.testing.assert_array_equal(e.values, jumping().values)


# --- groups ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [{"when": ["amount", "hour"]}, {"when": [0, 3]}, {"when": ("hour", 0)}, {"when": [True, False, False, True]}],
    ids=str,
)
def test_groups_report_signed_sums(groups):
    e, alone = explain(groups=groups), explain()
    assert e.feature_names == ["when", "red", "blue"]
    np.testing.assert_allclose(e.values[:, 0], alone.values[:, 0] + alone.values[:, 3], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(e.values[:, 1:], alone.values[:, 1:3])
    np.testing.assert_allclose(e.error_estimate[:, 0], alone.error_estimate[:, 0] + alone.error_estimate[:, 3])
    assert e.data is FRAME
    assert list(e[:, "when"].data.columns) == ["amount", "hour"]
    for name in ("base_values", "predictions", "n_evaluations"):
        np.testing.assert_array_equal(getattr(e, name), getattr(alone, name))


def test_groups_are_those_of_the_result_itself():
    groups = {"when": ["hour", "amount"], "colour": ["red", "blue"]}
    e, later = explain(groups=groups), explain().group(groups)
    assert e.feature_names == later.feature_names == ["when", "colour"]
    np.testing.assert_allclose(e.values, later.values, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(e[:, "colour"].data, later[:, "colour"].data)


def test_groups_of_several_outputs():
    def both(X):
        return np.column_stack([function(X), -function(X)])

    e = IntegratedGradients(both, BASE, groups={"g": [0, 3]}).explain(FRAME)
    assert e.values.shape == (3, 3, 2)
    np.testing.assert_allclose(e.values.sum(axis=1), e.predictions - e.base_values, atol=1e-9)


@pytest.mark.parametrize("members", [["colour", "hour"], ["red", "blue", "hour"], [1, 2, 3]])
def test_an_encoded_category_in_a_group(members):
    options = {"categorical_features": {"colour": ["red", "blue"]}}
    e, alone = explain(groups={"g": members}, **options), explain(**options)
    assert e.feature_names == ["amount", "g"]
    np.testing.assert_allclose(e.values[:, 1], alone.values[:, 1] + alone.values[:, 2], rtol=0, atol=1e-15)
    assert list(e[:, "g"].data.columns) == ["red", "blue", "hour"]


def test_standard_errors_of_samples_inside_groups():
    sample = baselines.Sample(np.random.default_rng(0).integers(0, 3, size=(60, 4)).astype(float), 20)
    alone = IntegratedGradients(function, sample).explain(X)
    e = IntegratedGradients(function, sample, groups={"all": range(4)}).explain(X)
    assert (e.std_error[:, 0] <= alone.std_error.sum(axis=1) + 1e-12).all()
    np.testing.assert_allclose(e.values[:, 0], e.predictions - e.base_values, atol=1e-9)


WRONG_GROUPS = [
    ({"a": ["red"], "b": ["red", "blue"]}, "disjoint"),
    ({"a": [1], "b": ["red"]}, "disjoint"),
    ({"hour": ["red", "blue"]}, "names that no other column has"),
    ({"a": []}, "non-empty lists"),
    ({"a": ["green"]}, "'green'"),
    ({"a": [4]}, "Got 4"),
    ({"a": None}, "Got None"),
    ({1: ["red"]}, "None or a dict"),
    ([["red"]], "None or a dict"),
]


@pytest.mark.parametrize(("groups", "message"), WRONG_GROUPS, ids=str)
def test_groups_that_there_are_not(groups, message):
    words = rf"'groups' parameter of IntegratedGradients must be .*{re.escape(message)}"
    with pytest.raises(InvalidParameterError, match=words):
        explain(groups=groups)


def test_half_a_category_is_in_no_group():
    with pytest.raises(InvalidParameterError, match="all columns of an encoded category or none"):
        explain(groups={"g": ["red", "hour"]}, categorical_features={"colour": ["red", "blue"]})
