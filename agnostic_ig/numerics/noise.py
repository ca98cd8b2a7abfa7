"""How noisy a model's answers are: rounding, float32 inside, sums in another order, deterministic or not.

The idea is that of Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011): what is left of the
answers along a short line once all that is smooth has been taken out. They take k-th differences at even spacing. Here
the places are the marks of a ruler whose distances all differ, and polynomials are taken out: a quick ripple, which can
look smooth at even spacing, does not here, and eight values tell a standard deviation more sharply.
"""

import functools
from collections.abc import Callable

import numpy as np

__all__ = ["MARKS", "POINTS", "Noise", "line_noise", "lines_of", "measure_noise"]

Ask = Callable[[np.ndarray], np.ndarray]

# The shortest ruler with eight marks whose distances all differ (Golomb); the first one is x.
MARKS = np.array([0.0, 1.0, 4.0, 9.0, 15.0, 22.0, 32.0, 34.0])
POINTS = len(MARKS) - 1
# Spacings tried, in parts of |x|: where half of the values are equal, the line was too short for the noise to be seen.
# Shorter ones would take a quick ripple for a slope; longer ones would take the jumps of a forest for noise, and what a
# feature with a large offset does.
SPACINGS = (2.0**-32, 2.0**-22)
# Where answers are float32 the shorter ones would be spent in vain.
FIRST_SPACING = {np.float64: 0, np.float32: 1, np.float16: 1}
# The smooth part has at most this degree; three values are left then.
HIGHEST_DEGREE = 4
# A lower degree will do if it leaves at most this times what the highest leaves.
AGREEMENT = 4.0
BESIDE_ZERO = 2.0**-27
# Lines are no longer than at this distance from 0: what is farther out has an offset, and varies by far less than it.
FAR = 2.0**20


class Noise:
    """Noise of answers at some rows; arrays (n, n_outputs).

    Attributes
    ----------
    sigma : ndarray
        Standard deviation that was measured; 0 where answers do not move at all.
    unit : ndarray
        Largest relative rounding of an answer: that of float32 where all answers seen are float32 numbers.
    least : float
        The same by the type of the answers alone.
    """

    def __init__(self, sigma: np.ndarray, unit: np.ndarray, least: float) -> None:
        self.sigma = sigma
        self.unit = unit
        self.least = least


@functools.cache
def _polynomials() -> np.ndarray:
    """Orthonormal polynomials at the marks (degree, mark): coefficients of white noise have its variance."""
    places = 2.0 * MARKS / MARKS[-1] - 1.0
    return np.linalg.qr(np.polynomial.legendre.legvander(places, POINTS))[0].T


def line_noise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of the noise in values at the marks, and whether half of them are ties.

    Parameters
    ----------
    values : ndarray of shape (n, n_marks, n_outputs)

    Returns
    -------
    sigma : ndarray of shape (n, n_outputs)
        Root mean square of what polynomials of the lowest degree that will do leave over.
    tied : ndarray of bool, shape (n, n_outputs)
    """
    exponent = np.frexp(np.abs(values).max(axis=1))[1]  # squares of huge or tiny numbers are none
    values = np.ldexp(values, -exponent[:, None])
    tied = 2 * (np.diff(values, axis=1) == 0.0).sum(axis=1) >= POINTS
    rise = values - values[:, :1]  # exact, and small: the projection adds no rounding of its own
    squares = np.einsum("km,nmo->kno", _polynomials(), rise) ** 2
    left = np.array([np.sqrt(squares[degree + 1 :].mean(axis=0)) for degree in range(1, HIGHEST_DEGREE + 1)])
    enough = left <= AGREEMENT * left[-1]
    return np.ldexp(np.take_along_axis(left, enough.argmax(axis=0)[None], axis=0)[0], exponent), tied


def lines_of(rows: np.ndarray, moves: np.ndarray, draws: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Directions of the lines (n, n_features): each feature in proportion to itself, to one side or the other.

    Sizes differ at random, or features of opposite signs would cancel in a sum, and a model that rounds its input to
    float32 would round all places of a line alike, and look smooth. They have few bits, so that x + k d has
    no rounding of its own, which would look like noise; beside 0 there are bits enough for a place that float32 does
    not hold, so that f(x) = x is not taken for a float32 model. `draws` (n, n_features) are in [0, 1); `room` (2, n,
    n_features) is the way to the lower and upper bound: a line that would leave it turns round, or is shortened.
    """
    longest = MARKS[-1] * SPACINGS[-1]
    x = np.where(rows == 0.0, 1.0, np.abs(rows))
    size = 2.0 * np.maximum(np.minimum(x, FAR), x / FAR)
    signs = np.where(draws < 0.5, -1.0, 1.0)
    along = np.where(signs > 0, room[1], room[0])
    signs = np.where((along < longest * size) & (room.max(axis=0) > along), -signs, signs)
    along = np.where(signs > 0, room[1], room[0])
    with np.errstate(over="ignore"):  # there is room without end, and there are places enough beside tiny numbers
        size = np.where(moves, np.minimum(size, along / longest), 0.0)
        _, exponent = np.frexp(size / 2.0)
        n_places = np.clip(np.ldexp(SPACINGS[0] / np.spacing(x), exponent), 1.0, 64.0)
    part = 0.5 + np.floor(draws * 64.0) % 32.0 / 64.0 + np.where(rows == 0.0, BESIDE_ZERO, 0.0)
    # Far out, too: no finer than x itself is at the shortest spacing.
    part = np.where(n_places < 64.0, np.ceil(part * n_places) / n_places, part)
    return np.where(size > 0.0, signs * np.ldexp(part, exponent), 0.0)


def measure_noise(ask: Ask, rows: np.ndarray, outputs: np.ndarray, lines: np.ndarray, precision: type) -> Noise:
    """Noise of the answers at rows, each along its own line.

    Parameters
    ----------
    ask : callable
        From rows (m, n_features) to answers (m, n_outputs).
    rows, lines : ndarray of shape (n, n_features)
    outputs : ndarray of shape (n, n_outputs)
        Answers at the rows.
    precision : type
        Of the answers: np.float64, np.float32 or np.float16.
    """
    sigma = np.zeros_like(outputs)
    single = _is_single(outputs)
    pending = np.flatnonzero((lines != 0.0).any(axis=1))
    open_outputs = np.ones(outputs.shape, dtype=bool)
    for spacing in SPACINGS[FIRST_SPACING[precision] :]:
        if len(pending) == 0:
            break
        ways = spacing * MARKS[None, 1:, None] * lines[pending, None, :]
        answers = ask((rows[pending, None, :] + ways).reshape(-1, rows.shape[1]))
        values = np.concatenate([outputs[pending, None, :], answers.reshape(len(pending), POINTS, -1)], axis=1)
        found, tied = line_noise(values)
        single[pending] &= _is_single(values).all(axis=1)
        settled = open_outputs[pending] & ~tied
        sigma[pending] = np.where(settled, found, sigma[pending])
        open_outputs[pending] &= tied
        pending = pending[open_outputs[pending].any(axis=1)]
    least = float(np.finfo(precision).eps / 2)
    return Noise(sigma, np.where(single, max(least, np.finfo(np.float32).eps / 2), least), least)


def _is_single(values: np.ndarray) -> np.ndarray:
    """Whether float32 would hold the numbers."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32) == values
