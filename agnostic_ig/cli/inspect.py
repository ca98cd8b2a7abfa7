"""``agnostic-ig inspect``: what would explain a saved model."""

import json
from argparse import Namespace
from typing import Any

from agnostic_ig.cli.columns import choose_columns, find_levels, open_with, with_levels
from agnostic_ig.cli.messages import PROGRAM, about, put
from agnostic_ig.cli.model_file import load
from agnostic_ig.cli.survey import look_at
from agnostic_ig.engines._build import MAX_PROBES
from agnostic_ig.engines.response import resolve_response
from agnostic_ig.methods.inspection import inspect_model

__all__ = ["run"]


def run(options: Namespace) -> None:
    """Print what `inspect_model` finds; see ``agnostic-ig inspect --help``."""
    model, digest = load(options)
    rows = None if options.data is None else _rows(options, model)
    with about("--model"):
        found = inspect_model(model, X=rows)
    facts = {"file": options.model, "sha256": digest}
    if options.json:
        put(json.dumps(facts | found.to_dict(), indent=2, ensure_ascii=False))
    else:
        put("\n".join([*(f"{name + ':':<12} {value}" for name, value in facts.items()), str(found)]))


def _rows(options: Namespace, model: Any) -> Any:
    """The first rows of ``--data``, as many as are compared."""
    layout = choose_columns(options.data, model, options.label, options.ids)
    table = open_with("--data", options.data, layout.features, rows=MAX_PROBES)
    with about("--data"):
        levels = find_levels(table, layout.features)
    response = resolve_response(PROGRAM, model, "auto")
    levels = look_at(table, layout.features, response, levels, MAX_PROBES).levels
    return with_levels(next(iter(table))[layout.features], levels)
