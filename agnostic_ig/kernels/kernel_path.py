"""Sums of Gaussians around points, along straight paths: values and means of the gradient in closed form.

Every pair is done by itself and in the same order whatever else is asked for, so that its answer always has the same
bits. Loops that vectorise run over points (`points_t`) or over columns; nothing is summed across a vector.
"""

import numpy as np
from scipy import special

from agnostic_ig.kernels._jit import kernel

__all__ = ["erfcx", "exponentials", "gaussian_gradients", "gaussian_values", "row_products", "scaled_squares"]

BLOCK = 128  # points that are worked on together: their coordinates stay in cache for all pairs
WIDTH, DEGREE = 1.5, 28


def _fitted() -> np.ndarray:
    """Coefficients in t = 2 y - 1 of erfcx(x) / y for y = WIDTH / (WIDTH + x).

    The variable is that of S. G. Johnson's Faddeeva package; divided by y the function is smooth and positive for all
    x >= 0, so that one polynomial keeps the relative error of the half-line at rounding.
    """
    t = np.cos(np.pi * (np.arange(4000) + 0.5) / 4000)
    y = (t + 1.0) / 2.0
    values = special.erfcx(WIDTH / y - WIDTH) / y
    return np.polynomial.chebyshev.cheb2poly(np.polynomial.chebyshev.chebfit(t, values, DEGREE))


OF_ERFCX = _fitted()
OF_EXP = 1.0 / special.factorial(np.arange(13))  # of |x| <= log(2) / 2
LOWEST = -708.0  # below, exp is taken for 0
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6  # the first times a whole number is exact
SHIFT = 1.5 * 2.0**52  # added to a number, it leaves the nearest whole number in the lowest bits
NODES = 8
ALPHAS, WEIGHTS = special.roots_legendre(NODES)
ALPHAS, WEIGHTS = (ALPHAS + 1.0) / 2.0, WEIGHTS / 2.0


@kernel
def _polynomial(coefficients, t, out):
    """A polynomial of 4 m + 1 coefficients, four of them after four over all of t: loops that vectorise."""
    out[:] = coefficients[coefficients.size - 1]
    for i in range(coefficients.size - 5, -1, -4):
        a, b, c, d = coefficients[i + 3], coefficients[i + 2], coefficients[i + 1], coefficients[i]
        for k in range(out.size):
            out[k] = (((out[k] * t[k] + a) * t[k] + b) * t[k] + c) * t[k] + d


@kernel
def exponentials(x, out, rest, bits):
    """out = exp(x) for x <= 0, as processors do eight at once: 2**n by the bits of n, times a polynomial.

    rest (float64) and bits (int64) are scratch of the same length.
    """
    shifted = bits.view(np.float64)
    for k in range(x.size):
        shifted[k] = max(x[k], LOWEST) * LOG2_E + SHIFT
    for k in range(x.size):
        n = shifted[k] - SHIFT
        rest[k] = (max(x[k], LOWEST) - n * LN2_HIGH) - n * LN2_LOW
    _polynomial(OF_EXP, rest, out)
    for k in range(x.size):
        bits[k] = (bits[k] + 1023) << 52
    for k in range(x.size):
        out[k] = out[k] * shifted[k] if x[k] > LOWEST else 0.0


@kernel
def erfcx(x, out, t):
    """out = exp(x**2) erfc(x) for x >= 0; t is scratch."""
    for k in range(x.size):
        t[k] = 2.0 * WIDTH / (WIDTH + x[k]) - 1.0
    _polynomial(OF_ERFCX, t, out)
    for k in range(x.size):
        out[k] *= WIDTH / (WIDTH + x[k])


@kernel
def _moments(q0, ud, dd, zeroth, first, scratch, bits):
    """Integrals over alpha in [0, 1] of exp(-q) and of alpha exp(-q) for q = q0 + 2 alpha ud + alpha**2 dd.

    A difference of erf loses everything on short paths and far from the path; scaled by exp(-q) at the ends the two
    terms differ by a factor, and nothing cancels. Where the factor is nearly 1 the exponent hardly changes.
    """
    if dd > 0.0:
        _long_moments(q0, ud, dd, zeroth, first, scratch, bits)
    if dd < 0.5:
        _mend_short_moments(q0, ud, dd, zeroth, first, scratch, bits)


@kernel
def _long_moments(q0, ud, dd, zeroth, first, scratch, bits):
    """By erfcx at both ends of the path; scratch holds what is at the start, at the end, and nearest to the point."""
    n, length = q0.size, np.sqrt(dd)
    x, e, g, rest = scratch[0, : 3 * n], scratch[1, : 3 * n], scratch[2, : 2 * n], scratch[3, : 3 * n]
    for k in range(n):
        low = ud[k] / length
        x[k] = -q0[k]
        x[n + k] = min(0.0, -(q0[k] + 2.0 * ud[k] + dd))
        x[2 * n + k] = min(0.0, low * low - q0[k])
    exponentials(x, e, rest, bits[: 3 * n])
    for k in range(n):
        low = ud[k] / length
        x[k] = abs(low)
        x[n + k] = abs(low + length)
    erfcx(x[: 2 * n], g, rest[: 2 * n])
    scale, over = np.sqrt(np.pi) / (2.0 * length), 1.0 / (2.0 * dd)
    for k in range(n):
        low = ud[k] / length
        high = low + length
        total = e[k] * (g[k] if low >= 0.0 else -g[k]) - e[n + k] * (g[n + k] if high >= 0.0 else -g[n + k])
        total += 2.0 * e[2 * n + k] if (low < 0.0) & (high > 0.0) else 0.0
        zeroth[k] = total * scale
        first[k] = (e[k] - e[n + k]) * over - ud[k] / dd * zeroth[k]


@kernel
def _mend_short_moments(q0, ud, dd, zeroth, first, scratch, bits):
    """Where the exponent hardly changes, by Gauss-Legendre, which is exact to rounding there."""
    n = q0.size
    x, e, rest, total, moment = scratch[0, :n], scratch[1, :n], scratch[2, :n], scratch[3, :n], scratch[3, n : 2 * n]
    total[:] = 0.0
    moment[:] = 0.0
    for i in range(NODES):
        alpha, weight = ALPHAS[i], WEIGHTS[i]
        for k in range(n):
            x[k] = min(0.0, -(q0[k] + alpha * (2.0 * ud[k] + alpha * dd)))
        exponentials(x, e, rest, bits[:n])
        for k in range(n):
            total[k] += weight * e[k]
            moment[k] += alpha * weight * e[k]
    for k in range(n):
        if dd == 0.0 or abs(2.0 * ud[k] + dd) < 1.0:
            zeroth[k], first[k] = total[k], moment[k]


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
    q0, ud, zeroth, along = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    scratch, bits, line = np.empty((4, 3 * BLOCK)), np.empty(3 * BLOCK, np.int64), np.empty(scales.size)
    for first in range(0, points.shape[0], BLOCK):
        n = min(BLOCK, points.shape[0] - first)
        here, here_t = points[first : first + n], np.ascontiguousarray(points_t[:, first : first + n])
        for p in range(starts.shape[0]):
            start, end = starts[p], ends[p]
            _geometry(here_t, scales, start, end, q0[:n], ud[:n])
            dd = 0.0
            for j in range(scales.size):
                dd += ((end[j] - start[j]) * scales[j]) ** 2
            _moments(q0[:n], ud[:n], dd, zeroth[:n], along[:n], scratch, bits)
            for o in range(weights.shape[1]):
                _add_line(here, weights[first : first + n, o], start, zeroth, line)
                ahead = 0.0
                for k in range(n):
                    ahead += weights[first + k, o] * along[k]
                for j in range(scales.size):
                    out[p, j, o] -= 2.0 * scales[j] ** 2 * (line[j] + ahead * (end[j] - start[j]))


@kernel
def _add_line(points, weights, start, moments, line):
    """line = sum over points of weight * moment * (start - point), four points at a time."""
    line[:] = 0.0
    last = points.shape[0] - 1
    for k in range(0, last + 1, 4):
        k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
        w = weights[k] * moments[k]
        w1 = weights[k1] * moments[k1] if k + 1 <= last else 0.0
        w2 = weights[k2] * moments[k2] if k + 2 <= last else 0.0
        w3 = weights[k3] * moments[k3] if k + 3 <= last else 0.0
        if w == 0.0 and w1 == 0.0 and w2 == 0.0 and w3 == 0.0:
            continue
        p, p1, p2, p3 = points[k], points[k1], points[k2], points[k3]
        for j in range(line.size):
            here = start[j]
            line[j] += (w * (here - p[j]) + w1 * (here - p1[j])) + (w2 * (here - p2[j]) + w3 * (here - p3[j]))


@kernel
def gaussian_values(points_t, scales, weights, rows, out):
    """out[p, o] += sum_k weights[k, o] exp(-|scales (rows[p] - points[k])|**2); out (n, m)."""
    scratch, bits = np.empty((4, BLOCK)), np.empty(BLOCK, np.int64)
    q0, ud, value, rest = scratch[0], scratch[1], scratch[2], scratch[3]
    for first in range(0, points_t.shape[1], BLOCK):
        n = min(BLOCK, points_t.shape[1] - first)
        here_t = np.ascontiguousarray(points_t[:, first : first + n])
        for p in range(rows.shape[0]):
            _geometry(here_t, scales, rows[p], rows[p], q0[:n], ud[:n])
            for k in range(n):
                q0[k] = -q0[k]
            exponentials(q0[:n], value[:n], rest[:n], bits[:n])
            for k in range(n):
                for o in range(weights.shape[1]):
                    out[p, o] += weights[first + k, o] * value[k]


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
