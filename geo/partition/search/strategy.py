"""The search strategy: numbers of grids to try, and generations of drawings for each.

The first generation is a chain or two for each number of grids, which shows the hopeless numbers.
In later ones *islands* draw independently of each other: chains, recombined and improved. That
several islands end with the same drawing is the sign that there is no better one.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import attrgetter

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.chains import (
    Pairs,
    PreviousLabels,
    SearchProblem,
    SearchResult,
    compile_search,
)
from geo.partition.search.multilevel import improve, run_chain
from geo.partition.search.pieces import MIN_NODES
from geo.partition.search.recombine import recombine
from geo.types import Ints

GENERATIONS = 10

MOVES_PER_PIECE = 60
"""Moves of a chain per piece of the graph that it starts on."""

ISLANDS = 2
"""Drawings of a generation for each number of grids, which do not know of each other."""

CHAINS = 2
"""Chains whose drawings are recombined in pairs until one is left, the drawing of an island."""

IMPROVEMENTS, LAST_IMPROVEMENTS = 1, 2
"""Attempts to improve a recombined drawing, and that of an island."""

MAX_STAGNANT_GENERATIONS = (3, 2)
"""The search of a number of grids ends after this many generations without a better drawing: while
its best drawing violates limits, and when it meets them."""

CONVERGED_ISLANDS = 3
"""It also ends when this many islands have ended with its best drawing, within the limits."""

PRUNE_RATIOS = (1.15, 1.08, 1.03, 1.02)
"""A number of grids is dropped if its best drawing costs this many times the incumbent: after
the first generation, the second, and so on."""

EQUAL_COST_RATIO = 1.002
"""Two drawings whose costs differ by less than this ratio count as equally good."""


@dataclass(frozen=True)
class Effort:
    """Effort of a search.

    The result depends on it and the seed, but on the speed of the machine only if ``seconds`` run
    out.

    Attributes
    ----------
    generations
        Maximum number of generations for each number of grids.
    moves_per_node
        Moves of a chain per node of the coarse graph that it starts on.
    seconds
        Time limit, after which the best drawing so far is returned.
    threads
        Chains run at once.
    """

    generations: int = GENERATIONS
    moves_per_node: int = MOVES_PER_PIECE
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
    """Search contiguous grids of low cost for a connected graph.

    Parameters
    ----------
    graph
        A connected graph; for others use :func:`search_parts`.
    before
        The previous plan to start from.
    apart
        (p, 2) int64 pairs of nodes that must not be in one grid.

    Returns
    -------
    label
        (n,) int64 grid of each node: numbered from 0 without gaps, or, with a previous plan, by
        its numbers, with new grids after its last.
    """
    limits, weights, effort = limits or Limits(), weights or Weights(), effort or Effort()
    counts = plausible_counts(graph.households, limits)
    if before is not None and (grids := len(np.unique(before.label[before.label >= 0]))):
        counts = list(dict.fromkeys([min(grids, len(graph)), *counts]))
    apart = np.empty((0, 2), dtype=np.int64) if apart is None else apart
    if len(apart) and counts == [1] and len(graph) > 1:
        counts = [1, 2]
    if before is None and counts == [1]:
        return np.zeros(len(graph), dtype=np.int64)
    problem = SearchProblem(graph, limits, weights, before, apart)
    compile_search()
    with _deadline(effort.seconds) as stop, ThreadPoolExecutor(effort.threads) as pool:
        return _search_generations(_Run(problem, effort, seed, stop, pool), counts).label


@dataclass(frozen=True)
class _Run:
    """A running search."""

    problem: SearchProblem
    effort: Effort
    seed: int
    stop: Ints
    pool: ThreadPoolExecutor


@dataclass
class _Population:
    """The drawings found with one number of grids."""

    count: int
    best: SearchResult | None = None
    island_costs: list[float] = field(default_factory=list)
    generations: int = 0
    stagnant_generations: int = 0
    meets_limits: bool = False

    @property
    def cost(self) -> float:
        return np.inf if self.best is None else self.best.cost

    def has_converged(self) -> bool:
        """Return whether another generation is unlikely to find a better drawing."""
        agreeing = sum(cost <= self.cost * EQUAL_COST_RATIO for cost in self.island_costs)
        if self.meets_limits and agreeing >= CONVERGED_ISLANDS:
            return True
        return self.stagnant_generations == MAX_STAGNANT_GENERATIONS[self.meets_limits]


def _search_generations(run: _Run, counts: list[int]) -> SearchResult:
    """Return the best drawing of several generations for each number of grids."""
    populations = {count: _Population(count) for count in counts}
    active = list(populations.values())
    while True:
        _evolve(run, active)
        incumbent = min(populations.values(), key=attrgetter("cost"))
        if not incumbent.meets_limits:
            populations |= {
                count: _Population(count)
                for count in (incumbent.count - 1, incumbent.count + 1)
                if 1 <= count <= len(run.problem.graph) and count not in populations
            }
        active = [
            population
            for population in populations.values()
            if population.best is None or _is_promising(population, incumbent, run.effort)
        ]
        if incumbent.best is not None and (run.stop[0] or not active):
            return incumbent.best


def _is_promising(population: _Population, incumbent: _Population, effort: Effort) -> bool:
    """Return whether another generation of a population may find the best drawing of all."""
    if population.generations >= effort.generations or population.has_converged():
        return False
    ratio = PRUNE_RATIOS[min(population.generations, len(PRUNE_RATIOS)) - 1]
    return not incumbent.meets_limits or population.cost <= incumbent.cost * ratio


def _evolve(run: _Run, populations: list[_Population]) -> None:
    """Add a generation to each population."""
    jobs = [
        (population.count, population.generations, island)
        for population in populations
        for island in range(ISLANDS)
    ]
    drawings = list(run.pool.map(partial(_draw_island, run), *zip(*jobs, strict=True)))
    generations = [drawings[start : start + ISLANDS] for start in range(0, len(drawings), ISLANDS)]
    bests = list(run.pool.map(partial(_merge_islands, run), populations, generations))
    for population, best, islands in zip(populations, bests, generations, strict=True):
        improves = best.cost * EQUAL_COST_RATIO < population.cost
        population.stagnant_generations = 0 if improves else population.stagnant_generations + 1
        population.generations += 1
        population.island_costs += [drawing.cost for drawing in islands]
        population.best = best
        population.meets_limits = _meets_limits(run.problem, best)


def _draw_island(run: _Run, count: int, generation: int, island: int) -> SearchResult:
    """Return the drawing of an island.

    In the first generation it is that of a single chain: enough to show which numbers of grids
    can't meet the limits. On a graph of few nodes it always is: a long chain finds the optimum more
    often than short ones that are recombined and improved.
    """
    number = generation * ISLANDS + island
    if generation == 0 or len(run.problem.graph) < MIN_NODES:
        return _anneal(run, count, number)
    seed = run.seed + 1009 * number
    drawings = [_anneal(run, count, number * CHAINS + chain) for chain in range(CHAINS)]
    while len(drawings) > 1:
        ranked = sorted(drawings, key=attrgetter("cost"))
        seed += 1
        drawings = [
            _improve(run, _recombine(run, seed, first, second), IMPROVEMENTS, seed)
            for first, second in zip(ranked[::2], ranked[1::2], strict=True)
        ]
    return _improve(run, drawings[0], LAST_IMPROVEMENTS, seed + 1)


def _merge_islands(
    run: _Run, population: _Population, drawings: list[SearchResult]
) -> SearchResult:
    """Return the best of a population, recombined with the drawings of the islands."""
    earlier = [] if population.best is None else [population.best]
    ranked = sorted([*earlier, *drawings], key=attrgetter("cost"))
    return reduce(partial(_recombine, run, run.seed + population.generations), ranked)


def _anneal(run: _Run, count: int, number: int) -> SearchResult:
    """Return the drawing of one annealing chain with some number of grids."""
    return run_chain(run.problem, count, number, run.effort.moves_per_node, run.seed, run.stop)


def _recombine(run: _Run, seed: int, first: SearchResult, second: SearchResult) -> SearchResult:
    return recombine(run.problem, first, second, seed, run.stop)


def _improve(run: _Run, drawing: SearchResult, attempts: int, seed: int) -> SearchResult:
    for attempt in range(attempts):
        drawing = improve(run.problem, drawing, seed + 7919 * attempt, run.stop)
    return drawing


def _meets_limits(problem: SearchProblem, drawing: SearchResult) -> bool:
    """Return whether a drawing is within the limits wherever the nodes permit, and pairs apart.

    A node above the upper limit fills a grid by itself: no drawing can do better there.
    """
    limits, households_of_node = problem.limits, problem.graph.households
    largest = np.zeros(int(drawing.label.max()) + 1, dtype=np.int64)
    np.maximum.at(largest, drawing.label, households_of_node)
    grids = np.unique(drawing.label)
    households = np.bincount(drawing.label, weights=households_of_node)[grids]
    fits = households <= np.maximum(limits.upper, largest[grids])
    one, other = drawing.label[problem.apart].T
    return bool((fits & (households >= limits.lower)).all() and (one != other).all())


@contextmanager
def _deadline(seconds: float) -> Iterator[Ints]:
    """Yield a flag that becomes 1 when the time is up."""
    stop = np.zeros(1, dtype=np.int64)

    def set_stop() -> None:
        stop[0] = 1

    timer = threading.Timer(seconds, set_stop)
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
    """Search grids for a graph of several components, each by itself.

    Parameters and result, (n,) int64 labels, are those of :func:`search`. A previous grid that
    lies in several components continues in one of them.
    """
    parts, part = graph.components()
    if parts == 1:
        return search(graph, limits, weights, before=before, apart=apart, seed=seed, effort=effort)
    before = None if before is None else _split_by_component(graph, part, before)
    label = np.zeros(len(graph), dtype=np.int64)
    next_grid = 0 if before is None else int(before.label.max(initial=-1)) + 1
    for number in range(parts):
        nodes = np.flatnonzero(part == number)
        part_before = None if before is None else before.of(nodes)
        part_label = search(
            graph.subgraph(nodes),
            limits,
            weights,
            before=part_before,
            apart=_pairs_within(apart, nodes, len(graph)),
            seed=seed,
            effort=effort,
        )
        grids, grid = np.unique(part_label, return_inverse=True)
        is_new = np.ones(len(grids), bool)
        if part_before is not None:
            is_new = ~np.isin(grids, part_before.label)
        grids[is_new] = next_grid + np.arange(int(is_new.sum()))
        label[nodes] = grids[grid.ravel()]
        next_grid += int(is_new.sum())
    return label


def _split_by_component(graph: Graph, part: Ints, before: PreviousLabels) -> PreviousLabels:
    """Return previous labels in which no grid lies in two components of the graph.

    The part with the most locked nodes, then with the most households, keeps the number of the
    grid, as does every part with a locked node; the others are new grids.
    """
    drawn = np.flatnonzero(before.label >= 0)
    shares, share = np.unique(
        np.stack([before.label[drawn], part[drawn]], axis=1), axis=0, return_inverse=True
    )
    share = share.ravel()
    households = np.bincount(share, graph.households[drawn], len(shares))
    locked = np.bincount(share, before.locked[drawn], len(shares))
    order = np.lexsort((-households, -locked, shares[:, 0]))
    keeps = locked > 0
    keeps[order[np.unique(shares[order, 0], return_index=True)[1]]] = True
    number = shares[:, 0].copy()
    number[~keeps] = before.label.max(initial=-1) + 1 + np.arange(int((~keeps).sum()))
    label = before.label.copy()
    label[drawn] = number[share]
    return replace(before, label=label)


def _pairs_within(apart: Pairs | None, nodes: Ints, total: int) -> Pairs | None:
    """Return the pairs within (k,) nodes, in the numbers of their subgraph."""
    if apart is None:
        return None
    number = np.full(total, -1, dtype=np.int64)
    number[nodes] = np.arange(len(nodes))
    pairs = number[apart]
    inner: Pairs = pairs[(pairs >= 0).all(axis=1)]
    return inner


def plausible_counts(households: Ints, limits: Limits) -> list[int]:
    """Return the numbers of grids to try, the most likely first.

    A node above the upper limit fills a grid by itself; the others share the remaining ones.

    Parameters
    ----------
    households
        (n,) int64 households of each node.
    """
    over = households > limits.upper
    rest = int(households[~over].sum())
    likely = max(0 if over.any() else 1, round(rest / limits.target))
    low, high = -(-rest // limits.upper), rest // limits.lower
    fitting = [count for count in (likely, likely - 1, likely + 1) if low <= count <= high]
    # If no number fits (for example 550 households), try too few large and too many small grids.
    counts = fitting or sorted({high, low})
    most = max(int((households > 0).sum()), 1)
    return list(dict.fromkeys(min(max(count + int(over.sum()), 1), most) for count in counts))
