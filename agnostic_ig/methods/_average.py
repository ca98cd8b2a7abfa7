"""Average an engine's pair attributions over baselines, in batches of rows, the same bits for any batch."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from agnostic_ig.baselines._base import BaselineRows
from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.kernels.path_probe import sum_by_group
from agnostic_ig.methods._pace import Pace
from agnostic_ig.numerics.hashing import child_keys, keys_of_rows
from agnostic_ig.parallel import batches, map_batches

__all__ = ["Averages", "average_over_baselines"]

# With a tolerance, rows use this many baselines first, then twice as many, and so on.
FIRST_DRAWS = 32


@dataclass
class Averages:
    """Sums over baselines for some rows; arrays (n, n_groups, n_outputs) unless said otherwise."""

    values: np.ndarray
    squares: np.ndarray
    error: np.ndarray
    variance: np.ndarray
    base_values: np.ndarray  # (n, n_outputs)
    n_evaluations: np.ndarray  # (n,)
    converged: np.ndarray  # (n,)
    weight: np.ndarray  # (n,): baseline weight used
    n_used: np.ndarray  # (n,): baselines used
    has_error: bool = False
    has_variance: bool = False
    has_squares: bool = False

    @classmethod
    def empty(cls, n: int, n_groups: int, n_outputs: int) -> "Averages":
        values = np.zeros((n, n_groups, n_outputs))
        nothing = np.broadcast_to(0.0, values.shape)  # takes no memory
        return cls(
            values, nothing, nothing, nothing, np.zeros((n, n_outputs)), np.zeros(n, np.int64), np.ones(n, bool),
            np.zeros(n), np.zeros(n, np.int64),
        )  # fmt: skip

    def opened(self, name: str) -> np.ndarray:
        """The sums of that name, "squares", "error" or "variance", to add to."""
        if not getattr(self, f"has_{name}"):
            setattr(self, f"has_{name}", True)
            setattr(self, name, np.zeros_like(self.values))
        return getattr(self, name)

    @classmethod
    def joined(cls, parts: list["Averages"]) -> "Averages":
        if len(parts) == 1:
            return parts[0]
        flags = {
            name: any(getattr(part, name) for part in parts)
            for name in cls.__dataclass_fields__
            if name.startswith("has_")
        }
        names = [name for name in cls.__dataclass_fields__ if name not in flags and flags.get(f"has_{name}", True)]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        nothing = np.broadcast_to(0.0, joined["values"].shape)
        return cls(**dict.fromkeys(("squares", "error", "variance"), nothing) | joined, **flags)

    def std_error(self, population: int | None) -> np.ndarray:
        """Standard error of the mean over drawn baselines, and of sampling inside rows; call after `finish`."""
        n = self.n_used[:, None, None]
        sampled = np.zeros_like(self.values)
        if population is not None:
            spread = np.maximum(self.squares - self.values**2, 0.0) * n / np.maximum(n - 1, 1)
            sampled = spread / n * (1.0 - n / population)
        return np.sqrt(sampled + self.variance)

    def is_noisy(self, baseline: BaselineRows) -> np.ndarray:
        """(n,): rows whose summed standard error is above the `tol` of drawing baselines; call after `finish`."""
        noise = self.std_error(baseline.population).sum(axis=1)
        return (noise > baseline.tol * np.abs(self.values).sum(axis=1)).any(axis=1)

    def finish(self) -> "Averages":
        """Sums become means."""
        total = self.weight[:, None, None]
        if not self.has_squares and (self.weight == 1.0).all():
            return self
        return replace(
            self,
            values=self.values / total,
            squares=self.squares / total if self.has_squares else self.squares,
            error=self.error / total if self.has_error else self.error,
            variance=self.variance / total**2 if self.has_variance else self.variance,
            base_values=self.base_values / total[:, :, 0],
        )


@dataclass(frozen=True)
class Work:
    """All that a batch needs."""

    engine: Any
    rows: np.ndarray
    predictions: np.ndarray
    baseline: BaselineRows
    baseline_rows: np.ndarray
    base_outputs: np.ndarray
    columns: Columns
    outputs: np.ndarray
    settings: Settings
    seed: int
    groups: list[list[int]]  # players whose sum is reported
    pace: Pace

    @cached_property
    def row_keys(self) -> np.ndarray:
        """Seeds of the rows, the same in whatever order and company a row comes."""
        return keys_of_rows(self.seed, self.rows)

    @cached_property
    def group_of(self) -> np.ndarray | None:
        """(n_players,): place of every player in `groups`; None where nobody shares one."""
        if len(self.groups) == self.columns.n_players:
            return None
        group_of = np.empty(self.columns.n_players, dtype=np.intp)
        for place, players in enumerate(self.groups):
            group_of[players] = place
        return group_of

    def run(self, part: slice) -> Averages:
        """Averages of the rows in one batch."""
        sums = Averages.empty(part.stop - part.start, len(self.groups), len(self.outputs))
        for start, stop in self._chunks():
            active = np.arange(part.start, part.stop)[self._unsettled(sums, start)]
            if active.size:
                self._add_chunk(sums, active, active - part.start, start, stop)
        return sums.finish()

    def _chunks(self) -> list[tuple[int, int]]:
        """Ranges of baselines; growing ones where a tolerance may end early."""
        n = len(self.baseline_rows)
        if self.baseline.tol is None:
            return [(0, n)]
        ends = [0, FIRST_DRAWS]
        while ends[-1] < n:
            ends.append(2 * ends[-1])
        return [(a, min(b, n)) for a, b in pairwise(ends)]

    def _unsettled(self, sums: Averages, start: int) -> np.ndarray:
        """Rows whose standard error still asks for more baselines."""
        if start == 0:
            return np.ones(len(sums.weight), dtype=bool)
        return sums.finish().is_noisy(self.baseline)

    def _add_chunk(self, sums: Averages, rows: np.ndarray, local: np.ndarray, start: int, stop: int) -> None:
        """Add baselines start to stop to the sums of some rows, in blocks of pairs that fit in memory."""
        size = self.engine.pairs_per_batch(self.rows.shape[1], len(self.outputs))
        for part in batches(len(rows), size):
            for some in batches(stop - start, max(1, size // (part.stop - part.start))):
                self._add_pairs(sums, rows[part], local[part], slice(start + some.start, start + some.stop))

    def _add_pairs(self, sums: Averages, rows: np.ndarray, local: np.ndarray, baselines: slice) -> None:
        """Add every row with some of the baselines."""
        n_baselines = baselines.stop - baselines.start
        k, local = np.repeat(np.arange(baselines.start, baselines.stop), len(rows)), np.tile(local, n_baselines)
        block = PairBlock(
            self.rows[rows], self.baseline_rows[baselines], self.predictions[rows], self.base_outputs[baselines],
            lambda: child_keys(np.tile(self.row_keys[rows], n_baselines), k),
        )  # fmt: skip
        answer = self.engine.attribute(block, self.columns, self.outputs, self.settings)
        self.pace.note(len(block))
        weight = self.baseline.weights[k]
        values = self._grouped(answer.values)
        sum_by_group(local, weight, values, sums.values)
        if self.baseline.population is not None:  # what the standard error of drawing baselines needs
            sum_by_group(local, weight, values**2, sums.opened("squares"))
        if answer.error is not None:
            sum_by_group(local, weight, self._grouped(answer.error), sums.opened("error"))
        if answer.variance is not None:
            # How players vary together inside a pair is not known: standard errors add at most (Minkowski).
            variance = self._grouped(np.sqrt(answer.variance)) ** 2
            sum_by_group(local, weight**2, variance, sums.opened("variance"))
        np.add.at(sums.base_values, local, weight[:, None] * self.base_outputs[k][:, self.outputs])
        np.add.at(sums.weight, local, weight)
        np.add.at(sums.n_used, local, 1)
        if answer.n_evaluations is not None:
            np.add.at(sums.n_evaluations, local, answer.n_evaluations)
        if answer.converged is not None:
            np.logical_and.at(sums.converged, local, answer.converged)

    def _grouped(self, players: np.ndarray) -> np.ndarray:
        """Sums (n_pairs, n_groups, n_outputs) over the players of every group."""
        if self.group_of is None:
            return players
        sums = np.zeros((len(players), len(self.groups), players.shape[2]))
        np.add.at(sums, (slice(None), self.group_of), players)
        return sums


def average_over_baselines(work: Work, batch_size: int, progress: bool | str) -> Averages:
    """Averages of all rows; a row's baselines are summed in their order whatever the batches.

    Threads work on batches; where there are fewer of these, each batch has several.
    """
    parts, n_jobs = batches(len(work.rows), batch_size), work.settings.n_jobs
    work = replace(work, settings=replace(work.settings, n_jobs=max(1, n_jobs // max(1, len(parts)))))
    return Averages.joined(map_batches(work.run, parts, n_jobs=n_jobs, progress=progress))
