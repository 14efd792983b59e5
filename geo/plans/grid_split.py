"""Split a grid in two: along streets and walls, within the limits, and without dividing compounds.

Several bisections by METIS are improved cell by cell; the objective of a drawing
(:mod:`geo.partition.scoring.objective`) chooses among them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pymetis

from geo.partition.cells.barriers import Barriers
from geo.partition.cells.graph import Graph, build_coverage_graph
from geo.partition.scoring.objective import Limits, Weights, cost
from geo.types import Ints, Polygons

SHARES = (0.5, 0.45, 0.55, 0.4, 0.6, 0.33, 0.67)
"""Shares of the households in the first half that bisections aim at."""

TOLERANCES = (30, 150)
"""Imbalances that METIS accepts, in thousandths."""

MAX_PASSES = 12


def split_in_two(
    cells: Polygons, households: Ints, compound: Ints, barriers: Barriers, limits: Limits
) -> Ints:
    """Return the half, 0 or 1, in which each cell of a grid is.

    Parameters
    ----------
    cells
        (n,) polygons of a coverage, metres; n is at least 2.
    households, compound
        (n,) households of each cell, and number of its compound, -1 for none.
    barriers
        Barriers in and around the grid.

    Returns
    -------
    Ints
        (n,) int64 with both halves in one piece each if the grid is in one piece.
    """
    graph = build_coverage_graph(cells, households, compound, barriers)
    weights = Weights()

    def total(label: Ints) -> float:
        return cost(graph, label, limits, weights).total

    halves = [_improve_labels(graph, label, total) for label in _bisections(graph)]
    return min(halves, key=lambda label: (_count_pieces(graph, label), total(label)))


def _bisections(graph: Graph) -> Iterator[Ints]:
    """Yield bisections with cheap borders, by METIS."""
    start, neighbour, edge = graph.rows
    one, other = graph.compound[graph.edges].T
    metres = graph.cut - graph.inside + Weights().compound * ((one == other) & (one >= 0))
    price = np.maximum(np.round(10 * metres), 1).astype(np.int64)
    adjacency = pymetis.CSRAdjacency(start.tolist(), neighbour.tolist())
    for share in SHARES:
        for tolerance in TOLERANCES:
            _, part = pymetis.part_graph(
                2,
                adjacency=adjacency,
                vweights=graph.households.tolist(),
                eweights=price[edge].tolist(),
                tpwgts=[share, 1 - share],
                recursive=True,
                options=pymetis.Options(seed=0, ufactor=tolerance),
            )
            label = np.array(part, dtype=np.int64)
            if 0 < label.sum() < len(label):
                yield label
    heaviest = np.zeros(len(graph), dtype=np.int64)
    heaviest[graph.households.argmax()] = 1
    yield heaviest


def _improve_labels(graph: Graph, label: Ints, total: Callable[[Ints], float]) -> Ints:
    """Join detached pieces, then move cells at the border while the cost falls."""
    label = _join_pieces(graph, label)
    best, pieces = total(label), _count_pieces(graph, label)
    for _ in range(MAX_PASSES):
        is_improved = False
        one, other = graph.edges[label[graph.edges[:, 0]] != label[graph.edges[:, 1]]].T
        for cell in np.unique(np.concatenate([one, other])):
            moved = label.copy()
            moved[cell] = 1 - moved[cell]
            if moved.min() == moved.max():
                continue
            value = total(moved)
            if value < best - 1e-9 and _count_pieces(graph, moved) <= pieces:
                label, best, is_improved = moved, value, True
        if not is_improved:
            break
    return label


def _join_pieces(graph: Graph, label: Ints) -> Ints:
    """Return the halves with all but the largest piece of each moved to the other half."""
    joined = label.copy()
    for half in (0, 1):
        nodes = np.flatnonzero(joined == half)
        count, piece = graph.subgraph(nodes).components()
        largest = np.bincount(piece, graph.households[nodes] + 1, count).argmax()
        joined[nodes[piece != largest]] = 1 - half
    return joined if 0 < joined.sum() < len(joined) else label


def _count_pieces(graph: Graph, label: Ints) -> int:
    return sum(graph.subgraph(np.flatnonzero(label == half)).components()[0] for half in (0, 1))
