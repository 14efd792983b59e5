"""The road network as a graph, for driving engines and for laying hoses."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import csr_array

from geo.network.noding import node_lines, substrings
from geo.network.travel_time import travel_time_model
from geo.types import Bools, Floats, Geometries, Ints

USUAL_WIDTH_M = {
    "expressway": 24.0,
    "arterial": 24.0,
    "secondary": 14.0,
    "local": 7.0,
    "alley": 3.0,
    "internal": 4.0,
    "path": 2.0,
}
"""Width assumed for a road where none is on record (CJJ 37-2012)."""

_JUNCTION_PIECES = 3

WIDE_CLASSES = ("expressway", "arterial", "secondary", "local")
"""Classes whose width need not be on record: an engine always passes."""


@dataclass(frozen=True)
class Vehicle:
    """A fire engine: metres and tonnes.

    ``margin_m`` is kept free to each side of it; ``turning_radius_m`` is that of its outer corner.
    """

    width_m: float = 2.5
    height_m: float = 3.8
    length_m: float = 12.0
    weight_t: float = 30.0
    margin_m: float = 0.5
    turning_radius_m: float = 12.0

    @property
    def lane_m(self) -> float:
        """Width of the lane it needs."""
        return self.width_m + 2 * self.margin_m


@dataclass(frozen=True)
class RoadGraph:
    """A graph of pieces of road between nodes.

    Attributes
    ----------
    roads
        Frame of the roads, metric.
    xy
        (n, 2) nodes, metres.
    ends
        (e, 2) nodes of each piece, along its road's line.
    lines, length
        (e,) the pieces and their lengths, metres.
    road
        (e,) row in ``roads``.
    links
        How many of the pieces are links from an end to the carriageway it stops in; they come last.
    zero_length
        Codes of roads without length, which the graph leaves out.
    """

    roads: gpd.GeoDataFrame
    xy: Floats
    ends: Ints
    lines: Geometries
    length: Floats
    road: Ints
    links: int
    zero_length: list[str]

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.xy)

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Spatial index of the pieces."""
        return shapely.STRtree(self.lines)

    def column(self, name: str) -> NDArray[Any]:
        """Return (e,) an attribute of the road of each piece."""
        values: NDArray[Any] = self.roads[name].to_numpy()[self.road]
        return values

    @cached_property
    def is_for_vehicles(self) -> Bools:
        """(e,) whether each piece is built for vehicles: not a path, or a fire lane."""
        lane = self.roads["fire_lane"].eq(True).to_numpy(dtype=bool)
        return np.asarray(((self.roads["road_class"] != "path").to_numpy() | lane)[self.road])

    @cached_property
    def vehicle_pieces_at(self) -> dict[int, list[int]]:
        """Pieces built for vehicles at each node."""
        pieces_at: dict[int, list[int]] = {}
        rows = np.flatnonzero(self.is_for_vehicles)
        for piece, ends in zip(rows.tolist(), self.ends[rows].tolist(), strict=True):
            for end in ends:
                pieces_at.setdefault(end, []).append(piece)
        return pieces_at

    @cached_property
    def dead_ends(self) -> Ints:
        """(d,) int64 nodes at which only one piece built for vehicles ends."""
        degree = np.bincount(self.ends[self.is_for_vehicles].ravel(), minlength=self.nodes)
        return np.flatnonzero(degree == 1)

    @cached_property
    def dead_end_roads(self) -> Ints:
        """(d,) int64 row of the road that ends at each dead end."""
        last = [self.vehicle_pieces_at[node][0] for node in self.dead_ends.tolist()]
        return self.road[np.array(last, dtype=np.int64)]

    @cached_property
    def seconds(self) -> Floats:
        """(e,) float64 driving seconds of each piece, with half the delay at each end."""
        model = travel_time_model()
        speed = self.roads["road_class"].map(model.speed_kmh).to_numpy(dtype=float) / 3.6
        junctions = self.is_junction[self.ends].sum(axis=1)
        return np.asarray(self.length / speed[self.road] + junctions * model.junction_delay_s / 2)

    @cached_property
    def is_junction(self) -> Bools:
        """(n,) whether at least three pieces built for vehicles meet at each node."""
        ends = self.ends[self.is_for_vehicles].ravel()
        return np.asarray(np.bincount(ends, minlength=self.nodes) >= _JUNCTION_PIECES)

    @cached_property
    def piece_between(self) -> dict[tuple[int, int], int]:
        """Shortest piece between two nodes, by the nodes, the lower first."""
        order = np.argsort(-self.length, kind="stable")
        low, high = self.ends.min(axis=1)[order], self.ends.max(axis=1)[order]
        pairs = zip(low.tolist(), high.tolist(), strict=True)
        return dict(zip(pairs, order.tolist(), strict=True))

    def pieces_along(self, nodes: list[int]) -> list[int]:
        """Return the shortest piece between each two successive nodes of a path."""
        return [self.piece_between[min(pair), max(pair)] for pair in pairwise(nodes)]

    def walking_costs(self) -> csr_array:
        """Return (n, n) metres between nodes on foot: any road, in both directions."""
        return cost_matrix(self.nodes, self.ends, self.length)

    def driving_costs(self, passable: Bools) -> csr_array:
        """Return (n, n) driving seconds between nodes.

        Parameters
        ----------
        passable
            (e,) whether the engine can pass each piece.
        """
        oneway = self.column("oneway")
        there = passable & (oneway != "backward")
        back = passable & (oneway != "forward")
        ends = np.concatenate([self.ends[there], self.ends[back][:, ::-1]])
        cost = np.concatenate([self.seconds[there], self.seconds[back]])
        return cost_matrix(self.nodes, ends, cost, directed=True)


def cost_matrix(nodes: int, ends: Ints, cost: Floats, *, directed: bool = False) -> csr_array:
    """Return the sparse (n, n) matrix of edge costs; of parallel edges the cheapest counts.

    Parameters
    ----------
    ends
        (e, 2) int64 nodes of each edge.
    cost
        (e,) float64 cost of each edge.
    """
    if not directed:
        ends, cost = np.concatenate([ends, ends[:, ::-1]]), np.concatenate([cost, cost])
    order = np.lexsort((cost, ends[:, 1], ends[:, 0]))
    ends, cost = ends[order], cost[order]
    keep = np.ones(len(ends), dtype=bool)
    keep[1:] = (ends[1:] != ends[:-1]).any(axis=1)
    keep &= ends[:, 0] != ends[:, 1]
    # A stored zero would count as no edge.
    cheap = np.maximum(cost[keep], 1e-9)
    return csr_array((cheap, (ends[keep, 0], ends[keep, 1])), shape=(nodes, nodes))


def build_road_graph(roads: gpd.GeoDataFrame, lines: Geometries | None = None) -> RoadGraph:
    """Return the graph of a frame of roads in metres.

    Parameters
    ----------
    lines
        (r,) their lines where these differ from the recorded ones.
    """
    lines = roads.geometry.to_numpy() if lines is None else lines
    raised = (roads["bridge"] | roads["tunnel"]).to_numpy(dtype=bool)
    noded = node_lines(lines, raised, road_widths(roads) / 2)
    return RoadGraph(
        roads,
        noded.xy,
        noded.ends,
        noded.lines,
        shapely.length(noded.lines),
        noded.parent,
        noded.links,
        roads["code"].to_numpy()[noded.dropped].tolist(),
    )


def road_widths(roads: gpd.GeoDataFrame) -> Floats:
    """Return (r,) float64 metres: the width of each road, or the usual width of its class."""
    usual = roads["road_class"].map(USUAL_WIDTH_M).to_numpy(dtype=float)
    known = roads["width_m"].to_numpy(dtype=float)
    return np.asarray(np.where(np.isnan(known), usual, known))


def split_at_places(graph: RoadGraph, piece: Ints, offset: Floats) -> tuple[RoadGraph, Ints]:
    """Return a graph with additional nodes at places along its pieces, and (k,) the node of each.

    Parameters
    ----------
    piece
        (k,) int64 pieces of the graph.
    offset
        (k,) float64 metres from each piece's start.
    """
    offset = np.clip(offset, 0.0, graph.length[piece])
    order = np.lexsort((offset, piece))
    node_of = np.empty(len(piece), dtype=np.int64)
    sorted_piece, sorted_offset = piece[order], offset[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(sorted_piece) != 0) | (np.diff(sorted_offset) > _SAME_M)
    at_start = sorted_offset <= _SAME_M
    at_end = ~at_start & (sorted_offset >= graph.length[sorted_piece] - _SAME_M)
    inner = first & ~at_start & ~at_end
    number = graph.nodes + np.cumsum(inner) - 1
    node_of[order] = np.where(
        at_start,
        graph.ends[sorted_piece, 0],
        np.where(at_end, graph.ends[sorted_piece, 1], number),
    )
    return _cut_pieces(graph, sorted_piece[inner], sorted_offset[inner], number[inner]), node_of


_SAME_M = 1e-6


def _cut_pieces(graph: RoadGraph, piece: Ints, offset: Floats, node: Ints) -> RoadGraph:
    """Return a graph whose pieces are cut at new nodes, sorted by piece and offset."""
    every = np.arange(len(graph.ends))
    owner = np.concatenate([every, piece, every])
    at = np.concatenate([np.zeros(len(every)), offset, graph.length])
    nodes = np.concatenate([graph.ends[:, 0], node, graph.ends[:, 1]])
    rank = np.concatenate([np.zeros(len(every)), np.ones(len(piece)), np.full(len(every), 2.0)])
    order = np.lexsort((at, rank, owner))
    owner, at, nodes = owner[order], at[order], nodes[order]
    same = owner[1:] == owner[:-1]
    start, end, part = at[:-1][same], at[1:][same], owner[:-1][same]
    whole = (start == 0.0) & (end == graph.length[part])
    lines = graph.lines[part]
    lines[~whole] = substrings(graph.lines, part[~whole], start[~whole], end[~whole])
    starts = nodes[:-1][same]
    coords, owner = shapely.get_coordinates(lines[starts >= graph.nodes], return_index=True)
    first = np.append(True, np.diff(owner) != 0)[: len(coords)]
    return RoadGraph(
        graph.roads,
        np.concatenate([graph.xy, coords[first]]),
        np.column_stack([starts, nodes[1:][same]]),
        lines,
        end - start,
        graph.road[part],
        graph.links,
        graph.zero_length,
    )
