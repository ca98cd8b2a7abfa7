"""Columns that a model itself treats as categories, which both engines move at one half."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from agnostic_ig.engines._registry import nearest
from agnostic_ig.engines.readers.transformers import encoded_inside

__all__ = ["native_categories"]


def native_categories(model: Any, n_features: int) -> np.ndarray:
    """(n_features,) bool: columns that a fitted model splits by category, whatever their dtype."""
    declared = nearest(model, DECLARED)
    mask = None if declared is None else declared(model)
    return np.zeros(n_features, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)


def _lightgbm_mask(model: Any) -> list[bool]:
    """By what its text tells of each column: a range, the categories, or that it was not used."""
    header = getattr(model, "booster_", model).model_to_string(num_iteration=1).partition("\nTree=")[0]
    infos = header.partition("\nfeature_infos=")[2].partition("\n")[0].split(" ")
    return [info != "none" and not info.startswith("[") for info in infos]


def _catboost_mask(model: Any) -> np.ndarray:
    return np.isin(np.arange(len(model.feature_names_)), model.get_cat_feature_indices())


def _pipeline_mask(model: Any) -> np.ndarray | None:
    return encoded_inside(model, native_categories) if hasattr(model, "n_features_in_") else None


def _union(place: str, model: Any) -> np.ndarray | None:
    """Columns that any of the members treats so; each takes all columns of the model."""
    found = attrgetter(place)(model)
    members = found if isinstance(found, list) else [found]
    widths = [width for one in [model, *members] if (width := getattr(one, "n_features_in_", None)) is not None]
    masks = [native_categories(member, widths[0]) for member in members] if widths else []
    masks = [mask for mask in masks if len(mask) == widths[0]]
    return np.any(masks, axis=0) if masks else None


def _xgboost_categories(types: list[str] | None) -> np.ndarray | None:
    return None if types is None else np.array(types) == "c"


# scikit-learn's models that hand all their columns on -> where the members stand
MEMBERS = {
    "BaseSearchCV": "best_estimator_",
    "FrozenEstimator": "estimator",
    "SelfTrainingClassifier": "estimator_",
    "BaseThresholdClassifier": "estimator_",
    "TransformedTargetRegressor": "regressor_",
    "CalibratedClassifierCV": "calibrated_classifiers_",
    "_CalibratedClassifier": "estimator",
    "_BaseHeterogeneousEnsemble": "estimators_",
    "OneVsRestClassifier": "estimators_",
    "OneVsOneClassifier": "estimators_",
    "_MultiOutputEstimator": "estimators_",
}

# class -> mask of its categorical columns; None where it has none
DECLARED: dict[str, Callable[[Any], Any]] = {
    "sklearn.Pipeline": _pipeline_mask,
    **{f"sklearn.{name}": partial(_union, place) for name, place in MEMBERS.items()},
    "sklearn.HistGradientBoostingClassifier": lambda model: model.is_categorical_,
    "sklearn.HistGradientBoostingRegressor": lambda model: model.is_categorical_,
    "lightgbm.LGBMModel": _lightgbm_mask,
    "lightgbm.Booster": _lightgbm_mask,
    "catboost.CatBoost": _catboost_mask,
    "xgboost.Booster": lambda booster: _xgboost_categories(booster.feature_types),
    "xgboost.XGBModel": lambda model: _xgboost_categories(model.get_booster().feature_types),
}
