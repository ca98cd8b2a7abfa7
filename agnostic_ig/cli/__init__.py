"""The command ``agnostic-ig``: one file a command, named as the command is; their arguments stand in `parser`."""

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from agnostic_ig.cli.messages import OUR_ERRORS, FailedWorkError, describe, say_on_stderr, warnings_as_lines
from agnostic_ig.cli.parser import make_parser

__all__ = ["main"]

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        Exit status: 0 done; 2 anything found wrong before work began; 1 work began and failed; 130 interrupted.
        Errors are one line on stderr, never a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a letter must not stop the work
            stream.reconfigure(errors="backslashreplace")
    try:
        return _attempt(argv)
    except KeyboardInterrupt:
        say_on_stderr("error", "interrupted; no file was left half-written")
        return INTERRUPTED
    except OUR_ERRORS as error:
        say_on_stderr("error", describe(error))
        return WRONG_INPUT
    except Exception as error:
        say_on_stderr("error", error if isinstance(error, FailedWorkError) else describe(error))
        return FAILED
    finally:
        _let_go_of_stdout()


def _attempt(argv: Sequence[str] | None) -> int:
    """Parse and run; argparse ends by SystemExit after --help and after an error, which it has printed."""
    try:
        options = make_parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or DONE)
    with warnings_as_lines():
        importlib.import_module(f"agnostic_ig.cli.{options.command}").run(options)
    sys.stdout.flush()
    return DONE


def _let_go_of_stdout() -> None:
    """Where stdout is full or closed, Python would try to write the rest at its end and complain in its own way."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
