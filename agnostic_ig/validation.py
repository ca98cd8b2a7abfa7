"""Checks at the door: every ``check_*`` returns the clean value or raises an error that names the parameter."""

import importlib
import numbers
from types import ModuleType
from typing import Any

import numpy as np

from agnostic_ig.exceptions import InvalidParameterError, InvalidParameterTypeError, MissingDependencyError

__all__ = [
    "check_choice",
    "check_flag",
    "check_integer",
    "check_number",
    "check_random_state",
    "import_optional",
    "invalid",
    "shorten",
    "type_error",
]


def shorten(value: object, limit: int = 80) -> str:
    """``repr`` of a value, cut to one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def invalid(owner: str, name: str, must: str, got: object, hint: str = "") -> InvalidParameterError:
    """The one shape of a parameter error; raise what this returns."""
    text = f"The '{name}' parameter of {owner} must be {must}. Got {shorten(got)} instead."
    return InvalidParameterError(f"{text} {hint}".strip())


def type_error(owner: str, name: str, must: str, got: object, hint: str = "") -> InvalidParameterTypeError:
    """The same message where Python itself would raise a TypeError."""
    return InvalidParameterTypeError(str(invalid(owner, name, must, got, hint)))


def check_number(
    owner: str,
    name: str,
    value: Any,
    *,
    above: float = -np.inf,
    below: float = np.inf,
    allow_none: bool = False,
    hint: str = "",
) -> float | None:
    """A finite real number strictly between `above` and `below`."""
    if value is None and allow_none:
        return None
    bounds = " and ".join([f"> {above:g}"] * (above > -np.inf) + [f"< {below:g}"] * (below < np.inf))
    must = " ".join(part for part in ("a float", bounds, "or None" if allow_none else "") if part)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    if not is_number or not above < value < below:
        raise invalid(owner, name, must, value, hint)
    return float(value)


def check_integer(
    owner: str,
    name: str,
    value: Any,
    *,
    at_least: int,
    allow_none: bool = False,
    also: str = "",
    hint: str = "",
) -> int | None:
    """An integer of at least `at_least`; `also` names what else is allowed, for the message."""
    if value is None and allow_none:
        return None
    must = " or ".join(part for part in (f"an int >= {at_least}", "None" if allow_none else "", also) if part)
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
    if not is_integer or value < at_least:
        raise invalid(owner, name, must, value, hint)
    return int(value)


def check_choice(owner: str, name: str, value: Any, choices: tuple[str, ...], hint: str = "") -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise invalid(owner, name, "one of " + ", ".join(map(repr, choices)), value, hint)
    return value


def check_flag(owner: str, name: str, value: Any, *, also: tuple[str, ...] = ()) -> bool | str:
    """True or False, or one of the words in `also`."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str) and value in also:
        return value
    raise invalid(owner, name, " or ".join(["True", "False", *map(repr, also)]), value)


def check_random_state(owner: str, name: str, value: Any) -> np.random.Generator:
    """A generator from None (a fixed seed: answers do not change from run to run), an int, or a Generator."""
    if value is None:
        return np.random.default_rng(0)
    if isinstance(value, np.random.Generator):
        return value
    if isinstance(value, np.random.RandomState):
        return np.random.default_rng(value.randint(0, 2**31 - 1, size=4))
    if isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_) and value >= 0:
        return np.random.default_rng(int(value))
    raise invalid(owner, name, "None, an int >= 0, a numpy Generator or a RandomState", value)


def import_optional(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a library that only some uses need; the error names the extra that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        raise MissingDependencyError(
            f'{purpose} needs {top}, which is not installed: pip install "agnostic-ig[{extra}]"'
        ) from error
