"""Small tables on disk, of every kind that can be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agnostic_ig.streaming import TableWriter, open_table


def sample(n_rows: int = 25) -> pd.DataFrame:
    """Numbers with missing ones, text with commas, quotes and line ends, booleans."""
    rng = np.random.default_rng(0)
    amount = rng.normal(size=n_rows) * 10.0 ** rng.integers(-9, 9, size=n_rows)
    amount[3] = np.nan
    words = np.array(["plain", "a, b", 'say "so"', "two\nlines", "é€"])
    return pd.DataFrame(
        {
            "amount": amount,
            "count": np.arange(n_rows) - 5,
            "word": words[rng.integers(0, 5, size=n_rows)],
            "seen": rng.random(n_rows) < 0.5,
        }
    )


def write(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def batches(path: Path, rows: int, **options: Any) -> list[pd.DataFrame]:
    return list(open_table(path, batch_rows=rows, **options))


def save(path: Path, *frames: pd.DataFrame, force: bool = False, then: Callable[[], Any] = int) -> None:
    """Write frames; `then` happens before the file is complete."""
    with TableWriter(path, force=force) as writer:
        for frame in frames:
            writer.write(frame)
        then()


def with_ending(path: Path, frame: pd.DataFrame, ending: str) -> Path:
    """The frame in a file of each kind that can be read."""
    path = path / f"table{ending}"
    if ending == ".parquet":
        frame.to_parquet(path, row_group_size=7)
    elif ending == "":
        path.mkdir()
        frame[:10].to_parquet(path / "part-0.parquet")
        frame[10:].to_parquet(path / "part-1.parquet")
    else:
        frame.to_csv(path, index=False)
    return path
