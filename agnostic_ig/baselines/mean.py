"""The mean row."""

from typing import Any

import numpy as np

from agnostic_ig.baselines._base import Baseline, BaselineRows, Layout, check_background, uniform_rows
from agnostic_ig.exceptions import InvalidInputError

__all__ = ["Mean"]


class Mean(Baseline):
    """The mean of every numeric column, the most frequent level of every discrete one; missing values are ignored.

    Among equally frequent levels the first one counts. Columns that encode one category (the dict form of
    `categorical_features`) take their most frequent combination.

    "What sets this case apart from the average?" The mean row need not resemble any real case; a sample of real
    rows (`Sample`, `Class`) does.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Background.

    Raises
    ------
    InvalidInputError
        If a column has no value at all.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostic_ig import baselines
    >>> baselines.Mean(np.array([[0.0, 2.0], [1.0, np.nan]])).resolve(None).rows
    array([[0.5, 2. ]])
    """

    statistic = "mean"

    def __init__(self, X: Any) -> None:
        self.X = check_background(type(self).__name__, X)

    def resolve(self, X: Any, layout: Layout | None = None) -> BaselineRows:
        layout = layout or Layout.of(self.X)
        codec = layout.codec.with_levels_of("the background", self.X)
        matrix = codec.encode("the background", self.X)
        row = np.empty((1, matrix.shape[1]))
        for player in range(layout.columns.n_players):
            columns = np.flatnonzero(layout.columns.player_of == player)
            present = _present(matrix[:, columns], [codec.names[j] for j in columns])
            discrete = layout.columns.discrete[columns].any()
            row[0, columns] = _most_frequent(present) if discrete else STATISTICS[self.statistic](present)
        return uniform_rows(codec.decode(row), f"the {self.statistic} of {len(matrix):,} rows")


STATISTICS = {"mean": np.mean, "median": np.median}


def _present(cells: np.ndarray, names: list[str]) -> np.ndarray:
    """Rows without a missing value."""
    present = cells[~np.isnan(cells).any(axis=1)]
    if len(present) == 0:
        raise InvalidInputError(
            f"The background holds no value in column {', '.join(map(repr, names))}; leave the column out of the "
            "model, or pass a background that knows it."
        )
    return present


def _most_frequent(cells: np.ndarray) -> np.ndarray:
    levels, counts = np.unique(cells, axis=0, return_counts=True)
    return levels[np.argmax(counts)]
