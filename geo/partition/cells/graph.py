"""The graph of a community: what its cells hold, who borders whom, and what a cut costs.

Plain arrays, so that people with a graph of their own can draw grids without any geometry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.geometry.shared_borders import inner_points
from geo.partition.cells.barriers import Kind
from geo.types import Floats, Ints, Polygons

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
"""Cost of a metre of border between two grids, by what lies on it (design, section 4)."""

INSIDE_FACTOR: Mapping[Kind, float] = {Kind.ARTERIAL: 1.0, Kind.RAILWAY: 1.0, Kind.RIVER: 1.0}
"""Cost of a metre of barrier left inside one grid with households on both sides."""


@dataclass(frozen=True)
class Graph:
    """Nodes with households, edges with costs.

    Attributes
    ----------
    households
        (n,) households of each node.
    edges
        (m, 2) nodes that share a border, each pair once.
    cut
        (m,) cost in metres when the two nodes are in different grids.
    inside
        (m,) cost in metres when they are in the same grid.
    length
        (m,) metres of shared border.
    area, outline
        (n,) m2, and metres of border on the community's outline.
    xy
        (n, 2) a point of each node, metres.
    compound
        (n,) number of the residential compound a node belongs to, -1 for none.
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
        """Neighbours in compressed rows: (n + 1,) starts, (2m,) neighbours, (2m,) their edges."""
        n, m = len(self), len(self.edges)
        source = np.concatenate([self.edges[:, 0], self.edges[:, 1]])
        target = np.concatenate([self.edges[:, 1], self.edges[:, 0]])
        edge = np.tile(np.arange(m), 2)
        order = np.lexsort((target, source))
        start = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(source, minlength=n), out=start[1:])
        return start, target[order], edge[order]

    def components(self) -> tuple[int, Ints]:
        """Return the number of connected parts and the part of each node."""
        n = len(self)
        matrix = coo_array((np.ones(len(self.edges)), self.edges.T), shape=(n, n))
        count, part = connected_components(matrix, directed=False)
        return int(count), part.astype(np.int64)

    def subgraph(self, nodes: Ints) -> "Graph":
        """Return the graph of some nodes, numbered in their order.

        The borders with the others become outline.
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
        """Return the graph in which the nodes of a group are one.

        Parameters
        ----------
        group
            (n,) group of each node, numbered from 0. What lies inside a group costs nothing more.
        """
        groups = int(group.max(initial=-1)) + 1
        ends = np.sort(group[self.edges], axis=1)
        between = ends[:, 0] != ends[:, 1]
        edges, number = np.unique(ends[between], axis=0, return_inverse=True)
        number = number.ravel()

        def summed(values: Floats) -> Floats:
            return np.bincount(number, values[between], len(edges)).astype(np.float64)

        order = np.lexsort((-self.households, group))
        first = order[np.unique(group[order], return_index=True)[1]]
        return Graph(
            np.bincount(group, self.households, groups).astype(np.int64),
            edges.astype(np.int64),
            summed(self.cut),
            summed(self.inside),
            summed(self.length),
            np.bincount(group, self.area, groups).astype(np.float64),
            np.bincount(group, self.outline, groups).astype(np.float64),
            self.xy[first],
            _compound_of_nodes(group, self.compound, groups),
        )


def build_graph(cells: "Cells", households: Ints, compound: Ints) -> tuple[Graph, Ints]:
    """Return the graph of the land cells of a community.

    Parameters
    ----------
    cells
        Cells of the community.
    households, compound
        (b,) households and compound number (-1 for none) of each building.

    Returns
    -------
    graph
        The graph; waters are no nodes, so a river is crossed only where it is joined.
    cell
        (n,) the cell of each node.
    """
    from geo.partition.cells.tessellation import find_cell_borders

    shared, kind = find_cell_borders(cells)
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
    edges, number = np.unique(
        np.stack([left[inner], right[inner]], axis=1), axis=0, return_inverse=True
    )
    number = number.ravel()

    def total(values: Floats) -> Floats:
        summed = np.bincount(number, weights=values[inner], minlength=len(edges))
        return summed.astype(np.float64)

    outer = ~inner & ((left >= 0) | (right >= 0))
    outline: Floats = np.bincount(
        np.maximum(left, right)[outer], weights=shared.length[outer], minlength=len(land)
    ).astype(np.float64)
    placed = cells.cell_of_building >= 0
    at = node[cells.cell_of_building[placed]]
    graph = Graph(
        households=np.bincount(at, weights=households[placed], minlength=len(land)).astype(
            np.int64
        ),
        edges=edges.astype(np.int64),
        cut=total(shared.length * per_kind[kind]),
        inside=total(shared.length * inside_per_kind[kind] * both),
        length=total(shared.length),
        area=shapely.area(cells.polygons[land]),
        outline=outline,
        xy=_points(cells, land),
        compound=_compound_of_nodes(at, compound[placed], len(land)),
    )
    return graph, land


def join_islands_by_ways(graph: Graph, cells: Polygons, ways: Polygons) -> Graph:
    """Return the graph with its islands joined where a bridge or path leads across.

    Parameters
    ----------
    cells
        (n,) polygons of the nodes.
    ways
        Lines of roads, bridges and paths. The cells of different pieces that a line enters one
        after the other become neighbours, with no border and no cost.
    """
    parts, part = graph.components()
    if parts == 1 or len(ways) == 0:
        return graph
    way, cell = shapely.STRtree(cells).query(ways, predicate="intersects")
    within = shapely.intersection(ways[way], cells[cell])
    along = shapely.line_locate_point(ways[way], shapely.point_on_surface(within))
    order = np.lexsort((along, way))
    way, cell = way[order], cell[order]
    leads = (way[1:] == way[:-1]) & (part[cell[1:]] != part[cell[:-1]])
    pairs = np.sort(np.stack([cell[:-1][leads], cell[1:][leads]], axis=1), axis=1)
    pairs = np.unique(pairs, axis=0)
    nothing = np.zeros(len(pairs))
    return replace(
        graph,
        edges=np.concatenate([graph.edges, pairs]).astype(np.int64),
        cut=np.append(graph.cut, nothing),
        inside=np.append(graph.inside, nothing),
        length=np.append(graph.length, nothing),
    )


def find_populated_rooms(cells: "Cells", households: Ints) -> NDArray[np.bool_]:
    """Return which rooms hold a household."""
    placed = cells.cell_of_building >= 0
    room = cells.room[cells.cell_of_building[placed]]
    total = np.bincount(room, weights=households[placed], minlength=int(cells.room.max()) + 1)
    return total > 0


def _points(cells: "Cells", land: Ints) -> Floats:
    """Return a point inside each land cell."""
    return shapely.get_coordinates(inner_points(cells.polygons[land]))


def _compound_of_nodes(node: Ints, compound: Ints, nodes: int) -> Ints:
    """Return the compound of each node: that of the first of its buildings that has one."""
    found = np.full(nodes, -1, dtype=np.int64)
    known = np.flatnonzero(compound >= 0)[::-1]
    found[node[known]] = compound[known]
    return found


def count_forced_households(graph: Graph, node: int, lower: int) -> int:
    """Return the households that can be in no grid but the node's.

    They live in pieces that hang together with the rest only past this node, each too small for
    a grid of its own.
    """
    if len(graph) == 1:
        return 0
    others = np.delete(np.arange(len(graph)), node)
    rest = graph.subgraph(others)
    pieces, piece = rest.components()
    households = np.bincount(piece, weights=rest.households, minlength=pieces)
    households[households.argmax()] = lower  # the largest piece is the rest
    return int(households[households < lower].sum())
