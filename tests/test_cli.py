"""The command line as a whole: help that loads nothing, streams, exit statuses, and ``inspect``."""

import io
import json
import re
import sys

import pandas as pd
import pytest
from cli_cases import FEATURES, is_one_error_line, make_files, run, run_process, start

import agnostic_ig as aig
from agnostic_ig import cli
from agnostic_ig.cli.labels import find_label
from agnostic_ig.cli.messages import as_one_line
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.model_files import file_sha256

HEAVY = {"numpy", "scipy", "sklearn", "numba", "pandas", "pyarrow", "joblib", "skops", "plotly", "jinja2"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("cli"))


# --- help, version, arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), (["explain", "--help"], 0), (["--version"], 0), (["explain"], 2), ([], 2)],
)
def test_nothing_heavy_is_loaded_before_a_command_runs(arguments, status):
    code = (
        "import sys; from agnostic_ig.cli import main; status = main(sys.argv[1:]); "
        "print(status, *{name.partition('.')[0] for name in sys.modules}, file=sys.__stdout__)"
    )
    with start(program=["-c", code, *arguments]) as process:
        out, _ = process.communicate(timeout=60)
    found, *loaded = out.splitlines()[-1].split()
    assert int(found) == status
    assert set(loaded) & HEAVY == set()
    assert "agnostic_ig" in loaded


def test_help_names_the_commands_and_the_exit_statuses(capsys):
    done = run(capsys, "--help")
    assert (done.status, done.err) == (0, "")
    for word in ("demo", "explain", "inspect", "exit status"):
        assert word in done.out


@pytest.mark.parametrize("command", ["demo", "explain", "inspect"])
def test_every_command_has_help(capsys, command):
    done = run(capsys, command, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"usage: agnostic-ig {command}")


def test_version(capsys):
    assert run(capsys, "--version").out == f"agnostic-ig {aig.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["explode"], "invalid choice: 'explode'"),
        (["inspect"], "the following arguments are required: --model"),
        (["demo", "--dataset", "transactions"], "invalid choice: 'transactions'"),
        (["demo", "two\nlines"], "unrecognized arguments: two lines"),
    ],
)
def test_wrong_arguments(capsys, arguments, message):
    done = run(capsys, *arguments)
    assert (done.status, done.out, is_one_error_line(done.err)) == (2, "", True)
    assert message in done.err
    assert "--help" in done.err


def test_arguments_are_those_of_the_process_if_none_are_given(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["agnostic-ig", "--version"])
    assert cli.main() == 0
    assert capsys.readouterr().out.startswith("agnostic-ig ")


def test_control_characters_are_shown():
    assert as_one_line("a\x1b[31m\nb\u202e") == "a\\x1b[31m b\\u202e"


# --- streams ---------------------------------------------------------------------------------------------------


def test_a_reader_who_has_gone_does_not_end_the_work(files, tmp_path):
    paths = ["--model", files.folder / "forest.skops", "--data", files.folder / "data.csv"]
    with start("explain", *paths, "--baseline", "zero", "--out", tmp_path / "out.csv") as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (0, "")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 60


def test_a_full_stdout_is_an_error(files):
    with open("/dev/full", "w") as full:
        done = run_process("inspect", "--model", files.folder / "forest.skops", stdout=full)
    assert (done.status, done.err) == (1, "agnostic-ig: error: <stdout>: No space left on device\n")


def test_closed_streams_are_no_trouble(files, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["inspect", "--model", str(files.folder / "forest.skops")]) == 0
    assert cli.main(["inspect", "--model", "none.skops"]) == 2


def test_a_terminal_that_lacks_letters_is_no_trouble(files, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    assert cli.main(["inspect", "--model", "größe.skops"]) == 2
    stream.flush()
    assert rb"gr\xf6\xdfe.skops" in stream.buffer.getvalue()


# --- inspect ---------------------------------------------------------------------------------------------------


def test_inspect_prints_what_the_python_interface_finds(files, capsys):
    path = files.folder / "forest.skops"
    done = run(capsys, "inspect", "--model", path, "--data", files.folder / "data.csv")
    found = aig.inspect_model(files.models["forest.skops"], X=files.table[FEATURES])
    assert (done.status, done.err) == (0, "")
    lines = [line for line in str(found).splitlines() if not line.startswith("cost")]
    assert [line for line in lines if line not in done.out.splitlines()] == []
    assert file_sha256(path) in done.out


@pytest.mark.parametrize("data", [[], ["--data", "{}/data.csv"]])
def test_inspect_as_json(files, capsys, data):
    path = files.folder / "forest.skops"
    more = [one.replace("{}", str(files.folder)) for one in data]
    done = run(capsys, "inspect", "--model", path, "--json", *more)
    found = json.loads(done.out)
    wanted = aig.inspect_model(files.models["forest.skops"], X=files.table[FEATURES] if data else None).to_dict()
    assert {name: found[name] for name in wanted if name != "cost"} == {k: v for k, v in wanted.items() if k != "cost"}
    assert (found["file"], found["sha256"]) == (str(path), file_sha256(path))


def test_inspect_of_a_model_without_names(files, capsys):
    paths = ["--model", files.folder / "array.pkl", "--trust-pickle", "--data", files.folder / "plain.csv"]
    done = run(capsys, "inspect", *paths, "--label", "fraud")
    assert done.status == 0
    assert "RandomForestClassifier" in done.out


def test_inspect_with_the_right_digest(files, capsys):
    path = files.folder / "forest.skops"
    assert run(capsys, "inspect", "--model", path, "--sha256", file_sha256(path)).status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "{}/unfitted.skops"], "must be fitted. Got an unfitted RandomForestClassifier"),
        (["--model", "{}/array.pkl"], "--model: .*--trust-pickle"),
        (["--model", "{}/forest.skops", "--sha256", "0" * 64], "--model: forest.skops has the SHA-256 digest"),
        (["--model", "{}/forest.skops", "--data", "{}/text.csv"], "--data: text.csv has no column 'hour'"),
        (["--model", "{}/forest.skops", "--data", "{}/data.csv", "--id", "nr"], "--id: data.csv has no column 'nr'"),
    ],
)
def test_inspect_of_wrong_input(files, capsys, arguments, message):
    done = run(capsys, "inspect", *(one.replace("{}", str(files.folder)) for one in arguments))
    assert (done.status, is_one_error_line(done.err), done.out) == (2, True, "")
    assert re.search(message, done.err)


# --- labels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "labels", "found"),
    [
        ("1", [0, 1], 1),
        ("1", [0.0, 1.0], 1.0),
        ("1.0", [0, 1], 1),
        ("-1", [-1, 1], -1),
        ("01", ["1", "01"], "01"),
        ("1", [1, "1"], 1),
        ("true", [False, True], True),
        ("0,yes", [(0, "no"), (0, "yes")], (0, "yes")),
    ],
)
def test_labels_are_found_as_they_are_written(text, labels, found):
    assert find_label("--target", text, labels) == found
    assert type(find_label("--target", text, labels)) is type(found)


@pytest.mark.parametrize(("text", "labels"), [("1", ["one"]), ("1", [False, True]), ("nan", [0.5]), ("yes", ["Yes"])])
def test_labels_are_not_guessed(text, labels):
    with pytest.raises(InvalidInputError, match=f"--target: '{text}' is none of the labels there are"):
        find_label("--target", text, labels)
