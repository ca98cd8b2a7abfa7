"""Shapley values of what happens at one place of a path: all coalitions, or squares of orders where there are many."""

import functools
from typing import Protocol

import numpy as np

from agnostic_ig.engines._contract import Settings
from agnostic_ig.kernels.shapley import share
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["MAX_ENUMERATED", "Game", "draw", "enumerate_all", "singles"]

MAX_ENUMERATED = 12  # players whose 2**k states are enumerated; beyond, permutations
# Pairs of antithetic permutations spent on one game of more than MAX_ENUMERATED players.
TIE_DRAWS = {"fast": 128, "standard": 1024, "thorough": 8192}
FEWEST_SQUARES = 16


class Game(Protocol):
    """n games of k players each.

    `values` gives the outputs (n, n_states, n_outputs) where the i-th player of every game has moved as in moved
    (n, n_states, k); `some` the games at some places.
    """

    n_games: int
    n_players: int

    def values(self, moved: np.ndarray) -> np.ndarray: ...

    def some(self, games: np.ndarray) -> "Game": ...


def singles(game: Game) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (n, n_outputs) before anybody has moved, and every player's own effect on them (n, k, n_outputs)."""
    k = game.n_players
    alone = np.concatenate([np.zeros((1, k), dtype=bool), np.eye(k, dtype=bool)])
    values = game.values(np.broadcast_to(alone, (game.n_games, k + 1, k)))
    return values[:, 0], values[:, 1:] - values[:, :1]


def enumerate_all(game: Game) -> np.ndarray:
    """Shapley values (n, k, n_outputs) from all 2**k states."""
    k = game.n_players
    subsets = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1 == 1
    values = game.values(np.broadcast_to(subsets, (game.n_games, *subsets.shape)))
    return np.einsum("ks,nso->nko", _shapley_weights(k), values)


def draw(game: Game, seeds: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Means over squares of orders until `tol` or TIE_DRAWS, and their variances (n, k, n_outputs).

    seeds (n,) uint64: one for each game.
    """
    k, open_games = game.n_players, np.arange(game.n_games)
    for number in range(max(FEWEST_SQUARES, TIE_DRAWS[settings.thoroughness] // k)):
        gains = _square_of_orders(game.some(open_games), child_keys(seeds[open_games], number))
        if number == 0:
            total, squares, n_drawn = np.zeros_like(gains), np.zeros_like(gains), np.zeros((len(gains), 1, 1))
        total[open_games] += gains
        squares[open_games] += gains**2
        n_drawn[open_games] += 1.0
        if number + 1 < FEWEST_SQUARES:
            continue
        mean = total / n_drawn
        variance = np.maximum(squares / n_drawn - mean**2, 0.0) / (n_drawn - 1.0)
        noisy = np.sqrt(variance).sum(axis=1) > settings.tol * np.abs(mean).sum(axis=1)
        open_games = np.flatnonzero(noisy.any(axis=1))
        if open_games.size == 0:
            break
    return mean, variance


def _square_of_orders(game: Game, seeds: np.ndarray) -> np.ndarray:
    """Marginal effects (n, k, n_outputs), averaged over all rotations of one order a game and their reverses.

    Every player stands once at every place: what depends on how many have moved before does not vary.
    """
    k = game.n_players
    order = uniform(child_keys(seeds[:, None], np.arange(k)[None, :])).argsort(axis=1).argsort(axis=1)
    gains = []
    for turn in range(k):
        rank = (order + turn) % k
        for ranks in (rank, k - 1 - rank):
            values = game.values(ranks[:, None, :] < np.arange(k + 1)[None, :, None])
            gains.append(np.take_along_axis(np.diff(values, axis=1), ranks[:, :, None], axis=1))
    return np.mean(gains, axis=0)


@functools.cache
def _shapley_weights(k: int) -> np.ndarray:
    """(k, 2**k): the Shapley value is this times the values of all subsets."""
    subset = np.arange(1 << k)
    size = np.array([n.bit_count() for n in range(1 << k)])
    gain = np.array([share(s + 1, k - s - 1) for s in range(k)] + [0.0])  # of joining s others
    joined = (subset >> np.arange(k)[:, None]) & 1 == 1
    return np.where(joined, gain[size - 1], -gain[size])
