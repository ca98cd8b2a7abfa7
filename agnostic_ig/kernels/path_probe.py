"""Probe points of the numeric engine on and beside the straight path, and the reduction of the model's answers."""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["Paths", "build_apart", "build_probes", "raise_by_group", "sum_by_group"]


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
def build_probes(paths, player_of, pair, alpha, moved_alpha, moved, out):
    """Row i of out: the path of pair[i] at alpha[i], with the players in moved[i] at moved_alpha[i].

    Coordinates stay inside the closed box of x and b. pair, alpha, moved_alpha (n,); moved (n, n_players) bool;
    out (n, n_features). Selections instead of branches, which could not be foreseen: four times as fast.
    """
    b, x, way, low, high, jumps = paths
    at = np.empty(out.shape[1])
    for i in range(out.shape[0]):
        p = pair[i]
        for j in range(out.shape[1]):
            at[j] = moved_alpha[i] if moved[i, player_of[j]] else alpha[i]
        for j in range(out.shape[1]):
            z = b[p, j] + at[j] * way[p, j]
            z = z if z > low[p, j] else low[p, j]
            z = z if z < high[p, j] else high[p, j]
            z = b[p, j] if at[j] <= 0.0 else z
            z = x[p, j] if at[j] >= 1.0 else z
            jumped = b[p, j] if at[j] < 0.5 else x[p, j]
            out[i, j] = jumped if jumps[p, j] else z


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
