"""Simulated annealing over contiguous drawings, compiled by Numba.

Moves: one node to a neighbouring grid; an exchange of two nodes; a recut of two neighbouring grids
along a random spanning tree, at the edge where the cut is best (ReCom: DeFord, Duchin, Solomon,
"Recombination: a family of Markov chains for redistricting", Harvard Data Science Review 3(1),
2021).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.partition.search.kernel import (
    BORDER,
    COMPACT,
    COMPOUND,
    KernelProblem,
    KernelState,
    build_state,
    grid_cost,
    move_cost,
    move_node,
    perimeters_after,
    random_below,
    random_uniform,
    shared_cost_change,
    stays_connected,
    total_cost,
)
from geo.types import Floats, Ints

SWAP_SHARE = 0.02

RECUTS, MAX_RECUT_SHARE = 8.0, 0.05
"""Share of the moves that are recuts: RECUTS over the squared mean number of nodes of a grid, at
most MAX_RECUT_SHARE. On few nodes a recut is cheap and leads to quite different drawings."""

BLIND_TEMPERATURE = 2000.0
"""Above it every second spanning tree ignores what borders cost. Where the households leave hardly
any choice, the only cut within the limits may run along expensive borders."""

PRUNE_RATIO = 8.0
"""A recut that costs this many temperatures more is not tried: one in 3,000 would be accepted."""


class Tree(NamedTuple):
    """Buffers for a spanning tree of two grids, reused for every recut."""

    rank: Ints  # (n,) place of a node, -1 before it is reached
    via: Ints  # (n,) the node from which it is reached
    key: Floats  # (n,)
    heap: Ints  # (2m + 1,) queued nodes, some of them twice
    heap_key: Floats
    reached: Ints  # (n,) nodes in the order in which they were reached; in this order:
    parent: Ints
    weight: Ints  # nodes of the subtree
    place: Ints  # in preorder
    free: Ints  # the next place under a node
    order: Ints  # (n,) nodes in preorder; in this order:
    above: Ints  # the parent
    up: Ints  # an ancestor
    size: Ints
    old: Ints  # grid before the cut
    households: Floats  # of the subtree
    border: Floats  # border cost of cutting it off


@njit(**COMPILED)
def _new_tree(n: int, m: int) -> Tree:
    return Tree(
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(2 * m + 1, np.int64),
        np.zeros(2 * m + 1),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(n),
    )


@kernel(**COMPILED)
def anneal(
    p: KernelProblem,
    label: Ints,
    grids: int,
    moves: int,
    hot: float,
    cold: float,
    seed: int,
    stop: Ints,
) -> tuple[Ints, float]:
    """Return the best assignment visited and its objective.

    Parameters
    ----------
    label
        (n,) int64 contiguous labels to start from, numbered 0 .. grids - 1.
    moves
        Number of moves tried.
    hot, cold
        First and last temperature in the unit of the objective.
    stop
        (1,) int64; another thread sets it to 1 to end the search with the best so far.
    """
    s = build_state(p, label, grids, seed)
    tree = _new_tree(len(label), len(p.edges))
    current = total_cost(p, s)
    best, best_label = current, label.copy()
    recut_share = min(RECUTS * (grids / len(label)) ** 2, MAX_RECUT_SHARE)
    cooling = (cold / hot) ** (1.0 / max(moves, 1))
    heat = hot
    for _ in range(moves):
        heat *= cooling
        if s.cuts[0] == 0 or stop[0]:
            break
        pick = random_uniform(s)
        if pick < recut_share:
            current += _recut(p, s, tree, heat)
        elif pick < recut_share + SWAP_SHARE:
            current += _exchange(p, s, heat)
        else:
            current += _move_one(p, s, heat)
        if current < best - 1e-9:
            best = current
            for u in range(len(best_label)):  # a slice would compile for a second
                best_label[u] = s.label[u]
    return best_label, best


@njit(**INLINED)
def _accepts(s: KernelState, change: float, heat: float) -> bool:
    return change <= 0.0 or random_uniform(s) < np.exp(-change / heat)


@njit(**INLINED)
def _random_border_node(p: KernelProblem, s: KernelState) -> tuple[int, int]:
    """Return a node on a border and the grid across it."""
    end = random_below(s, 2 * s.cuts[0])
    e, side = s.cut_edges[end >> 1], end & 1
    return p.edges[e, side], s.label[p.edges[e, 1 - side]]


@njit(**INLINED)
def _move_one(p: KernelProblem, s: KernelState, heat: float) -> float:
    u, b = _random_border_node(p, s)
    if p.locked[u]:
        return 0.0
    change = move_cost(p, s, u, b)
    if not _accepts(s, change, heat) or not stays_connected(p, s, u):
        return 0.0
    move_node(p, s, u, b)
    return change


@njit(**INLINED)
def _exchange(p: KernelProblem, s: KernelState, heat: float) -> float:
    """Move a node over a border and another one back over the same border."""
    u, b = _random_border_node(p, s)
    a = s.label[u]
    if p.locked[u] or not stays_connected(p, s, u):
        return 0.0
    change = move_cost(p, s, u, b)
    move_node(p, s, u, b)
    for _ in range(12):
        v, g = _random_border_node(p, s)
        if s.label[v] == b and g == a and v != u and not p.locked[v]:
            both = change + move_cost(p, s, v, a)
            if _accepts(s, both, heat) and stays_connected(p, s, v):
                move_node(p, s, v, a)
                return both
            break
    move_node(p, s, u, a)
    return 0.0


@njit(**INLINED)
def _recut(p: KernelProblem, s: KernelState, t: Tree, heat: float) -> float:
    """Merge two neighbouring grids and cut them again along a random spanning tree."""
    u, b = _random_border_node(p, s)
    a = s.label[u]
    n = _collect_nodes(p, s, t, u, a, b)
    if n == 0:
        return 0.0
    _grow_tree(p, s, t, n, heat)
    _put_in_preorder(t, n)
    top, cost, current = _best_tree_edge(p, s, t, n)
    # The tree ignores that grids may become rounder, and compounds whole.
    ignored = s.cost[a] + s.cost[b] - _by_households(p, s.households[a], s.households[b])
    if top < 0 or cost - current > ignored + p.weights[COMPOUND] + PRUNE_RATIO * heat:
        return 0.0
    return _relabel(p, s, t, n, top, a, b, heat)


@njit(**INLINED)
def _collect_nodes(p: KernelProblem, s: KernelState, t: Tree, first: int, a: int, b: int) -> int:
    """Queue the nodes of two adjacent grids; return their number, 0 if one is locked."""
    s.stamp[0] += 2
    stamp = s.stamp[0]
    s.queue[0], s.mark[first] = first, stamp
    head, tail = 0, 1
    while head < tail:
        v = s.queue[head]
        if p.locked[v]:
            return 0
        t.rank[v], t.key[v] = -1, np.inf
        head += 1
        for i in range(p.start[v], p.start[v + 1]):
            w = p.neighbour[i]
            if s.mark[w] != stamp and (s.label[w] == a or s.label[w] == b):
                s.mark[w] = stamp
                s.queue[tail] = w
                tail += 1
    return tail


@njit(**INLINED)
def _grow_tree(p: KernelProblem, s: KernelState, t: Tree, n: int, heat: float) -> None:
    """Grow a random spanning tree over the queued nodes, parents before their children.

    Prim's algorithm on random edge keys: edges that are expensive to cut enter the tree early, so
    that the tree has few edges where a cut is cheap. See :data:`BLIND_TEMPERATURE`.
    """
    stamp = s.stamp[0]
    is_blind = heat > BLIND_TEMPERATURE and random_uniform(s) < 0.5
    first = s.queue[random_below(s, n)]
    t.via[first], t.key[first] = -1, 0.0
    t.heap_key[0], t.heap[0], queued, step = 0.0, first, 1, 0
    while queued > 0:
        u = _pop_heap(t, queued)
        queued -= 1
        if t.rank[u] >= 0:
            continue
        t.reached[step], t.rank[u] = u, step
        t.parent[step] = t.rank[t.via[u]] if step else -1
        step += 1
        for i in range(p.start[u], p.start[u + 1]):
            w = p.neighbour[i]
            if s.mark[w] == stamp and t.rank[w] < 0:
                tie = 1.0 if is_blind else max(p.shore[i, 1], 0.05 * p.shore[i, 0]) + 0.1
                key = random_uniform(s) / tie
                if key < t.key[w]:
                    t.key[w], t.via[w] = key, u
                    _push_heap(t, queued, key, w)
                    queued += 1


@njit(**INLINED)
def _push_heap(t: Tree, size: int, key: float, node: int) -> None:
    """Push a node onto the binary heap."""
    i = size
    while i > 0 and t.heap_key[(i - 1) >> 1] > key:
        t.heap_key[i], t.heap[i] = t.heap_key[(i - 1) >> 1], t.heap[(i - 1) >> 1]
        i = (i - 1) >> 1
    t.heap_key[i], t.heap[i] = key, node


@njit(**INLINED)
def _pop_heap(t: Tree, size: int) -> int:
    """Pop the node with the least key from the binary heap."""
    top, key, node = t.heap[0], t.heap_key[size - 1], t.heap[size - 1]
    i, child = 0, 1
    while child < size - 1:
        if child + 1 < size - 1 and t.heap_key[child + 1] < t.heap_key[child]:
            child += 1
        if t.heap_key[child] >= key:
            break
        t.heap_key[i], t.heap[i] = t.heap_key[child], t.heap[child]
        i, child = child, 2 * child + 1
    t.heap_key[i], t.heap[i] = key, node
    return top


@njit(**INLINED)
def _put_in_preorder(t: Tree, n: int) -> None:
    """Renumber the tree in preorder, with contiguous subtrees; ``rank`` becomes the place."""
    for i in range(n):
        t.weight[i] = 1
    for i in range(n - 1, 0, -1):
        t.weight[t.parent[i]] += t.weight[i]
    t.place[0], t.free[0] = 0, 1
    for i in range(1, n):
        above = t.parent[i]
        t.place[i] = t.free[above]
        t.free[above] += t.weight[i]
        t.free[i] = t.place[i] + 1
    for i in range(n):
        u, at = t.reached[i], t.place[i]
        t.order[at], t.rank[u], t.size[at] = u, at, t.weight[i]
        t.above[at] = t.place[t.parent[i]] if i else -1


@njit(**INLINED)
def _by_households(p: KernelProblem, one: float, other: float) -> float:
    """Return the cost of two grids by their households alone."""
    return grid_cost(p, one, 1.0, 0.0) + grid_cost(p, other, 1.0, 0.0) + 2.0 * p.weights[COMPACT]


@njit(**INLINED)
def _best_tree_edge(p: KernelProblem, s: KernelState, t: Tree, n: int) -> tuple[int, float, float]:
    """Return the cheapest cut of the tree by limits, balance and border.

    The border cost of cutting off a subtree is a sum over its nodes: each graph edge counts at
    both ends and is subtracted twice at their lowest common ancestor. In preorder that is the first
    ancestor of the later end that does not come after the other; paths upwards are shortened on
    the way.

    Returns
    -------
    top, cost, current
        Place of the root of the subtree, -1 for none; cost of this cut, and of the present one.
    """
    first, households, current = s.label[t.order[0]], 0.0, 0.0
    for i in range(n):
        t.border[i], t.up[i] = 0.0, t.above[i]
    for i in range(n - 1, -1, -1):
        u = t.order[i]
        t.households[i] = p.households[u]
        if s.label[u] == first:
            households += p.households[u]
        for k in range(p.start[u], p.start[u + 1]):
            w = p.neighbour[k]
            if s.mark[w] != s.stamp[0] or t.rank[w] <= i:
                continue
            j, gain = t.rank[w], p.weights[BORDER] * p.shore[k, 1]
            t.border[i] += gain
            t.border[j] += gain
            if s.label[w] != s.label[u]:
                current += gain
            while j > i:
                if t.up[j] > i:
                    t.up[j] = t.up[t.up[j]]
                j = t.up[j]
            t.border[j] -= 2.0 * gain
    for i in range(n - 1, 0, -1):
        t.households[t.above[i]] += t.households[i]
        t.border[t.above[i]] += t.border[i]
    current += _by_households(p, households, t.households[0] - households)
    best, least = -1, np.inf
    for i in range(1, n):
        cost = t.border[i] + _by_households(p, t.households[i], t.households[0] - t.households[i])
        if cost < least:
            best, least = i, cost
    return best, least, current


@njit(**INLINED)
def _relabel(
    p: KernelProblem, s: KernelState, t: Tree, n: int, top: int, a: int, b: int, heat: float
) -> float:
    """Assign the subtree of ``top`` to one grid and the rest to the other, if accepted."""
    end, unmoved = top + t.size[top], 0
    for i in range(n):
        u = t.order[i]
        unmoved += p.households[u] * (1 if (top <= i < end) == (s.label[u] == a) else -1)
    inner, outer = (a, b) if unmoved >= 0 else (b, a)
    change = -s.cost[a] - s.cost[b]
    for i in range(n):
        u = t.order[i]
        t.old[i] = s.label[u]
        new = inner if top <= i < end else outer
        if new != s.label[u]:
            border = perimeters_after(p, s, u, new)[2]
            change += shared_cost_change(p, s, u, new, border)
            move_node(p, s, u, new)
    change += s.cost[a] + s.cost[b]
    if _accepts(s, change, heat):
        return change
    for i in range(n):
        if s.label[t.order[i]] != t.old[i]:
            move_node(p, s, t.order[i], t.old[i])
    return 0.0
