"""`inspect_model`: which engine, why, how exactly, and at what cost; and what one explanation says of itself."""

import json

import numpy as np
import pandas as pd
import pytest
from recorder import Recorder
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from agnostic_ig import IntegratedGradients, baselines, inspect_model
from agnostic_ig.engines import _build
from agnostic_ig.exceptions import EngineUnavailableError, InvalidInputError, InvalidParameterError

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 3))
FRAME = pd.DataFrame(X, columns=["amount", "hour", "age"])
LABEL = np.where(X[:, 0] > 0, "fraud", "ok")
FOREST = RandomForestClassifier(4, max_depth=3, random_state=0).fit(FRAME, LABEL)


def linear(X):
    return np.asarray(X)[:, 0]


def test_an_exact_engine_with_rows():
    report = inspect_model(FOREST, baselines.Sample(FRAME), FRAME)
    assert (report.family, report.engine, report.exact) == ("RandomForestClassifier", "tree_ensemble", True)
    assert report.response_method == "predict_proba"
    assert report.outputs == ["fraud", "ok"]
    assert report.features == ["amount", "hour", "age"]
    assert report.agreement < 1e-10
    assert 120 < report.n_probes <= 2000
    assert report.cost == "no model rows beyond one a case; 60 walk(s) through the structure a case"
    assert report.facts["trees"].startswith("4 (")


def test_an_exact_engine_without_rows():
    report = inspect_model(FOREST)
    assert (report.engine, report.exact, report.agreement, report.n_probes) == ("tree_ensemble", True, None, 0)
    assert report.outputs == ["fraud", "ok"]
    assert report.features == ["amount", "hour", "age"]
    assert "pass a baseline and X" in report.cost
    assert "not compared" in str(report)


def test_the_numeric_engine_tells_its_budget():
    report = inspect_model(linear, np.zeros(3), X)
    assert (report.family, report.engine, report.exact) == ("function", "numeric", False)
    assert report.why == "a predict function shows no structure"
    assert (report.outputs, report.features) == (["0"], ["x0", "x1", "x2"])
    assert "20,000 model rows a case (1 baseline(s))" in report.cost
    assert "200,000 model rows a case (10 baseline(s))" in inspect_model(linear, X[:10], X).cost


@pytest.mark.parametrize(
    "baseline", [X, FRAME, X.tolist(), baselines.Sample(X), baselines.Mean(X)], ids=lambda b: type(b).__name__
)
def test_rows_of_the_baseline_serve_where_there_are_no_others(baseline):
    model = Recorder(linear)
    report = inspect_model(model, baseline)
    assert (model.n_rows > 0) == (report.features != []) == (not isinstance(baseline, list))


def test_rows_alone_are_enough():
    assert inspect_model(FOREST, X=FRAME).exact


@pytest.mark.parametrize(("baseline", "X"), [(None, None), (X[0], X)], ids=["structure", "rows"])
def test_the_engine_that_was_asked_for(baseline, X):
    model = RandomForestRegressor(2, max_depth=2, random_state=0).fit(FRAME.to_numpy(), FRAME["amount"])
    assert inspect_model(model, baseline, X, engine="exact").exact
    numeric = inspect_model(model, baseline, X, engine="numeric")
    assert (numeric.engine, numeric.exact, numeric.why) == ("numeric", False, "engine='numeric' was asked for")
    with pytest.raises(EngineUnavailableError, match="'engine' parameter of inspect_model is 'exact', but a predict"):
        inspect_model(model.predict, baseline, X, engine="exact")


def test_an_engine_that_fails_verification_is_reported(monkeypatch):
    honest = _build.read_model

    def corrupted(model, response):
        engine = honest(model, response)
        engine.start = engine.start + 0.25
        return engine

    monkeypatch.setattr(_build, "read_model", corrupted)
    with pytest.warns(UserWarning, match="does not reproduce RandomForestClassifier.predict_proba") as caught:
        report = inspect_model(FOREST, X=FRAME)
    assert caught[0].filename == __file__
    assert (report.engine, report.exact) == ("numeric", False)
    assert "does not reproduce" in report.why
    assert report.agreement > 0.2


def test_text_and_json_say_the_same():
    report = inspect_model(FOREST, X=FRAME)
    again = json.loads(report.to_json())
    assert again == report.to_dict()
    assert set(again) == set(type(report).__dataclass_fields__)
    text = str(report)
    for part in (report.family, report.engine, "exact", report.why, "fraud, ok", report.cost, *report.facts.values()):
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((FOREST, None, FRAME["amount"]), InvalidInputError, r"X.iloc\[\[0\]\]"),
        ((FOREST, None, FRAME[["amount"]]), InvalidInputError, "lacks"),
        ((FOREST, "zero", FRAME), InvalidParameterError, "'baseline' parameter of inspect_model"),
        ((FOREST, [0.0], FRAME), InvalidInputError, "'baseline' parameter of inspect_model must have the 3 columns"),
        ((FOREST, None, FRAME.iloc[:0]), InvalidInputError, "at least one row"),
        ((LinearRegression(), None, X), InvalidParameterError, "must be fitted"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        inspect_model(*arguments)


# --- what an explanation says of itself -----------------------------------------------------------------------


def test_an_exact_explanation():
    e = IntegratedGradients(FOREST, baselines.Mean(FRAME)).explain(FRAME.iloc[5:8])
    assert (e.engine, e.exact, e.method, e.response_method) == (
        "tree_ensemble",
        True,
        "IntegratedGradients",
        "predict_proba",
    )
    np.testing.assert_array_equal(e.error_estimate, np.zeros((3, 3)))
    assert e.std_error is None
    np.testing.assert_array_equal(e.index, [5, 6, 7])
    assert e.description["model"] == "RandomForestClassifier"
    assert e.description["baseline"] == "the mean of 60 rows"
    np.testing.assert_allclose(e.convergence_delta, e.values.sum(axis=1) - (e.predictions - e.base_values), atol=0)


def test_a_numeric_explanation():
    e = IntegratedGradients(lambda X: X[:, 0] * X[:, 1], [0.5, 0.5, 0.0]).explain(X[:4])
    assert (e.engine, e.exact, e.response_method) == ("numeric", False, "function")
    assert e.std_error is None
    truth = np.column_stack(
        [(X[:4, 0] - 0.5) * (X[:4, 1] + 0.5) / 2, (X[:4, 1] - 0.5) * (X[:4, 0] + 0.5) / 2, np.zeros(4)]
    )
    assert (np.abs(e.values - truth) <= e.error_estimate + 1e-15).all()
    assert (e.error_estimate.sum(axis=1) <= 1e-6 * np.abs(e.values).sum(axis=1)).all()
    np.testing.assert_array_equal(e.index, np.arange(4))
