"""Files of boosting libraries: structure checked, tried in a limited process, then loaded here; answers must agree."""

from typing import Any, BinaryIO

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.archive import size_of
from agnostic_ig.model_files.booster_libraries import LIBRARIES, digest_of
from agnostic_ig.model_files.limited import try_out
from agnostic_ig.model_files.requirement import one_line, require

__all__ = ["load_booster", "read_bytes"]

# Parsed, such a file takes some ten times its size.
MAX_BYTES = 1 << 30


def read_bytes(file: BinaryIO) -> bytes:
    """All of an open file, unless it is larger than any model."""
    size = size_of(file)
    require(size > 0, "it is empty")
    require(size <= MAX_BYTES, f"it has {size} bytes, more than the {MAX_BYTES} that a model may have")
    return file.read()


def load_booster(kind: str, data: bytes) -> Any:
    """The library's own model, once another process has loaded it and it answers here as it did there."""
    facts, library = try_out(kind, data), LIBRARIES[kind]
    try:
        model = library.build(data, facts)
        digest = digest_of(library.answers(model))
    except Warning:  # made an error by the caller's own filters: not the file's fault
        raise
    except Exception as error:  # whatever a library raises
        raise UnsafeFileError(f"its library cannot use it ({one_line(error)})") from error
    require(digest == facts["digest"], "it does not predict the same each time it is loaded")
    return model
