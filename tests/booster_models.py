"""Small models of boosting libraries as files, and what they answer."""

import functools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import fuzzing
import numpy as np

from agnostic_ig.model_files.booster_libraries import LIBRARIES


class Saved(NamedTuple):
    """A model file: its ending and its bytes."""

    suffix: str
    data: bytes


@functools.cache
def table() -> tuple[np.ndarray, np.ndarray]:
    """Five columns, the last one with whole numbers from 0 to 11; three classes."""
    X, y = fuzzing.training_data()
    return np.column_stack([X, np.random.default_rng(3).integers(0, 12, size=len(X))]), y


def by_code() -> np.ndarray:
    """Two classes that depend on the last column above all."""
    X, _ = table()
    return np.isin(X[:, 4], (1, 4, 5, 9)) ^ (X[:, 0] > 1.2)


def probe() -> np.ndarray:
    """Rows of training, others in between and far outside, and missing values."""
    X, _ = table()
    between = np.column_stack([X[::-1, :4] * 0.7, X[:, 4]])
    return np.concatenate([X, between, X[:9] * np.array([1e4, -1e4, 1e4, 1.0, 1.0])])


def with_gaps(rows: np.ndarray) -> np.ndarray:
    """The same with missing values."""
    gaps = rows.copy()
    gaps[::2, 0] = gaps[1::3, 1] = np.nan
    return gaps


# --- models


def xgboost_files() -> dict[str, Saved]:
    """Kinds of boosters, each in both formats."""
    import xgboost

    X, y = table()
    types = ["q", "q", "q", "q", "c"]
    data = xgboost.DMatrix(X, by_code(), feature_names=list("abcde"), feature_types=types, enable_categorical=True)
    plain = xgboost.DMatrix(X, y)
    tree = {"max_depth": 3, "nthread": 1}
    boosters = {
        "category": xgboost.train(tree | {"objective": "binary:logistic", "max_cat_to_onehot": 1}, data, 3),
        "dart": xgboost.train(tree | {"booster": "dart", "rate_drop": 0.5}, plain, 4),
        "classes": xgboost.train(tree | {"objective": "multi:softprob", "num_class": 3}, plain, 2),
        "forest": xgboost.train(tree | {"num_parallel_tree": 3, "subsample": 0.5}, plain, 1),
        "pruned": xgboost.train(tree | {"tree_method": "exact", "gamma": 1.0}, plain, 3),
        "linear": xgboost.train({"booster": "gblinear", "nthread": 1}, plain, 3),
        "vectors": xgboost.train(
            tree | {"multi_strategy": "multi_output_tree", "num_target": 2}, xgboost.DMatrix(X, X[:, :2]), 2
        ),
    }
    return {
        f"xgboost {kind} {form}": Saved(f".{form}", bytes(booster.save_raw(raw_format=form)))
        for kind, booster in boosters.items()
        for form in ("json", "ubj")
    }


def lightgbm_files() -> dict[str, Saved]:
    """Kinds of boosters."""
    import lightgbm

    X, y = table()
    tree = {"num_leaves": 6, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "seed": 0}
    category = {"min_data_per_group": 1, "cat_smooth": 1.0, "max_cat_to_onehot": 1}

    def train(y: np.ndarray, rounds: int = 3, columns: Any = "auto", **options: Any) -> Saved:
        data = lightgbm.Dataset(X, y, categorical_feature=columns)
        text = lightgbm.train(tree | options, data, rounds).model_to_string()
        return Saved(".txt", text.encode())

    return {
        "lightgbm category": train(by_code(), columns=[4], objective="binary", **category),
        "lightgbm classes": train(y, 2, objective="multiclass", num_class=3),
        "lightgbm dart": train(y, 4, boosting="dart", drop_rate=0.5),
        "lightgbm forest": train(y, boosting="rf", bagging_freq=1, bagging_fraction=0.5),
        "lightgbm linear": train(X[:, 0] * X[:, 1], linear_tree=True),
        "lightgbm constant": train(np.ones(len(y))),
    }


def catboost_files() -> dict[str, Saved]:
    """Kinds of models, each in both formats."""
    import catboost

    X, y = table()
    own = {"iterations": 3, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    mixed = X.astype(object)
    mixed[:, 4] = [str(int(code)) for code in X[:, 4]]
    category = own | {"cat_features": [4]}
    models = {
        "plain": catboost.CatBoostRegressor(**own).fit(X, y),
        "one-hot": catboost.CatBoostClassifier(one_hot_max_size=50, **category).fit(mixed, by_code()),
        "statistics": catboost.CatBoostClassifier(one_hot_max_size=2, **category).fit(mixed, y),
        "counts": catboost.CatBoostRegressor(loss_function="Poisson", **own).fit(X, y),
        "nested": catboost.CatBoostClassifier(grow_policy="Lossguide", **own).fit(X, y),
    }
    return {
        f"catboost {kind} {form}": Saved(f".{form}", catboost_bytes(model, form))
        for kind, model in models.items()
        for form in ("cbm", "json")
    }


def catboost_bytes(model: Any, form: str) -> bytes:
    """What CatBoost writes into a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model")
        model.save_model(str(path), format=form)
        return path.read_bytes()


@functools.cache
def files() -> dict[str, Saved]:
    """Every family, trained once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xgboost_files() | lightgbm_files() | catboost_files()


# --- answers


def answers(model: Any, rows: np.ndarray) -> np.ndarray:
    """Margins of a model of any of the libraries, asked as directly as it goes."""
    return ASK[type(model).__module__.partition(".")[0]](model, rows)


def _ask_xgboost(booster: Any, rows: np.ndarray) -> np.ndarray:
    import xgboost

    described = {"feature_names": booster.feature_names, "feature_types": booster.feature_types}
    return booster.predict(xgboost.DMatrix(rows, enable_categorical=True, **described))


def _ask_lightgbm(booster: Any, rows: np.ndarray) -> np.ndarray:
    return booster.predict(rows, num_threads=1)


def _ask_catboost(model: Any, rows: np.ndarray) -> np.ndarray:
    mixed = rows.astype(object)
    for j in model.get_cat_feature_indices():
        mixed[:, j] = [str(int(code)) for code in rows[:, j]]
    return model.predict(mixed, prediction_type="RawFormulaVal", thread_count=1)


ASK = {"xgboost": _ask_xgboost, "lightgbm": _ask_lightgbm, "catboost": _ask_catboost}


def all_answers(model: Any) -> list[np.ndarray]:
    """Answers without and with missing values."""
    return [answers(model, probe()), answers(model, with_gaps(probe()))]


def plainly_loaded(family: str, saved: Saved) -> Any:
    """The model of a good file, by its own library."""
    library = family.partition(" ")[0]
    kind = "catboost_json" if (library, saved.suffix) == ("catboost", ".json") else library
    return LIBRARIES[kind].build(saved.data, {})


def written(folder: Path, saved: Saved) -> Path:
    """A file of the folder that holds this."""
    path = folder / f"model{saved.suffix}"
    path.write_bytes(saved.data)
    return path


# --- changes of files


def model_of(document: dict[str, Any]) -> dict[str, Any]:
    """Where XGBoost has its trees, whatever the kind of booster."""
    booster = document["learner"]["gradient_booster"]
    return booster["gbtree"]["model"] if "gbtree" in booster else booster["model"]


def _whole_of(document: Any, way: tuple[Any, ...]) -> Any:
    """The object or list at the end of a way; "model" stands for XGBoost's trees."""
    for key in way:
        document = model_of(document) if key == "model" else document[key]
    return document


def put(value: Any, *way: Any) -> Callable[[dict[str, Any]], None]:
    """A change that puts a value at one place."""
    return lambda document: _whole_of(document, way[:-1]).__setitem__(way[-1], value)


def drop(*way: Any) -> Callable[[dict[str, Any]], None]:
    """A change that takes one key away."""
    return lambda document: _whole_of(document, way[:-1]).__delitem__(way[-1])


def resized(data: bytes) -> bytes:
    """LightGBM's text with sizes of trees that are right again."""
    trees = data[data.find(b"\n\nTree=") + 2 : data.find(b"\n\nend of trees") + 2]
    sizes = [len(block) for block in re.split(rb"(?<=\n\n\n)(?=Tree=)", trees)]
    return re.sub(rb"tree_sizes=.*", b"tree_sizes=" + b" ".join(b"%d" % size for size in sizes), data)
