"""Booster files tried in a process of its own, with limits on memory and time, before the caller loads them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.model_files.booster_worker import LENGTH, READY
from agnostic_ig.model_files.requirement import require

__all__ = ["Verdict", "try_all", "try_out"]

WORKER = "agnostic_ig.model_files.booster_worker"
# Libraries take address space for their code and threads; models take some times the size of their files.
MEMORY, MEMORY_PER_BYTE = 4 << 30, 40
SECONDS, BYTES_PER_SECOND = 60, 1 << 20
# What a process returns that was ended by its limit of computing time.
OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0) or None


class Verdict(NamedTuple):
    """How a file ended: "loaded" with what was found, "error" with the library's words, "crash" or "hang"."""

    outcome: str
    facts: dict[str, Any] = {}  # noqa: RUF012 - never changed


def try_out(kind: str, data: bytes) -> dict[str, Any]:
    """Facts of a file that can be loaded and asked; refuse any other."""
    (verdict,) = try_all(kind, [data])
    require(verdict.outcome != "crash", "loading it or predicting with it ended the process that tried")
    require(verdict.outcome != "hang", "loading it or predicting with it took too long for its size")
    require(verdict.outcome != "error", f"its library cannot use it ({verdict.facts.get('error')})")
    return verdict.facts


def try_all(kind: str, files: Sequence[bytes], seconds: int = SECONDS) -> list[Verdict]:
    """What becomes of each file; one process for all of them, and another one after each that it did not survive."""
    verdicts: list[Verdict] = []
    while len(verdicts) < len(files):
        verdicts += _try_until_lost(kind, files[len(verdicts) :], seconds)
    return verdicts


def _try_until_lost(kind: str, files: Sequence[bytes], seconds: int) -> list[Verdict]:
    """Verdicts up to the first file that the process was lost with."""
    largest = max(map(len, files))
    seconds += largest // BYTES_PER_SECOND
    command = [sys.executable, "-P", "-W", "ignore", "-m", WORKER, kind]
    limits = [str(MEMORY + MEMORY_PER_BYTE * largest), str(seconds)]
    request = b"".join(LENGTH.pack(len(data)) + data for data in files)
    try:
        done = subprocess.run(
            command + limits,
            input=request,
            capture_output=True,
            env=_environment(),
            timeout=seconds * (1 + len(files)),
            check=False,
        )
        replies, words, end = done.stdout, done.stderr, "hang" if done.returncode == OUT_OF_TIME else "crash"
    except subprocess.TimeoutExpired as error:
        replies, words, end = error.stdout or b"", error.stderr or b"", "hang"
    except OSError as error:
        replies, words, end = b"", str(error).encode(), "crash"
    if not replies.startswith(READY):
        last = words.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise InvalidInputError(f"The process in which model files are tried did not start: {last or end}.")
    verdicts = [_verdict(line) for line in replies.removeprefix(READY).splitlines(keepends=True) if line[-1:] == b"\n"]
    return verdicts if len(verdicts) == len(files) else [*verdicts, Verdict(end)]


def _verdict(line: bytes) -> Verdict:
    facts = json.loads(line)
    return Verdict("error" if "error" in facts else "loaded", facts)


def _environment() -> dict[str, str]:
    """One thread, and the packages of this process wherever it found them."""
    paths = [path or os.getcwd() for path in sys.path]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | threads | {"PYTHONPATH": os.pathsep.join(paths)}
