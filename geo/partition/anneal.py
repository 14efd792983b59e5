"""Simulated annealing over contiguous drawings, compiled by Numba.

Moves: one node to a neighbouring grid; two nodes exchanged; two neighbouring grids cut anew along
a random spanning tree, at the edge where the cut is best (ReCom: DeFord, Duchin, Solomon,
"Recombination: a family of Markov chains for redistricting", Harvard Data Science Review 3(1),
2021).
"""

import numpy as np
from numba import njit

from geo.partition.coverage import Ints
from geo.partition.kernel import (
    BORDER,
    COMPILED,
    HOT,
    Problem,
    State,
    grid_cost,
    move,
    move_cost,
    new_state,
    own_cost,
    perimeters_after,
    shared_cost,
    stays_connected,
    total_cost,
)

SWAP_SHARE, RECUT_SHARE = 0.1, 0.002


@njit(**COMPILED)
def anneal(
    p: Problem,
    label: Ints,
    grids: int,
    moves: int,
    hot: float,
    cold: float,
    seed: int,
    stop: Ints,
) -> tuple[Ints, float]:
    """Return the best assignment met and its objective.

    Parameters
    ----------
    label
        (n,) contiguous assignment to start from, grids numbered 0 .. grids - 1.
    moves
        Number of moves tried.
    hot, cold
        First and last temperature in the objective's unit.
    stop
        (1,) another thread sets it to 1 to end the search with the best so far.
    """
    np.random.seed(seed)
    s = new_state(p, label, grids)
    now = total_cost(p, s)
    best, best_label = now, label.copy()
    cooling = (cold / hot) ** (1.0 / max(moves, 1))
    heat = hot
    for _ in range(moves):
        heat *= cooling
        if s.cuts[0] == 0 or stop[0]:
            break
        pick = np.random.random()
        if pick < RECUT_SHARE:
            now += _recut(p, s, heat)
        elif pick < RECUT_SHARE + SWAP_SHARE:
            now += _exchange(p, s, heat)
        else:
            now += _step(p, s, heat)
        if now < best - 1e-9:
            best = now
            best_label[:] = s.label
    return best_label, best


@njit(**HOT)
def _accepts(change: float, heat: float) -> bool:
    return change <= 0.0 or np.random.random() < np.exp(-change / heat)


@njit(**HOT)
def _random_border_node(p: Problem, s: State) -> tuple[int, int]:
    """Return a node on a border and the grid across it."""
    e = s.cut_edges[np.random.randint(s.cuts[0])]
    side = np.random.randint(2)
    return p.edges[e, side], s.label[p.edges[e, 1 - side]]


@njit(**HOT)
def _step(p: Problem, s: State, heat: float) -> float:
    u, b = _random_border_node(p, s)
    if p.locked[u]:
        return 0.0
    change = move_cost(p, s, u, b)
    if not _accepts(change, heat) or not stays_connected(p, s, u):
        return 0.0
    move(p, s, u, b)
    return change


@njit(**HOT)
def _exchange(p: Problem, s: State, heat: float) -> float:
    """Move a node over a border and another one back over the same border."""
    u, b = _random_border_node(p, s)
    a = s.label[u]
    if p.locked[u] or not stays_connected(p, s, u):
        return 0.0
    change = move_cost(p, s, u, b)
    move(p, s, u, b)
    for _ in range(12):
        v, g = _random_border_node(p, s)
        if s.label[v] == b and g == a and v != u and not p.locked[v]:
            both = change + move_cost(p, s, v, a)
            if _accepts(both, heat) and stays_connected(p, s, v):
                move(p, s, v, a)
                return both
            break
    move(p, s, u, a)
    return 0.0


@njit(**COMPILED)
def _recut(p: Problem, s: State, heat: float) -> float:
    """Join two neighbouring grids and cut them anew along a random spanning tree."""
    u, b = _random_border_node(p, s)
    a = s.label[u]
    nodes = _nodes_of(p, s, u, a, b)
    for i in range(len(nodes)):
        if p.locked[nodes[i]]:
            return 0.0
    order, parent = _random_tree(p, s, nodes)
    top = _best_tree_edge(p, s, order, parent)
    if top < 0:
        return 0.0
    return _relabel(p, s, order, parent, top, a, b, heat)


@njit(**COMPILED)
def _nodes_of(p: Problem, s: State, first: int, a: int, b: int) -> Ints:
    """Return the nodes of two adjacent grids."""
    s.stamp[0] += 2
    stamp = s.stamp[0]
    s.queue[0], s.mark[first] = first, stamp
    head, tail = 0, 1
    while head < tail:
        v = s.queue[head]
        head += 1
        for i in range(p.start[v], p.start[v + 1]):
            w = p.neighbour[i]
            if s.mark[w] != stamp and (s.label[w] == a or s.label[w] == b):
                s.mark[w] = stamp
                s.queue[tail] = w
                tail += 1
    return s.queue[:tail].copy()


@njit(**COMPILED)
def _random_tree(p: Problem, s: State, nodes: Ints) -> tuple[Ints, Ints]:
    """Return a random spanning tree as nodes from the root down, and parents by position.

    Prim's algorithm on exponential edge keys: edges dear to cut come into the tree early, so
    that the tree is thin where a cut is cheap.
    """
    n = len(nodes)
    place = np.full(len(s.label), -1, np.int64)
    key = np.full(n, np.inf)
    via = np.full(n, -1, np.int64)
    for i in range(n):
        place[nodes[i]] = i
    done = np.zeros(n, np.bool_)
    order = np.empty(n, np.int64)
    parent = np.full(n, -1, np.int64)
    rank = np.full(n, -1, np.int64)
    current = np.random.randint(n)
    for step in range(n):
        if step > 0:
            current, least = -1, np.inf
            for i in range(n):
                if not done[i] and key[i] < least:
                    current, least = i, key[i]
        done[current] = True
        order[step] = nodes[current]
        rank[current] = step
        if via[current] >= 0:
            parent[step] = rank[via[current]]
        u = nodes[current]
        for i in range(p.start[u], p.start[u + 1]):
            j = place[p.neighbour[i]]
            if j >= 0 and not done[j]:
                e = p.edge[i]
                glue = max(p.cut[e] - p.inside[e], 0.05 * p.length[e]) + 0.1
                fresh = -np.log(np.random.random() + 1e-300) / glue
                if fresh < key[j]:
                    key[j], via[j] = fresh, current
    return order, parent


@njit(**COMPILED)
def _best_tree_edge(p: Problem, s: State, order: Ints, parent: Ints) -> int:
    """Return the tree node under which the cheapest cut lies, by limits, balance and border.

    The border cost of cutting under a node is a sum over its subtree: each graph edge counts at
    both ends and is taken off twice where its ends meet.
    """
    n = len(order)
    rank = np.full(len(s.label), -1, np.int64)
    for i in range(n):
        rank[order[i]] = i
    households = np.zeros(n)
    border = np.zeros(n)
    depth = np.zeros(n, np.int64)
    for i in range(n):
        households[i] = p.households[order[i]]
        if parent[i] >= 0:
            depth[i] = depth[parent[i]] + 1
    for i in range(n):
        u = order[i]
        for k in range(p.start[u], p.start[u + 1]):
            j = rank[p.neighbour[k]]
            if j > i:
                e = p.edge[k]
                gain = p.weights[BORDER] * (p.cut[e] - p.inside[e])
                border[i] += gain
                border[j] += gain
                x, y = i, j
                while x != y:
                    if depth[x] >= depth[y]:
                        x = parent[x]
                    else:
                        y = parent[y]
                border[x] -= 2.0 * gain
    for i in range(n - 1, 0, -1):
        households[parent[i]] += households[i]
        border[parent[i]] += border[i]
    best, least = -1, np.inf
    for i in range(1, n):
        one, other = households[i], households[0] - households[i]
        cost = border[i] + grid_cost(p, one, 1.0, 0.0) + grid_cost(p, other, 1.0, 0.0)
        if cost < least:
            best, least = i, cost
    return best


@njit(**COMPILED)
def _relabel(
    p: Problem, s: State, order: Ints, parent: Ints, top: int, a: int, b: int, heat: float
) -> float:
    """Give the subtree under ``top`` to one grid and the rest to the other, if accepted."""
    n = len(order)
    under = np.zeros(n, np.bool_)
    kept = 0
    for i in range(top, n):
        under[i] = i == top or (parent[i] >= 0 and under[parent[i]])
    for i in range(n):
        kept += p.households[order[i]] * (1 if under[i] == (s.label[order[i]] == a) else -1)
    below, above = (a, b) if kept >= 0 else (b, a)
    old = np.empty(n, np.int64)
    change = -own_cost(p, s, a) - own_cost(p, s, b)
    for i in range(n):
        u = order[i]
        old[i] = s.label[u]
        new = below if under[i] else above
        if new != old[i]:
            border = perimeters_after(p, s, u, new)[2]
            change += shared_cost(p, s, u, new, border)
            move(p, s, u, new)
    change += own_cost(p, s, a) + own_cost(p, s, b)
    if _accepts(change, heat):
        return change
    for i in range(n):
        if s.label[order[i]] != old[i]:
            move(p, s, order[i], old[i])
    return 0.0
