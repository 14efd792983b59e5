"""Chains of annealing: what they are given, where they begin, how they cool."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from geo.partition.cells.graph import Graph
from geo.partition.scoring.objective import Limits, Weights
from geo.partition.search.annealing import anneal
from geo.partition.search.initial_partition import build_initial_partition, continue_previous_plan
from geo.partition.search.kernel import LIMIT, KernelProblem
from geo.types import Ints

START_TEMPERATURES = (60.0, 200.0)
"""First temperatures of the chains in turn: what a bad border costs; more where a few large
buildings must be packed, which a cooler chain solves in one run of three and this one in nearly
every (measured on Monaco; the cooler chain draws the better borders)."""

END_TEMPERATURE = 0.5
"""Last temperature, less than any move that matters."""

RESUME_TEMPERATURES = (10.0, 40.0)
"""First temperatures of the chains that begin from the plan before."""

LIMIT_WEIGHT_SHARES = (0.01, 0.1, 1.0)
"""Shares of the weight of the limits, one stage of a chain after the other: a large building can
change sides only while the limits are soft."""

MIN_MOVES = 20_000

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class PreviousLabels:
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

    def of(self, nodes: Ints) -> "PreviousLabels":
        """Return the plan of some nodes."""
        return PreviousLabels(self.label[nodes], self.counted[nodes], self.locked[nodes])


@dataclass(frozen=True)
class SearchProblem:
    """What is to be drawn: a connected graph and all that is asked of its drawing."""

    graph: Graph
    limits: Limits
    weights: Weights
    before: PreviousLabels | None
    apart: Pairs

    @cached_property
    def problem(self) -> KernelProblem:
        """Return the case in the form of the compiled kernel, as if there were no plan before."""
        graph, limits = self.graph, self.limits
        n = len(graph)
        start, neighbour, edge = graph.rows
        inside = graph.compound >= 0
        compounds = int(graph.compound.max(initial=-1)) + 1
        held = np.bincount(graph.compound[inside], graph.households[inside], minlength=compounds)
        apart_start, other = _apart_rows(self.apart, n)
        return KernelProblem(
            graph.households.astype(np.int64),
            start,
            neighbour,
            edge,
            np.stack([graph.length, graph.cut - graph.inside], axis=1)[edge],
            np.ascontiguousarray(graph.edges, dtype=np.int64),
            graph.cut,
            graph.inside,
            graph.length,
            graph.area,
            graph.outline,
            graph.compound.astype(np.int64),
            np.maximum(np.ceil(held / limits.upper), 1).astype(np.int64),
            np.full(n, -1, dtype=np.int64),
            np.zeros(n, np.int64) if self.before is None else self.before.locked.astype(np.int64),
            apart_start,
            other,
            self.weights.array(),
            float(limits.target),
            float(limits.lower),
            float(limits.upper),
        )


@dataclass(frozen=True)
class SearchResult:
    """A drawing: the grid of each node, and what it costs."""

    cost: float
    label: Ints


def anneal_labels(
    case: SearchProblem,
    start: Ints,
    moves: int,
    hot: float,
    seed: int,
    stop: Ints,
    softness: float = 1.0,
) -> SearchResult:
    """Return the best drawing met on the way from one at some temperature to the cold.

    Parameters
    ----------
    start
        (n,) contiguous grids; those of the plan before have its numbers.
    stop
        (1,) another thread sets it to 1 to end the chain with its best so far.
    softness
        Share of the weight of the limits.
    """
    used = np.bincount(start) > 0
    name, label = np.flatnonzero(used), (np.cumsum(used) - 1)[start]
    problem = to_kernel_problem(case, name, softness)
    label, cost = anneal(problem, label, len(name), moves, hot, END_TEMPERATURE, seed % 2**31, stop)
    return SearchResult(cost, name[label])


@cache
def compile_search() -> None:
    """Have the annealing compiled: that may take a minute, which no search is to lose."""
    one, two = np.ones(1), np.ones(2)
    households, nobody = np.ones(2, dtype=np.int64), np.full(2, -1)
    edges = np.array([[0, 1]])
    graph = Graph(households, edges, one, one, one, two, two, np.zeros((2, 2)), nobody)
    case = SearchProblem(graph, Limits(), Weights(), None, np.empty((0, 2), dtype=np.int64))
    anneal_labels(case, np.arange(2), 1, END_TEMPERATURE, 1, np.zeros(1, dtype=np.int64))


def run_chain(
    case: SearchProblem, count: int, number: int, moves: int, seed: int, stop: Ints
) -> SearchResult:
    """Return what a chain of annealing ends with.

    Parameters
    ----------
    count
        Number of grids it begins with.
    number
        Which chain it is: they begin in different ways.
    moves
        For each node.
    """
    seed = seed * 1_000_003 + number * 1009 + count
    label, hot = _begin(case, count, number, seed)
    stage = max(MIN_MOVES, moves * len(case.graph)) // len(LIMIT_WEIGHT_SHARES)
    found = SearchResult(np.inf, label)
    for softness in LIMIT_WEIGHT_SHARES:
        found = anneal_labels(case, found.label, stage, hot, seed, stop, softness)
    return found


def _begin(case: SearchProblem, count: int, number: int, seed: int) -> tuple[Ints, float]:
    """Return the drawing a chain begins with and its first temperature."""
    graph, before, hot = (
        case.graph,
        case.before,
        START_TEMPERATURES[number % len(START_TEMPERATURES)],
    )
    if before is None:
        return build_initial_partition(graph, count, seed), hot
    if number < len(RESUME_TEMPERATURES) or before.locked.any():
        label = continue_previous_plan(graph, before.label, before.locked, count, case.limits, seed)
        return label, RESUME_TEMPERATURES[number % len(RESUME_TEMPERATURES)]
    return _match_labels(graph, build_initial_partition(graph, count, seed), before.label), hot


def _match_labels(graph: Graph, label: Ints, before: Ints) -> Ints:
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


def to_kernel_problem(case: SearchProblem, name: Ints, softness: float = 1.0) -> KernelProblem:
    """Return a case in the form of the compiled kernel; ``name`` are the grids' numbers."""
    weights = case.problem.weights.copy()
    weights[LIMIT] *= softness
    previous = _previous(case.before, name, len(case.graph))
    return case.problem._replace(previous=previous, weights=weights)


def _previous(before: PreviousLabels | None, name: Ints, n: int) -> Ints:
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
