"""The numeric engine's parts, asked directly: an Asker for any function, and intervals of its paths."""

from types import SimpleNamespace

import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock
from agnostic_ig.engines.numeric import Asker
from agnostic_ig.engines.numeric_tie import Intervals


def make_asker(f, x, b=None, budget=10**6, precision=np.float64):
    """An Asker for f, rows (n, d) -> (n,) or (n, n_outputs), on the paths to the rows x from b (zeros if None)."""

    def ask_matrix(rows):
        answer = np.asarray(f(rows), dtype=np.float64)
        return answer.reshape(len(rows), -1)

    x = np.array(x, dtype=np.float64, ndmin=2)
    b = np.zeros((1, x.shape[1])) if b is None else np.array(b, dtype=np.float64, ndmin=2)
    seeds = np.arange(len(x), dtype=np.uint64) + np.uint64(17)
    block = PairBlock(x, b, ask_matrix(x), ask_matrix(b), lambda: seeds)
    names = [f"x{j}" for j in range(x.shape[1])]
    columns = Columns(names, np.zeros(len(names), dtype=bool), np.arange(len(names)), names)
    black_box = SimpleNamespace(precision=precision, ask_matrix=ask_matrix)
    return Asker(black_box, block, columns, np.arange(block.f_x.shape[1]), budget)


def intervals_of(asker, pair, low, high):
    """Intervals [low, high] of the paths of pairs, with a key of their own each."""
    pair = np.array(pair)
    low, high = np.broadcast_to(low, pair.shape).astype(float), np.broadcast_to(high, pair.shape).astype(float)
    keys = np.arange(len(pair), dtype=np.uint64) * np.uint64(7919) + np.uint64(5)
    f_low, f_high = (asker.ask_path(pair, np.ascontiguousarray(end)) for end in (low, high))
    asker.n_evaluations[:] = 0
    return Intervals(pair, low.copy(), high.copy(), f_low, f_high, keys)
