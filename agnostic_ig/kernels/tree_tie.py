"""Integrated Gradients of the margin, one pair and one tree at a time, where several players cross at one alpha.

A leaf is alive on one interval of the path: it opens with its last opener (a node that sends the leaf's side to the
input) and closes with its first closer (a node that sends it to the baseline). With the openers A at its opening alpha
and the closers B at its closing alpha, its indicator there is the game ``[T contains A][T misses B]``, whose Shapley
value is ``(|A|-1)! |B|! / (|A|+|B|)!`` for each of A and ``-|A|! (|B|-1)! / (|A|+|B|)!`` for each of B (opposite sets
count only where both alphas are one). Leaves add up, so this is the Shapley value of the ensemble over the tie.

Every member of A gets the same from a leaf. So a subtree reports one sum for the openers at its opening alpha and one
for the closers at its closing alpha, and a node credits its player once, whatever the number of leaves and of players
(the idea of interventional TreeSHAP, Lundberg et al. 2020, here for intervals of the path).
"""

import numpy as np

from agnostic_ig.kernels._jit import kernel
from agnostic_ig.kernels.tree_nodes import crossing_alpha, goes_left

__all__ = ["tied_credits"]

# A node whose two children are both met: what it needs when one of them is done.
_FRAME = np.dtype(
    [
        ("low", np.float64),
        ("high", np.float64),
        ("alpha", np.float64),
        ("opened", np.float64),  # where its player opened and closed on the path before
        ("closed", np.float64),
        ("far", np.uint32),
        ("player", np.int32),
        ("n_open", np.int32),
        ("n_closed", np.int32),
        ("in_far", np.int32),
    ],
    align=True,
)


@kernel
def _shares(size):
    """shares[own, other] = (own - 1)! other! / (own + other)!, for one of `own` players against `other` opponents."""
    shares = np.zeros((size, size))
    for own in range(1, size):
        shares[own, 0] = 1.0 / own
        for other in range(1, size):
            shares[own, other] = shares[own, other - 1] * other / (own + other)
    return shares


@kernel
def tied_credits(single, trees, first_tree, last_tree, player_of, pairs, tied, credits):
    """Add the attributions of the margins, pair by pair, for the trees in which a pair is marked.

    pairs (n_pairs, n_features) of COLUMN; player_of (n_features,) names the player of every column; tied (n_trees,
    n_pairs); credits (n_pairs, n_players, n_margins).

    single is True where leaves have one value, which stays in registers then, and None where they have several.

    One loop, because calls with arrays are dear. `opens` and `closes` are what the subtree just done reports.
    """
    nodes, value, sets, width = trees.nodes, trees.value, trees.sets, trees.value.shape[1]
    frames, shares = np.empty(trees.depth + 1, _FRAME), _shares(trees.depth + 2)
    opened_at, closed_at = np.full(credits.shape[1], np.nan), np.full(credits.shape[1], np.nan)
    near_opens, near_closes = np.empty((trees.depth + 2, width)), np.empty((trees.depth + 2, width))
    opens, closes = np.empty(width), np.empty(width)
    for tree in range(first_tree, last_tree):
        root, output = np.uint32(trees.root[tree]), np.int64(trees.output[tree])
        for p in range(pairs.shape[0]):
            if not tied[tree - first_tree, p]:
                continue
            place, low, high, n_open, n_closed, top = root, -np.inf, np.inf, np.int64(0), np.int64(0), np.uint32(0)
            while True:
                node = nodes[place]
                if node["feature"] >= 0:
                    column = pairs[p, np.uint32(node["feature"])]
                    b_left = goes_left(column["b"], node, sets)
                    near = np.uint32(node["left"] if b_left else node["right"])
                    if goes_left(column["x"], node, sets) == b_left:
                        place = near
                        continue
                    far = np.uint32(node["right"] if b_left else node["left"])
                    alpha, player = crossing_alpha(node, column), np.uint32(player_of[np.uint32(node["feature"])])
                    if alpha < low or (alpha == low and opened_at[player] == low):
                        place = far
                        continue
                    if alpha > high or (alpha == high and closed_at[player] == high):
                        place = near
                        continue
                    frame = frames[top]
                    frame["low"], frame["high"], frame["alpha"], frame["far"] = low, high, alpha, far
                    frame["opened"], frame["closed"] = opened_at[player], closed_at[player]
                    frame["player"], frame["n_open"], frame["n_closed"], frame["in_far"] = player, n_open, n_closed, 0
                    top += np.uint32(1)
                    closed_at[player] = alpha
                    n_closed = n_closed + 1 if alpha == high else np.int64(1)
                    place, high = near, alpha
                    continue
                inside = low == high  # alive only between the moves of one tie
                open_share = shares[n_open, n_closed if inside else 0]
                closed_share = shares[n_closed, n_open if inside else 0]
                if single is None:
                    for v in range(width):
                        opens[v], closes[v] = open_share * value[place, v], closed_share * value[place, v]
                else:
                    open_one, close_one = open_share * value[place, 0], closed_share * value[place, 0]
                while top > 0:
                    frame = frames[top - np.uint32(1)]
                    low, high, alpha, player = frame["low"], frame["high"], frame["alpha"], np.uint32(frame["player"])
                    if not frame["in_far"]:
                        if single is None:
                            for v in range(width):
                                credits[p, player, output + v] -= closes[v]
                                near_opens[top, v], near_closes[top, v] = opens[v], closes[v]
                        else:
                            credits[p, player, output] -= close_one
                            near_opens[top, 0], near_closes[top, 0] = open_one, close_one
                        frame["in_far"] = 1
                        opened_at[player], closed_at[player] = alpha, frame["closed"]
                        n_open = np.int64(frame["n_open"]) + 1 if alpha == low else np.int64(1)
                        n_closed = np.int64(frame["n_closed"])
                        place, low = np.uint32(frame["far"]), alpha
                        break
                    if single is None:
                        for v in range(width):
                            credits[p, player, output + v] += opens[v]
                            opens[v] = near_opens[top, v] + (opens[v] if alpha == low else 0.0)
                            closes[v] = closes[v] + (near_closes[top, v] if alpha == high else 0.0)
                    else:
                        credits[p, player, output] += open_one
                        open_one = near_opens[top, 0] + (open_one if alpha == low else 0.0)
                        close_one = close_one + (near_closes[top, 0] if alpha == high else 0.0)
                    opened_at[player] = frame["opened"]
                    top -= np.uint32(1)
                else:
                    break
