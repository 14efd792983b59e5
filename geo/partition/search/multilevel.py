"""Multilevel annealing: random pieces of the graph first, then its nodes.

On pieces a chain crosses between different drawings, at the cost of a graph with a fraction of the
nodes; the nodes then straighten the borders. A finished drawing is improved in the same way with
pieces that lie within its grids (iterated multilevel search: Walshaw, Multilevel refinement for
combinatorial optimisation problems, 2004).
"""

from operator import attrgetter

import numpy as np

from geo.partition.cells.graph import Graph
from geo.partition.matching import match_grids
from geo.partition.search.chains import SearchProblem, SearchResult, anneal_labels
from geo.partition.search.initial_partition import build_initial_partition, continue_previous_plan
from geo.partition.search.pieces import contract, random_pieces
from geo.types import Ints

START_TEMPERATURES = (60.0, 2000.0)
"""Start temperatures, which the chains use in turn. The cooler one draws the better borders; the
hotter one crosses between drawings that violate limits, and packs few large buildings into grids.
"""

HARD_START_TEMPERATURE, HARD_END_TEMPERATURE, HARD_MOVES = 6000.0, 100.0, 15_000
"""Temperatures and moves of every second chain on a graph so small that its nodes are its pieces:
the limits have their full weight. Soft limits would first lead it away from the few good drawings
that there are where large buildings or few households leave hardly any choice."""

RESUME_TEMPERATURES = (10.0, 40.0)
"""Start temperatures of the chains that start from the previous plan."""

LIMIT_WEIGHT_SHARES = (0.01, 0.1, 1.0)
"""Share of the weight of the limits in each stage of a chain: a large building can change its grid
only while the limits are soft."""

MIN_MOVES = 5_000
"""Least number of moves on a graph."""

PIECE_END_TEMPERATURE = 3.0
"""Last temperature of pieces: the nodes are annealed from a higher one anyway."""

NODE_TEMPERATURE, MOVES_PER_NODE = 20.0, 10
"""Start temperature and moves per node after the pieces were annealed."""

IMPROVEMENT_TEMPERATURE, MOVES_PER_PIECE = 100.0, 60
"""Start temperature and moves per piece of a drawing that is to be improved."""


def run_chain(
    problem: SearchProblem, count: int, number: int, moves: int, seed: int, stop: Ints
) -> SearchResult:
    """Draw grids from the beginning and return the best drawing visited.

    Parameters
    ----------
    count
        Number of grids at the start.
    number
        Number of the chain: chains start in different ways.
    moves
        Moves per piece.
    stop
        (1,) int64 flag that another thread sets to end the chain.
    """
    seed = seed * 1_000_003 + number * 1009 + count
    piece = random_pieces(problem, count, seed)
    small = contract(problem, piece)
    if len(small.graph) < 2 * count:
        small, piece = problem, np.arange(len(problem.graph))
    label, hot = _start_of_chain(small, count, number, seed)
    if hot == START_TEMPERATURES[1] and len(small.graph) == len(problem.graph):
        label = anneal_labels(
            small, label, HARD_MOVES, HARD_START_TEMPERATURE, seed, stop, cold=HARD_END_TEMPERATURE
        ).label
        return _anneal_nodes(problem, label, seed, stop)
    stage = max(MIN_MOVES, moves * len(small.graph)) // len(LIMIT_WEIGHT_SHARES)
    for softness in LIMIT_WEIGHT_SHARES:
        label = anneal_labels(
            small, label, stage, hot, seed, stop, softness, PIECE_END_TEMPERATURE
        ).label
    return _anneal_nodes(problem, label[piece], seed, stop)


def improve(problem: SearchProblem, drawing: SearchResult, seed: int, stop: Ints) -> SearchResult:
    """Return a drawing, or a better one that annealing random pieces of its grids leads to.

    Parameters
    ----------
    stop
        (1,) int64; another thread sets it to 1 to end the search.
    """
    piece = random_pieces(problem, len(np.unique(drawing.label)), seed, drawing.label)
    return anneal_pieces(problem, piece, drawing, IMPROVEMENT_TEMPERATURE, seed, stop)


def anneal_pieces(
    problem: SearchProblem,
    piece: Ints,
    drawing: SearchResult,
    hot: float,
    seed: int,
    stop: Ints,
) -> SearchResult:
    """Return a drawing, or a better one after pieces and then nodes were annealed.

    Parameters
    ----------
    piece
        (n,) int64 pieces, each in one grid of the drawing.
    hot
        Start temperature of the pieces.
    stop
        (1,) int64; another thread sets it to 1 to end the search.
    """
    small = contract(problem, piece)
    if len(small.graph) == len(np.unique(drawing.label)):
        return drawing
    start = np.empty(len(small.graph), dtype=np.int64)
    start[piece] = drawing.label
    moves = max(MIN_MOVES, MOVES_PER_PIECE * len(small.graph))
    label = anneal_labels(small, start, moves, hot, seed, stop, cold=PIECE_END_TEMPERATURE).label
    child = _anneal_nodes(problem, label[piece], seed + 1, stop)
    return min(drawing, child, key=attrgetter("cost"))


def _anneal_nodes(problem: SearchProblem, label: Ints, seed: int, stop: Ints) -> SearchResult:
    moves = max(MIN_MOVES, MOVES_PER_NODE * len(problem.graph))
    return anneal_labels(problem, label, moves, NODE_TEMPERATURE, seed, stop)


def _start_of_chain(
    problem: SearchProblem, count: int, number: int, seed: int
) -> tuple[Ints, float]:
    """Return the labels that a chain starts from and its start temperature."""
    graph, before = problem.graph, problem.before
    hot = START_TEMPERATURES[number % len(START_TEMPERATURES)]
    if before is None:
        return build_initial_partition(graph, count, seed), hot
    if number < len(RESUME_TEMPERATURES) or before.locked.any():
        label = continue_previous_plan(
            graph, before.label, before.locked, count, problem.limits, seed
        )
        return label, RESUME_TEMPERATURES[number % len(RESUME_TEMPERATURES)]
    return _match_labels(graph, build_initial_partition(graph, count, seed), before.label), hot


def _match_labels(graph: Graph, label: Ints, before: Ints) -> Ints:
    """Return labels renumbered so that grids have the numbers of similar previous grids."""
    known = before >= 0
    most = int(before.max(initial=-1)) + 1
    count = int(label.max()) + 1
    one, other, _ = match_grids(
        label[known], before[known], graph.households[known] + 1e-3, (count, max(most, count))
    )
    name = np.empty(count, dtype=np.int64)
    name[one] = other
    renamed: Ints = name[label]
    return renamed
