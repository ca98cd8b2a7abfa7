"""Reader of scikit-learn's Bagging: the average of its members, each on columns of its own."""

from dataclasses import replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine, in_columns_of
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.readers.parts import read_parts, weighted_mean
from agnostic_ig.engines.readers.sklearn_members import in_columns, in_outputs, is_sum_of_trees, tables_of
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["read"]

AVERAGED = {"classifier": ("predict_proba", "decision_function"), "regressor": ("predict",)}


def read(model: Any, response: Response) -> Any:
    """Engine of all trees of all members, where members are sums of trees alike; else of the mean of all members."""
    family = type(model).__name__
    if response.name not in AVERAGED.get(response.kind, ()):
        raise Unsupported(f"{response.name} of {family} is no average of its members")
    engines = read_parts(model.estimators_, response.name)
    first = engines[0]
    if all(is_sum_of_trees(engine) and engine.trees.strict == first.trees.strict for engine in engines):
        return _all_trees(model, response, engines)
    engines = [
        in_columns_of(_in_classes(model, response, member, engine), columns, model.n_features_in_)
        for member, engine, columns in zip(model.estimators_, engines, model.estimators_features_, strict=True)
    ]
    n_outputs = engines[0].predict(np.zeros((1, model.n_features_in_))).shape[1]
    mean = weighted_mean(np.ones(len(engines)), [np.eye(n_outputs)] * len(engines))
    return combine(mean, engines, family)


def _in_classes(model: Any, response: Response, member: Any, engine: Any) -> Any:
    """A member's outputs in those of the whole; probabilities of classes that its sample did not hold are 0."""
    if response.name != "predict_proba" or len(member.classes_) == len(model.classes_):
        return engine
    wide = np.eye(len(model.classes_))[np.asarray(member.classes_, dtype=np.int64)]
    return combine(Affine(wide, 0.0), [engine], engine.family)


def _all_trees(model: Any, response: Response, engines: list[TreeEngine]) -> TreeEngine:
    """The trees of all members in one engine."""
    tables, starts = [], []
    for member, engine, columns in zip(model.estimators_, engines, model.estimators_features_, strict=True):
        own, start = _with_all_classes(model, response, member, engine)
        tables += in_columns(own, columns, model.n_features_in_)
        starts.append(start)
    tables = [replace(table, value=table.value / len(engines)) for table in tables]
    first = engines[0]
    trees = join_trees(tables, routing=first.routing, strict=first.trees.strict)
    return TreeEngine(trees, np.mean(starts, axis=0), "identity", first.routing, type(model).__name__)


def _with_all_classes(
    model: Any, response: Response, member: Any, engine: TreeEngine
) -> tuple[list[TreeTable], np.ndarray]:
    """A member's trees and start; probabilities of classes that its sample did not hold are 0."""
    tables, start = tables_of(engine), engine.start
    if response.name != "predict_proba":
        return tables, start
    wide = np.zeros(len(model.classes_))
    wide[member.classes_] = start
    return in_outputs(tables, member.classes_, len(wide)), wide
