"""Functions of one variable by their Chebyshev coefficients: how smooth they are, and down to what noise.

Coefficients at Chebyshev points of the second kind by the discrete cosine transform (Trefethen, Approximation Theory
and Approximation Practice, 2013, chapter 3).
"""

import numpy as np

__all__ = ["chebyshev_coefficients", "chebyshev_points", "degree_below"]


def chebyshev_points(n: int) -> np.ndarray:
    """The n + 1 points ``(1 - cos(pi k / n)) / 2`` of [0, 1]; those of n are every second one of 2 n."""
    return 0.5 * (1.0 - np.cos(np.pi * np.arange(n + 1) / n))


def chebyshev_coefficients(values: np.ndarray) -> np.ndarray:
    """Coefficients of the polynomial through values (..., n + 1, n_outputs) at the points above."""
    from scipy.fft import dct

    n = values.shape[-2] - 1
    coefficients = dct(values[..., ::-1, :], type=1, axis=-2) / n
    coefficients[..., [0, n], :] /= 2.0
    return coefficients


def degree_below(coefficients: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """(...): the smallest degree whose remaining coefficients, summed, are within the tolerance (..., n_outputs)."""
    size = np.abs(coefficients)
    rest = np.cumsum(size[..., ::-1, :], axis=-2)[..., ::-1, :]
    above = (rest > tolerance[..., None, :]).any(axis=-1)
    return above.sum(axis=-1) - 1
