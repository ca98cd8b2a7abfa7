"""Threads: those of the model count among ours where batches ask it."""

import threading

import numpy as np
import pytest
from sklearn.ensemble import BaggingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from agnostic_ig import IntegratedGradients, gradient
from agnostic_ig.parallel import for_all, own_threads, threads_beside

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, 0] * X[:, 1]


class Watched(RandomForestRegressor):
    """Keeps the threads that have asked it; two that work at once wait for each other the first time."""

    def watch(self, expected):
        self.seen, self.barrier = set(), threading.Barrier(expected)
        return self

    def predict(self, Z):
        here = threading.get_ident()
        if here not in self.seen and threading.current_thread() is not threading.main_thread():
            self.seen.add(here)
            self.barrier.wait(timeout=20)
        return super().predict(Z)


@pytest.mark.parametrize(
    ("model", "threads"),
    [
        (LinearRegression(), 1),
        (lambda Z: Z[:, 0], 1),
        (RandomForestRegressor(), 1),
        (RandomForestRegressor(n_jobs=2), 2),
        (RandomForestRegressor(n_jobs=2).fit(X, Y).predict, 2),
        (make_pipeline(StandardScaler(), RandomForestRegressor(n_jobs=3)), 3),
        (BaggingRegressor(RandomForestRegressor(n_jobs=2)), 2),
        (GridSearchCV(RandomForestRegressor(n_jobs=4), {}), 4),
    ],
)
def test_threads_of_a_model(model, threads):
    assert own_threads(model) == threads


def test_openmp_models_take_what_the_environment_allows():
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="openmp"):
            assert own_threads(make_pipeline(StandardScaler(), HistGradientBoostingRegressor())) == limit


@pytest.mark.parametrize(("n_jobs", "of_model", "left"), [(1, 1, 1), (2, 1, 2), (2, 2, 1), (8, 2, 4), (2, 8, 1)])
def test_both_together_are_n_jobs(n_jobs, of_model, left):
    assert threads_beside(RandomForestRegressor(n_jobs=of_model), n_jobs) == left


@pytest.mark.parametrize("ask", ["integrated gradients", "gradient"])
def test_batches_use_the_threads_that_the_model_leaves(ask):
    seen = {}
    for of_model in (1, 2):
        model = Watched(3, n_jobs=of_model, random_state=0).fit(X, Y).watch(expected=2 // of_model)
        if ask == "gradient":
            gradient(model, X, n_jobs=2, batch_size=10)
        else:
            IntegratedGradients(model, X[0], engine="numeric", n_jobs=2, batch_size=10, progress=False).explain(X)
        seen[of_model] = len(model.seen)
    assert seen == {1: 2, 2: 0}, "batches of a parallel model are asked by the caller's own thread"


def test_threads_share_the_large_questions_of_one_batch():
    model = Watched(3, random_state=0).fit(X, Y).watch(expected=2)
    explainer = IntegratedGradients(model, X[0], engine="numeric", progress=False)
    alone = explainer.explain(X)
    assert model.seen == set()
    together = explainer.set_params(n_jobs=2).explain(X)
    assert len(model.seen) == 2
    for name in ("values", "error_estimate", "n_evaluations"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_work_on_all_parts_ends_with_the_first_error(n_jobs):
    parts, done = [slice(i, i + 1) for i in range(7)], []
    for_all(done.append, parts, n_jobs)
    assert sorted(part.start for part in done) == list(range(7))

    def work(part):
        if part.start in (2, 5):
            raise ValueError(f"part {part.start}")

    with pytest.raises(ValueError, match="part 2"):
        for_all(work, parts, n_jobs)
