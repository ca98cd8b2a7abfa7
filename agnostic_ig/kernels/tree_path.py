"""Integrated Gradients of tree ensembles along the straight path, leaf by leaf.

Every leaf of a tree is alive on one interval of the path. It *opens* where the last of its openers is crossed
(a node that sends the leaf's side to the input) and *closes* where the first of its closers is crossed (a node
that sends it to the baseline). Opening credits the leaf's value to the opener, closing takes it from the closer.

Players that cross at one alpha are a tie. Inside the tie the leaf's indicator is the game
``[T contains A][T misses B]`` (A openers, B closers of the tie), whose Shapley value is
``(|A|-1)! |B|! / (|A|+|B|)!`` for each of A and ``-|A|! (|B|-1)! / (|A|+|B|)!`` for each of B. Leaves add up, so
this is exactly the Shapley value of the ensemble over the tied players.

Sides are decided by the model's own predicate on x and on b, never by comparing alpha with 0 or 1; alphas are
integers on a grid of 2**-40 held in float64, so that equality is an equivalence relation.
"""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = [
    "GRID",
    "HALF",
    "LINKS",
    "MAX_ENUMERATED",
    "Pairs",
    "Trees",
    "linked_credits",
    "plain_credits",
    "predict_margins",
]

GRID = 2.0**40  # cells of alpha on [0, 1]
HALF = GRID / 2  # where discrete moves happen
MAX_ENUMERATED = 12  # tied players whose 2**k states are enumerated under a link; beyond, permutations
LINKS = {"identity": 0, "sigmoid": 1, "sigmoid_of_double": 2, "softmax": 3, "exp": 4}

_OPEN, _CLOSED = 1, 2
_NOBODY = np.int64(-1)
_ZERO = np.int64(0)  # a plain 0 has a type of its own, and everything it flows into is compiled twice


class Trees(NamedTuple):
    """All nodes of all trees, one after the other; children and roots are absolute positions.

    feature (n_nodes,) is -1 at a leaf. threshold decides sides; place is the same threshold with the rounding of
    the family's routing precision undone, and only says where on the path it is crossed. value (n_nodes, width)
    goes to the outputs from output[tree] on. depth is the deepest path of any tree.
    """

    feature: np.ndarray
    threshold: np.ndarray
    place: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    root: np.ndarray
    output: np.ndarray
    depth: int
    strict: bool


class Pairs(NamedTuple):
    """A block of (input, baseline) pairs, one row each, all (n_pairs, n_features).

    x_side and b_side are cast as the family casts; b_place is the baseline before the cast; per_alpha is
    ``GRID / (x - b)``, and 0 for a discrete move, which happens at one half.
    """

    x_side: np.ndarray
    b_side: np.ndarray
    b_place: np.ndarray
    per_alpha: np.ndarray


@kernel
def _goes_left(value, threshold, missing_left, strict):
    if np.isnan(value):
        return missing_left
    return value < threshold if strict else value <= threshold


@kernel
def _leaf_of(trees, node, row):
    """The leaf that a row of routing values falls into."""
    while trees.feature[node] >= 0:
        left = _goes_left(
            row[trees.feature[node]], trees.threshold[node], trees.missing_left[node], trees.strict
        )
        node = trees.left[node] if left else trees.right[node]
    return node


@kernel
def _add_margins(trees, row, margins):
    """Add the sum of all trees at a row to margins (n_margins,)."""
    for tree in range(trees.root.size):
        leaf = _leaf_of(trees, trees.root[tree], row)
        for v in range(trees.value.shape[1]):
            margins[trees.output[tree] + v] += trees.value[leaf, v]


@kernel
def predict_margins(trees, rows, margins):
    """Add the sum of all trees at rows (n, n_features), already cast, to margins (n, n_margins)."""
    for i in range(rows.shape[0]):
        _add_margins(trees, rows[i], margins[i])


@kernel
def _recorded_side(alphas, players, sides, length, alpha, player):
    """The side on which a player has already been put at this alpha on this path; 0 if on neither."""
    for i in range(length):
        if players[i] == player and alphas[i] == alpha:
            return sides[i]
    return 0


@kernel
def _share(own, other):
    """(own - 1)! other! / (own + other)!: Shapley share of one of `own` players against `other` opponents."""
    share = 1.0 / own
    for i in range(1, other + 1):
        share *= i / (own + i)
    return share


class Walk(NamedTuple):
    """Room for one walk: the waiting far children, and the crossings on the path to the current node."""

    node: np.ndarray
    low: np.ndarray
    high: np.ndarray
    opener: np.ndarray
    closer: np.ndarray
    tied: np.ndarray
    player: np.ndarray
    length: np.ndarray
    path_alpha: np.ndarray
    path_player: np.ndarray
    path_side: np.ndarray


class Terms(NamedTuple):
    """Leaves met by one pair under a link, as games ``value [T contains A][T misses B]`` at an alpha.

    count holds the number of terms and of members; members of a term are A, then B. Once a count passes the
    room, nothing more is written, and the caller comes again with more room.
    """

    alpha: np.ndarray
    leaf: np.ndarray
    output: np.ndarray
    first: np.ndarray
    n_open: np.ndarray
    n_closed: np.ndarray
    member: np.ndarray
    count: np.ndarray


@kernel
def _new_walk(depth):
    n = depth + 2
    integers = np.empty((8, n), np.int64)
    floats = np.empty((3, n))
    return Walk(
        integers[0], floats[0], floats[1], integers[1], integers[2], integers[3], integers[4], integers[5],
        floats[2], integers[6], integers[7],
    )  # fmt: skip


@kernel
def _new_terms(room):
    integers = np.empty((5, room), np.int64)
    return Terms(
        np.empty(room), integers[0], integers[1], integers[2], integers[3], integers[4],
        np.empty(4 * room, np.int64), np.zeros(2, np.int64),
    )  # fmt: skip


@kernel
def _crossing_alpha(place, b, per_alpha):
    if per_alpha == 0.0:
        return HALF
    return np.rint((place - b) * per_alpha)


@kernel
def _visit_leaves(trees, tree, player_of, pairs, p, walk, credits, terms, linked):
    """Walk one tree for one pair; at every leaf alive on the path credit it, or note it in `terms` if linked."""
    node = np.int64(trees.root[tree])
    low, high = -np.inf, np.inf  # a cast may put a crossing a little outside [0, 1]: it counts whole
    opener = closer = _NOBODY
    tied = top = length = _ZERO
    while True:
        feature = trees.feature[node]
        if feature < 0:
            if linked:
                _note_leaf(trees, tree, node, walk, length, low, high, terms)
            elif tied == 0 and low < high:
                _credit(credits, opener, trees, tree, node, 1.0)
                _credit(credits, closer, trees, tree, node, -1.0)
            else:
                _credit_tied(credits, trees, tree, node, walk, length, low, high)
            if top == 0:
                return
            top -= 1
            node, low, high = walk.node[top], walk.low[top], walk.high[top]
            opener, closer, tied = walk.opener[top], walk.closer[top], walk.tied[top]
            length = walk.length[top]
            walk.path_alpha[length] = low
            walk.path_player[length] = walk.player[top]
            walk.path_side[length] = _OPEN
            length += 1
            continue
        threshold, missing_left = trees.threshold[node], trees.missing_left[node]
        x_left = _goes_left(pairs.x_side[p, feature], threshold, missing_left, trees.strict)
        b_left = _goes_left(pairs.b_side[p, feature], threshold, missing_left, trees.strict)
        near = trees.left[node] if b_left else trees.right[node]
        if x_left == b_left:
            node = near
            continue
        far = trees.left[node] if x_left else trees.right[node]
        alpha = _crossing_alpha(trees.place[node], pairs.b_place[p, feature], pairs.per_alpha[p, feature])
        if alpha > high:
            node = near
            continue
        if alpha < low:
            node = far
            continue
        player = player_of[feature]
        if alpha == low or alpha == high:
            side = _recorded_side(walk.path_alpha, walk.path_player, walk.path_side, length, alpha, player)
            if side:
                node = far if side == _OPEN else near
                continue
        walk.node[top], walk.low[top], walk.high[top] = far, alpha, high
        walk.opener[top], walk.closer[top] = player, closer
        walk.tied[top] = tied & 2 if alpha > low else tied | 1
        walk.player[top], walk.length[top] = player, length
        top += 1
        walk.path_alpha[length] = alpha
        walk.path_player[length] = player
        walk.path_side[length] = _CLOSED
        length += 1
        tied = tied & 1 if alpha < high else tied | 2
        node, high, closer = near, alpha, player


@kernel
def _credit(credits, player, trees, tree, leaf, share):
    if player != _NOBODY:
        for v in range(trees.value.shape[1]):
            credits[player, trees.output[tree] + v] += share * trees.value[leaf, v]


@kernel
def _count_tied(walk, length, low, high):
    """How many openers stand at the opening alpha, and closers at the closing alpha, of the current leaf."""
    n_open = n_closed = _ZERO
    for i in range(length):
        if walk.path_side[i] == _OPEN:
            n_open += walk.path_alpha[i] == low
        else:
            n_closed += walk.path_alpha[i] == high
    return n_open, n_closed


@kernel
def _credit_tied(credits, trees, tree, leaf, walk, length, low, high):
    n_open, n_closed = _count_tied(walk, length, low, high)
    inside = low == high  # the leaf is alive only between the moves of one tie
    open_share = _share(n_open, n_closed if inside else 0)
    closed_share = _share(n_closed, n_open if inside else 0)
    for i in range(length):
        if walk.path_side[i] == _OPEN and walk.path_alpha[i] == low:
            _credit(credits, walk.path_player[i], trees, tree, leaf, open_share)
        elif walk.path_side[i] == _CLOSED and walk.path_alpha[i] == high:
            _credit(credits, walk.path_player[i], trees, tree, leaf, -closed_share)


@kernel
def plain_credits(trees, player_of, pairs, credits):
    """Add the attributions of the margins of all pairs to credits (n_pairs, n_players, n_margins).

    The tree loop is outside: one tree stays in cache for the whole block of pairs.
    """
    walk = _new_walk(trees.depth)
    terms = _new_terms(1)
    for tree in range(trees.root.size):
        for p in range(credits.shape[0]):
            _visit_leaves(trees, tree, player_of, pairs, p, walk, credits[p], terms, False)


# --- links: the margin's jumps in order of alpha, each group of equal alphas through the link ----------------------


@kernel
def _note(terms, alpha, leaf, output, n_open, n_closed):
    """Reserve one term; returns where its members go, or -1 when the room is used up."""
    i, first = terms.count
    terms.count[0] += 1
    terms.count[1] += n_open + n_closed
    if i >= terms.alpha.size or terms.count[1] > terms.member.size:
        return -1
    terms.alpha[i], terms.leaf[i], terms.output[i] = alpha, leaf, output
    terms.first[i], terms.n_open[i], terms.n_closed[i] = first, n_open, n_closed
    return first


@kernel
def _note_leaf(trees, tree, leaf, walk, length, low, high, terms):
    n_open, n_closed = _count_tied(walk, length, low, high)
    inside = low == high  # one term for both sides: the leaf is alive only between the moves of one tie
    if n_open:
        first = _note(terms, low, leaf, trees.output[tree], n_open, n_closed * inside)
        _note_members(terms, first, walk, length, _OPEN, low)
        if inside:
            _note_members(terms, first + n_open if first >= 0 else first, walk, length, _CLOSED, high)
    if n_closed and not inside:
        first = _note(terms, high, leaf, trees.output[tree], n_open * inside, n_closed)
        _note_members(terms, first, walk, length, _CLOSED, high)


@kernel
def _note_members(terms, first, walk, length, side, alpha):
    if first < 0:
        return
    for i in range(length):
        if walk.path_side[i] == side and walk.path_alpha[i] == alpha:
            terms.member[first] = walk.path_player[i]
            first += 1


@kernel
def _sigmoid(margin):
    if margin >= 0:
        return 1.0 / (1.0 + np.exp(-margin))
    growth = np.exp(margin)
    return growth / (1.0 + growth)


@kernel
def _apply_link(link, margins, out):
    """out = g(margins), both (n_margins,); `link` is a value of LINKS."""
    n = margins.size
    if link == 3:
        highest = np.max(margins)
        total = 0.0
        for k in range(n):
            out[k] = np.exp(margins[k] - highest)
            total += out[k]
        for k in range(n):
            out[k] /= total
        return
    for k in range(n):
        if link == 0:
            out[k] = margins[k]
        elif link == 1:
            out[k] = _sigmoid(margins[k])
        elif link == 2:
            out[k] = _sigmoid(2.0 * margins[k])
        else:
            out[k] = np.exp(margins[k])


@kernel
def _link_slopes(link, margins, slopes):
    """Jacobian of the link, slopes[o, k] = d g_o / d margin_k."""
    n = margins.size
    out = np.empty(n)
    _apply_link(link, margins, out)
    slopes[:] = 0.0
    for o in range(n):
        if link == 0:
            slopes[o, o] = 1.0
        elif link == 4:
            slopes[o, o] = out[o]
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
        t = order[i]
        for m in range(terms.first[t], terms.first[t] + terms.n_open[t] + terms.n_closed[t]):
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
        t = order[i]
        middle = terms.first[t] + terms.n_open[t]
        opened = _member_mask(terms, terms.first[t], middle, local)
        closed = _member_mask(terms, middle, middle + terms.n_closed[t], local)
        free = everyone & ~(opened | closed)
        for v in range(trees.value.shape[1]):
            value, k = trees.value[terms.leaf[t], v], terms.output[t] + v
            if opened == 0:  # alive before the tie: `margins` contains it already
                states[:, k] -= value
            subset = free
            while True:
                states[opened | subset, k] += value
                if subset == 0:
                    break
                subset = (subset - 1) & free


@kernel
def _shapley_of_states(outputs, players, n_tied, credits):
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
        _apply_link(link, states[subset], states[subset])
    _shapley_of_states(states, players, n_tied, credits)


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
        t = order[i]
        born, dead = -1, n_tied
        middle = terms.first[t] + terms.n_open[t]
        for m in range(terms.first[t], middle):
            born = max(born, rank[local[terms.member[m]]])
        for m in range(middle, middle + terms.n_closed[t]):
            dead = min(dead, rank[local[terms.member[m]]])
        if born < dead:
            for v in range(trees.value.shape[1]):
                value, k = trees.value[terms.leaf[t], v], terms.output[t] + v
                if born >= 0:
                    gains[born, k] += value
                if dead < n_tied:
                    gains[dead, k] -= value


@kernel
def _expected_gains(trees, terms, order, start, stop, local, expected):
    """Shapley value of the margins themselves, expected[local player, margin]: the mean of `_margin_gains`."""
    expected[:] = 0.0
    for i in range(start, stop):
        t = order[i]
        n_open, n_closed = terms.n_open[t], terms.n_closed[t]
        middle = terms.first[t] + n_open
        for v in range(trees.value.shape[1]):
            value, k = trees.value[terms.leaf[t], v], terms.output[t] + v
            for m in range(terms.first[t], middle):
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
            _apply_link(link, state, before)
            for r in range(n_tied):
                for k in range(n_margins):
                    state[k] += gains[r, k]
                _apply_link(link, state, after)
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
def _total_change(trees, terms, order, start, stop, change):
    change[:] = 0.0
    for i in range(start, stop):
        t = order[i]
        for v in range(trees.value.shape[1]):
            sign = (terms.n_closed[t] == 0) * 1.0 - (terms.n_open[t] == 0) * 1.0
            change[terms.output[t] + v] += sign * trees.value[terms.leaf[t], v]


@kernel
def _credit_stream(trees, terms, margins, link, seed, tol, max_draws, credits, variances):
    """Send the noted jumps of one pair through the link, group after group of equal alphas."""
    n_terms = terms.count[0]
    order = np.argsort(terms.alpha[:n_terms], kind="mergesort")
    n_players, n_margins = credits.shape
    players = np.empty(n_players, np.int64)
    local = np.empty(n_players, np.int64)
    local[:] = -1
    change, before, after = np.empty(n_margins), np.empty(n_margins), np.empty(n_margins)
    start = stop = _ZERO
    while start < n_terms:
        while stop < n_terms and terms.alpha[order[stop]] == terms.alpha[order[start]]:
            stop += 1
        n_tied = _tied_players(terms, order, start, stop, local, players)
        _total_change(trees, terms, order, start, stop, change)
        if n_tied == 1:
            _apply_link(link, margins, before)
            for k in range(n_margins):
                after[k] = margins[k] + change[k]
            _apply_link(link, after, after)
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
def linked_credits(trees, player_of, pairs, start_margins, link, seeds, tol, max_draws, credits, variances):
    """Add the attributions of g(margins) of all pairs to credits (n_pairs, n_players, n_margins).

    start_margins (n_margins,) holds what no tree adds. seeds (n_pairs,) uint64 drive the permutations of ties of
    more than MAX_ENUMERATED players; variances takes their squared standard errors, and stays 0 without such ties.
    """
    walk = _new_walk(trees.depth)
    terms = _new_terms(1024)
    for p in range(credits.shape[0]):
        while True:
            terms.count[:] = 0
            for tree in range(trees.root.size):
                _visit_leaves(trees, tree, player_of, pairs, p, walk, credits[p], terms, True)
            if terms.count[0] <= terms.alpha.size and terms.count[1] <= terms.member.size:
                break
            terms = _new_terms(2 * max(terms.count[0], terms.count[1] // 4 + 1))
        margins = start_margins.copy()
        _add_margins(trees, pairs.b_side[p], margins)
        _credit_stream(
            trees, terms, margins, link, seeds[p : p + 1], tol, max_draws, credits[p], variances[p]
        )
