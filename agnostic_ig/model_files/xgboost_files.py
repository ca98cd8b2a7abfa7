"""Files written by ``xgboost.Booster.save_model``: JSON and UBJSON."""

from collections.abc import Callable
from typing import Any, BinaryIO

from agnostic_ig.model_files.booster_files import load_booster, read_bytes
from agnostic_ig.model_files.booster_libraries import import_library
from agnostic_ig.model_files.documents import parse_json
from agnostic_ig.model_files.number_text import single
from agnostic_ig.model_files.requirement import refusal, require
from agnostic_ig.model_files.ubjson import parse_ubjson
from agnostic_ig.model_files.xgboost_checks import check_version, check_xgboost

__all__ = ["load_ubj", "load_xgboost_json"]


def load_xgboost_json(data: bytes) -> Any:
    """The ``xgboost.Booster`` in JSON text."""
    # Splits by category had NaN for a threshold before XGBoost 3.
    return _load(data, lambda data: parse_json(data, single, allow_nan=True))


def load_ubj(file: BinaryIO, name: str) -> Any:
    """The ``xgboost.Booster`` in a UBJSON file."""
    with refusal(name):
        data = read_bytes(file)
        require(data[:2] == b"{L", "it is no model that XGBoost wrote as UBJSON")
        return _load(data, parse_ubjson)


def _load(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    xgboost = import_library("xgboost")
    document = parse(data)
    check_version(document, xgboost.__version__)
    check_xgboost(document)
    return load_booster("xgboost", data)
