"""Smooth stretches of the path: Gauss-Legendre quadrature of central finite differences, doubled until it settles."""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_jump import settle_at_half
from agnostic_ig.numerics.quadrature import gauss_legendre

__all__ = ["integrate"]

ORDERS = (8, 16, 32, 64)
# Half the span of a central difference, in units of the path, and what such differences cannot see, relative to the
# scale: truncation and rounding meet near 5e-9 on RBF machines of 10 to 100 columns (3e-6: 1e-7; 1e-5: 3e-8).
STEP = 5e-5
ROUNDING = 1e-8
# At a jump the gap to completeness does not go away with more nodes: from this much of the change, none are asked.
HOPELESS = 0.02
PROGRESS = 0.9


def integrate(asker: Any, pairs: np.ndarray, tol: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values and error by quadrature, and the pairs that it does not explain to tol.

    Arrays are (n_pairs of the block, n_players, n_outputs); the error of pairs that were not tried is infinite.
    """
    shape = (len(asker.block), asker.columns.n_players, len(asker.outputs))
    values, error = np.zeros(shape), np.full(shape, np.inf)
    jumping = asker.jumps_at_half[pairs]
    rest = [
        _integrate(asker, group, n_parts, tol, values, error)
        for group, n_parts in ((pairs[~jumping], 1), (pairs[jumping], 2))
    ]
    return values, error, np.concatenate(rest)


def _integrate(
    asker: Any, pairs: np.ndarray, n_parts: int, tol: float, values: np.ndarray, error: np.ndarray
) -> np.ndarray:
    """Pairs whose path is smooth on each of n_parts equal parts; what happens between two parts is a tie."""
    pairs, unexplained = _afford(asker, pairs, n_parts * ORDERS[0])
    at_half, at_half_error = _between_parts(asker, pairs, n_parts)
    values[pairs] = at_half + _quadrature(asker, pairs, *_composite(ORDERS[0], n_parts))
    fixed = np.zeros_like(values), np.zeros_like(values)
    fixed[0][pairs], fixed[1][pairs] = at_half, at_half_error
    gap = np.full((len(values), values.shape[2]), np.inf)
    given_up = [unexplained]
    for order in ORDERS[1:]:
        pairs, poor = _afford(asker, pairs, n_parts * order)
        current = fixed[0][pairs] + _quadrature(asker, pairs, *_composite(order, n_parts))
        misses = np.abs(current.sum(axis=1) - (asker.f_x[pairs] - asker.f_b[pairs]))
        found = _error(asker, pairs, current, values[pairs], misses)
        values[pairs], error[pairs] = current, fixed[1][pairs] + found
        worst, size = found.sum(axis=1), np.abs(current).sum(axis=1)
        done = (worst <= tol * size).all(axis=1)
        stuck = ~done & ((misses > PROGRESS * gap[pairs]) & (misses > HOPELESS * size)).any(axis=1)
        gap[pairs] = misses
        given_up += [poor, pairs[stuck]]
        pairs = pairs[~done & ~stuck]
    return np.concatenate([*given_up, pairs])


def _afford(asker: Any, pairs: np.ndarray, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose budget has room for central differences at so many nodes, and the others."""
    fits = 2 * n_nodes * asker.moving[pairs].sum(axis=1) <= asker.remaining(pairs)
    return pairs[fits], pairs[~fits]


def _between_parts(asker: Any, pairs: np.ndarray, n_parts: int) -> tuple[np.ndarray, np.ndarray]:
    """What discrete columns do at one half, where the path has two parts."""
    if n_parts == 2 and len(pairs):
        return settle_at_half(asker, pairs)
    nothing = np.zeros((len(pairs), asker.columns.n_players, len(asker.outputs)))
    return nothing, nothing


def _composite(order: int, n_parts: int) -> tuple[np.ndarray, np.ndarray]:
    """The Gauss-Legendre rule of one order on each of n_parts equal parts of [0, 1]."""
    nodes, weights = gauss_legendre(order)
    nodes = (np.arange(n_parts)[:, None] + nodes[None, :]).ravel() / n_parts
    return nodes, np.tile(weights, n_parts) / n_parts


def _quadrature(asker: Any, pairs: np.ndarray, nodes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n_pairs, n_players, n_outputs): sum over nodes of weight times central difference along each player."""
    local, player = np.nonzero(asker.moving[pairs])
    n, n_players, order = len(local), asker.columns.n_players, len(nodes)
    moved = np.zeros((n * order, n_players), dtype=bool)
    moved[np.arange(n * order), np.repeat(player, order)] = True
    pair, alpha = np.repeat(pairs[local], order), np.tile(nodes, n)
    change = asker.ask(pair, alpha, alpha + STEP, moved) - asker.ask(pair, alpha, alpha - STEP, moved)
    slopes = change.reshape(n, order, len(asker.outputs)) / (2 * STEP)
    result = np.zeros((len(pairs), n_players, len(asker.outputs)))
    result[local, player] = np.einsum("q,nqk->nk", weights, slopes)
    return result


def _error(asker: Any, pairs: np.ndarray, current: np.ndarray, previous: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """What changed since half the nodes, and all of the gap to completeness on every moving player.

    Nobody knows whose the gap is; at a converged smooth path it is rounding.
    """
    moving = asker.moving[pairs][:, :, None]
    n_moving = moving.sum(axis=1, keepdims=True)
    rounding = ROUNDING * np.abs(current).sum(axis=1, keepdims=True) / n_moving
    return np.abs(current - previous) + (gap[:, None, :] + rounding) * moving
