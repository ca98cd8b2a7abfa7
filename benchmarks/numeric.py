"""The numeric engine against exact answers and peers: model rows, error, coverage, sharpness, overhead.

    python -m benchmarks.numeric [--models "RBF SVC" ...] [--dimensions 10 30 100] [--rows 2500] [--peers]
                                [--overhead [ROWS]]

Every model is handed over as a plain function that counts the rows it is asked for, and is explained at default
settings against the mean of its training rows. Errors are relative L1 errors of a row against an exact answer that
does not come from the numeric engine (`benchmarks.numeric_oracles`). Data: make_classification(3000, d,
n_informative=d//2+1, random_state=d); the first 2,000 rows train, 20 rows from --rows on are explained.
"""

import argparse
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from agnostic_ig import Explanation, IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning
from benchmarks.numeric_oracles import MODELS, Case, Function, of_corners, probability
from benchmarks.numeric_peers import differences, increments, treeig_numeric

N_TRAIN, N_ROWS, PEER_ROWS, OVERHEAD_REPEATS = 2000, 20, 5, 5
TOL = 1e-6  # the default of IntegratedGradients
ROUNDING = 1e-12  # of a row's summed absolute values: what no error estimate has to cover


BINARY = "binary forest"
# Model rows and error asked for at d = 30.
ASKED = {
    "HistGB 100, margin": "2,200",
    "HistGB 100, probability": "2,200",
    "RF 100, depth 8": "2,400",
    "RF 100, full depth": "10,000",
    "RBF SVC": "400",
    "tanh net": "1,000",
    "ReLU net": "12,000 at 1e-4",
    "SVC and forest": "8,000 at 1e-4",
}


@cache
def data(n_features: int) -> tuple[np.ndarray, np.ndarray]:
    return make_classification(3000, n_features, n_informative=n_features // 2 + 1, random_state=n_features)


@cache
def fitted(name: str, n_features: int) -> Case:
    X, y = data(n_features)
    return MODELS[name](X[:N_TRAIN], y[:N_TRAIN])


class Counted:
    """The same function, counting the rows it is asked for."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.rows = 0

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        self.rows += len(Z)
        return self.function(Z)


def exact(case: Case, baseline: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The truth, after a look at its own completeness."""
    values, ends = case.truth(baseline, rows), case.function(np.vstack([rows, baseline]))
    gap = np.abs(values.sum(axis=1) - (ends[:-1].astype(float) - ends[-1])) / np.abs(values).sum(axis=1)
    if gap.max() > (1e-5 if ends.dtype == np.float32 else 1e-11):
        raise SystemExit(f"the exact answer is not complete: {gap.max():.1e}")
    return values


def explained(function: Function, baseline: np.ndarray, rows: np.ndarray) -> tuple[Explanation, np.ndarray]:
    """The explanation and which rows were said not to reach `tol`; ends the run where rows are miscounted."""
    counted = Counted(function)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        e = IntegratedGradients(counted, baseline, progress=False).explain(rows)
    if int(e.n_evaluations.sum()) + e.n_shared_evaluations != counted.rows:
        raise SystemExit(f"rows said: {e.n_evaluations.sum()} + {e.n_shared_evaluations}, seen: {counted.rows}")
    return e, said_rows(e, [str(w.message) for w in heard if issubclass(w.category, BudgetWarning)])


def said_rows(e: Explanation, messages: list[str]) -> np.ndarray:
    """Rows that a BudgetWarning is about: it tells how many, and they must be those whose estimate is above `tol`."""
    above = e.error_estimate.sum(axis=1) > TOL * np.abs(e.values).sum(axis=1)
    said = sum(int(re.match(r"(\d+) of \d+ rows did not reach", message)[1]) for message in messages)
    if said != above.sum():
        raise SystemExit(f"rows said not to reach tol: {said}, estimates above it: {above.sum()}")
    return above


@dataclass(frozen=True)
class Measured:
    """What one model of one width gave on all rows."""

    name: str
    n_features: int
    asked: str
    n_evaluations: np.ndarray  # (n,)
    size: np.ndarray  # (n,): summed absolute exact values
    error: np.ndarray  # (n, d)
    estimate: np.ndarray  # (n, d)
    said: np.ndarray  # (n,): rows with a BudgetWarning

    def accuracy(self) -> list[str]:
        """Cells of the first table."""
        relative, promised = self.error.sum(axis=1) / self.size, self.estimate.sum(axis=1) / self.size
        wrong = relative > TOL
        silent, understated = wrong & ~self.said, wrong & self.said & (relative > promised)
        return [
            f"{np.median(self.n_evaluations):,.0f}", f"{self.n_evaluations.max():,}", self.asked,
            f"{np.median(relative):.0e}", f"{relative.max():.0e}", f"{(~wrong).sum()}/{len(wrong)}",
            f"{self.said.sum()}", f"{silent.sum()}", f"{understated.sum()}",
        ]  # fmt: skip

    def honesty(self) -> list[str]:
        """Cells of the second table."""
        rounding = ROUNDING * self.size[:, None]
        covered = self.error <= self.estimate + rounding
        promised = self.estimate.sum(axis=1) / self.size
        ratio = self.estimate / np.maximum(self.error, rounding)
        in_error = self.error > rounding
        return [
            f"{100 * covered.mean():.1f} %", f"{100 * covered.all(axis=1).mean():.0f} %",
            figure(promised[~self.said], np.max), figure(promised[self.said], np.median),
            figure(ratio[self.said], np.median), figure(ratio[self.said[:, None] & in_error], np.median),
        ]  # fmt: skip


def figure(values: np.ndarray, summary: Callable[[np.ndarray], float]) -> str:
    return f"{summary(values):.1e}" if len(values) else "–"


def place(n_features: int, first_row: int, n_rows: int = N_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Baseline and rows to explain."""
    X = data(n_features)[0]
    return X[:N_TRAIN].mean(axis=0), X[first_row : first_row + n_rows]


def measure(name: str, case: Case, baseline: np.ndarray, rows: np.ndarray, asked: str) -> Measured:
    wanted = exact(case, baseline, rows)
    e, said = explained(case.function, baseline, rows)
    size, error = np.abs(wanted).sum(axis=1), np.abs(e.values - wanted)
    return Measured(name, len(baseline), asked, e.n_evaluations, size, error, e.error_estimate, said)


def measure_all(names: Iterable[str], dimensions: list[int], first_row: int) -> Iterator[Measured]:
    for name in names:
        for n_features in dimensions:
            if name == BINARY:
                yield from measure_binary(n_features)
            else:
                asked = ASKED.get(name, "–") if n_features == 30 else ""
                yield measure(name, fitted(name, n_features), *place(n_features, first_row), asked)


def measure_binary(n_features: int) -> Iterator[Measured]:
    """A full-depth forest on columns of 0 and 1; rows differ from a row of the data in k features, crossing at once."""
    rng = np.random.default_rng(n_features)
    X = rng.integers(0, 2, size=(N_TRAIN, n_features)).astype(float)
    Z = X - X.mean(axis=0)
    y = Z[:, 0] * Z[:, 1] + np.sin(2 * Z[:, 2]) + Z[:, 3] * Z[:, 4] + 0.3 * rng.normal(size=len(X)) > 0.2
    function = probability(RandomForestClassifier(100, random_state=0).fit(X, y))
    for k in (4, 8, 10, 12):
        if k <= n_features:
            case, rows = Case(function, of_corners(function), stepped=True), flipped(X[0], k, rng)
            yield measure(f"{BINARY}, k = {k}", case, X[0], rows, f"{2**k + 500:,}")


def flipped(baseline: np.ndarray, n_moved: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of 0 and 1 that differ from the baseline in n_moved features."""
    rows = np.tile(baseline, (N_ROWS, 1))
    for row in rows:
        moved = rng.choice(len(row), n_moved, replace=False)
        row[moved] = 1.0 - row[moved]
    return rows


def header(title: str, *columns: str) -> None:
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def line(*cells: object) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


def accuracy_tables(names: Iterable[str], dimensions: list[int], first_row: int) -> None:
    """How many model rows and how right; then whether error estimates cover, and how sharp they are."""
    header(
        f"Model rows and errors, {N_ROWS} rows, default settings. *Said*: rows with a BudgetWarning. *Silent*: rows "
        "wrong by more than 1e-6 without one. *Understated*: with one, but wrong by more than their summed estimates.",
        "model", "d", "rows, median", "rows, most", "asked", "error, median", "error, worst", "right to 1e-6", "said",
        "silent", "understated",
    )  # fmt: skip
    measured = []
    for one in measure_all(names, dimensions, first_row):
        measured.append(one)
        line(one.name, one.n_features, *one.accuracy())
    header(
        "Error estimates. *Covered*: |error| ≤ error_estimate + 1e-12 · Σ|values| (asked: ≥ 98 %). *Promised*: "
        "Σ error_estimate ÷ Σ|values| of rows without a BudgetWarning (asked: ≤ 1e-6) and with one. *Ratio*: "
        "error_estimate ÷ |error| on rows with one (asked: ≤ 30), errors below 1e-12 · Σ|values| taken as that.",
        "model", "d", "covered values", "rows all covered", "promised, worst of unwarned", "promised, median of warned",
        "ratio, median", "ratio, median where the error is above rounding",
    )  # fmt: skip
    for one in measured:
        line(one.name, one.n_features, *one.honesty())


def ours(function: Function, baseline: np.ndarray, rows: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return IntegratedGradients(function, baseline, progress=False).explain(rows).values


PEERS = {
    "ours": ours,
    "TreeIGNumeric": treeig_numeric,
    "50 increments": increments(50),
    "100 increments": increments(100),
    "300 increments": increments(300),
    "central, h of the path": differences(of_path=True),
    "central, h of the feature": differences(of_path=False),
}


def peer_table(names: Iterable[str], dimensions: list[int], first_row: int, n_rows: int) -> None:
    header(
        f"Beside peers, the first {n_rows} of the rows: model rows for each → error, median (worst). treeig takes "
        "models made of steps; central differences stand at 50 Gauss-Legendre nodes, h = 1e-4 of x − b, or of the "
        "standard deviation of each feature.",
        "model", "d", *PEERS,
    )  # fmt: skip
    for name in names:
        for n_features in dimensions:
            case, (baseline, rows) = fitted(name, n_features), place(n_features, first_row, n_rows)
            spread, wanted = data(n_features)[0][:N_TRAIN].std(axis=0), exact(case, baseline, rows)
            cells = []
            for peer, attribute in PEERS.items():
                skipped = peer == "TreeIGNumeric" and not case.stepped
                cells.append("–" if skipped else peer_cell(attribute, case.function, baseline, rows, spread, wanted))
            line(name, n_features, *cells)


def peer_cell(
    attribute: Callable[..., np.ndarray],
    function: Function,
    baseline: np.ndarray,
    rows: np.ndarray,
    spread: np.ndarray,
    wanted: np.ndarray,
) -> str:
    """Rows of the model for each explained row, counted in the function, and errors."""
    counted = Counted(function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = attribute(counted, baseline, rows, spread)
    relative = np.abs(values - wanted).sum(axis=1) / np.abs(wanted).sum(axis=1)
    return f"{counted.rows / len(rows):,.0f} → {np.median(relative):.0e} ({relative.max():.0e})"


# Threads of the forest, of the explainer, and of the forest in the one call that they are measured against.
THREADS = ((1, 1, 1), (2, 1, 2), (1, 2, 2))
OVERHEAD_ROWS = (N_ROWS, 80, 600, 1000)


def overhead_table(dimensions: list[int], most_rows: int) -> None:
    header(
        "Time of explain ÷ time of one predict call with the rows that it asks for, RandomForest 100 (asked on two "
        f"cores: ≤ 1.15), medians of {OVERHEAD_REPEATS} turns. The engine asks for rows that are close on a path one "
        "after the other, which trees answer faster; so the one call gets the same rows in the order in which they are "
        "asked for, and in random order, as rows of a table come. With two threads of its own the forest adds up its "
        "trees in any order: answers differ in the last digits from call to call.",
        "depth", "threads: forest, explainer, one call", "d", "explained rows", "model rows", "calls", "explain, s",
        "of it in the model, s (all threads)", "one call, s", "in random order, s", "ratio", "to random order",
    )  # fmt: skip
    for max_depth, threads in product((8, None), THREADS):
        for n_features, n_rows in product(dimensions, (n for n in OVERHEAD_ROWS if n <= most_rows)):
            X, y = data(n_features)
            model = RandomForestClassifier(100, max_depth=max_depth, random_state=0).fit(X[:N_TRAIN], y[:N_TRAIN])
            figures = overhead(model, threads, *place(n_features, N_TRAIN, n_rows))
            line(max_depth or "full", ", ".join(map(str, threads)), n_features, n_rows, *figures)


class Timed:
    """The same function, adding up calls and seconds."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.calls = 0
        self.seconds = 0.0

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        started = time.perf_counter()
        answers = self.function(Z)
        self.seconds += time.perf_counter() - started
        self.calls += 1
        return answers


def overhead(
    model: RandomForestClassifier, threads: tuple[int, int, int], baseline: np.ndarray, rows: np.ndarray
) -> list[str]:
    """Model rows, calls, seconds of explain, of the model in it and of one call, and ratios; one warm-up first."""
    together = asked_rows(probability(model.set_params(n_jobs=threads[0])), baseline, rows)
    shuffled = together[np.random.default_rng(0).permutation(len(together))]
    turns = np.array(
        [overhead_turn(model, threads, baseline, rows, [together, shuffled]) for _ in range(OVERHEAD_REPEATS)]
    )
    n_calls, *seconds = np.median(turns, axis=0)
    ratios = np.median(turns[:, 1:2] / turns[:, 3:], axis=0)
    return [
        f"{len(together):,}", f"{n_calls:.0f}", *(f"{value:.2f}" for value in seconds),
        *(f"{ratio:.2f}" for ratio in ratios),
    ]  # fmt: skip


def asked_rows(function: Function, baseline: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All rows that an explanation asks for, which are the same every time."""
    asked: list[np.ndarray] = []

    def keep(Z: np.ndarray) -> np.ndarray:
        asked.append(Z)
        return function(Z)

    explain(IntegratedGradients(keep, baseline, progress=False), rows)
    return np.concatenate(asked)


def explain(explainer: IntegratedGradients, rows: np.ndarray) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        explainer.explain(rows)
    return time.perf_counter() - started


def overhead_turn(
    model: RandomForestClassifier, threads: tuple[int, int, int], baseline: np.ndarray, rows: np.ndarray,
    asked: list[np.ndarray],
) -> list[float]:  # fmt: skip
    """One explanation, then one call with each of the tables asked."""
    timed = Timed(probability(model.set_params(n_jobs=threads[0])))
    total = explain(IntegratedGradients(timed, baseline, n_jobs=threads[1], progress=False), rows)
    one_call = Timed(probability(model.set_params(n_jobs=threads[2])))
    seconds = [0.0]
    for table in asked:
        one_call(table)
        seconds.append(one_call.seconds)
    return [timed.calls, total, timed.seconds, *np.diff(seconds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", choices=[*MODELS, BINARY], default=[*MODELS, BINARY])
    parser.add_argument("--dimensions", nargs="*", type=int, default=[10, 30, 100])
    parser.add_argument("--rows", type=int, default=2500, help="first row to explain, from 2000 to 2900")
    parser.add_argument("--peers", nargs="?", type=int, const=PEER_ROWS, help="beside peers, on so many rows")
    parser.add_argument(
        "--overhead", nargs="?", type=int, const=600,
        help="time against one predict call, nothing else, on up to so many rows",
    )  # fmt: skip
    chosen = parser.parse_args()
    if chosen.overhead:
        overhead_table(chosen.dimensions, chosen.overhead)
    elif chosen.peers:
        names = [name for name in chosen.models if name != BINARY]
        peer_table(names, chosen.dimensions, chosen.rows, chosen.peers)
    else:
        accuracy_tables(chosen.models, chosen.dimensions, chosen.rows)


if __name__ == "__main__":
    main()
