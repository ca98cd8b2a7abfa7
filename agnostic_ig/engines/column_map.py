"""From rows in the user's columns to rows in the columns that a model inside a pipeline sees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock, Unsupported
from agnostic_ig.engines.response import Scales
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames import Codec, matrix_shape

__all__ = ["ColumnMap"]

FAR = 2.0**30  # an affine map is measured over this way, so that its constant does not round off
AGREEMENT = 1e-9  # asked there, relative to the largest number of the column: some roundings of sums and of scaling


@dataclass(frozen=True)
class ColumnMap:
    """Affine in every column that moves continuously, and a sum of what the columns do.

    Attributes
    ----------
    transform : callable
        From the user's container to that of the inner model; all numbers come from it.
    depends : ndarray of bool, shape (n_features, n_inner)
        Which of the user's columns each inner column comes from.
    codec, inner_codec : Codec
    example : ndarray of shape (n_features,)
        A row that the transformers take, finite wherever there is a number for a column.
    """

    transform: Callable[[Any], Any]
    depends: np.ndarray
    codec: Codec
    inner_codec: Codec
    example: np.ndarray

    @classmethod
    def of(
        cls, transform: Callable[[Any], Any], depends: np.ndarray, codec: Codec, examples: np.ndarray
    ) -> "ColumnMap":
        """The map for rows as `codec` encodes them; examples are rows that the model has answered.

        Raises
        ------
        Unsupported
            If what the transformers give is no table of numbers of the width that was read.
        """
        table = transform(codec.decode(examples[:1].copy()))
        if matrix_shape(table)[1] != depends.shape[1]:
            raise Unsupported(
                f"the pipeline gives {matrix_shape(table)[1]} columns, not {depends.shape[1]} as was read"
            )
        return cls(transform, depends, codec, _inner_codec(table), _example(examples))

    def rows(self, matrix: np.ndarray) -> np.ndarray:
        """(n, n_inner) from encoded rows (n, n_features)."""
        return self.inner_codec.encode("The pipeline's inside", self.transform(self.codec.decode(matrix.copy())))

    @property
    def mixes(self) -> np.ndarray:
        """(n_inner,): inner columns that come from several columns of the user."""
        return self.depends.sum(axis=0) > 1

    @cached_property
    def source(self) -> np.ndarray:
        """(n_inner,): the first of the user's columns that each comes from; 0 for constants, which never move."""
        return self.depends.argmax(axis=0)

    @cached_property
    def slopes(self) -> np.ndarray:
        """(n_features, n_inner): how inner columns change with the user's; 0 for discrete columns."""
        continuous = np.flatnonzero(~self.codec.discrete)
        moved = np.tile(self.example, (len(continuous) + 1, 1))
        moved[np.arange(len(continuous)), continuous] += FAR
        values = self.rows(moved)
        slopes = np.zeros(self.depends.shape)
        slopes[continuous] = (values[:-1] - values[-1]) / (moved[:-1] - moved[-1]).sum(axis=1, keepdims=True)
        return np.where(self.depends, slopes, 0.0)

    @property
    def scales(self) -> Scales:
        """How inner columns are measured; those that are mixed, or do not move, as they are."""
        every = np.arange(len(self.source))
        slope = self.slopes[self.source, every]
        scaled = (slope != 0.0) & ~self.mixes
        slope = np.where(scaled, slope, 1.0)
        offset = self.rows(self.example[None])[0] - slope * self.example[self.source]
        return Scales(slope, np.where(scaled, offset, 0.0))

    def columns(self, columns: Columns) -> Columns:
        """How the inner columns move: as those that they come from."""
        discrete = self.depends[columns.discrete].any(axis=0)
        names = [columns.names[j] for j in self.source]
        return Columns(names, discrete, columns.player_of[self.source], columns.player_names)

    def block(self, block: PairBlock) -> PairBlock:
        """The same pairs in the inner columns; those whose source appears or goes missing move at one half."""
        rows, baselines = (self.rows(ends) for ends in (block.rows, block.baselines))
        jumps = None
        if not (np.isfinite(block.rows).all() and np.isfinite(block.baselines).all()):
            jumps = (np.isfinite(block.b) != np.isfinite(block.x)) @ self.depends
        return PairBlock(rows, baselines, block.f_rows, block.f_baselines, lambda: block.seeds, jumps)

    def check(self, examples: np.ndarray) -> None:
        """What was read holds: affine on the path, and no change but from the columns that it comes from.

        Raises
        ------
        Unsupported
        """
        starts, ends = examples, np.roll(examples, 1, axis=0)
        moves = ~self.codec.discrete & np.isfinite(starts) & np.isfinite(ends)
        middle, straight = np.where(moves, starts / 2.0 + ends / 2.0, starts), np.where(moves, ends, starts)
        changed = np.where(np.eye(len(self.depends), dtype=bool)[:, None, :], ends, starts)
        asked = np.concatenate([np.stack([starts, ends, middle, straight]), changed])
        answers = self.rows(asked.reshape(-1, asked.shape[2])).reshape(*asked.shape[:2], -1)  # in one call
        (first, last, half, whole), changes = answers[:4], answers[4:] - answers[0]
        self._compare("is not affine", half, first / 2.0 + whole / 2.0)
        for depends, change in zip(self.depends, changes, strict=True):
            self._compare("mixes other columns than was read", (first + change)[:, ~depends], first[:, ~depends])
        self._compare("is no sum over its columns", first + changes.sum(axis=0), last)

    @staticmethod
    def _compare(fault: str, actual: np.ndarray, wanted: np.ndarray) -> None:
        size = np.nan_to_num(np.abs(wanted)).max(axis=0, initial=0.0)
        if (np.abs(actual - wanted) > AGREEMENT * (size + size.max(initial=0.0))).any():
            raise Unsupported(f"what stands before the model in the pipeline {fault}")


def _inner_codec(table: Any) -> Codec:
    try:
        codec = Codec.from_tables([("The pipeline's inside", table)])
        codec.encode("The pipeline's inside", table)
    except InvalidInputError as reason:
        raise Unsupported(str(reason)) from None
    if any(column.kind == "levels" and not hasattr(column.dtype, "categories") for column in codec.columns):
        raise Unsupported("text reaches the model inside the pipeline")
    return codec


def _example(examples: np.ndarray) -> np.ndarray:
    """The first row, with the first number of a column in place of missing ones, and 0 where there is none."""
    finite = np.isfinite(examples)
    first = examples[finite.argmax(axis=0), np.arange(examples.shape[1])]
    return np.where(np.isfinite(examples[0]), examples[0], np.where(finite.any(axis=0), first, 0.0))
