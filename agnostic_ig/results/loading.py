"""Reading explanations back."""

import os

from agnostic_ig.results.explanation import Explanation
from agnostic_ig.results.storage import read_explanation

__all__ = ["load_explanation"]


def load_explanation(path: str | os.PathLike) -> Explanation:
    """Read what `Explanation.save` wrote. No pickle is run, so a file from a stranger can do no harm.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Explanation
        Every field as it was, the data in their own container with dtypes, categories and index.

    Raises
    ------
    InvalidInputError
        The file is damaged, of another kind, or of a version this package does not know.
    MissingDependencyError
        The data were a pandas or polars frame and that library is not installed.
    """
    explanation = object.__new__(Explanation)
    vars(explanation).update(read_explanation(path))
    return explanation
