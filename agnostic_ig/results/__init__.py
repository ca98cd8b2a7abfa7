"""What explainers return: attributions with all that is needed to read, check, cut, compare and keep them."""

from agnostic_ig.results.explanation import Explanation
from agnostic_ig.results.loading import load_explanation
from agnostic_ig.results.reason_codes import ReasonCode

__all__ = ["Explanation", "ReasonCode", "load_explanation"]
