"""All jumps of trees along the paths of some pairs, in the order in which they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agnostic_ig.engines._contract import Columns, PairBlock
from agnostic_ig.kernels.step_stream import running_margins, tie_margins
from agnostic_ig.kernels.tree_link import TERM, Terms, note_terms
from agnostic_ig.kernels.tree_nodes import GRID, HALF

__all__ = ["Jumps", "find_jumps"]


@dataclass(frozen=True)
class Jumps:
    """Groups of jumps that happen at one alpha of one pair, ordered by pair and alpha.

    starts (n_pairs, n_margins): the margins at the baselines. pair, alpha (n_groups,); before, change (n_groups,
    n_margins): the margins just before a group, and what it adds; lowest, highest (n_groups,): its players; where they
    differ it is a tie. first (n_groups + 1,): its terms.
    """

    starts: np.ndarray
    pair: np.ndarray
    alpha: np.ndarray
    before: np.ndarray
    change: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    first: np.ndarray
    terms: np.ndarray
    values: np.ndarray
    members: np.ndarray

    def __len__(self) -> int:
        return len(self.pair)

    def players(self, group: int) -> np.ndarray:
        """All players of a group."""
        terms = self.terms[self.first[group] : self.first[group + 1]]
        ends = terms["first"] + terms["n_open"] + terms["n_closed"]
        return np.unique(np.concatenate([self.members[a:b] for a, b in zip(terms["first"], ends, strict=True)]))

    def margins(self, group: int, players: np.ndarray, moved: np.ndarray, n_players: int) -> np.ndarray:
        """Margins (n_states, n_margins) in a tie where the players in moved (n_states, len(players)) have moved."""
        local = np.zeros(n_players, dtype=np.int64)
        local[players] = np.arange(len(players))
        part = slice(self.first[group], self.first[group + 1])
        margins = np.repeat(self.before[group][None], len(moved), axis=0)
        tie_margins(self.terms[part], self.members, self.values[part], local, np.ascontiguousarray(moved), margins)
        return margins


def find_jumps(engines: Sequence[Any], block: PairBlock, columns: Columns, others: np.ndarray | None = None) -> Jumps:
    """Jumps of sums of trees (`TreeEngine` without a link) whose margins stand side by side.

    others (n_pairs, n_players): players that move at one half whether trees mind or not; they are part of what happens
    there.
    """
    width = sum(len(engine.start) for engine in engines)
    parts, place = [], 0
    for engine in engines:
        parts.append((*_terms(engine, block, columns), engine.trees, place))
        place += len(engine.start)
    if others is not None:
        parts.append((*_idle_terms(*np.nonzero(others)), engines[0].trees, 0))
    members = np.concatenate([part[1] for part in parts])
    pair = np.concatenate([part[2] for part in parts])
    shifts = np.cumsum([0] + [len(part[1]) for part in parts[:-1]])
    terms = np.concatenate([_shifted(part[0], shift) for part, shift in zip(parts, shifts, strict=True)])
    values = np.concatenate([_leaf_values(part[0], part[3], part[4], width) for part in parts])
    order = np.lexsort((terms["alpha"], pair))
    return _grouped(terms[order], values[order], pair[order], members, _starts(engines, block))


def _terms(engine: Any, block: PairBlock, columns: Columns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leaves alive on the paths, the players that they name, and the pair of each."""
    pairs, player_of = engine.on_paths(block, columns)
    ends = np.empty(len(block), dtype=np.int64)
    room = 64 * len(block)
    while True:
        terms = Terms(np.empty(room, TERM), np.empty(4 * room, np.int64), np.zeros(2, np.int64))
        note_terms(engine.trees, player_of, pairs, terms, ends)
        n_terms, n_members = terms.count
        if n_terms <= room and n_members <= 4 * room:
            break
        room = int(max(n_terms, n_members // 4 + 1))
    pair = np.repeat(np.arange(len(block)), np.diff(ends, prepend=0))
    return terms.term[:n_terms], terms.member[:n_members], pair


def _idle_terms(pair: np.ndarray, player: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Terms at one half that name a player and change nothing: a leaf that opens and closes with the same player."""
    terms = np.zeros(len(pair), dtype=TERM)
    terms["alpha"], terms["n_open"], terms["n_closed"] = HALF, 1, 1
    terms["first"] = 2 * np.arange(len(pair))
    return terms, np.repeat(player, 2).astype(np.int64), pair


def _shifted(terms: np.ndarray, shift: int) -> np.ndarray:
    """The same terms where `shift` members of others stand before theirs."""
    terms = terms.copy()
    terms["first"] += shift
    return terms


def _leaf_values(terms: np.ndarray, trees: Any, place: int, width: int) -> np.ndarray:
    """(n_terms, width): the leaf of every term, in the margins of all engines."""
    values = np.zeros((len(terms), width))
    for v in range(trees.value.shape[1]):
        values[np.arange(len(terms)), place + terms["output"] + v] = trees.value[terms["leaf"], v]
    return values


def _starts(engines: Sequence[Any], block: PairBlock) -> np.ndarray:
    """Margins (n_pairs, n_margins) at the baselines."""
    margins = np.concatenate([engine.predict(block.baselines) for engine in engines], axis=1)
    return np.ascontiguousarray(block.by_baseline(margins))


def _grouped(terms: np.ndarray, values: np.ndarray, pair: np.ndarray, members: np.ndarray, starts: np.ndarray) -> Jumps:
    """Sorted terms in groups of one pair and alpha."""
    is_new = np.ones(len(terms), dtype=bool)
    is_new[1:] = (pair[1:] != pair[:-1]) | (terms["alpha"][1:] != terms["alpha"][:-1])
    first = np.flatnonzero(is_new)
    sign = (terms["n_closed"] == 0) * 1.0 - (terms["n_open"] == 0) * 1.0
    change = np.add.reduceat(sign[:, None] * values, first, axis=0) if len(first) else np.zeros((0, values.shape[1]))
    before = np.empty_like(change)
    running_margins(pair[first], change, starts, before)
    lowest, highest = _extremes(terms, members, first)
    alpha = np.clip(terms["alpha"][first] / GRID, 0.0, 1.0)  # a cast may put it outside, where it counts whole
    ends = np.append(first, len(terms))
    return Jumps(starts, pair[first], alpha, before, change, lowest, highest, ends, terms, values, members)


def _extremes(terms: np.ndarray, members: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest player of every group."""
    if len(first) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    count = terms["n_open"] + terms["n_closed"]
    starts = np.cumsum(count) - count
    flat = members[np.repeat(terms["first"] - starts, count) + np.arange(count.sum())]
    return tuple(rule.reduceat(rule.reduceat(flat, starts), first) for rule in (np.minimum, np.maximum))
