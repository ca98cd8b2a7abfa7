"""Saving and loading: every field comes back bit for bit, a failed save leaves nothing."""

import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from explanations import assert_same, bits, make_bits, round_trip
from scipy import sparse

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.results import load_explanation

# --- round trips ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_every_field_bit_for_bit(tmp_path, n_outputs):
    e = make_bits(n_outputs=n_outputs)
    again = round_trip(e, tmp_path)
    assert_same(again, e)
    assert again.shape == e.shape
    assert again[1].shape == e[1].shape


def test_fields_that_are_none_stay_none(tmp_path):
    nothing = dict.fromkeys(["base_values", "convergence_delta", "std_error", "n_evaluations", "smoothed_predictions"])
    assert_same(round_trip(make_bits(**nothing), tmp_path), make_bits(**nothing))


@pytest.mark.parametrize(
    "cut",
    [
        lambda e: e[1],
        lambda e: e[:, "größe"],
        lambda e: e[0, 0],
        lambda e: e[[]],
        lambda e: e.abs.mean(0),
        lambda e: e.sum(),
        lambda e: e.group({"g": [0, 1]}),
        lambda e: e.contrast(0, 2),
    ],
)
def test_parts_and_aggregates(tmp_path, cut):
    frame = pd.DataFrame({"größe": [1, 2, 3], "b\n": [0.5, 1.5, 2.5]}, index=[("x", 1), ("y", 2), ("z", 3)])
    e = cut(make_bits(frame))
    again = round_trip(e, tmp_path)
    assert_same(again, e)
    assert again.shape == e.shape
    assert repr(again) == repr(e)
    assert (again.data is None) == (e.data is None)
    if isinstance(e.data, pd.DataFrame):
        pd.testing.assert_frame_equal(again.data, e.data)


def test_absolute_values_remember_that_they_are(tmp_path):
    with pytest.raises(InvalidInputError, match="signed"):
        round_trip(make_bits().abs, tmp_path).group({"g": [0, 1]})


@pytest.mark.parametrize(
    "data",
    [
        np.arange(6.0).reshape(3, 2),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(3, 2)),
        np.array([["a", "bcd"]] * 3),
        np.array([[True, False]] * 3),
        np.array([[1, "x"], [1.0, None], [True, b"x"]], dtype=object),
        np.arange(6).reshape(3, 2).astype(">f4"),
        np.array([["2024-01-01", "NaT"]] * 3, dtype="M8[s]"),
    ],
    ids=lambda data: str(data.dtype),
)
def test_arrays(tmp_path, data):
    again = round_trip(make_bits(data), tmp_path).data
    assert bits(again) == bits(data)
    assert again.flags.f_contiguous == data.flags.f_contiguous


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "bsr", "dok", "dia"])
@pytest.mark.parametrize("flavour", ["array", "matrix"])
def test_sparse(tmp_path, form, flavour):
    data = getattr(sparse, f"{form}_{flavour}")(np.array([[0.0, 1.5], [0.0, 0.0], [2.5, 0.0]], dtype=np.float32))
    again = round_trip(make_bits(data), tmp_path).data
    assert type(again) is type(data)
    assert again.dtype == data.dtype
    assert again.toarray().tolist() == data.toarray().tolist()


def test_sparse_structure_is_kept(tmp_path):
    data = sparse.csr_matrix((np.array([0.0, 2.0]), np.array([1, 0]), np.array([0, 2, 2, 2])), shape=(3, 2))
    again = round_trip(make_bits(data), tmp_path).data
    assert again.indices.tolist() == [1, 0]
    assert again.data.tolist() == [0.0, 2.0]


def test_equal_explanations_are_equal_files(tmp_path):
    make_bits().save(tmp_path / "a")
    make_bits().save(str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


# --- what cannot be saved ---------------------------------------------------------------------------------


class Strange:
    """Something only pickle could write."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            pd.DataFrame({"größe": [Strange()] * 3, "b": 1}),
            "Column 'größe' of the data holds an element of type Strange",
        ),
        (np.array([[Strange(), 1]] * 3, dtype=object), "an element of type Strange"),
        (pl.DataFrame({"größe": [[1], [2], [3]], "b": [1, 2, 3]}), "Column 'größe' is of polars type List"),
    ],
)
def test_objects_that_need_pickle_are_named(tmp_path, data, message):
    with pytest.raises(InvalidInputError, match=message):
        make_bits(data).save(tmp_path / "e.aig")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["numpy.lib.format.write_array", "os.replace"])
def test_a_failed_save_leaves_nothing_and_keeps_the_old_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "e.aig"
    make_bits().save(path)
    before = path.read_bytes()
    calls = []

    def fail(*arguments, **options):
        calls.append(arguments)
        if len(calls) == (3 if broken.startswith("numpy") else 1):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="No space left"):
        make_bits(exact=True).save(path)
    calls.clear()
    with pytest.raises(OSError, match="No space left"):
        make_bits().save(tmp_path / "new.aig")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["e.aig"]


def test_the_file_is_as_readable_as_any_new_file(tmp_path):
    make_bits().save(tmp_path / "e.aig")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "e.aig").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        make_bits().save(tmp_path / "no" / "e.aig")
    with pytest.raises(FileNotFoundError):
        load_explanation(tmp_path / "no.aig")
