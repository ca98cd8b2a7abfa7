"""The numeric engine against exact answers: model rows, error and coverage.

    python -m benchmarks.numeric

Every model is handed over as a plain function. Exact answers: the structural engine for trees, 60-node Gauss-Legendre
of the analytic gradient for the RBF machine. Model rows are counted inside the function. Coverage:
|error| <= error_estimate + 1e-12 * sum of absolute values.
"""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.svm import SVC

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning

N_ROWS = 20
MODELS = {
    "HistGB 100": lambda: HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "RF 100, depth 8": lambda: RandomForestClassifier(100, max_depth=8, random_state=0),
    "RF 100, full depth": lambda: RandomForestClassifier(100, random_state=0),
    "RBF SVC": lambda: SVC(),
}


def counted(function: Callable[[np.ndarray], np.ndarray], seen: list[int]) -> Callable[[np.ndarray], np.ndarray]:
    """The same function, adding the rows it was asked for to seen[0]."""

    def ask(X: np.ndarray) -> np.ndarray:
        seen[0] += len(X)
        return function(X)

    return ask


def exact_values(model: object, baseline: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Integrated Gradients that do not come from the numeric engine."""
    if not isinstance(model, SVC):
        return IntegratedGradients(model, baseline, engine="exact").explain(X).values
    nodes, weights = np.polynomial.legendre.leggauss(60)
    values = np.zeros_like(X)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        values += weight * (X - baseline) * rbf_gradient(model, baseline + node * (X - baseline))
    return values


def rbf_gradient(model: SVC, Z: np.ndarray) -> np.ndarray:
    """Gradient of sum_k c_k exp(-gamma |z - s_k|^2)."""
    gamma = 1.0 / (model.n_features_in_ * model.shape_fit_variance_)
    apart = Z[:, None, :] - model.support_vectors_[None, :, :]
    kernel = np.exp(-gamma * (apart**2).sum(axis=2))
    return np.einsum("k,nk,nkj->nj", -2.0 * gamma * model.dual_coef_[0], kernel, apart)


def measure(name: str, n_features: int) -> None:
    """One line of the table."""
    X, y = make_classification(3000, n_features, n_informative=n_features // 2 + 1, random_state=n_features)
    model = MODELS[name]().fit(X[:2000], y[:2000])
    if isinstance(model, SVC):
        model.shape_fit_variance_ = X[:2000].var()
    response = model.decision_function if isinstance(model, SVC) else lambda Z: model.predict_proba(Z)[:, 1]
    baseline, rows, seen = X[:2000].mean(axis=0), X[2000 : 2000 + N_ROWS], [0]
    wanted = exact_values(model, baseline, rows)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", BudgetWarning)
        e = IntegratedGradients(counted(response, seen), baseline, progress=False).explain(rows)
    if int(e.n_evaluations.sum()) + e.n_shared_evaluations != seen[0]:
        raise SystemExit(f"rows said: {e.n_evaluations.sum()} + {e.n_shared_evaluations}, seen: {seen[0]}")
    size = np.abs(wanted).sum(axis=1)
    error = np.abs(e.values - wanted)
    relative = error.sum(axis=1) / size
    covered = (error <= e.error_estimate + 1e-12 * size[:, None]).mean()
    figures = f"{np.median(e.n_evaluations):,.0f} | {np.median(relative):.0e} | {relative.max():.0e}"
    right = f"{(relative <= 1e-6).sum()}/{N_ROWS} | {100 * covered:.1f} %"
    print(f"| {name} | {n_features} | {figures} | {right} | {len(said)} |")


def main() -> None:
    print("| model | d | rows a case, median | error, median | error, worst | right to 1e-6 | covered | warnings |")
    print("|---|---|---|---|---|---|---|---|")
    for name in MODELS:
        for n_features in (10, 30, 100):
            measure(name, n_features)


if __name__ == "__main__":
    main()
