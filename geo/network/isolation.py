"""Isolation: the fewest valves that cut a broken segment off, and what loses supply.

Segments that no valve parts form a *sector*. Valves join sectors; closing one costs 1, everything
else can't be cut. The least cut between the sources and the broken sector is a set of valves; by
duality it is as large as the largest flow, which proves that no smaller set does it. Of the least
cuts the one nearest to the break is taken: it leaves most of the network supplied.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from geo.network.noding import Bools, Ints
from geo.network.pipes import PipeGraph

UNCUT = 1_000_000
"""Capacity of what can't be cut: more than any network has valves."""


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
        (v,) nodes of the open valves that part or join sectors.
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
        """Return the capacities: the source, sectors, entries and exits of valves."""
        rows, columns, values = self._arcs
        size = self.count + 2 * len(self.valves) + 1
        return csr_array(coo_array((values, (rows, columns)), shape=(size, size)))

    @cached_property
    def _arcs(self) -> tuple[Ints, Ints, Ints]:
        enter = self.count + np.arange(len(self.valves))
        leave = enter + len(self.valves)
        start = self.count + 2 * len(self.valves)
        valve, sector = self.links.T
        rows = [enter, sector, leave[valve], self.arrows[:, 0], np.full(len(self.fed), start)]
        columns = [leave, enter[valve], sector, self.arrows[:, 1], self.fed]
        values = [np.ones(len(enter)), *(np.full(len(part), UNCUT) for part in rows[1:])]
        pairs = np.column_stack([np.concatenate(rows), np.concatenate(columns)])
        _, first = np.unique(pairs, axis=0, return_index=True)
        chosen = pairs[first]
        return chosen[:, 0], chosen[:, 1], np.concatenate(values)[first].astype(np.int32)


def build_sectors(graph: PipeGraph) -> Sectors:
    """Return the sectors of a network; a closed valve parts them for good."""
    valve = graph.is_kind("valve")
    parts = valve | graph.is_one_way
    count, label = _components(graph, parts)
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


def _components(graph: PipeGraph, parts: Bools) -> tuple[int, Ints]:
    """Return how many sectors there are and which each segment is of.

    Segments are joined by the nodes they share, unless a node parts them.
    """
    total = len(graph.ends)
    node = graph.ends.ravel()
    segment = np.repeat(np.arange(total), 2)
    joining = ~parts[node]
    shape = (total + len(graph.xy),) * 2
    joined = coo_array(
        (np.ones(int(joining.sum())), (segment[joining], total + node[joining])), shape=shape
    )
    label = connected_components(joined, directed=False)[1][:total]
    found, number = np.unique(label, return_inverse=True)
    return len(found), number.astype(np.int64)


def _arrows(graph: PipeGraph, label: Ints) -> Ints:
    """Return the sectors that one-way devices lead from and to."""
    into = np.flatnonzero(graph.is_one_way[graph.ends[:, 1]])
    out = np.flatnonzero(graph.is_one_way[graph.ends[:, 0]])
    by_node: dict[int, list[int]] = {}
    for row in into:
        by_node.setdefault(int(graph.ends[row, 1]), []).append(int(label[row]))
    pairs = [
        (start, int(label[row]))
        for row in out
        for start in by_node.get(int(graph.ends[row, 0]), [])
    ]
    return np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class ValveCut:
    """The valves to close around a sector.

    Attributes
    ----------
    valves
        Rows in ``Sectors.valves``.
    bound
        The largest flow from the sources: no smaller set of valves cuts the sector off.
    possible
        Whether valves can cut it off at all.
    """

    valves: Ints
    bound: int
    possible: bool

    @property
    def proven(self) -> bool:
        """Return whether the set is as small as its bound."""
        return self.possible and len(self.valves) == self.bound


def find_valve_cut(parts: Sectors, sector: int, stuck: Ints | None = None) -> ValveCut:
    """Return the fewest valves that cut a sector off from every source.

    Parameters
    ----------
    stuck
        Rows of valves that can't be closed.
    """
    nothing = np.empty(0, dtype=np.int64)
    if sector in parts.fed:
        return ValveCut(nothing, UNCUT, possible=False)
    if not len(parts.fed):
        return ValveCut(nothing, 0, possible=True)
    flow = parts.flow.copy()
    if stuck is not None and len(stuck):
        _set(flow, parts.count + stuck, UNCUT)
    start = flow.shape[0] - 1
    result = maximum_flow(flow, start, sector)
    bound = int(result.flow_value)
    if bound >= UNCUT:
        return ValveCut(nothing, bound, possible=False)
    return ValveCut(_nearest(parts, flow, result.flow, sector), bound, possible=True)


def _set(flow: csr_array, rows: Ints, value: int) -> None:
    """Set the capacity of valves, each the only entry of its row."""
    flow.data[flow.indptr[rows]] = value


def _nearest(parts: Sectors, flow: csr_array, used: csr_array, sector: int) -> Ints:
    """Return the valves of the least cut nearest to a sector.

    They lead into what can still reach the sector over what is left of the capacities.
    """
    left = csr_array(flow - used)
    left.data[left.data <= 0] = 0
    left.eliminate_zeros()
    back = csr_array(left.T)
    reaching = np.zeros(flow.shape[0], dtype=bool)
    reaching[breadth_first_order(back, sector, return_predecessors=False)] = True
    enter = parts.count + np.arange(len(parts.valves))
    leave = enter + len(parts.valves)
    return np.flatnonzero(~reaching[enter] & reaching[leave])


def find_supplied_sectors(parts: Sectors, shut: Ints) -> Bools:
    """Return which sectors a source supplies with some valves closed.

    Parameters
    ----------
    shut
        Rows of the valves that are closed.
    """
    flow = parts.flow.copy()
    _set(flow, parts.count + shut, 0)
    flow.eliminate_zeros()
    reached = np.zeros(flow.shape[0], dtype=bool)
    start = flow.shape[0] - 1
    reached[breadth_first_order(flow, start, return_predecessors=False)] = True
    return reached[: parts.count]


def find_lost_segments(parts: Sectors, sector: int, shut: Ints) -> Bools:
    """Return which segments lose supply: the broken sector and what was only fed through it."""
    before = find_supplied_sectors(parts, np.empty(0, dtype=np.int64))
    after = find_supplied_sectors(parts, shut)
    gone = before & ~after
    gone[sector] = True
    return gone[parts.sector]
