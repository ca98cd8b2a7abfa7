"""The batch kernels against the kernel of one pair, which the oracle in fractions checks; with and without lanes."""

import math
from types import SimpleNamespace

import naive
import numpy as np
import pytest
from counts import count
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import event
from tree_models import attribute, attribute_block, block_of, engine_of, oracle_values

from agnostic_ig.engines import tree_ensemble
from agnostic_ig.kernels import (
    _jit,
    links,
    shapley,
    tie_sampling,
    tree_batch,
    tree_jumps,
    tree_link,
    tree_nodes,
    tree_tie,
)

N_FEATURES = 6
LINKS = sorted(naive.LINKS)


def draw(seed, kind, link, n_rows=13, n_baselines=3):
    """A random forest with a categorical column, rows and baselines of one kind with missing values."""
    rng = np.random.default_rng(seed)
    values = {"continuous": rng.normal(size=40), "integers": np.arange(6.0), "binary": np.array([0.0, 1.0])}[kind]
    cuts = (values + 0.5).tolist() if kind != "continuous" else rng.normal(size=8).tolist()
    n_outputs = 3 if link == "softmax" else 1
    thresholds = [cuts] * (N_FEATURES - 1) + [[frozenset({0, 2, 37}), frozenset({1})]]
    model = naive.random_forest(
        rng, 6 * n_outputs, N_FEATURES, 5, thresholds, n_outputs=n_outputs, one_output_each=n_outputs > 1, link=link,
        intercept=(0.25,) * n_outputs if n_outputs > 1 else 0.25,
    )  # fmt: skip
    X, B = (rng.choice(values, size=(n, N_FEATURES)) for n in (n_rows, n_baselines))
    for table in (X, B):
        table[:, -1] = rng.integers(-1, 4, size=len(table))
        table[rng.random(table.shape) < 0.05] = math.nan
    return model, X, B


@pytest.mark.campaign
@settings(max_examples=count("random trees, many pairs"), deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from(["continuous", "integers", "binary"]), st.sampled_from(LINKS),
    st.sampled_from([(), (0, 3)]), st.booleans(),
)  # fmt: skip
def test_many_pairs_get_what_each_gets_alone(seed, kind, link, discrete, lanes):
    model, X, B = draw(seed, kind, link)
    engine = engine_of(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree_ensemble, "LANES", tree_batch.LANES if lanes else None)
        together = attribute_block(engine, X, B, discrete)
    for k in range(len(B)):
        for i in range(len(X)):
            alone, _ = attribute(engine, X[i], B[k], discrete)
            np.testing.assert_array_equal(together[k * len(X) + i], alone)


@pytest.mark.campaign
@settings(max_examples=count("random trees, many pairs"), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["continuous", "integers", "binary"]))
def test_ties_are_done_over_by_the_kernel_of_one_pair(seed, kind):
    """Untied pairs agree with it to rounding; what is marked as tied is really done by it, and nothing twice."""
    model, X, B = draw(seed, kind, "identity")
    engine = engine_of(model)
    together = attribute_block(engine, X, B)
    for k in range(len(B)):
        for i in range(len(X)):
            alone = by_one_pair(engine, X[i], B[k])
            assert np.abs(together[k * len(X) + i, :, 0] - alone).max() <= 1e-13 * (1 + np.abs(alone).sum())


def by_one_pair(engine, x, b):
    """Attributions of the margin by `tied_credits` alone."""
    block = block_of(engine, x[None], b[None])
    columns = engine._ends(block, np.zeros(len(x), dtype=bool)).columns()
    n_trees = len(engine.trees.root)
    credits = np.zeros((1, len(x), 1))
    marks = np.ones((n_trees, 1), dtype=bool)
    tree_tie.tied_credits(True, engine.trees, 0, n_trees, np.arange(len(x)), columns, marks, credits)
    return credits[0, :, 0]


@pytest.mark.parametrize("link", ["identity", "sigmoid"])
def test_groups_of_any_size_give_the_same_bits(link, monkeypatch):
    model, X, B = draw(3, "continuous", link, n_rows=50)
    wanted = attribute_block(engine_of(model), X, B)
    for name in ("PAIRS_PER_GROUP", "PAIRS_PER_LINKED_GROUP"):
        monkeypatch.setattr(tree_ensemble, name, 7 if name.endswith("LINKED_GROUP") else {False: 7, True: 7})
    np.testing.assert_array_equal(attribute_block(engine_of(model), X, B), wanted)
    monkeypatch.setattr(tree_ensemble, "TREES_PER_CHUNK", 2)  # ties are added after their chunk of trees
    np.testing.assert_allclose(attribute_block(engine_of(model), X, B), wanted, rtol=0, atol=1e-12 * abs(wanted).max())


def test_pairs_that_tie_in_many_trees_are_left_to_the_kernel_of_one_pair():
    rng = np.random.default_rng(0)
    model = naive.random_forest(rng, 200, 4, 4, [[0.5]] * 4)
    engine = engine_of(model)
    X, B = rng.integers(0, 2, size=(9, 4)).astype(float), np.zeros((1, 4))
    ends = engine._ends(block_of(engine, X, B), np.zeros(4, dtype=bool))
    groups = tree_ensemble.group_pairs(ends, 9, 1024)
    n_tied, tied = np.zeros(9, dtype=np.int64), np.zeros((200, 9), dtype=bool)
    credits = np.zeros((1, 5, 9))
    tree_batch.batch_credits(tree_batch.LANES, engine.trees, 0, 200, np.arange(4), groups, n_tied, tied, credits)
    many = X.sum(axis=1) >= 2
    np.testing.assert_array_equal(n_tied, tied.sum(axis=0))
    assert tied[60:, many].all()
    assert not tied[:, ~many].any()
    assert np.abs(credits[0, :4, many]).sum() <= 200  # of a few trees only
    for i in range(9):
        np.testing.assert_allclose(
            attribute_block(engine, X[i : i + 1], B)[0, :, 0], by_one_pair(engine, X[i], B[0]), atol=1e-12
        )


def test_many_jumps_outgrow_the_first_room():
    rng = np.random.default_rng(2)
    thresholds = [rng.normal(size=50).tolist() for _ in range(6)]
    model = naive.random_forest(rng, 60, 6, 9, thresholds, link="exp", weights=[0.001] * 60)
    engine = engine_of(model)
    X = rng.normal(size=(200, 6))
    values = attribute_block(engine, X, np.full((1, 6), -3.0))
    ends = engine.predict(np.vstack([X, np.full((1, 6), -3.0)]))[:, 0]
    np.testing.assert_allclose(values[:, :, 0].sum(axis=1), ends[:-1] - ends[-1], rtol=0, atol=1e-12)
    alone, _ = attribute(engine, X[7], np.full(6, -3.0))
    np.testing.assert_array_equal(values[7], alone)


def test_jumps_that_fill_the_room_exactly():
    """Two jumps (from nothing to the baseline, and on) a pair and tree."""
    n_pairs, n_full = tree_ensemble.PAIRS_PER_LINKED_GROUP, 4096 // (2 * tree_ensemble.PAIRS_PER_LINKED_GROUP)
    model = naive.Forest([naive.step(0, 0.5, 1.0, 2.0)] * (n_full + 1), weights=[0.01] * (n_full + 1), link="exp")
    values = attribute_block(engine_of(model), np.ones((n_pairs, 1)), np.zeros((1, 1)))
    np.testing.assert_allclose(
        values[:, 0, 0], math.exp(0.02 * (n_full + 1)) - math.exp(0.01 * (n_full + 1)), rtol=1e-12
    )


def test_one_missing_value_among_many_pairs_of_a_group():
    """What one pair needs holds for its whole group, wherever it stands in it."""
    engine = engine_of(naive.Forest([naive.step(0, 0.5, missing_left=True)]))
    X = np.full((200, 1), 1.0)
    X[3] = math.nan
    values = attribute_block(engine, X, np.zeros((1, 1)))[:, 0, 0]
    np.testing.assert_array_equal(values, np.isfinite(X[:, 0]))


def test_ends_so_near_that_their_rate_overflows_cross_at_one_half():
    engine = engine_of(naive.Forest([naive.step(0, 5e-301, 0, naive.step(1, 0.75))]))
    values, _ = attribute(engine, [1e-300, 1.0], [0.0, 0.0])
    np.testing.assert_array_equal(values[:, 0], [0.0, 1.0])


@pytest.mark.parametrize("kind", ["integers", "binary"])
@pytest.mark.parametrize("link", ["identity", "softmax"])
def test_leaves_that_feed_several_outputs(link, kind):
    """Ties of vectors, and vectors in a block of many pairs."""
    values = np.arange(4.0 if kind == "integers" else 2.0)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        model = naive.random_forest(
            rng, 4, 4, 5, [(values[:-1] + 0.5).tolist()] * 4, n_outputs=3, link=link, intercept=(0.25, 0.5, 0.0),
            weights=[0.125] * 4,
        )  # fmt: skip
        X, B = rng.choice(values, size=(9, 4)), rng.choice(values, size=(2, 4))
        together = attribute_block(engine_of(model), X, B)
        for pair in (0, 8, 9, 17):
            wanted = oracle_values(model, X[pair % 9], B[pair // 9])
            np.testing.assert_allclose(together[pair], wanted, rtol=0, atol=1e-13 * (1 + np.abs(wanted).sum()))


def test_ties_are_counted_over_all_trees_so_far():
    """20 ties in 100 trees before are less than a quarter, though many for the first trees of a chunk."""
    model = naive.random_forest(np.random.default_rng(0), 200, 4, 4, [[0.5]] * 4)
    engine, X = engine_of(model), np.eye(4)
    ends = engine._ends(block_of(engine, X, np.zeros((1, 4))), np.zeros(4, dtype=bool))
    groups = tree_ensemble.group_pairs(ends, 4, 1024)
    n_tied, tied, credits = np.full(4, 20), np.zeros((100, 4), dtype=bool), np.zeros((1, 5, 4))
    tree_batch.batch_credits(tree_batch.LANES, engine.trees, 100, 200, np.arange(4), groups, n_tied, tied, credits)
    assert not tied.any()


@pytest.mark.parametrize("kind", ["continuous", "integers"])
@pytest.mark.parametrize("link", ["identity", "sigmoid", "softmax"])
def test_kernels_without_compilation_agree(kind, link, monkeypatch):
    """The same kernels as plain Python: what coverage and debuggers see is what runs."""
    model, X, B = draw(5, kind, link, n_rows=4, n_baselines=2)
    compiled = attribute_block(engine_of(model), X, B)
    for module in (links, shapley, tie_sampling, tree_batch, tree_jumps, tree_link, tree_nodes, tree_tie):
        for name, function in vars(module).copy().items():
            if hasattr(function, "py_func"):
                monkeypatch.setattr(module, name, function.py_func)
                if hasattr(tree_ensemble, name):
                    monkeypatch.setattr(tree_ensemble, name, function.py_func)
    monkeypatch.setattr(tree_ensemble, "LANES", None)
    plain = attribute_block(engine_of(model), X, B)
    np.testing.assert_allclose(plain, compiled, rtol=1e-12, atol=1e-14)


def test_a_person_is_told_once_why_the_first_call_takes_long(capsys):
    def other():
        """Of another library: nothing is said about it."""

    def our():
        """Of this one."""

    our.__module__ = "agnostic_ig.kernels.tree_batch"
    event.register("numba:compile", listener := _jit._FirstCompilation())
    for function in (other, our, our):
        with event.trigger_event("numba:compile", data={"dispatcher": SimpleNamespace(py_func=function)}):
            assert ("once after installation" in capsys.readouterr().err) == (function is our and listener is not None)
        listener = None if function is our else listener
