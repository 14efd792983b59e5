"""How buildings, hydrants and stations stand to the roads: where each is reached from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from scipy.sparse import csr_array

from geo.network.noding import Bools, Floats, Geometries, Ints
from geo.network.roads import RoadGraph, split_at_places

MAX_ROAD_DISTANCE_M = 500.0
"""A building without a road this near has none."""

OPEN_WAY_RADIUS_M = 120.0
"""How far around a building that stands behind others an open way is looked for."""

_THROUGH_M = 0.3  # a way that cuts less than this off a corner still passes it


@dataclass(frozen=True)
class RoadAccess:
    """Places on the road graph.

    Attributes
    ----------
    graph
        The road graph with a node for every place.
    building, hydrant, station
        Node of each place; -1 where no road is near.
    building_gap, hydrant_gap, station_gap
        Metres from the place (a building's wall) to its node; infinite where no road is near.
    behind
        Which buildings have no way from a road that is not through another building.
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
        """Return metres from node to node along roads, either way."""
        return self.graph.walking_costs()


@dataclass(frozen=True)
class BuildingAnchors:
    """Where buildings are reached from, before the graph is cut there.

    Attributes
    ----------
    piece
        (b,) piece of the road graph; -1 where none is near.
    offset
        (b,) metres along it.
    gap, behind
        As in :class:`Access`.
    """

    piece: Ints
    offset: Floats
    gap: Floats
    behind: Bools


@dataclass(frozen=True)
class RoadPositions:
    """Where points are reached from: a piece of the road graph (-1: none), metres along it, gap."""

    piece: Ints
    offset: Floats
    gap: Floats


def locate_points(graph: RoadGraph, points: Geometries) -> RoadPositions:
    """Return where points are reached from."""
    piece, gap = _nearest(graph, points)
    return RoadPositions(piece, _offset(graph, piece, points), gap)


def nearest_node(graph: RoadGraph, point: shapely.Point) -> tuple[int, float]:
    """Return the nearer end of the nearest piece of road, and the metres to it; -1 for none."""
    pieces = graph.tree.query_nearest(point, max_distance=MAX_ROAD_DISTANCE_M, all_matches=False)
    if not len(pieces):
        return -1, np.inf
    ends = graph.ends[int(pieces[0])]
    distances = np.hypot(*(graph.xy[ends] - shapely.get_coordinates(point)[0]).T)
    return int(ends[distances.argmin()]), float(distances.min())


def build_road_access(
    graph: RoadGraph, anchors: BuildingAnchors, hydrants: RoadPositions, stations: RoadPositions
) -> RoadAccess:
    """Return the node of every building, hydrant and station."""
    placed = (anchors, hydrants, stations)
    piece = np.concatenate([one.piece for one in placed])
    offset = np.concatenate([one.offset for one in placed])
    gaps = [one.gap for one in placed]
    there = piece >= 0
    whole, node = split_at_places(graph, piece[there], offset[there])
    found = np.full(len(there), -1, dtype=np.int64)
    found[there] = node
    ends = np.cumsum([len(gap) for gap in gaps])
    building, hydrant, station = found[: ends[0]], found[ends[0] : ends[1]], found[ends[1] :]
    return RoadAccess(whole, building, gaps[0], anchors.behind, hydrant, gaps[1], station, gaps[2])


def anchor_buildings(
    graph: RoadGraph, walls: Geometries, tree: shapely.STRtree, rows: Ints | None = None
) -> BuildingAnchors:
    """Return where buildings are reached from, all of them or those of some rows.

    An open way is preferred to a shorter one through another building.
    """
    rows = np.arange(len(walls)) if rows is None else rows
    piece, gap = _nearest(graph, walls[rows])
    there = np.flatnonzero(piece >= 0)
    ways = shapely.shortest_line(graph.lines[piece[there]], walls[rows[there]])
    behind = np.zeros(len(rows), dtype=bool)
    shut = there[_is_blocked(ways, rows[there], walls, tree)]
    other, apart = _open_ways(graph, rows[shut], walls, tree)
    behind[shut] = other < 0
    freed = other >= 0
    piece[shut[freed]], gap[shut[freed]] = other[freed], apart[freed]
    return BuildingAnchors(piece, _offset(graph, piece, walls[rows]), gap, behind)


def _nearest(graph: RoadGraph, places: Geometries) -> tuple[Ints, Floats]:
    """Return the nearest piece of each place, -1 for none, and how far it is."""
    piece = np.full(len(places), -1, dtype=np.int64)
    gap = np.full(len(places), np.inf)
    if len(places) and len(graph.lines):
        (place, near), apart = graph.tree.query_nearest(
            places, max_distance=MAX_ROAD_DISTANCE_M, return_distance=True, all_matches=False
        )
        piece[place], gap[place] = near, apart
    return piece, gap


def _offset(graph: RoadGraph, piece: Ints, places: Geometries) -> Floats:
    """Return how far along its piece each place is nearest to it."""
    offset = np.zeros(len(piece))
    there = np.flatnonzero(piece >= 0)
    lines = graph.lines[piece[there]]
    at = shapely.get_point(shapely.shortest_line(lines, places[there]), 0)
    offset[there] = shapely.line_locate_point(lines, at)
    return offset


def _is_blocked(ways: Geometries, owner: Ints, walls: Geometries, tree: shapely.STRtree) -> Bools:
    """Return which ways lead through a building that is not their own."""
    way, wall = tree.query(ways, predicate="intersects")
    others = wall != owner[way]
    way, wall = way[others], wall[others]
    through = shapely.length(shapely.intersection(ways[way], walls[wall])) > _THROUGH_M
    blocked = np.zeros(len(ways), dtype=bool)
    blocked[way[through]] = True
    return blocked


def _open_ways(
    graph: RoadGraph, rows: Ints, walls: Geometries, tree: shapely.STRtree
) -> tuple[Ints, Floats]:
    """Return the nearest piece with an open way to each building, -1 for none, and how far it is.

    All buildings try their nearest piece at once, then those still without a way their next one.
    """
    found, gap = np.full(len(rows), -1, dtype=np.int64), np.full(len(rows), np.inf)
    at, near = graph.tree.query(walls[rows], predicate="dwithin", distance=OPEN_WAY_RADIUS_M)
    apart = shapely.distance(graph.lines[near], walls[rows[at]])
    order = np.lexsort((apart, at))
    at, near, apart = at[order], near[order], apart[order]
    rank = np.arange(len(at)) - np.searchsorted(at, at)
    for turn in range(int(rank.max(initial=-1)) + 1):
        now = np.flatnonzero((rank == turn) & (found[at] < 0))
        ways = shapely.shortest_line(graph.lines[near[now]], walls[rows[at[now]]])
        free = now[~_is_blocked(ways, rows[at[now]], walls, tree)]
        found[at[free]], gap[at[free]] = near[free], apart[free]
    return found, gap
