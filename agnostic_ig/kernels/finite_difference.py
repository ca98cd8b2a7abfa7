"""Rows that finite differences are made of, and what the model's answers say: estimates, their errors, the next step.

The search for a step follows the idea of Shi, Xie, Xuan and Nocedal, "Adaptive finite-difference interval estimation
for noisy derivative-free optimization", SIAM J. Sci. Comput. 44 (2022): compare the difference of two estimates with
what noise alone would make of it. Smaller: the step may grow; much larger: the step is too long.
"""

from typing import NamedTuple

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["Entries", "Plans", "Rules", "build_stencil_rows", "judge_answers"]

HALF_ULP = 2.0**-53
DECIMALS = 10  # that answers may be rounded to
SMALLEST = 5e-324  # of all numbers: what rounding is below the normal ones
HIDDEN = 0.25  # of the noise of a difference: what it may hide of the truncation there


class Plans(NamedTuple):
    """Ladders of all schemes, padded: offsets (n_schemes, n), counts (n_schemes,), the rest (n_schemes, levels, n)."""

    offsets: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    gaps: np.ndarray
    norms: np.ndarray  # (n_schemes, levels)
    orders: np.ndarray  # (n_schemes,)


class Entries(NamedTuple):
    """One feature of one row each: (n,), and (n, n_outputs) for the best that is known."""

    row: np.ndarray
    column: np.ndarray
    plan: np.ndarray
    step: np.ndarray
    least: np.ndarray  # shortest and longest step allowed
    most: np.ndarray
    small: np.ndarray  # longest step at which no truncation was seen, shortest at which there was too much
    large: np.ndarray
    open: np.ndarray
    best: np.ndarray
    error: np.ndarray
    at: np.ndarray  # step of the best
    flat: np.ndarray


class Rules(NamedTuple):
    """Constants of the search."""

    sure: float  # standard deviations of noise that are reckoned with
    growth: float  # of the step where no truncation is seen
    leap: float  # of the step where nothing moves at all
    safety: float  # factor on truncation errors
    enough: float  # factor on the relative error that ends the search where no truncation is seen
    levels: int  # estimates that may be chosen: 1 where the step is given


@kernel
def build_stencil_rows(rows, bounds, entries, plans, chosen, start, out):
    """Rows start[i] ... of out: row and column of entry chosen[i] moved to all its offsets, inside bounds (2, p)."""
    for i in range(len(chosen)):
        e = chosen[i]
        x, column, plan = rows[entries.row[e]], entries.column[e], entries.plan[e]
        for o in range(plans.counts[plan]):
            line = out[start[i] + o]
            line[:] = x
            moved = x[column] + plans.offsets[plan, o] * entries.step[e]
            line[column] = min(max(moved, bounds[0, column]), bounds[1, column])


@kernel
def _apply(weights, answers, f, step):
    """A linear form of the differences from f(x), over the step."""
    total = 0.0
    for o in range(len(answers)):
        total += weights[o] * (answers[o] - f)
    return total / step


@kernel
def _moves(weights, answers, f):
    """Whether the model moves at the offsets of an estimate."""
    for o in range(len(answers)):  # noqa: SIM110 - kernels know no generators
        if weights[o] != 0.0 and answers[o] != f:
            return True
    return False


@kernel
def _truncation(estimate, noise, gain, safety, found):
    """Truncation errors of estimates at h, h/2, h/4 from their differences.

    In the asymptotic range the error falls by `gain` from one to the next. Where they come together more slowly, or run
    apart as at a jump, only the difference from its neighbour tells about an estimate.
    """
    wide, narrow = abs(estimate[0] - estimate[1]), abs(estimate[1] - estimate[2])
    shrinks = narrow <= max(4.0 * wide / gain, noise[1] + noise[2])
    wide = max(wide, HIDDEN * (noise[0] + noise[1]) / (gain - 1.0))
    found[0] = safety * max(wide * gain / (gain - 1.0), narrow)
    found[1] = safety * max(wide / (gain - 1.0), narrow)
    found[2] = safety * (max(wide / gain, narrow) / (gain - 1.0) if shrinks else narrow)


@kernel
def _two_sides(gaps, answers, f, step, noise):
    """Half of the difference between the slopes on both sides where it does not shrink with the step: a kink at x.

    And whether it grows instead: the value at x itself stands alone.
    """
    wide = abs(_apply(gaps[0], answers, f, step))
    narrow = abs(_apply(gaps[2], answers, f, step))
    stands_out = narrow > 8.0 * noise
    return (0.5 * narrow if stands_out and narrow > 0.6 * wide else 0.0), stands_out and narrow > 1.5 * wide


@kernel
def _keep_best(entries, e, k, step, estimate, truncation, noise, kink, moves, levels):
    """Remember the estimate with the smallest error.

    Where the model does not move, only a slope too small for the answers may hide. Once it was seen not to move, what
    moves must have a slope: jumps on both sides of x may cancel.
    """
    for level in range(levels - 1, -1, -1):
        error = noise[level] + (truncation[level] + kink if moves[level] else 0.0)
        apart = abs(estimate[level] - entries.best[e, k]) > error + entries.error[e, k]
        if apart and step * 0.5**level > entries.at[e, k]:  # the longer step has been led astray
            continue
        if entries.flat[e, k] and moves[level] and abs(estimate[level]) <= error:
            continue
        if error < entries.error[e, k] or (apart and not entries.flat[e, k]):
            entries.best[e, k], entries.error[e, k] = estimate[level], error
            entries.at[e, k], entries.flat[e, k] = step * 0.5**level, not moves[level]


@kernel
def _wanted(estimate, truncation, noise, moves, order, step, relative, rules):
    """The step at which noise and truncation balance at the second level, by their powers of the step.

    The step itself where it will do. `relative` is the noise of an answer relative to its size.
    """
    wide, narrow = abs(estimate[0] - estimate[1]), abs(estimate[1] - estimate[2])
    if wide > 2.0 * (noise[0] + noise[1]) or narrow > 2.0 * (noise[1] + noise[2]):
        balance = 2.0 * step * (noise[0] / (order * truncation[0])) ** (1.0 / (order + 1.0))
        return step if balance > step / 3.0 else balance
    if not moves.any():
        return step * rules.leap
    if wide + noise[0] <= rules.enough * relative ** (order / (order + 1.0)) * abs(estimate[0]):
        return step
    return step * rules.growth


@kernel
def _move_on(entries, e, wanted):
    """Set the next step of an entry, between what was too small and too large; close it where there is none."""
    step = entries.step[e]
    if wanted > step:
        entries.small[e] = max(entries.small[e], step)
    elif wanted < step:
        entries.large[e] = min(entries.large[e], step)
    small, large = entries.small[e], entries.large[e]
    if wanted <= small or wanted >= large:
        wanted = np.sqrt(small * large) if large > 4.0 * small else step
    wanted = 2.0 ** np.floor(np.log2(min(max(wanted, entries.least[e]), entries.most[e])))
    entries.open[e] = wanted > 1.5 * step or wanted < step / 1.5
    entries.step[e] = wanted


@kernel
def _rounding(answers, unit):
    """Largest relative rounding: that of float64 if an answer is no float32 number."""
    for answer in answers:
        if np.float32(answer) != answer:
            return min(unit, HALF_ULP)
    return unit


@kernel
def _is_on_grid(answers, f, scale):
    """Whether all answers are whole numbers of 1 / scale, but for rounding."""
    on_grid = abs(f * scale - np.rint(f * scale)) <= 4.0 * HALF_ULP * abs(f * scale)
    for answer in answers:
        place = answer * scale
        on_grid &= abs(place - np.rint(place)) <= 4.0 * HALF_ULP * abs(place)
    return on_grid


@kernel
def _decimal_unit(answers, f):
    """The last decimal place of answers that are rounded to decimals, 0 if they are not.

    One place is too few to tell: such are counts, shares, and what a kink begins with. Few bits are few decimals, too.
    """
    for decimals in range(DECIMALS + 1):
        if _is_on_grid(answers, f, 10.0**decimals):
            rounded = decimals > 1 and f != 0.0 and not _is_on_grid(answers, f, 2.0**decimals)
            return 10.0**-decimals if rounded else 0.0
    return 0.0


@kernel
def _doubt_flat(entries, e, k, plans, decimal, estimate, noise, truncation):
    """The error of a flat entry whose answers turn out to be rounded to decimals: a slope may hide in the last place.

    As much as half of that place makes of the slope, or what longer steps show and may be wrong by, whichever is less.
    """
    hidden = decimal * plans.norms[entries.plan[e], 0] / entries.at[e, k]
    shown = np.min(np.abs(estimate) + truncation + noise)
    known = entries.error[e, k] if entries.error[e, k] > 1e-3 * hidden else np.inf
    entries.error[e, k] = min(known, hidden, shown)


@kernel
def _judge_output(entries, e, k, plans, answers, f, sigma, unit, rules):
    """What one output says about one entry: keeps the best estimate, returns the step that it wants next."""
    plan, step = entries.plan[e], entries.step[e]
    levels = plans.weights.shape[1]
    estimate, truncation, noise = np.empty(levels), np.empty(levels), np.empty(levels)
    moves = np.empty(levels, dtype=np.bool_)
    size = max(abs(f), np.abs(answers).max())
    decimal = 0.5 * _decimal_unit(answers, f) if rules.levels > 1 and (answers != f).any() else 0.0
    answer_noise = max(rules.sure * sigma, _rounding(answers, unit) * size, decimal, SMALLEST)
    for level in range(levels):
        weights = plans.weights[plan, level, : len(answers)]
        estimate[level] = _apply(weights, answers, f, step)
        noise[level] = answer_noise * plans.norms[plan, level] / step
        moves[level] = _moves(weights, answers, f)
    order = plans.orders[plan]
    _truncation(estimate, noise, 2.0**order, rules.safety, truncation)
    kink, alone = _two_sides(plans.gaps[plan, :, : len(answers)], answers, f, step, 4.0 * answer_noise / step)
    if decimal == 0.0 or not entries.flat[e, k]:
        _keep_best(entries, e, k, step, estimate, truncation, noise, kink, moves, rules.levels)
    if decimal > 0.0 and entries.flat[e, k]:
        _doubt_flat(entries, e, k, plans, decimal, estimate, noise, truncation)
    relative = answer_noise / max(size, 1e-300)
    wanted = _wanted(estimate, truncation, noise, moves, order, step, relative, rules)
    wanted = min(wanted, step / rules.growth) if alone else wanted
    return step if wanted < step and entries.flat[e, k] else wanted


@kernel
def judge_answers(answers, outputs, sigma, unit, entries, plans, chosen, start, rules):
    """Take in the answers (m, n_outputs) to the rows of `build_stencil_rows`.

    outputs, sigma, unit (n_rows, n_outputs): f(x), the standard deviation of its noise, its largest relative rounding.
    Of several outputs the one that wants to go farthest decides on the next step.
    """
    for i in range(len(chosen)):
        e = chosen[i]
        row, stop = entries.row[e], start[i] + plans.counts[entries.plan[e]]
        farthest = entries.step[e]
        for k in range(answers.shape[1]):
            own = answers[start[i] : stop, k]
            wanted = _judge_output(
                entries, e, k, plans, own, outputs[row, k], sigma[row, k], unit[row, k], rules
            )  # fmt: skip
            if abs(np.log(wanted / entries.step[e])) > abs(np.log(farthest / entries.step[e])):
                farthest = wanted
        _move_on(entries, e, farthest)
