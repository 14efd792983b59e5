"""Shortest paths over a sparse matrix of costs (Dijkstra, ``scipy.sparse.csgraph``)."""

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from geo.types import Floats, Ints

UNREACHABLE = np.inf
NO_PREDECESSOR = -9999
"""Predecessor of the node that a path starts at, and of unreachable nodes."""


def shortest_from_node(
    costs: csr_array, node: int, limit: float = UNREACHABLE
) -> tuple[Floats, Ints]:
    """Return (n,) float64 cost of each node from a start node, and (n,) int64 its predecessor.

    Parameters
    ----------
    costs
        (n, n) cost of each edge.
    limit
        Nodes that cost more are not reached: their cost is infinite.
    """
    metres, before = dijkstra(costs, True, np.array([node]), True, limit=limit)
    return metres[0], before[0].astype(np.int64)


def shortest_from_nearest(
    costs: csr_array, nodes: Ints, limit: float = UNREACHABLE
) -> tuple[Floats, Ints, Ints]:
    """Return the cost of every node from the nearest of several start nodes.

    Parameters
    ----------
    costs
        (n, n) cost of each edge.
    nodes
        (k,) int64 start nodes.
    limit
        Nodes that cost more are not reached.

    Returns
    -------
    cost
        (n,) float64, infinite where no path leads.
    predecessor, source
        (n,) int64 previous node on the path, and the start node; negative where no path leads.
    """
    if not len(nodes):
        count = costs.shape[0]
        nothing = np.full(count, NO_PREDECESSOR, dtype=np.int64)
        return np.full(count, UNREACHABLE), nothing, nothing
    cost, before, source = dijkstra(costs, True, nodes, True, limit=limit, min_only=True)
    return cost, before.astype(np.int64), source.astype(np.int64)


def shortest_from_places(
    costs: csr_array, nodes: Ints, approach: Floats, limit: float = UNREACHABLE
) -> tuple[Floats, Ints]:
    """Return the cost of every node from the nearest of several places beside the graph.

    Parameters
    ----------
    costs
        (n, n) cost of each edge.
    nodes, approach
        (k,) int64 node where each place joins the graph, and (k,) float64 the cost to it.
    limit
        Nodes that cost more are not reached.

    Returns
    -------
    cost
        (n,) float64, infinite where no path leads.
    place
        (n,) int64 which of the places it is; -1 where no path leads.
    """
    count = costs.shape[0]
    starts = np.arange(len(nodes)) + count
    edges = costs.tocoo()
    data = np.concatenate([edges.data, np.maximum(approach, _LEAST_COST)])
    ends = np.concatenate([edges.row, starts]), np.concatenate([edges.col, nodes])
    joined = csr_array((data, ends), shape=(count + len(nodes),) * 2)
    cost, _, source = shortest_from_nearest(joined, starts, limit)
    return cost[:count], np.where(source >= count, source - count, -1)[:count]


_LEAST_COST = 1e-9
"""An edge that costs nothing would be none."""


def path_to_start(before: Ints, node: int) -> list[int]:
    """Return the nodes of a path, from a node back to the start.

    Parameters
    ----------
    before
        (n,) int64 predecessor of each node.
    """
    path = [node]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return path
