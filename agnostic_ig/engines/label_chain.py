"""Chains of classifiers that see the labels of those before them: smooth for every choice of labels."""

from collections.abc import Sequence

import numpy as np

from agnostic_ig.engines.function_algebra import Affine, compose, join
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["LabelChain"]


class LabelChain:
    """`Branches` of a chain: part k sees the columns and k labels, and there is a surface for every choice of these.

    Parameters
    ----------
    answers : sequence of SmoothFunction
        What every part answers with, one output each, of the columns and the labels before it.
    margins : sequence of SmoothFunction
        The margin of every part but the last, which labels its second class above 0.
    labels : sequence of ndarray of shape (2,)
        The labels of these parts.
    order : ndarray
        The place of every output of the chain among its parts.
    """

    def __init__(
        self,
        answers: Sequence[SmoothFunction],
        margins: Sequence[SmoothFunction],
        labels: Sequence[np.ndarray],
        order: np.ndarray,
        n_features: int,
    ) -> None:
        self.answers, self.labels, self.order, self.n_outputs = answers, labels, order, len(answers)
        given = [np.zeros((1, 0))]
        for pair in labels:
            said = given[-1]
            given.append(np.concatenate([np.column_stack([said, np.full(len(said), label)]) for label in pair]))
        self.given, self.n_features = given, n_features
        heights = [
            compose(compose(Affine([[-1.0]], 0.0), margin), _with_labels(n_features, said))
            for margin, choices in zip(margins, given, strict=False)
            for said in choices
        ]
        self.levels = join(heights)

    def values(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        seen = self._seen(rows, above)
        return np.concatenate([self.answers[k].values(self._part(seen, k)) for k in self.order], axis=1)

    def gradients(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        seen = self._seen(rows, above)
        parts = [self.answers[k].gradients(self._part(seen, k))[:, : self.n_features] for k in self.order]
        return np.concatenate(parts, axis=2)

    def breaks(self, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of every part, whatever the labels are."""
        every = [
            self.answers[k].breaks(*(np.column_stack([rows, np.tile(said, (len(rows), 1))]) for rows in (starts, ends)))
            for k, choices in enumerate(self.given)
            for said in choices
        ]
        found = [one for one in every if one is not None]
        return tuple(np.concatenate(both) for both in zip(*found, strict=True)) if found else None

    def _part(self, seen: np.ndarray, k: int) -> np.ndarray:
        return seen[:, : self.n_features + k]

    def _seen(self, rows: np.ndarray, above: np.ndarray) -> np.ndarray:
        """Columns and labels (n, d + n_labels): the surface that counts is that of the labels said before."""
        said, choice, first = [rows], np.zeros(len(rows), dtype=np.int64), 0
        for k, pair in enumerate(self.labels):
            second = ~above[np.arange(len(rows)), first + choice]
            said.append(np.where(second, pair[1], pair[0]))
            first, choice = first + 2**k, choice + second * 2**k
        return np.column_stack(said)


def _with_labels(n_features: int, labels: np.ndarray) -> Affine:
    """Columns, and the same labels in all rows."""
    coef = np.eye(n_features, n_features + len(labels))
    return Affine(coef, np.concatenate([np.zeros(n_features), labels]))
