"""Files that are damaged, foreign or forged: refused with one clear error, and no code is run."""

import io
import json
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from explanations import assert_same, make_bits
from scipy import sparse

from agnostic_ig.exceptions import InvalidInputError, MissingDependencyError
from agnostic_ig.results import load_explanation

# --- files that are wrong ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    frame = pd.DataFrame({"größe": ["a", "b", "a"], "b\n": pd.Categorical(["u", "v", "u"])})
    make_bits(frame).save(tmp_path / "e.aig")
    return tmp_path / "e.aig"


def rewrite(path: Path, change, compression=zipfile.ZIP_STORED):
    """The same zip after `change(members)`."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members) or members
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def edit_manifest(edit):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        edit(manifest)
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def put(name, content):
    return lambda members: members.update({name: content})


class Bomb:
    """Leaves a file behind when unpickled."""

    path = "set by the test"

    def __reduce__(self):
        return Path(self.path).touch, ()


def test_rewriting_alone_is_harmless(saved):
    rewrite(saved, lambda members: None)
    assert load_explanation(saved).data["größe"].tolist() == ["a", "b", "a"]


def test_smuggled_pickle_is_not_run(saved, tmp_path):
    bomb = Bomb()
    Bomb.path = str(tmp_path / "boom")
    content = npy(np.array([bomb, bomb, bomb], dtype=object), allow_pickle=True)
    np.load(io.BytesIO(content), allow_pickle=True)
    assert (tmp_path / "boom").exists(), "the bomb must be live for this test to mean anything"
    (tmp_path / "boom").unlink()
    for name in ("predictions.npy", "data.column0.npy", "index.npy"):
        rewrite(saved, put(name, content))
        with pytest.raises(InvalidInputError, match=r"e\.aig is not an explanation .*Python objects"):
            load_explanation(saved)
    rewrite(saved, put("manifest.json", pickle.dumps(bomb)))
    with pytest.raises(InvalidInputError, match="is not an explanation"):
        load_explanation(saved)
    assert not (tmp_path / "boom").exists()


def header(shape, descr="<f8"):
    text = str({"descr": descr, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("manifest.json") and None, "no manifest"),
        (lambda m: m.pop("values.npy") and None, "not those of its manifest"),
        (put("../evil.npy", npy(np.zeros(1))), "not those of its manifest"),
        (put("extra.txt", b"hello"), "not those of its manifest"),
        (put("values.npy", b"hello"), "magic"),
        (put("values.npy", npy(np.zeros((3, 2)))[:-1]), "not as long as it says"),
        (put("values.npy", npy(np.zeros((3, 2))) + b"x"), "not as long as it says"),
        (put("values.npy", header((2**60, 2**60)) + b"x"), "not as long as it says"),
        (put("values.npy", header((-1, -6)) + bytes(48)), "not as long as it says"),
        (put("values.npy", header((2**40,), "<U0")), "not as long as it says"),
        (put("values.npy", header((3, 2), "|V8") + bytes(48)), "its values are not numbers"),
        (put("values.npy", npy(np.zeros((3, 3)))), "must have shape"),
        (put("predictions.npy", npy(np.zeros(4))), r"'predictions' of Explanation must have shape \(3,\)"),
        (put("data.column0.npy", npy(np.array([0, 1, 7]))), "codes do not match"),
        (put("data.column0.npy", npy(np.array([0, -1, 0]))), "codes do not match"),
        (put("data.column0.npy", npy(np.array([0.0, 1.0, 0.0]))), "codes do not match"),
        (put("data.column1.npy", npy(np.array([0, 1, 9], dtype=np.int8))), "codes"),
        (put("data.column1.npy", npy(np.array([0, 1], dtype=np.int8))), "length|Length|match"),
        (put("manifest.json", b"[]"), "some other kind of file"),
        (put("manifest.json", b"{"), "Expecting"),
        (put("manifest.json", b"[" * 100_000), "recursion"),
        (edit_manifest(lambda m: m.update(format="other")), "some other kind of file"),
        (
            edit_manifest(lambda m: m.update(version=2)),
            "format version 2, and this agnostic-ig reads version 1",
        ),
        (edit_manifest(lambda m: m.update(members=["values"])), "not those of its manifest"),
        (edit_manifest(lambda m: m.pop("facts")), "facts"),
        (edit_manifest(lambda m: m["facts"].update(exact="yes")), "'exact' is not a bool"),
        (edit_manifest(lambda m: m["facts"].update(feature_names=["a"])), "must hold 2 names"),
        (edit_manifest(lambda m: m["facts"].update(feature_names=["a", "a"])), "must be distinct"),
        (edit_manifest(lambda m: m["facts"].update(description={"a": []})), "dict of str to str"),
        (edit_manifest(lambda m: m.update(data_columns=[[True], [1]])), "columns that its data do not have"),
        (edit_manifest(lambda m: m.update(axes=["sample"])), "do not have the axes"),
        (edit_manifest(lambda m: m.update(data_columns=[[0], [2]])), "columns that its data do not have"),
        (edit_manifest(lambda m: m["data"].update(kind="spark")), "spark"),
        (edit_manifest(lambda m: m["levels"]["data.column0"].pop()), "codes do not match"),
        (
            edit_manifest(lambda m: m["levels"].update({"data.column0": [["os.system", "ls"]] * 2})),
            "os.system",
        ),
        (
            edit_manifest(lambda m: m["levels"].update({"data.column0": [["numpy", ["|O", "00" * 8]]] * 2})),
            "object",
        ),
    ],
)
def test_wrong_files_are_refused(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(InvalidInputError, match=rf"(?s)e\.aig is not an explanation saved by agnostic-ig.*({message})"):
        load_explanation(saved)


def test_sparse_indices_outside_the_matrix_are_refused(tmp_path):
    path = tmp_path / "e.aig"
    make_bits(sparse.csr_matrix(np.eye(3, 2))).save(path)
    rewrite(path, put("data.indices.npy", npy(np.array([0, 10_000_000], dtype=np.int32))))
    with pytest.raises(InvalidInputError, match="is not an explanation"):
        load_explanation(path)


def test_rows_of_data_that_nobody_explained(tmp_path):
    path = tmp_path / "e.aig"
    make_bits().save(path)
    rewrite(path, put("data.table.npy", npy(np.zeros((4, 2)))))
    with pytest.raises(InvalidInputError, match="its data have 4 rows and 3 are explained"):
        load_explanation(path)


def test_compressed_members_are_refused(saved):
    rewrite(saved, lambda members: None, zipfile.ZIP_DEFLATED)
    with pytest.raises(InvalidInputError, match="compressed"):
        load_explanation(saved)


def test_repeated_members_are_refused(saved):
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("values.npy", npy(np.zeros((3, 2))))
    with pytest.raises(InvalidInputError, match="not those of its manifest"):
        load_explanation(saved)


def test_a_missing_library_is_not_a_damaged_file(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pandas"):
        load_explanation(saved)


@pytest.mark.parametrize("size", ["file_size", "compress_size"])
def test_members_larger_than_the_file_are_not_read(saved, size):
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        setattr(archive.getinfo("values.npy"), size, 10**12)
    with pytest.raises(InvalidInputError, match="larger than the file"):
        load_explanation(saved)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(100), b"PK\x05\x06" + bytes(18)])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "foreign").write_bytes(content)
    with pytest.raises(InvalidInputError, match="foreign is not an explanation"):
        load_explanation(tmp_path / "foreign")


def test_a_zip_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", values=np.zeros((3, 2)))
    with pytest.raises(InvalidInputError, match="no manifest"):
        load_explanation(tmp_path / "other.npz")


def test_truncated_files_are_refused(saved):
    content = saved.read_bytes()
    for length in np.linspace(0, len(content) - 1, 40, dtype=int):
        saved.write_bytes(content[:length])
        with pytest.raises(InvalidInputError, match="is not an explanation"):
            load_explanation(saved)


def test_a_flipped_bit_is_refused_or_without_effect(saved):
    """Flips in what zip readers ignore (dates, attributes) change nothing; everything else is found out."""
    content, whole = saved.read_bytes(), load_explanation(saved)
    refused = 0
    for place in np.random.default_rng(0).integers(0, len(content), 300):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        saved.write_bytes(damaged)
        try:
            again = load_explanation(saved)
        except InvalidInputError:
            refused += 1
            continue
        assert_same(again, whole)
        pd.testing.assert_frame_equal(again.data, whole.data)
    assert refused > 150
