"""Where smooth functions of one variable, along straight paths, pass a level: all roots, to rounding.

A function along a path becomes a Chebyshev series, on stretches short enough that the series is right to rounding; its
roots are eigenvalues (Trefethen, Approximation Theory and Approximation Practice, 2013, chapter 18), so that none is
missed between the points of a scan.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev

from agnostic_ig.numerics.chebyshev import chebyshev_coefficients, chebyshev_points

__all__ = ["Candidates", "find_roots"]

DEGREE = 32
TAIL = 3  # coefficients at the end of a series that must be rounding
ROUNDING = 1e-14  # relative to the sum of the coefficients
HELPED, SMALL = 0.25, 1e-9  # a small tail that halving does not help is rounding
MAX_HALVINGS = 24
ASIDE = 1e-2  # imaginary parts, and places beyond a stretch, of eigenvalues that may be roots after rounding


@dataclass(frozen=True)
class Candidates:
    """Places where a function may pass zero, by path, function and alpha; sign changes between them decide.

    bend is the second derivative by alpha there, noise how far the series may be off.
    """

    path: np.ndarray
    function: np.ndarray
    alpha: np.ndarray
    bend: np.ndarray
    noise: np.ndarray


def find_roots(values: Callable[[np.ndarray, np.ndarray], np.ndarray], n_paths: int) -> Candidates:
    """Candidates of all functions on all paths.

    Parameters
    ----------
    values : callable
        From path (n,) and alpha (n,) to the values (n, n_functions).
    n_paths : int
    """
    path, low, high = np.arange(n_paths), np.zeros(n_paths), np.ones(n_paths)
    scale, before, found = None, np.inf, []
    for halving in range(MAX_HALVINGS + 1):
        alpha = low[:, None] + (high - low)[:, None] * chebyshev_points(DEGREE)
        at_points = values(np.repeat(path, DEGREE + 1), alpha.ravel()).reshape(len(path), DEGREE + 1, -1)
        series = chebyshev_coefficients(at_points)
        size = np.abs(series).sum(axis=1)
        scale = size if scale is None else scale
        tail = np.abs(series[:, -TAIL:]).sum(axis=1)
        relative = np.divide(tail, scale[path], out=np.zeros_like(tail), where=tail > 0.0)
        stalled = (relative > HELPED * before) & (relative <= SMALL)
        done = ((relative <= ROUNDING) | stalled).all(axis=1) | (halving == MAX_HALVINGS)
        for s in np.flatnonzero(done):
            noise = ROUNDING * scale[path[s]] + tail[s]
            found.extend(_of_stretch(path[s], low[s], high[s], series[s], noise))
        path, low, high = path[~done], low[~done], high[~done]
        before = np.tile(relative[~done], (2, 1))
        if len(path) == 0:
            break
        middle = (low + high) / 2.0
        path, low, high = np.tile(path, 2), np.concatenate([low, middle]), np.concatenate([middle, high])
    return _sorted(found)


def _of_stretch(path: int, low: float, high: float, series: np.ndarray, noise: np.ndarray) -> list[tuple]:
    """(path, function, alpha, bend, noise) of the candidates on one stretch."""
    rows = []
    rest = np.abs(series[1:]).sum(axis=0)
    for f in np.flatnonzero(np.abs(series[0]) <= rest + noise):
        own = chebyshev.chebtrim(series[:, f], noise[f] * 1e-3)
        if len(own) < 2:
            continue
        roots = chebyshev.chebroots(own)
        near = roots[(np.abs(roots.imag) <= ASIDE) & (np.abs(roots.real) <= 1.0 + ASIDE)].real
        bends = chebyshev.chebval(near, chebyshev.chebder(own, 2)) if len(own) > 2 else np.zeros(len(near))
        for t, bend in zip(near, np.abs(bends) * (2.0 / (high - low)) ** 2, strict=True):
            rows.append((path, f, low + (high - low) * (min(max(t, -1.0), 1.0) + 1.0) / 2.0, bend, noise[f]))
    return rows


def _sorted(found: list[tuple]) -> Candidates:
    """By path, function and alpha, strictly inside of the paths."""
    inside = [row for row in found if 0.0 < row[2] < 1.0]
    path, function, alpha, bend, noise = zip(*sorted(set(inside)), strict=True) if inside else ((),) * 5
    whole = [np.asarray(one, dtype=np.int64) for one in (path, function)]
    return Candidates(*whole, *(np.asarray(one, dtype=np.float64) for one in (alpha, bend, noise)))
