"""What the checks of model files have in common: how a demand fails, and how an error reads on one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from agnostic_ig.exceptions import UnsafeFileError

__all__ = ["one_line", "refusal", "require"]


def require(condition: object, what: str) -> None:
    """Refuse the file unless the condition holds; `what` says what is wrong."""
    if not condition:
        raise UnsafeFileError(what)


@contextmanager
def refusal(name: str) -> Iterator[None]:
    """Demands that fail inside name the file."""
    try:
        yield
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name} was refused: {error}.") from error


def one_line(error: BaseException, limit: int = 160) -> str:
    """Kind and beginning of an error's message, on one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return text if len(text) <= limit else text[: limit - 3] + "..."
