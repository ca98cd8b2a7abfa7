"""``agnostic-ig explain``: the same numbers as the Python interface, whatever the files, batches and baselines."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from cli_cases import FEATURES, make_files, run
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import agnostic_ig as aig
from agnostic_ig.cli import baseline_choice, duration, explain
from agnostic_ig.results import Explanation


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def explained(files, tmp_path, capsys):
    """Run the command on files of ours and return its table and what it said."""

    def run_it(model, *more, data="data.csv", out="out.parquet", options=("--id", "case", "--label", "fraud")):
        trust = ["--trust-pickle"] if model.endswith(".pkl") else []
        destination = tmp_path / out
        paths = ["--model", files.folder / model, "--data", files.folder / data, "--out", destination]
        done = run(capsys, "explain", *paths, *trust, *options, *more)
        assert (done.status, done.err) == (0, "")
        table = pd.read_parquet(destination) if out.endswith("t") else pd.read_csv(destination, dtype={"case": str})
        return table, done.out

    return run_it


def values_of(table, features=FEATURES):
    return table[[f"attribution:{name}" for name in features]].to_numpy()


def assert_same(table, explanation: Explanation):
    """Bit for bit: files keep every digit."""
    np.testing.assert_array_equal(values_of(table), explanation.values)
    np.testing.assert_array_equal(table["prediction"], explanation.predictions)
    np.testing.assert_array_equal(table["base_value"], explanation.base_values)
    np.testing.assert_array_equal(table["convergence_delta"], explanation.convergence_delta)


def api(files, model, baseline, **more):
    X = files.table[FEATURES]
    return aig.IntegratedGradients(files.models[model], baseline, **more).explain(X)


# --- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["data.csv", "data.parquet"])
@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_numbers_are_those_of_the_python_interface(files, explained, data, out):
    table, _ = explained("forest.skops", "--background", files.folder / "background.csv", data=data, out=out)
    assert_same(table, api(files, "forest.skops", files.table[FEATURES].iloc[:20]))


def test_batches_do_not_change_tables(files, explained):
    whole, _ = explained("forest.skops", "--baseline", "median")
    parts, _ = explained("forest.skops", "--baseline", "median", "--batch-size", 7, out="parts.parquet")
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)


def test_columns_are_carried_in_their_order_and_ids_stay_text(files, explained):
    table, out = explained("forest.skops", "--baseline", "median", "--reasons", 2)
    assert list(table.columns) == [
        *["case", "remark", "fraud", "prediction", "base_value", "convergence_delta"],
        *["attribution:amount", "attribution:hour", "reason_1", "reason_2"],
    ]
    expected = files.table[["case", "remark", "fraud"]]
    pd.testing.assert_frame_equal(table[["case", "remark", "fraud"]], expected, check_dtype=False)
    assert "2 columns explained: amount, hour" in out
    assert "3 carried through: case, remark, fraud" in out


def test_reasons_are_those_of_the_explanation(files, explained):
    table, _ = explained("forest.skops", "--baseline", "median", "--reasons", 2)
    codes = api(files, "forest.skops", aig.baselines.Median(files.table[FEATURES])).reason_codes(2)
    wanted = [[*(code.text for code in row), None, None][:2] for row in codes]
    written = table[["reason_1", "reason_2"]].astype(object)
    assert written.where(written.notna(), None).to_numpy().tolist() == wanted
    assert any(None in row for row in wanted)


def test_no_reasons(explained):
    table, _ = explained("forest.skops", "--baseline", "median", "--reasons", 0)
    assert list(table.columns)[-1] == "attribution:hour"


def test_reasons_of_outlier_detectors_argue_for_low_scores(files, explained):
    table, _ = explained("outlier.skops", "--baseline", "median")
    explanation = api(files, "outlier.skops", aig.baselines.Median(files.table[FEATURES]), engine="auto")
    codes = explanation.reason_codes(4, towards="down")
    assert table["reason_1"].dropna().tolist() == [row[0].text for row in codes if row]


def test_several_outputs_have_a_row_each(files, explained):
    table, _ = explained("three.skops", "--baseline", "median")
    explanation = api(files, "three.skops", aig.baselines.Median(files.table[FEATURES]))
    assert table["output"].tolist() == ["0", "1", "2"] * 60
    assert table["case"].tolist() == np.repeat(files.table["case"], 3).tolist()
    np.testing.assert_array_equal(values_of(table), explanation.values.transpose(0, 2, 1).reshape(-1, 2))
    np.testing.assert_array_equal(table["prediction"], explanation.predictions.ravel())
    reasons = [row[0].text if row else None for row in explanation[..., "1"].reason_codes(1)]
    first = table["reason_1"][1::3].astype(object)
    assert first.where(first.notna(), None).tolist() == reasons


def test_existing_files_are_replaced_with_force_only(files, explained, tmp_path):
    (tmp_path / "out.parquet").write_text("mine")
    table, _ = explained("forest.skops", "--baseline", "median", "--force")
    assert len(table) == 60
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


# --- models --------------------------------------------------------------------------------------------------


def test_a_trusted_pickle_of_a_model_without_names(files, explained):
    table, _ = explained("array.pkl", "--baseline", "median", data="plain.csv", options=["--label", "fraud"])
    explainer = aig.IntegratedGradients(files.models["array.pkl"], files.table[FEATURES].median().to_numpy())
    assert_same(table, explainer.explain(files.table[FEATURES].to_numpy()))


@pytest.mark.parametrize(
    ("model", "written", "target"),
    [("forest.skops", "0", 0), ("forest.skops", "1.0", 1), ("words.skops", "no", "no"), ("three.skops", "2", 2)],
)
def test_target_is_found_among_the_classes(files, explained, model, written, target):
    table, _ = explained(model, "--baseline", "median", "--target", written)
    explainer = aig.IntegratedGradients(files.models[model], aig.baselines.Median(files.table[FEATURES]))
    assert_same(table, explainer.explain(files.table[FEATURES], target))


def test_target_is_an_index_where_there_are_no_classes(files, explained):
    table, _ = explained("regressor.skops", "--baseline", "median", "--target", "0")
    assert_same(table, api(files, "regressor.skops", aig.baselines.Median(files.table[FEATURES])))


def test_options_reach_the_explainer(files, explained):
    options = ["--response-method", "decision_function", "--engine", "numeric", "--tol", "1e-3", "--n-jobs", 2]
    more = ["--thoroughness", "fast", "--max-evaluations", 500]
    table, out = explained("linear.skops", "--baseline", "median", *options, *more)
    given = {"response_method": "decision_function", "engine": "numeric", "tol": 1e-3, "thoroughness": "fast"}
    median = aig.baselines.Median(files.table[FEATURES])
    assert_same(table, api(files, "linear.skops", median, max_evaluations=500, **given))
    assert "decision_function (1) by the numeric engine, not exact" in out


# --- baselines -----------------------------------------------------------------------------------------------

KINDS = {
    "zero": lambda X, table: aig.baselines.Zero(),
    "mean": lambda X, table: aig.baselines.Mean(X),
    "median": lambda X, table: aig.baselines.Median(X),
    "class:1": lambda X, table: aig.baselines.Class(X, table["fraud"], 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_baselines_from_the_data_itself(files, explained, kind):
    table, out = explained("forest.skops", "--baseline", kind)
    assert_same(table, api(files, "forest.skops", KINDS[kind](files.table[FEATURES], files.table)))
    assert kind == "zero" or "of data.csv" in out


@pytest.mark.parametrize("kind", ["mean", "median", "class:0"])
def test_baselines_from_a_background(files, explained, kind):
    table, out = explained("forest.skops", "--baseline", kind, "--background", files.folder / "background.csv")
    few = files.table.iloc[:20]
    kinds = KINDS | {"class:0": lambda X, table: aig.baselines.Class(X, table["fraud"], 0)}
    assert_same(table, api(files, "forest.skops", kinds[kind](few[FEATURES], few)))
    assert "of background.csv" in out


def test_a_row_of_a_file_as_baseline(files, explained):
    table, _ = explained("forest.skops", "--baseline", f"row:{files.folder / 'row.csv'}")
    assert_same(table, api(files, "forest.skops", files.table[FEATURES].iloc[[3]]))


def test_data_may_lack_the_label_that_the_background_has(files, explained, tmp_path):
    files.table[["hour", "amount"]].to_csv(files.folder / "new.csv", index=False)
    more = ["--background", files.folder / "background.csv", "--baseline", "class:0"]
    table, _ = explained("forest.skops", *more, data="new.csv", options=["--label", "fraud"])
    few = files.table.iloc[:20]
    assert_same(table, api(files, "forest.skops", aig.baselines.Class(few[FEATURES], few["fraud"], 0)))


@pytest.mark.parametrize("kind", ["median", "class:1"])
def test_baselines_of_large_tables_are_worked_out_column_by_column(files, explained, monkeypatch, kind):
    whole, _ = explained("forest.skops", "--baseline", kind)
    monkeypatch.setattr(baseline_choice, "MAX_VALUES", 60)
    parts, _ = explained("forest.skops", "--baseline", kind, out="parts.parquet")
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)


# --- text and gaps -------------------------------------------------------------------------------------------


def test_text_that_is_missing_in_a_whole_batch_stays_text(files, explained):
    options = ["--label", "fraud", "--tol", "1e-3"]
    parts, _ = explained("text.pkl", "--baseline", "median", "--batch-size", 10, data="text.csv", options=options)
    whole, _ = explained("text.pkl", "--baseline", "median", data="text.csv", options=options, out="whole.parquet")
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)
    assert parts["attribution:country"].abs().max() > 0.01


def test_text_of_which_the_first_row_looks_like_a_number(files, explained):
    codes = pd.DataFrame({"country": ["12", "FR", "12", "DE"] * 5, "amount": np.arange(20.0), "fraud": [0, 1] * 10})
    encoder = make_column_transformer((OneHotEncoder(), ["country"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression()).fit(codes[["country", "amount"]], codes["fraud"])
    (files.folder / "codes.pkl").write_bytes(pickle.dumps(model))
    codes.to_csv(files.folder / "codes.csv", index=False)
    table, _ = explained("codes.pkl", "--baseline", "median", data="codes.csv", options=["--label", "fraud"])
    np.testing.assert_array_equal(table["prediction"], model.predict_proba(codes[["country", "amount"]])[:, 1])


def test_true_and_false_with_gaps_in_some_batches_and_in_the_background(files, explained):
    flags = np.where(np.arange(60) < 30, files.table["hour"] > 12, None)
    table = files.table[["amount", "fraud"]].assign(amount=flags, hour=files.table["amount"])
    table.to_csv(files.folder / "flags.csv", index=False)
    options = ["--label", "fraud", "--background", files.folder / "flags.csv"]
    parts, _ = explained("forest.skops", "--batch-size", 20, data="flags.csv", options=options)
    whole, _ = explained("forest.skops", data="flags.csv", options=options, out="whole.parquet")
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)


# --- the report, and what is said ----------------------------------------------------------------------------


def test_report_and_table_together(files, explained, tmp_path):
    table, out = explained(
        "forest.skops", "--baseline", "median", "--report", tmp_path / "report.html", "--batch-size", 7
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "forest.skops on data.csv" in page
    assert re.search(r"Rows explained</th>\s*<td>60</td>", page)
    worst = table.loc[table["prediction"].idxmax(), "case"]
    assert worst in page  # cases are called by their id
    assert f"wrote       {tmp_path / 'out.parquet'}, {tmp_path / 'report.html'}" in out
    assert {path.name for path in tmp_path.iterdir()} == {"out.parquet", "report.html"}


def test_report_alone(files, tmp_path, capsys):
    paths = ["--model", files.folder / "forest.skops", "--data", files.folder / "data.csv"]
    done = run(capsys, "explain", *paths, "--baseline", "zero", "--report", tmp_path / "report.html")
    assert done.status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_says_what_was_done(files, explained):
    _, out = explained("forest.skops", "--background", files.folder / "background.csv")
    explanation = api(files, "forest.skops", files.table[FEATURES].iloc[:20])
    assert "60 rows of data.csv" in out
    assert "all 20 rows of background.csv" in out
    assert "every row is compared with 20: 1,200 comparisons" in out
    assert "predict_proba (1) by the tree_ensemble engine, exact" in out
    assert f"largest completeness gap {np.abs(explanation.convergence_delta).max():.1e}" in out


def test_a_long_job_is_announced(explained, monkeypatch):
    monkeypatch.setattr(explain, "LONG_SECONDS", 0.0)
    _, out = explained("forest.skops", "--baseline", "median")
    assert "this will take about" in out


def test_duration_grows_with_the_rows_and_leaves_the_explainer_alone(files):
    X = files.table[FEATURES]
    explainer = aig.IntegratedGradients(files.models["linear.skops"], X.median().to_numpy(), engine="numeric", tol=1e-2)
    before = dict(vars(explainer))
    short, long = (duration.seconds_for(explainer, X, None, n) for n in (100, 1_000_000))
    assert long > 100 * short
    assert vars(explainer) == before


@pytest.mark.parametrize(("seconds", "words"), [(61, "61 s"), (150, "2 min"), (5400, "90 min"), (9000, "2.5 h")])
def test_durations_in_words(seconds, words):
    assert duration.spoken(seconds) == words


def test_progress_is_said_between_batches(explained, monkeypatch):
    monkeypatch.setattr(explain, "SECONDS_BETWEEN_LINES", 0.0)
    _, out = explained("forest.skops", "--baseline", "median", "--batch-size", 25)
    assert "25 of 60 rows, about" in out
    assert "50 of 60 rows, about" in out
    assert "60 of 60 rows" not in out
