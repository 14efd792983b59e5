"""Bridges of a graph: edges that are on no ring."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from geo.types import Bools, Ints

_SEED = 20141001


def find_bridges(ends: Ints, nodes: int) -> Bools:
    """Return which edges of a graph are bridges: removing one splits the part that it is in.

    Each edge outside a spanning tree gets a random number; an edge of the tree is a bridge if the
    numbers of all edges that pass over it cancel out (wrong once in 2**64).

    Parameters
    ----------
    ends
        (e, 2) int64 nodes of each edge; loops and parallel edges are allowed.
    nodes
        Number of nodes.

    Returns
    -------
    ndarray of bool
        (e,) whether each edge is a bridge.
    """
    adjacency = coo_array((np.ones(len(ends)), ends.T), shape=(nodes, nodes))
    _, label = connected_components(adjacency, directed=False)
    _, first = np.unique(label, return_index=True)
    # One more node joined to a node of each part, so that a single search reaches them all.
    rows = np.concatenate([ends[:, 0], np.full(len(first), nodes)])
    columns = np.concatenate([ends[:, 1], first])
    joined = coo_array((np.ones(len(rows)), (rows, columns)), shape=(nodes + 1,) * 2)
    order, before = breadth_first_order(joined.tocsr(), nodes, directed=False)

    in_tree = np.zeros(len(ends), dtype=bool)
    child = np.where(before[ends[:, 1]] == ends[:, 0], ends[:, 1], ends[:, 0])
    parent = np.where(child == ends[:, 1], ends[:, 0], ends[:, 1])
    candidates = np.flatnonzero((before[child] == parent) & (child != parent))
    _, chosen = np.unique(child[candidates], return_index=True)
    in_tree[candidates[chosen]] = True

    number = np.random.default_rng(_SEED).integers(1, 2**63, len(ends), dtype=np.uint64)
    number[in_tree] = 0
    over = np.zeros(nodes + 1, dtype=np.uint64)
    for side in (0, 1):
        np.bitwise_xor.at(over, ends[:, side], number)
    passing = over.tolist()
    for node in order[:0:-1].tolist():
        passing[before[node]] ^= passing[node]
    is_bridge: Bools = in_tree & (np.array(passing, dtype=np.uint64)[child] == 0)
    return is_bridge
