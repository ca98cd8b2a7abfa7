"""Laws of finite-difference stencils, and of what is made of them at several steps."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from agnostic_ig.numerics.stencils import (
    LEVELS,
    SCHEMES,
    STENCILS,
    first_derivative_weights,
    make_ladder,
    orders_of,
)

EVERY = sorted(STENCILS)
LADDERS = [(*key, extrapolated) for key in EVERY for extrapolated in (False, True)]


def moment(stencil, power):
    """Sum of weights times offset**power: what the stencil makes of x**power at 0, exactly."""
    return sum(w * Fraction(o) ** power for o, w in zip(stencil.offsets, stencil.weights, strict=True))


def test_the_table_holds_every_scheme_and_order():
    assert sorted((scheme, order) for scheme in SCHEMES for order in orders_of(scheme)) == EVERY
    assert orders_of("central") == (2, 4, 6)
    assert orders_of("forward") == orders_of("backward") == (1, 2, 4, 6)


@pytest.mark.parametrize("key", EVERY)
def test_exact_for_polynomials_of_its_order_and_no_further(key):
    stencil = STENCILS[key]
    assert (stencil.scheme, stencil.order) == key
    assert [moment(stencil, power) for power in range(stencil.order + 1)] == [0, 1] + [0] * (stencil.order - 1)
    assert moment(stencil, stencil.order + 1) != 0


@pytest.mark.parametrize("key", EVERY)
def test_stays_on_its_side(key):
    stencil = STENCILS[key]
    lowest, highest = {"central": (-1, 1), "forward": (0, 1), "backward": (-1, 0)}[stencil.scheme]
    reach = stencil.order // 2 if stencil.scheme == "central" else stencil.order
    assert (min(stencil.offsets), max(stencil.offsets)) == (lowest * reach, highest * reach)


def test_textbook_weights():
    """Fornberg 1988, "Generation of finite difference formulas on arbitrarily spaced grids", tables 1 and 3."""
    assert STENCILS["central", 4].weights == tuple(Fraction(w, 12) for w in (1, -8, 8, -1))
    assert STENCILS["central", 6].weights == tuple(Fraction(w, 60) for w in (-1, 9, -45, 45, -9, 1))
    assert STENCILS["forward", 2].weights == (Fraction(-3, 2), 2, Fraction(-1, 2))
    assert STENCILS["forward", 4].weights == (Fraction(-25, 12), 4, -3, Fraction(4, 3), Fraction(-1, 4))


@pytest.mark.parametrize("order", orders_of("forward"))
def test_backward_mirrors_forward(order):
    forward, backward = STENCILS["forward", order], STENCILS["backward", order]
    assert backward.offsets == tuple(-o for o in reversed(forward.offsets))
    assert backward.weights == tuple(-w for w in reversed(forward.weights))


def test_weights_at_uneven_places():
    """The cubic x**3 - 2 x through four places has the slope -2 at 0."""
    places = (-3, 1, 2, 7)
    weights = first_derivative_weights((*places, 0))
    assert sum(w * (o**3 - 2 * o) for o, w in zip((*places, 0), weights, strict=True)) == -2
    assert sum(weights) == 0


@pytest.mark.parametrize("key", EVERY)
def test_order_of_convergence(key):
    """Halving the step divides the error of the derivative of exp by 2**order, in 50 digits."""
    stencil = STENCILS[key]

    def error(h):
        terms = (w * exp(o * h) for o, w in zip(stencil.offsets, stencil.weights, strict=True))
        return sum(terms) / h - 1

    rate = math.log2(abs(error(Fraction(1, 32)) / error(Fraction(1, 64))))
    assert abs(rate - stencil.order) < 0.15


def exp(x):
    """A rational number within 1e-30 of the exponential of a small one."""
    return sum(Fraction(x) ** k / math.factorial(k) for k in range(25))


@pytest.mark.parametrize(("scheme", "order", "extrapolated"), LADDERS)
def test_ladder_is_exact_to_its_order(scheme, order, extrapolated):
    ladder = make_ladder(scheme, order, extrapolated)
    spacing = 2 if scheme == "central" else 1
    assert ladder.order == order + 2 * spacing * extrapolated
    assert ladder.weights.shape == ladder.gaps.shape == (LEVELS, len(ladder.offsets))
    for power in range(1, ladder.order + 1):
        made, size = ladder.weights @ ladder.offsets**power, np.abs(ladder.weights) @ np.abs(ladder.offsets) ** power
        # Sums of a dozen terms, each rounded twice.
        assert (np.abs(made - (power == 1)) <= 1e-14 * size).all(), power
    left = ladder.weights @ ladder.offsets ** (ladder.order + 1)
    assert abs(left[0]) / math.factorial(ladder.order + 1) == pytest.approx(ladder.constant, rel=1e-9)
    for wide, narrow in itertools.pairwise(left):
        assert wide / narrow == pytest.approx(2.0**ladder.order, rel=1e-6)


@pytest.mark.parametrize(("scheme", "order", "extrapolated"), LADDERS)
def test_ladder_counts_the_noise_of_x_itself(scheme, order, extrapolated):
    ladder = make_ladder(scheme, order, extrapolated)
    at_x = -ladder.weights.sum(axis=1)
    np.testing.assert_allclose(ladder.norms, np.abs(ladder.weights).sum(axis=1) + np.abs(at_x), atol=1e-12)
    assert 0.0 not in ladder.offsets
    assert ladder.reach == np.abs(ladder.offsets).max()
    assert len(set(ladder.offsets)) == len(ladder.offsets)


def test_neighbouring_levels_share_places():
    """The order-4 stencil at h, h/2, h/4 asks for 8 places, not 12."""
    assert make_ladder("central", 4, False).offsets.tolist() == [-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2]
    assert make_ladder("forward", 1, False).offsets.tolist() == [0.25, 0.5, 1]


@pytest.mark.parametrize("order", orders_of("central"))
def test_gaps_tell_a_kink_from_a_bend(order):
    ladder = make_ladder("central", order, False)
    np.testing.assert_allclose(ladder.gaps @ np.abs(ladder.offsets), [2.0, 2.0, 2.0])
    np.testing.assert_allclose(ladder.gaps @ ladder.offsets**2, [2.0, 1.0, 0.5])
    assert not make_ladder("forward", order, False).gaps.any()
