"""Reader of pipelines: the engine of the last step, in the columns that the first one takes."""

from dataclasses import replace
from functools import partial
from typing import Any

from agnostic_ig.engines._registry import read_model
from agnostic_ig.engines.pull_back import InsideEngine
from agnostic_ig.engines.readers.transformers import follow_pipeline, steps_of
from agnostic_ig.engines.response import Response

__all__ = ["read"]


def read(model: Any, response: Response) -> Any:
    """Engine of the last step behind all others."""
    steps, last = steps_of(model)
    engine = read_model(last, replace(response, model=last))
    if not steps:
        return engine
    reading, depends = follow_pipeline(model)
    return InsideEngine(engine, partial(_through, steps), depends, reading)


def _through(steps: list[Any], container: Any) -> Any:
    """As the pipeline itself transforms when it predicts."""
    for step in steps:
        container = step.transform(container)
    return container
