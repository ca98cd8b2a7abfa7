"""Every example of the documentation runs, and the documentation names what the package has."""

import argparse
import dataclasses
import doctest
import importlib
import inspect
import re

import pytest
from code_blocks import PAGES, ROOT, run_blocks
from numpydoc.validate import validate

from agnostic_ig.cli.parser import make_parser

DOCS = [page for page in PAGES if page.parent != ROOT]
SPACES = ("agnostic_ig", "agnostic_ig.baselines", "agnostic_ig.datasets", "agnostic_ig.exceptions")
# What a docstring owes its reader: a summary, the parameters of the signature in their order, and what comes back.
OWED = {"GL08", "SS01", "PR01", "PR02", "PR03", "RT01"}


def modules_with_examples() -> list[str]:
    """Names of the modules whose text has a prompt; nothing is imported to find them."""
    files = (ROOT / "agnostic_ig").rglob("*.py")
    found = [
        path.relative_to(ROOT).with_suffix("") for path in files if ">>> " in path.read_text(encoding="utf-8")
    ]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in found)


def public_objects() -> dict[str, object]:
    """Everything public by its dotted name, but modules and the version."""
    found = {}
    for space in map(importlib.import_module, SPACES):
        found |= {f"{space.__name__}.{name}": getattr(space, name) for name in space.__all__}
    return {name: one for name, one in found.items() if callable(one)}


def documented_names() -> dict[str, object]:
    """The public objects and the public methods that this package gives them."""
    found = public_objects()
    for owner, one in public_objects().items():
        for name, member in vars(one).items() if isinstance(one, type) else ():
            if inspect.isfunction(member) and not name.startswith("_"):
                found[f"{owner}.{name}"] = member
    return found


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


@pytest.mark.parametrize("name", sorted(documented_names()))
def test_docstring_matches_its_signature(name):
    excused = (
        {"PR01"} if dataclasses.is_dataclass(documented_names()[name]) else set()
    )  # they list attributes
    assert [error for error in validate(name)["errors"] if error[0] in OWED - excused] == []


def test_command_line_page_names_every_option():
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    options = {option for command in commands().values() for option in command._option_string_actions}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page)) == {o for o in options if o.startswith("--")}
    assert set(re.findall(r"^## (\w+)$", page, flags=re.MULTILINE)) == set(commands())


def test_reference_lists_every_public_name():
    page = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^ {3}(agnostic_ig\.[\w.]+)$", page, flags=re.MULTILINE)
    assert public_objects().keys() - set(listed) == set()
