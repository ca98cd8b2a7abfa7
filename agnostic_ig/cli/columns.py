"""Which columns of a table are explained, which are carried through, and what a column means in all batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agnostic_ig.cli.messages import about
from agnostic_ig.engines.booster_response import fitted_columns, names_as_remembered
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.streaming import Table, open_table

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Layout", "choose_columns", "find_levels", "known_levels", "open_with", "with_levels"]


@dataclass(frozen=True)
class Layout:
    """Columns of a table by what happens to them; `ids` are among the carried ones."""

    features: list[str]
    carried: list[str]
    ids: list[str]


def choose_columns(
    path: str, model: Any, label: str | None, ids: Sequence[str], *, may_lack_label: bool = False
) -> Layout:
    """Columns of ``--data``: those the model was fitted on are explained, all others carried.

    A model that remembers no names was fitted on an array: then every column but label and ids is a feature.
    """
    with about("--data"):
        present = open_table(path).columns
    if may_lack_label and label not in present:
        label = None
    special = list(dict.fromkeys([*ids, *([label] if label else [])]))
    names, number = fitted_columns(model)
    in_table = dict(zip(names_as_remembered(model, present), present, strict=True))
    named = [in_table.get(str(name), str(name)) for name in names or []]
    for option, name in [*(("--id", one) for one in ids), ("--label", label)]:
        _check_special(option, name, present, named, path)
    features = named or [name for name in present if name not in special]
    _check_number(features, number, path)
    return Layout(features, [name for name in present if name not in features], list(ids))


def open_with(option: str, path: str, columns: Sequence[str], ids: Sequence[str] = (), rows: int = 10_000) -> Table:
    """The table with these columns, or an error that names the option and the column that is missing."""
    with about(option):
        return open_table(path, columns=columns, batch_rows=rows, as_text=ids)


def known_levels(frame: "DataFrame", names: Sequence[str]) -> set[str]:
    """Columns that hold text or categories."""
    return {name for name in names if frame[name].dtype.kind == "O" and not frame[name].isna().all()}


def find_levels(table: Table, names: Sequence[str]) -> set[str]:
    """Columns that hold text or categories, read until every column has shown a value."""
    levels, silent = set(), set(names)
    for batch in table:
        levels |= known_levels(batch, names)
        silent = {name for name in silent if batch[name].isna().all()}
        if not silent:
            break
    return levels


def with_levels(frame: "DataFrame", levels: set[str]) -> "DataFrame":
    """The frame with columns that hold text elsewhere as such also where they are all missing or all true/false.

    A batch in which nothing is known of a column looks like numbers, and one without missing values like booleans.
    """
    plain = [name for name in frame.columns if name in levels and frame[name].dtype.kind != "O"]
    plain = [name for name in plain if frame[name].dtype.kind == "b" or frame[name].isna().all()]
    return frame.astype(dict.fromkeys(plain, object)) if plain else frame


def _check_special(option: str, name: str | None, present: Sequence[str], named: Sequence[str], path: str) -> None:
    """A label or id column is there, and is no feature."""
    if name is None:
        return
    if name not in present:
        open_with(option, path, [name])  # says what is missing, and what was perhaps meant
    if name in named:
        raise InvalidInputError(
            f"{option}: the model was fitted on column {name!r}, so it is explained and cannot be carried as well."
        )


def _check_number(features: Sequence[str], wanted: int | None, path: str) -> None:
    """As many features as the model was fitted on."""
    if wanted is not None and len(features) != wanted:
        raise InvalidInputError(
            f"--data: the model was fitted on {wanted} columns without names, and {path} has {len(features)} besides "
            "those named by --label and --id. Name every column that is no feature with --id."
        )
    if not features:
        raise InvalidInputError(f"--data: {path} has no column besides those named by --label and --id.")
