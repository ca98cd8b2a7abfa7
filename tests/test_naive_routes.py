"""The oracles against answers by hand and other routes to the definition, and the same broken on purpose."""

import math
import random
from fractions import Fraction
from itertools import pairwise, product

import naive
import naive_functions
import numpy as np
import pytest
from naive import KNOWN, KNOWN_TREES, Forest, Leaf, Node, integrated_gradients, predict

NAN = math.nan
TENTHS = [list(range(1, 10))] * 3  # thresholds of a path between 0 and 10: three features tie at every tenth
LINKS = ["identity", "sigmoid", "exp_sigmoid", "exp"]


def corner(rng, n_features=3, low=0.0, high=10.0):
    """x and b at opposite ends in every feature, up or down."""
    x = [low if rng.random() < 0.4 else high for _ in range(n_features)]
    return x, [low + high - v for v in x]


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def assert_complete(model, x, b, values):
    total = [sum(column) for column in zip(*map(as_tuple, values), strict=True)]
    change = zip(as_tuple(predict(model, x)), as_tuple(predict(model, b)), strict=True)
    assert total == [after - before for after, before in change]


# -------------------------------------------------------------------------- checks, to be broken further down


def check_known_trees():
    """Answers by hand; exactly, or within two ulps of 1 where a link rounds."""
    for known in KNOWN_TREES:
        values = integrated_gradients(known.model, known.x, known.b, **known.options)
        tolerance = 0 if known.model.link == "identity" else 2**-51
        gaps = [abs(v - Fraction(a)) for v, a in zip(values, known.answer, strict=True)]
        assert max(gaps) <= tolerance, known.name


def check_completeness():
    """Exact under every link, with missing values, infinities, categories, declared columns and players."""
    rng = random.Random(1)
    pools = [*TENTHS, [frozenset({1, 2}), frozenset({2, 5})], [0.5]]
    for link, seed in product([*LINKS, "softmax"], range(6)):
        options = {"link": link, "routing": rng.choice(["float32", "float64"]), "strict": rng.random() < 0.5}
        many = {"n_outputs": 3, "one_output_each": seed % 2 == 0}
        model = naive.random_forest(rng, 4, 5, 4, pools, **options, **(many if link == "softmax" else {}))
        x = [rng.choice([0, 5, 10, NAN, math.inf]) for _ in range(3)] + [rng.choice([1, 2, 5, 7]), 1]
        b = [rng.choice([0, 5, 10, NAN]) for _ in range(3)] + [rng.choice([1, 2, 5, NAN]), 0]
        for how in ({}, {"discrete": [4], "players": [0, 1, 2, 2, 0]}, {"equality": naive.same_cell(2)}):
            assert_complete(model, x, b, integrated_gradients(model, x, b, **how))


def value_of_tree(tree, row):
    """A second descent, so that the first is not tested against itself."""
    while isinstance(tree, Node):
        tree = tree.left if row[tree.feature] <= tree.threshold else tree.right
    return Fraction(tree.value)


def gradients_by_points(tree, x, b):
    """The definition at true points of the path just before and just after, which exist inside (0, 1)."""
    places = {(Fraction(t) - b_j) / (x_j - b_j) for x_j, b_j in zip(x, b, strict=True) for t in range(1, 10)}
    before_after = min(c - a for a, c in pairwise(sorted(places))) / 3
    values = [Fraction(0)] * len(x)
    for alpha in sorted(places):

        def value(moved, alpha=alpha):
            at = [alpha + before_after if j in moved else alpha - before_after for j in range(len(x))]
            return value_of_tree(tree, [b_j + a * (x_j - b_j) for a, x_j, b_j in zip(at, x, b, strict=True)])

        for j, credit in naive_functions.mean_over_orders(value, list(range(len(x)))).items():
            values[j] += credit
    return values


def check_ties_by_points():
    """Three features that tie at every tenth, by points and orders instead of states and subsets: exactly."""
    rng = random.Random(2)
    for _ in range(30):
        tree = naive.random_tree(rng, 3, 5, TENTHS)
        x, b = ([Fraction(v) for v in end] for end in corner(rng))
        assert integrated_gradients(Forest([tree]), x, b) == gradients_by_points(tree, x, b)


def normal_cdf(z):
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in np.ravel(z)])


def boxes(tree, n_features):
    """(value, [(low, high)] per feature) of every leaf."""
    if isinstance(tree, Leaf):
        return [(tree.value, [(-math.inf, math.inf)] * n_features)]
    found = []
    for child, keep in ((tree.left, (-math.inf, tree.threshold)), (tree.right, (tree.threshold, math.inf))):
        for value, box in boxes(child, n_features):
            low, high = box[tree.feature]
            box = list(box)
            box[tree.feature] = (max(low, keep[0]), min(high, keep[1]))
            if box[tree.feature][0] < box[tree.feature][1]:
                found.append((value, box))
    return found


def smoothed_gradients(tree, x, b, discrete, s=1 / 200):
    """IG of the tree under noise of σ_j = s·|d_j|; discrete columns switch with probability Φ((α − ½)/s).

    Crossings are multiples of 1/10, twenty σ apart, so the limit s → 0 is reached to rounding; the
    trapezoid rule with four points per σ is exact to rounding on Gaussians.
    """
    alpha = np.linspace(0, 1, 801)

    def inside(j, low, high):
        """P(feature j in the interval) and its derivative in α."""
        if j in discrete:
            rise = int(low < x[j] <= high) - int(low < b[j] <= high)
            z = (alpha - 0.5) / s
            return int(low < b[j] <= high) + rise * normal_cdf(z), rise * density(z) / s
        move = x[j] - b[j]
        at_low, at_high = ((edge - b[j] - alpha * move) / (s * abs(move)) for edge in (low, high))
        slope = math.copysign(1, move) / s * (density(at_low) - density(at_high))
        return normal_cdf(at_high) - normal_cdf(at_low), slope

    values = np.zeros(len(x))
    for leaf, box in boxes(tree, len(x)):
        chances, slopes = zip(*(inside(j, *side) for j, side in enumerate(box)), strict=True)
        for j, slope in enumerate(slopes):
            others = np.prod([chance for k, chance in enumerate(chances) if k != j], axis=0)
            values[j] += leaf * np.mean((slope * others)[1:])
    return values


def density(z):
    return np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def check_limit_of_noise():
    """The definition's own words: IG of f under noise that vanishes, ties and a discrete column included."""
    rng = random.Random(3)
    for discrete in ([], [1]):
        for _ in range(4):
            tree = naive.random_tree(rng, 3, 4, TENTHS)
            x, b = corner(rng)
            values = np.array(integrated_gradients(Forest([tree]), x, b, discrete=discrete), dtype=float)
            smoothed = smoothed_gradients(tree, x, b, discrete)
            np.testing.assert_allclose(values, smoothed, rtol=0, atol=1e-12)  # a mean of terms up to 640


def check_known_functions():
    """Closed forms, as closely as `staircase` states; slanted steps as a mean over shifted pieces."""
    n_steps = 201
    tolerance = {"smooth": 20 / n_steps**2, "kink": 1 / n_steps, "jump": 1 / n_steps, "oblique": 1 / n_steps}
    for known in KNOWN:
        x, b = np.array(known.x, dtype=float), np.array(known.b, dtype=float)
        n_shifts = 200 if known.kind == "oblique" else 1
        shifts = [(x - b) * k / (n_shifts * n_steps) for k in range(n_shifts)]
        values = np.mean([naive.staircase(known.function, x + d, b + d, n_steps) for d in shifts], axis=0)
        scale = max(1, np.abs(known.answer).max())
        assert np.abs(values - known.answer).max() <= tolerance[known.kind] * scale, known.name


def check_stack_against_staircase():
    """Linked models of several trees, every crossing alone in its piece: the black box agrees to rounding."""
    rng = random.Random(4)
    for options in ({"link": "sigmoid"}, {"link": "exp_sigmoid"}, {"link": "softmax", "n_outputs": 3}):
        cells = rng.sample(range(12), 12)  # one crossing in each, 0.4 cells apart also when mirrored
        pools = [[(k + 0.2 + 0.1 * rng.random()) / 12 for k in cells[j::4]] for j in range(4)]
        model = naive.random_forest(rng, 3, 4, 4, pools, weights=[0.25, 0.5, -0.125], **options)
        x, b = corner(rng, 4, 0.0, 1.0)
        values = np.array(integrated_gradients(model, x, b), dtype=float)
        reference = naive.staircase(naive.as_function(model), x, b, n_steps=41)
        np.testing.assert_allclose(values, reference, rtol=0, atol=1e-14)  # 41 differences of values below 1


def check_discrete_moves_against_staircase():
    """Missing values and categories through `predict` alone: a staircase on each half, all subsets at ½."""
    rng = random.Random(5)
    pools = [[0.33, 0.71], [0.38, 0.83], [0.5], [frozenset({1, 2}), frozenset({2, 3})]]
    for link in LINKS * 4:
        model = naive.random_forest(rng, 3, 4, 4, pools, link=link)
        x, b = [1, 0, NAN, rng.choice([1, 2, 3])], [0, 1, rng.choice([0, 1]), rng.choice([1, 2, 3, NAN])]
        values = np.array(integrated_gradients(model, x, b), dtype=float)
        reference = naive.staircase(naive.as_function(model), x, b, n_steps=11, discrete=[2, 3])
        np.testing.assert_allclose(values, reference, rtol=1e-13, atol=1e-13)


# ------------------------------------------------------------------------------------------- checks that hold

CHECKS = [
    check_known_trees,
    check_completeness,
    check_ties_by_points,
    check_limit_of_noise,
    check_known_functions,
    check_stack_against_staircase,
    check_discrete_moves_against_staircase,
]


@pytest.mark.parametrize("check", CHECKS)
def test_oracle(check):
    check()


# ------------------------------------------------------------------------------------------- the same, broken


def first_takes_all(value, players):
    players = sorted(players)
    total = value(frozenset(players)) - value(frozenset())
    return {player: total if player == players[0] else Fraction(0) for player in players}


def equal_shares(value, players):
    total = value(frozenset(players)) - value(frozenset())
    return dict.fromkeys(players, total / len(players))


def first_step_only(n):
    """Forward increments alone: what a plain finite-difference sum does."""
    sets, _ = naive_functions.first_and_last(n)
    return sets, np.hstack([-np.ones((n, 1)), np.eye(n), np.zeros((n, n + 1))])


def mirrored(crossing):
    return lambda path, node: None if (alpha := crossing(path, node)) is None else 1 - alpha


def open_ended(crossing):
    """Ends of the path decided by alpha, not by the predicate."""
    return lambda path, node: alpha if (alpha := crossing(path, node)) and alpha < 1 else None


def always_far_in_ties(value):
    return lambda path, passed, tied, moved: value(path, passed, tied, frozenset(path.players))


def forgets_the_past(value):
    return lambda path, passed, tied, moved: value(path, set(), tied, moved)


def without_strict(goes_left):
    return lambda model, node, value: goes_left(Forest([], routing=model.routing), node, value)


def missing_goes_right(goes_left):
    return lambda model, node, value: value == value and goes_left(model, node, value)


def always(replacement):
    """What breaks by being replaced."""
    return lambda original: replacement


ALL_TIED, WHOLE = always(lambda alphas, equality: [alphas]), always(lambda x_j, b_j: True)
NO_CAST = always({"float32": float, "float64": float})
BROKEN = [
    (naive, "shapley", always(first_takes_all), check_known_trees),
    (naive, "shapley", always(first_takes_all), check_ties_by_points),
    (naive, "shapley", always(first_takes_all), check_limit_of_noise),
    (naive, "shapley", always(equal_shares), check_known_trees),
    (naive, "shapley", always(equal_shares), check_ties_by_points),
    (naive, "shapley", always(equal_shares), check_limit_of_noise),
    (naive, "shapley", always(equal_shares), check_discrete_moves_against_staircase),
    (naive.Path, "crossing", mirrored, check_known_trees),
    (naive.Path, "crossing", mirrored, check_ties_by_points),
    (naive.Path, "crossing", mirrored, check_limit_of_noise),
    (naive.Path, "crossing", mirrored, check_stack_against_staircase),
    (naive.Path, "crossing", mirrored, check_discrete_moves_against_staircase),
    (naive.Path, "crossing", open_ended, check_known_trees),
    (naive.Path, "crossing", open_ended, check_completeness),
    (naive.Path, "value", always_far_in_ties, check_completeness),
    (naive.Path, "value", forgets_the_past, check_completeness),
    (naive, "tie_groups", ALL_TIED, check_known_trees),
    (naive, "tie_groups", ALL_TIED, check_stack_against_staircase),
    (naive, "goes_left", without_strict, check_known_trees),
    (naive, "goes_left", missing_goes_right, check_known_trees),
    (naive, "ROUTING", NO_CAST, check_known_trees),
    (naive, "HALF", always(Fraction(1, 3)), check_known_trees),
    (naive, "HALF", always(Fraction(1, 3)), check_limit_of_noise),
    (naive, "HALF", always(Fraction(1, 5)), check_discrete_moves_against_staircase),
    (naive, "has_no_middle", WHOLE, check_known_trees),
    (naive, "LINKS", lambda links: links | {"sigmoid": tuple}, check_known_trees),
    (naive_functions, "every_order", always(first_step_only), check_known_functions),
    (naive_functions, "every_order", always(first_step_only), check_discrete_moves_against_staircase),
]


@pytest.mark.parametrize(("owner", "name", "break_it", "check"), BROKEN)
def test_a_broken_oracle_is_noticed(monkeypatch, owner, name, break_it, check):
    monkeypatch.setattr(owner, name, break_it(getattr(owner, name)))
    with pytest.raises(AssertionError):
        check()
