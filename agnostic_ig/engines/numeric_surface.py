"""Jumps across slanted surfaces: nearest neighbours, votes, hard labels, trees behind a projection.

Where the path crosses a surface {D = 0} with normal n, player j has the share ``s_j = d_j n_j / sum_k d_k n_k`` of the
jump (d = x - b). From a place a distance delta before the crossing, moving player j alone crosses the same surface
after ``r_j = delta / s_j``; so shares are found by bisection along each player's own way, backwards too, for there are
negative shares. From closer by, it must be crossed sooner in proportion: what is not belongs to another surface. And
shares must add up to one: where they do not, the surface is no plane there.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines.numeric_tie import Intervals, alone
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = [
    "HALVES", "PLACES", "PLANE", "halves_disagree", "largest_jump", "located", "looks_slanted",
    "shares_of_surface", "single_players_fail",
    "stands_alone",
]  # fmt: skip

BEFORE = 20.0  # how far before a jump its surface is looked at, in widths of its interval
LONG_BEFORE = 1000.0  # the same for jumps that single players seem to explain: shares of 0.999 are told from 1
LATE = 50.0  # how far players are moved alone to see whether they cross the surface later, in units of this
# How far before a jump shares are measured, in units of the path.
NEAR = {np.float64: 1e-7, np.float32: 1e-5, np.float16: 1e-3}
CLOSER = 8.0  # and how many times closer they are checked
FAR = 1e5  # how far a player is moved alone, in units of NEAR; smaller shares than 1 / FAR count as none
SAME = 0.02  # what counts as the value behind the surface, relative to the jump
NEARER = 0.45  # the same beside a slope, which moves it
DRIFTED = 0.1  # of a jump: how far a slope, as steep as all of the path, may lead beside it
HALVES = 1  # groups of players, and all others, that are moved to see whether more than one of them crosses
PARTS = 4  # of an interval in which a jump is looked for: half as many rounds as with two, at half as many rows more
PLACES = 28  # bisections of log(r), which leave r known to 1e-7
PLANE = 1e-3  # how far shares may be from adding up to one


def located(asker: Any, intervals: Intervals, width: float, limit: np.ndarray) -> Intervals:
    """Every jump of the path inside the intervals, as far as their ends tell, in intervals of at most this width.

    limit (n_pairs, n_outputs): differences that are no jump. Where the budget ends, the rest of a pair's intervals is
    returned as wide as it is.
    """
    found = []
    while len(intervals):
        open_ones = (np.abs(intervals.f_low - intervals.f_high) > limit[intervals.pair]).any(axis=1)
        n_open = np.bincount(intervals.pair[open_ones], minlength=len(limit))
        poor = asker.remaining(np.arange(len(limit))) < n_open
        narrow = open_ones & ((intervals.high - intervals.low <= width) | poor[intervals.pair])
        found.append(intervals[narrow])
        intervals = intervals[open_ones & ~narrow]
        share = 0.4 + 0.2 * uniform(child_keys(intervals.key, 8001))
        middle = intervals.low + share * (intervals.high - intervals.low)
        f_middle = asker.ask_path(intervals.pair, middle)
        intervals = Intervals.joined(intervals.cut_at(middle, f_middle, (8002, 8003)))
    return Intervals.joined([*found, intervals])


def largest_jump(asker: Any, intervals: Intervals, width: float) -> Intervals:
    """A part of every interval, at most this wide, with a jump: again and again the part with the largest change."""
    while (wide := intervals.high - intervals.low > width).any():
        some = intervals[wide]
        draw = uniform(child_keys(some.key[:, None], 8001 + np.arange(PARTS - 1)[None, :]))
        share = (np.arange(1, PARTS) + 0.4 * (draw - 0.5)) / PARTS
        places = some.low[:, None] + share * (some.high - some.low)[:, None]
        inside = asker.ask_path(np.repeat(some.pair, PARTS - 1), places.ravel()).reshape(*places.shape, -1)
        ends = np.concatenate([some.low[:, None], places, some.high[:, None]], axis=1)
        f = np.concatenate([some.f_low[:, None], inside, some.f_high[:, None]], axis=1)
        each, part = np.arange(len(some)), np.abs(np.diff(f, axis=1)).max(axis=2).argmax(axis=1)
        chosen = Intervals(
            some.pair, ends[each, part], ends[each, part + 1], f[each, part], f[each, part + 1],
            child_keys(some.key, 8000),
        )  # fmt: skip
        intervals = intervals.replaced(wide, chosen)
    return intervals


def single_players_fail(asker: Any, jumps: Intervals, active: np.ndarray) -> np.ndarray:
    """(n_jumps,): the active players (n_jumps, n_players), each moved alone, do not add up to the jump where it is."""
    which, player = np.nonzero(active)
    groups = alone(player, active.shape[1])
    start = np.maximum(jumps.low - LONG_BEFORE * (jumps.high - jumps.low), 0.0)
    soon, now = _moved_alone(asker, jumps, which, groups, start, [jumps.low, jumps.high]) - jumps.f_low[which]
    size = np.abs(jumps.f_high - jumps.f_low).max(axis=1)
    total, early = np.zeros_like(jumps.f_low), np.zeros(len(jumps))
    np.add.at(total, which, now)
    np.maximum.at(early, which, np.abs(soon).max(axis=1))
    missing = np.abs(total - (jumps.f_high - jumps.f_low)).max(axis=1)
    return ((missing > SAME * size) | (early > SAME * size)) & stands_alone(asker, jumps, LONG_BEFORE)


def stands_alone(asker: Any, jumps: Intervals, before: float = BEFORE) -> np.ndarray:
    """(n_jumps,): nothing else happens shortly before it on the path."""
    start = np.maximum(jumps.low - before * (jumps.high - jumps.low), 0.0)
    size = np.abs(jumps.f_high - jumps.f_low).max(axis=1)
    return np.abs(asker.ask_path(jumps.pair, start) - jumps.f_low).max(axis=1) <= SAME * size


def halves_disagree(asker: Any, jumps: Intervals) -> np.ndarray:
    """(n_jumps,): not just one of a random half of the players and all others, moved far, makes the jump.

    One player's jump is made by whoever has that player, and is never undone by going on.
    """
    disagree = np.zeros(len(jumps), dtype=bool)
    every, far = np.arange(len(jumps)), LONG_BEFORE * (jumps.high - jumps.low)
    for number in range(HALVES):
        half = jumps.random_halves(asker, 8010 + number)
        rest = asker.moving[jumps.pair] & ~half

        def behind(start: np.ndarray, group: np.ndarray) -> np.ndarray:
            answers = asker.ask(jumps.pair, start, np.minimum(start + far, 1.0), group)
            return _is_behind(asker, jumps, every, answers)

        by_half, by_rest = behind(jumps.low, half), behind(jumps.low, rest)
        idle = np.where(by_half[:, None], rest, half)
        disagree |= (by_half == by_rest) | ~behind(jumps.high, idle)
    return disagree


def looks_slanted(asker: Any, jumps: Intervals) -> np.ndarray:
    """(n_jumps,): a player, moved alone, is behind the surface too soon, too late, or by moving back.

    Crossings of one player, or of several at one place, happen just where the path has them.
    """
    which, groups = jumps.single_moves_alone(asker)
    start = np.maximum(jumps.low - BEFORE * (jumps.high - jumps.low), 0.0)
    far = LATE * BEFORE * (jumps.high - jumps.low)
    ends = [jumps.low, jumps.high, np.minimum(start + far, 1.0), np.maximum(start - far, 0.0)]
    soon, now, late, back = _behind_at(asker, jumps, which, groups, start, ends)
    slanted = np.zeros(len(jumps), dtype=bool)
    np.logical_or.at(slanted, which, (soon & (start < jumps.low)[which]) | (late & ~now) | back)
    return slanted & (jumps.f_low != jumps.f_high).any(axis=1)


def _behind_at(
    asker: Any, jumps: Intervals, which: np.ndarray, groups: np.ndarray, start: np.ndarray, ends: list[np.ndarray]
) -> np.ndarray:
    """(n_ends, n_groups): groups[i], moved alone from start to an end, is behind jump which[i]."""
    answers = _moved_alone(asker, jumps, which, groups, start, ends)
    return np.stack([_is_behind(asker, jumps, which, at_end) for at_end in answers])


def _moved_alone(
    asker: Any, jumps: Intervals, which: np.ndarray, groups: np.ndarray, start: np.ndarray, ends: list[np.ndarray]
) -> np.ndarray:
    """(n_ends, n_groups, n_outputs): the model with groups[i] moved alone from start to an end of jump which[i]."""
    n = len(ends)
    moved_to = np.concatenate([end[which] for end in ends])
    answers = asker.ask(np.tile(jumps.pair[which], n), np.tile(start[which], n), moved_to, np.tile(groups, (n, 1)))
    return answers.reshape(n, len(which), jumps.f_low.shape[1])


def _is_behind(asker: Any, jumps: Intervals, which: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(n,): the answers are those behind the jump."""
    jump = np.abs(jumps.f_high - jumps.f_low).max(axis=1)
    same = np.where(asker.moves_smoothly[jumps.pair], NEARER, SAME)
    return np.abs(answers - jumps.f_high[which]).max(axis=1) <= (same * jump)[which]


def shares_of_surface(asker: Any, jumps: Intervals) -> tuple[np.ndarray, np.ndarray]:
    """(n_jumps, n_players) shares of the jump, and (n_jumps,) by how much they fail to add up to one."""
    crossing = _crossing(asker, jumps)
    near = np.minimum(NEAR[asker.precision], crossing)
    row, groups = jumps.single_moves_alone(asker)

    def is_behind(some: np.ndarray, way: np.ndarray, closer: float = 1.0) -> np.ndarray:
        at = (crossing - near / closer)[row[some]]
        answers = asker.ask(jumps.pair[row[some]], at, np.clip(at + way, 0.0, 1.0), groups[some])
        return _is_behind(asker, jumps, row[some], answers)

    everyone, far = np.arange(len(row)), (near * _farthest(asker, jumps, near))[row]
    forward, backward = is_behind(everyone, far), is_behind(everyone, -far)
    some, sign = np.flatnonzero(forward | backward), np.where(forward, 1.0, -1.0)[forward | backward]
    low, high = np.log(near[row[some]] / 100.0), np.log(far[some])
    for _ in range(PLACES):
        middle = 0.5 * (low + high)
        behind = is_behind(some, sign * np.exp(middle))
        low, high = np.where(behind, low, middle), np.where(behind, middle, high)
    way = sign * np.exp(0.5 * (low + high))
    same = is_behind(some, way / CLOSER * 1.01, CLOSER) & ~is_behind(some, way / CLOSER * 0.99, CLOSER)
    shares = np.zeros((len(jumps), asker.columns.n_players))
    shares[row[some][same], np.argmax(groups[some[same]], axis=1)] = (near[row[some]] / way)[same]
    return shares, np.abs(shares.sum(axis=1) - 1.0)


def _farthest(asker: Any, jumps: Intervals, near: np.ndarray) -> np.ndarray:
    """(n_jumps,): how far players are moved alone, in units of near: no farther than a slope hides the jump."""
    jump, reach = np.abs(jumps.f_high - jumps.f_low).max(axis=1), asker.reach[jumps.pair].max(axis=1)
    hidden = DRIFTED * jump / np.maximum(reach, 1e-300) / near
    return np.where(asker.moves_smoothly[jumps.pair], np.clip(hidden, 10.0, FAR), FAR)


def _crossing(asker: Any, jumps: Intervals) -> np.ndarray:
    """Where exactly the path crosses: the middle between the last places before and behind, in four parts a round."""
    low, high = jumps.low.copy(), jumps.high.copy()
    row = np.repeat(np.arange(len(jumps)), PARTS - 1)
    while len(jumps) and (high - low).max() > 2e-15:
        places = low[:, None] + np.arange(1, PARTS) / PARTS * (high - low)[:, None]
        if ((places <= low[:, None]) | (places >= high[:, None])).all():
            break
        behind = _is_behind(asker, jumps, row, asker.ask_path(jumps.pair[row], places.ravel())).reshape(places.shape)
        ends = np.concatenate([low[:, None], places, high[:, None]], axis=1)
        first = np.where(behind.any(axis=1), behind.argmax(axis=1), PARTS - 1)  # of the places that are behind
        low, high = ends[np.arange(len(jumps)), first], ends[np.arange(len(jumps)), first + 1]
    return 0.5 * (low + high)
