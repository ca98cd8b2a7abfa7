"""Shapley values of few players, whose coalitions are all known."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["shapley_of_states", "share"]


@kernel
def share(own, other):
    """(own - 1)! other! / (own + other)!: Shapley share of one of `own` players against `other` opponents."""
    share = 1.0 / own
    for i in range(1, other + 1):
        share *= i / (own + i)
    return share


@kernel
def shapley_of_states(outputs, players, n_tied, credits):
    """Add the Shapley value of outputs[T] (2**k, n_out), over the k tied players, to credits."""
    weight = np.empty(n_tied)  # s! (k - s - 1)! / k!
    for s in range(n_tied):
        weight[s] = share(s + 1, n_tied - s - 1)
    for subset in range(outputs.shape[0]):
        size = 0
        for i in range(n_tied):
            size += (subset >> i) & 1
        for i in range(n_tied):
            if not (subset >> i) & 1:
                for o in range(outputs.shape[1]):
                    gain = outputs[subset | (1 << i), o] - outputs[subset, o]
                    credits[players[i], o] += weight[size] * gain
