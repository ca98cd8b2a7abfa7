"""``agnostic-ig demo``: one real run from end to end, and the manners of its folder."""

import re

import numpy as np
import pandas as pd
import pytest
from cli_cases import is_one_error_line, run, run_process

from agnostic_ig.cli import demo
from agnostic_ig.cli.demo_folder import MARK, demo_folder
from agnostic_ig.datasets import load_email_fraud

COLUMNS = ["mail", "spam", "collection", "flagged", "prediction", "base_value", "convergence_delta"]


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    """A run in a process of its own, in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    done = run_process("demo", cwd=folder)
    assert (done.status, done.err) == (0, "")
    return done.out, folder / "agnostic_ig_demo", pd.read_parquet(folder / "agnostic_ig_demo" / "attributions.parquet")


def number(pattern, out):
    return re.search(pattern, out).group(1).replace(",", "")


class TestARealRun:
    def test_attributions_add_up(self, demonstrated):
        table = demonstrated[2]
        values = table.filter(like="attribution:").to_numpy()
        gap = values.sum(axis=1) - (table["prediction"] - table["base_value"])
        assert values.shape == (1555, 38)
        assert (np.abs(gap) <= 1e-9 * np.abs(values).sum(axis=1)).all()
        np.testing.assert_allclose(table["convergence_delta"], gap, rtol=0, atol=1e-14)

    def test_rows_are_the_test_mails(self, demonstrated):
        table, mail = demonstrated[2], load_email_fraud()
        assert list(table.columns[: len(COLUMNS)]) == COLUMNS
        assert table["mail"].tolist() == mail.target[mail.test].index.tolist()
        assert table["spam"].tolist() == mail.target[mail.test].tolist()
        assert table["collection"].tolist() == list(mail.collection[mail.test])

    def test_flagged_mails_are_those_above_the_threshold(self, demonstrated):
        out, _, table = demonstrated
        threshold = float(number(r"threshold .*: (0\.\d+)", out))
        flagged = table["flagged"]
        assert table.loc[flagged, "prediction"].min() > threshold - 0.0005
        assert table.loc[~flagged, "prediction"].max() < threshold + 0.0005
        assert int(number(r"flagged test mails: ([\d,]+) of", out)) == flagged.sum()
        assert number(r"of the flagged, fraud: ([\d.]+) %", out) == f"{100 * table.loc[flagged, 'spam'].mean():.1f}"
        assert number(r"of the fraud, flagged: ([\d.]+) %", out) == f"{100 * flagged[table['spam'] == 1].mean():.1f}"

    def test_rates_and_baseline_are_said(self, demonstrated):
        out, _, table = demonstrated
        mail = load_email_fraud()
        for name, rows in (("training", mail.train), ("test", mail.test)):
            assert number(rf"{name}: .* mails, ([\d.]+) % fraud", out) == f"{100 * mail.target[rows].mean():.1f}"
        assert "200 of 2,722 legitimate training mails, drawn with random_state=0" in out
        base, error = re.search(r"their mean score: ([\d.]+) \(standard error of the draw ([\d.]+)\)", out).groups()
        assert base == f"{table['base_value'][0]:.4f}"
        assert 0.0 < float(error) < 0.01
        assert "standard error of a contribution by that draw: mean " in out

    def test_printed_cases_are_those_of_the_table(self, demonstrated):
        out, _, table = demonstrated
        top = table.sort_values("prediction", ascending=False, kind="stable").head(3).set_index("mail")
        cases = re.findall(r"mail (\d+) \((\w+)\): score ([\d.]+) = base value ([\d.]+) \+ contributions ([\d.]+), "
                           r"completeness gap (\S+)\n((?: {12}.*\n)+)", out)  # fmt: skip
        assert [int(case[0]) for case in cases] == top.index.tolist()
        for (label, truth, *numbers, gap, reasons), row in zip(cases, top.itertuples(), strict=True):
            assert truth == ("fraud" if row.spam else "legitimate")
            total = row.prediction - row.base_value
            assert numbers == [f"{one:.4f}" for one in (row.prediction, row.base_value, total)]
            assert gap == f"{row.convergence_delta:.1e}"
            written = top.loc[int(label), ["reason_1", "reason_2", "reason_3", "reason_4"]].tolist()
            assert [line.strip() for line in reasons.splitlines()] == written

    def test_reasons_are_in_words_and_match_the_numbers(self, demonstrated):
        table, phrases = demonstrated[2], load_email_fraud().phrases
        for _, row in table[table["flagged"]].iterrows():
            values = row.filter(like="attribution:").astype(float)
            strongest = values.idxmax().removeprefix("attribution:")
            words, _, contribution = row["reason_1"].rpartition(": ")
            assert words.startswith(phrases[strongest].partition("{value}")[0])
            assert float(contribution) == pytest.approx(values.max(), rel=0.05)

    def test_report_is_there(self, demonstrated):
        out, folder, _ = demonstrated
        assert {path.name for path in folder.iterdir()} == {"attributions.parquet", "report.html", MARK}
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "AUC on the test mails" in page
        assert "agnostic_ig_demo/attributions.parquet" in out
        assert "agnostic_ig_demo/report.html" in out

    def test_work_and_time_are_said(self, demonstrated):
        assert re.search(r"^done +in \d+\.\d s$", demonstrated[0], flags=re.MULTILINE)
        assert re.search(r"\d+\.\d s, tree_ensemble engine, exact", demonstrated[0])


def test_full_background_uses_every_legitimate_training_mail(monkeypatch):
    mail = load_email_fraud()
    judged = demo._train(mail)
    sample, full = (demo._choose_baseline(mail, judged, is_full).resolve(None) for is_full in (False, True))
    assert (len(sample.rows), len(full.rows)) == (200, 2722)
    assert (mail.target[full.rows.index] == 0).all()
    assert mail.train[mail.target.index.get_indexer(full.rows.index)].all()


# --- the folder -------------------------------------------------------------------------------------------------


def test_own_files_are_replaced(tmp_path):
    for text in ("first", "second"):
        with demo_folder(str(tmp_path / "new")) as files:
            files.table.write_text(text)
            files.report.write_text(text)
    assert files.table.read_text() == files.report.read_text() == "second"


@pytest.mark.parametrize("name", ["attributions.parquet", "report.html"])
def test_files_of_others_are_left_alone(tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    done = run(capsys, "demo", "--out", tmp_path)
    assert (done.status, is_one_error_line(done.err)) == (2, True)
    assert f"has a file {name} that is not of an earlier demo; choose another folder" in done.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("file", "is a file, not a folder"),
        ("none/below", "must be in a folder that exists"),
        ("file/below", "must be in a folder that exists"),
        ("/proc/demo", "--out: /proc/demo: "),
        ("/proc", "--out: /proc/"),
    ],
)
def test_folders_that_cannot_be_written_to(tmp_path, monkeypatch, capsys, folder, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    done = run(capsys, "demo", "--out", folder)
    assert (done.status, is_one_error_line(done.err)) == (2, True)
    assert message in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("error", "status"), [(OSError(28, "No space left on device"), 1), (KeyboardInterrupt(), 130)])
def test_failed_work_leaves_no_folder(tmp_path, monkeypatch, capsys, error, status):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(demo, "_train", fail)
    done = run(capsys, "demo", "--out", tmp_path / "new")
    assert (done.status, is_one_error_line(done.err)) == (status, True)
    assert list(tmp_path.iterdir()) == []


def test_failed_work_leaves_earlier_files_as_they_were(tmp_path, monkeypatch, capsys):
    with demo_folder(str(tmp_path)) as files:
        files.table.write_text("earlier")
        files.report.write_text("earlier")
    monkeypatch.setattr(demo, "_train", lambda mail: 1 / 0)
    assert run(capsys, "demo", "--out", tmp_path).status == 1
    assert files.table.read_text() == files.report.read_text() == "earlier"
