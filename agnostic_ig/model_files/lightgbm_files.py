"""Files written by ``lightgbm.Booster.save_model``."""

from typing import Any, BinaryIO

from agnostic_ig.model_files.booster_files import load_booster, read_bytes
from agnostic_ig.model_files.booster_libraries import import_library
from agnostic_ig.model_files.lightgbm_checks import check_lightgbm
from agnostic_ig.model_files.lightgbm_text import take_apart
from agnostic_ig.model_files.requirement import refusal

__all__ = ["load_lightgbm"]


def load_lightgbm(file: BinaryIO, name: str) -> Any:
    """The ``lightgbm.Booster`` in a text file."""
    with refusal(name):
        data = read_bytes(file)
        import_library("lightgbm")
        check_lightgbm(take_apart(data))
        return load_booster("lightgbm", data)
