"""Links from margins to outputs, and Integrated Gradients through a link for one pair whose players tie.

All leaves that are alive on the path are noted: a leaf opens where the last of its openers is crossed and closes where
the first of its closers is, and players that cross at one alpha play the game ``[T contains A][T misses B]`` for it
(`tree_tie`). The games of one alpha together give the margin of every subset T that has moved; the link turns margins
into outputs, whose Shapley values are enumerated, or sampled where there are too many.
"""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import inlined, kernel
from agnostic_ig.kernels.tree_nodes import GRID, add_margins, crossing_alpha, goes_left

__all__ = [
    "LINKS",
    "MAX_ENUMERATED",
    "apply_link",
    "link_of_one",
    "linked_credits",
    "order_by_alpha",
    "shapley_of_states",
]

LINKS = {"identity": 0, "sigmoid": 1, "sigmoid_of_double": 2, "softmax": 3, "exp": 4, "isolation": 5}
MAX_ENUMERATED = 12  # tied players whose 2**k states are enumerated; beyond, permutations

_OPEN, _CLOSED = 1, 2
_ZERO = np.int64(0)  # a plain 0 has a type of its own, and everything it flows into is compiled twice

# A far child that waits for its turn, and the state of the walk there.
WAITING = np.dtype(
    [
        ("low", np.float64),
        ("high", np.float64),
        ("node", np.uint32),
        ("length", np.uint32),
        ("player", np.int32),
    ],
    align=True,
)
# A crossing on the path to the current node, and the side of it that the node is on.
CROSSING = np.dtype([("alpha", np.float64), ("player", np.int32), ("side", np.int32)], align=True)
# A leaf met by one pair under a link: the game ``value [T contains A][T misses B]`` at an alpha; its members are A, B.
TERM = np.dtype(
    [
        ("alpha", np.float64),
        ("leaf", np.uint32),
        ("output", np.int32),
        ("first", np.int64),
        ("n_open", np.int32),
        ("n_closed", np.int32),
    ],
    align=True,
)


@inlined
def _recorded_side(path, length, alpha, player):
    """The side on which a player has already been put at this alpha on this path; 0 if on neither."""
    side = _ZERO
    for i in range(length):
        if path[i]["player"] == player and path[i]["alpha"] == alpha:
            side = np.int64(path[i]["side"])
    return side


@kernel
def _share(own, other):
    """(own - 1)! other! / (own + other)!: Shapley share of one of `own` players against `other` opponents."""
    share = 1.0 / own
    for i in range(1, other + 1):
        share *= i / (own + i)
    return share


class Terms(NamedTuple):
    """Room for the leaves of one pair: terms of TERM, the players they name, and counts of both.

    Once a count passes the room, nothing more is written, and the caller comes again with more room.
    """

    term: np.ndarray
    member: np.ndarray
    count: np.ndarray


@kernel
def _new_terms(room):
    return Terms(np.empty(room, TERM), np.empty(4 * room, np.int64), np.zeros(2, np.int64))


@kernel
def _visit_leaves(trees, player_of, columns, terms):
    """Walk all trees for one pair, columns (n_features,), and note every leaf that is alive on its path.

    Positions are unsigned, so that no access asks whether it counts from the end.
    """
    waiting, path = np.empty(trees.depth + 2, WAITING), np.empty(trees.depth + 2, CROSSING)
    nodes, sets = trees.nodes, trees.sets
    for tree in range(trees.root.size):
        # A cast may put a crossing outside [0, 1], where it counts whole.
        place, low, high = np.uint32(trees.root[tree]), -np.inf, np.inf
        top, length = np.uint32(0), np.uint32(0)
        while True:
            node = nodes[place]
            if node["feature"] < 0:
                _note_leaf(np.int64(trees.output[tree]), place, path, length, low, high, terms)
                if top == 0:
                    break
                top -= np.uint32(1)
                far_child = waiting[top]
                place, low, high, length = far_child["node"], far_child["low"], far_child["high"], far_child["length"]
                path[length]["alpha"], path[length]["player"], path[length]["side"] = low, far_child["player"], _OPEN
                length += np.uint32(1)
                continue
            column = columns[np.uint32(node["feature"])]
            x_left = goes_left(column["x"], node, sets)
            b_left = goes_left(column["b"], node, sets)
            near = np.uint32(node["left"] if b_left else node["right"])
            if x_left == b_left:
                place = near
                continue
            far = np.uint32(node["left"] if x_left else node["right"])
            alpha, player = crossing_alpha(node, column), player_of[np.uint32(node["feature"])]
            side = _recorded_side(path, length, alpha, player) if alpha == low or alpha == high else _ZERO
            if alpha > high or side == _CLOSED:
                place = near
                continue
            if alpha < low or side == _OPEN:
                place = far
                continue
            waits = waiting[top]
            waits["node"], waits["low"], waits["high"] = far, alpha, high
            waits["player"], waits["length"] = player, length
            top += np.uint32(1)
            path[length]["alpha"], path[length]["player"], path[length]["side"] = alpha, player, _CLOSED
            length += np.uint32(1)
            place, high = near, alpha


@kernel
def _count_tied(path, length, low, high):
    """How many openers stand at the opening alpha, and closers at the closing alpha, of the current leaf."""
    n_open = n_closed = _ZERO
    for i in range(length):
        if path[i]["side"] == _OPEN:
            n_open += path[i]["alpha"] == low
        else:
            n_closed += path[i]["alpha"] == high
    return n_open, n_closed


@kernel
def _note(terms, alpha, leaf, output, n_open, n_closed):
    """Reserve one term; returns where its members go, or -1 when the room is used up."""
    i, first = terms.count
    terms.count[0] += 1
    terms.count[1] += n_open + n_closed
    if i >= terms.term.size or terms.count[1] > terms.member.size:
        return np.int64(-1)
    term = terms.term[i]
    term["alpha"], term["leaf"], term["output"] = alpha, leaf, output
    term["first"], term["n_open"], term["n_closed"] = first, n_open, n_closed
    return first


@kernel
def _note_leaf(output, leaf, path, length, low, high, terms):
    n_open, n_closed = _count_tied(path, length, low, high)
    inside = low == high  # one term for both sides: the leaf is alive only between the moves of one tie
    if n_open:
        first = _note(terms, low, leaf, output, n_open, n_closed * inside)
        _note_members(terms.member, first, path, length, _OPEN, low)
        if inside:
            _note_members(terms.member, first + n_open if first >= 0 else first, path, length, _CLOSED, high)
    if n_closed and not inside:
        first = _note(terms, high, leaf, output, n_open * inside, n_closed)
        _note_members(terms.member, first, path, length, _CLOSED, high)


@kernel
def _note_members(member, first, path, length, side, alpha):
    if first < 0:
        return
    for i in range(length):
        if path[i]["side"] == side and path[i]["alpha"] == alpha:
            member[first] = path[i]["player"]
            first += 1


@kernel
def _sigmoid(margin):
    if margin >= 0:
        return 1.0 / (1.0 + np.exp(-margin))
    growth = np.exp(margin)
    return growth / (1.0 + growth)


@kernel
def link_of_one(link, margin):
    """g(margin) for the links that work on every margin by itself."""
    if link == 0:
        return margin
    if link == 1:
        return _sigmoid(margin)
    if link == 2:
        return _sigmoid(2.0 * margin)
    if link == 4:
        return np.exp(margin)
    return -np.exp2(-margin)


@kernel
def apply_link(link, margins, out):
    """out = g(margins), both (n_margins,); `link` is a value of LINKS."""
    if link != 3:
        for k in range(margins.size):
            out[k] = link_of_one(link, margins[k])
        return
    highest, total = np.max(margins), 0.0
    for k in range(margins.size):
        out[k] = np.exp(margins[k] - highest)
        total += out[k]
    for k in range(margins.size):
        out[k] /= total


@kernel
def _link_slopes(link, margins, slopes):
    """Jacobian of the link, slopes[o, k] = d g_o / d margin_k."""
    n = margins.size
    out = np.empty(n)
    apply_link(link, margins, out)
    slopes[:] = 0.0
    for o in range(n):
        if link == 0:
            slopes[o, o] = 1.0
        elif link == 4:
            slopes[o, o] = out[o]
        elif link == 5:
            slopes[o, o] = -np.log(2.0) * out[o]
        elif link == 3:
            for k in range(n):
                slopes[o, k] = out[o] * ((o == k) - out[k])
        else:
            slopes[o, o] = (1.0 if link == 1 else 2.0) * out[o] * (1.0 - out[o])


@kernel
def _tied_players(terms, order, start, stop, local, players):
    """List the players of the terms order[start:stop]; local[player] becomes its place. Returns how many."""
    n = _ZERO
    for i in range(start, stop):
        t = terms.term[order[i]]
        for m in range(t["first"], t["first"] + t["n_open"] + t["n_closed"]):
            player = terms.member[m]
            if local[player] < 0:
                local[player] = n
                players[n] = player
                n += 1
    return n


@kernel
def _member_mask(terms, first, stop, local):
    mask = _ZERO
    for m in range(first, stop):
        mask |= 1 << local[terms.member[m]]
    return mask


@kernel
def _margin_states(trees, terms, order, start, stop, local, margins, states):
    """states[T] = margins when the tied players in T have moved, for all subsets T (2**k, n_margins)."""
    everyone = states.shape[0] - 1
    for subset in range(states.shape[0]):
        for k in range(margins.size):
            states[subset, k] = margins[k]
    for i in range(start, stop):
        t = terms.term[order[i]]
        middle = t["first"] + t["n_open"]
        opened = _member_mask(terms, t["first"], middle, local)
        closed = _member_mask(terms, middle, middle + t["n_closed"], local)
        free = everyone & ~(opened | closed)
        for v in range(trees.value.shape[1]):
            value, k = trees.value[t["leaf"], v], t["output"] + v
            if opened == 0:  # alive before the tie: `margins` contains it already
                states[:, k] -= value
            subset = free
            while True:
                states[opened | subset, k] += value
                if subset == 0:
                    break
                subset = (subset - 1) & free


@kernel
def shapley_of_states(outputs, players, n_tied, credits):
    """Add the Shapley value of outputs[T] (2**k, n_out), over the k tied players, to credits."""
    weight = np.empty(n_tied)  # s! (k - s - 1)! / k!
    for s in range(n_tied):
        weight[s] = _share(s + 1, n_tied - s - 1)
    for subset in range(outputs.shape[0]):
        size = 0
        for i in range(n_tied):
            size += (subset >> i) & 1
        for i in range(n_tied):
            if not (subset >> i) & 1:
                for o in range(outputs.shape[1]):
                    gain = outputs[subset | (1 << i), o] - outputs[subset, o]
                    credits[players[i], o] += weight[size] * gain


@kernel
def _enumerate_tie(trees, terms, order, start, stop, local, players, n_tied, margins, link, credits):
    states = np.empty((1 << n_tied, margins.size))
    _margin_states(trees, terms, order, start, stop, local, margins, states)
    for subset in range(states.shape[0]):
        apply_link(link, states[subset], states[subset])
    shapley_of_states(states, players, n_tied, credits)


@kernel
def _random_below(seed, n):
    """A number in range(n) from the splitmix64 sequence whose state is seed[0]."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    z = seed[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((z ^ (z >> np.uint64(31))) % np.uint64(n))


@kernel
def _margin_gains(trees, terms, order, start, stop, local, rank, gains):
    """gains[r] = change of the margins when the player of rank r moves, in the order given by rank[local]."""
    n_tied = gains.shape[0]
    gains[:] = 0.0
    for i in range(start, stop):
        t = terms.term[order[i]]
        born, dead = -1, n_tied
        middle = t["first"] + t["n_open"]
        for m in range(t["first"], middle):
            born = max(born, rank[local[terms.member[m]]])
        for m in range(middle, middle + t["n_closed"]):
            dead = min(dead, rank[local[terms.member[m]]])
        if born < dead:
            for v in range(trees.value.shape[1]):
                value, k = trees.value[t["leaf"], v], t["output"] + v
                if born >= 0:
                    gains[born, k] += value
                if dead < n_tied:
                    gains[dead, k] -= value


@kernel
def _expected_gains(trees, terms, order, start, stop, local, expected):
    """Shapley value of the margins themselves, expected[local player, margin]: the mean of `_margin_gains`."""
    expected[:] = 0.0
    for i in range(start, stop):
        t = terms.term[order[i]]
        n_open, n_closed = t["n_open"], t["n_closed"]
        middle = t["first"] + n_open
        for v in range(trees.value.shape[1]):
            value, k = trees.value[t["leaf"], v], t["output"] + v
            for m in range(t["first"], middle):
                expected[local[terms.member[m]], k] += value * _share(n_open, n_closed)
            for m in range(middle, middle + n_closed):
                expected[local[terms.member[m]], k] -= value * _share(n_closed, n_open)


@kernel
def _sample_tie(
    trees, terms, order, start, stop, local, players, n_tied, margins, link, seed, tol, max_draws, credits, variances
):  # fmt: skip
    """Shapley value of a large tie by antithetic permutations.

    Control variate: the gain of the margin times the link's slope halfway, whose mean over permutations is known.
    Stops when the summed standard errors are below tol times the summed credits, or after max_draws pairs.
    """
    n_margins = margins.size
    gains = np.empty((n_tied, n_margins))
    expected = np.empty((n_tied, n_margins))
    _expected_gains(trees, terms, order, start, stop, local, expected)
    slopes = np.empty((n_margins, n_margins))
    halfway = margins.copy()
    for i in range(n_tied):
        for k in range(n_margins):
            halfway[k] += 0.5 * expected[i, k]
    _link_slopes(link, halfway, slopes)
    mean = np.zeros((n_tied, n_margins))
    spread = np.zeros((n_tied, n_margins))
    draw = np.empty((n_tied, n_margins))
    rank, turn = np.arange(n_tied), np.arange(n_tied)
    before, after = np.empty(n_margins), np.empty(n_margins)
    state = np.empty(n_margins)
    n_draws = 0
    while n_draws < max_draws:
        for i in range(n_tied - 1, 0, -1):
            other = _random_below(seed, i + 1)
            rank[i], rank[other] = rank[other], rank[i]
        draw[:] = 0.0
        for _ in range(2):
            _margin_gains(trees, terms, order, start, stop, local, rank, gains)
            for i in range(n_tied):
                turn[rank[i]] = i
            for k in range(n_margins):
                state[k] = margins[k]
            apply_link(link, state, before)
            for r in range(n_tied):
                for k in range(n_margins):
                    state[k] += gains[r, k]
                apply_link(link, state, after)
                for o in range(n_margins):
                    control = 0.0
                    for k in range(n_margins):
                        control += slopes[o, k] * (gains[r, k] - expected[turn[r], k])
                    draw[turn[r], o] += 0.5 * (after[o] - before[o] - control)
                    before[o] = after[o]
            for i in range(n_tied):  # the antithetic order: last first
                rank[i] = n_tied - 1 - rank[i]
        n_draws += 1
        error, size = 0.0, 0.0
        for i in range(n_tied):
            for o in range(n_margins):
                shift = draw[i, o] - mean[i, o]
                mean[i, o] += shift / n_draws
                spread[i, o] += shift * (draw[i, o] - mean[i, o])
                error += np.sqrt(spread[i, o])
                size += np.abs(mean[i, o])
        if n_draws % 32 == 0 and error <= tol * size * np.sqrt(n_draws * (n_draws - 1.0)):
            break
    for i in range(n_tied):
        for o in range(n_margins):
            credits[players[i], o] += mean[i, o]
            variances[players[i], o] += spread[i, o] / (n_draws * (n_draws - 1.0))


@kernel
def order_by_alpha(alphas):
    """Places of alphas in ascending order, stable: into as many bins as there are alphas, then by insertion.

    Written out because NumPy's sort takes seconds to compile.
    """
    n = alphas.size
    order, bins, first = np.empty(n, np.int64), np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
    for i in range(n):
        place = alphas[i] * (n / GRID)
        if place > 0.0:
            bins[i] = np.int64(place) if place < n - 1 else n - 1
        first[bins[i] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    for i in range(n):
        order[first[bins[i]]] = i
        first[bins[i]] += 1
    for i in range(1, n):
        one, k = order[i], i
        while k > 0 and alphas[order[k - 1]] > alphas[one]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = one
    return order


@kernel
def _total_change(trees, terms, order, start, stop, change):
    change[:] = 0.0
    for i in range(start, stop):
        t = terms.term[order[i]]
        for v in range(trees.value.shape[1]):
            sign = (t["n_closed"] == 0) * 1.0 - (t["n_open"] == 0) * 1.0
            change[t["output"] + v] += sign * trees.value[t["leaf"], v]


@kernel
def _credit_stream(trees, terms, margins, link, seed, tol, max_draws, credits, variances):
    """Send the noted jumps of one pair through the link, group after group of equal alphas."""
    n_terms = terms.count[0]
    alphas = np.empty(n_terms)
    for i in range(n_terms):
        alphas[i] = terms.term[i]["alpha"]
    order = order_by_alpha(alphas)
    n_players, n_margins = credits.shape
    players = np.empty(n_players, np.int64)
    local = np.empty(n_players, np.int64)
    local[:] = -1
    change, before, after = np.empty(n_margins), np.empty(n_margins), np.empty(n_margins)
    start = stop = _ZERO
    while start < n_terms:
        while stop < n_terms and terms.term[order[stop]]["alpha"] == terms.term[order[start]]["alpha"]:
            stop += 1
        n_tied = _tied_players(terms, order, start, stop, local, players)
        _total_change(trees, terms, order, start, stop, change)
        if n_tied == 1:
            apply_link(link, margins, before)
            for k in range(n_margins):
                after[k] = margins[k] + change[k]
            apply_link(link, after, after)
            for k in range(n_margins):
                credits[players[0], k] += after[k] - before[k]
        elif n_tied <= MAX_ENUMERATED:
            _enumerate_tie(trees, terms, order, start, stop, local, players, n_tied, margins, link, credits)
        else:
            _sample_tie(
                trees, terms, order, start, stop, local, players, n_tied, margins, link, seed, tol, max_draws,
                credits, variances,
            )  # fmt: skip
        for i in range(n_tied):
            local[players[i]] = -1
        for k in range(n_margins):
            margins[k] += change[k]
        start = stop


@kernel
def linked_credits(trees, player_of, pairs, start_margins, link, seeds, tol, max_draws, chosen, credits, variances):
    """Add the attributions of g(margins) of the chosen pairs (n_pairs,) to credits (n_pairs, n_players, n_margins).

    start_margins (n_margins,) holds what no tree adds. seeds (n_pairs,) uint64 drive the permutations of ties of
    more than MAX_ENUMERATED players; variances takes their squared standard errors, and stays 0 without such ties.
    """
    terms = _new_terms(1024)
    for p in range(chosen.size):
        if not chosen[p]:
            continue
        while True:
            terms.count[:] = 0
            _visit_leaves(trees, player_of, pairs[p], terms)
            if terms.count[0] <= terms.term.size and terms.count[1] <= terms.member.size:
                break
            terms = _new_terms(2 * max(terms.count[0], terms.count[1] // 4 + 1))
        margins = start_margins.copy()
        add_margins(trees, pairs[p]["b"], margins)
        _credit_stream(trees, terms, margins, link, seeds[p : p + 1], tol, max_draws, credits[p], variances[p])
