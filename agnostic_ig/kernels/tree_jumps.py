"""Integrated Gradients through a link, for many pairs: their jumps, found by `tree_batch`, in the order of alpha.

Every jump of the margin moves the output by what the link makes of it; where all jumps at one alpha are of one player,
that player gets it whole. Pairs whose players tie are left to `tree_link`.
"""

import numpy as np

from agnostic_ig.kernels._jit import kernel
from agnostic_ig.kernels.links import apply_link, link_of_one
from agnostic_ig.kernels.tree_batch import JUMP, list_chosen, new_room, walk
from agnostic_ig.kernels.tree_nodes import order_by_alpha

__all__ = ["linked_batch_credits"]


@kernel
def _note_group(lanes, trees, player_of, groups, g, room, tied, events):
    """All jumps of a group's pairs that never tie inside a tree; returns the events, in more room if need be, and n."""
    n_events, nobody, no_credits = 0, np.uint64(0), np.empty((0, 0, 0))
    for t in range(trees.root.size):
        while True:
            n = list_chosen(room, ~tied, nobody)
            whole = n == tied.size
            room_left = events[n_events:]
            added = walk(lanes, trees, t, player_of, groups, g, room, n, whole, 1.0, tied, no_credits, room_left)[1]
            if n_events + added < events.size:
                break
            larger = np.empty(2 * events.size + added, JUMP)
            for i in range(n_events):
                larger[i] = events[i]
            events = larger
        n_events += added
    return events, n_events


@kernel
def _in_order(events, n_events, n_pairs):
    """Places of the events, pair after pair and there by alpha, and where every pair begins."""
    border, cursor = np.zeros(n_pairs + 1, np.int64), np.empty(n_pairs, np.int64)
    for i in range(n_events):
        border[events[i]["pair"] + 1] += 1
    for p in range(n_pairs):
        cursor[p] = border[p]
        border[p + 1] += border[p]
    of_pair, alphas = np.empty(n_events, np.int64), np.empty(n_events)
    for i in range(n_events):
        pair = events[i]["pair"]
        of_pair[cursor[pair]], alphas[cursor[pair]] = i, events[i]["alpha"]
        cursor[pair] += 1
    order, bins, first = np.empty(n_events, np.int64), np.empty(n_events, np.int64), np.empty(n_events + 1, np.int64)
    for p in range(n_pairs):
        a, b = border[p], border[p + 1]
        order_by_alpha(alphas[a:b], order[a:b], bins[a:b], first[a : b + 1])
        for i in range(a, b):
            order[i] = of_pair[a + order[i]]
    return order, border


@kernel
def _credit_events(events, order, start_margins, room, link, credits):
    """Send the jumps of one pair through the link, in order; returns whether two players jump at one alpha.

    start_margins (n_margins,): what no tree adds; the jumps at -inf bring it to the baseline. room (3, n_margins).
    """
    n_margins, i = start_margins.size, 0
    margins, before, after = room[0], room[1], room[2]
    for k in range(n_margins):
        margins[k] = start_margins[k]
    while i < order.size and events[order[i]]["alpha"] == -np.inf:
        margins[events[order[i]]["margin"]] += events[order[i]]["jump"]
        i += 1
    apply_link(link, margins, before)
    while i < order.size:
        alpha, player = events[order[i]]["alpha"], events[order[i]]["player"]
        while i < order.size and events[order[i]]["alpha"] == alpha:
            if events[order[i]]["player"] != player:
                return True
            margins[events[order[i]]["margin"]] += events[order[i]]["jump"]
            i += 1
        if n_margins == 1:
            now = link_of_one(link, margins[0])
            credits[player, 0] += now - before[0]
            before[0] = now
        else:
            apply_link(link, margins, after)
            for k in range(n_margins):
                credits[player, k] += after[k] - before[k]
                before[k] = after[k]
    return False


@kernel
def linked_batch_credits(lanes, trees, player_of, groups, start_margins, link, tied, credits):
    """Add the attributions of g(margins) to credits (n_pairs, n_players, n_margins) for the pairs that never tie.

    link is a value of `LINKS`, start_margins (n_margins,) what no tree adds. tied (n_pairs,) marks pairs that are not
    to be tried, and afterwards those that tie: they get nothing and are left to `tree_link.linked_credits`.
    """
    room, events = new_room(groups, trees.depth, trees.value.shape[1]), np.empty(4096, JUMP)
    margins = np.empty((3, start_margins.size))
    for g in range(groups.first.size - 1):
        first, last = groups.first[g], groups.first[g + 1]
        marks = tied[first:last]
        events, n_events = _note_group(lanes, trees, player_of, groups, g, room, marks, events)
        order, border = _in_order(events, n_events, marks.size)
        for p in range(marks.size):
            if not marks[p]:
                own, here = order[border[p] : border[p + 1]], credits[first + np.uint64(p)]
                if _credit_events(events, own, start_margins, margins, link, here):
                    marks[p] = True
                    here[:] = 0.0
