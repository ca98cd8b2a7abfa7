"""Numerical gradients of any model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.exceptions import InvalidInputError, ModelOutputError
from agnostic_ig.frames import check_table, row_labels, take_rows
from agnostic_ig.kernels.finite_difference import Entries
from agnostic_ig.methods._inputs import Inputs, prepare_inputs
from agnostic_ig.methods._targets import Target, resolve_target
from agnostic_ig.numerics.hashing import child_keys, keys_of_rows, uniform
from agnostic_ig.numerics.noise import lines_of, measure_noise
from agnostic_ig.numerics.stencils import SCHEMES, orders_of
from agnostic_ig.numerics.step_search import Request, find_derivatives
from agnostic_ig.parallel import batches, check_n_jobs, map_batches, threads_beside
from agnostic_ig.results.gradient_result import GradientResult
from agnostic_ig.validation import check_choice, check_flag, check_integer, check_random_state, invalid

__all__ = ["gradient"]

OWNER = "gradient"
# With batch_size="auto" about this many probes are pending together.
PROBES_PER_BATCH = 1 << 18
LARGEST = np.finfo(float).max


def gradient(
    model: Any,
    X: Any,
    *,
    scheme: str = "central",
    order: int = 2,
    richardson: bool = False,
    step: Any = "auto",
    bounds: Any = None,
    target: Any = None,
    response_method: str = "auto",
    categorical_features: Any = None,
    n_jobs: int | None = None,
    batch_size: int | str = "auto",
    random_state: Any = None,
) -> GradientResult:
    """Partial derivatives of a model's output at every row of X, by finite differences, with an error for each.

    Parameters
    ----------
    model : fitted estimator, Pipeline, or callable
        A callable takes X and returns (n,) or (n, n_outputs).
    X : array-like of shape (n_samples, n_features)
        Rows at which to differentiate: ndarray, DataFrame (pandas, polars) or sparse matrix.
    scheme : {"central", "forward", "backward"}, default="central"
        Sides of x that are looked at.
    order : {1, 2, 4, 6}, default=2
        Power of the step in the error; 1 with one-sided schemes only. More points, larger steps, less noise.
    richardson : bool, default=False
        Extrapolate from the steps h, h/2 and h/4: two more powers of the step cancel.
    step : "auto", float or array-like of shape (n_features,), default="auto"
        Distance h between neighbouring points. "auto": for each row and feature the one where the model's own noise and
        truncation balance. A given step is rounded so that x + h is exact.
    bounds : None, (low, high), or dict of column to (low, high), default=None
        Probes never leave these, ends included; low and high are numbers or arrays of shape (n_features,), None for no
        bound. Where there is no room on both sides, a one-sided stencil of the same order is used.
    target : object, default=None
        Class label (models with ``classes_``) or output index; or one label a row. None: the positive class of two, the
        only output, or all outputs on a third axis.
    response_method : {"auto", "predict_proba", "decision_function", "predict", "score_samples"}, default="auto"
        Which function of the model is differentiated, as for `IntegratedGradients`.
    categorical_features : list, mask or dict, default=None
        Discrete columns beside those whose dtype says so (bool, category, object). They are never moved; their gradient
        is NaN.
    n_jobs : int, default=None
        Threads over batches of rows. None: 1; -1: all cores. Those that the model predicts with itself (its own
        `n_jobs`, OpenMP) count among them.
    batch_size : int or "auto", default="auto"
        Rows worked on together; bounds memory and does not change the answer.
    random_state : int, Generator or None, default=None
        Seed of the directions in which the noise of the model is measured; None is a fixed seed.

    Returns
    -------
    GradientResult
        ``gradient``, ``error``, ``step`` and ``locally_constant`` of shape (n_samples, n_features), or with a third
        axis for several outputs; ``n_evaluations``.

    Raises
    ------
    InvalidParameterError, InvalidInputError
        If a parameter or X cannot be used.
    ModelError, ModelOutputError
        If the model raises, or returns something that is no number.

    Notes
    -----
    Every entry is estimated from h, h/2 and h/4. Their differences tell the truncation, and whether it shrinks as it
    must; the noise of the answers, measured along a short line in the manner of Moré and Wild (2011), tells what it
    makes of them. The step moves until both balance (the idea of Shi, Xie, Xuan and Nocedal 2022). ``error`` adds both.
    A kink or a jump at x does not shrink away, and shows up as an error of its size.

    Examples
    --------
    >>> import numpy as np
    >>> from agnostic_ig import gradient
    >>> result = gradient(lambda X: np.sin(X[:, 0]) + X[:, 1] ** 2, [[0.0, 3.0]])
    >>> result.gradient.round(6)
    array([[1., 6.]])
    >>> bool((result.error < 1e-8).all())
    True
    """
    _check_stencil(scheme, order, richardson)
    jobs = threads_beside(model, check_n_jobs(OWNER, n_jobs))
    if not (isinstance(batch_size, str) and batch_size == "auto"):
        check_integer(OWNER, "batch_size", batch_size, at_least=1, also="'auto'")
    seed = int(check_random_state(OWNER, "random_state", random_state).integers(2**63))
    response = resolve_response(OWNER, model, response_method)
    first = take_rows(check_table("X", X), slice(0, 1))
    inputs = prepare_inputs(OWNER, model, X, first, None, categorical_features, None)
    steps = _check_step(step, inputs)
    moves = np.isfinite(inputs.rows) & ~inputs.columns.discrete
    request = Request(scheme, order, bool(richardson), _check_bounds(bounds, inputs, moves), steps)
    black_box = BlackBox(response, inputs.codec)
    outputs = black_box.ask(inputs.X)
    chosen = resolve_target(OWNER, target, response, outputs.shape[1], len(inputs.rows))
    work = _Work(black_box, inputs.rows, outputs[:, chosen.outputs], chosen.outputs, moves, request, seed)
    parts = batches(len(inputs.rows), _rows_per_batch(batch_size, inputs.rows.shape, request, jobs))
    answers = map_batches(work.differentiate, parts, n_jobs=jobs)
    return _result(X, inputs, black_box, chosen, work, answers)


@dataclass(frozen=True)
class _Work:
    """All that a batch needs; outputs (n, n_asked) are the model's answers at the rows."""

    black_box: BlackBox
    rows: np.ndarray
    outputs: np.ndarray
    asked: np.ndarray
    moves: np.ndarray
    request: Request
    seed: int

    def differentiate(self, part: slice) -> Entries:
        """The derivatives of some rows."""
        rows, outputs, moves = self.rows[part], self.outputs[part], self.moves[part]
        noise = measure_noise(self.ask, rows, outputs, self._lines(rows, moves), self.black_box.precision)
        return find_derivatives(self.ask, rows, outputs, noise, moves, self.request)

    def ask(self, probes: np.ndarray) -> np.ndarray:
        """Answers to probes; says what to do where the model is not defined."""
        try:
            return self.black_box.ask_matrix(probes)[:, self.asked]
        except ModelOutputError as error:
            raise ModelOutputError(
                f"{error} That row lies beside X: where a model knows a part of space only, pass bounds=(low, high)."
            ) from error

    def _lines(self, rows: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Where each row goes while the noise is measured, by the seed and the row alone."""
        keys = child_keys(keys_of_rows(self.seed, rows)[:, None], np.arange(rows.shape[1])[None, :])
        low, high = self.request.bounds
        rows = np.where(moves, rows, 0.0)
        with np.errstate(over="ignore"):
            room = np.stack([rows - low, high - rows])
        return lines_of(rows, moves, uniform(keys), room)


def _rows_per_batch(batch_size: int | str, shape: tuple[int, ...], request: Request, n_jobs: int) -> int:
    if batch_size != "auto":
        return int(batch_size)
    share = -(-shape[0] // n_jobs)
    return max(1, min(share, PROBES_PER_BATCH // (shape[1] * request.n_offsets)))


def _result(
    X: Any, inputs: Inputs, black_box: BlackBox, chosen: Target, work: _Work, answers: list[Entries]
) -> GradientResult:
    """Entries of all batches put where they belong."""
    full = (*inputs.rows.shape, len(chosen.outputs))

    def spread(name: str, empty: Any, pick: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        array = np.full(full, empty)
        array[work.moves] = np.concatenate([getattr(answer, name) for answer in answers])
        return pick(array)

    error = spread("error", np.nan, chosen.pick_size)
    return GradientResult(
        gradient=spread("best", np.nan, chosen.pick),
        error=np.where(np.isinf(error), np.nan, error),
        step=spread("at", np.nan, chosen.pick_size),
        n_evaluations=black_box.n_rows,
        locally_constant=spread("flat", False, chosen.pick_size).astype(bool),
        feature_names=list(inputs.columns.names),
        output_names=chosen.names,
        response_method=black_box.response.name,
        index=row_labels(X),
    )


# --- checks ------------------------------------------------------------------------------------------------------


def _check_stencil(scheme: Any, order: Any, richardson: Any) -> None:
    check_choice(OWNER, "scheme", scheme, SCHEMES)
    known = orders_of(scheme)
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or order not in known:
        raise invalid(OWNER, "order", f"one of {', '.join(map(str, known))} for scheme={scheme!r}", order)
    check_flag(OWNER, "richardson", richardson)


def _check_step(step: Any, inputs: Inputs) -> np.ndarray | None:
    """A step for each feature, or None: search."""
    if isinstance(step, str) and step == "auto":
        return None
    n = inputs.rows.shape[1]
    steps = _numbers(step, n)
    if steps is None or not (np.isfinite(steps) & (steps > 0.0)).all():
        raise invalid(OWNER, "step", f"'auto', a float > 0, or {n} of them, one a feature", step)
    return steps


def _numbers(value: Any, n: int) -> np.ndarray | None:
    """A number for each of n features from one or n of them; None for anything else."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    fits = array.shape in ((), (n,)) and not isinstance(value, bool)
    return np.broadcast_to(array, n).astype(np.float64) if fits else None


def _check_bounds(bounds: Any, inputs: Inputs, moves: np.ndarray) -> np.ndarray:
    """(2, n_features): lower and upper bounds that hold all values of X."""
    columns, rows = inputs.columns, inputs.rows
    n = rows.shape[1]
    limits = np.tile([[-LARGEST], [LARGEST]], n)
    if isinstance(bounds, dict):
        for name, pair in bounds.items():
            limits[:, _column_of(name, inputs)] = _check_pair(pair, 1)[:, 0]
    elif bounds is not None:
        limits = _check_pair(bounds, n)
    outside = moves & ((rows < limits[0]) | (rows > limits[1]))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        low, high = limits[:, column]
        raise InvalidInputError(
            f"X holds {rows[row, column]:g} in row {row} of column {columns.names[column]!r}, outside its bounds "
            f"[{low:g}, {high:g}]."
        )
    return np.clip(limits, -LARGEST, LARGEST)


def _column_of(name: Any, inputs: Inputs) -> int:
    """Position of a column given by name or index."""
    names = inputs.columns.names
    if isinstance(name, int | np.integer) and not isinstance(name, bool) and 0 <= name < len(names):
        return int(name)
    if str(name) in names:
        return names.index(str(name))
    raise invalid(OWNER, "bounds", "a dict whose keys are columns of X", name)


def _check_pair(pair: Any, n: int) -> np.ndarray:
    """(2, n) from (low, high), each a number, None for no bound, or n numbers."""
    must = f"None, (low, high) with low <= high (numbers, None, or arrays of {n}), or a dict of column to (low, high)"
    if not isinstance(pair, tuple | list | np.ndarray) or len(pair) != 2:
        raise invalid(OWNER, "bounds", must, pair)
    ends = [_numbers(none if end is None else end, n) for end, none in zip(pair, (-np.inf, np.inf), strict=True)]
    if any(end is None or np.isnan(end).any() for end in ends) or (ends[0] > ends[1]).any():
        raise invalid(OWNER, "bounds", must, pair)
    return np.stack(ends)
