"""Group tests of the numeric engine: who is moved, and how far answers are from what single effects say."""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["MOST", "defects_of_groups", "draw_codes", "groups_of_bits", "nearest_sums", "random_groups", "rule_out"]

MOST = 4  # players whose crossings are told apart inside an interval


@kernel
def _child(key, number):
    """As numerics.hashing.child_keys."""
    z = key + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(number) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def random_groups(keys, number, moving, out):
    """Every moving player with probability one half, by keys (n,) and number (n,); moving, out (n, n_players) bool.

    The half is the highest bit of the player's own number.
    """
    for i in range(out.shape[0]):
        parent = _child(keys[i], number[i])
        for j in range(out.shape[1]):
            out[i, j] = moving[i, j] and (_child(parent, j) >> np.uint64(63)) == 0


@kernel
def draw_codes(keys, moving, code):
    """Number the moving players of every interval in an order drawn from its key; keys (n,), the rest (n, n_players).

    By counting who has drawn less: among so few the fastest way.
    """
    draw = np.empty(moving.shape[1], np.uint64)
    for i in range(moving.shape[0]):
        parent = _child(keys[i], 11)
        for j in range(moving.shape[1]):
            draw[j] = _child(parent, j) >> np.uint64(1) if moving[i, j] else np.uint64(0xFFFFFFFFFFFFFFFF)
        for j in range(moving.shape[1]):
            rank = np.int32(0)
            for other in range(moving.shape[1]):
                rank += draw[other] < draw[j]
            code[i, j] = rank


@kernel
def groups_of_bits(code, moving, which, bit, out):
    """out[i] = the moving players of interval which[i] whose code has bit[i]; which, bit (n,); out (n, n_players)."""
    for i in range(which.shape[0]):
        w, mask = which[i], np.int32(1 << bit[i])
        for j in range(out.shape[1]):
            out[i, j] = moving[w, j] and (code[w, j] & mask) != 0


@kernel
def rule_out(which, group, answers, f_low, f_high, limit, candidates):
    """Take from candidates[which[i]] what group[i] did nothing with, and who is not in it where it did everything.

    which (n,); group (n, n_players); answers (n, n_outputs); f_low, f_high, limit (n_intervals, n_outputs).
    """
    for i in range(which.shape[0]):
        w = which[i]
        did_nothing, did_all = True, True
        for k in range(answers.shape[1]):
            did_nothing = did_nothing and abs(answers[i, k] - f_low[w, k]) <= limit[w, k]
            did_all = did_all and abs(answers[i, k] - f_high[w, k]) <= limit[w, k]
        if did_nothing or did_all:
            for j in range(group.shape[1]):
                if did_nothing if group[i, j] else did_all:
                    candidates[w, j] = False


@kernel
def _with_effect(effects, players, n_players):
    """Fill in who has an effect in every interval, players (n_intervals, n_players), and how many these are."""
    for w in range(effects.shape[0]):
        n = 0
        for j in range(effects.shape[1]):
            has_effect = False
            for k in range(effects.shape[2]):
                has_effect = has_effect or effects[w, j, k] != 0.0
            players[w, n] = j  # written over by the next one if it has none
            n += has_effect
        n_players[w] = n


@kernel
def defects_of_groups(which, group, answers, f_low, effects, found):
    """found[w] = at most how far group[i] with which[i] = w is from f_low[w] + the sum of its effects; nan is infinity.

    which (n,); group (n, n_players); answers (n, n_outputs); f_low, found (n_intervals, n_outputs);
    effects (n_intervals, n_players, n_outputs). Few players have an effect.
    """
    players, n_players = np.empty(effects.shape[:2], np.int32), np.empty(effects.shape[0], np.int64)
    _with_effect(effects, players, n_players)
    for i in range(which.shape[0]):
        w = which[i]
        for k in range(answers.shape[1]):
            said = f_low[w, k]
            for p in range(n_players[w]):
                j = players[w, p]
                said += effects[w, j, k] if group[i, j] else 0.0
            apart = abs(answers[i, k] - said)
            found[w, k] = max(found[w, k], apart if apart == apart else np.inf)


@kernel
def _size(effects, w, j):
    """Of the largest effect of player j in interval w on any output."""
    size = 0.0
    for k in range(effects.shape[2]):
        size = max(size, abs(effects[w, j, k]))
    return size


@kernel
def _largest(effects, w, player, sizes):
    """Fill in the players with the MOST largest effects in interval w, and their sizes; returns how many there are."""
    n = 0
    for j in range(effects.shape[1]):
        size = _size(effects, w, j)
        if size == 0.0 or (n == MOST and sizes[MOST - 1] >= size):
            continue
        place = min(n, MOST - 1)
        while place > 0 and sizes[place - 1] < size:
            player[place], sizes[place] = player[place - 1], sizes[place - 1]
            place -= 1
        player[place], sizes[place] = j, size
        n = min(n + 1, MOST)
    return n


@kernel
def nearest_sums(change, which, effects, found):
    """found[i] = |change[i] - s| for the nearest sum s of some of the MOST largest effects[which[i]].

    change, found (n, n_outputs); effects (n_intervals, n_players, n_outputs).
    """
    player, sizes = np.empty(MOST, np.int64), np.empty(MOST)
    apart = np.empty(change.shape[1])
    for i in range(change.shape[0]):
        w = which[i]
        n = _largest(effects, w, player, sizes)
        nearest = np.inf
        for subset in range(1 << n):
            worst = 0.0
            for k in range(change.shape[1]):
                apart[k] = change[i, k]
                for p in range(n):
                    if subset >> p & 1:
                        apart[k] -= effects[w, player[p], k]
                apart[k] = abs(apart[k])
                worst = max(worst, apart[k])
            if worst < nearest:
                nearest = worst
                for k in range(change.shape[1]):
                    found[i, k] = apart[k]
