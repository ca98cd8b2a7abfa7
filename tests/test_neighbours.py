"""Nearest neighbours: every change on the path, against a slow walk over all pairs of training points."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.exceptions import EngineWarning

ALGORITHMS = ("brute", "kd_tree", "ball_tree")


def by_planes(model, x, b):
    """Jumps of the model's own answers beside the planes that swap a neighbour, by the normals of these planes."""
    sites, d = model._fit_X, x - b
    one, other = np.triu_indices(len(sites), 1)
    normals = sites[other] - sites[one]
    along = normals @ d
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = ((sites[other] ** 2 - sites[one] ** 2).sum(axis=1) / 2 - normals @ b) / along
    inside = np.flatnonzero((alpha > 0) & (alpha < 1))
    inside = inside[alpha[inside].argsort()]
    cuts = np.concatenate([[0.0], (alpha[inside][1:] + alpha[inside][:-1]) / 2, [1.0]])
    ask = getattr(model, "predict_proba", model.predict)
    answers = ask(b + cuts[:, None] * d).reshape(len(cuts), -1)
    shares = normals[inside] * d / along[inside, None]
    return np.einsum("ij,io->jo", shares, np.diff(answers, axis=0))


def explained(model, b, X, **settings):
    e = IntegratedGradients(model, b, engine="exact", **settings).explain(X)
    assert (e.engine, e.exact) == ("neighbours", True)
    return e


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("k", [1, 4, 60])
def test_against_all_planes(algorithm, k):
    rng = np.random.default_rng(k)
    X, targets, rows = rng.normal(size=(60, 4)), rng.normal(size=(60, 2)), rng.normal(size=(6, 4))
    labels = rng.integers(3, size=60)
    for model in (
        KNeighborsRegressor(k, algorithm=algorithm).fit(X, targets),
        KNeighborsClassifier(k, algorithm=algorithm).fit(X, labels),
    ):
        e = explained(model, rows[0], rows[1:])
        wanted = np.array([by_planes(model, x, rows[0]) for x in rows[1:]])
        np.testing.assert_allclose(e.values, wanted, atol=1e-12)
        assert (np.abs(wanted).max() > 0.1) == (k < 60)
        assert e.error_estimate.max() == 0.0


@pytest.mark.parametrize("model", [KNeighborsRegressor(7), KNeighborsClassifier(5)], ids=["numbers", "classes"])
def test_real_data_adds_up(model):
    X, y = (load_diabetes if isinstance(model, KNeighborsRegressor) else load_iris)(return_X_y=True)
    model.fit(X, y)
    for b in (X.mean(axis=0), X[:3]):
        e = explained(model, b, X)
        size = np.abs(e.values).sum(axis=1) + np.abs(e.predictions)
        assert (np.abs(e.convergence_delta) <= 1e-12 * size).all()
        assert (e.error_estimate.sum(axis=1) <= 1e-12 * size).mean() > 0.9


def test_three_planes_that_meet_on_the_path():
    """Sites as far from a point of the path: noise sees half of every plane; by hand in fractions."""
    sites = np.array([[-3.0, 4.0], [0.0, -5.0], [5.0, 0.0]])
    y = np.array([0.0, 10.0, 100.0])
    b, x = np.array([-4.0, -1.0]), np.array([4.0, 1.0])
    d = [Fraction(8), Fraction(2)]

    def shares(i, j):
        ways = [(Fraction(sites[j, c]) - Fraction(sites[i, c])) * d[c] for c in (0, 1)]
        return np.array([float(way / sum(ways)) for way in ways])

    wanted = 0.5 * (100 * shares(0, 2) + 10 * shares(0, 1) + 90 * shares(1, 2))
    e = explained(KNeighborsRegressor(1).fit(sites, y), b, x[None])
    np.testing.assert_allclose(e.values[0], wanted, rtol=1e-13)
    draws = np.random.default_rng(0).normal(size=(400, 2)) * 0.01 * (x - b)
    model = KNeighborsRegressor(1).fit(sites, y)
    noisy = np.mean([by_planes(model, x + s, b + s)[:, 0] for s in draws], axis=0)
    np.testing.assert_allclose(noisy, wanted, atol=4)  # of 100; the means of 400 draws


def test_equal_points_enter_together():
    X = np.array([[0.0, 0.0], [2.0, 1.0], [2.0, 1.0]])
    model = KNeighborsRegressor(1).fit(X, [0.0, 3.0, 3.0])
    e = explained(model, [0.0, 0.0], np.array([[2.0, 1.0]]))
    np.testing.assert_allclose(e.values, [[2.4, 0.6]], rtol=1e-13)
    assert e.error_estimate.max() == 0.0
    model = KNeighborsRegressor(1).fit(X, [0.0, 3.0, 5.0])  # which of the two answers is the model's own affair
    e = explained(model, [0.0, 0.0], np.array([[2.0, 1.0]]))
    assert e.error_estimate.min() >= 2.0
    np.testing.assert_allclose(e.convergence_delta, 0.0, atol=1e-13)


def test_four_planes_that_meet_are_said():
    sites = np.array([[-3.0, 4.0], [0.0, -5.0], [5.0, 0.0], [4.0, 3.0]])
    e = explained(KNeighborsRegressor(1).fit(sites, [0.0, 1.0, 2.0, 7.0]), [-4.0, -1.5], np.array([[4.0, 1.5]]))
    np.testing.assert_allclose(e.values.sum(), e.predictions - e.base_values, atol=1e-13)
    assert e.error_estimate.min() >= 1.0


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_planes_at_the_ends_count_if_the_answers_differ(end):
    """Both sites are as far from the middle, which is an end of the path."""
    model = KNeighborsRegressor(1).fit([[-1.0, -1.0], [1.0, 1.0]], [0.0, 1.0])
    for b, x in (([0.0, 0.0], [end, end]), ([end, end], [0.0, 0.0])):
        change = model.predict([x])[0] - model.predict([b])[0]
        np.testing.assert_allclose(explained(model, b, np.array([x])).values, [[change / 2, change / 2]], atol=1e-14)


def test_discrete_columns_move_at_one_half():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=(60, 2)), rng.integers(2, size=60), rng.integers(3, size=60)])
    model = KNeighborsRegressor(3).fit(X, rng.normal(size=60))
    b, x = np.array([0.1, -0.2, 0.0, 0.0]), np.array([1.0, 0.7, 1.0, 2.0])
    values = explained(model, b, x[None], categorical_features=[2, 3]).values[0]
    middle = (b + x) / 2
    low, one, two, high = model.predict(
        [[*middle[:2], *last] for last in ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (1.0, 2.0))]
    )
    wanted = by_planes(model, np.array([*middle[:2], 0, 0]), b) + by_planes(model, x, np.array([*middle[:2], 1, 2]))
    wanted[2:, 0] += [(one - low + high - two) / 2, (two - low + high - one) / 2]
    np.testing.assert_allclose(values, wanted[:, 0], atol=1e-12)


def test_behind_a_scaler():
    X, y = load_diabetes(return_X_y=True)
    scaler = StandardScaler().fit(X * np.arange(1, 11))
    pipe = make_pipeline(StandardScaler(), KNeighborsRegressor(5)).fit(X * np.arange(1, 11), y)
    inner = scaler.transform(X * np.arange(1, 11))
    e = explained(pipe, X[0] * np.arange(1, 11), X[1:6] * np.arange(1, 11))
    plain = explained(KNeighborsRegressor(5).fit(inner, y), inner[0], inner[1:6])
    np.testing.assert_allclose(e.values, plain.values, rtol=1e-11, atol=1e-11)


def test_a_model_that_answers_otherwise_is_seen():
    class Doubled(KNeighborsRegressor):
        def predict(self, X):
            return 2 * super().predict(X)

    X, y = load_iris(return_X_y=True)
    assert inspect_model(KNeighborsRegressor(5).fit(X, y), X=X).agreement < 1e-14
    with pytest.warns(EngineWarning, match="does not reproduce Doubled"):
        inspect_model(Doubled(5).fit(X, y), X=X)
