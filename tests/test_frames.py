"""Columns of every dtype: discrete ones keep it, numbers are never rounded, cells that are no numbers are named."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from recorder import Recorder
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from agnostic_ig import IntegratedGradients, baselines
from agnostic_ig.exceptions import InvalidInputError, ModelError
from agnostic_ig.frames import Codec

NAMES = ["a", "b", "c"]
ROWS = np.random.default_rng(1).integers(-8, 8, size=(5, 3)) / 4.0
BASE = np.array([0.25, -0.5, 1.0])


def smooth(X):
    """A smooth function of three columns."""
    X = np.asarray(X, dtype=np.float64)
    return X[:, 0] * X[:, 1] + 2.0 * X[:, 2]


def explain(X, baseline=BASE, function=smooth, **options):
    return IntegratedGradients(function, baseline, **options).explain(X)


def frame():
    return pd.DataFrame(ROWS, columns=NAMES)


ON_ARRAYS = LinearRegression().fit(ROWS, smooth(ROWS))
ON_FRAMES = LinearRegression().fit(frame(), smooth(ROWS))


# --- dtypes: discrete columns keep theirs ---------------------------------------------------------------------


def mixed():
    """One column of every kind, with missing values where the dtype has them."""
    return pd.DataFrame(
        {
            "number": [1.5, 2.5, np.nan, 4.5],
            "whole": [1, 2, 3, 4],
            "nullable": pd.array([1, None, 3, 4], dtype="Int64"),
            "flag": [True, False, True, False],
            "maybe": pd.array([True, None, False, True], dtype="boolean"),
            "category": pd.Categorical(["lo", "hi", None, "lo"], categories=["lo", "mid", "hi"], ordered=True),
            "years": pd.Categorical([2020, 2021, 2020, 2022]),
            "truth": pd.Categorical([True, False, True, True]),
            "object": pd.Series(["x", np.nan, "y", "x"], dtype=object, index=[10, 11, 12, 13]),
            "none": pd.Series(["x", None, "y", "x"], dtype=object, index=[10, 11, 12, 13]),
            "text": pd.array(["p", "q", None, "p"], dtype="str"),
            "string": pd.array(["p", "q", None, "p"], dtype="string"),
            "arrow": pd.array(["p", "q", None, "p"], dtype="string[pyarrow]"),
            "yes": pd.array([True, None, False, True], dtype="bool[pyarrow]"),
        },
        index=[10, 11, 12, 13],
    )


DISCRETE = [name for name in mixed().columns if name not in ("number", "whole", "nullable")]
LEVELS = [name for name in DISCRETE if name not in ("flag", "maybe", "yes")]


def test_the_model_gets_the_frame_it_would_get_from_the_user():
    model = Recorder(lambda X: X["number"].fillna(0.0).to_numpy() + X["flag"].to_numpy())
    X = mixed()
    IntegratedGradients(model, X.iloc[[1, 3]]).explain(X)
    for seen in model.seen:
        assert list(seen.columns) == list(X.columns)
        for name in DISCRETE:
            assert seen[name].dtype == X[name].dtype, name
        for name in ("number", "whole", "nullable"):
            assert seen[name].dtype == np.float64, name
    ends = next(seen for seen in model.seen if len(seen) == 4)
    for name in DISCRETE:
        pd.testing.assert_series_equal(ends[name], X[name].reset_index(drop=True))
    assert [type(ends[name][1]) for name in ("object", "none")] == [float, type(None)]


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_columns_only_take_values_of_the_two_ends(name):
    X = mixed()[[name, "whole"]].iloc[[0, 1, 3]]
    model = Recorder(lambda X: np.where(X[name].isna(), 3.0, 0.0) + np.sin(np.asarray(X["whole"])))
    IntegratedGradients(model, X.iloc[[1]]).explain(X)
    found = {repr(value) for seen in model.seen for value in seen[name].tolist()}
    assert found == {repr(value) for value in X[name].tolist()}


@pytest.mark.parametrize("name", ["whole", "nullable", "number"])
def test_numeric_columns_are_continuous_and_never_rounded(name):
    X = mixed()[[name]].iloc[[0, 3]]
    model = Recorder(lambda X: np.asarray(X[name], dtype=float) ** 2)
    e = IntegratedGradients(model, X.iloc[[0]]).explain(X)
    between = model.column(name)
    assert len(np.unique(between)) > 10
    assert between.min() >= X[name].min()
    assert between.max() <= X[name].max()
    np.testing.assert_allclose(e.values[1, 0], X[name].iloc[1] ** 2 - X[name].iloc[0] ** 2)


def test_discrete_columns_move_at_one_half_together():
    X = pd.DataFrame({"a": [True], "b": ["yes"], "c": pd.Categorical(["u"], categories=["u", "v"])})
    baseline = pd.DataFrame({"a": [False], "b": ["no"], "c": pd.Categorical(["v"], categories=["u", "v"])})
    e = IntegratedGradients(lambda X: (X["a"] & (X["b"] == "yes") & (X["c"] == "u")).to_numpy(float), baseline).explain(
        X
    )
    np.testing.assert_allclose(e.values, [[1 / 3, 1 / 3, 1 / 3]], atol=1e-15)


def test_polars_columns_keep_dtype_names_and_nulls():
    X = pl.DataFrame(
        {
            "number": [1.5, None, 3.0],
            "nan": [1.5, float("nan"), 3.0],
            "whole": [1, 2, 3],
            "flag": [True, None, False],
            "text": ["u", None, "v"],
            "category": pl.Series(["u", "v", None], dtype=pl.Categorical),
            "enum": pl.Series(["u", "v", None], dtype=pl.Enum(["v", "u", "w"])),
        }
    )
    model = Recorder(lambda X: X["whole"].to_numpy() + X["text"].is_null().to_numpy())
    e = IntegratedGradients(model, X[[2]]).explain(X)
    assert e.feature_names == X.columns
    for seen in model.seen:
        assert seen.schema == X.schema | {"whole": pl.Float64}
    ends = next(seen for seen in model.seen if len(seen) == 3)
    assert ends.drop("whole").equals(X.drop("whole"))


def test_columns_named_as_categorical_keep_their_integer_dtype():
    X = pd.DataFrame({"zip": [3, 5], "flag": np.array([0, 1], dtype=np.int8), "amount": [1.0, 2.0]})
    model = Recorder(lambda X: (X["zip"] == 5).to_numpy() * X["amount"].to_numpy())
    e = IntegratedGradients(model, X.iloc[0], categorical_features=["zip", "flag"]).explain(X)
    assert {(seen["zip"].dtype, seen["flag"].dtype) for seen in model.seen} == {(np.dtype(int), np.dtype("int8"))}
    np.testing.assert_allclose(e.values.sum(axis=1), [0.0, 2.0], rtol=1e-6)  # the numeric engine's `tol`
    model = Recorder(model.function)
    IntegratedGradients(model, [3.5, 0, 1.0], categorical_features=["zip", "flag"]).explain(X)
    assert np.isin(3.5, model.column("zip")), "a baseline between integers is not rounded either"


def test_the_column_index_keeps_its_name():
    X = frame().rename_axis(columns="feature")
    model = Recorder(smooth)
    explain(X, BASE, model)
    assert {seen.columns.name for seen in model.seen} == {"feature"}


def test_a_forest_on_booleans_is_verified_without_a_false_alarm():
    """Thresholds lie between False and True, where a column of booleans has no rows."""
    X = pd.DataFrame({"flag": [True, False] * 20, "n": np.arange(40.0), "other": [True, True, False, False] * 10})
    model = RandomForestClassifier(5, random_state=0).fit(X, (X["flag"] & (X["n"] > 20)).to_numpy())
    e = IntegratedGradients(model, X.iloc[[1]]).explain(X.iloc[20:24])
    assert e.exact


# --- missing, infinite, text and other things that are no numbers -----------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["NaN", "infinity"])
@pytest.mark.parametrize("where", ["X", "baseline"])
@pytest.mark.parametrize("kind", ["array", "frame"])
def test_the_cell_that_a_model_does_not_take_is_named(value, where, kind):
    bad = ROWS.copy()
    bad[3, 1] = value
    X, baseline = (bad, BASE) if where == "X" else (ROWS, bad)
    model, column = (ON_FRAMES, "'b'") if kind == "frame" else (ON_ARRAYS, "'x1'")
    word = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(InvalidInputError, match=rf"{where} holds {word} in column {column} \(row 3\)") as caught:
        IntegratedGradients(model, baseline).explain(X)
    assert isinstance(caught.value.__cause__, ModelError)


@pytest.mark.parametrize("missing", [np.nan, None], ids=["nan", "None"])
@pytest.mark.parametrize("engine", ["auto", "numeric"])
def test_missing_values_are_explained_where_the_model_takes_them(missing, engine):
    train = np.where(np.random.default_rng(0).random((60, 3)) < 0.2, np.nan, np.tile(ROWS, (12, 1)))
    model = RandomForestRegressor(3, max_depth=3, random_state=0).fit(train, np.nan_to_num(train[:, 0]))
    X = ROWS.astype(object)
    X[:, 0] = missing
    e = IntegratedGradients(model, BASE, engine=engine).explain(X)
    np.testing.assert_allclose(e.values.sum(axis=1), e.predictions - e.base_values, atol=1e-9)
    assert (e.values[:, 0] != 0).any()


TEXT = {
    "array of text": np.array([["1", "2", "3"]]),
    "object array": np.array([[1.0, "red", 2.0]], dtype=object),
    "list": [[1.0, "red", 2.0]],
    "bytes": np.array([[b"1", b"2", b"3"]]),
}


@pytest.mark.parametrize("case", TEXT)
@pytest.mark.parametrize("where", ["X", "baseline"])
def test_text_where_numbers_belong(case, where):
    X, baseline = (TEXT[case], BASE) if where == "X" else (ROWS, TEXT[case])
    with pytest.raises(InvalidInputError, match=rf"{where} holds .* in row 0 of column 'x[01]', which is not a number"):
        explain(X, baseline)


@pytest.mark.parametrize("value", ["red", "1.5", 1 + 2j, [1.0], pd.Timestamp("2020")], ids=repr)
def test_no_number_in_a_numeric_column_of_a_frame(value):
    baseline = pd.DataFrame([[0.0, 0.0, 0.0]], columns=NAMES).astype(object)
    baseline.at[0, "b"] = value
    with pytest.raises(InvalidInputError, match=r"baseline holds .* in row 0 of column 'b', which is not a number"):
        explain(frame(), baseline)


UNUSABLE = {
    "dates": (pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}), "'t' of X holds dates or times"),
    "spans": (pd.DataFrame({"t": pd.to_timedelta([1], unit="D")}), "'t' of X holds dates or times"),
    "polars dates": (pl.DataFrame({"t": pd.to_datetime(["2020-01-01"]).to_numpy()}), "'t' of X holds dates or times"),
    "array of dates": (np.array([["2020-01-01"]], dtype="datetime64[D]"), "holds dates or times"),
    "complex": (pd.DataFrame({"z": [1 + 2j]}), "'z' of X holds complex numbers"),
    "array of complex": (np.array([[1 + 2j]]), "holds complex numbers"),
    "lists": (pd.DataFrame({"l": [[1, 2]]}), "'l' of X holds lists or structures"),
    "arrays": (pd.DataFrame({"l": [np.arange(2)]}), "'l' of X holds lists or structures"),
    "polars lists": (pl.DataFrame({"l": [[1, 2]]}), "'l' of X holds lists or structures"),
    "several types": (pd.DataFrame({"o": ["a", 1]}, dtype=object), "'o' of X mixes values of several types"),
    "records": (np.zeros((1, 1), dtype=[("f", float)]), "holds lists or structures"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_columns_that_cannot_be_explained(case):
    X, message = UNUSABLE[case]
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        IntegratedGradients(lambda X: np.zeros(len(X)), baselines.Sample(X)).explain(X)


def test_categories_that_x_does_not_know():
    X = pd.DataFrame({"c": pd.Categorical(["a", "b"])})
    for baseline in (["z"], pd.Series({"c": "z"}), pd.DataFrame({"c": pd.Categorical(["z"])})):
        with pytest.raises(InvalidInputError, match="'c' of baseline holds 'z', which is no category of X's column"):
            IntegratedGradients(lambda X: np.zeros(len(X)), baseline).explain(X)


def test_categories_of_truth_values_are_categories():
    X = pd.DataFrame({"c": pd.Categorical([True])})
    with pytest.raises(InvalidInputError, match="'c' of baseline holds False, which is no category of X's column"):
        IntegratedGradients(lambda X: np.zeros(len(X)), [False]).explain(X)


@pytest.mark.parametrize("dtype", [float, np.float32, int, bool, object])
def test_encoded_rows_are_nobodys_but_ours(dtype):
    X = np.ones((3, 2), dtype=dtype)
    rows = Codec.from_tables([("X", X)]).encode("X", X)
    assert not np.shares_memory(rows, X)
    assert (rows.dtype, rows.flags.c_contiguous, rows.flags.writeable) == (np.float64, True, True)


def test_categories_in_another_order_are_the_same_categories():
    X = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["a", "b"])})
    baseline = pd.DataFrame({"c": pd.Categorical(["b"], categories=["b", "a"])})
    model = Recorder(lambda X: X["c"].cat.codes.to_numpy())
    e = IntegratedGradients(model, baseline).explain(X)
    assert {tuple(seen["c"].cat.categories) for seen in model.seen} == {("a", "b")}
    np.testing.assert_array_equal(e.values, [[-1.0], [0.0]])


def test_text_that_x_does_not_hold_is_a_level_like_any_other():
    X = pd.DataFrame({"c": ["a", "b"]})
    model = Recorder(lambda X: (X["c"] == "z").to_numpy(float))
    e = IntegratedGradients(model, pd.DataFrame({"c": ["z"]})).explain(X)
    np.testing.assert_array_equal(e.values, [[-1.0], [-1.0]])


@pytest.mark.parametrize(
    ("X", "baseline", "message"),
    [
        (["a"], [0.0], "holds 'a' in X and 0.0 in baseline; give it one type"),
        ([True], [0.5], "holds 0.5 in row 0 of column 'c', which is neither True nor False"),
        ([True], ["no"], "holds 'no' in row 0 of column 'c', which is not a number"),
        ([True], [np.nan], "holds nan in row 0 of column 'c', which is neither True nor False"),
    ],
)
def test_a_baseline_of_another_type_than_x(X, baseline, message):
    frame = pd.DataFrame({"c": X})
    for given in (baseline, pd.Series({"c": baseline[0]}), pd.DataFrame({"c": baseline})):
        with pytest.raises(InvalidInputError, match=re.escape(message)):
            IntegratedGradients(lambda X: np.zeros(len(X)), given).explain(frame)
