"""Reader of scikit-learn's IsolationForest: the depth of a leaf, behind the link -2**-margin."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.readers.sklearn_forest import ROUTING, cart_table
from agnostic_ig.engines.readers.sklearn_members import in_columns
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["read"]


def read(model: Any, response: Response) -> TreeEngine:
    """Engine of the score, or of the score less the offset."""
    family = type(model).__name__
    shifts = {"score_samples": 0.0, "decision_function": -float(model.offset_)}
    if response.name not in shifts:
        raise Unsupported(f"{response.name} of {family} is a step function of its score")
    usual = float(_usual_depth(np.array([model._max_samples]))[0]) * len(model.estimators_)
    # Where every tree saw one case there are no depths to compare, and the margin is 1 by definition.
    start, unit = (np.zeros(1), usual) if usual > 0 else (np.ones(1), np.inf)
    tables: list[TreeTable] = []
    for member, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        tables += in_columns([_table(member.tree_, unit)], columns, model.n_features_in_)
    trees = join_trees(tables, routing=ROUTING)
    return TreeEngine(trees, start, "isolation", ROUTING, family, shift=shifts[response.name])


def _table(tree: Any, unit: float) -> TreeTable:
    """A leaf's number of splits, and those still to be expected among its cases, in units of the usual depth."""
    splits = tree.compute_node_depths() - 1.0
    return cart_table(tree, ((splits + _usual_depth(tree.n_node_samples)) / unit)[:, None])


def _usual_depth(n_samples: np.ndarray) -> np.ndarray:
    """Mean depth at which a random tree isolates one of n cases; the harmonic number by its asymptotic form."""
    many = np.maximum(n_samples, 3).astype(np.float64)
    expected = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.select([n_samples <= 1, n_samples == 2], [0.0, 1.0], expected)
