"""Users' tables as they are: which container, its names, rows, columns and elements; frames for results."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.validation import import_optional

__all__ = [
    "by_columns",
    "column_names",
    "column_values",
    "container_of",
    "container_of_series",
    "is_missing",
    "make_frame",
    "matrix_shape",
    "one_column",
    "one_row",
    "row_labels",
    "take_columns",
    "take_rows",
]

Selection = slice | np.ndarray


def container_of(table: Any) -> str:
    """ "pandas", "polars", "sparse" or "array", told without importing any of them; subclasses count."""
    frame = _library_of(table, "DataFrame")
    if frame is not None:
        return frame
    sparse = sys.modules.get("scipy.sparse")
    return "sparse" if sparse is not None and sparse.issparse(table) else "array"


def container_of_series(series: Any) -> str:
    """The same for one column: "pandas", "polars" or "array"."""
    return _library_of(series, "Series") or "array"


def _library_of(data: Any, name: str) -> str | None:
    """The library whose class `name` made the data; who holds its data has imported it."""
    for library in ("pandas", "polars"):
        kind = getattr(sys.modules.get(library), name, None)
        if kind is not None and isinstance(data, kind):
            return library
    return None


def column_names(table: Any) -> list[Any] | None:
    """Column names of a frame, None for arrays."""
    return list(table.columns) if container_of(table) in ("pandas", "polars") else None


def row_labels(table: Any) -> np.ndarray:
    """Row labels: the index of a pandas frame, otherwise 0 … n - 1."""
    return table.index.to_numpy() if container_of(table) == "pandas" else np.arange(matrix_shape(table)[0])


def matrix_shape(table: Any) -> tuple[int, ...]:
    """(n_rows, n_columns) of a table."""
    return tuple(table.shape) if hasattr(table, "shape") else np.shape(table)


def is_missing(value: Any) -> bool:
    """None, NaN, NaT or pandas' NA (whose comparisons are no booleans, so it is told by its name)."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


class _Table(NamedTuple):
    """What one kind of table can do; selections are slices or arrays of positions, never masks."""

    rows: Callable[[Any, Selection], Any]
    columns: Callable[[Any, np.ndarray], Any]
    column: Callable[[Any, int], Any]
    row: Callable[[Any], Any]


# Copies are taken where a container would hand out a view: changing a slice must not change the original.
_TABLES: dict[str, _Table] = {
    "array": _Table(
        rows=lambda data, rows: data[rows].copy(),
        columns=lambda data, positions: data[:, positions],
        column=lambda data, position: data[:, position].copy(),
        row=lambda data: data[0],
    ),
    "pandas": _Table(
        rows=lambda data, rows: data.iloc[rows].copy(),
        columns=lambda data, positions: data.iloc[:, positions].copy(),
        column=lambda data, position: data.iloc[:, position].copy(),
        row=lambda data: data.iloc[0],
    ),
    "polars": _Table(
        rows=lambda data, rows: data[rows],
        columns=lambda data, positions: data[:, positions.tolist()],
        column=lambda data, position: data.to_series(position),
        row=lambda data: data,
    ),
    "sparse": _Table(
        rows=lambda data, rows: data.tocsr()[rows].asformat(data.format),
        columns=lambda data, positions: data.tocsc()[:, positions].asformat(data.format),
        column=lambda data, position: data.tocsc()[:, [position]].toarray().ravel(),
        row=lambda data: data,
    ),
}


def take_rows(data: Any, rows: Selection) -> Any:
    """The rows at these positions, in a container of the same kind that shares nothing with `data`."""
    return _TABLES[container_of(data)].rows(data, rows)


def take_columns(data: Any, positions: Sequence[int]) -> Any:
    """The columns at these positions, in a container of the same kind."""
    return _TABLES[container_of(data)].columns(data, np.asarray(positions, dtype=np.intp))


def by_columns(data: Any) -> Any:
    """The same table in a form whose columns are cheap to read one after another."""
    return data.tocsc() if container_of(data) == "sparse" else data


def one_column(data: Any, position: int) -> Any:
    """One column as its container gives it: ndarray (dense for sparse data), pandas Series, polars Series."""
    return _TABLES[container_of(data)].column(data, position)


def one_row(data: Any) -> Any:
    """The only row of a one-row table: ndarray, pandas Series; polars and sparse rows stay tables."""
    return _TABLES[container_of(data)].row(data)


def column_values(data: Any, position: int) -> np.ndarray:
    """Elements of one column as an array of shape (n_samples,); None where a nullable type has no value."""
    column = one_column(data, position)
    return _ELEMENTS[container_of(data)](column)


def _pandas_elements(column: Any) -> np.ndarray:
    """numpy's own types as they are, pandas' own (categories, nullable integers) as objects."""
    plain = isinstance(column.dtype, np.dtype)
    return column.to_numpy() if plain else column.to_numpy(dtype=object, na_value=None)


def _polars_elements(column: Any) -> np.ndarray:
    """Numbers without nulls as numbers; everything else as objects, so that 3 beside a null stays an int."""
    if column.null_count() == 0 and (column.dtype.is_numeric() or str(column.dtype) == "Boolean"):
        return column.to_numpy()
    elements = np.empty(len(column), dtype=object)
    elements[:] = column.to_list()
    return elements


_ELEMENTS: dict[str, Callable[[Any], np.ndarray]] = {
    "array": lambda column: column,
    "pandas": _pandas_elements,
    "polars": _polars_elements,
    "sparse": lambda column: column,
}


def make_frame(
    columns: dict[Any, np.ndarray],
    labels: np.ndarray,
    *,
    like: Any = None,
    second: tuple[str, np.ndarray] | None = None,
) -> Any:
    """A pandas DataFrame with row labels.

    Parameters
    ----------
    columns : dict of column label -> ndarray of shape (n_rows,)
    labels : ndarray of shape (n_rows,)
        Row labels.
    like : pandas DataFrame or other table, optional
        A frame that carries just these labels gives its own index, with name and type.
    second : tuple of (str, ndarray of shape (n_rows,)), optional
        Name and labels of a second index level; the index is then a MultiIndex ``("sample", name)``.
    """
    pandas = import_optional("pandas", extra="app", purpose="to_frame")
    if second is None:
        return pandas.DataFrame(columns, index=_index_like(pandas, labels, like))
    index = pandas.MultiIndex.from_arrays([labels, second[1]], names=["sample", second[0]])
    return pandas.DataFrame(columns, index=index)


def _index_like(pandas: Any, labels: np.ndarray, like: Any) -> Any:
    """The index of `like` where it has these labels: it knows more (name, type) than an array of them."""
    if container_of(like) == "pandas" and like.index.tolist() == pandas.Index(labels, dtype=labels.dtype).tolist():
        return like.index
    return pandas.Index(labels)
