"""Response times of the fire stations: what an engine reaches within minutes of a call."""

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
from geo.messages import Language, text
from geo.missing_data import MissingData, list_missing
from geo.network import isochrones, routing
from geo.network.roads import RoadGraph
from geo.network.travel_time import travel_time_model
from geo.settings import settings
from geo.types import Bools, Floats, Geometries, Ints

HOSE_PACE_S_PER_M = 1.0
"""Seconds a metre from where the engine stops to the wall: a crew with hoses, 1 m/s."""

YARD_CLASS = "internal"
"""Class of road at whose speed an engine drives from its station to the nearest road."""

_HALF_STUB_M = np.array([0.5, 0.0])


@dataclass(frozen=True)
class DrivingTimes:
    """Driving from the stations over the access graph.

    Attributes
    ----------
    seconds
        (n,) driving time from leaving the nearest station to each node, infinite where none gets
        there.
    station
        (n,) row of that station, -1 for none.
    """

    seconds: Floats
    station: Ints


def driving_times(
    snapshot: CitySnapshot, rules: Rules, stations: Ints | None = None
) -> DrivingTimes:
    """Return the driving times from stations: (k,) int64 rows, all by default."""
    access = snapshot.access
    rows = np.arange(len(snapshot.station)) if stations is None else stations
    rows = rows[access.station[rows] >= 0]
    matrix, _ = driving_costs(snapshot, rules)
    seconds, place = routing.shortest_from_places(
        matrix, access.station[rows], seconds_from_yard(access.station_gap[rows])
    )
    if not len(rows):
        return DrivingTimes(seconds, place)
    return DrivingTimes(seconds, np.where(place >= 0, rows[place], -1))


def seconds_from_yard(metres: Floats) -> Floats:
    """Return the (k,) float64 seconds in which an engine drives from stations to the nearest road.

    Parameters
    ----------
    metres
        (k,) float64 from each station to the road.
    """
    return metres / (travel_time_model().speed_kmh[YARD_CLASS] / 3.6)


def driving_costs(snapshot: CitySnapshot, rules: Rules) -> tuple[csr_array, Floats]:
    """Return (n, n) driving seconds between nodes, and (e,) float64 seconds a metre."""
    graph = snapshot.access.graph
    passable = is_passable(snapshot, rules, graph)
    return graph.driving_costs(passable), _seconds_per_metre(graph, passable)


def _seconds_per_metre(graph: RoadGraph, passable: Bools) -> Floats:
    """Return (e,) seconds a metre of each piece, infinite where the engine can't pass."""
    return np.where(passable, graph.seconds / np.maximum(graph.length, 1e-9), np.inf)


def is_passable(snapshot: CitySnapshot, rules: Rules, graph: RoadGraph) -> Bools:
    """Return (e,) whether the engine can pass each piece of a graph."""
    obstacle = vehicle_access.classify_obstacles(
        snapshot.road, vehicle_access.vehicle_from_settings(rules)
    )
    return vehicle_access.is_free(obstacle)[graph.road]


def seconds_to_buildings(
    snapshot: CitySnapshot, driving: DrivingTimes, reach: vehicle_access.VehicleReach
) -> Floats:
    """Return (b,) float64 seconds from leaving the station to the wall of each building.

    From where the engine stops, at the latest on the road nearest to the wall, the crew lays hoses
    to it; infinite beyond their reach.
    """
    access = snapshot.access
    node = access.building
    if not len(driving.seconds):  # there are no roads
        return np.full(len(node), np.inf)
    direct = np.where(node >= 0, driving.seconds[node], np.inf)
    stop = np.where(node >= 0, reach.stop[node], -1)
    walked = np.where(
        stop >= 0, driving.seconds[stop] + reach.metres[node] * HOSE_PACE_S_PER_M, np.inf
    )
    at_wall = np.minimum(direct, walked) + access.building_gap * HOSE_PACE_S_PER_M
    return np.where(access.behind, np.inf, at_wall)


def check_response_times(
    snapshot: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    reach: vehicle_access.VehicleReach | None = None,
) -> list[Finding]:
    """Return findings of buildings that no station reaches in time.

    Parameters
    ----------
    only
        (k,) int64 rows of buildings; all by default.
    reach
        Where the engine gets to; that of the settings' engine by default.
    """
    if snapshot.station.empty:
        return []
    reach = reach or vehicle_access.find_vehicle_reach(
        snapshot, vehicle_access.vehicle_from_settings(rules)
    )
    driving = driving_times(snapshot, rules)
    turnout, limit = rules.figure("response_turnout"), rules.figure("response_time")
    seconds = seconds_to_buildings(snapshot, driving, reach) + turnout
    rows = np.arange(len(seconds)) if only is None else only
    codes = snapshot.building["code"].to_numpy()
    stations = snapshot.station["name"].to_numpy()
    findings = []
    for row in rows[seconds[rows] > limit + 1e-6]:
        measured = float(seconds[row]) if np.isfinite(seconds[row]) else None
        node = snapshot.access.building[row]
        nearest = driving.station[node] if node >= 0 else -1
        findings.append(
            Finding(
                "response_time",
                Severity.HIGH if measured is None else Severity.MEDIUM,
                "building",
                str(codes[row]),
                snapshot.walls[row],
                measured=measured,
                required=limit,
                detail={
                    "kind": "unreached" if measured is None else "late",
                    "station": str(stations[nearest]) if nearest >= 0 else None,
                },
            )
        )
    return findings


def compute_response_areas(
    snapshot: CitySnapshot, rules: Rules, minutes: list[float], stations: Ints | None = None
) -> list[shapely.Geometry]:
    """Return the areas reached within minutes of a call, each within the next.

    Parameters
    ----------
    minutes
        (k,) from the call, in ascending order; they include the turnout.
    stations
        (s,) int64 rows of the stations; all by default.

    Returns
    -------
    list
        (k,) polygons, metres.
    """
    driving = driving_times(snapshot, rules, stations)
    turnout = rules.figure("response_turnout")
    graph = snapshot.graph
    # The access graph is cut at every building; areas need only the pieces between junctions.
    seconds, pace = (
        driving.seconds[: graph.nodes],
        _seconds_per_metre(graph, is_passable(snapshot, rules, graph)),
    )
    starts = _start_lines(snapshot, stations)
    areas: list[shapely.Geometry] = []
    area: shapely.Geometry = shapely.Polygon()
    covered = np.zeros(len(graph.ends), dtype=bool)
    for limit in minutes:
        seconds_left = limit * 60 - turnout
        if seconds_left > 0:
            lines, whole = isochrones.reached_stretches(graph, seconds, seconds_left, pace, covered)
            area = isochrones.land_beside(np.concatenate([lines, starts]), area)
            covered |= whole
        areas.append(area)
    return areas


def _start_lines(snapshot: CitySnapshot, stations: Ints | None) -> Geometries:
    """Return a short line at each station, so that even the smallest area contains it."""
    access = snapshot.access
    rows = np.arange(len(snapshot.station)) if stations is None else stations
    rows = rows[access.station[rows] >= 0]
    nodes = access.graph.xy[access.station[rows]]
    stubs = shapely.linestrings(np.stack([nodes - _HALF_STUB_M, nodes + _HALF_STUB_M], axis=1))
    return np.asarray(stubs, dtype=object)


@dataclass(frozen=True)
class StationCandidate:
    """What one more station at a place would gain."""

    name: str
    gained_buildings: int
    gained_households: int
    remaining_households: int
    on_network: bool


def rank_station_candidates(
    snapshot: CitySnapshot, rules: Rules, names: list[str], places: Geometries
) -> list[StationCandidate]:
    """Return what one more station at each of some places would gain, the best first.

    Parameters
    ----------
    names, places
        (k,) names, and points in metres.

    Raises
    ------
    InputError
        If no place is given.
    """
    if not len(places):
        raise InputError("no_candidates")
    reach = vehicle_access.find_vehicle_reach(snapshot, vehicle_access.vehicle_from_settings(rules))
    limit = rules.figure("response_time") - rules.figure("response_turnout")
    before = seconds_to_buildings(snapshot, driving_times(snapshot, rules), reach)
    late = before > limit
    households = snapshot.building["households"].to_numpy(dtype=int)
    matrix, pace = driving_costs(snapshot, rules)
    graph = snapshot.access.graph
    positions = road_access.locate_points(graph, places)
    candidates = []
    for k, name in enumerate(names):
        piece = int(positions.piece[k])
        if piece < 0:
            candidates.append(
                StationCandidate(name, 0, 0, int(households[late].sum()), on_network=False)
            )
            continue
        along = np.array([positions.offset[k], graph.length[piece] - positions.offset[k]])
        approach = seconds_from_yard(positions.gap[k]) + along * pace[piece]
        ways = np.isfinite(approach)
        seconds, _ = routing.shortest_from_places(
            matrix, graph.ends[piece][ways], approach[ways], limit
        )
        there = DrivingTimes(seconds, np.zeros(len(seconds), dtype=np.int64))
        gained = late & (seconds_to_buildings(snapshot, there, reach) <= limit)
        rest = late & ~gained
        candidates.append(
            StationCandidate(
                name,
                int(gained.sum()),
                int(households[gained].sum()),
                int(households[rest].sum()),
                on_network=True,
            )
        )
    return sorted(
        candidates, key=lambda item: (-item.gained_households, -item.gained_buildings, item.name)
    )


def travel_time_properties(rules: Rules) -> dict[str, Any]:
    """Return the figures of the travel-time model, for JSON."""
    model = travel_time_model()
    return {
        "speed_kmh": dict(model.speed_kmh),
        "junction_delay_s": model.junction_delay_s,
        "hose_s_per_m": HOSE_PACE_S_PER_M,
        "turnout_s": rules.figure("response_turnout"),
        "micro_station_kmh": settings().micro_station_speed_kmh,
        "micro_turnout_s": rules.figure("micro_turnout"),
    }


def describe_travel_times(rules: Rules, lang: Language) -> str:
    """Return the travel-time model in words."""
    model = travel_time_properties(rules)
    speeds = ", ".join(
        f"{text(f'travel_model.{road_class}', lang=lang)} {speed:g}"
        for road_class, speed in model["speed_kmh"].items()
    )
    return text(
        "travel_model.text",
        lang=lang,
        speeds=speeds,
        delay=model["junction_delay_s"],
        hose=model["hose_s_per_m"],
        turnout=model["turnout_s"],
        micro=model["micro_station_kmh"],
        micro_turnout=model["micro_turnout_s"],
    )


def missing_response_data(snapshot: CitySnapshot) -> list[MissingData]:
    """Return what is missing to judge response times and where engines pass."""
    off = int((snapshot.access.station < 0).sum())
    counts = {"no_stations": int(snapshot.station.empty), "station_off_roads": off}
    return [
        *list_missing(counts),
        *vehicle_access.missing_own_road_data(snapshot),
    ]


def response_overview(
    snapshot: CitySnapshot, rules: Rules, minutes: list[float], station: str | None
) -> dict[str, Any]:
    """Return the areas reached within minutes of a call, and how many buildings lie outside.

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
    reach = vehicle_access.find_vehicle_reach(snapshot, vehicle_access.vehicle_from_settings(rules))
    seconds = seconds_to_buildings(snapshot, driving_times(snapshot, rules, stations), reach)
    seconds = seconds + rules.figure("response_turnout")
    households = snapshot.building["households"].to_numpy(dtype=int)
    late = seconds > minutes[-1] * 60
    on = snapshot.access.station >= 0
    return {
        "type": "FeatureCollection",
        "features": [
            _describe_area(limit, area, seconds <= limit * 60, households)
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
        "model": travel_time_properties(rules),
        "missing": missing_response_data(snapshot),
    }


def _describe_area(
    minutes: float, area: shapely.Geometry, inside: Bools, households: Ints
) -> dict[str, Any]:
    """Return the area reached within some minutes as a GeoJSON feature with its counts."""
    figures = {"buildings": int(inside.sum()), "households": int(households[inside].sum())}
    return {
        "type": "Feature",
        "geometry": None if shapely.is_empty(area) else area,
        "properties": {"minutes": minutes} | figures,
    }
