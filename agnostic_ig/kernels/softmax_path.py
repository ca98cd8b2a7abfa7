"""Mean slopes of the softmax of margins that change along a path as parabolas do."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["softmax_moments"]

# Two rules that agree so far: the better one is right to rounding (QUADPACK's rule, as in engines/smooth_function.py).
AGREED = 3e-13
ROUNDING = 9e-16  # of a probability, relatively, for every unit of its margin
NEGLIGIBLE = 1e-18  # beside what the same class gives and takes elsewhere
UNDERFLOW = 1e-290  # what is smaller loses its digits
VISIBLE = 1e-14  # change of a probability, relatively, that is more than rounding
MISSED = 0.01  # share of the change over a stretch that the slopes may leave unexplained before it is halved
NEAR = 40.0  # margins further below the highest give no share
SHORTEST = 2.0**-40
MAX_OPEN = 128


@kernel
def _shares(start, slope, bend, alpha, shares):
    """Softmax at one place of the path."""
    highest = -np.inf
    for k in range(start.size):
        shares[k] = start[k] + alpha * (slope[k] + alpha * bend[k])
        highest = max(highest, shares[k])
    total = 0.0
    for k in range(start.size):
        shares[k] = np.exp(shares[k] - highest)
        total += shares[k]
    for k in range(start.size):
        shares[k] /= total


@kernel
def _cuts(start, slope, bend, cuts):
    """Places where one margin stands out most from another, sorted between 0 and 1: a stretch could hide them."""
    n, found = start.size, 1
    cuts[0] = 0.0
    for i in range(n):
        for j in range(n):
            curve = bend[i] - bend[j]
            if curve >= 0.0:
                continue
            place = -0.5 * (slope[i] - slope[j]) / curve
            if not 0.0 < place < 1.0:
                continue
            highest = -np.inf
            for k in range(n):
                highest = max(highest, start[k] + place * (slope[k] + place * bend[k]))
            if start[i] + place * (slope[i] + place * bend[i]) >= highest - NEAR:
                at = found
                while cuts[at - 1] > place:
                    cuts[at] = cuts[at - 1]
                    at -= 1
                cuts[at] = place
                found += 1
    cuts[found] = 1.0
    return found


@kernel
def _apply_rules(start, slope, bend, low, high, rules, shares, sums):
    """sums (3, n, n) of products of two shares i < j: times 1 - alpha, times alpha, and how far rules are apart."""
    nodes, weights, weights_of_7 = rules
    n, length = start.size, high - low
    sums[:] = 0.0
    for q in range(nodes.size):
        alpha = low + length * nodes[q]
        _shares(start, slope, bend, alpha, shares)
        weight, apart = length * weights[q], length * (weights[q] - weights_of_7[q])
        for i in range(n):
            for j in range(i + 1, n):
                product = shares[i] * shares[j]
                sums[0, i, j] += weight * (1.0 - alpha) * product
                sums[1, i, j] += weight * alpha * product
                sums[2, i, j] += apart * product


@kernel
def _is_done(slope, bend, sums, whole, changes, largest):
    """Whether the rules agree, and explain by how much the shares change from one end of the stretch to the other."""
    n = slope.size
    for i in range(n):
        explained = 0.0
        for j in range(n):
            a, b = min(i, j), max(i, j)
            if i == j:
                continue
            first, second = slope[i] - slope[j], slope[i] - slope[j] + 2.0 * (bend[i] - bend[j])
            explained += sums[0, a, b] * first + sums[1, a, b] * second
            both = max(whole[a, b], sums[0, a, b] + sums[1, a, b])
            allowed = (AGREED + ROUNDING * largest) * both + NEGLIGIBLE * min(whole[a, a], whole[b, b])
            if abs(sums[2, a, b]) > max(allowed, UNDERFLOW):
                return False
        change, size = changes[0, i] - changes[1, i], changes[0, i] + changes[1, i]
        visible = max(VISIBLE * (1.0 + largest) * size, UNDERFLOW)
        if abs(change) > visible and abs(change - explained) > MISSED * abs(change):
            return False
    return True


@kernel
def _moments_of_path(start, slope, bend, rules, out):
    """out (2, n, n): for i < j the mean of (1 - alpha) p_i p_j, and of alpha p_i p_j."""
    n = start.size
    cuts, shares, sums, whole = np.empty(n * n + 2), np.empty(n), np.empty((3, n, n)), np.zeros((n, n))
    lows, highs, changes = np.empty(MAX_OPEN), np.empty(MAX_OPEN), np.empty((2, n))
    largest = 0.0  # of what margins are summed from
    for k in range(n):
        largest = max(largest, abs(start[k]) + abs(slope[k]) + abs(bend[k]))
    for piece in range(_cuts(start, slope, bend, cuts)):
        lows[0], highs[0], n_open = cuts[piece], cuts[piece + 1], 1
        while n_open > 0:
            n_open -= 1
            low, high = lows[n_open], highs[n_open]
            _apply_rules(start, slope, bend, low, high, rules, shares, sums)
            _shares(start, slope, bend, low, changes[1])
            _shares(start, slope, bend, high, changes[0])
            if high - low > SHORTEST and not _is_done(slope, bend, sums, whole, changes, largest):
                middle = 0.5 * (low + high)
                lows[n_open], highs[n_open], lows[n_open + 1], highs[n_open + 1] = middle, high, low, middle
                n_open += 2
                continue
            for i in range(n):
                for j in range(i + 1, n):
                    out[0, i, j] += sums[0, i, j]
                    out[1, i, j] += sums[1, i, j]
                    both = sums[0, i, j] + sums[1, i, j]
                    whole[i, j] += both
                    whole[i, i] += both
                    whole[j, j] += both


@kernel
def softmax_moments(starts, slopes, bends, nodes, weights, weights_of_7, moments):
    """Mean slopes of shares of exp(start + alpha slope + alpha^2 bend), times 1 - alpha and times alpha.

    starts, slopes and bends (n, n_margins); moments (n, 2, n_margins, n_margins), zeros, are filled. Slopes of a share
    to its own margin are summed from those to the others, so that they keep their digits where it is nearly 1.
    """
    rules = (nodes, weights, weights_of_7)
    for path in range(starts.shape[0]):
        out = moments[path]
        _moments_of_path(starts[path], slopes[path], bends[path], rules, out)
        for half in range(2):
            for i in range(starts.shape[1]):
                for j in range(i):
                    product = out[half, j, i]
                    out[half, i, j] = out[half, j, i] = -product
                    out[half, i, i] += product
                    out[half, j, j] += product
