"""A dense oracle: Integrated Gradients of any function of a few continuous columns, from its definition alone.

Nothing of the package is imported; of the model only its answers are known. For every piece [s, t] of the path the
function is looked at on the box that the piece spans: column j runs over places of its own while the others stand on
the path. Polynomials through these answers give the partial derivatives, Gauss-Legendre their means. A piece where two
degrees disagree, or where the means miss the change of f, is cut; pieces that stay bad down to WIDTH hold a jump (or a
kink, which has no change). A jump belongs to a surface {D = 0}: each column's share d_j n_j / Σ d_k n_k is how fast the
crossing moves along the path when column j of the path is moved. A surface without such a normal is a corner of several
thresholds, a tie: there the Shapley value over all columns is taken, which is right for thresholds of single columns.

Costs some 10,000 rows a path and 2,000 more a jump. Blind to bands that are narrower than a 250th of the path, and to
what only happens off the box between b and x.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from naive_functions import every_order

PIECES = 32  # of the path, to begin with
DEGREES = ((8, 6),) * 4 + ((6, 4),) * 2 + ((4, 3),)  # places a piece by the number of cuts so far: of the answer, of its check
WIDTH = 2.0**-37  # of a piece that is cut no more
SHIFTS = (4e-6, 4e-7, 4e-8)  # of a column, by which the normal of a surface is found, in lengths of the path
ACCEPTED = 1e-8  # error of all pieces together, relative to the range of f on the path
ROUNDING = 200  # of a piece's mean gradients, in roundings of f
MOST = 20_000  # pieces at a time; more says that f is rough all over


class Dense(NamedTuple):
    """Attributions (d, K), what the oracle thinks they are off by, and how often and where f jumps."""

    values: np.ndarray
    error: np.ndarray
    jumps: list[tuple[float, str]]


class Path:
    """f along a path, a column at a time; f answers (n, K)."""

    def __init__(self, f: Callable, x: np.ndarray, b: np.ndarray) -> None:
        self.x, self.b = np.asarray(x, dtype=np.float64), np.asarray(b, dtype=np.float64)
        self.moving = np.flatnonzero(self.x != self.b)
        self._f = f
        scan = self(np.linspace(0, 1, 101)[:, None])
        self.size, self.range = np.abs(scan).max(axis=0), np.ptp(scan, axis=0)
        close = self((np.linspace(0.013, 0.986, 41)[:, None] + 1e-6 * np.arange(8))[..., None])
        rough = np.abs(np.diff(close, 4, axis=1)).max(axis=1) / 4
        self.noise = np.where(rough < 1e-10 * self.size, rough, 0).max(axis=0) + 1e-15 * self.size  # more is a jump

    def __call__(self, places: np.ndarray) -> np.ndarray:
        """f where every column has a place of its own on its way, (..., d or 1) -> (..., K); ends are met exactly."""
        a = np.broadcast_to(places, (*np.shape(places)[:-1], len(self.x)))
        rows = np.where(a == 1, self.x, np.where(a == 0, self.b, self.b + a * (self.x - self.b)))
        answers = np.asarray(self._f(rows.reshape(-1, len(self.x))), dtype=np.float64)
        return answers.reshape(*a.shape[:-1], -1)


def dense_attributions(f: Callable, x: np.ndarray, b: np.ndarray) -> Dense:
    """Integrated Gradients of f, rows (n, d) -> (n,) or (n, K), at x against b."""
    path = Path(f, x, b)
    values = np.zeros((len(path.x), len(path.size)))
    error, narrow = values.copy(), []
    edges = np.linspace(0, 1, PIECES + 1)
    pieces = np.column_stack([edges[:-1], edges[1:]])
    for cuts in range(64):
        if not len(pieces) or not len(path.moving):
            break
        means, off = _means(path, pieces, DEGREES[min(cuts, len(DEGREES) - 1)])
        wanted = ACCEPTED * np.maximum(path.range, 1e-3 * path.range.max())
        allowed = wanted * np.diff(pieces)[:, :, None] + ROUNDING * path.noise
        good = (off <= allowed).all(axis=(1, 2))
        values[path.moving] += means[good].sum(axis=0)
        error[path.moving] += off[good].sum(axis=0)
        pieces = pieces[~good]
        ends = np.diff(pieces)[:, 0] <= WIDTH
        narrow.extend(pieces[ends])
        pieces = _cut(pieces[~ends])
        if len(pieces) > MOST:
            raise ValueError(f"the function is rough at {len(pieces)} places of the path")
    return Dense(values, error, _credit_breaks(path, _merged(narrow), values, error))


def _cut(pieces: np.ndarray) -> np.ndarray:
    """Two of each, not at round places, where crossings like to be."""
    middle = pieces @ [0.4871, 0.5129]
    return np.concatenate([np.column_stack([pieces[:, 0], middle]), np.column_stack([middle, pieces[:, 1]])])


def _merged(pieces: list) -> list[tuple[float, float]]:
    """Neighbours as one."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(map(tuple, pieces)):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], end
        else:
            merged.append((start, end))
    return merged


def _means(path: Path, pieces: np.ndarray, degrees: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """d_j ∫ ∂f/∂z_j over each piece, (pieces, columns, K), and how far two degrees and the change of f are off."""
    fine, coarse = (_mean_gradients(path, pieces, n) for n in degrees)
    change = path(pieces[:, 1, None]) - path(pieces[:, 0, None])
    missing = np.abs(fine.sum(axis=1) - change) / len(path.moving)
    return fine, np.abs(fine - coarse) + missing[:, None, :]


def _mean_gradients(path: Path, pieces: np.ndarray, n: int) -> np.ndarray:
    """By n Gauss-Legendre places of the path, and as many of each column beside it."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    places = pieces[:, :1] + (nodes + 1) / 2 * np.diff(pieces)
    shape = (len(pieces), len(path.moving), n, n, len(path.x))  # ..., place of the path, place of the column, column
    asked = np.broadcast_to(places[:, None, :, None, None], shape).copy()
    for k, j in enumerate(path.moving):
        asked[:, k, :, :, j] = places[:, None, :]
    # a piece has length 2 in the nodes' own measure, so slopes there, weighted, are d_j ∫ ∂f over the piece
    return np.einsum("i,ic,pjick->pjk", weights, _slopes(nodes), path(asked))


def _slopes(nodes: np.ndarray) -> np.ndarray:
    """(n, n): from values at the nodes to the slopes there of the polynomial through them."""
    apart = nodes[:, None] - nodes + np.eye(len(nodes))
    scale = apart.prod(axis=1)
    slopes = scale[:, None] / scale / apart
    np.fill_diagonal(slopes, (1 / apart).sum(axis=1) - 1)
    return slopes


def _credit_breaks(path: Path, pieces: list, values: np.ndarray, error: np.ndarray) -> list[tuple[float, str]]:
    """Add the credits of narrow pieces; the place and the kind of those that hold a jump."""
    tied = [_shapley(path, *piece) for piece in pieces]
    is_jump = [bool((np.abs(credit) > _visible(path)).any()) for credit in tied]
    for credit in (credit for credit, jumps in zip(tied, is_jump, strict=True) if not jumps):
        values += credit
        error += np.abs(credit).max(axis=0)
    places = np.array([piece for piece, jumps in zip(pieces, is_jump, strict=True) if jumps]).reshape(-1, 2)
    shapley = [credit for credit, jumps in zip(tied, is_jump, strict=True) if jumps]
    found = _jumps(path, places, shapley)
    for _, credit, doubt in found:
        values += credit
        error += doubt
    return [(float(place), kind) for place, (kind, _, _) in zip(places[:, 0], found, strict=True)]


def _visible(path: Path) -> np.ndarray:
    """A change that is a jump and not a kink."""
    return 1e-7 * path.range + 100 * path.noise


def _shapley(path: Path, start: float, end: float) -> np.ndarray:
    """(d, K): Shapley values of moving single columns across the piece."""
    d = len(path.x)
    moved_sets, weights = every_order(d)
    corners = np.full((len(moved_sets), d), start)
    for corner, moved in zip(corners, moved_sets, strict=True):
        corner[list(moved)] = end
    return weights @ path(corners)


def _jumps(path: Path, pieces: np.ndarray, tied: list[np.ndarray]) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Of every jump its kind, its credits (d, K) and their doubt."""
    if not tied:
        return []
    sides = path(pieces[:, :, None])
    changes = sides[:, 1] - sides[:, 0]
    answers = [("tie", credit, np.zeros_like(credit)) for credit in tied]
    is_inside = (pieces > 10 * SHIFTS[0]).all(axis=1) & (pieces < 1 - 10 * SHIFTS[0]).all(axis=1)
    # at an end of the path there is no way to look at both sides; no change is left over by opposite thresholds
    open_ = np.flatnonzero(is_inside & (np.abs(changes) > _visible(path)).any(axis=1))
    for shift in SHIFTS:  # another jump nearby asks for a closer look
        shares = _shares(path, pieces[open_], sides[open_], shift) if len(open_) else []
        for k, (ahead, behind) in zip(open_, shares, strict=True):
            answers[k] = _judge(ahead, behind, shift, changes[k], tied[k])
        open_ = np.array([k for k in open_ if answers[k][0] == "unknown"], dtype=int)
    return answers


def _judge(ahead: np.ndarray, behind: np.ndarray, shift: float, change: np.ndarray, tied: np.ndarray) -> tuple:
    """Kind, credits and doubt of a jump by its shares, found with each column ahead and behind."""
    shares, bend = (ahead + behind) / 2, np.abs(ahead - behind).max()
    if bend < 1e-2 and abs(shares.sum() - 1) < 1e-4:
        if np.abs(shares - shares.round()).max() < 1e-6:  # a threshold of one column
            return "surface", np.outer(shares.round(), change), np.zeros_like(tied)
        doubt = (bend**2 + 1e-14 / shift) * np.abs(change)
        return "surface", np.outer(shares / shares.sum(), change), np.zeros_like(tied) + doubt
    both = np.array([ahead, behind])
    if np.isfinite(both).all() and np.abs(both - both.round()).max() < 1e-4:  # with a column it goes along, or stays
        return "tie", tied, np.zeros_like(tied)
    return "unknown", tied, np.full_like(tied, np.inf)


def _shares(path: Path, pieces: np.ndarray, sides: np.ndarray, shift: float) -> np.ndarray:
    """(jumps, 2, d): how fast crossings move back when a column runs ahead, and forth when it stays behind."""
    d = len(path.x)
    moves = np.concatenate([np.zeros((1, d)), shift * np.eye(d), -shift * np.eye(d)])
    crossings = _crossings(path, pieces, sides, moves, shift)
    at, ahead, behind = crossings[:, :1], crossings[:, 1 : d + 1], crossings[:, d + 1 :]
    return np.stack([at - ahead, behind - at], axis=1) / shift


def _crossings(path: Path, pieces: np.ndarray, sides: np.ndarray, moves: np.ndarray, shift: float) -> np.ndarray:
    """(jumps, moves): where the path with moved columns crosses the same jump, by bisection; NaN: it is not near."""
    varies = path.range > 1e3 * path.noise
    changes = np.where(varies, sides[:, 1] - sides[:, 0], 0) / np.where(varies, path.range, 1) ** 2
    middles = sides.mean(axis=1)[:, None]

    def is_after(places: np.ndarray) -> np.ndarray:
        return np.einsum("mqk,mk->mq", path(places[:, :, None] + moves) - middles, changes) > 0

    low = np.repeat(pieces[:, :1] - 1.5 * shift, len(moves), axis=1)
    high = np.repeat(pieces[:, 1:] + 1.5 * shift, len(moves), axis=1)
    for _ in range(3):  # shares beyond one, of columns that pull in opposite directions
        low, high = np.where(is_after(low), low - 2 * shift, low), np.where(is_after(high), high, high + 2 * shift)
    found = ~is_after(low) & is_after(high)
    for _ in range(int(np.log2(shift / 1e-16))):
        middle = (low + high) / 2
        after = is_after(middle)
        low, high = np.where(after, low, middle), np.where(after, middle, high)
    return np.where(found, (low + high) / 2, np.nan)
