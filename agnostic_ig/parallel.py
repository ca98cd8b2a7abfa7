"""The one home of threads, and of progress bars: batches of rows over threads, in order, the same for any `n_jobs`."""

import numbers
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from agnostic_ig.validation import invalid

__all__ = ["batches", "check_n_jobs", "for_all", "map_batches", "progress_bar", "threads_beside"]

Result = TypeVar("Result")

# What glibc's allocator takes at most as its threshold for blocks of their own.
HELD_BYTES = 31 << 20
# Models that take all threads unless n_jobs, or the environment, says otherwise.
OPENMP_BY_ITSELF = ("HistGradientBoosting", "XGB", "LGBM", "CatBoost")
# A bar appears by itself only where a wait would be felt (seconds, estimated by the caller).
LONG_WORK_SECONDS = 5.0


def check_n_jobs(owner: str, value: Any) -> int:
    """Number of threads: None means 1 (as scikit-learn), -1 all cores."""
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
    if value is not None and (not is_integer or value == 0):
        raise invalid(owner, "n_jobs", "None or an int other than 0 (-1: all cores)", value)
    from joblib import effective_n_jobs

    return 1 if value is None else effective_n_jobs(int(value))


def threads_beside(model: Any, n_jobs: int) -> int:
    """Threads that leave room for those of the model itself, where batches ask it: n_jobs for both together."""
    return max(1, n_jobs // own_threads(model))


def own_threads(model: Any) -> int:
    """Threads that a model, or the widest part of it, predicts with; 1 for functions, which do not tell."""
    model = getattr(model, "__self__", model)
    parts = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    return max((_threads_of(part) for part in [model, *parts.values()]), default=1)


def _threads_of(part: Any) -> int:
    from joblib import effective_n_jobs

    jobs = getattr(part, "n_jobs", None)
    if jobs is None:
        return _openmp_threads() if type(part).__name__.startswith(OPENMP_BY_ITSELF) else 1
    return effective_n_jobs(jobs) if isinstance(jobs, numbers.Integral) and jobs != 0 else 1


def _openmp_threads() -> int:
    from threadpoolctl import threadpool_info

    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"), default=1)


def batches(n_rows: int, batch_size: int) -> list[slice]:
    """Consecutive slices of at most `batch_size` rows that cover ``range(n_rows)``."""
    return [slice(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)]


def map_batches(
    work: Callable[[slice], Result], parts: Sequence[slice], *, n_jobs: int = 1, progress: bool | str = False
) -> list[Result]:
    """Results of `work` on every batch, in order.

    Threads suffice: kernels release the interpreter lock, and so do the models that are worth waiting for.
    """
    _hold_freed_memory()
    return list(progress_bar(_results(work, parts, n_jobs), total=len(parts), progress=progress))


def for_all(work: Callable[[slice], None], parts: Sequence[slice], n_jobs: int) -> None:
    """Do the work on every part, inside one batch; what is raised first, in their order, is raised here."""
    if n_jobs == 1 or len(parts) < 2:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(n_jobs) as threads:
        for _ in threads.map(work, parts):
            pass


def _hold_freed_memory() -> None:
    """Let glibc keep what one batch frees for the next, instead of giving it back to the system and asking again.

    Its thresholds follow the largest block freed so far (mallopt(3), M_MMAP_THRESHOLD), so one block is freed here that
    nobody has touched. Measured: a fifth of the time of large batches, and two threads 1.85 × one instead of 1.5 ×,
    because threads wait for each other wherever the system hands out pages. Elsewhere this does nothing.
    """
    np.empty(HELD_BYTES, np.uint8)


def _results(work: Callable[[slice], Result], parts: Sequence[slice], n_jobs: int) -> Iterator[Result]:
    if n_jobs == 1 or len(parts) < 2:
        yield from map(work, parts)
        return
    from joblib import Parallel, delayed

    run = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
    for result in run(delayed(_attempt)(work, part) for part in parts):
        if isinstance(result, _Failure):
            raise result.error
        yield result


@dataclass(frozen=True)
class _Failure:
    error: Exception


def _attempt(work: Callable[[slice], Result], part: slice) -> Result | _Failure:
    """The result, or what was raised: joblib would put a text in the place of the cause of an error."""
    try:
        return work(part)
    except Exception as error:
        return _Failure(error)


def progress_bar(items: Iterator[Result], *, total: int, progress: bool | str) -> Iterator[Result]:
    """The same items under a tqdm bar: True at once, "auto" only once the wait is long, False never."""
    if progress is False or total < 2:
        return items
    from tqdm.auto import tqdm

    delay = LONG_WORK_SECONDS if progress == "auto" else 0.0
    return tqdm(items, total=total, desc="explaining", unit="batch", delay=delay, leave=False)
