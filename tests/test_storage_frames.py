"""Saving and loading data frames: dtypes, order of categories and index come back."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from explanations import bits, make_bits, round_trip
from polars.testing import assert_frame_equal as assert_polars_equal

PANDAS = {
    "int8": pd.Series([1, 2, 3], dtype="int8"),
    "bool": pd.Series([True, False, True]),
    "float": pd.Series([1.5, np.nan, -0.0]),
    "object": pd.Series([1, "a", None], dtype=object),
    "mixed": pd.Series([1, 1.0, True], dtype=object),
    "numpy in object": pd.Series([np.float32(0.1), np.datetime64("2024-01-01", "ns"), np.str_("a")], dtype=object),
    "text": pd.Series(["a", None, "a"], dtype="str"),
    "python text": pd.Series(["a", None, ""], dtype=pd.StringDtype("python")),
    "string": pd.Series(["a", None, "a"], dtype="string"),
    "category": pd.Series(pd.Categorical(["b", None, "a"], categories=["b", "c", "a"])),
    "ordered": pd.Series(pd.Categorical([3, 1, 3], categories=[3, 2, 1], ordered=True)),
    "interval": pd.cut(pd.Series([0.1, 0.6, 0.7]), [0, 0.5, 1.0]),
    "Int64": pd.Series([2**62 + 1, None, -3], dtype="Int64"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "Float32": pd.Series([0.1, None, 2.5], dtype="Float32"),
    "time": pd.Series(np.array(["2024-01-01", "NaT", "2024-05-06T07:08:09.123456789"], dtype="M8[ns]")),
    "zoned": pd.Series(pd.to_datetime(["2024-03-31 02:30", None, "2024-10-27 01:30"]))
    .dt.tz_localize("UTC")
    .dt.tz_convert("Europe/Rome"),
    "offset": pd.Series([pd.Timestamp("2024-01-01T00:00+05:30")] * 3),
    "span": pd.Series(pd.to_timedelta(["1 days", None, "00:00:00.000000001"])),
    "period": pd.Series(pd.period_range("2024-01", periods=3, freq="M")),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 0.0, 1.0])),
    "arrow": pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    "stamps": pd.Series([pd.Timestamp("2024-01-01", tz="Europe/Rome"), pd.NaT, pd.NA], dtype=object),
    "stdlib": pd.Series([decimal.Decimal("1.10"), datetime.date(2024, 1, 2), datetime.time(3, 4)], dtype=object),
    "more stdlib": pd.Series(
        [datetime.timedelta(1, 2, 3), ("a", (1, None)), datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)],
        dtype=object,
    ),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_columns(tmp_path, name):
    frame = pd.DataFrame({"größe": PANDAS[name], "b\n": [1.0, 2.0, 3.0]})
    again = round_trip(make_bits(frame), tmp_path).data
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    column, original = again["größe"], frame["größe"]
    assert column.dtype == original.dtype
    assert bits(column.to_numpy(dtype=object)) == bits(original.to_numpy(dtype=object))


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 11, 2, name="n"),
        pd.Index([3, 1, 2], name=("a", 1)),
        pd.Index(["x", "y", None], dtype=object),
        pd.date_range("2024-01-01", periods=3, freq="h", tz="Europe/Rome"),
        pd.date_range("2024-01-01", periods=3, freq="MS"),
        pd.timedelta_range("1 days", periods=3),
        pd.period_range("2024-01", periods=3, freq="M"),
        pd.interval_range(0, 3, periods=3),
        pd.CategoricalIndex(["b", "a", "b"], categories=["b", "a"]),
        pd.MultiIndex.from_arrays([["x", "y", "x"], [1, 2, 3]], names=["shop", None]),
        pd.Index([("a", 1), ("b", 2), ("c", 3)], tupleize_cols=False),
    ],
    ids=lambda index: type(index).__name__,
)
def test_pandas_indexes(tmp_path, index):
    e = make_bits(pd.DataFrame({"größe": [1, 2, 3], "b\n": [4, 5, 6]}, index=index))
    again = round_trip(e, tmp_path)
    pd.testing.assert_index_equal(again.data.index, index, exact=True)
    assert getattr(again.data.index, "freq", None) == getattr(index, "freq", None)
    assert bits(again.index) == bits(e.index)
    pd.testing.assert_index_equal(again.to_frame().index, index)


@pytest.mark.parametrize(
    "columns",
    [
        pd.RangeIndex(2),
        pd.Index([1, "a"], name="what"),
        pd.MultiIndex.from_tuples([("x", 1), ("x", 2)], names=["u", "v"]),
    ],
)
def test_pandas_column_labels(tmp_path, columns):
    frame = pd.DataFrame([[1, 2.5]] * 3, columns=columns)
    pd.testing.assert_frame_equal(round_trip(make_bits(frame), tmp_path).data, frame, check_column_type="exact")


POLARS = {
    "Int8": pl.Series([1, None, 3], dtype=pl.Int8),
    "UInt64": pl.Series([2**63 + 1, 0, 1], dtype=pl.UInt64),
    "Float32": pl.Series([0.1, None, float("nan")], dtype=pl.Float32),
    "Boolean": pl.Series([True, None, False]),
    "String": pl.Series(["a", None, ""]),
    "Categorical": pl.Series(["b", None, "a"], dtype=pl.Categorical),
    "Enum": pl.Series(["b", None, "a"], dtype=pl.Enum(["b", "c", "a"])),
    "Date": pl.Series([datetime.date(2024, 1, 2), None, datetime.date(1900, 1, 1)]),
    "Datetime": pl.Series([datetime.datetime(2024, 1, 2, 3), None, None], dtype=pl.Datetime("ns", "Europe/Rome")),
    "Duration": pl.Series([datetime.timedelta(seconds=3), None, None], dtype=pl.Duration("ms")),
    "Time": pl.Series([datetime.time(3, 4), None, None]),
}


@pytest.mark.parametrize("name", POLARS)
def test_polars_columns(tmp_path, name):
    frame = pl.DataFrame({"größe": POLARS[name], "b": [1.0, 2.0, 3.0]})
    again = round_trip(make_bits(frame), tmp_path).data
    assert again.schema == frame.schema
    assert_polars_equal(again, frame, check_exact=True)
