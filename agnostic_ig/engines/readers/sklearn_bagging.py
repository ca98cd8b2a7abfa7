"""Reader of scikit-learn's Bagging: the average of its members, each on columns of its own."""

from dataclasses import replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.readers.sklearn_members import in_columns, in_outputs, read_member, tables_of
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["read"]

AVERAGED = {"classifier": ("predict_proba", "decision_function"), "regressor": ("predict",)}


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of all trees of all members, where members are sums of trees."""
    family = type(model).__name__
    if response.name not in AVERAGED.get(response.kind, ()):
        raise Unsupported(f"{response.name} of {family} is no average of its members")
    try:
        engines = [read_member(member, response.name) for member in model.estimators_]
    except Unsupported as reason:
        raise Unsupported(f"{family} averages members without an exact engine: {reason}") from None
    tables, starts = [], []
    for member, engine, columns in zip(model.estimators_, engines, model.estimators_features_, strict=True):
        own, start = _with_all_classes(model, response, member, engine)
        tables += in_columns(own, columns, model.n_features_in_)
        starts.append(start)
    tables = [replace(table, value=table.value / len(engines)) for table in tables]
    first = engines[0]
    trees = join_trees(tables, routing=first.routing, strict=first.trees.strict)
    return TreeEngine(trees, np.mean(starts, axis=0), "identity", first.routing, family)


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
