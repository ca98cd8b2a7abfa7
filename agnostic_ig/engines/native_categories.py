"""Columns that a model itself treats as categories, which both engines move at one half."""

from collections.abc import Callable
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


def _xgboost_categories(types: list[str] | None) -> np.ndarray | None:
    return None if types is None else np.array(types) == "c"


# class -> mask of its categorical columns; None where it has none
DECLARED: dict[str, Callable[[Any], Any]] = {
    "sklearn.Pipeline": _pipeline_mask,
    "sklearn.HistGradientBoostingClassifier": lambda model: model.is_categorical_,
    "sklearn.HistGradientBoostingRegressor": lambda model: model.is_categorical_,
    "lightgbm.LGBMModel": _lightgbm_mask,
    "lightgbm.Booster": _lightgbm_mask,
    "catboost.CatBoost": _catboost_mask,
    "xgboost.Booster": lambda booster: _xgboost_categories(booster.feature_types),
    "xgboost.XGBModel": lambda model: _xgboost_categories(model.get_booster().feature_types),
}
