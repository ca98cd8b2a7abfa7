"""The dense oracle finds known answers, says how far off it is, and says when it does not know."""

import random

import naive
import numpy as np
import pytest
from dense_oracle import Dense, dense_attributions
from naive_functions import KNOWN
from sklearn.neighbors import KNeighborsRegressor

# Of a row's summed absolute values: differences of 1e-15 over places 1/100 apart, and the surfaces' doubts.
ROUNDING = 1e-11


LEAST = 1e-9  # of a model with outputs of order one: below it there is nothing to be relative to


def attributed(f, x, b) -> Dense:
    """Of a single path."""
    return dense_attributions(f, [x], [b])[0]


def assert_known(dense, answer, jumps=None):
    """Right within what it says, and it says little."""
    answer = np.asarray(answer, dtype=float).reshape(len(dense.values), -1)
    size = np.abs(answer).sum(axis=0) + LEAST
    assert (np.abs(dense.values - answer) <= dense.error + ROUNDING * size).all()
    assert (dense.error.sum(axis=0) <= 1e-7 * size).all()
    if jumps is not None:
        assert len(dense.jumps) == jumps


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_functions_in_closed_form(known):
    jumps = 1 if known.kind in ("jump", "oblique") else 0
    assert_known(attributed(known.function, known.x, known.b), known.answer, jumps)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("link", ["identity", "sigmoid"])
def test_trees_in_fractions(seed, link):
    """Thresholds on a grid meet several at a time, so many jumps are ties."""
    rng = random.Random(seed)
    grid = [[0.25, 0.5, 0.75]] * 3 if seed % 2 else [[rng.random() for _ in range(4)] for _ in range(3)]
    forest = naive.random_forest(rng, 4, 3, 3, grid, link=link)
    x, b = [rng.choice([0.9, 1.0, 2.0]) for _ in range(3)], [0.0, 0.1 * (seed % 3), -1.0]
    answer = naive.integrated_gradients(forest, x, b)

    def f(rows):
        return np.array([float(naive.predict(forest, row)) for row in rows])

    table = {}

    def remembered(rows):
        """A tree sees of a number only which thresholds it passes."""
        sides = [tuple((row[:, None] > grid).ravel()) for row in rows]
        new = {side: row for side, row in zip(sides, rows, strict=True) if side not in table}
        table.update(zip(new, f(new.values()), strict=True))
        return np.array([table[side] for side in sides])

    assert_known(attributed(remembered, x, b), [float(value) for value in answer])


def test_nearest_neighbours_by_their_bisectors(rng):
    """A neighbour gives way to another on the plane between the two, whose normal joins them."""
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    x, b = rng.normal(size=(2, 3))
    model, d = KNeighborsRegressor(3).fit(X, y), x - b
    answer, squares = np.zeros(3), (X**2).sum(axis=1)
    for p, q in np.ndindex(40, 40):
        rate = 2 * (X[q] - X[p]) @ d  # of |z - p|² - |z - q|² along the path
        alpha = (squares[q] - squares[p] - 2 * (X[q] - X[p]) @ b) / rate if rate > 0 else -1
        if 0 < alpha < 1:
            nearer = (((X - b - alpha * d) ** 2).sum(axis=1) < ((X[p] - b - alpha * d) ** 2).sum() - 1e-9).sum()
            answer += (nearer == 2) * (y[q] - y[p]) / 3 * d * (X[q] - X[p]) / (d @ (X[q] - X[p]))
    dense = attributed(model.predict, x, b)
    assert len(dense.jumps) > 3
    assert_known(dense, answer)


def test_votes_and_margins_of_planes(rng):
    """What depends on one projection only is shared by the projection, jumps and slopes alike; two outputs."""
    weights, x, b = rng.normal(size=(3, 4))
    share = weights * (x - b) / (weights @ (x - b))
    middle = weights @ (0.3 * x + 0.7 * b)

    def f(rows):
        margin = rows @ weights - middle
        return np.column_stack([(margin > 0) + margin / (3 * (np.abs(margin) + 1)), np.tanh(20 * margin)])

    change = f(np.array([x])) - f(np.array([b]))
    assert_known(attributed(f, x, b), np.outer(share, change[0]), 1)


def test_units_with_kinks_by_their_secants(rng):
    inner, offset, outer = rng.normal(size=(4, 30)), rng.normal(size=30), rng.normal(size=30)
    x, b = rng.normal(size=(2, 4))
    start, end = b @ inner + offset, x @ inner + offset
    secants = (np.maximum(end, 0) - np.maximum(start, 0)) / (end - start)
    dense = attributed(lambda rows: np.maximum(rows @ inner + offset, 0) @ outer, x, b)
    assert_known(dense, (x - b) * (inner @ (secants * outer)), 0)


def test_columns_that_do_not_move_get_nothing():
    dense = attributed(lambda rows: np.exp(rows[:, 0]) * rows[:, 1], [1.0, 2.0], [0.0, 2.0])
    assert dense.values[1, 0] == 0
    assert_known(dense, [2 * np.expm1(1), 0.0])
    assert (attributed(lambda rows: rows[:, 0], [1.0], [1.0]).values == 0).all()


def test_corner_of_slanted_surfaces_is_unknown():
    def f(rows):
        return (rows[:, 0] + 2 * rows[:, 1] > 1.5) & (rows[:, 0] + rows[:, 1] / 2 > 0.75)

    dense = attributed(f, [1.0, 1.0], [0.0, 0.0])
    assert dense.jumps[0][1] == "unknown"
    assert np.isinf(dense.error).all()


def test_noise_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="rough at"):
        dense_attributions(lambda rows: rows[:, 0] + 1e-4 * rng.normal(size=len(rows)), [1.0, 1.0], [0.0, 0.0])


def test_paths_together_are_paths_alone(rng):
    x, b = rng.normal(size=(2, 3, 3))

    def f(rows):
        return np.column_stack([np.exp(rows[:, 0]) * rows[:, 1], (rows[:, 0] > 0.1) * rows[:, 2]])

    for dense, one, start in zip(dense_attributions(f, x, b), x, b, strict=True):
        np.testing.assert_allclose(dense.values, attributed(f, one, start).values, rtol=0, atol=1e-13)
