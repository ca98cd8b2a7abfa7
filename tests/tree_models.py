"""From the oracle's trees to our engine, and their answers side by side."""

from typing import Any

import naive
import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.engines.tree_ensemble import TreeEngine
from agnostic_ig.engines.tree_tables import Listed, TreeTable, join_trees

LINKS = {
    "identity": "identity",
    "sigmoid": "sigmoid",
    "exp_sigmoid": "sigmoid_of_double",
    "exp": "exp",
    "isolation": "isolation",
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


def block_of(engine: TreeEngine, X: np.ndarray, B: np.ndarray) -> PairBlock:
    """Every row with every baseline."""
    ends = np.nan_to_num(engine.predict(X)), np.nan_to_num(engine.predict(B))
    return PairBlock(X, B, *ends, lambda: np.full(len(X) * len(B), 11, dtype=np.uint64))


def columns_of(n: int, discrete: Any = (), players: Any = None) -> Columns:
    """Columns x0, x1, ..., some of them discrete, some of them one player."""
    mask = np.zeros(n, dtype=bool)
    mask[list(discrete)] = True
    player_of = np.arange(n) if players is None else np.asarray(players)
    return Columns([f"x{j}" for j in range(n)], mask, player_of, [str(i) for i in range(player_of.max() + 1)])


def attribute_block(engine: TreeEngine, X: np.ndarray, B: np.ndarray, discrete: Any = ()) -> np.ndarray:
    """Our answer for every row with every baseline, all at once: values (n_pairs, n_features, n_outputs)."""
    block = block_of(engine, X, B)
    outputs = np.arange(block.f_rows.shape[1])[-1:] if engine.is_one_sided else np.arange(block.f_rows.shape[1])
    return engine.attribute(block, columns_of(X.shape[1], discrete), outputs, Settings()).values


def attribute(
    engine: TreeEngine, x: np.ndarray, b: np.ndarray, discrete: Any = (), players: Any = None, **settings: Any
) -> Any:
    """Our answer for one pair: values (n_players, n_outputs), and the whole PairAnswer."""
    x, b = np.atleast_2d(np.asarray(x, dtype=float)), np.atleast_2d(np.asarray(b, dtype=float))
    block = block_of(engine, x, b)
    columns = columns_of(x.shape[1], discrete, players)
    outputs = np.arange(block.f_rows.shape[1])[-1:] if engine.is_one_sided else np.arange(block.f_rows.shape[1])
    answer = engine.attribute(block, columns, outputs, Settings(**settings))
    return answer.values[0], answer


def oracle_values(model: naive.Forest, x: Any, b: Any, **options: Any) -> np.ndarray:
    """The oracle's answer as float64 (n_players, n_outputs)."""
    values = naive.integrated_gradients(model, x, b, **options)
    return np.array([[float(v) for v in (row if isinstance(row, tuple) else (row,))] for row in values])
