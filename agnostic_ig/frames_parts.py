"""Tables taken apart into plain arrays and a JSON description, and put together again.

`split_table` and `build_table` are inverse: container, dtypes, order of categories and index come back as
they were. Arrays may hold objects (text, None); who stores them must know how, see ``results/levels.py``.
"""

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames import container_of
from agnostic_ig.validation import import_optional

__all__ = ["build_table", "scalar_from_text", "scalar_to_text", "split_table"]

Arrays = dict[str, np.ndarray]
Layout = dict[str, Any]
_PURPOSE = "an explanation of a data frame"


def split_table(data: Any) -> tuple[Layout, Arrays]:
    """A JSON-able layout and the arrays it speaks of."""
    kind = container_of(data)
    arrays: Arrays = {}
    layout = _CONTAINERS[kind][0](data, arrays)
    return {"kind": kind, **layout}, arrays


def build_table(layout: Layout, arrays: Arrays) -> Any:
    """The table that `split_table` took apart."""
    return _CONTAINERS[layout["kind"]][1](layout, arrays)


def _objects(elements: list) -> np.ndarray:
    """A 1-D object array; numpy alone would make a matrix of a list of tuples."""
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


# --- arrays and sparse matrices ---------------------------------------------------------------------------


def _split_array(data: np.ndarray, arrays: Arrays) -> Layout:
    arrays["table"] = data
    return {}


def _build_array(layout: Layout, arrays: Arrays) -> np.ndarray:
    return arrays["table"]


def _split_sparse(data: Any, arrays: Arrays) -> Layout:
    """Row or column compressed as they are, every other format by way of rows."""
    stored = data.format if data.format in ("csr", "csc") else "csr"
    compressed = data.asformat(stored)
    arrays.update(values=compressed.data, indices=compressed.indices, indptr=compressed.indptr)
    flavour = "matrix" if type(data).__name__.endswith("_matrix") else "array"
    return {"format": data.format, "stored": stored, "flavour": flavour, "shape": list(data.shape)}


def _build_sparse(layout: Layout, arrays: Arrays) -> Any:
    from scipy import sparse

    constructor = getattr(sparse, f"{_known(layout['stored'], ('csr', 'csc'))}_{layout['flavour']}")
    parts = (arrays["values"], arrays["indices"], arrays["indptr"])
    matrix = constructor(parts, shape=tuple(layout["shape"]))
    # scipy's loops do not look at the bounds of indices: a tampered file could make them leave their arrays.
    matrix.check_format(full_check=True)
    return matrix.asformat(layout["format"])


def _known(word: str, words: tuple[str, ...]) -> str:
    """A word of a file that may be used to look something up."""
    if word not in words:
        raise InvalidInputError(f"unknown word {word!r}")
    return word


# --- pandas ----------------------------------------------------------------------------------------------


def _split_pandas(frame: Any, arrays: Arrays) -> Layout:
    columns = [_split_series(frame.iloc[:, j], f"column{j}", arrays) for j in range(frame.shape[1])]
    return {
        "columns": columns,
        "names": _split_index(frame.columns, "names", arrays),
        "index": _split_index(frame.index, "index", arrays),
    }


def _build_pandas(layout: Layout, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    index = _build_index(layout["index"], "index", arrays)
    columns = {
        j: pandas.Series(_build_series(spec, f"column{j}", arrays), index=index)
        for j, spec in enumerate(layout["columns"])
    }
    frame = pandas.DataFrame(columns, index=index)
    frame.columns = _build_index(layout["names"], "names", arrays)
    return frame


def _split_index(index: Any, name: str, arrays: Arrays) -> Layout:
    """Index as a list of levels, one for a plain index; names are any labels, so they travel as objects."""
    arrays[f"{name}.names"] = _objects(list(index.names))
    if type(index).__name__ == "RangeIndex":
        return {"range": [index.start, index.stop, index.step]}
    levels = [_split_series(index.get_level_values(i), f"{name}.level{i}", arrays) for i in range(index.nlevels)]
    return {
        "levels": levels,
        "multi": type(index).__name__ == "MultiIndex",
        "freq": getattr(index, "freqstr", None),
    }


def _build_index(layout: Layout, name: str, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    names = list(arrays[f"{name}.names"])
    if "range" in layout:
        return pandas.RangeIndex(*layout["range"], name=names[0])
    levels = [_build_series(spec, f"{name}.level{i}", arrays) for i, spec in enumerate(layout["levels"])]
    if layout["multi"]:
        return pandas.MultiIndex.from_arrays(levels, names=names)
    index = pandas.Index(levels[0], dtype=levels[0].dtype, name=names[0], tupleize_cols=False)
    if layout["freq"] is not None and hasattr(index, "freq") and index.freq is None:
        index.freq = layout["freq"]
    return index


def _split_series(series: Any, name: str, arrays: Arrays) -> Layout:
    """One column or index level; the dtype's class decides how."""
    dtype = series.dtype
    kind = "numpy" if isinstance(dtype, np.dtype) else type(dtype).__name__
    split, _ = _PANDAS_TYPES.get(kind, _PANDAS_TYPES["other"])
    return {"type": kind, **split(series, name, arrays)}


def _build_series(layout: Layout, name: str, arrays: Arrays) -> Any:
    _, build = _PANDAS_TYPES.get(layout["type"], _PANDAS_TYPES["other"])
    return build(layout, name, arrays)


def _split_numpy(series: Any, name: str, arrays: Arrays) -> Layout:
    arrays[name] = series.to_numpy()
    return {}


def _build_numpy(layout: Layout, name: str, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    # The dtype is said, because pandas 3 would make text of an object column that holds text.
    return pandas.Series(arrays[name], dtype=arrays[name].dtype).array


def _split_category(series: Any, name: str, arrays: Arrays) -> Layout:
    values = getattr(series, "array", series)
    arrays[name] = values.codes
    categories = _split_series(values.categories, f"{name}.categories", arrays)
    return {"ordered": bool(values.ordered), "categories": categories}


def _build_category(layout: Layout, name: str, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    categories = _build_series(layout["categories"], f"{name}.categories", arrays)
    index = pandas.Index(categories, dtype=categories.dtype)
    return pandas.Categorical.from_codes(arrays[name], categories=index, ordered=layout["ordered"])


def _split_zoned(series: Any, name: str, arrays: Arrays) -> Layout:
    """Times with a zone: the instants, and the zone by name."""
    arrays[name] = series.array.tz_convert("UTC").tz_localize(None).to_numpy()
    return {"zone": str(series.dtype.tz)}


def _build_zoned(layout: Layout, name: str, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    return pandas.DatetimeIndex(arrays[name]).tz_localize("UTC").tz_convert(layout["zone"]).array


def _split_text(series: Any, name: str, arrays: Arrays) -> Layout:
    arrays[name] = series.to_numpy(dtype=object, na_value=None)
    return {"storage": series.dtype.storage, "missing": type(series.dtype.na_value).__name__}


def _build_text(layout: Layout, name: str, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    # pandas before 2.3 has one kind of missing text only and knows no such argument.
    missing = {"na_value": np.nan} if layout["missing"] == "float" else {}
    return pandas.array(arrays[name], dtype=pandas.StringDtype(layout["storage"], **missing))


def _split_other(series: Any, name: str, arrays: Arrays) -> Layout:
    """Nullable integers, periods and the like: their elements, and the dtype by name."""
    arrays[name] = series.to_numpy(dtype=object, na_value=None)
    return {"dtype": str(series.dtype)}


def _build_other(layout: Layout, name: str, arrays: Arrays) -> Any:
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    return pandas.array(arrays[name], dtype=layout["dtype"])


_PANDAS_TYPES: dict[str, tuple[Callable, Callable]] = {
    "numpy": (_split_numpy, _build_numpy),
    "CategoricalDtype": (_split_category, _build_category),
    "DatetimeTZDtype": (_split_zoned, _build_zoned),
    "StringDtype": (_split_text, _build_text),
    "other": (_split_other, _build_other),
}


# --- polars ----------------------------------------------------------------------------------------------

_POLARS_TEXT = ("String", "Categorical", "Enum")
_POLARS_NUMBERS = (
    *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    *("Float32", "Float64", "Boolean", "Date", "Time", "Datetime", "Duration"),
)


def _split_polars(frame: Any, arrays: Arrays) -> Layout:
    """Text by its elements, everything else by the numbers it is stored as and a mask of nulls."""
    dtypes = []
    for j, series in enumerate(frame.get_columns()):
        dtype = _describe_polars_type(series)
        dtypes.append(dtype)
        if dtype["type"] in _POLARS_TEXT:
            arrays[f"column{j}"] = _objects(series.to_list())
            continue
        physical = series.to_physical()
        blank = False if dtype["type"] == "Boolean" else 0
        arrays[f"column{j}"] = physical.fill_null(blank).to_numpy()
        if series.null_count():
            arrays[f"column{j}.null"] = series.is_null().to_numpy()
    return {"names": list(frame.columns), "dtypes": dtypes}


def _describe_polars_type(series: Any) -> Layout:
    """Name of a polars dtype and what it needs to be made again."""
    name = series.dtype.base_type().__name__
    if name not in _POLARS_TEXT + _POLARS_NUMBERS:
        raise InvalidInputError(
            f"Column {series.name!r} is of polars type {series.dtype}, which cannot be saved; cast it first."
        )
    details = {
        "Enum": lambda: {"categories": series.dtype.categories.to_list()},
        "Datetime": lambda: {"time_unit": series.dtype.time_unit, "time_zone": series.dtype.time_zone},
        "Duration": lambda: {"time_unit": series.dtype.time_unit},
    }
    return {"type": name, "details": details.get(name, dict)()}


def _build_polars(layout: Layout, arrays: Arrays) -> Any:
    polars = import_optional("polars", extra="test", purpose="an explanation of a polars frame")
    columns = []
    for j, (name, spec) in enumerate(zip(layout["names"], layout["dtypes"], strict=True)):
        kind = getattr(polars, _known(spec["type"], _POLARS_TEXT + _POLARS_NUMBERS))
        dtype = kind(**spec["details"])
        elements = arrays[f"column{j}"]
        if spec["type"] in _POLARS_TEXT:
            columns.append(polars.Series(name, elements.tolist(), dtype=polars.String).cast(dtype))
            continue
        series = polars.Series(name, elements)
        null = arrays.get(f"column{j}.null")
        series = series if null is None else series.set(polars.Series(null), None)
        columns.append(series.cast(dtype))
    return polars.DataFrame(columns)


_CONTAINERS: dict[str, tuple[Callable, Callable]] = {
    "array": (_split_array, _build_array),
    "sparse": (_split_sparse, _build_sparse),
    "pandas": (_split_pandas, _build_pandas),
    "polars": (_split_polars, _build_polars),
}


# --- single elements of pandas' own types -----------------------------------------------------------------


def _as_number(bound: Any) -> int | float:
    """An end of an interval as a number of Python's; TypeError for intervals of times."""
    return int(bound) if isinstance(bound, numbers.Integral) else float(bound)


_SCALARS: dict[str, tuple[Callable, Callable]] = {
    "Timestamp": (
        lambda value: [value.isoformat(), None if value.tz is None else str(value.tz), value.unit],
        lambda pandas, text, zone, unit: (
            pandas.Timestamp(text).tz_convert(zone).as_unit(unit) if zone else pandas.Timestamp(text).as_unit(unit)
        ),
    ),
    "Timedelta": (
        lambda value: [value.isoformat(), value.unit],
        lambda pandas, text, unit: pandas.Timedelta(text).as_unit(unit),
    ),
    "Period": (
        lambda value: [value.ordinal, value.freqstr],
        lambda pandas, ordinal, freq: pandas.Period(ordinal=ordinal, freq=freq),
    ),
    "Interval": (
        lambda value: [_as_number(value.left), _as_number(value.right), value.closed],
        lambda pandas, left, right, closed: pandas.Interval(left, right, closed),
    ),
    "NaTType": (lambda value: [], lambda pandas: pandas.NaT),
    "NAType": (lambda value: [], lambda pandas: pandas.NA),
}


def scalar_to_text(value: Any) -> tuple[str, tuple] | None:
    """A time, span, interval or missing mark of pandas as type name and JSON-able parts, else None."""
    kind = type(value).__name__
    if type(value).__module__.partition(".")[0] != "pandas" or kind not in _SCALARS:
        return None
    return kind, tuple(_SCALARS[kind][0](value))


def scalar_from_text(kind: str, parts: list) -> Any:
    """The element that `scalar_to_text` described."""
    pandas = import_optional("pandas", extra="app", purpose=_PURPOSE)
    return _SCALARS[kind][1](pandas, *parts)
