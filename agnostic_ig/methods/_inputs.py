"""X, baseline and columns of an explanation, checked and brought into the form that engines work on."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.baselines._base import Baseline, BaselineRows, Layout
from agnostic_ig.engines._contract import Columns
from agnostic_ig.engines.booster_response import fitted_columns, misses_gaps, names_as_remembered
from agnostic_ig.engines.native_categories import native_categories
from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.frames import Codec, check_names, check_table, column_names, container_of, matrix_shape
from agnostic_ig.frames_tables import container_of_series
from agnostic_ig.results.grouping import plan_groups
from agnostic_ig.validation import invalid, shorten

__all__ = ["Inputs", "check_groups", "columns_of_groups", "prepare_inputs"]


@dataclass(frozen=True)
class Inputs:
    """Everything about the data of one call.

    Attributes
    ----------
    X, baseline_X : object
        What the model is asked with: copies in the container it was fitted on, numbers as float64, so that the ends
        of a path are the same rows as the points between them.
    rows, baseline_rows : ndarray of shape (n, n_features), (n_baselines, n_features)
        Encoded float64 matrices.
    baseline : BaselineRows
    columns : Columns
    codec : Codec
    encoded : list of str
        Names of the columns that the model itself encodes or treats as categories.
    """

    X: Any
    rows: np.ndarray
    baseline: BaselineRows
    baseline_X: Any
    baseline_rows: np.ndarray
    columns: Columns
    codec: Codec
    encoded: list[str]


def prepare_inputs(
    owner: str,
    model: Any,
    X: Any,
    baseline: Any,
    baseline_weights: Any,
    categorical_features: Any,
    feature_names: Any,
) -> Inputs:
    """Check X and the baseline against the model and each other, and encode them."""
    fitted = _fitted_on(model)
    X = check_table("X", X)
    _check_columns("X", X, fitted)
    codec = Codec.from_tables([("X", X)], fitted_columns(fitted)[0])
    shown = _check_feature_names(owner, feature_names, codec.names)
    inside = native_categories(fitted, len(shown))
    columns = make_columns(owner, shown, codec.with_discrete(codec.discrete | inside), categorical_features)
    codec = codec.with_discrete(columns.discrete)
    resolved = _resolve_baseline(owner, baseline, baseline_weights, X, Layout(codec, columns))
    codec = codec.with_levels_of("baseline", resolved.rows)
    rows, baseline_rows = codec.encode("X", X), codec.encode("baseline", resolved.rows)
    codec = _as_model_sees(codec, fitted)
    asked, asked_baseline = codec.decode(rows.copy()), codec.decode(baseline_rows.copy())
    encoded = [shown[j] for j in np.flatnonzero(inside)]
    return Inputs(asked, rows, resolved, asked_baseline, baseline_rows, columns, codec, encoded)


def _fitted_on(model: Any) -> Any:
    """Who remembers the columns of training: the model, or for a bound method (``model.predict_proba``) its owner."""
    return getattr(model, "__self__", model)


def _check_columns(label: str, table: Any, fitted: Any) -> None:
    """The table has the columns that the model was fitted on, in their order."""
    names, wanted = fitted_columns(fitted)
    n_columns = matrix_shape(table)[1]
    mine = column_names(table)
    if mine is not None and names is not None:
        mine = names_as_remembered(fitted, mine)
        check_names(label, mine, names)
        if mine != names:
            wanted_order = "model.feature_names_in_" if hasattr(fitted, "feature_names_in_") else shorten(names)
            raise InvalidInputError(
                f"The columns of {label} are those of the model in another order; pass {label}[{wanted_order}]."
            )
    elif wanted is not None and n_columns != wanted:
        raise InvalidInputError(
            f"{label} must have the {wanted} columns that {type(fitted).__name__} was fitted on. Got {n_columns}."
        )


def _as_model_sees(codec: Codec, fitted: Any) -> Codec:
    """The same numbers in the container the model was fitted on: a frame if it knows names, an array if not.

    scikit-learn remembers names that are text only, and takes frames with other names as arrays.
    """
    names, n_columns = fitted_columns(fitted)
    if codec.container in ("pandas", "polars"):
        on_arrays = names is None and n_columns is not None
        return codec.seen_as("array") if on_arrays and codec.has_text_names else codec
    as_it_is = names is None or (codec.container == "sparse" and misses_gaps(fitted))
    return codec if as_it_is else codec.seen_as("pandas", names)


def _resolve_baseline(owner: str, baseline: Any, weights: Any, X: Any, layout: Layout) -> BaselineRows:
    """Rows and weights from whatever the user gave as baseline."""
    if isinstance(baseline, Baseline):
        if weights is not None:
            raise InvalidParameterError(
                f"The 'baseline_weights' parameter of {owner} must be None with an object of agnostic_ig.baselines: "
                f"{type(baseline).__name__} weights its own rows. Got {shorten(weights)} instead."
            )
        return baseline.resolve(X, layout)
    rows = _baseline_table(owner, baseline, layout.codec)
    n = matrix_shape(rows)[0]
    described = "one row" if n == 1 else f"{n:,} rows" + (", weighted" if weights is not None else "")
    return BaselineRows(rows, _check_weights(owner, weights, n), described)


def _baseline_table(owner: str, baseline: Any, codec: Codec) -> Any:
    """Baseline rows as a table in whatever container they came; a Series is a row that aligns by name."""
    if container_of_series(baseline) == "pandas":
        baseline = _row_of_series(baseline, codec)
    elif container_of(baseline) == "array":
        baseline = np.atleast_2d(_baseline_array(owner, baseline))
    table = check_table(f"The 'baseline' parameter of {owner}", baseline)
    n_columns, wanted = matrix_shape(table)[1], len(codec.columns)
    if n_columns != wanted and not (codec.named and column_names(table)):
        raise InvalidInputError(
            f"The 'baseline' parameter of {owner} must have the {wanted} columns of X. Got {n_columns}."
        )
    return table


def _row_of_series(series: Any, codec: Codec) -> np.ndarray:
    """One row of objects, so that every element keeps its type."""
    values = series.tolist()
    if codec.named:
        names = [column.name for column in codec.columns]
        check_names("baseline", list(series.index), names)
        place = dict(zip(series.index, values, strict=True))
        values = [place[name] for name in names]
    row = np.empty((1, len(values)), dtype=object)
    row[0, :] = values
    return row


def _baseline_array(owner: str, baseline: Any) -> np.ndarray:
    """Numbers as an array of numbers; what holds anything else as objects, so that numbers beside text stay numbers."""
    try:
        array = np.asarray(baseline)
    except ValueError:
        raise invalid(owner, "baseline", "a row, or rows of the same length", baseline) from None
    if array.ndim == 0:
        hint = "For example agnostic_ig.baselines.Median(X_train), or Zero() for a row of zeros."
        raise invalid(owner, "baseline", "a row, rows, or an object of agnostic_ig.baselines", baseline, hint)
    return array if array.dtype.kind in "biuf" else np.asarray(baseline, dtype=object)


def _check_weights(owner: str, weights: Any, n: int) -> np.ndarray:
    """Non-negative weights that sum to one."""
    if weights is None:
        return np.full(n, 1.0 / n)
    try:
        array = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (n,) or not np.isfinite(array).all() or (array < 0).any() or not array.sum() > 0:
        raise invalid(owner, "baseline_weights", f"{n} numbers >= 0 with a positive sum, or None", weights)
    return array / array.sum()


def _check_feature_names(owner: str, feature_names: Any, names: list[str]) -> list[str]:
    """Names to show: given ones, or those of the columns."""
    if feature_names is None:
        if len(set(names)) < len(names):
            raise InvalidInputError(f"Columns of X have names that read the same: {shorten(names)}. Rename them.")
        return names
    is_list = hasattr(feature_names, "__iter__") and not isinstance(feature_names, str | bytes | dict)
    given = [str(name) for name in feature_names] if is_list else []
    if len(given) != len(names) or len(set(given)) != len(given):
        raise invalid(owner, "feature_names", f"a list of {len(names)} different names", feature_names)
    return given


def make_columns(owner: str, names: list[str], codec: Codec, categorical_features: Any) -> Columns:
    """Which columns are discrete, and which of them are one player."""
    discrete = codec.discrete
    # A column may be called by its own name or by the one that is shown.
    places = {name: j for shown in (codec.names, names) for j, name in enumerate(shown)}
    if isinstance(categorical_features, dict):
        return _columns_with_players(owner, names, places, discrete, categorical_features)
    if categorical_features is not None:
        discrete[_positions(owner, "categorical_features", places, len(names), categorical_features)] = True
    return Columns(names, discrete, np.arange(len(names)), names)


def _columns_with_players(
    owner: str, names: list[str], places: dict[str, int], discrete: np.ndarray, categories: dict[str, Any]
) -> Columns:
    """Columns that encode one category move as one player, at the place of their first column."""
    leader = np.arange(len(names))
    label = list(names)
    taken = np.zeros(len(names), dtype=bool)
    for category, members in categories.items():
        columns = _positions(owner, "categorical_features", places, len(names), members)
        if columns.size == 0 or taken[columns].any():
            must = "a dict of non-empty column lists that do not overlap"
            raise invalid(owner, "categorical_features", must, categories)
        taken[columns] = discrete[columns] = True
        leader[columns] = columns.min()
        label[columns.min()] = str(category)
    leaders, player_of = np.unique(leader, return_inverse=True)
    players = [label[j] for j in leaders]
    if len(set(players)) != len(players):
        must = "a dict whose keys are no names of other columns"
        raise invalid(owner, "categorical_features", must, list(categories))
    return Columns(names, discrete, player_of, players)


def check_groups(owner: str, columns: Columns, groups: Any) -> list[tuple[str, list[int]]]:
    """(name, players) of every attribution that is reported, in order."""
    if groups is None:
        return [(name, [player]) for player, name in enumerate(columns.player_names)]
    if not isinstance(groups, dict) or not all(isinstance(name, str) for name in groups):
        raise invalid(owner, "groups", 'None or a dict like {"name": [columns]}', groups)
    members = {name: _members(owner, columns, name, listed) for name, listed in groups.items()}
    return plan_groups(owner, columns.player_names, members)


def columns_of_groups(columns: Columns, groups: list[tuple[str, list[int]]]) -> list[list[int]]:
    """Columns of X behind every attribution that is reported."""
    members: list[list[int]] = [[] for _ in columns.player_names]
    for column, player in enumerate(columns.player_of):
        members[player].append(column)
    return [sorted(column for player in players for column in members[player]) for _, players in groups]


def _members(owner: str, columns: Columns, group: str, listed: Any) -> list[int]:
    """Players of one group, which is given as columns of X or names of encoded categories."""
    items = _listed(listed)
    encoded = {name: np.flatnonzero(columns.player_of == k) for k, name in enumerate(columns.player_names)}
    flat = [one for item in items for one in (encoded[item] if isinstance(item, str) and item in encoded else [item])]
    places = {name: j for j, name in enumerate(columns.names)}
    chosen = _positions(owner, "groups", places, len(places), flat)
    players, counts = np.unique(columns.player_of[chosen], return_counts=True)
    if chosen.size == 0 or (counts < np.bincount(columns.player_of)[players]).any():
        must = f"a dict of non-empty lists, with all columns of an encoded category or none, for {group!r}"
        raise invalid(owner, "groups", must, listed)
    return players.tolist()


def _listed(members: Any) -> list[Any]:
    """Several columns, or a single one, as a list."""
    is_list = hasattr(members, "__iter__") and not isinstance(members, str | bytes)
    return list(members) if is_list else [members]


def _positions(owner: str, parameter: str, places: dict[str, int], n: int, members: Any) -> np.ndarray:
    """Column positions from names, indices or a mask."""
    items = _listed(members)
    if len(items) == n and all(isinstance(item, bool | np.bool_) for item in items):
        return np.flatnonzero(items)
    found = [_place(item, places, n) for item in items]
    if None in found:
        must = f"made of column names, indices below {n}, or a mask of {n}"
        raise invalid(owner, parameter, must, items[found.index(None)], f"Columns: {shorten(list(places))}.")
    return np.array(sorted(set(found)), dtype=np.int64)


def _place(item: Any, places: dict[str, int], n: int) -> int | None:
    """A column by index, or by name: names that are no text (a tuple of a MultiIndex) as people read them."""
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return int(item) if 0 <= item < n else None
    return places.get(str(item))
