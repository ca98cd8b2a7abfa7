"""All points within a radius: every one that enters or leaves, against the model's own answers beside the spheres."""

import numpy as np
import pytest
from sklearn.neighbors import RadiusNeighborsClassifier, RadiusNeighborsRegressor

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning


def by_spheres(model, x, b):
    """Jumps of the model's own answers beside the roots of all quadratics, by the normals of the spheres."""
    d, found = x - b, []
    for site in model._fit_X:
        roots = np.roots([d @ d, 2 * (b - site) @ d, (b - site) @ (b - site) - model.radius**2])
        found += [(root.real, site) for root in roots if abs(root.imag) == 0 and 0 < root.real < 1]
    found.sort(key=lambda one: one[0])
    alpha = np.array([one[0] for one in found])
    cuts = np.concatenate([[0.0], (alpha[1:] + alpha[:-1]) / 2, [1.0]])
    answers = getattr(model, "predict_proba", model.predict)(b + cuts[:, None] * d).reshape(len(cuts), -1)
    normals = b + alpha[:, None] * d - np.array([one[1] for one in found])
    return np.einsum("ij,io->jo", normals * d / (normals @ d)[:, None], np.diff(answers, axis=0))


def explained(model, b, X):
    e = IntegratedGradients(model, b, engine="exact").explain(X)
    assert (e.engine, e.exact) == ("neighbours", True)
    return e


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_against_all_spheres(algorithm):
    rng = np.random.default_rng(0)
    X, rows = rng.normal(size=(60, 3)), rng.normal(size=(6, 3)) / 2
    for model in (
        RadiusNeighborsRegressor(1.9, algorithm=algorithm).fit(X, rng.normal(size=(60, 2))),
        RadiusNeighborsClassifier(1.9, algorithm=algorithm).fit(X, rng.integers(3, size=60)),
    ):
        e = explained(model, rows[0], rows[1:])
        wanted = np.array([by_spheres(model, x, rows[0]) for x in rows[1:]])
        np.testing.assert_allclose(e.values, wanted, atol=1e-12)
        assert np.abs(wanted).max() > 0.01
        assert e.error_estimate.max() == 0.0


def test_outliers_have_their_label():
    X = np.array([[0.0, 0.0], [3.0, 1.0]])
    model = RadiusNeighborsClassifier(1.0, outlier_label=1).fit(X, [0, 1])
    e = explained(model, X[0], np.array([[3.0, 1.0]]))
    np.testing.assert_allclose(e.values[..., -1].sum() if e.values.ndim == 3 else e.values.sum(), 1.0, atol=1e-13)
    assert e.error_estimate.max() == 0.0


def test_a_path_without_neighbours_is_said():
    X = np.array([[0.0, 0.0], [3.0, 1.0]])
    with pytest.warns(BudgetWarning):
        e = explained(RadiusNeighborsRegressor(1.0).fit(X, [0.0, 1.0]), X[0], X[1:])
    assert np.isinf(e.error_estimate).all()
