"""Arrays as compiled loops take them, and products whose bits do not depend on how many rows there are."""

import numpy as np

from agnostic_ig.kernels.kernel_path import row_products

__all__ = ["plain", "products"]


def plain(array: np.ndarray) -> np.ndarray:
    """The same in one type and one layout, so that a loop is compiled once."""
    return np.require(array, np.float64, ["C", "W"])


def products(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``rows @ matrix``, every row by itself."""
    out = np.empty((len(rows), matrix.shape[1]))
    row_products(plain(rows), plain(matrix), out)
    return out
