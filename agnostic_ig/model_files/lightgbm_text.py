"""LightGBM's text file taken apart: a header, trees of the sizes that the header tells, and what follows them."""

import re
from typing import NamedTuple

from agnostic_ig.exceptions import UnsafeFileError
from agnostic_ig.model_files.documents import parse_json
from agnostic_ig.model_files.number_text import double
from agnostic_ig.model_files.requirement import require

__all__ = ["ModelText", "take_apart"]

HEADER = {
    *("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "feature_names"),
    *("feature_infos", "tree_sizes"),
}
HEADER_TOO = {"objective", "monotone_constraints", "average_output"}
TREE = {
    *("num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child"),
    *("right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight"),
    *("internal_count", "shrinkage"),
}
TREE_TOO = {
    *("cat_boundaries", "cat_threshold", "is_linear", "leaf_const", "num_features", "leaf_features"),
    "leaf_coeff",
}
# A flag of the header stands without a value.
FLAGS = ("average_output",)
END = re.compile(rb"\n\nend of trees\n\nfeature[_ ]importances:\n")
REST = re.compile(
    r"((?:[^\n]+\n)*)\nparameters:\n((?:[^\n]+\n)*)\nend of parameters\n(?:\npandas_categorical:([^\n]+)\n)?"
)
PARAMETER = re.compile(r"\[(\w+): (.*)\]")


class ModelText(NamedTuple):
    """Lines by their keys: of the header, of every tree, of the importances and of the parameters."""

    header: dict[str, str]
    trees: list[dict[str, str]]
    importances: dict[str, str]
    parameters: dict[str, str]


def take_apart(data: bytes) -> ModelText:
    """The parts of a whole file."""
    require(data.startswith(b"tree\n"), "it is no model of LightGBM (which begins with a line 'tree')")
    require(b"\r" not in data and b"\0" not in data, "it holds bytes that LightGBM does not write")
    end = END.search(data)
    require(end, "it has no line 'end of trees' with what follows it: it was cut short")
    start = data.find(b"\n\nTree=0\n", 0, end.start() + 2)
    start = start if start >= 0 else end.start()
    header = _lines(_text(data[len(b"tree\n") : start]), "the header", HEADER, HEADER_TOO)
    # Two newlines end the header, and two more every tree.
    trees = _cut_trees(data[start + 2 : end.start() + 2], header["tree_sizes"])
    importances, parameters = _check_rest(_text(data[end.end() :]))
    return ModelText(header, trees, importances, parameters)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnsafeFileError("it holds bytes that are not UTF-8 text") from None


def _lines(text: str, what: str, needed: set[str], allowed: set[str]) -> dict[str, str]:
    """``key=value`` lines, each key once and known."""
    pairs = [line.partition("=") for line in text.split("\n") if line]
    require(all(mark or key in FLAGS for key, mark, _ in pairs), f"{what} has a line that is not key=value")
    found = {key: value for key, _, value in pairs}
    require(len(found) == len(pairs), f"{what} has a line twice")
    missing, unknown = needed - set(found), set(found) - needed - allowed
    require(not missing, f"{what} lacks {', '.join(sorted(missing))}")
    require(not unknown, f"{what} has a line {min(unknown, default='')[:30]!r}, which nothing reads")
    return found


def _cut_trees(data: bytes, sizes: str) -> list[dict[str, str]]:
    """Every tree from where the sizes before it end."""
    require(re.fullmatch(r"([0-9]{1,12}( [0-9]{1,12})*)?", sizes), "tree_sizes are no sizes")
    trees, place = [], 0
    for index, size in enumerate(map(int, sizes.split())):
        block, place = data[place : place + size], place + size
        beginning = f"Tree={index}\n".encode()
        require(block.startswith(beginning), f"tree {index} does not begin where tree_sizes says")
        require(block.endswith(b"\n\n\n"), f"tree {index} does not end where tree_sizes says")
        text = _text(block[len(beginning) : -3])
        require("\n\n" not in text, f"tree {index} has an empty line in it")
        trees.append(_lines(text, f"tree {index}", TREE, TREE_TOO))
    require(place == len(data), "there are more or fewer trees than tree_sizes says")
    return trees


def _check_rest(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Importances, parameters, and perhaps the categories of a DataFrame; all of them whole."""
    found = REST.fullmatch(text)
    require(found, "what follows its trees is damaged or cut short, up to 'end of parameters' and what comes then")
    importances, parameters, categories = (part or "" for part in found.groups())
    if categories:
        levels = parse_json(categories.encode(), double)
        is_lists = isinstance(levels, list) and all(isinstance(level, list) for level in levels)
        require(levels is None or is_lists, "pandas_categorical is not a list of lists")
    lines = [PARAMETER.fullmatch(line) for line in parameters.splitlines()]
    require(all(lines), "one of its parameters is not written [name: value]")
    pairs = [line.groups() for line in lines if line]
    require(len(dict(pairs)) == len(pairs), "one of its parameters stands twice")
    # Names of features may hold anything.
    counts = dict(line.rpartition("=")[::2] for line in importances.splitlines())
    return counts, dict(pairs)
