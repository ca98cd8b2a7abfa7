"""Multi-layer perceptrons, as functions of the first hidden layer's margins, in which a straight path stays straight.

The whole net is a `Network` behind an affine map, so that mean gradients meet the first, widest matrix last, and once.
"""

from collections.abc import Sequence

import numpy as np

from agnostic_ig.engines.function_algebra import Affine, compose
from agnostic_ig.engines.link_functions import LINKS
from agnostic_ig.engines.network_pieces import LinearPieces
from agnostic_ig.engines.network_turns import TurningUnits
from agnostic_ig.engines.smooth_function import MeanGradients, SmoothFunction, integrate_gradients
from agnostic_ig.numerics.quadrature import gauss_legendre
from agnostic_ig.parallel import batches

__all__ = ["Network", "ReluNetwork", "RidgeNetwork", "network"]

# Nets are analytic in a strip around the path, so that rules of more and more nodes converge geometrically. The rule
# with which the one before agrees so far, relative to the largest mean slope, is better by its own half as many digits.
RULES, AGREED = (16, 24, 40, 64, 100), 1e-12
# Slopes from margins and the units' values there: half of the time is in exponentials, which need not be taken twice.
SLOPES = {
    "tanh": lambda _, values: (1.0 - values) * (1.0 + values),
    "sigmoid": lambda _, values: values * (1.0 - values),
}
MAX_VALUES = 1_000_000  # numbers held at once, as far as the pieces can be foreseen


def network(layers: Sequence[Affine], activation: str, output: SmoothFunction | None) -> SmoothFunction:
    """``output(layer(... activation(layer(rows))))``, with its mean gradients in the best form there is.

    Parameters
    ----------
    layers : sequence of Affine
        At least one; the activation stands between them.
    activation : str
        "identity" or a name in LINKS.
    output : SmoothFunction or None
        What stands behind the last layer; one whose mean gradients are right to rounding.
    """
    first, *rest = layers
    if activation == "identity" or not rest:
        for layer in rest:
            first = compose(layer, first)
        return first if output is None else compose(output, first)
    if len(rest) == 1 and output is None:
        return compose(RidgeNetwork(rest, activation), first)
    if activation != "relu":
        return compose(Network(rest, activation, output), first)
    return compose((ShallowReluNetwork if len(rest) == 1 else ReluNetwork)(rest, activation, output), first)


class Network(SmoothFunction):
    """``output(layer(... layer(activation(rows))))`` of the first hidden layer's margins.

    Mean gradients are integrated down to rounding.
    """

    def __init__(self, layers: Sequence[Affine], activation: str, output: SmoothFunction | None = None) -> None:
        self.layers, self.activation, self.output = list(layers), LINKS[activation], output
        self._slope = SLOPES.get(activation, lambda margins, _: self.activation.slope(margins))
        self.n_outputs = layers[-1].n_outputs if output is None else output.n_outputs

    def values(self, rows: np.ndarray) -> np.ndarray:
        for layer in self.layers:
            rows = layer.values(self.activation.value(rows))
        return rows if self.output is None else self.output.values(rows)

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return self._by_output(rows).swapaxes(1, 2)

    def _by_output(self, rows: np.ndarray) -> np.ndarray:
        """Gradients (n, n_outputs, n_units)."""
        slopes = []
        for layer in self.layers:
            units = self.activation.value(rows)
            slopes.append(self._slope(rows, units))
            rows = layer.values(units)
        back = _of_margins(self.output, rows)
        for layer, slope in zip(reversed(self.layers), reversed(slopes), strict=True):
            n, n_outputs, width = back.shape
            back = (back.reshape(-1, width) @ layer.coef.T).reshape(n, n_outputs, -1)
            back *= slope[:, None, :]
        return back

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        means, left = self._rule(RULES[0], starts, ends), np.arange(len(starts))
        for n_nodes in RULES[1:]:
            better = self._rule(n_nodes, starts[left], ends[left])
            differ = np.abs(better - means[left]).max(axis=2, initial=0.0)
            means[left] = better
            left = left[~(differ <= AGREED * np.abs(better).max(axis=2, initial=0.0)).all(axis=1)]
        means, error = means.swapaxes(1, 2), None
        if len(left):
            means[left], doubts = integrate_gradients(self, starts[left], ends[left])
            if doubts is not None:
                error = np.zeros(means.shape)
                error[left] = doubts
        return means, error

    def _rule(self, n_nodes: int, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Mean gradients (n, n_outputs, n_units) by one rule."""
        nodes, weights = gauss_legendre(n_nodes)
        means = np.empty((len(starts), self.n_outputs, starts.shape[1]))
        for part in self._parts(len(starts), n_nodes):
            points = starts[part, None, :] + nodes[:, None] * (ends - starts)[part, None, :]
            slopes = self._by_output(points.reshape(-1, starts.shape[1]))
            by_node = slopes.reshape(len(points), n_nodes, -1)
            means[part] = (weights @ by_node).reshape(means[part].shape)
        return means

    def _parts(self, n: int, n_points: int) -> list[slice]:
        """So many paths of n_points at once that what is held of them stays in a processor's cache."""
        wide = max(layer.coef.shape[0] for layer in self.layers) * (1 if self.output is None else self.n_outputs)
        return batches(n, 1 + MAX_VALUES // (n_points * wide))


def _of_margins(output: SmoothFunction | None, margins: np.ndarray) -> np.ndarray:
    """Gradients (n, n_outputs, n_margins) of the outputs with respect to the last layer's margins."""
    n, width = margins.shape
    if output is None:
        return np.broadcast_to(np.eye(width), (n, width, width))
    return output.gradients(margins).swapaxes(1, 2)


class RidgeNetwork(Network):
    """One hidden layer and nothing behind it: a weighted sum of units, each a function of one margin.

    The mean of a unit's slope on the path is the secant of its activation between both ends.
    """

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        secants = self.activation.secant(np.minimum(starts, ends), np.maximum(starts, ends))
        return secants[:, :, None] * self.layers[0].coef, None


class ReluNetwork(Network):
    """Hidden units max(0, margin): linear between the places on a path where some unit passes zero.

    All those places are found, layer by layer; between them the gradient of the margins is constant, and that of the
    outputs behind them has a closed form or is integrated down to rounding.
    """

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        paths, alphas = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
        for part in self._batches(len(starts)):
            path, alpha = LinearPieces(self.layers, starts[part], ends[part]).places()
            paths.append(path + part.start)
            alphas.append(alpha)
        return np.concatenate(paths), np.concatenate(alphas)

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        pieces = (LinearPieces(self.layers, starts[part], ends[part]) for part in self._batches(len(starts)))
        return np.concatenate([some.mean_gradients(self.output) for some in pieces]), None

    def _batches(self, n: int) -> list[slice]:
        return self._parts(n, sum(layer.coef.shape[0] for layer in self.layers)) or [slice(0, 0)]


class ShallowReluNetwork(ReluNetwork):
    """One hidden layer, and an output function behind it: every unit passes zero at most once on a path."""

    def mean_gradients(self, starts: np.ndarray, ends: np.ndarray) -> MeanGradients:
        units = (TurningUnits(self.layers[0], starts[part], ends[part]) for part in self._batches(len(starts)))
        return np.concatenate([some.mean_gradients(self.output) for some in units]), None
