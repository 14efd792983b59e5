"""Response of the fire stations: what an engine reaches within minutes of a call."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.sparse import csr_array

from geo.errors import InputError, NotFoundError
from geo.fire import vehicle_access
from geo.fire.finding import Finding, Missing
from geo.fire.rules import Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.network import isochrones, routing
from geo.network.roads import RoadGraph
from geo.types import Bools, Floats, Geometries, Ints

WALK_PACE = 1.0
"""Seconds a metre from where the engine stops to the door: men with hoses, 1 m/s."""


_STUB = np.array([0.5, 0.0])


@dataclass(frozen=True)
class Drive:
    """Driving from the stations over the access graph.

    Attributes
    ----------
    seconds
        (n,) driving time from the nearest station to each node, infinite where none gets there.
    station
        (n,) row of that station, -1 for none.
    pace
        (e,) seconds a metre of each piece, infinite where the engine can't pass.
    """

    seconds: Floats
    station: Ints
    pace: Floats


def drive(ground: CitySnapshot, rules: Rules, stations: Ints | None = None) -> Drive:
    """Return driving times from the stations, all of them by default."""
    access = ground.access
    graph = access.graph
    rows = np.arange(len(ground.station)) if stations is None else stations
    rows = rows[access.station[rows] >= 0]
    matrix, pace = driving(ground, rules)
    seconds, _, source = routing.from_nearest(matrix, access.station[rows])
    row_at = np.full(graph.nodes + 1, -1, dtype=np.int64)
    row_at[access.station[rows]] = rows
    station = np.where(np.isfinite(seconds), row_at[np.where(source >= 0, source, -1)], -1)
    return Drive(seconds, station, pace)


def driving(ground: CitySnapshot, rules: Rules) -> tuple[csr_array, Floats]:
    """Return the matrix of driving times, and the seconds a metre of each piece."""
    graph = ground.access.graph
    free = passable(ground, rules, graph)
    pace = np.where(free, graph.seconds / np.maximum(graph.length, 1e-9), np.inf)
    return graph.drive(free), pace


def passable(ground: CitySnapshot, rules: Rules, graph: RoadGraph) -> Bools:
    """Return the pieces of a graph that the engine can pass."""
    obstacle = vehicle_access.obstacles(ground.road, vehicle_access.vehicle_from_settings(rules))
    return vehicle_access.is_free(obstacle)[graph.road]


def to_buildings(ground: CitySnapshot, driven: Drive, found: vehicle_access.VehicleReach) -> Floats:
    """Return seconds from leaving the station to the wall of each building.

    Where the engine stops short, the rest is walked; beyond the reach of the hoses it is infinite.
    """
    access = ground.access
    node = access.building
    direct = np.where(node >= 0, driven.seconds[node], np.inf)
    stop = np.where(node >= 0, found.stop[node], -1)
    walked = np.where(stop >= 0, driven.seconds[stop] + found.metres[node] * WALK_PACE, np.inf)
    return np.where(access.behind, np.inf, np.minimum(direct, walked))


def find(
    ground: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    found: vehicle_access.VehicleReach | None = None,
) -> list[Finding]:
    """Return the buildings that no station reaches in time."""
    if ground.station.empty:
        return []
    found = found or vehicle_access.find_reached_edges(
        ground, vehicle_access.vehicle_from_settings(rules)
    )
    driven = drive(ground, rules)
    turnout, limit = rules.figure("response_turnout"), rules.figure("response_time")
    seconds = to_buildings(ground, driven, found) + turnout
    rows = np.arange(len(seconds)) if only is None else only
    codes = ground.building["code"].to_numpy()
    stations = ground.station["name"].to_numpy()
    late = []
    for row in rows[seconds[rows] > limit + 1e-6]:
        measured = float(seconds[row]) if np.isfinite(seconds[row]) else None
        node = ground.access.building[row]
        nearest = driven.station[node] if node >= 0 else -1
        late.append(
            Finding(
                "response_time",
                Severity.HIGH if measured is None else Severity.MEDIUM,
                "building",
                str(codes[row]),
                ground.walls[row],
                measured=measured,
                required=limit,
                shortfall=None if measured is None else measured - limit,
                detail={
                    "kind": "unreached" if measured is None else "late",
                    "station": str(stations[nearest]) if nearest >= 0 else None,
                },
            )
        )
    return late


def areas(
    ground: CitySnapshot, rules: Rules, minutes: list[float], stations: Ints | None = None
) -> list[shapely.Geometry]:
    """Return the land reached within minutes of a call, growing and nested.

    Parameters
    ----------
    minutes
        From the call, in growing order; the first minute is the turnout.
    """
    driven = drive(ground, rules, stations)
    turnout = rules.figure("response_turnout")
    graph = ground.graph
    # Places put into the graph cut it finely; the land is that of the streets without them.
    seconds, pace = driven.seconds[: graph.nodes], _pace(ground, rules, graph)
    starts = _starts(ground, stations)
    found: list[shapely.Geometry] = []
    area: shapely.Geometry = shapely.Polygon()
    covered = np.zeros(len(graph.ends), dtype=bool)
    for limit in minutes:
        left = limit * 60 - turnout
        if left > 0:
            lines, whole = isochrones.stretches(graph, seconds, left, pace, covered)
            area = isochrones.around(np.concatenate([lines, starts]), area)
            covered |= whole
        found.append(area)
    return found


def _pace(ground: CitySnapshot, rules: Rules, graph: RoadGraph) -> Floats:
    free = passable(ground, rules, graph)
    return np.where(free, graph.seconds / np.maximum(graph.length, 1e-9), np.inf)


def _starts(ground: CitySnapshot, stations: Ints | None) -> Geometries:
    """Return a short line at each station, so that even a minute's land holds its own door."""
    access = ground.access
    rows = np.arange(len(ground.station)) if stations is None else stations
    rows = rows[access.station[rows] >= 0]
    nodes = access.graph.xy[access.station[rows]]
    stubs = shapely.linestrings(np.stack([nodes - _STUB, nodes + _STUB], axis=1))
    return np.asarray(stubs, dtype=object)


@dataclass(frozen=True)
class Candidate:
    """What one more station at a place would bring."""

    name: str
    gained_buildings: int
    gained_households: int
    remaining_households: int
    on_network: bool


def candidates(
    ground: CitySnapshot, rules: Rules, names: list[str], places: Geometries
) -> list[Candidate]:
    """Return candidate places for one more station, the best first.

    Parameters
    ----------
    places
        (k,) points in metres.

    Raises
    ------
    InputError
        If no place is given.
    """
    if not len(places):
        raise InputError("no_candidates")
    found = vehicle_access.find_reached_edges(ground, vehicle_access.vehicle_from_settings(rules))
    limit = rules.figure("response_time") - rules.figure("response_turnout")
    before = to_buildings(ground, drive(ground, rules), found)
    late = before > limit
    households = ground.building["households"].to_numpy(dtype=int)
    matrix, pace = driving(ground, rules)
    listed = []
    for name, place in zip(names, places, strict=True):
        node = _node_near(ground, place)
        if node is None:
            listed.append(Candidate(name, 0, 0, int(households[late].sum()), on_network=False))
            continue
        seconds, _ = routing.from_one(matrix, node, limit)
        there = Drive(seconds, np.zeros(len(seconds), dtype=np.int64), pace)
        gained = late & (to_buildings(ground, there, found) <= limit)
        rest = late & ~gained
        listed.append(
            Candidate(
                name,
                int(gained.sum()),
                int(households[gained].sum()),
                int(households[rest].sum()),
                on_network=True,
            )
        )
    return sorted(listed, key=lambda one: (-one.gained_households, -one.gained_buildings, one.name))


def _node_near(ground: CitySnapshot, place: shapely.Point) -> int | None:
    """Return the nearer end of the nearest piece of road to a place."""
    graph = ground.access.graph
    found = graph.tree.query_nearest(place, max_distance=500.0, all_matches=False)
    if not len(found):
        return None
    ends = graph.ends[int(found[0])]
    apart = np.hypot(*(graph.xy[ends] - shapely.get_coordinates(place)[0]).T)
    return int(ends[apart.argmin()])


def missing(ground: CitySnapshot) -> list[Missing]:
    """Return what the data lacks for the stations' response and the engines' ways."""
    off = int((ground.access.station < 0).sum())
    counts = {"no_stations": int(ground.station.empty), "station_off_roads": off}
    own = [Missing(key, count) for key, count in counts.items() if count]
    return [*own, *vehicle_access.missing(ground.road, ground.under)]


def overview(
    ground: CitySnapshot, rules: Rules, minutes: list[float], station: str | None
) -> dict[str, Any]:
    """Return the land reached within minutes of a call, and the buildings outside the last.

    Raises
    ------
    NotFoundError
        If there is no such station.
    """
    frame, stations = ground.station, None
    if station is not None:
        stations = np.flatnonzero((frame["code"] == station).to_numpy())
        if not len(stations):
            raise NotFoundError("no_such_station", code=station)
    found = vehicle_access.find_reached_edges(ground, vehicle_access.vehicle_from_settings(rules))
    seconds = to_buildings(ground, drive(ground, rules, stations), found)
    seconds = seconds + rules.figure("response_turnout")
    households = ground.building["households"].to_numpy(dtype=int)
    late = seconds > minutes[-1] * 60
    on = ground.access.station >= 0
    return {
        "type": "FeatureCollection",
        "features": [
            _area(limit, area, seconds <= limit * 60, households)
            for limit, area in zip(minutes, areas(ground, rules, minutes, stations), strict=True)
        ],
        "outside": {"buildings": int(late.sum()), "households": int(households[late].sum())},
        "stations": [
            {
                "code": frame["code"].iloc[row],
                "name": frame["name"].iloc[row],
                "point": frame.geometry.iloc[row],
                "on_network": bool(on[row]),
            }
            for row in range(len(frame))
        ],
        "missing": missing(ground),
    }


def _area(
    minutes: float, area: shapely.Geometry, inside: Bools, households: Ints
) -> dict[str, Any]:
    figures = {"buildings": int(inside.sum()), "households": int(households[inside].sum())}
    return {
        "type": "Feature",
        "geometry": None if shapely.is_empty(area) else area,
        "properties": {"minutes": minutes} | figures,
    }
