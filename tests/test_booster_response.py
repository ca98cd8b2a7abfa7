"""What is explained of boosters: their own predict, margins under one name, classes, names of columns."""

import subprocess
import sys

import cases
import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines.response import resolve_response
from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError

X, LABEL, SCORE = cases.data()
NAMES = ["amount", "hour", "age", "shop", "country"]
FRAME = pd.DataFrame(X, columns=NAMES)
GROUPS = np.arange(300) // 20


def lightgbm_booster(table):
    return lightgbm.train({"objective": "binary", **cases.LIGHTGBM}, lightgbm.Dataset(table, LABEL), 5)


# name -> (fit on a table, keywords of its predict that give the margin)
MARGIN = {
    "xgboost": {"output_margin": True},
    "lightgbm": {"raw_score": True},
    "catboost": {"prediction_type": "RawFormulaVal"},
}
WRAPPERS = {
    "XGBClassifier": lambda table: xgboost.XGBClassifier(**cases.XGBOOST).fit(table, LABEL),
    "XGBRegressor": lambda table: xgboost.XGBRegressor(objective="count:poisson", **cases.XGBOOST).fit(table, LABEL),
    "XGBRanker": lambda table: xgboost.XGBRanker(**cases.XGBOOST).fit(table, LABEL, qid=GROUPS),
    "LGBMClassifier": lambda table: lightgbm.LGBMClassifier(**cases.LIGHTGBM).fit(table, LABEL),
    "LGBMRegressor": lambda table: lightgbm.LGBMRegressor(objective="poisson", **cases.LIGHTGBM).fit(table, LABEL),
    "LGBMRanker": lambda table: lightgbm.LGBMRanker(**cases.LIGHTGBM).fit(table, LABEL, group=[100] * 3),
    "CatBoostClassifier": lambda table: catboost.CatBoostClassifier(9, **cases.CATBOOST).fit(table, LABEL),
    "CatBoostRegressor": lambda table: catboost.CatBoostRegressor(9, loss_function="Poisson", **cases.CATBOOST).fit(
        table, LABEL
    ),
}
NATIVE = {
    "xgboost.Booster": lambda table: WRAPPERS["XGBClassifier"](table).get_booster(),
    "lightgbm.Booster": lightgbm_booster,
    "CatBoost": lambda table: catboost.CatBoost({"iterations": 9, "loss_function": "RMSE", **cases.CATBOOST}).fit(
        table, SCORE
    ),
}
EVERY = WRAPPERS | NATIVE
FITTED_ON = {"array": X, "frame": FRAME}


def margin_of(model, table):
    """The margin by the library's own call."""
    if isinstance(model, xgboost.Booster):
        table = xgboost.DMatrix(table)
    return model.predict(table, **MARGIN[type(model).__module__.partition(".")[0]])


@pytest.mark.parametrize("fitted_on", FITTED_ON)
@pytest.mark.parametrize("name", EVERY)
def test_decision_function_is_the_margin(name, fitted_on):
    table = FITTED_ON[fitted_on]
    model = EVERY[name](table)
    response = resolve_response("test", model, "decision_function")
    assert response.name == "decision_function"
    answers = response.outputs(table)
    np.testing.assert_array_equal(answers[:, 0], margin_of(model, table))
    assert response.has_two_classes() == name.endswith("Classifier")
    assert response.output_names(1) == (["1"] if name.endswith("Classifier") else ["0"])


@pytest.mark.parametrize("name", EVERY)
def test_auto_is_what_the_model_itself_would_say(name):
    """Probabilities of classifiers, and of everything else what `predict` returns."""
    model = EVERY[name](X)
    response = resolve_response("test", model, "auto")
    if name.endswith("Classifier"):
        assert response.name == "predict_proba"
        np.testing.assert_array_equal(response.outputs(X), model.predict_proba(X))
    else:
        assert response.name == "predict"
        own = model.predict(xgboost.DMatrix(X) if isinstance(model, xgboost.Booster) else X)
        np.testing.assert_array_equal(response.outputs(X)[:, 0], own)


@pytest.mark.parametrize("name", ["XGBClassifier", "LGBMClassifier", "CatBoostClassifier"])
def test_margins_of_three_classes_have_a_column_each(name):
    y = cases.LABELS["three codes"]()
    model = WRAPPERS[name](X).__class__(**(cases.CATBOOST if name.startswith("Cat") else {"n_estimators": 3}))
    model = model.set_params(**({"verbosity": -1} if name.startswith("LGBM") else {})).fit(X, y)
    response = resolve_response("test", model, "decision_function")
    assert response.outputs(X[:4]).shape == (4, 3)
    assert response.class_labels(3) == [0, 1, 2]


@pytest.mark.parametrize("name", NATIVE)
def test_what_a_booster_does_not_have_is_listed(name):
    with pytest.raises(InvalidParameterError, match=r"must be one that \w+ has \(decision_function, predict\)"):
        resolve_response("test", NATIVE[name](X), "predict_proba")


@pytest.mark.parametrize("fitted_on", FITTED_ON)
@pytest.mark.parametrize("name", EVERY)
def test_frames_and_arrays_are_the_same_table(name, fitted_on):
    """Names are taken from the model for an array, and from the frame where the model has none."""
    model = EVERY[name](FITTED_ON[fitted_on])
    answers = [IntegratedGradients(model, table[40:41]).explain(table[3:6]) for table in (X, FRAME)]
    np.testing.assert_array_equal(answers[0].values, answers[1].values)
    np.testing.assert_array_equal(answers[0].predictions, answers[1].predictions)
    assert answers[1].feature_names == NAMES
    assert answers[0].feature_names == (NAMES if fitted_on == "frame" else [f"x{j}" for j in range(5)])


@pytest.mark.parametrize("name", EVERY)
def test_columns_are_checked_against_those_of_training(name):
    model = EVERY[name](FRAME)
    with pytest.raises(InvalidInputError, match="in another order; pass X"):
        IntegratedGradients(model, X[0]).explain(FRAME[NAMES[::-1]])
    with pytest.raises(InvalidInputError, match=r"must have the 5 columns that .* was fitted on. Got 4"):
        IntegratedGradients(model, X[0]).explain(X[:3, :4])


@pytest.mark.parametrize("name", ["xgboost.Booster", "XGBRegressor"])
def test_numbers_as_names(name):
    """XGBoost remembers the column 0 as the text "0"."""
    frame = pd.DataFrame(X)
    model = EVERY[name](frame)
    wanted = IntegratedGradients(model, X[40]).explain(X[3:6])
    e = IntegratedGradients(model, frame[40:41]).explain(frame[3:6])
    np.testing.assert_array_equal(e.values, wanted.values)
    with pytest.raises(InvalidInputError, match="in another order"):
        IntegratedGradients(model, X[40]).explain(frame[[1, 0, 2, 3, 4]])


@pytest.mark.parametrize("empty", [xgboost.Booster, catboost.CatBoost, catboost.CatBoostClassifier])
def test_an_empty_booster_is_not_fitted(empty):
    with pytest.raises(InvalidParameterError, match=f"must be fitted. Got an unfitted {empty.__name__}"):
        IntegratedGradients(empty(), X[0]).explain(X[:2])


def test_no_library_is_imported_before_its_model_arrives():
    code = (
        "import sys; from agnostic_ig.engines import response, native_categories, _registry;"
        "from sklearn.tree import DecisionTreeClassifier as Tree; import numpy as np;"
        "from agnostic_ig import IntegratedGradients as IG;"
        "IG(Tree().fit(np.eye(3), [0, 1, 0]), np.zeros(3)).explain(np.eye(3));"
        "print(*{'xgboost', 'lightgbm', 'catboost', 'treelite'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
