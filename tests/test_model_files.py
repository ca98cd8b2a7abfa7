"""Model files: what is loaded predicts as it did, what could harm is refused, nothing ends the process."""

import importlib
import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
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
from agnostic_ig.model_files import archive, file_sha256, load_model
from agnostic_ig.model_files.allowed_types import ALLOWED_TYPES
from agnostic_ig.model_files.object_graph import walk

X, y = fuzzing.training_data()


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return fuzzing.fitted_models()


def saved(model: Any, folder: Path, name: str = "model.skops") -> Path:
    path = folder / name
    skops.io.dump(model, path)
    return path


def mixed_frame() -> pd.DataFrame:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    frame.loc[3, "a"] = np.nan
    return frame.assign(
        colour=pd.Categorical(np.where(y == 1, "red", "blue")), word=np.where(X[:, 2] > 0, "u", "v")
    )


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
    search = model_selection.GridSearchCV(
        linear_model.LogisticRegression(), {"C": [1.0]}, cv=2, scoring="accuracy"
    )
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


@pytest.mark.parametrize("name", sorted(frame_models()))
def test_round_trip_of_composed_models(name: str, tmp_path: Path) -> None:
    model, rows = frame_models()[name]
    loaded = load_model(str(saved(model, tmp_path)))
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))


def test_allowed_types_exist_and_have_reasons() -> None:
    for name, reason in ALLOWED_TYPES.items():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
        assert len(reason) > 5, name


# --- what a file must not be able to do


def node(loader: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def words(*texts: str) -> dict[str, Any]:
    content = [node("JsonNode", "builtins", "str", content=json.dumps(text), is_json=True) for text in texts]
    return node("TupleNode", "builtins", "tuple", content=content)


def attributes(**values: dict[str, Any]) -> dict[str, Any]:
    kinds = [node("TypeNode", "builtins", "str") for _ in values]
    key_types = node("ListNode", "builtins", "list", content=kinds)
    return node("DictNode", "builtins", "dict", content=values, key_types=key_types)


def function(module: str, name: str) -> dict[str, Any]:
    return node("FunctionNode", module, name)


def partial_of(what: dict[str, Any], *arguments: str) -> dict[str, Any]:
    content = {"func": what, "args": words(*arguments), "kwds": attributes(), "namespace": attributes()}
    return node("PartialNode", "functools", "partial", content=content)


def transformer(**values: dict[str, Any]) -> dict[str, Any]:
    name = "sklearn.preprocessing._function_transformer"
    return node("ObjectNode", name, "FunctionTransformer", content=attributes(**values))


def payloads(command: str) -> dict[str, dict[str, Any]]:
    """Descriptions of objects that would run a command while they are loaded or used."""
    tree = {"args": words("__import__('os').system"), "state": {}}
    return {
        "call_system": node("ConstructorFromReduceNode", "os", "system", content=words(command)),
        "call_eval": node("ConstructorFromReduceNode", "builtins", "eval", content=words(command)),
        "subprocess": node("ConstructorFromReduceNode", "subprocess", "Popen", content=words(command)),
        "hidden_in_key": node(
            "DictNode",
            "builtins",
            "dict",
            content={command: words()},
            key_types=node("ListNode", "builtins", "list", content=[node("TypeNode", "os", "system")]),
        ),
        "partial_system": transformer(func=partial_of(function("os", "system"), command)),
        "partial_type": transformer(func=partial_of(node("TypeNode", "subprocess", "Popen"), command)),
        "function": transformer(func=function("builtins", "exec")),
        "list_of_class": node("ListNode", "subprocess", "Popen", content=[words(command)]),
        "array_of_class": node(
            "NdArrayNode", "os", "system", type="json", content=[words(command)], shape=words()
        ),
        "method": node(
            "MethodNode",
            "sklearn.preprocessing._function_transformer",
            "FunctionTransformer",
            content={"func": "fit", "obj": transformer()},
        ),
        "methodcaller": node("OperatorFuncNode", "operator", "methodcaller", attrs=words("system", command)),
        "loss": node("LossNode", "os", "system", content=attributes(), __reduce__=tree),
    }


def packed(schema: dict[str, Any], **members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", json.dumps({**schema, "protocol": 2, "_skops_version": "0.16"}))
        for name, data in members.items():
            file.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize("payload", sorted(payloads("")))
def test_payloads_are_refused_and_do_not_run(payload: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "model.skops"
    path.write_bytes(packed(payloads(f"touch {trace}")[payload]))
    with pytest.raises(UnsafeFileError, match=r"^model\.skops (was refused|is not a readable skops file)"):
        load_model(path)
    assert not trace.exists()


def test_refusal_lists_unknown_types(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(packed(transformer(func=partial_of(function("os", "system"), "true"))))
    with pytest.raises(UnsafeFileError, match=r"not known to be harmless: os\.system\. Save a model"):
        load_model(path)


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


# --- which file it is


def test_sha256(fitted: dict[str, Any], tmp_path: Path) -> None:
    path = saved(fitted["tree"], tmp_path)
    digest = file_sha256(path)
    assert load_model(path, sha256=f" {digest.upper()}\n").predict(X).shape == y.shape
    with pytest.raises(UnsafeFileError, match=rf"digest {digest}, but {'0' * 64} was asked for"):
        load_model(path, sha256="0" * 64)
    with pytest.raises(
        InvalidParameterError, match="'sha256' parameter of load_model must be None or 64 hexa"
    ):
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
        ("m.json", "Not yet: m.json looks like a file of XGBoost.*its own library"),
        ("m.ubj", "file of XGBoost"),
        ("m.txt", "file of LightGBM"),
        ("m.cbm", "file of CatBoost"),
        ("m.onnx", r"can be read: use \.skops, \.joblib, \.pkl, \.pickle\."),
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
    with pytest.raises(
        InvalidInputError, match=r"holds a StandardScaler, which is not a model.*predict_proba"
    ):
        load_model(saved(preprocessing.StandardScaler().fit(X), tmp_path))
    joblib.dump(ensemble.RandomForestClassifier, tmp_path / "class.pkl")
    with pytest.raises(InvalidInputError, match="which is not a model"):
        load_model(tmp_path / "class.pkl", trust_pickle=True)


# --- damaged archives


def nested(depth: int) -> bytes:
    """Lists in lists in lists: too deep even to be written the usual way."""
    opening, closing = json.dumps(node("ListNode", "builtins", "list", content=["here"])).split('"here"')
    text = opening * depth + json.dumps(words()) + closing * depth
    return fuzzing.rewritten(packed(words()), {"schema.json": text.encode()})


def doubling(levels: int) -> dict[str, Any]:
    """Lists of two references to the list before: small in the file, 2 ** levels to audit."""
    inner = node("ListNode", "builtins", "list", content=[], __id__=1)
    for level in range(2, levels):
        inner = node("ListNode", "builtins", "list", content=[inner, {"__id__": level - 1}], __id__=level)
    return inner


def many_arrays(times: int) -> dict[str, Any]:
    arrays = [
        node("NdArrayNode", "numpy", "ndarray", type="numpy", file="a.npy", __id__=i + 1)
        for i in range(times)
    ]
    return node("ListNode", "builtins", "list", content=arrays)


def sparse_bomb() -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("data.npy", b"\0" * (80 << 20))
    return inner.getvalue()


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "it is empty"),
    "text": (lambda data: b"predict = 1\n" * 99, "it is not a skops file"),
    "truncated": (lambda data: data[: len(data) // 2], "it is not a skops file"),
    "other_archive": (
        lambda data: fuzzing.rewritten(packed({}), {})[:0] + other_archive(),
        r"no schema\.json",
    ),
    "no_json": (lambda data: fuzzing.rewritten(data, {"schema.json": b"{"}), "JSONDecodeError"),
    "json_list": (lambda data: fuzzing.rewritten(data, {"schema.json": b"[]"}), "not a readable skops file"),
    "nested": (lambda data: nested(2000), "RecursionError"),
    "missing_member": (lambda data: packed(many_arrays(1)), r"a\.npy"),
    "bomb": (lambda data: packed({}, bomb=b"PK" + b"\0" * (80 << 20)), "would unpack to 838"),
    "bomb_in_archive": (lambda data: packed({}, inner=sparse_bomb()), "would unpack to 839"),
    "used_often": (
        lambda data: packed(many_arrays(90), **{"a.npy": b"\0" * (1 << 20)}),
        "would take 94371840",
    ),
    "doubling": (lambda data: packed(doubling(200)), "described in two ways"),
    "bad_array": (lambda data: packed(many_arrays(1), **{"a.npy": b"\x93NUMPY\x01"}), "not a readable"),
    "pickled_array": (lambda data: packed(many_arrays(1), **{"a.npy": pickle.dumps([1])}), "allow_pickle"),
}


def other_archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("readme.txt", "hello")
    return target.getvalue()


@pytest.mark.parametrize("damage", sorted(DAMAGED))
def test_damaged_archives(damage: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    change, message = DAMAGED[damage]
    path = tmp_path / "model.skops"
    path.write_bytes(change(skops.io.dumps(fitted["tree"])))
    with pytest.raises(UnsafeFileError, match=rf"^model\.skops [^\n]*{message}[^\n]*$"):
        load_model(path)


def test_too_many_members(fitted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(fitted["tree"], tmp_path)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    with pytest.raises(UnsafeFileError, match="more than 2"):
        load_model(path)


def test_compressed_files_are_no_bombs(fitted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(fitted["forest"], path, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    np.testing.assert_array_equal(load_model(path).predict(X), fitted["forest"].predict(X))


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


# --- damaged numbers


def tampered(model: Any, field: str, change: Callable[[np.ndarray], None]) -> bytes:
    """A file of the model with nodes of its first tree changed (`field` tells trees from other arrays)."""
    data = skops.io.dumps(model)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        arrays = {
            name: np.load(io.BytesIO(file.read(name))) for name in file.namelist() if name.endswith(".npy")
        }
    name = next(name for name, array in arrays.items() if array.dtype.names and field in array.dtype.names)
    nodes = arrays[name].copy()
    change(nodes)
    return fuzzing.rewritten(data, {name: fuzzing.array_bytes(nodes)})


def put(field: str, place: int, number: float) -> Callable[[np.ndarray], None]:
    def change(nodes: np.ndarray) -> None:
        nodes[field][place] = number

    return change


TAMPERED_TREES = {
    "far": (put("left_child", 0, 10_000), "points outside of it or backwards"),
    "backwards": (put("right_child", 2, 1), "points outside of it or backwards"),
    "itself": (put("left_child", 0, 0), "points outside of it or backwards"),
    "negative": (put("left_child", 0, -5), "points outside of it or backwards"),
    "one_child": (put("left_child", 0, -1), "one child only"),
    "shared": (put("right_child", 0, 1), "does not have exactly one parent"),
    "feature": (put("feature", 0, 99), r"none of the \d"),
    "negative_feature": (put("feature", 0, -2), r"none of the \d"),
    "threshold": (put("threshold", 0, np.nan), "not a number"),
    "endless_threshold": (put("threshold", 0, -np.inf), "not a number"),
}
TAMPERED_HIST = {
    "far": (put("left", 0, 10_000), "points outside of it or backwards"),
    "itself": (put("right", 0, 0), "points outside of it or backwards"),
    "shared": (put("right", 0, 1), "does not have exactly one parent"),
    "feature": (put("feature_idx", 0, 4), "feature that is not there"),
    "negative_feature": (put("feature_idx", 0, -1), "feature that is not there"),
    "threshold": (put("num_threshold", 0, np.nan), "not a number"),
    "value": (put("value", -1, np.inf), "value that is not finite"),
    "leaf": (put("is_leaf", 0, 7), "neither a leaf nor a split"),
    "categories": (lambda nodes: put("bitset_idx", _split(nodes), 99)(nodes), "categories that do not exist"),
    "no_category": (lambda nodes: put("feature_idx", _split(nodes), 1)(nodes), "numeric feature by category"),
}


def _split(nodes: np.ndarray) -> int:
    """Place of a categorical split, if the tree has one, else of the root made one."""
    places = np.flatnonzero(nodes["is_categorical"])
    place = int(places[0]) if places.size else 0
    nodes["is_categorical"][place] = 1
    return place


@pytest.mark.parametrize("damage", sorted(TAMPERED_TREES))
@pytest.mark.parametrize("family", ["tree", "forest", "boosting_classes", "stacked"])
def test_tampered_trees(family: str, damage: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    change, message = TAMPERED_TREES[damage]
    path = tmp_path / "model.skops"
    path.write_bytes(tampered(fitted[family], "left_child", change))
    with pytest.raises(
        UnsafeFileError, match=rf"^model\.skops was refused, it is damaged or altered: .*{message}"
    ):
        load_model(path)


@pytest.mark.parametrize("damage", sorted(TAMPERED_HIST))
def test_tampered_hist_trees(damage: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    change, message = TAMPERED_HIST[damage]
    path = tmp_path / "model.skops"
    path.write_bytes(tampered(fitted["hist"], "feature_idx", change))
    with pytest.raises(UnsafeFileError, match=message):
        load_model(path)


def test_thresholds_that_only_part_missing_values_are_kept(tmp_path: Path) -> None:
    rows = np.where(np.arange(40)[:, None] % 2, np.nan, np.ones((40, 1)))
    for model in (
        ensemble.HistGradientBoostingClassifier(max_iter=1, min_samples_leaf=2),
        ensemble.RandomForestClassifier(2, random_state=0),
    ):
        model.fit(rows, np.arange(40) % 2)
        loaded = load_model(saved(model, tmp_path))
        np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def set_to(name: str, value: Any) -> Callable[[Any], None]:
    return lambda model: setattr(model, name, value(getattr(model, name)) if callable(value) else value)


def narrower(model: Any) -> None:
    """The last tree of an ensemble, fitted on more columns than the ensemble was."""
    members = model.estimators_.ravel() if isinstance(model.estimators_, np.ndarray) else model.estimators_
    members[-1].fit(
        np.tile(X, 2),
        X[:, 0] if hasattr(members[-1], "criterion") and "error" in members[-1].criterion else y,
    )


def widened_outputs(model: Any) -> None:
    model.estimators_ = np.repeat(model.estimators_, 2, axis=1)


def many_values(model: Any) -> None:
    model.estimators_[0, 0] = model.estimators_[0, 0].fit(X, np.column_stack([X[:, 0], X[:, 1]]))


def prepared_narrower(model: Any) -> None:
    name, step, columns = model._preprocessor.transformers_[1]
    model._preprocessor.transformers_[1] = (name, step, np.zeros_like(columns))
    model._preprocessor._transformer_to_input_indices["numerical"] = []


def prepared_strangely(model: Any) -> None:
    model._preprocessor.transformers_[1][1].func = np.log1p


def other_tree(model: Any) -> None:
    model._tree = type(model._tree)(X[:20])


def rotated_order(model: Any) -> None:
    model._tree.__setstate__(
        (
            *model._tree.__getstate__()[:1],
            model._tree.__getstate__()[1][::-1].copy(),
            *model._tree.__getstate__()[2:],
        )
    )


ONE = np.ones(1)
ALTERED: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "tree_features": ("tree", set_to("n_features_in_", 9), "expects other than 9 features"),
    "tree_no_features": ("tree", lambda model: delattr(model, "n_features_in_"), "lacks n_features_in_"),
    "forest_features": ("forest", set_to("n_features_in_", 3), "expect other than 3"),
    "forest_member": ("forest", narrower, "expect other than 4"),
    "boosting_features": ("boosting", set_to("n_features_in_", 3), "expect other than 3"),
    "boosting_outputs": ("boosting", widened_outputs, "other outputs than its first guess"),
    "boosting_values": ("boosting", many_values, "several values in one leaf"),
    "boosting_list": ("boosting", set_to("estimators_", list), "boosting has no trees"),
    "boosting_empty": ("boosting", set_to("estimators_", np.empty((0, 1), dtype=object)), "no trees"),
    "isolation_features": ("isolation", set_to("_max_features", 4), "expect other than 4"),
    "isolation_too_many": ("isolation", set_to("_max_features", 7), "draws too many features"),
    "isolation_columns": ("isolation", set_to("estimators_features_", lambda old: old[:-1]), "do not fit"),
    "hist_features": ("hist", set_to("n_features_in_", 3), "categories of boosting do not fit"),
    "hist_prepared": ("hist", prepared_narrower, "into another number of columns"),
    "hist_function": ("hist", prepared_strangely, "prepared by a strange function"),
    "neighbors_rows": ("brute_force", set_to("_fit_X", lambda old: old[:, :2].copy()), "rows.*wrong shape"),
    "neighbors_tree": ("kd_tree", set_to("n_samples_fit_", 7), "wrong shape"),
    "neighbors_other_tree": ("kd_tree", other_tree, "tree of nearest neighbours has the wrong shape"),
    "neighbors_labels": ("brute_force", set_to("_y", lambda old: old + 7), "label.*does not exist"),
    "neighbors_few_labels": ("brute_force", set_to("_y", lambda old: old[:-3]), "too few or too many"),
    "neighbors_order": ("kd_tree", rotated_order, "the order of a neighbours tree"),
    "centres": ("k_means", set_to("cluster_centers_", lambda old: old[:, :2].copy()), "centres"),
    "vectors": ("svc", set_to("support_vectors_", lambda old: old[:, :2].copy()), "wrong shape"),
    "vector_counts": ("svc", set_to("_n_support", lambda old: old + 1), "miscounts"),
    "negative_counts": ("svc", set_to("_n_support", lambda old: old - [99, -99, 0]), "impossible counts"),
    "intercepts": ("svc", set_to("_intercept_", lambda old: old[:1]), "wrong intercepts"),
    "coefficients": ("svc", set_to("_dual_coef_", lambda old: old.T.copy()), "coefficients.*do not fit"),
    "few_coefficients": ("svc", set_to("_dual_coef_", sparse.csr_array), "coefficients.*are missing"),
    "slopes": ("svc", lambda model: vars(model).update(_probA=ONE, _probB=ONE), "probability slopes"),
    "one_slope": ("svc", set_to("_probA", np.zeros(3)), "probability slopes"),
    "kernel": ("svc", set_to("kernel", "precomputed"), "are not in the kernel"),
    "threads": ("k_means", set_to("_n_threads", 10**6), "asks for 1000000 threads"),
    "jobs": ("forest", set_to("n_jobs", -(10**6)), "asks for -1000000 jobs"),
    "one_class_count": ("one_class", set_to("_n_support", lambda old: old + 1), "miscounts"),
    "hidden_method": (
        "forest",
        lambda model: setattr(model, "_validate_X_predict", np.positive),
        "hide its methods _validate_X_predict",
    ),
    "knots": ("splines", lambda model: setattr(model[0].bsplines_[0], "k", 9), "BSpline is damaged"),
}


@pytest.mark.parametrize("name", sorted(ALTERED))
def test_altered_estimators(name: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    family, change, message = ALTERED[name]
    model = pickle.loads(pickle.dumps(fitted[family]))
    change(model)
    with pytest.raises(UnsafeFileError, match=message):
        load_model(saved(model, tmp_path))


def test_masks_of_strange_bytes(tmp_path: Path, fitted: dict[str, Any]) -> None:
    model = pickle.loads(pickle.dumps(fitted["hist"]))
    model.is_categorical_ = np.array([0, 0, 0, 7], dtype=np.uint8).view(bool)
    with pytest.raises(UnsafeFileError, match="other bytes than 0 and 1"):
        load_model(saved(model, tmp_path))


def test_sparse_indices_outside(tmp_path: Path) -> None:
    model = linear_model.LogisticRegression().fit(X, y).sparsify()
    loaded = load_model(saved(model, tmp_path))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    model.coef_.indices[0] = 10**6
    with pytest.raises(UnsafeFileError, match=r"csr_(matrix|array) is damaged"):
        load_model(saved(model, tmp_path))


def test_depth_that_decision_path_would_trust(fitted: dict[str, Any], tmp_path: Path) -> None:
    data = skops.io.dumps(fitted["tree"])
    schema = json.loads(fuzzing.read_member(data, "schema.json"))
    state = schema["content"]["content"]["tree_"]["content"]["content"]
    for depth, message in (("0", "says 0"), ("100000", "says 100000"), ("-1", "says -1")):
        state["max_depth"].update(content=depth, __id__=-1)  # an id of its own: equal numbers share theirs
        path = tmp_path / "model.skops"
        path.write_bytes(fuzzing.rewritten(data, {"schema.json": json.dumps(schema).encode()}))
        with pytest.raises(UnsafeFileError, match=f"a tree of depth .* {message}"):
            load_model(path)


# --- nothing ends the process


def test_checks_are_what_keeps_the_process_alive(fitted: dict[str, Any]) -> None:
    data = tampered(fitted["forest"], "left_child", put("left_child", 0, 2**40))
    expected = fuzzing.answers(fitted["forest"], fuzzing.probe_rows())
    assert fuzzing.outcome(data, expected, fuzzing.load_unchecked) == "crash"
    assert fuzzing.outcome(data, expected) == "refused"
    whole = skops.io.dumps(fitted["forest"])
    assert fuzzing.outcome(whole, expected, fuzzing.load_unchecked) == "same"
    assert fuzzing.outcome(whole, expected) == "same"


def test_damaged_files_neither_crash_nor_hang() -> None:
    counts = fuzzing.run_model_file_campaign(20, seed=0)
    assert sum(counts.values()) == 20
    assert counts["crash"] == counts["hang"] == counts["escaped"] == 0, counts
    assert counts["refused"] >= 5, counts  # about half of such files are


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
