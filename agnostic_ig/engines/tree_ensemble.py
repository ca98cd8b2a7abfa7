"""The structural engine of axis-parallel trees: exact Integrated Gradients, through a link where there is one."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairAnswer, PairBlock, Settings
from agnostic_ig.engines.response import Scales
from agnostic_ig.engines.tree_pairs import PathEnds, cast, group_pairs, path_ends
from agnostic_ig.engines.tree_tables import decimal_units, place_in_units
from agnostic_ig.kernels.links import LINKS
from agnostic_ig.kernels.tree_batch import LANES, batch_credits
from agnostic_ig.kernels.tree_jumps import linked_batch_credits
from agnostic_ig.kernels.tree_link import linked_credits
from agnostic_ig.kernels.tree_nodes import CATEGORICAL, NODE, Trees, predict_margins
from agnostic_ig.kernels.tree_tie import tied_credits

__all__ = ["TreeEngine"]

PAIRS_PER_BATCH = 8192
MAX_BATCH_VALUES = 4_000_000
# Measured: the pairs of a group and a chunk of trees stay in cache together; in trees with many nodes longer lists
# win, because they keep vectors full.
PAIRS_PER_GROUP = {False: 4096, True: 8192}
DEEP_NODES = 4096
PAIRS_PER_LINKED_GROUP = 256  # whose jumps are held before they are sorted
CHUNK_BYTES = 1 << 18
TREES_PER_CHUNK = 64
# Pairs of antithetic permutations spent on one tie of more than MAX_ENUMERATED players under a link.
TIE_DRAWS = {"fast": 128, "standard": 1024, "thorough": 8192}


@dataclass
class TreeEngine:
    """Margins ``start + sum of trees`` and a link; see `tree_batch`, `tree_jumps` and `tree_tie` in kernels.

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
    two_sided : bool
        Whether one margin behind a sigmoid stands for two classes; if not, every margin is an output of its own.
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
    two_sided: bool = True
    encoding: Callable[[Any], Callable[[np.ndarray], np.ndarray]] | None = None
    name: str = "tree_ensemble"
    exact: bool = True
    uses_threads: bool = False
    why: str = "axis-parallel trees: every crossing of the path is enumerated"
    facts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._narrowed: dict[tuple[int, ...], Trees] = {}
        self.scales: tuple[np.ndarray, Scales] | None = None
        self._prepared: Callable[[np.ndarray], np.ndarray] = _as_it_is
        nodes = self.trees.nodes
        self.units = decimal_units(nodes, self.routing)
        self._chunks = _chunks(self.trees)
        self._pairs_per_group = PAIRS_PER_GROUP[len(nodes) > DEEP_NODES * len(self.trees.root)]
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
        return self.two_sided and self.link in ("sigmoid", "sigmoid_of_double")

    def with_black_box(self, black_box: Any) -> "TreeEngine":
        """The same engine for rows as today's codec encodes them."""
        engine = copy.copy(self)
        if self.encoding is not None:
            engine._prepared = self.encoding(black_box.codec)
        return engine if black_box.scales is None else engine._measured(black_box.scales)

    def _measured(self, scales: Scales) -> "TreeEngine":
        """The same where columns are decimal in the user's units, and have been scaled: places on the path are his."""
        trees, units = place_in_units(self.trees, scales, self.routing)
        if not units.any():
            return self
        engine = copy.copy(self)
        engine.trees, engine._narrowed = trees, {}
        engine.units = np.where(units > 0.0, units, self.units)
        scaled = np.flatnonzero(units)
        engine.scales = scaled, Scales(scales.slope[scaled], scales.offset[scaled])
        return engine

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The engine's own prediction (n, n_outputs), for verification."""
        margins = np.tile(self.start, (len(X), 1))
        predict_margins(self.trees, cast(self._prepared(X), self.routing), margins)
        outputs = _LINK_VALUES[self.link](margins) + self.shift
        return np.hstack([1.0 - outputs, outputs]) if self.is_one_sided else outputs

    def attribute(self, block: PairBlock, columns: Columns, outputs: np.ndarray, settings: Settings) -> PairAnswer:
        """Attributions of the asked outputs for every pair."""
        if self.link == "identity":
            trees, kept = self._only(tuple(outputs.tolist()))
            credits = self._margin_credits(trees, block, columns, len(self.start) if kept is None else len(outputs))
            return PairAnswer(credits if kept is not None else self._select(credits, outputs))
        return self._sampled_answer(*self._linked_credits(block, columns, settings), outputs, settings)

    def _linked_credits(self, block: PairBlock, columns: Columns, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Attributions through the link, and their variance: many pairs at once, then those with ties one by one."""
        ends = self._ends(block, columns.discrete)
        credits = np.zeros((len(block), columns.n_players, len(self.start)))
        tied, link = ends.surely_tied(columns.player_of), LINKS[self.link]
        groups = group_pairs(ends, len(block.rows), PAIRS_PER_LINKED_GROUP)
        linked_batch_credits(LANES, self.trees, columns.player_of, groups, self.start, link, tied, credits)
        variance = np.zeros_like(credits)
        for sampling in (None, True):
            if tied.any():
                linked_credits(
                    sampling, self.trees, columns.player_of, ends.columns(), self.start, link, block.seeds.copy(),
                    settings.tol, TIE_DRAWS[settings.thoroughness], tied, credits, variance,
                )  # fmt: skip
        return credits, variance

    def _margin_credits(self, trees: Trees, block: PairBlock, columns: Columns, n_margins: int) -> np.ndarray:
        """Attributions (n_pairs, n_players, n_margins) of the sum of the trees, chunk after chunk of trees."""
        ends = self._ends(block, columns.discrete)
        groups = group_pairs(ends, len(block.rows), self._pairs_per_group)
        credits = np.zeros((n_margins, columns.n_players + 1, len(block)))
        n_tied, of_ties = np.zeros(len(block), dtype=np.int64), None
        single = True if trees.value.shape[1] == 1 else None
        for first, last in pairwise(self._chunks):
            tied = np.zeros((last - first, len(block)), dtype=bool)
            batch_credits(LANES, trees, first, last, columns.player_of, groups, n_tied, tied, credits)
            if tied.any():
                if of_ties is None:
                    pairs, of_ties = ends.columns(), np.zeros((len(block), columns.n_players, n_margins))
                tied_credits(single, trees, first, last, columns.player_of, pairs, tied, of_ties)
        credits = np.ascontiguousarray(credits[:, :-1].transpose(2, 1, 0))
        return credits if of_ties is None else credits + of_ties

    def on_paths(self, block: PairBlock, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Ends of paths as the kernels take them one by one, (n_pairs, n_features) of COLUMN, and their players."""
        return self._ends(block, columns.discrete).columns(), columns.player_of

    def _ends(self, block: PairBlock, discrete: np.ndarray) -> PathEnds:
        at_half = discrete.copy()
        at_half[self.categorical] = True
        return path_ends(block, self._prepared, self.routing, self.units, at_half, self.scales)

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


def _chunks(trees: Trees) -> list[int]:
    """Borders between trees that stay in cache together."""
    ends = np.append(trees.root[1:], len(trees.nodes)) * NODE.itemsize
    borders = [0]
    for tree, end in enumerate(ends):
        full = end - trees.root[borders[-1]] * NODE.itemsize > CHUNK_BYTES or tree - borders[-1] >= TREES_PER_CHUNK
        if full and tree > borders[-1]:
            borders.append(tree)
    return [*borders, len(ends)]


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
