"""Numbers of a model file that would lead compiled code astray: every kind is found before it is used."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzzing
import numpy as np
import pytest
import skops.io
from fuzzing import saved
from scipy import sparse
from sklearn import (
    ensemble,
    linear_model,
)
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files import load_model
from agnostic_ig.model_files.tree_checks import check_tree, check_tree_predictor

X, y = fuzzing.training_data()


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return fuzzing.fitted_models()


def tampered(model: Any, field: str, change: Callable[[np.ndarray], None]) -> bytes:
    """A file of the model with nodes of its first tree changed (`field` tells trees from other arrays)."""
    data = skops.io.dumps(model)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        arrays = {name: np.load(io.BytesIO(file.read(name))) for name in file.namelist() if name.endswith(".npy")}
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
    with pytest.raises(UnsafeFileError, match=rf"^model\.skops was refused, it is damaged or altered: .*{message}"):
        load_model(path)


@pytest.mark.parametrize("damage", sorted(TAMPERED_HIST))
def test_tampered_hist_trees(damage: str, fitted: dict[str, Any], tmp_path: Path) -> None:
    change, message = TAMPERED_HIST[damage]
    path = tmp_path / "model.skops"
    path.write_bytes(tampered(fitted["hist"], "feature_idx", change))
    with pytest.raises(UnsafeFileError, match=message):
        load_model(path)


def tree_with(fitted: Tree, n_classes: int = 3, **changes: Any) -> Tree:
    """A copy of a tree with parts of its state replaced."""
    tree = Tree(4, np.array([n_classes], dtype=np.intp), 1)
    tree.__setstate__({**fitted.__getstate__(), **changes})
    return tree


def test_trees_without_what_they_need(fitted: dict[str, Any]) -> None:
    tree = fitted["tree"].tree_
    values = np.where(np.arange(tree.node_count)[:, None, None] == 2, np.nan, tree.value)
    check_tree(tree_with(tree))
    for damaged, message in (
        (Tree(4, np.array([3], dtype=np.intp), 1), "says that it has 0 nodes"),
        (tree_with(tree, node_count=-1), "says that it has -1 nodes"),
        (tree_with(tree, n_classes=0, values=values[:, :, :0].copy()), "has no values"),
        (tree_with(tree, values=values), "value that is not finite"),
    ):
        with pytest.raises(UnsafeFileError, match=message):
            check_tree(damaged)


def test_hist_trees_without_what_they_need(fitted: dict[str, Any]) -> None:
    predictor = fitted["hist"]._predictors[0][0]
    nodes, bits = predictor.nodes, np.zeros((5, 8), dtype=np.uint32)
    check_tree_predictor(TreePredictor(nodes, bits, bits))
    for damaged, message in (
        (TreePredictor(nodes[:0], bits, bits), "has no nodes"),
        (TreePredictor(nodes, bits, bits[:, :7]), "categories of a tree have the wrong shape"),
        (TreePredictor(nodes, bits.ravel(), bits), "categories of a tree have the wrong shape"),
        (TreePredictor(nodes, bits, bits.astype(float)), "categories of a tree have the wrong shape"),
    ):
        with pytest.raises(UnsafeFileError, match=message):
            check_tree_predictor(damaged)


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
    "neighbors_outputs": ("brute_force", set_to("_y", lambda old: old.reshape(45, 2)), "few or too many"),
    "neighbors_classes": ("brute_force", set_to("_y", lambda old: np.tile(old, (2, 1)).T), "other outputs"),
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
    "kernel": (
        "svc",
        lambda model: vars(model).update(kernel="precomputed", shape_fit_=(9, 4)),
        "are not in the kernel",
    ),
    "kernel_function": ("svc", lambda model: setattr(model, "kernel", np.add), "strange kernel"),
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


def test_checks_are_what_keeps_the_process_alive(fitted: dict[str, Any]) -> None:
    data = tampered(fitted["forest"], "left_child", put("left_child", 0, 2**40))
    expected = fuzzing.answers(fitted["forest"], fuzzing.probe_rows())
    assert fuzzing.outcome(data, expected, fuzzing.load_unchecked) == "crash"
    assert fuzzing.outcome(data, expected) == "refused"
    whole = skops.io.dumps(fitted["forest"])
    assert fuzzing.outcome(whole, expected, fuzzing.load_unchecked) == "same"
    assert fuzzing.outcome(whole, expected) == "same"
