"""Properties that the oracle for trees must have, most of them exactly."""

import math
import random
from fractions import Fraction
from itertools import permutations, product

import naive
import numpy as np
import pytest
from naive import Forest, Leaf, Node, integrated_gradients, predict

NAN = math.nan
TENTHS = [list(range(1, 10))] * 3  # thresholds of a path between 0 and 10: three features tie at every tenth
LINKS = ["identity", "sigmoid", "exp_sigmoid", "exp"]


def corner(rng, n_features=3, low=0.0, high=10.0):
    """x and b at opposite ends in every feature, up or down."""
    x = [low if rng.random() < 0.4 else high for _ in range(n_features)]
    return x, [low + high - v for v in x]


def grid_tree(table, order, cell=()):
    """The tree of a table over the cells (−∞, 3], (3, 6], (6, ∞), features split in the order given."""
    if len(cell) == len(order):
        return Leaf(table[tuple(cell[order.index(j)] for j in range(len(order)))])
    low, middle, high = (grid_tree(table, order, (*cell, c)) for c in range(3))
    feature = order[len(cell)]
    if feature == 1:  # the same three intervals, split the other way round
        return Node(feature, 6, Node(feature, 3, low, middle), high)
    return Node(feature, 3, low, Node(feature, 6, middle, high))


@pytest.mark.parametrize("link", LINKS)
def test_implementation_invariance(link):
    """One function as six trees; x and b make ties of two, of three, and at both ends of the path."""
    rng = random.Random(7)
    table = {cell: rng.randrange(-9, 10) / 4 for cell in product(range(3), repeat=3)}
    for x, b in [
        ((9, 9, 9), (0, 0, 0)),
        ((9, 0, 6), (0, 9, 0)),
        ((3, 9, 7), (9, 3, 0)),
        ((6, 0, 1), (0, 6, 4)),
    ]:
        trees = [grid_tree(table, order) for order in permutations(range(3))]
        first, *others = [integrated_gradients(Forest([tree], link=link), x, b) for tree in trees]
        assert any(first)
        assert all(other == first for other in others)


def swap_features(tree):
    """The tree with features 0 and 1 exchanged."""
    if isinstance(tree, Leaf):
        return tree
    feature = {0: 1, 1: 0}.get(tree.feature, tree.feature)
    return Node(feature, tree.threshold, swap_features(tree.left), swap_features(tree.right), tree.missing_left)


@pytest.mark.parametrize("link", LINKS)
def test_symmetry(link):
    rng = random.Random(8)
    for _ in range(5):
        trees = [naive.random_tree(rng, 3, 4, TENTHS) for _ in range(2)]
        model = Forest([*trees, *map(swap_features, trees)], link=link, weights=[Fraction(1, 4)] * 4)
        first, second, _ = integrated_gradients(model, [10, 10, 0], [0, 0, 10])
        assert first == second


def test_linearity():
    rng = random.Random(9)
    trees, weights = [naive.random_tree(rng, 3, 4, TENTHS) for _ in range(3)], [0.3, -2, Fraction(1, 3)]
    x, b = corner(rng)
    alone = [integrated_gradients(Forest([tree]), x, b) for tree in trees]
    weighted = [[naive.exact(w) * v for v in values] for w, values in zip(weights, alone, strict=True)]
    expected = [sum(column) for column in zip(*weighted, strict=True)]
    assert integrated_gradients(Forest(trees, weights=weights, intercept=17.0), x, b) == expected


@pytest.mark.parametrize("link", LINKS)
def test_swapping_the_ends_flips_the_sign(link):
    rng = random.Random(10)
    for _ in range(5):
        model = naive.random_forest(rng, 3, 4, 4, [*TENTHS, [0.5]], link=link)
        x, b = [10, 5, NAN, 1], [0, rng.choice([2, 9]), 3, 0]
        there, back = integrated_gradients(model, x, b), integrated_gradients(model, b, x)
        assert there == [-value for value in back]


def test_halves_of_the_path_add_up():
    rng = random.Random(11)
    for link in LINKS:
        model = naive.random_forest(rng, 3, 3, 4, [range(1, 8)] * 3, link=link)  # crossings at eighths
        x, b = corner(rng, 3, 0.0, 8.0)
        middle = [b_j + 7 / 16 * (x_j - b_j) for x_j, b_j in zip(x, b, strict=True)]
        halves = zip(integrated_gradients(model, x, middle), integrated_gradients(model, middle, b), strict=True)
        assert integrated_gradients(model, x, b) == [after + before for after, before in halves]


def test_zero_one_columns_split_at_a_half_give_baseline_shapley():
    rng = random.Random(12)
    for link in LINKS:
        model = naive.random_forest(rng, 3, 4, 4, [[0.5]] * 4, link=link)
        x, b = corner(rng, 4, 0.0, 1.0)

        def hybrid(T, model=model, x=x, b=b):
            return predict(model, [x[j] if j in T else b[j] for j in range(4)])

        expected = naive.shapley(hybrid, range(4))
        assert integrated_gradients(model, x, b) == [expected[j] for j in range(4)]


def test_an_output_that_a_tree_feeds():
    model = Forest([naive.AND, naive.OR, Leaf((1, 2, 3))], outputs=[2, 0, None], intercept=(0.0, 5.0, 0.0))
    assert predict(model, [1, 1]) == (2, 7, 4)
    assert integrated_gradients(model, [1, 1], [0, 0]) == [(Fraction(1, 2), 0, Fraction(1, 2))] * 2


def test_a_lone_jump_under_softmax_is_the_change_of_softmax():
    model = Forest([Node(0, 0.5, Leaf((0, 0, 0)), Leaf((1, -2, 0)))], intercept=(0.0, 0.5, 1.0), link="softmax")
    powers = np.exp([[0.0, 0.5, 1.0], [1.0, -1.5, 1.0]])
    before, after = powers / powers.sum(axis=1, keepdims=True)
    (values,) = integrated_gradients(model, [1], [0])
    np.testing.assert_allclose(np.array(values, dtype=float), after - before, rtol=0, atol=2**-50)


def test_jumps_come_in_order_and_add_up():
    rng = random.Random(13)
    model = naive.random_forest(rng, 3, 3, 4, TENTHS, n_outputs=2)
    jumps = naive.path_jumps(model, [10, 10, 10], [0, 0, 0])
    assert [alpha for alpha, _ in jumps] == sorted({alpha for alpha, _ in jumps})
    sums = [tuple(sum(c.get(j, (0, 0))[k] for _, c in jumps) for k in range(2)) for j in range(3)]
    assert sums == integrated_gradients(model, [10, 10, 10], [0, 0, 0])


# ---------------------------------------------------------------------------------------- ties and predicates


def test_exact_equality_keeps_neighbours_apart_and_a_rule_may_join_them():
    alphas = [Fraction(1, 3), Fraction(1, 3) + Fraction(1, 2**50), Fraction(1, 2)]
    assert naive.tie_groups(alphas) == [[alpha] for alpha in alphas]
    assert naive.tie_groups(alphas, naive.same_cell(40)) == [alphas[:2], alphas[2:]]
    assert naive.tie_groups(alphas, lambda a, c: c - a < 1) == [alphas]
    assert naive.tie_groups([]) == []


def test_a_feature_that_crosses_two_joined_thresholds_moves_once():
    """Between the two thresholds the tree answers 100, but nobody stops there when both crossings are one."""
    model = naive.one(Node(0, 0.5, Leaf(0), Node(0, 0.5 + 2**-50, Leaf(100), Node(1, 0.5, Leaf(0), Leaf(1)))))
    x, b = [1, 1], [0, 0]
    assert naive.path_jumps(model, x, b)[1] == (Fraction(0.5 + 2**-50), {0: (-99,)})
    (jump,) = naive.path_jumps(model, x, b, equality=naive.same_cell(40))
    assert jump == (Fraction(1, 2), {0: (Fraction(1, 2),), 1: (Fraction(1, 2),)})


def test_places_never_decide_sides():
    """float32 sends x and b to different sides though both lie above the threshold: crossed, at α < 0."""
    x, b = 1 + 6.0e-8, 1 + 5.9e-8
    model = naive.one(Node(0, 1.0, Leaf(0), Leaf(1)), routing="float32")
    [(alpha, credits)] = naive.path_jumps(model, [x], [b])
    assert alpha < -50
    assert credits == {0: (1,)}
    assert naive.path_jumps(naive.one(Node(0, 1.0, Leaf(0), Leaf(1))), [x], [b]) == []


def test_one_column_that_moves_whole_moves_its_player():
    """Thresholds at 0.2 and 0.9: crossed apart by themselves, at ½ together once one column is discrete."""
    model = naive.one(Node(0, 0.2, Leaf(0), Node(1, 0.9, Leaf(1), Leaf(5))))
    places = [alpha for alpha, _ in naive.path_jumps(model, [1, 1], [0, 0], players=[0, 0])]
    assert places == [Fraction(0.2), Fraction(0.9)]
    assert naive.path_jumps(model, [1, 1], [0, 0], [1], [0, 0]) == [(Fraction(1, 2), {0: (5,)})]
    assert naive.path_jumps(model, [1, 1], [NAN, 0], players=[0, 0]) == [(Fraction(1, 2), {0: (4,)})]
    for standing in (NAN, math.inf):  # what does not move does not make its player move whole
        [(place, _)] = naive.path_jumps(model, [standing, 1], [standing, 0], players=[0, 0])
        assert place == Fraction(0.9)


def test_routing_casts_as_numpy_does():
    rng = np.random.default_rng(14)
    values = [*rng.normal(size=200), *10.0 ** rng.uniform(-50, 38, size=50), 0.1, 16777217.0, -0.0]
    with np.errstate(under="ignore"):
        assert [naive.ROUTING["float32"](v) for v in values] == [float(np.float32(v)) for v in values]
    assert naive.ROUTING["float32"](1e39) == math.inf
    assert naive.goes_left(Forest([]), Node(0, 0.1, Leaf(0), Leaf(1)), np.float32(0.1)) is False


def test_links_against_numpy():
    margins = np.linspace(-30, 30, 13)
    table = {"identity": margins, "exp": np.exp(margins), "softmax": np.exp(margins) / np.exp(margins).sum()}
    table |= {"sigmoid": 1 / (1 + np.exp(-margins)), "exp_sigmoid": 1 / (1 + np.exp(-2 * margins))}
    table |= {"isolation": -(2.0**-margins)}
    assert table.keys() == naive.LINKS.keys()
    for name, expected in table.items():
        values = naive.LINKS[name](tuple(map(Fraction, margins)))
        np.testing.assert_allclose(np.array(values, dtype=float), expected, rtol=1e-14)
    assert (naive.expit(-800.0), naive.expit(800.0)) == (0, 1)
    assert naive.softmax((1000.0, 0.0)) == (1, 0)


# ---------------------------------------------------------------------------------------------- random models


def depth(tree):
    return 1 + max(depth(tree.left), depth(tree.right)) if isinstance(tree, Node) else 0


@pytest.mark.parametrize("make_rng", [random.Random, np.random.default_rng])
def test_random_trees_keep_to_what_was_asked(make_rng):
    pools = [[1.5, 2.5], [frozenset({1})]]
    trees = [naive.random_tree(make_rng(seed), 2, 4, pools, n_outputs=2, p_missing=0) for seed in range(20)]
    assert trees == [naive.random_tree(make_rng(seed), 2, 4, pools, 2, 0) for seed in range(20)]
    assert max(map(depth, trees)) == 4
    seen = [node for tree in trees for node in naive.nodes(tree)]
    assert {(n.feature, n.threshold) for n in seen} == {(0, 1.5), (0, 2.5), (1, frozenset({1}))}
    assert not any(n.missing_left for n in seen)
    leaves = [child.value for n in seen for child in (n.left, n.right) if isinstance(child, Leaf)]
    assert all(len(value) == 2 and abs(v) <= 8 and v * 64 == int(v * 64) for value in leaves for v in value)


def test_random_forests_keep_to_what_was_asked():
    how = {"n_outputs": 3, "one_output_each": True, "p_missing": 1, "link": "softmax"}
    model = naive.random_forest(random.Random(0), 5, 2, 3, [[1.5]] * 2, **how)
    assert model.outputs == [0, 1, 2, 0, 1]
    assert (model.intercept, model.link) == ((0.0, 0.0, 0.0), "softmax")
    assert all(node.missing_left for tree in model.trees for node in naive.nodes(tree))
    assert len(predict(model, [NAN, 1])) == 3
    assert naive.as_function(model)([[NAN, 1], [2, 2]]).shape == (2, 3)
