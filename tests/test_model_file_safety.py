"""Files made to harm: no code of theirs runs, and they do not fill the memory."""

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
from skops_payloads import attributes, function, node, packed, partial_of, payloads, transformer, words

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files import archive, load_model

X, y = fuzzing.training_data()


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return fuzzing.fitted_models()


@pytest.mark.parametrize("payload", sorted(payloads("")))
def test_payloads_are_refused_and_do_not_run(payload: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "model.skops"
    path.write_bytes(packed(payloads(f"touch {trace}")[payload]))
    with pytest.raises(UnsafeFileError, match=r"^model\.skops (was refused|is not a readable skops file)"):
        load_model(path)
    assert not trace.exists()


CHECK = "sklearn.utils.validation"
# Known types, put together in ways that call them while the file is loaded.
CALLS = {
    "constructor": node("ConstructorFromReduceNode", CHECK, "check_array", content=words("x")),
    "list": node("ListNode", CHECK, "check_array", content=[words("x")]),
    "dict": node("DictNode", CHECK, "check_array", content={}, key_types=words()),
    "key": attributes(x=words()) | {"key_types": words() | {"content": [node("TypeNode", CHECK, "check_array")]}},
    "array": node("NdArrayNode", CHECK, "check_array", type="numpy", file="a.npy"),
    "generator": node("RandomStateNode", CHECK, "check_array", content=attributes()),
    "loss": node("LossNode", CHECK, "check_array", content=attributes(), __reduce__={"args": words("x")}),
}


@pytest.mark.parametrize("way", sorted(CALLS))
def test_known_types_are_not_called(way: str, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(packed(transformer(func=CALLS[way]), **{"a.npy": fuzzing.array_bytes(np.zeros(1))}))
    with pytest.raises(UnsafeFileError, match=rf"build {CHECK}\.check_array in a way that no model needs"):
        load_model(path)


def test_refusal_lists_unknown_types(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(packed(transformer(func=partial_of(function("os", "system"), "true"))))
    with pytest.raises(UnsafeFileError, match=r"not known to be harmless: os\.system\. Save a model"):
        load_model(path)


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
    arrays = [node("NdArrayNode", "numpy", "ndarray", type="numpy", file="a.npy", __id__=i + 1) for i in range(times)]
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
