"""Models that answer in float32 or float16: what rounding does is part of every error, and is said."""

import warnings

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from agnostic_ig import IntegratedGradients, gradient
from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.exceptions import BudgetWarning, ModelOutputError
from agnostic_ig.frames import Codec
from agnostic_ig.methods.integrated_gradients import WITHIN_REACH

SHORT = [np.float32, np.float16]
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(600, 6))
TARGET = ROWS[:, 0] * ROWS[:, 1] + np.sin(ROWS[:, 2]) + (ROWS[:, 3] > 0)
FOREST = RandomForestRegressor(30, max_depth=6, random_state=0).fit(ROWS, TARGET)


def smooth(Z):
    return np.sin(Z[:, 0]) + Z[:, 1] ** 2 * Z[:, 2]


def explain(function, baseline, rows, **options):
    """An explanation and the text of its BudgetWarning; any other warning is an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("always", BudgetWarning)
        e = IntegratedGradients(function, baseline, **options).explain(rows)
    return e, "".join(str(warning.message) for warning in caught)


@pytest.mark.parametrize("precision", SHORT)
def test_a_forest_is_known_as_well_as_its_answers(precision):
    exact = IntegratedGradients(FOREST, ROWS[0]).explain(ROWS[1:6])
    e, said = explain(lambda Z: FOREST.predict(Z).astype(precision), ROWS[0], ROWS[1:6])
    wrong = np.abs(e.values - exact.values)
    assert wrong.max() > np.finfo(precision).eps / 10
    assert (wrong <= e.error_estimate).mean() >= 0.98
    assert e.error_estimate.max() < 60 * np.finfo(precision).eps
    assert f"answers in {precision.__name__}" in said


@pytest.mark.parametrize("precision", SHORT)
def test_a_smooth_model_is_known_as_well_as_its_differences(precision):
    e, said = explain(lambda Z: smooth(Z).astype(precision), np.zeros(3), np.ones((1, 3)))
    wrong = np.abs(e.values[0] - [np.sin(1.0), 2 / 3, 1 / 3])
    assert (wrong <= e.error_estimate[0]).all()
    assert "max_evaluations: ask for a larger tol" in said
    assert f"answers in {precision.__name__}" in said


def test_a_tol_within_reach_is_reached():
    tol = 4 * WITHIN_REACH[np.float32]
    _, said = explain(lambda Z: smooth(Z).astype(np.float32), np.zeros(3), np.ones((1, 3)), tol=tol)
    assert said == ""


def test_float64_gets_the_advice_to_look_harder():
    _, said = explain(FOREST.predict, ROWS[0], ROWS[1:2], engine="numeric", max_evaluations=100)
    assert "Raise max_evaluations or thoroughness, or tol." in said


@pytest.mark.parametrize("precision", SHORT)
def test_gradients_are_known_as_well_as_their_differences(precision):
    result = gradient(lambda Z: smooth(Z).astype(precision), ROWS[:40, :3])
    x = ROWS[:40, :3]
    truth = np.column_stack([np.cos(x[:, 0]), 2.0 * x[:, 1] * x[:, 2], x[:, 1] ** 2])
    wrong = np.abs(result.gradient - truth)
    assert (wrong <= result.error).mean() >= 0.98
    assert np.median(result.error / wrong) < 30
    assert np.median(wrong) < 3 * np.finfo(precision).eps ** (2 / 3)


@pytest.mark.parametrize("precision", SHORT)
def test_an_exact_engine_is_judged_by_what_the_model_can_say(precision):
    forest = RandomForestRegressor(5, max_depth=3, random_state=0).fit(ROWS, TARGET)
    answer = forest.predict
    forest.predict = lambda Z: answer(Z).astype(precision)
    e, _ = explain(forest, ROWS[0], ROWS[1:20])
    assert e.exact


def test_the_coarsest_precision_counts():
    answers = iter([np.float32, np.float16, np.float64])
    response = resolve_response("test", lambda Z: Z[:, 0].astype(next(answers)), "auto")
    box = BlackBox(response, Codec.from_tables([("X", ROWS)]))
    seen = []
    for _ in range(3):
        assert box.ask(ROWS[:2]).dtype == np.float64
        seen.append(box.precision)
    assert seen == [np.float32, np.float16, np.float16]


def test_overflow_of_float16_is_no_number():
    with pytest.raises(ModelOutputError, match=r"finite numbers. It returned \[inf\]"):
        explain(lambda Z: np.full(len(Z), np.inf, dtype=np.float16), ROWS[0], ROWS[1:2])


def test_too_little_memory_in_the_model_says_for_how_many_rows():
    def model(Z):
        if len(Z) > 1:
            raise MemoryError("Unable to allocate 9 TiB")
        return Z[:, 0]

    with pytest.raises(MemoryError, match=r"asked for 2 rows together \(Unable to allocate 9 TiB\).*batch_size"):
        explain(model, ROWS[0], ROWS[1:3])
