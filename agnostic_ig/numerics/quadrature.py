"""Quadrature rules on [0, 1] as data."""

import functools

import numpy as np

__all__ = ["gauss_kronrod", "gauss_legendre"]

# Piessens et al. 1983, QUADPACK, rule qk15: nodes from the end of [-1, 1] to its middle, weights of the 15-point rule,
# and of the 7-point Gauss rule on every other node.
_KRONROD_NODES = (
    *(0.991455371120812639206854697526329, 0.949107912342758524526189684047851, 0.864864423359769072789712788640926),
    *(0.741531185599394439863864773280788, 0.586087235467691130294144838258730, 0.405845151377397166906606412076961),
    *(0.207784955007898467600689403773245, 0.0),
)
_KRONROD_WEIGHTS = (
    *(0.022935322010529224963732008058970, 0.063092092629978553290700663189204, 0.104790010322250183839876322541518),
    *(0.140653259715525918745189590510238, 0.169004726639267902826583426598550, 0.190350578064785409913256402421014),
    *(0.204432940075298892414161999234649, 0.209482141084727828012999174891714),
)
_GAUSS_WEIGHTS = (
    *(0.0, 0.129484966168869693270611432679082, 0.0, 0.279705391489276667901467771423780),
    *(0.0, 0.381830050505118944950369775488975, 0.0, 0.417959183673469387755102040816327),
)


@functools.cache
def gauss_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the n-point Gauss-Legendre rule on [0, 1]; exact for polynomials of degree 2n - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return _frozen((nodes + 1.0) / 2.0), _frozen(weights / 2.0)


@functools.cache
def gauss_kronrod() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes on [0, 1], weights of the 15-point Kronrod rule (exact to degree 22) and of its 7-point Gauss rule (13)."""
    half = np.array(_KRONROD_NODES)
    nodes = (np.concatenate([-half, half[-2::-1]]) + 1.0) / 2.0
    both = [np.concatenate([side, side[-2::-1]]) / 2.0 for side in map(np.array, (_KRONROD_WEIGHTS, _GAUSS_WEIGHTS))]
    return _frozen(nodes), _frozen(both[0]), _frozen(both[1])


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
