"""How each boosting library builds its model from bytes, and what it answers for a few rows.

The limited process and the caller both use this; the digests of their answers must agree.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.model_files.catboost_checks import check_catboost, loss_of
from agnostic_ig.validation import import_optional

__all__ = ["LIBRARIES", "Library", "digest_of", "import_library"]

N_ROWS, MAX_CELLS, N_CATEGORIES = 24, 1 << 24, 8
# Losses with which CatBoostRegressor predicts; models of all others without classes are plain ones.
REGRESSION_LOSSES = {
    *("RMSE", "MAE", "Quantile", "LogLinQuantile", "Poisson", "MAPE", "Lq", "Huber", "Expectile", "Tweedie", "LogCosh"),
    *("RMSEWithUncertainty", "MultiRMSE", "MultiQuantile"),
}


class Library(NamedTuple):
    """A library's module, and what is done with its models; `describe` looks at a loaded one and may refuse it."""

    module: str
    build: Callable[[bytes, dict[str, Any]], Any]
    answers: Callable[[Any], list[np.ndarray]]
    describe: Callable[[Any], dict[str, Any]] = lambda model: {}


def import_library(kind: str) -> ModuleType:
    """The library that reads files of this kind."""
    return import_optional(
        LIBRARIES[kind].module, extra="boosters", purpose="Loading model files of boosting libraries"
    )


def digest_of(arrays: list[np.ndarray]) -> str:
    """One digest of all answers, to the last bit."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _rows(n_features: int, categorical: set[int]) -> np.ndarray:
    """Rows that spread over a model: small whole numbers, large ones of both signs, and small codes of categories."""
    n_rows = max(1, min(N_ROWS, MAX_CELLS // n_features))
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows, n_features)) * 10.0 ** rng.integers(-2, 4, size=(n_rows, 1))
    rows[::4] = np.round(rows[::4])
    for j in categorical:
        rows[:, j] = (np.arange(n_rows) + j) % N_CATEGORIES
    return rows


# --- XGBoost


def _xgboost_build(data: bytes, facts: dict[str, Any]) -> Any:
    booster = import_library("xgboost").Booster()
    booster.load_model(bytearray(data))
    return booster


def _xgboost_answers(booster: Any) -> list[np.ndarray]:
    types = booster.feature_types or []
    rows = _rows(booster.num_features(), {j for j, kind in enumerate(types) if kind == "c"})
    described = {"feature_names": booster.feature_names, "feature_types": booster.feature_types}
    matrix = import_library("xgboost").DMatrix(rows, enable_categorical=True, **described)
    return [np.asarray(booster.predict(matrix, output_margin=margin)) for margin in (True, False)]


# --- LightGBM


def _lightgbm_build(data: bytes, facts: dict[str, Any]) -> Any:
    return import_library("lightgbm").Booster(model_str=data.decode("utf-8"))


def _lightgbm_answers(booster: Any) -> list[np.ndarray]:
    rows = _rows(booster.num_feature(), set())
    rows[1::4] = np.round(rows[1::4]) % N_CATEGORIES
    return [np.asarray(booster.predict(rows, raw_score=raw, num_threads=1)) for raw in (True, False)]


# --- CatBoost


def _catboost_model(facts: dict[str, Any]) -> Any:
    """A model of the class that it was trained as, as far as the file tells."""
    catboost = import_library("catboost")
    if facts.get("has_classes"):
        return catboost.CatBoostClassifier()
    loss = facts.get("loss", "")
    if loss.partition(":")[0] in REGRESSION_LOSSES:
        return catboost.CatBoostRegressor(loss_function=loss)
    return catboost.CatBoost()


def _catboost_build(data: bytes, facts: dict[str, Any]) -> Any:
    return _catboost_model(facts).load_model(blob=data)


def _catboost_json_build(data: bytes, facts: dict[str, Any]) -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        path.write_bytes(data)
        return _catboost_model(facts).load_model(str(path), format="json")


def _catboost_answers(model: Any) -> list[np.ndarray]:
    n_features, categorical = len(model.feature_names_), set(model.get_cat_feature_indices())
    rows = _rows(n_features, categorical).astype(object)
    for j in categorical:
        rows[:, j] = [str(int(code)) for code in rows[:, j]]
    return [np.asarray(model.predict(rows, prediction_type="RawFormulaVal", thread_count=1))]


def _catboost_describe(model: Any) -> dict[str, Any]:
    """Loss and classes, from the JSON that holds all of a model; its structure is checked on the way."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        document = json.loads(path.read_bytes())
    check_catboost(document)
    return {"loss": loss_of(document), "has_classes": len(model.classes_) > 0}


# kind of file -> what is done with it
LIBRARIES: dict[str, Library] = {
    "xgboost": Library("xgboost", _xgboost_build, _xgboost_answers),
    "lightgbm": Library("lightgbm", _lightgbm_build, _lightgbm_answers),
    "catboost": Library("catboost", _catboost_build, _catboost_answers, _catboost_describe),
    "catboost_json": Library("catboost", _catboost_json_build, _catboost_answers, _catboost_describe),
}
