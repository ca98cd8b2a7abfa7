"""How every estimator of scikit-learn is explained, measured against the dense oracle.

``python tests/conformance.py`` writes the table of docs/estimators.md anew.
"""

import functools
import pathlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import sklearn
from all_estimators import Estimator, answers, estimators, response_of
from dense_oracle import dense_attributions

from agnostic_ig import IntegratedGradients, inspect_model
from agnostic_ig.exceptions import BudgetWarning

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "estimators.md"
RIGHT = 1e-5  # relative L1 error of a row and output
SAID = 1e-3  # the same, of answers with a BudgetWarning and an estimate that covers it
SLANTED = "surfaces that are slanted and close to each other: the search for them runs out of its budget"
# Answers of the numeric engine that are not right, and why. The page says so; a test sees that no other is wrong, and
# that nobody stays here who is right.
OPEN = {
    "LocalOutlierFactor": SLANTED,
}


class Answer(NamedTuple):
    """An explanation of `model`, its oracle (n, d, K) with its own error, what the model was asked, and warnings."""

    model: Any
    explanation: Any
    wanted: np.ndarray
    doubt: np.ndarray
    n_asked: int
    warned: set[str]

    @property
    def values(self) -> np.ndarray:
        return self.explanation.values.reshape(self.wanted.shape)

    @property
    def error(self) -> float:
        """The worst relative L1 error of a row and output, beyond what the oracle may be off."""
        off = np.abs(self.values - self.wanted).sum(axis=1) - self.doubt.sum(axis=1)
        return float((off.clip(0) / np.maximum(np.abs(self.wanted).sum(axis=1), 1e-300)).max())

    @property
    def is_covered(self) -> bool:
        """Whether the error stays within the estimate."""
        off = np.abs(self.values - self.wanted).sum(axis=1) - self.doubt.sum(axis=1)
        said = self.explanation.error_estimate.reshape(self.wanted.shape).sum(axis=1)
        return bool((off <= said + 1e-12 * np.abs(self.wanted).sum(axis=1)).all())


class Verdict(NamedTuple):
    """A row of the table; `is_said` and `is_covered` are about the errors by a BudgetWarning and by an estimate."""

    name: str
    engine: str
    exact: bool
    why: str
    error: float
    is_said: bool
    is_covered: bool

    @property
    def is_good(self) -> bool:
        """Right, or nearly right and said so."""
        return self.error <= RIGHT or (self.error <= SAID and self.is_said and self.is_covered)


def one_baseline(estimator: Estimator) -> Answer:
    """Two rows against one baseline; three classes where there are classes."""
    model, data = estimator.fitted(3)
    pairs = data.rows, data.baselines[[0, 0]]
    return _answer(model, data.baselines[0], data.rows, *_oracle(model, *pairs))


def five_baselines(estimator: Estimator) -> Answer:
    """One row against five baselines; two classes where there are classes."""
    model, data = estimator.fitted(2)
    wanted, doubt = _oracle(model, data.rows[[0] * 5], data.baselines)
    return _answer(model, data.baselines, data.rows[:1], wanted.mean(axis=0)[None], doubt.mean(axis=0)[None])


def _oracle(model: Any, x: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dense = dense_attributions(answers(model), x, b)
    return np.array([one.values for one in dense]), np.array([one.error for one in dense])


def _answer(model: Any, baseline: np.ndarray, X: np.ndarray, wanted: np.ndarray, doubt: np.ndarray) -> Answer:
    with warnings.catch_warnings(record=True) as caught, counted(model) as seen:
        warnings.simplefilter("always")
        e = IntegratedGradients(model, baseline, random_state=0).explain(X)
    return Answer(model, e, wanted, doubt, seen[0], {one.category.__name__ for one in caught})


@contextmanager
def counted(model: Any) -> Iterator[list[int]]:
    """Count the rows that the model answers for."""
    name, seen = response_of(model), [0]
    ask = getattr(model, name)

    @functools.wraps(ask)
    def asked(rows: np.ndarray) -> Any:
        seen[0] += len(rows)
        return ask(rows)

    setattr(model, name, asked)
    try:
        yield seen
    finally:
        delattr(model, name)


@functools.cache
def measured(estimator: Estimator) -> tuple[Verdict, Answer, Answer]:
    """The verdict on an estimator, and the answers behind it."""
    both = one_baseline(estimator), five_baselines(estimator)
    found = inspect_model(both[0].model)
    exact = all(answer.explanation.exact for answer in both)
    engines = sorted({answer.explanation.engine for answer in both})
    said = all(BudgetWarning.__name__ in answer.warned for answer in both if answer.error > RIGHT)
    error = max(answer.error for answer in both)
    covered = all(answer.is_covered for answer in both)
    return Verdict(estimator.name, ", ".join(engines), exact, found.why, error, said, covered), *both


HEAD = """# Every estimator of scikit-learn

The {n} classifiers, regressors and outlier detectors of scikit-learn {version}, fitted on small real data with the
settings of `tests/all_estimators.py` (scikit-learn's own wherever they are quick), are explained with one baseline
and with five, with `response_method="auto"`. {exact} of them are explained exactly. The last column is the worst
relative L1 error of a row and output, beyond what the oracle that it is compared with may be off itself: a dense one
that knows of the model only its answers (`tests/dense_oracle.py`). "Said" means that a `BudgetWarning` came with an
error estimate that covers the error. `python tests/conformance.py` writes this page, and a test checks it.

| estimator | engine | exact | why | worst error |
|---|---|---|---|---|
"""


def table_row(verdict: Verdict) -> str:
    """A line of the page."""
    error = "0" if verdict.error < 1e-12 else f"{verdict.error:.0e}"
    note = "" if verdict.error <= RIGHT else " (said)" if verdict.is_said and verdict.is_covered else " (not said)"
    why = f"{verdict.why}; open: {OPEN[verdict.name]}" if verdict.name in OPEN else verdict.why
    exact = "yes" if verdict.exact else "no"
    return f"| `{verdict.name}` | {verdict.engine} | {exact} | {why} | {error}{note} |\n"


def page() -> str:
    """The page as it should be."""
    verdicts = [measured(estimator)[0] for estimator in estimators()]
    facts = {"n": len(verdicts), "version": sklearn.__version__, "exact": sum(one.exact for one in verdicts)}
    return HEAD.format(**facts) + "".join(map(table_row, verdicts))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
