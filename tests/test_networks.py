"""The engine of multi-layer perceptrons against nets followed in fractions, and against dense quadrature."""

import itertools
import types

import cases
import naive_networks as naive
import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines import network as networks
from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.network import network
from agnostic_ig.engines.network_pieces import LinearPieces
from agnostic_ig.engines.readers.sklearn_network import ACTIVATIONS, OUTPUTS, read
from agnostic_ig.exceptions import EngineUnavailableError

SIZES = [(4, 6, 2), (4, 5, 6, 2), (4, 5, 3, 4, 3)]
ROUNDING = 2e-13  # of a few hundred terms, some of which cancel


def random_net(rng, sizes, draw=None):
    draw = draw or (lambda shape: rng.normal(size=shape))
    return [(draw((n, m)), draw(m)) for n, m in itertools.pairwise(sizes)]


def function_of(net, activation, output):
    return network([Affine(*layer) for layer in net], ACTIVATIONS[activation], OUTPUTS[output](net[-1][1].size))


def ours(net, activation, output, b, x):
    """Attributions (n, n_features, n_outputs) of the engine, which are complete and have no error to tell."""
    f = function_of(net, activation, output)
    means, error = f.mean_gradients(b, x)
    values = means * (x - b)[:, :, None]
    assert error is None
    move = f.values(x) - f.values(b)
    size = np.abs(values).sum(axis=1) + np.abs(f.values(x)) + np.abs(f.values(b))
    assert (np.abs(values.sum(axis=1) - move) <= 1e-13 * size).all()
    return values


def assert_agrees(values, wanted, tolerance=ROUNDING):
    scale = np.abs(wanted).sum(axis=0, keepdims=True)
    assert (np.abs(values - wanted) <= tolerance * scale + 1e-15).all(), (values, wanted)


def truth(net, activation, output, b, x):
    if activation == "relu":
        return naive.relu_values(net, b, x, output)
    return naive.smooth_values(net, activation, output, b, x)


@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("output", naive.OUTPUTS)
def test_nets_agree_with_the_oracle(activation, sizes, output):
    rng = np.random.default_rng(len(sizes))
    net = random_net(rng, sizes, lambda shape: rng.normal(size=shape) * 0.7)
    b, x = rng.normal(size=(2, 2, 4))
    for pair, values in enumerate(ours(net, activation, output, b, x)):
        assert_agrees(values, truth(net, activation, output, b[pair], x[pair]))


@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
@pytest.mark.parametrize("output", naive.OUTPUTS)
def test_values_and_gradients_at_single_points(activation, output):
    rng = np.random.default_rng(1)
    net, rows = random_net(rng, SIZES[1], lambda shape: rng.normal(size=shape) * 0.7), rng.normal(size=(5, 4))
    f = function_of(net, activation, output)
    for row, value, slope in zip(rows, f.values(rows), f.gradients(rows), strict=True):
        np.testing.assert_allclose(value, naive.predict(net, activation, output, row), rtol=1e-13)
        np.testing.assert_allclose(slope, naive.gradient(net, activation, output, row), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("output", ["identity", "logistic"])
def test_whole_numbers_meet_at_kinks(seed, output):
    """Units that turn together, at an end, never, or stay at zero: all of it happens with small whole numbers."""
    rng = np.random.default_rng(seed)
    sizes = SIZES[seed % 2] if output == "identity" else SIZES[0]
    net = random_net(rng, sizes, lambda shape: rng.integers(-1, 2, size=shape).astype(float))
    b, x = rng.integers(-1, 2, size=(2, 1, 4)).astype(float)
    assert_agrees(ours(net, "relu", output, b, x)[0], naive.relu_values(net, b[0], x[0], output))


def test_a_unit_that_stays_at_zero_has_half_its_slope():
    """max(0, x0 - x1) along x0 = x1, in one layer, behind a function, and in two: what small noise has on average."""
    difference, one = (np.array([[1.0], [-1.0]]), np.zeros(1)), (np.ones((1, 1)), np.zeros(1))
    b, x = np.zeros((1, 2)), np.ones((1, 2))
    assert ours([difference, one], "relu", "identity", b, x)[0, :, 0].tolist() == [0.5, -0.5]
    assert ours([difference, one], "relu", "logistic", b, x)[0, :, 0].tolist() == [0.125, -0.125]
    shifted = (np.ones((1, 1)), np.ones(1))
    assert ours([difference, shifted, one], "relu", "identity", b, x)[0, :, 0].tolist() == [0.5, -0.5]


@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(4, 6, 1), (4, 6, 5, 2)], ids=str)
def test_a_path_of_one_point_has_the_gradient_of_that_point(activation, sizes):
    rng = np.random.default_rng(5)
    net, rows = random_net(rng, sizes), rng.normal(size=(3, 4))
    f = function_of(net, activation, "logistic")
    np.testing.assert_allclose(f.mean_gradients(rows, rows)[0], f.gradients(rows), rtol=0, atol=1e-13)
    assert f.mean_gradients(rows[:0], rows[:0])[0].shape == (0, 4, sizes[-1])


@pytest.mark.parametrize("scale", [1e-8, 1e4, 1e12])
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_small_and_huge_weights(scale, output):
    rng = np.random.default_rng(2)
    net = random_net(rng, SIZES[1])
    net = [(matrix * scale, offsets * scale) for matrix, offsets in net[:1]] + net[1:]
    if output == "softmax":
        net[-1] = (net[-1][0] / scale, net[-1][1])
    b, x = rng.normal(size=(2, 1, 4))
    assert_agrees(ours(net, "relu", output, b, x)[0], naive.relu_values(net, b[0], x[0], output))


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
@pytest.mark.parametrize("sizes", SIZES[:2], ids=str)
@pytest.mark.parametrize("output", ["identity", "softmax"])
def test_units_as_steep_as_steps_are_integrated_to_rounding(activation, sizes, output):
    """Margins of some hundreds, which saturate: the oracle's parts are shorter than every rise."""
    rng = np.random.default_rng(7)
    net = random_net(rng, sizes)
    net[0] = (net[0][0] * 40, net[0][1] * 40)
    b, x = rng.normal(size=(2, 1, 4))
    fine = sum(
        naive.smooth_values(net, activation, output, b[0] + low / 20 * (x - b)[0], b[0] + (low + 1) / 20 * (x - b)[0])
        for low in range(20)
    )
    assert_agrees(ours(net, activation, output, b, x)[0], fine, 1e-11)


def test_places_are_those_of_the_pieces():
    rng = np.random.default_rng(3)
    net, (b, x) = random_net(rng, SIZES[2]), rng.normal(size=(2, 3, 4))
    f = function_of(net, "relu", "softmax")
    path, alpha = f.breaks(b, x)
    for pair in range(3):
        pieces = naive.relu_pieces(net, b[pair], x[pair])
        wanted = [0.0, *(float(high) for _, high, *_ in pieces)]
        np.testing.assert_allclose(alpha[path == pair], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_batches_do_not_matter(sizes, activation, monkeypatch):
    rng = np.random.default_rng(4)
    net, (b, x) = random_net(rng, sizes), rng.normal(size=(2, 30, 4))
    f = function_of(net, activation, "softmax")
    whole, (path, alpha) = f.mean_gradients(b, x)[0], f.breaks(b, x) or (np.zeros(0), np.zeros(0))
    monkeypatch.setattr(networks, "MAX_VALUES", 100)
    np.testing.assert_allclose(f.mean_gradients(b, x)[0], whole, rtol=0, atol=1e-13)
    again = f.breaks(b, x) or (np.zeros(0), np.zeros(0))
    np.testing.assert_array_equal(again[0], path)
    np.testing.assert_allclose(again[1], alpha, rtol=0, atol=1e-13)


def test_pieces_of_no_path_and_no_turn():
    layer = Affine(np.ones((2, 1)), np.zeros(1))
    path, alpha = LinearPieces([layer], np.ones((1, 2)), np.full((1, 2), 3.0)).places()
    assert (path.tolist(), alpha.tolist()) == ([0, 0], [0.0, 1.0])
    assert LinearPieces([layer], np.ones((0, 2)), np.ones((0, 2))).places()[0].size == 0


# --- fitted models --------------------------------------------------------------------------------------------

X = cases.data()[0]
RELU = {
    "one layer": (MLPRegressor, (7,), "number", "identity"),
    "two layers": (MLPRegressor, (6, 5), "two numbers", "identity"),
    "counts": (MLPRegressor, (5, 4), "count", "exp"),
    "two classes": (MLPClassifier, (6,), "class", "logistic"),
    "two classes, deep": (MLPClassifier, (5, 4), "class", "logistic"),
    "three classes": (MLPClassifier, (5,), "three", "softmax"),
    "three classes, deep": (MLPClassifier, (5, 4), "three", "softmax"),
    "two flags": (MLPClassifier, (5,), "two flags", "logistic"),
}


def fitted(name, X=X):
    kind, sizes, label, _ = RELU[name]
    model = cases.net(kind, "relu", *sizes)
    return model.set_params(**({"loss": "poisson"} if name == "counts" else {})).fit(X, cases.LABELS[label]())


def net_of(model):
    return list(zip(model.coefs_, model.intercepts_, strict=True))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("name", RELU)
def test_fitted_nets_agree_with_the_oracle(name, single):
    """Also nets that were fitted on float32 and asked in it."""
    data = X.astype(np.float32) if single else X
    model, output = fitted(name, data), RELU[name][3]
    e = IntegratedGradients(model, data[5], engine="exact").explain(data[:3])
    assert (e.engine, e.exact) == ("smooth", True)
    values = e.values.reshape(3, X.shape[1], -1)
    for row in range(3):
        assert_agrees(values[row], naive.relu_values(net_of(model), data[5], data[row], output))
    size = np.abs(e.values).sum(axis=1) + np.abs(e.predictions)
    assert (np.abs(e.convergence_delta) <= (1e-6 if single else 1e-13) * size).all()


@pytest.mark.parametrize("name", ["one layer", "two classes, deep"])
def test_the_numeric_engine_sees_the_same(name):
    model = fitted(name)
    ask = {"engine": "exact"}, {"engine": "numeric", "max_evaluations": 4000}
    exact, numeric = (IntegratedGradients(model, X[5], **way).explain(X[:4]) for way in ask)
    gap, size = np.abs(exact.values - numeric.values), np.abs(exact.values).sum(axis=1, keepdims=True)
    assert (gap <= numeric.error_estimate + 1e-12 * size).all()
    assert (gap <= 1e-3 * size).all()


def test_discrete_columns_of_a_net_move_at_one_half():
    """Two smooth halves by the oracle, and between them one column: nothing to share."""
    model = fitted("two layers")
    e = IntegratedGradients(model, X[5], categorical_features=[3]).explain(X[:1])
    before, after = (X[5] + X[0]) / 2, (X[5] + X[0]) / 2
    before[3], after[3] = X[5, 3], X[0, 3]
    wanted = naive.relu_values(net_of(model), X[5], before) + naive.relu_values(net_of(model), after, X[0])
    wanted[3] = np.diff(model.predict(np.stack([before, after])), axis=0)[0]
    assert_agrees(e.values[0], wanted)


def test_labels_are_steps_and_have_no_exact_engine():
    with pytest.raises(EngineUnavailableError, match="predict of MLPClassifier is a step function of its margins"):
        IntegratedGradients(fitted("three classes"), X[0], response_method="predict", engine="exact").explain(X[:2])


@pytest.mark.parametrize("what", ["activation", "out_activation_"])
def test_functions_of_units_that_are_not_known_are_refused(what):
    model = fitted("one layer")
    setattr(model, what, "swish")
    with pytest.raises(Unsupported, match=f"the {what} 'swish' of MLPRegressor is not known"):
        read(model, types.SimpleNamespace(kind="regressor", name="predict"))


def test_a_net_without_hidden_layers_is_linear():
    model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", tol=1e9).fit(X, cases.data()[2])
    e = IntegratedGradients(model, X[5], engine="exact").explain(X[:3])
    np.testing.assert_allclose(e.values, (X[:3] - X[5]) * model.coefs_[0][:, 0], rtol=1e-13)
