"""Reader of scikit-learn's label propagation and label spreading with Gaussian kernels."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.kernel_shares import KernelShares
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine

__all__ = ["read"]


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of the shares of labels among the training points, by nearness."""
    name = type(model).__name__
    if model.kernel != "rbf":
        kind = "a function of the user's own" if callable(model.kernel) else f"{model.kernel!r}, which takes steps"
        raise Unsupported(f"the kernel of this {name} is {kind}")
    if response.name != "predict_proba":
        raise Unsupported(f"{response.name} of {name} is a step function of its probabilities")
    points = model.X_.toarray() if hasattr(model.X_, "toarray") else model.X_
    labels = np.asarray(model.label_distributions_, dtype=np.float64)
    return SmoothEngine(KernelShares(np.asarray(points, dtype=np.float64), float(model.gamma), labels), name)
