"""Isolation of a broken segment: the fewest valves to close, and what loses supply.

Segments that no valve separates form a *sector*. Valves join sectors; closing one costs 1, nothing
else can be cut. A minimum cut between the sources and the broken sector is a set of valves. It is
as large as the maximum flow, which proves that no smaller set suffices. Of the minimum cuts the one
nearest to the break is taken: it leaves most of the network supplied. Shutting a source costs more
than all valves together, so it is part of a cut only if valves alone do not isolate the segment.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from geo.network.pipes import PipeGraph
from geo.types import Bools, Ints


@dataclass(frozen=True)
class Sectors:
    """A network cut at its valves and one-way devices.

    Attributes
    ----------
    graph
        The network.
    sector
        (s,) sector of each segment.
    count
        How many sectors there are.
    valves
        (v,) nodes of the open valves that join sectors.
    links
        (k, 2) row in ``valves`` and sector, one for each segment at an open valve.
    arrows
        (a, 2) sectors that a one-way device lets flow from and to.
    fed
        (f,) sectors that hold a source.
    source_counts
        (f,) how many sources each of these holds.
    """

    graph: PipeGraph
    sector: Ints
    count: int
    valves: Ints
    links: Ints
    arrows: Ints
    fed: Ints
    source_counts: Ints

    @property
    def source_cost(self) -> int:
        """Cost of shutting a source: larger than the number of valves, if 32 bits hold it."""
        most = np.iinfo(np.int32).max // (int(self.source_counts.sum()) + 1)
        return min(len(self.valves) + 1, int(most))

    @property
    def uncut(self) -> int:
        """Capacity of what can't be cut: larger than the cost of all sources."""
        return self.source_cost * (int(self.source_counts.sum()) + 1)

    @cached_property
    def flow(self) -> csr_array:
        """Capacities between sectors, entries of valves, exits of valves, and the common source."""
        rows, columns, values = self._flow_arcs
        size = self.count + 2 * len(self.valves) + 1
        return csr_array(coo_array((values, (rows, columns)), shape=(size, size)))

    @cached_property
    def _flow_arcs(self) -> tuple[Ints, Ints, Ints]:
        """Return (m,) tails, heads and int32 capacities of the flow network."""
        entry = self.count + np.arange(len(self.valves))
        exit_ = entry + len(self.valves)
        start = self.count + 2 * len(self.valves)
        valve, sector = self.links.T
        rows = [entry, sector, exit_[valve], self.arrows[:, 0], np.full(len(self.fed), start)]
        columns = [exit_, entry[valve], sector, self.arrows[:, 1], self.fed]
        uncut = [np.full(len(part), self.uncut) for part in rows[1:-1]]
        values = [np.ones(len(entry)), *uncut, self.source_counts * self.source_cost]
        pairs = np.column_stack([np.concatenate(rows), np.concatenate(columns)])
        _, first = np.unique(pairs, axis=0, return_index=True)
        chosen = pairs[first]
        return chosen[:, 0], chosen[:, 1], np.concatenate(values)[first].astype(np.int32)


def build_sectors(graph: PipeGraph) -> Sectors:
    """Return the sectors of a network.

    A closed valve separates them and does not join them, an open one out of service neither.
    """
    valve = graph.is_kind("valve") & ~graph.is_broken_valve
    separates = valve | graph.is_one_way
    count, label = _divide_into_sectors(graph, separates)
    open_valves = np.flatnonzero(valve & ~graph.is_closed & (graph.degree > 0))
    row_of = np.full(len(graph.xy), -1, dtype=np.int64)
    row_of[open_valves] = np.arange(len(open_valves))
    ends = graph.ends
    links = [
        np.column_stack([row_of[ends[:, side]], label])[row_of[ends[:, side]] >= 0]
        for side in (0, 1)
    ]
    # All segments at a source are in one sector, because a source separates none.
    at_source = np.flatnonzero(graph.is_source[ends.ravel()])
    _, first = np.unique(ends.ravel()[at_source], return_index=True)
    fed, source_counts = np.unique(label[at_source[first] // 2], return_counts=True)
    return Sectors(
        graph,
        label,
        count,
        open_valves,
        np.unique(np.concatenate(links), axis=0).reshape(-1, 2),
        _one_way_sectors(graph, label),
        fed,
        source_counts,
    )


def _divide_into_sectors(graph: PipeGraph, separates: Bools) -> tuple[int, Ints]:
    """Return the number of sectors, and (s,) the sector of each segment.

    Segments that share a node belong together, unless the node separates them.
    """
    total = len(graph.ends)
    node = graph.ends.ravel()
    segment = np.repeat(np.arange(total), 2)
    is_joint = ~separates[node]
    shape = (total + len(graph.xy),) * 2
    adjacency = coo_array(
        (np.ones(int(is_joint.sum())), (segment[is_joint], total + node[is_joint])), shape=shape
    )
    label = connected_components(adjacency, directed=False)[1][:total]
    sectors, number = np.unique(label, return_inverse=True)
    return len(sectors), number.astype(np.int64)


def _one_way_sectors(graph: PipeGraph, label: Ints) -> Ints:
    """Return (a, 2) the sectors that one-way devices lead from and to."""
    inflow = np.flatnonzero(graph.is_one_way[graph.ends[:, 1]])
    outflow = np.flatnonzero(graph.is_one_way[graph.ends[:, 0]])
    by_node: dict[int, list[int]] = {}
    for row in inflow:
        by_node.setdefault(int(graph.ends[row, 1]), []).append(int(label[row]))
    pairs = [
        (start, int(label[row]))
        for row in outflow
        for start in by_node.get(int(graph.ends[row, 0]), [])
    ]
    return np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class ValveCut:
    """The valves to close around a sector.

    Attributes
    ----------
    valves
        (k,) rows in ``Sectors.valves``.
    sources
        (m,) sectors whose sources must be shut too, because valves alone do not isolate the sector.
    bound
        The maximum flow from the sources: no smaller set of valves isolates the sector.
    """

    valves: Ints
    sources: Ints
    bound: int

    @property
    def is_possible(self) -> bool:
        """Whether valves alone isolate the sector."""
        return not len(self.sources)

    @property
    def is_proven(self) -> bool:
        """Whether the set is as small as its bound."""
        return self.is_possible and len(self.valves) == self.bound


def find_valve_cut(sectors: Sectors, sector: int, stuck: Ints | None = None) -> ValveCut:
    """Return the fewest sources to shut and valves to close that isolate a sector.

    Parameters
    ----------
    stuck
        (k,) int64 rows of valves that can't be closed.
    """
    if not len(sectors.fed):
        nothing = np.empty(0, dtype=np.int64)
        return ValveCut(nothing, nothing, 0)
    flow = sectors.flow.copy()
    if stuck is not None and len(stuck):
        _set_capacity(flow, sectors.count + stuck, sectors.uncut)
    start = flow.shape[0] - 1
    result = maximum_flow(flow, start, sector)
    reaching = _nodes_reaching(flow, result.flow, sector)
    entry = sectors.count + np.arange(len(sectors.valves))
    exit_ = entry + len(sectors.valves)
    return ValveCut(
        np.flatnonzero(~reaching[entry] & reaching[exit_]),
        sectors.fed[reaching[sectors.fed]],
        int(result.flow_value),
    )


def _set_capacity(flow: csr_array, rows: Ints, value: int) -> None:
    """Set the capacity of valves; each is the only entry of its row."""
    flow.data[flow.indptr[rows]] = value


def _nodes_reaching(flow: csr_array, used: csr_array, sector: int) -> Bools:
    """Return which nodes can still reach a sector over the residual capacities.

    The minimum cut nearest to the sector is what leads into them.
    """
    residual = csr_array(flow - used)
    residual.data[residual.data <= 0] = 0
    residual.eliminate_zeros()
    back = csr_array(residual.T)
    reaching = np.zeros(flow.shape[0], dtype=bool)
    reaching[breadth_first_order(back, sector, return_predecessors=False)] = True
    return reaching


def find_supplied_sectors(sectors: Sectors, cut: ValveCut | None = None) -> Bools:
    """Return (count,) bool which sectors a source supplies, if a cut is made."""
    flow = sectors.flow.copy()
    if cut is not None:
        _set_capacity(flow, sectors.count + cut.valves, 0)
        is_shut = np.isin(sectors.fed, cut.sources)
        flow.data[flow.indptr[-2] :][is_shut] = 0
        flow.eliminate_zeros()
    reached = np.zeros(flow.shape[0], dtype=bool)
    start = flow.shape[0] - 1
    reached[breadth_first_order(flow, start, return_predecessors=False)] = True
    return reached[: sectors.count]


def find_lost_segments(sectors: Sectors, sector: int, cut: ValveCut) -> Bools:
    """Return (s,) bool which segments lose supply: the broken sector and what depends on it.

    Parameters
    ----------
    cut
        The valves that are closed and the sources that are shut.
    """
    is_lost = find_supplied_sectors(sectors) & ~find_supplied_sectors(sectors, cut)
    is_lost[sector] = True
    return is_lost[sectors.sector]
