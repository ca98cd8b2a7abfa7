"""Parts of a model by their own readers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.response import resolve_response

__all__ = ["SECOND", "read_part", "read_parts", "second_of", "weighted_mean"]

SECOND = Affine(np.array([[0.0], [1.0]]), 0.0)  # of two probabilities


def read_part(part: Any, *names: str) -> Any:
    """Engine of the first of the responses `names` that a part has."""
    kind = type(part).__name__
    name = next((name for name in names if hasattr(part, name)), None)
    if name is None:
        raise Unsupported(f"its part {kind} has no {' or '.join(names)}")
    try:
        return read_model(part, resolve_response("the ensemble", part, name))
    except Unsupported as reason:
        raise Unsupported(f"its part {kind} has no exact engine: {reason}") from None


def read_parts(parts: Sequence[Any], name: str) -> list[Any]:
    """Engines of one response of all parts."""
    return [read_part(part, name) for part in parts]


def second_of(engine: Any) -> Any:
    """Engine of the second of two probabilities."""
    return combine(SECOND, [engine], engine.family)


def weighted_mean(weights: np.ndarray, places: Sequence[np.ndarray]) -> Affine:
    """The weighted mean of parts whose outputs stand at rows of `places` in those of the whole."""
    return Affine(np.concatenate([w * place for w, place in zip(weights / weights.sum(), places, strict=True)]), 0.0)
