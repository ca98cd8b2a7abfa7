"""Labels typed on the command line, found among the model's or the data's own: "1" is the class 1."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agnostic_ig.engines.response import Response
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.validation import shorten

__all__ = ["choose_target", "find_label"]


def choose_target(text: str | None, response: Response, n_outputs: int) -> Any:
    """The target that ``--target`` names: a class label, an output index, or OUTPUT,LABEL of several outputs."""
    if text is None:
        return None
    is_single = isinstance(response.classes, np.ndarray)
    labels = response.classes.tolist() if is_single else response.output_labels(n_outputs)
    return find_label("--target", text, labels)


def find_label(option: str, text: str, labels: Sequence[Any]) -> Any:
    """The label that is written like this, else the number that is equal."""
    spelled = {_spell(label): label for label in reversed(labels)}
    if text in spelled:
        return spelled[text]
    folded = {word.lower(): label for word, label in spelled.items() if isinstance(label, bool)}
    if text.lower() in folded:
        return folded[text.lower()]
    equal = [label for label in labels if _is_number(label) and label == _number(text)]
    if not equal:
        known = ", ".join(map(_spell, labels)) if len(labels) <= 20 else shorten(list(labels))
        raise InvalidInputError(f"{option}: {text!r} is none of the labels there are: {known}.")
    return equal[0]


def _spell(label: Any) -> str:
    return ",".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _is_number(label: Any) -> bool:
    return isinstance(label, int | float) and not isinstance(label, bool)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
