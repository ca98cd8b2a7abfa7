"""What scikit-learn and libsvm make of the margins of support vector machines: votes, and probabilities of two classes.

libsvm couples pairwise probabilities by an iteration that stops early (Wu, Lin & Weng 2004, algorithm 2): even for two
classes the probability jumps, by up to 0.005, where the number of rounds changes with the margin.
"""

from collections.abc import Callable

import numpy as np

from agnostic_ig.engines.level_steps import Surfaces
from agnostic_ig.engines.smooth_function import SmoothFunction

__all__ = ["CoupledPair", "Votes", "pair_surfaces", "vote_surfaces"]

LEAST = 1e-7  # libsvm clips pairwise probabilities here
STOP = 0.005 / 2.0
MAX_ROUNDS = 100
SCANNED = 200_001  # margins at which the number of rounds is looked at
TINY = 1e-30  # imaginary step, whose square is nothing


class Votes(SmoothFunction):
    """Votes of all pairs i < j of classes, and their confidences c / (3 (|c| + 1)), from one margin a pair.

    The first of a pair wins from `level` on.
    """

    def __init__(self, n_classes: int, level: float = 0.0) -> None:
        self.n_outputs, self.level = n_classes, level
        self.first, self.second = np.triu_indices(n_classes, 1)
        pairs = np.arange(len(self.first))
        self.signs = np.zeros((len(pairs), n_classes))
        self.signs[pairs, self.first], self.signs[pairs, self.second] = 1.0, -1.0

    def values(self, rows: np.ndarray) -> np.ndarray:
        wins = rows >= self.level
        votes = wins.astype(float) @ (self.signs > 0.0) + (~wins).astype(float) @ (self.signs < 0.0)
        confidence = rows @ self.signs
        return votes + confidence / (3.0 * (np.abs(confidence) + 1.0))

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        confidence = rows @ self.signs
        return self.signs / (3.0 * (np.abs(confidence) + 1.0) ** 2)[:, None, :]


def vote_surfaces(votes: Votes) -> Surfaces:
    """A pair's margin at the level moves a vote; a confidence of 0 is a kink."""
    n_pairs, n_classes = votes.signs.shape
    normals = np.hstack([np.eye(n_pairs), votes.signs])
    jumps = np.vstack([votes.signs, np.zeros((n_classes, n_classes))])
    levels = np.concatenate([np.full(n_pairs, votes.level), np.zeros(n_classes)])
    return Surfaces(normals, levels, jumps)


class CoupledPair(SmoothFunction):
    """Probabilities of two classes from the margin of the second: libsvm's sigmoid, and its iteration."""

    n_outputs = 2

    def __init__(self, slope: float, offset: float) -> None:
        self.slope, self.offset = slope, offset

    def values(self, rows: np.ndarray) -> np.ndarray:
        return _coupled(self._first_wins(rows[:, 0]))[0]

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        return (_coupled(self._first_wins(rows[:, 0] + 1j * TINY))[0].imag / TINY)[:, None, :]

    def rounds(self, margins: np.ndarray) -> np.ndarray:
        """How many rounds the iteration takes."""
        return _coupled(self._first_wins(margins))[1]

    def _first_wins(self, margins: np.ndarray) -> np.ndarray:
        """The sigmoid of the first class's margin, clipped."""
        exponent = self.offset - self.slope * margins
        small = np.exp(np.where(exponent.real >= 0.0, -exponent, exponent))
        share = np.where(exponent.real >= 0.0, small / (1.0 + small), 1.0 / (1.0 + small))
        clipped = np.clip(share.real, LEAST, 1.0 - LEAST)
        return np.where(clipped == share.real, share, clipped)


def pair_surfaces(pair: CoupledPair) -> Surfaces:
    """Margins at which the number of rounds changes, and those at which the sigmoid is clipped."""
    clip = np.log(1.0 / LEAST - 1.0)
    levels, jumps = np.zeros(0), np.zeros((0, 2))
    if pair.slope != 0.0:
        ends = np.sort((pair.offset - np.array([-1.05, 1.05]) * clip) / pair.slope)
        levels = _changes_of(pair.rounds, np.linspace(*ends, SCANNED))
        both = [pair.values(side[:, None]) for side in (levels, np.nextafter(levels, -np.inf))]
        kinks = (pair.offset - np.array([-clip, clip])) / pair.slope
        levels, jumps = np.concatenate([levels, kinks]), np.concatenate([both[0] - both[1], np.zeros((2, 2))])
    return Surfaces(np.ones((1, len(levels))), levels, jumps)


def _changes_of(count: Callable[[np.ndarray], np.ndarray], places: np.ndarray) -> np.ndarray:
    """The smallest numbers, between the places, from which on a count is another."""
    counts = count(places)
    changed = np.flatnonzero(np.diff(counts))
    low, high, below = places[changed], places[changed + 1], counts[changed]
    while True:
        middle = low + (high - low) / 2.0
        if ((middle <= low) | (middle >= high)).all():
            return high
        same = count(middle) == below
        low, high = np.where(same, middle, low), np.where(same, high, middle)


def _coupled(first_wins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, 2) after the rounds that libsvm takes, and how many; numbers may carry an imaginary step."""
    wins = np.stack([first_wins, 1.0 - first_wins])  # of the first over the second, and of the second
    own, cross = wins[::-1] ** 2, -wins[0] * wins[1]
    p = np.full_like(wins, 0.5)
    rounds, going = np.zeros(wins.shape[1], dtype=np.int64), np.ones(wins.shape[1], dtype=bool)
    for _ in range(MAX_ROUNDS):
        pulls = own * p + cross * p[::-1]
        whole = (p * pulls).sum(axis=0)
        going &= (np.abs((pulls - whole).real) >= STOP).any(axis=0)
        if not going.any():
            break
        rounds[going] += 1
        p[:, going] = _one_round(p, pulls, whole, own, cross)[:, going]
    return p.T, rounds


def _one_round(p: np.ndarray, pulls: np.ndarray, whole: np.ndarray, own: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """One class after the other, in libsvm's order of operations."""
    p, pulls = p.copy(), pulls.copy()
    for t in (0, 1):
        step = (whole - pulls[t]) / own[t]
        p[t] += step
        whole = (whole + step * (step * own[t] + 2.0 * pulls[t])) / (1.0 + step) / (1.0 + step)
        pulls[t] = (pulls[t] + step * own[t]) / (1.0 + step)
        pulls[1 - t] = (pulls[1 - t] + step * cross) / (1.0 + step)
        p /= 1.0 + step
    return p
