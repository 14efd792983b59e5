"""The search: how many grids, where to start, annealing, and the best of all chains."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from geo.partition.anneal import anneal
from geo.partition.coverage import Ints
from geo.partition.graph import Graph
from geo.partition.kernel import Problem
from geo.partition.objective import Limits, Weights
from geo.partition.seeds import continued, first_drawing, neighbour_rows

HOT = (60.0, 200.0)
"""First temperatures of the chains in turn: what a bad border costs; more where a few large
buildings must be packed, which a cooler chain solves in one run of three and this one in nearly
every (measured on Monaco; the cooler chain draws the better borders)."""

COLD = 0.5
"""Last temperature, less than any move that matters."""

WARM = (10.0, 40.0)
"""First temperatures of the chains that begin from the plan before."""

SOFTENED = (0.01, 0.1, 1.0)
"""Shares of the weight of the limits, one stage of a chain after the other: a large building can
change sides only while the limits are soft."""

MOVES_PER_NODE = 1000
FIRST_SHARE = 0.4
"""Share of the moves that the first chain of each number of grids makes: it sorts out numbers."""

CHAINS = 6
LEAST_MOVES = 20_000

HOPELESS = 1.25
"""A number of grids whose best drawing costs so much more than the best is tried no further."""

SAME = 1.0005
"""Two chains that end this near to each other have found the same drawing, or as good a one."""

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Effort:
    """How long to search. The answer depends on these and the seed, never on the clock, unless
    ``seconds`` runs out first.

    Attributes
    ----------
    chains
        Annealing chains for each number of grids tried, at most.
    moves_per_node
        Moves of a chain for each node of the graph.
    seconds
        After this many seconds the best drawing so far is the answer.
    threads
        Chains run at once.
    """

    chains: int = CHAINS
    moves_per_node: int = MOVES_PER_NODE
    seconds: float = 60.0
    threads: int = 2


@dataclass(frozen=True)
class Before:
    """The plan that a search starts from, and what of it has to stay.

    Attributes
    ----------
    label
        (n,) grid of each node, numbered from 0; -1 where it has none.
    counted
        (n,) whether it counts as a move when the node changes grid.
    locked
        (n,) nodes that stay in their grid.
    """

    label: Ints
    counted: NDArray[np.bool_]
    locked: NDArray[np.bool_]

    def of(self, nodes: Ints) -> "Before":
        """Return the plan of some nodes."""
        return Before(self.label[nodes], self.counted[nodes], self.locked[nodes])


@dataclass(frozen=True)
class _Chain:
    """What a chain of annealing ended with."""

    found: float
    count: int
    number: int
    label: Ints


def search(
    graph: Graph,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    before: Before | None = None,
    apart: Pairs | None = None,
    seed: int = 1,
    effort: Effort | None = None,
) -> Ints:
    """Return a grid for every node: contiguous, and as cheap as found.

    Parameters
    ----------
    graph
        A connected graph; draw the parts of a graph in several pieces one by one
        (:func:`search_parts`).
    before
        The plan to start from.
    apart
        (p, 2) nodes that must not be in one grid.

    Returns
    -------
    label
        (n,) numbers of grids: from 0 with none left out, or those of the plan before, new grids
        numbered on from its last.
    """
    found = drawings(graph, limits, weights, before=before, apart=apart, seed=seed, effort=effort)
    return found[0]


def drawings(
    graph: Graph,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    before: Before | None = None,
    apart: Pairs | None = None,
    seed: int = 1,
    effort: Effort | None = None,
) -> list[Ints]:
    """Return the drawings that the chains of a search ended with, the best first."""
    limits, weights, effort = limits or Limits(), weights or Weights(), effort or Effort()
    counts = plausible_counts(graph.households, limits)
    if before is not None and (kept := len(np.unique(before.label[before.label >= 0]))):
        counts = list(dict.fromkeys([min(kept, len(graph)), *counts]))
    if before is None and (counts == [1] or len(graph) == 1):
        return [np.zeros(len(graph), dtype=np.int64)]
    apart = np.empty((0, 2), dtype=np.int64) if apart is None else apart
    ended: list[_Chain] = []
    with _deadline(effort.seconds) as stop, ThreadPoolExecutor(effort.threads) as pool:
        for number in range(effort.chains):
            if stop[0] and ended:
                break
            run = partial(_chain, graph, limits, weights, before, apart, effort, stop, seed, number)
            ended += pool.map(run, counts, [_best(ended, count) for count in counts])
            counts = _worth_trying(ended, counts, met=_met(graph, limits, ended))
            if not counts:
                break
    ended.sort(key=lambda chain: (chain.found, chain.count, chain.number))
    return [chain.label for chain in ended]


def _best(ended: list[_Chain], count: int) -> _Chain | None:
    """Return the best chain so far with a number of grids."""
    same = [chain for chain in ended if chain.count == count]
    return min(same, key=lambda chain: chain.found, default=None)


def _met(graph: Graph, limits: Limits, ended: list[_Chain]) -> bool:
    """Return whether the best drawing so far is within the limits."""
    label = min(ended, key=lambda chain: chain.found).label
    households = np.bincount(label, weights=graph.households)[np.unique(label)]
    return bool((households <= limits.upper).all() and (households >= limits.lower).all())


def _worth_trying(ended: list[_Chain], counts: list[int], *, met: bool) -> list[int]:
    """Return the numbers of grids that another chain may still find a better drawing with.

    As long as the limits are not met no number is given up: which of them can meet the limits
    is not seen from those that do not.
    """
    if not met:
        return counts
    ranked = sorted(chain.found for chain in ended)
    if len(ranked) > 1 and sum(found <= ranked[0] * SAME for found in ranked) > 1:
        return []
    return [
        count
        for count in counts
        if min(chain.found for chain in ended if chain.count == count) <= ranked[0] * HOPELESS
    ]


@contextmanager
def _deadline(seconds: float) -> Iterator[Ints]:
    """Yield a flag that becomes 1 when the time is up."""
    stop = np.zeros(1, dtype=np.int64)

    def ring() -> None:
        stop[0] = 1

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


def _chain(
    graph: Graph,
    limits: Limits,
    weights: Weights,
    before: Before | None,
    apart: Pairs,
    effort: Effort,
    stop: Ints,
    seed: int,
    number: int,
    count: int,
    best: _Chain | None,
) -> _Chain:
    """Anneal once with a number of grids; every third chain goes on from the best before it."""
    seed = seed * 1_000_003 + number * 1009 + count
    goes_on = best is not None and number % 3 == 2
    label, hot = _begin(graph, limits, before, count, number, seed)
    if goes_on and best is not None:
        label, hot = best.label, HOT[0]
    name, label = np.unique(label, return_inverse=True)
    label = label.ravel().astype(np.int64)
    share = FIRST_SHARE if number == 0 else 1.0
    moves = max(LEAST_MOVES, int(share * effort.moves_per_node * len(graph))) // len(SOFTENED)
    found = np.inf
    for softness in SOFTENED[-1:] if goes_on else SOFTENED:
        softened = replace(weights, limit=weights.limit * softness)
        problem = _problem(graph, limits, softened, before, name, apart)
        label, found = anneal(problem, label, len(name), moves, hot, COLD, seed % 2**31, stop)
    return _Chain(found, count, number, name[label])


def _begin(
    graph: Graph, limits: Limits, before: Before | None, count: int, number: int, seed: int
) -> tuple[Ints, float]:
    """Return the drawing a chain begins with and its first temperature."""
    if before is None:
        return first_drawing(graph, count, seed), HOT[number % len(HOT)]
    if number < len(WARM) or before.locked.any():
        label = continued(graph, before.label, before.locked, count, limits, seed)
        return label, WARM[number % len(WARM)]
    return _renamed(graph, first_drawing(graph, count, seed), before.label), HOT[number % len(HOT)]


def _renamed(graph: Graph, label: Ints, before: Ints) -> Ints:
    """Return a drawing whose grids have the numbers of the grids before that they resemble."""
    known = before >= 0
    most = int(before.max(initial=-1)) + 1
    count = int(label.max()) + 1
    shared = np.zeros((count, max(most, count)))
    np.add.at(shared, (label[known], before[known]), graph.households[known] + 1e-3)
    from scipy.optimize import linear_sum_assignment  # a third of a second to import

    one, other = linear_sum_assignment(-shared)
    name = np.empty(count, dtype=np.int64)
    name[one] = other
    renamed: Ints = name[label]
    return renamed


def search_parts(
    graph: Graph,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    before: Before | None = None,
    apart: Pairs | None = None,
    seed: int = 1,
    effort: Effort | None = None,
) -> Ints:
    """Return a grid for every node of a graph in several pieces, each drawn by itself."""
    parts, part = graph.components()
    if parts == 1:
        return search(graph, limits, weights, before=before, apart=apart, seed=seed, effort=effort)
    label = np.zeros(len(graph), dtype=np.int64)
    used = 0 if before is None else int(before.label.max(initial=-1)) + 1
    first = used
    for number in range(parts):
        nodes = np.flatnonzero(part == number)
        own = search(
            graph.subgraph(nodes),
            limits,
            weights,
            before=None if before is None else before.of(nodes),
            apart=_within(apart, nodes, len(graph)),
            seed=seed,
            effort=effort,
        )
        fresh = own >= first
        label[nodes] = np.where(fresh, own - first + used, own)
        used = max(used, int(label[nodes].max()) + 1)
    return label


def _within(apart: Pairs | None, nodes: Ints, total: int) -> Pairs | None:
    """Return the pairs among some nodes, in the numbers of their subgraph."""
    if apart is None:
        return None
    number = np.full(total, -1, dtype=np.int64)
    number[nodes] = np.arange(len(nodes))
    pairs = number[apart]
    kept: Pairs = pairs[(pairs >= 0).all(axis=1)]
    return kept


def plausible_counts(households: Ints, limits: Limits) -> list[int]:
    """Return the numbers of grids worth trying, the likeliest first.

    A node above the upper limit fills a grid by itself; the others are shared out.

    Parameters
    ----------
    households
        (n,) households of each node.
    """
    over = households > limits.upper
    rest = int(households[~over].sum())
    likely = max(0 if over.any() else 1, round(rest / limits.target))
    low, high = -(-rest // limits.upper), rest // limits.lower
    fitting = [count for count in (likely, likely - 1, likely + 1) if low <= count <= high]
    # No number fits (say 550 households): too few large grids or too many small ones.
    counts = fitting or sorted({high, low})
    most = max(int((households > 0).sum()), 1)
    return list(dict.fromkeys(min(max(count + int(over.sum()), 1), most) for count in counts))


def _problem(
    graph: Graph,
    limits: Limits,
    weights: Weights,
    before: Before | None,
    name: Ints,
    apart: Pairs,
) -> Problem:
    """Return the graph in the form of the compiled kernel; ``name`` are the grids' numbers."""
    n = len(graph)
    start, neighbour, edge = neighbour_rows(graph)
    inside = graph.compound >= 0
    compounds = int(graph.compound.max(initial=-1)) + 1
    held = np.bincount(graph.compound[inside], graph.households[inside], minlength=compounds)
    apart_start, other = _apart_rows(apart, n)
    return Problem(
        graph.households.astype(np.int64),
        start,
        neighbour,
        edge,
        np.ascontiguousarray(graph.edges, dtype=np.int64),
        graph.cut,
        graph.inside,
        graph.length,
        graph.area,
        graph.outline,
        graph.compound.astype(np.int64),
        np.maximum(np.ceil(held / limits.upper), 1).astype(np.int64),
        _previous(before, name, n),
        np.zeros(n, np.int64) if before is None else before.locked.astype(np.int64),
        apart_start,
        other,
        weights.array(),
        float(limits.target),
        float(limits.lower),
        float(limits.upper),
    )


def _previous(before: Before | None, name: Ints, n: int) -> Ints:
    """Return the grid before of each node by its place in ``name``, past the end if it is gone."""
    previous = np.full(n, -1, dtype=np.int64)
    if before is None:
        return previous
    counted = before.counted & (before.label >= 0)
    place = np.full(int(max(name.max(), before.label.max())) + 1, len(name), dtype=np.int64)
    place[name] = np.arange(len(name))
    previous[counted] = place[before.label[counted]]
    return previous


def _apart_rows(apart: Pairs, n: int) -> tuple[Ints, Ints]:
    """Return whom each node is to be kept apart from, in compressed rows."""
    both = np.concatenate([apart, apart[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    start = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(both[:, 0], minlength=n), out=start[1:])
    return start, np.ascontiguousarray(both[:, 1])
