"""Where buildings, hydrants and stations are reached from the roads."""

from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import shapely
from scipy.sparse import csr_array

from geo.fire.rules import rules_in_force
from geo.network.road_joins import RoadJoin, extend_roads, find_road_joins
from geo.network.roads import RoadGraph, build_road_graph, split_at_places
from geo.types import Bools, Floats, Geometries, Ints

MAX_ROAD_DISTANCE_M = 500.0
"""A building farther than this from every road is not reached by any."""

OPEN_WAY_RADIUS_M = 120.0
"""Within this distance an open way to a building that stands behind others is searched for."""

_CORNER_TOLERANCE_M = 0.3
"""A way may cut this much of a building's corner."""


@dataclass(frozen=True)
class RoadAccess:
    """The road graph with a node for every building, hydrant and station.

    Attributes
    ----------
    graph
        The road graph with a node for every place.
    building, hydrant, station
        Node of each place; -1 where no road is near.
    building_gap, hydrant_gap, station_gap
        Metres from the place (a building's wall) to its node; infinite where no road is near.
    behind
        (b,) whether every straight way from a road leads through another building.
    """

    graph: RoadGraph
    building: Ints
    building_gap: Floats
    behind: Bools
    hydrant: Ints
    hydrant_gap: Floats
    station: Ints
    station_gap: Floats

    @cached_property
    def walking_costs(self) -> csr_array:
        """(n, n) metres between nodes along roads, in both directions."""
        return self.graph.walking_costs()


@dataclass(frozen=True)
class BuildingAnchors:
    """Where buildings are reached from, before nodes are added to the graph near them.

    Attributes
    ----------
    piece
        (b,) piece of the road graph; -1 where none is near.
    offset
        (b,) metres along it.
    gap, behind
        As in :class:`RoadAccess`.
    """

    piece: Ints
    offset: Floats
    gap: Floats
    behind: Bools


@dataclass(frozen=True)
class RoadPositions:
    """Where points are reached from.

    Attributes
    ----------
    piece
        (k,) piece of the road graph; -1 where none is near.
    offset, gap
        (k,) metres along the piece, and from it to the point.
    """

    piece: Ints
    offset: Floats
    gap: Floats


def build_joined_graph(
    road: gpd.GeoDataFrame, compound: gpd.GeoDataFrame
) -> tuple[RoadGraph, list[RoadJoin]]:
    """Return the graph of the roads, and the gaps in their data that it joins.

    The widest gaps are the figures ``road_join`` and ``road_gate`` of the rules.

    Parameters
    ----------
    road, compound
        Metric frames of the roads and the compounds.
    """
    graph = build_road_graph(road)
    boundaries = np.asarray(shapely.boundary(compound.geometry.to_numpy()), dtype=object)
    rules = rules_in_force()
    tolerances = rules.figure("road_join"), rules.figure("road_gate")
    joins = find_road_joins(graph, boundaries, *tolerances)
    if joins:
        graph = build_road_graph(road, extend_roads(road.geometry.to_numpy(), joins))
    return graph, joins


def locate_points(graph: RoadGraph, points: Geometries) -> RoadPositions:
    """Return where (k,) points in metres are reached from."""
    piece, gap = _find_nearest_pieces(graph, points)
    return RoadPositions(piece, _offsets_along_pieces(graph, piece, points), gap)


def build_road_access(
    graph: RoadGraph, anchors: BuildingAnchors, hydrants: RoadPositions, stations: RoadPositions
) -> RoadAccess:
    """Return the graph with nodes for all places, cut at their positions."""
    positions = (anchors, hydrants, stations)
    piece = np.concatenate([places.piece for places in positions])
    offset = np.concatenate([places.offset for places in positions])
    gaps = [places.gap for places in positions]
    is_near = piece >= 0
    whole, node = split_at_places(graph, piece[is_near], offset[is_near])
    node_of_place = np.full(len(is_near), -1, dtype=np.int64)
    node_of_place[is_near] = node
    ends = np.cumsum([len(gap) for gap in gaps])
    building, hydrant, station = (
        node_of_place[: ends[0]],
        node_of_place[ends[0] : ends[1]],
        node_of_place[ends[1] :],
    )
    return RoadAccess(whole, building, gaps[0], anchors.behind, hydrant, gaps[1], station, gaps[2])


def anchor_buildings(
    graph: RoadGraph, walls: Geometries, tree: shapely.STRtree, rows: Ints | None = None
) -> BuildingAnchors:
    """Return where buildings are reached from.

    An open way is preferred to a shorter one through another building.

    Parameters
    ----------
    walls
        (b,) outlines, metres.
    tree
        Spatial index of the outlines.
    rows
        (k,) int64 rows of buildings; all by default.
    """
    rows = np.arange(len(walls)) if rows is None else rows
    piece, gap = _find_nearest_pieces(graph, walls[rows])
    is_near = np.flatnonzero(piece >= 0)
    ways = shapely.shortest_line(graph.lines[piece[is_near]], walls[rows[is_near]])
    behind = np.zeros(len(rows), dtype=bool)
    blocked_rows = is_near[_is_blocked(ways, rows[is_near], walls, tree)]
    blocked = rows[blocked_rows]
    near = graph.tree.query(walls[blocked], predicate="dwithin", distance=OPEN_WAY_RADIUS_M)
    other, apart = find_open_ways(graph.lines, (near[0], near[1]), blocked, walls, tree)
    behind[blocked_rows] = other < 0
    freed = other >= 0
    piece[blocked_rows[freed]], gap[blocked_rows[freed]] = other[freed], apart[freed]
    return BuildingAnchors(piece, _offsets_along_pieces(graph, piece, walls[rows]), gap, behind)


def _find_nearest_pieces(graph: RoadGraph, places: Geometries) -> tuple[Ints, Floats]:
    """Return the (k,) nearest piece of each place, -1 for none, and its distance in metres."""
    piece = np.full(len(places), -1, dtype=np.int64)
    gap = np.full(len(places), np.inf)
    if len(places) and len(graph.lines):
        (place, near), apart = graph.tree.query_nearest(
            places, max_distance=MAX_ROAD_DISTANCE_M, return_distance=True, all_matches=False
        )
        piece[place], gap[place] = near, apart
    return piece, gap


def _offsets_along_pieces(graph: RoadGraph, piece: Ints, places: Geometries) -> Floats:
    """Return (k,) metres along its piece to the point nearest to each place."""
    offset = np.zeros(len(piece))
    is_near = np.flatnonzero(piece >= 0)
    lines = graph.lines[piece[is_near]]
    at = shapely.get_point(shapely.shortest_line(lines, places[is_near]), 0)
    offset[is_near] = shapely.line_locate_point(lines, at)
    return offset


def _is_blocked(ways: Geometries, owner: Ints, walls: Geometries, tree: shapely.STRtree) -> Bools:
    """Return (k,) whether each way leads through a building other than its own."""
    way, wall = tree.query(ways, predicate="intersects")
    others = wall != owner[way]
    way, wall = way[others], wall[others]
    through = shapely.length(shapely.intersection(ways[way], walls[wall])) > _CORNER_TOLERANCE_M
    blocked = np.zeros(len(ways), dtype=bool)
    blocked[way[through]] = True
    return blocked


def find_open_ways(
    lines: Geometries,
    near_lines: tuple[Ints, Ints],
    rows: Ints,
    walls: Geometries,
    tree: shapely.STRtree,
    barriers: shapely.STRtree | None = None,
) -> tuple[Ints, Floats]:
    """Return (k,) int64 the nearest line with an open way to each building, and float64 metres.

    The line is -1 where there is none. Vectorised by rank: the nearest lines of all buildings
    first, then the next ones of the rest.

    Parameters
    ----------
    lines
        (l,) lines or points that ways begin at.
    near_lines
        (n,) int64 positions in ``rows``, and (n,) int64 the lines near those buildings.
    rows
        (k,) int64 rows of buildings.
    walls, tree
        (b,) outlines of all buildings, metres, and their spatial index: no way leads through one.
    barriers
        Spatial index of what ways do not cross either.
    """
    piece, gap = np.full(len(rows), -1, dtype=np.int64), np.full(len(rows), np.inf)
    at, near = near_lines
    distance = shapely.distance(lines[near], walls[rows[at]])
    order = np.lexsort((distance, at))
    at, near, distance = at[order], near[order], distance[order]
    rank = np.arange(len(at)) - np.searchsorted(at, at)
    for round_ in range(int(rank.max(initial=-1)) + 1):
        current = np.flatnonzero((rank == round_) & (piece[at] < 0))
        ways = shapely.shortest_line(lines[near[current]], walls[rows[at[current]]])
        is_blocked = _is_blocked(ways, rows[at[current]], walls, tree)
        if barriers is not None:
            is_blocked[barriers.query(ways, predicate="intersects")[0]] = True
        free = current[~is_blocked]
        piece[at[free]], gap[at[free]] = near[free], distance[free]
    return piece, gap
