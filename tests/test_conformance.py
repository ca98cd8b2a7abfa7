"""Every classifier, regressor and outlier detector of scikit-learn is explained, rightly or with a word of warning."""

import pickle
import re
import warnings

import numpy as np
import pytest
import sklearn
from all_estimators import Estimator, answers, estimators
from conformance import OPEN, PAGE, RIGHT, Answer, measured, table_row
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import all_estimators

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import BudgetWarning

ALL = estimators()
MOST_SAID = 6  # estimators whose answer may be off, and says so
EXACT = 1e-9  # completeness of exact engines, of a row's summed absolute values
ROUNDING = 1e-12  # of the model's own answers

every = pytest.mark.parametrize("estimator", ALL, ids=lambda one: one.name)


def quick(model: object, baseline: np.ndarray) -> IntegratedGradients:
    """An explainer that stops early; what holds of its answers does not depend on their being right."""
    return IntegratedGradients(model, baseline, max_evaluations=400, thoroughness="fast", random_state=0)


def explain(explainer: IntegratedGradients, X: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        return explainer.explain(X).values


def test_nobody_is_left_out():
    kinds = [name for kind in ("classifier", "regressor") for name, _ in all_estimators(type_filter=kind)]
    names = [one.name for one in ALL]
    assert set(kinds) < set(names)
    assert {"IsolationForest", "LocalOutlierFactor", "OneClassSVM"} < set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("base", "kind"), [(LogisticRegression, "classifier"), (Ridge, "regressor")])
def test_new_estimators_fit_without_an_entry(base, kind):
    """As a future release would bring them: a wrapper that requires an estimator."""

    class Wrapper(base):
        def __init__(self, estimator):
            self.estimator = estimator
            super().__init__()

    model, data = Estimator("Wrapper", kind, Wrapper).fitted()
    assert answers(model)(data.rows).shape == (2, 3 if kind == "classifier" else 1)


@every
def test_answer_is_right_or_says_so(estimator):
    verdict, *_ = measured(estimator)
    assert verdict.is_good != (estimator.name in OPEN), verdict


def test_no_wrong_answer_is_silent():
    verdicts = [measured(one)[0] for one in ALL]
    assert [
        verdict for verdict in verdicts if verdict.error > RIGHT and not (verdict.is_said and verdict.is_covered)
    ] == []


def test_few_answers_are_only_nearly_right():
    verdicts = [measured(one)[0] for one in ALL if one.name not in OPEN]
    assert sum(verdict.error > RIGHT for verdict in verdicts) <= MOST_SAID


def test_most_are_exact():
    assert sum(measured(one)[0].exact for one in ALL) >= 0.8 * len(ALL)


@every
def test_sums_and_counts(estimator):
    for answer in measured(estimator)[1:]:
        e = answer.explanation
        assert int(e.n_evaluations.sum()) + e.n_shared_evaluations == answer.n_asked
        assert_complete(answer)


def assert_complete(answer: Answer) -> None:
    """Values sum to prediction minus base value, within what the engine promises."""
    e = answer.explanation
    size = np.abs(e.values).sum(axis=1)
    allowed = (EXACT * size if e.exact else e.error_estimate.sum(axis=1)) + ROUNDING * (1 + np.abs(e.predictions))
    assert (np.abs(e.values.sum(axis=1) - (e.predictions - e.base_values)) <= allowed).all()


@every
def test_columns_that_stand_still_get_nothing(estimator):
    model, data = estimator.fitted()
    rows = data.rows.copy()
    rows[:, -1] = data.baselines[0, -1]
    values = explain(quick(model, data.baselines[0]), rows)
    assert (values[:, -1] == 0).all()
    assert np.isfinite(values).all()


@pytest.mark.filterwarnings("ignore:Class .* is deprecated:FutureWarning")  # of a model that is loaded again
@every
def test_order_copies_and_inputs(estimator):
    """Rows in another order, to a copy of the explainer, get the same bits; nobody touches what was given."""
    model, data = estimator.fitted()
    rows, baseline = data.rows.copy(), data.baselines[0].copy()
    explainer = quick(model, baseline)
    values = explain(explainer, rows)
    np.testing.assert_array_equal(explain(clone(pickle.loads(pickle.dumps(explainer))), rows[::-1])[::-1], values)
    np.testing.assert_array_equal(rows, data.rows)
    np.testing.assert_array_equal(baseline, data.baselines[0])


def test_page_is_up_to_date():
    """But for the digits of errors; of a scikit-learn of another version, what both know."""
    text = PAGE.read_text(encoding="utf-8")
    stated = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    now = {one.name: table_row(measured(one)[0]) for one in ALL}
    if sklearn.__version__ == re.search(r"scikit-learn (\S+),", text)[1]:
        assert stated.keys() == now.keys()
    for name in stated.keys() & now.keys():
        assert stated[name].rpartition("|")[0].split("|")[:-1] == now[name].rpartition("|")[0].split("|")[:-1]
