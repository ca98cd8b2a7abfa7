"""skops files: only types on a fixed list, and nothing unpacked before its size is known."""

import json
import zipfile
from typing import Any, BinaryIO

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.allowed_types import ALLOWED_TYPES
from agnostic_ig.model_files.archive import check_archive, size_of
from agnostic_ig.model_files.requirement import one_line, require
from agnostic_ig.model_files.schema import check_schema
from agnostic_ig.validation import import_optional

__all__ = ["load_skops"]


def load_skops(file: BinaryIO, name: str) -> Any:
    """The object in a skops file; its numbers are still to be checked (`soundness.check_sound`)."""
    skops_io = import_optional("skops.io", extra="app", purpose="Loading .skops model files")
    untrusted = import_optional("skops.io.exceptions", extra="app", purpose="Loading .skops model files")
    try:
        _check_unpacked(file)
        return skops_io.load(file, trusted=sorted(ALLOWED_TYPES))
    except untrusted.UntrustedTypesFoundException as error:
        raise UnsafeFileError(_unknown_types(skops_io, file, name)) from error
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name} was refused: {error}.") from error
    except Warning:  # made an error by the caller's own filters: not the file's fault
        raise
    except Exception as error:  # whatever a damaged file makes zipfile, json, numpy or skops raise
        raise UnsafeFileError(f"{name} is not a readable skops file: {one_line(error)}") from error


def _check_unpacked(file: BinaryIO) -> None:
    packed_bytes = size_of(file)
    require(packed_bytes > 0, "it is empty")
    require(zipfile.is_zipfile(file), "it is not a skops file (no zip archive, or cut short)")
    with zipfile.ZipFile(file) as archive:
        check_archive(archive, packed_bytes)
        require("schema.json" in archive.namelist(), "it is not a skops file (no schema.json)")
        check_schema(json.loads(archive.read("schema.json")), archive, packed_bytes)
    file.seek(0)


def _unknown_types(skops_io: Any, file: BinaryIO, name: str) -> str:
    file.seek(0)
    unknown = sorted(set(skops_io.get_untrusted_types(file=file)) - set(ALLOWED_TYPES))
    shown = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
    return (
        f"{name} was refused: it holds types that are not known to be harmless: {shown}. Save a model built "
        "of scikit-learn's own parts (of a search, its best_estimator_), or load it in Python and pass it."
    )
