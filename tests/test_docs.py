"""Every example of the documentation runs, and the documentation names what the package has."""

import argparse
import dataclasses
import doctest
import importlib
import re

import pytest
from code_blocks import PAGES, ROOT, run_blocks
from numpydoc.validate import validate

from agnostic_ig.cli.parser import make_parser

DOCS = [page for page in PAGES if page.parent != ROOT]
SPACES = ("agnostic_ig", "agnostic_ig.baselines", "agnostic_ig.datasets", "agnostic_ig.exceptions")
# What a docstring owes: a summary, the parameters of the signature in their order, and what comes back.
OWED = {"GL08", "SS01", "PR01", "PR02", "PR03", "RT01"}


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def modules_with_examples() -> list[str]:
    """Names of the modules whose text has a prompt; nothing is imported to find them."""
    files = [path for path in (ROOT / "agnostic_ig").rglob("*.py") if ">>> " in path.read_text(encoding="utf-8")]
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in files]
    return sorted(".".join(part).removesuffix(".__init__") for part in parts)


def public_objects() -> dict[str, object]:
    """Everything public by its dotted name, but modules and the version."""
    found = {}
    for space in map(importlib.import_module, SPACES):
        found |= {f"{space.__name__}.{name}": getattr(space, name) for name in space.__all__}
    return {name: one for name, one in found.items() if callable(one)}


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command by its name."""
    subparsers = [action for action in make_parser()._actions if isinstance(action.choices, dict)]
    return dict(subparsers[0].choices)


# shap's import sets colours in a way that matplotlib will deprecate.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_prints_what_it_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("name", modules_with_examples())
def test_docstring_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.REPORT_NDIFF)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("name", sorted(public_objects()))
def test_docstring_matches_its_signature(name):
    lists_attributes = dataclasses.is_dataclass(public_objects()[name])
    owed = OWED - {"PR01"} if lists_attributes else OWED
    assert [error for error in validate(name)["errors"] if error[0] in owed] == []


def test_reference_lists_every_public_name():
    listed = re.findall(r"^ {3}(agnostic_ig\.[\w.]+)$", read("api/index.md"), flags=re.MULTILINE)
    assert public_objects().keys() - set(listed) == set()


# Classes that readers know by a base class of theirs.
STAND_FOR = {
    "BaseSearchCV": ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
    "BaseThresholdClassifier": ("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
    "RFE": ("RFE", "RFECV"),
}


def test_engines_page_lists_the_models_of_the_registry():
    from agnostic_ig.engines._registry import READERS

    table = read("engines.md").partition("## Models with an exact engine")[2].partition("\n\nMissing values")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = [name for cell in cells for name in re.findall(r"`(?:\w+\.)?(\w+)`", cell)]
    known = [name.partition(".")[2] for name in READERS]
    assert sorted(listed) == sorted(one for name in known for one in STAND_FOR.get(name, (name,)))


def test_engines_page_states_the_efforts_of_the_numeric_engine():
    from agnostic_ig.engines.numeric import BUDGETS
    from agnostic_ig.engines.numeric_jump import EFFORTS

    rows = re.findall(r'^\| `"(\w+)"` \| (\d+) \| (\d+) \| ([\d,]+) \|$', read("engines.md"), flags=re.MULTILINE)
    stated = {name: (int(pieces), int(tests), int(rows.replace(",", ""))) for name, pieces, tests, rows in rows}
    assert stated == {name: (e.pieces, e.tests.ends + e.tests.inside, BUDGETS[name]) for name, e in EFFORTS.items()}


def test_command_line_page_names_every_option():
    page = read("command_line.md")
    options = {option for command in commands().values() for option in command._option_string_actions}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page))
    assert named == {option for option in options if option.startswith("--")}
    assert set(re.findall(r"^\| `agnostic-ig (\w+)` \|", page, flags=re.MULTILINE)) == set(commands())
