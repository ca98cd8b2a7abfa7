"""Explanations as arrays: arithmetic, aggregates, groups, cohorts, contrasts."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from explanations import NAMES, make

from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.results import Explanation

# --- arrays -----------------------------------------------------------------------------------------------


def test_numpy_sees_values():
    e = make()
    np.testing.assert_array_equal(np.asarray(e), e.values)
    np.testing.assert_array_equal(np.exp(e), np.exp(e.values))
    np.testing.assert_array_equal(2.0 * e - 1.0, 2.0 * e.values - 1.0)
    np.testing.assert_array_equal(e.values + e, 2.0 * e.values)
    np.testing.assert_array_equal(e > 0.0, e.values > 0.0)
    np.testing.assert_array_equal(np.argsort(e.abs.mean(0)), np.argsort(np.abs(e.values).mean(axis=0)))
    np.testing.assert_array_equal(np.mean(e, axis=0), e.values.mean(axis=0))
    np.testing.assert_array_equal(np.max(e, axis=1), e.values.max(axis=1))
    assert float(e.sum()) == e.values.sum()
    assert type(e + e) is np.ndarray
    assert np.asarray(e, dtype=np.float32).dtype == np.float32
    assert np.asarray(e) is e.values
    assert not np.shares_memory(np.array(e), e.values)


def test_equality_is_identity():
    e = make()
    assert (e == e[:]) is False
    assert (e != e[:]) is True
    assert e in {e}


def test_arithmetic_in_place_does_not_reach_values():
    e = make()
    before = e.values.copy()
    with pytest.raises(TypeError, match="add"):
        np.add(e, 1.0, out=e)
    with pytest.raises(TypeError, match="at"):
        np.add.at(e, 0, 1.0)
    np.testing.assert_array_equal(e.values, before)


@pytest.mark.parametrize("operation", ["mean", "sum", "max", "min"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 2), None])
def test_aggregates_are_numpys(operation, axis):
    e = make(2)
    aggregate = getattr(e, operation)(axis)
    np.testing.assert_array_equal(aggregate, getattr(np, operation)(e.values, axis=axis))
    assert aggregate.error_estimate is aggregate.std_error is aggregate.convergence_delta is None


def test_importance():
    importance = make().abs.mean(0)
    assert isinstance(importance, Explanation)
    assert importance.shape == (3,)
    assert importance.feature_names == NAMES
    assert importance.index is importance.data is importance.n_evaluations is None
    assert importance["hour"].values == np.abs(make().values[:, 1]).mean()
    assert importance[[2, 0]].feature_names == ["country", "amount"]


def test_absolute_values_have_no_completeness_but_bounds_of_error():
    e = make()
    assert e.abs.values.tolist() == np.abs(e.values).tolist()
    assert e.abs.convergence_delta is None
    assert e.abs.error_estimate.tolist() == e.error_estimate.tolist()
    assert (e.values < 0).any()


def test_means_still_explain_mean_predictions():
    e = make(2)
    mean = e.mean(0)
    np.testing.assert_array_equal(mean.predictions, e.predictions.mean(axis=0))
    np.testing.assert_allclose(mean.values.sum(0), mean.predictions - mean.base_values, atol=1e-8, rtol=0)
    assert e.max(0).predictions is None
    assert e.sum(1).predictions.tolist() == e.predictions.tolist()
    assert e.sum(1).index.tolist() == e.index.tolist()
    assert e.sum(1).data.equals(e.data)
    assert e.sum(2).output_names == ["sum"]


@pytest.mark.parametrize("axis", [2, -3, (0, 0), "sample", 0.5])
def test_axes_that_are_not_there(axis):
    with pytest.raises(InvalidParameterError, match=r"'axis' parameter of Explanation.mean .* below 2"):
        make().mean(axis)


# --- groups -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_groups_are_signed_sums(n_outputs):
    e = make(n_outputs)
    grouped = e.group({"when and where": ["country", "hour"]})
    assert grouped.feature_names == ["amount", "when and where"]
    for field in ("values", "error_estimate", "std_error"):
        array = getattr(e, field)
        np.testing.assert_array_equal(getattr(grouped, field)[:, 0], array[:, 0])
        np.testing.assert_array_equal(getattr(grouped, field)[:, 1], array[:, 2] + array[:, 1])
    assert grouped.convergence_delta.tolist() == e.convergence_delta.tolist()
    assert grouped.data.equals(e.data)
    assert list(grouped[:, 1].data.columns) == ["country", "hour"]


def test_a_group_stands_at_its_first_member():
    assert make().group({"g": [2, "amount"]}).feature_names == ["g", "hour"]
    assert make().group({"h": ["hour"], "g": [-1]}).feature_names == ["amount", "h", "g"]
    assert make().group({}).feature_names == NAMES
    twice = make().group({"g": ["hour", "country"]}).group({"all": ["g", "amount"]})
    np.testing.assert_allclose(twice.values[:, 0], make().values.sum(axis=1), rtol=1e-14)  # another order
    assert make()[0].group({"g": ["hour", "country"]}).shape == (2,)


def test_groups_of_missing_errors():
    assert make(std_error=None).group({"g": ["hour", "country"]}).std_error is None


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"g": ["hour", "country"], "h": ["hour"]}, "disjoint. Got 'hour'"),
        ({"g": ["hour", "hour"]}, "disjoint. Got 'hour'"),
        ({"g": ["huor"]}, "no feature 'huor'. Did you mean 'hour'?"),
        ({"g": [3]}, "columns below 3. Got 3"),
        ({"g": []}, "a list of columns for 'g'"),
        ({"g": "hour"}, "a list of columns for 'g'"),
        ({"amount": ["hour", "country"]}, "Got 'amount' instead. Give the group another name"),
        ([["hour", "country"]], 'a dict like {"name"'),
    ],
)
def test_groups_that_cannot_be(groups, message):
    with pytest.raises(ValueError, match=message):
        make().group(groups)


def test_sums_of_absolute_values_overstate():
    with pytest.raises(InvalidInputError, match=r"e\.group\(\.\.\.\)\.abs"):
        make().abs.mean(0).group({"g": ["hour", "country"]})
    with pytest.raises(InvalidInputError, match="extremes"):
        make().max(0).group({"g": ["hour", "country"]})
    assert make().mean(0).group({"g": ["hour", "country"]}).feature_names == ["amount", "g"]
    with pytest.raises(InvalidInputError, match="feature axis"):
        make().sum(1).group({})


# --- cohorts and contrasts --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series, pl.Series, lambda x: pd.Series(x, dtype="category")])
def test_cohorts(wrap):
    e = make()
    cohorts = e.cohorts(wrap(["web", "shop", "shop", "web"]))
    assert list(cohorts) == ["web", "shop"]
    assert cohorts["shop"].index.tolist() == ["r1", "r2"]
    assert cohorts["web"].values.tolist() == e.values[[0, 3]].tolist()


def test_cohort_labels_are_python_values():
    assert [type(label) for label in make().cohorts(np.array([1, 1, 2, 2]))] == [int, int]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b"], "It has 2 entries"),
        ("abca", "an array of 4 labels"),
        (3, "an array of 4 labels"),
        (["a", None, "b", "a"], "missing label of row 1"),
        ([1.0, 2.0, np.nan, 1.0], "missing label of row 2"),
        (pd.array([1, 2, 3, None], dtype="Int64"), "missing label of row 3"),
    ],
)
def test_cohort_labels_that_do_not_fit(labels, message):
    with pytest.raises(InvalidParameterError, match=message):
        make().cohorts(labels)


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_contrast(n_outputs):
    e = make(n_outputs)
    c = e.contrast(3, np.int64(1))
    np.testing.assert_array_equal(c.values, e.values[3] - e.values[1])
    np.testing.assert_array_equal(c.predictions, e.predictions[3])
    np.testing.assert_array_equal(c.base_values, e.predictions[1])
    np.testing.assert_array_equal(c.error_estimate, e.error_estimate[3] + e.error_estimate[1])
    # 1e-15 is a few roundings of numbers near 1; the rows' own gaps are 1e-9.
    gap = c.values.sum(axis=0) - (c.predictions - c.base_values)
    np.testing.assert_allclose(c.convergence_delta, gap, rtol=0, atol=4e-15)
    assert c.index == "r3"
    assert c.data["country"] == "a"
    assert c.n_evaluations == 13 + 11
    assert c.description["contrast"] == "row r3 minus row r1"


def test_contrast_shows_the_gap_of_two_base_values():
    base_values = np.array([0.0, 1.0, 0.0, 0.0])
    e = make(base_values=base_values, convergence_delta=np.zeros(4))
    assert e.contrast(0, 1).convergence_delta == 1.0
    assert e.contrast(0, 2).convergence_delta == 0.0


@pytest.mark.parametrize("delta", [None, np.zeros(4)])
def test_contrast_without_base_values(delta):
    c = make(base_values=None, convergence_delta=delta).contrast(0, 1)
    assert c.base_values is c.convergence_delta is None


@pytest.mark.parametrize(("a", "b", "name"), [(4, 0, "a"), (0, -5, "b"), ("r0", 1, "a"), (0, True, "b")])
def test_contrast_of_rows_that_are_not_there(a, b, name):
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of Explanation.contrast"):
        make().contrast(a, b)


@pytest.mark.parametrize("ask", [lambda e: e.contrast(0, 1), lambda e: e.cohorts([1])])
def test_comparison_needs_rows(ask):
    with pytest.raises(InvalidInputError, match="no row axis"):
        ask(make()[0])


def test_contrast_of_absolute_values_is_refused():
    with pytest.raises(InvalidInputError, match="signed"):
        make().abs.contrast(0, 1)
