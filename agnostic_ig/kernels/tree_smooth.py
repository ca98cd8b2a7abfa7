"""Trees smoothed by Gaussian noise: E f(x + sigma * noise), and its gradient, in closed form.

A leaf is a box, and the chance that x + noise is in it is a product of differences of the normal distribution function.
One walk down a tree keeps, for every feature, the interval that the path has left of it; it returns the mean of the
tree inside the current cell, given that the noise led there. A split of feature j at z (in standard deviations from x)
tells the cell's two parts apart, with chances p_left and p_right; the derivative by x_j of the split is what moves
between them, and the sums over leaves telescope into differences of two means at every split. So nothing cancels that
is not small itself, and a visited node costs a constant.
"""

import math

import numpy as np

from agnostic_ig.kernels._jit import inlined, kernel
from agnostic_ig.kernels.tree_nodes import CATEGORICAL, goes_left

__all__ = ["middles_and_spreads", "smooth_trees"]

_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)

# One end of the interval of a feature: its place in standard deviations, both tails and the density there.
END = np.dtype([("z", np.float64), ("below", np.float64), ("above", np.float64), ("density", np.float64)], align=True)
# A split whose parts are still to be visited or joined.
SPLIT = np.dtype(
    [
        ("node", np.int64),
        ("feature", np.int64),
        ("stage", np.int64),
        ("mass", np.float64),
        ("left", np.float64),
        ("right", np.float64),
        ("flow", np.float64),
    ],
    align=True,
)


@kernel
def middles_and_spreads(trees, middle, spread):
    """For every node the middle of its leaves' values (n_nodes, width), and half of their range."""
    for place in range(trees.nodes.size - 1, -1, -1):  # children stand behind their parents
        node = trees.nodes[place]
        for v in range(trees.value.shape[1]):
            low = high = trees.value[place, v]
            if node["feature"] >= 0:
                left, right = node["left"], node["right"]
                low = min(middle[left, v] - spread[left, v], middle[right, v] - spread[right, v])
                high = max(middle[left, v] + spread[left, v], middle[right, v] + spread[right, v])
            middle[place, v] = 0.5 * (low + high)
            spread[place, v] = 0.5 * (high - low)


@inlined
def _chance(low, high):
    """Of the interval between two ends: a difference of the tails that are small."""
    return low["above"] - high["above"] if low["z"] > 0.0 else high["below"] - low["below"]


@inlined
def _set_end(end, z):
    end["z"] = z
    end["below"] = 0.5 * math.erfc(-z * _ROOT_HALF)
    end["above"] = 0.5 * math.erfc(z * _ROOT_HALF)
    end["density"] = _DENSITY * math.exp(-0.5 * z * z)


@kernel
def smooth_trees(trees, middle, spread, rows, sigma, least, values, gradients, dropped):
    """Add the smoothed sums of all trees at rows (n, n_features) to values (n, n_outputs), and their gradients.

    gradients (n, n_features, n_outputs). rows are as the trees compare them; sigma (n_features,): 0 where a feature is
    not smoothed; it is not where x is missing, and at splits on categories. Cells with a chance below `least` are not
    entered: the middle of their leaves stands for them, and dropped (n, n_outputs) takes the most by which that is
    wrong.
    """
    width = trees.value.shape[1]
    low, high = np.empty(rows.shape[1], END), np.empty(rows.shape[1], END)
    splits = np.empty(trees.depth + 2, SPLIT)
    cuts, saved = np.empty(trees.depth + 2, END), np.empty(trees.depth + 2, END)
    lefts, mean = np.empty((trees.depth + 2, width)), np.empty(width)
    for tree in range(trees.root.size):
        output = trees.output[tree]
        for i in range(rows.shape[0]):
            for j in range(rows.shape[1]):
                low[j]["z"], low[j]["below"], low[j]["above"], low[j]["density"] = -np.inf, 0.0, 1.0, 0.0
                high[j]["z"], high[j]["below"], high[j]["above"], high[j]["density"] = np.inf, 1.0, 0.0, 0.0
            top, place, mass = 0, np.int64(trees.root[tree]), 1.0
            while True:
                # Down to a leaf, or a cell that is not worth entering.
                while True:
                    node = trees.nodes[place]
                    if node["feature"] < 0 or mass < least:
                        break
                    j = np.int64(node["feature"])
                    x = rows[i, j]
                    if sigma[j] == 0.0 or x != x or node["flags"] & CATEGORICAL:
                        place = np.int64(node["left"] if goes_left(x, node, trees.sets) else node["right"])
                        continue
                    z = (node["threshold"] - x) / sigma[j]
                    if z <= low[j]["z"]:
                        place = np.int64(node["right"])
                        continue
                    if z >= high[j]["z"]:
                        place = np.int64(node["left"])
                        continue
                    cut = cuts[top]
                    _set_end(cut, z)
                    left, right = _chance(low[j], cut), _chance(cut, high[j])
                    whole = left + right
                    if not whole > 0.0:  # so far out that nothing is left of it
                        place = np.int64(node["left"] if z > 0.0 else node["right"])
                        continue
                    split = splits[top]
                    split["node"], split["feature"], split["stage"], split["mass"] = place, j, 0, mass
                    split["left"], split["right"] = left / whole, right / whole
                    into_left = (low[j]["density"] - cut["density"]) / whole
                    into_right = (cut["density"] - high[j]["density"]) / whole
                    split["flow"] = (into_left * split["right"] - into_right * split["left"]) * mass / sigma[j]
                    saved[top] = high[j]
                    high[j] = cut
                    mass *= split["left"]
                    place = np.int64(node["left"])
                    top += 1
                is_leaf = trees.nodes[place]["feature"] < 0
                for v in range(width):
                    mean[v] = trees.value[place, v] if is_leaf else middle[place, v]
                    if not is_leaf:
                        dropped[i, output + v] += mass * spread[place, v]
                # Up to a split whose right part is still to be visited.
                while top > 0 and splits[top - 1]["stage"] == 1:
                    top -= 1
                    split = splits[top]
                    low[split["feature"]] = saved[top]
                    for v in range(width):
                        gradients[i, split["feature"], output + v] += split["flow"] * (lefts[top, v] - mean[v])
                        mean[v] = split["left"] * lefts[top, v] + split["right"] * mean[v]
                if top == 0:
                    break
                split = splits[top - 1]
                j = split["feature"]
                high[j] = saved[top - 1]
                saved[top - 1] = low[j]
                low[j] = cuts[top - 1]
                for v in range(width):
                    lefts[top - 1, v] = mean[v]
                split["stage"] = 1
                mass = split["mass"] * split["right"]
                place = np.int64(trees.nodes[split["node"]]["right"])
            for v in range(width):
                values[i, output + v] += mean[v]
