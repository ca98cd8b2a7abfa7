"""What all methods share: scikit-learn's manners, engine building, and the checks before work starts."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from agnostic_ig.engines._build import ENGINES, Built, build_engine, for_today, still_agrees
from agnostic_ig.engines.response import BlackBox, Response
from agnostic_ig.frames import container_of
from agnostic_ig.parallel import check_n_jobs
from agnostic_ig.validation import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_random_state,
    invalid,
    type_error,
)

__all__ = ["Explainer"]

# Parameters of other libraries' explainers, and what to use here.
NO_STEPS = "There is no number of steps to choose: trees are exact, and other models are refined until 'tol'."
FOREIGN = {
    "n_steps": NO_STEPS,
    "steps": NO_STEPS,
    "x_steps": NO_STEPS,
    "background": "IntegratedGradients calls it 'baseline': a row, rows, or an object of agnostic_ig.baselines.",
    "data": "The background is called 'baseline': a row, rows, or an object of agnostic_ig.baselines.",
    "masker": "The background is called 'baseline': a row, rows, or an object of agnostic_ig.baselines.",
    "nsamples": "Use 'max_evaluations' to bound model rows and 'tol' to ask for accuracy.",
    "max_evals": "Use 'max_evaluations' to bound model rows and 'tol' to ask for accuracy.",
    "internal_batch_size": "Use 'batch_size', rows of X worked on together.",
    "model_output": "Use 'response_method': 'predict_proba', 'decision_function', 'predict' or 'auto'.",
    "seed": "Use 'random_state'.",
    "target": "Say it with the call: explain(X, target=...).",
}


class Explainer(BaseEstimator):
    """Base of methods: parameters are stored unmodified and checked when `explain` is called."""

    def __new__(cls, *args: Any, **params: Any) -> Self:
        """Refuses unknown parameters before ``__init__`` does, whose signature stays the list of those there are."""
        _refuse_unknown(cls.__name__, params, cls._get_param_names(), type_error)
        return super().__new__(cls)

    def __call__(self, X: Any, target: Any = None) -> Any:
        """The same as ``explain``."""
        return self.explain(X, target)

    def __sklearn_clone__(self) -> Self:
        """A new explainer with the same parameters, sharing the fitted model."""
        return type(self)(**self.get_params(deep=False))

    def __getstate__(self) -> dict[str, Any]:
        """Without the engine, which is built again where it is needed."""
        return {key: value for key, value in super().__getstate__().items() if key != "_built"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of this explainer; those of the model are not part of them."""
        return super().get_params(deep=False)

    def set_params(self, **params: Any) -> Self:
        """Change parameters; the engine is built again at the next call."""
        _refuse_unknown(self._owner, params, self._get_param_names(), invalid)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _check_common(self) -> int:
        """Parameters that mean the same for every method; returns the number of threads."""
        check_choice(self._owner, "engine", self.engine, ENGINES)
        check_integer(self._owner, "max_evaluations", self.max_evaluations, at_least=1, allow_none=True)
        n_jobs = check_n_jobs(self._owner, self.n_jobs)
        if not (isinstance(self.batch_size, str) and self.batch_size == "auto"):
            check_integer(self._owner, "batch_size", self.batch_size, at_least=1, also="'auto'")
        check_random_state(self._owner, "random_state", self.random_state)
        check_flag(self._owner, "progress", self.progress, also=("auto",))
        return n_jobs

    def _known_outputs(self, response: Response, rows: np.ndarray) -> np.ndarray | None:
        """What the model said about these rows in the call before, if the engine at hand can tell when it changes."""
        stored = getattr(self, "_built", None)
        if stored is None or not stored.serves(response, self.engine) or not hasattr(stored.built.engine, "predict"):
            return None
        same = stored.rows is not None and np.array_equal(stored.rows, rows, equal_nan=True)
        return stored.outputs if same else None

    def _remember_outputs(self, rows: np.ndarray, outputs: np.ndarray) -> None:
        self._built = replace(self._built, rows=rows, outputs=outputs)

    def _engine_for(self, black_box: BlackBox, rows: np.ndarray, answers: np.ndarray) -> tuple[Built, bool]:
        """The engine, built once for these parameters and as long as it reproduces the model's answers at these rows.

        It works on rows as today's codec encodes them. True with it says that it has just been built.
        """
        response, black_box.examples = black_box.response, rows
        stored = getattr(self, "_built", None)
        if stored is not None and stored.serves(response, self.engine):
            built = for_today(stored.built, black_box)
            if built is not None and still_agrees(built, black_box.precision, rows, answers):
                return built, False
        built = build_engine(black_box, rows, self.engine, self._owner)
        self._built = _Stored(response.model, _parts(response.model), response.name, self.engine, built)
        return built, True


@dataclass(frozen=True)
class _Stored:
    """An engine and what it was built for; holds the model itself, because the `id` of a dead one comes back.

    outputs: what the model said about rows, those of the baseline.
    """

    model: Any
    parts: dict[str, Any]
    response_name: str
    choice: str
    built: Built
    rows: np.ndarray | None = None
    outputs: np.ndarray | None = None

    def serves(self, response: Response, choice: str) -> bool:
        """Whether the same was asked for, of a model that has not been fitted again since."""
        same = self.model is response.model and (self.response_name, self.choice) == (response.name, choice)
        parts = _parts(response.model)
        untouched = parts.keys() == self.parts.keys() and all(parts[name] is self.parts[name] for name in parts)
        return same and untouched


def _parts(model: Any) -> dict[str, Any]:
    """What a model consists of now: fitting puts other objects there."""
    return dict(getattr(model, "__dict__", {}))


def _refuse_unknown(owner: str, params: dict[str, Any], known: list[str], error: Callable[..., Exception]) -> None:
    """Say what a parameter that there is not is called here."""
    for name, value in params.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Parameters: {', '.join(known)}."
            raise error(owner, name, "left out: there is no such parameter", value, FOREIGN.get(name, hint))


def check_tol(owner: str, tol: Any) -> float:
    return check_number(owner, "tol", tol, above=0.0)


def as_given(X: Any) -> Any:
    """X for the result: the user's own container, lists as arrays."""
    return np.asarray(X) if container_of(X) == "array" else X
