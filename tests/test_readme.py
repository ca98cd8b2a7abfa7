"""The README keeps its word: its example prints what it shows, links lead somewhere, CI runs its commands."""

import re

import pytest
from code_blocks import LANGUAGES, PAGES, ROOT, blocks_of, run_blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PICTURES = sorted((ROOT / "docs" / "images").iterdir())
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|opt|usr|Users)/\S*")


def commands() -> list[str]:
    """Lines of the README that start on a fresh machine."""
    consoles = [block.text for block in blocks_of(README) if block.language == "console"]
    return [line for line in "".join(consoles).splitlines() if line.startswith("python3 -m venv")]


def test_example_prints_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(README, "README.md")


def test_example_is_short_and_shows_its_output():
    example, output = blocks_of(README)[:2]
    assert (example.language, output.language) == ("python", "text")
    assert len(example.text.split("\n")) <= 13


def test_two_commands_do_all_the_set_up():
    demo, tests = commands()
    assert demo.endswith("/agnostic-ig demo")
    assert "pytest" in tests


def test_continuous_integration_runs_the_commands_of_this_page():
    patterns = re.findall(r"readme_line '([^']+)'", CI)
    found = [[line for line in README.splitlines() if re.search(pattern, line)] for pattern in patterns]
    assert found == [[command] for command in commands()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
class TestEveryPage:
    def test_links_lead_to_files(self, page):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []

    def test_blocks_are_of_a_kind_that_is_checked(self, page):
        assert {block.language for block in blocks_of(page.read_text(encoding="utf-8"))} <= LANGUAGES

    def test_names_no_place_of_one_machine(self, page):
        assert MACHINE_PATHS.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_are_small_and_shown(picture):
    assert picture.stat().st_size < 200_000
    assert any(picture.name in page.read_text(encoding="utf-8") for page in PAGES)
