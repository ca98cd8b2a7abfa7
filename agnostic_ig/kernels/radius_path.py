"""Which training points are within a radius along straight paths: each enters and leaves at a root of a quadratic."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["radius_steps"]

SAME_ALPHA = 2.0**-40  # crossings closer than this happen together
ROUNDING = 1e-13  # of what a quadratic is added up from


@kernel
def radius_steps(sites, values, radius, starts, ends, first, last, empty, out, doubt):
    """out[p, j] (n, d, m) += what column j brings of the change of the mean of values over the points within.

    first, last (n, N): which points (N, d) are within at both ends; empty (m,): the answer where there are none, NaN
    if the model has none. doubt (n, m) += sizes of steps whose shares the path does not determine.
    """
    n_sites = sites.shape[0]
    alpha, site, change = np.empty(2 * n_sites), np.empty(2 * n_sites, np.int64), np.empty(2 * n_sites)
    for p in range(starts.shape[0]):
        move = ends[p] - starts[p]
        total, n = np.zeros(values.shape[1]), 0
        for i in range(n_sites):
            if first[p, i]:
                total += values[i]
                n += 1
        n_events = 0
        for i in range(n_sites):
            n_events = _roots(sites[i], radius, starts[p], move, first[p, i], last[p, i], i, alpha, site, change,
                              n_events, values[i], doubt[p])  # fmt: skip
        order = np.argsort(alpha[:n_events], kind="mergesort")
        start = 0
        while start < n_events:
            stop = start + 1
            while stop < n_events and alpha[order[stop]] - alpha[order[start]] <= SAME_ALPHA:
                stop += 1
            who = order[start:stop]
            if stop - start == 1:
                n = _walk(sites, values, starts[p], move, alpha, site, change, who, 1.0, total, n, empty, out[p],
                          doubt[p], False)  # fmt: skip
            else:  # noise around the path sees either order of two of them equally often
                other = total.copy()
                several = stop - start > 2
                _walk(sites, values, starts[p], move, alpha, site, change, who[::-1], 0.5, other, n, empty, out[p],
                      doubt[p], several)  # fmt: skip
                n = _walk(sites, values, starts[p], move, alpha, site, change, who, 0.5, total, n, empty, out[p],
                          doubt[p], several)  # fmt: skip
            start = stop


@kernel
def _roots(site_row, radius, start, move, is_first, is_last, i, alpha, site, change, n, value, doubt):
    """Append where one point enters and leaves; sides at the ends are given, so that steps always add up."""
    square, slope, length = -radius * radius, 0.0, 0.0
    size = radius * radius
    for j in range(move.size):
        apart = start[j] - site_row[j]
        square += apart * apart
        slope += apart * move[j]
        length += move[j] * move[j]
        size += apart * apart
    if length == 0.0 or (is_first and is_last):
        return n
    inner = slope * slope - square * length
    noise = ROUNDING * (slope * slope + size * length)
    near, far = -slope / length, -slope / length
    if inner > 0.0:
        root = np.sqrt(inner)
        far = (root - slope) / length if slope < 0.0 else -square / (slope + root)
        near = (-slope - root) / length if slope > 0.0 else square / (root - slope) if root > slope else near
    passes = inner > noise and near > 0.0 and far < 1.0 and not is_last and not is_first
    if inner <= 1e6 * noise and inner >= -noise and (0.0 < -slope / length < 1.0 or is_first != is_last):
        doubt += np.abs(value)  # it only touches the sphere, or hardly more
    for enters in (True, False):
        if passes or (enters and is_last and not is_first) or (not enters and is_first and not is_last):
            alpha[n], site[n], change[n] = min(max(near if enters else far, 0.0), 1.0), i, 1.0 if enters else -1.0
            n += 1
    return n


@kernel
def _answer(total, n, empty):
    """The mean of n values, or the answer where there are none."""
    return total / n if n > 0 else empty


@kernel
def _walk(sites, values, start, move, alpha, site, change, who, weight, total, n, empty, out, doubt, in_doubt):
    """Credit points that enter or leave one after the other; total is changed, and how many are within returned."""
    for e in who:
        i = site[e]
        before = _answer(total, n, empty)
        total += change[e] * values[i]
        n += int(change[e])
        if n == 0:
            total[:] = 0.0  # but for rounding
        jump = _answer(total, n, empty) - before
        if np.isnan(jump).any():
            doubt += np.inf
            continue
        along = 0.0
        for j in range(move.size):
            along += (start[j] + alpha[e] * move[j] - sites[i, j]) * move[j]
        for j in range(move.size):
            out[j] += (start[j] + alpha[e] * move[j] - sites[i, j]) * move[j] / along * weight * jump
        if in_doubt or along == 0.0:
            doubt += np.abs(jump)
    return n
