"""Fitted models that are made of other models."""

from typing import Any

import numpy as np
from cases import Case, data
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

try:
    from sklearn.frozen import FrozenEstimator
except ImportError:
    ABSENT, FROZEN = {"FrozenEstimator"}, []  # before scikit-learn 1.6
else:
    ABSENT = set()
    FROZEN = [
        ("FrozenEstimator", lambda: FrozenEstimator(LogisticRegression().fit(*data()[:2])), "class", "smooth"),
    ]


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(6, max_depth=4, random_state=0)


def boosted() -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=6, random_state=0)


def both() -> list[tuple[str, Any]]:
    return [("forest", forest()), ("line", LogisticRegression())]


def adaboost() -> AdaBoostRegressor:
    return AdaBoostRegressor(n_estimators=7, random_state=0)


COMPOSITE = [
    *(
        Case(name, make, label, response, engine="composite")
        for name, make, label, response in [
            ("AdaBoostRegressor", adaboost, "number", "auto"),
            ("VotingClassifier, trees", lambda: VotingClassifier([("a", forest()), ("b", boosted())], voting="soft",
                                                                 weights=[1, 2]), "class", "auto"),
            ("VotingClassifier, hard", lambda: VotingClassifier([("a", forest()), ("b", boosted()),
                                                                 ("c", forest())]), "three", "auto"),
            ("StackingClassifier, trees", lambda: StackingClassifier([("a", forest()), ("b", boosted())], cv=2),
             "class", "auto"),
            ("CalibratedClassifierCV, forest", lambda: CalibratedClassifierCV(forest(), cv=2), "class", "auto"),
            ("CalibratedClassifierCV, isotonic, 3 classes",
             lambda: CalibratedClassifierCV(forest(), cv=2, method="isotonic"), "three", "auto"),
            ("CalibratedClassifierCV, boosted, 3 classes", lambda: CalibratedClassifierCV(boosted(), cv=2), "three",
             "auto"),
            ("OneVsRestClassifier, forest", lambda: OneVsRestClassifier(forest()), "three", "auto"),
            ("OneVsRestClassifier, flags", lambda: OneVsRestClassifier(forest()), "two flags", "auto"),
            ("OneVsRestClassifier, margins", lambda: OneVsRestClassifier(boosted()), "three", "decision_function"),
            ("OneVsOneClassifier", lambda: OneVsOneClassifier(boosted()), "three", "auto"),
            ("OneVsOneClassifier, shares", lambda: OneVsOneClassifier(forest()), "three", "auto"),
            ("OutputCodeClassifier", lambda: OutputCodeClassifier(forest(), random_state=0), "three", "auto"),
            ("MultiOutputClassifier", lambda: MultiOutputClassifier(forest()), "two flags", "auto"),
            ("MultiOutputRegressor", lambda: MultiOutputRegressor(adaboost()), "two numbers", "auto"),
            ("TransformedTargetRegressor, any function", lambda: TransformedTargetRegressor(
                RandomForestRegressor(5, max_depth=4, random_state=0), func=np.sqrt, inverse_func=np.square),
             "positive", "auto"),
            ("BaggingClassifier, boosted", lambda: BaggingClassifier(boosted(), 3, max_features=0.6, random_state=0),
             "class", "auto"),
            ("BaggingRegressor, medians", lambda: BaggingRegressor(adaboost(), 3, max_features=0.6, random_state=0),
             "number", "auto"),
        ]
    ),
    *(
        Case(name, make, label, response, engine="composite", stepped=False)
        for name, make, label, response in [
            ("StackingClassifier", lambda: StackingClassifier(both(), cv=2), "class", "auto"),
            ("StackingClassifier, 3 classes", lambda: StackingClassifier(both(), cv=2), "three", "auto"),
            ("StackingClassifier, columns too", lambda: StackingClassifier(both(), cv=2, passthrough=True), "class",
             "decision_function"),
            ("StackingRegressor, medians", lambda: StackingRegressor(
                [("a", adaboost()), ("b", LinearRegression())], LinearRegression(), cv=2), "number", "auto"),
            ("VotingClassifier", lambda: VotingClassifier(both(), voting="soft"), "three", "auto"),
            ("VotingRegressor", lambda: VotingRegressor([("a", adaboost()), ("b", LinearRegression())]), "number",
             "auto"),
        ]
    ),
    *(
        Case(name, make, label, engine=engine, stepped=False)
        for name, make, label, engine in [
            ("GridSearchCV", lambda: GridSearchCV(forest(), {"max_depth": [2, 3]}, cv=2), "class", "tree_ensemble"),
            *FROZEN,
            ("FixedThresholdClassifier", lambda: FixedThresholdClassifier(LogisticRegression()), "class", "smooth"),
            ("SelfTrainingClassifier", lambda: SelfTrainingClassifier(forest()), "some unknown", "tree_ensemble"),
            ("RFE", lambda: RFE(LogisticRegression(), n_features_to_select=3), "class", "smooth"),
            ("CalibratedClassifierCV, line", lambda: CalibratedClassifierCV(LogisticRegression(), cv=2), "three",
             "smooth"),
            ("OneVsRestClassifier, line", lambda: OneVsRestClassifier(LogisticRegression()), "three", "smooth"),
            ("RegressorChain", lambda: RegressorChain(LinearRegression(), order=[1, 0]), "two numbers", "smooth"),
            ("ClassifierChain", lambda: ClassifierChain(LogisticRegression(), chain_method="predict_proba"),
             "two flags", "smooth"),
            ("TransformedTargetRegressor", lambda: TransformedTargetRegressor(
                LinearRegression(), func=np.log1p, inverse_func=np.expm1), "positive", "smooth"),
            ("TransformedTargetRegressor, scaled", lambda: TransformedTargetRegressor(
                LinearRegression(), transformer=StandardScaler()), "two numbers", "smooth"),
        ]
    ),
]  # fmt: skip
