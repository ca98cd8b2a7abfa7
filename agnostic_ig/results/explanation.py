"""The result of an explainer."""

import copy
import os
from typing import Any

import numpy as np

from agnostic_ig.frames_tables import column_values, one_column, one_row
from agnostic_ig.results.array_like import ArrayLike
from agnostic_ig.results.comparison import contrast_rows, split_cohorts
from agnostic_ig.results.completeness import relative_convergence_delta
from agnostic_ig.results.exports import to_frame, to_shap
from agnostic_ig.results.fields import AXES, FIELD_AXES, axes_of_field, check_fields
from agnostic_ig.results.grouping import group_features
from agnostic_ig.results.reason_codes import ReasonCodes, reason_codes
from agnostic_ig.results.slicing import select
from agnostic_ig.results.storage import save_explanation

__all__ = ["Explanation"]


class Explanation(ArrayLike):
    """Attributions of predictions to features, with everything that is needed to read and check them.

    Explainers make these; there is rarely a reason to call the constructor. ``e[rows, features, outputs]`` cuts
    it (by position, mask, and name for features and outputs; several lists select as ``numpy.ix_`` does),
    ``e.abs.mean(0)`` aggregates it. Both give new explanations and leave the old one alone. numpy functions and
    arithmetic act on ``values``; ``==`` compares identity.

    Parameters
    ----------
    values : array of shape (n_samples, n_features) or (n_samples, n_features, n_outputs)
        Attributions, in units of the model's output (SmoothGrad: units of output per unit of feature).
    base_values : array of shape (n_samples,) or (n_samples, n_outputs), or None
        Weighted mean of the model over the baselines. None where there is none (SmoothGrad).
    predictions : array of shape (n_samples,) or (n_samples, n_outputs), or None
        The model at X.
    data : ndarray, pandas or polars DataFrame, scipy sparse matrix, or None
        X as the user gave it. It may have more columns than there are features when columns were merged.
    feature_names : list of str, length n_features
    output_names : list of str, length n_outputs
        One name when `values` is 2-D.
    index : array of shape (n_samples,), optional
        Row labels. Default: those of `data`.
    convergence_delta : array of the shape of `predictions`, optional
        ``values.sum(1) - (predictions - base_values)``.
    error_estimate : array of the shape of `values`, optional
        Truncation error of each value; zeros from exact engines.
    std_error : array of the shape of `values`, optional
        Standard error of each value where something was sampled.
    engine : str
        Who answered.
    exact : bool
        False as soon as anything was truncated at ``tol`` or sampled inside a row.
    method : str, default="IntegratedGradients"
    response_method : str
        What was explained, spelled out, e.g. ``"predict_proba"``.
    n_evaluations : array of shape (n_samples,), optional
        Model rows spent on each row.
    n_shared_evaluations : int, default=0
        Model rows spent on all rows together.
    smoothed_predictions : array of the shape of `predictions`, optional
        The smoothed model at X (SmoothGrad).
    description : dict of str to str, optional
        Free facts, such as ``{"model": "RandomForestClassifier", "baseline": "Mean"}``.
    data_columns : list of lists of int, optional
        For each feature the positions of the columns of `data` it stands for. Default: matched by name, or by
        place when there are as many columns as features.

    Raises
    ------
    InvalidInputError
        Shapes, names or types that do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostic_ig.results import Explanation
    >>> e = Explanation(
    ...     values=np.array([[0.25, -0.125], [0.5, 0.0]]), base_values=np.array([0.25, 0.25]),
    ...     predictions=np.array([0.375, 0.75]), data=np.array([[1250.0, 2.0], [9000.0, 1.0]]),
    ...     feature_names=["amount", "hour"], output_names=["fraud"], convergence_delta=np.zeros(2),
    ...     engine="TreeEnsemble", exact=True, response_method="predict_proba",
    ... )
    >>> e
    <Explanation of 2 samples x 2 features: IntegratedGradients of predict_proba (fraud), engine TreeEnsemble (exact), worst relative convergence_delta 0>
    >>> e[:, "amount"].values
    array([0.25, 0.5 ])
    >>> np.asarray(e.abs.mean(0))
    array([0.375 , 0.0625])
    >>> e[0].reason_codes()[0][0].text
    'amount = 1250: +0.25'
    """  # noqa: E501 - the repr is one line

    values: np.ndarray
    base_values: np.ndarray | None
    predictions: np.ndarray | None
    smoothed_predictions: np.ndarray | None
    convergence_delta: np.ndarray | None
    error_estimate: np.ndarray | None
    std_error: np.ndarray | None
    n_evaluations: np.ndarray | None
    index: Any
    feature_names: list[str]
    output_names: list[str]
    engine: str
    exact: bool
    method: str
    response_method: str
    n_shared_evaluations: int
    description: dict[str, str]
    # A table also for a single row, so that every element keeps its own type; `data` is what users see.
    _data: Any
    _data_columns: list[tuple[int, ...]]
    _axes: tuple[str, ...]
    _additive: bool

    def __init__(
        self,
        *,
        values: Any,
        base_values: Any,
        predictions: Any,
        data: Any,
        feature_names: Any,
        output_names: Any,
        index: Any = None,
        convergence_delta: Any = None,
        error_estimate: Any = None,
        std_error: Any = None,
        engine: str,
        exact: bool,
        method: str = "IntegratedGradients",
        response_method: str,
        n_evaluations: Any = None,
        n_shared_evaluations: int = 0,
        smoothed_predictions: Any = None,
        description: dict[str, str] | None = None,
        data_columns: Any = None,
    ) -> None:
        given = dict(locals())
        del given["self"]
        fields = check_fields(given)
        fields["_data"], fields["_data_columns"] = fields.pop("data"), fields.pop("data_columns")
        axes = AXES[: fields["values"].ndim]
        vars(self).update(fields, _axes=axes, _additive=True)

    def _derive(self, **changes: Any) -> "Explanation":
        """A changed copy, unchecked: its parts come from checked ones. Lists are copied, people edit them."""
        state = vars(self) | changes
        new = object.__new__(type(self))
        vars(new).update(
            {name: copy.copy(part) if isinstance(part, list | dict) else part for name, part in state.items()}
        )
        return new

    @property
    def data(self) -> Any:
        """X as given, cut as `values` was: a row or column of it where the axis is gone.

        A row is an ndarray or a pandas Series (polars and sparse data stay tables of one row). A column is an
        ndarray, a pandas or a polars Series; for a feature that stands for several columns it is their table.
        """
        if self._data is None:
            return None
        has_rows = "sample" in self._axes
        if "feature" not in self._axes and len(self._data_columns[0]) == 1:
            position = self._data_columns[0][0]
            return one_column(self._data, position) if has_rows else column_values(self._data, position)[0]
        return self._data if has_rows else one_row(self._data)

    def __getitem__(self, key: Any) -> "Explanation":
        return select(self, key)

    def group(self, groups: dict[str, list]) -> "Explanation":
        """Signed sums over groups of features.

        Parameters
        ----------
        groups : dict of str to list of str or int
            Name -> columns. A column may be in one group only; columns in none stay as they are.

        Returns
        -------
        Explanation
            A group stands at the place of its first member. ``data`` stays X. ``error_estimate`` adds, which
            bounds the error of the sum. So does ``std_error``: how the members vary together cannot be told
            from their separate standard errors, but that of a sum is never above their sum (Minkowski).

        Raises
        ------
        InvalidParameterError, InvalidInputError
            Overlapping or empty groups, unknown columns, a name that another column has; absolute values.

        Notes
        -----
        Columns that encode one category are one player, not a sum; say so to the explainer with
        ``categorical_features={"colour": ["colour_red", "colour_blue"]}``.
        """
        return group_features(self, groups)

    def cohorts(self, labels: Any) -> dict[Any, "Explanation"]:
        """Explanations of the rows that share a label.

        Parameters
        ----------
        labels : array of shape (n_samples,)
            One label per row, by position; none may be missing.

        Returns
        -------
        dict of label -> Explanation
            In order of first appearance.
        """
        return split_cohorts(self, labels)

    def contrast(self, a: int, b: int) -> "Explanation":
        """Why row `a` got another prediction than row `b`: ``values[a] - values[b]``.

        Parameters
        ----------
        a, b : int
            Positions of two rows.

        Returns
        -------
        Explanation
            One row: ``predictions`` of `a`, ``base_values`` the predictions of `b`, data and label of `a`.
            Its ``convergence_delta`` is ``values.sum() - (predictions - base_values)`` as always: the
            difference of both rows' own, minus ``base_values[a] - base_values[b]``. So it is as complete as
            the rows were when they had one base value, and shows the gap when they had two
            (``baselines.Nearest``). Errors of the rows add.
        """
        return contrast_rows(self, a, b)

    def reason_codes(
        self,
        k: int = 4,
        *,
        towards: Any = "up",
        min_share: float = 0.0,
        phrases: dict[str, str] | None = None,
    ) -> ReasonCodes:
        """The features that pushed each prediction most in one direction.

        Parameters
        ----------
        k : int, default=4
            At most so many reasons per row.
        towards : {"up", "down"} or array of them, shape (n_samples,), default="up"
            Up: positive contributions, largest first; down: negative ones, most negative first.
        min_share : float, default=0.0
            Leave out reasons whose share of all contributions in that direction is smaller.
        phrases : dict of str to str, optional
            Feature -> words for it; ``{value}`` in them is replaced by what stood in the data.

        Returns
        -------
        list of list of ReasonCode
            One list per row, possibly empty; ties stay in the order of the features. The outer list has
            ``to_frame()``.

        Raises
        ------
        InvalidInputError
            Several outputs (choose one: ``e[..., "fraud"]``), absolute values, unknown features.
        InvalidParameterError
            Any other parameter out of its range.
        """
        return reason_codes(self, k, towards, min_share, phrases)

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per sample.

        Returns
        -------
        DataFrame
            Index of X; one column per feature, then ``base_value``, ``prediction`` and ``convergence_delta``
            (those that the explanation has). Several outputs: MultiIndex ``(sample, output)``. A feature with
            one of these three names becomes ``attribution:<name>``.
        """
        return to_frame(self)

    def to_shap(self) -> Any:
        """A ``shap.Explanation`` of the same values, base values and names, for shap's plots.

        Its ``data`` is an array: numbers if all columns hold numbers, objects otherwise, NaN for features
        that stand for several columns.
        """
        return to_shap(self)

    def save(self, path: str | os.PathLike) -> None:
        """Write everything into one file, for `load_explanation`; an older file of that name is replaced.

        A zip of ``.npy`` arrays and JSON, free of pickle. If writing fails, nothing is left behind and an
        older file stays as it was.

        Raises
        ------
        InvalidInputError
            The data or index hold objects that cannot be written without pickle.
        """
        save_explanation(self, path)

    def to_html(self, path: str | os.PathLike, **options: Any) -> Any:
        """Write a report as one HTML page; `options` are those of ``agnostic_ig.report.write_report``."""
        from agnostic_ig.report import write_report

        return write_report(self, path, **options)

    def _repr_html_(self) -> str:
        from agnostic_ig.report import summary_html

        return summary_html(self)

    def __repr__(self) -> str:
        sizes = [f"{size} {axis}{'' if size == 1 else 's'}" for size, axis in zip(self.shape, self._axes, strict=True)]
        outputs = "" if "output" in self._axes else f" ({self.output_names[0]})"
        certainty = "exact" if self.exact else "not exact"
        return (
            f"<Explanation of {' x '.join(sizes) or 'one value'}: {self.method} of "
            f"{self.response_method}{outputs}, engine {self.engine} ({certainty}){self._worst_delta()}>"
        )

    def _worst_delta(self) -> str:
        """The worst row's relative convergence_delta in words, if there is one."""
        if self.convergence_delta is None or not np.size(self.convergence_delta):
            return ""
        worst = relative_convergence_delta(self._full("values"), self._full("convergence_delta")).max()
        return f", worst relative convergence_delta {worst:.2g}"

    def _full(self, name: str) -> Any:
        """A field with all its axes, lost ones with size 1."""
        kept = axes_of_field(name, self._axes)
        places = tuple(slice(None) if axis in kept else None for axis in FIELD_AXES[name])
        return np.asarray(getattr(self, name))[places]

    def _labels(self) -> np.ndarray:
        """Row labels as an array; 0 for an aggregate, which has none."""
        if "sample" in self._axes:
            return self.index
        label = np.empty(1, dtype=object)
        label[0] = 0 if self.index is None else self.index
        return label
