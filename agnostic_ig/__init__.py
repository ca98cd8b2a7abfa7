"""Integrated Gradients and SmoothGrad for models without gradients.

Names load when they are first used (PEP 562), so that importing the package stays cheap.
"""

import importlib
from typing import Any

from agnostic_ig._version import __version__

# public name -> module that defines it; None: the name is a submodule
_PUBLIC = {
    "Explanation": "agnostic_ig.results",
    "GradientResult": "agnostic_ig.results.gradient_result",
    "IntegratedGradients": "agnostic_ig.methods.integrated_gradients",
    "ReasonCode": "agnostic_ig.results",
    "baselines": None,
    "datasets": None,
    "exceptions": None,
    "gradient": "agnostic_ig.methods.gradient",
    "inspect_model": "agnostic_ig.methods.inspection",
    "load_explanation": "agnostic_ig.results",
}

__all__ = [
    "Explanation",
    "GradientResult",
    "IntegratedGradients",
    "ReasonCode",
    "__version__",
    "baselines",
    "datasets",
    "exceptions",
    "gradient",
    "inspect_model",
    "load_explanation",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _PUBLIC[name]
    if home is None:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
