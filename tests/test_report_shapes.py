"""The report of anything: any shape and container, missing values, groups, outputs, slopes; summaries."""

import re
import sys
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from report_pages import EVIL, Page, evil_explanation, make, printed, read_report
from scipy import sparse

from agnostic_ig.report import summary_html
from agnostic_ig.report.wording import decimals_for


@pytest.fixture
def report(tmp_path):
    return partial(read_report, tmp_path)


@pytest.mark.parametrize(
    ("n_rows", "n_features"), [(1, 1), (1, 60), (5, 1), (30, 60)], ids=["1x1", "1x60", "5x1", "30x60"]
)
def test_any_number_of_rows_and_features(report, n_rows, n_features):
    page = report(make(n_rows, n_features))
    assert len(page.find("article")) == min(n_rows, 10)
    assert len(page.chart("importance")["data"][0]["x"]) == min(n_features, 20)
    assert len(page.tables["Contribution of each feature over all rows, strongest first"]) == n_features + 1


def test_values_that_are_missing_are_left_out_and_named(report):
    values, data = make().values.copy(), make().data.copy()
    values[:, 2], values[4, 0], data[::2, 1] = np.nan, np.nan, np.nan
    page = report(make(values=values, predictions=0.25 + np.nansum(values, axis=1), data=data))
    assert "left out there: feature_0, feature_2." in page.text
    assert "feature_2" not in page.chart("importance")["layout"]["yaxis"]["ticktext"]
    magnitude = np.nanmean(np.abs(values[:, 0]))
    assert page.chart("importance")["data"][0]["x"][0] == pytest.approx(magnitude, rel=1e-13)
    grey, coloured = page.chart("beeswarm")["data"]
    assert len(grey["x"]) == 6
    assert len(coloured["x"]) == 11 + 6 + 3 * 12
    assert "feature_1 = missing" in page.text
    assert "nan" not in page.text.lower()


def test_a_page_without_any_value(report):
    page = report(
        make(values=np.full((3, 2), np.nan), base_values=None, predictions=np.ones(3), n_rows=3, n_features=2)
    )
    assert page.chart("beeswarm")["data"] == []
    assert page.chart("importance")["data"][0]["x"] == []


def test_long_names_are_cut_in_figures_and_whole_in_tables(report):
    names = [f"a_very_long_name_{'x' * 80}_{j}" for j in range(6)]
    page = report(make(feature_names=names, data=None))
    shown = page.chart("importance")["layout"]["yaxis"]["ticktext"]
    assert max(map(len, shown)) == 30
    assert len(set(shown)) == 6
    assert max(map(len, page.chart("waterfall-1")["layout"]["yaxis"]["ticktext"])) <= 38
    table = page.tables["Contribution of each feature over all rows, strongest first"]
    assert {row[0] for row in table[1:]} == set(names)


def containers():
    columns = {"amount": [10.0, 20.0, 30.5], "country": ["FR", "DE", "FR"]}
    counts = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    return {
        "pandas": pd.DataFrame(columns).astype({"country": "category"}),
        "polars": pl.DataFrame(columns),
        "objects": np.array(list(zip(*columns.values(), strict=True)), dtype=object),
        "sparse": sparse.csr_array(counts),
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "objects", "sparse"])
def test_feature_values_come_from_any_container(report, kind):
    values = np.array([[0.5, 0.1], [0.4, 0.2], [0.3, 0.3]])
    page = report(
        make(3, 2, values=values, predictions=0.25 + values.sum(axis=1), data=containers()[kind],
             feature_names=["amount", "country"])
    )  # fmt: skip
    expected = ["amount = 1", "country = 0"] if kind == "sparse" else ["amount = 10", "country = FR"]
    assert [row[0] for row in page.tables["Reasons for case 0"][1:]] == expected
    coloured = page.chart("beeswarm")["data"][-1]
    assert len(coloured["x"]) == (6 if kind == "sparse" else 3)


def test_groups_have_no_single_value(report):
    explanation = make(n_features=3).group({"both": ["feature_0", "feature_1"]})
    page = report(explanation, top=12)
    reasons = {row[0] for name, rows in page.tables.items() if name.startswith("Reasons") for row in rows[1:]}
    assert "both" in reasons
    assert not any(reason.startswith("both =") for reason in reasons)


def test_phrases_keep_the_value_beside_the_words(report):
    phrases = {"feature_0": "unusual amount", "feature_1": "paid {value} times"}
    page = report(make(n_features=2), phrases=phrases, top=12)
    reasons = {row[0] for name, rows in page.tables.items() if name.startswith("Reasons") for row in rows[1:]}
    assert any(re.fullmatch(r"unusual amount = \d", reason) for reason in reasons)
    assert any(re.fullmatch(r"paid \d times", reason) for reason in reasons)


def test_several_outputs_show_the_last_one_and_say_so(report):
    explanation = make(n_outputs=3)
    page = report(explanation)
    assert "several outputs (class_0, class_1, class_2); this page is about class_2." in page.text
    assert page.facts("What was explained, and how")["Output explained"] == "predict_proba: class_2"
    for output in ["class_1", 1, -2, np.int64(1)]:
        page = report(explanation, output=output)
        expected = np.sort(np.abs(explanation.values[..., 1]).mean(axis=0))[::-1]
        np.testing.assert_array_equal(page.chart("importance")["data"][0]["x"], expected)


def test_slopes_get_bars_without_base_value_reasons_or_gap(report):
    page = report(make(method="SmoothGrad", base_values=None, predictions=np.arange(12.0)), top=1)
    facts = page.facts("What was explained, and how")
    assert facts["Method"] == "SmoothGrad"
    assert facts["Worst completeness gap"] == "not claimed"
    assert "Base value" not in facts
    figure = page.chart("waterfall-1")
    assert [one["type"] for one in figure["data"]] == ["bar"]
    assert set(figure["data"][0]["base"]) == {0}
    table = page.tables["Largest values of case 11"]
    assert table[0] == ["Feature", "Value"]
    order = np.argsort(-np.abs(make().values[11]))[:5]
    assert [row[0].partition(" ")[0] for row in table[1:]] == [f"feature_{j}" for j in order]
    assert "contribution" not in page.text.replace("A contribution says what", "")


def test_no_cases_and_no_predictions(report):
    assert "No cases were asked for." in report(make(), top=0).text
    assert report(make(predictions=None, convergence_delta=None, base_values=None)).find("article") == []


def test_summary_holds_facts_and_ten_bars():
    explanation = make(n_features=25)
    page = Page(summary_html(explanation))
    facts = page.facts("Explanation")
    assert facts["Engine"] == "tree_ensemble (exact)"
    assert facts["Output explained"] == "predict_proba: fraud"
    assert facts["Rows explained"] == "12"
    assert "Worst completeness gap" in facts
    magnitude = np.abs(explanation.values).mean(axis=0)
    order = np.argsort(-magnitude)[:10]
    rows = page.tables["Mean |contribution|, the 10 strongest of 25 features"]
    assert [row[0] for row in rows] == [f"feature_{j}" for j in order]
    half_a_digit = 0.5000001 * 10.0 ** -decimals_for(magnitude)
    assert [printed(row[1]) for row in rows] == pytest.approx(magnitude[order], abs=half_a_digit)
    widths = [float(re.search(r"width:([\d.]+)em", span["style"])[1]) for span in page.find("span")]
    assert widths == pytest.approx(12 * magnitude[order] / magnitude.max(), abs=0.0051)


def test_summary_has_no_script_and_escapes_names():
    page = Page(summary_html(evil_explanation()))
    assert not {"script", "img", "svg", "b"} & {tag for tag, _ in page.elements}
    assert page.facts("Explanation")["Engine"].startswith(EVIL[0])


def test_summary_needs_no_library(monkeypatch):
    for library in ["jinja2", "plotly", "pandas"]:
        monkeypatch.setitem(sys.modules, library, None)
    assert make()._repr_html_() == summary_html(make())


@pytest.mark.parametrize(
    ("part", "rows", "n_bars"),
    [
        (lambda e: e, "12", 6),
        (lambda e: e[3], "1", 6),
        (lambda e: e[:, "feature_1"], "12", 1),
        (lambda e: e[3, "feature_1", 0], "1", 1),
        (lambda e: e.abs.mean(0), "an aggregate", 6),
        (lambda e: e.sum(), "an aggregate", 1),
        (lambda e: e[:0], "0", 0),
    ],
)
def test_summary_of_parts_and_aggregates(part, rows, n_bars):
    page = Page(summary_html(part(make(n_outputs=2))))
    assert page.facts("Explanation")["Rows explained"] == rows
    assert len(page.find("span")) == n_bars


def test_summary_averages_over_outputs():
    explanation = make(n_outputs=3)
    magnitude = np.abs(explanation.values).mean(axis=(0, 2))
    rows = Page(summary_html(explanation)).tables["Mean |contribution|, all features"]
    half_a_digit = 0.5000001 * 10.0 ** -decimals_for(magnitude)
    assert [printed(row[1]) for row in rows] == pytest.approx(np.sort(magnitude)[::-1], abs=half_a_digit)


def test_summary_of_slopes_speaks_of_values():
    slopes = make(method="SmoothGrad", base_values=None)
    assert "Mean |value|, all features" in Page(summary_html(slopes)).tables
