"""How XGBoost, LightGBM and CatBoost answer where their calls or their words differ from scikit-learn's.

Models are told by the names of their classes, so that no library is imported before its model arrives.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from agnostic_ig.engines._registry import nearest

__all__ = [
    "booster_call",
    "fitted_columns",
    "has_independent_labels",
    "is_empty_booster",
    "misses_gaps",
    "names_as_remembered",
]


def booster_call(model: Any, name: str) -> Callable[[Any], Any] | None:
    """The response `name` of a booster, where the model has no method for it that takes a table."""
    call = (nearest(model, CALLS) or {}).get(name)
    return None if call is None else partial(call, model)


def fitted_columns(model: Any) -> tuple[list[Any] | None, int | None]:
    """Names and number of the columns that a model was fitted on; None for what it does not remember."""
    remembered = nearest(model, COLUMNS)
    if remembered is not None:
        return remembered(model)
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else np.asarray(names).tolist(), getattr(model, "n_features_in_", None)


def names_as_remembered(model: Any, names: list[Any]) -> list[Any]:
    """Column names as the model writes those it was fitted on, where it writes them in a way of its own."""
    write = nearest(model, WRITTEN_NAMES)
    return names if write is None else [write(str(name)) for name in names]


def has_independent_labels(model: Any) -> bool:
    """Whether a classifier's outputs are labels of which a case may have several."""
    test = nearest(model, INDEPENDENT_LABELS)
    return test is not None and test(model)


def is_empty_booster(model: Any) -> bool:
    """Whether a booster that scikit-learn does not know how to ask has not been fitted."""
    test = nearest(model, EMPTY)
    return test is not None and test(model)


def misses_gaps(model: Any) -> bool:
    """Whether what a sparse matrix does not store is missing to the model, not zero."""
    return nearest(model, GAPS_ARE_MISSING) or False


# --- XGBoost -------------------------------------------------------------------------------------------------


def _xgboost_booster(booster: Any, container: Any, **options: Any) -> Any:
    """A Booster takes its own DMatrix; arrays have to bring the names and types of training."""
    from xgboost import DMatrix

    is_frame = hasattr(container, "columns")
    described = {} if is_frame else {"feature_names": booster.feature_names, "feature_types": booster.feature_types}
    return booster.predict(DMatrix(container, enable_categorical=True, **described), **options)


def _xgboost_booster_columns(booster: Any) -> tuple[list[Any] | None, int | None]:
    return booster.feature_names, booster.num_features()


def _xgboost_booster_is_empty(booster: Any) -> bool:
    """It refuses every question then."""
    from xgboost.core import XGBoostError

    try:
        return booster.num_boosted_rounds() == 0
    except XGBoostError:
        return True


def _xgboost_independent_labels(model: Any) -> bool:
    """One target a label; XGBClassifier writes 0 and 1 into `classes_` then, however many labels there are."""
    learner = json.loads(model.get_booster().save_config())["learner"]
    return int(learner["learner_model_param"]["num_target"]) > 1


# --- LightGBM ------------------------------------------------------------------------------------------------


def _lightgbm_booster_columns(booster: Any) -> tuple[list[Any] | None, int | None]:
    """Names that it made up itself are none."""
    names = booster.feature_name()
    made_up = names == [f"Column_{j}" for j in range(len(names))]
    return None if made_up else names, len(names)


# --- CatBoost ------------------------------------------------------------------------------------------------


def _catboost_columns(model: Any) -> tuple[list[Any] | None, int | None]:
    """Names that it made up itself are none; a model that is not fitted has none either."""
    names = model.feature_names_
    if not names:
        return None, None
    made_up = names == [str(j) for j in range(len(names))]
    return None if made_up else list(names), len(names)


def _catboost(method: str, model: Any, container: Any, **options: Any) -> Any:
    return getattr(model, method)(_with_categories(model, container), **options)


def _with_categories(model: Any, container: Any) -> Any:
    """CatBoost takes categories of an array as whole numbers in an array of objects, and no others."""
    columns = model.get_cat_feature_indices()
    if not columns or not isinstance(container, np.ndarray):
        return container
    objects = container.astype(object)
    objects[:, columns] = [[int(v) if v == v // 1 else v for v in row] for row in container[:, columns].tolist()]
    return objects


CATBOOST = {
    "predict": partial(_catboost, "predict"),
    "decision_function": partial(_catboost, "predict", prediction_type="RawFormulaVal"),
}
# class -> response -> function of (model, container), where the model's own method does not do
CALLS: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "xgboost.Booster": {
        "predict": _xgboost_booster,
        "decision_function": partial(_xgboost_booster, output_margin=True),
    },
    "xgboost.XGBModel": {"decision_function": lambda model, X: model.predict(X, output_margin=True)},
    "lightgbm.Booster": {"decision_function": lambda model, X: model.predict(X, raw_score=True)},
    "lightgbm.LGBMModel": {"decision_function": lambda model, X: model.predict(X, raw_score=True)},
    "catboost.CatBoost": CATBOOST,
    "catboost.CatBoostClassifier": {**CATBOOST, "predict_proba": partial(_catboost, "predict_proba")},
}

# class -> names and number of the columns of training, where scikit-learn's attributes do not tell
COLUMNS: dict[str, Callable[[Any], tuple[list[Any] | None, int | None]]] = {
    "xgboost.Booster": _xgboost_booster_columns,
    "lightgbm.Booster": _lightgbm_booster_columns,
    "catboost.CatBoost": _catboost_columns,
}

# class -> how it writes the name of a column
WRITTEN_NAMES: dict[str, Callable[[str], str]] = {
    "xgboost.Booster": str,
    "xgboost.XGBModel": str,
    "lightgbm.Booster": lambda name: name.replace(" ", "_"),
    "lightgbm.LGBMModel": lambda name: name.replace(" ", "_"),
    "catboost.CatBoost": str,
}

# class -> whether its outputs are labels that do not exclude each other
INDEPENDENT_LABELS: dict[str, Callable[[Any], bool]] = {
    "xgboost.XGBClassifier": _xgboost_independent_labels,
}

# class -> whether there is nothing to predict with yet
EMPTY: dict[str, Callable[[Any], bool]] = {
    "xgboost.Booster": _xgboost_booster_is_empty,
    "lightgbm.Booster": lambda booster: booster.num_trees() == 0,
    "catboost.CatBoost": lambda model: not model.is_fitted(),
}

# class -> whether it takes gaps of a sparse matrix as missing
GAPS_ARE_MISSING = {"xgboost.Booster": True, "xgboost.XGBModel": True}
