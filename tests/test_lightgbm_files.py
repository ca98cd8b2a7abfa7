"""LightGBM's text files: what is refused, and where the numbers in them come from."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from booster_fuzzing import PassedError, check_structure
from booster_models import Saved, files, resized, table, written

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.number_text import double, seventeen_digits, single

# What is changed: (kind of model, pattern, what stands there instead) -> what the error says.
LIGHTGBM: dict[str, tuple[str, bytes, bytes, str]] = {
    "beginning": ("category", rb"\Atree", b"trees", "it is no model of LightGBM"),
    "version": ("category", b"version=v4", b"version=v5", "its format is 'v5' and not v3 or v4"),
    "old version": ("category", b"version=v4", b"version=v2", "load it with LightGBM and save it again"),
    "end": ("category", b"end of trees", b"end of treez", "it has no line 'end of trees'"),
    "lost end": ("category", rb"(?s)end of trees.*", b"", "it was cut short"),
    "end of parameters": ("category", b"end of parameters", b"end_of_parameters", "what follows its trees is damaged"),
    "lines": ("category", b"label_index=0\n", b"label_index=0\r\n", "it holds bytes that LightGBM does not write"),
    "unknown line": ("category", b"label_index", b"label_indez", "the header lacks label_index"),
    "flag": ("forest", b"average_output", b"average_outpux", "the header has a line that is not key=value"),
    "one more line": ("category", b"label_index=0", b"label_index=0\nx=1", "a line 'x', which nothing reads"),
    "twice": ("category", b"label_index=0", b"label_index=0\nlabel_index=0", "the header has a line twice"),
    "sizes": ("category", rb"tree_sizes=(\d+)", rb"tree_sizes=1\1", "tree 0 does not end where tree_sizes says"),
    "size zero": ("category", rb"tree_sizes=(\d+)", b"tree_sizes=0", "tree 0 does not begin where tree_sizes says"),
    "no sizes": ("category", rb"tree_sizes=\d+", b"tree_sizes=x", "tree_sizes are no sizes"),
    "few sizes": ("category", rb"(tree_sizes=\d+) .*", rb"\1", "more or fewer trees than tree_sizes says"),
    "order": ("category", rb"\nTree=1", b"\nTree=7", "tree 1 does not begin where tree_sizes says"),
    "a byte more": ("category", rb"num_leaves=(\d)", rb"num_leaves=0\1", "tree 0 does not end where"),
    "features": ("category", b"max_feature_idx=4", b"max_feature_idx=3", "feature_names has 5 entries for 4 features"),
    "classes": ("classes", b"num_class=3", b"num_class=4", "num_tree_per_iteration is not a whole number from 4 to 4"),
    "sigmoid": ("category", b"sigmoid:1", b"sigmoid:3", "its objective has sigmoid 3, its parameters 1"),
    "objective classes": ("classes", b"num_class:3", b"num_class:2", "its objective has num_class 2"),
    "feature": ("dart", rb"split_feature=\d", b"split_feature=5", "split_feature holds a number that is not from 0"),
    "other feature": ("dart", rb"split_feature=3", b"split_feature=4", "other features than its importances say"),
    "few features": ("dart", rb"split_feature=\d ", b"split_feature=", "split_feature has 4 entries instead of 5"),
    "leading zero": ("dart", rb"split_feature=", b"split_feature=0", "something else than whole numbers"),
    "child": ("dart", rb"left_child=\d", b"left_child=9", "left_child holds a number that is not from"),
    "leaf": ("dart", rb"left_child=1 -1", b"left_child=1 -9", "left_child holds a number that is not from"),
    "backwards": ("dart", rb"left_child=1", b"left_child=0", "a node of a tree points backwards"),
    "two parents": ("dart", rb"left_child=1 -1 -3", b"left_child=1 -1 -1", "does not have exactly one parent"),
    "swapped": (
        "dart",
        rb"left_child=(\S+) (-\d) (-\d)",
        rb"left_child=\1 \3 \2",
        "a split has other rows than its children",
    ),
    "threshold": ("dart", rb"threshold=3.5000000000000004", b"threshold=3.5000000000000003", "a digit was changed"),
    "threshold nan": ("dart", rb"threshold=3.5000000000000004", b"threshold=nan", "nan, which is not finite"),
    "threshold huge": ("dart", rb"threshold=3.5000000000000004", b"threshold=1e999", "1e999, which is not finite"),
    "leaf value": ("dart", rb"leaf_value=0.\d*", b"leaf_value=0.71234567890123454", "a digit was changed"),
    "gain": ("dart", rb"split_gain=", b"split_gain=x", "it holds 'x.*' where a number belongs"),
    "missing type": (
        "dart",
        rb"decision_type=2",
        b"decision_type=14",
        "decision_type holds a number that is not from 0",
    ),
    "by category": ("dart", rb"decision_type=2", b"decision_type=3", "do not name their lists in order"),
    "boundaries": ("category", rb"cat_boundaries=0 \d", b"cat_boundaries=0 0", "lists of categories begin at wrong"),
    "far boundary": (
        "category",
        rb"cat_boundaries=0 .*",
        b"cat_boundaries=0 9",
        "cat_threshold has 1 entries instead of 9",
    ),
    "bits": ("category", rb"cat_threshold=", b"cat_threshold=9999999999", "cat_threshold holds a number"),
    "lists": ("category", rb"num_cat=\d", b"num_cat=7", "splits by category do not name their lists in order"),
    "lists of none": ("dart", rb"is_linear=0", b"is_linear=0\ncat_threshold=1", "it has categories that no split uses"),
    "counts": ("dart", rb"leaf_count=\d+", b"leaf_count=99", "a split has other rows than its children"),
    "linear": ("linear", rb"num_features=0", b"num_features=1", "leaf_features has 0 entries instead of 1"),
    "not linear": ("linear", b"leaf_const", b"leaf_konst", "a line 'leaf_konst', which nothing reads"),
    "no constants": ("dart", b"is_linear=0", b"is_linear=1", "a tree with linear leaves lacks leaf_const"),
    "parameter": ("dart", rb"\[seed: 0\]", b"[seed: 0", "one of its parameters is not written"),
    "parameter twice": ("dart", rb"\[seed: 0\]", b"[alpha: 0]", "one of its parameters stands twice"),
    "last line": ("dart", b"pandas_categorical:null", b"pandas_categorical:nul", "it is not whole JSON text"),
    "last list": ("dart", b"pandas_categorical:null", b"pandas_categorical:[1]", "pandas_categorical is not a list of"),
}
# These are about the sizes themselves.
KEEP_SIZES = ("sizes", "size zero", "no sizes", "few sizes", "a byte more", "order", "beginning")


@pytest.mark.parametrize("change", sorted(LIGHTGBM))
def test_refusals(change: str, tmp_path: Path) -> None:
    kind, pattern, instead, message = LIGHTGBM[change]
    data, n_changes = re.subn(pattern, instead, files()[f"lightgbm {kind}"].data, count=1)
    assert n_changes == 1
    data = data if change in KEEP_SIZES else resized(data)
    with pytest.raises(UnsafeFileError, match=rf"^model\.txt was refused: [^\n]*{message}[^\n]*$"):
        check_structure(written(tmp_path, Saved(".txt", data)))


CHOICES: list[dict[str, Any]] = [{"importance_type": "gain"}, {"start_iteration": 2}, {"num_iteration": 1}]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: next(iter(choice)))
def test_importances_of_other_ranges_pass(choice: dict[str, Any], tmp_path: Path) -> None:
    """Importances by gain, or of trees that were not saved, say nothing about the splits."""
    import lightgbm

    X, y = table()
    options = {"num_leaves": 4, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 3}
    text = lightgbm.train(options, lightgbm.Dataset(X, y), 4).model_to_string(**choice)
    with pytest.raises(PassedError):
        check_structure(written(tmp_path, Saved(".txt", text.encode())))


def test_thresholds_between_missing_and_all_others_pass(tmp_path: Path) -> None:
    """LightGBM writes them as inf; a first gain may be infinite as well, which no prediction depends on."""
    data = re.sub(rb"threshold=\S+", b"threshold=inf", files()["lightgbm dart"].data, count=1)
    data = re.sub(rb"split_gain=\S+", b"split_gain=inf", data, count=1)
    with pytest.raises(PassedError):
        check_structure(written(tmp_path, Saved(".txt", resized(data))))


# --- numbers as text


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (
            single,
            ["1E0", "0.5", "3.2896963E-1", "-1.5E-38", "0.32896963", "16777216.0"],
            ["3.2896964E-1", "0.1000000001", "1E39"],
        ),
        (
            double,
            ["0.1", "0.10000000000000001", "3.9089431762695313", "3.9089431762695312", "0.0"],
            ["0.71234567890123454", "0.71234567890123459"],
        ),
        (
            seventeen_digits,
            ["0.10000000000000001", "-2", "1.0000000000000001e-05"],
            ["0.1", "2.0", "1e-05", "0.71234567890123454"],
        ),
    ],
)
def test_digits(read: Callable[[str], float], good: list[str], bad: list[str]) -> None:
    assert [read(token) for token in good] == [float(token) for token in good]
    for token in bad:
        with pytest.raises(UnsafeFileError, match="a digit was changed"):
            read(token)
    for token in ("nan", "inf", "1e999", "", "x", "+2", " 2", "1_0", "\N{ARABIC-INDIC DIGIT THREE}", "1" * 99):
        with pytest.raises(UnsafeFileError):
            read(token)
