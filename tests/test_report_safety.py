"""What the report must never load, run or leave behind, and the errors that say what to change."""

import base64
import hashlib
import json
import os
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from report_pages import EVIL, evil_explanation, make, read_report

from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError, MissingDependencyError
from agnostic_ig.report import write_report
from agnostic_ig.report.sections import embedded


@pytest.fixture
def report(tmp_path):
    return partial(read_report, tmp_path)


def test_text_from_outside_adds_no_element(report):
    options = {"title": EVIL[0], "notes": EVIL, "quality": {EVIL[0]: EVIL[1]}, "phrases": {EVIL[0]: EVIL[1]}}
    plain = {"title": "t", "notes": list("abcde"), "quality": {"a": "b"}, "phrases": {"feature_0": "f"}}
    harmless = report(make(5, 5, description={"a": "b"}), **plain)
    attacked = report(evil_explanation(), **options)
    assert [tag for tag, _ in attacked.elements] == [tag for tag, _ in harmless.elements]
    assert not [name for _, attributes in attacked.elements for name in attributes if name.startswith("on")]
    assert EVIL[0] in attacked.tables["Contribution of each feature over all rows, strongest first"][1:][0][0]


def test_embedded_json_holds_no_character_that_could_end_it():
    text = embedded({"name": "</script>&\u2028\u2029", "values": [float("nan"), float("inf"), 1.5]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"name": "</script>&\u2028\u2029", "values": [None, None, 1.5]}


def test_plotly_is_given_entities_where_it_would_read_html(report):
    page = report(evil_explanation())
    for name in ["importance", "beeswarm", "waterfall-1"]:
        figure = page.chart(name)
        shown = [*figure["layout"]["yaxis"]["ticktext"], figure["layout"]["xaxis"]["title"]["text"]]
        for one in figure["data"]:
            shown += one.get("hovertext") or []
            assert "hovertemplate" not in one
        assert shown
        assert not [text for text in shown if "<" in text or ">" in text]
        assert figure["config"]["typesetMath"] is False


def test_nothing_is_loaded_from_anywhere(report):
    page = report(make())
    loading = {"src", "srcset", "data", "action", "poster", "background", "xlink:href"}
    assert not [a for _, attributes in page.elements for a in attributes if a in loading]
    assert all(attributes["href"].startswith("#") for _, attributes in page.elements if "href" in attributes)
    assert page.find("link") == page.find("iframe") == []
    styles = "".join(text for tag, _, text in page.raw if tag == "style")
    assert "url(" not in styles
    assert "@import" not in styles


def test_policy_forbids_the_network_and_allows_only_our_two_scripts(report):
    page = report(make())
    policy = next(a["content"] for a in page.find("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    scripts = [text for tag, attributes, text in page.raw if tag == "script" and "type" not in attributes]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes
    assert len(scripts) == 2
    assert scripts[0] == get_plotlyjs()


def test_the_same_explanation_gives_the_same_bytes(tmp_path):
    first, second = (write_report(make(), tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_to_html_passes_its_options_on(tmp_path):
    path = make().to_html(tmp_path / "r.html", title="Mine")
    assert "<title>Mine</title>" in Path(path).read_text(encoding="utf-8")


def test_report_leaves_the_explanation_alone(tmp_path):
    explanation = make()
    before = {name: np.copy(getattr(explanation, name)) for name in ["values", "data", "predictions", "index"]}
    write_report(explanation, tmp_path / "r.html")
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(explanation, name), array)


def fail(*arguments, **options):
    raise OSError("no space left")


@pytest.mark.parametrize("broken", ["write_text", "replace"])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken):
    path = tmp_path / "report.html"
    path.write_text("old")
    owner = Path if broken == "write_text" else os
    monkeypatch.setattr(owner, broken, fail)
    with pytest.raises(OSError, match="no space left"):
        write_report(make(), path)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_file_is_replaced_only_when_allowed(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(InvalidParameterError, match=r"a file that does not exist yet.*Pass force=True"):
        write_report(make(), path, force=False)
    assert path.read_text() == "old"
    write_report(make(), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": -1}, r"The 'top' parameter of write_report must be an int >= 0\. Got -1 instead\."),
        ({"top": 2.5}, "'top' parameter of write_report"),
        ({"towards": "left"}, r"'towards' parameter of write_report must be one of 'up', 'down'\."),
        ({"force": "yes"}, "'force' parameter of write_report must be True or False"),
        (
            {"output": "class_9"},
            r"'output' parameter of write_report must be one of \['class_0', 'class_1'\] or",
        ),
        ({"output": 2}, r"an index below 2\. Got 2 instead"),
        ({"output": True}, "Got True instead"),
    ],
)
def test_parameters_are_checked(tmp_path, options, message):
    with pytest.raises(InvalidParameterError, match=message):
        write_report(make(n_outputs=2), tmp_path / "r.html", **options)
    assert os.listdir(tmp_path) == []


def test_a_path_that_cannot_be_written_is_told_first(tmp_path):
    with pytest.raises(InvalidParameterError, match=r"a file in a folder that exists.*Create the folder first\."):
        write_report(make(), tmp_path / "nowhere" / "r.html")
    with pytest.raises(InvalidParameterError, match="a file, not a folder"):
        write_report(make(), tmp_path)


def test_explanations_that_lost_an_axis_or_all_rows(tmp_path):
    for part in [make()[0], make().abs.mean(0), make()[:, "feature_1"]]:
        with pytest.raises(InvalidInputError, match=r"needs rows and features.*explanation\[\[3\]\]"):
            write_report(part, tmp_path / "r.html")
    with pytest.raises(InvalidInputError, match="this explanation has none"):
        write_report(make()[:0], tmp_path / "r.html")
    assert write_report(make()[[0]], tmp_path / "r.html").exists()


def test_unknown_phrases_are_told(tmp_path):
    with pytest.raises(InvalidInputError, match="Did you mean 'feature_1'"):
        write_report(make(), tmp_path / "r.html", phrases={"feature_11": "x"})


@pytest.mark.parametrize("library", ["jinja2", "plotly.offline"])
def test_missing_library_names_the_extra(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=r'pip install "agnostic-ig\[app\]"'):
        write_report(make(), tmp_path / "r.html")
    assert os.listdir(tmp_path) == []
