"""Response of the fire stations: what an engine reaches within minutes of a call."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy.sparse import csr_array

from geo.errors import InputError, NotFoundError
from geo.fire import road_access, vehicle_access
from geo.fire.finding import Finding
from geo.fire.rules import Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData
from geo.network import isochrones, routing
from geo.network.noding import Bools, Floats, Geometries, Ints
from geo.network.roads import RoadGraph

HOSE_PACE_S_PER_M = 1.0
"""Seconds a metre from where the engine stops to the door: men with hoses, 1 m/s."""


_STUB = np.array([0.5, 0.0])


@dataclass(frozen=True)
class DrivingTimes:
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


def driving_times(
    snapshot: CitySnapshot, rules: Rules, stations: Ints | None = None
) -> DrivingTimes:
    """Return driving times from the stations, all of them by default."""
    access = snapshot.access
    graph = access.graph
    rows = np.arange(len(snapshot.station)) if stations is None else stations
    rows = rows[access.station[rows] >= 0]
    matrix, pace = driving_costs(snapshot, rules)
    seconds, _, source = routing.shortest_from_nearest(matrix, access.station[rows])
    row_at = np.full(graph.nodes + 1, -1, dtype=np.int64)
    row_at[access.station[rows]] = rows
    station = np.where(np.isfinite(seconds), row_at[np.where(source >= 0, source, -1)], -1)
    return DrivingTimes(seconds, station, pace)


def driving_costs(snapshot: CitySnapshot, rules: Rules) -> tuple[csr_array, Floats]:
    """Return the matrix of driving times, and the seconds a metre of each piece."""
    graph = snapshot.access.graph
    free = is_passable(snapshot, rules, graph)
    pace = np.where(free, graph.seconds / np.maximum(graph.length, 1e-9), np.inf)
    return graph.driving_costs(free), pace


def is_passable(snapshot: CitySnapshot, rules: Rules, graph: RoadGraph) -> Bools:
    """Return the pieces of a graph that the engine can pass."""
    obstacle = vehicle_access.classify_obstacles(
        snapshot.road, vehicle_access.vehicle_from_settings(rules)
    )
    return vehicle_access.is_free(obstacle)[graph.road]


def seconds_to_buildings(
    snapshot: CitySnapshot, driven: DrivingTimes, found: vehicle_access.VehicleReach
) -> Floats:
    """Return seconds from leaving the station to the wall of each building.

    Where the engine stops short, the rest is walked; beyond the reach of the hoses it is infinite.
    """
    access = snapshot.access
    node = access.building
    direct = np.where(node >= 0, driven.seconds[node], np.inf)
    stop = np.where(node >= 0, found.stop[node], -1)
    walked = np.where(
        stop >= 0, driven.seconds[stop] + found.metres[node] * HOSE_PACE_S_PER_M, np.inf
    )
    return np.where(access.behind, np.inf, np.minimum(direct, walked))


def check_response_times(
    snapshot: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    found: vehicle_access.VehicleReach | None = None,
) -> list[Finding]:
    """Return the buildings that no station reaches in time."""
    if snapshot.station.empty:
        return []
    found = found or vehicle_access.find_vehicle_reach(
        snapshot, vehicle_access.vehicle_from_settings(rules)
    )
    driven = driving_times(snapshot, rules)
    turnout, limit = rules.figure("response_turnout"), rules.figure("response_time")
    seconds = seconds_to_buildings(snapshot, driven, found) + turnout
    rows = np.arange(len(seconds)) if only is None else only
    codes = snapshot.building["code"].to_numpy()
    stations = snapshot.station["name"].to_numpy()
    late = []
    for row in rows[seconds[rows] > limit + 1e-6]:
        measured = float(seconds[row]) if np.isfinite(seconds[row]) else None
        node = snapshot.access.building[row]
        nearest = driven.station[node] if node >= 0 else -1
        late.append(
            Finding(
                "response_time",
                Severity.HIGH if measured is None else Severity.MEDIUM,
                "building",
                str(codes[row]),
                snapshot.walls[row],
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


def compute_response_areas(
    snapshot: CitySnapshot, rules: Rules, minutes: list[float], stations: Ints | None = None
) -> list[shapely.Geometry]:
    """Return the land reached within minutes of a call, growing and nested.

    Parameters
    ----------
    minutes
        From the call, in growing order; the first minute is the turnout.
    """
    driven = driving_times(snapshot, rules, stations)
    turnout = rules.figure("response_turnout")
    graph = snapshot.graph
    # Places put into the graph cut it finely; the land is that of the streets without them.
    seconds, pace = driven.seconds[: graph.nodes], _pace(snapshot, rules, graph)
    starts = _starts(snapshot, stations)
    found: list[shapely.Geometry] = []
    area: shapely.Geometry = shapely.Polygon()
    covered = np.zeros(len(graph.ends), dtype=bool)
    for limit in minutes:
        left = limit * 60 - turnout
        if left > 0:
            lines, whole = isochrones.reached_stretches(graph, seconds, left, pace, covered)
            area = isochrones.land_beside(np.concatenate([lines, starts]), area)
            covered |= whole
        found.append(area)
    return found


def _pace(snapshot: CitySnapshot, rules: Rules, graph: RoadGraph) -> Floats:
    free = is_passable(snapshot, rules, graph)
    return np.where(free, graph.seconds / np.maximum(graph.length, 1e-9), np.inf)


def _starts(snapshot: CitySnapshot, stations: Ints | None) -> Geometries:
    """Return a short line at each station, so that even a minute's land holds its own door."""
    access = snapshot.access
    rows = np.arange(len(snapshot.station)) if stations is None else stations
    rows = rows[access.station[rows] >= 0]
    nodes = access.graph.xy[access.station[rows]]
    stubs = shapely.linestrings(np.stack([nodes - _STUB, nodes + _STUB], axis=1))
    return np.asarray(stubs, dtype=object)


@dataclass(frozen=True)
class StationCandidate:
    """What one more station at a place would bring."""

    name: str
    gained_buildings: int
    gained_households: int
    remaining_households: int
    on_network: bool


def rank_station_candidates(
    snapshot: CitySnapshot, rules: Rules, names: list[str], places: Geometries
) -> list[StationCandidate]:
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
    found = vehicle_access.find_vehicle_reach(snapshot, vehicle_access.vehicle_from_settings(rules))
    limit = rules.figure("response_time") - rules.figure("response_turnout")
    before = seconds_to_buildings(snapshot, driving_times(snapshot, rules), found)
    late = before > limit
    households = snapshot.building["households"].to_numpy(dtype=int)
    matrix, pace = driving_costs(snapshot, rules)
    listed = []
    for name, place in zip(names, places, strict=True):
        node, _ = road_access.nearest_node(snapshot.access.graph, place)
        if node < 0:
            listed.append(
                StationCandidate(name, 0, 0, int(households[late].sum()), on_network=False)
            )
            continue
        seconds, _ = routing.shortest_from_node(matrix, node, limit)
        there = DrivingTimes(seconds, np.zeros(len(seconds), dtype=np.int64), pace)
        gained = late & (seconds_to_buildings(snapshot, there, found) <= limit)
        rest = late & ~gained
        listed.append(
            StationCandidate(
                name,
                int(gained.sum()),
                int(households[gained].sum()),
                int(households[rest].sum()),
                on_network=True,
            )
        )
    return sorted(listed, key=lambda one: (-one.gained_households, -one.gained_buildings, one.name))


def missing_response_data(snapshot: CitySnapshot) -> list[MissingData]:
    """Return what the data lacks for the stations' response and the engines' ways."""
    off = int((snapshot.access.station < 0).sum())
    counts = {"no_stations": int(snapshot.station.empty), "station_off_roads": off}
    own = [MissingData(key, count) for key, count in counts.items() if count]
    return [
        *own,
        *vehicle_access.missing_road_data(snapshot.road, snapshot.roads_through_buildings),
    ]


def response_overview(
    snapshot: CitySnapshot, rules: Rules, minutes: list[float], station: str | None
) -> dict[str, Any]:
    """Return the land reached within minutes of a call, and the buildings outside the last.

    Raises
    ------
    NotFoundError
        If there is no such station.
    """
    frame, stations = snapshot.station, None
    if station is not None:
        stations = np.flatnonzero((frame["code"] == station).to_numpy())
        if not len(stations):
            raise NotFoundError("no_such_station", code=station)
    found = vehicle_access.find_vehicle_reach(snapshot, vehicle_access.vehicle_from_settings(rules))
    seconds = seconds_to_buildings(snapshot, driving_times(snapshot, rules, stations), found)
    seconds = seconds + rules.figure("response_turnout")
    households = snapshot.building["households"].to_numpy(dtype=int)
    late = seconds > minutes[-1] * 60
    on = snapshot.access.station >= 0
    return {
        "type": "FeatureCollection",
        "features": [
            _area(limit, area, seconds <= limit * 60, households)
            for limit, area in zip(
                minutes, compute_response_areas(snapshot, rules, minutes, stations), strict=True
            )
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
        "missing": missing_response_data(snapshot),
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
