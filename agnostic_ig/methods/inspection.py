"""What would explain a model, how exactly, and at what cost, before anything is explained."""

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from agnostic_ig.baselines._base import Baseline, BaselineRows
from agnostic_ig.engines._build import ENGINES, build_engine, read_engine
from agnostic_ig.engines.booster_response import fitted_columns
from agnostic_ig.engines.response import BlackBox, Response, resolve_response
from agnostic_ig.frames import check_table, take_rows
from agnostic_ig.methods._inputs import prepare_inputs
from agnostic_ig.validation import check_choice

__all__ = ["Inspection", "inspect_model"]

TIMED_ROWS = 1000


@dataclass(frozen=True)
class Inspection:
    """What `inspect_model` found out.

    Attributes
    ----------
    family : str
        Class of the model.
    engine : str
        Engine that answers with ``engine="auto"``.
    exact : bool
        Whether it is exact.
    why : str
        Why this engine.
    response_method : str
        The function that is explained.
    outputs : list of str
        Names of the outputs; empty where no rows were given to ask the model with.
    features : list of str
        Names of the columns; empty where they are not known.
    agreement : float or None
        Largest difference between the engine's own predictions and the model's, relative to the largest output.
    n_probes : int
        Rows that were compared.
    cost : str
        What a row costs.
    facts : dict
        More about the engine.
    """

    family: str
    engine: str
    exact: bool
    why: str
    response_method: str
    outputs: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    agreement: float | None = None
    n_probes: int = 0
    cost: str = "unknown without rows: pass a baseline and X"
    facts: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """All fields as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def __str__(self) -> str:
        agreement = "not compared" if self.agreement is None else f"{self.agreement:.1e} on {self.n_probes:,} rows"
        lines = {
            "model": self.family,
            "explained": self.response_method,
            "engine": f"{self.engine} ({'exact' if self.exact else 'not exact'})",
            "why": self.why,
            "outputs": ", ".join(self.outputs) or "unknown without rows",
            "features": f"{len(self.features)}" if self.features else "unknown without rows",
            "agreement": agreement,
            "cost": self.cost,
        } | self.facts
        return "\n".join(f"{name + ':':<12} {value}" for name, value in lines.items())


def inspect_model(
    model: Any, baseline: Any = None, X: Any = None, *, response_method: str = "auto", engine: str = "auto"
) -> Inspection:
    """Say which engine serves a model, whether it is exact and why, and what it costs.

    Parameters
    ----------
    model : fitted estimator or callable
    baseline : array-like or object of `agnostic_ig.baselines`, default=None
        As for `IntegratedGradients`; None: X is compared with its own first row.
    X : array-like of shape (n_samples, n_features), default=None
        Rows to compare engine and model on; None: those of the baseline. Without any only the structure is read.
    response_method, engine : str, default="auto"
        As for `IntegratedGradients`.

    Returns
    -------
    Inspection
        Prints as text; ``to_dict`` and ``to_json`` for programs.

    Raises
    ------
    InvalidParameterError, InvalidInputError
        If the model is not fitted, or does not go with the rows.
    EngineUnavailableError
        If ``engine="exact"`` and no exact engine serves the model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from agnostic_ig import inspect_model
    >>> X = np.arange(20.0).reshape(10, 2)
    >>> report = inspect_model(RandomForestRegressor(5, random_state=0).fit(X, X[:, 0]), X=X)
    >>> report.engine, report.exact
    ('tree_ensemble', True)
    """
    check_choice("inspect_model", "engine", engine, ENGINES)
    response = resolve_response("inspect_model", model, response_method)
    rows = X if X is not None else _rows_of(baseline)
    if rows is None:
        return _from_structure(model, response, engine)
    given = baseline if baseline is not None else _first_row(rows)
    inputs = prepare_inputs("inspect_model", model, rows, given, None, None, None)
    black_box = BlackBox(response, inputs.codec)
    built = build_engine(black_box, np.concatenate([inputs.baseline_rows, inputs.rows]), engine, "inspect_model")
    started = time.perf_counter()
    sample = inputs.rows[:TIMED_ROWS]
    outputs = black_box.ask_matrix(sample.copy())
    per_row = (time.perf_counter() - started) / len(sample)
    return Inspection(
        type(model).__name__,
        built.engine.name,
        built.engine.exact,
        built.why,
        response.name,
        response.output_names(outputs.shape[1]),
        inputs.columns.names,
        built.agreement,
        built.n_probes,
        _cost(built.engine, inputs.baseline, per_row),
        built.engine.facts,
    )


def _rows_of(baseline: Any) -> Any:
    """Rows that a baseline holds itself."""
    if isinstance(baseline, Baseline):
        return getattr(baseline, "X", None)
    return baseline if len(getattr(baseline, "shape", ())) == 2 else None


def _first_row(X: Any) -> Any:
    return take_rows(check_table("X", X), slice(0, 1))


def _from_structure(model: Any, response: Response, choice: str) -> Inspection:
    """What can be said without a single row."""
    features = [str(name) for name in fitted_columns(model)[0] or []]
    outputs = response.output_names(len(response.classes)) if isinstance(response.classes, np.ndarray) else []
    engine, why = read_engine(response, choice, "inspect_model")
    said = {"response_method": response.name, "outputs": outputs, "features": features}
    if engine is None:
        return Inspection(type(model).__name__, "numeric", False, why, **said)
    return Inspection(type(model).__name__, engine.name, engine.exact, why, **said, facts=engine.facts)


def _cost(engine: Any, baseline: BaselineRows, per_row: float) -> str:
    """Model rows a case needs, and the time the model takes for them."""
    n = len(baseline.weights)
    if engine.exact:
        return f"no model rows beyond one a case; {n:,} walk(s) through the structure a case"
    from agnostic_ig.engines.numeric import BUDGETS

    rows = BUDGETS["standard"] * n
    return f"up to {rows:,} model rows a case ({n:,} baseline(s)), about {rows * per_row:.2g} s of model time"
