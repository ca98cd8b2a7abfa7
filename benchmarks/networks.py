"""Multi-layer perceptrons: what exact Integrated Gradients cost and how right they are.

    python -m benchmarks.networks [--rows 1000] [--oracle-rows 5]

Time of `explain` for all rows against one baseline (the mean of the training rows), beside that of 50 gradients on each
path (a sum of 50 steps, which is right to two or three digits) and of the model's own prediction of the same rows; one
thread, medians of turns. Error: relative L1 error of a row, the worst of --oracle-rows, against dense Gauss-Legendre
rules between the kinks of an own search in plain Python. Completeness: |sum of values - change of the prediction|
relative to the sum of absolute values, the worst of all rows.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from scipy import special
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from agnostic_ig import IntegratedGradients
from agnostic_ig.datasets import load_email_fraud
from benchmarks.compare import median_seconds

N_TRAIN, N_STEPS = 2000, 50
ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda z: (z > 0.0).astype(float)),
    "tanh": (np.tanh, lambda z: 1.0 / np.cosh(z) ** 2),
    "logistic": (special.expit, lambda z: special.expit(z) * special.expit(-z)),
}


@dataclass(frozen=True)
class Case:
    name: str
    model: MLPClassifier | MLPRegressor
    train: np.ndarray
    rows: np.ndarray


def gradients(model: MLPClassifier | MLPRegressor, Z: np.ndarray) -> np.ndarray:
    """(n, n_features, n_outputs) by back-propagation, all rows at once; of the second class where there are two."""
    value, slope = ACTIVATIONS[model.activation]
    slopes = []
    for layer, (coef, intercept) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        margin = Z @ coef + intercept
        if layer + 1 < len(model.coefs_):
            slopes.append(slope(margin))
            Z = value(margin)
    back = output_slopes(model.out_activation_, margin) @ model.coefs_[-1].T
    for coef, on in zip(model.coefs_[-2::-1], slopes[::-1], strict=True):
        back = (back * on[:, None, :]) @ coef.T
    return back.swapaxes(1, 2)


def output_slopes(name: str, margin: np.ndarray) -> np.ndarray:
    """(n, n_outputs, n_margins)."""
    eye = np.eye(margin.shape[1])
    if name == "softmax":
        p = special.softmax(margin, axis=1)
        return p[:, :, None] * eye - p[:, :, None] * p[:, None, :]
    steep = special.expit(margin) * special.expit(-margin) if name == "logistic" else np.ones(margin.shape)
    return steep[:, :, None] * eye


def kinks(model: MLPClassifier | MLPRegressor, b: np.ndarray, x: np.ndarray) -> list[float]:
    """Ends of the pieces of a path on which no unit turns."""
    if model.activation != "relu":
        return np.linspace(0.0, 1.0, 41).tolist()
    pieces = [(0.0, 1.0, b, x - b)]  # from, to, and what comes into the layer as a line
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        pieces = [piece for old in pieces for piece in turned(*old, coef, intercept)]
    return [0.0, *(piece[1] for piece in pieces)]


def turned(low: float, high: float, at: np.ndarray, rate: np.ndarray, coef: np.ndarray, c: np.ndarray) -> Iterator:
    """The pieces of a piece behind one layer of ReLU units."""
    at, rate = at @ coef + c, rate @ coef
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = -at / rate
    for one, two in pairwise([low, *sorted(roots[(roots > low) & (roots < high)]), high]):
        on = at + rate * (one + two) / 2.0 > 0.0
        yield one, two, at * on, rate * on


def truth(model: MLPClassifier | MLPRegressor, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Attributions (n_features, n_outputs) of one row."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    places = np.array(kinks(model, b, x))
    alpha = places[:-1, None] + np.diff(places)[:, None] * (nodes + 1.0) / 2.0
    weight = np.diff(places)[:, None] * weights / 2.0
    slopes = gradients(model, b + alpha.ravel()[:, None] * (x - b))
    return (x - b)[:, None] * np.einsum("i,ijo->jo", weight.ravel(), slopes)


def fit(name: str, kind: type, sizes: tuple, activation: str, X: np.ndarray, y: np.ndarray, n_rows: int) -> Case:
    order = np.random.default_rng(0).permutation(len(X))
    X, y, n_train = X[order], y[order], min(N_TRAIN, len(X) - n_rows)
    model = kind(hidden_layer_sizes=sizes, activation=activation, max_iter=60, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X[:n_train], y[:n_train])
    return Case(f"{name}, {activation} {sizes}", model, X[:n_train], X[-n_rows:])


def cases(n_rows: int) -> Iterator[Case]:
    """Synthetic rows of 20 inputs with four kinds of outputs, then real ones."""
    X, y = make_classification(N_TRAIN + n_rows, 20, n_informative=11, random_state=0)
    number = X[:, 0] * X[:, 1] + np.sin(2.0 * X[:, 2]) + X[:, 3]
    targets = {
        "number": (MLPRegressor, number),
        "2 classes": (MLPClassifier, y),
        "3 classes": (MLPClassifier, np.digitize(number, [-1.0, 1.0])),
    }
    for sizes, (name, (kind, target)), activation in product(
        [(100,), (100, 100), (64, 64, 64)], targets.items(), ["relu", "tanh"]
    ):
        yield fit(name, kind, sizes, activation, X, target, n_rows)
    digits, digit = load_digits(return_X_y=True)
    mails = load_email_fraud("full", as_frame=False)
    for sizes, activation in product([(100,), (100, 100)], ["relu", "logistic"]):
        yield fit("digits, 10 classes", MLPClassifier, sizes, activation, digits / 16.0, digit, min(n_rows, 500))
        yield fit("mails, 2 classes", MLPClassifier, sizes, activation, scale(mails.data), mails.target, n_rows)


def measure(case: Case, n_oracle: int) -> str:
    """One line of the table."""
    model, rows, baseline = case.model, case.rows, case.train.mean(axis=0)
    explainer = IntegratedGradients(model, baseline, engine="exact")
    steps = (np.arange(N_STEPS) + 0.5) / N_STEPS
    seconds = median_seconds(
        {
            "explain": lambda: explainer.explain(rows),
            "steps": lambda: [gradients(model, baseline + alpha * (rows - baseline)) for alpha in steps],
            "predict": lambda: (getattr(model, "predict_proba", None) or model.predict)(rows),
        },
        repeats=3,
    )
    e = explainer.explain(rows)
    values = e.values.reshape(len(rows), rows.shape[1], -1)
    size = np.abs(values).sum(axis=1)
    gap = np.abs(e.convergence_delta).reshape(size.shape) / size
    errors = [
        (np.abs(values[row] - wanted).sum(axis=0) / np.abs(wanted).sum(axis=0)).max()
        for row in range(n_oracle)
        for wanted in [truth(model, baseline, rows[row])]
    ]
    each = {name: 1e6 * time / len(rows) for name, time in seconds.items()}
    return (
        f"| {case.name} | {each['explain']:.0f} | {each['steps']:.0f} | {each['predict']:.1f} "
        f"| {each['explain'] / each['steps']:.2f} | {max(errors):.0e} | {gap.max():.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--oracle-rows", type=int, default=5)
    options = parser.parse_args()
    print("µs a row:\n\n| net | explain | 50 gradients | predict | explain / 50 gradients | error | completeness |")
    print("|---|---|---|---|---|---|---|")
    with threadpool_limits(1):
        for case in cases(options.rows):
            print(measure(case, options.oracle_rows), flush=True)


if __name__ == "__main__":
    main()
