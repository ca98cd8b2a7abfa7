"""Sums of Gaussians around points, along straight paths: values and means of the gradient in closed form.

Every pair is done by itself and in the same order whatever else is asked for, so that its answer always has the same
bits. Loops that vectorise run over points (`points_t`) or over columns; nothing is summed across a vector.
"""

import numpy as np
from scipy import special

from agnostic_ig.kernels._jit import kernel

__all__ = ["erfcx", "gaussian_gradients", "gaussian_values", "row_products", "scaled_squares"]

BLOCK = 256  # points that are worked on together: their coordinates stay in cache for all pairs
PIECES, DEGREE = 64, 8


def _fitted_pieces() -> np.ndarray:
    """(PIECES, DEGREE + 1): coefficients in t = 2 (PIECES y - i) - 1 of erfcx(4 / y - 4) / y for y in piece i.

    The variable is S. G. Johnson's (Faddeeva package); divided by y the function is smooth and positive on [0, 1], so
    that polynomials keep the relative error of the whole half-line at rounding.
    """
    t = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    y = (np.arange(PIECES)[:, None] + (t + 1.0) / 2.0) / PIECES
    values = special.erfcx(4.0 / y - 4.0) / y
    return np.linalg.solve(np.vander(t, increasing=True), values.T).T.copy()


COEFFICIENTS = _fitted_pieces()
NODES = 8
ALPHAS, WEIGHTS = special.roots_legendre(NODES)
ALPHAS, WEIGHTS = (ALPHAS + 1.0) / 2.0, WEIGHTS / 2.0


@kernel
def erfcx(x):
    """exp(x**2) erfc(x) for x >= 0."""
    y = 4.0 / (4.0 + x)
    i = min(int(y * PIECES), PIECES - 1)
    t = 2.0 * (y * PIECES - i) - 1.0
    total = COEFFICIENTS[i, DEGREE]
    for k in range(DEGREE - 1, -1, -1):
        total = total * t + COEFFICIENTS[i, k]
    return total * y


@kernel
def _signed_erfcx(r):
    return erfcx(r) if r >= 0.0 else -erfcx(-r)


@kernel
def _short_moments(q0, ud, dd):
    """As `_moments`, where the exponent hardly changes: Gauss-Legendre, exact to rounding there."""
    zeroth, first = 0.0, 0.0
    for k in range(NODES):
        value = WEIGHTS[k] * np.exp(-(q0 + ALPHAS[k] * (2.0 * ud + ALPHAS[k] * dd)))
        zeroth += value
        first += ALPHAS[k] * value
    return zeroth, first


@kernel
def _moments(q0, ud, dd):
    """Integrals over alpha in [0, 1] of exp(-q) and of alpha exp(-q) for q = q0 + 2 alpha ud + alpha**2 dd.

    A difference of erf loses everything on short paths and far from the path; scaled by exp(-q) at the ends the two
    terms differ by a factor, and nothing cancels.
    """
    if dd == 0.0:
        value = np.exp(-q0)
        return value, 0.5 * value
    rise = 2.0 * ud + dd
    if dd < 0.5 and abs(rise) < 1.0:
        return _short_moments(q0, ud, dd)
    length = np.sqrt(dd)
    low = ud / length
    high = low + length
    at_start, at_end = np.exp(-q0), np.exp(-max(0.0, q0 + rise))
    total = at_start * _signed_erfcx(low) - at_end * _signed_erfcx(high)
    if low < 0.0 < high:
        total += 2.0 * np.exp(-max(0.0, q0 - low * low))
    zeroth = total * np.sqrt(np.pi) / (2.0 * length)
    return zeroth, (at_start - at_end) / (2.0 * dd) - ud / dd * zeroth


@kernel
def _geometry(points_t, scales, start, end, q0, ud):
    """Squared distances of the start from some points, and the products with the move; both in scaled columns."""
    q0[:] = 0.0
    ud[:] = 0.0
    for j in range(scales.size):
        row, here, scale = points_t[j], start[j], scales[j]
        move = (end[j] - here) * scale
        for k in range(q0.size):
            apart = (here - row[k]) * scale
            q0[k] += apart * apart
            ud[k] += apart * move


@kernel
def gaussian_gradients(points, points_t, scales, weights, starts, ends, out):
    """out[p, :, o] += mean on path p of the gradient of sum_k weights[k, o] exp(-|scales (z - points[k])|**2).

    points (N, d) and its transpose points_t, scales (d,), weights (N, m); starts, ends (n, d); out (n, d, m).
    """
    q0, ud, zeroth, line = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(scales.size)
    for first in range(0, points.shape[0], BLOCK):
        n = min(BLOCK, points.shape[0] - first)
        here, here_t = points[first : first + n], np.ascontiguousarray(points_t[:, first : first + n])
        for p in range(starts.shape[0]):
            start, end = starts[p], ends[p]
            _geometry(here_t, scales, start, end, q0[:n], ud[:n])
            dd = 0.0
            for j in range(scales.size):
                dd += ((end[j] - start[j]) * scales[j]) ** 2
            for k in range(n):
                zeroth[k], ud[k] = _moments(q0[k], ud[k], dd)
            for o in range(weights.shape[1]):
                _add_line(here, weights[first : first + n, o], start, zeroth, line)
                along = 0.0
                for k in range(n):
                    along += weights[first + k, o] * ud[k]
                for j in range(scales.size):
                    out[p, j, o] -= 2.0 * scales[j] ** 2 * (line[j] + along * (end[j] - start[j]))


@kernel
def _add_line(points, weights, start, moments, line):
    """line = sum over points of weight * moment * (start - point)."""
    line[:] = 0.0
    for k in range(points.shape[0]):
        weight = weights[k] * moments[k]
        if weight != 0.0:
            point = points[k]
            for j in range(line.size):
                line[j] += weight * (start[j] - point[j])


@kernel
def gaussian_values(points_t, scales, weights, rows, out):
    """out[p, o] += sum_k weights[k, o] exp(-|scales (rows[p] - points[k])|**2); out (n, m)."""
    q0, ud = np.empty(BLOCK), np.empty(BLOCK)
    for first in range(0, points_t.shape[1], BLOCK):
        n = min(BLOCK, points_t.shape[1] - first)
        here_t = np.ascontiguousarray(points_t[:, first : first + n])
        for p in range(rows.shape[0]):
            _geometry(here_t, scales, rows[p], rows[p], q0[:n], ud[:n])
            for k in range(n):
                value = np.exp(-q0[k])
                for o in range(weights.shape[1]):
                    out[p, o] += weights[first + k, o] * value


@kernel
def scaled_squares(points_t, scales, rows, out):
    """out[p, k] = |scales (rows[p] - points[k])|**2."""
    for p in range(rows.shape[0]):
        line = out[p]
        line[:] = 0.0
        for j in range(scales.size):
            row, here, scale = points_t[j], rows[p, j], scales[j]
            for k in range(line.size):
                apart = (here - row[k]) * scale
                line[k] += apart * apart


@kernel
def row_products(rows, matrix, out):
    """out = rows @ matrix, every row by itself: a row's bits do not depend on how many others there are."""
    for p in range(rows.shape[0]):
        line = out[p]
        line[:] = 0.0
        for j in range(matrix.shape[0]):
            here, row = rows[p, j], matrix[j]
            for k in range(line.size):
                line[k] += here * row[k]
