"""Shapley values, staircase and quadrature: against orders of arrival, closed forms and stated accuracy."""

import math
import random
from fractions import Fraction

import naive
import numpy as np
import pytest
from naive import KNOWN, KNOWN_TREES
from naive_functions import mean_over_orders

NAN = math.nan


def test_shapley_is_the_mean_over_all_orders():
    rng = random.Random(6)
    for n in range(6):
        table = {T: Fraction(rng.randrange(-50, 50)) for T in naive.subsets(range(n))}
        assert naive.shapley(table.get, range(n)) == mean_over_orders(table.get, range(n))


def test_shapley_takes_floats_without_rounding():
    assert naive.shapley(lambda T: 0.1 * len(T), "ab") == {"a": Fraction(0.2) / 2, "b": Fraction(0.2) / 2}


@pytest.mark.parametrize("n_columns", [3, 8], ids=["every order", "first and last"])
def test_staircase_gains_a_factor_of_four_when_the_pieces_are_halved(n_columns):
    weights = np.linspace(-1, 1.5, n_columns)
    x, b = np.linspace(1, 2, n_columns), np.linspace(0.5, -1, n_columns)

    def f(z):
        return np.stack([np.sin(z @ weights) + z[:, 0] ** 2 * z[:, 1], np.exp(-(z**2).sum(axis=1))], axis=1)

    coarse, fine, truth = (naive.staircase(f, x, b, n) for n in (20, 40, 1280))
    ratio = np.abs(coarse - truth).max(axis=0) / np.abs(fine - truth).max(axis=0)
    np.testing.assert_allclose(ratio, 4, rtol=0.02)  # next term O(1/n⁴); the truth's own error adds 0.1 %


def test_staircase_splits_a_tie_inside_a_piece_by_shapley():
    known = {k.name: k for k in KNOWN_TREES}["one and either"]
    values = naive.staircase(naive.as_function(known.model), known.x, known.b, n_steps=7)
    np.testing.assert_allclose(values, np.array(known.answer, dtype=float), rtol=0, atol=1e-15)


def test_staircase_refuses_gaps_it_was_not_told_of():
    with pytest.raises(ValueError, match="must be named in 'discrete'"):
        naive.staircase(lambda z: z[:, 0], [NAN], [0], 5)


def test_gradient_quadrature_on_closed_forms():
    known = {k.name: k for k in KNOWN}
    gradients = {
        "cube of a sum": (2, lambda z: 3 * (z.sum(axis=1, keepdims=True) ** 2) * np.ones(2)),
        "product": (1, lambda z: z[:, ::-1]),
        "Gaussian bump": (24, lambda z: -2 * z * np.exp(-(z**2).sum(axis=1, keepdims=True))),
    }
    for name, (n_nodes, gradient) in gradients.items():
        _, _, x, b, answer, *_ = known[name]
        np.testing.assert_allclose(naive.gradient_quadrature(gradient, x, b, n_nodes), answer, rtol=1e-13)
        both = naive.gradient_quadrature(lambda z, g=gradient: np.stack([g(z), -g(z)], axis=2), x, b, n_nodes)
        np.testing.assert_allclose(both, np.stack([answer, np.negative(answer)], axis=1), rtol=1e-13)
