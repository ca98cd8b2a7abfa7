"""The result of `gradient`."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agnostic_ig.frames_tables import make_frame

__all__ = ["GradientResult"]


@dataclass(frozen=True, eq=False, repr=False)
class GradientResult:
    """Numerical gradients, with what is known about each of them.

    Attributes
    ----------
    gradient : ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_outputs)
        Units of output per unit of feature. NaN where a feature cannot move: it is discrete, its value is missing or
        infinite, or its bounds leave no room.
    error : ndarray of the shape of `gradient`
        Estimate of the largest difference from the true derivative: truncation and noise.
    step : ndarray of the shape of `gradient`
        Distance h between neighbouring points of the stencil that the value was taken from.
    n_evaluations : int
        Rows that the model was asked for, those of X included.
    locally_constant : ndarray of bool, of the shape of `gradient`
        The model gave the very answer of x at every point of the stencil, and at that of every shorter step tried.
    feature_names : list of str, length n_features
    output_names : list of str, length n_outputs
    response_method : str
        What was differentiated, spelled out.
    index : ndarray of shape (n_samples,)
        Row labels of X.
    """

    gradient: np.ndarray
    error: np.ndarray
    step: np.ndarray
    n_evaluations: int
    locally_constant: np.ndarray
    feature_names: list[str]
    output_names: list[str]
    response_method: str
    index: Any = field(default=None)

    def __repr__(self) -> str:
        n, p = self.gradient.shape[:2]
        known = np.isfinite(self.gradient)
        flat = f"{int(self.locally_constant.sum())} of {self.gradient.size} locally constant"
        worst = float(np.max(self.error, initial=0.0, where=known))
        return (
            f"<GradientResult of {n} samples x {p} features: {self.response_method} ({', '.join(self.output_names)}), "
            f"{flat}, {self.gradient.size - int(known.sum())} NaN, largest error {worst:.2g}, "
            f"{self.n_evaluations} model rows>"
        )

    def to_frame(self) -> Any:
        """The gradient as a pandas DataFrame.

        Returns
        -------
        DataFrame
            One row for each row of X, with its labels, and one column a feature; with several outputs one row for each
            sample and output.
        """
        n, p = self.gradient.shape[:2]
        full = self.gradient.reshape(n, p, -1)
        flat = full.transpose(0, 2, 1).reshape(-1, p)
        columns = {name: flat[:, j] for j, name in enumerate(self.feature_names)}
        if self.gradient.ndim == 2:
            return make_frame(columns, np.asarray(self.index))
        outputs = np.tile(np.array(self.output_names, dtype=object), n)
        return make_frame(columns, np.repeat(np.asarray(self.index), full.shape[2]), second=("output", outputs))
