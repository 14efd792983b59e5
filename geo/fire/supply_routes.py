"""Ways to a place: hoses from hydrants, engines from stations."""

from dataclasses import dataclass

import numpy as np
import shapely

from geo.fire.context import FireContext
from geo.fire.hydrants import ROUTE_LIMIT_M
from geo.fire.response import WALK_PACE
from geo.network import routing
from geo.types import Floats, Ints

DRIVE_LIMIT_S = 3600.0
NEAR_S = 180.0
"""Stations this near are looked for first; where there are too few, all the city is searched."""


@dataclass(frozen=True)
class Place:
    """A place that hoses and engines go to.

    Attributes
    ----------
    node
        Its node on the access graph, -1 where no road is near.
    gap
        Metres from that node to the wall.
    shape
        A building's outline, or a point, in metres.
    """

    node: int
    gap: float
    shape: shapely.Geometry


@dataclass(frozen=True)
class Hose:
    """A hose route from a hydrant: its row, its length in metres, and its line."""

    hydrant: int
    metres: float
    straight: float
    line: shapely.Geometry | None


@dataclass(frozen=True)
class Drive:
    """A way from a station: its row, seconds of driving, metres, its line, hose for the rest."""

    station: int
    seconds: float
    metres: float
    line: shapely.Geometry | None
    stops_short: float


def to_building(desk: FireContext, row: int) -> Place:
    """Return a building as a place to go to."""
    access = desk.ground.access
    gap = float(access.building_gap[row])
    return Place(int(access.building[row]), gap, desk.ground.walls[row])


def to_point(desk: FireContext, point: shapely.Point) -> Place:
    """Return a point as a place to go to: from the nearer end of the nearest piece of road."""
    graph = desk.ground.access.graph
    found = graph.tree.query_nearest(point, max_distance=500.0, all_matches=False)
    if not len(found):
        return Place(-1, np.inf, point)
    ends = graph.ends[int(found[0])]
    apart = np.hypot(*(graph.xy[ends] - shapely.get_coordinates(point)[0]).T)
    return Place(int(ends[apart.argmin()]), float(apart.min()), point)


def hoses(desk: FireContext, place: Place, most: int = 3) -> list[Hose]:
    """Return the nearest working hydrants by hose route, the nearest first."""
    ground, access = desk.ground, desk.ground.access
    total, before = hose_metres(desk, place)
    rows = np.argsort(total, kind="stable")[:most]
    points = ground.hydrant.geometry.to_numpy()
    return [
        Hose(
            int(row),
            float(total[row]),
            float(shapely.distance(points[row], place.shape)),
            _line(desk, before, int(access.hydrant[row]), points[row], place.shape),
        )
        for row in rows
        if np.isfinite(total[row])
    ]


def hose_metres(desk: FireContext, place: Place) -> tuple[Floats, Ints]:
    """Return (h,) hose from each hydrant to a place, infinite from one that doesn't work, and the
    node before each node on the ways."""
    ground, access = desk.ground, desk.ground.access
    if place.node < 0:
        return np.full(len(ground.hydrant), np.inf), np.full(access.graph.nodes, routing.START)
    metres, before = routing.from_one(access.walk, place.node, ROUTE_LIMIT_M)
    usable = ground.working & (access.hydrant >= 0)
    total = metres[access.hydrant] + access.hydrant_gap + place.gap
    return np.where(usable, total, np.inf), before


def drives(desk: FireContext, place: Place, most: int = 2) -> list[Drive]:
    """Return the nearest stations by an engine's driving time, the nearest first.

    Where the engine stops short of the place, the seconds hold the walk from there.
    """
    ground, access, reached = desk.ground, desk.ground.access, desk.reached
    if place.node < 0 or ground.station.empty:
        return []
    stop = int(reached.stop[place.node])
    if stop < 0:
        return []
    short = float(reached.metres[place.node])
    there = access.station >= 0
    for limit in (NEAR_S, DRIVE_LIMIT_S):
        seconds, before = routing.from_one(desk.towards, stop, limit)
        total = np.where(there, seconds[access.station] + short * WALK_PACE, np.inf)
        if np.isfinite(total).sum() >= most:
            break
    points = ground.station.geometry.to_numpy()
    found = []
    for row in np.argsort(total, kind="stable")[:most]:
        if not np.isfinite(total[row]):
            continue
        node = int(access.station[row])
        line = _line(desk, before, node, points[row], None)
        length = 0.0 if line is None else float(shapely.length(line))
        found.append(Drive(int(row), float(total[row]), length, line, short))
    return found


def _line(
    desk: FireContext,
    before: Ints,
    node: int,
    start: shapely.Point,
    end: shapely.Geometry | None,
) -> shapely.Geometry | None:
    """Return the line from a point over a way to the place that the way was searched from."""
    graph = desk.ground.access.graph
    nodes = routing.nodes_back(before, node)
    coords: list[Floats] = [shapely.get_coordinates(start), graph.xy[[nodes[0]]]]
    for piece, at in zip(graph.along(nodes), nodes[:-1], strict=True):
        part = shapely.get_coordinates(graph.lines[piece])
        coords.append(part if graph.ends[piece, 0] == at else part[::-1])
    if end is not None:
        last = shapely.Point(graph.xy[nodes[-1]])
        coords.append(shapely.get_coordinates(shapely.shortest_line(last, end)))
    line = np.concatenate(coords)
    moved = np.ones(len(line), dtype=bool)
    moved[1:] = (np.abs(np.diff(line, axis=0)) > 1e-6).any(axis=1)
    return shapely.LineString(line[moved]) if moved.sum() > 1 else None
