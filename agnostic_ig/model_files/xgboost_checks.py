"""XGBoost's document, JSON and UBJSON alike: every key known, every count right, every number where it may be.

XGBoost itself checks little of this, and reads past the end of its arrays where a number is wrong.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from agnostic_ig.model_files.documents import check_keys, finite, part, whole, whole_number
from agnostic_ig.model_files.number_text import single
from agnostic_ig.model_files.requirement import require
from agnostic_ig.model_files.xgboost_trees import check_leaves, check_tree

__all__ = ["check_version", "check_xgboost"]

MAX_FEATURES, MAX_OUTPUTS, MAX_TREES = 1 << 22, 1 << 16, 1 << 24
FEATURE_TYPES = {"float", "int", "i", "q", "c"}
OLDEST = (1, 7)
# Objectives that replace the leaves that follow from the gradients.
ADAPTIVE = ("reg:absoluteerror", "reg:quantileerror")

LEARNER = ("attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective")
COUNTS = ("base_score", "num_class", "num_feature")
MODEL = ("gbtree_model_param", "tree_info", "trees")


def check_version(document: Any, installed: str) -> None:
    """Written by a version that the installed one can know about."""
    check_keys(document, "the document", ("learner", "version"))
    version = whole(document["version"], "its version", 3).tolist()
    written = ".".join(map(str, version))
    ours = tuple(int(number) for number in installed.split(".")[:2])
    require(
        tuple(version[:2]) <= ours,
        f"XGBoost {written} wrote it and {installed} is installed: install a version at least as new",
    )
    require(
        tuple(version[:2]) >= OLDEST,
        f"XGBoost {written} wrote it, before 1.7: load it with XGBoost and save it again",
    )


def check_xgboost(document: Any) -> None:
    """Everything that XGBoost will take for granted."""
    learner = part(document, "learner", dict, "the document")
    check_keys(learner, "the learner", LEARNER)
    counts = _check_counts(learner["learner_model_param"])
    _check_names(learner, counts["num_feature"])
    _check_texts(learner)
    booster = part(learner, "gradient_booster", dict, "the learner")
    require(booster.get("name") in BOOSTERS, "its kind of booster is not known")
    BOOSTERS[booster["name"]](booster, counts)
    if counts["trees"] and learner["objective"]["name"] not in ADAPTIVE:
        check_leaves(counts["trees"])


def _check_counts(param: Any) -> dict[str, Any]:
    """Features and outputs, as whole numbers; `trees` is filled in where there are any."""
    check_keys(param, "learner_model_param", COUNTS, ("boost_from_average", "num_target"))
    features = whole_number(param["num_feature"], "num_feature", 1, MAX_FEATURES)
    classes = whole_number(param["num_class"], "num_class", 0, MAX_OUTPUTS)
    targets = whole_number(param.get("num_target", "1"), "num_target", 1, MAX_OUTPUTS)
    whole_number(param.get("boost_from_average", "1"), "boost_from_average", 0, 1)
    outputs = max(classes, targets)
    require(min(classes, targets) <= 1, "it has several classes and several targets at once")
    score = param["base_score"]
    require(isinstance(score, str), "base_score is not text")
    scores = [single(token) for token in score.removeprefix("[").removesuffix("]").split(",")]
    require(len(scores) in (1, outputs), f"base_score has {len(scores)} numbers for {outputs} outputs")
    return {"num_feature": features, "outputs": outputs, "trees": []}


def _check_names(learner: dict[str, Any], n_features: int) -> None:
    for key in ("feature_names", "feature_types"):
        names = part(learner, key, list, "the learner")
        require(all(isinstance(name, str) for name in names), f"{key} holds something else than text")
        require(len(names) in (0, n_features), f"{key} has {len(names)} entries for {n_features} features")
    require(set(learner["feature_types"]) <= FEATURE_TYPES, "a feature is of a type that is not known")
    names = learner["feature_names"]
    require(len(set(names)) == len(names), "two features have one name")


def _check_texts(learner: dict[str, Any]) -> None:
    attributes = part(learner, "attributes", dict, "the learner")
    require(all(isinstance(text, str) for text in attributes.values()), "an attribute is not text")
    part(part(learner, "objective", dict, "the learner"), "name", str, "the objective")


def _check_gbtree(booster: dict[str, Any], counts: dict[str, Any]) -> None:
    check_keys(booster, "the booster", ("model", "name"))
    model = booster["model"]
    check_keys(model, "the model", MODEL, ("cats", "iteration_indptr"))
    param = model["gbtree_model_param"]
    check_keys(param, "gbtree_model_param", ("num_parallel_tree", "num_trees"), ("size_leaf_vector",))
    n_trees = whole_number(param["num_trees"], "num_trees", 0, MAX_TREES)
    n_parallel = whole_number(param["num_parallel_tree"], "num_parallel_tree", 1, MAX_TREES)
    trees = part(model, "trees", list, "the model")
    require(len(trees) == n_trees, f"it has {len(trees)} trees and says {n_trees}")
    counts["trees"] = [check_tree(tree, i, counts["num_feature"], counts["outputs"]) for i, tree in enumerate(trees)]
    n_groups = 1 if any("leaf_weights" in tree for tree in trees) else counts["outputs"]
    _check_rounds(model, n_trees, n_groups, n_parallel)
    if "cats" in model:
        _check_categories(model["cats"], counts["num_feature"])


def _check_rounds(model: dict[str, Any], n_trees: int, n_groups: int, n_parallel: int) -> None:
    """Every round has its trees for every output, in order."""
    size = n_groups * n_parallel
    n_rounds, rest = divmod(n_trees, size)
    require(rest == 0, f"{n_trees} trees are no whole rounds of {size}")
    groups = whole(model["tree_info"], "tree_info", n_trees)
    expected = np.tile(np.repeat(np.arange(n_groups), n_parallel), n_rounds)
    require(np.array_equal(groups, expected), "tree_info gives trees to other outputs than their rounds do")
    if "iteration_indptr" in model:
        starts = whole(model["iteration_indptr"], "iteration_indptr", n_rounds + 1)
        require(np.array_equal(starts, np.arange(n_rounds + 1) * size), "iteration_indptr miscounts the trees")


def _check_dart(booster: dict[str, Any], counts: dict[str, Any]) -> None:
    check_keys(booster, "the booster", ("gbtree", "name", "weight_drop"))
    _check_gbtree(booster["gbtree"], counts)
    finite(booster["weight_drop"], "weight_drop", len(counts["trees"]))


def _check_gblinear(booster: dict[str, Any], counts: dict[str, Any]) -> None:
    check_keys(booster, "the booster", ("model", "name"))
    model = booster["model"]
    check_keys(model, "the model", ("weights",), ("boosted_rounds",))
    whole_number(model.get("boosted_rounds", 0), "boosted_rounds", 0, MAX_TREES)
    finite(model["weights"], "weights", (counts["num_feature"] + 1) * counts["outputs"])


def _check_categories(cats: Any, n_features: int) -> None:
    """Categories of a DataFrame: one list a feature, and the order of each."""
    check_keys(cats, "cats", ("enc", "feature_segments", "sorted_idx"))
    lists = part(cats, "enc", list, "cats")
    segments = whole(cats["feature_segments"], "feature_segments")
    order = whole(cats["sorted_idx"], "sorted_idx")
    if not lists:
        require(not segments.size and not order.size, "it sorts categories that it does not have")
        return
    require(len(lists) == n_features, "categories are those of other features")
    sizes = [_n_categories(one) for one in lists]
    require(np.array_equal(segments, np.cumsum([0, *sizes])), "feature_segments miscounts the categories")
    require(order.size == segments[-1], "sorted_idx has too many or too few entries")
    expected = np.concatenate([np.arange(size) for size in sizes])
    sorted_order = [np.sort(order[start:end]) for start, end in pairwise(segments)]
    require(np.array_equal(np.concatenate(sorted_order), expected), "sorted_idx is no order of the categories")


def _n_categories(one: Any) -> int:
    """Numbers, or text as bytes with where each begins."""
    check_keys(one, "a list of categories", ("values",), ("offsets", "type"))
    require(("offsets" in one) != ("type" in one), "a list of categories is neither text nor numbers")
    if "type" in one:
        return len(finite(one["values"], "a list of categories"))
    values, offsets = whole(one["values"], "text of categories"), whole(one["offsets"], "offsets of categories")
    if not offsets.size:
        require(not values.size, "text of categories has no offsets")
        return 0
    rises = (np.diff(offsets) >= 0).all() and offsets[0] == 0 and offsets[-1] == values.size
    require(rises and ((values >= -128) & (values < 256)).all(), "text of categories is cut at wrong places")
    return offsets.size - 1


# name of a booster -> its check
BOOSTERS = {"gbtree": _check_gbtree, "dart": _check_dart, "gblinear": _check_gblinear}
