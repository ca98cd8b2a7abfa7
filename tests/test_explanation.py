"""Explanations: construction, slicing, words."""

import copy
import doctest
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from explanations import CONTAINERS, NAMES, make
from scipy import sparse

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.results import completeness, explanation, feature_values

# --- construction -----------------------------------------------------------------------------------------


def test_fields_are_what_was_given():
    e = make(2)
    assert e.values.shape == (4, 3, 2)
    assert e.shape == (4, 3, 2)
    assert len(e) == 4
    assert e.index.tolist() == ["r0", "r1", "r2", "r3"]
    assert e.data["amount"].tolist() == [1250, 20, 30, 40]
    assert (e.method, e.engine, e.exact, e.response_method) == (
        "IntegratedGradients",
        "numeric",
        False,
        "predict_proba",
    )
    assert e.n_shared_evaluations == 5
    assert e.smoothed_predictions is None


def test_arrays_count_their_rows():
    assert make(data=np.zeros((4, 3))).index.tolist() == [0, 1, 2, 3]
    assert make(data=np.zeros((4, 3)), index=list("wxyz")).index.tolist() == list("wxyz")
    assert make(data=None).index.tolist() == [0, 1, 2, 3]


def test_labels_of_a_multiindex_stay_whole():
    index = pd.MultiIndex.from_product([["x", "y"], [1, 2]])
    assert make(index=index).index[3] == ("y", 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.zeros(4)}, r"'values'.*\(n_samples, n_features\).*Got shape \(4,\)"),
        ({"values": [["a", "b", "c"]] * 4}, "'values' of Explanation must be an array of numbers"),
        (
            {"base_values": np.zeros(3)},
            r"'base_values' of Explanation must have shape \(4,\).*Got shape \(3,\)",
        ),
        ({"predictions": np.zeros((4, 1))}, r"'predictions'.*Got shape \(4, 1\)"),
        ({"convergence_delta": 0.0}, r"'convergence_delta'.*Got shape \(\)"),
        ({"std_error": np.zeros((4, 2))}, r"'std_error'.*shape \(4, 3\), one entry per sample and feature"),
        ({"n_evaluations": [1, 2]}, r"'n_evaluations'.*Got shape \(2,\)"),
        ({"index": list("abc")}, r"'index'.*Got shape \(3,\)"),
        ({"data": np.zeros((3, 3))}, r"'data' of Explanation must be a table of 4 rows. Got shape \(3, 3\)"),
        ({"data": np.zeros(4)}, r"'data'.*Got shape \(4,\)"),
        ({"feature_names": ["a", "b"]}, "'feature_names' of Explanation must hold 3 names, one per feature"),
        ({"feature_names": ["a", "b", "a"]}, "'feature_names' of Explanation must be distinct. 'a' stands"),
        ({"output_names": []}, "'output_names' of Explanation must hold 1 names"),
        ({"output_names": "fraud"}, "'output_names' of Explanation must be a list of names"),
        ({"description": {"model": 3}}, "'description' of Explanation must be a dict of str to str"),
        ({"data_columns": [[0], [1]]}, "'data_columns' of Explanation must hold 3 lists"),
        ({"data_columns": [[0], [1], [3]]}, "'data_columns' of Explanation must hold 3 lists"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        make(**changes)


def test_smoothgrad_has_no_base():
    e = make(base_values=None, convergence_delta=None, smoothed_predictions=np.arange(4.0), method="SmoothGrad")
    assert e[1:3].smoothed_predictions.tolist() == [1.0, 2.0]
    assert e[1].base_values is None
    assert list(e.to_frame().columns) == [*NAMES, "prediction"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_are_whole(copied):
    e = make(2)[1:, "hour"]
    again = copied(e)
    assert again.values.tolist() == e.values.tolist()
    assert again.data.equals(e.data)
    assert again[0].shape == (2,)


# --- slicing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize(
    ("key", "plain"),
    [
        (3, 3),
        (-1, -1),
        (np.int64(2), 2),
        (slice(1, 3), slice(1, 3)),
        ([2, 0], [2, 0]),
        ([], slice(0, 0)),
        (np.array([True, False, False, True]), [0, 3]),
        (pd.Series([False, True, True, False]), [1, 2]),
        ((slice(None), "hour"), (slice(None), 1)),
        ((slice(None), ["country", "amount"]), (slice(None), [2, 0])),
        ((slice(None), [-1]), (slice(None), [2])),
        ((slice(None), 1), (slice(None), 1)),
        ((2, "hour"), (2, 1)),
        ((Ellipsis,), (Ellipsis,)),
        (([3, 1], ["amount", "hour"]), ([[3], [1]], [[0, 1]])),
    ],
)
def test_values_are_cut_as_arrays_are(n_outputs, key, plain):
    e = make(n_outputs)
    for field in ("values", "error_estimate", "std_error"):
        np.testing.assert_array_equal(getattr(e[key], field), getattr(e, field)[plain])


def test_a_row_keeps_what_belongs_to_it():
    e = make(2)
    row = e[2]
    assert row.shape == (3, 2)
    assert row.predictions.tolist() == e.predictions[2].tolist()
    assert row.convergence_delta.tolist() == e.convergence_delta[2].tolist()
    assert row.n_evaluations == 12
    assert row.index == "r2"
    assert row.data["country"] == "c"
    assert row.data.name == "r2"
    assert len(row) == 3
    assert row["hour", "class1"].values == e.values[2, 1, 1]


def test_rows_keep_labels_and_data():
    e = make()[[3, 1]]
    assert e.index.tolist() == ["r3", "r1"]
    assert e.data.index.tolist() == ["r3", "r1"]
    assert e.data.index.name == "id"
    assert e.n_evaluations.tolist() == [13, 11]


def test_a_part_of_the_features_adds_up_to_nothing():
    e = make(2)
    part = e[:, ["hour", "country"]]
    assert part.convergence_delta is None
    assert part.feature_names == ["hour", "country"]
    assert list(part.data.columns) == ["hour", "country"]
    assert part.predictions.tolist() == e.predictions.tolist()
    assert e[:, :].convergence_delta is not None


def test_one_feature_is_a_column():
    column = make()[:, "amount"]
    assert column.shape == (4,)
    assert column.feature_names == ["amount"]
    assert column.data.tolist() == [1250, 20, 30, 40]
    assert make()[2, "country"].data == "c"


@pytest.mark.parametrize("key", [(Ellipsis, 1), (Ellipsis, "class1"), (slice(None), slice(None), -1)])
def test_one_output(key):
    e = make(2)[key]
    assert e.shape == (4, 3)
    assert e.output_names == ["class1"]
    assert e.predictions.tolist() == make(2).predictions[:, 1].tolist()
    assert e.convergence_delta.tolist() == make(2).convergence_delta[:, 1].tolist()


def test_several_outputs_stay_an_axis():
    e = make(3)[..., ["class2", "class0"]]
    assert e.output_names == ["class2", "class0"]
    assert e.values.tolist() == make(3).values[..., [2, 0]].tolist()
    assert e[..., 0].output_names == ["class2"]


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ((slice(None), "amuont"), InvalidInputError, "no feature 'amuont'. Did you mean 'amount'?"),
        ((slice(None), ["zzz"]), InvalidInputError, "no feature 'zzz'. Known: amount, hour, country"),
        ("amount", IndexError, r"write explanation\[:, 'amount'\]"),
        (4, IndexError, "Position 4 is outside the sample axis, which has size 4"),
        ([0, -5], IndexError, "Position -5 is outside"),
        ((0, 0, 0), IndexError, "Too many indices"),
        ((Ellipsis, Ellipsis), IndexError, "Too many indices"),
        ([True, False], IndexError, "mask of 4 booleans"),
        ([0.5], IndexError, "list of integers"),
        (1.0, IndexError, "Got 1.0"),
        (True, IndexError, "Got True"),
        (None, IndexError, "Got None"),
        ([[0, 1]], IndexError, "list of integers"),
        ((slice(None), ["hour", 1]), IndexError, "once only"),
    ],
)
def test_keys_that_mean_nothing(key, error, message):
    with pytest.raises(error, match=message):
        make()[key]


@pytest.mark.parametrize("key", [slice(0, 2), (slice(None), slice(0, 2)), 0, (Ellipsis, 0)])
def test_slices_share_nothing_with_the_original(key):
    data = np.arange(12.0).reshape(4, 3)
    e = make(2, data=data, feature_names=["a", "b", "c"])
    before = pickle.dumps(e)
    part = e[key]
    # What is not cut is shared: choosing an output does not copy the whole of X.
    for field in ("values", "error_estimate", "predictions", *(["data"] if key != (Ellipsis, 0) else [])):
        getattr(part, field)[...] = -7.0
    part.feature_names[0] = "changed"
    part.description["model"] = "changed"
    assert pickle.dumps(e) == before


def test_iteration_goes_over_rows():
    assert [row.index for row in make()] == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_data_stay_in_their_container(name):
    data = CONTAINERS[name]
    e = make(data=data)
    rows, columns = e[[2, -4]].data, e[:, ["country", "hour"]].data
    assert type(rows) is type(data)
    assert type(columns) is type(data)
    dense = [t.toarray() if sparse.issparse(t) else np.asarray(t) for t in (rows, columns)]
    assert dense[0].tolist() == [[6.0, 7.0, 8.0], [0.0, 1.0, 2.0]]
    assert dense[1].tolist() == [[2.0, 1.0], [5.0, 4.0], [8.0, 7.0], [11.0, 10.0]]
    assert np.asarray(e[:, "hour"].data).tolist() == [1.0, 4.0, 7.0, 10.0]
    assert e[1, "hour"].data == 4.0


def test_a_row_of_data_is_a_row():
    assert make(data=CONTAINERS["array"])[1].data.tolist() == [3.0, 4.0, 5.0]
    assert make(data=CONTAINERS["polars"])[1].data.rows() == [(3.0, 4.0, 5.0)]
    assert make(data=CONTAINERS["csr"])[1].data.shape == (1, 3)
    assert make(data=None)[1].data is None


def test_features_find_their_columns_by_name_or_place():
    frame = pd.DataFrame({"country": [1.0, 2.0, 3.0, 4.0], "hour": 5.0, "amount": 7.0, "note": 9.0})
    assert make(data=frame)[:, "country"].data.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert make(data=frame.drop(columns="note"))[:, "country"].data.tolist() == [1.0, 2.0, 3.0, 4.0]
    renamed = frame.drop(columns="note").set_axis(["x", "y", "z"], axis=1)
    assert make(data=renamed)[:, "amount"].data.tolist() == [1.0, 2.0, 3.0, 4.0]
    merged = make(data=frame, feature_names=["amount", "hour", "place"], data_columns=[[2], [1], [0, 3]])
    assert list(merged[:, "place"].data.columns) == ["country", "note"]
    assert merged[:, ["place", "hour"]][:, "hour"].data.tolist() == [5.0] * 4
    shared = make(data=frame, data_columns=[[1], [1, 2], [2]])[:, ["hour", "country"]]
    assert list(shared.data.columns) == ["hour", "amount"]
    assert shared[:, "country"].data.tolist() == [7.0] * 4


# --- words ------------------------------------------------------------------------------------------------


def test_repr_says_what_was_explained_and_how_well():
    values = np.array([[3.0, -1.0, 0.0], [1.0, 1.0, 0.0]])
    e = make(n=2, values=values, convergence_delta=[0.5, 0.01], predictions=[1, 1], base_values=[0, 0],
             error_estimate=None, std_error=None)  # fmt: skip
    assert repr(e) == (
        "<Explanation of 2 samples x 3 features: IntegratedGradients of predict_proba (fraud), "
        "engine numeric (not exact), worst relative convergence_delta 0.12>"
    )
    assert "2 samples x 1 feature" in repr(e[:, [0]])
    assert "convergence_delta" not in repr(e[:, [0]])
    assert "1 sample x 3 features x 2 outputs" in repr(make(2)[:1])
    assert "one value" in repr(e.sum())
    assert "convergence_delta" not in repr(e[:0])


def test_relative_convergence_delta_of_nothing():
    delta = completeness.relative_convergence_delta(np.zeros((2, 3)), np.array([0.0, 1e-300]))
    assert delta.tolist() == [0.0, np.inf]
    with_nan = completeness.relative_convergence_delta(np.array([[np.nan, 2.0]]), np.array([1.0]))
    assert with_nan.tolist() == [0.5]


@pytest.mark.parametrize("method", ["to_html", "_repr_html_"])
def test_pages_come_from_the_report(monkeypatch, method):
    e, calls = make(), []
    report = type(sys)("agnostic_ig.report")
    report.write_report = lambda explanation, path, **options: calls.append((explanation, path, options))
    report.summary_html = lambda explanation: calls.append((explanation, "p.html", {"title": "T"})) or "<p>"
    monkeypatch.setitem(sys.modules, "agnostic_ig.report", report)
    if method == "to_html":
        e.to_html("p.html", title="T")
    else:
        assert e._repr_html_() == "<p>"
    assert calls == [(e, "p.html", {"title": "T"})]


def test_importing_results_loads_no_optional_library():
    code = (
        "import sys, agnostic_ig.results\n"
        "heavy = {'pandas', 'polars', 'scipy', 'matplotlib', 'numba', 'sklearn', 'shap'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [completeness, explanation, feature_values])
def test_examples_run(module):
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
