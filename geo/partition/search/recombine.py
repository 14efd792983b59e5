"""Recombine two drawings into one that is as good as either, and often better.

What both drawings have in one grid stays together, and the pieces are annealed again: a small
problem, in which one move does what takes many moves on the whole graph. This is the combine
operator of evolutionary graph partitioning (Sanders and Schulz, Distributed evolutionary graph
partitioning, 2012), with annealing instead of its multilevel search.
"""

from operator import attrgetter

from geo.partition.search.chains import SearchProblem, SearchResult
from geo.partition.search.multilevel import anneal_pieces
from geo.partition.search.pieces import common_pieces
from geo.types import Ints

PIECE_TEMPERATURE, MOVES_PER_PIECE = 60.0, 300
"""Start temperature of the pieces, and moves per piece."""


def recombine(
    problem: SearchProblem, one: SearchResult, other: SearchResult, seed: int, stop: Ints
) -> SearchResult:
    """Return the better of two drawings, or their recombination if that is better still.

    Parameters
    ----------
    stop
        (1,) int64; another thread sets it to 1 to end the search.
    """
    best = min(one, other, key=attrgetter("cost"))
    piece = common_pieces(problem, one.label, other.label)
    return anneal_pieces(problem, piece, best, PIECE_TEMPERATURE, seed, stop)
