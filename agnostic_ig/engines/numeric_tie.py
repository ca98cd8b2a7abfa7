"""Intervals that cannot be cut further: everything in them happens at once and is shared by the Shapley value."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agnostic_ig.engines.numeric_rounds import Question, on_path
from agnostic_ig.kernels.shapley import shapley_of_states
from agnostic_ig.numerics.hashing import child_keys, uniform

__all__ = [
    "MAX_ENUMERATED", "NOTHING", "Intervals", "Settled", "alone", "by_size", "half_and_half", "rank_within", "settle",
]  # fmt: skip

MAX_ENUMERATED = 12  # players whose 2**k states are asked
CONTEXTS = 4  # random states, beside "nobody moved" and "all moved", in which each player's effect is tried
PERMUTATIONS = 32  # antithetic pairs beyond MAX_ENUMERATED players
# What counts as zero, relative to the change of the model (or a hundredth of its size, if that is more).
NOTHING = 1e-10
ADDITIVE = 1e-3  # differences of effects, relative to the largest, from which two games are not the same
AGREED = 1e-7  # the same for the difference of forward and backward increments beside a smooth part
# Error estimate from sampling: standard errors, and what n draws may have missed of the largest effect (rule of three).
SIGMAS, MISSED = 4.0, 3.0


class Intervals:
    """Stretches [low, high] of the paths of pairs, with the model's outputs at both ends and a random key each."""

    def __init__(
        self,
        pair: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        f_low: np.ndarray,
        f_high: np.ndarray,
        key: np.ndarray,
    ) -> None:
        self.pair, self.low, self.high = pair, low, high
        self.f_low, self.f_high, self.key = f_low, f_high, key

    def cut_at(self, middle: np.ndarray, f_middle: np.ndarray, numbers: tuple[int, int]) -> list["Intervals"]:
        """The parts below and above the middle; the numbers make the keys of both."""
        below = Intervals(self.pair, self.low, middle, self.f_low, f_middle, child_keys(self.key, numbers[0]))
        above = Intervals(self.pair, middle, self.high, f_middle, self.f_high, child_keys(self.key, numbers[1]))
        return [below, above]

    @classmethod
    def none(cls, n_outputs: int) -> "Intervals":
        ends, nothing = np.zeros((0, n_outputs)), np.zeros(0)
        return cls(nothing.astype(np.int64), nothing, nothing, ends, ends, nothing.astype(np.uint64))

    def __len__(self) -> int:
        return len(self.pair)

    def __getitem__(self, rows: Any) -> "Intervals":
        return Intervals(*(field[rows] for field in self._fields()))

    def replaced(self, rows: np.ndarray, others: "Intervals") -> "Intervals":
        """The same with others in the place of some."""
        fields = [field.copy() for field in self._fields()]
        for field, new in zip(fields, others._fields(), strict=True):
            field[rows] = new
        return Intervals(*fields)

    def _fields(self) -> tuple[np.ndarray, ...]:
        return self.pair, self.low, self.high, self.f_low, self.f_high, self.key

    @classmethod
    def joined(cls, parts: Iterable["Intervals"]) -> "Intervals":
        return cls(*(np.concatenate(fields) for fields in zip(*(p._fields() for p in parts), strict=True)))

    def question(self, which: np.ndarray, moved: np.ndarray) -> Question:
        """The players in `moved` at the high end of interval which[i], everyone else at its low end."""
        return Question(self.pair[which], self.low[which], self.high[which], moved)

    def ask(self, asker: Any, which: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """Outputs with the players in `moved` at the high end of interval which[i], everyone else at its low end."""
        return asker.ask(*self.question(which, moved))

    def unknown_ends(self, asker: Any) -> "Ends":
        """Ends at which the model has not been asked yet (there f is nan); neighbours share one."""
        low, high = np.isnan(self.f_low).any(axis=1), np.isnan(self.f_high).any(axis=1)
        pair = np.concatenate([self.pair[low], self.pair[high]])
        alpha = np.concatenate([self.low[low], self.high[high]])
        order = np.lexsort((alpha, pair))
        is_new = np.ones(len(order), dtype=bool)
        is_new[1:] = (np.diff(pair[order]) != 0) | (np.diff(alpha[order]) != 0)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.cumsum(is_new) - 1
        return Ends(on_path(asker, pair[order][is_new], alpha[order][is_new]), low, high, place)

    def ask_ends(self, asker: Any) -> None:
        """Ask at all ends that are not known."""
        ends = self.unknown_ends(asker)
        ends.fill(self, asker.ask(*ends.question))

    def single_moves(self, asker: Any) -> tuple[np.ndarray, np.ndarray]:
        """(interval, player) of every player that moves in every interval."""
        return np.nonzero(asker.moving[self.pair])

    def single_moves_alone(self, asker: Any) -> tuple[np.ndarray, np.ndarray]:
        """The intervals of single moves, and the mask (n, n_players) of who moves in each."""
        which, player = self.single_moves(asker)
        return which, alone(player, asker.columns.n_players)

    def increments(self, asker: Any, starts: list[np.ndarray]) -> list[np.ndarray]:
        """(n_intervals, n_players, n_outputs) for every one of the starts, states (n_intervals, n_players) of all.

        Each is the change when one player leaves its side.
        """
        n, n_players = len(starts), asker.columns.n_players
        which, player = self.single_moves(asker)
        states, moved = np.concatenate(starts), np.concatenate([start[which] for start in starts])
        moved[np.arange(len(moved)), np.tile(player, n)] ^= True
        both = np.concatenate([np.tile(np.arange(len(self)), n), np.tile(which, n)])
        answers = self.ask(asker, both, np.concatenate([states, moved]))
        at_start, at_moved = np.split(answers, [len(states)])
        results = []
        for f_start, f_moved in zip(np.split(at_start, n), np.split(at_moved, n), strict=True):
            results.append(np.zeros((len(self), n_players, answers.shape[1])))
            results[-1][which, player] = f_moved - f_start[which]
        return results

    def first_and_last(self, asker: Any) -> tuple[np.ndarray, np.ndarray]:
        """Effect of every player moving first, and moving last."""
        which, player = self.single_moves(asker)
        first = alone(player, asker.columns.n_players)
        last = asker.moving[self.pair[which]] & ~first
        answers = self.ask(asker, np.tile(which, 2), np.concatenate([first, last]))
        forward, backward = np.zeros((2, len(self), asker.columns.n_players, answers.shape[1]))
        forward[which, player] = answers[: len(which)] - self.f_low[which]
        backward[which, player] = self.f_high[which] - answers[len(which) :]
        return forward, backward

    def random_halves(self, asker: Any, number: int) -> np.ndarray:
        """(n_intervals, n_players): about half of the moving players of each interval, drawn from its key."""
        keys = child_keys(self.key, number)[:, None]
        draw = uniform(child_keys(keys, np.arange(asker.columns.n_players)[None, :]))
        moving = asker.moving[self.pair]
        draw[~moving] = 2.0
        rank = draw.argsort(axis=1).argsort(axis=1)
        return rank < (moving.sum(axis=1, keepdims=True) + 1) // 2


class Ends(NamedTuple):
    """Ends of intervals that are to be asked; place tells which of the answers belongs to each."""

    question: Question
    low: np.ndarray
    high: np.ndarray
    place: np.ndarray

    def fill(self, intervals: Intervals, answers: np.ndarray) -> None:
        """Put the answers where they belong."""
        n_low = np.count_nonzero(self.low)
        intervals.f_low[self.low] = answers[self.place[:n_low]]
        intervals.f_high[self.high] = answers[self.place[n_low:]]


def alone(player: np.ndarray, n_players: int) -> np.ndarray:
    """(n, n_players): masks that hold one player each."""
    return player[:, None] == np.arange(n_players)[None, :]


def half_and_half(asker: Any, intervals: Intervals, values: np.ndarray, error: np.ndarray) -> None:
    """Close intervals that can cost no more: half forward, half backward, their whole difference as error."""
    if len(intervals) == 0:
        return
    credits, doubt = _close(intervals, *intervals.first_and_last(asker))
    np.add.at(values, intervals.pair, credits)
    np.add.at(error, intervals.pair, doubt)


def _close(intervals: Intervals, forward: np.ndarray, backward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of both increments; their difference, and all of what they leave unexplained, as error."""
    credits = (forward + backward) / 2
    gap = np.abs(credits.sum(axis=1) - (intervals.f_high - intervals.f_low))
    moved = (forward != 0) | (backward != 0)
    return credits, np.abs(forward - backward) + gap[:, None, :] * moved


@dataclass(frozen=True)
class Settled:
    """Credits of ties and their error, and the effects of players that move first and last, all alike in shape."""

    values: np.ndarray
    error: np.ndarray
    forward: np.ndarray
    backward: np.ndarray

    def is_additive(self) -> np.ndarray:
        """(n_ties,): every player has the same effect first and last."""
        size = np.abs(self.values).max(axis=(1, 2), initial=0.0)
        return np.abs(self.forward - self.backward).max(axis=(1, 2), initial=0.0) <= ADDITIVE * size


def settle(asker: Any, ties: Intervals, threshold: np.ndarray) -> Settled:
    """Shapley value of every tie over the players with an effect, and its error estimate.

    threshold (n_ties, n_outputs) is what counts as no effect. Up to MAX_ENUMERATED players are enumerated; beyond,
    antithetic permutations are drawn and the error estimate is SIGMAS standard errors. Ties whose pair cannot afford
    that are closed from both ends; those that cannot even be closed may be worth all that the path has shown.
    """
    values = np.zeros((len(ties), asker.columns.n_players, ties.f_low.shape[1]))
    error = np.zeros_like(values)
    if len(ties) == 0:
        return Settled(values, error, values, values)
    n_moving = asker.moving[ties.pair].sum(axis=1)
    can = rank_within(ties.pair) < asker.remaining(ties.pair) // np.maximum(2 * n_moving, 1)
    forward, backward = np.zeros_like(values), np.zeros_like(values)
    forward[can], backward[can] = ties[can].first_and_last(asker)
    values[:], error[:] = _close(ties, forward, backward)
    error[~can] = asker.reach[ties.pair[~can]][:, None, :] * asker.moving[ties.pair[~can]][:, :, None]
    # Beside a smooth part, everybody moves a little; a jump of one player is settled by both ends agreeing on it.
    settled = asker.moves_smoothly[ties.pair] & (error.sum(axis=1) <= AGREED / NOTHING * threshold).all(axis=1)
    ties_of_pair = np.bincount(ties.pair, minlength=len(asker.block))[ties.pair]
    room = asker.remaining(ties.pair) // ties_of_pair
    looked = np.flatnonzero(~settled & can & (room >= CONTEXTS * (n_moving + 1)))
    active = np.zeros((len(ties), asker.columns.n_players), dtype=bool)
    active[looked] = asker.moving[ties.pair[looked]] & asker.is_enumerated_at_half[ties.pair[looked], None]
    active[looked] |= _active_players(asker, ties[looked], threshold[looked], [forward[looked], backward[looked]])
    n_active = active.sum(axis=1)
    room = asker.remaining(ties.pair) // ties_of_pair
    small = looked[(n_active[looked] <= MAX_ENUMERATED) & (2.0 ** n_active[looked] <= room[looked])]
    large = looked[(n_active[looked] > MAX_ENUMERATED) & (2 * PERMUTATIONS * (n_active[looked] + 1) <= room[looked])]
    error[np.append(small, large)] = 0.0
    _enumerate(asker, ties, small, active, values)
    _sample(asker, ties, large, active, values, error)
    gap = np.abs(values.sum(axis=1) - (ties.f_high - ties.f_low))
    error += np.where(gap > threshold, gap, 0.0)[:, None, :] * asker.moving[ties.pair][:, :, None]
    return Settled(values, error, forward, backward)


def _active_players(asker: Any, ties: Intervals, threshold: np.ndarray, effects: list[np.ndarray]) -> np.ndarray:
    """(n_ties, n_players): players with an effect in some state."""
    effects = effects + ties.increments(asker, [ties.random_halves(asker, 1000 + n) for n in range(CONTEXTS)])
    moves = np.any([(np.abs(e) > threshold[:, None, :]).any(axis=2) for e in effects], axis=0)
    return asker.moving[ties.pair] & moves


def _enumerate(asker: Any, ties: Intervals, rows: np.ndarray, active: np.ndarray, values: np.ndarray) -> None:
    """Ask every state of the active players, and share by Shapley."""
    values[rows] = 0.0
    players = [np.flatnonzero(active[i]) for i in rows]
    states = [_all_subsets(p, active.shape[1]) for p in players]
    if not states:
        return
    which = np.repeat(rows, [len(s) for s in states])
    answers = ties.ask(asker, which, np.concatenate(states))
    ends = np.cumsum([len(s) for s in states])
    for i, mine, start, stop in zip(rows, players, ends - [len(s) for s in states], ends, strict=True):
        credits = np.zeros((len(mine), answers.shape[1]))
        shapley_of_states(answers[start:stop], np.arange(len(mine)), len(mine), credits)
        values[i, mine] = credits


def _all_subsets(players: np.ndarray, n_players: int) -> np.ndarray:
    """(2**k, n_players) masks; row number T has player players[i] where bit i of T is set."""
    masks = np.zeros((1 << len(players), n_players), dtype=bool)
    for i, player in enumerate(players):
        masks[:, player] = (np.arange(len(masks)) >> i) & 1
    return masks


def _sample(
    asker: Any, ties: Intervals, rows: np.ndarray, active: np.ndarray, values: np.ndarray, error: np.ndarray
) -> None:
    """Antithetic permutations of the active players of the ties that are too large to enumerate."""
    values[rows] = 0.0
    for i in rows:
        players = np.flatnonzero(active[i])
        gains = _permutation_gains(asker, ties, i, players)
        values[i, players] = gains.mean(axis=0)
        spread = SIGMAS * gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
        error[i, players] = spread + MISSED * np.abs(gains).max() / len(gains)


def _permutation_gains(asker: Any, ties: Intervals, tie: int, players: np.ndarray) -> np.ndarray:
    """(PERMUTATIONS, n_active, n_outputs): marginal effects, each the mean of an order and its reverse."""
    k = len(players)
    keys = child_keys(ties.key[tie], np.arange(PERMUTATIONS * k).reshape(PERMUTATIONS, k))
    order = uniform(keys).argsort(axis=1)
    orders = np.concatenate([order, order[:, ::-1]])
    rank = orders.argsort(axis=1)
    moved = np.zeros((len(orders), k + 1, asker.columns.n_players), dtype=bool)
    moved[:, :, players] = rank[:, None, :] < np.arange(k + 1)[None, :, None]
    flat = moved.reshape(-1, moved.shape[2])
    answers = ties.ask(asker, np.full(len(flat), tie), flat).reshape(len(orders), k + 1, -1)
    gains = np.take_along_axis(np.diff(answers, axis=1), rank[:, :, None], axis=1)
    return gains.reshape(2, PERMUTATIONS, k, -1).mean(axis=0)


def rank_within(pair: np.ndarray) -> np.ndarray:
    """How many entries of the same pair stand before each."""
    order = np.argsort(pair, kind="stable")
    rank = np.empty(len(pair), dtype=np.int64)
    rank[order] = np.arange(len(pair)) - np.searchsorted(pair[order], pair[order])
    return rank


def by_size(jumps: Intervals) -> np.ndarray:
    """The order in which the jumps of every pair go from large to small."""
    return np.lexsort((-np.abs(jumps.f_high - jumps.f_low).max(axis=1, initial=0.0), jumps.pair))
