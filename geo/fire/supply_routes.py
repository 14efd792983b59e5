"""Routes to a place: hoses from hydrants, engines from fire stations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import shapely
from sqlalchemy import Connection, select

from geo.fire import reviews, road_access
from geo.fire.building_record import Details, plain_value
from geo.fire.context import FireContext
from geo.fire.hydrants import ROUTE_LIMIT_M
from geo.fire.station_response import HOSE_PACE_S_PER_M, seconds_from_yard
from geo.messages import Language, text
from geo.network import routing
from geo.types import Bools, Floats, Ints

HOSE_ROUTES, DRIVE_ROUTES = 3, 2
"""Routes that a briefing shows."""

DRIVE_LIMIT_S = 3600.0
NEAR_S = 180.0
"""Stations this near are searched first; only where there are too few is the whole city."""


@dataclass(frozen=True)
class Destination:
    """A place that hoses and engines go to.

    Attributes
    ----------
    ends
        The nodes of the access graph that it is reached from, the nearest first, each with the
        metres from there to the wall; empty where no road is near.
    road_gap
        Metres from the road to the wall.
    shape
        A building's outline, or a point, in metres.
    is_enclosed
        Whether other buildings stand between every road and it.
    """

    ends: tuple[tuple[int, float], ...]
    road_gap: float
    shape: shapely.Geometry
    is_enclosed: bool = False


@dataclass(frozen=True)
class HoseRoute:
    """A hose route from a hydrant.

    Attributes
    ----------
    hydrant
        Row of the hydrant.
    length
        Metres along the route; None where no route is known.
    straight
        Metres in a straight line.
    """

    hydrant: int
    length: float | None
    straight: float
    line: shapely.Geometry | None


@dataclass(frozen=True)
class DriveRoute:
    """A drive from a fire station.

    Attributes
    ----------
    station
        Row of the station.
    seconds
        Driving time from leaving the station, and walking time with hoses for the rest.
    length
        Metres of the drive.
    stops_short
        Metres of hose from where the engine stops to the wall.
    """

    station: int
    seconds: float
    length: float
    line: shapely.Geometry | None
    stops_short: float


def building_destination(context: FireContext, row: int) -> Destination:
    """Return a building as a destination."""
    access = context.snapshot.access
    gap = float(access.building_gap[row])
    ends = ((int(access.building[row]), gap),) if access.building[row] >= 0 else ()
    return Destination(ends, gap, context.snapshot.walls[row], bool(access.behind[row]))


def point_destination(context: FireContext, point: shapely.Point) -> Destination:
    """Return a point in metres as a destination."""
    graph = context.snapshot.access.graph
    position = road_access.locate_points(graph, np.array([point], dtype=object))
    piece, offset, gap = int(position.piece[0]), float(position.offset[0]), float(position.gap[0])
    if piece < 0:
        return Destination((), gap, point)
    along = offset, float(graph.length[piece]) - offset
    pairs = zip(graph.ends[piece].tolist(), along, strict=True)
    ends = sorted(((node, gap + metres) for node, metres in pairs), key=lambda end: end[1])
    return Destination(tuple(ends), gap, point)


def nearest_hose_routes(context: FireContext, destination: Destination) -> list[HoseRoute]:
    """Return the routes from the nearest working hydrants by hose, the nearest first.

    Where fewer routes are known, the nearest other hydrants in a straight line follow.
    """
    snapshot, access = context.snapshot, context.snapshot.access
    lengths, predecessors, via = hose_lengths(context, destination)
    points = snapshot.hydrant.geometry.to_numpy()
    straight = shapely.distance(points, destination.shape)
    routes = []
    for row in order_hydrants(lengths, straight, snapshot.hydrant_works)[:HOSE_ROUTES].tolist():
        length, line = None, None
        if np.isfinite(lengths[row]):
            length, node = float(lengths[row]), int(access.hydrant[row])
            before = predecessors[via[row]]
            line = _route_line(context, before, node, points[row], destination.shape)
        elif not snapshot.hydrant_works[row] or straight[row] > ROUTE_LIMIT_M:
            continue
        routes.append(HoseRoute(row, length, float(straight[row]), line))
    return routes


def order_hydrants(lengths: Floats, straight: Floats, works: Bools) -> Ints:
    """Return (h,) int64 hydrants in order: by hose route, then by straight line, then broken ones.

    Parameters
    ----------
    lengths
        (h,) float64 metres by hose; infinite where no route is known.
    straight
        (h,) float64 metres in a straight line.
    works
        (h,) whether each hydrant can be used.
    """
    return np.lexsort((straight, lengths, ~works))


def hose_lengths(context: FireContext, destination: Destination) -> tuple[Floats, list[Ints], Ints]:
    """Return the length of hose from every hydrant to a destination.

    Returns
    -------
    lengths
        (h,) float64 metres; infinite where the hydrant does not work or no route leads.
    predecessors
        For each end of the destination, (n,) int64 node before each node of the access graph on the
        route from there.
    via
        (h,) int64 end of the destination that the route leads through.
    """
    snapshot, access = context.snapshot, context.snapshot.access
    count = len(snapshot.hydrant)
    if not destination.ends:
        return np.full(count, np.inf), [], np.zeros(count, dtype=np.int64)
    searches = [
        routing.shortest_from_node(access.walking_costs, node, ROUTE_LIMIT_M)
        for node, _ in destination.ends
    ]
    by_end = np.array(
        [
            metres[access.hydrant] + gap
            for (metres, _), (_, gap) in zip(searches, destination.ends, strict=True)
        ]
    )
    usable = snapshot.hydrant_works & (access.hydrant >= 0)
    lengths = np.where(usable, by_end.min(axis=0) + access.hydrant_gap, np.inf)
    return lengths, [before for _, before in searches], by_end.argmin(axis=0)


def nearest_drive_routes(context: FireContext, destination: Destination) -> list[DriveRoute]:
    """Return the drives from the nearest stations by an engine's driving time, the nearest first.

    The seconds include the walk from where the engine stops to the wall.
    """
    snapshot, access, reach = context.snapshot, context.snapshot.access, context.vehicle_reach
    if not destination.ends or snapshot.station.empty:
        return []
    node, gap = destination.ends[0]
    stop = int(reach.stop[node])
    if stop < 0:
        return []
    on_foot = float(reach.metres[node])
    stops_short = on_foot + (gap if on_foot else destination.road_gap)
    is_on_network = access.station >= 0
    for limit in (NEAR_S, DRIVE_LIMIT_S):
        driving, predecessors = routing.shortest_from_node(context.costs_to_stations, stop, limit)
        seconds = driving[access.station] + seconds_from_yard(access.station_gap)
        seconds = seconds + stops_short * HOSE_PACE_S_PER_M
        seconds = np.where(is_on_network, seconds, np.inf)
        if np.isfinite(seconds).sum() >= DRIVE_ROUTES:
            break
    points = snapshot.station.geometry.to_numpy()
    routes = []
    for row in np.argsort(seconds, kind="stable")[:DRIVE_ROUTES]:
        if not np.isfinite(seconds[row]):
            continue
        line = _route_line(context, predecessors, int(access.station[row]), points[row], None)
        length = 0.0 if line is None else float(shapely.length(line))
        routes.append(DriveRoute(int(row), float(seconds[row]), length, line, stops_short))
    return routes


def _route_line(
    context: FireContext,
    predecessors: Ints,
    node: int,
    start: shapely.Point,
    end: shapely.Geometry | None,
) -> shapely.Geometry | None:
    """Return the line from a point along a route to its destination, None if it has no length."""
    graph = context.snapshot.access.graph
    nodes = routing.path_to_start(predecessors, node)
    coords: list[Floats] = [shapely.get_coordinates(start), graph.xy[[nodes[0]]]]
    for piece, from_node in zip(graph.pieces_along(nodes), nodes[:-1], strict=True):
        part = shapely.get_coordinates(graph.lines[piece])
        coords.append(part if graph.ends[piece, 0] == from_node else part[::-1])
    if end is not None:
        last = shapely.Point(graph.xy[nodes[-1]])
        coords.append(shapely.get_coordinates(shapely.shortest_line(last, end)))
    line = np.concatenate(coords)
    differs = np.ones(len(line), dtype=bool)
    differs[1:] = (np.abs(np.diff(line, axis=0)) > 1e-6).any(axis=1)
    return shapely.LineString(line[differs]) if differs.sum() > 1 else None


def describe_nearest_hydrants(
    connection: Connection,
    context: FireContext,
    destination: Destination,
    mains: Mapping[str, float],
    lang: Language,
) -> list[Details]:
    """Return the three nearest working hydrants, with their last inspection.

    ``route_m`` and ``route`` are None where no hose route is known.

    Parameters
    ----------
    mains
        Diameter of the main by code of the hydrant, millimetres.
    """
    frame = context.snapshot.hydrant
    routes = nearest_hose_routes(context, destination)
    codes = [str(frame["code"].iloc[route.hydrant]) for route in routes]
    inspected_on = _last_inspection_days(connection, codes)
    points = frame.geometry.to_numpy()
    return [
        {
            "code": code,
            "route_m": None if route.length is None else round(route.length, 1),
            "straight_m": round(route.straight, 1),
            "flow_l_s": plain_value(frame["flow_l_s"].iloc[route.hydrant]),
            "pressure_mpa": plain_value(frame["pressure_mpa"].iloc[route.hydrant]),
            **describe_hydrant_type(frame["hydrant_type"].iloc[route.hydrant], lang),
            "main_dn": mains.get(code),
            "last_inspection": inspected_on.get(code),
            "point": points[route.hydrant],
            "route": route.line,
        }
        for code, route in zip(codes, routes, strict=True)
    ]


def describe_hydrant_type(value: object, lang: Language) -> dict[str, str | None]:
    """Return the type of a hydrant as it is stored and in words, None where not on record."""
    known = value if isinstance(value, str) else None
    words = None if known is None else text(f"hydrant_type.{known}", lang=lang)
    return {"hydrant_type": known, "hydrant_type_text": words}


def _last_inspection_days(connection: Connection, codes: list[str]) -> dict[str, date]:
    last = reviews.last_inspections()
    columns = last.c.hydrant_code, last.c.inspected_on
    rows = connection.execute(select(*columns).where(last.c.hydrant_code.in_(codes)))
    return {row.hydrant_code: row.inspected_on for row in rows}


def describe_nearest_stations(context: FireContext, destination: Destination) -> list[Details]:
    """Return the two nearest fire stations by driving time."""
    frame, rules = context.snapshot.station, context.rules
    turnout = rules.figure("response_turnout")
    return [
        {
            "code": frame["code"].iloc[route.station],
            "name": frame["name"].iloc[route.station],
            "phone": frame["phone"].iloc[route.station],
            "drive_s": round(route.seconds, 1),
            "response_s": round(route.seconds + turnout, 1),
            "reached": not destination.is_enclosed
            and route.seconds + turnout <= rules.figure("response_time"),
            "distance_m": round(route.length, 1),
            "stops_short_m": round(route.stops_short, 1),
            "point": frame.geometry.iloc[route.station],
            "route": route.line,
        }
        for route in nearest_drive_routes(context, destination)
    ]
