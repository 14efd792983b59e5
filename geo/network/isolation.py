"""Isolation of a broken segment: the fewest valves to close, and what loses supply.

Segments that no valve separates form a *sector*. Valves join sectors; closing one costs 1, nothing
else can be cut. A minimum cut between the sources and the broken sector is a set of valves. It is
as large as the maximum flow, which proves that no smaller set suffices. Of the minimum cuts the one
nearest to the break is taken: it leaves most of the network supplied.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from geo.network.pipes import PipeGraph
from geo.types import Bools, Ints

UNCUT = 1_000_000
"""Capacity of what can't be cut: larger than the number of valves of any network."""


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
    """

    graph: PipeGraph
    sector: Ints
    count: int
    valves: Ints
    links: Ints
    arrows: Ints
    fed: Ints

    @cached_property
    def flow(self) -> csr_array:
        """Capacities between sectors, entries of valves, exits of valves, and the common source."""
        rows, columns, values = self._arcs
        size = self.count + 2 * len(self.valves) + 1
        return csr_array(coo_array((values, (rows, columns)), shape=(size, size)))

    @cached_property
    def _arcs(self) -> tuple[Ints, Ints, Ints]:
        entry = self.count + np.arange(len(self.valves))
        exit_ = entry + len(self.valves)
        start = self.count + 2 * len(self.valves)
        valve, sector = self.links.T
        rows = [entry, sector, exit_[valve], self.arrows[:, 0], np.full(len(self.fed), start)]
        columns = [exit_, entry[valve], sector, self.arrows[:, 1], self.fed]
        values = [np.ones(len(entry)), *(np.full(len(part), UNCUT) for part in rows[1:])]
        pairs = np.column_stack([np.concatenate(rows), np.concatenate(columns)])
        _, first = np.unique(pairs, axis=0, return_index=True)
        chosen = pairs[first]
        return chosen[:, 0], chosen[:, 1], np.concatenate(values)[first].astype(np.int32)


def build_sectors(graph: PipeGraph) -> Sectors:
    """Return the sectors of a network; a closed valve separates them and does not join them."""
    valve = graph.is_kind("valve")
    separates = valve | graph.is_one_way
    count, label = _components(graph, separates)
    open_valves = np.flatnonzero(valve & ~graph.is_closed & (graph.degree > 0))
    row_of = np.full(len(graph.xy), -1, dtype=np.int64)
    row_of[open_valves] = np.arange(len(open_valves))
    ends = graph.ends
    links = [
        np.column_stack([row_of[ends[:, side]], label])[row_of[ends[:, side]] >= 0]
        for side in (0, 1)
    ]
    feeding = graph.is_source[ends].any(axis=1)
    return Sectors(
        graph,
        label,
        count,
        open_valves,
        np.unique(np.concatenate(links), axis=0).reshape(-1, 2),
        _arrows(graph, label),
        np.unique(label[feeding]),
    )


def _components(graph: PipeGraph, separates: Bools) -> tuple[int, Ints]:
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
    found, number = np.unique(label, return_inverse=True)
    return len(found), number.astype(np.int64)


def _arrows(graph: PipeGraph, label: Ints) -> Ints:
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
    bound
        The maximum flow from the sources: no smaller set of valves isolates the sector.
    possible
        Whether valves can isolate it at all.
    """

    valves: Ints
    bound: int
    possible: bool

    @property
    def proven(self) -> bool:
        """Whether the set is as small as its bound."""
        return self.possible and len(self.valves) == self.bound


def find_valve_cut(sectors: Sectors, sector: int, stuck: Ints | None = None) -> ValveCut:
    """Return the fewest valves that isolate a sector from every source.

    Parameters
    ----------
    stuck
        (k,) rows of valves that can't be closed.
    """
    nothing = np.empty(0, dtype=np.int64)
    if sector in sectors.fed:
        return ValveCut(nothing, UNCUT, possible=False)
    if not len(sectors.fed):
        return ValveCut(nothing, 0, possible=True)
    flow = sectors.flow.copy()
    if stuck is not None and len(stuck):
        _set_capacity(flow, sectors.count + stuck, UNCUT)
    start = flow.shape[0] - 1
    result = maximum_flow(flow, start, sector)
    bound = int(result.flow_value)
    if bound >= UNCUT:
        return ValveCut(nothing, bound, possible=False)
    return ValveCut(_nearest(sectors, flow, result.flow, sector), bound, possible=True)


def _set_capacity(flow: csr_array, rows: Ints, value: int) -> None:
    """Set the capacity of valves; each is the only entry of its row."""
    flow.data[flow.indptr[rows]] = value


def _nearest(sectors: Sectors, flow: csr_array, used: csr_array, sector: int) -> Ints:
    """Return the valves of the minimum cut nearest to a sector.

    They lead into nodes that can still reach the sector over the residual capacities.
    """
    residual = csr_array(flow - used)
    residual.data[residual.data <= 0] = 0
    residual.eliminate_zeros()
    back = csr_array(residual.T)
    reaching = np.zeros(flow.shape[0], dtype=bool)
    reaching[breadth_first_order(back, sector, return_predecessors=False)] = True
    entry = sectors.count + np.arange(len(sectors.valves))
    exit_ = entry + len(sectors.valves)
    return np.flatnonzero(~reaching[entry] & reaching[exit_])


def find_supplied_sectors(sectors: Sectors, shut: Ints) -> Bools:
    """Return (count,) which sectors a source supplies with some valves closed.

    Parameters
    ----------
    shut
        (k,) rows of the closed valves.
    """
    flow = sectors.flow.copy()
    _set_capacity(flow, sectors.count + shut, 0)
    flow.eliminate_zeros()
    reached = np.zeros(flow.shape[0], dtype=bool)
    start = flow.shape[0] - 1
    reached[breadth_first_order(flow, start, return_predecessors=False)] = True
    return reached[: sectors.count]


def find_lost_segments(sectors: Sectors, sector: int, shut: Ints) -> Bools:
    """Return (s,) which segments lose supply: the broken sector and what depends on it.

    Parameters
    ----------
    shut
        (k,) rows of the closed valves.
    """
    before = find_supplied_sectors(sectors, np.empty(0, dtype=np.int64))
    after = find_supplied_sectors(sectors, shut)
    is_lost = before & ~after
    is_lost[sector] = True
    return is_lost[sectors.sector]
