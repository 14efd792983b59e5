"""Community micro-stations (社区微型消防站): what they reach in time, and their people."""

import numpy as np

from geo.fire import road_access
from geo.fire.finding import Finding
from geo.fire.rules import Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.missing_data import MissingData, list_missing
from geo.network import routing
from geo.network.roads import split_at_places
from geo.settings import settings
from geo.types import Floats, Ints

SEARCH_LIMIT_M = 5000.0
"""Crews of micro-stations are not searched for farther away than this."""


def seconds_from_micro_stations(snapshot: CitySnapshot, rules: Rules) -> Floats:
    """Return (b,) float64 seconds from the alarm until the nearest crew is at each building's wall.

    Crews go from their station to the nearest street and use every street and path in both
    directions, at the speed of the settings; infinite beyond the search.
    """
    access = snapshot.access
    points = snapshot.micro_station.geometry.to_numpy()
    starts = road_access.locate_points(access.graph, points)
    is_near = starts.piece >= 0
    graph, nodes = split_at_places(access.graph, starts.piece[is_near], starts.offset[is_near])
    metres = np.full(graph.nodes, np.inf)
    if len(nodes):
        costs = graph.walking_costs()
        gaps = starts.gap[is_near]
        metres, _ = routing.shortest_from_places(costs, nodes, gaps, SEARCH_LIMIT_M)
    there = np.where(access.building >= 0, metres[access.building], np.inf) + access.building_gap
    speed = settings().micro_station_speed_kmh / 3.6
    return np.asarray(there / speed + rules.figure("micro_turnout"))


def check_micro_response(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of buildings with dwellings that no micro-station reaches in time.

    A city without micro-stations has none: its missing data says so.

    Parameters
    ----------
    only
        (k,) int64 rows of buildings; all by default.
    """
    if snapshot.micro_station.empty:
        return []
    rule, limit = rules["micro_time"], rules.figure("micro_time")
    seconds = seconds_from_micro_stations(snapshot, rules)
    rows = np.arange(len(seconds)) if only is None else only
    households = snapshot.building["households"].to_numpy(dtype=float, na_value=0.0)
    findings = []
    for row in rows[(seconds[rows] > limit + 1e-6) & (households[rows] > 0)].tolist():
        is_reached = bool(np.isfinite(seconds[row]))
        findings.append(
            Finding(
                rule.id,
                rule.severity,
                "building",
                str(snapshot.codes[row]),
                snapshot.walls[row],
                measured=float(seconds[row]) if is_reached else None,
                required=limit,
                detail={"kind": "late" if is_reached else "unreached"},
            )
        )
    return findings


def check_micro_people(snapshot: CitySnapshot, rules: Rules) -> list[Finding]:
    """Return findings of micro-stations with too few people, or of whom no number is on record."""
    rule, figure = rules["micro_people"], rules.figure("micro_people")
    stations = snapshot.micro_station
    people = stations["staff_count"].to_numpy(dtype=float, na_value=np.nan)
    findings = []
    for row in np.flatnonzero(~(people >= figure)).tolist():
        is_known = bool(np.isfinite(people[row]))
        findings.append(
            Finding(
                rule.id,
                rule.severity if is_known else Severity.MISSING,
                "facility",
                str(stations["code"].iloc[row]),
                stations.geometry.iloc[row],
                measured=float(people[row]) if is_known else None,
                required=figure if is_known else None,
                detail={
                    "kind": "few" if is_known else "no_people",
                    "name": stations["name"].iloc[row],
                },
            )
        )
    return findings


def missing_micro_data(snapshot: CitySnapshot) -> list[MissingData]:
    """Return what is missing to judge the micro-stations."""
    return list_missing({"no_micro_stations": int(snapshot.micro_station.empty)})
