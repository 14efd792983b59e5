"""The problem of a search, and annealing of its labels."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from geo.partition.cells.graph import Graph, compress_rows
from geo.partition.scoring.objective import Limits, Weights, count_needed_grids
from geo.partition.search.annealing import anneal
from geo.partition.search.kernel import LIMIT, KernelProblem
from geo.types import Ints

END_TEMPERATURE = 2.0
"""Last temperature of nodes: a move that costs more than a few metres of border is refused."""

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class PreviousLabels:
    """The previous grids of nodes, and which nodes must keep theirs.

    Attributes
    ----------
    label
        (n,) int64 grid of each node, numbered from 0; -1 for none.
    counted
        (n,) bool, whether it counts as a move when the node changes its grid.
    locked
        (n,) bool, nodes that stay in their grid.
    """

    label: Ints
    counted: NDArray[np.bool_]
    locked: NDArray[np.bool_]

    def of(self, nodes: Ints) -> "PreviousLabels":
        """Return the labels of (k,) int64 nodes."""
        return PreviousLabels(self.label[nodes], self.counted[nodes], self.locked[nodes])


@dataclass(frozen=True)
class SearchProblem:
    """A connected graph with limits, weights, previous labels and cannot-link pairs."""

    graph: Graph
    limits: Limits
    weights: Weights
    before: PreviousLabels | None
    apart: Pairs

    @cached_property
    def kernel_problem(self) -> KernelProblem:
        """Return the arrays for the compiled kernel, without previous labels."""
        graph, limits = self.graph, self.limits
        n = len(graph)
        start, neighbour, edge = graph.rows
        apart_start, other, _ = compress_rows(n, self.apart)
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
            count_needed_grids(graph.compound, graph.households, limits),
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
    """A drawing: its cost and (n,) the grid of each node."""

    cost: float
    label: Ints


def anneal_labels(
    problem: SearchProblem,
    start: Ints,
    moves: int,
    hot: float,
    seed: int,
    stop: Ints,
    softness: float = 1.0,
    cold: float = END_TEMPERATURE,
) -> SearchResult:
    """Anneal labels from a start temperature to a last one; return the best drawing visited.

    Parameters
    ----------
    start
        (n,) int64 contiguous labels; grids of the previous plan have its numbers.
    moves, hot
        Number of moves and start temperature.
    stop
        (1,) int64; another thread sets it to 1 to end the chain with its best so far.
    softness
        Share of the weight of the limits that is applied.
    cold
        Last temperature.
    """
    used = np.bincount(start) > 0
    name, label = np.flatnonzero(used), (np.cumsum(used) - 1)[start]
    kernel_problem = to_kernel_problem(problem, name, softness)
    label, cost = anneal(kernel_problem, label, len(name), moves, hot, cold, seed % 2**31, stop)
    return SearchResult(cost, name[label])


@cache
def compile_search() -> None:
    """Have the annealing compiled, so that this does not count in the time limit of a search."""
    one, two = np.ones(1), np.ones(2)
    households, no_compound = np.ones(2, dtype=np.int64), np.full(2, -1)
    edges = np.array([[0, 1]])
    graph = Graph(households, edges, one, one, one, two, two, np.zeros((2, 2)), no_compound)
    problem = SearchProblem(graph, Limits(), Weights(), None, np.empty((0, 2), dtype=np.int64))
    anneal_labels(problem, np.arange(2), 1, END_TEMPERATURE, 1, np.zeros(1, dtype=np.int64))


def to_kernel_problem(problem: SearchProblem, name: Ints, softness: float = 1.0) -> KernelProblem:
    """Return the arrays for the compiled kernel.

    Parameters
    ----------
    name
        (g,) int64 numbers of the grids, by their number in the kernel.
    softness
        Factor of the weight of the limits.
    """
    weights = problem.kernel_problem.weights.copy()
    weights[LIMIT] *= softness
    previous = _previous_places(problem.before, name, len(problem.graph))
    return problem.kernel_problem._replace(previous=previous, weights=weights)


def _previous_places(before: PreviousLabels | None, name: Ints, n: int) -> Ints:
    """Return (n,) the place of each node's previous grid in ``name``, its length if not there."""
    previous = np.full(n, -1, dtype=np.int64)
    if before is None:
        return previous
    counted = before.counted & (before.label >= 0)
    place = np.full(int(max(name.max(), before.label.max())) + 1, len(name), dtype=np.int64)
    place[name] = np.arange(len(name))
    previous[counted] = place[before.label[counted]]
    return previous
