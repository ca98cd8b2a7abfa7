"""Linear and generalised linear models, discriminants, naive Bayes and other closed forms, against their formulas."""

import cases
import numpy as np
import pandas as pd
import pytest
from linear_cases import FORMULAS
from naive_smooth import integrated_gradients
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, RANSACRegressor, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB
from sklearn.tree import DecisionTreeRegressor

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.response import resolve_response
from agnostic_ig.exceptions import EngineUnavailableError

ROUNDING = 1e-12  # of a few hundred operations


@pytest.mark.parametrize("case", FORMULAS, ids=lambda case: case.name)
def test_values_are_those_of_the_formula(case):
    X, b, model = case.X[:3], case.X[9], case.model()
    e = IntegratedGradients(model, b, response_method=case.response_method, engine="exact").explain(X)
    assert (e.engine, e.exact) == ("smooth", True)
    assert e.error_estimate.max() == 0.0
    wanted = np.stack([integrated_gradients(lambda rows: case.formula(model, rows), b, x) for x in X])
    ours = e.values.reshape(*X.shape, -1)
    theirs = wanted[:, :, -ours.shape[2] :]
    size = np.abs(theirs).sum(axis=1, keepdims=True)
    assert (np.abs(ours - theirs) <= ROUNDING * size).all(), np.abs(ours - theirs).max()
    outputs = getattr(model, case.response_method)
    change = (outputs(X) - outputs(b[None])).reshape(len(X), -1)[:, -ours.shape[2] :]
    assert (np.abs(ours.sum(axis=1) - change) <= ROUNDING * (size[:, 0] + np.abs(outputs(X)).max())).all()


def test_saturated_probabilities_keep_their_digits():
    """Between probabilities of 1 - 1e-22 and 1 - 1e-26, whose difference the model itself cannot tell."""
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [3.0, 3.0]], [0, 0, 1, 1])
    model.coef_, model.intercept_ = np.array([[40.0, 10.0]]), np.array([0.0])
    e = IntegratedGradients(model, [[1.0, 1.0]], engine="exact").explain([[1.2, 1.1]])
    rise = np.exp(-50.0) - np.exp(-59.0)
    np.testing.assert_allclose(e.values[0], [rise * 8 / 9, rise * 1 / 9], rtol=1e-12)


@pytest.mark.parametrize("gap", [1e-3, 1e-7, 1e-11])
def test_short_paths(gap):
    case = next(case for case in FORMULAS if case.name == "GaussianNB, three")
    model, b = case.model(), case.X[9]
    x = b + gap * np.array([1.0, -2.0, 0.5, 3.0, -1.0])
    ours = IntegratedGradients(model, b, engine="exact").explain(x[None]).values[0]
    theirs = integrated_gradients(lambda rows: case.formula(model, rows), b, x)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).sum(axis=0).max())


def clipped_line(b, x, weights, constant):
    """Values of (1 + margin) / 2 between -1 and 1, in shares of how the margin moves."""
    low, high = (np.clip(point @ weights + constant, -1, 1) for point in (b, x))
    return (high - low) / 2 * (x - b) * weights / ((x - b) @ weights)


def test_modified_huber_is_a_line_between_kinks():
    X, y, _ = cases.data()
    model = SGDClassifier(loss="modified_huber", alpha=0.1, random_state=0).fit(X, y)
    e = IntegratedGradients(model, X[9], engine="exact").explain(X[10:50])
    wanted = [clipped_line(X[9], x, model.coef_[0], model.intercept_[0]) for x in X[10:50]]
    np.testing.assert_allclose(e.values, wanted, rtol=0, atol=1e-14)
    kinked = np.abs(X[10:50] @ model.coef_[0] + model.intercept_[0]) > 1
    assert 0 < kinked.sum() < 40


def test_shares_of_clipped_margins_are_numeric():
    X, _, _ = cases.data()
    model = SGDClassifier(loss="modified_huber", random_state=0).fit(X, cases.three_classes())
    with pytest.raises(EngineUnavailableError, match="jump where all of them are zero"):
        IntegratedGradients(model, X[9], engine="exact").explain(X[:2])


@pytest.mark.parametrize("increasing", [True, False])
def test_isotonic_regression_gives_all_to_its_column(increasing):
    X, _, score = cases.data()
    model = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(X[:, 0], score)
    wide = np.array([[-9.0], [-0.3], [0.0], [0.4], [9.0], [0.4 + 1e-9]])
    for b in ([0.4], [-9.0]):
        e = IntegratedGradients(model, [b], engine="exact").explain(wide)
        assert e.engine == "smooth"
        wanted = model.predict(wide) - model.predict([b])
        np.testing.assert_allclose(e.values[:, 0], wanted, rtol=0, atol=1e-15)


def test_dummies_give_nothing_to_anybody():
    X, y, score = cases.data()
    fits = [
        (DummyRegressor(), score),
        (DummyRegressor(strategy="median"), cases.LABELS["two numbers"]()),
        (DummyClassifier(), cases.three_classes()),
        (DummyClassifier(strategy="uniform"), y),
    ]
    for model, target in fits:
        e = IntegratedGradients(model.fit(X, target), X[9], engine="exact").explain(X[:3])
        assert e.exact
        np.testing.assert_array_equal(e.values, 0.0)


@pytest.mark.parametrize(("strategy", "response"), [("stratified", "predict_proba"), ("uniform", "predict")])
def test_dummies_that_draw_are_refused(strategy, response):
    X, y, _ = cases.data()
    model = DummyClassifier(strategy=strategy, random_state=0).fit(X, y)
    with pytest.raises(EngineUnavailableError, match="is drawn at random"):
        IntegratedGradients(model, X[9], response_method=response, engine="exact").explain(X[:3])


@pytest.mark.parametrize("make", [PLSRegression, DummyRegressor, PoissonRegressor, RANSACRegressor])
def test_models_of_data_frames_cause_no_warnings(make):
    X, _, score = cases.data()
    frame = pd.DataFrame(X, columns=list("abcde"))
    e = IntegratedGradients(make().fit(frame, np.abs(score)), frame.iloc[9:10], engine="exact").explain(frame[:3])
    assert e.feature_names == list("abcde")


def staircase(formula, b, x, cuts):
    """One column steps at a time: its whole change to it; cuts (n_cuts,) of all columns."""
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = (cuts[:, None] - b) / (x - b)
    inside = (alpha > 0) & (alpha < 1)
    places, columns = alpha[inside], np.nonzero(inside)[1]
    order = np.argsort(places)
    edges = np.concatenate([[0.0], places[order], [1.0]])
    assert (np.diff(edges) > 1e-9).all(), "no ties here"
    between = formula(b + ((edges[:-1] + edges[1:]) / 2)[:, None] * (x - b))
    credits = np.zeros((len(b), between.shape[1]))
    np.add.at(credits, columns[order], np.diff(between, axis=0))
    return credits


def flags_formula(model, rows):
    p = np.exp(model.feature_log_prob_)
    return bayes(np.stack([(np.where(row > model.binarize, p, 1 - p)).prod(axis=1) for row in rows]), model)


def codes_formula(model, rows):
    chances = [
        np.prod([np.exp(table[:, int(code)]) for table, code in zip(model.feature_log_prob_, row, strict=True)], axis=0)
        for row in rows
    ]
    return bayes(np.stack(chances), model)


def bayes(likelihoods, model):
    joint = likelihoods * np.exp(model.class_log_prior_)
    return joint / joint.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("label", ["class", "three"])
@pytest.mark.parametrize("kind", ["flags", "codes"])
def test_flags_and_codes_step(kind, label):
    X = np.abs(cases.data()[0]) + 0.013 * np.arange(5)
    make, formula, cuts = {
        "flags": (lambda: BernoulliNB(binarize=0.6), flags_formula, np.array([0.6])),
        "codes": (CategoricalNB, codes_formula, np.arange(1.0, 6.0)),
    }[kind]
    model = make().fit(X, cases.LABELS[label]())
    e = IntegratedGradients(model, X[9], engine="exact").explain(X[:20])
    assert (e.engine, e.exact) == ("tree_ensemble", True)
    wanted = np.stack([staircase(lambda rows: formula(model, rows), X[9], x, cuts) for x in X[:20]])
    ours = e.values.reshape(20, 5, -1)
    np.testing.assert_allclose(ours, wanted[:, :, -ours.shape[2] :], rtol=0, atol=1e-13)
    assert np.abs(ours).max() > 0.01


def test_declared_codes_move_at_one_half():
    """Categories between those of the row and of the baseline are not passed through."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, size=(200, 2))
    model = CategoricalNB().fit(X, (X[:, 0] == 1) | (X[:, 1] == 2))
    b, x = np.array([0, 0]), np.array([3, 3])
    e = IntegratedGradients(model, b, categorical_features=[0, 1], engine="exact").explain(x[None])
    f = {(i, j): model.predict_proba([[i, j]])[0, 1] for i in (0, 3) for j in (0, 3)}
    first = ((f[3, 0] - f[0, 0]) + (f[3, 3] - f[0, 3])) / 2
    np.testing.assert_allclose(e.values[0], [first, f[3, 3] - f[0, 0] - first], rtol=0, atol=1e-14)


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_chances_of_zero_have_no_logarithm(chance):
    X = np.array([[0, 1], [0, 0], [1, 1], [1, 0]] * 5)
    model = BernoulliNB().fit(X, X[:, 0])
    with np.errstate(divide="ignore"):
        model.feature_log_prob_[0, 1] = np.log(chance)
    with pytest.raises(Unsupported, match="no finite logarithm"):
        read_model(model, resolve_response("test", model, "auto"))


def test_ransac_explains_what_it_keeps():
    X, _, score = cases.data()
    model = RANSACRegressor(DecisionTreeRegressor(max_depth=3), min_samples=0.6, random_state=0).fit(X, score)
    e = IntegratedGradients(model, X[9], engine="exact").explain(X[:5])
    assert e.engine == "tree_ensemble"
    kept = IntegratedGradients(model.estimator_, X[9], engine="exact").explain(X[:5])
    np.testing.assert_array_equal(e.values, kept.values)
