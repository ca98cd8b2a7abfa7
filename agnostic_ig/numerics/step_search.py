"""The search for the step of every entry of a gradient: rounds of probes for all of them, until each has its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnostic_ig.kernels.finite_difference import Entries, Plans, Rules, build_stencil_rows, judge_answers
from agnostic_ig.numerics.noise import Noise
from agnostic_ig.numerics.stencils import LEVELS, Ladder, make_ladder

__all__ = ["MOST_ROUNDS", "Request", "find_derivatives"]

MOST_ROUNDS = 10
CELLS_PER_CALL = 1 << 23  # numbers in one table of probes: 64 MB
ROWS_PER_CALL = 65_536
# Measured on the functions of benchmarks/gradient.py: with these, 98 % of errors are covered by a wide margin.
SEARCH = Rules(sure=3.0, growth=16.0, leap=128.0, safety=2.0, enough=8.0, levels=LEVELS)
GIVEN = SEARCH._replace(levels=1)
# Steps reach at most this part of max(|x|, 1), and are at least this many units in the last place of x.
WIDEST = 0.25
FINEST = 256.0
# Farther than this from 0 the scale is no longer |x|: it may be an offset, as of a year or a coordinate.
FAR = 10.0
# And so far out nothing is known of it: steps start where a scale of one wants them, and grow.
FAR_OUT, FINEST_FAR_OUT = 2.0**20, 16.0
# Nearer to 0 than this, x is taken for 0.
NOTHING = 1e-9
# Other sides to look at where bounds leave no room on one of them.
SIDES = {"central": ("central", "forward", "backward"), "forward": ("forward", "backward"),
         "backward": ("backward", "forward")}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is asked of the derivatives of all rows.

    Attributes
    ----------
    scheme, order, richardson : as for `gradient`
    bounds : ndarray of shape (2, n_features)
    steps : ndarray of shape (n_features,) or None
        Given steps; None: they are searched for.
    """

    scheme: str
    order: int
    richardson: bool
    bounds: np.ndarray
    steps: np.ndarray | None = None

    @property
    def ladders(self) -> list[Ladder]:
        """The scheme, and what stands in for it near bounds."""
        return [make_ladder(scheme, self.order, self.richardson) for scheme in SIDES[self.scheme]]

    @property
    def n_offsets(self) -> int:
        """Most rows that an entry asks for in a round."""
        return max(len(ladder.offsets) for ladder in self.ladders)


def find_derivatives(
    ask: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray,
    outputs: np.ndarray,
    noise: Noise,
    moves: np.ndarray,
    request: Request,
) -> Entries:
    """Derivatives of all outputs at the entries (row, feature) in `moves` (n, n_features), in their order.

    Parameters
    ----------
    ask : callable
        From rows (m, n_features) to answers (m, n_outputs).
    rows : ndarray of shape (n, n_features)
    outputs : ndarray of shape (n, n_outputs)
        Answers at the rows.
    noise : Noise
        Of the answers.
    """
    plans = _stack(request.ladders)
    entries = _open_entries(rows, outputs, noise, moves, request)
    rules = SEARCH if request.steps is None else GIVEN
    pending = np.flatnonzero(entries.open)
    for _ in range(MOST_ROUNDS if request.steps is None else 1):
        for chosen in _calls(pending, entries, plans, rows.shape[1]):
            start = np.concatenate([[0], np.cumsum(plans.counts[entries.plan[chosen]])])
            probes = np.empty((start[-1], rows.shape[1]))
            build_stencil_rows(rows, request.bounds, entries, plans, chosen, start, probes)
            judge_answers(
                ask(probes), outputs, noise.sigma, noise.unit, entries, plans, chosen, start, rules
            )  # fmt: skip
        pending = pending[entries.open[pending]]
    return entries


def _stack(ladders: list[Ladder]) -> Plans:
    """Ladders as arrays for kernels."""
    widest = max(len(ladder.offsets) for ladder in ladders)
    padded = [widest - len(ladder.offsets) for ladder in ladders]
    by_level = {
        name: np.stack([np.pad(getattr(one, name), ((0, 0), (0, n))) for one, n in zip(ladders, padded, strict=True)])
        for name in ("weights", "gaps")
    }
    offsets = np.stack([np.pad(one.offsets, (0, n)) for one, n in zip(ladders, padded, strict=True)])
    counts = np.array([len(one.offsets) for one in ladders])
    norms, orders = np.stack([one.norms for one in ladders]), np.array([one.order for one in ladders])
    return Plans(offsets, counts, by_level["weights"], by_level["gaps"], norms, orders)


def _calls(pending: np.ndarray, entries: Entries, plans: Plans, n_features: int) -> list[np.ndarray]:
    """Pending entries in parts whose probes make one call each."""
    per_call = max(1, min(ROWS_PER_CALL, CELLS_PER_CALL // n_features) // plans.offsets.shape[1])
    return [pending[first : first + per_call] for first in range(0, len(pending), per_call)]


def _open_entries(rows: np.ndarray, outputs: np.ndarray, noise: Noise, moves: np.ndarray, request: Request) -> Entries:
    """Every entry with its scheme, its first step, and the shortest and longest one allowed."""
    row, column = np.nonzero(moves)
    x, ladders, searched = rows[row, column], request.ladders, request.steps is None
    first = _scale_steps(x, _relative(outputs, noise)[row], ladders[0]) if searched else request.steps[column]
    reach = np.array([ladder.reach for ladder in ladders])
    plan, most = _choose_sides(x, first, request.bounds[:, column], reach, request.scheme)
    least = FINEST * np.spacing(np.abs(x) + first)
    if searched:
        least = np.where(np.abs(x) > FAR_OUT, np.minimum(least, FINEST_FAR_OUT * np.spacing(np.abs(x))), least)
        first = np.maximum(first, least)
        most = np.minimum(most, WIDEST * np.maximum(np.abs(x), 1.0) / reach[plan])
        first = np.minimum(np.minimum(first, most), _half_way(x, plan, request.scheme) / reach[plan])
        first = 2.0 ** np.floor(np.log2(np.maximum(first, np.finfo(float).tiny)))
    else:
        first = _on_grid(np.minimum(first, most), least)
    shape = (len(row), outputs.shape[1])
    return Entries(
        row, column, plan, first, least, most, np.zeros(len(row)), np.full(len(row), np.inf),
        (most >= least) & (first > 0.0), np.full(shape, np.nan), np.full(shape, np.inf), np.full(shape, np.nan),
        np.zeros(shape, dtype=bool),
    )  # fmt: skip


def _relative(outputs: np.ndarray, noise: Noise) -> np.ndarray:
    """(n,): noise of the answers relative to their size; of several outputs the median.

    Answers that did not move at all look like float32 numbers too often to say that they are.
    """
    size = np.maximum(np.abs(outputs), np.finfo(float).tiny)
    unit = np.where(noise.sigma > 0.0, noise.unit, noise.least)
    with np.errstate(over="ignore"):  # of noise beside nothing
        return np.median(np.clip(SEARCH.sure * (noise.sigma / size), unit, 1e-3), axis=1)


def _scale_steps(x: np.ndarray, relative: np.ndarray, ladder: Ladder) -> np.ndarray:
    """Where noise and truncation balance at the second level, if all derivatives were |f| / scale**order."""
    order = ladder.order
    balance = (relative * ladder.norms[0] / (order * ladder.constant)) ** (1.0 / (order + 1))
    scale = np.where(np.abs(x) > FAR_OUT, 1.0, np.minimum(np.abs(x), np.sqrt(FAR) * np.sqrt(np.abs(x))))
    return 2.0 * balance * np.maximum(scale, 1.0)


def _half_way(x: np.ndarray, plan: np.ndarray, scheme: str) -> np.ndarray:
    """How far the first probes may go: not over to the other sign, because some models know one sign only."""
    side = np.array([{"central": 0.0, "forward": 1.0, "backward": -1.0}[name] for name in SIDES[scheme]])[plan]
    may_cross = (np.abs(x) < NOTHING) | (side * x > 0.0)
    return np.where(may_cross, np.inf, np.abs(x) / 2.0)


def _choose_sides(
    x: np.ndarray, first: np.ndarray, bounds: np.ndarray, reaches: np.ndarray, scheme: str
) -> tuple[np.ndarray, np.ndarray]:
    """The first ladder that has room for the first step, else the one with most room; and the step it has room for."""
    with np.errstate(over="ignore"):
        up, down = bounds[1] - x, x - bounds[0]
    way = {"central": np.minimum(up, down), "forward": up, "backward": down}
    room = np.array([way[side] / reach for side, reach in zip(SIDES[scheme], reaches, strict=True)])
    fits = room >= first
    plan = np.where(fits.any(axis=0), fits.argmax(axis=0), room.argmax(axis=0))
    return plan, np.take_along_axis(room, plan[None], axis=0)[0]


def _on_grid(step: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Given steps as multiples of a few units in the last place of x, so that x + h is x and h exactly."""
    grid = least / 4.0
    return np.maximum(np.floor(step / grid) * grid, 0.0)
