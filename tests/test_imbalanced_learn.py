"""Pipelines and ensembles of imbalanced-learn: samplers have no part in predictions, and trees are read as such."""

import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier, BalancedRandomForestClassifier, EasyEnsembleClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from agnostic_ig import IntegratedGradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 5))
RARE = (X[:, 0] + X[:, 1] * X[:, 2] > 1.3).astype(int)
MODELS = {
    "SMOTE, line": (make_pipeline(SMOTE(random_state=0), StandardScaler(), LogisticRegression()), "smooth"),
    "sampler, forest": (
        make_pipeline(
            StandardScaler(), RandomUnderSampler(random_state=0), RandomForestClassifier(9, max_depth=5, random_state=0)
        ),
        "tree_ensemble",
    ),
    "balanced forest": (BalancedRandomForestClassifier(9, max_depth=5, random_state=0), "tree_ensemble"),
    "easy ensemble": (EasyEnsembleClassifier(3, random_state=0), "composite"),
    "balanced bagging": (BalancedBaggingClassifier(n_estimators=4, random_state=0), "tree_ensemble"),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_of_imbalanced_learn_are_exact(name):
    """As the numeric engine finds from predictions alone."""
    model, engine = MODELS[name]
    model.fit(X, RARE)
    e = IntegratedGradients(model, X[0]).explain(X[5:9])
    assert (e.engine, e.exact) == (engine, True)
    n = IntegratedGradients(model, X[0], engine="numeric").explain(X[5:9])
    room = n.error_estimate + 1e-9 * np.abs(e.values).sum(axis=1, keepdims=True)
    assert (np.abs(e.values - n.values) <= room).all()
    assert n.error_estimate.sum() < 1e-4 * np.abs(e.values).sum()
