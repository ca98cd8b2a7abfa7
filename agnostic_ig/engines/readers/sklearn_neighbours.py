"""Reader of scikit-learn's nearest neighbours."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.neighbours import NearestPoints, NeighbourEngine
from agnostic_ig.engines.points_within import PointsWithin
from agnostic_ig.engines.response import Response

__all__ = ["read"]


def read(model: Any, response: Response) -> NeighbourEngine:
    """Engine of the k nearest, or of all within a radius."""
    _check(model, response)
    sites = np.ascontiguousarray(model._fit_X, dtype=np.float64)
    table = _targets(model)
    if hasattr(model, "radius_neighbors"):
        function = PointsWithin(
            sites, table, float(model.radius), _empty(model), lambda rows: model.radius_neighbors(rows)[1]
        )
        facts = {"training points": f"{len(sites):,}", "radius": f"{model.radius:g}"}
        return NeighbourEngine(function, type(model).__name__, facts=facts)
    k = model.n_neighbors
    function = NearestPoints(sites, table, k, lambda rows: model.kneighbors(rows, return_distance=False))
    facts = {"training points": f"{len(sites):,}", "neighbours": str(k)}
    return NeighbourEngine(function, type(model).__name__, facts=facts)


def _check(model: Any, response: Response) -> None:
    """Uniform weights, the Euclidean distance, dense training points."""
    name = type(model).__name__
    if hasattr(model, "classes_") and response.name == "predict":
        raise Unsupported(f"predict of {name} is a step function of its votes")
    if callable(model.weights) or model.weights not in (None, "uniform"):
        raise Unsupported(f"the weights of {name} change with the distance between steps")
    if not _is_euclidean(model):
        raise Unsupported(f"the metric of {name} is not the Euclidean one")
    if hasattr(model._fit_X, "toarray"):
        raise Unsupported(f"the training points of {name} are sparse")


def _is_euclidean(model: Any) -> bool:
    """Metrics are renamed while fitting: Minkowski's of order 2 becomes "euclidean"."""
    if callable(model.effective_metric_):
        return False
    settings = {name: value for name, value in (model.effective_metric_params_ or {}).items() if value is not None}
    return model.effective_metric_ == "euclidean" and not settings.keys() - {"p"}


def _empty(model: Any) -> np.ndarray:
    """The answer without any neighbour: the label for outliers, or NaN if there is none."""
    if getattr(model, "outlier_label_", None) is None:
        return np.full(_targets(model).shape[1], np.nan)
    classes = model.classes_ if isinstance(model.classes_, list) else [model.classes_]
    pairs = zip(classes, model.outlier_label_, strict=True)
    return np.concatenate([(labels == outlier).astype(np.float64) for labels, outlier in pairs])


def _targets(model: Any) -> np.ndarray:
    """(n_points, n_outputs): numbers, or 1 for the class of a point; several outputs side by side."""
    targets = np.asarray(model._y)
    targets = targets.reshape(len(targets), -1)
    if not hasattr(model, "classes_"):
        return targets.astype(np.float64)
    classes = model.classes_ if isinstance(model.classes_, list) else [model.classes_]
    return np.hstack([np.eye(len(labels))[targets[:, o]] for o, labels in enumerate(classes)])
