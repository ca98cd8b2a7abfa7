"""From rows as a codec has them to the numbers that XGBoost's trees split on: its own codes, and NaN for missing."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Unsupported

__all__ = ["encoder", "known_categories"]


def known_categories(forest: Mapping[str, Any]) -> list[np.ndarray]:
    """The categories of every column in the order of their codes, empty where there are none.

    XGBoost >= 3.1 stores those of the frame it was fitted on; older versions, and arrays, split on codes as they come.
    """
    return [
        _names(one) if "offsets" in one else np.array(one["values"]) for one in forest.get("cats", {}).get("enc", [])
    ]


def _names(stored: Mapping[str, Any]) -> np.ndarray:
    """Bytes one behind the other, cut at offsets that count characters."""
    joined = bytes(byte % 256 for byte in stored["values"])
    if not joined.isascii():
        raise Unsupported("XGBoost cuts names of categories in wrong places unless they are ASCII, and mixes them up")
    return np.array([joined[i:j].decode() for i, j in pairwise(stored["offsets"])])


def encoder(known: list[np.ndarray], missing: float | None, codec: Any) -> Callable[[np.ndarray], np.ndarray]:
    """XGBoost takes a value as missing before it looks up the category, and where a sparse matrix has a gap."""
    changes: list[Callable[[np.ndarray], None]] = []
    if codec.container == "sparse":
        changes.append(partial(_clear, 0.0))
    if missing is not None and not np.isnan(missing):
        changes.append(partial(_clear, missing))
    for j, (column, names) in enumerate(zip(codec.columns, known, strict=False)):
        if column.kind == "levels" and names.size:
            changes.append(partial(_recode, j, _codes(column.levels, names)))

    def encode(rows: np.ndarray) -> np.ndarray:
        rows = rows.copy()
        for change in changes:
            change(rows)
        return rows

    return encode if changes else lambda rows: rows


def _clear(missing: float, rows: np.ndarray) -> None:
    """XGBoost compares in float32, as it sees the rows."""
    with np.errstate(over="ignore"):
        rows[rows.astype(np.float32) == np.float32(missing)] = np.nan


def _recode(column: int, codes: np.ndarray, rows: np.ndarray) -> None:
    present = ~np.isnan(rows[:, column])
    rows[present, column] = codes[rows[present, column].astype(np.intp)]


def _codes(levels: tuple, names: np.ndarray) -> np.ndarray:
    """The model's code of every level.

    XGBoost (3.2) looks up the first name in alphabetical order that is not before the level, and does not compare them:
    a level that training had not takes the code of the next name, and is refused by the model behind the last.
    """
    order = np.argsort(names)
    return order[np.minimum(np.searchsorted(names[order], np.array(levels)), names.size - 1)]
