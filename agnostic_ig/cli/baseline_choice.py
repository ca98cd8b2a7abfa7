"""The baseline that ``--background`` and ``--baseline`` ask for."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig import baselines
from agnostic_ig.baselines._base import Baseline, BaselineRows, Layout
from agnostic_ig.cli.columns import open_with
from agnostic_ig.cli.labels import find_label
from agnostic_ig.cli.messages import about
from agnostic_ig.cli.model_file import name_of
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames import take_rows
from agnostic_ig.streaming import read_table

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FixedBaseline", "check_baseline_options", "choose_baseline"]

# Values of a table held at once while it is reduced to few rows (400 MB of numbers).
MAX_VALUES = 50_000_000


class FixedBaseline(Baseline):
    """Rows that were worked out once, for any number of batches."""

    def __init__(self, rows: BaselineRows) -> None:
        self.fixed = rows

    def resolve(self, X: Any, layout: Layout | None = None) -> BaselineRows:
        return self.fixed


def check_baseline_options(options: Namespace) -> None:
    """What can be said without reading a file."""
    if options.baseline is None:
        if options.background is None:
            raise InvalidInputError("--baseline or --background is needed: what should the rows be compared with?")
        return
    kind, colon, rest = options.baseline.partition(":")
    if kind not in KINDS or bool(colon) != (kind in ARGUMENTS) or (colon and not rest):
        raise InvalidInputError(
            f"--baseline: must be zero, mean, median, class:LABEL or row:FILE. Got {options.baseline!r} instead."
        )
    if options.background is not None and kind in ("zero", "row"):
        raise InvalidInputError(f"--background: has no use with --baseline {kind}; leave one of the two out.")
    if kind == "class" and options.label is None:
        raise InvalidInputError(f"--label: --baseline {options.baseline} needs the column that holds the labels.")


def choose_baseline(options: Namespace, features: Sequence[str]) -> Baseline:
    """The baseline, with the rows it needs read from B, or from D where no background is given."""
    kind, _, rest = (options.baseline or "all").partition(":")
    option, path = ("--background", options.background) if options.background else ("--data", options.data)
    return KINDS[kind](_Source(option, path, list(features), options.label), kind, rest)


class _Source:
    """Where baseline rows come from."""

    def __init__(self, option: str, path: str, features: list[str], label: str | None) -> None:
        self.option, self.path, self.features, self.label = option, path, features, label

    def read(self, columns: Sequence[str]) -> "DataFrame":
        """Some columns of all rows."""
        with about(self.option):
            return read_table(self.path, columns=columns)

    def reduced(self, reduce: Callable[["DataFrame"], BaselineRows]) -> FixedBaseline:
        """Few rows out of many, worked out for as many columns at a time as memory allows."""
        table = open_with(self.option, self.path, self.features)
        first_column = open_with(self.option, self.path, self.features[:1])
        n_rows = table.n_rows or sum(len(batch) for batch in first_column)
        width = max(1, MAX_VALUES // n_rows)
        blocks = [self.features[start : start + width] for start in range(0, len(self.features), width)]
        parts = [reduce(self.read(block)) for block in blocks]
        rows = parts[0].rows.join([part.rows for part in parts[1:]]) if len(parts) > 1 else parts[0].rows
        return self.fixed(replace(parts[0], rows=rows))

    def fixed(self, rows: BaselineRows) -> FixedBaseline:
        """Rows whose description says where they come from."""
        return FixedBaseline(replace(rows, description=f"{rows.description} of {name_of(self.path)}"))


def _all(source: _Source, kind: str, rest: str) -> Baseline:
    return source.fixed(baselines.Sample(source.read(source.features)).resolve(None))


def _zero(source: _Source, kind: str, rest: str) -> Baseline:
    return baselines.Zero()


def _central(source: _Source, kind: str, rest: str) -> Baseline:
    statistic = {"mean": baselines.Mean, "median": baselines.Median}[kind]
    with about(source.option):
        return source.reduced(lambda frame: statistic(frame).resolve(None))


def _one_class(source: _Source, kind: str, rest: str) -> Baseline:
    """All rows whose label is `rest`."""
    labels = source.read([source.label])[source.label]
    label = find_label("--baseline", rest, labels.dropna().unique().tolist())
    chosen = np.flatnonzero((labels == label).to_numpy(dtype=bool, na_value=False))

    def reduce(frame: "DataFrame") -> BaselineRows:
        return baselines.Class(take_rows(frame, chosen), [label] * len(chosen), label).resolve(None)

    return source.reduced(reduce)


def _one_row(source: _Source, kind: str, rest: str) -> Baseline:
    """The one row of another file."""
    table = open_with("--baseline", rest, source.features)
    with about("--baseline"):
        first = next(iter(table))
    if len(first) != 1 or table.n_rows not in (None, 1):
        raise InvalidInputError(
            f"--baseline: {name_of(rest)} has more than one row; use --background to compare with several."
        )
    return FixedBaseline(BaselineRows(first, np.ones(1), f"the row of {name_of(rest)}"))


# word before the colon -> who makes it; "all" stands for a background without --baseline
KINDS: dict[str, Callable[[_Source, str, str], Baseline]] = {
    "all": _all, "zero": _zero, "mean": _central, "median": _central, "class": _one_class, "row": _one_row,
}  # fmt: skip
ARGUMENTS = ("class", "row")
