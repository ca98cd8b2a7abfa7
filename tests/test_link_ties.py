"""Ties of many players under a link in closed form, against all coalitions."""

import math

import numpy as np
import pytest
from scipy.special import expit

from agnostic_ig.engines._contract import Columns, PairBlock, Settings
from agnostic_ig.engines.function_algebra import Affine, Joined, OfColumns, compose
from agnostic_ig.engines.link_functions import LINKS, Elementwise, Softmax, two_sided
from agnostic_ig.engines.link_ties import LINK_TIES, shares_of_ties
from agnostic_ig.engines.quadratic import SeparableQuadratic
from agnostic_ig.engines.smooth import SmoothEngine
from agnostic_ig.numerics.hashing import keys_of_rows


def shapley(gains_of):
    """Shapley values (k,) from gains_of(members) (n_subsets, k), what each player adds to a coalition without it."""
    k, total = gains_of.shape[1], 0.0
    members = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1
    size = members.sum(axis=1)
    weight = np.array([math.factorial(s) * math.factorial(k - s - 1) / math.factorial(k) for s in range(k)])
    for j in range(k):
        without = members[:, j] == 0
        total = total + np.eye(k)[j] * (weight[size[without]] @ gains_of[without, j])
    return total


def enumerated(name, before, effects):
    """Gains by secants, which do not cancel where effects are small or all is saturated."""
    k = len(effects)
    margins = before + ((np.arange(1 << k)[:, None] >> np.arange(k)) & 1) @ effects
    low, high = (
        np.minimum(margins[:, None], margins[:, None] + effects),
        np.maximum(margins[:, None], margins[:, None] + effects),
    )
    return shapley(LINKS[name].secant(low, high) * effects)


@pytest.mark.parametrize("name", LINK_TIES)
@pytest.mark.parametrize("k", [3, 6, 9, 14])
def test_closed_form_is_the_shapley_value(name, k):
    rng = np.random.default_rng(k)
    for scale in (1e-9, 0.5, 3.0):
        before, effects = rng.normal(size=4) * 3, scale * rng.normal(size=(4, k))
        ours = shares_of_ties(name, before, effects)
        for one, m, c in zip(ours, before, effects, strict=True):
            wanted = enumerated(name, m, c)
            np.testing.assert_allclose(one, wanted, rtol=0, atol=1e-13 * np.abs(wanted).sum())


def test_every_link_of_probabilities_has_a_closed_form():
    assert LINKS.keys() - LINK_TIES.keys() == {"log_of_share", "relu"}


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_of_double", "tanh"])
@pytest.mark.parametrize("before", [-200.0, -60.0, -30.0, 30.0, 60.0, 200.0])
def test_saturated_margins_keep_their_digits(name, before):
    """The values are as small as exp(-200), and right to 11 digits."""
    effects = np.array([3.0, 0.5, -2.0, 1.0, -4.0, 0.25, 1e-3, -1.0, 2.0, 0.7])
    wanted = enumerated(name, before, effects)
    assert 0 < np.abs(wanted).sum() < 1e-8
    ours = shares_of_ties(name, np.array([before]), effects[None])[0]
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-11 * np.abs(wanted).sum())


def test_wide_moves_across_zero():
    effects = np.array([80.0, -30.0, 45.0, 2.0, -1.0, 15.0, -60.0, 7.0, 9.0])
    for before in (-50.0, 0.0, 20.0):
        wanted = enumerated("sigmoid", before, effects)
        np.testing.assert_allclose(shares_of_ties("sigmoid", np.array([before]), effects[None])[0], wanted, atol=1e-14)


def test_moves_beyond_the_range_of_exponentials():
    effects = np.array([2900.0, 97.0, -5.0, 1.0, -2000.0, 3.0, 0.5, -0.2, 10.0])
    for before in (-3000.0, -1000.0, 0.0):
        wanted = enumerated("sigmoid", before, effects)
        np.testing.assert_allclose(shares_of_ties("sigmoid", np.array([before]), effects[None])[0], wanted, atol=1e-13)


@pytest.mark.parametrize("k", [60, 200])
def test_many_players_add_up(k):
    rng = np.random.default_rng(k)
    before, effects = rng.normal(size=5), rng.normal(size=(5, k))
    values = shares_of_ties("sigmoid", before, effects)
    gap = values.sum(axis=1) - (expit(before + effects.sum(axis=1)) - expit(before))
    assert (np.abs(gap) <= 1e-13 * np.abs(values).sum(axis=1)).all()
    turned = shares_of_ties("sigmoid", before, effects[:, ::-1])[:, ::-1]
    np.testing.assert_allclose(turned, values, rtol=0, atol=1e-13)


def attribute(f, b, x, discrete, outputs):
    names = [f"x{j}" for j in range(len(b))]
    columns = Columns(names, np.asarray(discrete), np.arange(len(b)), names)
    zeros = np.zeros((1, f.n_outputs))
    block = PairBlock(x[None], b[None], zeros, zeros, lambda: keys_of_rows(0, x[None]))
    return SmoothEngine(f, "test").attribute(block, columns, np.asarray(outputs), Settings())


FUNCTIONS = {
    "sigmoid": lambda w: two_sided(compose(Elementwise("sigmoid", 1), Affine(w[:, None], 0.2))),
    "exp": lambda w: compose(Elementwise("exp", 1), Affine(0.3 * w[:, None], 0.2)),
    "joined": lambda w: Joined([compose(Elementwise("tanh", 1), Affine(v[:, None], 0.0)) for v in (w, -2 * w)]),
    "of columns": lambda w: OfColumns(
        compose(Elementwise("sigmoid", 1), Affine(w[3:, None], 0.2)), np.arange(3, len(w))
    ),
    "two parabolas": lambda w: compose(
        Softmax(2), SeparableQuadratic(np.stack([w, -w]), np.abs(np.stack([w, w[::-1]])), np.array([0.1, 0.0]))
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_engine_takes_the_closed_form_beyond_few_players(name):
    """16 columns move at one half, some of them not at all: against all 2**12 or more coalitions of the others."""
    rng = np.random.default_rng(1)
    f = FUNCTIONS[name](rng.normal(size=18))
    b, x = rng.normal(size=(2, 18))
    x[:4] = b[:4]
    discrete = np.arange(18) < 17
    k = np.flatnonzero(discrete & (b != x))
    outputs = np.arange(f.n_outputs)[-1:]
    answer = attribute(f, b, x, discrete, outputs)
    assert answer.variance is None
    subsets = (np.arange(1 << len(k))[:, None] >> np.arange(len(k))) & 1 == 1
    states = np.tile(np.where(discrete, b, (b + x) / 2), (len(subsets), 1))
    states[:, k] = np.where(subsets, x[k], b[k])
    values = f.values(states)[:, outputs[0]]
    gains = np.stack([values[np.arange(len(values)) | (1 << i)] - values for i in range(len(k))], axis=1)
    wanted = shapley(gains)
    np.testing.assert_allclose(answer.values[0, k, 0], wanted, rtol=0, atol=1e-13)
    assert np.abs(wanted).max() > 1e-3
