"""Fire lanes: their width, height, slope, distance from walls, and turning places at dead ends."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from geo.fire import separation
from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.fire.vehicle_access import classify_obstacles, is_free, vehicle_from_settings
from geo.network.noding import Bools, Floats, Geometries, Ints
from geo.network.roads import RoadGraph, Vehicle, road_widths

CHECKED_ROAD_CLASSES = ("local", "alley", "internal")
"""Classes that an engine needs on its way to a building and that may be too narrow."""

_STEP_M = 3.0
_ANGLES = (0.0, 45.0)
_NEAR_HIGH_M = 20.0


def check_fire_lanes(
    snapshot: CitySnapshot, rules: Rules, roads: Ints | None = None, buildings: Ints | None = None
) -> list[Finding]:
    """Return what is wrong with the lanes that engines need.

    Parameters
    ----------
    roads, buildings
        Rows to look at; all by default.
    """
    rows = np.arange(len(snapshot.road)) if roads is None else roads
    return [
        *check_lane_attributes(snapshot, rules, rows),
        *check_wall_distance(snapshot, rules, rows),
        *check_dead_ends(snapshot, rules, rows),
        *check_lane_spacing(snapshot, rules, buildings),
    ]


def _lanes(roads: gpd.GeoDataFrame) -> Bools:
    """Return which roads are lanes: fire lanes by record, and what leads to buildings."""
    narrow: Bools = roads["road_class"].isin(CHECKED_ROAD_CLASSES).to_numpy()
    return _fire_lanes(roads) | narrow


def check_lane_attributes(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return lanes that are too narrow, too low or too steep, or of which that is not known."""
    found = []
    for row in rows[_lanes(snapshot.road)[rows]]:
        found += _attributes(rules, snapshot.road.iloc[row])
    return found


def _attributes(rules: Rules, road: Any) -> list[Finding]:
    checks = (
        ("lane_width", _float_or_none(road["width_m"]), -1),
        ("lane_height", _float_or_none(road["clear_height_m"]), -1),
        ("lane_slope", _float_or_none(abs(road["slope_percent"] or 0.0)), 1),
    )
    found = []
    for name, measured, sign in checks:
        rule = rules[name]
        if measured is None:
            if name == "lane_width":
                found.append(_lane(rule.id, Severity.MISSING, road, {"kind": "no_width"}))
            continue
        excess = sign * (measured - rule.figure)
        if excess > 1e-9:
            detail = {"kind": "lane", "name": road["name"]}
            found.append(_lane(name, rule.severity, road, detail, measured, rule.figure, excess))
    return found


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
    """Return recorded fire lanes whose edge comes too near to a wall."""
    roads = snapshot.road
    figure = rules.figure("lane_wall")
    wide = road_widths(roads)
    rows = rows[_fire_lanes(roads)[rows]]
    lines = roads.geometry.to_numpy()
    found = []
    for row in rows:
        near = snapshot.wall_tree.query(
            lines[row], predicate="dwithin", distance=wide[row] / 2 + figure
        )
        if not len(near):
            continue
        apart = shapely.distance(snapshot.walls[near], lines[row]) - wide[row] / 2
        k = int(apart.argmin())
        if apart[k] < figure - TOLERANCE_M:
            found.append(
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
    return found


def check_dead_ends(
    snapshot: CitySnapshot, rules: Rules, rows: Ints, engine: Vehicle | None = None
) -> list[Finding]:
    """Return dead ends that an engine drives into and can't turn at.

    A turning place is at least as long as the engine.
    """
    engine = engine or vehicle_from_settings(rules)
    graph = snapshot.graph
    high = snapshot.walls[separation.fire_properties(snapshot).high]
    high_tree = shapely.STRtree(high)
    found = []
    for node, pieces in _blind(snapshot, rules, rows, engine):
        lines = graph.lines[pieces]
        near_high = bool(len(high_tree.query(lines, predicate="dwithin", distance=_NEAR_HIGH_M)[0]))
        name = "lane_turning_high" if near_high else "lane_turning"
        wanted = max(rules.figure(name), engine.length_m)
        side = _largest_square(snapshot, graph.xy[node], lines, wanted)
        if side >= wanted:
            continue
        road = snapshot.road.iloc[int(graph.road[pieces[0]])]
        found.append(
            Finding(
                name,
                Severity.MEDIUM,
                "road",
                str(road["code"]),
                shapely.Point(graph.xy[node]),
                measured=side,
                required=wanted,
                shortfall=wanted - side,
                detail={
                    "kind": "dead_end",
                    "name": road["name"],
                    "length": float(shapely.length(lines).sum()),
                },
            )
        )
    return found


def _blind(
    snapshot: CitySnapshot, rules: Rules, rows: Ints, engine: Vehicle
) -> list[tuple[int, list[int]]]:
    """Return dead ends of roads with the pieces back to the last junction, long enough to need a
    turn."""
    graph = snapshot.graph
    near = np.flatnonzero(np.isin(graph.dead_end_roads, rows))
    roads = snapshot.road.iloc[graph.dead_end_roads[near]]
    ends = graph.dead_ends[near[_lanes(roads) & is_free(classify_obstacles(roads, engine))]]
    found = []
    for node in ends[_in_land(snapshot, ends)].tolist():
        pieces = _branch(graph, node)
        if graph.length[pieces].sum() >= rules.figure("lane_dead_end"):
            found.append((node, pieces))
    return found


def _in_land(snapshot: CitySnapshot, nodes: Ints) -> Bools:
    """Return which nodes lie in a community: beyond, roads end because the data does."""
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


def _largest_square(snapshot: CitySnapshot, end: Floats, lines: Geometries, wanted: float) -> float:
    """Return the side of the largest free square at a dead end, up to the one that is wanted."""
    obstacles = _standing_around(snapshot, end, 2 * wanted)
    line = lines[0]
    angle = _heading(line, end)
    for side in (wanted, 12.0, 10.0, 8.0, 6.0, 4.0):
        if side <= wanted and _fits(obstacles, end, line, angle, side):
            return side
    return 0.0


def _standing_around(snapshot: CitySnapshot, end: Floats, radius: float) -> Geometries:
    """Return what a turning engine would hit: walls, open water, the walls of compounds."""
    near = shapely.box(*(end - radius), *(end + radius))
    walls = snapshot.walls[snapshot.wall_tree.query(near)]
    hard = snapshot.barriers[snapshot.barrier_tree.query(near)]
    everything = np.concatenate([walls, hard])
    return everything[shapely.intersects(everything, near)]


def _heading(line: shapely.Geometry, end: Floats) -> float:
    """Return the direction in which a line comes to its end, degrees."""
    coords = shapely.get_coordinates(line)
    if np.hypot(*(coords[0] - end)) < np.hypot(*(coords[-1] - end)):
        coords = coords[::-1]
    along = coords[-1] - coords[-2]
    return float(np.degrees(np.arctan2(along[1], along[0])))


def _fits(
    obstacles: Geometries, end: Floats, line: shapely.Geometry, angle: float, side: float
) -> bool:
    """Return whether a free square of a side lies at the end of a lane."""
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
    """Return shapes turned around nought and moved to a place."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, s], [-s, c]])
    turned: Geometries = shapely.transform(shapes, lambda xy: xy @ turn + origin)
    return turned


def check_lane_spacing(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return buildings farther from any lane than lanes at most 160 m apart would leave them."""
    figure = rules.figure("lane_spacing") / 2
    passable = is_free(classify_obstacles(snapshot.road, vehicle_from_settings(rules)))
    lines = snapshot.road.geometry.to_numpy()[passable]
    rows = np.arange(len(snapshot.walls)) if only is None else only
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
