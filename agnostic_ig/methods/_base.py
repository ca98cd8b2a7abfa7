"""What all methods share: scikit-learn's manners, engine building, and the checks before work starts."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from agnostic_ig.engines._build import Built, build_engine
from agnostic_ig.engines.response import BlackBox
from agnostic_ig.frames import container_of
from agnostic_ig.parallel import check_n_jobs
from agnostic_ig.validation import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_random_state,
    invalid,
)

__all__ = ["Explainer"]

# Parameters of other libraries' explainers, and what to use here.
FOREIGN = {
    "n_steps": "There is no number of steps to choose: trees are exact, and other models are refined until 'tol'.",
    "steps": "There is no number of steps to choose: trees are exact, and other models are refined until 'tol'.",
    "background": "IntegratedGradients calls it 'baseline': a row, rows, or an object of agnostic_ig.baselines.",
    "data": "The background is called 'baseline': a row, rows, or an object of agnostic_ig.baselines.",
    "nsamples": "Use 'max_evaluations' to bound model rows and 'tol' to ask for accuracy.",
    "model_output": "Use 'response_method': 'predict_proba', 'decision_function', 'predict' or 'auto'.",
}


class Explainer(BaseEstimator):
    """Base of methods: parameters are stored unmodified and checked when `explain` is called."""

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
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                hint = FOREIGN.get(name, "")
                raise invalid(type(self).__name__, name, "one of " + ", ".join(known), value, hint)
            setattr(self, name, value)
        return self

    @property
    def _owner(self) -> str:
        return type(self).__name__

    def _check_common(self) -> None:
        """Parameters that mean the same for every method."""
        check_choice(self._owner, "engine", self.engine, ("auto", "exact", "numeric"))
        check_integer(self._owner, "max_evaluations", self.max_evaluations, at_least=1, allow_none=True)
        check_n_jobs(self._owner, self.n_jobs)
        if self.batch_size != "auto":
            check_integer(self._owner, "batch_size", self.batch_size, at_least=1, hint="Or 'auto'.")
        check_random_state(self._owner, "random_state", self.random_state)
        check_flag(self._owner, "progress", self.progress, also=("auto",))

    def _engine_for(self, black_box: BlackBox, probes: np.ndarray) -> Built:
        """The engine, built once for these parameters; a numeric engine asks through today's codec."""
        response = black_box.response
        key = (id(response.model), response.name, self.engine)
        stored = getattr(self, "_built", None)
        if stored is None or stored[0] != key:
            stored = (key, build_engine(black_box, probes, self.engine, self._owner))
            self._built = stored
        built = stored[1]
        if hasattr(built.engine, "with_black_box"):
            return Built(built.engine.with_black_box(black_box), built.why, built.agreement, built.n_probes)
        return built


def reject_foreign(owner: str, params: dict[str, Any], known: list[str]) -> None:
    """Explain what an unknown parameter is called here."""
    for name, value in params.items():
        raise invalid(owner, name, "one of " + ", ".join(known), value, FOREIGN.get(name, ""))


def check_tol(owner: str, tol: Any) -> float:
    return check_number(owner, "tol", tol, above=0.0)


def as_given(X: Any) -> Any:
    """X for the result: the user's own container, lists as arrays."""
    return np.asarray(X) if container_of(X) == "array" else X
