"""How classifiers make probabilities of margins."""

from collections.abc import Callable

import numpy as np

from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.interpolated import Interpolated
from agnostic_ig.engines.link_functions import Elementwise, Normalised, Softmax, two_sided
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["log_ratio", "of_clipped_margins", "of_log_likelihoods", "of_one_against_rest"]


def of_log_likelihoods(margin: SmoothFunction) -> SmoothFunction:
    """Softmax of a margin a class; one margin is that of the second class over the first.

    What all classes share does not count, and is left out of weights, where it would cost digits.
    """
    n = margin.n_outputs
    if n == 1 or (n == 2 and margin.is_affine):
        return two_sided(compose(Elementwise("sigmoid", 1), log_ratio(margin)))
    if margin.is_affine:
        margin = compose(Affine(np.eye(n) - 1.0 / n, np.zeros(n)), margin)
    return compose(Softmax(n), margin)


def log_ratio(margin: SmoothFunction) -> SmoothFunction:
    """The margin of the second class over the first; more or fewer than two margins stay what they are."""
    return compose(Affine([[-1.0], [1.0]], [0.0]), margin) if margin.n_outputs == 2 else margin


def of_one_against_rest(margin: SmoothFunction) -> SmoothFunction:
    """Sigmoids of the margins, as shares of their sum where there are several."""
    return _shares(lambda n: Elementwise("sigmoid", n), margin)


def of_clipped_margins(margin: SmoothFunction) -> SmoothFunction:
    """(1 + margin) / 2 between -1 and 1."""
    return _shares(lambda n: Interpolated([-1.0, 1.0], [0.0, 1.0], n), margin)


def _shares(link: Callable[[int], SmoothFunction], margin: SmoothFunction) -> SmoothFunction:
    n = margin.n_outputs
    if n == 1:
        return two_sided(compose(link(1), margin))
    return compose(compose(Normalised(n), link(n)), margin)
