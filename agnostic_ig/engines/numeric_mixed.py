"""Paths along which the model moves all the time: smooth ones, kinked ones, and smooth ones with jumps.

A smooth path is one panel. If its slope is smooth although it jumps, as in a sum of a smooth and a stepped model,
single features are still integrated over the whole of it; else over the panels between its breaks. Jumps are
shared like those of stepped models.
"""

from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Settings
from agnostic_ig.engines.numeric_breaks import BLURRED, NARROW, STEP, Breaks, find_breaks
from agnostic_ig.engines.numeric_detour import compare_detours
from agnostic_ig.engines.numeric_hidden import Primitives, find_hidden
from agnostic_ig.engines.numeric_jump import settle_at_half, share_jumps
from agnostic_ig.engines.numeric_smooth import (
    MAX_ORDER,
    NOISY,
    integrate_panels,
    measure_noise,
    merged,
    rows_of,
    scan,
)
from agnostic_ig.engines.numeric_tie import Intervals
from agnostic_ig.numerics.hashing import child_keys

__all__ = ["integrate"]

FADED = 0.03  # what coefficients of the path must fade to, relative to tol and the scale of the model
SLOPE_NOISE = 1e-7  # and of its slope, which is a difference over a minute step
SHORT = (4, 8, 16)  # pieces of the scans of short panels
NEARBY = 30.0  # what the scan of a panel between breaks may see of them, in units of what is looked for
LOST = MAX_ORDER // 4  # order of the rule where no scan told one
WHOLE, BETWEEN = (3, 24), (2, 10)  # nodes beyond those of the degree, and at most: more would not help at a break


def integrate(asker: Any, pairs: np.ndarray, settings: Settings, values: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Add the attributions of the pairs to values, and their errors; returns the pairs that it cannot pay for."""
    if len(pairs) == 0:
        return pairs
    measure_noise(asker, pairs)
    limit = np.maximum(FADED * settings.tol * _scale(asker), BLURRED * (asker.noise * asker.size)[:, None])
    panels = _whole_paths(asker, pairs, values, error)
    degree = scan(asker, panels, limit[panels.pair])
    hidden = _hidden_by_paths(asker, panels, degree, limit)
    drowned = (degree < 0) & (asker.noise[panels.pair] > NOISY)
    degree[drowned] = 2 * LOST  # breaks would drown in the noise
    broken = np.isin(panels.pair, panels.pair[degree < 0])
    paid = integrate_panels(asker, panels[~broken], degree[~broken], settings.tol, values, error)
    unpaid = np.unique(panels.pair[~broken][~paid])
    values[unpaid] = error[unpaid] = 0.0
    jumping = _broken_paths(asker, panels[broken], settings, limit, values, error)
    hidden[jumping] = 0.0  # found
    error[pairs] += hidden[pairs, None, :] * asker.moving[pairs][:, :, None]
    rough = np.unique(panels.pair[broken | drowned])
    _add_gap(asker, np.setdiff1d(np.setdiff1d(panels.pair, rough), unpaid), values, error, 2.0)
    _add_gap(asker, np.setdiff1d(rough, unpaid), values, error, np.inf)
    return unpaid


def _whole_paths(asker: Any, pairs: np.ndarray, values: np.ndarray, error: np.ndarray) -> Intervals:
    """The path of every pair; both halves, and what is between them credited, where something moves at one half."""
    jumping = asker.jumps_at_half[pairs]
    some, rest = pairs[jumping], pairs[~jumping]
    at_half, doubt = settle_at_half(asker, some)
    values[some] += at_half
    error[some] += doubt
    pair = np.concatenate([rest, some, some])
    below, above = np.full(len(some), 0.5 - NARROW / 2), np.full(len(some), 0.5 + NARROW / 2)
    low = np.concatenate([np.zeros(len(rest) + len(some)), above])
    high = np.concatenate([np.ones(len(rest)), below, np.ones(len(some))])
    f_low, f_high = asker.f_b[pair], asker.f_x[pair]
    f_low[low > 0.0] = asker.ask_path(some, above)
    f_high[high < 1.0] = asker.ask_path(some, below)
    return Intervals(pair, low, high, f_low, f_high, child_keys(asker.block.seeds[pair], (low > 0.0).astype(np.int64)))


def _broken_paths(
    asker: Any, panels: Intervals, settings: Settings, limit: np.ndarray, values: np.ndarray, error: np.ndarray
) -> np.ndarray:
    """Jumps by what single players do there, and quadrature of what is smooth; returns the pairs that jump."""
    if len(panels) == 0:
        return panels.pair
    panels = panels[np.lexsort((panels.low, panels.pair))]
    of_slopes = _affordable_slopes(asker, panels, limit)
    additive = ~np.isin(panels.pair, panels.pair[of_slopes < 0])
    breaks, between, degree = _find_twice(asker, panels, limit)
    product = ~np.isin(between.pair, panels.pair[additive])
    primitives, searched = _integrate_sums(asker, panels[additive], of_slopes[additive], settings.tol, values, error)
    parts, orders = merged(asker, between[product], degree[product])
    paid = integrate_panels(asker, parts, orders, settings.tol, values, error, *BETWEEN)
    _guess(asker, parts[~paid], error)
    slanted = share_jumps(asker, breaks.intervals[breaks.jumps], values, error)
    # Groups of players that cross a slanted surface elsewhere would seem to jump where the path does not.
    stretches = between[np.isin(between.pair, np.setdiff1d(searched, slanted))]
    hidden = find_hidden(asker, primitives, stretches, _scale(asker).max(axis=1))
    share_jumps(asker, hidden, values, error)
    pairs = np.unique(panels.pair)
    error[pairs] += asker.unsearched[pairs][:, None, :] * asker.moving[pairs][:, :, None]
    return np.append(breaks.intervals.pair[breaks.jumps], hidden.pair)


def _hidden_by_paths(asker: Any, panels: Intervals, degree: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """(n_pairs, n_outputs): what detours show that smooth paths do not; the degree of these panels becomes -1."""
    smooth, hidden = np.flatnonzero(degree >= 0), np.zeros_like(limit)
    some, of_some = panels[smooth], degree[smooth]
    left = compare_detours(asker, some, of_some, limit[some.pair], rows_of(asker, some, of_some))
    degree[smooth] = np.where((left > 0.0).any(axis=1), -1, of_some)
    np.maximum.at(hidden, some.pair, left)
    return hidden


def _integrate_sums(
    asker: Any, sums: Intervals, degree: np.ndarray, tol: float, values: np.ndarray, error: np.ndarray
) -> tuple[Primitives, np.ndarray]:
    """Integrate panels whose slope is smooth although they jump; returns what players do there, and the pairs paid."""
    primitives = Primitives(asker, sums, WHOLE[1])
    paid = integrate_panels(asker, sums, degree + 1, tol, values, error, *WHOLE, keep=primitives.note)
    _guess(asker, sums[~paid], error)
    return primitives, np.setdiff1d(sums.pair, sums.pair[~paid])


def _affordable_slopes(asker: Any, panels: Intervals, limit: np.ndarray) -> np.ndarray:
    """(n,): degree of the slope along whole panels, -1 where it is not smooth or the budget has no room to look."""
    rich = asker.remaining(panels.pair) >= 8 * np.bincount(panels.pair, minlength=len(asker.block))[panels.pair]
    degree = np.full(len(panels), -1)
    degree[rich] = _scan_slopes(asker, panels[rich], limit)
    return degree


def _scale(asker: Any) -> np.ndarray:
    """(n_pairs, n_outputs): how far the path leads the model, or a hundredth of its size if that is more."""
    return np.maximum(asker.reach, 0.01 * asker.size[:, None]) + 1e-300


def _find_twice(asker: Any, panels: Intervals, limit: np.ndarray) -> tuple[Breaks, Intervals, np.ndarray]:
    """Breaks, the panels between them, and their degrees; panels that are not smooth yet are searched once more."""
    breaks = find_breaks(asker, panels, limit, asker.budget // 2)
    between = _between(asker, panels, breaks)
    degree = scan(asker, between, NEARBY * limit[between.pair], SHORT)
    rough = degree < 0
    more = find_breaks(asker, between[rough], limit, asker.budget // 2)
    parts = _between(asker, between[rough], more)
    of_parts = scan(asker, parts, NEARBY * limit[parts.pair], SHORT)
    degree = np.append(degree[~rough], of_parts)
    return breaks.joined(more), Intervals.joined([between[~rough], parts]), degree


def _guess(asker: Any, panels: Intervals, error: np.ndarray) -> None:
    """Panels that could not be paid for are worth no more than the steepest ones that were."""
    np.add.at(error, panels.pair, asker.steepest[panels.pair] * (panels.high - panels.low)[:, None, None])


def _scan_slopes(asker: Any, panels: Intervals, limit: np.ndarray) -> np.ndarray:
    """(n,): degree of the slope along whole panels, -1 where it is not smooth."""

    def slope(pair: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        step = np.where(alpha < 0.5, STEP, -STEP)
        return (asker.ask_path(pair, alpha + step) - asker.ask_path(pair, alpha)) / step[:, None]

    ends = slope(panels.pair, panels.low), slope(panels.pair, panels.high)
    steep = np.abs(np.stack(ends)).max(axis=0)
    of_slope = Intervals(panels.pair, panels.low, panels.high, *ends, panels.key)
    noise = SLOPE_NOISE * steep + (BLURRED * asker.noise * asker.size / STEP)[panels.pair, None]
    allowed = np.maximum(limit[panels.pair], noise)
    return scan(asker, of_slope, allowed, of=slope)


def _between(asker: Any, panels: Intervals, breaks: Breaks) -> Intervals:
    """What of the panels lies between breaks."""
    cuts = breaks.intervals[np.isin(breaks.intervals.pair, panels.pair)]
    pair = np.concatenate([panels.pair, cuts.pair])
    low, high = np.concatenate([panels.low, cuts.high]), np.concatenate([panels.high, cuts.low])
    f_low, f_high = np.concatenate([panels.f_low, cuts.f_high]), np.concatenate([panels.f_high, cuts.f_low])
    starts, ends = np.lexsort((low, pair)), np.lexsort((high, pair))
    keys = child_keys(asker.block.seeds[pair[starts]], low[starts].view(np.uint64))
    between = Intervals(pair[starts], low[starts], high[ends], f_low[starts], f_high[ends], keys)
    return between[between.high > between.low]


def _add_gap(asker: Any, pairs: np.ndarray, values: np.ndarray, error: np.ndarray, times: float) -> None:
    """What is missing from completeness is error, too, and nobody knows whose.

    On smooth paths it is shared by all features, and a player has `times` an equal share of it; on broken ones it may
    be a jump that was not seen, and all of it be of one feature.
    """
    gap = np.abs(values[pairs].sum(axis=1) - (asker.f_x - asker.f_b)[pairs])
    moving = asker.moving[pairs][:, :, None]
    error[pairs] += np.minimum(times / moving.sum(axis=1, keepdims=True), 1.0) * gap[:, None, :] * moving
