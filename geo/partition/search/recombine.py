"""Two drawings crossed into one that is as good as either, and often better.

What both drawings have in one grid stays together, and the pieces are annealed anew: a small
problem, in which a single move does what takes many on the whole graph. The combine operator of
evolutionary graph partitioning (Sanders and Schulz, Distributed evolutionary graph partitioning,
2012), with annealing in place of its multilevel search.
"""

from dataclasses import replace

import numpy as np

from geo.partition.search.chains import PreviousLabels, SearchProblem, SearchResult, anneal_labels
from geo.partition.search.kernel import label_components
from geo.types import Ints

PIECE_TEMPERATURE, MOVES_PER_PIECE, MIN_MOVES = 60.0, 1000, 5_000
"""First temperature of the pieces, and moves made with them."""

NODE_TEMPERATURE = 10.0
"""First temperature of the nodes in the drawing that comes of it: borders may move, not grids."""


def recombine(
    case: SearchProblem, one: SearchResult, other: SearchResult, moves: int, seed: int, stop: Ints
) -> SearchResult:
    """Return the better of two drawings, or one that is better still.

    Parameters
    ----------
    moves
        For each node, after the pieces were annealed.
    """
    best = min(one, other, key=lambda found: found.cost)
    piece = common_pieces(case, one.label, other.label)
    small = _contract_case(case, piece)
    if len(small.graph) == len(np.unique(best.label)):  # the same drawing twice
        return best
    start = np.empty(len(small.graph), dtype=np.int64)
    start[piece] = best.label
    tries = max(MIN_MOVES, MOVES_PER_PIECE * len(small.graph))
    joined = anneal_labels(small, start, tries, PIECE_TEMPERATURE, seed, stop).label[piece]
    child = anneal_labels(case, joined, moves * len(case.graph), NODE_TEMPERATURE, seed + 1, stop)
    return min(best, child, key=lambda found: found.cost)


def common_pieces(case: SearchProblem, one: Ints, other: Ints) -> Ints:
    """Return the piece of each node: connected, in one grid in both drawings, and of one kind.

    Nodes of one piece are in one compound, and alike in the plan before.
    """
    graph, before = case.graph, case.before
    alike = [one, other, graph.compound]
    if before is not None:
        alike += [before.label, 2 * before.counted + before.locked.astype(np.int64)]
    kind = np.zeros(len(graph), dtype=np.int64)
    for labels in alike:
        kind = kind * (int(labels.max()) + 2) + labels + 1
    piece: Ints = label_components(*graph.rows[:2], kind)
    return piece


def _contract_case(case: SearchProblem, piece: Ints) -> SearchProblem:
    """Return the case in which each piece is one node."""
    first = np.unique(piece, return_index=True)[1]
    apart = piece[case.apart]
    before: PreviousLabels | None = None if case.before is None else case.before.of(first)
    return replace(
        case,
        graph=case.graph.contracted(piece),
        before=before,
        apart=apart[apart[:, 0] != apart[:, 1]],
    )
