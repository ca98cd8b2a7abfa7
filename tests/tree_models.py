"""From the oracle's trees to our engine, and from fitted scikit-learn models to the oracle's trees.

The readers here are written apart from the package's own, so that a fault in one shows against the other.
"""

from typing import Any

import naive
import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.engines.tree_ensemble import Listed, TreeEngine, TreeTable, join_trees

LINKS = {
    "identity": "identity",
    "sigmoid": "sigmoid",
    "exp_sigmoid": "sigmoid_of_double",
    "exp": "exp",
    "softmax": "softmax",
}
ROUTING = {"float32": np.float32, "float64": np.float64}


def engine_of(model: naive.Forest) -> TreeEngine:
    """Our engine for an oracle model."""
    width = len(model.intercept) if isinstance(model.intercept, tuple) else 1
    outputs = model.outputs or [0] * len(model.trees)
    weights = model.weights or [1.0] * len(model.trees)
    each = 1 if model.outputs else width
    tables = [_table(t, float(w), o, each) for t, w, o in zip(model.trees, weights, outputs, strict=True)]
    trees = join_trees(tables, routing=ROUTING[model.routing], strict=model.strict)
    start = np.atleast_1d(np.array(model.intercept, dtype=float))
    return TreeEngine(trees, start, LINKS[model.link], ROUTING[model.routing], "oracle")


def _table(tree: Any, weight: float, output: int, width: int) -> TreeTable:
    rows: list[tuple] = []
    categories: dict[int, Listed] = {}

    def add(node: Any) -> int:
        place = len(rows)
        rows.append(())
        threshold = getattr(node, "threshold", 0.0)
        if isinstance(threshold, frozenset):
            categories[place], threshold = Listed(np.array(sorted(threshold), dtype=int)), np.nan
        if isinstance(node, naive.Leaf):
            rows[place] = (-1, 0.0, -1, -1, False, weight * np.atleast_1d(np.array(node.value, dtype=float)))
        else:
            left, right = add(node.left), add(node.right)
            rows[place] = (node.feature, threshold, left, right, node.missing_left, np.zeros(width))
        return place

    add(tree)
    return TreeTable(*(np.array(column) for column in zip(*rows, strict=True)), output, categories)


def attribute(
    engine: TreeEngine, x: np.ndarray, b: np.ndarray, discrete: Any = (), players: Any = None, **settings: Any
) -> Any:
    """Our answer for one pair: values (n_players, n_outputs), and the whole PairAnswer."""
    n = len(x)
    mask = np.zeros(n, dtype=bool)
    mask[list(discrete)] = True
    player_of = np.arange(n) if players is None else np.asarray(players)
    names = [str(i) for i in range(player_of.max() + 1)]
    columns = Columns([f"x{j}" for j in range(n)], mask, player_of, names)
    x, b = np.atleast_2d(np.asarray(x, dtype=float)), np.atleast_2d(np.asarray(b, dtype=float))
    ends = np.nan_to_num(engine.predict(x)), np.nan_to_num(engine.predict(b))
    block = PairBlock(x, b, *ends, np.array([11], dtype=np.uint64))
    outputs = np.arange(ends[0].shape[1])[-1:] if engine.is_one_sided else np.arange(ends[0].shape[1])
    answer = engine.attribute(block, columns, outputs, Settings(**settings))
    return answer.values[0], answer


def oracle_values(model: naive.Forest, x: Any, b: Any, **options: Any) -> np.ndarray:
    """The oracle's answer as float64 (n_players, n_outputs)."""
    values = naive.integrated_gradients(model, x, b, **options)
    return np.array([[float(v) for v in (row if isinstance(row, tuple) else (row,))] for row in values])


def oracle_of_cart(tree: Any, value: Any, node: int = 0) -> Any:
    """A scikit-learn ``tree_`` as nested nodes; value(node) gives a leaf's answer."""
    if tree.children_left[node] == -1:
        return naive.Leaf(value(node))
    missing_left = bool(tree.missing_go_to_left[node])
    left, right = (oracle_of_cart(tree, value, int(c[node])) for c in (tree.children_left, tree.children_right))
    return naive.Node(int(tree.feature[node]), float(tree.threshold[node]), left, right, missing_left)


def oracle_of_histogram(nodes: np.ndarray, node: int = 0) -> Any:
    """A HistGradientBoosting predictor as nested nodes."""
    row = nodes[node]
    if row["is_leaf"]:
        return naive.Leaf(float(row["value"]))
    left, right = (oracle_of_histogram(nodes, int(row[side])) for side in ("left", "right"))
    return naive.Node(
        int(row["feature_idx"]), float(row["num_threshold"]), left, right, bool(row["missing_go_to_left"])
    )
