"""Tables written batch by batch: what is there is whole, and nothing else is left."""

import errno
import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from table_files import sample, save, with_ending, write

from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.streaming import TableWriter, atomic, open_table, read_table


def test_nothing_is_there_before_the_end(tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet"):
        with TableWriter(tmp_path / name) as writer:
            writer.write(sample(5))
            assert not (tmp_path / name).exists()
            writer.write(sample(4))
            assert writer.n_rows == 9
        assert len(read_table(tmp_path / name)) == 9
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "t.parquet"]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_failure_leaves_nothing(name: str, tmp_path: Path) -> None:
    def fail() -> None:
        raise error("inside")

    (tmp_path / name).write_text("old")
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error, match="inside"):
            save(tmp_path / name, sample(), force=True, then=fail)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "old"


def test_existing_files_need_force(tmp_path: Path) -> None:
    path = write(tmp_path, "old")
    with pytest.raises(InvalidParameterError, match=r"'path' parameter of TableWriter must be a new file.*--force"):
        TableWriter(path)
    with TableWriter(path, force=True) as writer:
        writer.write(sample())
    assert len(read_table(path)) == 25


def test_files_that_appear_meanwhile_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(InvalidParameterError, match="must be a new file"):
        save(path, sample(), then=lambda: path.write_text("somebody else's"))
    assert os.listdir(tmp_path) == ["t.csv"]
    assert path.read_text() == "somebody else's"


def test_a_table_can_replace_its_own_source(tmp_path: Path) -> None:
    path = with_ending(tmp_path, sample(), ".csv")
    with TableWriter(path, force=True) as writer:
        for part in open_table(path, batch_rows=4):
            writer.write(part.assign(more=1))
    assert read_table(path).columns.tolist() == [*sample().columns, "more"]


def test_bad_destinations(tmp_path: Path) -> None:
    for path, must in (
        (tmp_path / "none" / "t.csv", "a file in a folder that exists"),
        (tmp_path, "a file, not a folder"),
        (tmp_path / "t.xlsx", r"a file that ends in \.parquet or \.csv"),
    ):
        with pytest.raises(InvalidParameterError, match=f"The 'path' parameter of TableWriter must be {must}"):
            TableWriter(path)
    with pytest.raises(TypeError, match="'path' parameter of TableWriter must be a str or path-like"):
        TableWriter(None)
    with pytest.raises(RuntimeError, match="inside a with block"):
        TableWriter(tmp_path / "t.csv").write(sample())
    assert os.listdir(tmp_path) == []


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder in which files cannot be made, even for the administrator, who is somebody else here."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)


def test_read_only_folder(read_only_folder: Path) -> None:
    must = r"^The 'path' parameter of TableWriter must be in a folder that can be written to\."
    with pytest.raises(InvalidInputError, match=rf"{must} .*Permission denied\.$"):
        save(read_only_folder / "t.csv", sample())
    assert os.listdir(read_only_folder) == []


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """A limit on the size of files: the system refuses to write on, as it does when the disk is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.usefixtures("small_files_only")
def test_disk_that_refuses(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=30_000)})
    with pytest.raises(OSError, match=rf"Writing {name} failed and nothing was left behind: .*too large"):
        save(tmp_path / name, frame)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_full_disk_at_the_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="nothing was left behind: No space left on device") as caught:
        save(tmp_path / name, sample())
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_permissions_are_those_of_other_files(tmp_path: Path) -> None:
    other = write(tmp_path, "x", "other")
    with TableWriter(tmp_path / "t.csv") as writer:
        writer.write(sample())
    assert (tmp_path / "t.csv").stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_batches_must_fit(name: str, tmp_path: Path) -> None:
    cases: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
        (lambda frame: frame.drop(columns="word"), "other columns than the first: 'word'"),
        (lambda frame: frame[frame.columns[::-1]], "another order"),
        (lambda frame: frame.set_axis([1, 2, 3, 4], axis=1), "names that are text and all different"),
        (lambda frame: frame.set_axis(["a", "a", "b", "c"], axis=1), "names that are text and all different"),
    ]
    for change, message in cases:
        with pytest.raises(InvalidInputError, match=message):
            save(tmp_path / name, sample(), change(sample()))
    with pytest.raises(InvalidInputError, match="nothing to save"):
        save(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_parquet_columns_widen(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parts = [
        pd.DataFrame({"i": [1, 2], "late": [np.nan, np.nan], "none": [None, None], "c": pd.Categorical(["u", "v"])}),
        pd.DataFrame({"i": [3.0, np.nan], "late": ["x", None], "none": [None, None], "c": pd.Categorical(["w", "u"])}),
        pd.DataFrame({"i": [0.5, 4.0], "late": [None, "y"], "none": [1.5, None], "c": ["t", "u"]}),
    ]
    with TableWriter(path) as writer:
        for part in parts:
            writer.write(part)
    back = read_table(path)
    np.testing.assert_array_equal(back["i"], [1, 2, 3, np.nan, 0.5, 4])
    assert back["late"].fillna("").tolist() == ["", "", "x", "", "", "y"]
    assert back["none"].dtype == float
    assert back["c"].tolist() == ["u", "v", "w", "u", "t", "u"]
    assert os.listdir(tmp_path) == ["t.parquet"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([[1], ["x"]], "Column 'x' holds int64 in the first batches and .*string in a later one"),
        ([[None], ["x"], [0.5]], "Column 'x' holds .*string in the first batches and double in a later one"),
        ([[2**60 + 1], [0.5]], "Column 'x' cannot be saved as double"),
        ([[1], [[object()]]], "A column cannot be saved as Parquet.*column x"),
    ],
)
def test_parquet_columns_that_do_not_fit(parts: list[list], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{message}[^\n]*$"):
        save(tmp_path / "t.parquet", *(pd.DataFrame({"x": pd.Series(part)}) for part in parts))
    assert os.listdir(tmp_path) == []


def test_formulas_are_neutralised_in_csv_only(tmp_path: Path) -> None:
    texts = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "\nx", "plain", "a=b", "-5", "+3.5e4", "-", ""]
    frame = pd.DataFrame({"=name": texts, "n": -np.arange(13.0), "c": pd.Categorical(texts)})
    safe = [
        "'=1+1",
        "'+1+1",
        "'-1+1",
        "'@SUM(A1)",
        "'\tx",
        "'\rx",
        "'\nx",
        "plain",
        "a=b",
        "-5",
        "+3.5e4",
        "'-",
        "",
    ]
    with TableWriter(tmp_path / "t.csv") as writer:
        writer.write(frame)
    back = read_table(tmp_path / "t.csv", as_text=["'=name", "c"])
    assert back.columns.tolist() == ["'=name", "n", "c"]
    assert back["'=name"].fillna("").tolist() == back["c"].fillna("").tolist() == safe
    assert back["n"].tolist() == frame["n"].tolist()
    with TableWriter(tmp_path / "t.parquet") as writer:
        writer.write(frame)
    assert read_table(tmp_path / "t.parquet")["=name"].tolist() == texts
