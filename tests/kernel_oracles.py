"""Slow, obvious answers for kernel machines: formulas of predictions, complex steps, and many decimal digits."""

import functools
from decimal import Decimal, getcontext

import numpy as np
from scipy import special

DIGITS = 50


def squared(Z, S, length=1.0):
    """Squared distances (n, N) of rows, real or complex, to points; a square root of them may be taken."""
    return (((Z[:, None, :] - S[None, :, :]) / length) ** 2).sum(axis=2)


def matern(q, nu):
    if nu == np.inf:
        return np.exp(-q / 2)
    t = np.sqrt(2 * nu * q)
    if nu == 0.5:
        return np.exp(-t)
    if nu == 1.5:
        return (1 + t) * np.exp(-t)
    if nu == 2.5:
        return (1 + t + t**2 / 3) * np.exp(-t)
    return 2 ** (1 - nu) / special.gamma(nu) * t**nu * special.kv(nu, t)


def machine_kernel(name, Z, S, gamma, coef0, degree):
    dot = Z @ S.T
    return {
        "linear": lambda: dot,
        "rbf": lambda: np.exp(-gamma * squared(Z, S)),
        "poly": lambda: (gamma * dot + coef0) ** degree,
        "sigmoid": lambda: np.tanh(gamma * dot + coef0),
    }[name]()


def process_kernel(kernel, Z, S):
    """A kernel of scikit-learn's Gaussian processes between rows and other points."""
    name = type(kernel).__name__
    length = getattr(kernel, "length_scale", 1.0)
    if name in ("Sum", "Product"):
        one, two = process_kernel(kernel.k1, Z, S), process_kernel(kernel.k2, Z, S)
        return one + two if name == "Sum" else one * two
    return {
        "ConstantKernel": lambda: np.full((len(Z), len(S)), kernel.constant_value),
        "WhiteKernel": lambda: kernel.noise_level * np.eye(len(Z)) if Z is S else np.zeros((len(Z), len(S))),
        "RBF": lambda: np.exp(-squared(Z, S, length) / 2),
        "Matern": lambda: matern(squared(Z, S, length), kernel.nu),
        "RationalQuadratic": lambda: (1 + squared(Z, S, length) / (2 * kernel.alpha)) ** -kernel.alpha,
        "DotProduct": lambda: Z @ S.T + kernel.sigma_0**2,
        "ExpSineSquared": lambda: np.exp(
            -2 * (np.sin(np.pi / kernel.periodicity * np.sqrt(squared(Z, S))) / length) ** 2
        ),
        "Exponentiation": lambda: process_kernel(kernel.kernel, Z, S) ** kernel.exponent,
    }[name]()


def process_mean(model, Z):
    alpha = model.alpha_.reshape(len(model.X_train_), -1)
    return process_kernel(model.kernel_, Z, model.X_train_) @ alpha * model._y_train_std + model._y_train_mean


def process_probability(binary, Z):
    """Of the second class: five error functions for the sigmoid, averaged over a normal latent value."""
    from sklearn.gaussian_process._gpc import COEFS, LAMBDAS

    near = process_kernel(binary.kernel_, Z, binary.X_train_)
    mean = near @ (binary.y_train_ - binary.pi_)
    inverse = np.linalg.inv(binary.L_)
    shrunk = (near * binary.W_sr_) @ inverse.T
    own = np.array([process_kernel(binary.kernel_, z, z)[0, 0] for z in Z[:, None, :]])
    variance = own - (shrunk**2).sum(axis=1)
    inside = LAMBDAS[:, 0] * mean[:, None] / np.sqrt(1 + 2 * LAMBDAS[:, 0] ** 2 * variance[:, None])
    return 0.5 * (special.erf(inside) @ COEFS[:, 0] + COEFS.sum())


def path_integral(f, b, x, panels=8, nodes=32):
    """(d, m): (x - b) times the mean of the gradient of f, by complex steps of its formula at Gauss-Legendre nodes.

    f takes complex rows (n, d) and gives (n, m).
    """
    place, weight = np.polynomial.legendre.leggauss(nodes)
    place = ((place[None, :] + 1) / 2 + np.arange(panels)[:, None]).ravel() / panels
    weight = np.tile(weight / 2 / panels, panels)
    points = b + place[:, None] * (x - b)
    slopes = [f(points + 1e-30j * unit).imag / 1e-30 for unit in np.eye(len(b))]
    return (x - b)[:, None] * np.stack([weight @ slope.reshape(len(points), -1) for slope in slopes])


@functools.cache
def decimal_rule(n=24):
    """Nodes on [0, 1] and weights of Gauss-Legendre, by Newton's method in decimals."""
    getcontext().prec = DIGITS
    found = []
    for guess in np.polynomial.legendre.leggauss(n)[0]:
        t = Decimal(float(guess))
        for _ in range(6):
            value, slope = legendre(n, t)
            t -= value / slope
        found.append(((t + 1) / 2, 1 / ((1 - t * t) * legendre(n, t)[1] ** 2)))
    return found


def legendre(n, t):
    """Legendre's polynomial of degree n at t, and its slope."""
    before, value = Decimal(1), t
    for k in range(2, n + 1):
        before, value = value, ((2 * k - 1) * t * value - (k - 1) * before) / k
    return value, n * (t * value - before) / (t * t - 1)


def gaussian_truth(points, weights, gamma, b, x):
    """(d,): attributions of sum_k weights[k] exp(-gamma |z - points[k]|**2) with DIGITS digits.

    The path is cut into panels of at most half a width of the Gaussians; 24 nodes then leave less than 1e-30.
    """
    rule = decimal_rule()
    S, c, b, x = ([[Decimal(float(v)) for v in np.atleast_1d(row)] for row in part] for part in (points, weights, b, x))
    start, move, g = [v[0] for v in b], [xj[0] - bj[0] for xj, bj in zip(x, b, strict=True)], Decimal(float(gamma))
    length = float(sum(d * d for d in move)) ** 0.5
    panels = 1 + int(2 * length * float(gamma) ** 0.5)
    total = [Decimal(0)] * len(start)
    for panel in range(panels):
        for node, weight in rule:
            alpha = (panel + node) / panels
            z = [s + alpha * d for s, d in zip(start, move, strict=True)]
            for s, (ck,) in zip(S, c, strict=True):
                apart = [zj - sj for zj, sj in zip(z, s, strict=True)]
                value = weight / panels * ck * (-g * sum(a * a for a in apart)).exp()
                total = [t - 2 * g * value * a for t, a in zip(total, apart, strict=True)]
    return [float(t * d) for t, d in zip(total, move, strict=True)]
