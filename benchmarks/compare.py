"""Time against peers and against the model's own predict: one run, the same rows, one thread each, medians.

    python -m benchmarks.compare trees            the figures of issue A: RandomForestClassifier, 1,000 rows
    python -m benchmarks.compare help             seconds until `agnostic-ig --help` answers

Ratios are what counts; seconds depend on the machine. Peers: treeig 0.2.2 and shap's interventional TreeExplainer
(`pip install ".[benchmark]"`).
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from threadpoolctl import threadpool_limits

REPEATS = 7


def median_seconds(tasks: dict[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of every task, taking turns so that a busy moment hits all of them; one warm-up first."""
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def forest_data(n_train: int = 10_000, n_test: int = 1_000, n_features: int = 30) -> tuple:
    """Continuous columns with interactions, seed 0."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_train + n_test, n_features))
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] * (X[:, 4] > 0) + 0.3 * rng.normal(size=len(X)) > 0.2
    return X[:n_train], y[:n_train].astype(int), X[n_train:]


def compare_trees() -> None:
    """1,000 rows × forests of 100 trees × 1 baseline: ours, treeig, shap, predict_proba.

    treeig takes forests of regressors only: the same trees are given to it as a RandomForestRegressor on 0/1 labels,
    whose mean is the probability; shap and ours explain that regressor too, so that all answer the same question.
    """
    import shap
    import treeig
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from agnostic_ig import IntegratedGradients

    X, y, rows = forest_data()
    baseline = X.mean(axis=0)
    for depth in (8, None):
        classifier = RandomForestClassifier(100, max_depth=depth, random_state=0, n_jobs=1).fit(X, y)
        regressor = RandomForestRegressor(100, max_depth=depth, random_state=0, n_jobs=1).fit(X, y.astype(float))
        ours, ours_too = (IntegratedGradients(m, baseline, progress=False) for m in (classifier, regressor))
        theirs = treeig.TreeIG(regressor, baseline)
        tree_shap = shap.TreeExplainer(regressor, baseline[None], feature_perturbation="interventional")
        seconds = median_seconds(
            {
                "predict_proba": lambda m=classifier: m.predict_proba(rows),
                "ours (classifier)": lambda e=ours: e.explain(rows),
                "ours (regressor)": lambda e=ours_too: e.explain(rows),
                "treeig": lambda e=theirs: e.attribute(rows),
                "shap interventional": lambda e=tree_shap: e.shap_values(rows, check_additivity=False),
            }
        )
        answer = ours_too.explain(rows)
        size = f"{len(rows):,} × {rows.shape[1]}"
        print_ratios(f"RandomForest(100), depth {depth or 'full'}, {size}, 1 baseline", seconds)
        print(f"  worst completeness gap / Σ|values|: {worst_gap(answer):.1e}")
        print(f"  largest difference to treeig / Σ|values|: {difference(answer, theirs.attribute(rows)):.1e}")


def worst_gap(explanation: object) -> float:
    """Largest completeness gap of a row, relative to its summed absolute values (rows where nothing moves: to 1)."""
    size = np.abs(explanation.values).sum(axis=1)
    return float((np.abs(explanation.convergence_delta) / np.where(size > 0, size, 1.0)).max())


def difference(explanation: object, peer: object) -> float:
    """Largest difference to a peer's values, relative to the summed absolute values of the row."""
    values = np.asarray(getattr(peer, "values", peer))
    size = np.abs(explanation.values).sum(axis=1, keepdims=True)
    apart = np.abs(explanation.values - values.reshape(explanation.values.shape))
    return float((apart / np.where(size > 0, size, 1.0)).max())


def print_ratios(title: str, seconds: dict[str, float]) -> None:
    """Every time, and our time over each."""
    print(f"\n{title}")
    mine = seconds["ours (classifier)"]
    for name, value in seconds.items():
        print(f"  {name:<22} {value * 1000:9.1f} ms   ours ÷ it {mine / value:6.2f}")


def compare_help() -> None:
    """Median seconds of `agnostic-ig --help` in a new process, and of an interpreter that does nothing."""
    commands = {"agnostic-ig --help": ["-m", "agnostic_ig", "--help"], "python -c pass": ["-c", "pass"]}
    tasks = {
        name: lambda arguments=arguments: subprocess.run(
            [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
        )
        for name, arguments in commands.items()
    }
    for name, value in median_seconds(tasks).items():
        print(f"  {name:<22} {value:.2f} s")


COMPARISONS = {"trees": compare_trees, "help": compare_help}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=sorted(COMPARISONS), default=sorted(COMPARISONS))
    libraries = ("numpy", "scikit-learn", "numba", "treeig", "shap")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(", ".join(f"{name} {version(name)}" for name in libraries), "; one thread")
    os.environ["NUMBA_NUM_THREADS"] = "1"  # read when a peer first loads numba
    with threadpool_limits(limits=1):
        for name in parser.parse_args().what:
            COMPARISONS[name]()


if __name__ == "__main__":
    main()
