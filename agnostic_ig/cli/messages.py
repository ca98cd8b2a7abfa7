"""What the command line says: plain lines on stdout, one line for every warning and error on stderr."""

import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from agnostic_ig import exceptions
from agnostic_ig.exceptions import DurationWarning, InvalidInputError

__all__ = [
    "OUR_ERRORS",
    "PROGRAM",
    "FailedWorkError",
    "about",
    "as_one_line",
    "describe",
    "drop_stdout",
    "put",
    "say",
    "say_on_stderr",
    "warnings_as_lines",
    "working",
]

PROGRAM = "agnostic-ig"
# Errors of this package carry a message for the user; anything else is a surprise.
OUR_ERRORS = tuple(
    found
    for found in map(vars(exceptions).get, exceptions.__all__)
    if issubclass(found, Exception) and not issubclass(found, Warning)
)

# What messages of functions say -> what it is on the command line, where the option stands before the message.
WORDS = {r"^The 'path' parameter of \S+ must\b": "must", r"\(as_text\)": "(--id COL)"}


class FailedWorkError(Exception):
    """Something went wrong after work had begun; the text says what."""


def say(topic: str, text: object = "") -> None:
    """One line on stdout about some topic."""
    put(f"{topic:<11} {text}".rstrip())


def put(text: str) -> None:
    """Text on stdout, at once: a pipe would hold it back otherwise. A reader who has gone does not end the work."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        drop_stdout()
    except OSError as error:
        raise OSError(error.errno, error.strerror, "<stdout>") from error


def drop_stdout() -> None:
    """Whatever goes to stdout from now on is lost; else Python would complain about it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_on_stderr(kind: str, text: object) -> None:
    """One line on stderr that names the program and what kind of line it is."""
    print(f"{PROGRAM}: {kind}: {as_one_line(text)}", file=sys.stderr, flush=True)


def as_one_line(text: object) -> str:
    """Text of a message without line breaks; control characters could drive the terminal, so they are shown."""
    words = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)


@contextmanager
def about(option: str) -> Iterator[None]:
    """Errors inside are about this option, and say so."""
    try:
        yield
    except exceptions.MissingDependencyError:
        raise
    except OUR_ERRORS as error:
        raise InvalidInputError(f"{option}: {_in_words_of_options(str(error))}") from error
    except OSError as error:
        raise InvalidInputError(f"{option}: {_words(error)}") from error


def _in_words_of_options(message: str) -> str:
    for pattern, word in WORDS.items():
        message = re.sub(pattern, word, message)
    return message


@contextmanager
def working() -> Iterator[None]:
    """Whatever goes wrong inside is a failure of work that had begun."""
    try:
        yield
    except Exception as error:
        raise FailedWorkError(describe(error)) from error


def describe(error: BaseException) -> str:
    """An error in words; surprises say what they are."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; fewer rows at a time (--batch-size) need less"
    if isinstance(error, OUR_ERRORS):
        return str(error)
    if isinstance(error, OSError):
        return _words(error)
    return f"unexpected {type(error).__name__}: {error}"


def _words(error: OSError) -> str:
    """Reason and file of a system error, without its number."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


class _Lines:
    """Prints the first warning of each kind and counts the rest: every batch may repeat it with other numbers."""

    def __init__(self) -> None:
        self._counts: Counter[type[Warning]] = Counter()

    def show(self, message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        """Stands in for ``warnings.showwarning``."""
        self._counts[category] += 1
        if self._counts[category] == 1:
            say_on_stderr("warning", message)

    def close(self) -> None:
        """Say how many warnings were not shown."""
        for category, count in self._counts.items():
            if count > 1:
                say_on_stderr("warning", f"and {count - 1:,} more like it ({category.__name__})")


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Warnings inside become lines on stderr.

    Shown are ours and other UserWarnings (scikit-learn's about files of another version is one); what libraries
    tell developers (deprecations, overflows) is not.
    """
    lines = _Lines()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", DurationWarning)  # the command tells the time before it starts
        warnings.showwarning = lines.show
        try:
            yield
        finally:
            lines.close()
