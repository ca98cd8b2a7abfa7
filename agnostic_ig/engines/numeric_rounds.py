"""Questions to the model in rounds: whatever is looked at side by side is asked in one call.

What looks at something is a generator of `Steps`: it yields a question and is sent the answers. A call of a model costs
a fixed time beside that of its rows (a forest of 100 trees: of some 3,000 rows), so calls are what is to be saved.
"""

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np

__all__ = ["Question", "Steps", "Together", "on_path", "run"]

Result = TypeVar("Result")


class Question(NamedTuple):
    """Places on the paths of pairs at alpha, with the players in `moved` (n, n_players) at moved_alpha."""

    pair: np.ndarray
    alpha: np.ndarray
    moved_alpha: np.ndarray
    moved: np.ndarray

    @classmethod
    def joined(cls, parts: Iterable["Question"]) -> "Question":
        return cls(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


Steps = Generator[Question, np.ndarray, Result]


def on_path(asker: Any, pair: np.ndarray, alpha: np.ndarray) -> Question:
    """Places on the path itself."""
    return Question(pair, alpha, alpha, np.zeros((len(pair), asker.columns.n_players), dtype=bool))


def run(asker: Any, steps: Steps[Result]) -> Result:
    """The result of steps that are alone."""
    try:
        question = next(steps)
        while True:
            question = steps.send(asker.ask(*question))
    except StopIteration as end:
        return end.value


class Together:
    """Steps that run side by side. Every round answers one question of each; what they find they tell themselves."""

    def __init__(self, asker: Any) -> None:
        self._asker = asker
        self._waiting: list[tuple[Steps[None], Question]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, steps: Steps[None]) -> None:
        """Let them put their first question."""
        self._go_on(steps, None)

    def round(self) -> None:
        """Answer all questions, and let everyone put the next one."""
        waiting, self._waiting = self._waiting, []
        answers = self._asker.ask(*Question.joined(question for _, question in waiting))
        ends = np.cumsum([len(question.pair) for _, question in waiting])
        for (steps, _), part in zip(waiting, np.split(answers, ends[:-1]), strict=True):
            self._go_on(steps, part)

    def _go_on(self, steps: Steps[None], answers: Any) -> None:
        try:
            self._waiting.append((steps, steps.send(answers)))
        except StopIteration:
            return
