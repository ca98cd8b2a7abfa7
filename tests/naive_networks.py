"""Slow, obvious oracles for Integrated Gradients of multi-layer perceptrons, written from their formula alone.

Nothing of the package is imported here. ReLU nets are followed in fractions: what every unit says is a linear function
of alpha between its kinks, kinks are solved for, and on every piece the gradient is a product of matrices of
fractions; so are the values, without any rounding. A unit that stays at zero has the slope one half, which is what
small noise sees on average. Smooth nets are integrated by 40 rules of 24 nodes each from gradients that are written
down one unit at a time.

A net is a list of (matrix, offsets), inputs first, and the activation between them.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np

Net = list[tuple[np.ndarray, np.ndarray]]
Line = tuple[Fraction, Fraction]  # what stands at alpha = 0, and what alpha is multiplied by
HALF = Fraction(1, 2)

ACTIVATIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "tanh": (math.tanh, lambda z: 1.0 - math.tanh(z) ** 2),
    "logistic": (lambda z: 1.0 / (1.0 + math.exp(-z)), lambda z: math.exp(-z) / (1.0 + math.exp(-z)) ** 2),
    "relu": (lambda z: max(0.0, z), lambda z: float(z > 0) if z else 0.5),
    "identity": (lambda z: z, lambda z: 1.0),
}


def _exact(matrix: np.ndarray) -> list:
    return [_exact(row) for row in matrix] if np.ndim(matrix) else Fraction(float(matrix))


def _affine(layer: tuple[list, list], lines: list[Line]) -> list[Line]:
    """What a layer says of lines in, lines out."""
    matrix, offsets = layer
    out = []
    for unit, offset in enumerate(offsets):
        here = offset + sum(line[0] * matrix[i][unit] for i, line in enumerate(lines))
        out.append((here, sum(line[1] * matrix[i][unit] for i, line in enumerate(lines))))
    return out


def relu_pieces(net: Net, b: np.ndarray, x: np.ndarray) -> list[tuple[Fraction, Fraction, list[Line], list[list]]]:
    """(from, to, margins as lines, gradient [input][output]) of every piece of the path."""
    layers = [(_exact(matrix), _exact(offsets)) for matrix, offsets in net]
    b, x = _exact(b), _exact(x)
    start = [(one, other - one) for one, other in zip(b, x, strict=True)]
    return _pieces(layers, Fraction(0), Fraction(1), start, [])


def _pieces(layers: list, low: Fraction, high: Fraction, lines: list[Line], slopes: list) -> list:
    """Pieces between low and high, for what comes into the next layer, with the slopes of the layers before."""
    said = _affine(layers[len(slopes)], lines)
    if len(slopes) + 1 == len(layers):
        return [(low, high, said, _gradient(layers, slopes))]
    kinks = {-at / slope for at, slope in said if slope != 0}
    places = [low, *sorted(kink for kink in kinks if low < kink < high), high]
    found = []
    for one, two in pairwise(places):
        middle = [at + slope * (one + two) / 2 for at, slope in said]
        on = [HALF if z == 0 else Fraction(int(z > 0)) for z in middle]
        passed = [line if z > 0 else (Fraction(0), Fraction(0)) for line, z in zip(said, middle, strict=True)]
        found += _pieces(layers, one, two, passed, [*slopes, on])
    return found


def _gradient(layers: list, slopes: list) -> list[list[Fraction]]:
    product = layers[0][0]
    for on, (matrix, _) in zip(slopes, layers[1:], strict=True):
        product = [
            [sum(row[k] * on[k] * matrix[k][o] for k in range(len(on))) for o in range(len(matrix[0]))]
            for row in product
        ]
    return product


def relu_values(net: Net, b: np.ndarray, x: np.ndarray, output: str = "identity") -> np.ndarray:
    """Integrated Gradients (n_features, n_outputs) of a ReLU net, behind an output function."""
    total: list[list] = [[Fraction(0)] * len(net[-1][1]) for _ in b]
    for low, high, margins, gradient in relu_pieces(net, b, x):
        weights = _mean_jacobian(output, low, high, margins)
        for j in range(len(b)):
            for o in range(len(margins)):
                behind = sum(gradient[j][m] * weights[m][o] for m in range(len(margins)))
                total[j][o] += (high - low) * behind * (Fraction(float(x[j])) - Fraction(float(b[j])))
    return np.array(total, dtype=np.float64)


def _mean_jacobian(output: str, low: Fraction, high: Fraction, margins: list[Line]) -> list[list[Fraction]]:
    """Mean of the output function's gradient [margin][output] on a piece; integrated, but for the identity."""
    if output == "identity":
        return [[Fraction(int(m == o)) for o in range(len(margins))] for m in range(len(margins))]
    nodes, weights = np.polynomial.legendre.leggauss(24)
    mean = np.zeros((len(margins), len(margins)))
    parts = 12
    for part in range(parts):
        for node, weight in zip(nodes, weights, strict=True):
            alpha = low + (high - low) * (part + Fraction((float(node) + 1.0) / 2.0)) / parts
            mean += weight / 2.0 / parts * OUTPUT_SLOPES[output]([float(at + s * alpha) for at, s in margins])
    return _exact(mean)


def _softmax(z: list[float]) -> np.ndarray:
    shifted = np.exp(np.array(z) - max(z))
    return shifted / shifted.sum()


def _softmax_slopes(z: list[float]) -> np.ndarray:
    p = _softmax(z)
    return np.diag(p) - np.outer(p, p)


OUTPUTS: dict[str, Callable] = {
    "identity": np.array,
    "exp": np.exp,
    "logistic": lambda z: np.array([ACTIVATIONS["logistic"][0](one) for one in z]),
    "softmax": _softmax,
}
OUTPUT_SLOPES: dict[str, Callable] = {
    "identity": lambda z: np.eye(len(z)),
    "exp": lambda z: np.diag(np.exp(z)),
    "logistic": lambda z: np.diag([ACTIVATIONS["logistic"][1](one) for one in z]),
    "softmax": _softmax_slopes,
}


def predict(net: Net, activation: str, output: str, z: np.ndarray) -> np.ndarray:
    """Outputs (n_outputs,) at one point."""
    for layer, (matrix, offsets) in enumerate(net):
        z = z @ matrix + offsets
        if layer + 1 < len(net):
            z = np.array([ACTIVATIONS[activation][0](one) for one in z])
    return OUTPUTS[output](z.tolist())


def gradient(net: Net, activation: str, output: str, z: np.ndarray) -> np.ndarray:
    """Gradient (n_features, n_outputs) at one point, by the chain rule from the inputs on."""
    product = np.eye(len(z))
    for layer, (matrix, offsets) in enumerate(net):
        product, z = product @ matrix, z @ matrix + offsets
        if layer + 1 < len(net):
            product = product * np.array([ACTIVATIONS[activation][1](one) for one in z])
            z = np.array([ACTIVATIONS[activation][0](one) for one in z])
    return product @ OUTPUT_SLOPES[output](z.tolist())


def smooth_values(net: Net, activation: str, output: str, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Integrated Gradients (n_features, n_outputs) of a net whose activation is smooth."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    total, parts = np.zeros((len(b), len(net[-1][1]))), 40
    for part in range(parts):
        for node, weight in zip(nodes, weights, strict=True):
            alpha = (part + (node + 1.0) / 2.0) / parts
            total += weight / 2.0 / parts * gradient(net, activation, output, b + alpha * (x - b))
    return (x - b)[:, None] * total
