"""The process in which booster files are loaded first: ``python -m agnostic_ig.model_files.booster_worker``.

It may run out of memory or time, or crash. From stdin it reads one file after the other, each after its length (8
bytes); to stdout it writes a line ``ready``, and then a line of JSON for each: the facts that were found, or "error".
"""

import json
import os
import struct
import sys
from typing import Any, BinaryIO

from agnostic_ig.model_files.booster_libraries import LIBRARIES, Library, digest_of, import_library
from agnostic_ig.model_files.requirement import one_line

__all__ = ["READY", "serve"]

READY = b"ready\n"
LENGTH = struct.Struct(">Q")


def serve(kind: str, memory: int, seconds: int) -> None:
    """Answer for every file of stdin."""
    replies = _take_stdout()
    files, library = sys.stdin.buffer, LIBRARIES[kind]
    _limit_memory(memory)
    import_library(kind)
    replies.write(READY)
    while header := files.read(LENGTH.size):
        data = files.read(*LENGTH.unpack(header))
        _limit_time(seconds)
        replies.write(json.dumps(_look_at(library, data)).encode() + b"\n")


def _take_stdout() -> BinaryIO:
    """What libraries print goes to stderr from here on."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return replies


def _look_at(library: Library, data: bytes) -> dict[str, Any]:
    try:
        model = library.build(data, {})
        facts = library.describe(model)
        return facts | {"digest": digest_of(library.answers(model))}
    except Exception as error:  # whatever a damaged file makes a library raise
        return {"error": one_line(error)}


def _limit_memory(memory: int) -> None:
    """Bytes that the process may ask for; no file of its memory is left when it crashes."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: int) -> None:
    """Seconds of computing from now on."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        end = int(used.ru_utime + used.ru_stime) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
