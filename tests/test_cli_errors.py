"""Whatever is wrong is one line on stderr that names it; status 2 before work, 1 after; nothing is left behind."""

import errno
import gzip
import os
import re
import resource
import signal
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from cli_cases import FEATURES, is_one_error_line, make_files, run, run_process, start
from sklearn.linear_model import LogisticRegression

from agnostic_ig.cli import explain
from agnostic_ig.exceptions import InvalidInputError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("cli"))


def write_bad_tables(folder, table):
    """Tables that something is wrong with, by name."""
    features = table[[*FEATURES, "fraud"]]
    features.rename(columns={"amount": "Amount"}).to_csv(folder / "renamed.csv", index=False)
    features.astype({"amount": object}).replace({"amount": {features["amount"][4]: "12a"}}).to_csv(
        folder / "text_in_numbers.csv", index=False
    )
    for name, value in (("gap", np.nan), ("infinite", np.inf)):
        features.assign(amount=features["amount"].where(np.arange(60) != 40, value)).to_csv(
            folder / f"{name}.csv", index=False
        )
    features.assign(prediction=1.0).to_csv(folder / "taken.csv", index=False)
    features.iloc[:0].to_csv(folder / "no_rows.csv", index=False)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "binary.csv").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (folder / "latin.csv").write_bytes("amount,hour\n1,é\n".encode("latin-1"))
    (folder / "semicolons.csv").write_text("amount;hour\n1;2\n")
    (folder / "ragged.csv").write_text("amount,hour\n1,2\n3\n")
    packed = gzip.compress(features.to_csv(index=False).encode())
    (folder / "cut.csv.gz").write_bytes(packed[: len(packed) // 2])
    parquet = (folder / "data.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(parquet[: len(parquet) // 2])
    (folder / "table.xlsx").write_bytes(b"PK")


def write_bad_models(folder):
    """Model files that something is wrong with."""
    (folder / "notes.skops").write_text("not a model")
    (folder / "notes.pkl").write_text("not a pickle")
    (folder / "booster.json").write_text("{}")
    (folder / "model.onnx").write_bytes(b"\0")
    whole = (folder / "forest.skops").read_bytes()
    (folder / "cut.skops").write_bytes(whole[: len(whole) // 2])


@pytest.fixture(scope="module")
def bad(files):
    write_bad_tables(files.folder, files.table)
    write_bad_models(files.folder)
    return files.folder


# What is changed in a command that works -> what the error says. "-" takes an option away; {} is the folder.
WRONG = {
    "unfitted model": ({"--model": "{}/unfitted.skops"}, "'model' parameter .* must be fitted. Got an unfitted Random"),
    "no model file": ({"--model": "{}/none.skops"}, "--model: .*does not exist"),
    "text as skops": ({"--model": "{}/notes.skops"}, "--model: notes.skops was refused: it is not a skops file"),
    "cut skops": ({"--model": "{}/cut.skops"}, "--model: cut.skops was refused: .*cut short"),
    "text as pickle": ({"--model": "{}/notes.pkl", "--trust-pickle": True}, "--model: notes.pkl could not be loaded"),
    "pickle without trust": ({"--model": "{}/array.pkl"}, "--model: .*--trust-pickle"),
    "pickle of no model": ({"--model": "{}/words.pkl", "--trust-pickle": True}, "--model: .*holds a dict, which is"),
    "booster": ({"--model": "{}/booster.json"}, "--model: booster.json was refused: it is no model that XGBoost"),
    "another kind of model": ({"--model": "{}/model.onnx"}, "--model: model.onnx is no kind of model file"),
    "another digest": ({"--sha256": "0" * 64}, "--model: forest.skops has the SHA-256 digest"),
    "no digest": ({"--sha256": "abc"}, "--model: The 'sha256' parameter .* 64 hexadecimal digits"),
    "no data file": ({"--data": "{}/none.csv"}, "--data: .*none.csv' does not exist"),
    "empty file": ({"--data": "{}/empty.csv"}, "--data: empty.csv is empty"),
    "header only": ({"--data": "{}/no_rows.csv"}, "--data: no_rows.csv has a header but no rows"),
    "picture": ({"--data": "{}/binary.csv"}, "--data: binary.csv is not UTF-8 text"),
    "latin text": ({"--data": "{}/latin.csv"}, "--data: latin.csv is not UTF-8 text"),
    "semicolons": ({"--data": "{}/semicolons.csv"}, "--data: semicolons.csv seems to be separated by ';'"),
    "short row": ({"--data": "{}/ragged.csv", "--label": "-"}, "--data: ragged.csv, line 3: 1 field"),
    "cut gzip": ({"--data": "{}/cut.csv.gz"}, "--data: cut.csv.gz is a damaged or truncated gzip file"),
    "cut parquet": ({"--data": "{}/cut.parquet"}, "--data: cut.parquet is not a readable Parquet file"),
    "spreadsheet": ({"--data": "{}/table.xlsx"}, "--data: table.xlsx is no kind of table"),
    "renamed column": ({"--data": "{}/renamed.csv"}, "--data: renamed.csv has no column 'amount'. Did you mean 'Am"),
    "missing columns": ({"--data": "{}/text.csv"}, "--data: text.csv has no column 'hour'"),
    "number of columns": (
        {"--model": "{}/array.pkl", "--trust-pickle": True},
        "--data: the model was fitted on 2 columns without names, and .*data.csv has 4 besides",
    ),
    "text in numbers": (
        {"--data": "{}/text_in_numbers.csv"},
        "--data: the model does not take rows .* '12a' \\(for the row .*\\)\\. Columns that hold text: \\['amount'\\]",
    ),
    "gap": (
        {"--data": "{}/gap.csv", "--model": "{}/linear.skops", "--batch-size": 25},
        "--data: the model does not take rows 26 to 50 of gap.csv.* 'amount' holds nothing \\(NaN\\) in row 41",
    ),
    "infinity": (
        {"--data": "{}/infinite.csv"},
        "--data: the model does not take rows .* Column 'amount' holds infinity in row 41",
    ),
    "unknown category": (
        {"--data": "{}/words.csv", "--model": "{}/text.pkl", "--trust-pickle": True, "--batch-size": 25},
        "--data: the model does not take rows 51 to 60 of words.csv. .*unknown categories .*\\['country'\\]",
    ),
    "column of ours": ({"--data": "{}/taken.csv"}, "--data: column 'prediction' is carried through, but"),
    "label that is not there": ({"--label": "Fraud"}, "--label: data.csv has no column 'Fraud'. Did you mean 'fraud'"),
    "id that is not there": ({"--id": "nr"}, "--id: data.csv has no column 'nr'"),
    "label that is a feature": ({"--label": "hour"}, "--label: the model was fitted on column 'hour'"),
    "id that is a feature": ({"--id": "amount"}, "--id: the model was fitted on column 'amount'"),
    "no baseline": ({"--baseline": "-"}, "--baseline or --background is needed"),
    "unknown baseline": ({"--baseline": "mode"}, "--baseline: must be zero, mean, .* Got 'mode' instead"),
    "class without name": ({"--baseline": "class"}, "--baseline: must be zero, mean"),
    "class without a label column": ({"--baseline": "class:1", "--label": "-"}, "--label: --baseline class:1 needs"),
    "unknown class": ({"--baseline": "class:7"}, "--baseline: '7' is none of the labels there are: "),
    "row of several": ({"--baseline": "row:{}/background.csv"}, "--baseline: background.csv has more than one row"),
    "row of no file": ({"--baseline": "row:{}/none.csv"}, "--baseline: .*does not exist"),
    "zero and background": (
        {"--baseline": "zero", "--background": "{}/background.csv"},
        "--background: has no use with --baseline zero",
    ),
    "background without columns": (
        {"--baseline": "-", "--background": "{}/text.csv"},
        "--background: text.csv has no column 'hour'",
    ),
    "zero of text": (
        {"--data": "{}/text.csv", "--model": "{}/text.pkl", "--trust-pickle": True, "--baseline": "zero"},
        "zero for the discrete columns \\['country'\\]",
    ),
    "unknown target": ({"--target": "2"}, "--target: '2' is none of the labels there are: 0, 1"),
    "unknown output": ({"--target": "x", "--model": "{}/regressor.skops"}, "--target: 'x' is none of the labels"),
    "response": ({"--response-method": "decision_function"}, "'response_method' parameter .*predict_proba"),
    "exact engine": (
        {"--engine": "exact", "--model": "{}/forest.skops", "--response-method": "predict"},
        "'engine' parameter .* is 'exact', but",
    ),
    "unknown engine": ({"--engine": "fast"}, "argument --engine: invalid choice: 'fast'"),
    "method of later": ({"--method": "smoothgrad"}, "argument --method: invalid choice"),
    "tol": ({"--tol": "0"}, "argument --tol: must be a number > 0. Got '0' instead"),
    "tol of words": ({"--tol": "small"}, "argument --tol: must be a number > 0. Got 'small' instead"),
    "jobs": ({"--n-jobs": "0"}, "argument --n-jobs: must be an integer other than 0. Got '0'"),
    "batch": ({"--batch-size": "0"}, "argument --batch-size: must be an integer >= 1. Got '0'"),
    "reasons": ({"--reasons": "-1"}, "argument --reasons: must be an integer >= 0. Got '-1'"),
    "evaluations": ({"--max-evaluations": "0"}, "argument --max-evaluations: must be an integer >= 1"),
    "shortened option": ({"--base": "mean"}, "unrecognized arguments: --base mean"),
    "nowhere to write": ({"--out": "-"}, "--out or --report is needed"),
    "another ending": ({"--out": "out.xlsx"}, "--out: must end in .parquet or .csv. Got 'out.xlsx'"),
    "report ending": ({"--report": "report.csv"}, "--report: must end in .html or .htm"),
    "no such folder": ({"--out": "none/out.csv"}, "--out: .* in a folder that exists"),
    "folder below a file": ({"--out": "{}/data.csv/out.csv"}, "--out: .* in a folder that exists"),
    "folder that takes no files": ({"--out": "/proc/out.csv"}, "--out: .* folder that can be written to"),
    "report folder that takes no files": ({"--report": "/proc/r.html"}, "--report: .* folder that can be written to"),
    "existing file": ({"--out": "{}/background.csv"}, "--out: .*It exists: .*--force"),
    "output over the data": (
        {"--out": "{}/data.csv", "--force": True},
        "--out: .*data.csv' is read or written as something else too",
    ),
    "output over the baseline row": (
        {"--out": "{}/row.csv", "--baseline": "row:{}/row.csv", "--force": True},
        "--out: .*row.csv' is read or written as something else too",
    ),
}  # fmt: skip


def command(folder, changes):
    """Arguments of a command that works, changed."""
    options = {
        "--model": "{}/forest.skops", "--data": "{}/data.csv", "--baseline": "median", "--label": "fraud",
        "--out": "out.csv",
    } | changes  # fmt: skip
    arguments = []
    for name, value in options.items():
        if value != "-":
            arguments += [name] if value is True else [name, str(value).replace("{}", str(folder))]
    return ["explain", *arguments]


def snapshot(*folders):
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


def test_the_command_that_is_changed_below_works(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, *command(bad, {})).status == 0


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_named_in_one_line_and_nothing_is_written(bad, tmp_path, monkeypatch, capsys, name):
    text = pd.read_csv(bad / "text.csv").assign(country=lambda t: t["country"].where(t.index != 55, "XX"))
    text.to_csv(bad / "words.csv", index=False)
    monkeypatch.chdir(tmp_path)
    changes, message = WRONG[name]
    before = snapshot(bad, tmp_path)
    done = run(capsys, *command(bad, changes))
    assert done.status == 2
    assert is_one_error_line(done.err), done.err
    assert re.search(message, done.err), done.err
    assert snapshot(bad, tmp_path) == before


@pytest.mark.parametrize("name", ["renamed column", "pickle without trust", "tol", "cut gzip", "folder below a file"])
def test_wrong_input_in_a_process_of_its_own(bad, tmp_path, name):
    changes, message = WRONG[name]
    done = run_process(*command(bad, changes), cwd=tmp_path)
    assert (done.status, done.out if name == "tol" else "") == (2, "")
    assert is_one_error_line(done.err), done.err
    assert re.search(message, done.err), done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("library", "arguments"),
    [
        ("pyarrow", ["demo"]),
        ("plotly", ["demo"]),
        ("pandas", ["explain", "--out", "out.csv"]),
        ("pyarrow", ["explain", "--out", "out.parquet"]),
        ("jinja2", ["explain", "--report", "report.html"]),
        ("skops", ["explain", "--out", "out.csv"]),
    ],
)
def test_missing_libraries_are_noticed_before_work(bad, tmp_path, monkeypatch, capsys, library, arguments):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library, None)
    inputs = ["--model", bad / "forest.skops", "--data", bad / "data.csv", "--baseline", "zero"]
    done = run(capsys, *arguments, *(inputs if arguments[0] == "explain" else []))
    assert (done.status, is_one_error_line(done.err)) == (2, True)
    assert f'needs {library}, which is not installed: pip install "agnostic-ig[app]"' in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_too_many_values_is_refused(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explain, "MAX_REPORT_VALUES", 4 * 59)
    done = run(capsys, *command(bad, {"--report": "report.html"}))
    assert done.status == 2
    assert "--report: keeps all rows in memory, at most 59 of 2 columns; data.csv has 60" in done.err
    assert list(tmp_path.iterdir()) == []


# --- work that began and failed --------------------------------------------------------------------------------


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("out", ["out.csv", "out.parquet"])
def test_a_full_disk_leaves_nothing(bad, tmp_path, monkeypatch, capsys, out):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", no_space)
    done = run(capsys, *command(bad, {"--out": out, "--report": "report.html"}))
    assert done.status == 1
    assert is_one_error_line(done.err)
    assert "No space left on device" in done.err
    assert list(tmp_path.iterdir()) == []


def test_older_files_survive_a_report_that_fails(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("out.csv", "report.html"):
        (tmp_path / name).write_text("mine")
    monkeypatch.setattr(explain, "write_report", no_space)
    done = run(capsys, *command(bad, {"--report": "report.html", "--force": True}))
    assert (done.status, is_one_error_line(done.err)) == (1, True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out.csv": "mine", "report.html": "mine"}


def test_a_file_that_cannot_grow_leaves_nothing(bad, tmp_path):
    big = pd.concat([pd.read_csv(bad / "data.csv")] * 200)
    big.to_csv(bad / "big.csv", index=False)
    limit = 400_000

    done = run_process(
        *command(bad, {"--data": "{}/big.csv"}),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.status == 1
    assert "Writing out.csv failed and nothing was left behind" in done.err
    assert list(tmp_path.iterdir()) == []


def test_surprises_are_one_line_too(bad, tmp_path, monkeypatch, capsys):
    def surprise(*_, **__):
        raise KeyError("two\nlines")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explain, "attribution_table", surprise)
    done = run(capsys, *command(bad, {}))
    assert (done.status, done.err) == (1, "agnostic-ig: error: unexpected KeyError: 'two\\nlines'\n")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_ours_after_work_began_is_a_failure(bad, tmp_path, monkeypatch, capsys):
    def damaged(*_, **__):
        raise InvalidInputError("the file ends here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explain, "attribution_table", damaged)
    done = run(capsys, *command(bad, {}))
    assert (done.status, done.err) == (1, "agnostic-ig: error: the file ends here\n")
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_said(bad, tmp_path, monkeypatch, capsys):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explain, "attribution_table", exhausted)
    done = run(capsys, *command(bad, {}))
    assert (done.status, "not enough memory" in done.err) == (1, True)


SLOW_MODEL = """
import time
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        if len(X) > 1:
            print("asked", flush=True)
            time.sleep(60)
        return X["amount"].to_numpy(dtype=float)
"""


def test_interruption_is_clean(bad, tmp_path):
    (bad / "slow_model.py").write_text(SLOW_MODEL)
    code = "import pickle, slow_model; pickle.dump(slow_model.Slow(), open('slow.pkl', 'wb'))"
    assert run_process(program=["-c", code], paths=[bad], cwd=bad).status == 0
    more = {"--model": "{}/slow.pkl", "--trust-pickle": True, "--data": "{}/plain.csv"}
    with start(*command(bad, more), cwd=tmp_path, paths=[bad]) as process:
        for line in process.stdout:
            if line == "asked\n":
                process.send_signal(signal.SIGINT)
                break
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "agnostic-ig: error: interrupted; no file was left half-written\n")
    assert list(tmp_path.iterdir()) == []


# --- warnings ----------------------------------------------------------------------------------------------------


def test_warnings_are_lines_and_repeated_ones_are_counted(bad, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"amount": rng.normal(size=60), "hour": rng.normal(size=60)})
    model = LogisticRegression(C=100.0).fit(X, X["amount"] * X["hour"] + X["amount"] > 0)
    skops.io.dump(model, bad / "budget.skops")
    X.to_csv(bad / "normal.csv", index=False)
    more = {"--engine": "numeric", "--max-evaluations": 10, "--batch-size": 20, "--label": "-", "--tol": "1e-9"}
    done = run(capsys, *command(bad, {"--model": "{}/budget.skops", "--data": "{}/normal.csv"} | more))
    lines = done.err.splitlines()
    assert done.status == 0
    assert lines[0].startswith("agnostic-ig: warning: ")
    assert "did not reach tol=1e-09" in lines[0]
    assert lines[1:] == ["agnostic-ig: warning: and 2 more like it (BudgetWarning)"]
