"""One file of arrays and a JSON manifest: a zip of uncompressed ``.npy`` members that never runs pickle."""

import io
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.replacing import replacing
from agnostic_ig.results.levels import decode_objects, encode_objects

__all__ = ["read_archive", "write_archive"]

_MANIFEST = "manifest.json"


def write_archive(path: Path, manifest: dict[str, Any], arrays: dict[str, np.ndarray], words: dict[str, str]) -> None:
    """Write all or nothing: the file appears under its name only when it is complete.

    `words` say what an array is to the user, for errors about what stands in it.
    """
    levels: dict[str, Any] = {}
    plain = {}
    for name, array in arrays.items():
        plain[name] = array
        if array.dtype.hasobject:
            plain[name], levels[name] = encode_objects(array, words.get(name, name))
    text = json.dumps({**manifest, "members": list(plain), "levels": levels}, allow_nan=False)
    with (
        replacing(path) as temporary,
        open(temporary, "xb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        # A ZipInfo of its own has a fixed date: equal explanations are equal files.
        archive.writestr(zipfile.ZipInfo(_MANIFEST), text)
        for name, array in plain.items():
            _write_array(archive, name, array)


def _write_array(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """One member."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def read_archive(file: BinaryIO, format_name: str, version: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Manifest and arrays.

    Raises
    ------
    ValueError, zipfile.BadZipFile and others
        Whatever is wrong with the file; the caller says which file it was.
    """
    with zipfile.ZipFile(file) as archive:
        _check_members(archive, file.seek(0, os.SEEK_END))
        manifest = json.loads(archive.read(_MANIFEST))
        _check_manifest(manifest, archive.namelist(), format_name, version)
        arrays = {name: _read_array(archive.read(f"{name}.npy")) for name in manifest["members"]}
    for name, levels in manifest["levels"].items():
        arrays[name] = decode_objects(arrays[name], levels)
    return manifest, arrays


def _check_members(archive: zipfile.ZipFile, file_size: int) -> None:
    """Nothing compressed, nothing larger than the file: reading costs no more than the file weighs."""
    members = archive.infolist()
    if _MANIFEST not in archive.namelist():
        raise InvalidInputError("it has no manifest")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise InvalidInputError("its members are compressed")
    if sum(max(member.file_size, member.compress_size) for member in members) > file_size:
        raise InvalidInputError("its members are larger than the file")


def _check_manifest(manifest: Any, names: list[str], format_name: str, version: int) -> None:
    """The right kind of file, of a version we know, with exactly the members it speaks of."""
    if not isinstance(manifest, dict) or manifest.get("format") != format_name:
        raise InvalidInputError("it is some other kind of file")
    if manifest.get("version") != version:
        raise InvalidInputError(
            f"it has format version {manifest.get('version')!r}, and this agnostic-ig reads version {version}"
        )
    if sorted(names) != sorted([_MANIFEST, *(f"{name}.npy" for name in manifest["members"])]):
        raise InvalidInputError("its members are not those of its manifest")


def _read_array(content: bytes) -> np.ndarray:
    """An array whose header agrees with the bytes there are, so that no header can ask for more memory."""
    stream = io.BytesIO(content)
    shape, dtype = _read_header(stream)
    if dtype.hasobject:
        raise InvalidInputError("it holds an array of Python objects, which would run pickle")
    n_elements = math.prod(shape)
    n_bytes = dtype.itemsize * n_elements
    endless = n_elements > 0 and dtype.itemsize == 0
    if min(shape, default=0) < 0 or endless or n_bytes != len(content) - stream.tell():
        raise InvalidInputError("an array is not as long as it says")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of a .npy file."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise InvalidInputError(f"an array has the unknown .npy version {version}")
    shape, _, dtype = read[version](stream)
    return shape, dtype
