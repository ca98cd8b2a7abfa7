"""What lets an explanation stand in for its ``values`` in numpy and in arithmetic."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from agnostic_ig.results.aggregation import absolute, reduce

__all__ = ["ArrayLike"]


class ArrayLike(np.lib.mixins.NDArrayOperatorsMixin):
    """Arithmetic, comparison and numpy functions act on ``values`` and give plain arrays.

    Attributions after arithmetic are no explanation any more (what would their base value be?), so none is
    returned. ``==`` compares identity: two explanations are one thing or two.
    """

    values: Any

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self.values, dtype=dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        changes_us = any(isinstance(one, ArrayLike) for one in options.get("out", ())) or method == "at"
        if changes_us:
            return NotImplemented
        arrays = [one.values if isinstance(one, ArrayLike) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return (self[position] for position in range(len(self)))

    def __float__(self) -> float:
        return float(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of ``values``."""
        return np.shape(self.values)

    @property
    def abs(self) -> Self:
        """The same with absolute values; ``convergence_delta`` is None."""
        return absolute(self)

    def mean(self, axis: Any = None, dtype: None = None, out: None = None) -> Self:
        """Mean over an axis, a tuple of axes or (None) all; `dtype` and `out` are there for ``numpy.mean``.

        Means and sums over rows keep ``base_values`` and ``predictions``, aggregated alike. Labels, data and
        errors of what is gone become None.
        """
        return reduce(self, "mean", axis)

    def sum(self, axis: Any = None, dtype: None = None, out: None = None) -> Self:
        """Sum over an axis, a tuple of axes or (None) all; see `mean`."""
        return reduce(self, "sum", axis)

    def max(self, axis: Any = None, out: None = None) -> Self:
        """Maximum over an axis, a tuple of axes or (None) all."""
        return reduce(self, "max", axis)

    def min(self, axis: Any = None, out: None = None) -> Self:
        """Minimum over an axis, a tuple of axes or (None) all."""
        return reduce(self, "min", axis)
