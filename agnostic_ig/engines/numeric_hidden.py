"""Jumps beside a smooth part that the path does not show, because others undo them before the next place looked at.

Jumps of one size come in pairs, up by one player and down by another: in forests, whose leaves hold the same few
numbers, they often do. Where players act independently, a group moved alone shows what its own members do. The groups
of a code (`numeric_groups`) are moved across one stretch between breaks after the other. They must do what the slopes
of their members say, which quadrature has left behind; any two players are apart in some group. Where one does not, its
jump is found by moving it less far.
"""

from typing import Any

import numpy as np
from numpy.polynomial import legendre

from agnostic_ig.engines.numeric_breaks import BLURRED, NARROW
from agnostic_ig.engines.numeric_groups import codes
from agnostic_ig.engines.numeric_tie import Intervals, rank_within
from agnostic_ig.kernels.legendre import legendre_change
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["Primitives", "find_hidden"]

STRETCHES = 64  # of a whole path, at least
LEAST = 5e-4  # width of stretches below which nothing is expected to hide
SAMPLED = 9  # places where it is measured how a group and all others change each other's slopes
NOTICED = 1e-6  # what a group may do that its slopes do not say, in units of the scale of the model
ODD = 20.0  # and in units of the median of all stretches of a path, each for its width squared
HALVED = 24  # model rows to find one place
BEHIND = 0.47  # of what all jumps of a stretch do; no share of some jumps of one size in a few of them
SHARE = 0.01  # of that in one jump; what is smooth does far less in so narrow an interval


class Primitives:
    """What single players do along panels of smooth slope, as series of Legendre polynomials on each panel.

    Attributes
    ----------
    coefficients : ndarray (n_panels, n_players, largest_order + 1, n_outputs)
    """

    def __init__(self, asker: Any, panels: Intervals, largest_order: int) -> None:
        self.panels = panels
        shape = (len(panels), asker.columns.n_players, largest_order + 1, len(asker.outputs))
        self.coefficients = np.zeros(shape)

    def note(self, rows: np.ndarray, nodes: np.ndarray, weights: np.ndarray, slopes: np.ndarray) -> None:
        """Keep slopes (n_rows, n_players, n_nodes, n_outputs) at the nodes of a Gauss rule on some panels."""
        m = np.arange(len(nodes))
        polynomials = legendre.legvander(2.0 * nodes - 1.0, len(nodes) - 1) * (2.0 * m + 1.0)
        of_slopes = np.einsum("q,qm,npqk->mnpk", weights, polynomials, slopes)
        half = 0.5 * (self.panels.high - self.panels.low)[rows]
        self.coefficients[rows] = 0.0
        self.coefficients[rows, :, : len(nodes) + 1] = np.moveaxis(
            legendre.legint(of_slopes) * half[None, :, None, None], 0, 2
        )

    def place(self, panel: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """From -1 to 1 on its panel."""
        low, high = self.panels.low[panel], self.panels.high[panel]
        return 2.0 * (alpha - low) / (high - low) - 1.0

    def panels_of(self, stretches: Intervals) -> np.ndarray:
        """(n,): the panel that each stretch is part of; panels are ordered by pair and place."""
        starts = _place(self.panels.pair, self.panels.low)
        return np.searchsorted(starts, _place(stretches.pair, stretches.low), side="right") - 1


def _place(pair: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """One number for a place on the path of a pair, ordered by both; of a pair's own places the same for any number."""
    return (pair.astype(np.int64) << 41) + (alpha * 2.0**40).astype(np.int64)


def find_hidden(asker: Any, primitives: Primitives, stretches: Intervals, scale: np.ndarray) -> Intervals:
    """Narrow intervals around jumps inside the stretches between breaks.

    scale (n_pairs,): of the model. Stretches of pairs that cannot pay for all of theirs are left alone: as much as the
    largest jump between them may be hidden there. That, and jumps that were seen but not located, is added to
    asker.unsearched.
    """
    groups, found = _Groups(asker, primitives), [Intervals.none(len(asker.outputs))]
    stretches = stretches[np.lexsort((stretches.low, stretches.pair))]
    rich = groups.affordable(stretches)
    _note_largest_jump(asker, stretches[~rich])
    stretches = stretches[rich & (stretches.high - stretches.low >= LEAST)]
    stretches = _cut_evenly(asker, stretches)
    groups.learn(stretches)
    allowed = np.maximum(NOTICED * scale, BLURRED * asker.noise * asker.size)
    group, rest = groups.worst(stretches)
    groups.note_typical(stretches, rest)
    groups.look_at_typical(stretches, group, np.where(rest > allowed[stretches.pair], rest, 0.0))
    while len(stretches):
        odd = rest > np.maximum(allowed[stretches.pair], ODD * groups.typical(stretches))
        lost = odd.copy()
        odd[odd] = rank_within(stretches.pair[odd]) < groups.room(stretches.pair[odd])
        lost &= ~odd
        np.add.at(asker.unsearched, stretches.pair[lost], rest[lost, None])
        stretches, jumps = groups.locate(stretches[odd], group[odd], rest[odd])
        found.append(jumps)
        stretches = stretches[stretches.high - stretches.low > 2 * NARROW]
        group, rest = groups.worst(stretches)
    return Intervals.joined(found)


def _note_largest_jump(asker: Any, stretches: Intervals) -> None:
    """Raise asker.unsearched by the largest jump between neighbours among the stretches, ordered by pair and place."""
    jump = np.abs(stretches.f_low[1:] - stretches.f_high[:-1]) * (np.diff(stretches.pair) == 0)[:, None]
    largest = np.zeros_like(asker.unsearched)
    np.maximum.at(largest, stretches.pair[1:], jump)
    asker.unsearched += largest


def _cut_evenly(asker: Any, stretches: Intervals) -> Intervals:
    """Parts of at most 1 / STRETCHES, at places that are not round."""
    count = np.maximum(np.ceil(STRETCHES * (stretches.high - stretches.low)), 1.0).astype(np.int64)
    which = np.repeat(np.arange(len(stretches)), count)
    number, last = rank_within(which), np.cumsum(count) - 1
    key = child_keys(stretches.key[which], 9500 + number)
    shift = np.where(number > 0, 0.3 * (uniform(key) - 0.5), 0.0)
    width = (stretches.high - stretches.low)[which]
    low = stretches.low[which] + width * (number + shift) / count[which]
    high = np.append(low[1:], 0.0)
    high[last] = stretches.high
    f_low, f_high = stretches.f_low[which], stretches.f_high[which]
    f_low[number > 0] = asker.ask_path(stretches.pair[which][number > 0], low[number > 0])
    inner = np.flatnonzero(number > 0)
    f_high[inner - 1] = f_low[inner]
    return Intervals(stretches.pair[which], low, high, f_low, f_high, key)


class _Groups:
    """Groups of the players of every panel, and what they do across stretches of it."""

    def __init__(self, asker: Any, primitives: Primitives) -> None:
        self._asker, self._primitives = asker, primitives
        panels = primitives.panels
        moving = asker.moving[panels.pair]
        self._n_bits = np.ceil(np.log2(moving.sum(axis=1) + 1)).astype(int)
        self._first = np.cumsum(self._n_bits) - self._n_bits
        panel = np.repeat(np.arange(len(panels)), self._n_bits)
        code = 1 + codes(asker.block.seeds[panels.pair], moving)[panel]  # nobody is in no group
        self._members = moving[panel] & (code >> rank_within(panel)[:, None] & 1 == 1)
        self._series = np.einsum("gp,gpmk->gmk", self._members, primitives.coefficients[panel])

    def affordable(self, stretches: Intervals) -> np.ndarray:
        """(n,): stretches of pairs that can pay for all of them."""
        bits = self._n_bits[self._primitives.panels_of(stretches)]
        parts = np.ceil(STRETCHES * (stretches.high - stretches.low))
        cost = np.bincount(stretches.pair, parts * (bits + 1), minlength=len(self._asker.block))
        np.maximum.at(cost, stretches.pair, cost[stretches.pair] + 2 * SAMPLED * bits)
        return (cost <= self._asker.remaining(np.arange(len(cost))))[stretches.pair]

    def room(self, pair: np.ndarray) -> np.ndarray:
        """(n,): how many more jumps the pairs can pay for."""
        return self._asker.remaining(pair) // (3 * self._asker.moving[pair].sum(axis=1) + 3 * HALVED)

    def learn(self, stretches: Intervals) -> None:
        """Measure how groups and all others change each other's slopes."""
        panel = self._primitives.panels_of(stretches)
        bin_of = panel * SAMPLED + (0.5 * SAMPLED * (1.0 + self._primitives.place(panel, stretches.low))).astype(int)
        widest = np.lexsort((stretches.low - stretches.high, bin_of))
        sampled = stretches[widest[rank_within(bin_of[widest]) == 0]]
        which, group = self._pairs_of(sampled)
        others = self._asker.moving[sampled.pair[which]] & ~self._members[group]
        both = sampled.ask(self._asker, np.tile(which, 2), np.concatenate([self._members[group], others]))
        change = both[: len(which)] + both[len(which) :] - sampled.f_low[which] - sampled.f_high[which]
        middle, width = 0.5 * (sampled.low + sampled.high)[which], (sampled.high - sampled.low)[which]
        order = np.lexsort((middle, group))
        self._learnt = group[order], middle[order], (change / width[:, None] ** 2)[order]

    def note_typical(self, stretches: Intervals, rest: np.ndarray) -> None:
        """Keep what is mostly left unexplained, by panel, in units of the width squared."""
        relative, panel = rest / (stretches.high - stretches.low) ** 2, self._primitives.panels_of(stretches)
        n_panels = len(self._primitives.panels)
        self._typical = np.array([np.median(np.append(relative[panel == p], 0.0)) for p in range(n_panels)])

    def look_at_typical(self, stretches: Intervals, group: np.ndarray, rest: np.ndarray) -> None:
        """Where the median is that of a stretch with a jump, most of them have one, and nothing counts as typical."""
        panel = self._primitives.panels_of(stretches)
        apart = np.abs(rest / (stretches.high - stretches.low) ** 2 - self._typical[panel])
        order = np.lexsort((apart, panel))
        middle = order[rank_within(panel[order]) == 0]
        middle = middle[(rest[middle] > 0.0) & (self.room(stretches.pair[middle]) > 0)]
        jumps = self.locate(stretches[middle], group[middle], rest[middle])[1]
        self._typical[self._primitives.panels_of(jumps)] = 0.0

    def typical(self, stretches: Intervals) -> np.ndarray:
        """(n,): what is mostly left unexplained on that panel, for stretches as wide as these."""
        return self._typical[self._primitives.panels_of(stretches)] * (stretches.high - stretches.low) ** 2

    def worst(self, stretches: Intervals) -> tuple[np.ndarray, np.ndarray]:
        """(n,): the group that is farthest from what its slopes say, and by how much, on any output."""
        which, group = self._pairs_of(stretches)
        rest = np.abs(self._rest(stretches, which, group, stretches.high[which])).max(axis=1)
        order = np.lexsort((-rest, which))
        first = order[rank_within(which[order]) == 0]
        return group[first], rest[first]

    def locate(self, stretches: Intervals, group: np.ndarray, rest: np.ndarray) -> tuple[Intervals, Intervals]:
        """What is left of the stretches on both sides of a jump of their group, and narrow intervals around it.

        Where the group, moved less and less far, comes closer to its slopes without a jump, nothing is.
        """
        low, high, everyone = stretches.low.copy(), stretches.high.copy(), np.arange(len(stretches))
        at_low, at_high = np.zeros_like(stretches.f_low), self._rest(stretches, everyone, group, high)
        while len(wide := np.flatnonzero(high - low > NARROW)):
            middle = 0.5 * (low + high)[wide]
            there = self._rest(stretches, wide, group[wide], middle)
            behind = np.abs(there).max(axis=1) > BEHIND * rest[wide]
            high[wide[behind]], at_high[wide[behind]] = middle[behind], there[behind]
            low[wide[~behind]], at_low[wide[~behind]] = middle[~behind], there[~behind]
        jumps = np.abs(at_high - at_low).max(axis=1) > SHARE * rest
        some, low, high = stretches[jumps], low[jumps], high[jumps]
        f_low, f_high = self._asker.ask_path(some.pair, low), self._asker.ask_path(some.pair, high)
        keys = child_keys(some.key, 9700)
        found = Intervals(some.pair, low, high, f_low, f_high, keys)
        below = Intervals(some.pair, some.low, low, some.f_low, f_low, child_keys(some.key, 9701))
        above = Intervals(some.pair, high, some.high, f_high, some.f_high, child_keys(some.key, 9702))
        return Intervals.joined([below, above]), found

    def _pairs_of(self, stretches: Intervals) -> tuple[np.ndarray, np.ndarray]:
        """Every stretch with every group of its panel."""
        panel = self._primitives.panels_of(stretches)
        which = np.repeat(np.arange(len(stretches)), self._n_bits[panel])
        return which, self._first[panel][which] + rank_within(which)

    def _rest(self, stretches: Intervals, which: np.ndarray, group: np.ndarray, to: np.ndarray) -> np.ndarray:
        """(n, n_outputs): what groups, moved alone from the low end of stretches which[i], do besides what is known."""
        some = stretches[which]
        answers = self._asker.ask(some.pair, some.low, to, self._members[group])
        return answers - some.f_low - self._said(some, group, to)

    def _said(self, some: Intervals, group: np.ndarray, to: np.ndarray) -> np.ndarray:
        """(n, n_outputs): what groups do by their slopes on the path, and by what it adds that the others stay behind.

        To second order, what changes between moving first and last is half of the change of slopes by the others.
        """
        panel, smooth = self._primitives.panels_of(some), np.empty_like(some.f_low)
        ends = (self._primitives.place(panel, at) for at in (some.low, to))
        legendre_change(self._series, group, *ends, smooth)
        return smooth + 0.5 * self._change(group, some.low, to)

    def _change(self, group: np.ndarray, low: np.ndarray, to: np.ndarray) -> np.ndarray:
        """(n, n_outputs): what moving groups and all others adds beside both alone, between the places measured."""
        known, middle, ratio = self._learnt  # ordered by group and place
        at = 0.5 * (low + to)
        first, last = np.searchsorted(known, group), np.searchsorted(known, group, side="right") - 1
        above = np.clip(np.searchsorted(_place(known, middle), _place(group, at)), first, last)
        below = np.maximum(above - 1, first)
        share = np.clip((at - middle[below]) / np.maximum(middle[above] - middle[below], NARROW), 0.0, 1.0)
        between = ratio[below] + share[:, None] * (ratio[above] - ratio[below])
        return between * (to - low)[:, None] ** 2
