"""``agnostic-ig explain``: attributions for every row of a table, batch by batch."""

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from agnostic_ig.cli.attribution_table import attribution_table, output_columns
from agnostic_ig.cli.baseline_choice import FixedBaseline, check_baseline_options, choose_baseline
from agnostic_ig.cli.columns import Layout, choose_columns, find_levels, known_levels, open_with, with_levels
from agnostic_ig.cli.destinations import check_new_file, staged
from agnostic_ig.cli.duration import SIZES, seconds_for, spoken
from agnostic_ig.cli.labels import choose_target
from agnostic_ig.cli.messages import PROGRAM, about, say, working
from agnostic_ig.cli.model_file import load, name_of
from agnostic_ig.cli.survey import Survey, look_at
from agnostic_ig.engines.response import Response, resolve_response
from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.frames import take_rows
from agnostic_ig.methods._targets import resolve_target
from agnostic_ig.methods.integrated_gradients import IntegratedGradients
from agnostic_ig.report import write_report
from agnostic_ig.results import Explanation
from agnostic_ig.results.completeness import relative_convergence_delta
from agnostic_ig.streaming import Table, TableWriter

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["run"]

# A report holds all rows: attributions of so many values take 160 MB, and their errors as much again.
MAX_REPORT_VALUES = 20_000_000
SECONDS_BETWEEN_LINES = 10.0
# A few rows are timed first where there are this many or more; jobs longer than LONG_SECONDS are announced.
WORTH_TIMING, LONG_SECONDS = 50, 60.0
SHORTER = (
    "Fewer baseline rows (a smaller --background, --baseline median) and --n-jobs -1 take less; so do, for the numeric "
    "engine, --thoroughness fast and a larger --tol."
)

# method -> explainer
METHODS = {"ig": IntegratedGradients}


@dataclass
class Job:
    """Everything that was asked, checked."""

    options: Namespace
    layout: Layout
    table: Table
    survey: Survey
    explainer: Any
    target: Any
    towards: str

    def explained(self) -> Iterator[tuple["DataFrame", Explanation]]:
        """Carried columns and explanation of every batch."""
        n_before = 0
        for batch in self.table:
            X = self.features_of(batch).set_axis(self._row_names(batch, n_before), axis=0)
            yield batch[self.layout.carried], self.explainer.explain(X, self.target)
            n_before += len(batch)

    def features_of(self, batch: "DataFrame") -> "DataFrame":
        """What the model gets of a batch."""
        return with_levels(batch[self.layout.features], self.survey.levels)

    def _row_names(self, batch: "DataFrame", n_before: int) -> Any:
        """The id where there is one, else the place in the file from 1 on."""
        ids = self.layout.ids
        return batch[ids[0]].to_numpy() if len(ids) == 1 else np.arange(n_before + 1, n_before + len(batch) + 1)


def run(options: Namespace) -> None:
    """Explain every row of ``--data``; see ``agnostic-ig explain --help``."""
    _check_options(options)
    job = _prepare(options)
    _say_duration(job)
    tally = _Tally(job.survey.n_rows)
    explained = job.explained()
    first = next(explained)  # what is wrong with the question shows in the first batch at the latest
    with working():
        _write(job, tally, chain([first], explained))


def _check_options(options: Namespace) -> None:
    """What can be said without loading anything large."""
    if options.out is None and options.report is None:
        raise InvalidInputError("--out or --report is needed: where should the attributions go?")
    check_baseline_options(options)
    inputs = [options.model, options.data, options.background]
    inputs.append((options.baseline or "").removeprefix("row:"))
    if options.out is not None:
        check_new_file("--out", options.out, (".parquet", ".csv"), inputs, options.force)
    if options.report is not None:
        check_new_file("--report", options.report, (".html", ".htm"), [*inputs, options.out], options.force)


def _prepare(options: Namespace) -> Job:
    """Load, choose and check; nothing is explained yet."""
    model, digest = load(options)
    response = resolve_response(PROGRAM, model, options.response_method)
    say("model", f"{type(model).__name__} of {name_of(options.model)} (SHA-256 {digest})")
    labels_elsewhere = options.background is not None and str(options.baseline).startswith("class:")
    layout = choose_columns(options.data, model, options.label, options.ids, may_lack_label=labels_elsewhere)
    baseline = choose_baseline(options, layout.features)
    levels = _find_levels(options, layout, baseline)
    target, is_single = _choose_target(options, layout, response, levels)
    _check_carried(options, layout, is_single)
    survey = look_at(_open(options, layout, options.batch_size), layout.features, response, levels)
    _check_report_size(options, layout, survey)
    _say_plan(options, layout, survey, baseline)
    table = _open(options, layout, survey.n_rows if options.report else options.batch_size)
    towards = "down" if response.kind == "outlier_detector" else "up"
    return Job(options, layout, table, survey, _explainer(options, model, baseline, layout), target, towards)


def _open(options: Namespace, layout: Layout, rows: int) -> Table:
    return open_with("--data", options.data, [*layout.features, *layout.carried], layout.ids, rows)


def _find_levels(options: Namespace, layout: Layout, baseline: Any) -> set[str]:
    """Columns that hold text in the data or in the baseline: the other may not know any of its values."""
    with about("--data"):
        levels = find_levels(_open(options, layout, 10_000), layout.features)
    rows = known_levels(baseline.fixed.rows, layout.features) if isinstance(baseline, FixedBaseline) else set()
    return levels | rows


def _choose_target(options: Namespace, layout: Layout, response: Response, levels: set[str]) -> tuple[Any, bool]:
    """The target, and whether one output is explained; a row of the data tells how many outputs there are."""
    table = _open(options, layout, options.batch_size)
    n_outputs = look_at(table, layout.features, response, levels, n_most=1).n_outputs
    target = choose_target(options.target, response, n_outputs)
    return target, resolve_target(PROGRAM, target, response, n_outputs, 1).single


def _check_carried(options: Namespace, layout: Layout, is_single: bool) -> None:
    """Carried columns do not bear the names of ours."""
    ours = output_columns(layout.features, options.reasons, is_single)
    taken = [name for name in layout.carried if name in ours]
    if taken:
        raise InvalidInputError(
            f"--data: column {taken[0]!r} is carried through, but the output has a column of that name; rename it."
        )


def _check_report_size(options: Namespace, layout: Layout, survey: Survey) -> None:
    n_most = MAX_REPORT_VALUES // (len(layout.features) * survey.n_outputs)
    if options.report is not None and survey.n_rows > n_most:
        raise InvalidInputError(
            f"--report: keeps all rows in memory, at most {n_most:,} of {len(layout.features)} columns; "
            f"{name_of(options.data)} has {survey.n_rows:,}. Leave it out, or report on part of the rows."
        )


def _explainer(options: Namespace, model: Any, baseline: Any, layout: Layout) -> Any:
    return METHODS[options.method](
        model,
        baseline,
        response_method=options.response_method,
        engine=options.engine,
        tol=options.tol,
        max_evaluations=options.max_evaluations,
        thoroughness=options.thoroughness,
        feature_names=layout.features,
        n_jobs=options.n_jobs,
        progress="auto" if sys.stderr.isatty() else False,
    )


def _say_duration(job: Job) -> None:
    """Warn of a long job before it begins, and of what would shorten it."""
    if job.survey.n_rows < WORTH_TIMING:
        return
    batch = take_rows(next(iter(job.table)), slice(0, SIZES[-1]))
    seconds = seconds_for(job.explainer, job.features_of(batch), job.target, job.survey.n_rows)
    if seconds > LONG_SECONDS:
        say("", f"this will take about {spoken(seconds)}. {SHORTER}")


def _say_plan(options: Namespace, layout: Layout, survey: Survey, baseline: Any) -> None:
    say("data", f"{survey.n_rows:,} rows of {name_of(options.data)}")
    say("", f"{len(layout.features)} columns explained: {_some(layout.features)}")
    say("", f"{len(layout.carried)} carried through: {_some(layout.carried)}" if layout.carried else "")
    rows = baseline.resolve(None) if isinstance(baseline, FixedBaseline) else None
    say("baseline", "a row of zeros" if rows is None else rows.description)
    if rows is not None and len(rows.weights) > 1:
        say("", f"every row is compared with {len(rows.weights):,}: {survey.n_rows * len(rows.weights):,} comparisons")


def _some(names: list[str], n_most: int = 5) -> str:
    """The first few names."""
    more = f" and {len(names) - n_most} more" if len(names) > n_most else ""
    return ", ".join(names[:n_most]) + more


def _write(job: Job, tally: "_Tally", explained: Iterator[tuple["DataFrame", Explanation]]) -> None:
    """Table and report; neither appears before both are complete."""
    options = job.options
    with ExitStack() as files:
        report = files.enter_context(staged(options.report))
        writer = files.enter_context(TableWriter(options.out, force=options.force)) if options.out else None
        for carried, explanation in explained:
            if writer is not None:
                writer.write(attribution_table(explanation, carried, options.reasons, job.towards))
            if report is not None:  # all rows are in one batch then
                title = f"{name_of(options.model)} on {name_of(options.data)}"
                write_report(explanation, report, title=title, towards=job.towards)
            tally.add(explanation)
    tally.close()
    say("wrote", ", ".join(path for path in (options.out, options.report) if path))


class _Tally:
    """Counts what was done, and says so now and then."""

    def __init__(self, n_rows: int) -> None:
        self.n_total, self.n_done, self.worst, self.worst_relative = n_rows, 0, 0.0, 0.0
        self.started = self.said = time.perf_counter()

    def add(self, explanation: Explanation) -> None:
        """One more batch."""
        if self.n_done == 0:
            self._introduce(explanation)
        self.n_done += len(explanation)
        gap = relative_convergence_delta(explanation.values, explanation.convergence_delta)
        self.worst = max(self.worst, float(np.abs(explanation.convergence_delta).max()))
        self.worst_relative = max(self.worst_relative, float(gap.max()))
        now = time.perf_counter()
        if now - self.said > SECONDS_BETWEEN_LINES and self.n_done < self.n_total:
            self.said = now
            left = (now - self.started) / self.n_done * (self.n_total - self.n_done)
            say("", f"{self.n_done:,} of {self.n_total:,} rows, about {spoken(left)} to go")

    def _introduce(self, explanation: Explanation) -> None:
        outputs = ", ".join(explanation.output_names)
        exact = "exact" if explanation.exact else "not exact"
        say("explained", f"{explanation.response_method} ({outputs}) by the {explanation.engine} engine, {exact}")

    def close(self) -> None:
        """The end."""
        seconds = time.perf_counter() - self.started
        say("done", f"{self.n_done:,} rows in {seconds:.1f} s; largest completeness gap {self.worst:.1e} "
                    f"({self.worst_relative:.1e} of a row's contributions)")  # fmt: skip
