"""The numeric engine: Integrated Gradients of anything that predicts, with an error estimate for every value.

All pairs of a block are worked on together. Every round collects the probe points that all of them ask for, and
the model answers them in few large calls. A pair's points depend on nothing but the pair, so batches do not change
answers.

The path of a pair is scanned first. Where a minute step along it moves the model, what is smooth is integrated, and
kinks and jumps are found on the path (`numeric_mixed`); where it does not, or where the budget has no room for that,
the path is cut into intervals until the effects of single features explain each of them (`numeric_jump`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.numeric_groups import ROUNDED
from agnostic_ig.engines.numeric_rounds import on_path
from agnostic_ig.engines.numeric_tie import MAX_ENUMERATED
from agnostic_ig.engines.response import BlackBox
from agnostic_ig.kernels.path_probe import Paths, build_apart, build_probes, raise_by_group, raise_sizes
from agnostic_ig.parallel import batches, for_all

__all__ = ["BUDGETS", "Asker", "NumericEngine", "calls", "in_order_of_paths"]

# Model rows a pair may cost, by `thoroughness`, where max_evaluations is None.
BUDGETS = {"fast": 5_000, "standard": 20_000, "thorough": 200_000}
ROWS_PER_CALL = 65_536
LEAST_ROWS = 4_096  # for every one of several threads: smaller calls wait for each other
# A second answer that is farther off than this, relative, is not only a sum in another order; then so many are asked.
RANDOM, REPEATS = 1e-12, 8
MOST_ROWS = 1 << 40  # that anyone can wait for
PAIRS_PER_BATCH = 2048
LARGEST_EXPONENT = 256  # of outputs that are taken as they are
MAX_EFFECTS = 60_000  # of players on outputs, in a batch of pairs: each has some 200 intervals with as many numbers


class Asker:
    """Answers probes of one block: builds rows, asks the model in large calls, counts rows for every pair.

    Answers are in units of 2**exponent (n_pairs, n_outputs), which is one unless they are huge.
    """

    def __init__(
        self, black_box: BlackBox, block: PairBlock, columns: Columns, outputs: np.ndarray, budget: int,
        n_jobs: int = 1,
    ) -> None:  # fmt: skip
        self.block = block
        self.budget = budget
        self.n_jobs = n_jobs  # threads that share a large call
        self.columns = columns
        self.outputs = outputs
        self.n_evaluations = np.zeros(len(block), dtype=np.int64)
        self._black_box = black_box
        self._errors = np.geterr()  # of the caller: what the model does is judged by them
        self._paths = Paths.between(block.b, block.x, columns.discrete)
        ends = block.f_x[:, outputs], block.f_b[:, outputs]
        self.exponent = _exponent(np.maximum(*np.abs(ends)))
        self.f_x, self.f_b = (np.ldexp(end, -self.exponent) for end in ends)
        self.size = np.abs(np.concatenate([self.f_x, self.f_b], axis=1)).max(axis=1)  # (n_pairs,): largest output seen
        self.reach = np.abs(self.f_x - self.f_b)  # how far the path has been seen to lead the model away from f_b
        self.unsearched = np.zeros_like(self.reach)  # jumps that the budget did not let anyone look for
        self.randomness = np.zeros(len(block))  # standard deviation of answers to the same question, relative
        self.votes = np.zeros(len(block), dtype=np.int64)  # for log-odds, see numeric_logit
        self.noise = np.zeros(len(block))  # standard deviation of the model's noise, relative to its size
        self.moving = self._moving_players()
        self.steepest = np.zeros((*self.moving.shape, len(outputs)))  # largest mean slope of a player on any panel
        self.jumps_at_half = self._half_jumpers()
        self.moves_whole_numbers, self.moves_units = self._whole_numbers()
        few = 2.0 ** self.moving.sum(axis=1) <= np.minimum(2.0**MAX_ENUMERATED, budget / 4)
        self.is_enumerated_at_half = self.moves_units & few
        self.moves_smoothly = np.zeros(len(block), dtype=bool)  # a minute step along the path moves the model

    @property
    def precision(self) -> type:
        """In which the model answers."""
        return self._black_box.precision

    def remaining(self, pairs: Any) -> np.ndarray:
        """Model rows that these pairs may still cost."""
        return self.budget - self.n_evaluations[pairs]

    def _moving_players(self) -> np.ndarray:
        """(n_pairs, n_players): players with a column in which x and b differ."""
        x, b = self.block.x, self.block.b
        differs = (x != b) & ~(np.isnan(x) & np.isnan(b))
        return self._any_column(differs)

    def _half_jumpers(self) -> np.ndarray:
        """(n_pairs,): something moves only at one half (a discrete column, a value that goes missing)."""
        x, b = self.block.x, self.block.b
        jumps = (self.columns.discrete & (x != b)) | (np.isnan(x) ^ np.isnan(b))
        return (jumps & ~(np.isnan(x) & np.isnan(b))).any(axis=1)

    def _whole_numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """(n_pairs,): several columns move between whole numbers, which may cross together; all move by one."""
        x, b = self.block.x, self.block.b
        differs = (x != b) & ~(np.isnan(x) | np.isnan(b))
        whole = differs & (x == np.rint(x)) & (b == np.rint(b))
        with np.errstate(invalid="ignore", over="ignore"):  # ways that are not finite are no units
            units = (whole & (np.abs(x - b) == 1.0)) | ~differs
        several = whole.sum(axis=1) > 1
        return several, several & units.all(axis=1)

    def _any_column(self, mask: np.ndarray) -> np.ndarray:
        players = np.zeros((len(mask), self.columns.n_players), dtype=bool)
        for j, player in enumerate(self.columns.player_of):
            players[:, player] |= mask[:, j]
        return players

    def ask(self, pair: np.ndarray, alpha: np.ndarray, moved_alpha: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Outputs (n, n_outputs) on the path at alpha, with the players in `moved` at moved_alpha."""

        def build(order: np.ndarray, rows: np.ndarray) -> None:
            build_probes(self._paths, self.columns.player_of, order, pair, alpha, moved_alpha, moved, rows)

        return self._answers(pair, alpha, build)

    def ask_apart(self, pair: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Outputs (n, n_outputs) with every player at a place of its own, alpha (n, n_players)."""

        def build(order: np.ndarray, rows: np.ndarray) -> None:
            build_apart(self._paths, self.columns.player_of, pair[order], alpha[order], rows)

        return self._answers(pair, alpha.mean(axis=1), build)

    def _answers(
        self, pair: np.ndarray, alpha: np.ndarray, build: Callable[[np.ndarray, np.ndarray], None]
    ) -> np.ndarray:
        """Of rows that are built a part at a time, in the order in which they stand on the paths."""
        self.n_evaluations += np.bincount(pair, minlength=len(self.block))
        answers = np.empty((len(pair), len(self.outputs)))
        order = in_order_of_paths(pair, alpha)

        def answer(part: slice) -> None:
            rows = np.empty((len(order[part]), self.block.x.shape[1]))
            build(order[part], rows)
            with np.errstate(**self._errors):
                answers[order[part]] = self._black_box.ask_matrix(rows)[:, self.outputs]

        for_all(answer, calls(len(pair), self.n_jobs), self.n_jobs)
        if self.exponent.any():
            answers = np.ldexp(answers, -self.exponent[pair])
        raise_sizes(pair, answers, self.size)
        return answers

    def find_randomness(self, pairs: np.ndarray) -> float:
        """Ask every row once more; where the answer is another one, often. Returns the largest noise, relative."""
        pairs = pairs[self.remaining(pairs) >= 4 * self.moving[pairs].sum(axis=1) + 2 * REPEATS]
        again = self.ask_path(pairs, np.ones(len(pairs)))
        apart = np.abs(again - self.f_x[pairs]).max(axis=1, initial=0.0)
        random = apart > RANDOM * self.size[pairs]
        pairs = pairs[random]
        answers = self.ask_path(np.repeat(pairs, REPEATS), np.ones(len(pairs) * REPEATS))
        spread = answers.reshape(len(pairs), REPEATS, len(self.outputs)).std(axis=1, ddof=1).max(axis=1, initial=0.0)
        spread = np.maximum(spread, apart[random] / 2.0)  # a model may drift from call to call, not within one
        self.randomness[pairs] = spread / (self.size[pairs] + 1e-300)
        return float(self.randomness.max(initial=0.0))

    def ask_path(self, pair: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Outputs on the path itself."""
        answers = self.ask(*on_path(self, pair, alpha))
        raise_by_group(pair, np.abs(answers - self.f_b[pair]), self.reach)
        return answers


def in_order_of_paths(pair: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The order in which rows that are close together follow each other.

    Trees go the same way for them, which processors foresee: a forest answers in three quarters of the time.
    """
    return np.argsort(pair * (1 << 33) + (alpha * (1 << 32)).astype(np.int64), kind="stable")


def calls(n_rows: int, n_jobs: int) -> list[slice]:
    """Parts of a question, a call of the model each: large enough for the fixed cost of a call, even among threads."""
    n_calls = -(-n_rows // ROWS_PER_CALL)
    if n_rows >= n_jobs * LEAST_ROWS:
        n_calls = -(-n_calls // n_jobs) * n_jobs
    return batches(n_rows, max(1, -(-n_rows // max(1, n_calls))))


@dataclass
class NumericEngine:
    """Finite differences and jump search for a model of which only predictions are known."""

    black_box: BlackBox
    name: str = "numeric"
    exact: bool = False
    uses_threads: bool = True
    why: str = "only predictions of the model are known"
    family: str = "any predict function"
    facts: dict[str, str] = field(default_factory=dict)

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of all pairs, with an error estimate for every value."""
        budget = min(settings.max_evaluations or BUDGETS[settings.thoroughness], MOST_ROWS)
        asker = Asker(self.black_box, block, columns, outputs, budget, settings.n_jobs)
        with np.errstate(over="ignore", invalid="ignore"):  # what is lost has an error that is infinite
            values, error = self._attribute(asker, settings)
            converged = _converged(values, error, settings.tol)
            values, error = (np.ldexp(one, asker.exponent[:, None, :]) for one in (values, error))
        values[~np.isfinite(values)], error[~np.isfinite(values)] = 0.0, np.inf
        return PairAnswer(values, error, None, asker.n_evaluations, converged)

    def _attribute(self, asker: Asker, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Values and error estimates of all pairs, in the asker's units."""
        from agnostic_ig.engines.numeric_jump import refine
        from agnostic_ig.engines.numeric_mixed import integrate

        values = np.zeros((*asker.moving.shape, len(asker.outputs)))
        error = np.zeros_like(values)
        open_pairs = np.flatnonzero(asker.moving.any(axis=1))
        self.black_box.note_noise(asker.find_randomness(open_pairs))
        moves = self._moves_smoothly(asker, open_pairs)
        asker.moves_smoothly[open_pairs] = moves
        unpaid = integrate(asker, open_pairs[moves], settings, values, error)
        refine(asker, np.sort(np.concatenate([open_pairs[~moves], unpaid])), settings, values, error)
        lost = ~np.isfinite(values) | np.isnan(error)
        values[lost], error[lost] = 0.0, np.inf
        return values, error

    @staticmethod
    def _moves_smoothly(asker: Asker, pairs: np.ndarray) -> np.ndarray:
        """Whether a minute step along the path moves the model at more than a quarter of the scanned places.

        Where answers are random, a larger step must move it by more than they differ.
        """
        if asker.budget < 20 * SCANNED:
            return np.zeros(len(pairs), dtype=bool)
        random = asker.randomness[pairs]
        step = np.where(random > 0.0, SCAN_STEP["random"], SCAN_STEP["exact"])
        places = (np.arange(SCANNED) + 0.37) / SCANNED
        pair, alpha = np.repeat(pairs, SCANNED), np.tile(places, len(pairs))
        change = asker.ask_path(pair, alpha + np.repeat(step, SCANNED)) - asker.ask_path(pair, alpha)
        noise = np.maximum(NOTICED * random, ROUNDED) * asker.size[pairs]
        moved = (np.abs(change).max(axis=1).reshape(len(pairs), SCANNED) > noise[:, None]).mean(axis=1)
        return (moved > 0.25) | (random > TOO_RANDOM)

    def with_black_box(self, black_box: BlackBox) -> "NumericEngine":
        """The same engine asking through another codec."""
        return NumericEngine(black_box)

    def edges(self, rng: np.random.Generator, n: int) -> Any:
        """No thresholds are known."""

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Enough pairs to make model calls large; their open intervals bound the memory."""
        return int(np.clip(MAX_EFFECTS // (n_features * n_outputs), 1, PAIRS_PER_BATCH))


def _exponent(size: np.ndarray) -> np.ndarray:
    """Powers of two that make huge outputs small enough to be squared; others are left as they are."""
    exponent = np.frexp(size)[1]
    return np.where(exponent > LARGEST_EXPONENT, exponent, 0)


SCANNED = 6
SCAN_STEP = {"exact": 1e-5, "random": 1e-3}
NOTICED = 6.0  # differences of random answers that are no chance, in their standard deviations
TOO_RANDOM = 1e-4  # from this noise, relative, steps of a model cannot be told from it


def _converged(values: np.ndarray, error: np.ndarray, tol: float) -> np.ndarray:
    """Whether the summed error estimates of every output are within tol of the summed attributions."""
    found = error.sum(axis=1)
    return (np.isfinite(found) & (found <= tol * np.abs(values).sum(axis=1))).all(axis=1)
