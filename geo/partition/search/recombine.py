"""Recombine two drawings into one that is as good as either, and often better.

What both drawings have in one grid stays together, and the pieces are annealed again: a small
problem, in which one move does what takes many moves on the whole graph. This is the combine
operator of evolutionary graph partitioning (Sanders and Schulz, Distributed evolutionary graph
partitioning, 2012), with annealing instead of its multilevel search.
"""

from dataclasses import replace
from operator import attrgetter

import numpy as np

from geo.partition.search.chains import PreviousLabels, SearchProblem, SearchResult, anneal_labels
from geo.partition.search.kernel import label_components
from geo.types import Ints

PIECE_TEMPERATURE, MOVES_PER_PIECE, MIN_MOVES = 60.0, 300, 5_000
"""Start temperature of the pieces, moves per piece, and least number of moves."""

NODE_TEMPERATURE = 10.0
"""Start temperature of the nodes afterwards: borders may move, whole grids not."""


def recombine(
    problem: SearchProblem,
    one: SearchResult,
    other: SearchResult,
    moves: int,
    seed: int,
    stop: Ints,
) -> SearchResult:
    """Return the better of two drawings, or their recombination if that is better still.

    Parameters
    ----------
    moves
        Moves per node after the pieces were annealed.
    stop
        (1,) int64; another thread sets it to 1 to end the search.
    """
    best = min(one, other, key=attrgetter("cost"))
    piece = common_pieces(problem, one.label, other.label)
    small = _contract(problem, piece)
    if len(small.graph) == len(np.unique(best.label)):  # both drawings are the same
        return best
    start = np.empty(len(small.graph), dtype=np.int64)
    start[piece] = best.label
    piece_moves = max(MIN_MOVES, MOVES_PER_PIECE * len(small.graph))
    label = anneal_labels(small, start, piece_moves, PIECE_TEMPERATURE, seed, stop).label[piece]
    child = anneal_labels(
        problem, label, moves * len(problem.graph), NODE_TEMPERATURE, seed + 1, stop
    )
    return min(best, child, key=attrgetter("cost"))


def common_pieces(problem: SearchProblem, one: Ints, other: Ints) -> Ints:
    """Return (n,) int64 the piece of each node: connected, and in one grid in both drawings.

    Nodes of one piece are also in one compound, and have equal labels in the previous plan.
    """
    graph, before = problem.graph, problem.before
    attributes = [one, other, graph.compound]
    if before is not None:
        attributes += [before.label, 2 * before.counted + before.locked.astype(np.int64)]
    kind = np.zeros(len(graph), dtype=np.int64)
    for labels in attributes:
        kind = kind * (int(labels.max()) + 2) + labels + 1
    piece: Ints = label_components(*graph.rows[:2], kind)
    return piece


def _contract(problem: SearchProblem, piece: Ints) -> SearchProblem:
    """Return the problem in which each piece is one node."""
    first = np.unique(piece, return_index=True)[1]
    apart = piece[problem.apart]
    before: PreviousLabels | None = None if problem.before is None else problem.before.of(first)
    return replace(
        problem,
        graph=problem.graph.contracted(piece),
        before=before,
        apart=apart[apart[:, 0] != apart[:, 1]],
    )
