"""A lower bound on the cost of every drawing, and the optimum where a community is small enough.

All drawings are followed at once along an order of the nodes with a small frontier
(:mod:`geo.partition.proof.frontier`). Passes alternate between both directions with more and more
states: the costs that a pass finds for its end of the graph tell the next one, from the other end,
which states can't lead below the cost of the best known drawing.
"""

import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.cells.graph_arrays import graph_from_arrays
from geo.partition.proof import frontier
from geo.partition.proof.piece import Piece
from geo.partition.proof.states import MAX_FRONTIER, Coarseness, States, Step, allocate_states
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.partition.search.chains import Pairs, PreviousLabels
from geo.types import Floats, Ints

FIRST_WIDTH, GROWTH, WIDEST = 2_000, 3, 200_000
"""States kept after a step in the first pass; every second pass has more."""

ROOM_WIDTHS = 8
"""States before merging, as a multiple of the width."""

COARSENESS_LEVELS = tuple(
    Coarseness(*bits)
    for bits in (
        (0, 0, 0),
        (0, 17, 10),
        (0, 19, 12),
        (0, 21, 14),
        (2, 22, 15),
        (4, 24, 17),
        (5, 28, 20),
        (6, 31, 31),
        (8, 31, 31),
        (20, 31, 31),
    )
)
"""Coarseness of the comparison of sums: the first level at which the states fit is used."""

TOLERANCE = 1e-5
"""A drawing cheaper by less than this share counts as no cheaper."""


@dataclass(frozen=True)
class Proof:
    """A lower bound and the best known drawing.

    Attributes
    ----------
    bound
        No drawing costs less; the cost of moved households is left out.
    label
        (n,) int64 the best known drawing: the given one, or a better one found by the proof.
    gap
        Difference between its cost and the bound, as a share of the cost; 0.0 if it is optimal.
    seconds
        Duration of the proof.
    """

    bound: float
    label: Ints
    gap: float
    seconds: float

    @property
    def optimal(self) -> bool:
        """Return whether no drawing is cheaper."""
        return self.gap <= TOLERANCE


def prove(
    graph: Graph,
    label: Ints,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    before: PreviousLabels | None = None,
    apart: Pairs | None = None,
    seconds: float = 60.0,
) -> Proof:
    """Bound the cost of every drawing of a graph from below.

    Parameters
    ----------
    graph
        A graph of any number of components; each is bounded by itself.
    label
        (n,) int64 a drawing to start from: the better it is, the faster is the proof.
    before
        Its locked nodes stay in their grids. Moved households cost nothing here, so that with a
        previous plan the bound is valid but seldom tight.
    apart
        (p, 2) int64 pairs of nodes that must not be in one grid.
    seconds
        Time limit, after which the bound so far is returned.
    """
    _compile_proof()
    started = time.monotonic()
    limits, weights = limits or Limits(), weights or Weights()
    pairs = np.empty((0, 2), dtype=np.int64) if apart is None else apart
    best = np.unique(label, return_inverse=True)[1].ravel().astype(np.int64)
    parts, part = graph.components()
    bound = 0.0
    for number in range(parts):
        nodes = np.flatnonzero(part == number)
        left = max(started + seconds - time.monotonic(), 0.0) / (parts - number)
        piece = Piece(graph, nodes, limits, weights, before, pairs)
        piece_bound, piece_label = _prove_piece(piece, best[nodes], time.monotonic() + left)
        bound += piece_bound
        best[nodes] = piece_label + len(graph) * (number + 1)
    best = np.unique(best, return_inverse=True)[1].ravel().astype(np.int64)
    best_cost = cost(graph, best, limits, weights).total
    gap = max(1.0 - float(bound) / best_cost, 0.0) if best_cost > 0 else 0.0
    return Proof(min(float(bound), best_cost), best, gap, time.monotonic() - started)


@cache
def _compile_proof() -> None:
    """Have the loops compiled, so that this does not count in the time limit of a proof."""
    graph = graph_from_arrays([200, 180, 210, 190], [(0, 1), (1, 2), (2, 3)], [30.0, 30.0, 30.0])
    pairs = np.empty((0, 2), dtype=np.int64)
    piece = Piece(graph, np.arange(4), Limits(), Weights(compactness=0.0), None, pairs)
    _prove_piece(piece, np.array([0, 0, 1, 1]), np.inf)


@dataclass(frozen=True)
class _Pass:
    """The result of one pass through the nodes.

    Attributes
    ----------
    bound
        No drawing below the ceiling costs less.
    exact
        Whether the cheapest drawing below the ceiling, if there is one, was found.
    label
        (n,) int64 the cheapest drawing found, None if there was none.
    rest
        Tables of :func:`geo.partition.proof.frontier.completion_costs` after each number of
        nodes.
    """

    bound: float
    exact: bool
    label: Ints | None
    rest: list[Floats]


def _prove_piece(piece: Piece, label: Ints, until: float) -> tuple[float, Ints]:
    """Return the best bound reached until a point in time, and the best drawing."""
    best_cost = piece.cost(label)
    bound = float(piece.rules.least[-1])
    rest: list[Floats] = []
    width, backwards = FIRST_WIDTH, False
    feasible = [
        _build_steps(piece, order, []) is not None for order in (piece.order, piece.order[::-1])
    ]
    while any(feasible) and bound < best_cost * (1 - TOLERANCE) and time.monotonic() < until:
        if not feasible[backwards]:
            backwards, rest = not backwards, []
        order = piece.order[::-1] if backwards else piece.order
        steps = _build_steps(piece, order, rest) or []
        result = _search_in_order(piece, order, steps, best_cost * (1 - TOLERANCE), width, until)
        if result.label is not None and (cheaper := piece.cost(result.label)) < best_cost:
            best_cost, label = cheaper, result.label
        bound = max(bound, min(result.bound, best_cost))
        if result.exact or (width == WIDEST and backwards):
            break
        rest = result.rest if len(result.rest) == len(order) + 1 else []
        width = min(width * GROWTH, WIDEST) if backwards or not all(feasible) else width
        backwards = not backwards
    return min(bound, best_cost), label


def _build_steps(piece: Piece, order: Ints, rest: list[Floats]) -> list[Step] | None:
    """Return the steps along an order, None if the frontier needs more nodes than there are slots.

    Parameters
    ----------
    rest
        Tables of a pass from the other end, empty if there was none.
    """
    n = len(order)
    when = np.empty(n, dtype=np.int64)
    when[order] = np.arange(n)
    early, late = np.sort(when[piece.edges], axis=1).T.reshape(2, -1)
    last = np.arange(n)
    np.maximum.at(last, early, late)
    compounds = _compound_bits(piece.graph.compound[order])
    area = np.ceil(piece.graph.area / piece.rules.square_metres).astype(np.int64)
    outline = np.floor(piece.graph.outline / piece.rules.metres).astype(np.int64)
    slot = np.full(n, -1, dtype=np.int64)
    free = list(range(MAX_FRONTIER))
    households_to_come, area_to_come = int(piece.graph.households.sum()), int(area.sum())
    steps = []
    for t, node in enumerate(order):
        if not free or compounds is None:
            return None
        slot[t] = free.pop(0)
        edges = np.flatnonzero(late == t)
        leaving = np.flatnonzero((slot >= 0) & (last <= t))
        households_to_come -= int(piece.graph.households[node])
        area_to_come -= int(area[node])
        compound = piece.graph.compound[node]
        bit, known, retired = compounds[t]
        steps.append(
            Step(
                int(slot[t]),
                slot[early[edges]],
                piece.same[edges],
                piece.differ[edges],
                piece.length[edges],
                piece.linked[edges],
                int(piece.graph.households[node]),
                int(outline[node]),
                int(area[node]),
                bit,
                piece.weights.compound if known or piece.needed[compound] > 1 else 0.0,
                bit if retired else -1,
                slot[leaving],
                households_to_come,
                area_to_come,
                rest[n - t - 1] if rest else np.zeros(1),
            )
        )
        free = sorted([*free, *slot[leaving].tolist()])
        slot[leaving] = -1
    return steps


def _compound_bits(compound: Ints) -> list[tuple[int, bool, bool]] | None:
    """Return for each node in order the bit of its compound, and its place in the compound.

    The bit is -1 without a compound. The place is whether an earlier node is in the compound, and
    whether no later one is. None if too many compounds are unfinished at once.
    """
    last = {int(c): t for t, c in enumerate(compound)}
    free, bits, steps = list(range(63, -1, -1)), dict[int, int](), []
    for t, number in enumerate(compound.tolist()):
        if number < 0:
            steps.append((-1, True, False))
            continue
        known = number in bits
        if not known:
            if not free:
                return None
            bits[number] = free.pop()
        bit = bits[number]
        if last[number] == t:
            free.append(bits.pop(number))
        steps.append((bit, known, last[number] == t))
    return steps


def _initial_state(piece: Piece) -> States:
    """Return the state without assigned nodes.

    Compounds are charged grid by grid, minus the number that each needs at least.
    """
    states = allocate_states(1)
    compounds = np.unique(piece.graph.compound[piece.graph.compound >= 0])
    several = piece.needed[compounds][piece.needed[compounds] > 1]
    states.cost[0] = -piece.weights.compound * float(several.sum())
    states.bound[0] = -np.inf
    return states


def _search_in_order(
    piece: Piece, order: Ints, steps: list[Step], ceiling: float, width: int, until: float
) -> _Pass:
    """Assign all nodes in an order, keeping at most ``width`` states after each."""
    rules = piece.rules
    states, room = _initial_state(piece), allocate_states(ROOM_WIDTHS * width)
    credit = float(states.cost[0])
    spare = allocate_states(MAX_FRONTIER + 1)
    households = int(piece.graph.households.sum())
    lost, exact = np.inf, True
    rest, trail = [np.zeros(households + 1)], []
    for step in steps:
        if time.monotonic() > until:
            return _Pass(min(lost, states.bound.min(initial=np.inf)), False, None, rest)
        count, missed = frontier.expand_states(rules, step, states, ceiling, room, spare)
        states, merged, dropped = _select_states(room, count, width)
        lost = min(lost, missed, dropped.bound.min(initial=np.inf))
        exact &= not merged and np.isinf(lost)
        trail.append(states)
        table = frontier.completion_costs(rules, states, households) - credit
        # Dropped states may have cost nothing at this end, so that is the bound for them.
        rest.append(table if np.isinf(lost) else np.minimum(table, 0.0))
    label = _trace_labels(trail, steps, order) if len(states.cost) else None
    return _Pass(min(lost, states.cost.min(initial=np.inf)), exact, label, rest)


def _select_states(room: States, count: int, width: int) -> tuple[States, bool, States]:
    """Return the selected states, whether unlike ones were merged, and the dropped states."""
    kept = np.empty(count, dtype=np.int64)
    merged, unlike = 0, False
    for coarseness in COARSENESS_LEVELS:
        unlike = coarseness is not COARSENESS_LEVELS[0]
        frontier.hash_states(room, count, coarseness)
        order = np.argsort(room.mark[:count], kind="stable")
        merged = frontier.merge_states(room, order, coarseness, kept)
        if merged <= width:
            break
    kept = kept[:merged]
    kept = kept[np.argsort(room.bound[kept], kind="stable")]
    return _take(room, kept[:width]), unlike, _take(room, kept[width:])


def _take(states: States, numbers: Ints) -> States:
    return States._make(field[numbers] for field in states)


def _trace_labels(trail: list[States], steps: list[Step], order: Ints) -> Ints:
    """Return (n,) the labels that led to the cheapest of the last states."""
    path = [int(trail[-1].cost.argmin())]
    for states in trail[:0:-1]:
        path.append(int(states.parent[path[-1]]))
    label = np.empty(len(order), dtype=np.int64)
    grid_at = np.full(MAX_FRONTIER, -1, dtype=np.int64)
    next_grid, before = 0, allocate_states(1).label[0]
    for t, (state, step) in enumerate(zip(path[::-1], steps, strict=True)):
        choice = trail[t].choice[state]
        same = np.flatnonzero(before == choice)
        if len(same):
            grid_at[step.slot] = grid_at[same[0]]
        else:
            grid_at[step.slot], next_grid = next_grid, next_grid + 1
        label[order[t]] = grid_at[step.slot]
        before = trail[t].label[state]
    return label
