"""Our tree engine beside treeig, shap and the model's own predict: the figures of issue B.

    python -m benchmarks.tree_peers [--creditcard ulb_creditcard_full.npz] [--models forest8 ...] [--cases 1x10000 ...]

One run, one thread each, the same rows, medians of turns; peers that take long explain a part of the rows, and their
time is scaled by the number of pairs (marked ~). "ours" is the whole of `explain`: the model's own predictions of all
rows and baselines, the check of the engine, and the attributions; "attributions" is the engine alone, which is what
the peers do. Accuracy stands beside: the largest difference to treeig, and the completeness gap, over Σ|values|.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.compare import difference, median_seconds, worst_gap

REPEATS = 3
SECONDS_PER_PEER = 3.0  # a peer explains as many rows as take about so long


def synthetic() -> tuple[np.ndarray, np.ndarray]:
    """30,000 × 30 continuous columns with interactions; the first 20,000 are for training."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 30))
    return X, X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] * (X[:, 4] > 0) + 0.3 * rng.normal(size=len(X))


def creditcard(path: str) -> tuple[np.ndarray, np.ndarray]:
    """30,000 of the card transactions, all frauds among the first 20,000 or after them as they come in a shuffle."""
    with np.load(path) as file:
        X, y = file["X"].astype(float), file["y"].astype(float)
    rng = np.random.default_rng(0)
    chosen = np.union1d(np.flatnonzero(y), rng.choice(len(X), 30_000, replace=False))[:30_000]
    chosen = rng.permutation(chosen)
    return X[chosen], y[chosen]


def tied(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The same function of integers from 0 to 9, or of 0 and 1."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 10 if kind == "integers" else 2, size=(30_000, 30)).astype(float)
    Z = X - X.mean(axis=0)
    return X, Z[:, 0] * Z[:, 1] + np.sin(2 * Z[:, 2]) + Z[:, 3] * (Z[:, 4] > 0) + 0.3 * rng.normal(size=len(X))


def forest(depth: int | None) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(100, max_depth=depth, random_state=0, n_jobs=1)

    return make


def boosting() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=200, max_depth=3, random_state=0)


def histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=100, random_state=0)


def xgboost() -> Any:
    import xgboost

    return xgboost.XGBRegressor(n_estimators=100, max_depth=6, n_jobs=1, random_state=0)


MODELS = {
    "forest8": forest(8),
    "forest": forest(None),
    "boosting": boosting,
    "histogram": histogram,
    "xgboost": xgboost,
}
CASES = {"1x10000": (1, 10_000), "100x500": (100, 500)}


def treeig_of(model: Any, baselines: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    import treeig

    explainer = treeig.TreeIG(model, baselines)
    return explainer.attribute


def shap_of(model: Any, baselines: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    import shap

    masker = shap.maskers.Independent(baselines, max_samples=len(baselines))
    explainer = shap.TreeExplainer(model, masker, feature_perturbation="interventional")
    return lambda rows: explainer.shap_values(rows, check_additivity=False)


def contributions_of(model: Any, baselines: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """XGBoost's own, which need no baseline: they follow the training data down the tree."""
    import xgboost

    booster = model.get_booster()
    return lambda rows: booster.predict(xgboost.DMatrix(rows), pred_contribs=True)


PEERS = {"treeig": treeig_of, "shap": shap_of, "pred_contribs": contributions_of}


def compare(name: str, data: str, X: np.ndarray, y: np.ndarray, case: str) -> None:
    """One line a peer."""
    from agnostic_ig import IntegratedGradients

    n_baselines, n_rows = CASES[case]
    model = MODELS[name]().fit(X[:20_000], y[:20_000])
    baselines, rows = X[:n_baselines] if n_baselines > 1 else X[:20_000].mean(axis=0)[None], X[20_000:][:n_rows]
    explainer = IntegratedGradients(model, baselines, progress=False)
    answer = explainer.explain(rows)
    tasks: dict[str, Callable[[], Any]] = {
        "ours": lambda: explainer.explain(rows),
        "attributions": attributions(explainer, baselines, rows),
        "predict": lambda: model.predict(rows),
    }
    scale, accuracy = dict.fromkeys(tasks, 1.0), {}
    for peer, make in PEERS.items():
        explain = try_to(make, model, baselines)
        if explain is not None:
            part = rows[: fitting_rows(explain, rows)]
            tasks[peer], scale[peer] = (lambda e=explain, p=part: e(p)), len(rows) / len(part)
            if peer == "treeig":
                accuracy[peer] = difference(answer[: len(part)], explain(part))
    seconds = {task: value * scale[task] for task, value in median_seconds(tasks, REPEATS).items()}
    print(f"\n{name}, {data}, {n_baselines} × {n_rows:,}: gap {worst_gap(answer):.0e}", *(
        f"difference to {peer} {value:.0e}" for peer, value in accuracy.items()
    ))  # fmt: skip
    print("  " + "  ".join(f"{task} {'~' if scale[task] > 1 else ''}{s * 1e3:,.0f} ms" for task, s in seconds.items()))
    for mine in ("ours", "attributions"):
        others = (f"{seconds[o] / seconds[mine]:.1f} × faster than {o}" for o in PEERS if o in seconds)
        print(f"  {mine}: {seconds[mine] / seconds['predict']:.2f} × predict, " + ", ".join(others), flush=True)


def attributions(explainer: Any, baselines: np.ndarray, rows: np.ndarray) -> Callable[[], Any]:
    """The engine alone, on the same blocks as in `explain`."""
    from agnostic_ig.engines._contract import Columns, PairBlock, Settings

    engine, width = explainer._built.built.engine, rows.shape[1]
    names = [str(j) for j in range(width)]
    columns = Columns(names, np.zeros(width, dtype=bool), np.arange(width), names)
    together = max(1, engine.pairs_per_batch(width, 1) // len(rows))
    nothing, no_seeds = np.zeros((1, 1)), lambda: np.zeros(0, dtype=np.uint64)

    def run() -> None:
        for k in range(0, len(baselines), together):
            some = baselines[k : k + together]
            engine.attribute(PairBlock(rows, some, nothing, nothing, no_seeds), columns, np.arange(1), Settings())

    return run


def try_to(make: Callable[..., Any], model: Any, baselines: np.ndarray) -> Callable[[np.ndarray], Any] | None:
    """A peer's explainer, or None if it does not take the model."""
    try:
        return make(model, baselines)
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return None


def fitting_rows(explain: Callable[[np.ndarray], Any], rows: np.ndarray) -> int:
    """How many rows a peer explains in SECONDS_PER_PEER; it is called once before, to compile."""
    explain(rows[:2])
    started = time.perf_counter()
    explain(rows[:20])
    per_row = (time.perf_counter() - started) / 20
    return int(min(len(rows), max(20, SECONDS_PER_PEER / per_row)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--creditcard", help="ulb_creditcard_full.npz")
    parser.add_argument("--tied", action="store_true", help="integers and 0/1 columns too")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    chosen = parser.parse_args()
    libraries = ("numpy", "scikit-learn", "numba", "treeig", "shap", "xgboost-cpu")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(", ".join(f"{name} {version(name)}" for name in libraries), "; one thread")
    tables = {"synthetic": synthetic}
    if chosen.creditcard:
        tables["creditcard"] = lambda: creditcard(chosen.creditcard)
    if chosen.tied:
        tables |= {kind: lambda kind=kind: tied(kind) for kind in ("integers", "binary")}
    os.environ["NUMBA_NUM_THREADS"] = "1"  # read when a peer first loads numba
    with threadpool_limits(limits=1):
        for data, make in tables.items():
            X, y = make()
            for name in chosen.models:
                for case in chosen.cases:
                    compare(name, data, X, y, case)


if __name__ == "__main__":
    main()
