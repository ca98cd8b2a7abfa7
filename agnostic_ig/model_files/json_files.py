"""JSON files: of XGBoost or of CatBoost, told by their first key."""

import re
from collections.abc import Callable
from typing import Any, BinaryIO

from agnostic_ig.model_files.booster_files import read_bytes
from agnostic_ig.model_files.catboost_files import load_catboost_json
from agnostic_ig.model_files.requirement import refusal, require
from agnostic_ig.model_files.xgboost_files import load_xgboost_json

__all__ = ["load_json"]

FIRST_KEY = re.compile(rb'\{\s{0,99}"(\w{1,20})"')
# Keys of the two kinds of documents, any of which may come first.
LOADERS: dict[bytes, Callable[[bytes], Any]] = {
    **dict.fromkeys((b"learner", b"version"), load_xgboost_json),
    **dict.fromkeys((b"ctr_data", b"features_info", b"model_info", b"scale_and_bias"), load_catboost_json),
    **dict.fromkeys((b"oblivious_trees", b"trees"), load_catboost_json),
}


def load_json(file: BinaryIO, name: str) -> Any:
    """The model in a JSON file."""
    with refusal(name):
        data = read_bytes(file)
        first = FIRST_KEY.match(data)
        require(
            first and first[1] in LOADERS,
            "it is no model that XGBoost or CatBoost saved as JSON (dumps of trees cannot be loaded again)",
        )
        return LOADERS[first[1]](data)
