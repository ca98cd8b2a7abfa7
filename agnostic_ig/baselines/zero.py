"""The zero row."""

from typing import Any

import numpy as np

from agnostic_ig.baselines._base import Baseline, BaselineRows, Layout, uniform_rows
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.validation import shorten

__all__ = ["Zero"]


class Zero(Baseline):
    """A row of zeros: "what does this case have that an empty one has not?"

    Meant for counts, pixels and token weights, where zero is the absence of a signal.

    Raises
    ------
    InvalidInputError
        When explaining, if X has discrete columns (bool, categories, text, `categorical_features`): they have no
        zero. If a row of zeros does mean something there, pass it as an array.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostic_ig import baselines
    >>> baselines.Zero().resolve(np.ones((3, 2))).rows
    array([[0., 0.]])
    """

    def resolve(self, X: Any, layout: Layout | None = None) -> BaselineRows:
        columns = (layout or Layout.of(X)).columns
        if columns.discrete.any():
            names = [columns.names[j] for j in np.flatnonzero(columns.discrete)]
            raise InvalidInputError(
                f"baselines.Zero has no zero for the discrete columns {shorten(names)}; "
                "use baselines.Median, Sample or Class."
            )
        return uniform_rows(np.zeros((1, len(columns.names))), "a row of zeros")

    def __repr__(self) -> str:
        return "Zero()"
