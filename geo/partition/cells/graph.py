"""The dual graph of a community's cells: households, adjacency, and the cost of a cut.

It consists of plain arrays, so that people with a graph of their own need no geometry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.geometry.shared_borders import find_borders, inner_points
from geo.partition.cells.barriers import ON_BARRIER_M, Barriers, Kind
from geo.types import Bools, Floats, Ints, Polygons

if TYPE_CHECKING:
    from geo.partition.cells.tessellation import Cells

CUT_FACTOR: Mapping[Kind, float] = {
    Kind.OPEN: 1.0,
    Kind.ALLEY: 0.5,
    Kind.STREET: 0.3,
    Kind.ARTERIAL: 0.2,
    Kind.RAILWAY: 0.2,
    Kind.RIVER: 0.2,
    Kind.WALL: 0.2,
}
"""Cost of a metre of border between two grids, by the barrier on it."""

INSIDE_FACTOR: Mapping[Kind, float] = {Kind.ARTERIAL: 1.0, Kind.RAILWAY: 1.0, Kind.RIVER: 1.0}
"""Cost of a metre of barrier left inside one grid with households on both sides."""


@dataclass(frozen=True)
class Graph:
    """Nodes with households, edges with costs.

    Attributes
    ----------
    households
        (n,) int64 households of each node.
    edges
        (m, 2) int64 nodes that share a border, each pair once.
    cut
        (m,) float64 cost in metres when the two nodes are in different grids.
    inside
        (m,) float64 cost in metres when they are in the same grid.
    length
        (m,) float64 shared border, metres.
    area, outline
        (n,) float64 m2, and metres of border on the community's outline.
    xy
        (n, 2) float64 a point of each node, metres.
    compound
        (n,) int64 number of the residential compound of a node, -1 for none.
    """

    households: Ints
    edges: Ints
    cut: Floats
    inside: Floats
    length: Floats
    area: Floats
    outline: Floats
    xy: Floats
    compound: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.households)

    @cached_property
    def rows(self) -> tuple[Ints, Ints, Ints]:
        """Neighbours in compressed rows, int64: (n + 1,) starts, (2m,) neighbours, (2m,) edges."""
        return compress_rows(len(self), self.edges)

    def components(self) -> tuple[int, Ints]:
        """Return the number of connected components and (n,) int64 the component of each node."""
        return connected_parts(len(self), self.edges)

    def subgraph(self, nodes: Ints) -> "Graph":
        """Return the graph of (k,) int64 nodes, renumbered in their order.

        Their borders with the other nodes become outline.
        """
        number = np.full(len(self), -1, dtype=np.int64)
        number[nodes] = np.arange(len(nodes))
        inner = (number[self.edges] >= 0).all(axis=1)
        outline = self.outline.copy()
        for end in (0, 1):
            np.add.at(outline, self.edges[~inner, end], self.length[~inner])
        return Graph(
            self.households[nodes],
            number[self.edges[inner]],
            self.cut[inner],
            self.inside[inner],
            self.length[inner],
            self.area[nodes],
            outline[nodes],
            self.xy[nodes],
            self.compound[nodes],
        )

    def contracted(self, group: Ints) -> "Graph":
        """Return the graph in which the nodes of each group are merged into one.

        Parameters
        ----------
        group
            (n,) int64 group of each node, numbered from 0. Edges inside a group are dropped.
        """
        groups = int(group.max(initial=-1)) + 1
        ends = group[self.edges]
        between = ends[:, 0] != ends[:, 1]
        edges, number = merge_parallel_edges(ends[between])

        def summed(values: Floats) -> Floats:
            return np.bincount(number, values[between], len(edges)).astype(np.float64)

        order = np.lexsort((-self.households, group))
        first = order[np.unique(group[order], return_index=True)[1]]
        return Graph(
            np.bincount(group, self.households, groups).astype(np.int64),
            edges,
            summed(self.cut),
            summed(self.inside),
            summed(self.length),
            np.bincount(group, self.area, groups).astype(np.float64),
            np.bincount(group, self.outline, groups).astype(np.float64),
            self.xy[first],
            _compound_of_nodes(group, self.compound, groups),
        )


def compress_rows(nodes: int, pairs: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the partners of each node in compressed rows.

    Parameters
    ----------
    nodes, pairs
        Number of nodes, and (p, 2) int64 pairs of them.

    Returns
    -------
    start, partner, pair
        (nodes + 1,) int64 first entry of each node, (2p,) int64 partners and numbers of their
        pairs. The partners of a node are in ascending order.
    """
    source, target = np.concatenate([pairs, pairs[:, ::-1]]).T
    order = np.lexsort((target, source))
    start = np.zeros(nodes + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=nodes), out=start[1:])
    return start, target[order], np.tile(np.arange(len(pairs)), 2)[order]


def merge_parallel_edges(pairs: Ints) -> tuple[Ints, Ints]:
    """Return (m, 2) int64 edges, each pair of nodes once, and (p,) int64 the edge of each pair.

    Parameters
    ----------
    pairs
        (p, 2) int64 nodes, in either order. The edges are sorted, as are the nodes of each.
    """
    low, high = np.sort(pairs, axis=1).T
    nodes = int(high.max(initial=0)) + 1
    edge, number = np.unique(low * nodes + high, return_inverse=True)
    return np.stack(np.divmod(edge, nodes), axis=1), number.ravel()


def connected_parts(nodes: int, edges: Ints) -> tuple[int, Ints]:
    """Return the number of connected components and (n,) int64 the component of each node.

    Parameters
    ----------
    nodes, edges
        Number of nodes, and (m, 2) int64 edges.
    """
    matrix = coo_array((np.ones(len(edges)), edges.T), shape=(nodes, nodes))
    count, part = connected_components(matrix, directed=False)
    return int(count), part.astype(np.int64)


def build_graph(cells: "Cells", households: Ints, compound: Ints) -> tuple[Graph, Ints]:
    """Return the graph of the land cells of a community.

    Parameters
    ----------
    cells
        Cells of the community.
    households, compound
        (b,) int64 households and compound number (-1 for none) of each building.

    Returns
    -------
    graph
        The graph; waters are no nodes, so a grid crosses a river only where a way does.
    cell
        (n,) int64 cell of each node.
    """
    shared, kind = cells.borders
    land = np.flatnonzero(~cells.water)
    node = np.full(len(cells.polygons) + 1, -1, dtype=np.int64)
    node[land] = np.arange(len(land))
    populated = find_populated_rooms(cells, households)
    left, right = node[shared.left], node[shared.right]
    inner = (left >= 0) & (right >= 0)
    rooms = cells.room[shared.left], cells.room[shared.right]
    both = populated[rooms[0]] & populated[rooms[1]] & (rooms[0] != rooms[1])
    per_kind = np.array([CUT_FACTOR[k] for k in Kind])
    inside_per_kind = np.array([INSIDE_FACTOR.get(k, 0.0) for k in Kind])
    edges, number = merge_parallel_edges(np.stack([left[inner], right[inner]], axis=1))

    def total(values: Floats) -> Floats:
        summed = np.bincount(number, weights=values[inner], minlength=len(edges))
        return summed.astype(np.float64)

    outer = ~inner & ((left >= 0) | (right >= 0))
    outline: Floats = np.bincount(
        np.maximum(left, right)[outer], weights=shared.length[outer], minlength=len(land)
    ).astype(np.float64)
    has_cell = cells.cell_of_atom >= 0
    at = node[cells.cell_of_atom[has_cell]]
    graph = Graph(
        households=np.bincount(at, weights=households[has_cell], minlength=len(land)).astype(
            np.int64
        ),
        edges=edges,
        cut=total(shared.length * per_kind[kind]),
        inside=total(shared.length * inside_per_kind[kind] * both),
        length=total(shared.length),
        area=shapely.area(cells.polygons[land]),
        outline=outline,
        xy=shapely.get_coordinates(inner_points(cells.polygons[land])),
        compound=_compound_of_nodes(at, compound[has_cell], len(land)),
    )
    return graph, land


def build_coverage_graph(
    cells: Polygons, households: Ints, compound: Ints, barriers: Barriers
) -> Graph:
    """Return the graph of the cells of a part of a community, all of which are land.

    Parameters
    ----------
    cells
        (n,) polygons of a coverage, metres.
    households, compound
        (n,) int64 households of each cell, and number of its compound, -1 for none.
    barriers
        Barriers in and around the cells.
    """
    shared = find_borders(cells)
    kind = _barrier_kinds(shared.midpoints(), barriers)
    factor = np.array([CUT_FACTOR[k] for k in Kind])[kind]
    inside_factor = np.array([INSIDE_FACTOR.get(k, 0.0) for k in Kind])[kind]
    inner = shared.left >= 0
    pairs = np.stack([shared.left[inner], shared.right[inner]], axis=1)
    edges, edge = np.unique(pairs, axis=0, return_inverse=True)

    def total(values: Floats) -> Floats:
        summed: Floats = np.bincount(edge.ravel(), values[inner], len(edges)).astype(np.float64)
        return summed

    return Graph(
        households=households.astype(np.int64),
        edges=edges.reshape(-1, 2).astype(np.int64),
        cut=total(shared.length * factor),
        inside=total(shared.length * inside_factor),
        length=total(shared.length),
        area=shapely.area(cells),
        outline=np.bincount(shared.right[~inner], shared.length[~inner], len(cells)).astype(
            np.float64
        ),
        xy=shapely.get_coordinates(shapely.point_on_surface(cells)),
        compound=compound.astype(np.int64),
    )


def _barrier_kinds(points: Floats, barriers: Barriers) -> Ints:
    """Return the strongest barrier kind at each of (n, 2) points; no compiler is needed."""
    kinds = np.zeros(len(points), dtype=np.int64)
    located = np.asarray(shapely.points(points), dtype=object)
    at, line = shapely.STRtree(barriers.lines).query(
        located, predicate="dwithin", distance=ON_BARRIER_M
    )
    np.maximum.at(kinds, at, barriers.kinds[line].astype(np.int64))
    return kinds


def find_populated_rooms(cells: "Cells", households: Ints) -> Bools:
    """Return (r,) whether each room has a household, by (b,) int64 households of the buildings."""
    has_cell = cells.cell_of_atom >= 0
    room = cells.room[cells.cell_of_atom[has_cell]]
    total = np.bincount(room, weights=households[has_cell], minlength=int(cells.room.max()) + 1)
    return total > 0


def _compound_of_nodes(node: Ints, compound: Ints, nodes: int) -> Ints:
    """Return the compound of each node: that of the first of its buildings that has one."""
    compound_of_node = np.full(nodes, -1, dtype=np.int64)
    known = np.flatnonzero(compound >= 0)[::-1]
    compound_of_node[node[known]] = compound[known]
    return compound_of_node


def count_forced_households(graph: Graph, node: int, lower: int) -> int:
    """Return the number of households that can only be in the grid of a node.

    They live in components that are connected to the rest only through this node, each too small
    for a grid of its own.
    """
    if len(graph) == 1:
        return 0
    others = np.delete(np.arange(len(graph)), node)
    rest = graph.subgraph(others)
    pieces, piece = rest.components()
    households = np.bincount(piece, weights=rest.households, minlength=pieces)
    households[households.argmax()] = lower  # the largest piece is the rest
    return int(households[households < lower].sum())
