"""Where the path is not smooth: kinks and jumps, found on the path alone, by one to three model rows a step.

The path is cut into cells, with the model and its slope at their ends. A cell is smooth where the model in its middle
is what the cubic through both ends says. Others are cut where the lines at their ends meet, which is the kink if there
is just one between two straight pieces, and in the middle where they do not; until they are as narrow as a jump
has to be known, or so narrow that nothing in them matters.
"""

from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines.numeric_tie import Intervals
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = ["BLURRED", "NARROW", "STEP", "Breaks", "find_breaks"]

CELLS, LEAST_CELLS = 128, 8
BLURRED = 20.0  # what noise adds to a value at most, in units of its standard deviation
STEP = 1e-7  # of the slope along the path
ASIDE = (0.21, 0.77)  # places, besides the middle, where cells of the first cut are looked at
TOGETHER = 1e-6  # breaks that are closer to each other count as one
WHOLE = 0.4  # width of panels that are all of the path, or half of it
NARROW = 2e-8  # width of the interval in which a jump is known to be


class Breaks(NamedTuple):
    """Intervals around every jump and kink, ordered by pair and place, and which of them jump."""

    intervals: Intervals
    jumps: np.ndarray

    def joined(self, other: "Breaks") -> "Breaks":
        return Breaks(Intervals.joined([self.intervals, other.intervals]), np.append(self.jumps, other.jumps))


class _Cells(NamedTuple):
    """Stretches of the path; the model, and its slope along the path, at both ends."""

    pair: np.ndarray
    low: np.ndarray
    high: np.ndarray
    f_low: np.ndarray
    f_high: np.ndarray
    slope_low: np.ndarray
    slope_high: np.ndarray

    def some(self, rows: np.ndarray) -> "_Cells":
        return _Cells(*(field[rows] for field in self))

    @property
    def width(self) -> np.ndarray:
        return (self.high - self.low)[:, None]

    def cubic(self, share: float) -> np.ndarray:
        """The cubic with these ends and slopes, at a share of the width (Hermite)."""
        s, t = share, 1.0 - share
        ends = t * t * (1.0 + 2.0 * s) * self.f_low + s * s * (1.0 + 2.0 * t) * self.f_high
        return ends + s * t * self.width * (t * self.slope_low - s * self.slope_high)

    def meeting_place(self) -> np.ndarray:
        """(n,): where the lines at both ends meet, as a share of the width; the middle if not inside.

        Close to an end it is moved inwards, so that what it misses is bracketed.
        """
        bend = self.slope_low - self.slope_high
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (self.f_high - self.f_low - self.slope_high * self.width) / (bend * self.width)
        most = np.abs(bend).argmax(axis=1)
        share = share[np.arange(len(share)), most]
        share = np.where((share > 0.0) & (share < 1.0), share, 0.5)
        share = np.where(share < 0.1, np.maximum(3.0 * share, 1e-3), share)
        return np.where(share > 0.9, 1.0 - np.maximum(3.0 * (1.0 - share), 1e-3), share)

    def is_harmless(self, limit: np.ndarray) -> np.ndarray:
        """(n,): whatever happens inside moves the model by less than limit."""
        steepest = np.abs(self.slope_low) + np.abs(self.slope_high)
        return (self.width * steepest + 4.0 * self.jump() <= limit[self.pair]).all(axis=1)

    def jump(self) -> np.ndarray:
        """(n, n_outputs): how far the ends are apart beyond what the slopes say."""
        steepest = np.maximum(np.abs(self.slope_low), np.abs(self.slope_high))
        return np.maximum(np.abs(self.f_high - self.f_low) - self.width * steepest, 0.0)


def find_breaks(asker: Any, panels: Intervals, limit: np.ndarray, reserve: int) -> Breaks:
    """Jumps and kinks inside the panels that move the model by more than limit (n_pairs, n_outputs).

    Where the budget, less `reserve` rows, ends the search, what is left open is not among them; how much that may be is
    added to asker.unsearched.
    """
    cells, found = _first_cells(asker, panels, reserve), []
    noise = BLURRED * asker.noise * asker.size
    while len(cells.pair):
        n_open = np.bincount(cells.pair, minlength=len(asker.block))
        rich = asker.remaining(cells.pair) - reserve >= 5 * n_open[cells.pair]
        np.add.at(asker.unsearched, cells.pair[~rich], cells.some(~rich).jump())
        cells = cells.some(rich)
        f_middle = asker.ask_path(cells.pair, 0.5 * (cells.low + cells.high))
        # What a kink adds is proportional to the width; so is what is allowed, or it would be lost when it is close.
        allowed = np.maximum(limit[cells.pair] * np.minimum(CELLS * cells.width, 1.0), noise[cells.pair, None])
        rough = (np.abs(f_middle - cells.cubic(0.5)) > allowed).any(axis=1)
        wide = np.flatnonzero(~rough & (cells.high - cells.low > 0.5 / CELLS))
        for share in ASIDE:
            rough[wide] |= _is_rough(asker, cells.some(wide), share, allowed[wide])
        cells, f_middle = cells.some(rough), f_middle[rough]
        done = cells.is_harmless(limit) | (cells.high - cells.low <= NARROW)
        found.append(cells.some(done))
        cells, f_middle = cells.some(~done), f_middle[~done]
        jumpy = (cells.jump() > limit[cells.pair]).any(axis=1)
        below, above, kinks = _cut_at_kinks(asker, cells.some(~jumpy), limit)
        found.append(kinks)
        cells = _joined([below, above, _halved(asker, cells.some(jumpy), f_middle[jumpy])])
    return _breaks(asker, _joined([*found, cells]), limit)


def _is_rough(asker: Any, cells: _Cells, share: float, allowed: np.ndarray) -> np.ndarray:
    """(n,): the model at a share of the width is not what the cubic says."""
    f = asker.ask_path(cells.pair, cells.low + share * (cells.high - cells.low))
    return (np.abs(f - cells.cubic(share)) > allowed).any(axis=1)


def _joined(parts: list[_Cells]) -> _Cells:
    return _Cells(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def _first_cells(asker: Any, panels: Intervals, reserve: int) -> _Cells:
    """Cells of every panel, not quite even, CELLS on a whole path; of as many panels as the budget has room for."""
    count = np.clip(np.ceil(CELLS * (panels.high - panels.low)), LEAST_CELLS, CELLS).astype(np.int64)
    cost = np.zeros(len(panels), dtype=np.int64)
    for pair in np.unique(panels.pair):
        mine = panels.pair == pair
        cost[mine] = np.cumsum(5 * count[mine] + 2)
    rich = cost <= asker.remaining(panels.pair) - reserve
    poor = panels[~rich]
    whole = (poor.high - poor.low > WHOLE)[:, None]  # or a part between breaks, of which the large ones are known
    np.add.at(asker.unsearched, poor.pair, np.where(whole, asker.reach[poor.pair], np.abs(poor.f_high - poor.f_low)))
    panels, count = panels[rich], count[rich]
    which = np.repeat(np.arange(len(panels)), count + 1)
    number = np.arange(len(which)) - np.repeat(np.cumsum(count + 1) - count - 1, count + 1)
    inner = (number > 0) & (number < count[which])
    shift = 0.3 * (uniform(child_keys(panels.key[which], 9000 + number)) - 0.5) * inner
    low, high = panels.low[which], panels.high[which]
    alpha = np.where(number == count[which], high, low + (high - low) * (number + shift) / count[which])
    f = asker.ask_path(panels.pair[which], alpha)
    step = np.where(number == count[which], -STEP, STEP)
    slope = (asker.ask_path(panels.pair[which], alpha + step) - f) / step[:, None]
    start, stop = np.flatnonzero(number < count[which]), np.flatnonzero(number > 0)
    return _Cells(panels.pair[which[start]], alpha[start], alpha[stop], f[start], f[stop], slope[start], slope[stop])


def _cut_at_kinks(asker: Any, cells: _Cells, limit: np.ndarray) -> tuple[_Cells, _Cells, _Cells]:
    """Both parts of every cell, cut where the lines at its ends meet, and kinks as cells without width."""
    place = cells.low + (cells.high - cells.low) * cells.meeting_place()
    f = asker.ask_path(cells.pair, place)
    left = (f - asker.ask_path(cells.pair, np.maximum(place - STEP, cells.low))) / _way(place, cells.low)
    right = (asker.ask_path(cells.pair, np.minimum(place + STEP, cells.high)) - f) / _way(cells.high, place)
    below = _Cells(cells.pair, cells.low, place, cells.f_low, f, cells.slope_low, left)
    above = _Cells(cells.pair, place, cells.high, f, cells.f_high, right, cells.slope_high)
    bent = (np.abs(right - left) * cells.width > limit[cells.pair]).any(axis=1)
    return below, above, _Cells(cells.pair, place, place, f, f, left, right).some(bent)


def _way(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    return np.minimum(STEP, high - low)[:, None]


def _halved(asker: Any, cells: _Cells, f_middle: np.ndarray) -> _Cells:
    """Both halves of every cell; only the one with the jump, where nothing but one jump is in the way."""
    middle = 0.5 * (cells.low + cells.high)
    low_side = np.abs(f_middle - cells.f_low - 0.5 * cells.width * cells.slope_low)
    high_side = np.abs(f_middle - cells.f_high + 0.5 * cells.width * cells.slope_high)
    jump = cells.jump().max(axis=1)
    alike = np.abs(cells.slope_high - cells.slope_low).max(axis=1) * cells.width[:, 0] <= 0.01 * jump
    is_low, is_high = low_side.max(axis=1) <= 0.01 * jump, high_side.max(axis=1) <= 0.01 * jump
    single = alike & (is_low ^ is_high)
    slope = cells.slope_low.copy()
    step = np.where(middle + STEP < cells.high, STEP, -STEP)[~single]
    ahead = asker.ask_path(cells.pair[~single], middle[~single] + step)
    slope[~single] = (ahead - f_middle[~single]) / step[:, None]
    below = _Cells(cells.pair, cells.low, middle, cells.f_low, f_middle, cells.slope_low, slope)
    above = _Cells(cells.pair, middle, cells.high, f_middle, cells.f_high, slope, cells.slope_high)
    return _joined([below.some(~(single & is_low)), above.some(~(single & is_high))])


def _breaks(asker: Any, cells: _Cells, limit: np.ndarray) -> Breaks:
    """Cells in the order of the path, close ones as one; kinks as the place in their middle."""
    cells = cells.some(np.lexsort((cells.high, cells.low, cells.pair)))
    apart = (np.diff(cells.pair) != 0) | (cells.low[1:] - cells.high[:-1] > TOGETHER)
    first = np.flatnonzero(np.append(np.ones(min(len(cells.pair), 1), dtype=bool), apart))
    last = np.append(first[1:], len(cells.pair))[: len(first)] - 1
    pair, low, high = cells.pair[first], cells.low[first].copy(), cells.high[last].copy()
    f_low, f_high = cells.f_low[first].copy(), cells.f_high[last].copy()
    steepest = np.maximum(np.abs(cells.slope_low[first]), np.abs(cells.slope_high[last]))
    jumps = (np.abs(f_high - f_low) > limit[pair] + 1.5 * (high - low)[:, None] * steepest).any(axis=1)
    low[~jumps] = high[~jumps] = 0.5 * (low + high)[~jumps]
    f_low[~jumps] = f_high[~jumps] = asker.ask_path(pair[~jumps], low[~jumps])
    keys = child_keys(asker.block.seeds[pair], low.view(np.uint64))
    return Breaks(Intervals(pair, low, high, f_low, f_high, keys), jumps)
