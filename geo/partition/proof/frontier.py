"""The compiled inner loop of the proof: all drawings at once, one node after the other.

Nodes are processed in an order that keeps the *frontier* small: the nodes assigned so far that
still have a neighbour to come. Drawings that agree on the frontier (which of its nodes are in one
grid, and which of them are connected already) and on the sums of the grids that reach it have the
same completions, so that only the cheapest of them is kept (Kawahara, Inoue, Iwashita, Minato,
"Frontier-based search for enumerating all constrained subgraphs with compressed representation",
IEICE Transactions E100-A(9), 2017). Where too many remain, those that agree on rounded sums are
merged into one that is as good as the best of them in every respect: what follows is then a lower
bound instead of the optimum (relaxed decision diagrams: Bergman, Cire, van Hoeve, Hooker,
"Discrete optimization with decision diagrams", INFORMS Journal on Computing 28(1), 2016).
"""

import numpy as np
from numba import njit

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.partition.proof.states import (
    MAX_FRONTIER,
    MAX_OPEN_GRIDS,
    NONE,
    Coarseness,
    Rules,
    States,
    Step,
)
from geo.partition.search.kernel import FOUR_PI, households_cost
from geo.types import Floats, Ints

MAX_HANDED_OVER = 6
"""Open grids for which the bound of the rest tries both to end and to continue them."""


@njit(**INLINED)
def least_households_cost(r: Rules, low: float, high: float) -> float:
    """Return the least cost by households of a grid with ``low`` to ``high`` of them."""
    h = min(max(r.target, low), high)
    return households_cost(h, r.target, r.lower, r.upper, r.limit, r.balance)


@njit(**INLINED)
def roundness_cost(r: Rules, outline: float, area: float) -> float:
    """Return the compactness cost of a grid with at least this outline and at most this area."""
    p, a = outline * r.metres, area * r.square_metres
    return max(r.compactness * (p * p / (FOUR_PI * max(a, 1e-9)) - 1.0), 0.0)


@njit(**INLINED)
def _mix_hash(mark: np.uint64, value: np.uint64) -> np.uint64:
    mark = (mark ^ value) * np.uint64(0x9E3779B97F4A7C15)
    return mark ^ (mark >> np.uint64(29))


@njit(**INLINED)
def _open_grids(s: States, i: int) -> int:
    count = 0
    for k in range(MAX_FRONTIER):
        if s.label[i, k] != NONE:
            count = max(count, s.label[i, k] + 1)
    return count


@njit(**INLINED)
def _copy(a: States, i: int, b: States, j: int) -> None:
    for k in range(MAX_FRONTIER):
        b.label[j, k], b.piece[j, k] = a.label[i, k], a.piece[i, k]
    for g in range(MAX_OPEN_GRIDS):
        b.low[j, g], b.high[j, g] = a.low[i, g], a.high[i, g]
        b.outline[j, g], b.area[j, g] = a.outline[i, g], a.area[i, g]
        b.compounds[j, g] = a.compounds[i, g]
    b.cost[j] = a.cost[i]


@njit(**INLINED)
def _assign_node(step: Step, s: States, j: int, g: int) -> None:
    """Assign the step's node to grid ``g`` of state ``j``: sums, costs and connections."""
    label, piece = s.label[j], s.piece[j]
    new_piece = np.uint8(MAX_FRONTIER)
    for k in range(len(step.beside)):
        at = step.beside[k]
        q = label[at]
        if q == g:
            s.cost[j] += step.same[k]
            if step.linked[k] and piece[at] != new_piece:
                old = piece[at]
                for i in range(MAX_FRONTIER):
                    if label[i] == g and piece[i] == old:
                        piece[i] = new_piece
        else:
            s.cost[j] += step.differ[k]
            s.outline[j, g] += step.length[k]
            s.outline[j, q] += step.length[k]
    label[step.slot], piece[step.slot] = g, new_piece
    s.low[j, g] += step.households
    s.high[j, g] += step.households
    s.outline[j, g] += step.outline
    s.area[j, g] += step.area
    if step.compound >= 0:
        bit = np.uint64(1) << np.uint64(step.compound)
        if s.compounds[j, g] & bit == 0:
            s.compounds[j, g] |= bit
            s.cost[j] += step.compound_cost
    if step.retired >= 0:
        others = ~(np.uint64(1) << np.uint64(step.retired))
        for q in range(MAX_OPEN_GRIDS):
            s.compounds[j, q] &= others


@njit(**INLINED)
def _retire_nodes(r: Rules, step: Step, s: States, j: int) -> bool:
    """Remove leaving nodes from the frontier; return whether every grid can still be connected.

    A grid that no longer reaches the frontier is complete, and its cost is final.
    """
    label, piece = s.label[j], s.piece[j]
    for k in range(len(step.leaving)):
        at = step.leaving[k]
        g, own_piece = label[at], piece[at]
        label[at], piece[at] = NONE, NONE
        same, other = False, False
        for i in range(MAX_FRONTIER):
            if label[i] == g:
                same = same or piece[i] == own_piece
                other = other or piece[i] != own_piece
        if same:
            continue
        if other:
            return False
        s.cost[j] += least_households_cost(r, s.low[j, g], s.high[j, g])
        s.cost[j] += roundness_cost(r, s.outline[j, g], s.area[j, g])
    return True


@njit(**INLINED)
def _renumber(s: States, j: int, spare: States) -> int:
    """Renumber grids and pieces in the order of the slots; return the number of open grids."""
    _copy(s, j, spare, 0)
    grid = np.int64(0)
    for g in range(MAX_OPEN_GRIDS):
        spare.choice[g] = NONE
    for p in range(MAX_FRONTIER + 1):
        spare.mark[p] = np.uint64(NONE)
    pieces = np.uint64(0)
    for k in range(MAX_FRONTIER):
        g = spare.label[0, k]
        if g == NONE:
            continue
        if spare.choice[g] == NONE:
            spare.choice[g] = grid
            s.low[j, grid], s.high[j, grid] = spare.low[0, g], spare.high[0, g]
            s.outline[j, grid], s.area[j, grid] = spare.outline[0, g], spare.area[0, g]
            s.compounds[j, grid] = spare.compounds[0, g]
            grid += 1
        p = spare.piece[0, k]
        if spare.mark[p] == np.uint64(NONE):
            spare.mark[p] = pieces
            pieces += np.uint64(1)
        s.label[j, k], s.piece[j, k] = spare.choice[g], spare.mark[p]
    for g in range(grid, MAX_OPEN_GRIDS):
        s.low[j, g], s.high[j, g], s.outline[j, g], s.area[j, g] = 0, 0, 0, 0
        s.compounds[j, g] = 0
    return int(grid)


@njit(**INLINED)
def _bound(r: Rules, step: Step, s: States, j: int, grids: int, ceiling: float) -> float:
    """Return a lower bound on the cost of the completions of a state."""
    own, roundness = 0.0, 0.0
    low, high, missing = 0, 0, 0.0
    for g in range(grids):
        own += least_households_cost(r, max(s.low[j, g], r.target), 1e9)
        roundness += roundness_cost(r, s.outline[j, g], s.area[j, g] + step.area_to_come)
        low += s.low[j, g]
        high += s.high[j, g]
        missing += max(r.lower - s.high[j, g], 0.0)
    cost = s.cost[j] + roundness
    # No grid of a drawing below the ceiling has more households than this.
    most = r.upper + max(ceiling - cost, 0.0) / max(r.limit, 1e-9)
    shared = 0.0
    for g in range(grids):
        shared += max(most - s.low[j, g], 0.0)
    place = int(min(shared, len(step.rest) - 1.0))
    best = own + step.rest[place]
    best = max(best, r.limit * (missing - step.households_to_come))
    total = low + step.households_to_come
    least = r.least[total]
    for t in range(total + 1, high + step.households_to_come + 1):
        least = min(least, r.least[t])
    return cost + max(best, least)


@njit(**INLINED)
def _hash_state(s: States, j: int, grids: int, c: Coarseness) -> np.uint64:
    mark = np.uint64(1469598103934665603)
    for k in range(MAX_FRONTIER):
        mark = _mix_hash(mark, np.uint64(s.label[j, k]) * np.uint64(256) + np.uint64(s.piece[j, k]))
    for g in range(grids):
        mark = _mix_hash(mark, np.uint64(s.low[j, g] >> c.households))
        mark = _mix_hash(mark, np.uint64(s.outline[j, g] >> c.outline))
        mark = _mix_hash(mark, np.uint64(s.area[j, g] >> c.area))
        mark = _mix_hash(mark, s.compounds[j, g])
    return mark


@kernel(**INLINED)
def expand_states(
    r: Rules, step: Step, before: States, ceiling: float, after: States, spare: States
) -> tuple[int, float]:
    """Assign one more node in every way that may lead to a cost below the ceiling.

    Returns
    -------
    count
        States written to ``after``.
    lost
        Least bound of the states for which there was no room.
    """
    count, lost = 0, np.inf
    for i in range(len(before.cost)):
        grids = _open_grids(before, i)
        for g in range(grids + 1):
            if g == MAX_OPEN_GRIDS or count == len(after.cost):
                lost = min(lost, before.bound[i])
                continue
            _copy(before, i, after, count)
            _assign_node(step, after, count, g)
            if after.cost[count] >= ceiling or not _retire_nodes(r, step, after, count):
                continue
            now = _renumber(after, count, spare)
            after.bound[count] = max(before.bound[i], _bound(r, step, after, count, now, ceiling))
            if after.bound[count] < ceiling:
                after.parent[count], after.choice[count] = i, g
                count += 1
    return count, lost


@kernel(**INLINED)
def hash_states(s: States, count: int, c: Coarseness) -> None:
    """Hash the parts of states that have to agree for a merge."""
    for j in range(count):
        s.mark[j] = _hash_state(s, j, _open_grids(s, j), c)


@njit(**INLINED)
def _agree(s: States, i: int, j: int, c: Coarseness) -> bool:
    for k in range(MAX_FRONTIER):
        if s.label[i, k] != s.label[j, k] or s.piece[i, k] != s.piece[j, k]:
            return False
    for g in range(MAX_OPEN_GRIDS):
        if (
            s.low[i, g] >> c.households != s.low[j, g] >> c.households
            or s.outline[i, g] >> c.outline != s.outline[j, g] >> c.outline
            or s.area[i, g] >> c.area != s.area[j, g] >> c.area
            or s.compounds[i, g] != s.compounds[j, g]
        ):
            return False
    return True


@kernel(**INLINED)
def merge_states(s: States, order: Ints, c: Coarseness, kept: Ints) -> int:
    """Merge the states that agree into the cheapest of them, with the best of all their sums.

    Parameters
    ----------
    order
        (s,) int64 states in the order of their hashes.
    kept
        (s,) int64 output: the numbers of the merged states.

    Returns
    -------
    count
        Number of merged states.
    """
    count, first = 0, 0
    for n in range(len(order)):
        i = order[n]
        if n == 0 or s.mark[i] != s.mark[order[n - 1]]:
            first = count
        at = first
        while at < count and not _agree(s, i, kept[at], c):
            at += 1
        if at == count:
            kept[count] = i
            count += 1
            continue
        j = kept[at]
        if s.cost[i] < s.cost[j]:
            kept[at], i, j = i, j, i
        s.bound[j] = min(s.bound[i], s.bound[j])
        for g in range(MAX_OPEN_GRIDS):
            s.low[j, g] = min(s.low[i, g], s.low[j, g])
            s.high[j, g] = max(s.high[i, g], s.high[j, g])
            s.outline[j, g] = min(s.outline[i, g], s.outline[j, g])
            s.area[j, g] = max(s.area[i, g], s.area[j, g])
    return count


@njit(**INLINED)
def _least_final_cost(r: Rules, s: States, i: int) -> float:
    """Return the cost of a state without compound costs that the rest may count too."""
    cost = s.cost[i]
    for g in range(_open_grids(s, i)):
        bits = s.compounds[i, g]
        while bits:
            bits &= bits - np.uint64(1)
            cost -= r.compound
    return cost


@njit(**INLINED)
def _cost_if_complete(r: Rules, s: States, i: int, g: int) -> float:
    """Return the least cost of an open grid if nothing more is added to it."""
    return least_households_cost(r, s.low[i, g], s.high[i, g]) + roundness_cost(
        r, s.outline[i, g], s.area[i, g]
    )


@kernel(**COMPILED)
def completion_costs(r: Rules, s: States, households: int) -> Floats:
    """Return the least cost of the states by the households that continue in grids of the rest.

    An open grid either is complete, though it touches the rest, or is part of a grid of the rest.

    Returns
    -------
    least
        (households + 1,) float64, for each number of households the least cost of the states
        in which at most so many continue.
    """
    least = np.full(households + 1, np.inf)
    for i in range(len(s.cost)):
        settled, grids = _least_final_cost(r, s, i), _open_grids(s, i)
        several = min(grids, MAX_HANDED_OVER)
        for g in range(several, grids):
            settled += min(
                _cost_if_complete(r, s, i, g),
                least_households_cost(r, max(s.low[i, g], r.target), 1e9),
            )
        for handed in range(1 << several):
            held, cost = 0, settled
            for g in range(several):
                if handed >> g & 1:
                    held += s.low[i, g]
                    cost += least_households_cost(r, max(s.low[i, g], r.target), 1e9)
                else:
                    cost += _cost_if_complete(r, s, i, g)
            least[held] = min(least[held], cost)
    for h in range(1, households + 1):
        least[h] = min(least[h], least[h - 1])
    return least
