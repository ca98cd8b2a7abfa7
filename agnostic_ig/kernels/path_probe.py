"""Probe points of the numeric engine on and beside the straight path, and the reduction of the model's answers."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["build_probes", "sum_by_group"]


@kernel
def _on_path(x, b, alpha, discrete):
    """One coordinate of the path, inside the closed box of x and b; discrete columns jump at one half, and so does
    what has no finite way."""
    if discrete or not (np.isfinite(x) and np.isfinite(b)):
        return b if alpha < 0.5 else x
    if alpha <= 0.0:
        return b
    if alpha >= 1.0:
        return x
    z = b + alpha * (x - b)
    low, high = min(x, b), max(x, b)
    return min(max(z, low), high)


@kernel
def build_probes(x, b, discrete, player_of, pair, alpha, moved_alpha, moved, out):
    """Row i of out: the path of pair[i] at alpha[i], with the players in moved[i] at moved_alpha[i].

    x, b (n_pairs, n_features); pair, alpha, moved_alpha (n,); moved (n, n_players) bool; out (n, n_features).
    """
    for i in range(out.shape[0]):
        p = pair[i]
        for j in range(out.shape[1]):
            at = moved_alpha[i] if moved[i, player_of[j]] else alpha[i]
            out[i, j] = _on_path(x[p, j], b[p, j], at, discrete[j])


@kernel
def sum_by_group(group, weight, rows, out):
    """Add weight[i] * rows[i] (n_players, n_outputs) to out[group[i]], in order."""
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            for k in range(rows.shape[2]):
                out[group[i], j, k] += weight[i] * rows[i, j, k]
