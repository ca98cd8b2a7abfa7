"""Tables on disk: what is read means the same in every batch, what is damaged is named."""

import gzip
import io
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_files import batches, sample, with_ending, write

from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.streaming import TableWriter, open_table, read_table
from agnostic_ig.streaming.csv_lines import MAX_LINE

KINDS = [".csv", ".csv.gz", ".parquet", "", ".CSV"]


@pytest.mark.parametrize("ending", KINDS)
@pytest.mark.parametrize("rows", [1, 4, 25, 100])
def test_batches_are_the_table(ending: str, rows: int, tmp_path: Path) -> None:
    frame = sample()
    table = open_table(with_ending(tmp_path, frame, ending), batch_rows=rows)
    assert table.columns == list(frame.columns)
    assert table.n_rows == (None if "csv" in ending.lower() else len(frame))
    for _ in range(2):  # a table can be read again
        parts = list(table)
        assert max(len(part) for part in parts) <= rows
        pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), frame, check_dtype=False)


@pytest.mark.parametrize("ending", KINDS)
def test_read_table_and_columns(ending: str, tmp_path: Path) -> None:
    frame = sample()
    path = with_ending(tmp_path, frame, ending)
    pd.testing.assert_frame_equal(read_table(path), frame)
    wanted = ["word", "amount"]
    pd.testing.assert_frame_equal(read_table(str(path), columns=wanted), frame[wanted])
    with pytest.raises(InvalidInputError, match=r"has no column 'amout'\. Did you mean 'amount'\?"):
        open_table(path, columns=["amout"])
    with pytest.raises(InvalidInputError, match="several columns named 'word'"):
        open_table(path, columns=["word", "word"])
    with pytest.raises(InvalidParameterError, match="'columns' parameter of open_table must be a sequence of col"):
        open_table(path, columns="word")
    with pytest.raises(InvalidParameterError, match="'columns' parameter of open_table must be None or at least"):
        open_table(path, columns=[])
    with pytest.raises(InvalidParameterError, match="'batch_rows' parameter of open_table must be an int >= 1"):
        open_table(path, batch_rows=0)


# --- floats


@given(numbers=st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_floats_come_back_bit_for_bit(ending: str, numbers: list[float], tmp_path: Path) -> None:
    path = tmp_path / f"floats{ending}"
    with TableWriter(path, force=True) as writer:
        writer.write(pd.DataFrame({"x": numbers}))
    back = read_table(path)["x"].to_numpy(dtype=float)
    assert back.tobytes() == np.array(numbers).tobytes()


def test_bit_patterns_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    numbers = np.frombuffer(rng.bytes(8 * 20_000), dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    path = tmp_path / "floats.csv"
    with TableWriter(path) as writer:
        writer.write(pd.DataFrame({"x": numbers}))
    assert read_table(path)["x"].to_numpy().tobytes() == numbers.tobytes()


# --- a column means the same in every batch


def test_whole_numbers_may_become_decimals(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y\n1,a\n2,b\n,c\n0.5,d\n")
    assert batches(path, 2)[0]["x"].tolist() == [1, 2]
    assert read_table(path)["x"].tolist()[3] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n3,4\n5,six\n", r"column 'y' holds 'six' in row 3, but every row before holds a number"),
        ("x,y\n1,2\n3,4\n5,\n7,1_0\n", "column 'y' holds '1_0' in row 4"),
        (
            "x,y\n1,True\n3,False\n5,0\n",
            "column 'y' holds '0' in row 3, but every row before holds a boolean",
        ),
        ("x,y\n1,True\n3,False\n5,\n6,maybe\n", "column 'y' holds 'maybe' in row 4"),
        ("x,y\n1,2\n3,4\n5,True\n", "column 'y' holds 'True' in row 3, but every row before holds a number"),
        ("x,y\n1,\n3,\n5,2\n7,a\n9,b\n", "column 'y' holds 'a' in row 4|every row"),
    ],
)
def test_numbers_do_not_become_text(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidInputError, match=rf"^table\.csv: {message}[^\n]*as_text"):
        batches(path, 1 if "5,2" in text else 2)


def test_text_stays_text_where_it_looks_like_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "code,x\nA1,1\nB2,2\n007,3\n8,4\n")
    assert [value for part in batches(path, 2) for value in part["code"]] == ["A1", "B2", "007", "8"]


def test_as_text(tmp_path: Path) -> None:
    path = write(tmp_path, "code,x\n007,1\n12345678901234567890123,2\nNA,3\n")
    part = read_table(path, as_text=["code"])
    assert part["code"].tolist()[:2] == ["007", "12345678901234567890123"]
    assert part["code"].isna().tolist() == [False, False, True]
    with pytest.raises(InvalidInputError, match="has no column 'cod'"):
        open_table(path, as_text=["cod"])


def test_columns_that_begin_with_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y,z\n,1,\n,2,\n3,3,a\n4,4,b\n")
    last = batches(path, 2)[1]
    assert last["x"].tolist() == [3, 4]
    assert last["z"].tolist() == ["a", "b"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_large_whole_numbers_are_not_rounded(ending: str, tmp_path: Path) -> None:
    large = 2**53 + 1
    frame = pd.DataFrame({"id": pd.array([large, None, -large], dtype="Int64"), "x": [0.5, None, 1e300]})
    back = read_table(with_ending(tmp_path, frame, ending))
    assert back["id"].tolist()[::2] == [large, -large]
    assert back["id"].isna().tolist() == [False, True, False]
    assert back["x"].dtype == float


def test_numbers_beyond_64_bits_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path, "id,u\n12345678901234567890123,18446744073709551615\n5,1\n")
    back = read_table(path)
    assert back["id"].tolist() == ["12345678901234567890123", "5"]
    assert back["u"].tolist() == [2**64 - 1, 1]


def test_decimals_of_parquet_are_numbers(tmp_path: Path) -> None:
    import decimal

    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"x": [decimal.Decimal("1.25"), None]}), path)
    back = read_table(path)["x"]
    assert back.dtype == float
    assert back.tolist()[0] == 1.25


def test_categories_and_indexes_of_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": pd.Categorical(["u", "v", "u"])}, index=pd.Index([7, 8, 9], name="case"))
    frame.to_parquet(tmp_path / "c.parquet")
    table = open_table(tmp_path / "c.parquet")
    assert table.columns == ["c", "case"]
    (part,) = table
    assert part["case"].tolist() == [7, 8, 9]
    assert part["c"].dtype == "category"


def test_dots_in_names(tmp_path: Path) -> None:
    pd.DataFrame({"a.b": [1], "a": [2]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", columns=["a.b"]).to_dict("list") == {"a.b": [1]}


# --- damaged and foreign files


def truncated_gzip() -> bytes:
    rng = np.random.default_rng(0)
    text = "a,b\n" + "".join(f"{x},{y}\n" for x, y in rng.normal(size=(2000, 2)))
    return gzip.compress(text.encode())[:-2000]


def parquet_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with TableWriter(Path(folder) / "t.parquet") as writer:
            writer.write(sample(500))
        return (Path(folder) / "t.parquet").read_bytes()


def flipped(data: bytes) -> bytes:
    return data[:100] + bytes(byte ^ 0xFF for byte in data[100:400]) + data[400:]


def repeated_parquet() -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), target)
    return target.getvalue()


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("t.csv", b"", "t.csv is empty"),
    "blank": ("t.csv", b"\n  \n\n", "t.csv is empty"),
    "no_rows": ("t.csv", b"a,b\n", "t.csv has a header but no rows"),
    "twice": ("t.csv", b"a,b,a\n1,2,3\n", "t.csv has several columns named 'a'"),
    "too_long": ("t.csv", b"a,b\n1,2\n1,2,3\n", "t.csv, line 3: 3 fields, but the header has 2 columns"),
    "too_long_first": ("t.csv", b"a,b\n1,2,3\n", "t.csv, line 2: 3 fields"),
    "too_short": ("t.csv", b"a,b,c\n1,2,3\n1,2\n", "t.csv, line 3: 2 fields"),
    "too_short_quoted": ("t.csv", b'a,b,c\n1,"2,\n3"\n', "t.csv, line 3: 2 fields"),
    "open_quote": ("t.csv", b'a,b\n1,"2\n3,4\n', "t.csv is not a CSV file: .*EOF inside string"),
    "semicolons": ("t.csv", b"a;b\n1;2\n", "t.csv seems to be separated by ';'"),
    "zero_bytes": ("t.csv", b"a,b\n1,\x00\n", "t.csv is not a CSV file: a zero byte in line 2"),
    "not_utf8": ("t.csv", "a,b\n1,é\n".encode("latin-1"), r"t.csv is not UTF-8 text \(byte 0xe9\)"),
    "utf16": ("t.csv", "a,b\n1,2\n".encode("utf-16"), "t.csv is not UTF-8 text"),
    "rubbish": ("t.csv", np.random.default_rng(0).bytes(5000), "t.csv is not"),
    "parquet_as_csv": ("t.csv", parquet_bytes(), "t.csv is not"),
    "endless": ("t.csv", b"a" * (MAX_LINE + 5), "t.csv is not a CSV file: line 1 does not end"),
    "gzip_truncated": ("t.csv.gz", truncated_gzip(), "t.csv.gz is a damaged or truncated gzip file"),
    "gzip_not": ("t.csv.gz", b"a,b\n1,2\n", "t.csv.gz is a damaged or truncated gzip file"),
    "gzip_damaged": (
        "t.csv.gz",
        gzip.compress(b"a,b\n1,2\n" * 99)[:20] + b"xxxxxxxxxxxxx",
        "t.csv.gz is a damaged",
    ),
    "parquet_truncated": ("t.parquet", parquet_bytes()[:-50], "t.parquet is not a readable Parquet file"),
    "parquet_empty": ("t.parquet", b"", "t.parquet is not a readable Parquet file"),
    "parquet_text": ("t.parquet", b"a,b\n1,2\n" * 9, "t.parquet is not a readable Parquet file"),
    "parquet_damaged": ("t.parquet", flipped(parquet_bytes()), "t.parquet is not a readable Parquet file"),
    "parquet_twice": ("t.parquet", repeated_parquet(), "t.parquet has several columns named 'a'"),
    "other": ("t.xlsx", b"PK", r"t.xlsx is no kind of table.*\.csv\.gz, \.csv, \.parquet or a folder"),
}


@pytest.mark.parametrize("kind", sorted(BAD_FILES))
def test_bad_files_have_one_line_that_names_them(kind: str, tmp_path: Path) -> None:
    name, data, message = BAD_FILES[kind]
    path = write(tmp_path, data, name)
    with pytest.raises(InvalidInputError, match=rf"^{message}[^\n]*$"):
        batches(path, 100)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"'path' parameter of open_table must be a table.*does not exist"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(InvalidInputError, match=r"has no \.parquet files"):
        open_table(tmp_path)
    with pytest.raises(TypeError, match="'path' parameter of open_table must be a str or path-like"):
        open_table(3)


def test_parquet_without_rows(tmp_path: Path) -> None:
    sample()[:0].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidInputError, match=r"t\.parquet has no rows"):
        open_table(tmp_path / "t.parquet")


def test_folders_of_different_files(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1], "b": [1]}).to_parquet(tmp_path / "p0.parquet")
    pd.DataFrame({"b": [2.5], "a": [2]}).to_parquet(tmp_path / "p1.parquet")
    assert read_table(tmp_path).to_dict("list") == {"a": [1, 2], "b": [1.0, 2.5]}
    pd.DataFrame({"a": ["x"], "b": [1]}).to_parquet(tmp_path / "p2.parquet")
    with pytest.raises(InvalidInputError, match=r"Column 'a' holds numbers and text in p0\.parquet and p2\.parquet"):
        open_table(tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "p2.parquet")
    with pytest.raises(InvalidInputError, match=r"p2\.parquet and p0\.parquet have different columns: 'b'"):
        open_table(tmp_path)


def test_forms_of_csv(tmp_path: Path) -> None:
    for text in ("\ufeffa,b\n1,x\n", "a,b\r\n1,x\r\n", "a,b\r1,x", '"a","b"\n"1","x"', "a,b\n\n1,x\n \n\n"):
        assert read_table(write(tmp_path, text)).to_dict("list") == {"a": [1], "b": ["x"]}
    assert open_table(write(tmp_path, ",a\n0,5\n")).columns == ["Unnamed: 0", "a"]
    assert read_table(write(tmp_path, 'a,b\n5" pipe,"x ""y"", z"\n'))["b"].tolist() == ['x "y", z']


def test_reading_takes_little_memory(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40_000, 10)))
    frame.columns = [f"c{j}" for j in frame]
    for ending in (".csv", ".parquet"):
        path = with_ending(tmp_path, frame, ending)
        tracemalloc.start()
        assert sum(len(part) for part in open_table(path, batch_rows=1000)) == len(frame)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # The table has 3.2 MB, as CSV 8 MB; a batch of it 80 kB, as text 200 kB, held a few times over.
        assert peak < 2_000_000, ending


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, agnostic_ig.streaming, agnostic_ig.model_files\n"
        "heavy = ('pandas', 'pyarrow', 'sklearn', 'skops', 'joblib', 'numba')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
