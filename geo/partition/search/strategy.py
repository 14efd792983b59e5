"""The search: how many grids, chains of annealing, and what comes of crossing their drawings."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.chains import (
    Pairs,
    PreviousLabels,
    SearchProblem,
    SearchResult,
    compile_search,
    run_chain,
)
from geo.partition.search.recombine import recombine
from geo.types import Ints

GENERATIONS = 10
MOVES_PER_NODE = 100

MAX_IDLE_GENERATIONS = 2
"""So many generations that find nothing better end the search."""

CONVERGED_CHAINS = 3
"""So many chains that end with the best drawing, each by itself, leave little to be found."""

SURVIVORS = 2
"""Parents that live on beside their best child, for each number of grids."""

PRUNE_RATIOS = (1.05, 1.02, 1.01)
"""A number of grids whose best drawing costs so much more than the best is tried no further: after
the first generation, the second, and later ones."""

EQUAL_COST_RATIO = 1.0005
"""Two drawings that cost so nearly the same are the same, or as good."""


@dataclass(frozen=True)
class Effort:
    """How long to search. The answer depends on these and the seed, never on the clock, unless
    ``seconds`` runs out first.

    Attributes
    ----------
    generations
        How often chains are begun anew and crossed, for each number of grids, at most.
    moves_per_node
        Moves of a chain for each node of the graph.
    seconds
        After this many seconds the best drawing so far is the answer.
    threads
        Chains run at once.
    """

    generations: int = GENERATIONS
    moves_per_node: int = MOVES_PER_NODE
    seconds: float = 60.0
    threads: int = 2


def search(
    graph: Graph,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    before: PreviousLabels | None = None,
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
    limits, weights, effort = limits or Limits(), weights or Weights(), effort or Effort()
    counts = plausible_counts(graph.households, limits)
    if before is not None and (kept := len(np.unique(before.label[before.label >= 0]))):
        counts = list(dict.fromkeys([min(kept, len(graph)), *counts]))
    if before is None and (counts == [1] or len(graph) == 1):
        return np.zeros(len(graph), dtype=np.int64)
    apart = np.empty((0, 2), dtype=np.int64) if apart is None else apart
    case = SearchProblem(graph, limits, weights, before, apart)
    compile_search()
    with _deadline(effort.seconds) as stop, ThreadPoolExecutor(effort.threads) as pool:
        return _search_generations(_Run(case, effort, seed, stop, pool), counts).label


@dataclass(frozen=True)
class _Run:
    """A search under way."""

    case: SearchProblem
    effort: Effort
    seed: int
    stop: Ints
    pool: ThreadPoolExecutor


def _search_generations(run: _Run, counts: list[int]) -> SearchResult:
    """Return the best drawing of several generations."""
    alive: dict[int, list[SearchResult]] = {count: [] for count in counts}
    ends: list[float] = []
    champion, idle = SearchResult(np.inf, np.empty(0, dtype=np.int64)), 0
    for generation in range(run.effort.generations):
        # Two families at once where one number of grids is left.
        numbers = range(2 * generation, 2 * generation + (1 if len(counts) > 1 else 2))
        families = [(count, number) for count in counts for number in numbers]
        parents = [(count, 2 * number + side) for count, number in families for side in (0, 1)]
        ended = list(run.pool.map(partial(_chain, run), *zip(*parents, strict=True)))
        ends += [parent.cost for parent in ended]
        number = [number for _, number in families]
        children = run.pool.map(partial(_child, run), number, ended[::2], ended[1::2])
        for (count, _), child in zip(families, children, strict=True):
            alive[count].append(child)
        kin = run.pool.map(partial(_survivors, run, generation), map(alive.get, counts))
        alive = dict(zip(counts, kin, strict=True))
        before, champion = champion, min((kin[0] for kin in alive.values()), key=_cost)
        idle = idle + 1 if champion.cost * EQUAL_COST_RATIO >= before.cost else 0
        met = _meets_limits(run.case, champion)
        agreed = sum(end <= champion.cost * EQUAL_COST_RATIO for end in ends)
        if run.stop[0] or idle == MAX_IDLE_GENERATIONS or (met and agreed >= CONVERGED_CHAINS):
            break
        if met:
            hopeless = champion.cost * PRUNE_RATIOS[min(generation, len(PRUNE_RATIOS) - 1)]
            counts = [count for count in counts if alive[count][0].cost <= hopeless]
    return champion


def _cost(found: SearchResult) -> float:
    return found.cost


def _chain(run: _Run, count: int, number: int) -> SearchResult:
    return run_chain(run.case, count, number, run.effort.moves_per_node, run.seed, run.stop)


def _child(run: _Run, number: int, one: SearchResult, other: SearchResult) -> SearchResult:
    moves = run.effort.moves_per_node // 4
    return recombine(run.case, one, other, moves, run.seed + number, run.stop)


def _survivors(run: _Run, generation: int, kin: list[SearchResult]) -> list[SearchResult]:
    """Return what comes of crossing the best of some drawings with the others, and the best."""
    ranked = sorted(kin, key=_cost)
    return [reduce(partial(_child, run, generation), ranked), *ranked[:SURVIVORS]]


def _meets_limits(case: SearchProblem, found: SearchResult) -> bool:
    """Return whether a drawing is within the limits wherever nodes allow.

    A node above the upper limit fills a grid by itself: no drawing can do better there.
    """
    limits, people = case.limits, case.graph.households
    largest = np.zeros(int(found.label.max()) + 1, dtype=np.int64)
    np.maximum.at(largest, found.label, people)
    grids = np.unique(found.label)
    households = np.bincount(found.label, weights=people)[grids]
    fits = households <= np.maximum(limits.upper, largest[grids])
    return bool((fits & (households >= limits.lower)).all())


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


def search_parts(
    graph: Graph,
    limits: Limits | None = None,
    weights: Weights | None = None,
    *,
    before: PreviousLabels | None = None,
    apart: Pairs | None = None,
    seed: int = 1,
    effort: Effort | None = None,
) -> Ints:
    """Return a grid for every node of a graph in several pieces, each drawn by itself.

    A grid before that lies in several pieces goes on in one of them.
    """
    parts, part = graph.components()
    if parts == 1:
        return search(graph, limits, weights, before=before, apart=apart, seed=seed, effort=effort)
    before = None if before is None else _going_on_once(graph, part, before)
    label = np.zeros(len(graph), dtype=np.int64)
    used = 0 if before is None else int(before.label.max(initial=-1)) + 1
    for number in range(parts):
        nodes = np.flatnonzero(part == number)
        own_before = None if before is None else before.of(nodes)
        own = search(
            graph.subgraph(nodes),
            limits,
            weights,
            before=own_before,
            apart=_within(apart, nodes, len(graph)),
            seed=seed,
            effort=effort,
        )
        grids, grid = np.unique(own, return_inverse=True)
        fresh = np.ones(len(grids), bool)
        if own_before is not None:
            fresh = ~np.isin(grids, own_before.label)
        grids[fresh] = used + np.arange(int(fresh.sum()))
        label[nodes] = grids[grid.ravel()]
        used += int(fresh.sum())
    return label


def _going_on_once(graph: Graph, part: Ints, before: PreviousLabels) -> PreviousLabels:
    """Return a plan with a new grid for each piece of one that parts of the graph divide.

    The old one is the piece with the most that is locked, then with the most households; a piece
    that holds something locked stays it too.
    """
    drawn = np.flatnonzero(before.label >= 0)
    shares, share = np.unique(
        np.stack([before.label[drawn], part[drawn]], axis=1), axis=0, return_inverse=True
    )
    share = share.ravel()
    households = np.bincount(share, graph.households[drawn], len(shares))
    held = np.bincount(share, before.locked[drawn], len(shares))
    order = np.lexsort((-households, -held, shares[:, 0]))
    goes_on = held > 0
    goes_on[order[np.unique(shares[order, 0], return_index=True)[1]]] = True
    number = shares[:, 0].copy()
    number[~goes_on] = before.label.max(initial=-1) + 1 + np.arange(int((~goes_on).sum()))
    label = before.label.copy()
    label[drawn] = number[share]
    return replace(before, label=label)


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
