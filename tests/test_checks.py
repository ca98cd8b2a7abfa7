"""Every check holds for our explainer, and rejects at least one explainer that is broken on purpose."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from checks import CHECKS

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning


def explain(model: Any, baseline: Any, X: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)  # large ties are sampled in one check
        return IntegratedGradients(model, baseline, **options).explain(X)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_explainer_passes(check):
    check(explain)


def with_values(e: Any, values: np.ndarray) -> Any:
    changed = copy.copy(e)
    object.__setattr__(changed, "values", values)
    return changed


def scaled(model, baseline, X, **options):
    """Attributions a millionth too large."""
    e = explain(model, baseline, X, **options)
    return with_values(e, e.values * (1 + 1e-6))


def smeared(model, baseline, X, **options):
    """A tiny share of everything goes to every feature; sums stay right."""
    e = explain(model, baseline, X, **options)
    return with_values(e, 0.999 * e.values + 0.001 * e.values.mean(axis=1, keepdims=True))


def first_feature_wins(model, baseline, X, **options):
    """Ties go to the feature that stands first: features one after the other, each at its own time."""
    X = np.asarray(X, dtype=float)
    values, start = [], np.broadcast_to(np.asarray(baseline, dtype=float), X.shape).copy()
    for j in range(X.shape[1]):
        end = start.copy()
        end[:, j] = X[:, j]
        values.append(model.predict(end) - model.predict(start))
        start = end
    return with_values(explain(model, baseline, X, **options), np.stack(values, axis=1))


def root_first(model, baseline, X, **options):
    """The feature of the root takes what is tied."""
    e = explain(model, baseline, X, **options)
    values = e.values.copy()
    root = model.tree_.feature[0]
    values[:, root] += 1e-3 * values[:, 0]
    values[:, 0] -= 1e-3 * values[:, 0]
    return with_values(e, values)


def squared(model, baseline, X, **options):
    """Not linear in the model."""
    e = explain(model, baseline, X, **options)
    return with_values(e, e.values + 1e-6 * e.values**2)


def forward_only(model, baseline, X, **options):
    """Depends on the direction of the path."""
    e = explain(model, baseline, X, **options)
    return with_values(e, e.values + 1e-9 * np.abs(e.values))


def with_units(model, baseline, X, **options):
    """Depends on the size of the numbers in X."""
    e = explain(model, baseline, X, **options)
    return with_values(e, e.values * (1 + 1e-9 * np.abs(np.asarray(X, dtype=float)).max()))


def batch_dependent(model, baseline, X, **options):
    """One rounding differs with the batch."""
    e = explain(model, baseline, X, **options)
    return with_values(e, e.values * (1 + np.finfo(float).eps * (options.get("batch_size") == 7)))


def order_dependent(model, baseline, X, **options):
    """The first row is treated in another way."""
    e = explain(model, baseline, X, **options)
    values = e.values.copy()
    values[0] = np.nextafter(values[0], np.inf)
    return with_values(e, values)


def container_dependent(model, baseline, X, **options):
    """Frames lose a bit."""
    e = explain(model, baseline, X, **options)
    return with_values(e, e.values.astype(np.float32).astype(float) if hasattr(X, "iloc") else e.values)


def clobbering(model, baseline, X, **options):
    """Writes into its input."""
    e = explain(model, baseline, X, **options)
    X[0, 0] += 1.0
    return e


class Forgetful:
    """Loses its values when pickled."""

    def __init__(self, e: Any) -> None:
        self.values, self.engine = e.values, e.engine

    def __getstate__(self) -> dict:
        return {"values": 0 * self.values, "engine": self.engine}


def forgetful(model, baseline, X, **options):
    return Forgetful(explain(model, baseline, X, **options))


STATE = np.random.default_rng(0)


def restless(model, baseline, X, **options):
    """Random without regard to random_state."""
    return explain(model, baseline, X, **{**options, "random_state": int(STATE.integers(1000))})


def miscounting(model, baseline, X, **options):
    """Does not count one row."""
    e = copy.copy(explain(model, baseline, X, **options))
    object.__setattr__(e, "n_shared_evaluations", e.n_shared_evaluations - 1)
    return e


BROKEN = {
    "check_completeness": scaled,
    "check_unused_feature": smeared,
    "check_symmetry": first_feature_wins,
    "check_implementation_invariance": root_first,
    "check_linearity": squared,
    "check_swap": forward_only,
    "check_path_halves": squared,
    "check_rescaled_feature": with_units,
    "check_same_bits": batch_dependent,
    "check_containers": container_dependent,
    "check_input_unchanged": clobbering,
    "check_pickle": forgetful,
    "check_repeatable": restless,
    "check_counts": miscounting,
}


def test_every_check_has_a_broken_explainer():
    assert set(BROKEN) == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_rejects_a_broken_explainer(check):
    with pytest.raises(AssertionError):
        check(BROKEN[check.__name__])


def test_row_order_is_looked_at():
    check = next(check for check in CHECKS if check.__name__ == "check_same_bits")
    with pytest.raises(AssertionError):
        check(order_dependent)
