"""The structural engine of axis-parallel trees: exact Integrated Gradients, through a link where there is one."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.kernels import tree_path
from agnostic_ig.kernels.tree_path import COLUMN, GRID, LINKS, NODE, Trees
from agnostic_ig.numerics.decimals import ROUNDING, decimal_unit, snap

__all__ = ["TreeEngine", "TreeTable", "join_trees"]

# One tree stays in cache for this many pairs (measured: blocks of 512 to 2,048 are equally good, larger ones lose).
PAIRS_PER_BATCH = 1024
MAX_BATCH_VALUES = 4_000_000
# Pairs of antithetic permutations spent on one tie of more than MAX_ENUMERATED players under a link.
TIE_DRAWS = {"fast": 128, "standard": 1024, "thorough": 8192}


@dataclass(frozen=True)
class TreeTable:
    """Nodes of one tree: arrays (n_nodes,), children -1 at leaves; value (n_nodes, width) for outputs from `output`."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    output: int = 0


def join_trees(tables: list[TreeTable], *, routing: type, strict: bool = False) -> Trees:
    """All trees in one set of arrays, with the places of thresholds on the path."""
    offsets = np.cumsum([0, *(len(t.feature) for t in tables)])[:-1]
    nodes = np.zeros(sum(len(t.feature) for t in tables), dtype=NODE)
    for name in ("feature", "threshold", "missing_left"):
        nodes[name] = np.concatenate([getattr(t, name) for t in tables])
    for side in ("left", "right"):
        nodes[side] = np.concatenate([getattr(t, side) + o for t, o in zip(tables, offsets, strict=True)])
    nodes["place"] = _places(nodes["feature"], nodes["threshold"], routing)
    return Trees(
        nodes,
        np.concatenate([np.atleast_2d(t.value) for t in tables]).astype(np.float64),
        offsets.astype(np.int64),
        np.array([t.output for t in tables], dtype=np.int64),
        max(_depth(t) for t in tables),
        strict,
    )


def _depth(table: TreeTable) -> int:
    """Longest path, level by level."""
    level, depth = np.array([0]), 0
    while True:
        inner = level[table.feature[level] >= 0]
        if inner.size == 0:
            return depth
        level, depth = np.concatenate([table.left[inner], table.right[inner]]), depth + 1


def _places(feature: np.ndarray, threshold: np.ndarray, routing: type) -> np.ndarray:
    """Thresholds with the rounding of a float32 family undone where a column is decimal."""
    units = _decimal_units(feature, threshold, routing)[feature]
    units[feature < 0] = 0.0
    return np.where(units > 0, snap(threshold, np.where(units > 0, units, 1.0)), threshold)


def _decimal_units(feature: np.ndarray, threshold: np.ndarray, routing: type) -> np.ndarray:
    """Decimal grid of every column (0.0: none) as its thresholds show it; families that route in float64 need none."""
    n_features = int(feature.max(initial=0)) + 1
    if routing is np.float64:
        return np.zeros(n_features)
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
    """

    trees: Trees
    start: np.ndarray
    link: str
    routing: type
    family: str
    name: str = "tree_ensemble"
    exact: bool = True
    why: str = "axis-parallel trees: every crossing of the path is enumerated"
    facts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._narrowed: dict[tuple[int, ...], Trees] = {}
        self.units = _decimal_units(self.trees.nodes["feature"], self.trees.nodes["threshold"], self.routing)
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

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        margins = np.tile(self.start, (len(X), 1))
        tree_path.predict_margins(self.trees, self._cast(X), margins)
        outputs = _LINK_VALUES[self.link](margins)
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
        x, b = self._on_grid(block.x, block.b)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            per_alpha = GRID / (x - b)
        jumps = discrete | ~np.isfinite(x) | ~np.isfinite(b) | ~np.isfinite(per_alpha)
        pairs = np.empty(x.shape, dtype=COLUMN)
        pairs["x"], pairs["b"] = self._cast(block.x), self._cast(block.b)
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
        inner = np.flatnonzero((feature >= 0) & np.isfinite(threshold))
        nodes = rng.choice(inner, size=min(n, 5 * inner.size)) if inner.size else inner
        on = threshold[nodes]
        near = on.astype(self.routing)
        beside = np.stack([on, *(np.nextafter(v, d) for v in (on, near) for d in (-np.inf, np.inf))])
        return feature[nodes], beside[rng.integers(5, size=nodes.size), np.arange(nodes.size)]

    def pairs_per_batch(self, n_features: int, n_outputs: int) -> int:
        """Pairs that share one walk through a tree, within a bound of memory."""
        per_pair = n_features * max(len(self.start), n_outputs, 4)
        return int(max(1, min(PAIRS_PER_BATCH, MAX_BATCH_VALUES // per_pair)))


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
}
