"""Fitted scikit-learn models as models of the oracle, read here and not by the package.

So a fault in one reading shows against the other. `READINGS` holds one function a class: (model, response) -> Forest.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import naive
import numpy as np

__all__ = ["READINGS"]


def cart(tree: Any, value: Callable[[int], Any], columns: Sequence[int] | None = None, node: int = 0) -> Any:
    """A ``tree_`` as nested nodes; value(node) gives a leaf's answer, columns[j] is the user's column of its own j."""
    if tree.children_left[node] == -1:
        return naive.Leaf(value(node))
    left, right = (cart(tree, value, columns, int(c[node])) for c in (tree.children_left, tree.children_right))
    feature = int(tree.feature[node]) if columns is None else int(columns[tree.feature[node]])
    return naive.Node(feature, float(tree.threshold[node]), left, right, bool(tree.missing_go_to_left[node]))


def forest(model: Any, response: str) -> naive.Forest:
    """A tree, or the mean of several."""
    members = getattr(model, "estimators_", [model])
    trees = [cart(member.tree_, lambda i, t=member: _shares(t, i)) for member in members]
    width = len(_shares(members[0], 0))
    return naive.Forest(trees, [Fraction(1, len(trees))] * len(trees), None, (0.0,) * width, routing="float32")


def _shares(member: Any, node: int) -> tuple[float, ...]:
    """Class shares of every output one after the other, or the means of the outputs."""
    counts = np.atleast_1d(member.n_classes_) if hasattr(member, "classes_") else [1] * member.n_outputs_
    return tuple(float(v) for o, n in enumerate(counts) for v in member.tree_.value[node, o, :n])


def boosting(model: Any, response: str) -> naive.Forest:
    """GradientBoosting, on top of a constant or of an `init` made of trees."""
    n_margins = model.estimators_.shape[1]
    parts = [(_mean_tree(t), model.learning_rate, k) for stage in model.estimators_ for k, t in enumerate(stage)]
    first = _first_trees(model)
    start = (0.0,) * n_margins if first else tuple(_margins_at_zero(model))
    trees, weights, outputs = zip(*parts, *first, strict=True)
    link = "identity"
    if hasattr(model, "classes_") and response != "decision_function":
        link = "softmax" if n_margins > 1 else {"log_loss": "sigmoid", "exponential": "exp_sigmoid"}[model.loss]
    return naive.Forest(trees, weights, outputs, start, link, "float32")


def _mean_tree(member: Any) -> Any:
    return cart(member.tree_, lambda i: float(member.tree_.value[i, 0, 0]))


def _first_trees(model: Any) -> list[tuple]:
    """(tree, weight, output) of an `init` that is a tree, or for numbers a forest; nothing of another."""
    members = getattr(model.init_, "estimators_", [model.init_])
    if not hasattr(members[0], "tree_"):
        return []
    if not hasattr(model, "classes_"):
        return [(_mean_tree(member), Fraction(1, len(members)), 0) for member in members]
    odds = [lambda i, k=k: _log_odds(model, _shares(model.init_, i))[k] for k in range(model.estimators_.shape[1])]
    return [(cart(model.init_.tree_, value), 1, k) for k, value in enumerate(odds)]


def _margins_at_zero(model: Any) -> np.ndarray:
    """What boosting starts from, by its own answer at a row less what its trees add there."""
    row = np.zeros((1, model.n_features_in_))
    margins = np.ravel(model.decision_function(row) if hasattr(model, "classes_") else model.predict(row))
    sums = [sum(model.learning_rate * s[k].predict(row)[0] for s in model.estimators_) for k in range(margins.size)]
    return (margins - sums).tolist()


def _log_odds(model: Any, shares: tuple[float, ...]) -> list[float]:
    """Margins of class shares as boosting takes them: clipped by one rounding, centred, halved for exponential loss."""
    p = [min(max(share, 2.0**-52), 1 - 2.0**-52) for share in shares]
    if len(p) == 2:
        half = 0.5 if model.loss == "exponential" else 1.0
        return [half * (math.log(p[1]) - math.log1p(-p[1]))]
    logs = [math.log(share) for share in p]
    return [one - math.fsum(logs) / len(logs) for one in logs]


def histogram(model: Any, response: str) -> naive.Forest:
    """HistGradientBoosting; categories are listed by the user's own values."""
    trees = [(_histogram_tree(model, p), k) for stage in model._predictors for k, p in enumerate(stage)]
    start = tuple(float(s) for s in np.ravel(model._baseline_prediction))
    link = "exp" if model.loss in ("poisson", "gamma") else "identity"
    if hasattr(model, "classes_") and response != "decision_function":
        link = "softmax" if len(start) > 1 else "sigmoid"
    return naive.Forest([tree for tree, _ in trees], None, [k for _, k in trees], start, link)


def _histogram_tree(model: Any, predictor: Any, node: int = 0) -> Any:
    row = predictor.nodes[node]
    if row["is_leaf"]:
        return naive.Leaf(float(row["value"]))
    left, right = (_histogram_tree(model, predictor, int(row[side])) for side in ("left", "right"))
    feature, threshold = int(row["feature_idx"]), float(row["num_threshold"])
    if model.is_categorical_ is not None:
        by_name = [j for kind in (True, False) for j, c in enumerate(model.is_categorical_) if c == kind]
        if row["is_categorical"]:
            known = model._preprocessor.named_transformers_["encoder"].categories_[feature]
            words = predictor.raw_left_cat_bitsets[row["bitset_idx"]]
            codes = [code for code in range(256) if int(words[code // 32]) >> code % 32 & 1]
            threshold = frozenset(float(known[code]) for code in codes)
        feature = by_name[feature]
    return naive.Node(feature, threshold, left, right, bool(row["missing_go_to_left"]))


def isolation(model: Any, response: str) -> naive.Forest:
    """IsolationForest: depths counted on the way down, in units of the depth expected of the whole sample."""
    trees = []
    for member, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        tree, depth = member.tree_, {0: 0}
        for node in range(tree.node_count):  # parents come before their children
            for child in (tree.children_left[node], tree.children_right[node]):
                depth[int(child)] = depth[node] + 1
        mine = columns if member.n_features_in_ < model.n_features_in_ else None
        trees.append(cart(tree, lambda i, t=tree, d=depth: d[i] + _expected(int(t.n_node_samples[i])), mine))
    weight = 1 / (naive.exact(_expected(model.max_samples_)) * len(trees))
    offset = float(model.offset_) if response != "score_samples" else 0.0
    return naive.Forest(
        trees, [weight] * len(trees), None, 0.0, lambda m: (-(2.0 ** -float(m[0])) - offset,), "float32"
    )  # fmt: skip


def _expected(n: int) -> float:
    """2 H(n - 1) - 2 (n - 1) / n with H(k) taken as ln k + Euler's constant."""
    if n <= 2:
        return float(n == 2)
    return 2 * (math.log(n - 1) + 0.5772156649015329) - 2 * (n - 1) / n


def adaboost(model: Any, response: str) -> naive.Forest:
    """SAMME: 1 for the class that a tree predicts and -1 / (K - 1) for the others; binary is class 1 less class 0."""
    classes = list(model.classes_)
    k = len(classes)
    total = sum(map(Fraction, model.estimator_weights_.tolist()))
    weights = [Fraction(w) / total for w in model.estimator_weights_[: len(model.estimators_)].tolist()]

    def vote(member: Any, node: int) -> tuple[Fraction, ...]:
        counts = member.tree_.value[node, 0].tolist()
        winner = classes.index(member.classes_[counts.index(max(counts))])
        if k == 2:
            return (Fraction(2 if winner == 1 else -2),)
        return tuple(Fraction(1) if c == winner else Fraction(-1, k - 1) for c in range(k))

    trees = [cart(member.tree_, lambda i, m=member: vote(m, i)) for member in model.estimators_]
    link: Any = "identity"
    if response != "decision_function":
        link = "sigmoid" if k == 2 else lambda m: naive.softmax(tuple(v / (k - 1) for v in m))
    return naive.Forest(trees, weights, None, (0.0,) * (1 if k == 2 else k), link, "float32")


def bagging(model: Any, response: str) -> naive.Forest:
    """The mean of the members, each in its own columns, and in its own classes where it learned from fewer."""
    n = len(model.estimators_)
    parts = [READINGS[type(member).__name__](member, response) for member in model.estimators_]
    width = max(len(part.intercept) for part in parts)
    trees, weights, outputs, starts = [], [], [], []
    for member, part, columns in zip(model.estimators_, parts, model.estimators_features_, strict=True):
        places = range(width) if len(part.intercept) == width else [int(c) for c in member.classes_]
        trees += [_elsewhere(tree, columns, places, width) for tree in part.trees]
        weights += [Fraction(w) / n for w in part.weights or [1] * len(part.trees)]
        outputs += part.outputs or [None] * len(part.trees)
        starts.append([dict(zip(places, part.intercept, strict=True)).get(k, 0.0) for k in range(width)])
    start = tuple(float(s) for s in np.mean(starts, axis=0))
    return replace(parts[0], trees=trees, weights=weights, outputs=outputs, intercept=start)


def _elsewhere(tree: Any, columns: Sequence[int], places: Sequence[int], width: int) -> Any:
    if isinstance(tree, naive.Leaf):
        if not isinstance(tree.value, tuple):
            return tree
        found = dict(zip(places, tree.value, strict=True))
        return naive.Leaf(tuple(found.get(k, 0.0) for k in range(width)))
    left, right = (_elsewhere(side, columns, places, width) for side in (tree.left, tree.right))
    return replace(tree, feature=int(columns[tree.feature]), left=left, right=right)


READINGS: dict[str, Callable[[Any, str], naive.Forest]] = {
    **dict.fromkeys(
        (
            f"{kind}{role}"
            for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees")
            for role in ("Classifier", "Regressor")
        ),
        forest,
    ),
    "Unweighted": forest,
    "GradientBoostingClassifier": boosting,
    "GradientBoostingRegressor": boosting,
    "HistGradientBoostingClassifier": histogram,
    "HistGradientBoostingRegressor": histogram,
    "IsolationForest": isolation,
    "AdaBoostClassifier": adaboost,
    "BaggingClassifier": bagging,
    "BaggingRegressor": bagging,
}
