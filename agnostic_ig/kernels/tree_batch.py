"""Integrated Gradients of tree ensembles for many pairs that share an end: a whole list of them at every node.

The *anchor* is the end that the pairs of a group share, the other end of each is its own. At a node one list of
entries (pair, alphas between which its path is here, the player that brought it here) becomes two: those that are
still on the anchor's side somewhere go on in place to the near child, those that cross are written to the end of
the list of the far child, which waits on a stack. The near side is worked off first, so every pair meets its leaves
in the order of alpha, and the jump from leaf to leaf is credited to the player that brought the entry there.

Nothing here branches on an entry, so eight can be worked on at once (`_lanes`); `lanes=None` takes one at a time
and gives the same bits, on processors where that is faster.

Players that tie are not split here: the pair is marked, its credits for that tree are taken back, and `tree_tie`
does it over. A pair that ties in many trees is left to `tree_tie` at once.
"""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import kernel
from agnostic_ig.kernels._lanes import (
    HAS_LANES,
    N_LANES,
    at_most,
    bits_of,
    both,
    choose,
    compress,
    count,
    differ,
    equal,
    first_lanes,
    gather,
    less,
    load,
    rounded,
    spread,
    spread_flag,
    store,
    times,
    word_add,
    word_and,
    word_or,
)
from agnostic_ig.kernels.tree_nodes import CATEGORICAL, HALF, goes_left

__all__ = ["JUMP", "LANES", "MAX_GROUP", "Groups", "batch_credits", "list_chosen", "new_room", "walk"]

LANES = True if HAS_LANES else None  # the first argument of `batch_credits` on this processor

_ONE, _EIGHT, _SEVEN = np.uint64(1), np.uint64(N_LANES), np.uint64(N_LANES - 1)
MAX_GROUP = 1 << 16  # pairs of a group; an entry's `who` has 16 bits for its pair,
_PAIR = np.uint64(MAX_GROUP - 1)
_OPENER, _CLOSER = np.uint64(16), np.uint64(40)  # and 24 each for the player that brought it here, and the next to move
_PLAYER = np.uint64((1 << 24) - 1)
_NO_OPENER, _NO_CLOSER = ~(_PLAYER << _OPENER), ~(_PLAYER << _CLOSER)
# A pair is left to `tree_tie` once it ties in more than a quarter of the trees, with so many for a start.
_FREE_TIES = 8


class Groups(NamedTuple):
    """Pairs that share an anchor, group after group.

    first (n_groups + 1,) of uint64: pairs of group g are first[g] to first[g + 1]. anchor, anchor_place (n_groups,
    n_features): the shared end, cast as the family casts and before the cast. ends, rates (n_pairs * n_features + 8,):
    the other ends, cast, and GRID / (end - anchor) before the cast, 0 for a discrete move; group after group, feature
    after feature, pair after pair. jumps (n_groups, n_features): whether a column of a group has missing values or
    discrete moves.
    """

    first: np.ndarray
    anchor: np.ndarray
    anchor_place: np.ndarray
    ends: np.ndarray
    rates: np.ndarray
    jumps: np.ndarray


# A jump of one pair's margin, under a link.
JUMP = np.dtype(
    [
        ("alpha", np.float64),
        ("jump", np.float64),
        ("pair", np.uint32),
        ("player", np.uint32),
        ("margin", np.uint32),
    ],
    align=True,
)
# A list of entries that waits for its node.
_LIST = np.dtype([("start", np.uint64), ("stop", np.uint64), ("node", np.uint64)], align=True)


class _Room(NamedTuple):
    """Entries of all lists, one list after the other; lists that wait; the last leaf value of every pair."""

    low: np.ndarray
    high: np.ndarray
    who: np.ndarray
    waiting: np.ndarray
    last_value: np.ndarray


@kernel
def new_room(groups, depth, width):
    n_pairs = 0
    for g in range(groups.first.size - 1):
        n_pairs = max(n_pairs, np.int64(groups.first[g + 1] - groups.first[g]))
    size = (n_pairs + N_LANES) * (depth + 2) + N_LANES
    return _Room(
        np.empty(size), np.empty(size), np.empty(size, np.uint64), np.empty(depth + 2, _LIST),
        np.zeros((n_pairs, width)),
    )  # fmt: skip


@kernel
def _list_pairs(room, n_pairs, nobody):
    """One entry for every pair of a group; returns how many."""
    for p in range(n_pairs):
        room.low[p], room.high[p], room.who[p] = (
            -np.inf,
            np.inf,
            np.uint64(p) | (nobody << _OPENER) | (nobody << _CLOSER),
        )
    room.last_value[:] = 0.0
    return n_pairs


@kernel
def list_chosen(room, chosen, nobody):
    """Entries for some pairs of a group."""
    n = np.uint64(0)
    for p in range(chosen.size):
        room.low[n], room.high[n], room.who[n] = (
            -np.inf,
            np.inf,
            np.uint64(p) | (nobody << _OPENER) | (nobody << _CLOSER),
        )
        n += np.uint64(chosen[p])
    room.last_value[:] = 0.0
    return n


@kernel
def walk(lanes, trees, t, player_of, groups, g, room, n, whole, sign, tied, credits, events):
    """Take the first n entries of the room through one tree; returns whether a pair tied, and the number of events.

    Jumps are credited, or noted in `events` where there is room for any: what is beyond its size is only counted.

    One loop, because arrays that are handed to a function or bound to a name there are counted, which would cost as
    much as the work on a list. tied (n_pairs of the group,) is set where a pair ties. whole: the entries are all pairs
    of the group in order, which stays so until the first list from the stack.
    """
    nodes, value, sets, width = trees.nodes, trees.value, trees.sets, trees.value.shape[1]
    ends, rates, lows, highs, whos, waiting = groups.ends, groups.rates, room.low, room.high, room.who, room.waiting
    first, n_pairs, n_features = groups.first[g], groups.first[g + 1] - groups.first[g], np.uint64(player_of.size)
    output, any_tied, last_value, n_events = np.int64(trees.output[t]), False, room.last_value, 0
    waiting[0]["node"], waiting[0]["start"], waiting[0]["stop"] = trees.root[t], np.uint64(0), n
    top = _ONE
    while top > 0:
        top -= _ONE
        place = np.uint64(waiting[top]["node"])
        start, stop = np.uint64(waiting[top]["start"]), np.uint64(waiting[top]["stop"])
        arena = start + ((stop - start + _SEVEN) & ~_SEVEN)  # a store of eight may reach so far
        while stop > start:
            node = nodes[place]
            if node["feature"] < 0 and events.size:
                for i in range(start, stop):
                    who = whos[np.uint64(i)]
                    pair = who & _PAIR
                    for v in range(width):
                        new = value[place, v]
                        jump = new - last_value[pair, v]
                        last_value[pair, v] = new
                        if jump != 0.0:
                            if n_events < events.size:
                                event = events[n_events]
                                event["alpha"], event["jump"], event["pair"] = lows[np.uint64(i)], jump, pair
                                event["player"], event["margin"] = (who >> _OPENER) & _PLAYER, output + v
                            n_events += 1
                break
            if node["feature"] < 0:
                if whole and width == 1:  # the leaf of the anchor
                    new = value[place, 0]
                    for i in range(stop):
                        last_value[np.uint64(i), 0] = new
                elif width == 1:
                    new = value[place, 0]
                    for i in range(start, stop):
                        who = whos[np.uint64(i)]
                        pair = who & _PAIR
                        credits[output, (who >> _OPENER) & _PLAYER, first + pair] += sign * (new - last_value[pair, 0])
                        last_value[pair, 0] = new
                else:
                    for i in range(start, stop):
                        who = whos[np.uint64(i)]
                        pair, player = who & _PAIR, (who >> _OPENER) & _PLAYER
                        for v in range(width):
                            new = value[place, v]
                            credits[output + v, player, first + pair] += sign * (new - last_value[pair, v])
                            last_value[pair, v] = new
                break
            feature = np.uint64(node["feature"])
            anchor_left = goes_left(groups.anchor[g, feature], node, sets)
            threshold, shift = node["threshold"], node["place"] - groups.anchor_place[g, feature]
            player = np.uint64(player_of[feature])
            jumps = groups.jumps[g, feature] or node["flags"] & CATEGORICAL != 0
            base = first * n_features + feature * n_pairs
            near_stop, far_stop = start, arena
            if lanes is None or jumps:
                for i in range(start, stop):
                    low, high, who = lows[np.uint64(i)], highs[np.uint64(i)], whos[np.uint64(i)]
                    pair = who & _PAIR
                    x, rate = ends[base + pair], rates[base + pair]
                    left, alpha = x <= threshold, np.rint(shift * rate)
                    if jumps:
                        left = goes_left(x, node, sets)
                        alpha = alpha if rate != 0.0 else HALF
                    alpha = alpha if left != anchor_left else np.inf
                    before, after = alpha < high, low < alpha
                    if alpha != np.inf and (alpha == low or alpha == high):
                        opener, closer = (who >> _OPENER) & _PLAYER, (who >> _CLOSER) & _PLAYER
                        if (alpha == low and opener != player) or (alpha == high and closer != player):
                            tied[pair] = any_tied = True
                    lows[near_stop], highs[near_stop] = low, alpha if before else high
                    whos[near_stop] = (who & _NO_CLOSER) | (player << _CLOSER) if before else who
                    near_stop += np.uint64(after)
                    lows[far_stop], highs[far_stop] = alpha if after else low, high
                    whos[far_stop] = (who & _NO_OPENER) | (player << _OPENER) if after else who
                    far_stop += np.uint64(before)
            else:
                never, pair_bits = spread(np.inf), spread(_PAIR)
                no_opener, opener = spread(_NO_OPENER), spread(player << _OPENER)
                no_closer, closer = spread(_NO_CLOSER), spread(player << _CLOSER)
                thresholds, shifts, bases = spread(threshold), spread(shift), spread(base)
                anchors_left = spread_flag(anchor_left)
                i = start
                while i < stop:
                    tail = first_lanes(stop - i)
                    who = load(whos, i)
                    index = word_add(word_and(who, pair_bits), bases)
                    x = load(ends, base + i) if whole else gather(ends, index, tail)
                    crosses = both(differ(at_most(x, thresholds), anchors_left), tail)
                    if near_stop == i and bits_of(crosses) == 0:  # all of them stay, where they are
                        near_stop += count(tail)
                        i += _EIGHT
                        continue
                    low, high = load(lows, i), load(highs, i)
                    rate = load(rates, base + i) if whole else gather(rates, index, tail)
                    alpha = choose(crosses, rounded(times(shifts, rate)), never)
                    before, after = both(less(alpha, high), tail), both(less(low, alpha), tail)
                    opens, closes = (
                        bits_of(both(crosses, equal(alpha, low))),
                        bits_of(both(crosses, equal(alpha, high))),
                    )
                    if opens | closes:
                        for k in range(N_LANES):
                            one, lane = whos[i + np.uint64(k)], np.uint64(k)
                            is_other_opener = (opens >> lane) & _ONE and (one >> _OPENER) & _PLAYER != player
                            if is_other_opener or ((closes >> lane) & _ONE and (one >> _CLOSER) & _PLAYER != player):
                                tied[one & _PAIR] = any_tied = True
                    nearer = choose(before, word_or(word_and(who, no_closer), closer), who)
                    if whole:
                        store(highs, i, choose(before, alpha, high))
                        store(whos, i, nearer)
                    else:
                        store(lows, near_stop, compress(low, after))
                        store(highs, near_stop, compress(choose(before, alpha, high), after))
                        store(whos, near_stop, compress(nearer, after))
                    near_stop += count(after)
                    farther = choose(after, word_or(word_and(who, no_opener), opener), who)
                    store(lows, far_stop, compress(choose(after, alpha, low), before))
                    store(highs, far_stop, compress(high, before))
                    store(whos, far_stop, compress(farther, before))
                    far_stop += count(before)
                    i += _EIGHT
            if far_stop > arena:
                waiting[top]["node"] = node["right"] if anchor_left else node["left"]
                waiting[top]["start"], waiting[top]["stop"] = arena, far_stop
                top += _ONE
                arena = far_stop
            stop, place = near_stop, np.uint64(node["left"] if anchor_left else node["right"])
        whole = False
    return any_tied, n_events


@kernel
def batch_credits(lanes, trees, first_tree, last_tree, player_of, groups, n_tied, tied, credits):
    """Add the attributions of the margins from the anchors to the other ends, for some of the trees.

    lanes: LANES, or None for the plain loop. player_of (n_features,) names the player of every column. credits
    (n_margins, n_players + 1, n_pairs): a list comes to a leaf with one player and neighbouring pairs; the last player
    is nobody. tied (n_trees, n_pairs) is set where a pair ties
    in a tree: its credits of this tree are left to `tree_tie`. n_tied (n_pairs,) counts them, of all
    trees so far.
    """
    room, no_events = new_room(groups, trees.depth, trees.value.shape[1]), np.empty(0, JUMP)
    nobody = np.uint64(credits.shape[1] - 1)
    for g in range(groups.first.size - 1):
        first, last = groups.first[g], groups.first[g + 1]
        ties, seen = n_tied[first:last], n_tied[first:last].any()
        for t in range(first_tree, last_tree):
            marks = tied[t - first_tree, first:last]
            if seen:
                left_out = ties * 4 > t + _FREE_TIES
                n = list_chosen(room, ~left_out, nobody)
            else:
                n = _list_pairs(room, last - first, nobody)
            whole = n == last - first
            if walk(lanes, trees, t, player_of, groups, g, room, n, whole, 1.0, marks, credits, no_events)[0]:
                n = list_chosen(room, marks, nobody)
                walk(lanes, trees, t, player_of, groups, g, room, n, False, -1.0, marks, credits, no_events)
            if seen:
                marks |= left_out
            ties += marks
            seen = seen or ties.any()
