"""Print the table of figures in engines.md: what the numeric engine costs, and how often it is right.

Run ``python docs/numeric_engine_figures.py`` after a change of the numeric engine and put the table there.
Exact attributions come from the tree engine, and for the smooth models from formulas.
"""

import sys
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.svm import SVC

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning

TOL = 1e-6
X, y = make_classification(1000, 30, n_informative=10, random_state=0)
X = X.astype(np.float32).astype(np.float64)  # every engine sees what float32 trees see
ROWS, BASELINE = X[:12], np.median(X, axis=0)


def ridge(net: MLPRegressor, activation: Callable) -> np.ndarray:
    """Integrated Gradients of a net with one hidden layer: the secant of each unit's activation."""
    weights, out = net.coefs_[0], net.coefs_[1][:, 0]
    start, end = (rows @ weights + net.intercepts_[0] for rows in (BASELINE, ROWS))
    secants = (activation(end) - activation(start)) / (end - start)
    return (ROWS - BASELINE) * ((secants * out) @ weights.T)


def radial(machine: SVC) -> np.ndarray:
    """Integrated Gradients of an RBF machine: its gradient at 64 Gauss-Legendre nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    total = np.zeros_like(ROWS)
    for alpha, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        away = (BASELINE + alpha * (ROWS - BASELINE))[:, None, :] - machine.support_vectors_
        kernel = machine.dual_coef_[0] * np.exp(-machine._gamma * (away**2).sum(axis=2))
        total += weight * -2 * machine._gamma * np.einsum("ns,nsj->nj", kernel, away)
    return total * (ROWS - BASELINE)


def cases() -> dict[str, tuple]:
    """Name -> (predict function, target, exact attributions)."""
    trees = {
        "histogram gradient boosting, 100 trees": HistGradientBoostingClassifier(random_state=0),
        "random forest, 100 trees of depth 8": RandomForestClassifier(max_depth=8, random_state=0),
        "random forest, 100 trees of full depth": RandomForestClassifier(random_state=0),
    }
    found = {name: (m.fit(X, y).predict_proba, 1, exact(m)) for name, m in trees.items()}
    machine = SVC().fit(X, y)
    found["support vector machine, RBF kernel"] = machine.decision_function, 0, radial(machine)
    for name, function in (("tanh", np.tanh), ("relu", lambda u: np.maximum(u, 0.0))):
        net = MLPRegressor(hidden_layer_sizes=(100,), activation=name, max_iter=300, random_state=0).fit(X, y)
        found[f"net with 100 {name} units"] = net.predict, 0, ridge(net, function)
    return found


def exact(model: object) -> np.ndarray:
    return IntegratedGradients(model, BASELINE, engine="exact").explain(ROWS).values


def cell(predict: Callable, target: int, truth: np.ndarray, thoroughness: str) -> str:
    """Median model rows; rows of X that are right, wrong and said, wrong and not said; worst error."""
    ig = IntegratedGradients(predict, BASELINE, engine="numeric", thoroughness=thoroughness, tol=TOL)
    e = ig.explain(ROWS, target=target)
    error = np.abs(e.values - truth).sum(axis=1) / np.abs(truth).sum(axis=1)
    said = e.error_estimate.sum(axis=1) > TOL * np.abs(e.values).sum(axis=1)
    wrong = error > TOL
    counts = (~wrong).sum(), (wrong & said).sum(), (wrong & ~said).sum()
    words = [f"{n} {word}" for n, word in zip(counts, ("right", "said", "missed"), strict=True) if n]
    worst = f" (≤ {error.max():.0e})" if wrong.any() else ""
    return f"{np.median(e.n_evaluations):,.0f}: {', '.join(words)}{worst}"


if __name__ == "__main__":
    warnings.simplefilter("ignore", BudgetWarning)
    degrees = ("fast", "standard", "thorough")
    for name, case in cases().items():
        cells = (cell(*case, thoroughness) for thoroughness in degrees)
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
