"""Which output is explained: `target` and `response_method` in all forms, and models that answer badly."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from recorder import Recorder
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor, StackingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from agnostic_ig import IntegratedGradients, gradient, inspect_model
from agnostic_ig.engines.response import BlackBox, resolve_response
from agnostic_ig.exceptions import (
    EngineUnavailableError,
    InvalidParameterError,
    InvalidParameterTypeError,
    ModelError,
    ModelOutputError,
)

RNG = np.random.default_rng(5)
X = RNG.normal(size=(60, 3))
SCORE = X[:, 0] + X[:, 1] * X[:, 2]
LABELS = {
    "int": np.array([3, 7]),
    "str": np.array(["fraud", "ok"]),
    "object": np.array(["fraud", "ok"], dtype=object),
    "bool": np.array([False, True]),
    "float": np.array([-1.0, 1.0]),
}
THREE = {"int": np.array([2, 5, 9]), "str": np.array(["a", "b", "c"])}


def two(kind):
    return LABELS[kind][(SCORE > 0).astype(int)]


def three(kind="str"):
    return THREE[kind][np.digitize(SCORE, [-0.4, 0.4])]


def forest(y):
    return RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, y)


def explain(model, target=None, n=4, **options):
    return IntegratedGradients(model, X[0], **options).explain(X[1 : 1 + n], target)


def same_as(e, wanted, k=None):
    """The same values and predictions as (output k of) another explanation."""
    for name in ("values", "predictions", "base_values", "convergence_delta"):
        array = getattr(wanted, name)
        np.testing.assert_array_equal(getattr(e, name), array if k is None else array[..., k], err_msg=name)


# Where only the choice of outputs is looked at, the numeric engine need not get anywhere.
unhurried = pytest.mark.filterwarnings("ignore::agnostic_ig.exceptions.BudgetWarning")


# --- one target -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LABELS)
def test_two_classes_explain_the_positive_one(kind):
    model = forest(two(kind))
    e = explain(model)
    np.testing.assert_array_equal(e.predictions, model.predict_proba(X[1:5])[:, 1])
    assert e.values.shape == (4, 3)
    assert e.output_names == [str(LABELS[kind][1])]
    same_as(explain(model, LABELS[kind][1]), e)


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("plain", [True, False], ids=["python", "numpy"])
def test_every_class_by_its_label(kind, plain):
    model = forest(two(kind))
    for k, label in enumerate(LABELS[kind].tolist() if plain else LABELS[kind]):
        e = explain(model, label)
        np.testing.assert_array_equal(e.predictions, model.predict_proba(X[1:5])[:, k])
        assert e.output_names == [str(label)]


@pytest.mark.parametrize("kind", THREE)
def test_three_classes_explain_all_on_a_third_axis(kind):
    model = forest(three(kind))
    everything = explain(model)
    assert everything.values.shape == (4, 3, 3)
    assert everything.output_names == [str(label) for label in THREE[kind]]
    np.testing.assert_array_equal(everything.predictions, model.predict_proba(X[1:5]))
    for k, label in enumerate(THREE[kind]):
        same_as(explain(model, label), everything, k)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_output_needs_no_target(shape):
    e = explain(lambda X: X[:, 0].reshape(-1, *shape))
    assert e.values.shape == (4, 3)
    same_as(explain(lambda X: X[:, 0].reshape(-1, *shape), 0), e)


def test_a_function_with_two_columns_has_two_outputs():
    everything = explain(lambda X: np.column_stack([X[:, 0], X[:, 1] ** 2]))
    assert everything.values.shape == (4, 3, 2)
    assert everything.output_names == ["0", "1"]
    e = explain(lambda X: np.column_stack([X[:, 0], X[:, 1] ** 2]), np.int64(1))
    np.testing.assert_allclose(e.values, everything.values[..., 1], atol=1e-12)


def test_a_regressor_of_several_outputs():
    Y = np.column_stack([SCORE, X[:, 2]])
    model = RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, Y)
    everything = explain(model)
    np.testing.assert_array_equal(everything.predictions, model.predict(X[1:5]))
    same_as(explain(model, 1), everything, 1)


@pytest.mark.parametrize("engine", ["auto", "numeric"])
def test_the_negative_class_of_a_margin_is_its_negative(engine):
    model = LogisticRegression().fit(X, two("str"))
    positive = explain(model, "ok", response_method="decision_function", engine=engine)
    negative = explain(model, "fraud", response_method="decision_function", engine=engine)
    for name in ("values", "predictions", "base_values", "convergence_delta"):
        np.testing.assert_array_equal(getattr(negative, name), -getattr(positive, name))
    np.testing.assert_array_equal(negative.error_estimate, positive.error_estimate)
    assert (negative.error_estimate >= 0).all()
    assert negative.output_names == ["fraud"]
    np.testing.assert_array_equal(positive.predictions, model.decision_function(X[1:5]))


# --- one target a row -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("container", [np.asarray, list, pd.Series, pl.Series, tuple], ids=lambda c: c.__name__)
def test_a_label_for_each_row(kind, container):
    model = forest(two(kind))
    wanted = model.predict(X[1:9])
    assert len(set(wanted.tolist())) == 2
    e = explain(model, container(wanted.tolist()), n=8)
    proba = model.predict_proba(X[1:9])
    np.testing.assert_array_equal(e.predictions, proba.max(axis=1))
    for k, label in enumerate(model.classes_):
        rows = wanted == label
        np.testing.assert_array_equal(e.values[rows], explain(model, label, n=8).values[rows])
        np.testing.assert_array_equal(e.base_values[rows], model.predict_proba(X[:1])[0, k])
    assert len(e.output_names) == 1


def test_signs_of_each_row_of_a_margin():
    model = LogisticRegression().fit(X, two("str"))
    wanted = np.where(np.arange(6) % 2, "ok", "fraud")
    e = explain(model, wanted, n=6, response_method="decision_function")
    sign = np.where(np.arange(6) % 2, 1.0, -1.0)
    np.testing.assert_array_equal(e.predictions, sign * model.decision_function(X[1:7]))
    np.testing.assert_array_equal(
        e.values, sign[:, None] * explain(model, n=6, response_method="decision_function").values
    )


def test_an_index_for_each_row():
    e = explain(lambda X: X**2, [0, 2, 1, 2])
    np.testing.assert_array_equal(e.predictions, (X[1:5] ** 2)[np.arange(4), [0, 2, 1, 2]])


def test_a_label_for_the_only_row():
    model = forest(three())
    same_as(explain(model, ["b"], n=1), explain(model, "b", n=1))


# --- refusals -------------------------------------------------------------------------------------------------

UNKNOWN = [
    (forest(two("int")), 0, "a class label out of [3, 7]"),
    (forest(two("int")), 1, "a class label out of [3, 7]"),
    (forest(two("int")), "3", "a class label out of [3, 7]"),
    (forest(two("int")), True, "a class label out of [3, 7]"),
    (forest(two("str")), 0, "a class label out of ['fraud', 'ok']"),
    (forest(two("str")), "fraude", "a class label out of ['fraud', 'ok']"),
    (forest(two("bool")), 1, "a class label out of [False, True]"),
    (forest(three()), "d", "a class label out of ['a', 'b', 'c']"),
    (forest(three()), ("a", "b"), "one for each of the 4 rows of X. Got 2 labels"),
    (forest(three()), ["a", "b", "c", "d"], "a class label out of ['a', 'b', 'c']"),
    (forest(three()), ["a", 1, None, 2.0], "a class label out of ['a', 'b', 'c']"),
    (forest(three()), ["a"] * 5, "one for each of the 4 rows of X. Got 5 labels"),
    (forest(three()), np.array([["a"]] * 4), "a class label out of ['a', 'b', 'c']"),
    (forest(three()), [], "one for each of the 4 rows of X. Got 0 labels"),
    (forest(three()), {"a": 1}, "a class label out of ['a', 'b', 'c']"),
    (lambda X: X[:, :2], 2, "an output index out of [0, 1]"),
    (lambda X: X[:, :2], -1, "an output index out of [0, 1]"),
    (lambda X: X[:, :2], 0.5, "an output index out of [0, 1]"),
    (lambda X: X[:, :2], "0", "an output index out of [0, 1]"),
    (lambda X: X[:, :2], False, "an output index out of [0, 1]"),
    (lambda X: X[:, 0], SCORE[1:5], "an output index out of [0]"),
    (LogisticRegression().fit(X, two("str")).decision_function, "ok", "an output index out of [0]"),
]


@pytest.mark.parametrize(("model", "target", "message"), UNKNOWN)
def test_unknown_targets_list_those_there_are(model, target, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)) as caught:
        explain(model, target)
    assert str(caught.value).startswith("The 'target' parameter of IntegratedGradients must be ")


def test_an_unknown_target_of_a_margin_lists_both_classes():
    model = LogisticRegression().fit(X, two("str"))
    with pytest.raises(InvalidParameterError, match=re.escape("out of ['fraud', 'ok']")):
        explain(model, "b", response_method="decision_function")


def test_an_unknown_target_is_refused_before_x_is_asked():
    model = Recorder(lambda X: X[:, 0])
    with pytest.raises(InvalidParameterError, match="output index"):
        explain(model, 1)
    assert model.n_rows == 1


# --- several outputs of classes -------------------------------------------------------------------------------

PAIRS = np.column_stack([two("int"), np.digitize(X[:, 1], [-0.3, 0.3])])


def test_multi_output_classifiers_name_output_and_class():
    model = forest(PAIRS)
    everything = explain(model)
    assert everything.output_names == ["(0, 3)", "(0, 7)", "(1, 0)", "(1, 1)", "(1, 2)"]
    np.testing.assert_array_equal(everything.predictions, np.hstack(model.predict_proba(X[1:5])))
    for k, target in enumerate([(0, 3), (0, 7), (1, 0), (1, 1), (1, 2)]):
        same_as(explain(model, target), everything, k)
    same_as(explain(model, (np.int64(1), np.int32(2))), everything, 4)
    e = explain(model, [(0, 3), (1, 2), (1, 2), (0, 7)])
    np.testing.assert_array_equal(e.predictions, everything.predictions[np.arange(4), [0, 4, 4, 1]])
    for wrong in ((0, 9), (2, 0), 0, (1,), [(0, 3)] * 3):
        with pytest.raises(InvalidParameterError, match="'target' parameter"):
            explain(model, wrong)


def test_labels_of_a_multi_output_classifier():
    model = forest(PAIRS)
    e = explain(model, response_method="predict", n=8)
    predicted = model.predict(X[1:9])
    wanted = np.hstack([predicted[:, [o]] == classes for o, classes in enumerate(model.classes_)])
    np.testing.assert_array_equal(e.predictions, wanted.astype(float))
    assert e.output_names[0] == "(0, 3)"


def test_chains_have_one_column_an_output():
    Y = np.column_stack([two("int") == 7, X[:, 1] > 0]).astype(int)
    model = ClassifierChain(DecisionTreeClassifier(max_depth=2, random_state=0)).fit(X, Y)
    e = explain(model)
    assert e.output_names == ["(0, 1)", "(1, 1)"]
    np.testing.assert_array_equal(e.predictions, model.predict_proba(X[1:5]))


@unhurried
@pytest.mark.parametrize("n_labels", [2, 3])
def test_multilabel_classes_do_not_exclude_each_other(n_labels):
    Y = np.column_stack([X[:, j % 3] > 0.1 * j for j in range(n_labels)]).astype(int)
    model = MLPClassifier((3,), solver="lbfgs", max_iter=4000, random_state=0).fit(X, Y)
    e = explain(model, max_evaluations=100)
    np.testing.assert_array_equal(e.predictions, model.predict_proba(X[1:5]))
    labels = explain(model, response_method="predict")
    np.testing.assert_array_equal(labels.predictions, model.predict(X[1:5]))
    ridge = RidgeClassifier().fit(X, Y)
    np.testing.assert_array_equal(explain(ridge).predictions, ridge.decision_function(X[1:5]))


@unhurried
def test_margins_between_pairs_are_no_classes():
    model = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo", kernel="linear")).fit(X, three())
    e = explain(model)
    assert e.output_names == ["0", "1", "2"]
    with pytest.raises(InvalidParameterError, match="an output index"):
        explain(model, "a")
    per_class = SVC(decision_function_shape="ovr", kernel="linear").fit(X, three())
    assert explain(per_class, max_evaluations=100).output_names == ["a", "b", "c"]


# --- response_method ------------------------------------------------------------------------------------------


class Own:
    """Somebody's own model, no child of scikit-learn."""

    def __init__(self, **parts):
        vars(self).update(parts)


def proba(X):
    p = 1 / (1 + np.exp(-X[:, 0]))
    return np.column_stack([1 - p, p])


NOVELTY = LocalOutlierFactor(novelty=True).fit(X)
AUTO = [
    (forest(two("str")), "predict_proba"),
    (SVC().fit(X, two("str")), "decision_function"),
    (make_pipeline(StandardScaler(), SVC()).fit(X, two("int")), "decision_function"),
    (LinearRegression().fit(X, SCORE), "predict"),
    (IsolationForest(n_estimators=3, random_state=0).fit(X), "decision_function"),
    (NOVELTY, "decision_function"),
    (KernelDensity().fit(X), "score_samples"),
    (KMeans(2, n_init=1, random_state=0).fit(X), "predict"),
    (GridSearchCV(SVC(), {"C": [1.0]}, cv=2).fit(X, two("int")), "decision_function"),
    (Own(predict=lambda X: X[:, 0]), "predict"),
    (Own(predict=lambda X: X[:, 0], predict_proba=proba, classes_=["no", "yes"]), "predict_proba"),
    (Own(predict=lambda X: X[:, 0], predict_proba=proba, classes_=[0, 1], _estimator_type="regressor"), "predict"),
    (Own(predict=len, decision_function=lambda X: X[:, 0], _estimator_type="outlier_detector"), "decision_function"),
    (Own(fit=None, predict=lambda X: X[:, 0]), "predict"),
    (lambda X: X[:, 0], "function"),
    (forest(two("int")).predict_proba, "function"),
]


@pytest.mark.parametrize(("model", "wanted"), AUTO, ids=lambda part: part if isinstance(part, str) else "")
@unhurried
def test_auto_chooses_by_kind_of_model(model, wanted):
    e = explain(model, n=2, max_evaluations=100)
    assert e.response_method == wanted
    assert inspect_model(model).response_method == wanted
    answer = np.asarray((model if wanted == "function" else getattr(model, wanted))(X[1:3]))
    np.testing.assert_array_equal(e.predictions, answer[:, 1] if e.predictions.ndim < answer.ndim else answer)


def test_columns_that_are_not_one_a_class_are_named_by_index():
    model = Own(predict_proba=proba, classes_=["a", "b", "c"])
    assert explain(model).output_names == ["0", "1"]
    with pytest.raises(InvalidParameterError, match=re.escape("an output index out of [0, 1]")):
        explain(model, "a")


def test_labels_of_a_classifier_become_indicators():
    model = forest(three())
    e = explain(model, response_method="predict", n=6)
    assert e.output_names == ["a", "b", "c"]
    np.testing.assert_array_equal(e.predictions, model.predict(X[1:7])[:, None] == model.classes_)
    binary = explain(forest(two("str")), response_method="predict", n=6)
    np.testing.assert_array_equal(binary.predictions, forest(two("str")).predict(X[1:7]) == "ok")


@pytest.mark.parametrize(
    ("model", "response_method", "message"),
    [
        (LinearRegression().fit(X, SCORE), "predict_proba", "must be one that LinearRegression has (predict)"),
        (SVC().fit(X, two("int")), "predict_proba", "must be one that SVC has (decision_function, predict)"),
        (lambda X: X[:, 0], "predict", "must be 'auto' for a predict function"),
        (forest(two("int")), "transform", "must be one of 'auto', 'predict_proba'"),
        (forest(two("int")), ["predict"], "must be one of 'auto', 'predict_proba'"),
        (forest(two("int")), np.array(["predict", "auto"]), "must be one of 'auto', 'predict_proba'"),
        (forest(two("int")), None, "must be one of 'auto', 'predict_proba'"),
    ],
)
def test_response_methods_that_there_are_not(model, response_method, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        explain(model, response_method=response_method)


UNFITTED = [
    RandomForestClassifier(),
    SVC(),
    make_pipeline(StandardScaler(), SVC()),
    GridSearchCV(SVC(), {}),
    StackingClassifier([("a", LogisticRegression())]),
    IsolationForest(),
]


@pytest.mark.parametrize("model", UNFITTED, ids=lambda model: type(model).__name__)
def test_unfitted_models(model):
    message = f"must be fitted. Got an unfitted {type(model).__name__} instead; call its fit method first."
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        explain(model)
    with pytest.raises(InvalidParameterError, match="'model' parameter of inspect_model must be fitted"):
        inspect_model(model)


class OnlyPredicts(BaseEstimator):
    def predict(self, X):
        return X[:, 0]


def test_an_estimator_without_fit_is_fitted():
    assert explain(OnlyPredicts()).response_method == "predict"


@pytest.mark.parametrize(
    "model", [None, 5, "model.pkl", RandomForestClassifier, X, StandardScaler().fit(X), {"predict": len}]
)
def test_what_is_no_model(model):
    with pytest.raises(InvalidParameterTypeError, match="must be a fitted estimator or a predict function"):
        explain(model)


def test_bound_methods_are_functions_and_hear_of_the_exact_engine():
    report = inspect_model(forest(two("int")).predict_proba)
    assert not report.exact
    assert "pass the estimator itself for the exact engine" in report.why
    assert "pass the estimator itself" not in inspect_model(NOVELTY.decision_function).why
    e = explain(forest(two("int")).predict_proba)
    assert (e.engine, e.output_names) == ("numeric", ["0", "1"])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda X: X[:, 0], "a predict function shows no structure"),
        (forest(two("int")).predict_proba, "pass the estimator itself for the exact engine"),
        (KMeans(2, n_init=1, random_state=0).fit(X), "KMeans"),
    ],
)
@unhurried
def test_an_exact_engine_asked_for_in_vain(model, reason):
    with pytest.raises(EngineUnavailableError, match=f"'engine' parameter of IntegratedGradients.*'exact'.*{reason}"):
        explain(model, engine="exact")
    assert explain(model, engine="auto", max_evaluations=100).engine == "numeric"


# --- models that answer badly ---------------------------------------------------------------------------------

ANSWERS = {
    "text": (lambda X: np.full(len(X), "a"), "numbers. It returned ['a'"),
    "numbers as text": (lambda X: np.full(len(X), "1"), "numbers. It returned ['1'"),
    "objects": (lambda X: np.array([None] * len(X)), "numbers. It returned [None"),
    "nothing": (lambda X: None, "numbers. It returned [None]"),
    "complex": (lambda X: X[:, 0] + 0j, "numbers"),
    "dates": (lambda X: np.zeros(len(X), "datetime64[s]"), "numbers"),
    "one number": (lambda X: 0.5, "shape (n,) or (n, n_outputs) for n = 1 rows. It returned shape ()"),
    "too few": (lambda X: np.zeros(len(X) + 1), "for n = 1 rows. It returned shape (2,)"),
    "transposed": (lambda X: np.zeros((2, len(X))), "for n = 1 rows. It returned shape (2, 1)"),
    "no columns": (lambda X: np.zeros((len(X), 0)), "It returned shape (1, 0)"),
    "three axes": (lambda X: np.zeros((len(X), 2, 2)), "It returned shape (1, 2, 2)"),
    "ragged": (lambda X: [[1.0, 2.0], [1.0]], "numbers. It returned list"),
    "ragged outputs": (lambda X: [np.zeros((1, 2)), np.zeros((2, 2))], "numbers. It returned list"),
    "NaN": (lambda X: np.full(len(X), np.nan), "finite numbers. It returned [nan] for row 0"),
    "infinity": (lambda X: np.full((len(X), 2), np.inf), "finite numbers. It returned [inf, inf] for row 0"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_that_cannot_be_explained(case):
    function, message = ANSWERS[case]
    with pytest.raises(ModelOutputError, match=rf"^The model's function must return .*{re.escape(message)}"):
        explain(function)


def test_the_row_of_a_bad_answer_is_named():
    row = re.escape(f"It returned [nan] for row 2 of 4 that it was asked for together: {X[3].tolist()}."[:90])
    with pytest.raises(ModelOutputError, match=row):
        explain(lambda Z: np.where(Z[:, 0] == X[3, 0], np.nan, Z[:, 0]))


@pytest.mark.parametrize(
    ("answer", "message"),
    [(lambda Z: np.zeros(len(Z) // 2), "It returned shape"), (lambda Z: Z[:, 0] / 0 * 0, "finite numbers")],
)
def test_a_model_that_answers_badly_later(answer, message):
    """Good at both ends, bad between them."""
    ends = {row.tobytes() for row in X[:5]}

    def function(Z):
        with np.errstate(all="ignore"):
            return Z[:, 0] if all(row.tobytes() in ends for row in Z) else answer(Z)

    with pytest.raises(ModelOutputError, match=message):
        explain(function)


GOOD = {
    "list": lambda X: X[:, 0].tolist(),
    "column": lambda X: X[:, [0]],
    "Series": lambda X: pd.Series(X[:, 0], index=range(7, 7 + len(X))),
    "frame": lambda X: pd.DataFrame(X[:, [0]]),
    "nullable": lambda X: pd.Series(X[:, 0]).astype("Float64"),
    "polars": lambda X: pl.Series(X[:, 0]),
    "objects": lambda X: X[:, 0].astype(object),
    "sparse": lambda X: sparse.csr_array(X[:, [0]]),
    "fortran": lambda X: np.asfortranarray(X[:, [0]]),
}


@pytest.mark.parametrize("case", GOOD)
def test_answers_in_any_container(case):
    e, wanted = explain(GOOD[case]), explain(lambda X: X[:, 0])
    assert e.values.shape == (4, 3)
    np.testing.assert_array_equal(e.values, wanted.values)


@pytest.mark.parametrize("dtype", [bool, int, np.float32, np.uint8])
def test_answers_of_any_number_type(dtype):
    e = explain(lambda X: (X[:, 0] > 0).astype(dtype))
    np.testing.assert_array_equal(e.predictions, X[1:5, 0] > 0)
    assert e.predictions.dtype == np.float64


def test_a_model_that_answers_into_one_buffer():
    buffer = np.zeros(100_000)

    def function(X):
        buffer[: len(X)] = X[:, 0] * X[:, 1]
        return buffer[: len(X)]

    np.testing.assert_array_equal(explain(function).values, explain(lambda X: X[:, 0] * X[:, 1]).values)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("when", [0, 2])
def test_a_model_that_raises(n_jobs, when):
    calls = []

    def function(X):
        calls.append(len(X))
        if len(calls) > when:
            raise KeyError("column\nof old")
        return X[:, 0]

    with pytest.raises(ModelError, match="The model raised KeyError: 'column") as caught:
        explain(function, n_jobs=n_jobs, batch_size=1)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("ask", [explain, lambda function: gradient(function, X[:5])])
def test_the_row_that_a_model_refuses_is_shown(ask):
    def function(Z):
        if (Z[:, 0] == X[3, 0]).any():
            raise ValueError("bad region")
        return Z[:, 0]

    shown = re.escape(f"ValueError: bad region (for the row {X[3].tolist()}"[:60])
    with pytest.raises(ModelError, match=shown):
        ask(function)


def test_rows_that_are_refused_together_only_are_counted():
    def function(Z):
        if len(Z) > 3:
            raise ValueError("too many")
        return Z[:, 0]

    with pytest.raises(ModelError, match=r"too many \(asked for 4 rows together; for parts of them it does not\)"):
        explain(function)


@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1), (2, 3)])
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_model_whose_number_of_outputs_changes(first, then, calls):
    asked = []

    def function(Z):
        asked.append(len(Z))
        return np.repeat(Z[:, [0]], first if len(asked) <= calls else then, axis=1)

    message = rf"as many outputs at every call. It returned {then} for [\d,]+ rows, after {first} before"
    with pytest.raises(ModelOutputError, match=message):
        explain(function)


@pytest.mark.parametrize("answer", [np.ma.masked_array([1.0], [True]), [10**400]])
def test_what_is_masked_or_too_large_is_no_number(answer):
    with pytest.raises(ModelOutputError, match="must return numbers"):
        explain(lambda Z: answer)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_some_errors_are_not_the_models(error):
    def function(X):
        raise error

    with pytest.raises(error):
        explain(function)


# --- counting -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::agnostic_ig.exceptions.BudgetWarning")  # 200 rows may be too few, which is said
@pytest.mark.parametrize("options", [{}, {"n_jobs": 2, "batch_size": 2}, {"max_evaluations": 200}], ids=str)
@pytest.mark.parametrize(
    "function", [lambda X: X[:, 0] * X[:, 1], lambda X: (X[:, 0] > 0) * 1.0], ids=["smooth", "step"]
)
def test_evaluations_are_those_that_the_model_saw(options, function):
    model = Recorder(function)
    e = IntegratedGradients(model, X[:3], **options).explain(X[3:10])
    assert int(e.n_evaluations.sum()) + e.n_shared_evaluations == model.n_rows
    assert e.n_shared_evaluations == 10
    assert (e.n_evaluations > 0).all()


def test_a_structural_engine_asks_for_its_verification_once():
    model = forest(two("int"))
    counted = Recorder(model.predict_proba)
    model.predict_proba = counted
    ig = IntegratedGradients(model, X[0])
    first = ig.explain(X[:5])
    assert first.exact
    assert first.n_evaluations.tolist() == [0] * 5
    assert first.n_shared_evaluations == counted.n_rows <= 6 + 2000
    counted.seen.clear()
    again = ig.explain(X[:5])
    assert again.n_shared_evaluations == counted.n_rows == 5  # what it says at the baseline is known
    np.testing.assert_array_equal(again.base_values, first.base_values)


def test_a_model_changed_in_place_is_asked_at_the_baseline_again():
    """Nothing of what was known before the change is used: not the engine, not the answer at the baseline."""
    model = forest(two("int"))
    ig = IntegratedGradients(model, X[0])
    ig.explain(X[:5])
    for tree in model.estimators_:
        tree.tree_.value[:] = tree.tree_.value[:, :, ::-1].copy()
    e, wanted = ig.explain(X[:5]), IntegratedGradients(model, X[0]).explain(X[:5])
    assert e.exact
    np.testing.assert_array_equal(e.base_values, wanted.base_values)
    np.testing.assert_array_equal(e.values, wanted.values)
    assert np.abs(e.values).max() > 0


def test_black_boxes_count_in_threads():
    from joblib import Parallel, delayed

    from agnostic_ig.frames import Codec

    box = BlackBox(resolve_response("test", lambda X: X[:, 0], "auto"), Codec.from_tables([("X", X)]))
    Parallel(n_jobs=4, prefer="threads")(delayed(box.ask_matrix)(X[:3].copy()) for _ in range(200))
    assert box.n_rows == 600
