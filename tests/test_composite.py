"""Models made of models, against their own answers on both sides of every jump."""

import functools
import itertools

import cases
import composite_cases
import naive_paths
import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines import composite
from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.step_functions import indicate_largest, weighted_median

STEPPED = [case for case in composite_cases.COMPOSITE if case.stepped]
MIXED = [case for case in composite_cases.COMPOSITE if not case.stepped]


def answers(model, name):
    """The response as a function of rows that gives (n, n_outputs)."""
    if name == "predict" and hasattr(model, "classes_"):
        return lambda rows: (model.predict(rows)[:, None] == model.classes_).astype(float)

    def ask(rows):
        answer = getattr(model, name)(rows)
        return np.hstack(answer) if isinstance(answer, list) else np.reshape(answer, (len(rows), -1))

    return ask


def compared(case, discrete, smooth):
    """(ours, naive) over three rows with one baseline, all outputs that are explained."""
    model, X = case.model(), case.X.astype(np.float32).astype(float)
    b, thresholds = X[10], naive_paths.forest_thresholds(model)
    all_places = [naive_paths.crossings(thresholds, b, x, discrete) for x in X[20:60]]
    chosen = [i for i, places in enumerate(all_places) if naive_paths.far_apart(places)][:3]
    rows = X[20:60][chosen]
    assert len(rows) == 3
    e = IntegratedGradients(model, b, response_method=case.response_method, categorical_features=list(discrete))
    e = e.explain(rows)
    assert e.exact
    f = answers(model, e.response_method)
    naive = [naive_paths.attribute(f, b, X[20 + i], all_places[i], discrete, smooth) for i in chosen]
    ours = e.values.reshape(len(rows), 5, -1)
    return ours, np.stack(naive)[:, :, -ours.shape[2] :]


@pytest.mark.parametrize("discrete", [(), (0, 3, 4)], ids=["numbers", "discrete"])
@pytest.mark.parametrize("case", STEPPED, ids=lambda case: case.name)
def test_jumps_are_credited_as_the_model_jumps(case, discrete):
    ours, naive = compared(case, discrete, smooth=False)
    np.testing.assert_allclose(ours, naive, rtol=0, atol=1e-12 * np.abs(naive).sum(axis=1).max())


@pytest.mark.parametrize("discrete", [(), (0, 3, 4)], ids=["numbers", "discrete"])
@pytest.mark.parametrize("case", MIXED, ids=lambda case: case.name)
def test_smooth_parts_are_integrated_between_jumps(case, discrete):
    """Central differences in every gap are right to some 1e-8; a jump beside a slope to some 1e-7."""
    ours, naive = compared(case, discrete, smooth=True)
    np.testing.assert_allclose(ours, naive, rtol=0, atol=2e-6 * np.abs(naive).sum(axis=1).max())


@pytest.mark.parametrize("case", composite_cases.COMPOSITE, ids=lambda case: case.name)
def test_attributions_add_up_and_know_no_batches(case):
    model, X = case.model(), case.X
    options = {"response_method": case.response_method, "categorical_features": [3]}
    e = IntegratedGradients(model, X[:3], **options).explain(X[5:25])
    assert e.engine == case.engine
    gap, total = np.abs(e.convergence_delta), np.abs(e.values).sum(axis=1)
    assert (gap <= 1e-12 * (total + np.abs(e.predictions))).all()
    parts = [IntegratedGradients(model, X[:3], batch_size=3, **options).explain(X[a : a + 5]) for a in (5, 10, 15, 20)]
    values = np.concatenate([part.values for part in parts])
    np.testing.assert_allclose(values, e.values, rtol=0, atol=1e-12 * total.max())


def test_stacking_in_closed_form():
    """A logistic model of a forest and a logistic model: both slopes are known, to rounding."""
    X, y, _ = cases.data()
    X = X.astype(np.float32).astype(float)
    model = StackingClassifier(
        [("forest", RandomForestClassifier(5, max_depth=3, random_state=0)), ("line", LogisticRegression())], cv=2
    ).fit(X, y)
    e = IntegratedGradients(model, X[10]).explain(X[20:24])
    forest, line = model.estimators_
    w, b = model.final_estimator_.coef_[0], X[10]
    for x, values in zip(X[20:24], e.values, strict=True):
        places = naive_paths.crossings(naive_paths.forest_thresholds(forest), b, x)
        borders = [0.0, *places, 1.0]
        wanted = np.zeros(5)
        f = functools.partial(outside, line=line, final=model.final_estimator_, w=w, b=b, x=x)
        middles = [(low + high) / 2 for low, high in itertools.pairwise(borders)]
        levels = [forest.predict_proba((b + middle * (x - b))[None])[0, 1] for middle in middles]
        nodes, weights = np.polynomial.legendre.leggauss(12)
        for level, low, high in zip(levels, borders, borders[1:], strict=False):
            for node, weight in zip(low + (high - low) * (nodes + 1) / 2, weights / 2 * (high - low), strict=True):
                total, share = f(level, node), expit((b + node * (x - b)) @ line.coef_[0] + line.intercept_[0])
                wanted += weight * total * (1 - total) * w[1] * share * (1 - share) * line.coef_[0] * (x - b)
        for place, before, after in zip(places, levels, levels[1:], strict=False):
            (feature,) = places[place]
            exact = next(
                (t - b[feature]) / (x[feature] - b[feature])
                for t in naive_paths.forest_thresholds(forest)[feature]
                if abs((t - b[feature]) / (x[feature] - b[feature]) - place) < 1e-9
            )
            wanted[feature] += f(after, exact) - f(before, exact)
        # Borders are rounded to ten places.
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-10)


def outside(level, alpha, line, final, w, b, x):
    share = expit((b + alpha * (x - b)) @ line.coef_[0] + line.intercept_[0])
    return expit(w[0] * level + w[1] * share + final.intercept_[0])


def isotonic(member):
    X, y, _ = cases.data()
    return CalibratedClassifierCV(member, cv=2, method="isotonic").fit(X, y), X[10], X[20:24]


def test_broken_lines_of_a_line_in_closed_form():
    """On a straight path the change of each fold's line is shared as its margin's is, whatever it passes."""
    model, b, rows = isotonic(LogisticRegression())
    wanted = 0.0
    for fold in model.calibrated_classifiers_:
        parts = (rows - b) * fold.estimator.coef_[0]
        ends = [fold.calibrators[0].predict(fold.estimator.decision_function(row)) for row in (rows, b[None])]
        wanted = wanted + parts / parts.sum(axis=1, keepdims=True) * (ends[0] - ends[1])[:, None] / 2
    e = IntegratedGradients(model, b).explain(rows)
    assert (e.engine, e.exact) == ("smooth", True)
    np.testing.assert_allclose(e.values, wanted, rtol=0, atol=1e-13)


def test_broken_lines_of_a_curved_margin():
    """Small steps along the path, each shared as the margin's slope is in its middle: right to their square."""
    model, b, rows = isotonic(SVC(gamma=0.3))
    alpha, unit = np.linspace(0.0, 1.0, 4001)[:, None], np.eye(5)[:, None, :]
    e = IntegratedGradients(model, b).explain(rows)
    for x, values in zip(rows, e.values, strict=True):
        points, middles, wanted = b + alpha * (x - b), b + (alpha[:-1] + alpha[1:]) / 2 * (x - b), 0.0
        for fold in model.calibrated_classifiers_:
            ask = fold.estimator.decision_function
            slopes = [(ask(middles + 1e-6 * u) - ask(middles - 1e-6 * u)) / 2e-6 for u in unit]
            parts = np.stack(slopes, axis=1) * (x - b)
            change = np.diff(fold.calibrators[0].predict(ask(points)))[:, None]
            wanted = wanted + (parts / parts.sum(axis=1, keepdims=True) * change).sum(axis=0) / 2
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-6 * np.abs(values).sum())


def test_steps_between_smooth_parts_go_to_the_numeric_engine():
    line = SmoothEngine(Affine(np.eye(2), 0.0), "a line")
    with pytest.raises(Unsupported, match="the vote takes steps between smooth parts"):
        combine(indicate_largest(2), [line], "the vote")


def test_parts_without_an_engine_are_named():
    from sklearn.ensemble import VotingRegressor
    from sklearn.neighbors import KNeighborsRegressor

    X, _, score = cases.data()
    model = VotingRegressor([("near", KNeighborsRegressor())]).fit(X, score)
    assert "KNeighborsRegressor is answered by an engine that is no part of another" in inspect_model(model).why


def test_a_changed_formula_is_caught(monkeypatch):
    from agnostic_ig.exceptions import EngineWarning

    case = MIXED[0]
    honest = composite.compose
    monkeypatch.setattr(composite, "compose", lambda f, g: honest(honest(Affine(np.eye(f.n_outputs), 1e-6), f), g))
    with pytest.warns(EngineWarning, match="does not reproduce"):
        IntegratedGradients(case.model(), case.X[0]).explain(case.X[1:2])


def test_step_functions():
    assert indicate_largest(3).values(np.array([[0.2, 0.5, 0.5 + 1e-14], [1.0, 0.0, 2.0]])).tolist() == [
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
    ]
    median = weighted_median(np.array([1.0, 1.0, 3.0]))
    assert median.values(np.array([[5.0, 7.0, 1.0], [1.0, 2.0, 9.0]])).tolist() == [[1.0], [9.0]]
