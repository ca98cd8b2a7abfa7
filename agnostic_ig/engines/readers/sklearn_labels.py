"""Labels of classifiers made of trees: steps of their probabilities, 1 for the largest."""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.composite import combine
from agnostic_ig.engines.readers.parts import read_part
from agnostic_ig.engines.step_functions import indicate_largest

__all__ = ["OWN_BORDER", "read_labels"]

# Their labels do not change where their margin is 0 or their probability one half.
OWN_BORDER = {"FixedThresholdClassifier", "TunedThresholdClassifierCV", "GaussianProcessClassifier"}

# Classifiers whose predict is the class with the largest probability.
BY_PROBABILITY = (
    *("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier"),
    *("GradientBoostingClassifier", "HistGradientBoostingClassifier", "BaggingClassifier", "AdaBoostClassifier"),
)


def read_labels(part: Any) -> Any:
    """Engine of one output a class of the part: 1 where it is predicted."""
    kind = type(part).__name__
    if kind not in BY_PROBABILITY or not isinstance(part.classes_, np.ndarray):
        raise Unsupported(f"labels of {kind} are steps between smooth parts, or are not read")
    return combine(indicate_largest(len(part.classes_)), [read_part(part, "predict_proba")], kind)
