"""What a user may hand in as X and baseline: containers, names, shapes, in any batches; and clear refusals."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from recorder import Recorder
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from agnostic_ig import IntegratedGradients, baselines, inspect_model
from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.numerics.hashing import keys_of_rows

NAMES = ["a", "b", "c"]
ROWS = np.random.default_rng(1).integers(-8, 8, size=(5, 3)) / 4.0  # every container and float32 holds them exactly
BASE = np.array([0.25, -0.5, 1.0])


def smooth(X):
    """A smooth function of three columns, in whatever container."""
    X = X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
    return X[:, 0] * X[:, 1] + 2.0 * X[:, 2]


def explain(X, baseline=BASE, function=smooth, **options):
    return IntegratedGradients(function, baseline, **options).explain(X)


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


CONTAINERS = {
    "list": lambda X: X.tolist(),
    "tuples": lambda X: tuple(map(tuple, X)),
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "longdouble": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
    "fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": lambda X: X[::-1][::-1],
    "read-only": read_only,
    "matrix": lambda X: X.copy().view(np.matrix),
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES),
    "pandas unnamed": pd.DataFrame,
    "pandas Float64": lambda X: pd.DataFrame(X, columns=NAMES).astype("Float64"),
    "pandas arrow": lambda X: pd.DataFrame(X, columns=NAMES).astype("double[pyarrow]"),
    "pandas sparse": lambda X: pd.DataFrame(X, columns=NAMES).astype(pd.SparseDtype(float)),
    "pandas two levels": lambda X: pd.DataFrame(X, columns=pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")])),
    "polars": lambda X: pl.DataFrame(X, schema=NAMES),
    **{
        name: getattr(sparse, name)
        for name in ("csr_matrix", "csr_array", "csc_array", "coo_array", "lil_array", "dok_array", "bsr_array")
    },
}


# --- containers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same_bits(container):
    X = CONTAINERS[container](ROWS)
    e, wanted = explain(X), explain(ROWS)
    np.testing.assert_array_equal(e.values, wanted.values)
    np.testing.assert_array_equal(e.predictions, smooth(ROWS))
    np.testing.assert_array_equal(e.error_estimate, wanted.error_estimate)


@pytest.mark.parametrize("container", [name for name in CONTAINERS if name not in ("list", "tuples")])
def test_data_is_what_was_given(container):
    X = CONTAINERS[container](ROWS)
    assert explain(X).data is X or isinstance(X, np.matrix)


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_a_baseline_for_every_other(container):
    rows = np.stack([BASE, BASE + 1.0])
    wanted = explain(ROWS, rows).values
    for name, make in CONTAINERS.items():
        if "unnamed" in name + container or "two levels" in name + container:
            continue
        np.testing.assert_array_equal(explain(make(ROWS), CONTAINERS[container](rows)).values, wanted, err_msg=name)


@pytest.mark.parametrize(
    "row",
    [BASE, BASE.tolist(), tuple(BASE), BASE.astype(object), BASE[None, :], pd.Series(BASE), pl.Series(BASE)],
    ids=lambda row: type(row).__name__,
)
def test_a_baseline_row_may_have_one_dimension(row):
    np.testing.assert_array_equal(explain(ROWS, row).values, explain(ROWS).values)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64, bool])
def test_arrays_of_integers_and_booleans(dtype):
    X = np.array([[0, 1, 1], [1, 0, 1]], dtype=dtype)
    e = explain(X, np.zeros(3, dtype=dtype))
    assert e.data.dtype == dtype
    np.testing.assert_allclose(e.values.sum(axis=1), smooth(X), atol=1e-12)


def test_integer_arrays_travel_as_floats():
    model = Recorder(lambda X: X[:, 0] ** 2 / 2)
    explain(np.array([[3, 1]]), [0, 1], model)
    assert {X.dtype for X in model.seen} == {np.dtype(float)}
    assert len({value for X in model.seen for value in X[:, 0]} - {0.0, 3.0}) > 5


def test_boolean_arrays_stay_boolean_and_jump():
    model = Recorder(lambda X: X[:, 0] & X[:, 1])
    e = explain(np.array([[True, True]]), np.array([False, False]), model)
    assert {X.dtype for X in model.seen} == {np.dtype(bool)}
    np.testing.assert_array_equal(e.values, [[0.5, 0.5]])


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_the_model_gets_the_same_kind_of_sparse_matrix(kind):
    model = Recorder(smooth)
    explain(kind(ROWS), kind(BASE[None, :]), model)
    assert {type(X) for X in model.seen} == {kind}


@pytest.mark.parametrize("name", ["pandas", "polars", "csr_matrix", "float32", "list", "objects"])
def test_input_is_never_modified_even_by_a_model_that_writes(name):
    def greedy(X):
        answer = smooth(X)
        if isinstance(X, pd.DataFrame):
            X["new"] = 1.0
            X.iloc[0, 0] = 99.0
        elif isinstance(X, np.ndarray):
            X[:] = 99.0
        elif sparse.issparse(X):
            X.data[:] = 99.0
        return answer

    X, baseline = CONTAINERS[name](ROWS), CONTAINERS[name](BASE[None, :])
    e = IntegratedGradients(greedy, baseline).explain(X)
    for given, wanted in ((X, ROWS), (baseline, BASE[None, :])):
        given = given.toarray() if sparse.issparse(given) else np.asarray(given, dtype=float)
        np.testing.assert_array_equal(given, wanted)
    np.testing.assert_array_equal(e.values, explain(ROWS).values)


def test_a_subclass_of_a_frame_is_a_frame():
    class MyFrame(pd.DataFrame):
        pass

    assert explain(MyFrame(ROWS, columns=NAMES)).feature_names == NAMES


# --- alignment by name ----------------------------------------------------------------------------------------


def frame(order=NAMES, values=ROWS):
    return pd.DataFrame(values, columns=NAMES)[list(order)]


ON_ARRAYS = LinearRegression().fit(ROWS, smooth(ROWS))
ON_FRAMES = LinearRegression().fit(frame(), smooth(ROWS))


@pytest.mark.parametrize(
    "model", [smooth, ON_ARRAYS, ON_FRAMES, ON_FRAMES.predict], ids=["f", "arrays", "frames", "bound"]
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(
    "baseline",
    [
        pd.Series(BASE, index=NAMES)[["c", "a", "b"]],
        frame("cab", BASE[None, :]),
        pl.DataFrame(frame("bca", BASE[None, :]).to_dict("list")),
        frame("bca", BASE[None, :]).astype(object),
    ],
    ids=["Series", "pandas", "polars", "objects"],
)
def test_baselines_align_by_name(model, library, baseline):
    X = frame() if library == "pandas" else pl.DataFrame(ROWS, schema=NAMES)
    e = IntegratedGradients(model, baseline).explain(X)
    wanted = IntegratedGradients(model, BASE).explain(X)
    np.testing.assert_array_equal(e.values, wanted.values)
    assert e.feature_names == NAMES


def test_arrays_take_the_names_of_the_model():
    e = IntegratedGradients(ON_FRAMES, frame("cab", BASE[None, :])).explain(ROWS)
    assert e.feature_names == NAMES
    np.testing.assert_array_equal(e.values, IntegratedGradients(ON_FRAMES, BASE).explain(ROWS).values)


@pytest.mark.parametrize("kind", [baselines.Sample, baselines.Mean, baselines.Median])
def test_backgrounds_align_by_name(kind):
    e = IntegratedGradients(smooth, kind(frame("cab"))).explain(frame())
    wanted = IntegratedGradients(smooth, kind(ROWS)).explain(ROWS)
    np.testing.assert_allclose(e.values, wanted.values, rtol=0, atol=1e-14)


WRONG_COLUMNS = {
    "missing": (frame("ab"), "lacks ['c']"),
    "extra": (frame().assign(d=1.0), "has unknown ['d']"),
    "renamed": (frame().rename(columns={"b": "bb"}), "lacks ['b'] and has unknown ['bb']"),
}


@pytest.mark.parametrize("case", WRONG_COLUMNS)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_wrong_columns_of_a_baseline(case, library):
    table, message = WRONG_COLUMNS[case]
    table = table if library == "pandas" else pl.DataFrame(table.to_dict("list"))
    with pytest.raises(InvalidInputError, match=re.escape(f"The columns of baseline do not match: it {message}.")):
        explain(frame(), table)


@pytest.mark.parametrize("case", WRONG_COLUMNS)
def test_wrong_columns_of_x(case):
    table, message = WRONG_COLUMNS[case]
    with pytest.raises(InvalidInputError, match=re.escape(f"The columns of X do not match: it {message}.")):
        IntegratedGradients(ON_FRAMES, BASE).explain(table)


def test_reordered_columns_of_x_are_refused_as_scikit_learn_does():
    with pytest.raises(InvalidInputError, match=r"in another order; pass X\[model.feature_names_in_\]"):
        IntegratedGradients(ON_FRAMES, BASE).explain(frame("cab"))


@pytest.mark.parametrize("where", ["X", "baseline", "background"])
def test_columns_of_the_same_name(where):
    twice = frame().set_axis(["a", "b", "a"], axis=1)
    X, baseline = (twice, BASE) if where == "X" else (frame(), twice)
    with pytest.raises(InvalidInputError, match="several columns of the name 'a'"):
        explain(X, baselines.Sample(baseline) if where == "background" else baseline)


def test_a_series_with_a_name_twice():
    with pytest.raises(InvalidInputError, match="names several times"):
        explain(frame(), pd.Series([1.0, 2.0, 3.0, 4.0], index=["a", "b", "c", "a"]))


def test_names_that_read_the_same():
    with pytest.raises(InvalidInputError, match="read the same"):
        explain(frame().set_axis([1, "1", "c"], axis=1))


@pytest.mark.parametrize("model", [ON_ARRAYS, ON_FRAMES, ON_ARRAYS.predict])
def test_an_array_with_the_wrong_number_of_columns(model):
    with pytest.raises(
        InvalidInputError, match=r"X must have the 3 columns that LinearRegression was fitted on. Got 2"
    ):
        IntegratedGradients(model, [0.0, 0.0]).explain(ROWS[:, :2])


@pytest.mark.parametrize("X", [ROWS, frame(), pl.DataFrame(ROWS, schema=NAMES)], ids=["array", "pandas", "polars"])
@pytest.mark.parametrize(
    "baseline", [BASE[:2], [BASE.tolist() * 2], sparse.csr_array(ROWS[:, :1])], ids=["2", "6", "1"]
)
def test_a_baseline_with_the_wrong_number_of_columns(X, baseline):
    with pytest.raises(
        InvalidInputError, match="'baseline' parameter of IntegratedGradients must have the 3 columns of X"
    ):
        explain(X, baseline)


# --- what the model was fitted on -----------------------------------------------------------------------------


@pytest.mark.parametrize("fitted_on", ["array", "frame", "unnamed frame", "polars"])
@pytest.mark.parametrize("given", ["array", "frame", "unnamed frame", "polars", "sparse"])
@pytest.mark.parametrize("engine", ["auto", "numeric"])
@pytest.mark.parametrize("bound", [False, True], ids=["estimator", "method"])
def test_no_warning_of_scikit_learn_whatever_the_model_was_fitted_on(fitted_on, given, engine, bound):
    kinds = {
        "array": lambda X: X,
        "frame": lambda X: pd.DataFrame(X, columns=NAMES),
        "unnamed frame": pd.DataFrame,
        "polars": lambda X: pl.DataFrame(X, schema=NAMES),
        "sparse": sparse.csr_array,
    }
    model = RandomForestRegressor(3, max_depth=3, random_state=0).fit(kinds[fitted_on](ROWS), smooth(ROWS))
    if given == "unnamed frame" and fitted_on in ("frame", "polars"):
        with pytest.raises(InvalidInputError, match=re.escape("lacks ['a', 'b', 'c'] and has unknown [0, 1, 2]")):
            IntegratedGradients(model, BASE).explain(kinds[given](ROWS))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        e = IntegratedGradients(model.predict if bound else model, BASE, engine="auto" if bound else engine).explain(
            kinds[given](ROWS)
        )
    np.testing.assert_array_equal(e.predictions, model.predict(kinds[fitted_on](ROWS)))


def test_a_pipeline_fitted_on_an_object_array_with_text():
    X = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0], ["green", 4.0]], dtype=object)
    model = make_pipeline(make_column_transformer((OneHotEncoder(), [0]), remainder="passthrough"), LinearRegression())
    model.fit(X, [1.0, 2.0, 3.0, 4.0])
    e = IntegratedGradients(model, ["red", 1.0]).explain(pd.DataFrame({"c": ["blue", "red"], "n": [2.0, 3.0]}))
    np.testing.assert_allclose(e.predictions, model.predict(np.array([["blue", 2.0], ["red", 3.0]], dtype=object)))
    np.testing.assert_allclose(e.values.sum(axis=1), e.predictions - e.base_values)
    assert e.values[1, 0] == 0.0


# --- shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        (ROWS[0], "X.reshape(1, -1)"),
        (ROWS[0].tolist(), "X.reshape(1, -1)"),
        (frame().iloc[0], "X.iloc[[0]]"),
        (pl.Series(ROWS[0]), "X.reshape(1, -1)"),
    ],
    ids=["array", "list", "Series", "polars"],
)
@pytest.mark.parametrize("call", ["explain", "call", "inspect"])
def test_one_row_alone_gets_advice(row, advice, call):
    ig = IntegratedGradients(smooth, BASE)
    use = {"explain": ig.explain, "call": ig, "inspect": lambda X: inspect_model(smooth, X=X)}[call]
    with pytest.raises(InvalidInputError, match=re.escape(f"Got 1-D; for a single row pass {advice}.")):
        use(row)


@pytest.mark.parametrize(
    ("X", "got"),
    [
        (None, "a NoneType"),
        (5.0, "a float"),
        ("text", "a str"),
        ({"a": [1.0]}, "a dict"),
        (pl.DataFrame(ROWS, schema=NAMES).lazy(), "a LazyFrame"),
        (ROWS[None], "3 dimensions"),
        ([[1.0, 2.0], [3.0]], "inhomogeneous"),
        (np.array([[[]]]), "3 dimensions"),
    ],
    ids=["None", "number", "text", "dict", "lazy", "3-D", "ragged", "empty 3-D"],
)
def test_what_is_no_table(X, got):
    with pytest.raises(InvalidInputError, match=f"X must be 2-D, one row per case.*{got}"):
        explain(X)


@pytest.mark.parametrize(
    ("X", "advice"),
    [
        (pa.table({"a": [1.0], "b": [2.0], "c": [3.0]}), "X is a Table; pass X.to_pandas()."),
        (np.ma.masked_equal(ROWS, ROWS[0, 0]), "X has masked cells; pass X.filled(np.nan)."),
    ],
    ids=["arrow", "masked"],
)
def test_what_numpy_would_take_without_names_or_mask(X, advice):
    with pytest.raises(InvalidInputError, match=re.escape(advice)):
        explain(X)


@pytest.mark.parametrize(
    "X",
    [np.empty((0, 3)), np.empty((3, 0)), frame().iloc[:0], pl.DataFrame(schema=NAMES), sparse.csr_array((0, 3)), [[]]],
    ids=["rows", "columns", "pandas", "polars", "sparse", "list"],
)
@pytest.mark.parametrize("where", ["X", "baseline", "background"])
def test_empty_tables(X, where):
    uses = {
        "X": lambda: explain(X),
        "baseline": lambda: explain(frame(), X),
        "background": lambda: explain(frame(), baselines.Sample(X)),
    }
    with pytest.raises(InvalidInputError, match=r"must have at least one row and one column. Got shape"):
        uses[where]()


@pytest.mark.parametrize(
    "baseline",
    [None, "zero", b"0", 0, 0.0, {"a": 0.0}, baselines.Zero, len, {1.0, 2.0}],
    ids=["None", "str", "bytes", "int", "float", "dict", "class", "function", "set"],
)
def test_what_is_no_baseline(baseline):
    with pytest.raises(
        InvalidParameterError, match=r"'baseline' parameter of IntegratedGradients must be a row, rows, or"
    ):
        explain(ROWS, baseline)


def test_a_baseline_of_three_dimensions_or_ragged_rows():
    with pytest.raises(InvalidInputError, match=r"'baseline' parameter .* must be 2-D.*3 dimensions"):
        explain(ROWS, ROWS[None])
    with pytest.raises(
        InvalidParameterError, match=r"'baseline' parameter .* must be a row, or rows of the same length"
    ):
        explain(ROWS, [[1.0, 2.0, 3.0], [1.0]])


def test_one_row_and_one_column_are_enough():
    e = IntegratedGradients(lambda X: X[:, 0] ** 2, [1.0]).explain([[3.0]])
    np.testing.assert_allclose(e.values, [[8.0]])


# --- rows and batches do not matter ---------------------------------------------------------------------------


def forest():
    rng = np.random.default_rng(3)
    X = rng.integers(0, 3, size=(80, 6)).astype(float)
    return X, RandomForestClassifier(12, max_depth=5, random_state=0).fit(X, X[:, 0] * X[:, 1] + X[:, 2] > 2)


@pytest.mark.parametrize(
    "options", [{"batch_size": 1}, {"batch_size": 7}, {"n_jobs": 2, "batch_size": 5}, {"n_jobs": -1}], ids=str
)
@pytest.mark.parametrize("groups", [None, {"g": ["x5", "x0"]}], ids=["alone", "groups"])
def test_batches_and_threads_give_the_same_bits(options, groups):
    X, model = forest()
    wanted = IntegratedGradients(model, baselines.Sample(X, tol=0.05), groups=groups).explain(X[:40])
    e = IntegratedGradients(model, baselines.Sample(X, tol=0.05), groups=groups, **options).explain(X[:40])
    for name in ("values", "base_values", "std_error"):
        np.testing.assert_array_equal(getattr(e, name), getattr(wanted, name))


def test_the_order_of_rows_gives_the_same_bits():
    X, model = forest()
    ig = IntegratedGradients(model, X[50:])
    order = np.random.default_rng(0).permutation(40)
    e, wanted = ig.explain(X[:40][order]), ig.explain(X[:40])
    np.testing.assert_array_equal(e.values, wanted.values[order])


def test_keys_of_rows_depend_on_every_bit_that_means_something():
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [np.nextafter(1.0, 2.0), 2.0], [0.0, np.nan], [-0.0, -np.nan], [1.0, 2.0]])
    keys = keys_of_rows(3, rows)
    assert keys[0] == keys[5]
    assert keys[3] == keys[4], "minus zero is zero, and one NaN is like another"
    assert len(set(keys.tolist())) == 4
    assert (keys_of_rows(4, rows) != keys).all()


def test_a_row_has_the_same_answer_in_any_company():
    """Also where ties are too large to enumerate, so that orders are sampled."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(200, 16)).astype(float)
    model = GradientBoostingClassifier(n_estimators=40, max_depth=4, random_state=0).fit(X, X.sum(axis=1) > 8)
    ig = IntegratedGradients(model, 1.0 - X[0], tol=0.02)
    alone, together = ig.explain(X[:1]), ig.explain(X[[7, 0, 3]])
    assert alone.std_error.any()
    np.testing.assert_array_equal(together.values[1], alone.values[0])


def test_all_columns_with_gaps_are_named_where_the_model_refuses_a_table():
    """Which of them is in the way, only the model's own words can tell."""
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = LinearRegression().fit(X, X[:, 0])
    holed = X.copy()
    holed[4, 0] = holed[[2, 6], 2] = np.nan
    with pytest.raises(InvalidInputError, match=r"X holds NaN in column 'x0' \(row 4\), 'x2' \(row 2\), and the model"):
        IntegratedGradients(model, X[0]).explain(holed)
    with pytest.raises(
        InvalidInputError, match=r"baseline holds infinity in column 'x1' \(row 0\), and the model does"
    ):
        IntegratedGradients(model, [0.0, np.inf, 0.0]).explain(X)
