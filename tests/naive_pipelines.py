"""Slow, obvious oracles for pipelines, in the columns of their user, through the pipeline's own answers.

A table is a list of columns: a tuple of words (codes stand for them) or None for numbers. Rows are arrays of numbers
and codes; NaN is a missing value. Nothing of the package is imported.
"""

import numpy as np
import pandas as pd
from naive_functions import _credit_pieces, every_order

BEFORE = 0.5 - 1e-7  # nothing else is crossed between here and one half


def frame_of(rows, columns):
    """Rows as a DataFrame: columns {name: None for numbers, or a tuple of words}; "bool" for flags."""
    data = {}
    for (name, words), codes in zip(columns.items(), np.asarray(rows, dtype=float).T, strict=True):
        if words is None:
            data[name] = codes
        elif words == "bool":
            data[name] = codes.astype(bool)
        else:
            listed = [None if np.isnan(code) else words[int(code)] for code in codes]
            data[name] = pd.Series(listed, dtype=object)
    return pd.DataFrame(data)


def jumping(x, b, columns, encoded=()):
    """Columns with no way in between: of words or flags, encoded inside, or missing at an end."""
    return [
        j
        for j, (name, words) in enumerate(columns.items())
        if words is not None or name in encoded or np.isnan(x[j]) or np.isnan(b[j])
    ]


def stepped(answer, x, b, columns, encoded=(), n_steps=1001):
    """Attributions of a piecewise constant pipeline; answer takes a DataFrame.

    Two staircases up to and from one half, and a tie there of everything that moves: numbers from just before to just
    after.
    """
    x, b = np.asarray(x, dtype=float), np.asarray(b, dtype=float)
    jumps = np.isin(np.arange(len(x)), jumping(x, b, columns, encoded))
    moving = np.flatnonzero((x != b) & ~(np.isnan(x) & np.isnan(b)))
    straight = np.flatnonzero((x != b) & ~jumps)

    def points(alphas, standing):
        with np.errstate(invalid="ignore"):
            return np.where(jumps, standing, b + np.reshape(alphas, (-1, 1)) * np.where(jumps, 0, x - b))

    def f(rows):
        return answer(frame_of(rows, columns))

    low, high = points(np.linspace(0, BEFORE, n_steps + 1), b), points(np.linspace(1 - BEFORE, 1, n_steps + 1), x)
    halves = [_credit_pieces(f, half, straight, every_order) for half in (low, high)]
    return sum(halves) + _credit_pieces(f, np.stack([low[-1], high[0]]), moving, every_order)


def linear(margins, link, slope, x, b, columns, encoded=()):
    """Attributions (d, n_outputs) of link(margins), margins a sum over the columns, each affine where it is a number.

    margins takes a DataFrame and gives (n, m); link (m,) -> (K,); slope (m,) -> (K, m). Gauss-Legendre with 120 nodes
    on each half of the path, and a tie of the columns that jump between them.
    """
    x, b = np.asarray(x, dtype=float), np.asarray(b, dtype=float)
    jumps = np.isin(np.arange(len(x)), jumping(x, b, columns, encoded))
    before = np.where(jumps, b, (np.where(jumps, 0, x) + np.where(jumps, 0, b)) / 2)
    after = np.where(jumps, x, before)

    def at(rows):
        return np.asarray(margins(frame_of(rows, columns)))

    halves = [_smooth(at, slope, start, end) for start, end in ((b, before), (after, x))]
    switching = np.flatnonzero(jumps & ~(x == b))
    moved_sets, weights = every_order(len(switching))
    rows = np.tile(before, (len(moved_sets), 1))
    for row, moved in zip(rows, moved_sets, strict=True):
        row[switching[list(moved)]] = x[switching[list(moved)]]
    tie = np.zeros_like(halves[0])
    tie[switching] = weights @ np.array([link(m) for m in at(rows)])
    return sum(halves) + tie


def _smooth(at, slope, start, end):
    """Credits of a stretch without jumps."""
    one_moved = np.where(np.eye(len(start), dtype=bool), end, start)
    m0, *moved = at(np.vstack([start, one_moved]))
    moves = np.array(moved) - m0
    place, weight = np.polynomial.legendre.leggauss(120)
    slopes = sum(w / 2 * slope(m0 + (p + 1) / 2 * moves.sum(axis=0)) for p, w in zip(place, weight, strict=True))
    return moves @ slopes.T


def sigmoid(margins):
    """(1 - p, p) of one margin."""
    p = 1 / (1 + np.exp(-margins[0]))
    return np.array([1 - p, p])


def sigmoid_slope(margins):
    p = sigmoid(margins)[1]
    return p * (1 - p) * np.array([[-1.0], [1.0]])


def softmax(margins):
    powers = np.exp(margins - margins.max())
    return powers / powers.sum()


def softmax_slope(margins):
    p = softmax(margins)
    return np.diag(p) - np.outer(p, p)


def slanted(answer, thresholds, mixture, x, b):
    """Attributions of trees behind ``rows @ mixture + constant``, mixture (d, m): jump by jump.

    answer: rows -> (n,). thresholds: list of (component, place), places as differences from the component's value at b.
    """
    x, b = np.asarray(x, dtype=float), np.asarray(b, dtype=float)
    parts = (x - b)[:, None] * mixture
    way = parts.sum(axis=0)
    crossings = sorted({(place / way[c], c) for c, place in thresholds if 0 < place / way[c] < 1})
    alphas = np.array([0.0, *(alpha for alpha, _ in crossings), 1.0])
    between = answer(b + ((alphas[1:] + alphas[:-1]) / 2)[:, None] * (x - b))
    credits = np.zeros(len(x))
    for (_, c), jump in zip(crossings, np.diff(between), strict=True):
        credits += jump * parts[:, c] / way[c]
    return credits
