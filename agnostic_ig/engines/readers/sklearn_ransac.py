"""Reader of scikit-learn's RANSAC: the model that it keeps in the end."""

from typing import Any

from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.response import Response, resolve_response

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of the kept model."""
    kept = model.estimator_
    return read_model(kept, resolve_response("RANSACRegressor", kept, response.name))
