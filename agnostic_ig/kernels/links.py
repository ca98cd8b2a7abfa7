"""Links from margins to outputs, and their slopes."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["LINKS", "apply_link", "link_of_one", "link_slopes"]

LINKS = {"identity": 0, "sigmoid": 1, "sigmoid_of_double": 2, "softmax": 3, "exp": 4, "isolation": 5}


@kernel
def _sigmoid(margin):
    if margin >= 0:
        return 1.0 / (1.0 + np.exp(-margin))
    growth = np.exp(margin)
    return growth / (1.0 + growth)


@kernel
def link_of_one(link, margin):
    """g(margin) for the links that work on every margin by itself."""
    if link == 0:
        return margin
    if link == 1:
        return _sigmoid(margin)
    if link == 2:
        return _sigmoid(2.0 * margin)
    if link == 4:
        return np.exp(margin)
    return -np.exp2(-margin)


@kernel
def apply_link(link, margins, out):
    """out = g(margins), both (n_margins,); `link` is a value of LINKS."""
    if link != 3:
        for k in range(margins.size):
            out[k] = link_of_one(link, margins[k])
        return
    highest, total = margins[0], 0.0  # np.max would compile for half a second
    for k in range(margins.size):
        highest = max(highest, margins[k])
    for k in range(margins.size):
        out[k] = np.exp(margins[k] - highest)
        total += out[k]
    for k in range(margins.size):
        out[k] /= total


@kernel
def link_slopes(link, margins, slopes):
    """Jacobian of the link, slopes[o, k] = d g_o / d margin_k."""
    n = margins.size
    out = np.empty(n)
    apply_link(link, margins, out)
    slopes[:] = 0.0
    for o in range(n):
        if link == 0:
            slopes[o, o] = 1.0
        elif link == 4:
            slopes[o, o] = out[o]
        elif link == 5:
            slopes[o, o] = -np.log(2.0) * out[o]
        elif link == 3:
            for k in range(n):
                slopes[o, k] = out[o] * ((o == k) - out[k])
        else:
            slopes[o, o] = (1.0 if link == 1 else 2.0) * out[o] * (1.0 - out[o])
