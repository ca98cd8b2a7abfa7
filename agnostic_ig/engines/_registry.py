"""Which reader knows which model: named by text, so that no library is imported before its model arrives."""

import importlib
from typing import Any

from agnostic_ig.engines._contract import Unsupported

__all__ = ["READERS", "read_model"]

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
}


def read_model(model: Any, response: Any) -> Any:
    """The exact engine of a model.

    Raises
    ------
    Unsupported
        If there is none for this model or this response of it; the text says why.
    """
    if response.name == "function":
        owner = getattr(model, "__self__", None)
        hint = "; pass the estimator itself for the exact engine" if _reader_of(owner) else ""
        raise Unsupported(f"a predict function shows no structure{hint}")
    module = _reader_of(model)
    if module is None:
        raise Unsupported(f"no exact engine for {type(model).__name__} yet")
    return importlib.import_module(f"agnostic_ig.engines.{module}").read(model, response)


def _reader_of(model: Any) -> str | None:
    """Reader of a model's class or of the nearest base class that has one."""
    names = (f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(model).__mro__)
    return next((READERS[name] for name in names if name in READERS), None)
