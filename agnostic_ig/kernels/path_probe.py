"""Probe points of the numeric engine on and beside the straight path, and the reduction of the model's answers."""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["Paths", "build_apart", "build_probes", "raise_by_group", "raise_sizes", "sum_by_group"]


class Paths(NamedTuple):
    """Straight paths from b to x and what their probes need, all (n_pairs, n_features).

    low and high are the smaller and the larger of b and x. jumps is True for what moves at one half only: discrete
    columns, and values without a finite way between them.
    """

    b: np.ndarray
    x: np.ndarray
    way: np.ndarray
    low: np.ndarray
    high: np.ndarray
    jumps: np.ndarray

    @classmethod
    def between(cls, b: np.ndarray, x: np.ndarray, discrete: np.ndarray) -> "Paths":
        b, x = np.ascontiguousarray(b), np.ascontiguousarray(x)
        with np.errstate(over="ignore", invalid="ignore"):
            way = x - b
        return cls(b, x, way, np.fmin(b, x), np.fmax(b, x), discrete | ~np.isfinite(way))


@kernel
def _point(paths, p, alpha, out):
    """Fill in the point of path p at alpha, inside the closed box of x and b.

    Selections instead of branches, which could not be foreseen: four times as fast.
    """
    b, x, way, low, high, jumps = paths
    for j in range(out.shape[0]):
        z = b[p, j] + alpha * way[p, j]
        z = z if z > low[p, j] else low[p, j]
        z = z if z < high[p, j] else high[p, j]
        z = b[p, j] if alpha <= 0.0 else z
        z = x[p, j] if alpha >= 1.0 else z
        jumped = b[p, j] if alpha < 0.5 else x[p, j]
        out[j] = jumped if jumps[p, j] else z


@kernel
def build_probes(paths, player_of, order, pair, alpha, moved_alpha, moved, out):
    """Row i of out is probe k = order[i]: the path of pair[k] at alpha[k], the players in moved[k] at moved_alpha[k].

    order (n_rows,); pair, alpha, moved_alpha (n,); moved (n, n_players) bool; out (n_rows, n_features). Both points are
    kept for the next row, which often differs only in who is moved.
    """
    here, there, mask = np.empty(out.shape[1]), np.empty(out.shape[1]), np.empty(out.shape[1], np.bool_)
    of_one_column = player_of.shape[0] == moved.shape[1] and (player_of == np.arange(player_of.shape[0])).all()
    last, at, moved_at = -1, np.nan, np.nan
    for i in range(out.shape[0]):
        k = order[i]
        if pair[k] != last or alpha[k] != at:
            at = alpha[k]
            _point(paths, pair[k], at, here)
        if pair[k] != last or moved_alpha[k] != moved_at:
            moved_at = moved_alpha[k]
            _point(paths, pair[k], moved_at, there)
        last = pair[k]
        if of_one_column:
            for j in range(out.shape[1]):
                out[i, j] = there[j] if moved[k, j] else here[j]
        else:
            for j in range(out.shape[1]):
                mask[j] = moved[k, player_of[j]]
            for j in range(out.shape[1]):
                out[i, j] = there[j] if mask[j] else here[j]


@kernel
def build_apart(paths, player_of, pair, alpha, out):
    """Row i of out: the path of pair[i] with player k at alpha[i, k]; the same coordinates as above."""
    b, x, way, low, high, jumps = paths
    for i in range(out.shape[0]):
        p = pair[i]
        for j in range(out.shape[1]):
            at = alpha[i, player_of[j]]
            z = min(max(b[p, j] + at * way[p, j], low[p, j]), high[p, j])
            z = b[p, j] if at <= 0.0 else z
            z = x[p, j] if at >= 1.0 else z
            jumped = b[p, j] if at < 0.5 else x[p, j]
            out[i, j] = jumped if jumps[p, j] else z


@kernel
def sum_by_group(group, weight, rows, out):
    """Add weight[i] * rows[i] (n_players, n_outputs) to out[group[i]], in order."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            for k in range(rows.shape[2]):
                out[group[i], j, k] += weight[i] * rows[i, j, k]


@kernel
def raise_by_group(group, rows, out):
    """Raise out[group[i]] to rows[i] (n_outputs) where that is more."""
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            out[group[i], k] = max(out[group[i], k], rows[i, k])


@kernel
def raise_sizes(group, rows, out):
    """Raise out[group[i]] to the largest absolute value of rows[i] (n_outputs) where that is more."""
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            out[group[i]] = max(out[group[i]], abs(rows[i, k]))
