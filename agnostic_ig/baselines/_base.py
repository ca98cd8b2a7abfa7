"""What every baseline object gives a method."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns
from agnostic_ig.frames import Codec, check_table, matrix_shape

__all__ = ["Baseline", "BaselineRows", "Layout", "check_background", "uniform_rows"]


@dataclass(frozen=True)
class BaselineRows:
    """Rows to average over, in any container whose columns are those of X.

    weights (n_baselines,) sum to one. population is the number of rows that the rows were drawn from without
    replacement, None where the rows are the distribution itself. With tol, each row of X uses only as many of the
    rows, in order, as its standard error needs.
    """

    rows: Any
    weights: np.ndarray
    description: str
    population: int | None = None
    tol: float | None = None


@dataclass(frozen=True)
class Layout:
    """How the columns of X travel: the codec, and which columns are discrete or move together."""

    codec: Codec
    columns: Columns

    @classmethod
    def of(cls, X: Any) -> "Layout":
        """What the dtypes of a table say by themselves."""
        codec = Codec.from_tables([("X", X)])
        return cls(codec, Columns(codec.names, codec.discrete, np.arange(len(codec.names)), codec.names))


class Baseline:
    """Base class of `agnostic_ig.baselines`: ``resolve(X, layout)`` gives the rows to compare X with."""

    def resolve(self, X: Any, layout: Layout | None = None) -> BaselineRows:
        """Rows and weights for explaining X, whose columns travel as `layout` says (None: as their dtypes say)."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


def check_background(owner: str, X: Any) -> Any:
    """A non-empty 2-D table."""
    return check_table(f"The 'X' parameter of {owner}", X)


def uniform_rows(rows: Any, description: str, **more: Any) -> BaselineRows:
    """All rows count the same."""
    n = matrix_shape(rows)[0]
    return BaselineRows(rows, np.full(n, 1.0 / n), description, **more)
