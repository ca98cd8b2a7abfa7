"""Jumps across slanted surfaces by the numeric engine: nearest neighbours, hard labels, trees behind a rotation, ties.

The oracles go along the path from event to event: J d_j n_j / sum_k d_k n_k at each, n the normal of the surface there.
"""

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning

TOL = 1e-6  # the default of the engine, relative to the summed absolute values
ROUNDING = 1e-12


def numeric(model, baseline, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)  # the errors that it speaks of are judged by the tests
        return IntegratedGradients(model, baseline, engine="numeric", **options).explain(X)


def judge(e, wanted):
    """(n, p): values within their error; (n,): rows that claim tol; (n,): rows that are within tol."""
    size = np.abs(wanted).sum(axis=1)
    distance = np.abs(e.values - wanted)
    covered = distance <= e.error_estimate + ROUNDING * size[:, None]
    claims = e.error_estimate.sum(axis=1) <= TOL * np.abs(e.values).sum(axis=1)
    return covered, claims, distance.sum(axis=1) <= TOL * size


def shares_of(d, normal):
    return d * normal / (d @ normal)


def neighbours_along(X, y, k, b, x):
    """Integrated Gradients of the mean label of the k nearest rows of X, from one change of places to the next.

    Squared distances are ``|z - c|^2 = |b - c|^2 + 2 a (b - c).d + a^2 |d|^2``, and the last is the same for all: lines
    in a, so any two rows change places once at most, in a plane whose normal is the way between them.
    """
    d, away = x - b, b - X
    start, slope = (away**2).sum(axis=1), 2 * away @ d
    one, other = np.triu_indices(len(X), 1)
    with np.errstate(divide="ignore"):
        alpha = (start[one] - start[other]) / (slope[other] - slope[one])
    near = set(np.argsort(start)[:k])
    values = np.zeros(len(x))
    for event in np.argsort(alpha):
        pair = {one[event], other[event]}
        if 0 < alpha[event] < 1 and len(pair & near) == 1:
            (leaves,), (enters,) = pair & near, pair - near
            near = near ^ pair
            values += (y[enters] - y[leaves]) / k * shares_of(d, X[enters] - X[leaves])
    return values


def neighbour_data(n_features, n=120):
    rng = np.random.default_rng(n_features)
    X = rng.normal(size=(n + 40, n_features))
    return X[:n], (X[:n, 0] * X[:n, 1] + X[:n, 2] > 0).astype(int), X[n:]


@pytest.mark.parametrize(
    ("n_features", "k", "claimed"), [(6, 3, 0.6), (8, 1, 0.8), (15, 1, 0.8), (15, 3, 0.5), (30, 3, 0.5)]
)
def test_nearest_neighbours(n_features, k, claimed):
    """`claimed`: at least this share of rows is claimed to be within tol; the others say that they are not."""
    X, y, rows = neighbour_data(n_features)
    rows = rows[20:30]
    model = KNeighborsClassifier(k, algorithm="brute").fit(X, y)
    b = X.mean(axis=0)
    wanted = np.array([neighbours_along(X, y, k, b, x) for x in rows])
    change = model.predict_proba(rows)[:, 1] - model.predict_proba([b])[0, 1]
    np.testing.assert_allclose(wanted.sum(axis=1), change, atol=1e-12)  # the oracle has seen every change
    e = numeric(lambda Z: model.predict_proba(Z)[:, 1], b, rows)
    covered, claims, right = judge(e, wanted)
    assert covered.mean() >= 0.98
    assert right[claims].all()
    assert claims.mean() >= claimed
    assert (np.abs(wanted[right]).sum(axis=1) > 1.5 * np.abs(change[right])).any()  # with negative shares


@pytest.mark.parametrize("n_features", [2, 3, 10])
def test_hard_labels_of_a_linear_model(n_features):
    """One plane: d_j w_j / sum d w of the change."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, n_features))
    model = LogisticRegression().fit(X, X @ rng.normal(size=n_features) + 0.3 * rng.normal(size=300) > 0)
    rows = X[1:][model.predict(X[1:]) != model.predict(X[:1])][:10]
    wanted = np.array([shares_of(x - X[0], model.coef_[0]) for x in rows])
    wanted *= 1.0 * model.predict(rows)[:, None] - model.predict(X[:1])
    e = numeric(lambda Z: 1.0 * model.predict(Z), X[0], rows)
    covered, claims, right = judge(e, wanted)
    assert covered.mean() >= 0.98
    assert right[claims].all()
    assert claims.mean() >= 0.8


def test_hard_labels_in_single_precision():
    """An answer in float32 says nothing about the place of a jump, but its share is known less finely."""
    w = np.array([1.0, -2.0, 0.5, 3.0])
    e = numeric(lambda Z: (Z @ w > 1.1).astype(np.float32), np.zeros(4), np.ones((1, 4)))
    np.testing.assert_allclose(e.values, [w / w.sum()], atol=2e-6)
    assert np.all(np.abs(e.values - w / w.sum()) <= e.error_estimate)


def test_a_decision_tree_behind_a_rotation():
    """Its thresholds are planes: components of the rotation are their normals."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 5))
    rotation = PCA().fit(X)
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(
        rotation.transform(X), X[:, 0] * X[:, 1] + X[:, 2] > 0
    )
    rows, b = X[:12], X.mean(axis=0)

    def f(Z):
        return tree.predict_proba(rotation.transform(Z))[:, 1]

    wanted = np.array([_planes_along(f, tree.tree_, rotation, b, x) for x in rows])
    np.testing.assert_allclose(wanted.sum(axis=1), f(rows) - f(b[None]), atol=1e-12)
    e = numeric(f, b, rows)
    covered, claims, right = judge(e, wanted)
    assert covered.mean() >= 0.98
    assert right[claims].all()
    assert claims.mean() >= 0.8


def _planes_along(f, nodes, rotation, b, x):
    """What f does from just before to just behind the place where the path crosses each node's threshold.

    Just: 1e-5, by far more than the tree's rounding to float32.
    """
    inner = np.flatnonzero(nodes.children_left >= 0)
    start, end = rotation.transform([b, x])
    values = np.zeros(len(x))
    for node in inner:
        j, d = nodes.feature[node], x - b
        alpha = (nodes.threshold[node] - start[j]) / (end[j] - start[j])
        if 0 < alpha < 1:
            before, behind = f(np.array([b + (alpha - 1e-5) * d, b + (alpha + 1e-5) * d]))
            values += (behind - before) * shares_of(d, rotation.components_[j])
    return values


TIES = {
    "both of two": (lambda Z: 1.0 * ((Z[:, 0] > 0.3) & (Z[:, 1] > 0.3)), [1 / 2, 1 / 2, 0, 0]),
    "three": (lambda Z: 1.0 * (Z[:, :3] > 0.3).all(axis=1), [1 / 3, 1 / 3, 1 / 3, 0]),
    "one and a product": (lambda Z: (Z[:, 0] > 0.3) * (1.0 + 2.0 * (Z[:, 1] > 0.3)), [2, 1, 0, 0]),
    "a negative one": (lambda Z: (Z[:, 0] > 0.3) * (3.0 - 2.0 * (Z[:, 1] > 0.3)), [2, -1, 0, 0]),
}


@pytest.mark.parametrize("name", TIES)
def test_an_axis_parallel_tie_is_not_taken_for_a_slanted_one(name):
    """The Shapley value to rounding; shares of a surface are known to 1e-7 only."""
    function, wanted = TIES[name]
    e = IntegratedGradients(function, np.zeros(4), engine="numeric").explain(np.ones((1, 4)))
    np.testing.assert_allclose(e.values, [wanted], atol=ROUNDING)
    np.testing.assert_array_equal(e.error_estimate, 0.0)


def test_a_slanted_plane_is_not_taken_for_a_tie():
    """Equal shares too: two players, of which each alone crosses twice as late."""
    e = numeric(lambda Z: 1.0 * (Z[:, 0] + Z[:, 1] > 0.7), np.zeros(3), np.ones((1, 3)))
    np.testing.assert_allclose(e.values, [[0.5, 0.5, 0.0]], atol=1e-7)
    assert 0 < e.error_estimate.sum() <= TOL
    e = numeric(lambda Z: 1.0 * (Z @ [3.0, -1.0, 0.0] > 0.7), np.zeros(3), np.ones((1, 3)))
    np.testing.assert_allclose(e.values, [[1.5, -0.5, 0.0]], atol=3e-7)


PLACE = (0.2 + (0.04 + 8 * 0.57) ** 0.5) / 4
SURFACES = {
    "a sphere": (lambda Z: 1.0 * ((Z**2).sum(axis=1) > 0.7), [0.5, 0.5]),
    "a sphere elsewhere": (
        lambda Z: 1.0 * (((Z - [0.3, -0.2]) ** 2).sum(axis=1) > 0.7),
        # on the diagonal where 2 a² - 0.2 a + 0.13 = 0.7; normals are (a - 0.3, a + 0.2)
        [0.5 - 0.25 / (2 * PLACE - 0.1), 0.5 + 0.25 / (2 * PLACE - 0.1)],
    ),
    "two heights": (lambda Z: 3.0 * (Z @ [1.0, 2.0] > 1.0) - 4.0 * (Z @ [2.0, 1.0] > 2.0), [1 - 8 / 3, 2 - 4 / 3]),
    "a plane and a threshold": (lambda Z: 3.0 * (Z @ [1.0, 2.0] > 1.0) + (Z[:, 1] > 0.8), [1, 3]),
}


@pytest.mark.parametrize("name", SURFACES)
def test_curved_and_several_surfaces(name):
    function, wanted = SURFACES[name]
    e = numeric(function, np.zeros(2), np.ones((1, 2)))
    np.testing.assert_allclose(e.values, [wanted], atol=1e-6)
    assert np.abs(e.values - [wanted]).sum() <= e.error_estimate.sum() + ROUNDING


CORNERS = {
    "inside both": lambda Z: 1.0 * ((Z @ [1.0, 2.0] > 1.5) & (Z @ [2.0, 1.0] > 1.5)),
    "outside either": lambda Z: 1.0 * ((Z @ [1.0, 2.0] > 1.5) | (Z @ [2.0, 1.0] > 1.5)),
    "a threshold's end": lambda Z: 1.0 * ((Z[:, 0] > 0.5) & (Z.sum(axis=1) > 1.0)),
}


@pytest.mark.parametrize("name", CORNERS)
def test_shares_that_do_not_add_up_are_said(name):
    """The path goes through the corner of two surfaces: there is no normal, and nobody knows whose the jump is."""
    with pytest.warns(BudgetWarning, match="1 of 1 rows did not reach tol"):
        e = IntegratedGradients(CORNERS[name], np.zeros(2), engine="numeric").explain(np.ones((1, 2)))
    assert (e.error_estimate >= 0.5).all()
    assert e.values.sum() == pytest.approx(1.0, abs=1e-9)


def test_a_pair_alone_and_among_others_has_the_same_shares():
    X, y, rows = neighbour_data(5)
    model = KNeighborsClassifier(3, algorithm="brute").fit(X, y)
    e = numeric(lambda Z: model.predict_proba(Z)[:, 1], X.mean(axis=0), rows[:8])
    one = numeric(lambda Z: model.predict_proba(Z)[:, 1], X.mean(axis=0), rows[5:6])
    np.testing.assert_array_equal(one.values[0], e.values[5])
    np.testing.assert_array_equal(one.error_estimate[0], e.error_estimate[5])
    assert one.n_evaluations[0] == e.n_evaluations[5]


def planes_beside_a_slope(d, n_planes, seed, height):
    """sin(w z) and steps across planes that the path crosses: the function, both ends, and its attributions."""
    rng = np.random.default_rng(seed)
    w, normals = rng.normal(size=d) / np.sqrt(d), rng.normal(size=(n_planes, d))
    b = rng.normal(size=d)
    x = b + rng.normal(size=d)
    levels = ((b + rng.uniform(0.1, 0.9, n_planes)[:, None] * (x - b)) * normals).sum(axis=1)
    heights = height * rng.uniform(0.5, 1.5, n_planes)
    ways = normals @ (x - b)
    smooth = (x - b) * w * (np.sin(w @ x) - np.sin(w @ b)) / (w @ (x - b))
    steps = ((np.sign(ways) * heights / ways)[:, None] * normals * (x - b)).sum(axis=0)

    def f(Z):
        return np.sin(Z @ w) + ((levels < Z @ normals.T) * heights).sum(axis=1)

    return f, b, x, smooth + steps


@pytest.mark.parametrize("height", [1.0, 0.05, 1e-3])
@pytest.mark.parametrize(("d", "n_planes"), [(4, 1), (10, 1), (10, 3)])
def test_slanted_jumps_beside_a_slope(d, n_planes, height):
    """Shared by the normal, not by who seems to make the jump alone; or said, with an error that holds."""
    right = 0
    for seed in range(5):
        f, b, x, wanted = planes_beside_a_slope(d, n_planes, seed, height)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BudgetWarning)
            e = IntegratedGradients(f, b).explain(x[None])
        off, size = np.abs(e.values[0] - wanted), np.abs(wanted).sum()
        assert (off <= e.error_estimate[0] + 1e-6 * size).all()
        right += off.sum() <= 1e-5 * size
    assert right >= 3
