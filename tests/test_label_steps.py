"""Votes and chains of linear classifiers against roots in closed form and the dense oracle."""

import cases
import numpy as np
import pytest
from dense_oracle import dense_attributions
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.level_steps import Branched

N = 80


def flags(n):
    X = cases.data()[0]
    d = X.shape[1]
    return np.column_stack([X[:, k % d] + X[:, (k + 1) % d] > np.median(X[:, k % d]) for k in range(n)]).astype(int)


def agrees_with_oracle(model, name):
    X = cases.data()[0]
    e = IntegratedGradients(model, X[0], response_method=name, engine="exact").explain(X[N : N + 3])
    assert (e.engine, e.exact) == ("smooth", True)
    dense = dense_attributions(getattr(model, name), X[N : N + 3], X[[0] * 3])
    wanted = np.array([one.values for one in dense]).reshape(e.values.shape)
    assert sum(len(one.jumps) for one in dense) > 0
    np.testing.assert_allclose(e.values, wanted, atol=1e-9 + 2 * max(one.error.max() for one in dense))
    assert np.abs(e.convergence_delta).max() < 1e-12


@pytest.mark.parametrize(
    "part", [LogisticRegression(), LinearSVC(random_state=0, max_iter=50_000), SVC(gamma=0.1), GaussianNB()]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_votes_of_smooth_parts(part, classes):
    y = cases.three_classes() if classes == 3 else flags(1)[:, 0]
    agrees_with_oracle(OneVsOneClassifier(part).fit(cases.data()[0][:N], y[:N]), "decision_function")


@pytest.mark.parametrize(
    ("part", "name", "order"),
    [
        (LogisticRegression(), "predict_proba", None),
        (LogisticRegression(), "decision_function", [2, 0, 1]),
        (SVC(gamma=0.1), "decision_function", [1, 2, 0]),
        (GaussianNB(), "predict_proba", [1, 0, 2]),
    ],
)
def test_chains_that_pass_on_labels(part, name, order):
    agrees_with_oracle(ClassifierChain(part, order=order).fit(cases.data()[0][:N], flags(3)[:N]), name)


def test_two_lines_in_a_chain_in_closed_form():
    """The second margin is w z + c label + b: a straight part, and c where the first margin passes 0."""
    X = cases.data()[0]
    model = ClassifierChain(LogisticRegression()).fit(X[:N], flags(2)[:N])
    b, x = X[0], X[N : N + 20]
    e = IntegratedGradients(model, b, response_method="decision_function", engine="exact").explain(x)
    first, second = (part.coef_[0] for part in model.estimators_)
    pulls = (x - b) * first
    ends = model.estimators_[0].decision_function(np.vstack([b, x])) > 0
    jump = second[-1] * (ends[1:].astype(int) - ends[0])
    wanted = np.stack([pulls, (x - b) * second[:-1] + pulls / pulls.sum(axis=1, keepdims=True) * jump[:, None]], axis=2)
    assert np.abs(jump).max() > 0.1
    np.testing.assert_allclose(e.values, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_labels_of_linear_classifiers(classes):
    X, y = cases.data()[0], cases.three_classes() if classes == 3 else flags(1)[:, 0]
    model = LogisticRegression().fit(X[:N], y[:N])
    e = IntegratedGradients(model, X[0], response_method="predict", engine="exact").explain(X[N : N + 20])
    dense = dense_attributions(lambda Z: model.predict(Z)[:, None] == model.classes_, X[N : N + 20], X[[0] * 20])
    wanted = np.array([one.values for one in dense])
    wanted = wanted if classes == 3 else wanted[:, :, 1]
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(e.values, wanted, atol=1e-9 + 2 * max(one.error.max() for one in dense))


class Corner:
    """1 above both x0 = 0 and x1 = 0."""

    n_outputs, levels = 1, Affine(np.eye(2), 0.0)

    def values(self, rows, above):
        return above.all(axis=1)[:, None].astype(float)

    def gradients(self, rows, above):
        return np.zeros((len(rows), 2, 1))

    def breaks(self, starts, ends):
        return None


def test_surfaces_crossed_at_one_place_are_said():
    means, error = Branched(Corner()).mean_gradients(np.array([[-1.0, -1.0]] * 2), np.array([[1.0, 1.0], [1.0, 3.0]]))
    assert error[0].max() >= 0.5
    np.testing.assert_allclose(means[1, :, 0] * [2.0, 4.0], [1.0, 0.0], atol=1e-14)
    np.testing.assert_allclose(error[1], 0.0)


def test_what_has_no_exact_engine_says_why():
    X, y = cases.data()[0], flags(1)[:, 0]
    chain = ClassifierChain(DecisionTreeClassifier(max_depth=2)).fit(X[:N], flags(2)[:N])
    long = ClassifierChain(LogisticRegression()).fit(X[:N], flags(8)[:N])
    votes = OneVsOneClassifier(FixedThresholdClassifier(LogisticRegression(), threshold=0.3)).fit(X[:N], y[:N])
    for model, why in ((chain, "DecisionTreeClassifier"), (long, "7 labels"), (votes, "border is not read")):
        report = inspect_model(model, X=X[:3], response_method="decision_function" if model is votes else "auto")
        assert report.engine == "numeric"
        assert why in report.why
