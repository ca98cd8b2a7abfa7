"""What the tests of the report share: an explanation of random numbers, and a page taken apart."""

import json
from html.parser import HTMLParser

import numpy as np

from agnostic_ig.report import write_report
from agnostic_ig.results import Explanation

EVIL = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "<b>bold</b>&amp;",
    "%{x} $x^2$ \u2028 {{ 7*7 }}",
    "'\"><svg onload=alert(3)>",
]


def make(n_rows=12, n_features=6, n_outputs=None, seed=0, **changes):
    """An explanation of random numbers that add up."""
    rng = np.random.default_rng(seed)
    shape = (n_rows, n_features) if n_outputs is None else (n_rows, n_features, n_outputs)
    scale = np.geomspace(1, 0.05, n_features)
    values = rng.normal(size=shape) * (scale if n_outputs is None else scale[:, None])
    base_values = np.full(np.delete(shape, 1), 0.25)
    fields = {
        "values": values,
        "base_values": base_values,
        "predictions": base_values + values.sum(axis=1),
        "data": rng.integers(0, 9, size=(n_rows, n_features)).astype(float),
        "feature_names": [f"feature_{j}" for j in range(n_features)],
        "output_names": ["fraud"] if n_outputs is None else [f"class_{k}" for k in range(n_outputs)],
        "engine": "tree_ensemble",
        "exact": True,
        "response_method": "predict_proba",
        "n_evaluations": np.full(n_rows, 7),
        "n_shared_evaluations": 100,
    } | changes
    if fields["base_values"] is not None and "convergence_delta" not in changes:
        total = np.nansum(fields["values"], axis=1)
        fields["convergence_delta"] = total - (fields["predictions"] - fields["base_values"])
    return Explanation(**fields)


def evil_explanation():
    n = len(EVIL)
    return make(
        n, n, feature_names=EVIL, output_names=[EVIL[0]], index=np.array(EVIL, dtype=object),
        data=np.array([EVIL] * n, dtype=object), engine=EVIL[0], response_method=EVIL[1],
        description={EVIL[0]: EVIL[1]},
    )  # fmt: skip


class Page(HTMLParser):
    """Elements with their attributes, the text of scripts and styles, and tables by caption."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.raw, self.tables, self.words = [], [], {}, []
        self._stack, self._rows, self._caption = [], None, ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._stack.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
        if tag in ("script", "style"):
            self.raw.append((tag, dict(attributes), ""))

    def handle_endtag(self, tag):
        while self._stack and self._stack.pop() != tag:
            pass
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data):
        inside = self._stack
        if inside and inside[-1] in ("script", "style"):
            tag, attributes, text = self.raw[-1]
            self.raw[-1] = (tag, attributes, text + data)
            return
        self.words.append(data)
        if "caption" in inside:
            self._caption += data
        elif "td" in inside or "th" in inside:
            self._rows[-1][-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def chart(self, name):
        holders = [text for tag, attributes, text in self.raw if attributes.get("data-chart") == name]
        assert len(holders) == 1
        return json.loads(holders[0])

    def facts(self, caption):
        return {row[0]: row[1] for row in self.tables[caption]}


def printed(text):
    """A number as the page prints it."""
    return float(text.replace("−", "-").replace(",", ""))


def trace(figure, kind):
    return next(one for one in figure["data"] if one["type"] == kind)


def read_report(folder, explanation, **options):
    """Write a report and take it apart."""
    path = write_report(explanation, folder / "report.html", **options)
    assert path == folder / "report.html"
    return Page(path.read_text(encoding="utf-8"))
