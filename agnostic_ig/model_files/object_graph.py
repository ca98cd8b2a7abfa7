"""Every object that a loaded model is made of, parts before wholes."""

import functools
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

__all__ = ["walk"]

# Nothing hangs below these.
_ENDS = (str, bytes, bytearray, int, float, complex, bool, type(None), np.generic, np.dtype, slice)
_CODE = (type, FunctionType, BuiltinFunctionType, ModuleType)


def walk(root: Any) -> Iterator[Any]:
    """Every object reachable from the root, once, each after all that it holds (cycles are cut)."""
    seen = {id(root)}
    waiting: list[tuple[Any, Iterator[Any]]] = [(root, iter(_parts(root)))]
    while waiting:
        whole, parts = waiting[-1]
        part = next((part for part in parts if _is_new(part, seen)), None)
        if part is None:
            waiting.pop()
            yield whole
        else:
            seen.add(id(part))
            waiting.append((part, iter(_parts(part))))


def _is_new(part: Any, seen: set[int]) -> bool:
    return not isinstance(part, _ENDS) and id(part) not in seen


def _parts(whole: Any) -> Iterable[Any]:
    """What an object holds: items of containers, elements of object arrays, attributes of everything else."""
    if isinstance(whole, _CODE):
        return ()
    if isinstance(whole, np.ndarray):
        # asarray looks below the mask of a masked array, as compiled code does.
        return np.asarray(whole).ravel().tolist() if whole.dtype == object else ()
    attributes = list(getattr(whole, "__dict__", {}).values())
    if isinstance(whole, dict):
        return [*whole.keys(), *whole.values(), *attributes]
    if isinstance(whole, list | tuple | set | frozenset):
        return [*whole, *attributes]
    if isinstance(whole, functools.partial):
        return [whole.func, *whole.args, *whole.keywords.values(), *attributes]
    return attributes
