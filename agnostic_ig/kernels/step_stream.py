"""What jumps along the paths of many pairs do to the margins, one alpha after the other, and inside one tie."""

from agnostic_ig.kernels._jit import kernel

__all__ = ["running_margins", "tie_margins"]


@kernel
def running_margins(pair, changes, starts, before):
    """before[i] = margins (n_groups, n_margins) of pair[i] just before its i-th change; pairs stand together."""
    for i in range(pair.size):
        is_first = i == 0 or pair[i - 1] != pair[i]
        for k in range(changes.shape[1]):
            before[i, k] = starts[pair[i], k] if is_first else before[i - 1, k] + changes[i - 1, k]


@kernel
def tie_margins(terms, member, values, local, moved, margins):
    """Add to margins (n_states, n_margins), as before the tie, what the players in moved (n_states, k) change.

    terms (n,) of TERM at one alpha, values (n, n_margins) of their leaves, member: the players they name, local: place
    of each player in `moved`. A leaf is alive once all of its openers have moved, and until one of its closers has.
    """
    for i in range(terms.size):
        first = terms[i]["first"]
        middle = first + terms[i]["n_open"]
        last = middle + terms[i]["n_closed"]
        was_alive = terms[i]["n_open"] == 0
        for s in range(moved.shape[0]):
            alive = True
            for m in range(first, middle):
                alive = alive and moved[s, local[member[m]]]
            for m in range(middle, last):
                alive = alive and not moved[s, local[member[m]]]
            if alive != was_alive:
                for k in range(margins.shape[1]):
                    margins[s, k] += values[i, k] if alive else -values[i, k]
