"""Reader of scikit-learn's isotonic regression: a broken line of one column."""

from typing import Any

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.function_algebra import Constant
from agnostic_ig.engines.interpolated import Interpolated
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["broken_line", "read"]


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of the broken line; beyond its ends the model answers with the ends, or with an error."""
    if response.name != "predict":
        raise Unsupported(f"{response.name} of {type(model).__name__}")
    return SmoothEngine(broken_line(model), type(model).__name__)


def broken_line(model: Any) -> SmoothFunction:
    """What a fitted isotonic regression answers to one column."""
    places, heights = model.X_thresholds_, model.y_thresholds_
    return Interpolated(places, heights) if len(places) > 1 else Constant(heights)
