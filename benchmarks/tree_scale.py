"""How the tree engine scales: threads, memory, first call, number of baselines, standard errors of drawn baselines.

python -m benchmarks.tree_scale threads memory first_call baselines calibration
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.compare import forest_data, median_seconds

REPEATS = 5


def fitted_forest(depth: int | None = 8, n_trees: int = 100) -> tuple[Any, np.ndarray, np.ndarray]:
    from sklearn.ensemble import RandomForestRegressor

    X, _, rows = forest_data(20_000, 20_000)
    y = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] * (X[:, 4] > 0)
    model = RandomForestRegressor(n_trees, max_depth=depth, random_state=0, n_jobs=-1).fit(X, y)
    return model.set_params(n_jobs=1), X, rows


def threads() -> None:
    """One thread against two, on the same rows: forests and boosting, without and with a link."""
    from sklearn.ensemble import GradientBoostingClassifier

    from agnostic_ig import IntegratedGradients

    forest, X, rows = fitted_forest()
    boosting = GradientBoostingClassifier(n_estimators=100, random_state=0).fit(X, X[:, 0] * X[:, 1] > 0)
    for name, model, baselines in (("forest8", forest, X[:20]), ("boosting, probability", boosting, X[:20])):
        explainers = {n: IntegratedGradients(model, baselines, n_jobs=n, progress=False) for n in (1, 2)}
        answers = {n: explainer.explain(rows).values for n, explainer in explainers.items()}
        seconds = median_seconds({str(n): lambda e=e: e.explain(rows) for n, e in explainers.items()}, REPEATS)
        same = "the same bits" if np.array_equal(answers[1], answers[2]) else "OTHER BITS"
        print(f"{name}, 20 × 20,000: two threads {seconds['1'] / seconds['2']:.2f} × one, {same}")


def memory() -> None:
    """Peak memory of 100 baselines × 100,000 rows beyond what stands before the call, in a process of its own."""
    code = "from benchmarks import tree_scale; tree_scale.peak_of_one_call()"
    subprocess.run([sys.executable, "-c", code], check=True)


def peak_of_one_call() -> None:
    from agnostic_ig import IntegratedGradients

    model, X, rows = fitted_forest(n_trees=20)
    rows = np.tile(rows, (5, 1)).copy()
    explainer = IntegratedGradients(model, X[:100], progress=False)
    explainer.explain(rows[:5])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    explainer.explain(rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"100 × {len(rows):,} pairs: peak {(peak - before) / 1024:,.0f} MiB beyond {before / 1024:,.0f} MiB before it"
    )


def first_call() -> None:
    """Seconds until the first answer in a new process: nothing compiled yet, and afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        for state in ("nothing compiled", "kernels in the cache"):
            for kind in ("regressor", "classifier"):
                code = f"from benchmarks import tree_scale; tree_scale.seconds_of_first_call({kind!r})"
                done = subprocess.run(
                    [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
                )
                print(f"{state}, {kind}: {done.stdout.strip()}")


def seconds_of_first_call(kind: str) -> None:
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor

    import agnostic_ig.engines.tree_ensemble  # noqa: F401 loads numba, which is not what is timed
    from agnostic_ig import IntegratedGradients

    X = np.random.default_rng(0).integers(0, 4, size=(300, 5)).astype(float)  # ties, so that all kernels are needed
    model = {"regressor": RandomForestRegressor(10), "classifier": GradientBoostingClassifier(n_estimators=10)}[kind]
    model.fit(X, X[:, 0] * X[:, 1] > 2)
    started = time.perf_counter()
    IntegratedGradients(model, X[0]).explain(X[:20])
    print(f"{time.perf_counter() - started:.1f} s after the imports")


def baselines() -> None:
    """Nanoseconds a pair and tree, as the number of baselines grows."""
    from agnostic_ig import IntegratedGradients

    model, X, rows = fitted_forest()
    for n_rows, counts in ((1, (1, 10, 100, 1000)), (100, (1, 10, 100, 1000)), (2000, (1, 10, 100))):
        for n in counts:
            explainer = IntegratedGradients(model, X[:n], progress=False)
            explainer.explain(rows[:n_rows])
            seconds = median_seconds({"ours": lambda e=explainer, k=n_rows: e.explain(rows[:k])}, REPEATS)["ours"]
            per_pair = seconds / n / n_rows / len(model.estimators_) * 1e9
            print(f"{n:5} baselines × {n_rows:5} rows: {seconds * 1e3:8.1f} ms, {per_pair:8.1f} ns a pair and tree")


def calibration() -> None:
    """Variance of (answer - truth) / std_error over 200 draws of baselines, fixed and until a tolerance."""
    from agnostic_ig import IntegratedGradients, baselines

    model, X, rows = fitted_forest(n_trees=20)
    background, rows = X[:10_000], rows[:20]
    truth = IntegratedGradients(model, background, progress=False).explain(rows).values
    for options in ({"n": 100}, {"n": 1000}, {"tol": 0.2}, {"tol": 0.1}):
        scores = []
        for seed in range(200):
            drawn = baselines.Sample(background, random_state=seed, **options)
            e = IntegratedGradients(model, drawn, progress=False).explain(rows)
            big = np.abs(truth) > 0.01 * np.abs(truth).sum(axis=1, keepdims=True)
            scores.append(((e.values - truth) / e.std_error)[big])
        variance = statistics.fmean(np.var(np.array(scores), axis=0))
        print(f"{options}: variance of z {variance:.2f}, mean {np.mean(scores):+.2f}")


PARTS = {f.__name__: f for f in (threads, memory, first_call, baselines, calibration)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=list(PARTS), default=list(PARTS))
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "numba")))
    for name in parser.parse_args().what:
        PARTS[name]()


if __name__ == "__main__":
    main()
