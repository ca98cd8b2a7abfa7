"""Pipelines that take documents: what turns text into numbers, and the model behind it."""

from typing import Any, NamedTuple

from agnostic_ig.engines._registry import nearest

__all__ = ["TextModel", "read_text_model"]

# vectoriser -> whether it knows its words
VECTORISERS = {"sklearn.CountVectorizer": True, "sklearn.HashingVectorizer": False}
WEIGHTINGS = {"sklearn.TfidfTransformer": True}


class TextModel(NamedTuple):
    """A pipeline cut behind its vectoriser, and behind what weights words; words is None where they are not known."""

    vectorise: Any
    model: Any
    words: list[str] | None


def read_text_model(model: Any) -> TextModel | None:
    """The two parts of a pipeline whose first step takes documents; None for every other model."""
    if nearest(model, {"sklearn.Pipeline": True}) is None or len(model.steps) < 2:
        return None
    vectoriser = model.steps[0][1]
    knows = nearest(vectoriser, VECTORISERS)
    if knows is None:
        return None
    n = 1
    while n < len(model.steps) - 1 and nearest(model.steps[n][1], WEIGHTINGS):
        n += 1
    words = vectoriser.get_feature_names_out().tolist() if knows else None
    tail = model[n:] if n < len(model.steps) - 1 else model.steps[n][1]
    return TextModel(model[:n], tail, words)
