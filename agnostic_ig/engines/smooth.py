"""The engine of smooth models: gradients of the model's own, integrated in closed form or down to rounding."""

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.discrete_moves import credit_tie, displacements, moves_at_half, sum_by_player
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["SmoothEngine"]

PAIRS_PER_BATCH = 2048
MAX_BATCH_VALUES = 1_000_000


@dataclass
class SmoothEngine:
    """Integrated Gradients of a `SmoothFunction`.

    Where nothing moves at one half, the attribution of column j is (x_j - b_j) times the mean of the gradient on the
    path. Where something does, the path has two smooth halves, and what happens between them is a tie. `noise` is what
    rounding may do to a prediction where that is worth telling: in sums of large numbers that cancel.
    """

    function: SmoothFunction
    family: str
    name: str = "smooth"
    exact: bool = True
    uses_threads: bool = False
    why: str = "smooth: the gradient is known, and is integrated along the path"
    facts: dict[str, str] = field(default_factory=dict)
    noise: float = 0.0

    def with_black_box(self, black_box: Any) -> "SmoothEngine":
        """The same engine for rows as today's codec encodes them."""
        engine = copy.copy(self)
        engine.function = self.function.with_black_box(black_box)
        return engine

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        return self.function.values(X)

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        moves = moves_at_half(block, columns.discrete)
        if moves is None:
            means, error = self.function.mean_gradients(block.b, block.x)
            answer = self._answer(displacements(block.b, block.x), means, error, columns, outputs)
            return self._with_noise(answer, block, columns)
        first, second = moves.before, moves.after
        answers = [
            self._answer(displacements(start, end), *self.function.mean_gradients(start, end), columns, outputs)
            for start, end in ((block.b, first), (second, block.x))
        ]
        tie, variance = credit_tie(self.function, moves, columns, outputs, block, settings)
        values = answers[0].values + answers[1].values + tie
        errors = [answer.error for answer in answers if answer.error is not None]
        answer = PairAnswer(values, sum(errors) if errors else None, variance)
        return self._with_noise(answer, block, columns)

    def _with_noise(self, answer: PairAnswer, block: PairBlock, columns: Columns) -> PairAnswer:
        """Rounding in the error of everybody who moves."""
        if self.noise == 0.0:
            return answer
        moves = sum_by_player((block.b != block.x)[:, :, None], columns) > 0
        error = 0.0 if answer.error is None else answer.error
        return replace(answer, error=error + self.noise * np.broadcast_to(moves, answer.values.shape))

    @staticmethod
    def _answer(
        moves: np.ndarray, means: np.ndarray, error: np.ndarray | None, columns: Columns, outputs: np.ndarray
    ) -> PairAnswer:
        values = sum_by_player(moves[:, :, None] * means[:, :, outputs], columns)
        if error is None:
            return PairAnswer(values)
        return PairAnswer(values, sum_by_player(np.abs(moves)[:, :, None] * error[:, :, outputs], columns))

    def edges(self, rng: np.random.Generator, n: int) -> None:
        """Smooth functions have no thresholds."""

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs whose gradients fit in memory."""
        return int(np.clip(MAX_BATCH_VALUES // (n_features * self.function.n_outputs), 1, PAIRS_PER_BATCH))
