"""A long job says so, once, with what would make it shorter; a short one says nothing."""

import warnings

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import DurationWarning
from agnostic_ig.methods import _pace

X = np.random.default_rng(0).normal(size=(60, 4))
FOREST = RandomForestRegressor(5, random_state=0).fit(X, X[:, 0])


@pytest.fixture
def impatient(monkeypatch):
    """Everything is long, and told after the first block."""
    monkeypatch.setattr(_pace, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(_pace, "WATCHED_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("model", "baseline", "options", "ways"),
    [
        (FOREST, X[0], {}, r"Shorter: n_jobs=-1, fewer rows\."),
        (FOREST, X[:3], {"n_jobs": 2}, r"Shorter: fewer baselines, drawn by baselines\.Sample.*, fewer rows\."),
        (FOREST.predict, X[0], {}, r"Shorter: a larger tol or a smaller max_evaluations, n_jobs=-1, fewer rows\."),
    ],
)
def test_a_long_job_says_so_once(model, baseline, options, ways, impatient):
    explainer = IntegratedGradients(model, baseline, batch_size=10, **options)
    with pytest.warns(
        DurationWarning, match=r"about 0 min more: [\d,]+ pairs of a row and a baseline\. " + ways
    ) as said:
        explainer.explain(X[:40])
    assert len([one for one in said if one.category is DurationWarning]) == 1


def test_the_estimate_is_what_is_left_at_the_rate_so_far(monkeypatch):
    """100 pairs in the first block, 200 in the next 4 seconds: the other 5,700 take 114."""
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(_pace.time, "perf_counter", lambda: next(clock))
    pace = _pace.Pace(6_000, "Shorter: fewer rows.")
    pace.note(100)
    with pytest.warns(DurationWarning, match=r"about 2 min more: 6,000 pairs"):
        pace.note(200)


def test_a_short_job_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        IntegratedGradients(FOREST, X[:3], batch_size=5).explain(X)
