"""Build an engine for a model, verify it against the model's own answers, and say why it answers."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.response import BlackBox, Response
from agnostic_ig.exceptions import EngineUnavailableError, EngineWarning

__all__ = ["ENGINES", "Built", "build_engine", "caller_stacklevel", "for_today", "read_engine", "still_agrees"]

ENGINES = ("auto", "exact", "numeric")
MAX_PROBES = 2000
RECHECKED = 64  # rows of every later call; completeness is looked at on all of them anyway
# Agreement asked of a structural engine, relative to the largest output: a few hundred roundings of a sum.
AGREEMENT = {np.float64: 1e-10, np.float32: 1e-5, np.float16: 3e-3}


@dataclass(frozen=True)
class Built:
    """A ready engine, why it was chosen, and how well it agrees with the model (None: nothing to compare).

    for_these_rows: other rows may have an exact engine; these do not.
    """

    engine: Any
    why: str
    agreement: float | None = None
    n_probes: int = 0
    for_these_rows: bool = False


def build_engine(black_box: BlackBox, probes: np.ndarray, choice: str, owner: str) -> Built:
    """The strongest engine that serves the model.

    Parameters
    ----------
    black_box : BlackBox
        The model's response.
    probes : ndarray of shape (n, n_features)
        Rows of the baseline and of X; at most MAX_PROBES of them and of rows on thresholds are compared.
    choice : {"auto", "exact", "numeric"}

    Raises
    ------
    EngineUnavailableError
        If `choice` is "exact" and no exact engine serves this model.
    """
    black_box.examples = probes
    engine, why = read_engine(black_box.response, choice, owner)
    if engine is None:
        return Built(_numeric(black_box), why)
    try:
        engine = engine.with_black_box(black_box)
    except Unsupported as reason:
        return Built(_numeric(black_box), _why_not(reason, choice, owner), for_these_rows=True)
    rows = _probe_rows(engine, probes, black_box.codec.discrete)
    answers = black_box.ask_matrix(rows.copy())
    worst = _disagreement(engine, rows, answers)
    if worst <= _allowed(engine, black_box.precision, answers):
        return Built(engine, engine.why, worst, len(rows))
    text = (
        f"the {engine.name} engine does not reproduce {type(black_box.response.model).__name__}."
        f"{black_box.response.name} (worst relative difference {worst:.2g} on {len(rows)} rows)"
    )
    if choice == "exact":
        raise EngineUnavailableError(f"The 'engine' parameter of {owner} is 'exact', but {text}.")
    warnings.warn(f"{text}; the numeric engine answers.", EngineWarning, stacklevel=caller_stacklevel())
    return Built(_numeric(black_box), text, worst, len(rows))


def read_engine(response: Response, choice: str, owner: str) -> tuple[Any | None, str]:
    """The exact engine of a model, not verified yet, or None, and why."""
    if choice == "numeric":
        return None, "engine='numeric' was asked for"
    try:
        engine = read_model(response.model, response)
    except Unsupported as reason:
        return None, _why_not(reason, choice, owner)
    return engine, engine.why


def _why_not(reason: Unsupported, choice: str, owner: str) -> str:
    """Why the numeric engine answers, where it may."""
    if choice == "exact":
        raise EngineUnavailableError(
            f"The 'engine' parameter of {owner} is 'exact', but {reason}. "
            "Use engine='auto' to let the numeric engine answer."
        ) from None
    return str(reason)


def _numeric(black_box: BlackBox) -> Any:
    from agnostic_ig.engines.numeric import NumericEngine

    return NumericEngine(black_box)


def _probe_rows(engine: Any, probes: np.ndarray, discrete: np.ndarray) -> np.ndarray:
    """Rows of the data, and the same rows moved onto thresholds and one unit in the last place beside them.

    Discrete columns stay: there is nothing beside their values.
    """
    rng = np.random.default_rng(0)
    if len(probes) > MAX_PROBES // 2:
        probes = probes[rng.choice(len(probes), MAX_PROBES // 2, replace=False)]
    edges = engine.edges(rng, MAX_PROBES - len(probes))
    if edges is None:
        return probes
    moves = ~discrete[edges[0]]
    features, places = edges[0][moves], edges[1][moves]
    moved = probes[rng.integers(len(probes), size=len(features))]
    moved[np.arange(len(features)), features] = places
    return np.concatenate([probes, moved])


def for_today(built: Built, black_box: BlackBox) -> Built | None:
    """An engine that was built earlier for rows as today's codec encodes them; None where another may serve them."""
    if built.for_these_rows:
        return None
    try:
        return replace(built, engine=built.engine.with_black_box(black_box))
    except Unsupported:
        return None


def still_agrees(built: Built, precision: type, rows: np.ndarray, answers: np.ndarray) -> bool:
    """Whether an engine that was built earlier reproduces the model on new rows: it may have been fitted again."""
    if not hasattr(built.engine, "predict"):
        return True
    some = slice(None, None, 1 + len(rows) // RECHECKED)
    return _disagreement(built.engine, rows[some], answers[some]) <= _allowed(built.engine, precision, answers[some])


def _allowed(engine: Any, precision: type, theirs: np.ndarray) -> float:
    """What engine and model may differ by: more where the model adds up large numbers that cancel."""
    noise = getattr(engine, "noise", 0.0) / (np.abs(theirs).max(initial=0.0) or 1.0)
    return max(AGREEMENT[precision], min(noise, AGREEMENT[np.float32]))


def _disagreement(engine: Any, rows: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference between engine and model on the rows, relative to the largest output."""
    ours = engine.predict(rows)
    if ours.shape != theirs.shape:
        return np.inf
    scale = np.abs(theirs).max(initial=0.0) or 1.0
    return float(np.abs(ours - theirs).max(initial=0.0) / scale)


def caller_stacklevel() -> int:
    """The stack level of the first frame outside this package, so that a warning points at the user's line."""
    import sys

    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("agnostic_ig"):
        level, frame = level + 1, frame.f_back
    return level
