"""Stepped paths: cut them until the effects of single players explain every interval.

An interval is explained when its players act independently in it, by the group tests of `numeric_groups` or, in
log-odds, of `numeric_logit`. Otherwise it is cut at a random place near its middle (never at a round number: data that
cross at one half would make up a state in between). Intervals that are still not explained when they are narrower
than NARROWEST are ties, or jumps across slanted surfaces (`numeric_surface`); some explained jumps are looked at once
more, because single players may seem to explain a slanted one.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Settings
from agnostic_ig.engines.numeric_found import Found
from agnostic_ig.engines.numeric_groups import GroupTests, explain
from agnostic_ig.engines.numeric_limits import NARROWEST, narrowest, no_change
from agnostic_ig.engines.numeric_pieces import EFFORTS, is_at_half
from agnostic_ig.engines.numeric_search import Search
from agnostic_ig.engines.numeric_smooth import ROUNDING, SIGMAS
from agnostic_ig.engines.numeric_surface import (
    HALVES,
    PLACES,
    PLANE,
    halves_disagree,
    largest_jump,
    located,
    looks_slanted,
    shares_of_surface,
    single_players_fail,
    stands_alone,
)
from agnostic_ig.engines.numeric_tie import Intervals, Settled, by_size, rank_within, settle

__all__ = ["refine", "settle_at_half", "share_jumps"]

LOOK = 100  # model rows that this may cost for one of them
BESIDE = 1e-4  # how close to a slanted jump players that move alone may cross its surface
LOOKED_AT = 2  # explained jumps of a pair that are looked at for slanted surfaces
BENT = 4.0  # of a slanted jump that is not measured: what a share may be, and more than 1 where others are negative
LOOKED_AT_BESIDE = 6  # the same of jumps beside a slope
FOUND = 3e-7  # how finely shares of a slanted surface are known
AT_A_JUMP = GroupTests(ends=3, inside=0, again=0)  # of a known place: nothing else is near


def refine(asker: Any, pairs: np.ndarray, settings: Settings, values: np.ndarray, error: np.ndarray) -> None:
    """Add the attributions of the pairs to values, and their error estimates to error."""
    poor = asker.remaining(pairs) < 2 * asker.moving[pairs].sum(axis=1) + 2
    error[pairs[poor]] = np.where(asker.moving[pairs[poor]][:, :, None], np.inf, 0.0)  # nobody has looked
    pairs = pairs[~poor]
    if len(pairs) == 0:
        return
    search = Search(asker, pairs, EFFORTS[settings.thoroughness])
    search.run(values, error)
    ties = Intervals.joined([search.ties, _slanted_after_all(asker, search.found)])
    search.found.credit(values, error)
    _settle_ties(asker, ties, search.limit, values, error)
    # What tests have passed adds up; where the sum does not, nobody knows whose it is.
    gap = np.abs(values[pairs].sum(axis=1) - (asker.f_x - asker.f_b)[pairs])
    gap = np.where(gap > search.limit[pairs], gap, 0.0)
    error[pairs] += gap[:, None, :] * asker.moving[pairs][:, :, None]
    _add_rounding(asker, search.found, error)


def _add_rounding(asker: Any, found: Found, error: np.ndarray) -> None:
    """What rounding of short answers makes of the effects of a player: each is the difference of two of them."""
    if asker.precision is np.float64:
        return
    count = np.zeros(error.shape)
    np.add.at(count, found.intervals.pair, found.effects != 0)
    error += SIGMAS * ROUNDING[asker.precision] * asker.size[:, None, None] * np.sqrt(2.0 * count)


def share_jumps(asker: Any, jumps: Intervals, values: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Add what jumps in narrow intervals credit, the largest of every pair first, as far as its budget goes.

    Returns the pairs that cross slanted surfaces.
    """
    threshold, n_moving = no_change(asker), asker.moving.sum(axis=1)
    jumps, slanted = _share_slanted(asker, jumps[by_size(jumps)], values, error)
    ties, queue = Intervals.none(len(asker.outputs)), jumps
    cost = AT_A_JUMP.cost(n_moving) + 2 * n_moving
    while len(queue):
        kept = 2 * n_moving * np.bincount(ties.pair, minlength=len(n_moving))
        can = (asker.remaining(np.arange(len(n_moving))) - kept) // cost
        affordable, ends = rank_within(queue.pair) < can[queue.pair], can[queue.pair] <= 0
        lost, now, queue = queue[ends], queue[affordable & ~ends], queue[~affordable & ~ends]
        sizes = np.abs(lost.f_high - lost.f_low)[:, None, :] * asker.moving[lost.pair][:, :, None]
        np.add.at(error, lost.pair, sizes)
        explained, effects, defect = explain(asker, now, threshold[now.pair], AT_A_JUMP)
        np.add.at(values, now.pair[explained], effects[explained])
        np.add.at(error, now.pair[explained], defect[explained][:, None, :] * (effects[explained] != 0))
        ties = Intervals.joined([ties, now[~explained]])
    _settle_ties(asker, ties, threshold, values, error)
    return slanted


def _share_slanted(asker: Any, jumps: Intervals, values: np.ndarray, error: np.ndarray) -> tuple[Intervals, np.ndarray]:
    """Share jumps across slanted surfaces beside a slope; returns all others, in their order, and the pairs of these.

    Some jumps of every pair are looked at, and all of them where one of these is slanted. What is slanted but no
    plane, or cannot be looked at any more, stays, and all of it is error, too.
    """
    n_moving = asker.moving[jumps.pair].sum(axis=1)
    fits = ~is_at_half(asker, jumps) & (n_moving > 1)
    looked = fits & _some_of_each_pair(jumps.pair)
    looked &= asker.remaining(jumps.pair) >= LOOKED_AT_BESIDE * 3 * HALVES + 2 * n_moving
    slanted = looked.copy()
    slanted[looked] = halves_disagree(asker, jumps[looked])
    slanted[slanted] = _slants(asker, jumps[slanted])
    others = fits & ~slanted & np.isin(jumps.pair, jumps.pair[slanted])
    payable = others & (rank_within(jumps.pair) < asker.remaining(jumps.pair) // (8 * n_moving + 1))
    slanted[payable] = _slants(asker, jumps[payable])
    room = asker.remaining(jumps.pair) // 2
    plane = slanted.copy()
    plane[slanted] = _credit_surfaces(asker, jumps[slanted], room[slanted], values, error)[0]
    lost = (slanted & ~plane) | (others & ~payable)
    sizes = BENT * np.abs(jumps.f_high - jumps.f_low)[lost, None, :] * asker.moving[jumps.pair[lost]][:, :, None]
    np.add.at(error, jumps.pair[lost], sizes)
    return jumps[~plane], np.unique(jumps.pair[slanted])


def _some_of_each_pair(pair: np.ndarray) -> np.ndarray:
    """(n,): the first half of LOOKED_AT_BESIDE entries of every pair, and as many at equal distances behind them."""
    rank, count = rank_within(pair), np.bincount(pair)[pair]
    first = LOOKED_AT_BESIDE // 2
    distance = np.maximum(1, (count - first) // (LOOKED_AT_BESIDE - first))
    behind = rank - first
    return (behind < 0) | ((behind % distance == distance // 2) & (behind // distance < LOOKED_AT_BESIDE - first))


def _slants(asker: Any, jumps: Intervals) -> np.ndarray:
    """(n_jumps,): slanted, with nothing else just before them."""
    slanted = stands_alone(asker, jumps)
    slanted[slanted] = looks_slanted(asker, jumps[slanted])
    return slanted


def settle_at_half(asker: Any, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attributions, and their error, of what happens at one half in these pairs."""
    low, high = 0.5 - narrowest(asker)[pairs] / 2, 0.5 + narrowest(asker)[pairs] / 2
    ends = asker.ask_path(pairs, low), asker.ask_path(pairs, high)
    settled = settle(asker, Intervals(pairs, low, high, *ends, asker.block.seeds[pairs]), no_change(asker)[pairs])
    return settled.values, settled.error


# --- ties ----------------------------------------------------------------------------------------------------------


def _settle_ties(asker: Any, ties: Intervals, threshold: np.ndarray, values: np.ndarray, error: np.ndarray) -> None:
    """Share what happens at once: across a slanted surface by its normal, and the rest by the Shapley value.

    What happens at one half is not looked at: it has no place of its own. Nor is what has a smooth part beside it.
    """
    ties = ties[by_size(ties)]
    rank = rank_within(ties.pair)
    settle_now = is_at_half(asker, ties) | asker.moves_smoothly[ties.pair]
    n_moving = asker.moving[ties.pair].sum(axis=1)
    n_ties = np.bincount(ties.pair, minlength=len(asker.block))[ties.pair]
    room = asker.remaining(ties.pair) - 2 * n_moving * n_ties
    looked = ~settle_now & (rank < room // (4 * n_moving + 1))
    looked[looked] = stands_alone(asker, ties[looked])
    slanted = looked.copy()
    slanted[looked] = looks_slanted(asker, ties[looked])
    plane = slanted.copy()
    plane[slanted], slanted[slanted] = _credit_surfaces(
        asker, ties[slanted], (asker.remaining(ties.pair) - 2 * n_moving * n_ties)[slanted], values, error
    )
    rest = ~plane & ~_is_beside(ties, plane, threshold)
    settled = settle(asker, ties[rest], threshold[ties.pair[rest]])
    # It failed its tests, so players interact in it; if they seem not to, it is none of the kinds known here.
    doubtful = ~settle_now & (slanted | ~looked)
    _add(asker, ties[rest], settled, doubtful[rest] | (settled.is_additive() & ~settle_now[rest]), values, error)


def _is_beside(ties: Intervals, plane: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """(n_ties,): the path does not jump there, but it crosses a slanted surface close by, where single players do."""
    still = (np.abs(ties.f_high - ties.f_low) <= threshold[ties.pair]).all(axis=1)
    close = np.abs(ties.low[:, None] - ties.low[plane][None, :]) <= BESIDE
    return still & (close & (ties.pair[:, None] == ties.pair[plane][None, :])).any(axis=1)


def _credit_surfaces(
    asker: Any, jumps: Intervals, room: np.ndarray, values: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share jumps by the normals of their surfaces; returns which of them are planes, and which are slanted at all.

    room (n_jumps,): model rows that may be spent on all jumps of a pair. What cannot be paid for is taken as slanted.
    """
    cost = (PLACES + 2) * asker.moving[jumps.pair].sum(axis=1) + 60
    affordable = (rank_within(jumps.pair) + 1) * cost <= room
    some = jumps[affordable]
    shares, gap = shares_of_surface(asker, some)
    flat = gap <= PLANE
    jump = (some.f_high - some.f_low)[flat][:, None, :]
    size = np.maximum(gap, FOUND)[flat][:, None] * (np.abs(shares[flat]) + FOUND * asker.moving[some.pair[flat]])
    np.add.at(values, some.pair[flat], shares[flat][:, :, None] * jump)
    np.add.at(error, some.pair[flat], size[:, :, None] * np.abs(jump))
    plane, slanted = affordable.copy(), np.ones(len(jumps), dtype=bool)
    plane[affordable] = flat
    slanted[affordable] = ((shares != 0) & (np.abs(shares - 1.0) > PLANE)).any(axis=1)
    return plane, slanted


def _add(
    asker: Any, ties: Intervals, settled: Settled, doubtful: np.ndarray, values: np.ndarray, error: np.ndarray
) -> None:
    """Add the shares of ties, with their errors, and the size of all shares where in doubt."""
    size = np.abs(settled.values).sum(axis=1, keepdims=True) * asker.moving[ties.pair][:, :, None]
    np.add.at(values, ties.pair, settled.values)
    np.add.at(error, ties.pair, settled.error + size * doubtful[:, None, None])


# --- slanted surfaces among what seemed to be explained ---


def _slanted_after_all(asker: Any, found: Found) -> Intervals:
    """All jumps of the pairs in which one of the largest explained ones turns out to be slanted.

    Just where such a surface is crossed, single players may seem to explain it.
    """
    limit = no_change(asker)
    jumping = (np.abs(found.intervals.f_low - found.intervals.f_high) > limit[found.intervals.pair]).any(axis=1)
    order = np.flatnonzero(jumping & ~asker.moves_smoothly[found.intervals.pair])
    order = order[by_size(found.intervals[order])]
    some = found.intervals[order]
    looked = (rank_within(some.pair) < LOOKED_AT) & (asker.remaining(some.pair) >= LOOKED_AT * LOOK)
    jumps = largest_jump(asker, some[looked], NARROWEST["mixed"])
    active = (found.effects[order[looked]] != 0).any(axis=2)
    slanted = np.unique(jumps.pair[single_players_fail(asker, jumps, active)])
    taken = found.take(_largest_affordable(asker, found, np.isin(found.intervals.pair, slanted) & jumping))
    return located(asker, taken, NARROWEST["stepped"], limit)


def _largest_affordable(asker: Any, found: Found, doubtful: np.ndarray) -> np.ndarray:
    """Doubtful intervals that can be shared anew, the largest first; the others stay, all of them as defect, too."""
    order = np.flatnonzero(doubtful)
    order = order[by_size(found.intervals[order])]
    pair = found.intervals.pair[order]
    cost = (PLACES + 12) * asker.moving[pair].sum(axis=1) + LOOK
    rich = rank_within(pair) < asker.remaining(pair) // cost
    taken = np.zeros(len(doubtful), dtype=bool)
    taken[order[rich]] = True
    found.defect[order[~rich]] += np.abs(found.effects[order[~rich]]).sum(axis=1)
    return taken
