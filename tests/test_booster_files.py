"""Files of XGBoost, LightGBM and CatBoost: what is whole predicts as it did, and no file ends the process."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import booster_fuzzing
import numpy as np
import pandas as pd
import pytest
from booster_fuzzing import check_structure
from booster_models import Saved, all_answers, files, plainly_loaded, table, written
from counts import count

from agnostic_ig.cli import main
from agnostic_ig.exceptions import InvalidInputError, MissingDependencyError, UnsafeFileError
from agnostic_ig.model_files import booster_files, booster_libraries, limited, load_model

LETTERS = list("abcde")


# --- whole files


def variants() -> dict[str, Saved]:
    """Files as older versions wrote them, and as people reformat them."""
    category, classes = files()["xgboost category json"].data, files()["lightgbm classes"].data
    tree = json.loads(category)["learner"]["gradient_booster"]["model"]["trees"]
    assert any(1 in one["split_type"] for one in tree)
    old = re.sub(rb'"cats":\{[^}]*\},|"iteration_indptr":\[[0-9,]*\],|,"leaf_weights":\[[^]]*\]', b"", category)
    old = old.replace(b'"size_leaf_vector":"1"', b'"size_leaf_vector":"0"').replace(
        b'"version":[3,2,0]', b'"version":[1,7,6]'
    )
    without_threshold = re.sub(rb'"split_conditions":\[[^]]*\]', without_category_thresholds(tree), category)
    pretty = json.dumps(json.loads(category), indent=1).encode()
    nested = files()["catboost nested json"].data
    place = nested.index(b'"trees"')
    trees_first = b"{" + nested[place : nested.rindex(b"}")] + b"," + nested[1:place].rstrip().removesuffix(b",") + b"}"
    v3 = classes.replace(b"version=v4", b"version=v3").replace(b"feature_importances", b"feature importances")
    return {
        "xgboost category json|old": Saved(".json", old),
        "xgboost category json|nan": Saved(".json", without_threshold),
        "xgboost category json|pretty": Saved(".json", pretty),
        "lightgbm classes|v3": Saved(".txt", v3),
        "catboost nested json|trees first": Saved(".json", trees_first),
    }


def without_category_thresholds(trees: list[dict[str, Any]]) -> Callable[[re.Match[bytes]], bytes]:
    """XGBoost 2 wrote NaN where a split is by category."""
    waiting = iter(trees)

    def replace(match: re.Match[bytes]) -> bytes:
        numbers = match[0].partition(b"[")[2].removesuffix(b"]").split(b",")
        kinds = next(waiting)["split_type"]
        kept = [b"NaN" if kind else number for kind, number in zip(kinds, numbers, strict=True)]
        return b'"split_conditions":[' + b",".join(kept) + b"]"

    return replace


def test_whole_files_predict_as_they_did(tmp_path: Path) -> None:
    """Bit-equal to what the library itself loads, for every kind of model, and for older ways of writing."""
    for family, saved in files().items():
        (tmp_path / f"{family}{saved.suffix}").write_bytes(saved.data)
    others = variants()
    paths = [tmp_path / f"{family}{saved.suffix}" for family, saved in files().items()]
    for number, saved in enumerate(others.values()):
        paths.append(tmp_path / f"variant_{number}{saved.suffix}")
        paths[-1].write_bytes(saved.data)
    families = [*files(), *(name.partition("|")[0] for name in others)]
    outcomes = booster_fuzzing.judge(paths, families, tmp_path)
    assert dict(zip([*files(), *others], outcomes, strict=True)) == dict.fromkeys([*files(), *others], "same")


CLASSES = {
    "xgboost category json": "xgboost.core.Booster",
    "xgboost dart ubj": "xgboost.core.Booster",
    "lightgbm category": "lightgbm.basic.Booster",
    "catboost statistics cbm": "catboost.core.CatBoostClassifier",
    "catboost counts json": "catboost.core.CatBoostRegressor",
}


@pytest.mark.parametrize("family", sorted(CLASSES))
def test_the_whole_way(family: str, tmp_path: Path) -> None:
    """Checks, limited process and loading, as users get them."""
    path = written(tmp_path, files()[family])
    model = load_model(path)
    assert f"{type(model).__module__}.{type(model).__qualname__}" == CLASSES[family]
    for found, expected in zip(all_answers(model), all_answers(plainly_loaded(family, files()[family])), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_models_keep_what_they_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of features, classes, and the link of the loss."""
    X, y = table()
    monkeypatch.setattr(booster_files, "try_out", facts_of)
    named = load_model(written(tmp_path, files()["xgboost category json"]))
    assert named.feature_names == LETTERS
    classifier = load_model(written(tmp_path, files()["catboost nested cbm"]))
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.predict_proba(X).shape == (len(y), 3)
    counts = load_model(written(tmp_path, files()["catboost counts cbm"]))
    margins = counts.predict(X, prediction_type="RawFormulaVal")
    # The library's own exponential function may differ from numpy's in the last bit.
    np.testing.assert_allclose(counts.predict(X), np.exp(margins), rtol=4e-16)


def facts_of(kind: str, data: bytes) -> dict[str, Any]:
    """What the limited process would say of a file that is known to be good."""
    library = booster_libraries.LIBRARIES[kind]
    model = library.build(data, {})
    return library.describe(model) | {"digest": booster_libraries.digest_of(library.answers(model))}


def test_no_beginning_of_a_text_is_whole(tmp_path: Path) -> None:
    """Cut anywhere; only the last line may be missing as a whole, which other front ends do not write."""
    for family, step in (("lightgbm category", 7), ("xgboost category json", 31), ("xgboost category ubj", 31)):
        data = files()[family].data
        last = data.rfind(b"\npandas_categorical")
        for length in {*range(0, len(data), step), *range(len(data) - 60, len(data))} - {last}:
            path = written(tmp_path, Saved(files()[family].suffix, data[:length]))
            with pytest.raises(UnsafeFileError, match="was refused"):
                check_structure(path)


@pytest.mark.parametrize("family", ["xgboost category json", "lightgbm dart", "catboost nested cbm"])
def test_command_line_explains_with_a_file(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are found by the names that the file has; without names every column but label and ids is a feature."""
    X, y = table()
    names = LETTERS if "category" in family else LETTERS[::-1]
    frame = pd.DataFrame(X, columns=names).assign(case=range(len(X)), truth=y)
    frame.to_csv(tmp_path / "data.csv", index=False)
    monkeypatch.setattr(booster_files, "try_out", facts_of)
    model, out = written(tmp_path, files()[family]), tmp_path / "out.csv"
    data = ["--data", str(tmp_path / "data.csv"), "--label", "truth", "--id", "case"]
    assert main(["explain", "--model", str(model), *data, "--baseline", "median", "--out", str(out)]) == 0
    table_of_values = pd.read_csv(out)
    assert [f"attribution:{name}" for name in names] == [c for c in table_of_values if c.startswith("attribution:")]
    assert table_of_values["convergence_delta"].abs().max() < 1e-5  # boosters of XGBoost answer in float32


# --- the limited process


def lightgbm_with(pattern: bytes, instead: bytes) -> bytes:
    """A file that passes as whole for LightGBM, which does not look at its nodes."""
    data, n_changes = re.subn(pattern, instead, files()["lightgbm dart"].data, count=1)
    assert n_changes == 1
    return re.sub(rb"tree_sizes=.*\n", b"", data)


def test_limited_process_survives_any_file() -> None:
    """Files that end the process, or keep it busy, do not keep the others from being tried."""
    good = files()["lightgbm dart"].data
    endless = lightgbm_with(rb"left_child=\S+ (.*)\nright_child=\S+ ", rb"left_child=0 \1\nright_child=0 ")
    fatal = lightgbm_with(
        rb"left_child=\S+ (.*)\nright_child=\S+ ", rb"left_child=2000000000 \1\nright_child=2000000000 "
    )
    verdicts = limited.try_all("lightgbm", [good, endless, good, fatal, b"tree", good], seconds=2)
    assert [verdict.outcome for verdict in verdicts] == ["loaded", "hang", "loaded", "crash", "error", "loaded"]
    assert verdicts[0] == verdicts[-1]


LIMITS = """
import resource, sys
from agnostic_ig.model_files.booster_worker import serve
serve("lightgbm", 5 << 30, 700)
print([resource.getrlimit(limit)[0] for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)])
"""


def test_limited_process_has_limits() -> None:
    """Memory, computing time beyond what was used already, and no file of its memory where it crashes."""
    request = (4).to_bytes(8, "big") + b"tree"
    done = subprocess.run(
        [sys.executable, "-c", LIMITS], input=request, capture_output=True, env=limited._environment()
    )
    memory, seconds, core = json.loads(done.stderr.splitlines()[-1])
    assert (memory, core) == (5 << 30, 0)
    assert 700 < seconds < 720


def test_limited_process_finds_what_this_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages come from where they come from here, and not from a folder that happens to be the current one."""
    (tmp_path / "lightgbm.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (verdict,) = limited.try_all("lightgbm", [files()["lightgbm dart"].data])
    assert verdict.outcome == "loaded"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "no_worker.py").write_text("print('ready')")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    monkeypatch.setattr(limited, "WORKER", "no_worker")
    assert limited.try_all("lightgbm", [b"tree"]) == [limited.Verdict("crash")]


OUTCOMES = {
    "crash": "loading it or predicting with it ended the process that tried",
    "hang": "loading it or predicting with it took too long for its size",
    "error": r"its library cannot use it \(words\)",
}


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_refused_by_the_limited_process(outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = limited.Verdict(outcome, {"error": "words"})
    monkeypatch.setattr(limited, "try_all", lambda kind, files: [verdict])
    with pytest.raises(UnsafeFileError, match=rf"^model\.ubj was refused: {OUTCOMES[outcome]}\.$"):
        load_model(written(tmp_path, files()["xgboost dart ubj"]))


def test_answers_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booster_files, "try_out", lambda kind, data: {"digest": "0" * 64})
    with pytest.raises(UnsafeFileError, match="it does not predict the same each time it is loaded"):
        load_model(written(tmp_path, files()["xgboost dart ubj"]))


def test_limited_process_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is not the file's fault."""
    path = written(tmp_path, files()["xgboost dart ubj"])
    monkeypatch.setattr(limited, "WORKER", "agnostic_ig.no_such_module")
    with pytest.raises(InvalidInputError, match=r"model files are tried did not start: .*no_such_module"):
        load_model(path)
    monkeypatch.setattr(limited.sys, "executable", str(tmp_path / "none"))
    with pytest.raises(InvalidInputError, match=r"did not start: .*No such file"):
        load_model(path)


@pytest.mark.parametrize("family", ["xgboost dart json", "xgboost dart ubj", "lightgbm dart", "catboost plain cbm"])
def test_library_is_missing(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = family.partition(" ")[0]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=rf'needs {library}, .*pip install "agnostic-ig\[boosters\]"'):
        load_model(written(tmp_path, files()[family]))


# --- damage at random


@pytest.mark.campaign
def test_damaged_files_neither_crash_nor_hang(tmp_path: Path) -> None:
    """A changed number that is as good as the old one makes another model, which only a digest can tell."""
    n = count("damaged booster files")
    ends = booster_fuzzing.run_booster_campaign(n, seed=0, folder=tmp_path)
    by_outcome = dict.fromkeys(booster_fuzzing.OUTCOMES, 0)
    for (_, _, outcome), number in ends.items():
        by_outcome[outcome] += number
    assert sum(by_outcome.values()) >= 0.9 * n  # a few come out as they went in
    assert {by_outcome[outcome] for outcome in ("error", "escaped", "crash", "hang")} == {0}, ends
    assert by_outcome["refused"] >= 0.7 * n, ends
    different = Counter(mutation for _, mutation, outcome in ends.elements() if outcome == "different")
    assert different["truncated"] == 0, ends
    # In campaigns it is 1 in 70 of what was damaged without skill; small runs scatter.
    by_chance = sum(number for mutation, number in different.items() if mutation not in booster_fuzzing.SKILFUL)
    assert by_chance <= 0.02 * n + 3, ends


def test_every_mutation_changes_the_file() -> None:
    rng = np.random.default_rng(0)
    for mutate in booster_fuzzing.MUTATIONS:
        data = files()["lightgbm category"].data
        assert any(mutate(data, rng) != data for _ in range(5)), mutate.__name__
