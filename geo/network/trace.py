"""Traces: what feeds a place of a network, what depends on it, what it is connected to."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from geo.network import routing
from geo.network.noding import Bools, Floats, Ints
from geo.network.pipes import GRAVITY_NETWORKS, PipeGraph
from geo.network.roads import cost_matrix


class Direction(StrEnum):
    """Where to trace to."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    CONNECTED = "connected"


@dataclass(frozen=True)
class TraceResult:
    """What was traced: segments, and the nodes at their ends."""

    segments: Ints
    nodes: Ints


def flow_arcs(graph: PipeGraph) -> tuple[Ints, Floats]:
    """Return (k, 2) nodes that flow can pass between, and the metres.

    A closed valve lets nothing through, a one-way device only what comes by the segments drawn into
    it, a drain only what comes from upstream.
    """
    a, b = graph.ends.T
    way = ~graph.is_closed[a] & ~graph.is_closed[b]
    back = way & ~graph.is_one_way[a] & ~graph.is_one_way[b]
    if graph.network in GRAVITY_NETWORKS:
        back = np.zeros_like(way)
    ends = np.concatenate([graph.ends[way], graph.ends[back][:, ::-1]])
    return ends, np.concatenate([graph.length[way], graph.length[back]])


def _costs(graph: PipeGraph, without: Ints) -> csr_array:
    ends, metres = flow_arcs(graph)
    kept = ~np.isin(ends, without).any(axis=1)
    return cost_matrix(len(graph.xy), ends[kept], metres[kept], directed=True)


def trace_network(graph: PipeGraph, start: Ints, direction: Direction) -> TraceResult:
    """Return what lies in a direction of some nodes.

    Upstream under pressure is the shortest way from a source, in drains all that drains into the
    nodes. Downstream is what loses supply if the nodes are shut, in drains the way to an outfall.

    Parameters
    ----------
    start
        Nodes.
    """
    if direction is Direction.CONNECTED:
        return _within(graph, _either_way(graph, start))
    if graph.network in GRAVITY_NETWORKS:
        costs = _costs(graph, np.empty(0, dtype=np.int64))
        if direction is Direction.UPSTREAM:
            costs = csr_array(costs.T)
        return _within(graph, _find_reachable(costs, start))
    if direction is Direction.UPSTREAM:
        return _way_from_source(graph, start)
    return _depending(graph, start)


def _find_reachable(costs: csr_array, start: Ints) -> Bools:
    found = np.zeros(costs.shape[0], dtype=bool)
    for node in start:
        found[breadth_first_order(costs, node, return_predecessors=False)] = True
    return found


def _either_way(graph: PipeGraph, start: Ints) -> Bools:
    ends, metres = flow_arcs(graph)
    return _find_reachable(cost_matrix(len(graph.xy), ends, metres), start)


def _within(graph: PipeGraph, nodes: Bools) -> TraceResult:
    """Return the segments between nodes that were reached."""
    inside = nodes[graph.ends].all(axis=1)
    return TraceResult(np.flatnonzero(inside), np.flatnonzero(nodes))


def _way_from_source(graph: PipeGraph, start: Ints) -> TraceResult:
    costs = _costs(graph, np.empty(0, dtype=np.int64))
    metres, before, _ = routing.shortest_from_nearest(costs, np.flatnonzero(graph.is_source))
    node = int(start[np.argmin(metres[start])])
    if not np.isfinite(metres[node]):
        return TraceResult(np.empty(0, dtype=np.int64), np.array([node]))
    nodes = routing.path_to_start(before, node)
    held = np.zeros(len(graph.xy), dtype=bool)
    held[nodes] = True
    step = {frozenset(pair) for pair in pairwise(nodes)}
    inside = np.flatnonzero(held[graph.ends].all(axis=1))
    on = [row for row in inside if frozenset(graph.ends[row].tolist()) in step]
    return TraceResult(np.array(on, dtype=np.int64), np.array(nodes))


def _depending(graph: PipeGraph, start: Ints) -> TraceResult:
    sources = np.flatnonzero(graph.is_source)
    nothing = np.empty(0, dtype=np.int64)
    before = np.isfinite(routing.shortest_from_nearest(_costs(graph, nothing), sources)[0])
    rest = np.setdiff1d(sources, start)
    after = np.isfinite(routing.shortest_from_nearest(_costs(graph, start), rest)[0])
    dry = before & ~after
    dry[start] = True
    inside = dry[graph.ends].all(axis=1)
    return TraceResult(np.flatnonzero(inside), np.flatnonzero(dry))
