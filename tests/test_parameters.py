"""Parameters: every one refuses a wrong type and a wrong value in one form of words; scikit-learn's manners; state."""

import copy
import dataclasses
import inspect
import linecache
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from recorder import Recorder
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor, GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

import agnostic_ig
from agnostic_ig import IntegratedGradients, baselines, inspect_model
from agnostic_ig.engines import tree_ensemble
from agnostic_ig.exceptions import BudgetWarning, CompletenessWarning, InvalidParameterError, InvalidParameterTypeError
from agnostic_ig.methods._base import Explainer
from agnostic_ig.parallel import map_batches
from agnostic_ig.validation import check_flag, check_integer, check_number, check_random_state, invalid, shorten

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 3))
Y = X[:, 0] * X[:, 1] > 0
MODEL = RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, Y)


def explain(model=MODEL, baseline=X[0], target=None, rows=X[1:4], **options):
    return IntegratedGradients(model, baseline, **options).explain(rows, target)


# --- a table of every parameter -------------------------------------------------------------------------------

MODES = "one of 'auto', 'exact', 'numeric'"
# parameter -> what it must be, and the wrong types and wrong values that say so
WRONG = {
    "model": ("a fitted estimator or a predict function", [None, 5, "model"], [RandomForestClassifier]),
    "baseline": ("a row, rows, or an object of agnostic_ig.baselines", [None, "zero", {}], [0.0, baselines.Zero]),
    "baseline_weights": (
        "1 numbers >= 0 with a positive sum, or None",
        ["one", ["a"], {}],
        [[-1.0], [0.0], [1.0, 1.0], [np.nan]],
    ),
    "response_method": ("one of 'auto', 'predict_proba'", [None, 1, ["predict"], np.array(["auto"])], ["proba"]),
    "engine": (MODES, [None, True, np.array(["auto"] * 2)], ["gpu", "Exact"]),
    "tol": ("a float > 0", [None, "1e-6", True, 1j, [1e-6]], [0, 0.0, -1e-6, np.nan, np.inf]),
    "max_evaluations": ("an int >= 1 or None", ["many", 100.0, True], [0, -5]),
    "thoroughness": ("one of 'fast', 'standard', 'thorough'", [None, 3], ["slow"]),
    "sigma": ("", ["wide", {}], [-1.0]),
    "categorical_features": (
        "made of column names, indices below 3",
        [1.5, [None], 1j],
        ["colour", [3], [-1], [True]],
    ),
    "groups": (
        "",
        [["x0"], "x0", {1: ["x0"]}],
        [{"g": []}, {"g": ["x9"]}, {"g": [3]}, {"g": [0], "h": [0]}, {"x1": [0]}],
    ),
    "feature_names": (
        "a list of 3 different names",
        ["abc", 5, {"a": 1, "b": 2, "c": 3}],
        [["a", "b"], ["a", "b", "a"]],
    ),
    "n_jobs": ("None or an int other than 0", ["all", 1.5, True, np.True_], [0]),
    "batch_size": ("an int >= 1 or 'auto'", [None, "big", 10.0, True, np.array([1, 2])], [0, -1]),
    "random_state": ("None, an int >= 0, a numpy Generator or a RandomState", ["seed", 1.5, True], [-1]),
    "progress": ("True or False or 'auto'", [None, 1, [True]], ["yes"]),
}
# Explainers that take other parameters than the table says, or mean others by them: class -> its own rows.
OWN: dict[str, dict] = {"IntegratedGradients": {}}
EXPLAINERS = [
    thing
    for thing in (getattr(agnostic_ig, name) for name in agnostic_ig.__all__)
    if inspect.isclass(thing) and issubclass(thing, Explainer)
]


def rows_of(explainer):
    return WRONG | OWN[explainer.__name__]


CASES = [
    pytest.param(explainer, name, value, id=f"{explainer.__name__}-{name}-{shorten(value, 30)}")
    for explainer in EXPLAINERS
    for name in explainer._get_param_names()
    for value in rows_of(explainer)[name][1] + rows_of(explainer)[name][2]
]


def test_the_table_has_every_parameter():
    assert IntegratedGradients in EXPLAINERS
    for explainer in EXPLAINERS:
        assert set(explainer._get_param_names()) <= set(rows_of(explainer)), explainer
        for name, (_, types, values) in rows_of(explainer).items():
            assert types, name
            assert values, name


@pytest.mark.parametrize(("explainer", "name", "value"), CASES)
def test_every_parameter_refuses_in_the_same_words(explainer, name, value):
    """Before the model has been asked about a single row, and through set_params as well."""
    asked = Recorder(lambda X: X[:, 0])
    given = {"model": asked, "baseline": X[0]} | {name: value}
    must = rows_of(explainer)[name][0]
    words = rf"^The '{name}' parameter of {explainer.__name__} must be {re.escape(must)}.*\. Got .+ instead"
    for make in (lambda: explainer(**given), lambda: explainer(asked, X[0]).set_params(**{name: value})):
        with pytest.raises((InvalidParameterError, InvalidParameterTypeError), match=words):
            make().explain(X[1:4])
    assert asked.n_rows == 0


@pytest.mark.parametrize("name", ["response_method", "engine"])
def test_inspect_model_refuses_in_the_same_words(name):
    for value in WRONG[name][1] + WRONG[name][2]:
        words = rf"^The '{name}' parameter of inspect_model must be {re.escape(WRONG[name][0])}"
        with pytest.raises(InvalidParameterError, match=words):
            inspect_model(MODEL, X[0], X, **{name: value})


RIGHT = {
    "tol": [1, np.float32(1e-3), np.int64(2), 1e9],
    "max_evaluations": [1, np.int32(50), None, 10**12],
    "n_jobs": [None, 1, np.int64(2), -1, -50],
    "batch_size": ["auto", 1, np.uint8(3), 10**9],
    "random_state": [None, 0, np.int64(5), np.random.default_rng(1), np.random.RandomState(1)],
    "progress": [True, False, np.False_, "auto"],
    "engine": ["auto", "exact", "numeric"],
    "thoroughness": ["fast", "standard", "thorough"],
    "feature_names": [["a", "b", "c"], np.array(["a", "b", "c"]), pd.Index(["a", "b", "c"]), (1, 2, 3)],
    "baseline_weights": [None, [2.0], np.array([1]), (True,)],
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.filterwarnings("ignore::agnostic_ig.exceptions.BudgetWarning")
def test_right_values_are_taken_and_stored_as_they_are(name):
    for value in RIGHT[name]:
        ig = IntegratedGradients(MODEL, X[0], **{name: value})
        e = ig.explain(X[1:4])
        np.testing.assert_allclose(e.values.sum(axis=1), e.predictions - e.base_values, atol=1e-9)
        assert ig.get_params()[name] is value


# --- parameters that there are not ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["n_steps", "steps"])
def test_steps_get_an_explanation_of_tol(name):
    words = rf"The '{name}' parameter of IntegratedGradients must be left out.*Got 50 instead.*refined until 'tol'"
    with pytest.raises(InvalidParameterTypeError, match=words):
        IntegratedGradients(MODEL, X[0], **{name: 50})
    with pytest.raises(InvalidParameterError, match=words):
        IntegratedGradients(MODEL, X[0]).set_params(**{name: 50})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("background", "calls it 'baseline'"),
        ("nsamples", "'max_evaluations'"),
        ("model_output", "'response_method'"),
        ("seed", "'random_state'"),
        ("max_evaluation", "Did you mean 'max_evaluations'"),
        ("baselines", "Did you mean 'baseline'"),
        ("zzz", "Parameters: baseline, baseline_weights"),
    ],
)
def test_other_libraries_parameters_get_ours(name, hint):
    with pytest.raises(InvalidParameterTypeError, match=re.escape(hint)):
        IntegratedGradients(MODEL, **{"baseline": X[0], name: 1})
    if name == "background":
        with pytest.raises(InvalidParameterTypeError, match="calls it 'baseline'"):
            IntegratedGradients(MODEL, background=X[0])


def test_a_wrong_name_changes_nothing():
    ig = IntegratedGradients(MODEL, X[0])
    with pytest.raises(InvalidParameterError, match="no such parameter"):
        ig.set_params(tol=0.5, model__max_depth=3)
    assert ig.tol == 1e-6


def test_the_signature_stays_the_list_of_parameters():
    names = list(inspect.signature(IntegratedGradients).parameters)
    assert names[:2] == ["model", "baseline"]
    assert set(names) == set(IntegratedGradients._get_param_names())
    with pytest.raises(TypeError, match="positional"):
        IntegratedGradients(MODEL, X[0], 50)
    with pytest.raises(TypeError, match="'baseline'"):
        IntegratedGradients(MODEL)


def test_a_subclass_may_have_parameters_of_its_own():
    class Mine(IntegratedGradients):
        def __init__(self, model, baseline, *, colour="red"):
            super().__init__(model, baseline)
            self.colour = colour

    assert Mine(MODEL, X[0], colour="blue").colour == "blue"
    with pytest.raises(InvalidParameterTypeError, match="'n_steps' parameter of Mine"):
        Mine(MODEL, X[0], n_steps=3)


# --- scikit-learn's manners -----------------------------------------------------------------------------------


def full():
    return IntegratedGradients(
        MODEL, baselines.Sample(X, 10), tol=1e-3, groups={"g": [0, 1]}, feature_names=["a", "b", "c"]
    )


def test_parameters_are_stored_as_they_are_and_only_stored():
    values = {name: object() for name in IntegratedGradients._get_param_names()}
    ig = IntegratedGradients(**values)
    assert all(ig.get_params()[name] is value for name, value in values.items())
    assert vars(ig) == values


@pytest.mark.parametrize("deep", [True, False])
def test_get_params_leaves_the_model_alone(deep):
    assert set(full().get_params(deep)) == set(IntegratedGradients._get_param_names())


def test_set_params_returns_itself():
    ig = full()
    assert ig.set_params(tol=0.1, groups=None) is ig
    assert ig.set_params() is ig
    assert (ig.tol, ig.groups) == (0.1, None)


def test_repr_shows_what_is_no_default():
    text = repr(IntegratedGradients(MODEL, X[0], tol=0.5))
    assert "tol=0.5" in text
    assert "n_jobs" not in text
    assert repr(IntegratedGradients(MODEL, pd.DataFrame(X), groups={"g": [0]})).startswith("IntegratedGradients(")
    assert "IntegratedGradients" in full()._repr_html_()


def test_clones_share_the_fitted_model_and_no_engine():
    ig = full()
    wanted = ig.explain(X[:3])
    other = clone(ig)
    assert other is not ig
    assert all(other.get_params()[name] is value for name, value in ig.get_params().items())
    assert vars(other) == other.get_params()
    np.testing.assert_array_equal(other.explain(X[:3]).values, wanted.values)


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda ig: pickle.loads(pickle.dumps(ig))], ids=["copy", "deep", "pickle"]
)
@pytest.mark.parametrize("engine", ["auto", "numeric"])
def test_copies_explain_the_same(used, copied, engine):
    ig = full().set_params(engine=engine)
    if used:
        ig.explain(X[:3])
    np.testing.assert_array_equal(copied(ig).explain(X[:3]).values, ig.explain(X[:3]).values)


def test_calling_is_explaining():
    ig = full()
    np.testing.assert_array_equal(ig(X[:3]).values, ig.explain(X[:3]).values)
    np.testing.assert_array_equal(ig(X[:3], False).values, ig.explain(X[:3], target=False).values)
    np.testing.assert_array_equal(ig(X[:3], target=False).values, ig.explain(X[:3], target=False).values)


# --- the engine follows the parameters ------------------------------------------------------------------------


def other_model():
    return RandomForestClassifier(4, max_depth=3, random_state=1).fit(X, X[:, 2] > 0)


@pytest.mark.parametrize(
    "change",
    [
        {"model": other_model()},
        {"model": LogisticRegression().fit(X, Y)},
        {"model": MODEL.predict_proba, "engine": "numeric"},
        {"response_method": "predict"},
        {"engine": "numeric"},
        {"baseline": X[5]},
    ],
    ids=lambda change: "-".join(change),
)
@pytest.mark.filterwarnings("ignore::agnostic_ig.exceptions.BudgetWarning")
def test_changed_parameters_change_the_answer(change):
    ig = IntegratedGradients(MODEL, X[0])
    ig.explain(X[1:4])
    e = ig.set_params(**change).explain(X[1:4])
    wanted = IntegratedGradients(**({"model": MODEL, "baseline": X[0]} | change)).explain(X[1:4])
    np.testing.assert_array_equal(e.values, wanted.values)
    assert (e.engine, e.response_method) == (wanted.engine, wanted.response_method)


def test_a_model_fitted_again_is_read_again():
    model = RandomForestRegressor(4, max_depth=3, random_state=0).fit(X, X[:, 0])
    ig = IntegratedGradients(model, X[0])
    ig.explain(X[1:4])
    model.fit(X, X[:, 2])
    e = ig.explain(X[1:4])
    assert e.exact
    np.testing.assert_array_equal(e.values, IntegratedGradients(model, X[0]).explain(X[1:4]).values)
    np.testing.assert_allclose(e.values.sum(axis=1), model.predict(X[1:4]) - model.predict(X[:1]), atol=1e-12)


def steps_of(column):
    """A step of one column, which is the same at (0, 0) and (1, 1) whichever the column is."""
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    return rows, rows[:, column]


def test_models_that_agree_at_both_ends_are_not_taken_for_each_other():
    first, second = (DecisionTreeRegressor().fit(*steps_of(column)) for column in (0, 1))
    ig = IntegratedGradients(first, [0.0, 0.0])
    np.testing.assert_array_equal(ig.explain([[1.0, 1.0]]).values, [[1.0, 0.0]])
    np.testing.assert_array_equal(ig.set_params(model=second).explain([[1.0, 1.0]]).values, [[0.0, 1.0]])
    second.fit(*steps_of(0))
    np.testing.assert_array_equal(ig.explain([[1.0, 1.0]]).values, [[1.0, 0.0]])


@pytest.mark.filterwarnings("ignore::agnostic_ig.exceptions.BudgetWarning")
def test_what_is_said_of_a_function_is_not_said_of_the_next():
    ig = IntegratedGradients(MODEL.predict_proba, X[0])
    assert "pass the estimator itself" in ig.explain(X[1:3]).description["why"]
    ig.set_params(model=lambda X: MODEL.predict_proba(X))
    assert "pass the estimator itself" not in ig.explain(X[1:3]).description["why"]


def test_a_part_of_a_model_fitted_again_is_noticed_by_its_answers():
    part = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, X[:, 0])
    model = BaggingRegressor(part, 3, random_state=0).fit(X, X[:, 0])
    ig = IntegratedGradients(model, X[0])
    ig.explain(X[1:4])
    for tree in model.estimators_:
        tree.fit(X, X[:, 2])
    e = ig.explain(X[1:4])
    np.testing.assert_array_equal(e.values, IntegratedGradients(model, X[0]).explain(X[1:4]).values)


def test_answers_at_another_baseline_are_not_taken_for_those_at_this():
    """The one row that differs is not among those at which the engine is looked at again."""
    rows = np.random.default_rng(0).normal(size=(300, 3))
    other = rows.copy()
    other[1] += 3.0
    model = RandomForestRegressor(4, max_depth=3, random_state=0).fit(rows, rows[:, 0])
    ig = IntegratedGradients(model, rows)
    ig.explain(rows[:1])
    base_value = ig.set_params(baseline=other).explain(rows[:1]).base_values[0]
    np.testing.assert_allclose(base_value, model.predict(other).mean(), rtol=1e-12)


def test_the_model_of_an_old_engine_is_kept_alive():
    """Another model at the address of a dead one would get its engine."""
    ig = IntegratedGradients(other_model(), X[0])
    ig.explain(X[1:2])
    old = ig.model
    ig.model = None
    assert ig._built.model is old


def test_one_explainer_for_several_containers_and_codecs():
    ig = IntegratedGradients(lambda X: np.asarray(X, dtype=float)[:, 0] ** 2, X[0])
    for rows in (X[1:3], pd.DataFrame(X[1:3], columns=list("abc")), X[1:3].tolist(), X[3:]):
        e = ig.explain(rows)
        np.testing.assert_allclose(e.values[:, 0], np.asarray(rows)[:, 0] ** 2 - X[0, 0] ** 2, rtol=1e-6)


def test_one_explainer_for_tables_of_other_words():
    """Code 0 is another word in every table."""
    size = {"a": 1.0, "b": 10.0, "c": 100.0}
    ig = IntegratedGradients(lambda X: X["word"].map(size).to_numpy(), pd.DataFrame({"word": ["c"]}))
    for word in "ab":
        e = ig.explain(pd.DataFrame({"word": [word]}))
        np.testing.assert_allclose(e.values[0, 0], size[word] - 100.0)


# --- chance ---------------------------------------------------------------------------------------------------


def large_ties():
    """A margin behind a link, with more columns crossing at once than can be enumerated."""
    rows = np.random.default_rng(0).integers(0, 2, size=(200, 16)).astype(float)
    model = GradientBoostingClassifier(n_estimators=30, max_depth=4, random_state=0).fit(rows, rows.sum(axis=1) > 8)
    return model, rows


def test_random_state():
    model, rows = large_ties()

    def values(state):
        return IntegratedGradients(model, 1 - rows[0], random_state=state, tol=0.05).explain(rows[:2]).values

    assert (values(None) == values(None)).all()
    assert (values(7) == values(7)).all()
    assert (values(7) == values(np.int64(7))).all()
    assert (values(np.random.default_rng(7)) == values(np.random.default_rng(7))).all()
    assert (values(np.random.RandomState(7)) == values(np.random.RandomState(7))).all()
    assert (values(7) != values(8)).any()
    generator = np.random.default_rng(7)
    assert (values(generator) != values(generator)).any()


@pytest.mark.parametrize(("weights", "share"), [(None, 0.5), ([1.0, 3.0], 0.25)])
def test_error_of_chance_has_the_weight_of_its_baseline(weights, share):
    """The second baseline is the row itself, where nothing is drawn."""
    model, rows = large_ties()
    alone = IntegratedGradients(model, 1 - rows[:1], tol=0.05).explain(rows[:1]).std_error
    both = [1 - rows[0], rows[0]]
    e = IntegratedGradients(model, both, baseline_weights=weights, tol=0.05).explain(rows[:1])
    assert alone.any()
    np.testing.assert_allclose(e.std_error, share * alone, rtol=1e-12)


def test_chance_does_not_depend_on_the_block_of_pairs(monkeypatch):
    model, rows = large_ties()
    ig = IntegratedGradients(model, 1 - rows[:3], tol=0.05)
    wanted = ig.explain(rows[:2]).values
    monkeypatch.setattr(tree_ensemble, "PAIRS_PER_BATCH", 1)
    np.testing.assert_array_equal(ig.explain(rows[:2]).values, wanted)


def test_error_of_chance_where_a_tolerance_stops_the_draws_early():
    model, rows = large_ties()
    X = 1 - rows[:1]
    early, whole = (
        IntegratedGradients(model, baselines.Sample(rows, **sample), tol=0.05).explain(X)
        for sample in ({"tol": 0.9, "max_n": 64}, {"n": 32})
    )
    assert (whole.std_error > 0).any()
    np.testing.assert_allclose(early.values, whole.values, rtol=1e-9)
    np.testing.assert_allclose(early.std_error, whole.std_error, rtol=1e-9)


# --- warnings -------------------------------------------------------------------------------------------------


def line_of(warning):
    return linecache.getline(warning.filename, warning.lineno).strip()


def hard(X):
    """Steps that close on each other, along a bent front: too many for a small budget."""
    return np.floor(40 * X[:, 0] * X[:, 1] + 9 * X[:, 2])


CALLS = {
    "explain": lambda ig, X: ig.explain(X),  # here
    "call": lambda ig, X: ig(X),  # here
    "map": lambda ig, X: list(map(ig.explain, [X])),  # here
}


@pytest.mark.parametrize("call", CALLS)
def test_warnings_carry_the_number_and_point_at_the_caller(call):
    ig = IntegratedGradients(hard, X[0], max_evaluations=40)
    with pytest.warns(BudgetWarning, match=r"\d of 5 rows did not reach tol=1e-06.*relative error is \d") as caught:
        CALLS[call](ig, X[1:6])
    budget = [warning for warning in caught if warning.category is BudgetWarning]
    assert len(budget) == 1
    assert budget[0].filename == __file__
    assert line_of(budget[0]).endswith("# here")


def test_what_did_not_converge_says_so_in_its_error():
    ig = IntegratedGradients(hard, X[0], max_evaluations=40)
    with pytest.warns(BudgetWarning):
        e = ig.explain(X[1:6])
    assert not e.exact
    assert (e.error_estimate.sum(axis=1) > 1e-6 * np.abs(e.values).sum(axis=1)).any()


def test_sums_that_do_not_add_up_are_said(monkeypatch):
    from agnostic_ig.engines.tree_ensemble import TreeEngine

    honest = TreeEngine.attribute

    def attribute(self, *block):
        answer = honest(self, *block)
        return dataclasses.replace(answer, values=1.01 * answer.values)

    monkeypatch.setattr(TreeEngine, "attribute", attribute)
    with pytest.warns(CompletenessWarning, match=r"3 rows do not add up: the largest gap is 0\.0\d") as caught:
        explain()  # here
    assert line_of(caught[0]) == "return IntegratedGradients(model, baseline, **options).explain(rows, target)"


def test_nothing_is_said_when_all_is_well(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain()
        explain(model=lambda X: X[:, 0] * X[:, 1], batch_size=1)
    assert capfd.readouterr() == ("", "")


def test_progress_shows_a_bar(capfd):
    explain(batch_size=1, progress=True)
    assert "explaining" in capfd.readouterr().err
    explain(batch_size=1, progress=False)
    assert capfd.readouterr().err == ""


# --- the checks themselves ------------------------------------------------------------------------------------


def test_the_one_shape():
    error = invalid("SmoothGrad", "noise_level", "a float > 0", -1, "Take 0.15.")
    assert str(error) == "The 'noise_level' parameter of SmoothGrad must be a float > 0. Got -1 instead. Take 0.15."
    assert isinstance(error, ValueError)
    assert len(shorten("x" * 500)) == 80
    assert shorten(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"


@pytest.mark.parametrize(
    ("options", "must"),
    [
        ({}, "must be a float. Got"),
        ({"above": 0}, "must be a float > 0. Got"),
        ({"above": 0, "below": 1}, "must be a float > 0 and < 1. Got"),
        ({"below": 1, "allow_none": True}, "must be a float < 1 or None. Got"),
    ],
)
def test_words_for_numbers(options, must):
    with pytest.raises(InvalidParameterError, match=must):
        check_number("f", "p", "x", **options)
    assert check_number("f", "p", np.float32(0.5), **options) == 0.5


def test_clean_values_have_pythons_types():
    assert type(check_number("f", "p", 3)) is float
    assert type(check_integer("f", "p", np.int8(3), at_least=1)) is int
    assert type(check_flag("f", "p", np.True_)) is bool
    assert check_integer("f", "p", None, at_least=1, allow_none=True) is None
    assert isinstance(check_random_state("f", "p", 3), np.random.Generator)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_batches_come_back_in_order_and_errors_as_they_were(n_jobs):
    parts = [slice(i, i + 1) for i in range(20)]
    assert map_batches(lambda part: part.start, parts, n_jobs=n_jobs) == list(range(20))
    cause = KeyError("old")

    def work(part):
        if part.start == 7:
            raise ValueError("seven") from cause
        return part.start

    with pytest.raises(ValueError, match="seven") as caught:
        map_batches(work, parts, n_jobs=n_jobs)
    assert caught.value.__cause__ is cause
