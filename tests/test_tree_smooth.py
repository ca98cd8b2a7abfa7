"""Trees smoothed by Gaussian noise, against the sum over all leaf boxes."""

import cases
import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.response import resolve_response
from agnostic_ig.kernels.tree_smooth import middles_and_spreads, smooth_trees

X, _, SCORE = cases.data()
MODELS = {
    "forest": RandomForestRegressor(4, max_depth=6, random_state=0).fit(X, SCORE),
    "boosted": GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, SCORE),
}


def trees_of(name):
    model = MODELS[name]
    return read_model(model, resolve_response("test", model, "auto")).trees


def smoothed(trees, rows, sigma, least=0.0, function=smooth_trees):
    middle, spread = np.empty_like(trees.value), np.empty_like(trees.value)
    middles_and_spreads(trees, middle, spread)
    values, dropped = np.zeros((len(rows), 1)), np.zeros((len(rows), 1))
    gradients = np.zeros((*rows.shape, 1))
    function(trees, middle, spread, rows, sigma, least, values, gradients, dropped)
    return values[:, 0], gradients[:, :, 0], dropped[:, 0]


def leaf_boxes(trees, x, sigma):
    """Value and gradient as sums over leaves: products of chances, and of one density beside the other chances."""
    value, gradient = 0.0, np.zeros(len(x))
    waiting = [(root, np.full(len(x), -np.inf), np.full(len(x), np.inf)) for root in trees.root]
    while waiting:
        place, low, high = waiting.pop()
        node = trees.nodes[place]
        if node["feature"] < 0:
            a, b = (low - x) / sigma, (high - x) / sigma
            chance = np.where(a > 0, ndtr(-a) - ndtr(-b), ndtr(b) - ndtr(a))
            density = (np.exp(-(a**2) / 2) - np.exp(-(b**2) / 2)) / np.sqrt(2 * np.pi) / sigma
            value += trees.value[place, 0] * chance.prod()
            others = np.array([np.delete(chance, j).prod() for j in range(len(x))])
            gradient += trees.value[place, 0] * density * others
            continue
        j, t = node["feature"], node["threshold"]
        if t > low[j]:
            waiting.append((node["left"], low, np.where(np.arange(len(x)) == j, np.minimum(high, t), high)))
        if t < high[j]:
            waiting.append((node["right"], np.where(np.arange(len(x)) == j, np.maximum(low, t), low), high))
    return value, gradient


@pytest.mark.parametrize("function", [smooth_trees, smooth_trees.py_func], ids=["compiled", "plain"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("width", [0.02, 0.3, 3.0])
def test_values_and_gradients_are_those_of_the_leaf_boxes(name, width, function):
    trees, rows = trees_of(name), X[:2].copy()
    sigma = width * np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    values, gradients, dropped = smoothed(trees, rows, sigma, function=function)
    wanted = [leaf_boxes(trees, x, sigma) for x in rows]
    np.testing.assert_allclose(values, [value for value, _ in wanted], rtol=0, atol=1e-13)
    size = np.abs([gradient for _, gradient in wanted]).max()
    np.testing.assert_allclose(gradients, [gradient for _, gradient in wanted], rtol=0, atol=1e-12 * size + 1e-14)
    assert (dropped == 0.0).all()


def test_columns_without_noise_stay_where_they_are():
    trees, rows = trees_of("forest"), X[:20].copy()
    values, gradients, _ = smoothed(trees, rows, np.zeros(5))
    np.testing.assert_allclose(values, MODELS["forest"].predict(rows), rtol=1e-13)
    assert (gradients == 0.0).all()
    rows[:, 3] += 0.25  # whole numbers stand on thresholds, where little noise goes either way
    some = np.array([0.5, 0.0, 0.5, 0.0, 0.5])
    narrow = np.where(some > 0.0, some, 1e-9)
    np.testing.assert_allclose(smoothed(trees, rows, some)[0], smoothed(trees, rows, narrow)[0], rtol=0, atol=1e-12)
    assert (smoothed(trees, rows, some)[1][:, [1, 3]] == 0.0).all()


@pytest.mark.parametrize("least", [1e-6, 1e-3, 0.1])
def test_what_is_left_out_is_bounded(least):
    trees, rows, sigma = trees_of("forest"), X[:50].copy(), np.full(5, 0.5)
    whole, cut = smoothed(trees, rows, sigma), smoothed(trees, rows, sigma, least)
    off = np.abs(cut[0] - whole[0])
    assert (off <= cut[2] + 1e-13).all()
    assert off.max() > 0.0
