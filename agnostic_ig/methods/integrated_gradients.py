"""Integrated Gradients of any fitted model or predict function."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from agnostic_ig.baselines._base import BaselineRows
from agnostic_ig.engines._build import Built, caller_stacklevel
from agnostic_ig.engines._contract import Columns, Settings
from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.exceptions import (
    BudgetWarning,
    CompletenessWarning,
    InvalidInputError,
    ModelError,
    ModelOutputError,
    NoiseWarning,
)
from agnostic_ig.frames import container_of, row_labels
from agnostic_ig.methods._average import Averages, Work, average_over_baselines
from agnostic_ig.methods._base import Explainer, as_given, check_tol
from agnostic_ig.methods._documents import TextModel, in_words, text_model_of
from agnostic_ig.methods._inputs import Inputs, check_groups, columns_of_groups, prepare_inputs
from agnostic_ig.methods._pace import Pace
from agnostic_ig.methods._targets import Target, resolve_target
from agnostic_ig.parallel import threads_beside
from agnostic_ig.results import Explanation
from agnostic_ig.validation import check_choice, check_random_state, invalid

__all__ = ["IntegratedGradients"]

# Completeness asked of exact engines: rounding of sums over leaves, relative to the summed absolute values, and of
# the model's own output.
COMPLETENESS = {np.float64: 1e-9, np.float32: 1e-5, np.float16: 3e-3}
# What differences of rounded answers reach in smooth models: the square root of their rounding, or somewhat less.
WITHIN_REACH = {np.float32: 2e-4, np.float16: 0.1}
# Baselines that share a block of pairs with all rows of a batch, when there are many.
BASELINES_TOGETHER = 8


class IntegratedGradients(Explainer):
    """Integrated Gradients along the straight path from a baseline to each row.

    For a model output f, a baseline b and a row x, feature j is credited
    ``(x_j - b_j) * integral over alpha in [0, 1] of df/dx_j at b + alpha (x - b)``. Where f jumps, the jump goes to
    the feature that crosses the threshold; features that cross at the same alpha share it by the Shapley value;
    discrete columns move at alpha = 1/2. The attributions of a row sum to f(x) minus the base value.

    Parameters
    ----------
    model : fitted estimator, Pipeline, or callable
        What to explain. A callable takes X and returns (n,) or (n, n_outputs).
    baseline : array-like of shape (n_features,) or (n_baselines, n_features), or object of `agnostic_ig.baselines`
        One row, or rows that are averaged over in full. Series and DataFrames align by name. For a pipeline that
        takes documents: None for the empty one, a text, or a list or Series of texts.
    baseline_weights : array-like of shape (n_baselines,), default=None
        Weights of the rows of an array; normalised to sum to one.
    response_method : {"auto", "predict_proba", "decision_function", "predict", "score_samples"}, default="auto"
        Which function of the model is explained. "auto": probabilities of classifiers, else their decision
        function, else their labels; predictions of regressors; the decision function of outlier detectors.
    engine : {"auto", "exact", "numeric"}, default="auto"
        "exact" raises where no exact engine serves the model; "numeric" asks only for predictions.
    tol : float, default=1e-6
        Numeric engine: asked error of one row's attributions, relative to their summed absolute values.
    max_evaluations : int, default=None
        Numeric engine: most model rows for each explained row and baseline. None: by `thoroughness`
        (5,000, 20,000 or 200,000).
    thoroughness : {"fast", "standard", "thorough"}, default="standard"
        How hard the numeric engine looks for effects that cancel, and how many orders large ties are sampled in.
    sigma : None
        Reserved for Gaussian smoothing of the model.
    categorical_features : list, mask or dict, default=None
        Columns that jump at alpha = 1/2 beside those whose dtype says so. ``{"colour": ["red", "blue"]}``: columns
        that encode one category, move together and share one attribution.
    groups : dict of str to list, default=None
        Report the signed sum of several columns under one name.
    feature_names : list of str, default=None
        Names for the columns of X; default: those of the DataFrame or of the model.
    n_jobs : int, default=None
        Threads over batches of rows and, in the numeric engine, over large calls of the model. None: 1; -1: all cores.
        Where the model predicts in several threads itself (its own `n_jobs`, OpenMP), these count among them there.
    batch_size : int or "auto", default="auto"
        Rows worked on together; bounds memory and does not change the answer.
    random_state : int, Generator or None, default=None
        Seed of what is random inside the numeric engine and in large ties; None is a fixed seed.
    progress : bool or "auto", default="auto"
        Progress bar: "auto" shows one on long work.

    Notes
    -----
    Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", equation 1, extended to jumps, ties
    and discrete columns as the limit of the same integral of the smoothed model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from agnostic_ig import IntegratedGradients
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = DecisionTreeRegressor(random_state=0).fit(X, [0.0, 0.0, 0.0, 1.0])  # x0 AND x1
    >>> IntegratedGradients(model, baseline=[0.0, 0.0]).explain([[1.0, 1.0]]).values
    array([[0.5, 0.5]])
    """

    def __init__(
        self,
        model: Any,
        baseline: Any,
        *,
        baseline_weights: Any = None,
        response_method: str = "auto",
        engine: str = "auto",
        tol: float = 1e-6,
        max_evaluations: int | None = None,
        thoroughness: str = "standard",
        sigma: Any = None,
        categorical_features: Any = None,
        groups: dict[str, list] | None = None,
        feature_names: list[str] | None = None,
        n_jobs: int | None = None,
        batch_size: int | str = "auto",
        random_state: Any = None,
        progress: bool | str = "auto",
    ) -> None:
        self.model = model
        self.baseline = baseline
        self.baseline_weights = baseline_weights
        self.response_method = response_method
        self.engine = engine
        self.tol = tol
        self.max_evaluations = max_evaluations
        self.thoroughness = thoroughness
        self.sigma = sigma
        self.categorical_features = categorical_features
        self.groups = groups
        self.feature_names = feature_names
        self.n_jobs = n_jobs
        self.batch_size = batch_size
        self.random_state = random_state
        self.progress = progress

    def explain(self, X: Any, target: Any = None) -> Explanation:
        """Attribute the model's output at every row of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to explain: ndarray, DataFrame (pandas, polars) or sparse matrix. For a pipeline that starts with a
            `CountVectorizer` or `TfidfVectorizer`: a list or Series of texts.
        target : object, default=None
            Class label (models with ``classes_``) or output index; or one label a row. None: the positive class of
            two, the only output, or all outputs on a third axis.

        Returns
        -------
        Explanation

        Raises
        ------
        InvalidParameterError, InvalidInputError
            If a parameter or X cannot be used; nothing has been computed then.
        ModelError, ModelOutputError
            If the model raises, or returns something that is no number.
        EngineUnavailableError
            If ``engine="exact"`` and no exact engine serves the model.
        """
        text_model = text_model_of(self._owner, self.model, X)
        if text_model is not None:
            return self._explain_documents(text_model, X, target)
        settings = self._check_parameters()
        response = resolve_response(self._owner, self.model, self.response_method)
        inputs = self._prepare(X)
        black_box = BlackBox(response, inputs.codec)
        groups = check_groups(self._owner, inputs.columns, self.groups)
        coded = inputs.columns.discrete.any()  # another table may have other codes
        known = None if coded else self._known_outputs(response, inputs.baseline_rows)
        base_outputs = _ask_baseline(black_box, inputs) if known is None else known
        chosen = resolve_target(self._owner, target, response, base_outputs.shape[1], len(inputs.rows))
        predictions = _ask(black_box, "X", inputs.X, inputs.rows, inputs.columns)
        _check_span(predictions[:, chosen.outputs], base_outputs[:, chosen.outputs], response.name)
        ends = np.concatenate([inputs.baseline_rows, inputs.rows]), np.concatenate([base_outputs, predictions])
        built, is_new = self._engine_for(black_box, *ends)
        if not built.engine.exact:  # it asks the model, which may be parallel itself
            settings = replace(settings, n_jobs=threads_beside(self.model, settings.n_jobs))
        if is_new and known is not None:  # the model was changed in place: what it said before does not hold
            base_outputs = _ask_baseline(black_box, inputs)
        self._remember_outputs(inputs.baseline_rows, base_outputs)
        seed = int(check_random_state(self._owner, "random_state", self.random_state).integers(2**63))
        work = Work(
            built.engine, inputs.rows, predictions, inputs.baseline, inputs.baseline_rows, base_outputs,
            inputs.columns, chosen.outputs, settings, seed, [players for _, players in groups],
            self._pace(inputs, built, settings.n_jobs),
        )  # fmt: skip
        averages = average_over_baselines(work, self._rows_per_batch(work), self.progress)
        explanation = self._result(X, inputs, groups, black_box, built, chosen, predictions, averages)
        self._warn(explanation, averages, inputs.baseline, black_box)
        return explanation

    def _explain_documents(self, text_model: TextModel, X: Any, target: Any) -> Explanation:
        """One attribution a word, the path straight in the output of the vectoriser."""
        table, baseline = in_words(self._owner, text_model, X, self.baseline)
        names = text_model.words if self.feature_names is None else self.feature_names
        params = self.get_params() | {"model": text_model.model, "baseline": baseline, "feature_names": names}
        explanation = type(self)(**params).explain(table, target)
        explanation.description["model"] = type(self.model).__name__
        if self.baseline is None:
            explanation.description["baseline"] = "the empty document"
        if hasattr(X, "index") and not callable(X.index):
            explanation.index = np.asarray(X.index)
        return explanation

    def _check_parameters(self) -> Settings:
        """All parameters that can be judged without data."""
        n_jobs = self._check_common()
        check_tol(self._owner, self.tol)
        check_choice(self._owner, "thoroughness", self.thoroughness, ("fast", "standard", "thorough"))
        if self.sigma is not None:
            raise invalid(self._owner, "sigma", "None; smoothed models cannot be explained yet", self.sigma)
        return Settings(float(self.tol), self.max_evaluations, self.thoroughness, n_jobs)

    def _prepare(self, X: Any) -> Inputs:
        return prepare_inputs(
            self._owner, self.model, X, self.baseline, self.baseline_weights, self.categorical_features,
            self.feature_names,
        )  # fmt: skip

    def _pace(self, inputs: Inputs, built: Built, n_jobs: int) -> Pace:
        """Says how long it takes, and what would make it shorter here."""
        ways = ["fewer baselines, drawn by baselines.Sample(X, n) or (X, tol=...)"] * (len(inputs.baseline_rows) > 1)
        ways += ["a larger tol or a smaller max_evaluations"] * (not built.engine.exact)
        ways += ["n_jobs=-1"] * (n_jobs == 1)
        return Pace(len(inputs.rows) * len(inputs.baseline_rows), f"Shorter: {', '.join([*ways, 'fewer rows'])}.")

    def _rows_per_batch(self, work: Work) -> int:
        if self.batch_size != "auto":
            return int(self.batch_size)
        pairs = work.engine.pairs_per_batch(work.rows.shape[1], len(work.outputs))
        n_rows, n_jobs = len(work.rows), work.settings.n_jobs
        size = max(1, pairs // min(len(work.baseline_rows), BASELINES_TOGETHER))
        if work.engine.uses_threads and n_rows <= size:
            return max(1, n_rows)
        n_rounds = -(-n_rows // (size * n_jobs))  # of as many batches as there are threads
        return max(1, -(-n_rows // max(1, n_rounds * n_jobs)))

    def _result(
        self,
        X: Any,
        inputs: Inputs,
        groups: list[tuple[str, list[int]]],
        black_box: BlackBox,
        built: Built,
        chosen: Target,
        predictions: np.ndarray,
        averages: Averages,
    ) -> Explanation:
        values, base_values = chosen.pick(averages.values), chosen.pick(averages.base_values)
        picked = chosen.pick(predictions[:, chosen.outputs])
        population = inputs.baseline.population
        sampled = population is not None or averages.has_variance
        error = averages.error if averages.has_error or not built.engine.exact else np.zeros(averages.values.shape)
        return Explanation(
            values=values,
            base_values=base_values,
            predictions=picked,
            data=as_given(X),
            index=row_labels(X) if container_of(X) == "pandas" else None,
            feature_names=[name for name, _ in groups],
            data_columns=columns_of_groups(inputs.columns, groups),
            output_names=chosen.names,
            convergence_delta=values.sum(axis=1) - (picked - base_values),
            error_estimate=chosen.pick_size(error),
            std_error=chosen.pick_size(averages.std_error(population)) if sampled else None,
            engine=built.engine.name,
            exact=bool(built.engine.exact and not averages.has_variance),
            method=type(self).__name__,
            response_method=black_box.response.name,
            n_evaluations=averages.n_evaluations,
            n_shared_evaluations=black_box.n_rows - int(averages.n_evaluations.sum()),
            description=self._describe(inputs, built),
        )

    def _describe(self, inputs: Inputs, built: Built) -> dict[str, str]:
        facts = {"model": type(self.model).__name__, "baseline": inputs.baseline.description, "why": built.why}
        if built.agreement is not None:
            facts["agreement"] = f"{built.agreement:.1e} relative on {built.n_probes:,} rows"
        if inputs.encoded:
            facts["categories"] = f"{', '.join(inputs.encoded)}: encoded inside the model, so they move at one half"
        return facts | built.engine.facts

    def _warn(self, explanation: Explanation, averages: Averages, baseline: BaselineRows, black_box: BlackBox) -> None:
        """Say how many rows did not reach `tol`, whether sums do not add up, and whether the model is random."""
        level = caller_stacklevel()
        if black_box.noise:
            warnings.warn(
                f"The model gives different answers to the same question: their standard deviation is up to "
                f"{black_box.noise:.1g} of the answer. The error estimates hold this; fix the model's random_state, or "
                "average its answers, to explain it more exactly.",
                NoiseWarning,
                stacklevel=level,
            )
        noisy = 0 if baseline.tol is None else int(averages.is_noisy(baseline).sum())
        if noisy:
            warnings.warn(
                f"{noisy} of {len(averages.values)} rows have a standard error above the baseline's "
                f"tol={baseline.tol:g} although all {len(baseline.weights):,} rows were used. Raise max_n, or tol.",
                BudgetWarning,
                stacklevel=level,
            )
        missed = int((~averages.converged).sum())
        if missed:
            found = (averages.error + np.sqrt(averages.variance)).sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                total = np.abs(averages.values).sum(axis=1)
                worst = np.where(found > 0.0, found / total, 0.0)[~averages.converged].max()
            warnings.warn(
                f"{missed} of {len(averages.converged)} rows did not reach tol={self.tol:g} within their budget; the "
                f"largest estimated relative error is {worst:.2g}. {_advice(black_box.precision, self.tol)}",
                BudgetWarning,
                stacklevel=level,
            )
        gap = np.abs(explanation.convergence_delta)
        with np.errstate(over="ignore"):  # of huge outputs
            size = np.abs(explanation.values).sum(axis=1)
            outputs = np.abs(explanation.predictions) + np.abs(explanation.base_values)
            room = COMPLETENESS[black_box.precision] * (size + outputs) + explanation.error_estimate.sum(axis=1)
        if (gap > room).any():
            warnings.warn(
                f"The attributions of {int((gap > room).reshape(len(gap), -1).any(axis=1).sum())} rows do not add up: "
                f"the largest gap is {gap.max():.2g}.",
                CompletenessWarning,
                stacklevel=level,
            )


def _advice(precision: type, tol: float) -> str:
    """What to do about rows that did not reach tol: more looks do not sharpen answers that are short."""
    if precision is np.float64 or tol > WITHIN_REACH[precision]:
        return "Raise max_evaluations or thoroughness, or tol."
    return (
        f"The model answers in {precision.__name__}, whose rounding bounds what can be reached, whatever "
        f"max_evaluations: ask for a larger tol ({WITHIN_REACH[precision]:g} may do), or pass a function that answers "
        "in float64."
    )


def _check_span(predictions: np.ndarray, base_outputs: np.ndarray, name: str) -> None:
    """Attributions add up to a difference of outputs, which must be a number."""
    with np.errstate(over="ignore"):
        highest = np.maximum(predictions.max(axis=0) - base_outputs.min(axis=0), 0.0)
        lowest = np.minimum(predictions.min(axis=0) - base_outputs.max(axis=0), 0.0)
    if not np.isfinite(highest - lowest).all():
        raise ModelOutputError(
            f"The model's {name} must differ by less than {np.finfo(float).max:.2g} between X and the baseline, or the "
            f"attributions are no numbers. It returned values from {min(predictions.min(), base_outputs.min()):g} to "
            f"{max(predictions.max(), base_outputs.max()):g}. Explain the outputs in a larger unit."
        )


def _ask_baseline(black_box: BlackBox, inputs: Inputs) -> np.ndarray:
    return _ask(black_box, "baseline", inputs.baseline_X, inputs.baseline_rows, inputs.columns)


def _ask(black_box: BlackBox, label: str, asked: Any, rows: np.ndarray, columns: Columns) -> np.ndarray:
    """f at rows of the user, (n, n_outputs); where the model refuses a table with NaN or infinity, say where they are.

    Some models take them in some columns, so which of them is in the way only the model's own words can tell.
    """
    try:
        return black_box.ask(asked)
    except ModelError as error:
        bad = ~np.isfinite(rows)
        if not bad.any():
            raise
        names = [f"{columns.names[j]!r} (row {np.argmax(bad[:, j])})" for j in np.flatnonzero(bad.any(axis=0))]
        value = "NaN" if np.isnan(rows[bad]).any() else "infinity"
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise InvalidInputError(
            f"{label} holds {value} in column {shown}, and the model does not take the table: "
            f"{str(error.__cause__).partition(chr(10))[0]} Fill or drop such cells first."
        ) from error
