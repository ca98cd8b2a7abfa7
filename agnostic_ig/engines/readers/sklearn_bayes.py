"""Reader of scikit-learn's naive Bayes classifiers of counts, flags and codes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import nearest
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.readers.class_probabilities import of_log_likelihoods
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import TreeTable, join_trees

__all__ = ["read"]


def read(model: Any, response: Response) -> SmoothEngine | TreeEngine:
    """Engine of the probabilities: counts are multiplied by weights, flags and codes are steps."""
    name = type(model).__name__
    if response.name != "predict_proba":
        raise Unsupported(f"{response.name} of {name} is a step function")
    if not all(np.isfinite(table).all() for table in model.feature_log_prob_):
        raise Unsupported(f"{name} holds chances of 0, which have no finite logarithm")
    return nearest(model, ENGINES)(model, name)


def _counts(model: Any, name: str) -> SmoothEngine:
    return _smooth(model.feature_log_prob_, model.class_log_prior_, name)


def _counts_of_others(model: Any, name: str) -> SmoothEngine:
    """ComplementNB leaves the priors out, unless there is one class only."""
    prior = model.class_log_prior_ if len(model.classes_) == 1 else np.zeros(len(model.classes_))
    return _smooth(model.feature_log_prob_, prior, name)


def _flags(model: Any, name: str) -> SmoothEngine | TreeEngine:
    with np.errstate(divide="ignore"):
        absent = np.log1p(-np.exp(model.feature_log_prob_))
    if not np.isfinite(absent).all():
        raise Unsupported(f"{name} holds chances of 1, whose opposites have no finite logarithm")
    if model.binarize is None:
        weights = model.feature_log_prob_ - absent
        return _smooth(weights, model.class_log_prior_ + absent.sum(axis=1), name)
    levels = np.stack([absent, model.feature_log_prob_], axis=2)
    return _stepped(list(levels.transpose(1, 2, 0)), [np.array([model.binarize])] * levels.shape[1], model, name)


def _codes(model: Any, name: str) -> TreeEngine:
    """Codes are cut to whole numbers: the step to k is just before k."""
    levels = [np.asarray(table).T for table in model.feature_log_prob_]
    cuts = [np.nextafter(np.arange(1.0, len(table)), 0.0) for table in levels]
    return _stepped(levels, cuts, model, name)


def _smooth(weights: np.ndarray, constants: np.ndarray, name: str) -> SmoothEngine:
    return SmoothEngine(of_log_likelihoods(Affine(weights.T, constants)), name)


def _stepped(levels: list[np.ndarray], cuts: list[np.ndarray], model: Any, name: str) -> TreeEngine:
    """Trees of one column each; levels (n_levels, n_classes) between the cuts of every column."""
    start = np.asarray(model.class_log_prior_)
    link = "softmax"
    if len(start) == 2:
        link, start, levels = "sigmoid", np.diff(start), [np.diff(table, axis=1) for table in levels]
    tables = [_staircase(j, *both) for j, both in enumerate(zip(levels, cuts, strict=True))]
    return TreeEngine(join_trees(tables, routing=np.float64), start, link, np.float64, name)


def _staircase(column: int, levels: np.ndarray, cuts: np.ndarray) -> TreeTable:
    """Inner nodes 0, 1, ... each with a leaf on the left and the next on the right, the last with two leaves."""
    n = len(cuts)
    inner, leaf = np.arange(n), np.full(n + 1, -1)
    right = np.append(inner[1:], 2 * n) if n else inner
    value = np.concatenate([np.zeros((n, levels.shape[1])), levels])
    return TreeTable(
        feature=np.concatenate([np.full(n, column), leaf]),
        threshold=np.concatenate([cuts, np.zeros(n + 1)]),
        left=np.concatenate([n + inner, leaf]),
        right=np.concatenate([right, leaf]),
        missing_left=np.zeros(2 * n + 1, dtype=bool),
        value=value,
    )


ENGINES: dict[str, Callable[[Any, str], SmoothEngine | TreeEngine]] = {
    "sklearn.MultinomialNB": _counts,
    "sklearn.ComplementNB": _counts_of_others,
    "sklearn.BernoulliNB": _flags,
    "sklearn.CategoricalNB": _codes,
}
