"""Models whose Integrated Gradients are known without the numeric engine: what `benchmarks.numeric` asks about.

Smooth models: Gauss-Legendre of the analytic gradient. ReLU nets: the same between the kinks of the path. Neighbours:
the places where one training row overtakes another. Columns of 0 and 1: Shapley values over all corners. Forests: the
tree engine. Every oracle takes a baseline (d,) and rows (n, d).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from agnostic_ig import IntegratedGradients

Function = Callable[[np.ndarray], np.ndarray]  # (n, d) -> (n,), or (n, d) for a gradient
Oracle = Callable[[np.ndarray, np.ndarray], np.ndarray]  # baseline (d,), rows (n, d) -> values (n, d)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
PANELS = np.linspace(0.0, 1.0, 17)


def by_row(answer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Oracle:
    """Many rows from a function of one."""
    return lambda baseline, rows: np.array([answer(baseline, x) for x in rows])


def of_trees(model: object, response_method: str) -> Oracle:
    """The structural engine, which is tested against fractions and brute force elsewhere."""

    def values(baseline: np.ndarray, rows: np.ndarray) -> np.ndarray:
        explainer = IntegratedGradients(
            model, baseline, engine="exact", response_method=response_method, progress=False
        )
        return explainer.explain(rows).values

    return values


def of_gradient(gradient: Function, edges: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None) -> Oracle:
    """Quadrature of the gradient between edges (baseline, x) -> places on the path, PANELS where none are given."""

    def values(baseline: np.ndarray, x: np.ndarray) -> np.ndarray:
        places = PANELS if edges is None else edges(baseline, x)
        half = np.diff(places) / 2
        alpha = (places[:-1, None] + half[:, None] * (NODES + 1)).ravel()
        weights = (half[:, None] * WEIGHTS).ravel()
        return weights @ gradient(baseline + alpha[:, None] * (x - baseline)) * (x - baseline)

    return by_row(values)


def rbf_gradient(model: object) -> Function:
    """Gradient of the decision function of an SVC whose gamma is a number: sum_k c_k exp(-gamma |z - s_k|^2)."""
    points, weights = model.support_vectors_, model.dual_coef_[0]

    def gradient(Z: np.ndarray) -> np.ndarray:
        pull = np.exp(-model.gamma * cdist(Z, points, "sqeuclidean")) * weights
        return -2.0 * model.gamma * (Z * pull.sum(axis=1, keepdims=True) - pull @ points)

    return gradient


def sigmoid(margin: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-margin))


def sigmoid_gradient(margin: Function, gradient: Function) -> Function:
    """Gradient of sigmoid(margin)."""

    def chained(Z: np.ndarray) -> np.ndarray:
        p = sigmoid(margin(Z))
        return (p * (1.0 - p))[:, None] * gradient(Z)

    return chained


ACTIVATIONS = {
    "tanh": (np.tanh, lambda u: 1.0 - np.tanh(u) ** 2),
    "relu": (lambda u: np.maximum(u, 0.0), lambda u: (u > 0.0).astype(float)),
}


def net_gradient(model: object) -> Function:
    """Gradient of the probability of an MLPClassifier with one hidden layer and two classes."""
    activation, slope = ACTIVATIONS[model.activation]
    (W, v), (intercept, shift) = model.coefs_, model.intercepts_

    def margin(Z: np.ndarray) -> np.ndarray:
        return (activation(Z @ W + intercept) @ v + shift)[:, 0]

    return sigmoid_gradient(margin, lambda Z: (slope(Z @ W + intercept) * v[:, 0]) @ W.T)


def net_kinks(model: object) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Places on the path where a hidden unit passes zero, with both ends."""
    W, intercept = model.coefs_[0], model.intercepts_[0]

    def edges(baseline: np.ndarray, x: np.ndarray) -> np.ndarray:
        start, end = baseline @ W + intercept, x @ W + intercept
        crosses = start * end < 0.0
        return np.unique(np.concatenate([[0.0, 1.0], start[crosses] / (start - end)[crosses]]))

    return edges


def of_neighbours(points: np.ndarray, labels: np.ndarray, n_neighbors: int) -> Oracle:
    """Mean label of the nearest points: one point overtakes another on a plane, and the jump is shared by its normal.

    Along the path, squared distances are start + slope * alpha plus a term that all points have in common.
    """

    def values(baseline: np.ndarray, x: np.ndarray) -> np.ndarray:
        apart = baseline - points
        start, slope = (apart**2).sum(axis=1), 2.0 * apart @ (x - baseline)
        inside = np.zeros(len(points), dtype=bool)
        inside[np.argsort(start)[:n_neighbors]] = True
        total = np.zeros(len(x))
        while True:
            alpha, enters, leaves = next_swap(start, slope, inside)
            if alpha > 1.0:
                return total
            share = (x - baseline) * (points[enters] - points[leaves])
            total += (labels[enters] - labels[leaves]) / n_neighbors * share / share.sum()
            inside[[enters, leaves]] = True, False

    return by_row(values)


def next_swap(start: np.ndarray, slope: np.ndarray, inside: np.ndarray) -> tuple[float, int, int]:
    """Where a point outside first overtakes one inside: place, the one that enters, the one that leaves.

    Only a point that comes nearer faster can overtake, so that earlier swaps are not found again.
    """
    ins, outs = np.flatnonzero(inside), np.flatnonzero(~inside)
    faster = slope[ins] - slope[outs][:, None]
    places = np.full(faster.shape, np.inf)
    np.divide(start[outs][:, None] - start[ins], faster, out=places, where=faster > 0.0)
    first = np.unravel_index(places.argmin(), places.shape)
    return places[first], outs[first[0]], ins[first[1]]


def of_corners(function: Function) -> Oracle:
    """Shapley values of the features that differ: Integrated Gradients where all of them cross at one place."""

    def values(baseline: np.ndarray, x: np.ndarray) -> np.ndarray:
        moved = np.flatnonzero(x != baseline)
        subsets = np.arange(1 << len(moved))
        inside = (subsets[:, None] >> np.arange(len(moved)) & 1).astype(bool)
        corners = np.tile(baseline, (len(subsets), 1))
        corners[:, moved] = np.where(inside, x[moved], baseline[moved])
        answers, total = function(corners), np.zeros(len(x))
        weights = 1.0 / (len(moved) * np.array([comb(len(moved) - 1, k) for k in range(len(moved))]))
        for bit, feature in enumerate(moved):
            without = subsets[~inside[:, bit]]
            total[feature] = weights[inside[without].sum(axis=1)] @ (answers[without | 1 << bit] - answers[without])
        return total

    return by_row(values)


def mixed(*oracles: Oracle) -> Oracle:
    """The mean of models has the mean of their values."""
    return lambda baseline, rows: np.mean([oracle(baseline, rows) for oracle in oracles], axis=0)


@dataclass(frozen=True)
class Case:
    """A fitted model as a plain function (n, d) -> (n,), its exact attributions, and whether it is made of steps."""

    function: Function
    truth: Oracle
    stepped: bool = False


def probability(model: object) -> Function:
    return lambda Z: model.predict_proba(Z)[:, 1]


def boosting(response_method: str) -> Callable[[np.ndarray, np.ndarray], Case]:
    """HistGradientBoosting, its margin or its probability."""

    def make(X: np.ndarray, y: np.ndarray) -> Case:
        model = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(X, y)
        function = model.decision_function if response_method == "decision_function" else probability(model)
        return Case(function, of_trees(model, response_method), stepped=True)

    return make


def forest(max_depth: int | None) -> Callable[[np.ndarray, np.ndarray], Case]:
    def make(X: np.ndarray, y: np.ndarray) -> Case:
        model = RandomForestClassifier(100, max_depth=max_depth, random_state=0).fit(X, y)
        return Case(probability(model), of_trees(model, "predict_proba"), stepped=True)

    return make


def fitted_machine(X: np.ndarray, y: np.ndarray) -> SVC:
    """The default gamma, as a number."""
    return SVC(gamma=1.0 / (X.shape[1] * X.var())).fit(X, y)


def machine(X: np.ndarray, y: np.ndarray) -> Case:
    model = fitted_machine(X, y)
    return Case(model.decision_function, of_gradient(rbf_gradient(model)))


def fitted_net(activation: str, X: np.ndarray, y: np.ndarray) -> MLPClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier((100,), activation=activation, max_iter=300, random_state=0).fit(X, y)


def tanh_net(X: np.ndarray, y: np.ndarray) -> Case:
    model = fitted_net("tanh", X, y)
    return Case(probability(model), of_gradient(net_gradient(model)))


def float32_net(X: np.ndarray, y: np.ndarray) -> Case:
    """Answers rounded to float32; the truth is that of the function before rounding."""
    case = tanh_net(X, y)
    return Case(lambda Z: case.function(Z).astype(np.float32), case.truth)


def relu_net(X: np.ndarray, y: np.ndarray) -> Case:
    model = fitted_net("relu", X, y)
    return Case(probability(model), of_gradient(net_gradient(model), net_kinks(model)))


def machine_and_forest(X: np.ndarray, y: np.ndarray) -> Case:
    """Mean of a forest of depth 8 and a fixed sigmoid of an SVC."""
    model, steps = fitted_machine(X, y), forest(8)(X, y)

    def margin(Z: np.ndarray) -> np.ndarray:
        return 1.5 * model.decision_function(Z)

    slope = rbf_gradient(model)
    smooth = of_gradient(sigmoid_gradient(margin, lambda Z: 1.5 * slope(Z)))
    return Case(lambda Z: (sigmoid(margin(Z)) + steps.function(Z)) / 2, mixed(smooth, steps.truth))


def neighbours(X: np.ndarray, y: np.ndarray) -> Case:
    model = KNeighborsClassifier(5).fit(X, y)
    return Case(probability(model), of_neighbours(X, y, 5), stepped=True)


MODELS = {
    "HistGB 100, margin": boosting("decision_function"),
    "HistGB 100, probability": boosting("predict_proba"),
    "RF 100, depth 8": forest(8),
    "RF 100, full depth": forest(None),
    "RBF SVC": machine,
    "tanh net": tanh_net,
    "tanh net in float32": float32_net,
    "ReLU net": relu_net,
    "SVC and forest": machine_and_forest,
    "5 neighbours": neighbours,
}
