"""Traces of a pipe network: what feeds a node, what depends on it, what it is connected to."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from geo.network import routing
from geo.network.pipe_faults import GRAVITY_NETWORKS
from geo.network.pipes import PipeGraph
from geo.network.roads import cost_matrix
from geo.types import Bools, Floats, Ints


class Direction(StrEnum):
    """The direction of a trace."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    CONNECTED = "connected"


@dataclass(frozen=True)
class TraceResult:
    """(k,) rows of the traced segments, and (m,) nodes at their ends."""

    segments: Ints
    nodes: Ints


def flow_arcs(graph: PipeGraph) -> tuple[Ints, Floats]:
    """Return (k, 2) int64 the nodes between which flow can pass, in order, and (k,) float64 metres.

    Nothing passes a closed valve. A one-way device passes flow from the segments drawn into it to
    those drawn out of it, a gravity network only downstream.
    """
    a, b = graph.ends.T
    forward = ~graph.is_closed[a] & ~graph.is_closed[b]
    backward = forward & ~graph.is_one_way[a] & ~graph.is_one_way[b]
    if graph.network in GRAVITY_NETWORKS:
        backward = np.zeros_like(forward)
    ends = np.concatenate([graph.ends[forward], graph.ends[backward][:, ::-1]])
    return ends, np.concatenate([graph.length[forward], graph.length[backward]])


def _arc_costs(graph: PipeGraph, without: Ints) -> csr_array:
    ends, metres = flow_arcs(graph)
    is_open = ~np.isin(ends, without).any(axis=1)
    return cost_matrix(len(graph.xy), ends[is_open], metres[is_open], directed=True)


def trace_network(graph: PipeGraph, start: Ints, direction: Direction) -> TraceResult:
    """Return what lies in a direction from some nodes.

    Under pressure, upstream is the shortest path from a source, and downstream what loses supply if
    the nodes are shut. In a gravity network they are all that drains into the nodes, and the path
    to an outfall.

    Parameters
    ----------
    start
        (k,) nodes.
    """
    if direction is Direction.CONNECTED:
        return _result_of_nodes(graph, _find_connected(graph, start))
    if graph.network in GRAVITY_NETWORKS:
        costs = _arc_costs(graph, np.empty(0, dtype=np.int64))
        if direction is Direction.UPSTREAM:
            costs = csr_array(costs.T)
        return _result_of_nodes(graph, _find_reachable(costs, start))
    if direction is Direction.UPSTREAM:
        return _path_from_source(graph, start)
    return _find_dependents(graph, start)


def _find_reachable(costs: csr_array, start: Ints) -> Bools:
    is_reached = np.zeros(costs.shape[0], dtype=bool)
    for node in start:
        is_reached[breadth_first_order(costs, node, return_predecessors=False)] = True
    return is_reached


def _find_connected(graph: PipeGraph, start: Ints) -> Bools:
    ends, metres = flow_arcs(graph)
    return _find_reachable(cost_matrix(len(graph.xy), ends, metres), start)


def _result_of_nodes(graph: PipeGraph, nodes: Bools) -> TraceResult:
    """Return the reached nodes and the segments between them."""
    inside = nodes[graph.ends].all(axis=1)
    return TraceResult(np.flatnonzero(inside), np.flatnonzero(nodes))


def _path_from_source(graph: PipeGraph, start: Ints) -> TraceResult:
    costs = _arc_costs(graph, np.empty(0, dtype=np.int64))
    metres, before, _ = routing.shortest_from_nearest(costs, np.flatnonzero(graph.is_source))
    node = int(start[np.argmin(metres[start])])
    if not np.isfinite(metres[node]):
        return TraceResult(np.empty(0, dtype=np.int64), np.array([node]))
    nodes = routing.path_to_start(before, node)
    is_on_path = np.zeros(len(graph.xy), dtype=bool)
    is_on_path[nodes] = True
    step = {frozenset(pair) for pair in pairwise(nodes)}
    inside = np.flatnonzero(is_on_path[graph.ends].all(axis=1))
    on = [row for row in inside if frozenset(graph.ends[row].tolist()) in step]
    return TraceResult(np.array(on, dtype=np.int64), np.array(nodes))


def _find_dependents(graph: PipeGraph, start: Ints) -> TraceResult:
    sources = np.flatnonzero(graph.is_source)
    nothing = np.empty(0, dtype=np.int64)
    before = np.isfinite(routing.shortest_from_nearest(_arc_costs(graph, nothing), sources)[0])
    rest = np.setdiff1d(sources, start)
    after = np.isfinite(routing.shortest_from_nearest(_arc_costs(graph, start), rest)[0])
    is_lost = before & ~after
    is_lost[start] = True
    inside = is_lost[graph.ends].all(axis=1)
    return TraceResult(np.flatnonzero(inside), np.flatnonzero(is_lost))
