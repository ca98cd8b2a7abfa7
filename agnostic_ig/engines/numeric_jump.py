"""Stepped and mixed stretches of the path: cut it until the increments of single players explain every interval.

An interval is explained when players move independently in it: for random halves S of the moving players, and for
t at its end, at random places inside it, and just beside one of its jumps,
``f(S at t) + f(the others at t) = f(all at low) + f(all at t)``, and the increments of single players add up to the
change. Otherwise it is cut at a random place near its middle (never at
a round number: data that cross at one half would make up a state in between). Intervals that are still not
explained when they are narrower than NARROWEST are ties.

Tests inside the interval see what its ends cannot: effects that begin and end within it. Tests just beside a
jump see oblique surfaces: just behind it the path has crossed and no part of the moves alone may have, and just
before it the other way round.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Settings
from agnostic_ig.engines.numeric_tie import NOTHING, Intervals, Settled, half_and_half, settle
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["narrowest", "no_change", "refine", "settle_at_half"]

# Width of intervals that are cut no further. Stepped models may round to float32, which moves crossings that coincide
# in decimals apart by about 1e-7; a model that moves with every minute step does not.
NARROWEST = {"stepped": 5e-7, "mixed": 1e-8}
BISECTIONS = 18  # a jump is found this finely: shares of an oblique crossing that are smaller stay unseen
JUMP_TESTS = 2  # tests just before it, and as many just behind
# Settlings of one tie from evenly spread places: at an oblique crossing they differ.
SETTLINGS = 5
REACH = 5.0  # width of the interval of a settling, over that of the tie


@dataclass(frozen=True)
class Effort:
    """How hard to look: pieces cut before any test, and tests of every interval."""

    pieces: int
    tests: int


EFFORTS = {"fast": Effort(32, 6), "standard": Effort(64, 9), "thorough": Effort(256, 18)}


def refine(asker: Any, pairs: np.ndarray, settings: Settings, values: np.ndarray, error: np.ndarray) -> None:
    """Add the attributions of the pairs to values, and their error estimates to error."""
    if len(pairs) == 0:
        return
    effort = EFFORTS[settings.thoroughness]
    waiting, ties = _first_intervals(asker, pairs, effort.pieces)
    threshold = no_change(asker)
    while len(waiting):
        now, waiting, spent = _affordable(asker, waiting, ties, effort.tests)
        half_and_half(asker, spent, values, error)
        explained, credits, defect = _explain(asker, now, threshold, effort.tests)
        np.add.at(values, now.pair[explained], credits[explained])
        _add_defect(error, now[explained], credits[explained], defect[explained])
        failed = now[~explained]
        narrow = failed.high - failed.low <= narrowest(asker)[failed.pair]
        ties = Intervals.joined([ties, failed[narrow]])
        waiting = Intervals.joined([waiting, _cut(asker, failed[~narrow])])
    _settle_ties(asker, ties, threshold, values, error)


def settle_at_half(asker: Any, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attributions, and their error, of what happens at one half in these pairs."""
    low, high = 0.5 - narrowest(asker)[pairs] / 2, 0.5 + narrowest(asker)[pairs] / 2
    ends = asker.ask_path(pairs, low), asker.ask_path(pairs, high)
    settled = settle(asker, Intervals(pairs, low, high, *ends, asker.block.seeds[pairs]), no_change(asker)[pairs])
    return settled.values, settled.error


def narrowest(asker: Any) -> np.ndarray:
    """(n_pairs,): width of intervals that are cut no further, and of the one in which discrete moves happen."""
    return np.where(asker.moves_smoothly, NARROWEST["mixed"], NARROWEST["stepped"])


def no_change(asker: Any) -> np.ndarray:
    """(n_pairs, n_outputs): differences of the model that count as none, by what has been seen of it so far."""
    change = np.abs(asker.f_x - asker.f_b)
    return NOTHING * np.maximum(change, 0.01 * asker.size[:, None]) + 1e-300


# --- cutting -------------------------------------------------------------------------------------------------------


def _first_intervals(asker: Any, pairs: np.ndarray, pieces: int) -> tuple[Intervals, Intervals]:
    """The path of every pair in uneven pieces, and the ties at one half where something jumps there."""
    parts = [_pieces_of_pair(asker, p, pieces) for p in pairs]
    pair = np.repeat(pairs, [len(low) for low, _ in parts])
    low, high = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    number = np.concatenate([np.arange(len(part[0])) for part in parts])
    inner = low > 0.0
    f_low = asker.f_b[pair].copy()
    f_low[inner] = asker.ask_path(pair[inner], low[inner])
    f_high = asker.f_x[pair].copy()
    f_high[:-1][high[:-1] < 1.0] = f_low[1:][high[:-1] < 1.0]
    all_of_them = Intervals(pair, low, high, f_low, f_high, child_keys(asker.block.seeds[pair], number))
    at_half = _is_at_half(asker, all_of_them)
    return all_of_them[~at_half], all_of_them[at_half]


def _is_at_half(asker: Any, intervals: Intervals) -> np.ndarray:
    """The intervals in which discrete columns move."""
    return asker.jumps_at_half[intervals.pair] & (intervals.low == 0.5 - narrowest(asker)[intervals.pair] / 2)


def _pieces_of_pair(asker: Any, pair: int, pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the first intervals of one pair: as many as its budget can close twice over."""
    n_moving = int(asker.moving[pair].sum())
    pieces = int(np.clip(asker.remaining([pair])[0] // (4 * n_moving + 2), 1, pieces))
    shift = 0.3 * (uniform(child_keys(asker.block.seeds[pair], np.arange(pieces))) - 0.5)
    cuts = (np.arange(pieces)[1:] + shift[1:]) / pieces
    if asker.jumps_at_half[pair]:
        half_width = narrowest(asker)[pair] / 2
        cuts = cuts[np.abs(cuts - 0.5) > half_width]
        cuts = np.sort(np.append(cuts, [0.5 - half_width, 0.5 + half_width]))
    return np.append(0.0, cuts), np.append(cuts, 1.0)


def _cut(asker: Any, failed: Intervals) -> Intervals:
    """Both parts of every interval, cut in its middle sixth."""
    if len(failed) == 0:
        return failed
    share = 0.425 + 0.15 * uniform(child_keys(failed.key, 7001))
    middle = failed.low + share * (failed.high - failed.low)
    f_middle = asker.ask_path(failed.pair, middle)
    below = Intervals(failed.pair, failed.low, middle, failed.f_low, f_middle, child_keys(failed.key, 7002))
    above = Intervals(failed.pair, middle, failed.high, f_middle, failed.f_high, child_keys(failed.key, 7003))
    return Intervals.joined([below, above])


def _affordable(
    asker: Any, waiting: Intervals, ties: Intervals, n_tests: int
) -> tuple[Intervals, Intervals, Intervals]:
    """Intervals to look at now, later, and those of pairs that can only just close what is open.

    Every open interval, and every tie, keeps two rows a moving player in reserve, so that it can be closed.
    """
    n_moving = asker.moving.sum(axis=1)
    n_open = np.bincount(np.append(waiting.pair, ties.pair), minlength=len(n_moving))
    cost = 3 * n_tests + BISECTIONS + 4 * JUMP_TESTS + 3 * n_moving + 1
    can = np.maximum(asker.remaining(np.arange(len(n_moving))) - 2 * n_moving * n_open, 0) // cost
    widest_first = np.lexsort((waiting.low - waiting.high, waiting.pair))
    waiting = waiting[widest_first]
    rank = np.arange(len(waiting)) - np.searchsorted(waiting.pair, waiting.pair)
    now = rank < can[waiting.pair]
    spent = can[waiting.pair] == 0
    return waiting[now], waiting[~now & ~spent], waiting[spent]


# --- explaining ----------------------------------------------------------------------------------------------------


def _explain(
    asker: Any, now: Intervals, threshold: np.ndarray, n_tests: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which intervals are explained, by which credits, and the largest defect seen in their tests."""
    limit = threshold[now.pair]
    credits = np.zeros((len(now), asker.columns.n_players, now.f_low.shape[1]))
    defect, moved = np.zeros_like(now.f_low), (now.f_low != now.f_high).any(axis=1)
    alive = np.arange(len(now))
    for numbers in (range(1), range(1, n_tests)):
        stretches = _stretches(asker, now[alive], numbers)
        more, more_moved = _worst_defect(asker, stretches, numbers)
        defect[alive], moved[alive] = np.maximum(defect[alive], more), moved[alive] | more_moved
        alive = alive[(defect[alive] <= limit[alive]).all(axis=1)]
    busy = alive[moved[alive]]
    beside = _beside_a_jump(asker, now[busy]) * JUMP_TESTS
    numbers = range(n_tests, n_tests + len(beside))
    defect[busy] = np.maximum(defect[busy], _worst_defect(asker, beside, numbers)[0])
    busy = busy[(defect[busy] <= limit[busy]).all(axis=1)]
    credits[busy] = now[busy].forward(asker)
    gap = np.abs(credits.sum(axis=1) - (now.f_high - now.f_low))
    defect = np.maximum(defect, gap)
    return (defect <= limit).all(axis=1), credits, defect


def _worst_defect(asker: Any, stretches: list[Intervals], numbers: range) -> tuple[np.ndarray, np.ndarray]:
    """Largest defect of one random half on every stretch of the same intervals, and whether the model moved at all."""
    if len(stretches) == 0 or len(stretches[0]) == 0:
        n = len(stretches[0]) if stretches else 0
        return np.zeros((n, len(asker.outputs))), np.zeros(n, dtype=bool)
    joined = Intervals.joined(stretches)
    half = np.concatenate([part.random_halves(asker, n) for part, n in zip(stretches, numbers, strict=True)])
    others = asker.moving[joined.pair] & ~half
    answers = joined.ask(asker, np.tile(np.arange(len(joined)), 2), np.concatenate([half, others]))
    first, second = answers.reshape(2, len(joined), -1)
    defect = np.abs(first + second - joined.f_low - joined.f_high)
    moved = [(answer != joined.f_low).any(axis=1) for answer in (first, second, joined.f_high)]
    n = len(stretches[0])
    return defect.reshape(-1, n, defect.shape[1]).max(axis=0), np.any(moved, axis=0).reshape(-1, n).any(axis=0)


def _stretches(asker: Any, now: Intervals, numbers: range) -> list[Intervals]:
    """The intervals as they are for even tests; up to a random place inside for odd ones."""
    inside = [n for n in numbers if n % 2]
    high = [now.low + (now.high - now.low) * uniform(child_keys(now.key, 500 + n)) for n in inside]
    flat = np.concatenate([*high, np.empty(0)])
    f_high = asker.ask_path(np.tile(now.pair, len(inside)), flat).reshape(len(inside), len(now), len(asker.outputs))
    shorter = {n: Intervals(now.pair, now.low, high[i], now.f_low, f_high[i], now.key) for i, n in enumerate(inside)}
    return [shorter.get(n, now) for n in numbers]


def _beside_a_jump(asker: Any, now: Intervals) -> list[Intervals]:
    """Every interval up to just before, and to just behind, a place where the model jumps, found by bisection."""
    before, behind, f_behind = now.low.copy(), now.high.copy(), now.f_high.copy()
    for number in range(BISECTIONS if len(now) else 0):
        middle = before + (0.4 + 0.2 * uniform(child_keys(now.key, 600 + number))) * (behind - before)
        f_middle = asker.ask_path(now.pair, middle)
        jumped = (f_middle != now.f_low).any(axis=1)
        before = np.where(jumped, before, middle)
        behind = np.where(jumped, middle, behind)
        f_behind[jumped] = f_middle[jumped]
    return [
        Intervals(now.pair, now.low, before, now.f_low, now.f_low, now.key),
        Intervals(now.pair, now.low, behind, now.f_low, f_behind, now.key),
    ]


def _add_defect(error: np.ndarray, done: Intervals, credits: np.ndarray, defect: np.ndarray) -> None:
    """What the tests left unexplained counts as error of the players that were credited."""
    np.add.at(error, done.pair, defect[:, None, :] * (credits != 0))


# --- ties ----------------------------------------------------------------------------------------------------------


def _settle_ties(asker: Any, ties: Intervals, threshold: np.ndarray, values: np.ndarray, error: np.ndarray) -> None:
    """Settle every tie in wider intervals that hold it at evenly spread places, and compare.

    At a tie of axis-parallel crossings players have the same effects every time. At an oblique surface the effects
    depend on where in the interval the path crosses: then the mean is returned, and nothing better than the size of
    all shares is known of its error. What happens at one half has no place to be moved to.
    """
    at_half = _is_at_half(asker, ties)
    touching = _touch(ties) & ~at_half
    _settle_as_found(asker, ties, at_half | touching, touching, threshold, values, error)
    ties = ties[~(at_half | touching)]
    around = [_around(asker, ties, number) for number in range(SETTLINGS)]
    strange = np.any([_is_strange(asker, ties, wider, threshold[ties.pair]) for wider in around], axis=0)
    _settle_as_found(asker, ties, strange, strange, threshold, values, error)
    ties, around = ties[~strange], [wider[~strange] for wider in around]
    settled = [settle(asker, wider, threshold[ties.pair]) for wider in around]
    # It failed its tests, so players interact in it; if they seem not to, that depends on the place. (Beside a smooth
    # part, tests fail by what a jump and a slope have to do with each other.)
    oblique = np.all([one.is_additive() for one in settled], axis=0) & ~asker.moves_smoothly[ties.pair]
    oblique |= np.any([one.differs_from(settled[0]) for one in settled], axis=0)
    _add(asker, ties, settled, oblique, values, error)


def _settle_as_found(
    asker: Any,
    ties: Intervals,
    some: np.ndarray,
    doubtful: np.ndarray,
    threshold: np.ndarray,
    values: np.ndarray,
    error: np.ndarray,
) -> None:
    """Settle some of the ties in their own intervals."""
    settled = settle(asker, ties[some], threshold[ties.pair[some]])
    _add(asker, ties[some], [settled], doubtful[some], values, error)


def _is_strange(asker: Any, ties: Intervals, wider: Intervals, threshold: np.ndarray) -> np.ndarray:
    """(n_ties,): the wider interval reaches into something else that moves the model."""
    change = np.abs((wider.f_high - wider.f_low) - (ties.f_high - ties.f_low))
    return (change > threshold).any(axis=1) & ~asker.moves_smoothly[ties.pair]


def _touch(ties: Intervals) -> np.ndarray:
    """Ties with another one right beside them: features that work against each other at an oblique crossing."""
    order = np.lexsort((ties.low, ties.pair))
    pair, low, high = ties.pair[order], ties.low[order], ties.high[order]
    follows = np.append(False, (pair[1:] == pair[:-1]) & (low[1:] == high[:-1])) if len(ties) else np.zeros(0, bool)
    touching = np.zeros(len(ties), dtype=bool)
    touching[order] = follows | np.append(follows[1:], False)[: len(ties)]
    return touching


def _add(
    asker: Any, ties: Intervals, settled: list[Settled], doubtful: np.ndarray, values: np.ndarray, error: np.ndarray
) -> None:
    """Add the mean of several settlings, with their errors and spread, and the size of all shares where in doubt."""
    credits = np.stack([one.values for one in settled])
    size = np.abs(credits).max(axis=0).sum(axis=1, keepdims=True) * asker.moving[ties.pair][:, :, None]
    found = np.max([one.error for one in settled], axis=0) + credits.max(axis=0) - credits.min(axis=0)
    np.add.at(values, ties.pair, credits.mean(axis=0))
    np.add.at(error, ties.pair, found + size * doubtful[:, None, None])


def _around(asker: Any, ties: Intervals, number: int) -> Intervals:
    """The same ties in intervals REACH times as wide, placed in part `number` of SETTLINGS equal parts of the room."""
    room = (REACH - 1.0) * (ties.high - ties.low)
    place = (number + uniform(child_keys(ties.key, 7010 + number))) / SETTLINGS
    low, high = np.maximum(ties.low - place * room, 0.0), np.minimum(ties.high + (1.0 - place) * room, 1.0)
    ends = asker.ask_path(ties.pair, low), asker.ask_path(ties.pair, high)
    return Intervals(ties.pair, low, high, *ends, child_keys(ties.key, 7020 + number))
