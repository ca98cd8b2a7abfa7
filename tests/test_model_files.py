"""Model files: what is loaded predicts as it did, what is no model is named, nothing ends the process."""

import importlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import fuzzing
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from counts import count
from fuzzing import saved
from scipy import sparse
from sklearn import (
    calibration,
    compose,
    ensemble,
    gaussian_process,
    linear_model,
    model_selection,
    pipeline,
    preprocessing,
    svm,
)
from sklearn.impute import SimpleImputer

from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError, UnsafeFileError
from agnostic_ig.model_files import file_sha256, load_model
from agnostic_ig.model_files.allowed_types import ALLOWED_TYPES
from agnostic_ig.model_files.object_graph import walk

X, y = fuzzing.training_data()


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return fuzzing.fitted_models()


def mixed_frame() -> pd.DataFrame:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame.loc[3, "a"] = np.nan
    return frame.assign(colour=pd.Categorical(np.where(y == 1, "red", "blue")), word=np.where(X[:, 2] > 0, "u", "v"))


def frame_models() -> dict[str, Any]:
    """Models of a DataFrame, and others that bring types of their own."""
    columns = compose.ColumnTransformer(
        [
            (
                "numbers",
                pipeline.make_pipeline(SimpleImputer(), preprocessing.StandardScaler()),
                ["a", "b", "c", "d"],
            ),
            ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour", "word"]),
        ]
    )
    frame = mixed_frame()
    hist = ensemble.HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    search = model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1.0]}, cv=2, scoring="accuracy")
    return {
        "pipeline": (pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(frame, y), frame),
        "hist_frame": (hist.fit(frame.drop(columns="word"), y), frame.drop(columns="word")),
        "labels": (
            ensemble.RandomForestClassifier(3, random_state=0).fit(X, np.array(["x", "y", "z"])[y]),
            X,
        ),
        "sigmoid": (
            calibration.CalibratedClassifierCV(linear_model.LogisticRegression(), cv=2).fit(X, y > 0),
            X,
        ),
        "voting": (ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", svm.SVR())]).fit(X, y), X),
        "adaptive": (ensemble.AdaBoostClassifier(n_estimators=3, random_state=0).fit(X, y), X),
        "bagged": (ensemble.BaggingRegressor(svm.SVR(), n_estimators=2, random_state=0).fit(X, y), X),
        "search": (search.fit(X, y > 0), X),
        "process": (gaussian_process.GaussianProcessRegressor(random_state=0).fit(X, y), X),
        "sparse_svc": (svm.SVC().fit(sparse.csr_array(X), y), X),
    }


FAMILIES = sorted(fuzzing.model_families())


@pytest.mark.parametrize("family", FAMILIES)
def test_round_trip(family: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    model = fitted[family]
    loaded = load_model(saved(model, tmp_path))
    assert type(loaded) is type(model)
    expected = fuzzing.answers(model, fuzzing.probe_rows())
    found = fuzzing.answers(loaded, fuzzing.probe_rows())
    assert expected.keys() == found.keys()
    for word in expected:
        np.testing.assert_array_equal(found[word], expected[word], err_msg=word)


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    return frame_models()


COMPOSED = (
    *("adaptive", "bagged", "hist_frame", "labels", "pipeline"),
    *("process", "search", "sigmoid", "sparse_svc", "voting"),
)


@pytest.mark.parametrize("name", COMPOSED)
def test_round_trip_of_composed_models(name: str, composed: dict[str, Any], tmp_path: Path) -> None:
    model, rows = composed[name]
    loaded = load_model(str(saved(model, tmp_path)))
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))


def test_allowed_types_exist_and_have_reasons() -> None:
    for name, reason in ALLOWED_TYPES.items():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
        assert len(reason) > 5, name


class Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("ending", [".pkl", ".pickle", ".joblib", ".PKL"])
def test_pickles_run_no_code_without_trust(ending: str, tmp_path: Path) -> None:
    path, trace = tmp_path / f"model{ending}", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(UnsafeFileError, match=r"runs whatever code is in it.*\.skops.*--trust-pickle"):
        load_model(path)
    assert not trace.exists()
    with pytest.raises(InvalidInputError, match="holds a NoneType, which is not a model"):
        load_model(path, trust_pickle=True)
    assert trace.exists()  # the payload works: the refusal above is what kept it from running


@pytest.mark.parametrize("compress", [0, 3])
def test_trusted_pickle(compress: int, fitted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(fitted["forest"], path, compress=compress)
    np.testing.assert_array_equal(load_model(path, trust_pickle=True).predict(X), fitted["forest"].predict(X))


def linear_kernel(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return A @ B.T


def test_kernels_of_ones_own(tmp_path: Path) -> None:
    own, given = svm.SVC(kernel=linear_kernel).fit(X, y), svm.SVC(kernel="precomputed").fit(X @ X.T, y)
    joblib.dump(own, tmp_path / "own.pkl")
    np.testing.assert_array_equal(load_model(tmp_path / "own.pkl", trust_pickle=True).predict(X), own.predict(X))
    np.testing.assert_array_equal(load_model(saved(given, tmp_path)).predict(X @ X.T), given.predict(X @ X.T))


def test_damaged_pickle(fitted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted["forest"])[:-500])
    with pytest.raises(InvalidInputError, match=r"^model\.pkl could not be loaded as a pickle: [^\n]*$"):
        load_model(path, trust_pickle=True)


def test_trusted_pickles_are_checked_too(fitted: dict[str, Any], tmp_path: Path) -> None:
    forest = pickle.loads(pickle.dumps(fitted["forest"]))
    forest.n_features_in_ = 9
    joblib.dump(forest, tmp_path / "model.pkl")
    with pytest.raises(UnsafeFileError, match="trees of an ensemble expect other than 9 features"):
        load_model(tmp_path / "model.pkl", trust_pickle=True)


def test_sha256(fitted: dict[str, Any], tmp_path: Path) -> None:
    path = saved(fitted["tree"], tmp_path)
    digest = file_sha256(path)
    assert load_model(path, sha256=f" {digest.upper()}\n").predict(X).shape == y.shape
    with pytest.raises(UnsafeFileError, match=rf"digest {digest}, but {'0' * 64} was asked for"):
        load_model(path, sha256="0" * 64)
    with pytest.raises(InvalidParameterError, match="'sha256' parameter of load_model must be None or 64 hexa"):
        load_model(path, sha256="12ab")


def test_sha256_comes_before_loading(tmp_path: Path) -> None:
    path, trace = tmp_path / "model.pkl", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(UnsafeFileError, match="was not loaded"):
        load_model(path, trust_pickle=True, sha256="0" * 64)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m.onnx", r"use \.skops, \.json, \.ubj, \.txt, \.cbm, \.joblib, \.pkl, \.pickle\."),
        ("m", "no kind of model file"),
    ],
)
def test_other_kinds_of_files(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(InvalidInputError, match=message):
        load_model(tmp_path / name)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"'path' parameter of load_model.*does not exist"):
        load_model(tmp_path / "none.skops")
    with pytest.raises(InvalidInputError, match="is not a file"):
        load_model(tmp_path)
    with pytest.raises(InvalidInputError, match="'path' parameter of file_sha256"):
        file_sha256(tmp_path)
    with pytest.raises(TypeError, match="'path' parameter of load_model must be a str or path-like"):
        load_model(7)
    with pytest.raises(InvalidParameterError, match="'trust_pickle' parameter of load_model"):
        load_model(tmp_path / "none.skops", trust_pickle="yes")


def test_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"holds a StandardScaler, which is not a model.*predict_proba"):
        load_model(saved(preprocessing.StandardScaler().fit(X), tmp_path))
    joblib.dump(ensemble.RandomForestClassifier, tmp_path / "class.pkl")
    with pytest.raises(InvalidInputError, match="which is not a model"):
        load_model(tmp_path / "class.pkl", trust_pickle=True)


def test_warnings_made_errors_stay_warnings(fitted: dict[str, Any], tmp_path: Path) -> None:
    data = skops.io.dumps(fitted["tree"])
    schema = fuzzing.read_member(data, "schema.json").decode()
    version = importlib.metadata.version("scikit-learn")
    path = tmp_path / "model.skops"
    path.write_bytes(fuzzing.rewritten(data, {"schema.json": schema.replace(version, "1.0.0").encode()}))
    from sklearn.exceptions import InconsistentVersionWarning

    with pytest.raises(InconsistentVersionWarning, match=r"version 1\.0\.0"):
        load_model(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_model(path).predict(X).shape == y.shape


@pytest.mark.campaign
def test_damaged_files_neither_crash_nor_hang() -> None:
    n = count("damaged model files")
    counts = fuzzing.run_model_file_campaign(n, seed=0)
    assert sum(counts.values()) == n
    assert counts["crash"] == counts["hang"] == counts["escaped"] == 0, counts
    assert counts["refused"] >= n / 4, counts  # about half of such files are


def test_every_mutation_changes_the_file(fitted: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    for mutate in fuzzing.MUTATIONS:
        data = skops.io.dumps(fitted["hist"])
        assert any(mutate(data, rng) != data for _ in range(5)), mutate.__name__


def test_walk_meets_parts_before_wholes_and_survives_cycles() -> None:
    part: dict[str, Any] = {"name": "part"}
    hidden = np.ma.MaskedArray(np.array([part, {}], dtype=object), [False, True])
    whole = [part, (part,), hidden]
    part["whole"] = whole
    met = list(walk(whole))
    assert [one for one in met if one is part] == [part]
    assert met[-1] is whole
    assert len(met) == 5
