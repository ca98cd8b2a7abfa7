"""Kernel machines: the closed form of Gaussians to many digits, every kernel against its formula, odd input."""

import warnings

import cases
import numpy as np
import pytest
from kernel_oracles import gaussian_truth, machine_kernel, path_integral
from scipy import sparse, special
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines.kernel_machine import GaussianSum, power_link
from agnostic_ig.exceptions import EngineUnavailableError, InvalidParameterError
from agnostic_ig.kernels.kernel_path import erfcx, exponentials

KERNELS = ("rbf", "poly", "sigmoid", "linear")


def test_functions_of_loops_to_rounding():
    x = np.concatenate([[0.0, 1e300], np.logspace(-20, 20, 4001), np.linspace(0.0, 40.0, 8001)])
    ours, scratch = np.empty_like(x), np.empty_like(x)
    erfcx(x, ours, scratch)
    np.testing.assert_allclose(ours, special.erfcx(x), rtol=3e-15)
    exponentials(-x, ours, scratch, np.empty(len(x), dtype=np.int64))
    np.testing.assert_allclose(ours, np.exp(-x), rtol=1e-15, atol=1e-307)


@pytest.mark.parametrize("far", [0.5, 4.0, 20.0])
@pytest.mark.parametrize("length", [1e-8, 1e-4, 0.03, 1.0, 7.0, 100.0])
def test_gaussian_paths_to_many_digits(length, far):
    """Paths of every length, points near the path and far from it (up to 20 widths)."""
    rng = np.random.default_rng(int(1e3 * far))
    points = rng.normal(size=(6, 3))
    points *= far / np.linalg.norm(points, axis=1, keepdims=True)
    weights, gamma, b, d = rng.normal(size=(6, 1)), 0.7, rng.normal(size=3), rng.normal(size=3)
    x = b + length * d / np.linalg.norm(d)
    means, error = GaussianSum(points, np.sqrt(gamma), weights).mean_gradients(b[None], x[None])
    wanted = np.array(gaussian_truth(points, weights, gamma, b, x))
    assert error is None
    # Exponents of up to 300 lose their last digits when they are added up.
    tolerance = 1e-13 if far < 20.0 else 5e-13
    assert np.abs((x - b) * means[0, :, 0] - wanted).max() <= tolerance * np.abs(wanted).max()


def test_paths_past_a_point_and_paths_that_do_not_move():
    points, weights = np.zeros((1, 2)), np.ones((1, 1))
    machine = GaussianSum(points, 1.0, weights)
    starts, ends = np.array([[-3.0, 0.0], [0.4, -0.3], [1.0, 2.0]]), np.array([[5.0, 0.0], [0.4, -0.3], [1.0, 2.0]])
    means = machine.mean_gradients(starts, ends)[0][:, :, 0]
    values = np.exp(-(starts**2).sum(axis=1)), np.exp(-(ends**2).sum(axis=1))
    np.testing.assert_allclose(8.0 * means[0], [values[1][0] - values[0][0], 0.0], rtol=0, atol=1e-15)
    np.testing.assert_allclose(means[1:], -2.0 * starts[1:] * values[0][1:, None], rtol=1e-15)
    np.testing.assert_allclose(machine.values(ends)[:, 0], values[1], rtol=1e-15)


def test_secants_of_powers_do_not_cancel():
    for degree in range(6):
        link = power_link(degree)
        low, high = np.array([-1.5, 0.5, 2.0]), np.array([-1.5, 0.5 + 2.0**-40, 5.0])
        exact = [sum(b**i * a ** (degree - 1 - i) for i in range(degree)) for a, b in zip(low, high, strict=True)]
        np.testing.assert_allclose(link.secant(low, high), exact, rtol=1e-15)
        np.testing.assert_allclose(link.slope(low), degree * low ** max(degree - 1, 0), rtol=1e-15)


def machine_formula(model, points, coefs, intercept, gamma):
    """The prediction from public attributes; coefs (n_points, m)."""
    dense = points.toarray() if sparse.issparse(points) else points
    return lambda Z: machine_kernel(model.kernel, Z, dense, gamma, model.coef0, model.degree) @ coefs + intercept


def dense_of(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def assert_follows(model, formula, method="decision_function", tolerance=1e-12):
    """Values, with two baselines, against complex steps of the formula at 256 nodes a path."""
    X = cases.data()[0]
    e = IntegratedGradients(model, X[[9, 11]], response_method=method, engine="exact").explain(X[:3])
    assert (e.engine, e.exact) == ("smooth", True)
    wanted = np.stack([np.mean([path_integral(formula, b, x) for b in X[[9, 11]]], axis=0) for x in X[:3]])
    ours = e.values.reshape(wanted.shape)
    # Where large numbers cancel, both are as good as the engine says.
    room = tolerance * np.abs(wanted).sum(axis=1).max() + e.error_estimate.max()
    assert np.abs(ours - wanted).max() <= room


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("gamma", ["scale", "auto", 0.11])
def test_two_classes(kernel, gamma):
    X, y, _ = cases.data()
    number = {"scale": 1.0 / (5 * X.var()), "auto": 0.2}.get(gamma, gamma)
    for make in (SVC, NuSVC):
        model = make(kernel=kernel, gamma=gamma, coef0=0.5).fit(X, y)
        assert_follows(
            model,
            machine_formula(model, model.support_vectors_, model.dual_coef_.T, model.intercept_, number),
        )


@pytest.mark.parametrize("kernel", KERNELS)
def test_pairs_of_three_classes(kernel):
    X, y = cases.data()[0], cases.three_classes()
    model = SVC(kernel=kernel, gamma=0.2, decision_function_shape="ovo").fit(X, y)
    ends, dual = np.cumsum(model.n_support_), model.dual_coef_
    of_class = np.searchsorted(ends, np.arange(len(model.support_)), side="right")
    coefs = np.zeros((len(model.support_), 3))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        for n, c in enumerate(of_class):
            coefs[n, k] = dual[j - 1, n] if c == i else dual[i, n] if c == j else 0.0
    formula = machine_formula(model, model.support_vectors_, coefs, model.intercept_, 0.2)
    np.testing.assert_allclose(formula(X[:9]), model.decision_function(X[:9]), atol=1e-11)
    assert_follows(model, formula)


@pytest.mark.parametrize("kernel", KERNELS)
def test_regressors_and_one_class_machines(kernel):
    X, _, score = cases.data()
    for make, method in ((SVR, "predict"), (NuSVR, "predict"), (OneClassSVM, "decision_function")):
        model = make(kernel=kernel, gamma=0.05).fit(X, score)
        formula = machine_formula(model, model.support_vectors_, model.dual_coef_.T, model.intercept_, 0.05)
        assert_follows(model, formula, method)
    assert_follows(model, formula, "score_samples")


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernel_ridge_of_several_outputs(kernel):
    X, _, score = cases.data()
    model = KernelRidge(kernel=kernel, alpha=5.0, gamma=0.01, degree=2).fit(X, np.column_stack([score, score**2]))
    assert_follows(model, machine_formula(model, X, model.dual_coef_, 0.0, 0.01), "predict")


@pytest.mark.parametrize("kernel", KERNELS)
def test_machines_fitted_on_sparse_data(kernel):
    X, y = sparse.csr_matrix(np.maximum(cases.data()[0], 0.0)), cases.three_classes()
    model = SVC(kernel=kernel, gamma=0.3, decision_function_shape="ovo").fit(X, y)
    dense = SVC(kernel=kernel, gamma=0.3, decision_function_shape="ovo").fit(X.toarray(), y)
    ours, theirs = (
        IntegratedGradients(one, X[9].toarray(), response_method="decision_function", engine="exact")
        .explain(rows)
        .values
        for one, rows in ((model, X[:4]), (dense, X[:4].toarray()))
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)  # both are fitted to a tolerance
    # A model without support vectors of one class in sparse form, and one output.
    single = SVR(kernel=kernel, gamma=0.3).fit(X, cases.data()[2])
    formula = machine_formula(
        single, single.support_vectors_, dense_of(single.dual_coef_).T, dense_of(single.intercept_), 0.3
    )
    assert_follows(single, formula, "predict")


def test_single_precision_input_and_rows_that_equal_the_baseline():
    X, y, _ = cases.data()
    model = SVC().fit(X, y)
    single = X[:4].astype(np.float32)
    explainer = IntegratedGradients(model, single[0], response_method="decision_function", engine="exact")
    values = explainer.explain(single).values
    again = IntegratedGradients(
        model, single[0].astype(float), response_method="decision_function", engine="exact"
    ).explain(single.astype(float))
    np.testing.assert_array_equal(values, again.values)
    assert (values[0] == 0.0).all()
    assert (values[1:] != 0.0).all()


def test_bits_do_not_depend_on_company():
    X, y, _ = cases.data()
    for kernel in KERNELS[:3]:
        model = SVC(kernel=kernel).fit(X, y)
        explainer = IntegratedGradients(model, X[200:203], response_method="decision_function")
        wanted = explainer.explain(X[:30]).values
        np.testing.assert_array_equal(explainer.explain(X[7:8]).values[0], wanted[7])
        for more in ({"batch_size": 7}, {"n_jobs": 2, "batch_size": 11}):
            other = IntegratedGradients(model, X[200:203], response_method="decision_function", **more)
            np.testing.assert_array_equal(other.explain(X[:30]).values, wanted)


def test_precomputed_kernels_have_no_features():
    X, y, _ = cases.data()
    similar = X @ X.T
    for model in (
        SVC(kernel="precomputed").fit(similar, y),
        KernelRidge(kernel="precomputed").fit(similar, y),
        KNeighborsClassifier(metric="precomputed").fit(np.abs(similar), y),
    ):
        for engine in ("auto", "exact", "numeric"):
            with pytest.raises(InvalidParameterError, match=r"'model' parameter of .* not on a precomputed kernel"):
                IntegratedGradients(model, similar[0], engine=engine).explain(similar[:2])
    model = SVC(kernel="precomputed").fit(similar, y)
    e = IntegratedGradients(lambda Z: model.decision_function(Z @ X.T), X[0]).explain(X[1:2])
    np.testing.assert_allclose(e.values[0], (X[1] - X[0]) * (model.dual_coef_ @ X[model.support_])[0], atol=1e-6)


@pytest.mark.parametrize("make", [LabelPropagation, LabelSpreading])
def test_shares_of_labels_among_near_points(make):
    """Sharp kernels, in the middle between points as well, where every weight underflows."""
    X, y = cases.data()[0][:60], cases.three_classes()[:60]
    for gamma, move in ((0.3, 0.0), (20.0, 0.0), (20.0, 4.0)):
        model = make(gamma=gamma).fit(X, np.unique(y, return_inverse=True)[1])

        def formula(Z, model=model, gamma=gamma):
            squares = ((Z[:, None, :] - X[None, :, :]) ** 2).sum(axis=2)
            weights = np.exp(-gamma * (squares - squares.real.min(axis=1, keepdims=True)))
            sums = weights @ model.label_distributions_
            return sums / sums.sum(axis=1, keepdims=True)

        b, x = X[1] + 0.1 * move, X[2] + 0.1 * move
        e = IntegratedGradients(model, b, engine="exact").explain(x[None])
        wanted = path_integral(formula, b, x, panels=200)
        assert (e.engine, e.exact) == ("smooth", True)
        assert np.abs(e.values[0] - wanted).max() <= 1e-11
        assert np.abs(wanted).max() > 0.01
        assert np.abs(e.convergence_delta).max() <= 1e-12
    assert "takes steps" in inspect_model(make(kernel="knn").fit(X, model.transduction_), X=X).why
    assert "step function" in inspect_model(model, X=X, response_method="predict").why


def own_kernel(A, B):
    return A @ B.T


REFUSED = [
    (SVC(kernel=own_kernel), "decision_function", "a function of the user's own, whose gradient is not known"),
    (SVC(), "predict", "predict of SVC is a step function of its margins"),
    (OneClassSVM(), "predict", "predict of OneClassSVM is a step function of its score"),
    (KernelRidge(kernel="laplacian"), "predict", "the kernel 'laplacian' of KernelRidge is none of"),
    (KernelRidge(kernel="poly", degree=2.5, coef0=100.0), "predict", "a polynomial kernel of degree 2.5 is no"),
]


@pytest.mark.parametrize(("model", "method", "why"), REFUSED, ids=lambda one: one if isinstance(one, str) else "")
def test_machines_without_an_exact_engine_say_why(model, method, why):
    X, y, _ = cases.data()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Singular matrix", UserWarning)
        model.fit(X, y)
    with pytest.raises(EngineUnavailableError, match=why):
        IntegratedGradients(model, X[0], response_method=method, engine="exact").explain(X[:1])


def test_what_a_kernel_does_is_inspected():
    X, y, _ = cases.data()
    report = inspect_model(SVC().fit(X, y), X=X, response_method="decision_function")
    assert (report.engine, report.exact) == ("smooth", True)
    assert report.agreement <= 1e-13
    piped = make_pipeline(StandardScaler(), SVC()).fit(X, y)
    assert inspect_model(piped, X=X, response_method="decision_function").why
