"""Shapley values of a tie under a link, where what players add to the margin adds up: Owen's multilinear extension."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["shapley_of_sums"]


@kernel
def shapley_of_sums(starts, growths, places, weights, credits):
    """Add to credits (k,) the Shapley values of a sum of exponentials of the margin.

    starts (n_terms,) holds every term before anybody has moved, and growths (n_terms, k) by how much, relatively, the
    move of one player changes it: with everybody else in with probability q, a term is the product of its start and
    of 1 + q * growth. Its integral over q is a polynomial's, by a rule of `places` and `weights`.
    """
    n_terms, k = growths.shape
    before = np.empty(k, dtype=growths.dtype)
    for term in range(n_terms):
        for i in range(places.size):
            product = starts[term] * weights[i]
            for j in range(k):
                before[j] = product
                product *= 1.0 + places[i] * growths[term, j]
            after = growths[term, 0] * 0.0 + 1.0
            for j in range(k - 1, -1, -1):
                credits[j] += (before[j] * after * growths[term, j]).real
                after *= 1.0 + places[i] * growths[term, j]
