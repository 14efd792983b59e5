"""Checks of fire lanes: width, height, slope, distance from walls, turning places, spacing."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from geo.fire import separation
from geo.fire.finding import Finding
from geo.fire.rules import HEAVY_ENGINE_T, TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.fire.vehicle_access import classify_obstacles, is_free, vehicle_from_settings
from geo.network.roads import RoadGraph, Vehicle, road_widths
from geo.types import Bools, Floats, Geometries, Ints

CHECKED_ROAD_CLASSES = ("local", "alley", "internal")
"""Classes of road that lead to buildings and may be too narrow for an engine."""

_STEP_M = 3.0
_ANGLES = (0.0, 45.0)
_HIGH_RISE_DISTANCE_M = 20.0


def check_fire_lanes(
    snapshot: CitySnapshot, rules: Rules, roads: Ints | None = None, buildings: Ints | None = None
) -> list[Finding]:
    """Return all findings about fire lanes.

    Parameters
    ----------
    roads, buildings
        Rows to check; all by default.
    """
    rows = np.arange(len(snapshot.road)) if roads is None else roads
    return [
        *check_lane_attributes(snapshot, rules, rows),
        *check_wall_distance(snapshot, rules, rows),
        *check_dead_ends(snapshot, rules, rows),
        *check_lane_spacing(snapshot, rules, buildings),
        *check_road_joins(snapshot, rules, rows),
    ]


def check_road_joins(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return the gaps in the data of the roads, across which routes are searched all the same."""
    codes, names = snapshot.road["code"].to_numpy(), snapshot.road["name"].to_numpy()
    wanted = set(rows.tolist())
    findings = []
    for join in (join for join in snapshot.road_joins if join.road in wanted):
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


def _lanes(roads: gpd.GeoDataFrame) -> Bools:
    """Return (r,) which roads are checked: recorded fire lanes and roads to buildings."""
    narrow: Bools = roads["road_class"].isin(CHECKED_ROAD_CLASSES).to_numpy()
    return _fire_lanes(roads) | narrow


def check_lane_attributes(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of lanes that are too narrow, low or steep, or whose width is unknown."""
    findings = []
    for row in rows[_lanes(snapshot.road)[rows]]:
        findings += _attributes(rules, snapshot.road.iloc[row])
    return findings


def _attributes(rules: Rules, road: Any) -> list[Finding]:
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
                findings.append(_lane(rule.id, Severity.MISSING, road, {"kind": "no_width"}))
            continue
        excess = sign * (measured - rule.figure)
        if excess > 1e-9:
            detail = {"kind": "lane", "name": road["name"]}
            findings.append(_lane(name, rule.severity, road, detail, measured, rule.figure, excess))
    return findings


def _float_or_none(value: Any) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _lane(
    name: str,
    severity: Severity,
    road: Any,
    detail: dict[str, Any],
    measured: float | None = None,
    required: float | None = None,
    shortfall: float | None = None,
) -> Finding:
    code, shape = str(road["code"]), road["geom"]
    return Finding(
        name, severity, "road", code, shape, measured, required, shortfall, detail=detail
    )


def check_wall_distance(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of recorded fire lanes whose edge comes too near to a wall."""
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
                    shortfall=figure - max(float(apart[k]), 0.0),
                    other=str(snapshot.building["code"].iloc[near[k]]),
                    detail={"kind": "lane", "name": roads["name"].iloc[row]},
                )
            )
    return findings


def check_dead_ends(
    snapshot: CitySnapshot, rules: Rules, rows: Ints, vehicle: Vehicle | None = None
) -> list[Finding]:
    """Return findings of dead ends that an engine drives into and can't turn at.

    A turning place must be at least as long as the engine; a heavy engine should have more room.

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
        side = _largest_square(snapshot, graph.xy[node], lines, required_side)
        if side >= required_side and vehicle.weight_t >= HEAVY_ENGINE_T:
            name, least = "lane_turning_heavy", required_side
            required_side = max(rules.figure(name), vehicle.length_m)
            side = max(_largest_square(snapshot, graph.xy[node], lines, required_side), least)
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
                shortfall=required_side - side,
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
    """Return the node of each dead end that needs a turning place, and its pieces up to the
    junction."""
    graph = snapshot.graph
    near = np.flatnonzero(np.isin(graph.dead_end_roads, rows))
    roads = snapshot.road.iloc[graph.dead_end_roads[near]]
    ends = graph.dead_ends[near[_lanes(roads) & is_free(classify_obstacles(roads, vehicle))]]
    dead_ends = []
    for node in ends[_is_in_community(snapshot, ends)].tolist():
        pieces = _branch(graph, node)
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


def _branch(graph: RoadGraph, node: int) -> list[int]:
    """Return the pieces from a dead end back to the first junction."""
    at = graph.vehicle_pieces_at
    pieces = [at[node][0]]
    while True:
        first, second = graph.ends[pieces[-1]].tolist()
        node = second if node == first else first
        onward = [piece for piece in at[node] if piece not in pieces]
        if len(at[node]) != 2 or not onward:
            return pieces
        pieces.append(onward[0])


def _largest_square(
    snapshot: CitySnapshot, end: Floats, lines: Geometries, required_side: float
) -> float:
    """Return the side of the largest free square at a dead end, up to the required one."""
    obstacles = _obstacles_around(snapshot, end, 2 * required_side)
    line = lines[0]
    angle = _heading(line, end)
    for side in (required_side, 15.0, 12.0, 10.0, 8.0, 6.0, 4.0):
        if side <= required_side and _fits(obstacles, end, line, angle, side):
            return side
    return 0.0


def _obstacles_around(snapshot: CitySnapshot, end: Floats, radius: float) -> Geometries:
    """Return what a turning engine would hit: buildings, open water, fences of compounds."""
    near = shapely.box(*(end - radius), *(end + radius))
    walls = snapshot.walls[snapshot.wall_tree.query(near)]
    hard = snapshot.barriers[snapshot.barrier_tree.query(near)]
    everything = np.concatenate([walls, hard])
    return everything[shapely.intersects(everything, near)]


def _heading(line: shapely.Geometry, end: Floats) -> float:
    """Return the direction of a line at its end, degrees."""
    coords = shapely.get_coordinates(line)
    if np.hypot(*(coords[0] - end)) < np.hypot(*(coords[-1] - end)):
        coords = coords[::-1]
    along = coords[-1] - coords[-2]
    return float(np.degrees(np.arctan2(along[1], along[0])))


def _fits(
    obstacles: Geometries, end: Floats, line: shapely.Geometry, angle: float, side: float
) -> bool:
    """Return whether a free square with a side in metres touches the end of a lane."""
    steps = np.arange(-side, side + 0.1, _STEP_M)
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    half = side / 2
    squares = shapely.box(x - half, y - half, x + half, y + half)
    for turn in _ANGLES:
        placed = _rotate_and_move(squares, angle + turn, end)
        touching = placed[shapely.intersects(placed, line)]
        blocked = np.zeros(len(touching), dtype=bool)
        for obstacle in obstacles:
            blocked |= shapely.intersects(touching, obstacle)
        if not blocked.all():
            return True
    return False


def _rotate_and_move(shapes: Geometries, degrees: float, origin: Floats) -> Geometries:
    """Return shapes rotated around the origin and moved to a place."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, s], [-s, c]])
    turned: Geometries = shapely.transform(shapes, lambda xy: xy @ turn + origin)
    return turned


def check_lane_spacing(
    snapshot: CitySnapshot, rules: Rules, buildings: Ints | None = None
) -> list[Finding]:
    """Return findings of buildings too far from any lane: over half the spacing of lanes."""
    figure = rules.figure("lane_spacing") / 2
    is_passable = is_free(classify_obstacles(snapshot.road, vehicle_from_settings(rules)))
    lines = snapshot.road.geometry.to_numpy()[is_passable]
    rows = np.arange(len(snapshot.walls)) if buildings is None else buildings
    if not len(lines) or not len(rows):
        return []
    (row, _), apart = shapely.STRtree(lines).query_nearest(
        snapshot.walls[rows], return_distance=True, all_matches=False
    )
    codes = snapshot.building["code"].to_numpy()
    return [
        Finding(
            "lane_spacing",
            Severity.MEDIUM,
            "building",
            str(codes[rows[k]]),
            snapshot.walls[rows[k]],
            measured=float(far),
            required=figure,
            shortfall=float(far - figure),
            detail={"kind": "far"},
        )
        for k, far in zip(row, apart, strict=True)
        if far > figure + TOLERANCE_M
    ]
