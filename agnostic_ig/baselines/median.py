"""The median row."""

from agnostic_ig.baselines.mean import Mean

__all__ = ["Median"]


class Median(Mean):
    """The median of every numeric column, the most frequent level of every discrete one; missing values are ignored.

    As `Mean`, and not moved by a few extreme rows.

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
    >>> baselines.Median(np.array([[0.0], [1.0], [99.0]])).resolve(None).rows
    array([[1.]])
    """

    statistic = "median"
