"""Which reader knows which model: named by text, so that no library is imported before its model arrives."""

import importlib
from collections.abc import Mapping
from typing import Any

from agnostic_ig.engines._contract import Unsupported

__all__ = ["READERS", "nearest", "read_model"]

LINEAR = (
    *("LinearRegression", "Ridge", "RidgeCV", "BayesianRidge", "ARDRegression", "HuberRegressor", "TheilSenRegressor"),
    *("Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
    *("MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "QuantileRegressor"),
    *("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "LinearSVR", "SGDRegressor"),
    *("PassiveAggressiveRegressor", "PoissonRegressor", "GammaRegressor", "TweedieRegressor"),
    *("PLSRegression", "PLSCanonical", "CCA", "SGDOneClassSVM", "LinearSVC", "Perceptron", "SGDClassifier"),
    *("LogisticRegression", "LogisticRegressionCV", "RidgeClassifier", "RidgeClassifierCV"),
    *("PassiveAggressiveClassifier", "LinearDiscriminantAnalysis"),
)

# top-level package and class name -> module in agnostic_ig.engines whose `read(model, response)` builds the engine
READERS = {
    "sklearn.DecisionTreeClassifier": "readers.sklearn_forest",
    "sklearn.DecisionTreeRegressor": "readers.sklearn_forest",
    "sklearn.ExtraTreeClassifier": "readers.sklearn_forest",
    "sklearn.ExtraTreeRegressor": "readers.sklearn_forest",
    "sklearn.RandomForestClassifier": "readers.sklearn_forest",
    "sklearn.RandomForestRegressor": "readers.sklearn_forest",
    "sklearn.ExtraTreesClassifier": "readers.sklearn_forest",
    "sklearn.ExtraTreesRegressor": "readers.sklearn_forest",
    "sklearn.GradientBoostingClassifier": "readers.sklearn_boosting",
    "sklearn.GradientBoostingRegressor": "readers.sklearn_boosting",
    "sklearn.HistGradientBoostingClassifier": "readers.sklearn_histogram",
    "sklearn.HistGradientBoostingRegressor": "readers.sklearn_histogram",
    "sklearn.IsolationForest": "readers.sklearn_isolation",
    "sklearn.AdaBoostClassifier": "readers.sklearn_adaboost",
    "sklearn.AdaBoostRegressor": "readers.sklearn_adaboost",
    "sklearn.BaggingClassifier": "readers.sklearn_bagging",
    "sklearn.BaggingRegressor": "readers.sklearn_bagging",
    "sklearn.BaseSearchCV": "readers.sklearn_wrappers",
    "sklearn.FrozenEstimator": "readers.sklearn_wrappers",
    "sklearn.SelfTrainingClassifier": "readers.sklearn_wrappers",
    "sklearn.BaseThresholdClassifier": "readers.sklearn_wrappers",
    "sklearn.VotingClassifier": "readers.sklearn_voting",
    "sklearn.VotingRegressor": "readers.sklearn_voting",
    "sklearn.StackingClassifier": "readers.sklearn_stacking",
    "sklearn.StackingRegressor": "readers.sklearn_stacking",
    "sklearn.CalibratedClassifierCV": "readers.sklearn_calibrated",
    "sklearn.OneVsRestClassifier": "readers.sklearn_multiclass",
    "sklearn.OneVsOneClassifier": "readers.sklearn_multiclass",
    "sklearn.OutputCodeClassifier": "readers.sklearn_multiclass",
    "sklearn.RFE": "readers.sklearn_wrappers",
    "sklearn.MultiOutputClassifier": "readers.sklearn_multioutput",
    "sklearn.MultiOutputRegressor": "readers.sklearn_multioutput",
    "sklearn.RegressorChain": "readers.sklearn_multioutput",
    "sklearn.ClassifierChain": "readers.sklearn_multioutput",
    "sklearn.TransformedTargetRegressor": "readers.sklearn_target",
    "sklearn.Pipeline": "readers.sklearn_pipeline",
    **{f"sklearn.{name}": "readers.sklearn_linear" for name in LINEAR},
    "sklearn.RANSACRegressor": "readers.sklearn_ransac",
    "sklearn.GaussianNB": "readers.sklearn_gaussian",
    "sklearn.QuadraticDiscriminantAnalysis": "readers.sklearn_gaussian",
    "sklearn.NearestCentroid": "readers.sklearn_gaussian",
    "sklearn.EllipticEnvelope": "readers.sklearn_gaussian",
    "sklearn.MultinomialNB": "readers.sklearn_bayes",
    "sklearn.ComplementNB": "readers.sklearn_bayes",
    "sklearn.BernoulliNB": "readers.sklearn_bayes",
    "sklearn.CategoricalNB": "readers.sklearn_bayes",
    "sklearn.DummyClassifier": "readers.sklearn_constant",
    "sklearn.DummyRegressor": "readers.sklearn_constant",
    "sklearn.IsotonicRegression": "readers.sklearn_isotonic",
    "sklearn.MLPClassifier": "readers.sklearn_network",
    "sklearn.MLPRegressor": "readers.sklearn_network",
    "sklearn.SVC": "readers.sklearn_kernel",
    "sklearn.NuSVC": "readers.sklearn_kernel",
    "sklearn.SVR": "readers.sklearn_kernel",
    "sklearn.NuSVR": "readers.sklearn_kernel",
    "sklearn.OneClassSVM": "readers.sklearn_kernel",
    "sklearn.KernelRidge": "readers.sklearn_kernel",
    "sklearn.KNeighborsClassifier": "readers.sklearn_neighbours",
    "sklearn.KNeighborsRegressor": "readers.sklearn_neighbours",
    "sklearn.RadiusNeighborsClassifier": "readers.sklearn_neighbours",
    "sklearn.RadiusNeighborsRegressor": "readers.sklearn_neighbours",
    "sklearn.LabelPropagation": "readers.sklearn_label_propagation",
    "sklearn.LabelSpreading": "readers.sklearn_label_propagation",
    "sklearn.GaussianProcessClassifier": "readers.sklearn_gaussian_process",
    "sklearn.GaussianProcessRegressor": "readers.sklearn_gaussian_process",
    "xgboost.XGBClassifier": "readers.xgboost_trees",
    "xgboost.XGBRegressor": "readers.xgboost_trees",
    "xgboost.XGBRanker": "readers.xgboost_trees",
    "xgboost.XGBRFClassifier": "readers.xgboost_trees",
    "xgboost.XGBRFRegressor": "readers.xgboost_trees",
    "xgboost.Booster": "readers.xgboost_trees",
    "lightgbm.LGBMClassifier": "readers.lightgbm_trees",
    "lightgbm.LGBMRegressor": "readers.lightgbm_trees",
    "lightgbm.LGBMRanker": "readers.lightgbm_trees",
    "lightgbm.Booster": "readers.lightgbm_trees",
    "catboost.CatBoostClassifier": "readers.catboost_trees",
    "catboost.CatBoostRegressor": "readers.catboost_trees",
    "catboost.CatBoostRanker": "readers.catboost_trees",
    "catboost.CatBoost": "readers.catboost_trees",
}

# the same name -> why such a model can have no exact engine
REFUSED: dict[str, str] = {}


def read_model(model: Any, response: Any) -> Any:
    """The exact engine of a model.

    Raises
    ------
    Unsupported
        If there is none for this model or this response of it; the text says why.
    """
    if response.name == "function":
        owner = getattr(model, "__self__", None)
        hint = "; pass the estimator itself for the exact engine" if nearest(owner, READERS) else ""
        raise Unsupported(f"a predict function shows no structure{hint}")
    module = nearest(model, READERS)
    if module is None:
        raise Unsupported(nearest(model, REFUSED) or f"no exact engine for {type(model).__name__} yet")
    return importlib.import_module(f"agnostic_ig.engines.{module}").read(model, response)


def nearest(model: Any, table: Mapping[str, Any]) -> Any:
    """What a table by "package.Class" holds for a model's class or for the nearest base class that is in it."""
    names = (f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(model).__mro__)
    return next((table[name] for name in names if name in table), None)
