"""Our explanation beside the model's own prediction: `python -m pytest benchmarks/bench_trees.py --benchmark-enable`.

Each run checks its answer, so that nothing fast and wrong is timed. Peers stand in `benchmarks.compare`, which takes
turns between them.
"""

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

from agnostic_ig import IntegratedGradients
from benchmarks.compare import forest_data, worst_gap

SIZES = {"smoke": (500, 100), "full": (10_000, 1_000)}
MODELS = {
    "forest of depth 8": lambda: RandomForestClassifier(100, max_depth=8, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=100, random_state=0),
}


@pytest.fixture(params=[(size, name) for size in SIZES for name in MODELS], ids=lambda param: f"{param[0]}, {param[1]}")
def fitted(request):
    size, name = request.param
    X, y, rows = forest_data(*SIZES[size])
    return MODELS[name]().fit(X, y), X.mean(axis=0), rows


def test_explain(benchmark, fitted):
    model, baseline, rows = fitted
    explainer = IntegratedGradients(model, baseline, progress=False)
    explainer.explain(rows)  # compiles, reads and verifies outside the clock
    explanation = benchmark(explainer.explain, rows)
    assert explanation.exact
    assert worst_gap(explanation) <= 1e-9


def test_predict(benchmark, fitted):
    model, _, rows = fitted
    answer = benchmark(model.predict_proba, rows)
    np.testing.assert_allclose(answer.sum(axis=1), 1.0)
