"""Errors and warnings of this package.

Errors are ``ValueError``, ``TypeError`` or ``ImportError`` underneath, so code that catches those keeps working.
"""

__all__ = [
    "AgnosticIGWarning",
    "BudgetWarning",
    "CompletenessWarning",
    "DurationWarning",
    "EngineUnavailableError",
    "EngineWarning",
    "InvalidInputError",
    "InvalidParameterError",
    "InvalidParameterTypeError",
    "MissingDependencyError",
    "ModelError",
    "ModelOutputError",
    "NoiseWarning",
    "UnsafeFileError",
]


class InvalidParameterError(ValueError):
    """A parameter has a value that is not allowed; the message names the parameter and what to do."""


class InvalidParameterTypeError(TypeError):
    """A parameter has a type that is not allowed; the message names the parameter and what to do."""


class InvalidInputError(ValueError):
    """The data (X, a baseline, a background or a file) cannot be used; the message says what to change."""


class EngineUnavailableError(ValueError):
    """``engine="exact"`` was asked for and no exact engine serves this model."""


class ModelOutputError(ValueError):
    """The model or predict function returned something that cannot be explained; the message says what."""


class ModelError(RuntimeError):
    """The model itself raised on the rows it was asked for; the model's own error is the cause."""


class MissingDependencyError(ImportError):
    """An optional library is needed; the message names the extra that installs it."""


class UnsafeFileError(ValueError):
    """A model file is damaged, of the wrong kind, or would run code that nobody agreed to."""


class AgnosticIGWarning(UserWarning):
    """Base of all warnings of this package."""


class BudgetWarning(AgnosticIGWarning):
    """Some rows did not reach ``tol`` within ``max_evaluations``; the message carries the number."""


class CompletenessWarning(AgnosticIGWarning):
    """Attributions do not add up to the prediction minus the base value; the message carries the number."""


class DurationWarning(AgnosticIGWarning):
    """The call will take more than a minute; the message says how long, and what would make it shorter."""


class NoiseWarning(AgnosticIGWarning):
    """The model gives different answers to the same question; attributions are no better than that."""


class EngineWarning(AgnosticIGWarning):
    """An exact engine was expected but did not reproduce the model, so the numeric engine answers."""
