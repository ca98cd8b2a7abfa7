"""Properties that every explainer must have, one a function.

A check takes `explain(model, baseline, X, **options) -> Explanation` and raises AssertionError when the property
does not hold. `tests/test_checks.py` holds explainers that are broken on purpose: each check must reject one.
"""

import pickle
from collections.abc import Callable
from typing import Any

import cases
import numpy as np
import pandas as pd
import xgboost
from scipy import sparse
from sklearn.tree import DecisionTreeRegressor

Explain = Callable[..., Any]

# How boosters are asked for margins.
MARGINS = {
    "xgboost": {"output_margin": True},
    "lightgbm": {"raw_score": True},
    "catboost": {"prediction_type": "RawFormulaVal"},
}


def assert_close(actual: np.ndarray, wanted: np.ndarray, tolerance: float, what: str) -> None:
    """Equal within tolerance times the summed absolute values of each row."""
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    assert actual.shape == wanted.shape, f"{what}: shape {actual.shape} instead of {wanted.shape}"
    scale = np.abs(wanted).sum(axis=1, keepdims=True) + 1e-300
    worst = float((np.abs(actual - wanted) / scale).max(initial=0.0))
    assert worst <= tolerance, f"{what}: relative difference {worst:.2g}, allowed {tolerance:.2g}"


def table_model(values: dict[tuple, float]) -> DecisionTreeRegressor:
    """A tree that holds exactly these values at these points."""
    return DecisionTreeRegressor(random_state=0).fit(np.array(list(values)), list(values.values()))


def flags(function: Callable[..., float], n: int) -> dict[tuple, float]:
    """All 0/1 points of n features with their values."""
    points = [tuple(map(float, f"{i:0{n}b}")) for i in range(2**n)]
    return {point: float(function(*point)) for point in points}


def check_completeness(explain: Explain) -> None:
    """Values sum to the model's prediction minus its prediction at the baseline."""
    for case in cases.TREES:
        X, model = case.X[:6], case.model()
        e = explain(model, case.X[10:13], X, response_method=case.response_method)
        answer = _ask(model, case, X), _ask(model, case, case.X[10:13]).mean(axis=0)
        gap = e.values.sum(axis=1) - (answer[0] - answer[1])
        size = np.abs(e.values).sum(axis=1) + 1e-12
        rounding = cases.SINGLE * np.abs(np.stack(np.broadcast_arrays(*answer))).sum(axis=0) if case.single else 0.0
        assert (np.abs(gap) <= cases.COMPLETE * size + rounding).all(), case.name


def _ask(model: Any, case: cases.Case, X: np.ndarray) -> np.ndarray:
    """The model's own answer for the default target."""
    auto = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    name = auto if case.response_method == "auto" else case.response_method
    if name == "decision_function" and not hasattr(model, name):
        answer = model.predict(X, **MARGINS[type(model).__module__.partition(".")[0]])
    else:
        answer = getattr(model, name)(xgboost.DMatrix(X) if isinstance(model, xgboost.Booster) else X)
    answer = np.hstack(answer) if isinstance(answer, list) else answer
    one_of_two = name == "predict_proba" and answer.shape[1] == 2 and case.label != "two flags"
    return answer[:, 1] if one_of_two else answer


def check_unused_feature(explain: Explain) -> None:
    """A feature that the model does not use gets exactly zero."""
    X, _, score = cases.data()
    model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X * [1, 1, 1, 0, 1], score)
    values = explain(model, X[0], X[1:9]).values
    assert (values[:, 3] == 0).all()
    assert (values[:, 0] != 0).any()


def check_symmetry(explain: Explain) -> None:
    """Features with the same role and the same move share equally."""
    for function in (min, max, lambda a, b: a * b, lambda a, b: a != b):
        values = explain(table_model(flags(function, 2)), [0.0, 0.0], [[1.0, 1.0]]).values
        assert values[0, 0] == values[0, 1]
    values = explain(table_model(flags(lambda a, b, c: a * b * c, 3)), [0.0] * 3, [[1.0] * 3]).values
    assert_close(values, [[1 / 3, 1 / 3, 1 / 3]], cases.EXACT, "AND of three")


def check_implementation_invariance(explain: Explain) -> None:
    """Trees of one function that split in other orders get the same attributions."""
    points = flags(lambda a, b, c: a * b + (1 - a) * c + 2 * b * c, 3)
    wanted = None
    for seed in range(8):
        model = DecisionTreeRegressor(random_state=seed).fit(list(points), list(points.values()))
        values = explain(model, [0.0] * 3, [[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]]).values
        wanted = values if wanted is None else wanted
        assert_close(values, wanted, cases.EXACT, f"random_state={seed}")


def check_linearity(explain: Explain) -> None:
    """The attribution of an average of two models is the average of the attributions."""
    X, _, score = cases.data()
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(2, max_depth=5, random_state=0).fit(X, score)
    both = explain(forest, X[0], X[1:9]).values
    parts = [explain(tree, X[0], X[1:9]).values for tree in forest.estimators_]
    assert_close(both, np.mean(parts, axis=0), cases.EXACT, "average of two trees")


def check_swap(explain: Explain) -> None:
    """Exchanging input and baseline flips all signs."""
    for case in cases.TREES:
        x, b = case.X[3:4], case.X[40:41]
        there = explain(case.model(), b, x, response_method=case.response_method).values
        back = explain(case.model(), x, b, response_method=case.response_method).values
        assert_close(there, -back, cases.EXACT, case.name)


def check_path_halves(explain: Explain) -> None:
    """Cut at a point that is no crossing, the path's two parts add up to the whole."""
    X = cases.data()[0]
    for case in cases.TREES:
        if case.missing or case.categories:
            continue
        x, b = X[3:4], X[40:41]
        middle = b + 0.4731 * (x - b)
        whole = explain(case.model(), b, x, response_method=case.response_method).values
        parts = [
            explain(case.model(), start, end, response_method=case.response_method).values
            for start, end in ((b, middle), (middle, x))
        ]
        assert_close(sum(parts), whole, cases.EXACT, case.name)


def check_rescaled_feature(explain: Explain) -> None:
    """Measuring a feature in other units changes nothing (a power of two, so that nothing rounds)."""
    X, _, score = cases.data()
    units = np.array([1.0, 1024.0, 0.25, 8.0, 1.0])
    plain, scaled = (DecisionTreeRegressor(max_depth=6, random_state=0).fit(X * u, score) for u in (1.0, units))
    assert_close(
        explain(scaled, X[0] * units, X[1:9] * units).values,
        explain(plain, X[0], X[1:9]).values,
        cases.EXACT,
        "units",
    )


def check_same_bits(explain: Explain) -> None:
    """Row order, batch size and threads do not change a bit of a tree engine's values."""
    for case in cases.TREES:
        X, baseline = case.X[:40], case.X[50:60]
        options = {"response_method": case.response_method}
        wanted = explain(case.model(), baseline, X, **options).values
        for more in ({"batch_size": 1}, {"batch_size": 7}, {"n_jobs": 2}, {"n_jobs": 2, "batch_size": 3}):
            np.testing.assert_array_equal(explain(case.model(), baseline, X, **options, **more).values, wanted)
        turned = explain(case.model(), baseline, X[::-1].copy(), **options).values
        np.testing.assert_array_equal(turned[::-1], wanted)


def check_containers(explain: Explain) -> None:
    """DataFrame, F-order, read-only, lists and sparse input agree; float32 input agrees with its own float64."""
    case = cases.BY_NAME["RandomForestClassifier"]
    X, baseline = case.X[:8].copy(), case.X[20]
    wanted = explain(case.model(), baseline, X).values
    frozen = X.copy()
    frozen.setflags(write=False)
    for same in (np.asfortranarray(X), frozen, X.tolist(), pd.DataFrame(X), sparse.csr_matrix(X)):
        np.testing.assert_array_equal(explain(case.model(), baseline, same).values, wanted)
    single = X.astype(np.float32)
    np.testing.assert_array_equal(
        explain(case.model(), baseline, single).values,
        explain(case.model(), baseline, single.astype(float)).values,
    )


def check_input_unchanged(explain: Explain) -> None:
    """Neither X nor the baseline is modified."""
    case = cases.BY_NAME["GradientBoostingClassifier"]
    X, baseline = case.X[:8].copy(), case.X[20:23].copy()
    kept = X.copy(), baseline.copy()
    explain(case.model(), baseline, X)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(baseline, kept[1])


def check_pickle(explain: Explain) -> None:
    """A result survives pickling with every number."""
    case = cases.BY_NAME["HistGradientBoostingRegressor"]
    e = explain(case.model(), case.X[0], case.X[1:5])
    again = pickle.loads(pickle.dumps(e))
    np.testing.assert_array_equal(again.values, e.values)
    assert again.engine == e.engine


def check_repeatable(explain: Explain) -> None:
    """The same random_state gives the same bits, also where something is sampled."""
    model = _wide_linked_model()
    X = np.ones((2, 16))
    first, second = (explain(model, np.zeros(16), X, random_state=3).values for _ in range(2))
    np.testing.assert_array_equal(first, second)


def _wide_linked_model() -> Any:
    """Boosting on 16 flags: a tie of 16 features under a link, which is sampled."""
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(400, 16)).astype(float)
    y = X.sum(axis=1) + X[:, 0] * X[:, 1] * 3 > 8.5
    return GradientBoostingClassifier(n_estimators=40, max_depth=3, random_state=0).fit(X, y)


def check_counts(explain: Explain) -> None:
    """n_evaluations and n_shared_evaluations add up to the rows that the model saw."""
    seen = [0]

    def predict(X: np.ndarray) -> np.ndarray:
        seen[0] += len(X)
        return np.where(X[:, 0] > 0.2, X[:, 1], X[:, 2] ** 2)

    X = cases.data()[0]
    e = explain(predict, X[0], X[1:4])
    assert int(e.n_evaluations.sum()) + e.n_shared_evaluations == seen[0]
    assert (e.n_evaluations > 0).all()


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
