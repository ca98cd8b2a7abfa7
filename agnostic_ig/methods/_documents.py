"""Documents as X: a pipeline that vectorises text is explained per word, in the output of its vectoriser."""

from typing import Any

import numpy as np

from agnostic_ig.baselines._base import Baseline
from agnostic_ig.engines.documents import TextModel, read_text_model
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.validation import invalid, shorten

__all__ = ["TextModel", "in_words", "text_model_of"]


def text_model_of(owner: str, model: Any, X: Any) -> TextModel | None:
    """The parts of a model that takes documents, if X holds some; None otherwise.

    Raises
    ------
    InvalidParameterError
        If its vectoriser does not know its words.
    InvalidInputError
        If something in X is no text.
    """
    text_model = read_text_model(model)
    if text_model is None or getattr(X, "ndim", 1) != 1:
        return None
    if text_model.words is None:
        hint = "CountVectorizer and TfidfVectorizer keep their words."
        raise invalid(owner, "model", "a pipeline whose vectoriser knows its words", model.steps[0][1], hint)
    _check_documents("X", X)
    return text_model


def in_words(owner: str, text_model: TextModel, X: Any, baseline: Any) -> tuple[Any, Any]:
    """Weights of words in X, a sparse matrix, and the baseline as the model behind the vectoriser takes it.

    A baseline of None is the empty document; text, or several texts, are documents; everything else is left as it is.
    """
    documents = [""] if baseline is None else [baseline] if isinstance(baseline, str) else baseline
    if not isinstance(documents, Baseline) and _holds_text(documents):
        _check_documents(f"The 'baseline' parameter of {owner}", documents)
        documents = text_model.vectorise.transform(documents).toarray()
    return text_model.vectorise.transform(X), documents


def _holds_text(documents: Any) -> bool:
    return getattr(documents, "ndim", 1) == 1 and any(isinstance(one, str) for one in documents)


def _check_documents(label: str, documents: Any) -> None:
    if isinstance(documents, str):
        raise InvalidInputError(f"{label} must be a list of documents. Got one text; pass [text].")
    listed = documents.tolist() if isinstance(documents, np.ndarray) else list(documents)
    if not listed:
        raise InvalidInputError(f"{label} must have at least one document.")
    place = next((i for i, one in enumerate(listed) if not isinstance(one, str)), None)
    if place is not None:
        raise InvalidInputError(f"{label} must hold text only. Got {shorten(listed[place])} in row {place}.")
