"""An order of the nodes of a graph with a small frontier, for proofs."""

import numpy as np

from geo.types import Ints

START_NODES = 24
"""Start nodes from which an order is tried."""


def order_nodes(nodes: int, edges: Ints) -> Ints:
    """Return (n,) int64 an order in which few nodes at a time have neighbours on both sides.

    Parameters
    ----------
    nodes, edges
        Number of nodes, and (m, 2) int64 edges.
    """
    neighbours: list[set[int]] = [set() for _ in range(nodes)]
    for one, other in edges.tolist():
        neighbours[one].add(other)
        neighbours[other].add(one)
    starts = np.unique(np.linspace(0, nodes - 1, min(START_NODES, nodes)).astype(np.int64))
    ranked = sorted(
        np.argsort([len(near) for near in neighbours], kind="stable").tolist()[:START_NODES]
        + starts.tolist()
    )
    orders = [_order_from(start, neighbours) for start in dict.fromkeys(ranked)]
    return np.array(min(orders)[1], dtype=np.int64)


def _order_from(start: int, neighbours: list[set[int]]) -> tuple[float, list[int]]:
    """Return the effort of the greedy order from a node, and the order.

    The effort is the sum of 3**size over the frontiers from either end.
    """
    left = [len(near) for near in neighbours]
    when = dict[int, int]()
    front, beyond = set[int](), {start}
    order, effort = list[int](), 0.0
    while len(order) < len(neighbours):
        beyond = beyond or {next(v for v in range(len(neighbours)) if v not in when)}

        def rank(v: int) -> tuple[int, int, int, int]:
            drawn = [u for u in neighbours[v] if u in when]
            closed = sum(left[u] == 1 for u in drawn)
            opens = len(drawn) < len(neighbours[v])
            return opens - closed, -len(drawn), min((when[u] for u in drawn), default=0), v

        node = min(beyond, key=rank)
        when[node] = len(order)
        order.append(node)
        beyond.discard(node)
        for near in neighbours[node]:
            if near in when:
                left[near] -= 1
                left[node] -= 1
                if left[near] == 0:
                    front.discard(near)
            else:
                beyond.add(near)
        if left[node] > 0:
            front.add(node)
        effort += 3.0 ** len(front) + 3.0 ** len(beyond)
    return effort, order
