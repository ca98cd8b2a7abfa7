"""Tables that many tests share: data, fitted models of every family, and tolerances with their reasons."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

# Tolerances, relative to the sum of absolute attributions of a row.
EXACT = 1e-12  # closed form: a few thousand roundings of sums of leaf values
COMPLETE = 1e-9  # asked of tree engines by the project
NUMERIC = 1e-6  # the numeric engine's default `tol`

N_FEATURES = 5


@functools.cache
def data(kind: str = "mixed") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (300, 5), a 0/1 label and a number; the last two columns of "mixed" are small integers, so ties occur."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, N_FEATURES))
    if kind == "mixed":
        X[:, 3:] = rng.integers(0, 4, size=(300, 2))
    elif kind == "binary":
        X = (X > 0).astype(float)
    score = X[:, 0] + X[:, 1] * X[:, 2] + np.where(X[:, 3] > 1, X[:, 4], -X[:, 1])
    for array in (X, score):
        array.setflags(write=False)
    return X, (score > 0.3).astype(int), score


@functools.cache
def missing_data() -> np.ndarray:
    """The mixed data with a tenth of the cells missing."""
    X = data()[0].copy()
    X[np.random.default_rng(8).random(X.shape) < 0.1] = np.nan
    return X


def three_classes() -> np.ndarray:
    """Labels "a", "b" and "c" from the score."""
    score = data()[2]
    return np.array(["a", "b", "c"])[np.digitize(score, [-0.5, 1.0])]


@dataclass(frozen=True)
class Case:
    """A model of one family: how to fit it, and what should answer.

    `label` names the target that it learns, `missing` says that it is fitted on data with NaN.
    """

    name: str
    make: Callable[[], Any]
    label: str = "class"
    response_method: str = "auto"
    engine: str = "tree_ensemble"
    missing: bool = False
    target: Any = None

    @property
    def X(self) -> np.ndarray:
        return missing_data() if self.missing else data()[0]

    def model(self) -> Any:
        """The fitted model, fitted once."""
        return _fitted(self.name)


LABELS = {
    "class": lambda: data()[1],
    "number": lambda: data()[2],
    "three": three_classes,
    "count": lambda: np.abs(data()[2]),
}

TREES = [
    Case("DecisionTreeClassifier", lambda: DecisionTreeClassifier(max_depth=4, random_state=0)),
    Case("DecisionTreeRegressor", lambda: DecisionTreeRegressor(random_state=0), "number"),
    Case("ExtraTreeClassifier", lambda: ExtraTreeClassifier(random_state=0), "three"),
    Case("ExtraTreeRegressor", lambda: ExtraTreeRegressor(max_depth=5, random_state=0), "number"),
    Case("RandomForestClassifier", lambda: RandomForestClassifier(12, max_depth=5, random_state=0)),
    Case("RandomForestClassifier, 3 classes", lambda: RandomForestClassifier(9, random_state=0), "three"),
    Case("RandomForestRegressor", lambda: RandomForestRegressor(12, random_state=0), "number"),
    Case(
        "RandomForestRegressor, NaN",
        lambda: RandomForestRegressor(9, max_depth=6, random_state=0),
        "number",
        missing=True,
    ),
    Case("ExtraTreesClassifier", lambda: ExtraTreesClassifier(9, max_depth=6, random_state=0)),
    Case("ExtraTreesRegressor", lambda: ExtraTreesRegressor(9, random_state=0), "number"),
    Case("GradientBoostingClassifier", lambda: GradientBoostingClassifier(n_estimators=15, random_state=0)),
    Case(
        "GradientBoostingClassifier, margin",
        lambda: GradientBoostingClassifier(n_estimators=15, random_state=0),
        response_method="decision_function",
    ),
    Case(
        "GradientBoostingClassifier, exponential",
        lambda: GradientBoostingClassifier(n_estimators=12, loss="exponential", random_state=0),
    ),
    Case(
        "GradientBoostingClassifier, 3 classes",
        lambda: GradientBoostingClassifier(n_estimators=8, random_state=0),
        "three",
    ),
    Case(
        "GradientBoostingClassifier, init zero",
        lambda: GradientBoostingClassifier(n_estimators=8, init="zero", random_state=0),
    ),
    Case("GradientBoostingRegressor", lambda: GradientBoostingRegressor(n_estimators=15, random_state=0), "number"),
    Case("HistGradientBoostingClassifier", lambda: HistGradientBoostingClassifier(max_iter=12, random_state=0)),
    Case(
        "HistGradientBoostingClassifier, margin",
        lambda: HistGradientBoostingClassifier(max_iter=12, random_state=0),
        response_method="decision_function",
    ),
    Case(
        "HistGradientBoostingClassifier, 3 classes",
        lambda: HistGradientBoostingClassifier(max_iter=6, random_state=0),
        "three",
    ),
    Case(
        "HistGradientBoostingClassifier, NaN",
        lambda: HistGradientBoostingClassifier(max_iter=12, random_state=0),
        missing=True,
    ),
    Case("HistGradientBoostingRegressor", lambda: HistGradientBoostingRegressor(max_iter=12, random_state=0), "number"),
    Case(
        "HistGradientBoostingRegressor, poisson",
        lambda: HistGradientBoostingRegressor(loss="poisson", max_iter=10, random_state=0),
        "count",
    ),
]

SMOOTH = [
    Case("LogisticRegression", LogisticRegression, engine="numeric"),
    Case("SVC, margin", lambda: SVC(gamma=0.3), response_method="decision_function", engine="numeric"),
]

BY_NAME = {case.name: case for case in [*TREES, *SMOOTH]}


@functools.cache
def _fitted(name: str) -> Any:
    case = BY_NAME[name]
    return case.make().fit(case.X, LABELS[case.label]())
