"""Which engine answers: readers verified against the model, corruption caught, nothing downgraded in silence."""

import cases
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines import _build
from agnostic_ig.engines._registry import READERS
from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.exceptions import EngineUnavailableError, EngineWarning
from agnostic_ig.frames import Codec


def engine_and_model(case):
    response = resolve_response("test", case.model(), case.response_method)
    black_box = BlackBox(response, Codec.from_tables([("X", case.X)]))
    return _build.read_model(case.model(), response), black_box


@pytest.mark.parametrize("case", cases.TREES, ids=lambda case: case.name)
def test_routing_on_and_beside_every_threshold(case):
    """Points on every threshold and one unit in the last place to each side, in float64 and float32."""
    engine, black_box = engine_and_model(case)
    inner = np.flatnonzero((engine.trees.nodes["feature"] >= 0) & np.isfinite(engine.trees.nodes["threshold"]))
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        on = engine.trees.nodes["threshold"][inner].astype(dtype)
        places = np.concatenate([on, np.nextafter(on, dtype(-np.inf)), np.nextafter(on, dtype(np.inf))])
        rows = case.X[rng.integers(len(case.X), size=len(places))].copy()
        rows[np.arange(len(places)), np.tile(engine.trees.nodes["feature"][inner], 3)] = places
        theirs = black_box.ask_matrix(rows)
        np.testing.assert_allclose(engine.predict(rows), theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


def test_float32_families_route_as_the_model_does():
    """One float64 unit above its threshold, a CART tree still goes left: without the cast the answer differs."""
    engine, black_box = engine_and_model(cases.BY_NAME["DecisionTreeRegressor"])
    nodes = np.flatnonzero(engine.trees.nodes["feature"] >= 0)
    rows = np.repeat(cases.data()[0][:1], len(nodes), axis=0)
    rows[np.arange(len(nodes)), engine.trees.nodes["feature"][nodes]] = np.nextafter(
        engine.trees.nodes["threshold"][nodes], np.inf
    )
    uncast = np.zeros_like(engine.predict(rows))
    from agnostic_ig.kernels.tree_path import predict_margins

    predict_margins(engine.trees, rows, uncast)
    np.testing.assert_array_equal(engine.predict(rows), black_box.ask_matrix(rows))
    assert (uncast != engine.predict(rows)).any()


@pytest.mark.parametrize("fault", ["threshold", "value", "left", "link", "start"])
def test_a_corrupted_reader_is_caught(fault, monkeypatch):
    case = cases.BY_NAME["GradientBoostingClassifier"]
    honest = _build.read_model

    def corrupted(model, response):
        engine = honest(model, response)
        trees = engine.trees
        nodes = trees.nodes.copy()
        if fault == "threshold":
            nodes["threshold"] += 1e-6
            engine.trees = trees._replace(nodes=nodes)
        elif fault == "value":
            engine.trees = trees._replace(value=trees.value * (1 + 1e-6))
        elif fault == "left":
            nodes["left"], nodes["right"] = trees.nodes["right"], trees.nodes["left"]
            engine.trees = trees._replace(nodes=nodes)
        elif fault == "link":
            engine.link = "sigmoid_of_double"
        else:
            engine.start = engine.start + 1e-4
        return engine

    monkeypatch.setattr(_build, "read_model", corrupted)
    with pytest.warns(EngineWarning, match=r"does not reproduce .* the numeric engine answers"):
        e = IntegratedGradients(case.model(), case.X[0]).explain(case.X[1:3])
    assert e.engine == "numeric"
    with pytest.raises(EngineUnavailableError, match="does not reproduce"):
        IntegratedGradients(case.model(), case.X[0], engine="exact").explain(case.X[1:3])


def test_a_subclass_that_predicts_otherwise_is_caught():
    class Shifted(RandomForestClassifier):
        def predict_proba(self, X):
            p = super().predict_proba(X)
            return np.stack([p[:, 0] * 0.9, 1 - p[:, 0] * 0.9], axis=1)

    X, y, _ = cases.data()
    model = Shifted(5, max_depth=3, random_state=0).fit(X, y)
    with pytest.warns(EngineWarning, match="does not reproduce Shifted"):
        e = IntegratedGradients(model, X[0]).explain(X[1:2])
    np.testing.assert_allclose(
        e.values.sum(axis=1), model.predict_proba(X[1:2])[:, 1] - model.predict_proba(X[:1])[:, 1], atol=1e-6
    )


def test_exact_is_never_silently_numeric():
    X, _, score = cases.data()
    with pytest.raises(EngineUnavailableError, match=r"'engine' parameter .* no exact engine for LinearRegression"):
        IntegratedGradients(LinearRegression().fit(X, score), X[0], engine="exact").explain(X[:1])
    method = cases.BY_NAME["RandomForestClassifier"].model().predict_proba
    with pytest.raises(EngineUnavailableError, match="pass the estimator itself for the exact engine"):
        IntegratedGradients(method, X[0], engine="exact").explain(X[:1])


def test_boosting_on_top_of_a_model_of_its_own_says_why():
    X, _, score = cases.data()
    model = GradientBoostingRegressor(n_estimators=5, init=LinearRegression(), random_state=0).fit(X, score)
    report = inspect_model(model, X=X)
    assert report.engine == "numeric"
    assert "starts from LinearRegression" in report.why


@pytest.mark.parametrize("case", cases.TREES, ids=lambda case: case.name)
def test_inspection_reports_agreement(case):
    report = inspect_model(case.model(), X=case.X, response_method=case.response_method)
    assert (report.engine, report.exact) == ("tree_ensemble", True)
    assert report.agreement <= 1e-10
    assert report.n_probes > len(case.X) + 1  # the rows, the baseline, and rows moved onto thresholds


def test_every_reader_has_a_case():
    fitted = {type(case.model()).__name__ for case in cases.TREES}
    assert {name.partition(".")[2] for name in READERS} == fitted


def test_trees_read_apart_agree_with_treelite():
    """Another library's reading of the same forest, at thresholds too."""
    import treelite

    case = cases.BY_NAME["RandomForestRegressor"]
    engine, _ = engine_and_model(case)
    other = treelite.sklearn.import_model(case.model())
    rows = np.repeat(case.X[:50], 4, axis=0)
    features, places = engine.edges(np.random.default_rng(0), len(rows))
    rows[np.arange(len(features)), features] = places
    theirs = treelite.gtil.predict(other, rows.astype(np.float32)).reshape(len(rows), -1)
    np.testing.assert_allclose(engine.predict(rows), theirs, rtol=1e-6)
