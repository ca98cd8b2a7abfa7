"""The description of objects in a skops file, looked at before anything is built from it.

skops asks whether every type is known. Here it is asked what is done with the type: the ways of building that
call something with arguments from the file are refused, since even a harmless function has harmful arguments,
such as a sparse matrix whose indices point outside of it.
"""

import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from agnostic_ig.model_files.archive import allowed_bytes
from agnostic_ig.model_files.requirement import require

__all__ = ["check_schema"]

# How skops builds an object -> the types that may be built so (patterns). What is not here, such as calling a
# constructor with any arguments or looking up a method, no model of scikit-learn needs.
WAYS: dict[str, tuple[str, ...]] = {
    "ObjectNode": ("*",),  # made without arguments, then given its attributes
    "FunctionNode": ("*",),  # named, not called
    "JsonNode": ("*",),  # numbers, text
    "SliceNode": ("builtins.slice",),
    "TypeNode": ("builtins.*", "numpy.*"),  # called with the keys of a dict
    "DictNode": ("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"),
    "DefaultDictNode": ("collections.defaultdict",),
    "ListNode": ("builtins.list",),
    "SetNode": ("builtins.set",),
    "TupleNode": ("builtins.tuple",),
    "BytesNode": ("builtins.bytes",),
    "BytearrayNode": ("builtins.bytearray",),
    "PartialNode": ("functools.partial",),
    "NdArrayNode": ("numpy.*",),
    "MaskedArrayNode": ("numpy.*",),
    "DTypeNode": ("numpy.dtype",),
    "RandomStateNode": ("numpy.random.*",),
    "RandomGeneratorNode": ("numpy.random.*",),
    "SparseMatrixNode": ("scipy.sparse.*",),
    "TreeNode": ("sklearn.tree._tree.Tree",),
    "LossNode": ("sklearn._loss._loss.Cy*", "sklearn.linear_model._sgd_fast.*"),
}


def check_schema(schema: Any, archive: zipfile.ZipFile, packed_bytes: int) -> None:
    """Refuse objects that would be built by calling something, or that would grow while they are read."""
    for node in _nodes(schema):
        if "__loader__" in node:
            way, kind = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
            is_known = any(fnmatchcase(kind, pattern) for pattern in WAYS.get(way, ()))
            require(is_known, f"it would build {kind} in a way that no model needs ({way})")
    _count_objects(schema, {})
    _check_arrays(schema, archive, packed_bytes)


def _check_arrays(schema: Any, archive: zipfile.ZipFile, packed_bytes: int) -> None:
    """A member may be read for many objects, and takes its memory each time."""
    used = {node.get("__id__", id(node)): node["file"] for node in _nodes(schema) if "file" in node}
    total = sum(archive.getinfo(name).file_size for name in used.values())
    require(total <= allowed_bytes(packed_bytes), f"its arrays would take {total} bytes, far more than its size")


def _count_objects(value: Any, known: dict[Any, int]) -> int:
    """Objects described below a value; every repeat of an id must describe as many as the first.

    skops writes repeated objects out in full and reads only the first, so a true file passes. A file where a
    repeat is shorter could nest references to references, which take exponential time to audit.
    """
    if isinstance(value, list):
        return sum([_count_objects(item, known) for item in value])
    if not isinstance(value, dict):
        return 0
    count = 1 + sum([_count_objects(item, known) for item in value.values()])
    if "__id__" in value:
        require(known.setdefault(value["__id__"], count) == count, "an object in it is described in two ways")
    return count


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every described object, without recursion."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
