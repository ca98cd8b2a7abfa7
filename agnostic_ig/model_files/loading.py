"""One door for every kind of model file: what the extension says decides who reads it."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from agnostic_ig.exceptions import InvalidInputError, UnsafeFileError
from agnostic_ig.model_files.catboost_files import load_cbm
from agnostic_ig.model_files.json_files import load_json
from agnostic_ig.model_files.lightgbm_files import load_lightgbm
from agnostic_ig.model_files.pickled_files import load_pickle
from agnostic_ig.model_files.skops_files import load_skops
from agnostic_ig.model_files.soundness import check_sound
from agnostic_ig.model_files.xgboost_files import load_ubj
from agnostic_ig.validation import check_flag, invalid, type_error

__all__ = ["file_sha256", "load_model"]

# Who reads which kind of file: (open file, name for messages) -> model.
SAFE_LOADERS: dict[str, Callable[[BinaryIO, str], Any]] = {
    ".skops": load_skops,
    ".json": load_json,
    ".ubj": load_ubj,
    ".txt": load_lightgbm,
    ".cbm": load_cbm,
}
CODE_RUNNING_LOADERS: dict[str, Callable[[BinaryIO, str], Any]] = dict.fromkeys(
    (".joblib", ".pkl", ".pickle"), load_pickle
)

# What a model can be asked for; something without any of these cannot be explained.
RESPONSES = ("predict", "predict_proba", "decision_function", "score_samples")


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 digest of a file, to be noted down and compared later.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InvalidInputError
        There is no such file, or it cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.skops"
    >>> _ = path.write_bytes(b"abc")
    >>> file_sha256(path)[:16]
    'ba7816bf8f01cfea'
    """
    with _open_file("file_sha256", path) as file:
        return _digest(file)


def load_model(path: str | os.PathLike[str], *, trust_pickle: bool = False, sha256: str | None = None) -> Any:
    """Load a fitted model from a file without running code that the file brings along.

    Parameters
    ----------
    path : str or path-like
        A model file; the extension says what it is. ``.skops`` files are loaded with a fixed list of types,
        and whatever compiled code would index without looking (nodes of trees, support vectors, ...) is
        checked first. Files of XGBoost (``.json``, ``.ubj``), LightGBM (``.txt``) and CatBoost (``.cbm``, ``.json``)
        are checked too, then tried in another process with limited memory and time, and loaded if it survives.
        ``.joblib``, ``.pkl`` and ``.pickle`` need `trust_pickle`.
    trust_pickle : bool, default False
        Load pickles too. Loading a pickle runs whatever code its author put in: only for files you made.
    sha256 : str, optional
        The digest the file must have (`file_sha256`); nothing is loaded if it has another.

    Returns
    -------
    object
        The model; of a boosting library its own: ``xgboost.Booster``, ``lightgbm.Booster``, ``catboost.CatBoost`` (or
        the classifier or regressor that the file says it is).

    Raises
    ------
    UnsafeFileError
        The file is damaged or altered, has another digest, holds types that are not on the list, or would
        run code.
    InvalidInputError
        There is no such file, nothing reads its kind, or what it holds is not a model.
    """
    check_flag("load_model", "trust_pickle", trust_pickle)
    expected = _check_sha256(sha256)
    # Opened once: the file that was checked is the file that is loaded, even if somebody swaps the name.
    with _open_file("load_model", path) as file:
        name = Path(path).name
        loader = _choose_loader(name, bool(trust_pickle))
        _check_digest(file, name, expected)
        model = loader(file, name)
    _check_is_model(model, name)
    check_sound(model, name)
    return model


def _open_file(owner: str, path: Any) -> BinaryIO:
    if not isinstance(path, str | os.PathLike):
        raise type_error(owner, "path", "a str or path-like", path)
    path = Path(path)
    # Anything but a plain file (a pipe, a device) could keep the reader waiting for ever.
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise InvalidInputError(f"The 'path' parameter of {owner} must name a file: {str(path)!r} {what}.")
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInputError(f"Cannot read {str(path)!r}: {error.strerror}.") from error


def _choose_loader(name: str, trust_pickle: bool) -> Callable[[BinaryIO, str], Any]:
    suffix = Path(name).suffix.lower()
    if suffix in CODE_RUNNING_LOADERS and not trust_pickle:
        raise UnsafeFileError(
            f"{name} is a pickle, and loading one runs whatever code is in it. Save the model as .skops "
            "(skops.io.dump), or pass trust_pickle=True (--trust-pickle) if you made this file yourself."
        )
    loaders = SAFE_LOADERS | CODE_RUNNING_LOADERS
    if suffix not in loaders:
        raise InvalidInputError(f"{name} is no kind of model file that can be read: use {', '.join(loaders)}.")
    return loaders[suffix]


def _check_sha256(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if not isinstance(sha256, str) or not re.fullmatch(r"\s*[0-9a-fA-F]{64}\s*", sha256):
        raise invalid("load_model", "sha256", "None or 64 hexadecimal digits", sha256)
    return sha256.strip().lower()


def _check_digest(file: BinaryIO, name: str, expected: str | None) -> None:
    if expected is None:
        return
    found = _digest(file)
    if found != expected:
        raise UnsafeFileError(
            f"{name} has the SHA-256 digest {found}, but {expected} was asked for: it is not the file you "
            "meant, and was not loaded."
        )


def _digest(file: BinaryIO) -> str:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


def _check_is_model(model: Any, name: str) -> None:
    if isinstance(model, type) or not any(callable(getattr(model, word, None)) for word in RESPONSES):
        raise InvalidInputError(
            f"{name} holds a {type(model).__name__}, which is not a model: it has none of the methods "
            f"{', '.join(RESPONSES)}."
        )
