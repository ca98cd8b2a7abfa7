"""Baselines: their values, missing cells, weights, refusals; standard errors that mean what they say."""

import contextlib
import copy
import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from recorder import Recorder
from scipy import sparse
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor

from agnostic_ig import IntegratedGradients, baselines
from agnostic_ig.exceptions import BudgetWarning, InvalidInputError, InvalidParameterError

RNG = np.random.default_rng(11)
X = RNG.normal(size=(200, 4))
Y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3]
MODEL = GradientBoostingRegressor(n_estimators=20, max_depth=3, random_state=0).fit(X, Y)


def explain(baseline, rows=X[:3], model=MODEL, **options):
    return IntegratedGradients(model, baseline, **options).explain(rows)


def first_rows(baseline, rows=X[:3], **options):
    """The baseline rows that a predict function is asked with, before anything else."""
    model = Recorder(lambda Z: np.zeros(Z.shape[0]))
    IntegratedGradients(model, baseline, **options).explain(rows)
    return model.seen[0]


# --- Zero, Mean, Median ---------------------------------------------------------------------------------------


def test_zero_is_a_row_of_zeros():
    np.testing.assert_array_equal(first_rows(baselines.Zero()), np.zeros((1, 4)))
    np.testing.assert_array_equal(explain(baselines.Zero()).values, explain(np.zeros(4)).values)
    assert repr(baselines.Zero()) == "Zero()"


DISCRETE = {
    "bool": pd.DataFrame({"a": [1.0], "b": [True]}),
    "category": pd.DataFrame({"a": [1.0], "b": pd.Categorical([0])}),
    "object": pd.DataFrame({"a": [1.0], "b": pd.Series([0], dtype=object)}),
    "text": pd.DataFrame({"a": [1.0], "b": ["0"]}),
    "polars": pl.DataFrame({"a": [1.0], "b": ["0"]}),
}


@pytest.mark.parametrize("case", DISCRETE)
def test_discrete_columns_have_no_zero(case):
    with pytest.raises(InvalidInputError, match=re.escape("Zero has no zero for the discrete columns ['b']")):
        first_rows(baselines.Zero(), DISCRETE[case])


@pytest.mark.parametrize("options", [{"categorical_features": [1]}, {"categorical_features": {"c": ["x1", "x3"]}}])
def test_columns_named_as_categorical_have_no_zero_either(options):
    with pytest.raises(InvalidInputError, match=r"Zero has no zero for the discrete columns .*'x1'"):
        first_rows(baselines.Zero(), **options)


HOLES = np.array([[1.0, np.nan, 10.0], [2.0, 4.0, np.nan], [6.0, 5.0, 30.0]])


@pytest.mark.parametrize(("kind", "wanted"), [("Mean", [3.0, 4.5, 20.0]), ("Median", [2.0, 4.5, 20.0])])
@pytest.mark.parametrize("container", [np.asarray, np.ndarray.tolist, pd.DataFrame, pl.DataFrame, sparse.csr_array])
def test_mean_and_median_ignore_missing_values(kind, wanted, container):
    background = container(HOLES)
    row = first_rows(getattr(baselines, kind)(background), HOLES if isinstance(background, list) else background)
    np.testing.assert_array_equal(row.toarray() if sparse.issparse(row) else np.asarray(row), [wanted])


def people():
    return pd.DataFrame(
        {
            "age": [20, 30, 70, 40],
            "member": [True, False, True, False],
            "colour": ["red", "blue", None, "blue"],
            "size": pd.Categorical(["S", "L", "L", None], categories=["S", "M", "L"]),
            "code": [7, 7, 9, 8],
        }
    )


@pytest.mark.parametrize(("kind", "age"), [("Mean", 40.0), ("Median", 35.0)])
def test_discrete_columns_take_the_most_frequent_level(kind, age):
    row = first_rows(getattr(baselines, kind)(people()), people(), categorical_features=["code"])
    # member: both twice, the first level counts
    wanted = {"age": age, "member": False, "colour": "blue", "size": "L", "code": 7}
    assert row.iloc[0].to_dict() == wanted
    assert row.dtypes.drop("age").equals(people().dtypes.drop("age"))


def test_columns_of_one_category_take_their_most_frequent_combination():
    """Column by column, no dummy is set more often than not, and the row would be of no colour at all."""
    background = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]])
    row = first_rows(baselines.Mean(background), background, categorical_features={"colour": [0, 1, 2]})
    np.testing.assert_array_equal(row, [[0.0, 1.0, 0.0]])


def test_a_mean_of_an_array_for_a_frame_and_the_other_way():
    frame = pd.DataFrame(X[:3], columns=list("abcd"))
    np.testing.assert_allclose(first_rows(baselines.Mean(X), frame).to_numpy(), [X.mean(axis=0)], rtol=1e-13)
    np.testing.assert_array_equal(first_rows(baselines.Median(frame)), np.median(X[:3], axis=0)[None])


@pytest.mark.parametrize("kind", ["Mean", "Median"])
@pytest.mark.parametrize(
    "background",
    [
        np.array([[1.0, np.nan], [2.0, np.nan]]),
        pd.DataFrame({"x0": [1.0], "x1": [None]}),
        pd.DataFrame({"x0": [1.0], "x1": pd.Categorical([None])}),
    ],
    ids=["array", "objects", "category"],
)
def test_a_column_without_any_value(kind, background):
    with pytest.raises(InvalidInputError, match="background holds no value in column 'x1'"):
        first_rows(getattr(baselines, kind)(background), background)


# --- Class ----------------------------------------------------------------------------------------------------

LABELS = {
    "int": np.arange(200) % 3,
    "bool": np.arange(200) % 3 == 1,
    "str": np.array(["a", "b", "c"])[np.arange(200) % 3],
    "Series": pd.Series(np.array(["a", "b", "c"])[np.arange(200) % 3], index=range(500, 700)),
    "list": (["a", "b", "c"] * 67)[:200],
    "category": pd.Series(pd.Categorical((["a", "b", "c"] * 67)[:200])),
    "polars": pl.Series((["a", "b", "c"] * 67)[:200]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_class_takes_all_rows_of_one_label(kind):
    label = {"int": 1, "bool": True}.get(kind, "b")
    baseline = baselines.Class(X, LABELS[kind], label)
    np.testing.assert_array_equal(first_rows(baseline), X[1::3])
    assert explain(baseline).std_error is None, "the rows of a class are the distribution itself"
    assert repr(baseline) == f"Class(..., label={label!r})"


@pytest.mark.parametrize(("kind", "label"), [("int", 5), ("int", "1"), ("str", "d"), ("str", 1), ("bool", "b")])
def test_an_unknown_label_lists_those_there_are(kind, label):
    known = np.unique(LABELS[kind]).tolist()
    message = re.escape(f"'label' parameter of Class must be one of the labels of y, {known}. Got {label!r} instead.")
    with pytest.raises(InvalidParameterError, match=message):
        baselines.Class(X, LABELS[kind], label)


@pytest.mark.parametrize("y", [[0, 1], np.zeros((200, 1)), 5, None])
def test_labels_of_another_length(y):
    with pytest.raises(InvalidInputError, match="'y' parameter of Class must have one label for each of the 200 rows"):
        baselines.Class(X, y, 1)


# --- distributions and weights --------------------------------------------------------------------------------


def test_rows_given_as_baseline_are_averaged_over_in_full():
    e = explain(X[:50])
    one_by_one = [explain(row) for row in X[:50]]
    np.testing.assert_allclose(e.values, np.mean([o.values for o in one_by_one], axis=0), atol=1e-12)
    np.testing.assert_allclose(e.base_values, np.full(3, MODEL.predict(X[:50]).mean()), atol=1e-12)
    assert e.std_error is None


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("container", [np.asarray, np.ndarray.tolist, pd.Series])
def test_weights_are_normalised(scale, container):
    weights = np.array([1.0, 0.0, 3.0, 4.0])
    e = explain(X[:4], baseline_weights=container(scale * weights))
    single = [explain(row) for row in X[:4]]
    wanted = sum(w * o.values for w, o in zip(weights / 8.0, single, strict=True))
    np.testing.assert_allclose(e.values, wanted, atol=1e-12)
    np.testing.assert_allclose(e.base_values, np.full(3, weights / 8.0 @ MODEL.predict(X[:4])), atol=1e-12)


def test_weights_count_as_repeated_rows():
    np.testing.assert_allclose(
        explain(X[:2], baseline_weights=[3, 1]).values, explain(X[[0, 0, 0, 1]]).values, atol=1e-12
    )


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [1.0] * 5,
        [[1.0] * 4],
        1.0,
        [1, 1, 1, -1],
        [0.0] * 4,
        [1, 1, 1, np.nan],
        [1, 1, 1, np.inf],
        list("abcd"),
        {},
    ],
    ids=str,
)
def test_bad_weights(weights):
    message = "'baseline_weights' parameter of IntegratedGradients must be 4 numbers >= 0 with a positive sum, or None"
    with pytest.raises(InvalidParameterError, match=message):
        explain(X[:4], baseline_weights=weights)


def test_weights_beside_a_baseline_object():
    with pytest.raises(InvalidParameterError, match=r"'baseline_weights' parameter .* Sample weights its own rows"):
        explain(baselines.Sample(X), baseline_weights=np.ones(200))


# --- Sample ---------------------------------------------------------------------------------------------------


def test_all_rows_are_the_distribution():
    e = explain(baselines.Sample(X))
    np.testing.assert_allclose(e.values, explain(X).values, atol=1e-13)
    np.testing.assert_array_equal(e.std_error, np.zeros((3, 4)))


def test_n_rows_are_drawn_without_replacement_and_the_same_in_every_run():
    rows = first_rows(baselines.Sample(X, 150))
    assert len(np.unique(rows, axis=0)) == 150
    assert {row.tobytes() for row in rows} <= {row.tobytes() for row in X}
    np.testing.assert_array_equal(rows, first_rows(baselines.Sample(X, 150)))
    assert (rows != first_rows(baselines.Sample(X, 150, random_state=1))).any()


@pytest.mark.parametrize("tol", [None, 1e-9])
def test_base_values_are_those_of_the_draws_used(tol):
    sample = baselines.Sample(X, tol=tol, max_n=40) if tol else baselines.Sample(X, 40)
    rows = first_rows(sample)
    assert len(rows) == 40
    with pytest.warns(BudgetWarning) if tol else contextlib.nullcontext():
        e = explain(sample)
    np.testing.assert_allclose(e.base_values, np.full(3, MODEL.predict(rows).mean()), atol=1e-13)
    np.testing.assert_allclose(e.values, explain(rows).values, atol=1e-13)
    np.testing.assert_allclose(e.convergence_delta, np.zeros(3), atol=1e-12)


def test_std_error_is_the_formula():
    rows = first_rows(baselines.Sample(X, 30))
    single = np.array([explain(row).values for row in rows])
    wanted = single.std(axis=0, ddof=1) / np.sqrt(30) * np.sqrt(1 - 30 / 200)
    np.testing.assert_allclose(explain(baselines.Sample(X, 30)).std_error, wanted, rtol=1e-9)


@pytest.mark.parametrize(("n", "groups"), [(40, None), (120, None), (120, {"g": [0, 1]})], ids=["40", "120", "groups"])
def test_std_error_is_calibrated(n, groups):
    """(drawn - full) / std_error over repeats has variance one; without the correction for 120 of 200 it has 0.4."""
    model = RandomForestRegressor(12, max_depth=6, random_state=0).fit(X, Y + X[:, 1])
    full = explain(baselines.Sample(X), model=model, groups=groups).values
    z = []
    for seed in range(100):
        e = explain(baselines.Sample(X, n, random_state=seed), model=model, groups=groups)
        z.append((e.values - full) / e.std_error)
    assert full.shape == (3, 3 if groups else 4)
    assert 0.8 < np.square(z).mean() < 1.25


def test_std_error_of_a_group_is_recomputed_not_added():
    """Two columns that always cancel have large errors each, and none together."""
    rows = np.column_stack([X[:, 0], -X[:, 0]])
    sample = baselines.Sample(rows, 20)
    model = Recorder(lambda Z: Z[:, 0] + Z[:, 1])
    alone = IntegratedGradients(model, sample).explain([[1.0, -1.0]])
    together = IntegratedGradients(model, sample, groups={"both": [0, 1]}).explain([[1.0, -1.0]])
    assert (alone.std_error > 0.05).all()
    assert together.std_error < 1e-6
    np.testing.assert_allclose(together.values, alone.group({"both": [0, 1]}).values, atol=1e-12)


def test_a_tolerance_stops_row_by_row():
    rows = np.concatenate([X[:1], 20.0 * X[1:2], X[2:3]])
    sample = baselines.Sample(X, tol=0.25)
    e = explain(sample, rows)
    noise, size = e.std_error.sum(axis=1), np.abs(e.values).sum(axis=1)
    assert (noise <= 0.25 * size).all()
    used = [_rows_used(row[None], sample) for row in rows]
    assert len(set(used)) > 1
    assert all(n in (32, 64, 128, 200) for n in used)
    drawn = first_rows(baselines.Sample(X, tol=1e-12))
    for i, n in enumerate(used):
        np.testing.assert_allclose(e.base_values[i], MODEL.predict(drawn[:n]).mean(), atol=1e-13)
        np.testing.assert_allclose(e.values[i], explain(drawn[:n], rows[i : i + 1]).values[0], atol=1e-13)


def _rows_used(row, sample):
    """How many draws one row needed, told by its base value."""
    drawn = first_rows(baselines.Sample(X, tol=1e-12))
    means = np.cumsum(MODEL.predict(drawn)) / np.arange(1, 201)
    return int(np.argmin(np.abs(means - explain(sample, row).base_values[0]))) + 1


def test_a_tolerance_out_of_reach_is_said():
    with pytest.warns(
        BudgetWarning, match=r"3 of 3 rows have a standard error above the baseline's tol=0.001 .* 40 rows"
    ):
        e = explain(baselines.Sample(X, tol=0.001, max_n=40))
    assert (e.std_error.sum(axis=1) > 0.001 * np.abs(e.values).sum(axis=1)).all()


def test_a_tolerance_within_reach_of_all_rows_is_no_sample():
    e = explain(baselines.Sample(X, tol=1e-12))
    np.testing.assert_array_equal(e.std_error, np.zeros((3, 4)))
    np.testing.assert_allclose(e.values, explain(X).values, atol=1e-13)


def test_std_error_of_several_outputs_and_of_one_target_a_row():
    model = RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, np.digitize(Y, [-0.5, 0.5]))
    sample = baselines.Sample(X, 20)
    everything = explain(sample, model=model)
    assert everything.std_error.shape == (3, 4, 3)
    e = IntegratedGradients(model, sample).explain(X[:3], target=[0, 2, 1])
    np.testing.assert_array_equal(e.std_error, everything.std_error[[0, 1, 2], :, [0, 2, 1]])


WRONG_SAMPLES = [
    ({"n": 1}, "'n' parameter of Sample must be an int >= 2 or None. Got 1 instead."),
    ({"n": 201}, "'n' parameter of Sample must be at most the 200 rows of X. Got 201 instead."),
    ({"n": 2.0}, "'n' parameter of Sample must be an int >= 2 or None. Got 2.0 instead."),
    ({"n": True}, "'n' parameter of Sample must be an int >= 2 or None. Got True instead."),
    ({"tol": 0.0}, "'tol' parameter of Sample must be a float > 0 or None. Got 0.0 instead."),
    ({"tol": np.nan}, "'tol' parameter of Sample must be a float > 0 or None. Got nan instead."),
    ({"tol": "small"}, "'tol' parameter of Sample must be a float > 0 or None. Got 'small' instead."),
    ({"tol": 0.1, "max_n": 1}, "'max_n' parameter of Sample must be an int >= 2 or None. Got 1 instead."),
    ({"n": 5, "tol": 0.1}, "'n' parameter of Sample must be None together with 'tol'. Got 5 instead."),
    ({"max_n": 5}, "'max_n' parameter of Sample must be None without 'tol'. Got 5 instead."),
    ({"random_state": -1}, "'random_state' parameter of Sample must be None, an int >= 0"),
]


@pytest.mark.parametrize(("options", "message"), WRONG_SAMPLES)
def test_samples_that_cannot_be_drawn(options, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        baselines.Sample(X, **options)


@pytest.mark.parametrize("kind", ["Sample", "Mean", "Median", "Class"])
@pytest.mark.parametrize(("table", "got"), [(X[0], "1-D"), (None, "a NoneType"), (np.empty((0, 2)), r"shape \(0, 2\)")])
def test_backgrounds_that_are_no_table(kind, table, got):
    arguments = (table, [], 1) if kind == "Class" else (table,)
    with pytest.raises(InvalidInputError, match=f"'X' parameter of {kind} must .*{got}"):
        getattr(baselines, kind)(*arguments)


# --- objects --------------------------------------------------------------------------------------------------

OBJECTS = [
    baselines.Zero(),
    baselines.Mean(X),
    baselines.Median(X),
    baselines.Sample(X, 20, random_state=3),
    baselines.Sample(X, tol=0.2),
    baselines.Class(X, Y > 0, True),
]


@pytest.mark.parametrize("baseline", OBJECTS, ids=repr)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))], ids=["copy", "pickle"])
def test_copies_give_the_same_bits(baseline, copied):
    np.testing.assert_array_equal(explain(copied(baseline)).values, explain(baseline).values)


@pytest.mark.parametrize("baseline", OBJECTS, ids=repr)
def test_the_result_says_what_it_compares_with(baseline):
    said = explain(baseline).description["baseline"]
    words = {
        "Zero": "zeros",
        "Mean": "mean of 200",
        "Median": "median of 200",
        "Class": "class True",
        "Sample": "from 200",
    }
    assert words[type(baseline).__name__] in said


def test_public_names():
    assert set(baselines.__all__) <= set(dir(baselines))
    with pytest.raises(AttributeError, match="no attribute 'Modus'"):
        _ = baselines.Modus
