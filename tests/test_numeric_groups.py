"""Group tests of an interval: who acts is named, what cancels or interacts is caught, and the cost is kept."""

import numpy as np
import pytest
from askers import intervals_of, make_asker

from agnostic_ig.engines.numeric_groups import FEW, GroupTests, explain
from agnostic_ig.kernels import group_tests
from agnostic_ig.numerics.hashing import child_keys, uniform

PLAIN = GroupTests(ends=0, inside=0, again=0)
STANDARD = GroupTests(ends=4, inside=3, again=16)
LIMIT = 1e-9  # of functions that are sums of a few numbers of size one


def explained(f, n_players, tests, n=300):
    """The interval [0.4, 0.6] of one path, looked at with n different keys."""
    asker = make_asker(f, np.ones((n, n_players)))
    intervals = intervals_of(asker, np.arange(n), 0.4, 0.6)
    is_explained, effects, defect = explain(asker, intervals, np.full((n, 1), LIMIT), tests)
    return is_explained, effects[:, :, 0], defect[:, 0], asker.n_evaluations


def is_right(effects, wanted):
    """(n,): the first players have the wanted effects, all others none."""
    everyone = np.zeros(effects.shape[1])
    everyone[: len(wanted)] = wanted
    return (np.abs(effects - everyone) <= LIMIT).all(axis=1)


@pytest.mark.parametrize("n_players", [2, 3, 5, 17, 64, 100])
def test_a_single_acting_player_is_named_by_its_code(n_players):
    """Player j steps in interval j; besides one row a bit of the code and one for the player, only checks cost rows."""
    j = np.arange(n_players)
    heights = 1.0 + j / n_players
    asker = make_asker(lambda Z: ((j + 0.5) / n_players < Z) @ heights, np.ones(n_players))
    intervals = intervals_of(asker, np.zeros(n_players, int), j / n_players, (j + 1) / n_players)
    is_explained, effects, _ = explain(asker, intervals, np.full((n_players, 1), LIMIT), STANDARD)
    assert is_explained.all()
    np.testing.assert_allclose(effects[:, :, 0], np.diag(heights), rtol=0, atol=LIMIT)
    n_bits = int(np.ceil(np.log2(n_players)))
    assert asker.n_evaluations[0] == n_players * (1 + n_bits + 1 + STANDARD.ends + STANDARD.inside + (n_players <= FEW))


def test_one_moving_player_needs_no_code():
    is_explained, effects, _, cost = explained(lambda Z: 1.0 * (Z[:, 0] > 0.5), 1, PLAIN)
    assert is_explained.all()
    assert is_right(effects, [1.0]).all()
    assert cost.max() <= PLAIN.cost(np.array([1]))[0]


@pytest.mark.parametrize("n_players", [2, 4, 10, 30])
def test_two_players_that_cancel_are_caught(n_players):
    """Both ends of the interval are alike. Whatever the codes, it is never said that nothing happens."""
    is_explained, effects, defect, _ = explained(lambda Z: 1.0 * (Z[:, 0] > 0.45) - (Z[:, 1] > 0.55), n_players, PLAIN)
    assert is_right(effects, [1.0, -1.0])[is_explained].all()
    assert (defect[~is_explained] > LIMIT).all()
    if n_players == 2:
        assert is_explained.all()


INTERACTIONS = {
    "both": lambda Z: (Z[:, 0] > 0.45) & (Z[:, 1] > 0.55),
    "just one": lambda Z: (Z[:, 0] > 0.45) ^ (Z[:, 1] > 0.55),
    "three": lambda Z: (Z[:, :3] > 0.5).all(axis=1),
    "a smooth product": lambda Z: Z[:, 0] * Z[:, 1],
}


@pytest.mark.parametrize("n_players", [3, 8, 30])
@pytest.mark.parametrize("name", INTERACTIONS)
def test_interactions_are_rejected_whatever_the_codes(name, n_players):
    """Single players do not add up to the change, so that the first test or their sum says it."""
    is_explained, _, defect, _ = explained(INTERACTIONS[name], n_players, PLAIN)
    assert not is_explained.any()
    assert (defect > 1e-3).all()


def test_what_the_first_test_rejects_costs_two_rows():
    """Codes of two players differ in their only bit: each is moved alone, and the sum is not the change."""
    is_explained, _, _, cost = explained(INTERACTIONS["both"], 2, STANDARD)
    assert not is_explained.any()
    assert (cost == 2).all()


def test_interactions_hidden_by_other_players_are_found_by_random_groups():
    """Two pairs interact and cancel. One group tells them with probability 3/8, or 0.98 with eight of them."""

    def f(Z):
        return 1.0 * (Z[:, :2] > 0.5).all(axis=1) - (Z[:, 2:4] > 0.5).all(axis=1)

    share = [explained(f, 4, GroupTests(ends, 0, 0))[0].mean() for ends in (0, 2, 8)]
    assert 0.1 < share[0] < 0.6  # codes of four players tell it, or not
    assert share[2] < 0.05 < share[1] < share[0]


def test_either_of_two_is_caught_by_all_that_have_no_effect():
    """`a or b`: one alone may explain it all, and then the other one has no effect; but the others still do it all."""

    def f(Z):
        return 1.0 * ((Z[:, 0] > 0.45) | (Z[:, 1] > 0.55))

    for n_players in (2, 3, 8, 40):
        assert not explained(f, n_players, GroupTests(1, 0, 0))[0].any()


BAND = (0.4 + 0.2 / 3, 0.4 + 0.4 / 3)  # the middle third of the interval


@pytest.mark.parametrize("n_players", [1, 2, 12])
def test_a_band_inside_the_interval_is_caught_by_the_look_inside(n_players):
    """Nothing of it is left at the end. One of three looks is in its middle third."""

    def f(Z):
        return 1.0 * ((Z[:, 0] > BAND[0]) & (Z[:, 0] < BAND[1])) + 2.0 * (Z[:, -1] > 0.42)

    blind = explained(f, n_players, GroupTests(ends=4, inside=0, again=0))
    assert blind[0].all()  # so it is the look inside that catches it
    if n_players > 1:
        is_explained, effects, defect, _ = explained(f, n_players, GroupTests(ends=4, inside=3, again=0))
        assert not is_explained.any()
        np.testing.assert_allclose(effects[:, -1], 2.0, atol=LIMIT)
        np.testing.assert_allclose(defect, 1.0, atol=LIMIT)


def test_a_band_of_the_acting_player_itself_is_its_own():
    """It goes up and down again: whoever else moves, so that the player explains every place inside."""

    def f(Z):
        return 1.0 * ((Z[:, 0] > BAND[0]) & (Z[:, 0] < BAND[1])) + 2.0 * (Z[:, 0] > 0.42)

    is_explained, effects, _, _ = explained(f, 5, STANDARD)
    assert is_explained.all()
    assert is_right(effects, [2.0]).all()


def test_a_stair_of_two_players_is_explained_and_an_interaction_inside_is_not():
    """Steps of 1 and 2 for each of two players; then the same, where the first ones count only together.

    That is between 0.466 and 0.534, where one of three looks is.
    """

    def stairs(Z):
        low, high = Z[:, :2] > 0.47, Z[:, :2] > 0.53
        return low @ [1.0, 10.0] + high @ [2.0, 20.0]

    def together(Z):
        low, high = (Z[:, :2] > 0.466).all(axis=1), Z[:, :2] > 0.534
        return 5.0 * (low & ~high.any(axis=1)) + high @ [3.0, 30.0]

    is_explained, effects, _, _ = explained(stairs, 6, STANDARD)
    assert is_explained.all()
    assert is_right(effects, [3.0, 30.0]).all()
    assert explained(together, 6, GroupTests(ends=4, inside=0, again=0))[0].all()
    assert not explained(together, 6, STANDARD)[0].any()


def test_several_outputs_are_explained_by_one_search():
    """Player 0 acts in the first output, player 1 in the second, both in the third; a product spoils it."""

    def f(Z):
        one, two = 1.0 * (Z[:, 0] > 0.45), 1.0 * (Z[:, 1] > 0.55)
        return np.column_stack([one, 3.0 * two, one + two])

    asker = make_asker(f, np.ones((50, 7)))
    intervals = intervals_of(asker, np.arange(50), 0.4, 0.6)
    is_explained, effects, _ = explain(asker, intervals, np.full((50, 3), LIMIT), STANDARD)
    assert is_explained.mean() > 0.2
    np.testing.assert_allclose(effects[is_explained][:, 0], [[1.0, 0.0, 1.0]] * is_explained.sum(), atol=LIMIT)
    np.testing.assert_allclose(effects[is_explained][:, 1], [[0.0, 3.0, 1.0]] * is_explained.sum(), atol=LIMIT)
    spoilt = make_asker(lambda Z: np.column_stack([f(Z), f(Z)[:, 0] * f(Z)[:, 1]]), np.ones((50, 7)))
    intervals = intervals_of(spoilt, np.arange(50), 0.4, 0.6)
    assert not explain(spoilt, intervals, np.full((50, 4), LIMIT), STANDARD)[0].any()


EVERYBODY = {
    "one step each": lambda Z: (Z > 0.5) @ np.linspace(1.0, 2.0, Z.shape[1]),
    "three steps each": lambda Z: sum(
        (t < Z) @ np.linspace(1.0, s, Z.shape[1]) for t, s in ((0.45, 2.0), (0.5, 1.7), (0.55, 1.1))
    ),
    "places of their own": lambda Z: (np.linspace(0.41, 0.59, Z.shape[1]) < Z).sum(axis=1),
    "linear": lambda Z: Z @ np.linspace(1.0, 2.0, Z.shape[1]),
    "all together": lambda Z: (Z > 0.5).all(axis=1),
    "nothing": lambda Z: np.zeros(len(Z)),
}


@pytest.mark.parametrize("tests", [PLAIN, STANDARD, GroupTests(ends=12, inside=4, again=24)])
@pytest.mark.parametrize("name", EVERYBODY)
def test_no_interval_costs_more_than_said(name, tests):
    for n_players in (1, 2, 3, 5, 8, 9, 12, 14, 17, 33, 64):
        said = tests.cost(np.array([n_players]))[0] - tests.again
        assert explained(EVERYBODY[name], n_players, tests, n=20)[3].max() <= said


def test_keys_alone_decide():
    """The same interval among others is explained, or not, by the same groups."""

    def f(Z):
        return 1.0 * ((Z[:, 0] > 0.45) & (Z[:, 1] > 0.55) & (Z[:, 2] < 0.5) & (Z[:, 3] < 0.5))

    asker = make_asker(f, np.ones((200, 8)))
    intervals = intervals_of(asker, np.arange(200), 0.4, 0.6)
    limit = np.full((200, 1), LIMIT)
    is_explained, effects, _ = explain(asker, intervals, limit, PLAIN)
    some = np.arange(200)[::-7]
    again, effects_again, _ = explain(asker, intervals[some], limit[some], PLAIN)
    assert 0 < is_explained[some].sum() < len(some)
    np.testing.assert_array_equal(again, is_explained[some])
    np.testing.assert_array_equal(effects_again, effects[some])


def kernels_and_plain(name):
    function = getattr(group_tests, name)
    return [function, function.py_func]


def test_random_groups_are_those_of_the_keys():
    rng = np.random.default_rng(0)
    keys, number = rng.integers(0, 2**63, 50).astype(np.uint64), rng.integers(0, 2000, 50)
    moving = rng.random((50, 70)) < 0.8
    wanted = moving & (uniform(child_keys(child_keys(keys, number)[:, None], np.arange(70)[None, :])) < 0.5)
    out = np.empty_like(moving)
    group_tests.random_groups(keys, number, moving, out)
    np.testing.assert_array_equal(out, wanted)
    assert 0.4 < out.sum() / moving.sum() < 0.6


def test_codes_number_the_moving_players_in_the_order_of_their_draws():
    rng = np.random.default_rng(2)
    keys, moving = rng.integers(0, 2**63, 30).astype(np.uint64), rng.random((30, 40)) < 0.7
    code = np.empty(moving.shape, np.int32)
    group_tests.draw_codes(keys, moving, code)
    draw = uniform(child_keys(child_keys(keys, 11)[:, None], np.arange(40)[None, :]))
    for i in range(30):
        np.testing.assert_array_equal(code[i, moving[i]], draw[i, moving[i]].argsort().argsort())


@pytest.mark.parametrize("function", kernels_and_plain("groups_of_bits"))
def test_groups_of_bits_hold_who_moves_and_has_the_bit(function):
    code, moving = np.array([[5, 2, 4], [1, 0, 3]], np.int32), np.array([[True, True, False], [True] * 3])
    which, bit, out = np.array([1, 0, 0, 1]), np.array([0, 0, 2, 1]), np.empty((4, 3), dtype=bool)
    function(code, moving, which, bit, out)
    wanted = [[True, False, True], [True, False, False], [True, False, False], [False, False, True]]
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("function", kernels_and_plain("defects_of_groups"))
def test_defects_of_groups_are_the_largest_of_every_interval(function):
    rng = np.random.default_rng(1)
    which, groups = rng.integers(0, 5, 40), rng.random((40, 6)) < 0.5
    answers, f_low, effects = rng.normal(size=(40, 2)), rng.normal(size=(6, 2)), rng.normal(size=(6, 6, 2))
    effects[rng.random((6, 6)) < 0.5] = 0.0
    found = np.zeros((6, 2))
    function(which, groups, answers, f_low, effects, found)
    apart = np.abs(answers - f_low[which] - np.einsum("np,npk->nk", groups, effects[which]))
    wanted = [apart[which == w].max(axis=0, initial=0.0) for w in range(6)]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("function", kernels_and_plain("nearest_sums"))
@pytest.mark.parametrize("n_active", [0, 1, 3, 4, 6])
def test_nearest_sums_try_all_subsets_of_the_largest_effects(function, n_active):
    rng = np.random.default_rng(n_active)
    effects = np.zeros((3, 8, 2))
    effects[:, rng.permutation(8)[:n_active]] = rng.normal(size=(3, n_active, 2))
    change, which, found = rng.normal(size=(20, 2)), rng.integers(0, 3, 20), np.full((20, 2), np.nan)
    function(change, which, effects, found)
    for i in range(20):
        mine = effects[which[i]]
        largest = np.argsort(-np.abs(mine).max(axis=1), kind="stable")[:4]
        subsets = (np.arange(16)[:, None] >> np.arange(4)) & 1
        wanted = np.abs(change[i] - subsets @ mine[largest]).max(axis=1).min()
        assert found[i].max() == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("function", kernels_and_plain("rule_out"))
def test_ruled_out_is_who_did_nothing_or_was_missing_where_everything_happened(function):
    group = np.array([[True, True, False, False]] * 3)
    f_low, f_high, limit = np.zeros((3, 1)), np.ones((3, 1)), np.full((3, 1), LIMIT)
    candidates = np.ones((3, 4), dtype=bool)
    function(np.arange(3), group, np.array([[0.0], [1.0], [0.5]]), f_low, f_high, limit, candidates)
    np.testing.assert_array_equal(candidates, [~group[0], group[0], [True] * 4])
