"""A `Codec` turns a user's table into numbers and back.

Below this file every table is a C-contiguous float64 matrix; discrete columns hold codes. Before the model is
asked, the codec rebuilds the container that the model expects: names, order, dtypes, categories.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames_columns import Column, describe_column
from agnostic_ig.frames_tables import (
    column_names,
    container_of,
    matrix_shape,
    row_labels,
    take_rows,
)
from agnostic_ig.validation import import_optional, shorten

__all__ = [
    "Codec",
    "check_names",
    "check_table",
    "column_names",
    "container_of",
    "matrix_shape",
    "row_labels",
    "take_rows",
]


def check_table(label: str, table: Any) -> Any:
    """A 2-D, non-empty table in a container we know; lists become arrays."""
    if container_of(table) == "array":
        table = _check_array(label, table)
    if 0 in matrix_shape(table):
        raise InvalidInputError(f"{label} must have at least one row and one column. Got shape {matrix_shape(table)}.")
    names = column_names(table) or []
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"{label} has several columns of the name {twice!r}; give each its own.")
    return table


def _check_array(label: str, table: Any) -> np.ndarray:
    """An array of two dimensions; numpy itself refuses rows of different lengths."""
    if (
        hasattr(table, "to_pandas") and len(getattr(table, "shape", ())) == 2
    ):  # numpy would take an Arrow table without its names
        raise InvalidInputError(f"{label} is a {type(table).__name__}; pass X.to_pandas().")
    if np.ma.is_masked(table):  # numpy would take what stands under the mask
        raise InvalidInputError(f"{label} has masked cells; pass X.filled(np.nan).")
    try:
        array = np.asarray(table)
    except ValueError as error:
        raise InvalidInputError(f"{label} must be 2-D, one row per case: {error}") from None
    if array.ndim == 1:
        how = "X.iloc[[0]]" if hasattr(table, "iloc") else "X.reshape(1, -1)"
        raise InvalidInputError(f"{label} must be 2-D, one row per case. Got 1-D; for a single row pass {how}.")
    if array.ndim != 2:
        got = f"{array.ndim} dimensions" if array.ndim else f"a {type(table).__name__}"
        raise InvalidInputError(f"{label} must be 2-D, one row per case. Got {got}.")
    return array


def check_names(label: str, names: Sequence[Any], wanted: Sequence[Any]) -> None:
    """The same names, in whatever order."""
    known, asked = set(names), set(wanted)
    missing = [name for name in wanted if name not in known]
    extra = [name for name in names if name not in asked]
    if missing or extra or len(names) != len(wanted):
        parts = [f"{word} {shorten(some)}" for word, some in (("lacks", missing), ("has unknown", extra)) if some]
        raise InvalidInputError(
            f"The columns of {label} do not match: it {' and '.join(parts) or 'has names several times'}."
        )


@dataclass(frozen=True)
class Codec:
    """Encoder and decoder of one kind of table.

    Attributes
    ----------
    container : {"array", "pandas", "polars", "sparse"}
        What `decode` builds.
    columns : tuple of Column
    form : object
        More of what it builds: the column index of pandas, the class of a sparse matrix.
    named : bool
        Whether the columns have names that other tables align by.
    """

    container: str
    columns: tuple[Column, ...]
    form: Any = None
    named: bool = False

    @classmethod
    def from_tables(cls, tables: Sequence[tuple[str, Any]], names: Sequence[Any] | None = None) -> "Codec":
        """Codec of several (label, table); the first one decides, levels are collected from all.

        `names` are for a first table that has none itself, for example those that the model was fitted on.
        """
        (label, first), *others = tables
        codec = cls._of(label, first, names)
        for label, table in others:
            codec = codec.with_levels_of(label, table)
        return codec

    @classmethod
    def _of(cls, label: str, table: Any, names: Sequence[Any] | None) -> "Codec":
        container, own = container_of(table), column_names(table)
        form = {"pandas": lambda: table.columns, "sparse": lambda: type(table)}.get(container, lambda: None)()
        if own is not None:
            columns = tuple(describe_column(label, name, table[name]) for name in own)
            return cls(container, columns, form, True)
        array = table if container == "sparse" else _check_array(label, table)
        shown = names if names is not None else [f"x{j}" for j in range(array.shape[1])]
        alike = describe_column(label, "", np.empty(0, dtype=array.dtype))
        return cls(container, tuple(replace(alike, name=name) for name in shown), form, names is not None)

    @property
    def names(self) -> list[str]:
        """Column names for people."""
        return [str(column.name) for column in self.columns]

    @property
    def has_text_names(self) -> bool:
        """Whether the columns have names, and all of them are text."""
        return self.named and all(isinstance(column.name, str) for column in self.columns)

    @property
    def discrete(self) -> np.ndarray:
        """(n_features,) bool: columns with no values in between."""
        return np.array([column.discrete for column in self.columns], dtype=bool)

    def with_levels_of(self, label: str, table: Any) -> "Codec":
        """The same for another table beside the first: its columns align, its levels are known."""
        series = self._aligned(label, table)
        return replace(self, columns=tuple(c.joined(label, s) for c, s in zip(self.columns, series, strict=True)))

    def with_discrete(self, discrete: np.ndarray) -> "Codec":
        """The same with more columns discrete, which then keep their dtype."""
        pairs = zip(self.columns, discrete, strict=True)
        return replace(self, columns=tuple(replace(c, discrete=c.discrete or bool(d)) for c, d in pairs))

    def seen_as(self, container: str, names: Sequence[Any] | None = None) -> "Codec":
        """The same columns in the container that a model was fitted on."""
        if container == self.container:
            return self
        columns = self.columns
        if names is not None:
            columns = tuple(replace(c, name=name) for c, name in zip(columns, names, strict=True))
        return replace(self, container=container, columns=columns, form=names)

    def encode(self, label: str, table: Any) -> np.ndarray:
        """Float64 matrix (n, n_features) of a table; levels become codes, missing values NaN. Always a copy."""
        if container_of(table) == "sparse":
            table = table.toarray()
        plain = container_of(table) == "array" and np.asarray(table).dtype.kind in "biuf"
        if plain and all(c.kind == "number" for c in self.columns) and table.shape[1:] == (len(self.columns),):
            return np.array(table, dtype=np.float64, order="C", subok=False)
        series = self._aligned(label, table)
        parts = [c.encode(label, s) for c, s in zip(self.columns, series, strict=True)]
        return np.ascontiguousarray(np.column_stack(parts))

    def decode(self, matrix: np.ndarray) -> Any:
        """The container the model expects, from a float64 matrix that nobody else holds."""
        return _DECODERS[self.container](self, matrix)

    def _aligned(self, label: str, table: Any) -> list[Any]:
        """The columns of a table in our order: by name where both have names, by place where not."""
        own = column_names(table)
        if own is not None and self.named:
            check_names(label, own, [column.name for column in self.columns])
            return [table[column.name] for column in self.columns]
        if matrix_shape(table)[1] != len(self.columns):
            raise InvalidInputError(
                f"{label} must have the {len(self.columns)} columns of X. Got {matrix_shape(table)[1]}."
            )
        if own is not None:
            return [table[name] for name in own]
        return list(np.asarray(table.toarray() if container_of(table) == "sparse" else table).T)


# --- decoders: one a container -------------------------------------------------------------------------------


def _decode_array(codec: Codec, matrix: np.ndarray) -> np.ndarray:
    """Numbers; booleans if there is nothing else, objects as soon as there are levels."""
    if any(column.kind == "levels" for column in codec.columns):
        objects = matrix.astype(object)
        for j, column in enumerate(codec.columns):
            if column.kind == "levels":
                objects[:, j] = column.elements(matrix[:, j])
        return objects
    return matrix.astype(bool) if all(column.kind == "bool" for column in codec.columns) else matrix


def _decode_sparse(codec: Codec, matrix: np.ndarray) -> Any:
    return codec.form(_decode_array(codec, matrix))


def _decode_pandas(codec: Codec, matrix: np.ndarray) -> Any:
    pandas = import_optional("pandas", extra="app", purpose="A model that was fitted on a DataFrame")
    if not codec.discrete.any():
        return pandas.DataFrame(matrix, columns=codec.form, copy=False)
    series = {j: _pandas_series(pandas, column, matrix[:, j]) for j, column in enumerate(codec.columns)}
    return pandas.DataFrame(series).set_axis(codec.form, axis=1)


def _pandas_series(pandas: Any, column: Column, codes: np.ndarray) -> Any:
    if column.kind == "number":
        keep = column.discrete and column.dtype is not None and _fits(column, codes, column.dtype.kind in "iu")
        return pandas.Series(codes).astype(column.dtype) if keep else codes
    if isinstance(column.dtype, pandas.CategoricalDtype):
        places = np.where(np.isnan(codes), -1.0, codes).astype(np.intp)
        return pandas.Categorical.from_codes(places, dtype=column.dtype)
    return pandas.Series(column.elements(codes), dtype=bool if column.dtype is None else column.dtype)


def _decode_polars(codec: Codec, matrix: np.ndarray) -> Any:
    import polars

    return polars.DataFrame(
        [_polars_series(polars, c, codes) for c, codes in zip(codec.columns, matrix.T, strict=True)]
    )


def _polars_series(polars: Any, column: Column, codes: np.ndarray) -> Any:
    if column.kind != "number":
        return polars.Series(column.name, column.elements(codes), dtype=column.dtype)
    series = polars.Series(column.name, codes)
    series = series if column.missing is not None else series.fill_nan(None)
    keep = column.discrete and _fits(column, codes, column.dtype.is_integer())
    return series.cast(column.dtype) if keep else series


def _fits(column: Column, codes: np.ndarray, to_integers: bool) -> bool:
    return not to_integers or column.is_whole(codes)


_DECODERS = {
    "array": _decode_array,
    "sparse": _decode_sparse,
    "pandas": _decode_pandas,
    "polars": _decode_polars,
}
