"""Which training points are the nearest k along straight paths, and what every change among them brings.

Along z = b + alpha d the squared distance from a site s is |b - s|**2 + 2 alpha (b - s).d + alpha**2 |d|**2. The last
term is the same for all: distances compare as lines in alpha, and the set of the nearest k changes where the k-th of
them is crossed. There the path crosses the plane between two sites, whose normal joins them.
"""

import numpy as np

from agnostic_ig.kernels._jit import kernel

__all__ = ["distances", "nearest_steps"]

SAME_ALPHA = 2.0**-40  # crossings closer than this happen together
ROUNDING = 1e-13  # of a height, relative to what it is added up from


@kernel
def distances(rows, sites, out):
    """out[p, i] = |rows[p] - sites[i]|**2."""
    for p in range(rows.shape[0]):
        for i in range(sites.shape[0]):
            total = 0.0
            for j in range(sites.shape[1]):
                apart = rows[p, j] - sites[i, j]
                total += apart * apart
            out[p, i] = total


@kernel
def nearest_steps(sites, values, starts, ends, first, last, out, doubt):
    """out[p, j] (n, d, m) += what column j brings of the change of the sum of values over the nearest k of path p.

    sites (N, d), values (N, m); first, last (n, k): the nearest at both ends, as the model sees them. doubt (n, m) +=
    sizes of steps whose shares the path does not determine.
    """
    n_sites, n_columns = sites.shape
    height, slope, inside = np.empty(n_sites), np.empty(n_sites), np.empty(n_sites, np.bool_)
    group = np.empty(n_sites, np.int64)
    for p in range(starts.shape[0]):
        move = ends[p] - starts[p]
        for i in range(n_sites):
            height[i], slope[i] = 0.0, 0.0
            for j in range(n_columns):
                apart = starts[p, j] - sites[i, j]
                height[i] += apart * apart
                slope[i] += 2.0 * apart * move[j]
        inside[:] = False
        inside[first[p]] = True
        top = _highest(height, inside, first[p])
        who, alpha = _next(height, slope, inside, top, 0.0)
        while alpha < 1.0 - SAME_ALPHA:
            n = _gather(height, slope, inside, top, who, alpha, group)
            _pass(sites, values, slope, inside, group[:n], move, out[p], doubt[p])
            top = _highest(slope, inside, group[:n])
            who, alpha = _next(height, slope, inside, top, alpha)
        _arrive(sites, values, slope, inside, last[p], move, out[p], doubt[p])


@kernel
def _highest(rank, inside, group):
    """The member of a group that ranks highest."""
    top = -1
    for i in group:
        if inside[i] and (top < 0 or rank[i] > rank[top]):
            top = i
    return top


@kernel
def _next(height, slope, inside, top, alpha):
    """Who next passes the farthest member, from below if it is one itself or else from above, and where; 2 if nobody.

    What should have happened before alpha, but for rounding, happens now.
    """
    who, soonest = -1, 2.0
    for i in range(height.size):
        if inside[i] != (slope[i] < slope[top]) and slope[i] != slope[top]:
            there = max(alpha, (height[i] - height[top]) / (slope[top] - slope[i]))
            if there < soonest:
                who, soonest = i, there
    return who, soonest


@kernel
def _gather(height, slope, inside, top, who, alpha, group):
    """All lines that pass through the height of the farthest member at alpha, `who` among them: members first."""
    n = 0
    for members in (True, False):
        for i in range(height.size):
            apart = height[i] - height[top] + alpha * (slope[i] - slope[top])
            size = abs(height[i]) + abs(slope[i]) + abs(height[top]) + abs(slope[top])
            is_there = abs(apart) <= SAME_ALPHA * abs(slope[i] - slope[top]) + ROUNDING * size
            if inside[i] == members and (is_there or i == who):
                group[n] = i
                n += 1
    return n


@kernel
def _same(sites, i, j):
    """Whether two training points are equal."""
    return (sites[i] == sites[j]).all()


@kernel
def _pass(sites, values, slope, inside, group, move, out, doubt):
    """What happens where the lines of a group meet: those of the least slopes are inside behind it."""
    n_members, n_places = 0, 0
    place = np.empty(group.size, np.int64)  # of a line's training point among the distinct ones
    head = np.empty(group.size, np.int64)
    for g in range(group.size):
        n_members += inside[group[g]]
        place[g] = -1
        for q in range(n_places):
            if _same(sites, group[g], head[q]):
                place[g] = q
        if place[g] < 0:
            place[g], head[n_places] = n_places, group[g]
            n_places += 1
    order = np.argsort(-slope[head[:n_places]], kind="mergesort")
    if n_places == 2:
        _share_pair(sites, values, group, place, head, order, n_members, move, out, doubt)
    elif n_places == 3:
        _share_three(sites, values, group, place, head, order, n_members, move, out, doubt)
    _settle(sites, values, slope, inside, group, place, order[::-1], n_members, move, out, doubt, n_places > 3)


@kernel
def _fill(values, group, place, order, n_members, total):
    """Sum of values of the first n_members lines where training points stand in this order."""
    total[:] = 0.0
    room = n_members
    for q in order:
        for g in range(group.size):
            if place[g] == q and room > 0:
                total += values[group[g]]
                room -= 1


@kernel
def _share(jump, from_site, to_site, weight, move, out, doubt):
    """weight times a jump, across the plane between the site that is left and the site that is entered."""
    along, size = 0.0, 0.0
    for j in range(move.size):
        along += (to_site[j] - from_site[j]) * move[j]
        size += abs((to_site[j] - from_site[j]) * move[j])
    if along > ROUNDING * size:
        for j in range(move.size):
            out[j] += (to_site[j] - from_site[j]) * move[j] / along * weight * jump
        doubt += np.abs(jump) * (weight * ROUNDING * size / along if along < 1e-6 * size else 0.0)
        return
    length = (move * move).sum()
    for j in range(move.size):
        out[j] += move[j] * move[j] / (length if length > 0.0 else 1.0) * weight * jump
    doubt += np.abs(jump)


@kernel
def _share_pair(sites, values, group, place, head, order, n_members, move, out, doubt):
    """One plane is crossed."""
    before, after = np.empty(values.shape[1]), np.empty(values.shape[1])
    _fill(values, group, place, order, n_members, before)
    _fill(values, group, place, order[::-1], n_members, after)
    if (before != after).any():
        _share(after - before, sites[head[order[0]]], sites[head[order[1]]], 1.0, move, out, doubt)


@kernel
def _share_three(sites, values, group, place, head, order, n_members, move, out, doubt):
    """Three planes meet on the path: noise around it sees either half of each of them equally often."""
    before, after, way = np.empty(values.shape[1]), np.empty(values.shape[1]), np.empty(3, np.int64)
    for a in range(3):
        for b in range(a + 1, 3):
            one, other, third = order[a], order[b], order[3 - a - b]
            for third_first in (True, False):
                way[0 if third_first else 2] = third
                shift = 1 if third_first else 0
                way[shift], way[shift + 1] = one, other
                _fill(values, group, place, way, n_members, before)
                way[shift], way[shift + 1] = other, one
                _fill(values, group, place, way, n_members, after)
                if (before != after).any():
                    _share(after - before, sites[head[one]], sites[head[other]], 0.5, move, out, doubt)


@kernel
def _settle(sites, values, slope, inside, group, place, order, n_members, move, out, doubt, is_open):
    """Members behind the meeting; where no rule says whose step it was (is_open), it goes along the path, in doubt."""
    jump, room, partly = np.zeros(values.shape[1]), n_members, -1
    for g in group:
        jump -= values[g] * inside[g]
        inside[g] = False
    for q in order:
        partly = q if room > 0 else partly
        for g in range(group.size):
            if place[g] == q and room > 0:
                inside[group[g]] = True
                jump += values[group[g]]
                room -= 1
    if is_open and (jump != 0.0).any():
        _share(jump, move, move, 1.0, move, out, doubt)
    for o in range(values.shape[1]):  # equal points, of which some are inside: which ones, is the model's own affair
        low, high, outside = np.inf, -np.inf, False
        for g in range(group.size):
            if place[g] == partly:
                outside = outside or not inside[group[g]]
                low, high = min(low, values[group[g], o]), max(high, values[group[g], o])
        doubt[o] += high - low if outside else 0.0


@kernel
def _arrive(sites, values, slope, inside, last, move, out, doubt):
    """What is left at the end of the path: sites that cross there, if the model says so."""
    jump, n = np.zeros(values.shape[1]), 0
    leaves, enters = 0, 0
    for i in last:
        if not inside[i]:
            jump += values[i]
            enters, n = i, n + 1
        inside[i] = False
    for i in range(inside.size):
        if inside[i]:
            jump -= values[i]
            leaves = i
    if (jump != 0.0).any():
        if n == 1 and slope[leaves] > slope[enters]:
            _share(jump, sites[leaves], sites[enters], 1.0, move, out, doubt)
        else:
            _share(jump, move, move, 1.0, move, out, doubt)
