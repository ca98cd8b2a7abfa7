"""One column of a user's table: what kind it is by its dtype, its way into float64, and its way back.

Numbers travel as they are. bool, category, object and text columns are discrete: they travel as codes of their
levels and come back in their own dtype. Nothing is guessed from values.
"""

import numbers
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames_tables import container_of_series, is_missing
from agnostic_ig.validation import shorten

__all__ = ["Column", "describe_column"]

# What no column may hold, and what to do about it.
UNUSABLE = {
    "time": "dates or times; turn them into numbers (for example days) first",
    "complex": "complex numbers; give their parts columns of their own",
    "nested": "lists or structures; give every number a column of its own",
}


@dataclass(frozen=True)
class Column:
    """How one column travels.

    Attributes
    ----------
    name : object
    kind : {"number", "bool", "levels"}
    dtype : object
        What the model expects back, where the column is discrete.
    levels : tuple
        Elements that codes 0, 1, … stand for.
    missing : object
        What stands where a value is missing.
    discrete : bool
        Whether there is nothing between two values.
    """

    name: Any
    kind: str = "number"
    dtype: Any = None
    levels: tuple = ()
    missing: Any = np.nan
    discrete: bool = False

    def joined(self, label: str, series: Any) -> "Column":
        """With the levels that the same column of another table has beside ours."""
        if self.kind != "levels":
            return self
        extra = _distinct(label, self.name, series) - set(self.levels)
        if not extra:
            return self
        example = shorten(min(extra, key=str))
        if _has_fixed_levels(self.dtype):
            raise InvalidInputError(
                f"Column {self.name!r} of {label} holds {example}, which is no category of X's column; "
                "give both the same categories."
            )
        try:
            sorted((*self.levels, *extra))
        except TypeError:
            raise InvalidInputError(
                f"Column {self.name!r} holds {shorten(self.levels[0])} in X and {example} in {label}; "
                "give it one type in both."
            ) from None
        return replace(self, levels=(*self.levels, *sorted(extra)))

    def encode(self, label: str, series: Any) -> np.ndarray:
        """Float64 (n,): numbers, 0 and 1, or codes of levels; NaN where a value is missing."""
        if self.kind == "levels":
            code = {level: float(i) for i, level in enumerate(self.levels)}
            return np.array([np.nan if is_missing(v) else code[v] for v in _elements(series)], dtype=np.float64)
        found = _NUMBERS[container_of_series(series)](series)
        if found is None:
            found = self._number_by_number(label, series)
        if self.kind == "bool":
            self._check_bool(label, found)
        return found

    def _number_by_number(self, label: str, series: Any) -> np.ndarray:
        """Objects that are numbers, for example a row taken from a frame of several dtypes."""
        found = np.full(len(series), np.nan)
        for row, element in enumerate(_elements(series)):
            if is_missing(element):
                continue
            if not isinstance(element, numbers.Number | np.bool_) or isinstance(element, complex):
                raise InvalidInputError(
                    f"{label} holds {shorten(element)} in row {row} of column {self.name!r}, which is not a number. "
                    "Text belongs into text columns of a DataFrame, in X and in the baseline."
                )
            found[row] = float(element)
        return found

    def _check_bool(self, label: str, codes: np.ndarray) -> None:
        can_miss = self.dtype is not None and not isinstance(self.dtype, np.dtype)
        bad = ~np.isin(codes, (0.0, 1.0)) & ~(np.isnan(codes) & can_miss)
        if bad.any():
            row = int(np.argmax(bad))
            raise InvalidInputError(
                f"{label} holds {codes[row]:g} in row {row} of column {self.name!r}, which is neither True nor False."
            )

    def is_whole(self, codes: np.ndarray) -> bool:
        """Whether integers can hold these numbers."""
        missing = np.isnan(codes)
        can_miss = not isinstance(self.dtype, np.dtype)
        return bool((missing & can_miss | (codes == np.rint(codes))).all())

    def elements(self, codes: np.ndarray) -> list:
        """What the codes of a discrete column stand for."""
        levels = (False, True) if self.kind == "bool" else self.levels
        return [self.missing if np.isnan(code) else levels[int(code)] for code in codes]


def describe_column(label: str, name: Any, series: Any) -> Column:
    """Decide by dtype alone: numbers are continuous, bool and everything with levels is discrete."""
    container = container_of_series(series)
    kind = _KINDS[container](series)
    if kind in UNUSABLE:
        raise InvalidInputError(f"Column {name!r} of {label} holds {UNUSABLE[kind]}.")
    dtype = None if container == "array" else series.dtype
    levels = _levels(label, name, series) if kind == "levels" else ()
    return Column(name, kind, dtype, levels, _MISSING[container](kind, series), kind != "number")


def _levels(label: str, name: Any, series: Any) -> tuple:
    """Categories in their order, or the distinct elements, sorted."""
    if _has_fixed_levels(series.dtype):
        return tuple(series.dtype.categories)
    found = _distinct(label, name, series)
    try:
        return tuple(sorted(found))
    except TypeError:
        raise InvalidInputError(
            f"Column {name!r} of {label} mixes values of several types ({shorten(list(found)[:3])}); "
            "give it one type first."
        ) from None


def _distinct(label: str, name: Any, series: Any) -> set:
    try:
        return {element for element in _elements(series) if not is_missing(element)}
    except (TypeError, ValueError):
        raise InvalidInputError(f"Column {name!r} of {label} holds {UNUSABLE['nested']}.") from None


def _has_fixed_levels(dtype: Any) -> bool:
    """pandas' categories and polars' Enum know their levels; polars' Categorical takes new ones."""
    return type(dtype).__name__ in ("CategoricalDtype", "Enum")


def _elements(series: Any) -> list:
    return series.to_list() if hasattr(series, "to_list") else series.tolist()


# --- what the dtype of a column says -----------------------------------------------------------------------


def _array_kind(series: np.ndarray) -> str:
    """numpy text and objects have to be numbers, one by one: an array has one kind of column."""
    kinds = {"b": "bool", "M": "time", "m": "time", "c": "complex", "V": "nested"}
    return kinds.get(series.dtype.kind, "number")


def _pandas_kind(series: Any) -> str:
    from pandas.api import types

    dtype = series.dtype
    # Categories come first: pandas calls a category of booleans bool.
    tests: dict[str, Callable[[Any], bool]] = {
        "levels": lambda dtype: type(dtype).__name__ == "CategoricalDtype",
        "bool": types.is_bool_dtype,
        "complex": types.is_complex_dtype,
        "number": types.is_numeric_dtype,
        "time": lambda dtype: types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype),
    }
    return next((kind for kind, test in tests.items() if test(dtype)), "levels")


def _polars_kind(series: Any) -> str:
    dtype = series.dtype
    tests = {
        "time": dtype.is_temporal(),
        "number": dtype.is_numeric(),
        "bool": str(dtype) == "Boolean",
    }
    return next((kind for kind, holds in tests.items() if holds), "levels")


_KINDS = {"array": _array_kind, "pandas": _pandas_kind, "polars": _polars_kind}


def _pandas_missing(kind: str, series: Any) -> Any:
    """The mark that an object column uses itself: encoders tell None and NaN apart."""
    if kind == "number" or series.dtype != object:
        return np.nan if kind == "number" else None
    return next((element for element in series.tolist() if is_missing(element)), None)


def _polars_missing(kind: str, series: Any) -> Any:
    """null, but for columns that hold NaN."""
    return np.nan if kind == "number" and series.dtype.is_float() and series.is_nan().any() else None


_MISSING = {
    "array": lambda kind, series: np.nan,
    "pandas": _pandas_missing,
    "polars": _polars_missing,
}


# --- numbers of a column at once, or None where elements have to be looked at ----------------------------------


def _array_numbers(series: np.ndarray) -> np.ndarray | None:
    return series.astype(np.float64) if series.dtype.kind in "biuf" else None


def _pandas_numbers(series: Any) -> np.ndarray | None:
    if _pandas_kind(series) not in ("number", "bool"):
        return None
    return np.array(series.to_numpy(dtype=np.float64, na_value=np.nan))


def _polars_numbers(series: Any) -> np.ndarray | None:
    import polars

    if _polars_kind(series) not in ("number", "bool"):
        return None
    return np.array(series.cast(polars.Float64).to_numpy())


_NUMBERS = {"array": _array_numbers, "pandas": _pandas_numbers, "polars": _polars_numbers}
