"""Columns of 0 and 1 declared discrete: all features move at one half, which is shap's interventional game."""

import cases
import numpy as np
import pytest

from agnostic_ig import IntegratedGradients

# shap takes these, and answers in margins or in averages of leaves.
SHARED = [
    ("DecisionTreeRegressor", "auto"),
    ("ExtraTreesRegressor", "auto"),
    ("RandomForestRegressor", "auto"),
    ("RandomForestClassifier, 3 classes", "auto"),
    ("GradientBoostingRegressor", "auto"),
    ("GradientBoostingClassifier", "decision_function"),
    ("HistGradientBoostingRegressor", "auto"),
    ("HistGradientBoostingClassifier", "decision_function"),
]


# shap's import sets colours in a way that matplotlib will deprecate.
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize(("name", "method"), SHARED, ids=[name for name, _ in SHARED])
def test_flags_equal_shap(name, method):
    import shap

    X = cases.data("binary")[0]
    case = cases.BY_NAME[name]
    model = case.make().fit(X, cases.LABELS[case.label]())
    rows, background = X[:20], X[100:130]
    e = IntegratedGradients(
        model, background, categorical_features=range(X.shape[1]), response_method=method, engine="exact"
    ).explain(rows)
    theirs = shap.TreeExplainer(model, background, feature_perturbation="interventional").shap_values(rows)
    np.testing.assert_allclose(e.values, theirs, rtol=0, atol=1e-6 * np.abs(theirs).max())
    assert np.abs(theirs).max() > 0.01
