"""CatBoost's files, JSON and its own format: what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest
from booster_fuzzing import check_structure
from booster_models import Saved, catboost_bytes, drop, files, put, table, written

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files import booster_libraries, limited, load_model
from agnostic_ig.model_files.catboost_checks import loss_of

# --- refusals of CatBoost's documents


def split(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["oblivious_trees"][0]["splits"][0][key] = value

    return change


def nested_depth(document: dict[str, Any]) -> None:
    tree = document["trees"][0]
    document["trees"][0] = {"split": tree["split"], "left": tree, "right": {"value": [1.0], "weight": 1}}


CATBOOST: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "key": ("plain", drop("scale_and_bias"), "the document lacks scale_and_bias"),
    "trees": ("plain", drop("oblivious_trees"), "it does not have one kind of trees"),
    "scale": ("plain", put([1], "scale_and_bias"), "scale_and_bias is not a factor and a list"),
    "bias": ("plain", put([1, []], "scale_and_bias"), "it has 0 outputs"),
    "border": ("plain", split("border", 0.25), "a split asks something else than its number says"),
    "number of a split": ("plain", split("split_index", 999), "the number of a split is not a whole number"),
    "feature of a split": ("plain", split("float_feature_index", 99), "a split asks something else"),
    "type of a split": ("plain", split("split_type", "OneHotFeature"), "a split is of another kind"),
    "leaves": ("plain", put([0.5], "oblivious_trees", 0, "leaf_values"), "leaf_values has 1 entries instead of 8"),
    "border of 64 bits": ("plain", put([0.1], "features_info", "float_features", 0, "borders"), "are not of 32 bits"),
    "borders": ("plain", put([0.5, 0.25], "features_info", "float_features", 0, "borders"), "do not rise"),
    "place": (
        "plain",
        put(1, "features_info", "float_features", 0, "flat_feature_index"),
        "two features have one place",
    ),
    "far place": (
        "plain",
        put(2**31, "features_info", "float_features", 0, "flat_feature_index"),
        "place of a feature of float_features is not a whole number",
    ),
    "leaf": ("nested", nested_depth, "a leaf has 1 entries instead of 3"),
    "node": ("nested", put(7, "trees", 0), "a node of a tree is not an object"),
}


@pytest.mark.parametrize("change", sorted(CATBOOST))
def test_catboost_refusals(change: str, tmp_path: Path) -> None:
    kind, edit, message = CATBOOST[change]
    document = json.loads(files()[f"catboost {kind} json"].data)
    edit(document)
    with pytest.raises(UnsafeFileError, match=rf"^model\.json was refused: [^\n]*{message}[^\n]*$"):
        check_structure(written(tmp_path, Saved(".json", json.dumps(document).encode())))


CBM: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "beginning": (lambda data: b"CBM2" + data[4:], "it is no model of CatBoost"),
    "version": (lambda data: data.replace(b"FlabuffersModel_v1", b"FlabuffersModel_v9"), "Unsupported model format"),
    "cut": (lambda data: data[: len(data) // 2], "its library cannot use it"),
    "parameters": (lambda data: data.replace(b'{"detailed', b"{ detailed", 1), "its library cannot use it"),
}


def test_cbm_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process tries them all."""
    data = files()["catboost plain cbm"].data
    damaged = [change(data) for change, _ in CBM.values()]
    verdicts = dict(zip(damaged, limited.try_all("catboost", damaged), strict=True))
    monkeypatch.setattr(limited, "try_all", lambda kind, files: [verdicts[files[0]]])
    for one, (_, message) in zip(damaged, CBM.values(), strict=True):
        assert one != data
        with pytest.raises(UnsafeFileError, match=rf"^model\.cbm was refused: [^\n]*{message}[^\n]*$"):
            load_model(written(tmp_path, Saved(".cbm", one)))


def test_cbm_is_checked_once_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its structure is looked at through the JSON that the library makes of it."""
    library = booster_libraries.LIBRARIES["catboost"]
    model = library.build(files()["catboost plain cbm"].data, {})
    document = json.loads(catboost_bytes(model, "json"))
    document["oblivious_trees"][0]["leaf_values"].pop()
    monkeypatch.setattr(json, "loads", lambda text: document)
    with pytest.raises(UnsafeFileError, match="leaf_values has 7 entries instead of 8"):
        library.describe(model)


@pytest.mark.parametrize("loss", ["RMSE", "Tweedie:variance_power=1.5", "Quantile:alpha=0.25"])
def test_loss_is_read_as_a_parameter(loss: str, tmp_path: Path) -> None:
    """A regressor's own predict goes by the loss that it was made with."""
    X, y = table()
    options = {"iterations": 2, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoostRegressor(loss_function=loss, **options).fit(X, y)
    assert loss_of(json.loads(catboost_bytes(model, "json"))) == loss
    again = booster_libraries.LIBRARIES["catboost"].build(catboost_bytes(model, "cbm"), {"loss": loss})
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("info", [{}, {"params": 7}, {"params": {"loss_function": {"params": {}}}}])
def test_loss_may_be_unknown(info: dict[str, Any]) -> None:
    assert loss_of({"model_info": info}) == ""
