"""What a method asks an engine, and what it gets back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

__all__ = ["Columns", "Engine", "PairAnswer", "PairBlock", "Unsupported"]


class Unsupported(Exception):
    """Raised by a reader: this model (or this output of it) has no exact engine; the text says why."""


@dataclass(frozen=True)
class Columns:
    """How the columns of X move along the path.

    Attributes
    ----------
    names : list of str, length n_features
    discrete : ndarray of bool, shape (n_features,)
        Columns that jump at alpha = 1/2 instead of moving continuously.
    player_of : ndarray of int, shape (n_features,)
        Columns with one player move together and share one attribution.
    player_names : list of str, length n_players
    """

    names: list[str]
    discrete: np.ndarray
    player_of: np.ndarray
    player_names: list[str]

    @property
    def n_players(self) -> int:
        return len(self.player_names)


@dataclass(frozen=True)
class PairBlock:
    """Every row with every baseline: all rows with the first, then all rows with the second, and so on.

    rows (n_rows, n_features), baselines (n_baselines, n_features), and f of both (n, n_outputs). x, b, f_x and f_b
    have one line a pair; so has seeds, of uint64, made when asked for: one random stream a pair, whatever the batch.
    jumps (n_pairs, n_features): columns that move at one half in a pair besides discrete ones and those that are not
    finite at an end: a pipeline fills in what is missing; None where there are none.
    """

    rows: np.ndarray
    baselines: np.ndarray
    f_rows: np.ndarray
    f_baselines: np.ndarray
    make_seeds: Callable[[], np.ndarray]
    jumps: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows) * len(self.baselines)

    def by_row(self, matrix: np.ndarray) -> np.ndarray:
        """What every row has, for every pair."""
        return matrix if len(self.baselines) == 1 else np.tile(matrix, (len(self.baselines), 1))

    def by_baseline(self, matrix: np.ndarray) -> np.ndarray:
        """What every baseline has, for every pair; read only where there is one baseline."""
        if len(self.baselines) == 1:
            return np.broadcast_to(matrix, (len(self.rows), matrix.shape[1]))
        return np.repeat(matrix, len(self.rows), axis=0)

    @cached_property
    def x(self) -> np.ndarray:
        return self.by_row(self.rows)

    @cached_property
    def b(self) -> np.ndarray:
        return self.by_baseline(self.baselines)

    @cached_property
    def f_x(self) -> np.ndarray:
        return self.by_row(self.f_rows)

    @cached_property
    def f_b(self) -> np.ndarray:
        return self.by_baseline(self.f_baselines)

    @cached_property
    def seeds(self) -> np.ndarray:
        return self.make_seeds()


@dataclass(frozen=True)
class PairAnswer:
    """Attributions of every pair.

    values (n_pairs, n_players, n_outputs); error bounds |values - truth| as estimated, variance is the squared
    standard error of sampling inside a pair; both None where there is none of it. n_evaluations (n_pairs,) counts
    model rows. converged (n_pairs,) is False where `tol` was not reached.
    """

    values: np.ndarray
    error: np.ndarray | None = None
    variance: np.ndarray | None = None
    n_evaluations: np.ndarray | None = None
    converged: np.ndarray | None = None


@dataclass(frozen=True)
class Settings:
    """What the user asked of accuracy and cost, already checked."""

    tol: float = 1e-6
    max_evaluations: int | None = None
    thoroughness: str = "standard"
    n_jobs: int = 1


class Engine(Protocol):
    """An engine answers pairs; `name` and `exact` go into the result, `why` and `facts` into inspect_model.

    uses_threads: a batch alone keeps as many threads busy as `Settings.n_jobs` says.
    """

    name: str
    exact: bool
    uses_threads: bool
    why: str
    facts: dict[str, str] = field(default_factory=dict)

    def with_black_box(self, black_box: Any) -> "Engine": ...

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer: ...

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int: ...
