"""Pipelines in the columns of their user, against oracles that ask the pipeline itself."""

import naive_pipelines as naive
import numpy as np
import pipeline_cases as cases
import pytest

from agnostic_ig import IntegratedGradients

EXACT = 1e-12  # as for engines of models without transformers, and rounding of scaled columns


def ask(model):
    """What is explained of a pipeline by default, all outputs."""
    return model.predict_proba if hasattr(model, "predict_proba") else lambda X: model.predict(X)[:, None]


def explained(model, x, b):
    """(d, n_outputs) of one pair by the exact engine."""
    e = IntegratedGradients(model, cases.frame([b]), engine="exact").explain(cases.frame([x]))
    assert e.exact
    assert e.feature_names == list(cases.COLUMNS)
    return e.values[0].reshape(len(x), -1)


def assert_same(actual, wanted, tolerance):
    wanted = wanted[:, -1:] if actual.shape[1] == 1 else wanted  # of two classes, the second
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance * np.abs(wanted).sum(axis=0).max())


@pytest.mark.parametrize("name", cases.STEPPED)
def test_trees_in_a_pipeline_are_exact(name):
    """Every kind of column moves, gaps come and go."""
    model = cases.fitted(name)
    for x, b in cases.pairs():
        assert_same(explained(model, x, b), naive.stepped(ask(model), x, b, cases.COLUMNS), 1e-9)


LINKS = {
    0: (np.asarray, lambda margins: np.eye(len(margins))),
    2: (naive.sigmoid, naive.sigmoid_slope),
    3: (naive.softmax, naive.softmax_slope),
}


@pytest.mark.parametrize("name", cases.LINEAR)
def test_linear_models_in_a_pipeline_are_exact(name):
    model, n = cases.fitted(name), cases.LINEAR[name][1]
    answer = model.decision_function if n else model.predict
    for x, b in cases.pairs():
        wanted = naive.linear(lambda X: np.reshape(answer(X), (len(X), -1)), *LINKS[n], x, b, cases.COLUMNS)
        assert_same(explained(model, x, b), wanted, EXACT)
