"""Every classifier, regressor and outlier detector of the scikit-learn that is installed, fitted on small real data.

New ones appear by themselves: what a constructor requires is found by its parameters' names, what a model wants to be
fitted on by scikit-learn's tags. The tables below name what neither says.
"""

import functools
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import OutlierMixin, is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

# Quick, or able to answer at all; everything else is scikit-learn's default.
SETTINGS: dict[str, Callable[[], dict[str, Any]]] = {
    "AdaBoostClassifier": lambda: {"n_estimators": 8},
    "AdaBoostRegressor": lambda: {"n_estimators": 8},
    "ExtraTreesClassifier": lambda: {"n_estimators": 6, "max_depth": 5},
    "ExtraTreesRegressor": lambda: {"n_estimators": 6, "max_depth": 5},
    "GaussianProcessRegressor": lambda: {"alpha": 1e-2},  # else its answers are rounding in the eighth digit
    "GradientBoostingClassifier": lambda: {"n_estimators": 8},
    "GradientBoostingRegressor": lambda: {"n_estimators": 8},
    "HistGradientBoostingClassifier": lambda: {"max_iter": 8, "min_samples_leaf": 5, "max_leaf_nodes": 6},
    "HistGradientBoostingRegressor": lambda: {"max_iter": 8, "min_samples_leaf": 5, "max_leaf_nodes": 6},
    "IsolationForest": lambda: {"n_estimators": 8, "max_samples": 32},
    "Lasso": lambda: {"alpha": 0.05},  # else no column is used
    "LassoLars": lambda: {"alpha": 0.05},
    "LocalOutlierFactor": lambda: {"novelty": True},  # else it judges its training rows only
    "MultiTaskLasso": lambda: {"alpha": 0.05},
    "LogisticRegressionCV": lambda: {"Cs": 2, "cv": 2},
    "MLPClassifier": lambda: {"hidden_layer_sizes": (8, 6)},
    "MLPRegressor": lambda: {"hidden_layer_sizes": (8, 6)},
    "QuantileRegressor": lambda: {"alpha": 0.05},
    "RadiusNeighborsClassifier": lambda: {"radius": 2.0},  # else rows without neighbours are an error
    "RadiusNeighborsRegressor": lambda: {"radius": 2.0},
    "RandomForestClassifier": lambda: {"n_estimators": 6, "max_depth": 5},
    "RandomForestRegressor": lambda: {"n_estimators": 6, "max_depth": 5},
    "TunedThresholdClassifierCV": lambda: {"cv": 2, "thresholds": 5},
    "VotingClassifier": lambda: {"voting": "soft"},
}
# Their first parameter is a member, with a default that cannot be fitted.
NO_MEMBER = {"SelfTrainingClassifier"}
# Targets that no tag tells of.
TWO_OUTPUTS = {"CCA", "ClassifierChain", "MultiOutputClassifier", "PLSCanonical", "PLSRegression", "RegressorChain"}
COUNTS = {"PoissonRegressor", "GammaRegressor", "TweedieRegressor"}
# Columns of integers 0 to 3, and a single column.
CODES, ONE_COLUMN = {"CategoricalNB"}, {"IsotonicRegression"}
# Fitted on every third row: these jump wherever a row comes near enough.
FEW_ROWS = {"RadiusNeighborsClassifier", "RadiusNeighborsRegressor"}


class Data(NamedTuple):
    """What a model is fitted on, explained at and compared with."""

    X: np.ndarray
    y: np.ndarray | None
    rows: np.ndarray
    baselines: np.ndarray


@dataclass(frozen=True)
class Estimator:
    """One class of scikit-learn; `kind` is "classifier", "regressor" or "outlier detector"."""

    name: str
    kind: str
    make: type

    def new(self) -> Any:
        """An instance that is not fitted."""
        settings = SETTINGS.get(self.name, dict)() | _required(self)
        if "random_state" in inspect.signature(self.make).parameters:
            settings["random_state"] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of models that will be gone one day
            return self.make(**settings)

    def data(self, n_classes: int = 3) -> Data:
        """Rows to fit, two rows to explain and five baselines, which lie between the rows."""
        X, y = _columns_and_target(self, n_classes)
        order = np.random.default_rng(5).permutation(len(X))
        mix = np.random.default_rng(6).dirichlet(np.ones(6), size=5)
        baselines = np.einsum("bk,bkj->bj", mix, X[order[:30]].reshape(5, 6, -1))
        return Data(X, y, X[[3, -4]], baselines)

    def fitted(self, n_classes: int = 3) -> tuple[Any, Data]:
        """A fitted model and its data."""
        data = self.data(n_classes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of models that are not done learning
            some = slice(None, None, 3 if self.name in FEW_ROWS else 1)
            return self.new().fit(data.X[some], None if data.y is None else data.y[some]), data


def estimators() -> list[Estimator]:
    """All of them, by kind and name."""
    found = [Estimator(*pair) for kind in ("classifier", "regressor") for pair in _of_kind(kind)]
    detectors = [(name, made) for name, made in all_estimators() if issubclass(made, OutlierMixin)]
    return found + [Estimator(name, "outlier detector", made) for name, made in detectors]


def _of_kind(kind: str) -> list[tuple[str, str, type]]:
    return [(name, kind, made) for name, made in all_estimators(type_filter=kind)]


def _required(estimator: Estimator) -> dict[str, Any]:
    """Members for the parameters that have no default."""
    classifies = estimator.kind == "classifier"
    linear, tree = (LogisticRegression, DecisionTreeClassifier) if classifies else (Ridge, DecisionTreeRegressor)
    members = {
        "estimator": linear,
        "base_estimator": linear,
        "estimators": lambda: [("linear", linear()), ("tree", tree(max_depth=3, random_state=0))],
    }
    parameters = inspect.signature(estimator.make).parameters.values()
    named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    required = [p.name for p in named if p.default is p.empty]
    if not required and estimator.name in NO_MEMBER:
        required = [named[0].name]
    return {name: members[name]() for name in required}


def _columns_and_target(estimator: Estimator, n_classes: int) -> tuple[np.ndarray, np.ndarray | None]:
    wants = _wants(estimator)
    X, y = _numbers() if estimator.kind == "regressor" else _classes(2 if wants["two classes"] else n_classes)
    if estimator.name in TWO_OUTPUTS or wants["outputs"]:
        y = np.column_stack([y > 0, y != 1] if estimator.kind == "classifier" else [y, y**2 + X[:, 0]])
    if estimator.kind == "outlier detector":
        y = None
    if estimator.name in COUNTS or wants["positive y"]:
        y = np.exp(y / 2)
    if estimator.name in CODES:
        X = np.clip(np.floor(X + 2), 0, 3)
    if wants["positive X"]:
        X = X - X.min(axis=0)
    return (X[:, :1] if estimator.name in ONE_COLUMN else X), y


def _wants(estimator: Estimator) -> dict[str, bool]:
    """What a model says of the data that it can be fitted on."""
    model = estimator.new()
    if not hasattr(model, "__sklearn_tags__"):  # before scikit-learn 1.6
        tags = model._get_tags()
        names = ("binary_only", "multioutput_only", "requires_positive_y", "requires_positive_X")
        return dict(zip(("two classes", "outputs", "positive y", "positive X"), map(tags.get, names), strict=True))
    tags = model.__sklearn_tags__()
    return {
        "two classes": estimator.kind == "classifier" and not tags.classifier_tags.multi_class,
        "outputs": not tags.target_tags.single_output,
        "positive y": tags.target_tags.positive_only,
        "positive X": tags.input_tags.positive_only,
    }


@functools.cache
def _classes(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Every third flower of iris, or tumours: four columns."""
    source = load_iris() if n_classes == 3 else load_breast_cancer()
    some = slice(None, None, 2 if n_classes == 3 else 8)
    columns = [0, 1, 2, 3] if n_classes == 3 else [0, 1, 4, 5]  # a tumour's size is measured three times
    return _standardised(source.data[some][:, columns]), source.target[some]


@functools.cache
def _numbers() -> tuple[np.ndarray, np.ndarray]:
    """Every sixth patient of diabetes: four columns, none of them a flag."""
    source = load_diabetes()
    X = _standardised(source.data[::6][:, [2, 3, 6, 8]])
    return X, _standardised(source.target[::6, None])[:, 0]


def _standardised(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(axis=0)) / X.std(axis=0)


def response_of(model: Any) -> str:
    """The method that response_method="auto" explains, by its documentation."""
    order = ("predict",)
    if is_classifier(model):
        order = ("predict_proba", "decision_function", "predict")
    elif isinstance(model, OutlierMixin):
        order = ("decision_function", "score_samples")
    return next(name for name in order if hasattr(model, name))


def answers(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """What is explained of a model: rows -> (n, K)."""
    name = response_of(model)
    ask = getattr(model, name)

    def answer(rows: np.ndarray) -> np.ndarray:
        found = ask(rows)
        found = np.hstack(found) if isinstance(found, list) else np.asarray(found)
        if name == "predict" and is_classifier(model):
            found = (found[:, None] == model.classes_).astype(float)
        found = found.reshape(len(rows), -1)
        alone = found.shape[1] == 2 and np.shape(model.classes_) == (2,) if is_classifier(model) else False
        return found[:, 1:] if alone else found

    return answer
