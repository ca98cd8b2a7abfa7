"""Damaged files of boosting libraries: each is loaded and asked in a process that may die; the ends are counted.

``run_booster_campaign(60, seed=0, folder)`` is what the tests run. Nothing is done differently from `load_model`, but
one process tries many files before they are loaded, since starting a library takes a second.
"""

import functools
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from booster_models import Saved, all_answers, files, plainly_loaded, resized

from agnostic_ig.exceptions import InvalidInputError, UnsafeFileError
from agnostic_ig.model_files import booster_files, limited, load_model

OUTCOMES = ("refused", "same", "different", "error", "escaped", "crash", "hang")
SECONDS = 20


# --- ways to damage a file: (bytes, generator) -> other bytes

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
STRANGE = (b"-1", b"0", b"1", b"3", b"7", b"1000", b"2147483647", b"-2147483648", b"1e999", b"NaN", b"0.5", b"-3E38")


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of a file."""
    return data[: rng.integers(len(data))]


def bit_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """One bit."""
    damaged = bytearray(data)
    damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
    return bytes(damaged)


def bits_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bits."""
    for _ in range(rng.integers(2, 6)):
        data = bit_flipped(data, rng)
    return data


def number_overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """A strange number in the place of one that was there."""
    found = list(NUMBER.finditer(data))
    match = found[rng.integers(len(found))]
    return data[: match.start()] + STRANGE[rng.integers(len(STRANGE))] + data[match.end() :]


def word_overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes of a number, in the order of either kind of machine."""
    number = rng.choice([-1, 0, 1, 3, 1000, 2**31 - 1, -(2**31), 0x7F800000, 0x7FC00000])
    place = rng.integers(len(data) - 4)
    word = int(number).to_bytes(4, rng.choice(["little", "big"]), signed=True)
    return data[:place] + word + data[place + 4 :]


def bytes_lost(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes missing."""
    place = rng.integers(len(data))
    return data[:place] + data[place + rng.integers(1, 9) :]


def block_moved(data: bytes, rng: np.random.Generator) -> bytes:
    """A block in the place of another one, as of a disk."""
    length = int(rng.integers(8, 200))
    here, there = rng.integers(max(1, len(data) - length), size=2)
    return data[:there] + data[here : here + length] + data[there + length :]


def entry_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """One number of a text, by somebody who knows the format."""
    if data.startswith(b"tree\n"):
        return _token_changed(data, rng)
    if not data.startswith(b'{"') and not data.startswith(b"{\n"):
        return word_overwritten(data, rng)
    document = json.loads(data)
    places = list(_numbers(document))
    whole, key = places[rng.integers(len(places))]
    others = [0, 1, 2, 3, 5, 7, -1, -2, 10**6, 2**31 - 1, 2**24, 0.5, -1.5]
    whole[key] = others[rng.integers(len(others))]
    return json.dumps(document).encode()


def _token_changed(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data[: data.find(b"end of trees")].split(b"\n")
    places = [i for i, line in enumerate(lines) if b"=" in line[:20] and NUMBER.search(line)]
    here = places[rng.integers(len(places))]
    key, _, values = lines[here].partition(b"=")
    tokens = values.split(b" ")
    tokens[rng.integers(len(tokens))] = rng.choice([b"0", b"1", b"2", b"5", b"9", b"-1", b"-3", b"0.5", b"1000000"])
    lines[here] = key + b"=" + b" ".join(tokens)
    return resized(b"\n".join(lines) + data[data.find(b"end of trees") :])


def _numbers(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a number: what holds it, and its key there; not of what was noted down about training."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, int | float) and not isinstance(item, bool):
            yield value, key
        elif key != "model_info":
            yield from _numbers(item)


MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    truncated,
    bit_flipped,
    bits_flipped,
    number_overwritten,
    word_overwritten,
    bytes_lost,
    block_moved,
    entry_changed,
)
# What leaves a sound model more often than not: only a digest can tell that it is another one.
SKILFUL = ("entry_changed",)


# --- the campaign


class Damaged(NamedTuple):
    """A damaged file."""

    family: str
    mutation: str
    path: Path


def run_booster_campaign(n: int, seed: int, folder: Path) -> Counter[tuple[str, str, str]]:
    """Damage `n` files in a folder and count what happened by family, mutation and outcome.

    Outcomes are "refused" with a clear error by `load_model`, "same" or "different" predictions, a Python "error" when
    asked for them, anything else that "escaped" `load_model`, "crash" or "hang" of the caller.
    """
    damaged = damage(n, seed, folder)
    outcomes = judge([one.path for one in damaged], [one.family for one in damaged], folder)
    return Counter((one.family, one.mutation, outcome) for one, outcome in zip(damaged, outcomes, strict=True))


def damage(n: int, seed: int, folder: Path) -> list[Damaged]:
    """Damaged files; those that came out as they were are left out."""
    found, names = [], sorted(files())
    for family in names:
        (folder / f"{family}{files()[family].suffix}").write_bytes(files()[family].data)
    for trial in range(n):
        rng = np.random.default_rng((seed, trial))
        family = names[trial % len(names)]
        mutate = MUTATIONS[(trial // len(names) + trial) % len(MUTATIONS)]
        data = mutate(files()[family].data, rng)
        if data != files()[family].data:
            path = folder / f"damaged_{trial}{files()[family].suffix}"
            path.write_bytes(data)
            found.append(Damaged(family, mutate.__name__, path))
    return found


class PassedError(Exception):
    """A file came through every check of its structure."""

    def __init__(self, kind: str, data: bytes) -> None:
        self.kind, self.data = kind, data


def check_structure(path: Path) -> None:
    """What `load_model` does before it tries a file in a process of its own.

    Raises
    ------
    PassedError
        If it would try the file.
    """

    def stop(kind: str, data: bytes) -> None:
        raise PassedError(kind, data)

    with mock.patch.object(booster_files, "try_out", stop):
        load_model(path)


def judge(paths: Sequence[Path], families: Sequence[str], folder: Path) -> list[str]:
    """Outcome of every file."""
    verdicts = _try_limited(paths)
    (folder / "verdicts.json").write_text(json.dumps(verdicts))
    outcomes: list[str] = []
    while len(outcomes) < len(paths):
        request = [[str(path), family] for path, family in zip(paths, families, strict=True)][len(outcomes) :]
        outcomes += _load_until_lost(request, folder)
    return outcomes


def _try_limited(paths: Sequence[Path]) -> dict[str, list[Any]]:
    """What the limited process says of every file that gets there, by its digest."""
    waiting: dict[str, list[bytes]] = {}
    for path in paths:
        try:
            check_structure(path)
        except PassedError as passed:
            waiting.setdefault(passed.kind, []).append(passed.data)
        except Exception:  # the caller will find the same
            continue
    verdicts = {}
    for kind, data in waiting.items():
        for one, verdict in zip(data, limited.try_all(kind, data, SECONDS), strict=True):
            verdicts[_digest(one)] = list(verdict)
    return verdicts


def _digest(data: bytes) -> str:

    return hashlib.sha256(data).hexdigest()


def _load_until_lost(request: list[list[str]], folder: Path) -> list[str]:
    """Outcomes up to the first file that the caller was lost with."""
    command = [sys.executable, "-W", "ignore", __file__, str(folder)]
    end = "crash"
    try:
        done = subprocess.run(
            command, input=json.dumps(request).encode(), capture_output=True, timeout=300, env=limited._environment()
        )
        replies = done.stdout
        if not replies.startswith(b"begin\n"):
            raise RuntimeError(done.stderr.decode())
    except subprocess.TimeoutExpired as error:
        replies, end = error.stdout or b"begin\n", "hang"
    outcomes = [line for line in replies.decode().split("\n")[1:] if line in OUTCOMES]
    return outcomes if len(outcomes) == len(request) else [*outcomes, end]


def _be_the_caller(folder: Path) -> None:
    """Load what stdin names, one after the other, and say what became of each."""
    request = json.load(sys.stdin)
    verdicts = json.loads((folder / "verdicts.json").read_text())
    expected: dict[str, list[np.ndarray]] = {}
    _say("begin")

    def recall(kind: str, data: bytes) -> dict[str, Any]:
        verdict = limited.Verdict(*verdicts[_digest(data)])
        with mock.patch.object(limited, "try_all", return_value=[verdict]):
            return limited.try_out(kind, data[0])

    with mock.patch.object(booster_files, "try_out", recall):
        for path, family in request:
            _say(_load(Path(path), family, folder, expected))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _load(path: Path, family: str, folder: Path, expected: dict[str, list[np.ndarray]]) -> str:
    try:
        model = load_model(path)
    except (UnsafeFileError, InvalidInputError):
        return "refused"
    except Exception:
        return "escaped"
    try:
        found = all_answers(model)
    except Exception:
        return "error"
    is_same = all(map(functools.partial(np.array_equal, equal_nan=True), found, _expected(family, folder, expected)))
    return "same" if is_same else "different"


def _expected(family: str, folder: Path, known: dict[str, list[np.ndarray]]) -> list[np.ndarray]:
    """What the undamaged file answers, loaded without any check."""
    if family not in known:
        (path,) = folder.glob(f"{family}.*")
        known[family] = all_answers(plainly_loaded(family, Saved(path.suffix, path.read_bytes())))
    return known[family]


if __name__ == "__main__":
    _be_the_caller(Path(sys.argv[1]))
