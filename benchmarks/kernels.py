"""Kernel machines beside shap's KernelExplainer and the model's own predictions, and their accuracy.

    python -m benchmarks.kernels [--explained 3]

One run, one thread, the same rows. An RBF support vector machine with some 2,270 support vectors of 30 columns:
attributions of 1,000 rows with one baseline ("engine": the mean gradients alone; "explain": the whole call), libsvm's
own decision_function of those rows, and shap.KernelExplainer with one background row and its default nsamples on a few
of them, scaled to 1,000. Accuracy is measured against 50 decimal digits, for paths from 1e-8 to 1e2 long.
"""

import argparse
import os
import platform
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.kernel_machine import GaussianSum
from agnostic_ig.engines.response import resolve_response
from benchmarks.compare import median_seconds, worst_gap

N_ROWS, N_COLUMNS = 1_000, 30


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """3,300 training rows and 1,000 others, 30 columns with interactions."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3_300 + N_ROWS, N_COLUMNS))
    score = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] * (X[:, 4] > 0) + 0.3 * rng.normal(size=len(X))
    return X[:-N_ROWS], score[:-N_ROWS], X[-N_ROWS:]


def machine(X: np.ndarray, score: np.ndarray) -> SVC:
    """An RBF machine with 2,270 support vectors."""
    whole = SVC().fit(X, score > 0.2)
    n = int(len(X) * 2_270 / len(whole.support_))
    return SVC().fit(X[:n], score[:n] > 0.2)


def compare(model: object, method: str, rows: np.ndarray, baseline: np.ndarray, n_explained: int) -> None:
    """Seconds of every task; shap's scaled to all rows."""
    import shap

    predict: Callable[[np.ndarray], np.ndarray] = getattr(model, method)
    engine = read_model(model, resolve_response("benchmark", model, method))
    explainer = IntegratedGradients(model, baseline, response_method=method, progress=False)
    starts = np.broadcast_to(baseline, rows.shape)
    seconds = median_seconds(
        {
            "predict": lambda: predict(rows),
            "engine": lambda: engine.function.mean_gradients(starts, rows),
            "explain": lambda: explainer.explain(rows),
        }
    )
    peer = shap.KernelExplainer(predict, baseline[None])
    some = rows[:n_explained]
    shapley = median_seconds({"shap": lambda: peer.shap_values(some, silent=True)}, repeats=1)["shap"]
    seconds["shap"] = shapley * len(rows) / n_explained
    e = explainer.explain(rows)
    assert e.engine == "smooth"
    engine_ms, explain_ms, predict_ms, shap_ms = (
        seconds[name] * 1e3 for name in ("engine", "explain", "predict", "shap")
    )
    cells = [
        f"{type(model).__name__}, {describe(model)}",
        f"{engine_ms:.0f} / {explain_ms:.0f} / {predict_ms:.0f} / ~{shap_ms:.0f}",
        f"{engine_ms / predict_ms:.2f}",
        f"{explain_ms / predict_ms:.2f}",
        f"{shap_ms / engine_ms:,.0f} ×",
        f"{shap_ms / explain_ms:,.0f} ×",
        f"{worst_gap(e):.0e}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


def describe(model: object) -> str:
    """Its kernel and how many points it sums over."""
    points = getattr(model, "support_vectors_", getattr(model, "X_train_", None))
    return f"{getattr(model, 'kernel_', model.kernel)}, {len(points):,} points"


def accuracy() -> None:
    """Largest error, over the largest attribution, for paths of every length and points near and far."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from kernel_oracles import gaussian_truth

    print("\n| length of the path | points up to 1 width away | 5 | 20 |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for length in (1e-8, 1e-6, 1e-4, 1e-2, 0.3, 1.0, 3.0, 10.0, 100.0):
        worst = []
        for far in (1.0, 5.0, 20.0):
            errors = []
            for _ in range(5):
                points = rng.normal(size=(12, 4))
                points *= far * rng.random((12, 1)) / np.linalg.norm(points, axis=1, keepdims=True)
                points[0] *= far / np.linalg.norm(points[0])
                weights, b, d = rng.normal(size=(12, 1)), rng.normal(size=4), rng.normal(size=4)
                x = b + length * d / np.linalg.norm(d)
                means, _ = GaussianSum(points, np.sqrt(0.5), weights).mean_gradients(b[None], x[None])
                wanted = np.array(gaussian_truth(points, weights, 0.5, b, x))
                errors.append(np.abs((x - b) * means[0, :, 0] - wanted).max() / np.abs(wanted).max())
            worst.append(max(errors))
        print(f"| {length:g} | " + " | ".join(f"{one:.1e}" for one in worst) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--explained", type=int, default=3, help="rows that shap explains")
    n_explained = parser.parse_args().explained
    libraries = ("numpy", "scikit-learn", "numba", "shap")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(", ".join(f"{name} {version(name)}" for name in libraries), "; one thread\n")
    print("| model | ms: engine / explain / predict / shap | engine ÷ predict | explain ÷ predict |", end=" ")
    print("engine faster than shap | explain faster | largest gap |\n|---|---|---|---|---|---|---|")
    X, score, rows = data()
    warnings.simplefilter("ignore")  # of shap, about its own defaults
    with threadpool_limits(limits=1):
        compare(machine(X, score), "decision_function", rows, X.mean(axis=0), n_explained)
        for kernel in ("poly", "sigmoid", "linear"):
            compare(SVR(kernel=kernel).fit(X[:2_500], score[:2_500]), "predict", rows, X.mean(axis=0), n_explained)
        for kernel in (RBF(5.0) + WhiteKernel(0.1), Matern(5.0, nu=1.5) + WhiteKernel(0.1)):
            process = GaussianProcessRegressor(kernel, optimizer=None).fit(X[:500], score[:500])
            compare(process, "predict", rows[:100], X.mean(axis=0), n_explained)
    accuracy()


if __name__ == "__main__":
    main()
