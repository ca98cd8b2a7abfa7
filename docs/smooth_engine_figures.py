"""Print the figures of the smooth engine in engines.md: 1,000 rows with 100 columns, one baseline, one class.

Run ``python docs/smooth_engine_figures.py`` after a change of the smooth engine and put the table there.
Milliseconds of one core, the best of 9 calls.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.naive_bayes import GaussianNB

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines.link_ties import shares_of_ties

rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 100))
score = 0.3 * X @ rng.normal(size=100) + X[:, 0] * X[:, 1]


def best(function: Callable, *arguments: Any, **options: Any) -> float:
    """Milliseconds of one core."""
    function(*arguments, **options)
    times = []
    for _ in range(9):
        start = time.process_time()
        function(*arguments, **options)
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def models() -> Iterator[tuple[str, Any]]:
    """Names and fitted models."""
    yield "linear regression", LinearRegression().fit(X, score)
    yield "Poisson regression", PoissonRegressor().fit(X, np.exp(score / 10))
    for n in (2, 3, 10):
        y = np.digitize(score, np.quantile(score, np.arange(1, n) / n))
        yield f"logistic regression, {n} classes", LogisticRegression(max_iter=300).fit(X, y)
        yield f"normal naive Bayes, {n} classes", GaussianNB().fit(X, y)
        yield f"quadratic discriminant analysis, {n} classes", QuadraticDiscriminantAnalysis().fit(X, y)


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    for name, model in models():
        classes = getattr(model, "classes_", ())
        predict = model.predict_proba if len(classes) else model.predict
        explainer, target = IntegratedGradients(model, X[-1]), {"target": 1} if len(classes) > 2 else {}
        times = best(predict, X[:1000]), best(explainer.explain, X[:1000], **target)
        sys.stdout.write(f"| {name} | {times[0]:.1f} | {times[1]:.0f} |\n")
    for k in (14, 30, 60):
        before, effects = rng.normal(size=50), rng.normal(size=(50, k))
        sys.stdout.write(f"a tie of {k} columns: {best(shares_of_ties, 'sigmoid', before, effects) / 50:.1f}\n")


if __name__ == "__main__":
    main()
