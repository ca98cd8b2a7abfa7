"""The structural engine of axis-parallel trees: exact Integrated Gradients, through a link where there is one."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.kernels import tree_path
from agnostic_ig.kernels.tree_path import (
    CATEGORICAL,
    COLUMN,
    GRID,
    LINKS,
    LISTED_RIGHT,
    MISSING_LEFT,
    NODE,
    Trees,
)
from agnostic_ig.numerics.decimals import ROUNDING, decimal_unit, snap

__all__ = ["Listed", "TreeEngine", "TreeTable", "join_trees"]

# One tree stays in cache for this many pairs (measured: blocks of 512 to 2,048 are equally good, larger ones lose).
PAIRS_PER_BATCH = 1024
MAX_BATCH_VALUES = 4_000_000
# Pairs of antithetic permutations spent on one tie of more than MAX_ENUMERATED players under a link.
TIE_DRAWS = {"fast": 128, "standard": 1024, "thorough": 8192}


class Listed(NamedTuple):
    """Categories listed by a node: codes >= 0, and whether they go left; all other codes go the other way."""

    codes: np.ndarray
    left: bool = True


@dataclass(frozen=True)
class TreeTable:
    """Nodes of one tree: arrays (n_nodes,), children -1 at leaves; value (n_nodes, width) for outputs from `output`.

    categories holds, by node, the list of every node that splits on categories; its threshold does not count.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    output: int = 0
    categories: Mapping[int, Listed] = field(default_factory=dict)


def join_trees(tables: list[TreeTable], *, routing: type, strict: bool = False) -> Trees:
    """All trees in one set of arrays, with the places of thresholds on the path."""
    offsets = np.cumsum([0, *(len(t.feature) for t in tables)])[:-1]
    nodes = np.zeros(sum(len(t.feature) for t in tables), dtype=NODE)
    for name in ("feature", "threshold"):
        nodes[name] = np.concatenate([getattr(t, name) for t in tables])
    nodes["flags"] = MISSING_LEFT * np.concatenate([t.missing_left for t in tables])
    for side in ("left", "right"):
        nodes[side] = np.concatenate([getattr(t, side) + o for t, o in zip(tables, offsets, strict=True)])
    listed = {o + node: one for t, o in zip(tables, offsets, strict=True) for node, one in t.categories.items()}
    sets = _list_categories(nodes, listed)
    nodes["place"] = _places(nodes, routing)
    return Trees(
        nodes,
        np.concatenate([np.atleast_2d(t.value) for t in tables]).astype(np.float64),
        offsets.astype(np.int64),
        np.array([t.output for t in tables], dtype=np.int64),
        max(_depth(t) for t in tables),
        strict,
        sets,
    )


def _list_categories(nodes: np.ndarray, listed: Mapping[int, Listed]) -> np.ndarray:
    """Mark categorical nodes, and return one row of bits for each of them."""
    highest = max((int(np.max(one.codes, initial=0)) for one in listed.values()), default=0)
    sets = np.zeros((max(1, len(listed)), highest // 32 + 1), dtype=np.uint32)
    for row, (node, one) in enumerate(listed.items()):
        codes = np.asarray(one.codes, dtype=np.uint32)
        np.bitwise_or.at(sets[row], codes >> 5, np.uint32(1) << (codes & 31))
        nodes["threshold"][node] = row
        nodes["flags"][node] |= CATEGORICAL | (0 if one.left else LISTED_RIGHT)
    return sets


def _depth(table: TreeTable) -> int:
    """Longest path, level by level."""
    level, depth = np.array([0]), 0
    while True:
        inner = level[table.feature[level] >= 0]
        if inner.size == 0:
            return depth
        level, depth = np.concatenate([table.left[inner], table.right[inner]]), depth + 1


def _places(nodes: np.ndarray, routing: type) -> np.ndarray:
    """Thresholds with the rounding of a float32 family undone where a column is decimal."""
    feature, threshold = nodes["feature"], nodes["threshold"]
    units = _decimal_units(nodes, routing)[feature]
    units[feature < 0] = 0.0
    return np.where(units > 0, snap(threshold, np.where(units > 0, units, 1.0)), threshold)


def _decimal_units(nodes: np.ndarray, routing: type) -> np.ndarray:
    """Decimal grid of every column (0.0: none) as its thresholds show it; families that route in float64 need none."""
    n_features = int(nodes["feature"].max(initial=0)) + 1
    if routing is np.float64:
        return np.zeros(n_features)
    numeric = nodes[nodes["flags"] & CATEGORICAL == 0]
    feature, threshold = numeric["feature"], numeric["threshold"]
    order = np.argsort(feature, kind="stable")
    ends = np.searchsorted(feature[order], np.arange(n_features + 1))
    thresholds = threshold[order]
    return np.array([decimal_unit(thresholds[i:j]) for i, j in pairwise(ends)])


@dataclass
class TreeEngine:
    """Margins ``start + sum of trees`` and a link; see `agnostic_ig.kernels.tree_path` for the algorithm.

    Attributes
    ----------
    trees : Trees
    start : ndarray of shape (n_margins,)
        What no tree adds (the constant of boosting).
    link : str
        A key of LINKS: from margins to the outputs explained.
    routing : type
        Precision in which the family compares x with thresholds.
    family : str
    shift : float
        Added to the outputs, behind the link.
    encoding : callable, optional
        From a `Codec` to a function of rows (n, n_features), as that codec encodes them, that gives the numbers which
        the trees split on: codes of the model's own, and NaN where it takes a value as missing.
    """

    trees: Trees
    start: np.ndarray
    link: str
    routing: type
    family: str
    shift: float = 0.0
    encoding: Callable[[Any], Callable[[np.ndarray], np.ndarray]] | None = None
    name: str = "tree_ensemble"
    exact: bool = True
    why: str = "axis-parallel trees: every crossing of the path is enumerated"
    facts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._narrowed: dict[tuple[int, ...], Trees] = {}
        self._prepared: Callable[[np.ndarray], np.ndarray] = _as_it_is
        self.units = _decimal_units(self.trees.nodes, self.routing)
        nodes = self.trees.nodes
        self.categorical = np.unique(nodes["feature"][nodes["flags"] & CATEGORICAL != 0])
        links = {"identity": "the sum of the trees"}
        self.facts = {
            "trees": f"{len(self.trees.root)} ({len(self.trees.nodes):,} nodes, depth {self.trees.depth})",
            "margin": links.get(self.link, f"{self.link} of the sum of the trees"),
            "routing": f"{np.dtype(self.routing).name}, {'<' if self.trees.strict else '<='}",
        }

    @property
    def is_one_sided(self) -> bool:
        """One margin stands for two classes: the outputs are (1 - p, p)."""
        return self.link in ("sigmoid", "sigmoid_of_double")

    def with_black_box(self, black_box: Any) -> "TreeEngine":
        """The same engine for rows as today's codec encodes them."""
        if self.encoding is None:
            return self
        engine = copy.copy(self)
        engine._prepared = self.encoding(black_box.codec)
        return engine

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        margins = np.tile(self.start, (len(X), 1))
        tree_path.predict_margins(self.trees, self._cast(self._prepared(X)), margins)
        outputs = _LINK_VALUES[self.link](margins) + self.shift
        return np.hstack([1.0 - outputs, outputs]) if self.is_one_sided else outputs

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        pairs = self._pairs(block, columns.discrete)
        if self.link == "identity":
            trees, kept = self._only(tuple(outputs.tolist()))
            credits = np.zeros((len(block), columns.n_players, len(self.start) if kept is None else len(outputs)))
            tree_path.plain_credits(trees, columns.player_of, pairs, credits)
            return PairAnswer(credits if kept is not None else self._select(credits, outputs))
        credits = np.zeros((len(block), columns.n_players, len(self.start)))
        variance = np.zeros_like(credits)
        draws = TIE_DRAWS[settings.thoroughness]
        tree_path.linked_credits(
            self.trees, columns.player_of, pairs, self.start, LINKS[self.link], block.seeds.copy(), settings.tol,
            draws, credits, variance,
        )  # fmt: skip
        return self._sampled_answer(credits, variance, outputs, settings)

    def _only(self, outputs: tuple[int, ...]) -> tuple[Trees, tuple[int, ...] | None]:
        """Trees whose leaves hold the asked outputs only; None beside trees that each feed one output."""
        if self.trees.value.shape[1] != len(self.start):
            return self.trees, None
        if outputs not in self._narrowed:
            value = np.ascontiguousarray(self.trees.value[:, list(outputs)])
            self._narrowed[outputs] = self.trees._replace(value=value)
        return self._narrowed[outputs], outputs

    def _sampled_answer(
        self, credits: np.ndarray, variance: np.ndarray, outputs: np.ndarray, settings: Settings
    ) -> PairAnswer:
        if not variance.any():
            return PairAnswer(self._select(credits, outputs))
        values, variance = self._select(credits, outputs), np.abs(self._select(variance, outputs))
        error = np.sqrt(variance).sum(axis=1)
        converged = (error <= settings.tol * np.abs(values).sum(axis=1)).all(axis=1)
        return PairAnswer(values, variance=variance, converged=converged)

    def _select(self, credits: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        if self.is_one_sided:
            credits = np.concatenate([-credits, credits], axis=2)
        return np.ascontiguousarray(credits[:, :, outputs])

    def _cast(self, X: np.ndarray) -> np.ndarray:
        return X.astype(self.routing).astype(np.float64)

    def _pairs(self, block: PairBlock, discrete: np.ndarray) -> np.ndarray:
        given_x, given_b = self._prepared(block.x), self._prepared(block.b)
        x, b = self._on_grid(given_x, given_b)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            per_alpha = GRID / (x - b)
        jumps = discrete | ~np.isfinite(x) | ~np.isfinite(b) | ~np.isfinite(per_alpha)
        jumps[:, self.categorical] = True
        pairs = np.empty(x.shape, dtype=COLUMN)
        pairs["x"], pairs["b"] = self._cast(given_x), self._cast(given_b)
        pairs["b_place"], pairs["per_alpha"] = np.where(jumps, 0.0, b), np.where(jumps, 0.0, per_alpha)
        return pairs

    def _on_grid(self, x: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and b with the rounding of float32 input undone in decimal columns; float64 decimals stay as they are."""
        x, b = x.copy(), b.copy()
        for j in np.flatnonzero(self.units):
            ends = np.stack([x[:, j], b[:, j]])
            on_grid = snap(ends, self.units[j])
            near = (np.abs(ends - on_grid) <= ROUNDING * np.abs(ends)).all(axis=0) & (on_grid[0] != on_grid[1])
            x[near, j], b[near, j] = on_grid[:, near]
        return x, b

    def edges(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Up to n (feature, value) with values on thresholds and one unit in the last place to each side."""
        feature, threshold = self.trees.nodes["feature"], self.trees.nodes["threshold"]
        numeric = self.trees.nodes["flags"] & CATEGORICAL == 0
        inner = np.flatnonzero((feature >= 0) & np.isfinite(threshold) & numeric)
        nodes = rng.choice(inner, size=min(n, 5 * inner.size)) if inner.size else inner
        on = threshold[nodes]
        near = on.astype(self.routing)
        beside = np.stack([on, *(np.nextafter(v, d) for v in (on, near) for d in (-np.inf, np.inf))])
        return feature[nodes], beside[rng.integers(5, size=nodes.size), np.arange(nodes.size)]

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs that share one walk through a tree, within a bound of memory."""
        per_pair = n_features * max(len(self.start), n_outputs, 4)
        return int(max(1, min(PAIRS_PER_BATCH, MAX_BATCH_VALUES // per_pair)))


def _as_it_is(rows: np.ndarray) -> np.ndarray:
    return rows


def _softmax(margins: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return softmax(margins, axis=1)


def _expit(margins: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(margins)


_LINK_VALUES = {
    "identity": lambda margins: margins,
    "sigmoid": _expit,
    "sigmoid_of_double": lambda margins: _expit(2.0 * margins),
    "softmax": _softmax,
    "exp": np.exp,
    "isolation": lambda margins: -np.exp2(-margins),
}
