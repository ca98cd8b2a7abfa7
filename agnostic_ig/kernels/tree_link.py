"""Integrated Gradients through a link for one pair whose players tie.

All leaves that are alive on the path are noted: a leaf opens where the last of its openers is crossed and closes where
the first of its closers is, and players that cross at one alpha play the game ``[T contains A][T misses B]`` for it
(`tree_tie`). The games of one alpha together give the margin of every subset T that has moved; the link turns margins
into outputs, whose Shapley values are enumerated, or sampled where there are too many.
"""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import inlined, kernel
from agnostic_ig.kernels.links import apply_link
from agnostic_ig.kernels.shapley import shapley_of_states
from agnostic_ig.kernels.tie_sampling import sample_tie
from agnostic_ig.kernels.tree_nodes import add_margins, crossing_alpha, goes_left, order_by_alpha

__all__ = ["MAX_ENUMERATED", "TERM", "Terms", "linked_credits", "note_terms"]

MAX_ENUMERATED = 12  # tied players whose 2**k states are enumerated; beyond, permutations

_OPEN, _CLOSED = 1, 2
# What changes its type on its way is compiled once for each: a plain 0 has one of its own, uint32 + uint32 is uint64.
_ZERO, _ONE = np.int64(0), np.uint64(1)

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
        top, length = np.uint64(0), np.uint64(0)
        while True:
            node = nodes[place]
            if node["feature"] < 0:
                _note_leaf(np.int64(trees.output[tree]), place, path, length, low, high, terms)
                if top == 0:
                    break
                top -= _ONE
                far_child = waiting[top]
                place, low, high = far_child["node"], far_child["low"], far_child["high"]
                length = np.uint64(far_child["length"])
                path[length]["alpha"], path[length]["player"], path[length]["side"] = low, far_child["player"], _OPEN
                length += _ONE
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
            top += _ONE
            path[length]["alpha"], path[length]["player"], path[length]["side"] = alpha, player, _CLOSED
            length += _ONE
            place, high = near, alpha


@kernel
def note_terms(trees, player_of, pairs, terms, ends):
    """Note the leaves of all pairs (n_pairs, n_features), one pair after the other; ends[p]: terms up to pair p."""
    terms.count[0] = terms.count[1] = 0
    for p in range(pairs.shape[0]):
        _visit_leaves(trees, player_of, pairs[p], terms)
        ends[p] = terms.count[0]


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
                for subset in range(states.shape[0]):
                    states[subset, k] -= value
            subset = free
            while True:
                states[opened | subset, k] += value
                if subset == 0:
                    break
                subset = (subset - 1) & free


@kernel
def _enumerate_tie(trees, terms, order, start, stop, local, players, n_tied, margins, link, credits):
    states = np.empty((1 << n_tied, margins.size))
    _margin_states(trees, terms, order, start, stop, local, margins, states)
    for subset in range(states.shape[0]):
        apply_link(link, states[subset], states[subset])
    shapley_of_states(states, players, n_tied, credits)


@kernel
def _total_change(trees, terms, order, start, stop, change):
    change[:] = 0.0
    for i in range(start, stop):
        t = terms.term[order[i]]
        for v in range(trees.value.shape[1]):
            sign = (t["n_closed"] == 0) * 1.0 - (t["n_open"] == 0) * 1.0
            change[t["output"] + v] += sign * trees.value[t["leaf"], v]


@kernel
def _credit_stream(sampling, trees, terms, margins, link, seed, tol, max_draws, credits, variances):
    """Send the noted jumps of one pair through the link, group after group of equal alphas.

    Returns whether it came to the end: without `sampling` it stops at a tie that is too large to enumerate.
    """
    n_terms = terms.count[0]
    alphas, order = np.empty(n_terms), np.empty(n_terms, np.int64)
    for i in range(n_terms):
        alphas[i] = terms.term[i]["alpha"]
    order_by_alpha(alphas, order, np.empty(n_terms, np.int64), np.empty(n_terms + 1, np.int64))
    n_players, n_margins = credits.shape
    players, local = np.empty(n_players, np.int64), np.full(n_players, -1, np.int64)
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
        elif sampling is None:
            return False
        else:
            sample_tie(
                trees, terms, order, start, stop, local, players, n_tied, margins, link, seed, tol, max_draws,
                credits, variances,
            )  # fmt: skip
        for i in range(n_tied):
            local[players[i]] = -1
        for k in range(n_margins):
            margins[k] += change[k]
        start = stop
    return True


@kernel
def linked_credits(
    sampling, trees, player_of, pairs, start_margins, link, seeds, tol, max_draws, chosen, credits, variances
):  # fmt: skip
    """Add the attributions of g(margins) of the chosen pairs (n_pairs,) to credits (n_pairs, n_players, n_margins).

    start_margins (n_margins,) holds what no tree adds. sampling: None leaves pairs with a tie of more than
    MAX_ENUMERATED players chosen, and gives them nothing (few models need the sampler, which takes seconds to
    compile); with True, seeds (n_pairs,) uint64 drive its permutations, and variances takes their squared standard
    errors.
    """
    terms = _new_terms(1024)
    for p in range(chosen.size):
        if not chosen[p]:
            continue
        while True:
            terms.count[0] = terms.count[1] = 0
            _visit_leaves(trees, player_of, pairs[p], terms)
            if terms.count[0] <= terms.term.size and terms.count[1] <= terms.member.size:
                break
            terms = _new_terms(2 * max(terms.count[0], terms.count[1] // 4 + 1))
        margins = start_margins.copy()
        add_margins(trees, pairs[p]["b"], margins)
        chosen[p] = not _credit_stream(
            sampling, trees, terms, margins, link, seeds[p : p + 1], tol, max_draws, credits[p], variances[p]
        )  # fmt: skip
        if chosen[p]:
            credits[p] = 0.0
