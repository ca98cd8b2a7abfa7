"""Integrated Gradients of a model whose jumps are known, from its answers alone: slow, obvious, and ours in nothing.

`places` are the alphas at which anything may jump. At each of them the model is asked in the middle of the gaps beside
it; a feature that crosses is moved from the one middle to the other. Between jumps the model's slope is taken by
central differences.
"""

import itertools
import math

import numpy as np


def crossings(thresholds, b, x, discrete=()):
    """alpha -> features that cross a threshold there; thresholds: feature -> values; discrete features at one half."""
    found = {}
    for j, values in thresholds.items():
        if j in discrete or b[j] == x[j]:
            continue
        for t in values:
            if (b[j] <= t) != (x[j] <= t):
                found.setdefault(round((t - b[j]) / (x[j] - b[j]), 10), set()).add(j)
    for j in discrete:
        if b[j] != x[j]:
            found.setdefault(0.5, set()).add(j)
    return dict(sorted(found.items()))


def forest_thresholds(*models):
    """feature -> all thresholds of fitted scikit-learn trees, wherever they hide in the models."""
    found = {}
    for model in models:
        for tree, columns in trees_of(model):
            inner = tree.children_left >= 0
            for j, t in zip(tree.feature[inner], tree.threshold[inner], strict=True):
                found.setdefault(int(j if columns is None else columns[j]), set()).add(float(t))
    return found


def trees_of(model, columns=None):
    """(tree, the columns that it sees)."""
    if hasattr(model, "tree_"):
        yield model.tree_, columns
        return
    for name in ("estimators_", "estimator_", "estimator", "best_estimator_", "regressor_", "calibrated_classifiers_"):
        parts = getattr(model, name, None)
        parts = list(np.ravel(parts)) if isinstance(parts, np.ndarray) else parts
        parts = parts if isinstance(parts, list | tuple) else [parts]
        seen = getattr(model, "estimators_features_", None) if name == "estimators_" else None
        for k, part in enumerate(parts):
            if part is not None and not isinstance(part, str) and hasattr(part, "__dict__"):
                yield from trees_of(part, columns if seen is None else seen[k])


def far_apart(places, least=1e-5):
    """Whether no two alphas are so close that single precision confuses what lies between them."""
    return len(places) < 2 or min(b - a for a, b in itertools.pairwise(places)) > least


def attribute(f, b, x, places, discrete=(), smooth=True):
    """(n_features, n_outputs) for f: rows -> (n, n_outputs)."""
    d, n = x - b, len(x)
    moves = np.array([j not in discrete for j in range(n)])
    alphas = list(places)
    borders = [0.0, *alphas, 1.0]
    nodes = 6 if len(alphas) > 10 else 30
    middles = [(low + high) / 2 for low, high in itertools.pairwise(borders)]

    def point(alpha):
        behind = alpha > 0.5
        return np.where(moves, b + alpha * d, x if behind else b)

    values = np.zeros((n, f(b[None]).shape[1]))
    for low, high in itertools.pairwise(borders):
        if smooth and high > low:
            values += smooth_stretch(f, point, d * moves, low, high, nodes)
    for alpha, before, after in zip(alphas, middles, middles[1:], strict=False):
        tight = 1e-7 if smooth else None
        start = point(max(before, alpha - tight)) if tight else point(before)
        end = point(min(after, alpha + tight)) if tight else point(after)
        values += share(f, start, end, sorted(places[alpha]))
    return values


def smooth_stretch(f, point, d, low, high, n_nodes):
    """Gauss-Legendre of central differences."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    rows = np.array([point(low + (high - low) * (t + 1) / 2) for t in nodes])
    step = 1e-6
    total = 0.0
    for j in np.flatnonzero(d):
        one = np.zeros(len(d))
        one[j] = step
        slope = (f(rows + one) - f(rows - one)) / (2 * step)
        part = np.zeros((len(d), slope.shape[1]))
        part[j] = (weights[:, None] / 2 * slope).sum(axis=0) * d[j] * (high - low)
        total = total + part
    return total


def share(f, start, end, players):
    """Shapley value of moving the players from start to end."""
    k = len(players)
    values = np.zeros((len(start), f(start[None]).shape[1]))
    for size in range(k):
        weight = math.factorial(size) * math.factorial(k - size - 1) / math.factorial(k)
        for j in players:
            for others in itertools.combinations([p for p in players if p != j], size):
                row = start.copy()
                row[list(others)] = end[list(others)]
                moved = row.copy()
                moved[j] = end[j]
                values[j] += weight * (f(moved[None]) - f(row[None]))[0]
    return values
