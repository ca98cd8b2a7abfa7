"""Explanations for other libraries: pandas frames and shap."""

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from explanations import CONTAINERS, NAMES, make


@pytest.fixture(scope="module")
def shap():
    """shap, whose own import warns under new versions of matplotlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    return shap


# --- frames and shap --------------------------------------------------------------------------------------


def test_frame_of_one_output():
    e = make()
    frame = e.to_frame()
    assert list(frame.columns) == [*NAMES, "base_value", "prediction", "convergence_delta"]
    pd.testing.assert_index_equal(frame.index, e.data.index)
    np.testing.assert_array_equal(frame[NAMES], e.values)
    assert frame["prediction"].tolist() == e.predictions.tolist()
    assert frame["base_value"].tolist() == e.base_values.tolist()
    assert frame["convergence_delta"].tolist() == e.convergence_delta.tolist()


def test_frame_of_several_outputs():
    e = make(2)
    frame = e.to_frame()
    assert frame.index.names == ["sample", "output"]
    assert frame.index[:3].tolist() == [("r0", "class0"), ("r0", "class1"), ("r1", "class0")]
    assert frame.loc[("r2", "class1"), NAMES].tolist() == e.values[2, :, 1].tolist()
    assert frame.loc[("r2", "class1"), "prediction"] == e.predictions[2, 1]


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-01-01", periods=4, tz="Europe/Rome", name="day"),
        pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["shop", "till"]),
        pd.RangeIndex(10, 18, 2),
    ],
)
def test_frame_has_the_index_of_X(index):
    e = make()
    e = make(data=e.data.set_axis(index, axis=0))
    pd.testing.assert_index_equal(e.to_frame().index, index)
    pd.testing.assert_index_equal(e[1:3].to_frame().index, index[1:3], exact="equiv")
    assert make(2, data=e.data).to_frame().index[2][0] == index[1]


def test_frame_with_labels_given_apart():
    assert make(index=[7, 8, 9, 10]).to_frame().index.tolist() == [7, 8, 9, 10]


def test_frames_of_parts():
    e = make()
    assert e[2].to_frame().index.tolist() == ["r2"]
    assert e[:, "hour"].to_frame().columns.tolist() == ["hour", "base_value", "prediction"]
    assert e.abs.mean(0).to_frame()["hour"].tolist() == [np.abs(e.values[:, 1]).mean()]


def test_a_feature_named_like_our_column_is_told_apart():
    frame = make(feature_names=["amount", "prediction", "country"]).to_frame()
    assert list(frame.columns)[:3] == ["amount", "attribution:prediction", "country"]
    assert frame["prediction"].tolist() == make().predictions.tolist()


def test_shap_gets_the_same_numbers(shap):
    e = make(2)
    s = e.to_shap()
    assert isinstance(s, shap.Explanation)
    assert s.values.tolist() == e.values.tolist()
    assert s.base_values.tolist() == e.base_values.tolist()
    assert list(s.feature_names) == NAMES
    assert list(s.output_names) == ["class0", "class1"]
    assert s.data[0].tolist() == [1250, 1.5, "a"]
    assert s[..., 1][2, "hour"].values == e.values[2, 1, 1]


@pytest.mark.usefixtures("shap")
def test_shap_gets_numbers_where_data_are_numbers():
    frame = pl.DataFrame({"amount": [1, None, 3, 4], "hour": [0.5, 1.5, None, 2.5], "country": [True, False] * 2})
    data = make(data=frame).to_shap().data
    assert data.dtype == np.float64
    assert data[0].tolist() == [1.0, 0.5, 1.0]
    assert np.isnan(data[1, 0])
    grouped = make(data=frame).group({"g": ["hour", "country"]}).to_shap().data
    assert np.isnan(grouped[:, 1]).all()
    assert make(data=CONTAINERS["csr"]).to_shap().data.tolist() == CONTAINERS["array"].tolist()
    assert make(data=frame.with_columns(country=pl.Series(list("1234")))).to_shap().data.dtype == object


@pytest.mark.usefixtures("shap")
def test_shap_of_parts():
    e = make()
    assert e[1].to_shap().data.tolist() == [20, 2.0, "b"]
    assert e[:, "amount"].to_shap().data.tolist() == [1250, 20, 30, 40]
    assert e.abs.mean(0).to_shap().data is None


@pytest.mark.filterwarnings("ignore:.*:PendingDeprecationWarning")
def test_shap_draws_it(shap):
    mpl.use("Agg")
    numbers = make(data=CONTAINERS["array"]).to_shap()
    axes = shap.plots.bar(numbers, show=False)
    assert [label.get_text() for label in axes.get_yticklabels()][:3]
    shap.plots.waterfall(numbers[0], show=False)
    mpl.pyplot.close("all")
