"""Files written by ``catboost.CatBoost.save_model``: its own format, and JSON."""

from typing import Any, BinaryIO

from agnostic_ig.model_files.booster_files import load_booster, read_bytes
from agnostic_ig.model_files.booster_libraries import import_library
from agnostic_ig.model_files.catboost_checks import check_catboost
from agnostic_ig.model_files.documents import parse_json
from agnostic_ig.model_files.number_text import double
from agnostic_ig.model_files.requirement import refusal, require

__all__ = ["load_catboost_json", "load_cbm"]

MAGIC = b"CBM1"


def load_cbm(file: BinaryIO, name: str) -> Any:
    """The CatBoost model in a ``.cbm`` file, which only its library can take apart: checked once loaded."""
    with refusal(name):
        data = read_bytes(file)
        require(data.startswith(MAGIC), "it is no model of CatBoost (which begins with CBM1)")
        return _load("catboost", data)


def load_catboost_json(data: bytes) -> Any:
    """The CatBoost model in JSON text."""
    check_catboost(parse_json(data, double))
    return _load("catboost_json", data)


def _load(kind: str, data: bytes) -> Any:
    import_library("catboost")
    return load_booster(kind, data)
