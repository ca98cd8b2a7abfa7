"""Which engine answers: readers verified against the model, corruption caught, nothing downgraded in silence."""

import copy
import re

import cases
import composite_cases
import linear_cases
import numpy as np
import pytest
import skops.io
from sklearn.base import clone, is_regressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor, LocalOutlierFactor
from sklearn.svm import SVC

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines import _build
from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import READERS
from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.exceptions import EngineUnavailableError, EngineWarning
from agnostic_ig.frames import Codec
from agnostic_ig.kernels.tree_nodes import CATEGORICAL, MISSING_LEFT
from agnostic_ig.model_files import load_model

# A few dozen roundings of a sum, by whether the model itself answers in float32.
ROUNDING = {False: 1e-12, True: cases.SINGLE}


def engine_and_model(case):
    response = resolve_response("test", case.model(), case.response_method)
    black_box = BlackBox(response, Codec.from_tables([("X", case.X)]))
    return _build.read_model(case.model(), response).with_black_box(black_box), black_box


@pytest.mark.parametrize("case", cases.TREES, ids=lambda case: case.name)
def test_routing_on_and_beside_every_threshold(case):
    """Points on every threshold and one unit in the last place to each side, in float64 and float32."""
    engine, black_box = engine_and_model(case)
    nodes = engine.trees.nodes
    inner = np.flatnonzero(
        (nodes["feature"] >= 0) & np.isfinite(nodes["threshold"]) & (nodes["flags"] & CATEGORICAL == 0)
    )
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        on = engine.trees.nodes["threshold"][inner].astype(dtype)
        places = np.concatenate([on, np.nextafter(on, dtype(-np.inf)), np.nextafter(on, dtype(np.inf))])
        rows = case.X[rng.integers(len(case.X), size=len(places))].copy()
        rows[np.arange(len(places)), np.tile(engine.trees.nodes["feature"][inner], 3)] = places
        ours = engine.predict(rows)
        theirs = black_box.ask_matrix(rows)  # asked second: the engine leaves the rows as they are
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING[case.single] * np.abs(theirs).max())


def test_float32_families_route_as_the_model_does():
    """One float64 unit above its threshold, a CART tree still goes left: without the cast the answer differs."""
    engine, black_box = engine_and_model(cases.BY_NAME["DecisionTreeRegressor"])
    nodes = np.flatnonzero(engine.trees.nodes["feature"] >= 0)
    rows = np.repeat(cases.data()[0][:1], len(nodes), axis=0)
    rows[np.arange(len(nodes)), engine.trees.nodes["feature"][nodes]] = np.nextafter(
        engine.trees.nodes["threshold"][nodes], np.inf
    )
    uncast = np.zeros_like(engine.predict(rows))
    from agnostic_ig.kernels.tree_nodes import predict_margins

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


def swap_columns(engine):
    nodes = engine.trees.nodes.copy()
    nodes["feature"] = np.where(nodes["feature"] == 0, 1, np.where(nodes["feature"] == 1, 0, nodes["feature"]))
    engine.trees = engine.trees._replace(nodes=nodes)


def list_one_category_more(engine):
    engine.trees = engine.trees._replace(sets=engine.trees.sets ^ np.uint32(2))


def turn_missing_values(engine):
    nodes = engine.trees.nodes.copy()
    nodes["flags"] ^= MISSING_LEFT
    engine.trees = engine.trees._replace(nodes=nodes)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("IsolationForest", lambda engine: setattr(engine, "shift", engine.shift + 1e-6)),
        ("IsolationForest, score, few columns, NaN", swap_columns),
        ("IsolationForest, score, few columns, NaN", turn_missing_values),
        ("AdaBoostClassifier, three, predict_proba", lambda engine: setattr(engine, "link", "identity")),
        ("AdaBoostClassifier, class, predict_proba", lambda engine: setattr(engine, "link", "sigmoid_of_double")),
        ("BaggingClassifier, columns drawn twice, a class missed", swap_columns),
        ("BaggingRegressor, histograms, NaN", lambda engine: setattr(engine, "start", engine.start * 1.001)),
        ("GradientBoostingRegressor, on a forest", swap_columns),
        ("RandomForestClassifier, two outputs", swap_columns),
        ("HistGradientBoostingClassifier, categories, three", list_one_category_more),
        ("HistGradientBoostingClassifier, categories, three", lambda engine: setattr(engine, "encoding", None)),
        ("HistGradientBoostingClassifier, categories, class", turn_missing_values),
        ("HistGradientBoostingRegressor, gamma", lambda engine: setattr(engine, "link", "identity")),
    ],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_faults_of_every_family_are_caught(name, fault, monkeypatch):
    case, honest = cases.BY_NAME[name], _build.read_model

    def corrupted(model, response):
        engine = honest(model, response)
        fault(engine)
        return engine

    assert inspect_model(case.model(), X=case.X, response_method=case.response_method).engine == "tree_ensemble"
    monkeypatch.setattr(_build, "read_model", corrupted)
    with pytest.warns(EngineWarning, match=r"does not reproduce .* the numeric engine answers"):
        report = inspect_model(case.model(), X=case.X, response_method=case.response_method)
    assert (report.engine, report.exact) == ("numeric", False)


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
    X = cases.data()[0]
    with pytest.raises(EngineUnavailableError, match=r"'engine' parameter .* no exact engine for LocalOutlierFactor"):
        IntegratedGradients(LocalOutlierFactor(novelty=True).fit(X), X[0], engine="exact").explain(X[:1])
    method = cases.BY_NAME["RandomForestClassifier"].model().predict_proba
    with pytest.raises(EngineUnavailableError, match="pass the estimator itself for the exact engine"):
        IntegratedGradients(method, X[0], engine="exact").explain(X[:1])


REFUSED = [
    (
        GradientBoostingRegressor(n_estimators=3, init=LinearRegression()),
        "auto",
        "starts from LinearRegression",
    ),
    (
        GradientBoostingRegressor(n_estimators=3, init=HistGradientBoostingRegressor(loss="poisson", max_iter=3)),
        "auto",
        "predict of HistGradientBoostingRegressor is no sum of trees",
    ),
    (
        GradientBoostingClassifier(n_estimators=3, init=RandomForestClassifier(3)),
        "auto",
        "starts from RandomForestClassifier: log odds of an average of trees are no sum over trees",
    ),
    (GradientBoostingClassifier(n_estimators=3), "predict", "predict of GradientBoostingClassifier .* no link"),
    (HistGradientBoostingClassifier(max_iter=3), "predict", "is a step function of its margins"),
    (IsolationForest(n_estimators=3), "predict", "predict of IsolationForest is a step function of its score"),
    (AdaBoostClassifier(n_estimators=3), "predict", "predict of AdaBoostClassifier is a step function of its margins"),
    (
        AdaBoostClassifier(LogisticRegression(), n_estimators=3),
        "auto",
        "over LogisticRegression .* are no trees",
    ),
    (BaggingClassifier(n_estimators=3), "predict", "predict of BaggingClassifier is no average of its members"),
    (
        BaggingClassifier(SVC(), n_estimators=3),
        "auto",
        "its part SVC has no predict_proba",
    ),
    (
        BaggingRegressor(
            HistGradientBoostingRegressor(max_iter=3, categorical_features=[0]), 2, max_features=2, random_state=7
        ),
        "auto",
        "sees some columns only, and codes of its own in them",
    ),
    (KNeighborsRegressor(weights="distance"), "auto", "the weights of KNeighborsRegressor change with the distance"),
    (KNeighborsRegressor(metric="manhattan"), "auto", "the metric of KNeighborsRegressor is not the Euclidean one"),
    (RandomForestClassifier(3), "predict", "predict of RandomForestClassifier is no average of leaf values"),
]


@pytest.mark.parametrize(("model", "method", "why"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_models_without_an_exact_engine_say_why(model, method, why):
    X, y, score = cases.data()
    fitted = clone(model).fit(X, np.abs(score) if is_regressor(model) else y)
    report = inspect_model(fitted, X=X, response_method=method)
    assert (report.engine, report.exact, report.agreement) == ("numeric", False, None)
    assert re.search(why, report.why)


def test_bagging_over_columns_that_are_not_there_is_refused():
    case = cases.BY_NAME["BaggingRegressor, forests on few columns"]
    model = copy.deepcopy(case.model())
    response = resolve_response("test", model, "auto")
    for columns in ([0, 1, 5], [0, -1, 2], [0]):
        model.estimators_features_[0] = np.array(columns)
        with pytest.raises(Unsupported, match="a member splits on a column that the whole has not"):
            _build.read_model(model, response)


def test_targets_of_several_outputs_with_different_classes():
    case = cases.BY_NAME["ExtraTreesClassifier, two outputs"]
    explainer = IntegratedGradients(case.model(), case.X[0], engine="exact")
    every = explainer.explain(case.X[1:4])
    assert every.output_names == ["(0, 'a')", "(0, 'b')", "(0, 'c')", "(1, 'no')", "(1, 'yes')"]
    shares = np.hstack(case.model().predict_proba(case.X[1:4]))
    for k, target in enumerate([(0, "a"), (0, "b"), (0, "c"), (1, "no"), (1, "yes")]):
        one = explainer.explain(case.X[1:4], target=target)
        np.testing.assert_array_equal(one.values, every.values[:, :, k])
        np.testing.assert_allclose(one.predictions, shares[:, k], rtol=1e-15)


def test_one_case_a_tree_isolates_nothing():
    """Depths of 0 over an expected depth of 0: scikit-learn says 0.5 everywhere."""
    X = cases.data()[0]
    model = IsolationForest(n_estimators=3, max_samples=1, random_state=0).fit(X)
    report = inspect_model(model, X=X)
    assert (report.engine, report.response_method, report.agreement) == ("tree_ensemble", "decision_function", 0.0)
    np.testing.assert_array_equal(IntegratedGradients(model, X[0]).explain(X[1:4]).values, 0.0)


@pytest.mark.parametrize(
    "name", ["IsolationForest, contamination", "AdaBoostClassifier, three, predict_proba", "BaggingClassifier"]
)
def test_models_from_skops_files_have_the_same_engine(name, tmp_path):
    case = cases.BY_NAME[name]
    skops.io.dump(case.model(), tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    ours, theirs = (
        IntegratedGradients(model, case.X[0], response_method=case.response_method, engine="exact").explain(case.X[:5])
        for model in (loaded, case.model())
    )
    np.testing.assert_array_equal(ours.values, theirs.values)


@pytest.mark.parametrize("case", cases.TREES, ids=lambda case: case.name)
def test_inspection_reports_agreement(case):
    report = inspect_model(case.model(), X=case.X, response_method=case.response_method)
    assert (report.engine, report.exact) == ("tree_ensemble", True)
    assert report.agreement <= 100 * ROUNDING[case.single]
    assert report.n_probes > len(case.X) + 1  # the rows, the baseline, and rows moved onto thresholds


def test_every_reader_has_a_case():
    """Readers are listed by class or by a base class of theirs."""
    smooth = [*cases.SMOOTH, *cases.NEIGHBOURS]
    known = [*cases.TREES, *smooth, *composite_cases.COMPOSITE, *linear_cases.FORMULAS, *linear_cases.OTHERS]
    exact = [case for case in known if case.engine != "numeric"]
    fitted = {kind.__name__ for case in exact for kind in type(case.model()).__mro__}
    assert {name.partition(".")[2] for name in READERS} - composite_cases.ABSENT <= fitted


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
