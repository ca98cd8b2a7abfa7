"""Tables that many tests share: data, fitted models of every family, and tolerances with their reasons."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM
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
SINGLE = 1e-6  # of a model's answers in float32: a few dozen roundings of the sum of its leaves

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


@functools.cache
def category_data() -> np.ndarray:
    """The mixed data with eight categories in column 1 and four in column 3, some of them missing."""
    X = data()[0].copy()
    X[:, 1] = np.array([2, 3, 5, 7, 11, 13, 17, 40])[np.digitize(X[:, 1], [-1.2, -0.8, -0.4, 0, 0.4, 0.8, 1.2])]
    X[np.random.default_rng(9).random(300) < 0.05, 1] = np.nan
    return X


CATEGORIES = (1, 3)


def three_classes() -> np.ndarray:
    """Labels "a", "b" and "c" from the score."""
    score = data()[2]
    return np.array(["a", "b", "c"])[np.digitize(score, [-0.5, 1.0])]


@dataclass(frozen=True)
class Case:
    """A model of one family: how to fit it, and what should answer.

    `label` names the target that it learns, `missing` says that it is fitted on data with NaN, `categories` that it
    treats columns of the data as categories, `single` that it answers in float32, `stepped` that nothing in it moves
    between jumps, `rounding` how much of its answers is.
    """

    name: str
    make: Callable[[], Any]
    label: str = "class"
    response_method: str = "auto"
    engine: str = "tree_ensemble"
    missing: bool = False
    target: Any = None
    categories: bool = False
    single: bool = False
    stepped: bool = True
    rounding: float = 1e-13

    @property
    def X(self) -> np.ndarray:
        if self.categories:
            return category_data()
        return missing_data() if self.missing else data()[0]

    def model(self) -> Any:
        """The fitted model, fitted once."""
        return _fitted(self)


LABELS = {
    "class": lambda: data()[1],
    "number": lambda: data()[2],
    "three": three_classes,
    "count": lambda: np.abs(data()[2]),
    "positive": lambda: np.abs(data()[2]) + 0.1,
    "two numbers": lambda: np.column_stack([data()[2], data()[0][:, 0] * data()[0][:, 3]]),
    "two labels": lambda: np.column_stack([three_classes(), np.where(data()[1], "yes", "no")]),
    "two flags": lambda: np.column_stack([data()[1], data()[0][:, 3] > 1]).astype(int),
    "three codes": lambda: np.unique(three_classes(), return_inverse=True)[1],
    "some unknown": lambda: np.where(np.arange(300) % 3 == 0, -1, data()[1]),
    "rare": lambda: np.where(np.arange(300) < 3, "rare", three_classes()),
}


class Unweighted(DecisionTreeClassifier):
    """A tree that Bagging draws rows for, so that it may not meet every class."""

    def fit(self, X: Any, y: Any) -> "Unweighted":
        return super().fit(X, y)


class Fit:
    """A model whose training is no method `fit(X, y)` of its own."""

    def __init__(self, fit: Callable[[Any, Any], Any]) -> None:
        self.fit = fit


def net(kind: type, activation: str, *sizes: int) -> Any:
    """A small net, trained for a moment."""
    return kind(hidden_layer_sizes=sizes or (6,), activation=activation, solver="lbfgs", tol=1e9, random_state=0)


# 300 rows on two cores: more threads than one only wait for each other.
LIGHTGBM = {"num_leaves": 8, "min_child_samples": 10, "n_jobs": 1, "verbosity": -1}
CATBOOST = {"depth": 3, "thread_count": 1, "logging_level": "Silent", "allow_writing_files": False}
XGBOOST = {"n_estimators": 9, "max_depth": 3, "n_jobs": 1}

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
    *(
        Case(
            f"HistGradientBoostingRegressor, {loss}",
            lambda loss=loss: HistGradientBoostingRegressor(
                loss=loss, quantile=0.3, max_iter=8, categorical_features=CATEGORIES, random_state=0
            ),
            "positive",
            categories=True,
        )
        for loss in ("absolute_error", "quantile", "gamma")
    ),
    *(
        Case(
            f"HistGradientBoostingClassifier, categories, {label}",
            lambda: HistGradientBoostingClassifier(max_iter=8, categorical_features=CATEGORIES, random_state=0),
            label,
            categories=True,
        )
        for label in ("class", "three")
    ),
    *(
        Case(f"{make.__name__}, two outputs", lambda make=make: make(max_depth=5, random_state=0), label)
        for make, label in (
            (DecisionTreeClassifier, "two labels"),
            (DecisionTreeRegressor, "two numbers"),
            (ExtraTreeClassifier, "two labels"),
            (ExtraTreeRegressor, "two numbers"),
        )
    ),
    *(
        Case(f"{make.__name__}, two outputs", lambda make=make: make(6, max_depth=5, random_state=0), label)
        for make, label in (
            (RandomForestClassifier, "two labels"),
            (RandomForestRegressor, "two numbers"),
            (ExtraTreesClassifier, "two labels"),
            (ExtraTreesRegressor, "two numbers"),
        )
    ),
    Case(
        "GradientBoostingRegressor, on a forest",
        lambda: GradientBoostingRegressor(
            n_estimators=8, init=RandomForestRegressor(4, max_depth=3, random_state=0), random_state=0
        ),
        "number",
    ),
    *(
        Case(
            f"GradientBoostingClassifier, on a tree, {label}, {loss}",
            lambda loss=loss: GradientBoostingClassifier(
                n_estimators=6, loss=loss, init=DecisionTreeClassifier(max_depth=3, random_state=0), random_state=0
            ),
            label,
        )
        for label, loss in (("class", "log_loss"), ("class", "exponential"), ("three", "log_loss"))
    ),
    Case(
        "IsolationForest",
        lambda: IsolationForest(n_estimators=12, random_state=0),
        response_method="decision_function",
    ),
    Case(
        "IsolationForest, score, few columns, NaN",
        lambda: IsolationForest(n_estimators=12, max_features=3, max_samples=60, random_state=0),
        response_method="score_samples",
        missing=True,
    ),
    Case(
        "IsolationForest, contamination",
        lambda: IsolationForest(n_estimators=9, contamination=0.1, random_state=0),
        response_method="decision_function",
    ),
    *(
        Case(
            f"AdaBoostClassifier, {label}, {response_method}",
            lambda: AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=9, random_state=0),
            label,
            response_method,
        )
        for label in ("class", "three")
        for response_method in ("predict_proba", "decision_function")
    ),
    Case("BaggingClassifier", lambda: BaggingClassifier(n_estimators=8, random_state=0)),
    Case(
        "BaggingClassifier, columns drawn twice, a class missed",
        lambda: BaggingClassifier(
            Unweighted(), n_estimators=8, max_samples=0.1, max_features=0.8, bootstrap_features=True, random_state=0
        ),
        "rare",
    ),
    Case(
        "BaggingClassifier, margins of boosting",
        lambda: BaggingClassifier(
            GradientBoostingClassifier(n_estimators=4, random_state=0), n_estimators=3, random_state=0
        ),
        "three",
        "decision_function",
    ),
    Case(
        "BaggingRegressor, forests on few columns",
        lambda: BaggingRegressor(
            RandomForestRegressor(4, max_depth=5), n_estimators=3, max_features=0.6, random_state=0
        ),
        "number",
    ),
    Case(
        "BaggingRegressor, histograms, NaN",
        lambda: BaggingRegressor(
            HistGradientBoostingRegressor(max_iter=5), n_estimators=3, max_features=4, random_state=0
        ),
        "number",
        missing=True,
    ),
    *(
        Case(f"LGBMClassifier, {label}, {response}", lambda: lightgbm.LGBMClassifier(**LIGHTGBM), label, response)
        for label in ("class", "three")
        for response in ("predict_proba", "decision_function")
    ),
    Case("LGBMRegressor, NaN", lambda: lightgbm.LGBMRegressor(**LIGHTGBM), "number", missing=True),
    Case("LGBMRegressor, poisson", lambda: lightgbm.LGBMRegressor(objective="poisson", **LIGHTGBM), "count"),
    Case(
        "LGBMRegressor, categories",
        lambda: Fit(lambda X, y: lightgbm.LGBMRegressor(**LIGHTGBM).fit(X, y, categorical_feature=CATEGORIES)),
        "number",
        categories=True,
    ),
    Case(
        "LGBMRanker",
        lambda: Fit(lambda X, y: lightgbm.LGBMRanker(n_estimators=9, **LIGHTGBM).fit(X, y, group=[100] * 3)),
    ),
    Case(
        "lightgbm.Booster",
        lambda: Fit(
            lambda X, y: lightgbm.train({"objective": "binary", "max_depth": 3, **LIGHTGBM}, lightgbm.Dataset(X, y), 9)
        ),
    ),
    *(
        Case(
            f"CatBoostClassifier, {label}, {response}",
            lambda: catboost.CatBoostClassifier(9, **CATBOOST),
            label,
            response,
        )
        for label in ("class", "three")
        for response in ("predict_proba", "decision_function")
    ),
    *(
        Case(
            f"CatBoostRegressor, {policy}, NaN",
            lambda policy=policy, mode=mode: catboost.CatBoostRegressor(
                9, grow_policy=policy, nan_mode=mode, **CATBOOST
            ),
            "number",
            missing=True,
        )
        for policy, mode in (("SymmetricTree", "Min"), ("Lossguide", "Max"))
    ),
    Case(
        "CatBoostRegressor, Poisson",
        lambda: catboost.CatBoostRegressor(9, loss_function="Poisson", **CATBOOST),
        "count",
    ),
    Case(
        "CatBoostRanker",
        lambda: Fit(
            lambda X, y: catboost.CatBoostRanker(iterations=9, **CATBOOST).fit(X, y, group_id=np.arange(300) // 100)
        ),
    ),
    Case("CatBoost", lambda: catboost.CatBoost({"iterations": 9, **CATBOOST}), "number"),
    *(
        Case(
            f"XGBClassifier, {label}, {response}",
            lambda: xgboost.XGBClassifier(**XGBOOST),
            label,
            response,
            single=True,
        )
        for label in ("class", "three codes", "two flags")
        for response in ("predict_proba", "decision_function")
    ),
    Case("XGBClassifier, NaN", lambda: xgboost.XGBClassifier(**XGBOOST), missing=True, single=True),
    Case(
        "XGBRegressor, dart",
        lambda: xgboost.XGBRegressor(booster="dart", rate_drop=0.5, **XGBOOST),
        "number",
        single=True,
    ),
    Case(
        "XGBRegressor, Poisson",
        lambda: xgboost.XGBRegressor(objective="count:poisson", **XGBOOST),
        "count",
        single=True,
    ),
    *(
        Case(
            f"XGBRegressor, two numbers, {strategy}",
            lambda strategy=strategy: xgboost.XGBRegressor(multi_strategy=strategy, **XGBOOST),
            "two numbers",
            single=True,
        )
        for strategy in ("one_output_per_tree", "multi_output_tree")
    ),
    Case(
        "XGBRegressor, categories",
        lambda: xgboost.XGBRegressor(
            enable_categorical=True, feature_types=["q", "c", "q", "c", "q"], max_cat_to_onehot=4, **XGBOOST
        ),
        "number",
        categories=True,
        single=True,
    ),
    Case(
        "XGBRanker",
        lambda: Fit(lambda X, y: xgboost.XGBRanker(**XGBOOST).fit(X, y, qid=np.arange(300) // 20)),
        single=True,
    ),
    Case("XGBRFClassifier", lambda: xgboost.XGBRFClassifier(**XGBOOST), "three codes", single=True),
    Case("XGBRFRegressor", lambda: xgboost.XGBRFRegressor(**XGBOOST), "number", missing=True, single=True),
    Case(
        "xgboost.Booster",
        lambda: Fit(
            lambda X, y: xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, y), 6)
        ),
        single=True,
    ),
]

SMOOTH = [
    Case("Pipeline, all mixed", lambda: make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), engine="smooth"),
    Case("LogisticRegression", LogisticRegression, engine="smooth"),
    Case("LogisticRegression, 3 classes", LogisticRegression, "three", engine="smooth"),
    Case("LinearRegression, two numbers", LinearRegression, "two numbers", engine="smooth"),
    Case("MLPClassifier", lambda: net(MLPClassifier, "tanh"), engine="smooth"),
    Case("MLPClassifier, 3 classes, deep", lambda: net(MLPClassifier, "logistic", 5, 4), "three", engine="smooth"),
    Case("MLPRegressor, two numbers", lambda: net(MLPRegressor, "tanh"), "two numbers", engine="smooth"),
    *(
        Case(name, make, label, "decision_function", engine="smooth")
        for name, make, label in (
            ("SVC, margin", lambda: SVC(gamma=0.3), "class"),
            ("SVC, pairs", lambda: SVC(kernel="poly", coef0=1.0, decision_function_shape="ovo"), "three"),
            ("NuSVC, pairs", lambda: NuSVC(nu=0.3, gamma="auto", decision_function_shape="ovo"), "three"),
        )
    ),
    Case("LabelPropagation", lambda: LabelPropagation(gamma=0.5), "three", engine="smooth"),
    Case("LabelSpreading", lambda: LabelSpreading(gamma=0.5), engine="smooth"),
    Case("SVR", lambda: SVR(kernel="sigmoid", gamma=0.02), "number", engine="smooth"),
    Case("NuSVR", lambda: NuSVR(C=3.0), "number", engine="smooth"),
    Case("OneClassSVM", OneClassSVM, response_method="decision_function", engine="smooth"),
    Case("OneClassSVM, score", OneClassSVM, response_method="score_samples", engine="smooth"),
    Case("KernelRidge", lambda: KernelRidge(kernel="rbf"), "two numbers", engine="smooth"),
    Case(
        "GaussianProcessRegressor",
        lambda: GaussianProcessRegressor(RBF(2.0) + WhiteKernel(0.1), optimizer=None, normalize_y=True),
        "two numbers",
        engine="smooth",
    ),
    *(
        Case(
            f"GaussianProcessClassifier, {label}",
            lambda: GaussianProcessClassifier(RBF(2.0), optimizer=None),
            label,
            engine="smooth",
            rounding=1e-11,  # it adds five numbers of up to 3,500 for a probability
        )
        for label in ("class", "three")
    ),
]


NEIGHBOURS = [
    Case("KNeighborsClassifier", lambda: KNeighborsClassifier(3), "three", engine="neighbours"),
    Case("RadiusNeighborsClassifier", lambda: RadiusNeighborsClassifier(9.0), "three", engine="neighbours"),
    Case("RadiusNeighborsRegressor", lambda: RadiusNeighborsRegressor(9.0), "number", engine="neighbours"),
    Case("KNeighborsRegressor", KNeighborsRegressor, "two numbers", engine="neighbours"),
]

BY_NAME = {case.name: case for case in [*TREES, *SMOOTH, *NEIGHBOURS]}


@functools.cache
def _fitted(case: Case) -> Any:
    return case.make().fit(case.X, LABELS[case.label]())
