"""Pairs laid out for the tree kernels: how fast each crosses its columns, and feature after feature in memory."""

import numpy as np

from agnostic_ig.kernels._jit import kernel
from agnostic_ig.kernels.tree_nodes import GRID

__all__ = ["crossing_rates", "lay_out"]

_TOGETHER = 64  # pairs whose rows stay in cache while they are turned into columns


@kernel
def crossing_rates(start, end, start_place, end_place, discrete):
    """GRID / (end - start) of the places (n_pairs, n_features); 0 where a column moves at one half.

    That is where it is discrete (n_features,), or where there is no finite way. Equal ends cross nothing: any rate
    does for them, but 0 would make the column look discrete.
    """
    rates = np.empty(end.shape)
    for p in range(end.shape[0]):
        for j in range(end.shape[1]):
            way = end_place[p, j] - start_place[p, j]
            rate = GRID / (way if way != 0.0 else end[p, j] - start[p, j])  # ends may share a place on a decimal grid
            if start[p, j] == end[p, j]:
                rate = 1.0
            elif discrete[j] or not np.isfinite(rate):  # a step from or to infinity is 0 already
                rate = 0.0
            rates[p, j] = rate
    return rates


@kernel
def lay_out(end, rate, first):
    """Ends and rates (n_pairs, n_features) group after group, feature after feature, pair after pair.

    first (n_groups + 1,): where groups begin. Eight more stand at the end, which a vector may read. Also returns
    (n_groups, n_features): whether a column of a group has missing values or discrete moves.
    """
    n_features, n_groups = end.shape[1], first.size - 1
    ends, rates = np.zeros(end.size + 8), np.zeros(end.size + 8)
    jumps = np.zeros((n_groups, n_features), np.bool_)
    for g in range(n_groups):
        a, b = np.int64(first[g]), np.int64(first[g + 1])
        for block in range(a, b, _TOGETHER):
            for j in range(n_features):
                base, found = a * n_features + j * (b - a) - a, False
                for p in range(block, min(block + _TOGETHER, b)):
                    ends[base + p], rates[base + p] = end[p, j], rate[p, j]
                    found |= rate[p, j] == 0.0 or end[p, j] != end[p, j]
                jumps[g, j] |= found
    return ends, rates, jumps
