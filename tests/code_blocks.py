"""Code blocks of Markdown pages: found, run in their order, and their printed output compared.

A page is a story: its ``python`` blocks share one namespace. A ``text`` block right after a ``python`` block
is what that block prints, to the letter; a block without one prints nothing. ``console`` blocks hold
commands; ``agnostic-ig explain`` and ``inspect`` run too, and must succeed.
"""

import contextlib
import difflib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from agnostic_ig.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
LANGUAGES = {"python", "text", "console"}

_FENCE = re.compile(r"^```(?P<language>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line in the page, `end` the offset after it."""

    language: str
    text: str
    line: int
    start: int
    end: int


def blocks_of(page: str) -> list[Block]:
    """All fenced blocks of a page but directives, whose language stands in braces."""
    found = [
        Block(match["language"].strip(), match["text"], page.count("\n", 0, match.start()) + 2, *match.span())
        for match in _FENCE.finditer(page)
    ]
    return [block for block in found if not block.language.startswith("{")]


def run_blocks(page: str, name: str) -> None:
    """Run the ``python`` blocks of a page; AssertionError with a diff where something else is printed."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    output_of = _outputs(page, name)
    for block in blocks_of(page):
        if block.language == "python":
            printed = _run(block, name, namespace)
            _compare(printed, output_of.get(block, ""), f"{name}:{block.line}")
        if block.language == "console":
            _run_commands(block, name)


def _outputs(page: str, name: str) -> dict[Block, str]:
    """Expected output of every block that has one."""
    blocks = blocks_of(page)
    outputs = {}
    for before, block in zip([None, *blocks], blocks, strict=False):
        if block.language != "text":
            continue
        follows = before is not None and before.language == "python" and not page[before.end : block.start].strip()
        assert follows, f"{name}:{block.line}: a text block must stand right after the python block that prints it"
        outputs[before] = block.text
    return outputs


def _run(block: Block, name: str, namespace: dict[str, object]) -> str:
    """Standard output of one block; line numbers of errors are those of the page."""
    code = compile("\n" * (block.line - 1) + block.text, name, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


def _run_commands(block: Block, name: str) -> None:
    """Run the commands of this package that need what earlier blocks made."""
    for line in block.text.splitlines():
        if line.startswith(("agnostic-ig explain ", "agnostic-ig inspect ")):
            with contextlib.redirect_stdout(io.StringIO()):
                status = main(shlex.split(line)[1:])
            assert status == 0, f"{name}:{block.line}: status {status} of: {line}"


def _compare(printed: str, expected: str, place: str) -> None:
    found, wanted = ([line.rstrip() for line in text.splitlines()] for text in (printed, expected))
    difference = "\n".join(difflib.unified_diff(wanted, found, "in the page", "printed", lineterm=""))
    assert not difference, f"{place} prints something else:\n{difference}"
