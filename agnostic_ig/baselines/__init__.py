"""Baselines: what an attribution compares with. One file a kind."""

import importlib
from typing import Any

# public name -> module
_KINDS = {"Zero": "zero", "Mean": "mean", "Median": "median", "Sample": "sample", "Class": "one_class"}

__all__ = ["Class", "Mean", "Median", "Sample", "Zero"]


def __getattr__(name: str) -> Any:
    if name not in _KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_KINDS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
