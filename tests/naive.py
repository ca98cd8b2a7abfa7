"""Slow, obvious oracles for Integrated Gradients of trees, written from the definition alone.

Nothing of the package is imported here, and nothing is clever: trees are nested objects, places on the path
are `fractions.Fraction`, ties are enumerated over all subsets. Read it as the definition in code. Oracles
for black boxes (`staircase`, `gradient_quadrature`, the table `KNOWN`) stand in `naive_functions` and are
named here too.

**Definition.** For a baseline b and an input x the path is z(α) = b + α(x − b), α in [0, 1]. A model of
trees is constant along it but for *crossings*, places where a feature passes a threshold. Sorted by α,
every crossing's jump goes to the feature that crosses. Features that cross at one α are *tied*: with S the
tied set and v(T) = f(just before α, with the features in T moved to just after), they get the Shapley
values of v over S. A change with nothing in between (a category, a value that goes missing, an infinity)
happens whole at α = ½.

**Side by predicate, place by alpha.** A node is crossed if and only if the model's own predicate answers
differently for x and for b; α only says when. So f between two crossings is not evaluated at a point of the
path but by asking of each node "crossed yet?": near (b's side) before, far (x's side) after. A point would
have to lie strictly beside the threshold, and often there is none: at α = 0 or 1 it would leave the path;
two thresholds one ulp apart leave no room; b + α(x − b) rounds, and routing in float32 rounds again;
between two categories, or between 3 and NaN, nothing exists at all. Asked this way, a threshold that stands
twice on a path, or two that share one α, need no rule of their own: a feature that has moved is beyond all
of them.

**Exactness.** All results are `Fraction`. Under the identity link they are exact. Under another link each
value of f is an exact margin, rounded once and sent through `math`; the Shapley weights and sums of these
values are exact again. So completeness, Σ values = f(x) − f(b), holds exactly under every link.
"""

import ctypes
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from naive_functions import KNOWN, exact, expit, gradient_quadrature, shapley, staircase, subsets

__all__ = [  # noqa: RUF022 in the order in which they are read
    "Leaf", "Node", "Forest", "predict", "as_function", "goes_left", "integrated_gradients", "path_jumps",
    "Path", "exact_place", "decimal_place", "same_cell", "shapley", "subsets", "staircase",
    "gradient_quadrature", "random_tree", "random_forest", "KNOWN", "KNOWN_TREES",
]  # fmt: skip

HALF = Fraction(1, 2)

# ----------------------------------------------------------------------------------------------------- models


@dataclass(frozen=True)
class Leaf:
    """What a tree answers: a number, or one number per output."""

    value: float | tuple[float, ...]


@dataclass(frozen=True)
class Node:
    """Left where `x <= threshold` (`x in threshold` for a frozenset of categories); NaN has its own side."""

    feature: int
    threshold: float | frozenset
    left: "Node | Leaf"
    right: "Node | Leaf"
    missing_left: bool = False


@dataclass(frozen=True)
class Forest:
    """f = link(intercept + Σ weight · tree).

    Parameters
    ----------
    trees : sequence of Node or Leaf
    weights : sequence of numbers, default all 1; `Fraction(1, n)` gives an exact mean
    outputs : sequence of int or None, default all None: the output a tree feeds (None: its leaves feed all)
    intercept : float, or a tuple with one float per output (which makes it a model of several outputs)
    link : a name in `LINKS`, or a function from a tuple of Fractions to a tuple of values
    routing : "float64" or "float32", the precision that values are cast to before the predicate
    strict : the predicate is `x < threshold`
    """

    trees: Sequence[Node | Leaf]
    weights: Sequence[float | Fraction] | None = None
    outputs: Sequence[int | None] | None = None
    intercept: float | tuple[float, ...] = 0.0
    link: str | Callable = "identity"
    routing: str = "float64"
    strict: bool = False


def softmax(margins: tuple) -> tuple[float, ...]:
    """exp(m_k) / Σ exp(m)."""
    powers = [math.exp(m - max(margins)) for m in margins]
    return tuple(power / math.fsum(powers) for power in powers)


LINKS: dict[str, Callable] = {
    "identity": tuple,
    "sigmoid": lambda margins: tuple(expit(float(m)) for m in margins),
    "exp_sigmoid": lambda margins: tuple(expit(2 * float(m)) for m in margins),
    "exp": lambda margins: tuple(math.exp(m) for m in margins),
    "isolation": lambda margins: tuple(-math.exp2(-m) for m in margins),
    "softmax": softmax,
}
ROUTING: dict[str, Callable[[float], float]] = {
    "float64": float,
    "float32": lambda value: ctypes.c_float(value).value,  # rounds to nearest, and to infinity, in silence
}


def goes_left(model: Forest, node: Node, value: float) -> bool:
    """The model's own predicate."""
    value = ROUTING[model.routing](value)
    if math.isnan(value):
        return node.missing_left
    if isinstance(node.threshold, frozenset):
        return value in node.threshold
    return value < float(node.threshold) if model.strict else value <= float(node.threshold)


def evaluate(model: Forest, side: Callable[[Node], bool]) -> tuple[Fraction, ...]:
    """f, one Fraction per output, when `side(node)` says whether to go left."""
    margins = [exact(m) for m in _per_output(model.intercept)]
    weights = [1] * len(model.trees) if model.weights is None else model.weights
    outputs = [None] * len(model.trees) if model.outputs is None else model.outputs
    for tree, weight, output in zip(model.trees, weights, outputs, strict=True):
        while isinstance(tree, Node):
            tree = tree.left if side(tree) else tree.right
        for k, value in enumerate(_per_output(tree.value)):
            margins[k if output is None else output] += exact(weight) * exact(value)
    return tuple(exact(value) for value in LINKS.get(model.link, model.link)(tuple(margins)))


def predict(model: Forest, row: Sequence[float]) -> Fraction | tuple[Fraction, ...]:
    """f at a row; a tuple where the model has several outputs."""
    return _like_intercept(model, evaluate(model, lambda node: goes_left(model, node, row[node.feature])))


def as_function(model: Forest) -> Callable[[np.ndarray], np.ndarray]:
    """The model as a black box: rows -> float64 array of shape (n,) or (n, n_outputs)."""
    return lambda rows: np.array([predict(model, row) for row in np.asarray(rows)], dtype=np.float64)


def nodes(tree: Node | Leaf) -> Iterator[Node]:
    """Every inner node, reachable or not."""
    if isinstance(tree, Node):
        yield tree
        yield from nodes(tree.left)
        yield from nodes(tree.right)


def _per_output(value: float | tuple) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def _like_intercept(model: Forest, values: tuple) -> Fraction | tuple[Fraction, ...]:
    return values if isinstance(model.intercept, tuple) else values[0]


# --------------------------------------------------------------------------------------- Integrated Gradients


def exact_place(feature: int, threshold: float, x_j: float, b_j: float) -> Fraction:
    """α at which z_j(α) = threshold, for the numbers exactly as given (uncast)."""
    return (exact(threshold) - exact(b_j)) / (exact(x_j) - exact(b_j))


def decimal_place(feature: int, threshold: float, x_j: float, b_j: float) -> Fraction:
    """α for the decimals that the floats were read from: 0.1 counts as 1/10."""
    threshold, x_j, b_j = (Fraction(str(v)) for v in (threshold, x_j, b_j))
    return (threshold - b_j) / (x_j - b_j)


def same_cell(bits: int) -> Callable[[Fraction, Fraction], bool]:
    """Equality of alphas on a grid of cells 2**-bits wide."""
    return lambda alpha, other: round(alpha * 2**bits) == round(other * 2**bits)


def has_no_middle(x_j: float, b_j: float) -> bool:
    """Whether they differ with no number halfway: exactly one is missing, or one is infinite."""
    return math.isnan(x_j) != math.isnan(b_j) or (x_j != b_j and math.inf in (abs(x_j), abs(b_j)))


class Path:
    """The pair (x, b) of a model: which nodes are crossed, at which α, and f in any state in between."""

    def __init__(self, model, x, b, discrete=(), players=None, place=exact_place):
        self.model, self.x, self.b, self.place = model, [float(v) for v in x], [float(v) for v in b], place
        self.players = list(range(len(self.x)) if players is None else players)
        whole = set(discrete) | {n.feature for n in self.nodes() if isinstance(n.threshold, frozenset)}
        whole |= {j for j, pair in enumerate(zip(self.x, self.b, strict=True)) if has_no_middle(*pair)}
        self.whole_players = {self.players[j] for j in whole}
        self.alphas = {id(node): self.crossing(node) for node in self.nodes()}

    def nodes(self) -> Iterator[Node]:
        """Every node of every tree."""
        for tree in self.model.trees:
            yield from nodes(tree)

    def side(self, node: Node, far: bool) -> bool:
        """Left or right at a node, on b's side of the crossing (near) or on x's (far)."""
        return goes_left(self.model, node, (self.x if far else self.b)[node.feature])

    def crossing(self, node: Node) -> Fraction | None:
        """α at which the path crosses a node; None: x and b go the same way."""
        j = node.feature
        if self.side(node, far=True) == self.side(node, far=False):
            return None
        if self.players[j] in self.whole_players:
            return HALF
        return self.place(j, node.threshold, self.x[j], self.b[j])

    def crossings(self) -> dict[Fraction, set]:
        """{α: players that cross there}, by rising α; some may have no effect (Shapley gives them 0)."""
        found: dict[Fraction, set] = {}
        for node in self.nodes():
            if (alpha := self.alphas[id(node)]) is not None:
                found.setdefault(alpha, set()).add(self.players[node.feature])
        return dict(sorted(found.items()))

    def value(self, passed: set, tied: set, moved: frozenset) -> tuple[Fraction, ...]:
        """f with the crossings at `passed` alphas behind, and at `tied` alphas those of `moved` players."""

        def is_far(node: Node) -> bool:
            alpha = self.alphas[id(node)]
            return alpha in passed or (alpha in tied and self.players[node.feature] in moved)

        return evaluate(self.model, lambda node: self.side(node, is_far(node)))


def path_jumps(model, x, b, discrete=(), players=None, equality="exact", place=exact_place):
    """The stream of jumps, ties resolved: [(alpha, {player: credit per output})] by rising alpha.

    Parameters are those of `integrated_gradients`. Alphas that `equality` calls equal are listed under the
    first of them. Credits are tuples of Fraction, one per output; zeros are kept.
    """
    path = Path(model, x, b, discrete, players, place)
    crossings, passed, jumps = path.crossings(), set(), []
    for tied in tie_groups(list(crossings), equality):
        crossing = sorted(set().union(*(crossings[alpha] for alpha in tied)))
        value = {moved: path.value(passed, set(tied), moved) for moved in subsets(crossing)}
        outputs = range(len(value[frozenset()]))
        credits = [shapley({moved: v[k] for moved, v in value.items()}.get, crossing) for k in outputs]
        jumps.append((tied[0], {player: tuple(credit[player] for credit in credits) for player in crossing}))
        passed.update(tied)
    return jumps


def tie_groups(alphas: list[Fraction], equality="exact") -> list[list[Fraction]]:
    """Sorted distinct alphas, cut wherever two neighbours are not equal."""
    groups = [[alpha] for alpha in alphas[:1]]
    for before, after in pairwise(alphas):
        if equality != "exact" and equality(before, after):
            groups[-1].append(after)
        else:
            groups.append([after])
    return groups


def integrated_gradients(model, x, b, discrete=(), players=None, equality="exact", place=exact_place):
    """Integrated Gradients of a model of trees, by the definition at the head of this file.

    Parameters
    ----------
    model : Forest
    x, b : sequences of float; NaN and infinities allowed
    discrete : features that move whole at α = ½ (features split by sets of categories always do)
    players : player number of each feature; default: each its own. Columns of one player are one in ties; if
        one of them moves whole (declared, or without a middle), all do, at ½
    equality : "exact", or a function (α, α′) -> bool asked of neighbours in rising order: are they one tie?
        `same_cell(40)` is a grid
    place : function (feature, threshold, x_j, b_j) -> Fraction; `decimal_place` takes the numbers as the
        decimals they were read from. It never decides a side

    Returns
    -------
    list with one entry per player: Fraction, or a tuple of Fractions where the model has several outputs
    """
    n_players = len(x) if players is None else max(players) + 1
    totals = [[Fraction(0)] * len(_per_output(model.intercept)) for _ in range(n_players)]
    for _, credits in path_jumps(model, x, b, discrete, players, equality, place):
        for player, credit in credits.items():
            totals[player] = [total + c for total, c in zip(totals[player], credit, strict=True)]
    return [_like_intercept(model, tuple(total)) for total in totals]


# ---------------------------------------------------------------------------------------------- random models


def random_tree(rng, n_features, depth, thresholds, n_outputs=1, p_missing=0.5):
    """A tree of at most the given depth. Features repeat along a path, so some leaves can never be reached.

    `rng` has `.random()` (random.Random, numpy's Generator); `thresholds[j]` is the pool of feature j's
    thresholds (frozensets: categories that go left); `p_missing` the probability that a node sends NaN
    left. Leaf values are multiples of 1/64 within ±8, so sums of them in floats are exact.
    """
    if depth == 0 or rng.random() < 0.1:
        values = tuple(round(1024 * rng.random() - 512) / 64 for _ in range(n_outputs))
        return Leaf(values if n_outputs > 1 else values[0])
    feature = int(rng.random() * n_features)
    pool = thresholds[feature]
    threshold, missing_left = pool[int(rng.random() * len(pool))], rng.random() < p_missing
    left, right = (random_tree(rng, n_features, depth - 1, thresholds, n_outputs, p_missing) for _ in "lr")
    return Node(feature, threshold, left, right, missing_left)


def random_forest(
    rng, n_trees, n_features, depth, thresholds, n_outputs=1, p_missing=0.5, one_output_each=False, **options
):
    """A Forest of random trees; `one_output_each` lets tree t feed output t % n_outputs, as boosting does.

    `options` are those of Forest: weights, intercept, link, routing, strict.
    """
    width = 1 if one_output_each else n_outputs
    trees = [random_tree(rng, n_features, depth, thresholds, width, p_missing) for _ in range(n_trees)]
    outputs = [t % n_outputs for t in range(n_trees)] if one_output_each else None
    options.setdefault("intercept", (0.0,) * n_outputs if n_outputs > 1 else 0.0)
    return Forest(trees, outputs=outputs, **options)


# ---------------------------------------------------------------------------------------------- known answers


class KnownTree(NamedTuple):
    """A model of trees with its answer; `options` are passed on to `integrated_gradients`."""

    name: str
    model: Forest
    x: tuple[float, ...]
    b: tuple[float, ...]
    answer: tuple[float | Fraction, ...]
    source: str
    options: dict = {}  # noqa: RUF012 nobody changes it


def step(feature, threshold, low=0, high=1, missing_left=False):
    """low up to the threshold, high above; either may be a tree."""
    low, high = (v if isinstance(v, Node) else Leaf(v) for v in (low, high))
    return Node(feature, threshold, low, high, missing_left)


def one(tree, **options):
    """A model of one tree."""
    return Forest([tree], **options)


NAN, INF, THIRD, SIXTH = math.nan, math.inf, Fraction(1, 3), Fraction(1, 6)
AND, OR = step(0, 0.5, 0, step(1, 0.5)), step(0, 0.5, step(1, 0.5), 1)
XOR = step(0, 0.5, step(1, 0.5), step(1, 0.5, 1, 0))
ALL_THREE = step(0, 0.5, 0, step(1, 0.5, 0, step(2, 0.5)))
ONE_AND_EITHER = step(0, 0.5, 0, step(1, 0.5, step(2, 0.5), 1))
RED_BLUE = step(0, 0.5, step(1, 0.5, 7, 3), 1)  # red 1, blue 3, any other colour 7
BAND = step(0, 0.25, 0, step(0, 0.75, step(1, 0.5), 0))  # 1 where 1/4 < x1 <= 3/4 and x2 > 1/2
SLOPES = Forest([step(0, 0.5), step(1, 0.5, 0, 5)], intercept=-3.0, link="sigmoid")
LINKED = (expit(3) - expit(2), expit(2) - expit(-3))
TIED, THIRDS = (HALF, HALF), one(step(0, 0.1, 0, step(1, 1)))

# fmt: off
KNOWN_TREES = [KnownTree(*row) for row in (
    ("and", one(AND), (1, 1), (0, 0), TIED, "symmetry"),
    ("and, other root", one(step(1, 0.5, 0, step(0, 0.5))), (1, 1), (0, 0), TIED, "the same function"),
    ("and, downward", one(AND), (0, 0), (1, 1), (-HALF, -HALF), "symmetry"),
    ("and, opposite moves", one(AND), (1, 0), (0, 1), (HALF, -HALF), "0, 1, 0 or 0, 0, 0"),
    ("or", one(OR), (1, 1), (0, 0), TIED, "symmetry"),
    ("exclusive or", one(XOR), (1, 1), (0, 0), (0, 0), "symmetry"),
    ("and of three", one(ALL_THREE), (1, 1, 1), (0, 0, 0), (THIRD, THIRD, THIRD), "symmetry"),
    ("one and either", one(ONE_AND_EITHER), (1, 1, 1), (0, 0, 0), (Fraction(2, 3), SIXTH, SIXTH), "6 orders"),
    ("and, one after the other", one(step(0, 0.3, 0, step(1, 0.6))), (1, 1), (0, 0), (0, 1), "the last"),
    ("or, one after the other", one(step(0, 0.3, step(1, 0.6), 1)), (1, 1), (0, 0), (1, 0), "the first"),
    ("band", one(BAND), (1, 1), (0, 0), (-1, 1), "entered at ½ by x2, left at ¾ by x1"),
    ("band, nothing seen", one(BAND), (1, 0), (0, 0), (0, 0), "x2 is never on"),
    ("two trees, weights", Forest([AND, OR], [2, -4], intercept=9.0), (1, 1), (0, 0), (-1, -1), "linearity"),
    ("threshold at b", one(step(0, 0.5)), (1,), (0.5,), (1,), "crossed at α = 0: b goes left, x right"),
    ("threshold at x", one(step(0, 0.5)), (0.5,), (0,), (0,), "not crossed: both go left"),
    ("threshold at x, strict", one(step(0, 0.5), strict=True), (0.5,), (0,), (1,), "crossed at α = 1"),
    ("float64 at 0.1", one(step(0, 0.1)), (0.1,), (0,), (0,), "0.1 <= 0.1"),
    ("float32 at 0.1", one(step(0, 0.1), routing="float32"), (0.1,), (0,), (1,), "float32(0.1) > 0.1"),
    ("0/1 at 1e-35", one(step(0, 1e-35, 0, step(1, 1e-35))), (1, 0), (0, 1), (1, -1), "up early, down late"),
    ("goes missing", one(step(0, 0.5, 0, 4)), (NAN,), (0,), (4,), "NaN goes right"),
    ("goes missing, left", one(step(0, 0.5, 0, 4, True)), (NAN,), (0,), (0,), "NaN goes left, where b goes"),
    ("both missing", one(AND), (NAN, 1), (NAN, 0), (0, 1), "x1 does not move"),
    ("appears at ½, in a tie", one(AND), (NAN, 1), (0, 0), TIED, "both at ½"),
    ("appears at ½, last", one(step(0, 0.5, 0, step(1, 0.4))), (NAN, 1), (0, 0), (1, 0), "x2 crossed at 0.4"),
    ("infinite", one(step(0, 0.9, 0, step(1, 0.6))), (INF, 1), (0, 0), (0, 1), "x1 at ½"),
    ("from minus infinity", one(step(0, 0.9, 0, step(1, 0.6))), (1, 1), (-INF, 0), (0, 1), "x1 at ½"),
    ("discrete", one(step(0, 0.9, 0, step(1, 0.6))), (1, 1), (0, 0), (0, 1), "x1 at ½", {"discrete": [0]}),
    ("category", one(Node(0, frozenset({2}), Leaf(4), step(1, 0.6))), (2, 1), (7, 0), (4, 0), "x1 at ½"),
    ("one-hot, two players", one(RED_BLUE), (0, 1), (1, 0), (4, -2), "via 7, via 1"),
    ("one-hot, one player", one(RED_BLUE), (0, 1), (1, 0), (2,), "red 1, blue 3", {"players": [0, 0]}),
    ("unequal slopes, sigmoid", SLOPES, (1, 1), (0, 0), LINKED, "the two orders counted"),
    ("decimals as they are", THIRDS, (0.3, 3), (0, 0), (1, 0), "0.1 / 0.3 > 1/3 in binary"),
    ("decimals as they are meant", THIRDS, (0.3, 3), (0, 0), TIED, "1/3 twice", {"place": decimal_place}),
    ("decimals on a grid", THIRDS, (0.3, 3), (0, 0), TIED, "the same cell", {"equality": same_cell(40)}),
)]
# fmt: on
