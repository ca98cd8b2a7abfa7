"""Numerical gradients: accuracy, coverage, sharpness and rows, beside scipy.differentiate and numdifftools.

    python -m benchmarks.gradient

Every function is handed over as a plain function that counts the rows it sees; gradients are known in closed form.
Relative error: |error| / largest |gradient| of the feature in all rows. Covered: |error| <= `error`. Sharpness:
`error` / |error|, median over entries whose error is not zero. Rows: model rows for each entry (row and feature).
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

import agnostic_ig as aig

N_ROWS, N_FEATURES = 40, 5
ROUNDING = 4 * np.finfo(float).eps  # of the closed forms themselves


@dataclass(frozen=True)
class Case:
    """A function (n, p) -> (n,), its gradient (n, p) -> (n, p), and rows to differentiate at."""

    name: str
    function: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    X: np.ndarray


class Counted:
    """The same function, counting the rows it is asked for."""

    def __init__(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.function = function
        self.rows = 0

    def __call__(self, X: np.ndarray) -> np.ndarray:
        self.rows += len(X)
        return self.function(X)


def additive(term: Callable[[np.ndarray], np.ndarray], slope: Callable[[np.ndarray], np.ndarray]) -> tuple:
    """A sum over features, and its gradient."""
    return (lambda X: term(X).sum(axis=1)), slope


def noisy(function: Callable[[np.ndarray], np.ndarray], size: float) -> Callable[[np.ndarray], np.ndarray]:
    """Deterministic noise: what the bits of a row hash to, evenly in [-size, size]."""
    from agnostic_ig.numerics.hashing import keys_of_rows, uniform

    return lambda X: function(X) + size * (2.0 * uniform(keys_of_rows(7, np.asarray(X, float))) - 1.0)


def single(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Answers rounded to float32, and handed out as float64."""
    return lambda X: function(X).astype(np.float32).astype(np.float64)


def scaled(case: Case, scale: np.ndarray, offset: np.ndarray, name: str) -> Case:
    """The same function of (z - offset) / scale."""
    return Case(
        name,
        lambda Z: case.function((Z - offset) / scale),
        lambda Z: case.gradient((Z - offset) / scale) / scale,
        case.X * scale + offset,
    )


def models(rng: np.random.Generator) -> list[Case]:
    """Fitted models whose gradients are known."""
    X, y = make_classification(600, N_FEATURES, n_informative=4, n_redundant=0, random_state=1)
    train, rows = X[:400], X[400 : 400 + N_ROWS]
    logistic = LogisticRegression().fit(train, y[:400])
    network = MLPClassifier((20,), activation="tanh", max_iter=2000, random_state=0).fit(train, y[:400])
    gamma = 0.3
    machine = SVC(gamma=gamma).fit(train, y[:400])

    def logistic_gradient(Z: np.ndarray) -> np.ndarray:
        p = logistic.predict_proba(Z)
        return (p[:, 0] * p[:, 1])[:, None] * logistic.coef_

    def network_gradient(Z: np.ndarray) -> np.ndarray:
        (first, last), (shift, _) = network.coefs_, network.intercepts_
        inner = 1.0 - np.tanh(Z @ first + shift) ** 2
        p = network.predict_proba(Z)
        return (p[:, 0] * p[:, 1])[:, None] * ((inner * last[:, 0]) @ first.T)

    def machine_gradient(Z: np.ndarray) -> np.ndarray:
        apart = Z[:, None, :] - machine.support_vectors_[None]
        kernel = np.exp(-gamma * (apart**2).sum(axis=2))
        return np.einsum("k,nk,nkj->nj", -2.0 * gamma * machine.dual_coef_[0], kernel, apart)

    return [
        Case("LogisticRegression, probability", lambda Z: logistic.predict_proba(Z)[:, 1], logistic_gradient, rows),
        Case("MLP tanh, probability", lambda Z: network.predict_proba(Z)[:, 1], network_gradient, rows),
        Case("RBF SVC, margin", machine.decision_function, machine_gradient, rows),
    ]


def cases() -> list[Case]:
    """The zoo."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    weights = rng.normal(size=N_FEATURES)
    exp = Case("exp", lambda Z: np.exp(Z @ weights), lambda Z: np.exp(Z @ weights)[:, None] * weights, X)
    mixed = [
        exp,
        Case("rational", *additive(lambda Z: 1 / (1 + Z**2), lambda Z: -2 * Z / (1 + Z**2) ** 2), X),
        Case("oscillating", *additive(lambda Z: np.sin(20 * Z), lambda Z: 20 * np.cos(20 * Z)), X),
        Case("polynomial", *additive(lambda Z: Z**5 - 3 * Z**2 + Z, lambda Z: 5 * Z**4 - 6 * Z + 1), X),
        Case("linear", lambda Z: Z @ weights + 3.0, lambda Z: np.tile(weights, (len(Z), 1)), X),
        Case("product", lambda Z: Z.prod(axis=1), lambda Z: Z.prod(axis=1)[:, None] / Z, X),
    ]
    net = models(rng)
    scale = 10.0 ** np.array([-6, -3, 0, 3, 6])
    smooth = mixed[1]
    sine = Case("sine", *additive(np.sin, np.cos), X)
    at_zero = Case("sine at 0", sine.function, sine.gradient, X * rng.integers(0, 2, X.shape))
    return [
        *mixed,
        *net,
        scaled(sine, scale, np.zeros(N_FEATURES), "scales 1e-6 … 1e6"),
        at_zero,
        scaled(smooth, np.ones(N_FEATURES), np.full(N_FEATURES, 1e6), "rational, offset 1e6"),
        Case("rational + 1e6", lambda Z: smooth.function(Z) + 1e6, smooth.gradient, X),
        *(Case(f"{c.name}, float32", single(c.function), c.gradient, c.X) for c in (exp, smooth, net[1])),
        *(Case(f"{c.name}, noise 1e-6", noisy(c.function, 1e-6), c.gradient, c.X) for c in (exp, sine, net[0])),
    ]


@dataclass(frozen=True)
class Figures:
    """What one tool did with one case."""

    error: np.ndarray
    said: np.ndarray
    size: np.ndarray
    rows: float

    @property
    def relative(self) -> np.ndarray:
        return self.error / self.size.max(axis=0)

    @property
    def covered(self) -> float:
        return float((self.error <= self.said + ROUNDING * self.size).mean())

    @property
    def sharpness(self) -> float:
        wrong = self.error > ROUNDING * self.size
        return float(np.median(self.said[wrong] / self.error[wrong])) if wrong.any() else 1.0


def measure(case: Case, tool: Callable) -> Figures:
    """Gradient and stated error of one tool against the closed form."""
    function, wanted = Counted(case.function), case.gradient(case.X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found, said = tool(function, case.X)
    return Figures(np.abs(found - wanted), said, np.abs(wanted), function.rows / wanted.size)


def ours(**options: object) -> Callable:
    """`aig.gradient`, whose own count must be that of the function."""

    def tool(function: Counted, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        result = aig.gradient(function, X, **options)
        if result.n_evaluations != function.rows:
            raise SystemExit(f"rows said: {result.n_evaluations}, seen: {function.rows}")
        return result.gradient, result.error

    return tool


def scipy_jacobian(function: Counted, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """scipy.differentiate.jacobian with its defaults, all rows in one call."""
    from scipy.differentiate import jacobian

    result = jacobian(lambda Z: function(Z.reshape(len(Z), -1).T).reshape(Z.shape[1:]), X.T)
    return result.df.T, result.error.T


def numdifftools_gradient(function: Counted, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """numdifftools.Gradient with its defaults, row by row."""
    import numdifftools

    tool = numdifftools.Gradient(lambda z: function(np.asarray(z)[None, :])[0], full_output=True)
    answers = [tool(x) for x in X]
    return np.array([one.estimate for one in answers]), np.array([one.error_estimate.ravel() for one in answers])


TOOLS = {
    "ours": ours(),
    "ours, order 4": ours(order=4),
    "ours, order 6": ours(order=6),
    "ours, Richardson": ours(richardson=True),
    "ours, forward 1": ours(scheme="forward", order=1),
    "scipy.differentiate": scipy_jacobian,
    "numdifftools": numdifftools_gradient,
}


def line(name: str, tool: str, found: list[Figures]) -> str:
    """A row of the table: one case, or several as if they were one."""
    relative = np.concatenate([f.relative.ravel() for f in found])
    covered, rows = np.mean([f.covered for f in found]), np.mean([f.rows for f in found])
    sharpness = np.median([f.sharpness for f in found])
    figures = f"{np.median(relative):.0e} | {relative.max():.0e} | {100 * covered:.1f} % | {sharpness:.2g} | {rows:.1f}"
    return f"| {name} | {tool} | {figures} |"


def main(names: list[str]) -> None:
    """One markdown table: all cases by all tools, or by those that are named."""
    print("| function | tool | median relative error | worst | covered | sharpness | rows an entry |")
    print("|---|---|---|---|---|---|---|")
    found: dict[str, list[Figures]] = {name: [] for name in names or TOOLS}
    for case in cases():
        for name, figures in found.items():
            figures.append(measure(case, TOOLS[name]))
            print(line(case.name, name, figures[-1:]))
    for name, figures in found.items():
        print(line("**all**", name, figures))


if __name__ == "__main__":
    main(sys.argv[1:])
