"""Votes and early stops of support vector machines: steps across curved surfaces, all roots, touches that are said."""

import warnings

import cases
import numpy as np
import pytest
from kernel_oracles import machine_kernel, path_integral
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC, NuSVC

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.level_steps import LevelSteps, Surfaces
from agnostic_ig.engines.libsvm_outputs import CoupledPair, Votes, pair_surfaces
from agnostic_ig.engines.path_roots import find_roots
from agnostic_ig.engines.smooth_function import SmoothFunction

N = 60  # training rows


class Height(SmoothFunction):
    """x0**2 + x1 - 1, whose surface is a parabola."""

    n_outputs = 1

    def values(self, rows):
        return rows[:, :1] ** 2 + rows[:, 1:] - 1.0

    def gradients(self, rows):
        return np.stack([2.0 * rows[:, 0], np.ones(len(rows))], axis=1)[:, :, None]


class Step(SmoothFunction):
    """1 from 0 on, and the number itself besides."""

    n_outputs = 1

    def values(self, rows):
        return (rows >= 0.0) + rows

    def gradients(self, rows):
        return np.ones((len(rows), 1, 1))


STEP = LevelSteps(Step(), Height(), Surfaces(np.eye(1), np.zeros(1), np.ones((1, 1))))


def attributed(b, x):
    b, x = np.array([b]), np.array([x])
    means, error = STEP.mean_gradients(b, x)
    return (x - b)[0] * means[0, :, 0], 0.0 if error is None else ((x - b)[0] * error[0, :, 0])


def test_steps_are_shared_by_the_normal():
    """From (-2, 0) to (2, 1): 16 a^2 - 15 a + 3 = 0, crossed twice, down and up."""
    values, error = attributed([-2.0, 0.0], [2.0, 1.0])
    roots = (15.0 + np.array([-1.0, 1.0]) * np.sqrt(225.0 - 192.0)) / 32.0
    slopes = np.array([4.0 * 2.0 * (-2.0 + 4.0 * roots), np.ones(2)])
    wanted = (slopes / slopes.sum(axis=0)) @ [-1.0, 1.0] + np.array([0.0, 1.0])
    np.testing.assert_allclose(values, wanted, rtol=1e-13)
    np.testing.assert_allclose(error, 0.0)


@pytest.mark.parametrize(
    ("b", "x", "steps"),
    [
        ([1.0, 0.0], [2.0, 0.0], 0.0),  # starts on the surface, which is above it
        ([0.0, 0.0], [1.0, 0.0], 1.0),  # ends on it
        ([1.0, 0.0], [0.0, 0.0], -1.0),
        ([0.5, 0.2], [0.6, 0.1], 0.0),
        ([1.0, 0.0], [1.0, 0.0], 0.0),
    ],
)
def test_ends_on_the_surface_count_by_the_predicate(b, x, steps):
    values, _ = attributed(b, x)
    change = (Height().values(np.array([x])) - Height().values(np.array([b])))[0, 0]
    np.testing.assert_allclose(values.sum(), change + steps, rtol=0, atol=1e-14)


def test_touches_are_said_and_not_credited():
    """From (0, 1.25) to (1, 0.25) the height is (a - 1/2)**2; just above and below, it has no root, and two."""
    values, error = attributed([0.0, 1.25], [1.0, 0.25])
    np.testing.assert_allclose(values, [1.0, -1.0], atol=1e-12)
    assert np.abs(error).min() > 1e5
    values, error = attributed([0.0, 1.25 + 1e-6], [1.0, 0.25 + 1e-6])
    np.testing.assert_allclose(values, [1.0, -1.0], atol=1e-12)
    np.testing.assert_allclose(error, 0.0)
    values, error = attributed([0.0, 1.25 - 1e-6], [1.0, 0.25 - 1e-6])
    # At 1/2 -+ 1e-3 the slopes are -+2e-3 and the normals (1 -+ 2e-3, 1): down, then up.
    wanted = -(1.0 - 2e-3) / -2e-3 + (1.0 + 2e-3) / 2e-3
    np.testing.assert_allclose(values, [1.0 + wanted, -1.0 - wanted], rtol=1e-7)
    assert (np.abs(values - [1.0 + wanted, -1.0 - wanted]) <= np.abs(error) + 1e-9).all()


def test_all_roots_are_found():
    """Of waves with up to 60 roots on a path, and of two roots 1e-5 apart."""

    def waves(path, alpha):
        return np.stack([np.cos((20.0 + 50.0 * path) * np.pi * alpha), (alpha - 0.3) * (alpha - 0.30001)], axis=1)

    found = find_roots(waves, 2)
    for path, n in ((0, 20), (1, 70)):
        own = found.alpha[(found.path == path) & (found.function == 0)]
        truth = (np.arange(n) + 0.5) / n
        nearest = np.abs(own[:, None] - truth).min(axis=0)
        assert nearest.max() < 1e-13
        twins = found.alpha[(found.path == path) & (found.function == 1)]
        assert np.abs(twins[:, None] - [0.3, 0.30001]).min(axis=0).max() < 1e-9


def three_classes_machine(**options):
    X, y = cases.data()[0][:N], cases.three_classes()[:N]
    return SVC(gamma=0.2, C=3.0, **options).fit(X, y)


def pair_margins(model, Z):
    """One column a pair, by public attributes and loops."""
    ends, dual = np.cumsum(model.n_support_), model.dual_coef_
    of_class = np.searchsorted(ends, np.arange(len(model.support_)), side="right")
    K = machine_kernel(model.kernel, Z, model.support_vectors_, 0.2, 0.0, 3)
    columns, k = [], 0
    for i in range(3):
        for j in range(i + 1, 3):
            coef = np.where(of_class == i, dual[j - 1], np.where(of_class == j, dual[i], 0.0))
            columns.append(K @ coef + model.intercept_[k])
            k += 1
    return columns


def softened_votes(model, Z, width):
    """decision_function with steps of this width in the margins."""
    first, second, third = pair_margins(model, Z)
    a, b, c = (1.0 / (1.0 + np.exp(-np.clip(m.real, -500 * width, 500 * width) / width - 1j * m.imag / width))
               for m in (first, second, third))  # fmt: skip
    votes = [a + b, 1 - a + c, 2 - b - c]
    outputs = []
    for vote, confidence in zip(votes, (first + second, third - first, -second - third), strict=True):
        size = np.where(confidence.real >= 0.0, confidence, -confidence)
        outputs.append(vote + confidence / (3 * (size + 1)))
    return np.stack(outputs, axis=1)


def test_votes_are_the_limit_of_softened_votes():
    model = three_classes_machine()
    X = cases.data()[0]
    np.testing.assert_allclose(softened_votes(model, X + 0j, 1e-9).real, model.decision_function(X), atol=1e-12)
    e = IntegratedGradients(model, X[1], response_method="decision_function", engine="exact").explain(X[70:76])
    assert (e.engine, e.exact) == ("smooth", True)
    assert np.abs(e.convergence_delta).max() < 1e-13
    worst = []
    for width in (4e-3, 2e-3):
        soft = [
            path_integral(lambda Z, width=width: softened_votes(model, Z, width), X[1], x, panels=600, nodes=12)
            for x in X[70:76]
        ]
        worst.append(np.abs(e.values - soft).max())
    # The difference vanishes like the square of the width.
    assert worst[1] < 1e-3
    assert worst[1] < 0.3 * worst[0]


@pytest.mark.parametrize("make", [SVC, NuSVC])
@pytest.mark.parametrize("kernel", ["rbf", "poly", "sigmoid", "linear"])
def test_votes_of_every_kernel_add_up(make, kernel):
    X, y = cases.data()[0], cases.three_classes()
    model = make(kernel=kernel, gamma=0.05).fit(X[:N], y[:N])
    e = IntegratedGradients(model, X[:2], response_method="decision_function", engine="exact").explain(X[70:90])
    assert np.abs(e.convergence_delta).max() <= 1e-11 + e.error_estimate.sum(axis=1).max()
    assert inspect_model(model, X=X, response_method="decision_function").agreement <= 1e-10
    assert (np.abs(e.values).sum(axis=1) > 0).all()


def two_class_machine(y=None):
    X = cases.data()[0][:N]
    y = cases.data()[1][:N] if y is None else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # probability=True goes in scikit-learn 1.11
        return SVC(gamma=0.2, probability=True, random_state=0).fit(X, y)


def coupled(r):
    """Algorithm 2 of Wu, Lin & Weng for two classes as libsvm runs it, for one number."""
    r = min(max(r, 1e-7), 1.0 - 1e-7)
    pairs = [[0.0, r], [1.0 - r, 0.0]]
    Q = [[pairs[1 - t][t] ** 2 if t == j else -pairs[j][t] * pairs[t][j] for j in (0, 1)] for t in (0, 1)]
    p = [0.5, 0.5]
    for _ in range(100):
        Qp = [sum(Q[t][j] * p[j] for j in (0, 1)) for t in (0, 1)]
        pQp = sum(p[t] * Qp[t] for t in (0, 1))
        if max(abs(q - pQp) for q in Qp) < 0.0025:
            break
        for t in (0, 1):
            diff = (-Qp[t] + pQp) / Q[t][t]
            p[t] += diff
            pQp = (pQp + diff * (diff * Q[t][t] + 2 * Qp[t])) / (1 + diff) / (1 + diff)
            for j in (0, 1):
                Qp[j] = (Qp[j] + diff * Q[t][j]) / (1 + diff)
                p[j] /= 1 + diff
    return p[1]


def test_probabilities_of_two_classes_follow_libsvm_and_its_early_stops():
    model, X = two_class_machine(), cases.data()[0]
    sigmoid = 1.0 / (1.0 + np.exp(model._probB[0] - model._probA[0] * model.decision_function(X)))
    answers = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose([coupled(r) for r in sigmoid], answers, rtol=1e-12)
    assert np.abs(1.0 - sigmoid - answers).max() > 1e-4  # the iteration is not the sigmoid
    e = IntegratedGradients(model, X[1], engine="exact").explain(X[70:76])
    assert (e.engine, e.exact) == ("smooth", True)
    assert np.abs(e.convergence_delta).max() < 1e-13
    worst = [np.abs(e.values - softened_probabilities(model, X[1], X[70:76], width)).max() for width in (0.01, 0.005)]
    assert worst[1] < 4e-5
    assert worst[1] < 0.35 * worst[0]


def softened_probabilities(model, b, X, width):
    """Attributions of the probability averaged over normal margins of this width, by 6,000 places on every path."""
    grid = np.arange(-4.0, 4.0, width / 40)
    table = np.array([coupled(1.0 / (1.0 + np.exp(model._probB[0] - model._probA[0] * m))) for m in grid])
    u = np.arange(-240, 241) / 40
    bell = -u * np.exp(-u * u / 2) / np.sqrt(2 * np.pi) / 40 / width
    slope = np.convolve(table, bell, mode="same")
    values = []
    for x in X:
        alpha = (np.arange(6000) + 0.5) / 6000
        Z = b + alpha[:, None] * (x - b)
        apart = Z[:, None, :] - model.support_vectors_
        K = np.exp(-0.2 * (apart**2).sum(axis=2)) * model.dual_coef_[0]
        margin = K.sum(axis=1) + model.intercept_[0]
        gradient = -0.4 * (K[:, :, None] * apart).sum(axis=1)
        values.append((x - b) * (np.interp(margin, grid, slope)[:, None] * gradient).mean(axis=0))
    return np.array(values)


def test_clipped_probabilities_are_flat():
    pair = CoupledPair(-5.0, 0.1)
    surfaces = pair_surfaces(pair)
    steps = LevelSteps(pair, Affine(np.ones((1, 1)), 0.0), surfaces)
    b, x = np.array([[-9.0], [5.0], [-9.0]]), np.array([[9.0], [6.0], [0.3]])
    means, error = steps.mean_gradients(b, x)
    np.testing.assert_allclose((x - b)[:, :, None] * means, (pair.values(x) - pair.values(b))[:, None, :], atol=1e-14)
    assert error is None
    assert (means[1] == 0.0).all()
    assert len(surfaces.levels) > 4
    assert pair_surfaces(CoupledPair(0.0, 0.1)).levels.size == 0


def test_more_than_two_classes_have_no_exact_probabilities():
    X = cases.data()[0]
    model = two_class_machine(cases.three_classes()[:N])
    report = inspect_model(model, X=X[:3], response_method="predict_proba")
    assert (report.engine, report.exact) == ("numeric", False)
    assert "more than two classes" in report.why


def test_models_made_of_votes_are_not_taken_for_smooth():
    X, y = cases.data()[0], cases.three_classes()
    model = CalibratedClassifierCV(SVC(gamma=0.2), cv=2, ensemble=False).fit(X[:N], y[:N])
    assert inspect_model(model, X=X[:3]).engine == "numeric"


def test_gradients_of_votes_beside_their_steps():
    rng = np.random.default_rng(0)
    votes, rows, step = Votes(4), rng.normal(size=(5, 6)), 1e-7
    slopes = [(votes.values(rows + step * u) - votes.values(rows - step * u)) / (2 * step) for u in np.eye(6)]
    np.testing.assert_allclose(votes.gradients(rows), np.stack(slopes, axis=1), atol=1e-7)
