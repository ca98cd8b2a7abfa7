"""Jumps beside a smooth part that others undo before the path is looked at again are found by moving groups alone."""

import warnings

import numpy as np
import pytest
from askers import intervals_of, make_asker
from numpy.polynomial import legendre

from agnostic_ig import IntegratedGradients
from agnostic_ig.engines import numeric_mixed
from agnostic_ig.engines.numeric_detour import compare_detours
from agnostic_ig.engines.numeric_hidden import Primitives, find_hidden
from agnostic_ig.exceptions import BudgetWarning
from agnostic_ig.kernels.legendre import legendre_change
from agnostic_ig.kernels.path_probe import Paths, build_apart, build_probes, raise_by_group

N_PLAYERS, VISIBLE, HEIGHT = 12, 0.3, 0.02


def smooth(Z):
    return np.sin(Z[:, :N_PLAYERS] @ np.linspace(0.3, 1.2, N_PLAYERS) / 3.0)


def smooth_values():
    """On the way from 0 to 1, by the weights of the players: the sine depends on their sum alone."""
    weights = np.linspace(0.3, 1.2, N_PLAYERS) / 3.0
    return np.sin(weights.sum()) * weights / weights.sum()


def with_pair(up, down, start, apart):
    """A step that everyone sees, and two of one size that cancel: one player up at start, another down soon after."""

    def f(Z):
        seen = 0.1 * (Z[:, 0] > VISIBLE)
        return smooth(Z) + seen + HEIGHT * (Z[:, up] > start) - HEIGHT * (Z[:, down] > start + apart)

    wanted = smooth_values()
    wanted[0] += 0.1
    wanted[up] += HEIGHT
    wanted[down] -= HEIGHT
    return f, wanted


def explain(f):
    """At a tolerance above what is left of a jump whose place is known to 2e-8, beside a slope."""
    return IntegratedGradients(f, np.zeros(N_PLAYERS), tol=1e-5, progress=False).explain(np.ones((1, N_PLAYERS)))


@pytest.mark.parametrize("apart", [3e-6, 1e-4, 1.5e-3])
@pytest.mark.parametrize(("up", "down"), [(3, 7), (11, 1), (5, 4)])
def test_two_steps_that_cancel_are_found(up, down, apart):
    for start in np.random.default_rng(up).uniform(0.05, 0.95, 6):
        f, wanted = with_pair(up, down, start, apart)
        e = explain(f)
        assert np.abs(e.values[0] - wanted).max() <= 1e-6
        assert (np.abs(e.values[0] - wanted) <= e.error_estimate[0] + 1e-12).all()
        assert e.error_estimate[0].max() <= 1e-5


def test_the_path_alone_does_not_show_them(monkeypatch):
    """Else the tests above would say nothing about groups."""
    monkeypatch.setattr(numeric_mixed, "find_hidden", lambda asker, primitives, stretches, scale: stretches[:0])
    wrong = 0
    for start in np.random.default_rng(3).uniform(0.05, 0.95, 6):
        f, wanted = with_pair(3, 7, start, 1e-4)
        e = explain(f)
        wrong += np.abs(e.values[0] - wanted).max() > 0.5 * HEIGHT
    assert wrong >= 5


def test_where_nothing_hides_groups_cost_little_and_change_nothing(monkeypatch):
    f, wanted = with_pair(3, 7, 2.0, 1.0)  # beyond the path
    wanted[[3, 7]] += [-HEIGHT, HEIGHT]
    e = explain(f)
    monkeypatch.setattr(numeric_mixed, "find_hidden", lambda asker, primitives, stretches, scale: stretches[:0])
    without = explain(f)
    np.testing.assert_array_equal(e.values, without.values)
    assert np.abs(e.values[0] - wanted).max() <= 1e-7
    a_false_alarm_or_two, a_look_at_a_typical_stretch = 2 * 24, 24
    more = 70 * (4 + 1) + 2 * 9 * 4 + a_false_alarm_or_two + a_look_at_a_typical_stretch
    assert e.n_evaluations[0] - without.n_evaluations[0] <= more


@pytest.mark.parametrize("apart", [3e-6, 1e-4, 3e-3])
def test_two_steps_that_cancel_are_found_beside_nothing_but_a_smooth_part(apart):
    """No other jump says that they are to be looked for; detours do."""
    for start in np.random.default_rng(1).uniform(0.05, 0.95, 8):
        f, wanted = with_pair(5, 9, start, apart)
        wanted[0] -= 0.1
        e = explain(lambda Z, f=f: f(Z) - 0.1 * (Z[:, 0] > VISIBLE))
        assert np.abs(e.values[0] - wanted).max() <= 1e-6
        assert (np.abs(e.values[0] - wanted) <= e.error_estimate[0] + 1e-12).all()
        assert e.error_estimate[0].max() <= 1e-5


def test_what_detours_show_and_nobody_finds_is_said(monkeypatch):
    f, wanted = with_pair(5, 9, 0.4, 1e-4)
    wanted[0] -= 0.1
    monkeypatch.setattr(numeric_mixed, "find_hidden", lambda asker, primitives, stretches, scale: stretches[:0])
    with pytest.warns(BudgetWarning, match="1 of 1 rows did not reach"):
        e = explain(lambda Z: f(Z) - 0.1 * (Z[:, 0] > VISIBLE))
    error = np.abs(e.values[0] - wanted)
    assert error[[5, 9]].min() > 0.5 * HEIGHT
    assert (error <= e.error_estimate[0] + 1e-12).all()


def detoured(f, degree, budget=10**6):
    """What detours leave of f on the way from 0 to 1, the degree that they tell, and their rows."""
    asker = make_asker(f, np.ones(3), budget=budget)
    panels, degree = intervals_of(asker, [0], 0.0, 1.0), np.array([degree])
    left = compare_detours(asker, panels, degree, np.full((1, 1), 1e-8), np.array([1000]))
    return left[0, 0], degree[0], asker.n_evaluations[0]


@pytest.mark.parametrize(("degree", "points"), [(1, 32), (22, 32), (23, 40), (50, 80)])
def test_detours_of_what_is_smooth_leave_nothing(degree, points):
    waves = degree / 3
    left, told, n_rows = detoured(lambda Z: np.sin(waves * Z.mean(axis=1) / 2), degree)
    assert (left, told, n_rows) == (0.0, degree, 2 * (points - 1))


def test_waves_that_cancel_on_the_path_have_the_degree_of_the_detours():
    left, told, n_rows = detoured(lambda Z: np.sin(40 * Z[:, 0]) - np.sin(40 * Z[:, 1]) + Z[:, 2], 1)
    assert left == 0.0
    assert 25 <= told <= 96
    assert n_rows == 2 * 31 + 2 * 127


def test_kinks_that_cancel_on_the_path_do_not_on_detours():
    left, told, _ = detoured(lambda Z: np.abs(Z[:, 0] - 0.3) - np.abs(Z[:, 1] - 0.3) + Z[:, 2], 1)
    assert told == 1
    assert 1e-4 < left < 1.0


def test_detours_leave_the_rows_that_panels_need():
    jumps = lambda Z: 1.0 * (Z[:, 0] > 0.3) - 1.0 * (Z[:, 1] > 0.3)  # noqa: E731
    assert detoured(jumps, 9, budget=1000 + 2 * (32 + 128) - 1) == (0.0, 9, 0)
    assert detoured(jumps, 9, budget=1000 + 2 * (32 + 128))[0] > 0.1


@pytest.mark.parametrize("function", [build_apart, build_apart.py_func])
def test_players_apart_are_where_their_own_path_is(function):
    rng = np.random.default_rng(0)
    x, b = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    x[0, 1] = np.nan
    paths = Paths.between(b, x, np.array([True, False, False, False, False]))
    player_of, pair = np.array([0, 1, 1, 2, 3]), np.array([0, 1, 2, 2, 1, 0])
    alpha = rng.choice([0.0, 0.25, 0.5, 0.7, 1.0], size=(6, 4))
    out, one = np.empty((6, 5)), np.empty((6, 5))
    function(paths, player_of, pair, alpha, out)
    for player in range(4):
        nobody, at = np.zeros((6, 4), dtype=bool), np.ascontiguousarray(alpha[:, player])
        build_probes(paths, player_of, np.arange(6), pair, at, at, nobody, one)
        np.testing.assert_array_equal(out[:, player_of == player], one[:, player_of == player])


def with_many_pairs(n_pairs):
    """A step that everyone sees, and pairs that cancel, in most of the stretches that are looked at."""
    shift = np.random.default_rng(0).uniform(0.2, 0.8, n_pairs)
    starts = 0.05 + 0.9 * (np.arange(n_pairs) + shift) / n_pairs

    def f(Z):
        up = (Z[:, 3, None] > starts).sum(axis=1) - (Z[:, 7, None] > starts + 1e-5).sum(axis=1)
        return smooth(Z) + 0.1 * (Z[:, 0] > VISIBLE) + HEIGHT * up

    wanted = smooth_values()
    wanted[[0, 3, 7]] += [0.1, n_pairs * HEIGHT, -n_pairs * HEIGHT]
    return f, wanted


@pytest.mark.parametrize("n_pairs", [20, 40, 60, 150])
@pytest.mark.parametrize("budget", [2500, 4000, 6000, 20_000])
def test_jumps_in_most_stretches_are_found_or_said(n_pairs, budget):
    """What most stretches leave unexplained is not taken for what is typical of the smooth part."""
    f, wanted = with_many_pairs(n_pairs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        e = IntegratedGradients(f, np.zeros(N_PLAYERS), tol=1e-5, max_evaluations=budget, progress=False).explain(
            np.ones((1, N_PLAYERS))
        )
    error = np.abs(e.values[0] - wanted)
    assert (error <= e.error_estimate[0] + 1e-12).all()
    assert error.max() <= (1e-6 if budget == 20_000 else 1.01 * n_pairs * HEIGHT)
    assert e.error_estimate[0].max() <= 5 * n_pairs * HEIGHT


def test_as_much_as_the_largest_jump_may_hide_where_nobody_can_look():
    asker = make_asker(lambda Z: 3.0 * (Z[:, 0] > 0.3) - 1.0 * (Z[:, 1] > 0.7), np.ones((2, 2)))
    low, high = np.array([0.71, 0.31, 0.0, 0.0]), np.array([1.0, 0.69, 0.29, 1.0])
    stretches = intervals_of(asker, [0, 0, 0, 1], low, high)
    panels = intervals_of(asker, [0, 1], 0.0, 1.0)
    asker.budget = 10
    found = find_hidden(asker, Primitives(asker, panels, 3), stretches, np.ones(2))
    assert len(found) == 0
    np.testing.assert_array_equal(asker.unsearched, [[3.0], [0.0]])


@pytest.mark.parametrize("n_terms", [1, 2, 9])
@pytest.mark.parametrize("function", [legendre_change, legendre_change.py_func])
def test_legendre_sums_are_those_of_numpy(function, n_terms):
    rng = np.random.default_rng(n_terms)
    series, row = rng.normal(size=(4, n_terms, 2)), rng.integers(0, 4, 30)
    low, high, out = rng.uniform(-1, 1, 30), rng.uniform(-1, 1, 30), np.empty((30, 2))
    function(series, row, low, high, out)
    for i in range(30):
        mine = series[row[i]]
        wanted = legendre.legval(high[i], mine) - legendre.legval(low[i], mine)
        np.testing.assert_allclose(out[i], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("function", [raise_by_group, raise_by_group.py_func])
def test_raise_by_group(function):
    out = np.array([[1.0, 5.0], [0.0, 0.0]])
    function(np.array([0, 0, 1]), np.array([[2.0, 1.0], [1.5, 6.0], [-1.0, 3.0]]), out)
    np.testing.assert_array_equal(out, [[2.0, 6.0], [0.0, 3.0]])
