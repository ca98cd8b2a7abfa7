"""The rows of one class."""

from typing import Any

import numpy as np

from agnostic_ig.baselines._base import Baseline, BaselineRows, Layout, check_background, uniform_rows
from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.frames import matrix_shape, take_rows
from agnostic_ig.validation import shorten

__all__ = ["Class"]


class Class(Baseline):
    """All rows of one class, for example legitimate transactions: "why is this not one of those?"

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Background.
    y : array-like of shape (n_samples,)
        Labels.
    label : object
        The class to compare with.

    Raises
    ------
    InvalidParameterError
        If no row has this label.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostic_ig import baselines
    >>> baselines.Class(np.arange(4.0)[:, None], [0, 1, 0, 1], 1).resolve(None).rows
    array([[1.],
           [3.]])
    """

    def __init__(self, X: Any, y: Any, label: Any) -> None:
        self.X = check_background("Class", X)
        self.label = label
        labels = np.asarray(y)
        if labels.shape != (matrix_shape(self.X)[0],):
            raise InvalidInputError(
                f"The 'y' parameter of Class must have one label for each of the {matrix_shape(self.X)[0]:,} rows. "
                f"Got shape {labels.shape}."
            )
        self._rows = np.flatnonzero(labels == label)
        if self._rows.size == 0:
            known = shorten(np.unique(labels)[:10].tolist())
            raise InvalidParameterError(
                f"The 'label' parameter of Class must be one of the labels of y, {known}. Got {label!r} instead."
            )

    def resolve(self, X: Any, layout: Layout | None = None) -> BaselineRows:
        rows = take_rows(self.X, self._rows)
        return uniform_rows(rows, f"all {len(self._rows):,} rows of class {self.label!r}")

    def __repr__(self) -> str:
        return f"Class(..., label={self.label!r})"
