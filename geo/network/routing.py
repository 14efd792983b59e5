"""Shortest ways over a sparse matrix of costs (Dijkstra, scipy.sparse.csgraph)."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.network.noding import Floats, Ints

UNREACHABLE = np.inf
NO_PREDECESSOR = -9999
"""What stands before the node that a way starts at."""


def shortest_from_node(
    costs: csr_array, node: int, limit: float = UNREACHABLE
) -> tuple[Floats, Ints]:
    """Return (n,) cost of every node from one, and the node before each on the way."""
    metres, before = dijkstra(costs, True, np.array([node]), True, limit=limit)
    return metres[0], before[0].astype(np.int64)


def shortest_from_nearest(
    costs: csr_array, nodes: Ints, limit: float = UNREACHABLE
) -> tuple[Floats, Ints, Ints]:
    """Return (n,) cost of every node from the nearest of some, the node before, and which it is.

    Where no way leads the cost is infinite and the other two are negative.
    """
    if not len(nodes):
        count = costs.shape[0]
        nothing = np.full(count, NO_PREDECESSOR, dtype=np.int64)
        return np.full(count, UNREACHABLE), nothing, nothing
    cost, before, source = dijkstra(costs, True, nodes, True, limit=limit, min_only=True)
    return cost, before.astype(np.int64), source.astype(np.int64)


def path_to_start(before: Ints, node: int) -> list[int]:
    """Return the nodes from one back to where its way started."""
    found = [node]
    while before[found[-1]] >= 0:
        found.append(int(before[found[-1]]))
    return found
