"""A first look at all rows of a table: the model is asked once about each, so that what it refuses is found early."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.cli.columns import known_levels, with_levels
from agnostic_ig.cli.messages import PROGRAM, about
from agnostic_ig.engines.native_categories import native_categories
from agnostic_ig.engines.response import BlackBox, Response
from agnostic_ig.exceptions import InvalidInputError, ModelError
from agnostic_ig.frames import take_rows
from agnostic_ig.methods._inputs import prepare_inputs
from agnostic_ig.streaming import Table
from agnostic_ig.validation import shorten

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Survey", "look_at"]


@dataclass(frozen=True)
class Survey:
    """Number of rows and of the model's outputs, and the columns that hold text or categories somewhere."""

    n_rows: int
    n_outputs: int
    levels: set[str]


def look_at(
    table: Table, features: Sequence[str], response: Response, levels: set[str], n_most: int | None = None
) -> Survey:
    """Ask the model about every row, or about the first `n_most`; `levels` are columns known to hold text.

    Raises
    ------
    InvalidInputError
        The model does not take a row, or the file is damaged further down.
    """
    n_rows, n_outputs = 0, 0
    with about("--data"):
        for batch in table:
            X = take_rows(batch[list(features)], slice(0, n_most))
            levels = levels | known_levels(X, features)
            n_outputs = _ask(response, with_levels(X, levels), table.path.name, n_rows)
            n_rows += len(X)
            if n_most is not None:
                break
    return Survey(n_rows, n_outputs, levels)


def _ask(response: Response, X: "DataFrame", name: str, n_before: int) -> int:
    """Number of outputs that the model gives for these rows."""
    inputs = prepare_inputs(PROGRAM, response.model, X, take_rows(X, slice(0, 1)), None, None, None)
    try:
        return BlackBox(response, inputs.codec).ask(inputs.X).shape[1]
    except ModelError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InvalidInputError(
            f"the model does not take rows {n_before + 1:,} to {n_before + len(X):,} of {name}. {reason}. "
            + " ".join(_oddities(response.model, X, n_before))
        ) from error


def _oddities(model: Any, X: "DataFrame", n_before: int) -> list[str]:
    """What models tend to refuse, where there is some of it."""
    text = sorted(known_levels(X, list(X.columns)))
    found = [f"Columns that hold text: {shorten(text)}."] if text else []
    if text and native_categories(model, X.shape[1]).any():
        found.append("The model knows categories: a Parquet file keeps them (pandas: astype('category'), to_parquet).")
    for word, is_odd in ODD.items():
        cell = next(((name, np.flatnonzero(is_odd(X[name]))) for name in X.columns if is_odd(X[name]).any()), None)
        if cell is not None:
            found.append(f"Column {cell[0]!r} holds {word} in row {n_before + cell[1][0] + 1:,}.")
    return found


def _is_missing(column: Any) -> np.ndarray:
    return column.isna().to_numpy()


def _is_infinite(column: Any) -> np.ndarray:
    if column.dtype.kind not in "iuf":
        return np.zeros(len(column), dtype=bool)
    return np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan))


ODD = {"nothing (NaN)": _is_missing, "infinity": _is_infinite}
