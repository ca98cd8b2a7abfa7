"""The page: figures, cases and facts put into one HTML file that needs nothing else."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from agnostic_ig._version import __version__
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.replacing import replacing
from agnostic_ig.report.facts import overview
from agnostic_ig.report.sections import DIRECTIONS, cases, everything, paragraphs, printable
from agnostic_ig.results import Explanation
from agnostic_ig.validation import check_choice, check_flag, check_integer, import_optional, invalid

__all__ = ["write_report"]

OWNER = "write_report"


def write_report(
    explanation: Explanation,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    phrases: Mapping[str, str] | None = None,
    top: int = 10,
    towards: str = "up",
    output: int | str | None = None,
    quality: Mapping[str, Any] | None = None,
    notes: str | Sequence[str] | None = None,
    force: bool = True,
) -> Path:
    """Write one HTML page about an explanation: no other file, no network, prints well.

    Parameters
    ----------
    explanation : Explanation
        What to report on.
    path : path-like
        File to write. It appears whole or not at all.
    title : str, optional
        Heading of the page.
    phrases : dict of str to str, optional
        Feature -> how to say it in a reason code.
    top : int, default=10
        How many cases get a section of their own.
    towards : {"up", "down"}, default="up"
        Which cases are flagged: those with the highest predictions, or the lowest ones (scores of outlier
        detectors fall where something is odd). Reason codes argue in the same direction.
    output : int or str, optional
        Which output of several to report on, by name or index. Default: the last one; the page says so.
    quality : dict of str to str or number, optional
        Figures of merit of the model, such as AUC and the shares of positives in training and test rows.
    notes : str or list of str, optional
        Paragraphs to print under the summary.
    force : bool, default=True
        Replace a file that exists.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    InvalidParameterError
        A parameter is not allowed, the folder does not exist, or the file exists and ``force=False``.
    MissingDependencyError
        plotly or jinja2 is not installed.
    """
    top = check_integer(OWNER, "top", top, at_least=0)
    towards = check_choice(OWNER, "towards", towards, tuple(DIRECTIONS))
    path = _check_path(path, check_flag(OWNER, "force", force))
    chosen = _one_output(explanation, output)
    page = _render(
        title=title or "Attribution report",
        overview=overview(chosen),
        description=printable(chosen.description),
        quality=printable(quality),
        notes=paragraphs(notes, explanation, chosen),
        **everything(chosen),
        **cases(chosen, top, towards, phrases),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return path


def _check_path(path: str | os.PathLike[str], force: bool) -> Path:
    path = Path(path)
    if not path.parent.is_dir():
        raise invalid(OWNER, "path", "a file in a folder that exists", str(path), "Create the folder first.")
    if path.is_dir():
        raise invalid(OWNER, "path", "a file, not a folder", str(path))
    if path.exists() and not force:
        hint = "Pass force=True to replace it."
        raise invalid(OWNER, "path", "a file that does not exist yet", str(path), hint)
    return path


def _one_output(explanation: Explanation, output: int | str | None) -> Explanation:
    """Rows and features of one output."""
    if not {"sample", "feature"} <= set(explanation._axes):
        raise InvalidInputError(
            "write_report needs rows and features, and this explanation has lost one of them. "
            "Cut by lists to keep both: explanation[[3]] rather than explanation[3]."
        )
    if not len(explanation):
        raise InvalidInputError("write_report needs rows, and this explanation has none.")
    names = explanation.output_names
    place = len(names) - 1 if output is None else _position(output, names)
    return explanation[..., place] if "output" in explanation._axes else explanation


def _position(output: int | str, names: list[str]) -> int:
    """An output by name or index."""
    if isinstance(output, str) and output in names:
        return names.index(output)
    is_index = isinstance(output, int | np.integer) and not isinstance(output, bool)
    if not is_index or not -len(names) <= output < len(names):
        raise invalid(OWNER, "output", f"one of {names} or an index below {len(names)}", output)
    return int(output)


def _render(**content: Any) -> str:
    """Fill the template; everything that is text is escaped by it."""
    jinja2 = import_optional("jinja2", extra="app", purpose="the HTML report")
    offline = import_optional("plotly.offline", extra="app", purpose="the HTML report")
    plotly_js = offline.get_plotlyjs().replace("</script", "<\\/script")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page_js = _resource("page.js")
    return environment.from_string(_resource("page.html")).render(
        css=_resource("page.css"),
        scripts=[plotly_js, page_js],
        script_hashes=[_script_hash(plotly_js), _script_hash(page_js)],
        version=__version__,
        **content,
    )


def _resource(name: str) -> str:
    return (files("agnostic_ig.report") / name).read_text(encoding="utf-8")


def _script_hash(script: str) -> str:
    """What the page's security policy calls this script; a script that is not listed does not run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
