"""Pickles, read only for those who say that they trust the file: loading one runs its code."""

from typing import Any, BinaryIO

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.model_files.requirement import one_line

__all__ = ["load_pickle"]


def load_pickle(file: BinaryIO, name: str) -> Any:
    """The object in a trusted pickle, plain or compressed, written by joblib or by pickle."""
    import joblib

    try:
        return joblib.load(file)
    except Warning:  # made an error by the caller's own filters: not the file's fault
        raise
    except Exception as error:  # a damaged or foreign pickle may raise anything
        raise InvalidInputError(f"{name} could not be loaded as a pickle: {one_line(error)}") from error
