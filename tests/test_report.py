"""The numbers of the report: everything printed or drawn equals the explanation."""

import re
from functools import partial

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs
from report_pages import make, printed, read_report, trace

from agnostic_ig.report import figures, write_report
from agnostic_ig.report.figures import drawn_rows, waterfall_bars
from agnostic_ig.report.wording import decimals_for, fixed, scientific


@pytest.fixture
def report(tmp_path):
    return partial(read_report, tmp_path)


def test_page_has_its_sections_one_article_per_case_and_a_language(report):
    page = report(make(), top=4)
    assert page.find("html")[0]["lang"] == "en"
    assert len(page.find("h1")) == 1
    assert len(page.find("article")) == 4
    for heading in ["Summary", "Over all rows", "Flagged cases", "How to read this page"]:
        assert heading in page.text


def test_everything_is_labelled_for_screen_readers(report):
    page = report(make())
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = [attributes for attributes in page.find("div") if attributes.get("class") == "chart"]
    assert len(charts) == len(page.find("figure")) == len(page.find("figcaption")) == 12
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 20 for chart in charts)
    assert all(attributes["scope"] in ("row", "col") for attributes in page.find("th"))
    assert len(page.find("caption")) == len(page.find("table"))
    labelled = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    links = [attributes["href"].removeprefix("#") for attributes in page.find("a")]
    assert set(labelled + links) <= set(ids)


def test_every_figure_is_valid_plotly(report):
    page = report(make(n_rows=30, n_features=25))
    for name in ["importance", "beeswarm", "waterfall-1"]:
        figure = page.chart(name)
        go.Figure(data=figure["data"], layout=figure["layout"])
        assert figure["config"]["displayModeBar"] is False


def test_summary_says_what_was_explained_by_whom_and_at_what_cost(report):
    explanation = make(description={"Model": "RandomForestClassifier, 100 trees"})
    page = report(explanation, quality={"AUC": 0.98765, "Fraud rate, test rows": "10.7 %"}, notes=["One.", "Two."])
    facts = page.facts("What was explained, and how")
    assert facts["Method"] == "Integrated Gradients"
    assert facts["Output explained"] == "predict_proba: fraud"
    assert facts["Engine"] == "tree_ensemble (exact)"
    assert facts["Rows explained"] == "12"
    assert facts["Features"] == "6"
    assert facts["Base value"] == "0.25"
    assert facts["Cost"] == "184 model rows: 7 per row explained, 100 shared"
    assert page.facts("Model and data") == {"Model": "RandomForestClassifier, 100 trees"}
    assert page.facts("Quality of the model") == {"AUC": "0.9877", "Fraud rate, test rows": "10.7 %"}
    assert page.text.index("One.") < page.text.index("Two.") < page.text.index("Summary")


def test_summary_names_the_worst_gap_and_the_errors(report):
    delta = np.zeros(12)
    delta[5] = -0.125
    values = make().values
    explanation = make(convergence_delta=delta, exact=False, error_estimate=np.abs(values) * 0.5, std_error=values**2)
    facts = report(explanation).facts("What was explained, and how")
    relative = 0.125 / np.abs(values[5]).sum()
    assert facts["Worst completeness gap"] == (
        f"−1.25e−01 (case 5); at most {scientific(relative)} of a case's contributions"
    )
    assert facts["Engine"] == "tree_ensemble (approximate)"
    assert facts["Largest error estimate"] == scientific(0.5 * np.abs(values).max())
    assert facts["Largest standard error"] == scientific((values**2).max())


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"n_evaluations": None}, "not recorded"),
        ({"n_evaluations": np.zeros(12), "n_shared_evaluations": 0}, "no predictions asked of the model"),
    ],
)
def test_cost_in_words(report, changes, cost):
    assert report(make(**changes)).facts("What was explained, and how")["Cost"] == cost


def test_importance_is_the_mean_magnitude(report):
    explanation = make(n_features=25)
    page = report(explanation)
    magnitude = np.abs(explanation.values).mean(axis=0)
    order = np.argsort(-magnitude)
    figure = page.chart("importance")
    np.testing.assert_array_equal(figure["data"][0]["x"], magnitude[order[:20]])
    assert figure["layout"]["yaxis"]["ticktext"] == [f"feature_{j}" for j in order[:20]]
    assert "The 20 strongest of 25 features." in page.text
    table = page.tables["Contribution of each feature over all rows, strongest first"][1:]
    assert [row[0] for row in table] == [f"feature_{j}" for j in order]
    half_a_digit = 0.5000001 * 10.0 ** -decimals_for(magnitude)
    assert [printed(row[1]) for row in table] == pytest.approx(magnitude[order], abs=half_a_digit)
    assert [printed(row[3]) for row in table] == pytest.approx(explanation.values.mean(axis=0)[order], abs=half_a_digit)
    assert sum(float(row[2].removesuffix(" %")) for row in table) == pytest.approx(100, abs=25 * 0.05)


@pytest.mark.parametrize(("towards", "sign"), [("up", -1), ("down", 1)])
def test_cases_are_the_most_extreme_predictions(report, towards, sign):
    index = np.array([f"mail-{i}" for i in range(12)])
    explanation = make(index=index)
    page = report(explanation, top=3, towards=towards)
    rows = np.argsort(sign * explanation.predictions)[:3]
    listed = page.tables["Flagged cases"][1:]
    assert [row[0] for row in listed] == list(index[rows])
    assert [printed(row[1]) for row in listed] == pytest.approx(explanation.predictions[rows], abs=5.1e-4)
    codes = explanation[rows].reason_codes(5, towards=towards)
    for label, row, reasons in zip(index[rows], rows, codes, strict=True):
        table = page.tables[f"Reasons for case {label}"][1:]
        assert [cells[0] for cells in table] == [f"{code.feature} = {code.value:.0f}" for code in reasons]
        decimals = decimals_for(explanation.values[row])
        assert [cells[1] for cells in table] == [fixed(code.contribution, decimals) for code in reasons]
        assert [cells[2] for cells in table] == [f"{100 * code.share:.1f} %" for code in reasons]


def test_a_prediction_that_is_missing_is_flagged_last(report):
    predictions = make().predictions.copy()
    predictions[np.argmax(predictions)] = np.nan
    page = report(make(predictions=predictions, convergence_delta=None), top=12)
    assert [row[1] for row in page.tables["Flagged cases"]][-1] == "no value"


def test_each_case_prints_prediction_base_and_gap_in_scientific_notation(tmp_path):
    delta = np.zeros(12)
    row = int(np.argmax(make().predictions))
    delta[row] = 1.2345e-7
    explanation = make(convergence_delta=delta)
    text = write_report(explanation, tmp_path / "r.html", top=1).read_text(encoding="utf-8")
    terms = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)
    relative = 1.2345e-7 / np.abs(explanation.values[row]).sum()
    assert terms == [
        ("Prediction", fixed(explanation.predictions[row], 3, sign="-")),
        ("Base value", "0.25"),
        ("Completeness gap", "1.23e−07"),
        ("Gap relative to contributions", scientific(relative)),
    ]


def test_waterfall_goes_from_base_value_to_prediction(report):
    explanation = make(n_features=25)
    figure = report(explanation, top=1).chart("waterfall-1")
    row = int(np.argmax(explanation.predictions))
    bars = trace(figure, "bar")
    ends = next(one for one in figure["data"] if one.get("mode") == "markers+text")["x"]
    assert ends == [explanation.base_values[row], explanation.predictions[row]]
    assert bars["base"][0] == ends[0]
    assert bars["base"][-1] + bars["x"][-1] == pytest.approx(ends[1], rel=1e-13)
    np.testing.assert_allclose(np.add(bars["base"], bars["x"])[:-1], bars["base"][1:], rtol=1e-13)
    order = np.argsort(-np.abs(explanation.values[row]))
    np.testing.assert_array_equal(bars["x"][:9], explanation.values[row, order[:9]])
    assert bars["x"][9] == pytest.approx(explanation.values[row, order[9:]].sum(), rel=1e-13)
    labels = figure["layout"]["yaxis"]["ticktext"]
    assert labels[0] == "base value"
    assert labels[1] == f"feature_{order[0]} = {explanation.data[row, order[0]]:.0f}"
    assert labels[-2:] == ["16 other features", "prediction"]
    colours = [figures.RAISES if size >= 0 else figures.LOWERS for size in bars["x"]]
    assert bars["marker"]["color"] == colours


def test_one_feature_too_many_is_named_rather_than_summed():
    explanation = make(n_features=10)
    assert [bar.label.partition(" ")[0] for bar in waterfall_bars(explanation, 0)] == [
        f"feature_{j}" for j in np.argsort(-np.abs(explanation.values[0]))
    ]


def test_a_gap_that_can_be_seen_gets_its_own_bar():
    total = np.abs(make().values[0]).sum()
    for gap, visible in [(0.02 * total, True), (-0.02 * total, True), (0.001 * total, False)]:
        delta = np.zeros(12)
        delta[0] = gap
        explanation = make(convergence_delta=delta, predictions=0.25 + make().values.sum(axis=1) - delta)
        bars = waterfall_bars(explanation, 0)
        assert (bars[-1].label == "not attributed") == visible
        missing = explanation.predictions[0] - 0.25 - sum(bar.contribution for bar in bars)
        assert missing == pytest.approx(0 if visible else -gap, abs=1e-12)


def test_beeswarm_has_every_value_once_to_four_digits(report):
    explanation = make(n_rows=40)
    points = report(explanation).chart("beeswarm")["data"]
    assert len(points) == 1
    order = np.argsort(-np.abs(explanation.values).mean(axis=0))
    np.testing.assert_allclose(points[0]["x"], explanation.values[:, order].T.ravel(), rtol=5e-4)
    places = np.repeat(np.arange(6), 40)
    assert np.abs(np.array(points[0]["y"]) - places).max() < 0.5
    assert points[0]["hovertext"][0] == f"case 0: {explanation.data[0, order[0]]:.0f}"


def test_equal_values_are_stacked_apart():
    offsets = figures._spread(np.zeros(5), 1.0)
    assert sorted(offsets) == pytest.approx([-0.16, -0.08, 0, 0.08, 0.16])


def test_colour_is_the_rank_of_the_feature_value():
    column = np.array([0.0, 0.0, 0.0, 1.0, 1e9, np.nan])
    np.testing.assert_array_equal(figures._position_by_rank(column), [0, 0, 0, 2 / 3, 1, np.nan])
    np.testing.assert_array_equal(figures._position_by_rank(np.array([3.0, 3.0, np.nan])), [0.5, 0.5, np.nan])
    assert np.isnan(figures._position_by_rank(np.array(["a", "b"]))).all()


def test_drawing_leaves_rows_out_evenly_and_says_so(report):
    page = report(make(n_rows=2500, n_features=2), top=0)
    assert "Drawn: 1,000 of 2,500 rows, evenly spaced" in page.text
    assert len(page.chart("beeswarm")["data"][0]["x"]) == 2 * 1000
    assert page.facts("What was explained, and how")["Rows explained"] == "2,500"
    assert "Drawn:" not in report(make(n_rows=1000, n_features=2)).text
    np.testing.assert_array_equal(drawn_rows(7), np.arange(7))
    spaced = drawn_rows(2500)
    assert (spaced[0], spaced[-1]) == (0, 2499)
    assert set(np.diff(spaced)) == {2, 3}


def test_only_figures_of_flagged_cases_are_in_a_large_page(tmp_path):
    script = len(get_plotlyjs().encode())
    path = write_report(make(n_rows=5000, n_features=38), tmp_path / "large.html")
    # 20 features x 1,000 points of about 40 bytes, and 10 cases.
    assert path.stat().st_size - script < 1_000_000
