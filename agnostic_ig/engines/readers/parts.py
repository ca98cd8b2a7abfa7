"""Parts of a model by their own readers."""

from collections.abc import Sequence
from typing import Any

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.response import resolve_response

__all__ = ["read_part", "read_parts"]


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
