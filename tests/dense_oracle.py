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
DEGREES = (
    ((8, 6),) * 4 + ((6, 4),) * 2 + ((4, 3),)
)  # places a piece by the number of cuts so far: of the answer, of its check
WIDTH = 2.0**-37  # of a piece that is cut no more
SHIFTS = (4e-6, 4e-7, 4e-8)  # of a column, by which the normal of a surface is found, in lengths of the path
ACCEPTED = 1e-8  # error of all pieces together, relative to the range of f on the path
ROUNDING = 200  # of a piece's mean gradients, in roundings of f
TOGETHER = 50_000  # rows that f is asked for at once
MOST = 20_000  # pieces at a time; more says that f is rough all over


class Dense(NamedTuple):
    """Attributions (d, K), what the oracle thinks they are off by, and how often and where f jumps."""

    values: np.ndarray
    error: np.ndarray
    jumps: list[tuple[float, str]]


class Paths:
    """f along paths, a column at a time; f answers (n, K)."""

    def __init__(self, f: Callable, x: np.ndarray, b: np.ndarray) -> None:
        self.x, self.b = np.broadcast_arrays(np.atleast_2d(np.asarray(x, float)), np.atleast_2d(np.asarray(b, float)))
        self.moving = np.flatnonzero((self.x != self.b).any(axis=0))
        self._f = f
        everyone = np.arange(len(self.x))
        scan = self(everyone, np.linspace(0, 1, 101)[None, :, None].repeat(len(self.x), axis=0))
        self.size, self.range = np.abs(scan).max(axis=1), np.ptp(scan, axis=1)  # (paths, K)
        close = np.linspace(0.013, 0.986, 41)[:, None] + 1e-6 * np.arange(8)
        rough = np.diff(self(everyone, close[None, ..., None].repeat(len(self.x), axis=0)), 4, axis=2)
        rough = np.abs(rough).max(axis=2) / 4
        jumps = rough > 1e-10 * self.size[:, None]
        self.noise = np.where(jumps, 0, rough).max(axis=1) + 1e-15 * self.size + 1e-300

    def __call__(self, which: np.ndarray, places: np.ndarray) -> np.ndarray:
        """f where every column has a place of its own on its way, (n, ..., d or 1) -> (n, ..., K), along `which` paths.

        Ends are met exactly.
        """
        n, d = len(which), self.x.shape[1]
        x, b = (end[which].reshape(n, *[1] * (places.ndim - 2), d) for end in (self.x, self.b))
        rows = np.where(places == 1, x, np.where(places == 0, b, b + places * (x - b)))
        flat = rows.reshape(-1, d)
        answers = [self._f(flat[start : start + TOGETHER]) for start in range(0, len(flat), TOGETHER)]
        return np.concatenate(answers).astype(np.float64).reshape(*rows.shape[:-1], -1)


class Pieces(NamedTuple):
    """Pieces of paths: the path of each, and its ends (n, 2)."""

    which: np.ndarray
    ends: np.ndarray

    def __getitem__(self, some: np.ndarray) -> "Pieces":
        return Pieces(self.which[some], self.ends[some])


def dense_attributions(f: Callable, x: np.ndarray, b: np.ndarray) -> list[Dense]:
    """Integrated Gradients of f, rows (n, d) -> (n,) or (n, K), at each row of x against the same row of b."""
    paths = Paths(f, x, b)
    values = np.zeros((*paths.x.shape, paths.size.shape[1]))
    error, narrow, pieces = values.copy(), [], _first_pieces(len(values))
    wanted = ACCEPTED * np.maximum(paths.range, 1e-3 * paths.range.max(axis=1, keepdims=True))
    for cuts in range(64):
        if not len(pieces.which) or not len(paths.moving):
            break
        means, off = _means(paths, pieces, DEGREES[min(cuts, len(DEGREES) - 1)])
        allowed = wanted[pieces.which] * np.diff(pieces.ends) + ROUNDING * paths.noise[pieces.which]
        good = (off <= allowed[:, None]).all(axis=(1, 2))
        for total, part in ((values, means), (error, off)):
            np.add.at(total, np.ix_(pieces.which[good], paths.moving), part[good])
        is_narrow = np.diff(pieces.ends)[:, 0] <= WIDTH
        narrow.append(pieces[~good & is_narrow])
        pieces = _cut(pieces[~good & ~is_narrow])
        if len(pieces.which) > MOST * len(values):
            raise ValueError(f"the function is rough at {len(pieces.which)} places of the path")
    jumps = _credit_breaks(paths, _merged(narrow), values, error)
    return [Dense(*one) for one in zip(values, error, jumps, strict=True)]


def _first_pieces(n_paths: int) -> Pieces:
    """Not at round places, where crossings like to be."""
    edges = np.linspace(0, 1, PIECES + 1) ** 1.0137
    ends = np.column_stack([edges[:-1], edges[1:]])
    return Pieces(np.arange(n_paths).repeat(PIECES), np.tile(ends, (n_paths, 1)))


def _cut(pieces: Pieces) -> Pieces:
    """Two of each, not in the middle."""
    start, end = pieces.ends.T
    middle = pieces.ends @ [0.4871, 0.5129]
    halves = np.stack([np.column_stack([start, middle]), np.column_stack([middle, end])])
    return Pieces(np.tile(pieces.which, 2), halves.reshape(-1, 2))


def _merged(narrow: list[Pieces]) -> Pieces:
    """Neighbours as one."""
    merged: list[list] = []
    for pieces in narrow:
        merged += [[which, *ends] for which, ends in zip(pieces.which, pieces.ends, strict=True)]
    kept: list[list] = []
    for which, start, end in sorted(merged):
        if kept and which == kept[-1][0] and start <= kept[-1][2]:
            kept[-1][2] = end
        else:
            kept.append([which, start, end])
    table = np.array(kept, dtype=np.float64).reshape(-1, 3)
    return Pieces(table[:, 0].astype(int), table[:, 1:])


def _means(paths: Paths, pieces: Pieces, degrees: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """d_j ∫ ∂f/∂z_j over each piece, (pieces, columns, K), and how far two degrees and the change of f are off."""
    fine, coarse = (_mean_gradients(paths, pieces, n) for n in degrees)
    sides = paths(pieces.which, pieces.ends[:, :, None])
    missing = np.abs(fine.sum(axis=1) - (sides[:, 1] - sides[:, 0])) / len(paths.moving)
    return fine, np.abs(fine - coarse) + missing[:, None, :]


def _mean_gradients(paths: Paths, pieces: Pieces, n: int) -> np.ndarray:
    """By n Gauss-Legendre places of the path, and as many of each column beside it."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    places = pieces.ends[:, :1] + (nodes + 1) / 2 * np.diff(pieces.ends)
    d = paths.x.shape[1]
    shape = (len(places), len(paths.moving), n, n, d)  # ..., place of the path, place of the column, column
    asked = np.broadcast_to(places[:, None, :, None, None], shape).copy()
    for k, j in enumerate(paths.moving):
        asked[:, k, :, :, j] = places[:, None, :]
    # a piece has length 2 in the nodes' own measure, so slopes there, weighted, are d_j ∫ ∂f over the piece
    return np.einsum("i,ic,pjick->pjk", weights, _slopes(nodes), paths(pieces.which, asked))


def _slopes(nodes: np.ndarray) -> np.ndarray:
    """(n, n): from values at the nodes to the slopes there of the polynomial through them."""
    apart = nodes[:, None] - nodes + np.eye(len(nodes))
    scale = apart.prod(axis=1)
    slopes = scale[:, None] / scale / apart
    np.fill_diagonal(slopes, (1 / apart).sum(axis=1) - 1)
    return slopes


def _credit_breaks(paths: Paths, pieces: Pieces, values: np.ndarray, error: np.ndarray) -> list[list[tuple]]:
    """Add the credits of narrow pieces; of every path the places and the kinds of its jumps."""
    jumps: list[list[tuple]] = [[] for _ in values]
    if not len(pieces.which):
        return jumps
    tied = _shapley(paths, pieces)
    is_jump = (np.abs(tied) > _visible(paths, pieces.which)[:, None]).any(axis=(1, 2))
    np.add.at(values, pieces.which[~is_jump], tied[~is_jump])
    np.add.at(error, pieces.which[~is_jump], np.abs(tied[~is_jump]).max(axis=1, keepdims=True))
    pieces, tied = pieces[is_jump], tied[is_jump]
    for path, place, (kind, credit, doubt) in zip(*pieces, _jumps(paths, pieces, tied), strict=True):
        values[path] += credit
        error[path] += doubt
        jumps[path].append((float(place[0]), kind))
    return jumps


def _visible(paths: Paths, which: np.ndarray) -> np.ndarray:
    """A change that is a jump and not a kink."""
    return 1e-7 * paths.range[which] + 100 * paths.noise[which]


def _shapley(paths: Paths, pieces: Pieces) -> np.ndarray:
    """(pieces, d, K): Shapley values of moving single columns across each piece."""
    d = paths.x.shape[1]
    moved_sets, weights = every_order(d)
    moved = np.array([[j in one for j in range(d)] for one in moved_sets])
    start, end = pieces.ends.T[:, :, None, None]
    return np.einsum("js,psk->pjk", weights, paths(pieces.which, np.where(moved, end, start)))


def _jumps(paths: Paths, pieces: Pieces, tied: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Of every jump its kind, its credits (d, K) and their doubt."""
    if not len(tied):
        return []
    sides = paths(pieces.which, pieces.ends[:, :, None])
    changes = sides[:, 1] - sides[:, 0]
    answers = [("tie", credit, np.zeros_like(credit)) for credit in tied]
    is_inside = (pieces.ends > 10 * SHIFTS[0]).all(axis=1) & (pieces.ends < 1 - 10 * SHIFTS[0]).all(axis=1)
    # at an end of the path there is no way to look at both sides; no change is left over by opposite thresholds
    rest = np.flatnonzero(is_inside & (np.abs(changes) > _visible(paths, pieces.which)).any(axis=1))
    for shift in SHIFTS:  # another jump nearby asks for a closer look
        shares = _shares(paths, pieces[rest], sides[rest], shift) if len(rest) else []
        for k, (ahead, behind) in zip(rest, shares, strict=True):
            answers[k] = _judge(ahead, behind, shift, changes[k], tied[k])
        rest = np.array([k for k in rest if answers[k][0] == "unknown"], dtype=int)
    return answers


def _judge(ahead: np.ndarray, behind: np.ndarray, shift: float, change: np.ndarray, tied: np.ndarray) -> tuple:
    """Kind, credits and doubt of a jump by its shares, found with each column ahead and behind."""
    shares, bend = (ahead + behind) / 2, np.abs(ahead - behind).max()
    if bend < 1e-2 and abs(shares.sum() - 1) < 1e-4:
        if np.abs(shares - (shares > 0.5)).max() < 1e-6:  # a threshold of one column, or a larger one beside smaller
            return "threshold", tied, np.zeros_like(tied)
        doubt = (bend**2 + 1e-14 / shift) * np.abs(change)
        return "surface", np.outer(shares / shares.sum(), change), np.zeros_like(tied) + doubt
    both = np.array([ahead, behind])
    if np.isfinite(both).all() and np.abs(both - both.round()).max() < 1e-4:  # with a column it goes along, or stays
        return "tie", tied, np.zeros_like(tied)
    return "unknown", tied, np.full_like(tied, np.inf)


def _shares(paths: Paths, pieces: Pieces, sides: np.ndarray, shift: float) -> np.ndarray:
    """(jumps, 2, d): how fast crossings move back when a column runs ahead, and forth when it stays behind."""
    d = paths.x.shape[1]
    moves = np.concatenate([np.zeros((1, d)), shift * np.eye(d), -shift * np.eye(d)])
    crossings = _crossings(paths, pieces, sides, moves, shift)
    at, ahead, behind = crossings[:, :1], crossings[:, 1 : d + 1], crossings[:, d + 1 :]
    return np.stack([at - ahead, behind - at], axis=1) / shift


def _crossings(paths: Paths, pieces: Pieces, sides: np.ndarray, moves: np.ndarray, shift: float) -> np.ndarray:
    """(jumps, moves): where the path with moved columns crosses the same jump, by bisection; NaN: it is not near."""
    size = paths.range[pieces.which]
    varies = size > 1e3 * paths.noise[pieces.which]
    direction = np.where(varies, sides[:, 1] - sides[:, 0], 0) / np.where(varies, size, 1) ** 2
    middles = sides.mean(axis=1)[:, None]

    def is_after(places: np.ndarray) -> np.ndarray:
        return np.einsum("mqk,mk->mq", paths(pieces.which, places[:, :, None] + moves) - middles, direction) > 0

    low = np.repeat(pieces.ends[:, :1] - 1.5 * shift, len(moves), axis=1)
    high = np.repeat(pieces.ends[:, 1:] + 1.5 * shift, len(moves), axis=1)
    for _ in range(3):  # shares beyond one, of columns that pull in opposite directions
        low, high = np.where(is_after(low), low - 2 * shift, low), np.where(is_after(high), high, high + 2 * shift)
    found = ~is_after(low) & is_after(high)
    for _ in range(int(np.log2(shift / 1e-16))):
        middle = (low + high) / 2
        after = is_after(middle)
        low, high = np.where(after, low, middle), np.where(after, middle, high)
    return np.where(found, (low + high) / 2, np.nan)
