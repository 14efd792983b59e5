"""The compiled inner loop of the search: states, moves, and the change of cost of a move.

The costs are the incremental form of the objective in :mod:`geo.partition.scoring.objective`: a
state holds, for every grid, the sums that determine its cost, so that the time of a move is
proportional to the number of neighbours of the node. The tests compare both forms.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.types import Floats, Ints

FOUR_PI = 4.0 * np.pi
LIMIT, BALANCE, BORDER, COMPACT, COMPOUND, MOVED = range(6)

APART_COST = 100_000.0
"""Cost of a cannot-link pair in one grid: more than anything else can gain."""


class KernelProblem(NamedTuple):
    """The constant input of a search; neighbours in compressed rows."""

    households: Ints
    start: Ints  # (n + 1,) first neighbour of each node
    neighbour: Ints  # (2m,)
    edge: Ints  # (2m,) edge of each neighbour
    shore: Floats  # (2m, 2) of each neighbour's edge: length, and cost of cutting it
    edges: Ints  # (m, 2)
    cut: Floats
    inside: Floats
    length: Floats
    area: Floats
    outline: Floats
    compound: Ints
    needed: Ints  # grids that a compound needs at least
    previous: Ints  # (n,) previous grid, -1 for none
    locked: Ints  # (n,) 1 where the node may not move
    apart_start: Ints  # (n + 1,) first cannot-link partner of each node
    apart: Ints  # the partners
    weights: Floats
    target: float
    lower: float
    upper: float


class KernelState(NamedTuple):
    """An assignment with the sums per grid that determine its cost."""

    label: Ints
    households: Floats
    area: Floats
    perimeter: Floats
    cost: Floats  # (grids,) limits, balance and compactness of each grid
    compound: Ints  # (compounds, grids) nodes of a compound in a grid
    parts: Ints  # (compounds,) grids a compound lies in
    cut_edges: Ints  # (m,) the edges between grids come first
    position: Ints  # (m,) where an edge stands in cut_edges
    cuts: Ints  # (1,) number of edges between grids
    mark: Ints  # (n,) scratch of the contiguity check
    stamp: Ints  # (1,)
    queue: Ints  # (n,) scratch
    random: NDArray[np.uint64]  # (1,) state of the random numbers, not 0


@njit(**INLINED)
def households_cost(
    households: float, target: float, lower: float, upper: float, limit: float, balance: float
) -> float:
    """Return the cost of one grid by its households: limits and balance."""
    off = (households - target) / 100.0
    excess = max(households - upper, 0.0) + max(lower - households, 0.0)
    return limit * excess + balance * off * off


@njit(**INLINED)
def grid_cost(p: KernelProblem, households: float, area: float, perimeter: float) -> float:
    """Return what one grid costs by itself: limits, balance, compactness."""
    roundness = perimeter * perimeter / (FOUR_PI * max(area, 1e-9)) - 1.0
    by_households = households_cost(
        households, p.target, p.lower, p.upper, p.weights[LIMIT], p.weights[BALANCE]
    )
    return by_households + p.weights[COMPACT] * roundness


@kernel(**COMPILED)
def build_state(p: KernelProblem, label: Ints, grids: int, seed: int) -> KernelState:
    """Build the state of a (n,) int64 label; ``seed`` is from 0 to 2**31."""
    n, m, compounds = len(p.households), len(p.edges), len(p.needed)
    state = KernelState(
        label.copy(),
        np.zeros(grids),
        np.zeros(grids),
        np.zeros(grids),
        np.zeros(grids),
        np.zeros((compounds, grids), np.int64),
        np.zeros(compounds, np.int64),
        np.arange(m),
        np.arange(m),
        np.zeros(1, np.int64),
        np.zeros(n, np.int64),
        np.zeros(1, np.int64),
        np.zeros(n, np.int64),
        np.array([_seed_state(np.uint64(seed))]),
    )
    for u in range(n):
        g = label[u]
        state.households[g] += p.households[u]
        state.area[g] += p.area[u]
        state.perimeter[g] += p.outline[u]
        c = p.compound[u]
        if c >= 0:
            if state.compound[c, g] == 0:
                state.parts[c] += 1
            state.compound[c, g] += 1
    for e in range(m):
        a, b = label[p.edges[e, 0]], label[p.edges[e, 1]]
        if a != b:
            state.perimeter[a] += p.length[e]
            state.perimeter[b] += p.length[e]
            _set_cut(state, e)
    for g in range(grids):
        state.cost[g] = grid_cost(p, state.households[g], state.area[g], state.perimeter[g])
    return state


@njit(**INLINED)
def _seed_state(seed: np.uint64) -> np.uint64:
    """Return 64 bits, not all 0, that are very different even for similar seeds (SplitMix64)."""
    x = seed + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) | np.uint64(1)


@njit(**INLINED)
def _next_random(s: KernelState) -> np.uint64:
    """Return 64 random bits and advance the generator.

    Xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled",
    ACM TOMS 42(4), 2016). Numba's own generator takes a quarter of a move's time.
    """
    x = s.random[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    s.random[0] = x
    return x * np.uint64(0x2545F4914F6CDD1D)


@njit(**INLINED)
def random_uniform(s: KernelState) -> float:
    """Return a random float in [0, 1)."""
    return (_next_random(s) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(**INLINED)
def random_below(s: KernelState, count: int) -> int:
    """Return a random integer in [0, count); ``count`` is less than 2**32."""
    return int(((_next_random(s) >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))


@njit(**INLINED)
def total_cost(p: KernelProblem, s: KernelState) -> float:
    """Return the objective of a state."""
    cost = 0.0
    for g in range(len(s.households)):
        cost += grid_cost(p, s.households[g], s.area[g], s.perimeter[g])
    for e in range(len(p.edges)):
        apart = s.label[p.edges[e, 0]] != s.label[p.edges[e, 1]]
        cost += p.weights[BORDER] * (p.cut[e] if apart else p.inside[e])
    for c in range(len(p.needed)):
        cost += p.weights[COMPOUND] * max(s.parts[c] - p.needed[c], 0)
    for u in range(len(s.label)):
        if p.previous[u] >= 0 and p.previous[u] != s.label[u]:
            cost += p.weights[MOVED] * p.households[u]
        for i in range(p.apart_start[u], p.apart_start[u + 1]):
            cost += 0.5 * APART_COST * (s.label[p.apart[i]] == s.label[u])
    return cost


@njit(**INLINED)
def _swap_edges(s: KernelState, e: int, place: int) -> None:
    at, other = s.position[e], s.cut_edges[place]
    s.cut_edges[place], s.cut_edges[at] = e, other
    s.position[e], s.position[other] = place, at


@njit(**INLINED)
def _set_cut(s: KernelState, e: int) -> None:
    if s.position[e] >= s.cuts[0]:
        _swap_edges(s, e, s.cuts[0])
        s.cuts[0] += 1


@njit(**INLINED)
def _set_uncut(s: KernelState, e: int) -> None:
    if s.position[e] < s.cuts[0]:
        s.cuts[0] -= 1
        _swap_edges(s, e, s.cuts[0])


@njit(**INLINED)
def perimeters_after(
    p: KernelProblem, s: KernelState, u: int, b: int
) -> tuple[float, float, float]:
    """Return both grids' perimeters and the change of border cost if ``u`` moves to ``b``."""
    a = s.label[u]
    perimeter_a = s.perimeter[a] - p.outline[u]
    perimeter_b = s.perimeter[b] + p.outline[u]
    border = 0.0
    for i in range(p.start[u], p.start[u + 1]):
        g, length = s.label[p.neighbour[i]], p.shore[i, 0]
        perimeter_a += length if g == a else -length
        perimeter_b += -length if g == b else length
        border += p.shore[i, 1] * ((g == a) - (g == b))
    return perimeter_a, perimeter_b, border


@njit(**INLINED)
def shared_cost_change(p: KernelProblem, s: KernelState, u: int, b: int, border: float) -> float:
    """Return the change of all costs but those of single grids if ``u`` moves to ``b``."""
    a = s.label[u]
    change = p.weights[BORDER] * border
    c = p.compound[u]
    if c >= 0:
        parts = s.parts[c] - (s.compound[c, a] == 1) + (s.compound[c, b] == 0)
        extra = max(parts - p.needed[c], 0) - max(s.parts[c] - p.needed[c], 0)
        change += p.weights[COMPOUND] * extra
    before = p.previous[u]
    if before >= 0:
        change += p.weights[MOVED] * p.households[u] * ((before != b) - (before != a))
    for i in range(p.apart_start[u], p.apart_start[u + 1]):
        g = s.label[p.apart[i]]
        change += APART_COST * ((g == b) - (g == a))
    return change


@njit(**INLINED)
def move_cost(p: KernelProblem, s: KernelState, u: int, b: int) -> float:
    """Return the change of the objective if node ``u`` moves to grid ``b``."""
    a, h = s.label[u], p.households[u]
    perimeter_a, perimeter_b, border = perimeters_after(p, s, u, b)
    change = shared_cost_change(p, s, u, b, border)
    change += grid_cost(p, s.households[a] - h, s.area[a] - p.area[u], perimeter_a)
    change += grid_cost(p, s.households[b] + h, s.area[b] + p.area[u], perimeter_b)
    return change - s.cost[a] - s.cost[b]


@njit(**INLINED)
def move_node(p: KernelProblem, s: KernelState, u: int, b: int) -> None:
    """Move node ``u`` to grid ``b``."""
    a = s.label[u]
    s.perimeter[a], s.perimeter[b], _ = perimeters_after(p, s, u, b)
    s.households[a] -= p.households[u]
    s.households[b] += p.households[u]
    s.area[a] -= p.area[u]
    s.area[b] += p.area[u]
    s.cost[a] = grid_cost(p, s.households[a], s.area[a], s.perimeter[a])
    s.cost[b] = grid_cost(p, s.households[b], s.area[b], s.perimeter[b])
    c = p.compound[u]
    if c >= 0:
        s.compound[c, a] -= 1
        s.parts[c] += (s.compound[c, b] == 0) - (s.compound[c, a] == 0)
        s.compound[c, b] += 1
    s.label[u] = b
    for i in range(p.start[u], p.start[u + 1]):
        if s.label[p.neighbour[i]] == b:
            _set_uncut(s, p.edge[i])
        else:
            _set_cut(s, p.edge[i])


@njit(**INLINED)
def stays_connected(p: KernelProblem, s: KernelState, u: int) -> bool:
    """Return whether the grid of node ``u`` stays connected, and not empty, without it.

    The search visits first the neighbours of ``u``, which decides most cases, then the whole grid.
    """
    a = s.label[u]
    s.stamp[0] += 2
    neighbour, seen = s.stamp[0], s.stamp[0] + 1
    missing, first = 0, -1
    for i in range(p.start[u], p.start[u + 1]):
        if s.label[p.neighbour[i]] == a:
            missing += 1
            first = p.neighbour[i]
            s.mark[first] = neighbour
    if missing <= 1:
        return missing == 1
    s.mark[first] = seen
    s.queue[0] = first
    head, tail, missing = 0, 1, missing - 1
    while head < tail:
        v = s.queue[head]
        head += 1
        for i in range(p.start[v], p.start[v + 1]):
            w = p.neighbour[i]
            if s.mark[w] == neighbour:
                s.mark[w] = seen
                s.queue[tail] = w
                tail += 1
                missing -= 1
                if missing == 0:
                    return True
    s.mark[u] = seen
    head = 0
    while head < tail:
        v = s.queue[head]
        head += 1
        for i in range(p.start[v], p.start[v + 1]):
            w = p.neighbour[i]
            if s.label[w] == a and s.mark[w] != seen:
                if s.mark[w] == neighbour:
                    missing -= 1
                    if missing == 0:
                        return True
                s.mark[w] = seen
                s.queue[tail] = w
                tail += 1
    return False


@kernel(**COMPILED)
def label_components(start: Ints, neighbour: Ints, label: Ints) -> Ints:
    """Return (n,) int64 the connected piece of each node: connected nodes of one label.

    Pieces are numbered by their first nodes.

    Parameters
    ----------
    start, neighbour
        (n + 1,) and (2m,) int64 neighbours in compressed rows.
    label
        (n,) int64 labels.
    """
    n = len(label)
    piece, queue = np.full(n, -1, np.int64), np.empty(n, np.int64)
    pieces = 0
    for first in range(n):
        if piece[first] >= 0:
            continue
        piece[first], queue[0] = pieces, first
        head, tail = 0, 1
        while head < tail:
            v = queue[head]
            head += 1
            for i in range(start[v], start[v + 1]):
                w = neighbour[i]
                if piece[w] < 0 and label[w] == label[v]:
                    piece[w], queue[tail] = pieces, w
                    tail += 1
        pieces += 1
    return piece
