"""Checks of fire lanes: width, height, slope, distance from walls, turning places, spacing."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from geo.fire import lane_bends, lane_coverage, lane_passages, separation
from geo.fire.finding import Finding
from geo.fire.rules import HEAVY_ENGINE_T, TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.fire.turning_places import largest_turning_place
from geo.fire.vehicle_access import (
    VehicleReach,
    classify_obstacles,
    is_free,
    vehicle_from_settings,
)
from geo.network.roads import RoadGraph, Vehicle, road_widths
from geo.types import Bools, Ints

CHECKED_ROAD_CLASSES = ("local", "alley", "internal")
"""Classes of road that lead to buildings and may be too narrow for an engine."""

_HIGH_RISE_DISTANCE_M = 20.0


def check_fire_lanes(
    snapshot: CitySnapshot,
    rules: Rules,
    roads: Ints | None = None,
    buildings: Ints | None = None,
    reach: VehicleReach | None = None,
) -> list[Finding]:
    """Return all findings about fire lanes.

    Parameters
    ----------
    roads, buildings
        (k,) int64 rows to check; by default all in and around the city.
    reach
        Where the engine gets to; that of the settings' engine by default.
    """
    rows = snapshot.own_roads if roads is None else roads
    return [
        *check_lane_attributes(snapshot, rules, rows),
        *check_wall_distance(snapshot, rules, rows),
        *check_dead_ends(snapshot, rules, rows),
        *lane_bends.check_bends(snapshot, rules, rows[_is_checked(snapshot.road)[rows]]),
        *lane_passages.check_passages(snapshot, rules, buildings, reach),
        *lane_coverage.check_lanes_along(snapshot, rules, buildings, reach),
        *lane_coverage.check_lane_spacing(snapshot, rules, buildings),
        *check_road_joins(snapshot, rules, rows),
    ]


def check_road_joins(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return the gaps in the data of the roads, across which routes are searched all the same.

    Parameters
    ----------
    rows
        (k,) int64 rows of the roads to check.
    """
    codes, names = snapshot.road["code"].to_numpy(), snapshot.road["name"].to_numpy()
    checked_roads = set(rows.tolist())
    findings = []
    for join in (join for join in snapshot.road_joins if join.road in checked_roads):
        rule = rules["road_gate" if join.at_gate else "road_join"]
        findings.append(
            Finding(
                rule.id,
                Severity.MISSING,
                "road",
                str(codes[join.road]),
                join.line,
                measured=join.gap_m,
                required=rule.figure,
                other=str(codes[join.other]),
                detail={"kind": "gap", "name": names[join.road]},
            )
        )
    return findings


def _is_checked(roads: gpd.GeoDataFrame) -> Bools:
    """Return (r,) which roads are checked: recorded fire lanes and roads to buildings."""
    narrow: Bools = roads["road_class"].isin(CHECKED_ROAD_CLASSES).to_numpy()
    return _fire_lanes(roads) | narrow


def check_lane_attributes(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of lanes that are too narrow, low or steep, or whose width is unknown.

    Parameters
    ----------
    rows
        (k,) int64 rows of the roads to check.
    """
    findings = []
    for row in rows[_is_checked(snapshot.road)[rows]]:
        findings += _check_attributes(rules, snapshot.road.iloc[row])
    return findings


def _check_attributes(rules: Rules, road: Any) -> list[Finding]:
    """Return findings of the width, clear height and slope of a fire lane."""
    slope = _float_or_none(abs(road["slope_percent"] or 0.0))
    is_steepest = slope is not None and slope > rules.figure("lane_slope_most")
    checks = (
        ("lane_width", _float_or_none(road["width_m"]), -1),
        ("lane_height", _float_or_none(road["clear_height_m"]), -1),
        ("lane_slope_most" if is_steepest else "lane_slope", slope, 1),
    )
    findings = []
    for name, measured, sign in checks:
        rule = rules[name]
        if measured is None:
            if name == "lane_width":
                findings.append(
                    _road_finding(rule.id, Severity.MISSING, road, {"kind": "no_width"})
                )
            continue
        if sign * (measured - rule.figure) > 1e-9:
            detail = {"kind": "lane", "name": road["name"]}
            findings.append(_road_finding(name, rule.severity, road, detail, measured, rule.figure))
    return findings


def _float_or_none(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _road_finding(
    name: str,
    severity: Severity,
    road: Any,
    detail: dict[str, Any],
    measured: float | None = None,
    required: float | None = None,
) -> Finding:
    """Return a finding of a road."""
    code, shape = str(road["code"]), road["geom"]
    return Finding(name, severity, "road", code, shape, measured, required, detail=detail)


def check_wall_distance(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of recorded fire lanes whose edge comes too near to a wall.

    Parameters
    ----------
    rows
        (k,) int64 rows of the roads to check.
    """
    roads = snapshot.road
    figure = rules.figure("lane_wall")
    width = road_widths(roads)
    rows = rows[_fire_lanes(roads)[rows]]
    lines = roads.geometry.to_numpy()
    findings = []
    for row in rows:
        near = snapshot.wall_tree.query(
            lines[row], predicate="dwithin", distance=width[row] / 2 + figure
        )
        if not len(near):
            continue
        apart = shapely.distance(snapshot.walls[near], lines[row]) - width[row] / 2
        k = int(apart.argmin())
        if apart[k] < figure - TOLERANCE_M:
            findings.append(
                Finding(
                    "lane_wall",
                    Severity.LOW,
                    "road",
                    str(roads["code"].iloc[row]),
                    shapely.shortest_line(lines[row], snapshot.walls[near[k]]),
                    measured=max(float(apart[k]), 0.0),
                    required=figure,
                    other=str(snapshot.building["code"].iloc[near[k]]),
                    detail={"kind": "lane", "name": roads["name"].iloc[row]},
                )
            )
    return findings


def check_dead_ends(
    snapshot: CitySnapshot, rules: Rules, rows: Ints, vehicle: Vehicle | None = None
) -> list[Finding]:
    """Return findings of dead ends that an engine drives into and can't turn at.

    A turning place is a square at least as long as the engine, or a T or Y head with arms as long;
    a heavy engine should have more room.

    Parameters
    ----------
    rows
        (k,) rows of the roads to check.
    vehicle
        The engine; that of the settings by default.
    """
    vehicle = vehicle or vehicle_from_settings(rules)
    graph = snapshot.graph
    high = snapshot.walls[separation.fire_properties(snapshot).high]
    high_tree = shapely.STRtree(high)
    findings = []
    for node, pieces in _long_dead_ends(snapshot, rules, rows, vehicle):
        lines = graph.lines[pieces]
        is_near_high_rise = bool(
            len(high_tree.query(lines, predicate="dwithin", distance=_HIGH_RISE_DISTANCE_M)[0])
        )
        name = "lane_turning_high" if is_near_high_rise else "lane_turning"
        required_side = max(rules.figure(name), vehicle.length_m)
        side = largest_turning_place(snapshot, graph.xy[node], lines, required_side)
        if side >= required_side and vehicle.weight_t >= HEAVY_ENGINE_T:
            name, least = "lane_turning_heavy", required_side
            required_side = max(rules.figure(name), vehicle.length_m)
            side = max(largest_turning_place(snapshot, graph.xy[node], lines, required_side), least)
        if side >= required_side:
            continue
        road = snapshot.road.iloc[int(graph.road[pieces[0]])]
        findings.append(
            Finding(
                name,
                rules[name].severity,
                "road",
                str(road["code"]),
                shapely.Point(graph.xy[node]),
                measured=side,
                required=required_side,
                detail={
                    "kind": "dead_end",
                    "name": road["name"],
                    "length": float(shapely.length(lines).sum()),
                },
            )
        )
    return findings


def _long_dead_ends(
    snapshot: CitySnapshot, rules: Rules, rows: Ints, vehicle: Vehicle
) -> list[tuple[int, list[int]]]:
    """Return the node of each dead end that needs a turning place, and its road pieces."""
    graph = snapshot.graph
    near = np.flatnonzero(np.isin(graph.dead_end_roads, rows))
    roads = snapshot.road.iloc[graph.dead_end_roads[near]]
    ends = graph.dead_ends[near[_is_checked(roads) & is_free(classify_obstacles(roads, vehicle))]]
    dead_ends = []
    for node in ends[_is_in_community(snapshot, ends)].tolist():
        pieces = _dead_end_pieces(graph, node, vehicle.length_m)
        if graph.length[pieces].sum() >= rules.figure("lane_dead_end"):
            dead_ends.append((node, pieces))
    return dead_ends


def _is_in_community(snapshot: CitySnapshot, nodes: Ints) -> Bools:
    """Return which nodes lie in a community; outside, roads end where the data ends."""
    if snapshot.region.empty:
        return np.ones(len(nodes), dtype=bool)
    points = np.asarray(shapely.points(snapshot.graph.xy[nodes]), dtype=object)
    regions = snapshot.community_of(points)
    return np.array([region is not None for region in regions], dtype=bool)


def _fire_lanes(roads: gpd.GeoDataFrame) -> Bools:
    lanes: Bools = roads["fire_lane"].eq(True).to_numpy(dtype=bool)
    return lanes


def _dead_end_pieces(graph: RoadGraph, node: int, arm_m: float) -> list[int]:
    """Return the pieces from a dead end back to the first junction that an engine can turn at.

    A stub shorter than an arm of a turning head is no help, so that the way goes on past it; of
    several stubs at one junction only the longest begins a way.
    """
    at = graph.vehicle_pieces_at
    pieces = [at[node][0]]
    while True:
        first, second = graph.ends[pieces[-1]].tolist()
        node = second if node == first else first
        onward = [piece for piece in at[node] if piece not in pieces]
        stubs = [piece for piece in onward if _is_stub(graph, piece, node, arm_m)]
        further = [piece for piece in onward if piece not in stubs]
        if len(further) != 1 or not _is_longest(graph, pieces, stubs):
            return pieces
        pieces.append(further[0])


def _is_stub(graph: RoadGraph, piece: int, node: int, arm_m: float) -> bool:
    """Return whether a piece at a node is a dead end too short to reverse into."""
    first, second = graph.ends[piece].tolist()
    other = second if node == first else first
    return len(graph.vehicle_pieces_at[other]) == 1 and graph.length[piece] < arm_m


def _is_longest(graph: RoadGraph, pieces: list[int], stubs: list[int]) -> bool:
    """Return whether the way so far is longer than every stub beside it."""
    so_far = float(graph.length[pieces].sum()), pieces[0]
    return all(so_far > (float(graph.length[stub]), stub) for stub in stubs)
