"""XGBoost's files: JSON, UBJSON, and what is refused in either."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from booster_fuzzing import PassedError, check_structure
from booster_models import Saved, drop, files, model_of, put, table, written

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files import booster_files, documents
from agnostic_ig.model_files.ubjson import parse_ubjson

# --- refusals of XGBoost's documents: what is changed in the document -> what the error says


def in_tree(key: str, place: int, value: Any, tree: int = 0) -> Callable[[dict[str, Any]], None]:
    return put(value, "model", "trees", tree, key, place)


def swap_children(document: dict[str, Any]) -> None:
    tree = model_of(document)["trees"][0]
    tree["left_children"][0], tree["right_children"][0] = tree["right_children"][0], tree["left_children"][0]
    tree["left_children"][0], tree["left_children"][1] = tree["left_children"][1], tree["left_children"][0]


def twins(document: dict[str, Any]) -> None:
    """Both children of the root are one node."""
    tree = model_of(document)["trees"][0]
    tree["left_children"][0] = tree["right_children"][0]


def loop(document: dict[str, Any]) -> None:
    """Two nodes below each other that the root does not reach."""
    tree = model_of(document)["trees"][0]
    inner = [i for i, child in enumerate(tree["left_children"]) if child > 0]
    tree["left_children"][inner[-1]] = inner[1]
    tree["parents"][inner[1]] = inner[-1]


def more_categories(document: dict[str, Any]) -> None:
    tree = next(one for one in model_of(document)["trees"] if one["categories"])
    tree["categories"].append(2**24)
    tree["categories_sizes"][-1] += 1


def category_order(document: dict[str, Any]) -> None:
    tree = next(one for one in model_of(document)["trees"] if one["categories"])
    tree["categories"][:2] = tree["categories"][1::-1]


XGBOOST: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "newer": ("category", put([3, 99, 0], "version"), r"XGBoost 3\.99\.0 wrote it and 3\.\S+ is installed"),
    "older": ("category", put([1, 5, 0], "version"), r"XGBoost 1\.5\.0 wrote it, before 1\.7: load it with XGBoost"),
    "version": ("category", put([3, 2], "version"), "its version has 2 entries instead of 3"),
    "unknown key": ("category", put(1, "learner", "gradient_boosters"), "the learner holds 'gradient_boosters'"),
    "lost key": ("category", drop("learner", "objective"), "the learner lacks objective"),
    "no learner": ("category", put([], "learner"), "the document has no proper learner"),
    "booster": ("category", put("gbtrees", "learner", "gradient_booster", "name"), "kind of booster is not known"),
    "no features": (
        "category",
        put("0", "learner", "learner_model_param", "num_feature"),
        "num_feature is not a whole number from 1",
    ),
    "many features": (
        "category",
        put("2147483647", "learner", "learner_model_param", "num_feature"),
        "num_feature is not a whole number from 1 to 4194304",
    ),
    "names": ("category", put(["a"], "learner", "feature_names"), "feature_names has 1 entries for 5 features"),
    "same names": ("category", put(["a"] * 5, "learner", "feature_names"), "two features have one name"),
    "types": ("category", put(["x"] * 5, "learner", "feature_types"), "a feature is of a type that is not known"),
    "base score": (
        "classes",
        put("[5E-1,1E0]", "learner", "learner_model_param", "base_score"),
        "base_score has 2 numbers for 3 outputs",
    ),
    "base score nan": (
        "classes",
        put("[nan]", "learner", "learner_model_param", "base_score"),
        "it holds nan, which is not finite",
    ),
    "outputs": (
        "classes",
        put("3", "learner", "learner_model_param", "num_target"),
        "several classes and several targets",
    ),
    "num_trees": (
        "category",
        put("4", "model", "gbtree_model_param", "num_trees"),
        "it has 3 trees and says 4",
    ),
    "rounds": (
        "classes",
        put("4", "model", "gbtree_model_param", "num_parallel_tree"),
        "trees are no whole rounds of 12",
    ),
    "tree_info": ("classes", put(1, "model", "tree_info", 0), "tree_info gives trees to other outputs"),
    "indptr": ("classes", put(4, "model", "iteration_indptr", 1), "iteration_indptr miscounts the trees"),
    "id": ("category", put(1, "model", "trees", 0, "id"), "the id of tree 0 is not a whole number from 0 to 0"),
    "tree features": (
        "category",
        put("6", "model", "trees", 1, "tree_param", "num_feature"),
        "num_feature of a tree is not a whole number from 5 to 5",
    ),
    "num_nodes": (
        "category",
        put("99", "model", "trees", 0, "tree_param", "num_nodes"),
        r"default_left has \d+ entries instead of 99",
    ),
    "deleted": (
        "pruned",
        put("0", "model", "trees", 0, "tree_param", "num_deleted"),
        "nodes of a tree are reached from nowhere",
    ),
    "far child": ("category", in_tree("left_children", 1, 10**6), "a node points outside of its tree"),
    "negative child": ("category", in_tree("right_children", 0, -7), "a node points outside of its tree"),
    "wide number": ("category", in_tree("left_children", 0, 2**70), "left_children holds something else than whole"),
    "fraction": ("category", in_tree("left_children", 0, 1.5), "left_children holds something else than whole numbers"),
    "true": ("category", in_tree("left_children", 0, True), "left_children holds true or false"),
    "list": ("category", in_tree("left_children", 0, [1]), "left_children is not a plain list"),
    "swap": ("category", swap_children, "a node"),
    "loop": ("category", loop, "a node"),
    "twins": ("category", twins, "a node of a tree is reached twice"),
    "root": ("category", in_tree("parents", 0, 1), "the root of a tree has a parent"),
    "back to root": ("category", in_tree("left_children", 0, 0), "or the root for a child"),
    "parent": ("category", in_tree("parents", 3, 0), "a node names another parent than its own"),
    "feature": ("category", in_tree("split_indices", 0, 5), "splits on a feature that is none of the 5"),
    "default_left": ("category", in_tree("default_left", 0, 2), "default_left is neither 0 nor 1"),
    "split_type": ("category", in_tree("split_type", 0, 2), "split_type is neither 0 nor 1"),
    "statistics": ("category", put([1.0], "model", "trees", 0, "sum_hessian"), "sum_hessian has 1 entries instead"),
    "large category": ("category", more_categories, "a category is none"),
    "order of categories": ("category", category_order, "categories of a node are not in their order"),
    "leaf": (
        "category",
        in_tree("split_conditions", -1, 0.5),
        r"1 of the \d leaves of a tree contradict their weights",
    ),
    "dart": (
        "dart",
        put([1.0], "learner", "gradient_booster", "weight_drop"),
        "weight_drop has 1 entries instead of 4",
    ),
    "linear": ("linear", put([1.0], "model", "weights"), "weights has 1 entries instead of 6"),
    "leaf vectors": (
        "vectors",
        put([1.0], "model", "trees", 0, "leaf_weights"),
        r"leaf_weights has 1 entries instead of \d+",
    ),
    "old leaf vectors": ("vectors", drop("model", "trees", 0, "leaf_weights"), "XGBoost before 3.1 wrote its leaves"),
}


@pytest.mark.parametrize("change", sorted(XGBOOST))
def test_xgboost_refusals(change: str, tmp_path: Path) -> None:
    kind, edit, message = XGBOOST[change]
    document = json.loads(files()[f"xgboost {kind} json"].data)
    edit(document)
    path = written(tmp_path, Saved(".json", json.dumps(document).encode()))
    with pytest.raises(UnsafeFileError, match=rf"^model\.json was refused: [^\n]*{message}[^\n]*\.$"):
        check_structure(path)


def enc_change(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return put(value, "model", "cats", key)


CATEGORY_LISTS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "segments": (enc_change("feature_segments", [0, 1, 4]), "feature_segments miscounts the categories"),
    "order": (enc_change("sorted_idx", [0, 1, 1, 1, 0]), "sorted_idx is no order of the categories"),
    "far order": (enc_change("sorted_idx", [0, 1, 2, 9, 0]), "sorted_idx is no order of the categories"),
    "text": (put([0, 1, 99, 3], "model", "cats", "enc", 0, "offsets"), "text of categories is cut at wrong places"),
    "other features": (enc_change("enc", [{"type": 15, "values": [1]}]), "categories are those of other features"),
    "none": (enc_change("enc", []), "it sorts categories that it does not have"),
}


@pytest.fixture(scope="module")
def frame_model() -> bytes:
    """Trained on a DataFrame with categories of text and of numbers, whose lists the file holds."""
    import pandas as pd
    import xgboost

    X, y = table()
    words = pd.Categorical(np.array(["k", "l", "mm"])[y])
    numbers = pd.Categorical(np.where(X[:, 3] > 2, 10, 20))
    frame = pd.DataFrame({"word": words, "number": numbers})
    data = xgboost.DMatrix(frame, X[:, 0], enable_categorical=True)
    return bytes(xgboost.train({"max_depth": 2, "nthread": 1}, data, 2).save_raw(raw_format="json"))


@pytest.mark.parametrize("change", sorted(CATEGORY_LISTS))
def test_lists_of_categories(change: str, frame_model: bytes, tmp_path: Path) -> None:
    edit, message = CATEGORY_LISTS[change]
    document = json.loads(frame_model)
    with pytest.raises(PassedError):
        check_structure(written(tmp_path, Saved(".json", frame_model)))
    edit(document)
    with pytest.raises(UnsafeFileError, match=message):
        check_structure(written(tmp_path, Saved(".json", json.dumps(document).encode())))


# --- refusals of JSON text: (bytes of a good file) -> bytes


def insert(text: bytes) -> Callable[[bytes], bytes]:
    """Something in the place of the attributes."""
    return lambda data: data.replace(b'"attributes":{}', b'"attributes":{"x":' + text + b"}", 1)


JSON_TEXT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "it is empty"),
    "other": (lambda data: b"{}", "it is no model that XGBoost or CatBoost saved as JSON"),
    "dump": (lambda data: b'[{"nodeid": 0}]', "dumps of trees cannot be loaded again"),
    "cut": (lambda data: data[:-1], "it is not whole JSON text"),
    "more": (lambda data: data + b"}", "it is not whole JSON text"),
    "not text": (lambda data: data.replace(b"dart", b"da\xff\xfe"), "it is not whole JSON text"),
    "nested": (insert(b"[" * 5000 + b"]" * 5000), "it is nested too deeply"),
    "brackets": (insert(b"[" + b"[]," * 20_000 + b"[]]"), "it holds little but brackets"),
    "nan": (insert(b"NaN"), "an attribute is not text"),
    "infinity": (insert(b"-Infinity"), "it holds -Infinity, which is no number"),
    "large": (insert(b"1e999"), "it holds 1e999, which is not finite"),
    "digits": (insert(b"1" * 5000), "it holds a whole number of 5000 digits"),
    "more digits": (insert(b"0." + b"1" * 5000), "it holds a number of 5002 digits"),
    "twice": (
        lambda data: data.replace(b'"version"', b'"version":[3,2,0],"version"'),
        "a key stands twice in one of its objects",
    ),
    "a digit": (
        lambda data: re.sub(rb'("base_weights":\[-?\d\.\d{6})', rb"\g<1>5555", data, count=1),
        "which no number of this format is written as",
    ),
    "nan in a tree": (
        lambda data: re.sub(rb'("split_conditions":\[)[^,]*', rb"\g<1>NaN", data, count=1),
        "split_conditions holds a number that is not finite",
    ),
}


@pytest.mark.parametrize("change", sorted(JSON_TEXT))
def test_json_text(change: str, tmp_path: Path) -> None:
    edit, message = JSON_TEXT[change]
    data = files()["xgboost dart json"].data
    assert edit(data) != data
    with pytest.raises(UnsafeFileError, match=rf"^model\.json was refused: [^\n]*{message}[^\n]*$"):
        check_structure(written(tmp_path, Saved(".json", edit(data))))


def test_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booster_files, "MAX_BYTES", 3)
    with pytest.raises(UnsafeFileError, match="it has 4 bytes, more than the 3 that a model may have"):
        booster_files.read_bytes(io.BytesIO(b"1234"))


@pytest.mark.parametrize("value", [0.5, True, "1_0", "\N{ARABIC-INDIC DIGIT THREE}", "", "11", None, "1" * 5000])
def test_whole_numbers(value: Any) -> None:
    assert documents.whole_number("10", "it", 0, 10) == documents.whole_number(10, "it", 0, 10) == 10
    with pytest.raises(UnsafeFileError, match="it is not a whole number from 0 to 10"):
        documents.whole_number(value, "it", 0, 10)


# --- UBJSON

UBJSON: dict[str, tuple[bytes, str]] = {
    "empty object and more": (b"{}{}", "something follows its end"),
    "cut key": (b"{L" + bytes(7), "it is cut short"),
    "negative length": (b"{L" + b"\xff" * 8, "a length in it is larger than the file"),
    "long list": (b"[#L" + (2**40).to_bytes(8, "big"), "a length in it is larger than the file"),
    "long array": (b"[$D#L" + (9).to_bytes(8, "big") + bytes(9), "it is cut short"),
    "short length": (b"{i\x01a", "a length in it is not of 64 bits"),
    "no length": (b"[i\x01]", "a list in it has no length"),
    "array of lists": (b"[$[#L" + bytes(8), r"it holds an array of b'\['"),
    "marker": (b"N", "it holds b'N' where a value begins"),
    "nested": (b"[#L\0\0\0\0\0\0\0\x01" * 30 + b"i\x01", "it is nested too deeply"),
    "brackets": (b"[#L" + (30_000).to_bytes(8, "big") + b"{}" * 30_000, "it holds little but brackets"),
    "twice": (b"{" + b"L\0\0\0\0\0\0\0\x01ai\x01" * 2 + b"}", "a key stands twice"),
    "not text": (b"SL\0\0\0\0\0\0\0\x01\xff", "it holds text that is not UTF-8"),
}


@pytest.mark.parametrize("change", sorted(UBJSON))
def test_ubjson_refusals(change: str) -> None:
    data, message = UBJSON[change]
    with pytest.raises(UnsafeFileError, match=message):
        parse_ubjson(data)


def test_ubjson_is_the_json() -> None:
    """Both forms hold the same, but that floats of 32 bits are written in decimals there."""
    for kind in ("category", "dart", "vectors"):
        read = json.dumps(parse_ubjson(files()[f"xgboost {kind} ubj"].data), default=np.ndarray.tolist)
        text = files()[f"xgboost {kind} json"].data
        assert json.loads(read) == json.loads(text, parse_float=lambda token: float(np.float32(token)))


def test_ubj_must_begin_as_one(tmp_path: Path) -> None:
    with pytest.raises(UnsafeFileError, match=r"^model\.ubj was refused: it is no model that XGBoost wrote as UBJSON"):
        check_structure(written(tmp_path, Saved(".ubj", b'{"learner": 1}')))
