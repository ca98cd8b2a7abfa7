"""Gaussian processes: every kernel against its formula, kinks at training points, sums that cancel, classes."""

import itertools

import cases
import numpy as np
import pytest
from kernel_oracles import path_integral, process_mean, process_probability
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    CompoundKernel,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.covariances import Covariance
from agnostic_ig.engines.readers.sklearn_gaussian_process import covariance_of

NOISE = WhiteKernel(0.1)
ANISOTROPIC = np.array([1.0, 2.0, 3.0, 1.5, 2.5])
N = 70  # training rows
KERNELS = {
    "default": None,
    "rbf": 2.0 * RBF(ANISOTROPIC) + NOISE,
    "matern 0.5": Matern(2.0, nu=0.5) + NOISE,
    "matern 1.5": Matern(ANISOTROPIC, nu=1.5) + NOISE,
    "matern 2.5": Matern(2.0, nu=2.5) + NOISE,
    "matern 3.2": Matern(2.0, nu=3.2) + NOISE,
    "matern inf": Matern(2.0, nu=np.inf) + NOISE,
    "rational": RationalQuadratic(1.0, 1.5) + NOISE,
    "dot": DotProduct(0.5) + NOISE,
    "dot squared": 0.5 * DotProduct(0.5) ** 2 + NOISE,
    "dot to a fraction": (DotProduct(30.0)) ** 1.5 + NOISE,
    "periodic": ExpSineSquared(2.0, 20.0) + NOISE,
    "product of two": RBF(3.0) * RBF(4.0) + NOISE,
    "product of three": RBF(3.0) * DotProduct() * ConstantKernel(0.5) + NOISE,
    "product of sums": (RBF(2.0) + ConstantKernel(0.3)) * (DotProduct() + RationalQuadratic()) + NOISE,
    "power of rbf": RBF(2.0) ** 1.7 + NOISE,
    "power of a sum": (RBF(2.0) + DotProduct()) ** 2 + NOISE,
    "constant": ConstantKernel(2.0) + NOISE,
}


def followed(model, formula, method="auto", rows=3, b=9, target=None):
    """Our values and those of the formula, without a training point on the way but at its ends."""
    X = cases.data()[0]
    e = IntegratedGradients(model, X[b], response_method=method, engine="exact").explain(X[:rows], target=target)
    assert (e.engine, e.exact) == ("smooth", True)
    wanted = np.stack([path_integral(formula, X[b], x, panels=12) for x in X[:rows]])
    return e, e.values.reshape(rows, X.shape[1], -1), wanted


@pytest.mark.parametrize("name", KERNELS)
def test_means(name):
    X, _, score = cases.data()
    model = GaussianProcessRegressor(KERNELS[name], optimizer=None, normalize_y=True).fit(X[:N], score[:N])
    e, ours, wanted = followed(model, lambda Z: process_mean(model, Z))
    # 1e-11: Matern's distances near a training point bend the integrand faster than the oracle's nodes follow.
    size = np.abs(wanted).sum(axis=1).max()
    assert np.abs(ours - wanted).max() <= 1e-11 * size + 1e-15 + e.error_estimate.max()
    # A dot product of 900 and a bit leaves few digits of the bit.
    assert e.error_estimate.max() <= (1e-6 if name == "dot to a fraction" else 1e-10) * max(size, 1.0)


def test_means_of_several_outputs():
    X, _, score = cases.data()
    targets = np.column_stack([score, score**2 + 5.0])
    for kernel in (RBF(2.0) + NOISE, Matern(2.0) * DotProduct() + NOISE):
        model = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(X[:N], targets[:N])
        _, ours, wanted = followed(model, lambda Z, model=model: process_mean(model, Z))
        assert ours.shape == (3, 5, 2)
        assert np.abs(ours - wanted).max() <= 1e-11 * np.abs(wanted).sum(axis=1).max()


def test_kinks_at_training_points_on_the_path():
    """In one column the path passes every training point; the attribution is the change of the prediction."""
    X = np.linspace(0.0, 5.0, 23)[:, None]
    for nu in (0.5, 1.5, 2.5):
        model = GaussianProcessRegressor(Matern(1.0, nu=nu), alpha=1e-3, optimizer=None).fit(X, np.sin(2 * X[:, 0]))
        e = IntegratedGradients(model, [0.13], engine="exact").explain([[4.8], [0.13]])
        wanted = model.predict([[4.8], [0.13]]) - model.predict([[0.13]])
        np.testing.assert_allclose(e.values[:, 0], wanted, rtol=0, atol=1e-13)
        assert e.error_estimate.max() == 0.0


def test_kinks_that_are_passed_in_several_columns():
    """A path through the middle of two training points, which lie on it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    b, x = np.array([-1.0, -2.0, 0.5]), np.array([1.0, 1.5, 2.0])
    X[:2] = b + np.array([[0.25], [0.7]]) * (x - b)
    model = GaussianProcessRegressor(Matern(1.0, nu=0.5), alpha=1e-3, optimizer=None).fit(X, X[:, 0])
    e = IntegratedGradients(model, b, engine="exact").explain(x[None])
    cuts = [0.0, 0.25, 0.7, 1.0]
    ends = [b + c * (x - b) for c in cuts]
    wanted = sum(path_integral(lambda Z: process_mean(model, Z), *pair, panels=40) for pair in itertools.pairwise(ends))
    assert np.abs(e.values[0] - wanted[:, 0]).max() <= 1e-11 * np.abs(wanted).sum()
    assert abs(e.convergence_delta[0]) <= 1e-13


def test_sums_that_cancel_say_so():
    """Without noise the weights are of the order of 1e7: predictions are good to a few digits, and this is said."""
    X, _, score = cases.data()
    model = GaussianProcessRegressor(RBF(2.0), optimizer=None).fit(X[:, :3], score)
    rows, b = X[:4, :3] + 0.02, X[3, :3] + 0.01
    e = IntegratedGradients(model, b, engine="exact").explain(rows)
    assert (e.engine, e.exact) == ("smooth", True)
    wanted = np.stack([path_integral(lambda Z: process_mean(model, Z), b, x)[:, 0] for x in rows])
    assert np.abs(e.values - wanted).max() > 1e-9
    assert (np.abs(e.values - wanted) <= e.error_estimate).all()
    assert (np.abs(e.convergence_delta) <= e.error_estimate.sum(axis=1)).all()


@pytest.mark.parametrize(
    "kernel", [None, Matern(2.0, nu=1.5), DotProduct() + WhiteKernel(0.5), RBF(2.0) * DotProduct()]
)
@pytest.mark.parametrize("label", ["class", "three"])
def test_probabilities(kernel, label):
    X, y = cases.data()[0], cases.LABELS[label]()
    model = GaussianProcessClassifier(kernel, optimizer=None).fit(X[:N], y[:N])
    inner = model.base_estimator_

    def formula(Z):
        if label == "class":
            return process_probability(inner, Z)[:, None]
        each = np.stack([process_probability(member, Z) for member in inner.estimators_], axis=1)
        return each / each.sum(axis=1, keepdims=True)

    _, ours, wanted = followed(model, formula)
    # The model adds numbers of up to 3,500 for a probability: 1e-12 of them is what rounding leaves.
    assert np.abs(ours - wanted).max() <= 1e-11


class Warped(RBF):
    """A kernel of the user's own, which says RBF in its family tree."""


def test_other_kernels_are_refused():
    X = cases.data()[0][:20]
    for kernel in (PairwiseKernel(), CompoundKernel([RBF()]), RBF() + Warped()):
        with pytest.raises(Unsupported, match=r"gradient of the kernel \w+ is not known"):
            covariance_of(kernel, X)
    model = GaussianProcessRegressor(RBF() + Warped() + NOISE, optimizer=None).fit(X, X[:, 0])
    assert "Warped" in inspect_model(model, X=X).why
    labels = GaussianProcessClassifier(optimizer=None).fit(X, X[:, 0] > 0)
    assert "step function" in inspect_model(labels, X=X, response_method="predict").why


@pytest.mark.parametrize("name", [name for name in KERNELS if name != "default"])
def test_gradients_of_covariances(name):
    """Of weighted sums, with weights that differ from row to row, and of k(z, z), by central differences."""
    rng = np.random.default_rng(1)
    points, rows, weights = rng.normal(size=(7, 5)), rng.normal(size=(4, 5)), rng.normal(size=(4, 7))
    covariance: Covariance = covariance_of(KERNELS[name], points)
    step = 1e-6
    slopes, own = (
        np.stack([(f(rows + step * u) - f(rows - step * u)) / (2 * step) for u in np.eye(5)], axis=1)
        for f in (lambda Z: (weights * covariance.values(Z)).sum(axis=1), covariance.diagonal)
    )
    # Differences over 2e-6 lose ten digits of the values.
    scale, own_scale = (1.0 + np.abs(f(rows)).max() for f in (covariance.values, covariance.diagonal))
    np.testing.assert_allclose(covariance.pull(rows, weights), slopes, rtol=0, atol=1e-8 * scale * 7)
    np.testing.assert_allclose(covariance.diagonal_gradients(rows), own, rtol=0, atol=1e-8 * own_scale)
    np.testing.assert_allclose(covariance.values(rows), KERNELS[name](rows, points), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(covariance.diagonal(rows), KERNELS[name].diag(rows), rtol=1e-14)
