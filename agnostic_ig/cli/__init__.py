"""The command ``agnostic-ig``: one file a command, named as the command is; their arguments stand in `parser`."""

import importlib
import io
import sys
from collections.abc import Sequence

from agnostic_ig.cli.messages import (
    OUR_ERRORS,
    FailedWorkError,
    describe,
    drop_stdout,
    say_on_stderr,
    warnings_as_lines,
)
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
    _prepare_streams()
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


def _prepare_streams() -> None:
    """A closed stream, and a terminal that lacks a letter, must not stop the work."""
    sys.stdout, sys.stderr = (io.StringIO() if one is None else one for one in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_stdout() -> None:
    """Where stdout cannot take what is left in its buffer, it never will."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        drop_stdout()
