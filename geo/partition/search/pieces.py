"""Pieces: connected nodes that are annealed as one node.

A move of a piece does what takes a long and expensive sequence of moves of nodes.
"""

from dataclasses import replace

import numpy as np

from geo.geometry.compile import COMPILED, kernel
from geo.partition.search.chains import PreviousLabels, SearchProblem
from geo.partition.search.kernel import label_components
from geo.types import Floats, Ints

NODES_PER_PIECE, PIECES_PER_GRID = 3, 15
"""A random piece has at most the mean households of so many nodes, or of this part of a grid if
that is more."""

MIN_NODES = 50
"""On a graph with fewer nodes each is a piece of its own."""

NOISE_EXPONENT, LENGTH_SHARE = 0.5, 0.02
"""The order in which random pieces grow: how random it is, and what a metre of border counts for
beside its cost."""


def contract(problem: SearchProblem, piece: Ints) -> SearchProblem:
    """Return the problem in which each piece is one node.

    Parameters
    ----------
    piece
        (n,) int64 piece of each node, numbered from 0.
    """
    first = np.unique(piece, return_index=True)[1]
    apart = piece[problem.apart]
    before: PreviousLabels | None = None if problem.before is None else problem.before.of(first)
    return replace(
        problem,
        graph=problem.graph.contracted(piece),
        before=before,
        apart=apart[apart[:, 0] != apart[:, 1]],
    )


def common_pieces(problem: SearchProblem, one: Ints, other: Ints) -> Ints:
    """Return (n,) int64 pieces: connected, and in one grid by (n,) ``one`` and by ``other``.

    Nodes of one piece are also in one compound, and have equal labels in the previous plan.
    """
    piece: Ints = label_components(*problem.graph.rows[:2], _kinds(problem, one, other))
    return piece


def random_pieces(problem: SearchProblem, grids: int, seed: int, label: Ints | None = None) -> Ints:
    """Merge nodes at random into small pieces, first across borders that are expensive to cut.

    Nodes that are better apart, on both sides of an arterial, are not merged across it.
    This is the coarsening of multilevel graph partitioning (Karypis and Kumar, A fast and high
    quality multilevel scheme for partitioning irregular graphs, 1998).

    Parameters
    ----------
    grids
        Number of grids: a piece is small compared with one.
    label
        (n,) int64 grids that pieces do not cross; by default they cross all.

    Returns
    -------
    piece
        (n,) int64. Nodes of one piece are in one compound, have equal labels in the previous plan,
        and no cannot-link pair.
    """
    graph = problem.graph
    labels = () if label is None else (label,)
    kind = _kinds(problem, *labels)
    paired = np.unique(problem.apart)
    kind[paired] = kind.max(initial=0) + 1 + np.arange(len(paired))
    mergeable = np.flatnonzero(graph.cut >= graph.inside)
    tie: Floats = (graph.cut - graph.inside + LENGTH_SHARE * graph.length)[mergeable] + 0.1
    noise = np.random.default_rng(seed).exponential(size=len(tie)) ** NOISE_EXPONENT
    edges = graph.edges[mergeable[np.argsort(noise / tie, kind="stable")]]
    pieces = min(len(graph) / NODES_PER_PIECE, grids * PIECES_PER_GRID)
    most = int(graph.households.sum() / pieces) if len(graph) >= MIN_NODES else -1
    piece: Ints = merge_along_edges(graph.households.astype(np.int64), kind, edges, most)
    return piece


def _kinds(problem: SearchProblem, *labels: Ints) -> Ints:
    """Return (n,) int64 numbers, equal where nodes may be in one piece."""
    attributes, before = [*labels, problem.graph.compound], problem.before
    if before is not None:
        attributes += [before.label, 2 * before.counted + before.locked.astype(np.int64)]
    kind = np.zeros(len(problem.graph), dtype=np.int64)
    for values in attributes:
        kind = kind * (int(values.max()) + 2) + values + 1
    return kind


@kernel(**COMPILED)
def merge_along_edges(households: Ints, kind: Ints, edges: Ints, most: int) -> Ints:
    """Return (n,) int64 the piece of each node, numbered by their first nodes.

    Parameters
    ----------
    households, kind
        (n,) int64 households of each node, and numbers; only equal ones are merged.
    edges
        (m, 2) int64 edges in the order in which they merge their ends.
    most
        Households that a piece of several nodes may have.
    """
    n = len(households)
    root, total = np.arange(n), households.copy()
    for e in range(len(edges)):
        a, b = edges[e, 0], edges[e, 1]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b and kind[a] == kind[b] and total[a] + total[b] <= most:
            root[max(a, b)] = min(a, b)  # the root of a piece is its first node
            total[min(a, b)] = total[a] + total[b]
    piece, pieces = np.empty(n, np.int64), 0
    for u in range(n):
        if root[u] == u:
            piece[u] = pieces
            pieces += 1
        else:
            a = root[u]
            while root[a] != a:
                a = root[a]
            piece[u] = piece[a]
    return piece
