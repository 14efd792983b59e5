"""Checks of where fire lanes run: along long sides of buildings, and how far apart they lie."""

import numpy as np
import shapely

from geo.fire import separation, vehicle_access
from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules
from geo.fire.side_frame import LONG_SIDE_SHARE, SideFrame
from geo.fire.snapshot import CitySnapshot
from geo.fire.vehicle_access import (
    MAX_HALF_WIDTH_M,
    VehicleReach,
    classify_obstacles,
    is_free,
    vehicle_from_settings,
)
from geo.types import Floats, Geometries, Ints

_QUADRANT_SEGMENTS = 32


def check_lanes_along(
    snapshot: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    reach: VehicleReach | None = None,
) -> list[Finding]:
    """Return findings of buildings without lanes along one or two of their long sides.

    High-rise dwellings need one, other high-rises and large public buildings two.

    Parameters
    ----------
    only
        (k,) int64 rows of buildings; all by default.
    reach
        Where the engine gets to; that of the settings' engine by default.
    """
    names = _side_rules(snapshot, rules)
    rows = np.arange(len(names)) if only is None else only
    rows = rows[[names[row] is not None for row in rows]]
    if not len(rows):
        return []
    reach = reach or vehicle_access.find_vehicle_reach(snapshot, vehicle_from_settings(rules))
    required = rules.figure("lane_along_share")
    findings = []
    for row in rows.tolist():
        name = str(names[row])
        served = sorted(
            (
                (share_beside_lanes(snapshot, rules, reach, side), side)
                for side in _long_sides(snapshot, row)
            ),
            key=lambda item: -item[0],
        )
        # Of the sides that have to have a lane, the one with the least.
        share, side = served[min(int(rules.figure(name)), len(served)) - 1]
        if share >= required - 1e-6:
            continue
        findings.append(
            Finding(
                name,
                rules[name].severity,
                "building",
                str(snapshot.codes[row]),
                side,
                measured=share,
                required=required,
                detail={"kind": "share", "table": "lane_along_share"},
            )
        )
    return findings


def _side_rules(snapshot: CitySnapshot, rules: Rules) -> list[str | None]:
    """Return the rule that says how many long sides of each building need a lane, or None.

    Where a high-rise's use is not on record, the milder rule of dwellings applies.
    """
    properties = separation.fire_properties(snapshot)
    large = properties.footprint > rules.figure("lane_along_area")
    uses = snapshot.building["use"].tolist()
    names: list[str | None] = []
    for use, is_high, is_large in zip(uses, properties.high, large, strict=True):
        is_public = isinstance(use, str) and use != "residential"
        two = is_public and (is_high or is_large)
        names.append("lane_along_two" if two else "lane_along_one" if is_high else None)
    return names


def _long_sides(snapshot: CitySnapshot, row: int) -> list[shapely.LineString]:
    """Return the long sides of the smallest rectangle around a building: two, four of a square."""
    sides = rectangle_sides(snapshot.walls[row])
    longest = max(side.length for side in sides)
    return [side for side in sides if side.length >= LONG_SIDE_SHARE * longest]


def rectangle_sides(shape: shapely.Geometry) -> list[shapely.LineString]:
    """Return the four sides of the smallest rectangle around a shape, counter-clockwise."""
    rectangle = shapely.oriented_envelope(shape)
    ring = shapely.get_coordinates(shapely.orient_polygons(rectangle))
    return [shapely.LineString(ring[k : k + 2]) for k in range(4)]


def share_beside_lanes(
    snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, side: shapely.LineString
) -> float:
    """Return the percentage of a side with a lane straight out from it that the engine reaches."""
    within = rules.figure("lane_along_within")
    pieces = vehicle_access.reached_pieces(snapshot, reach, side, within + MAX_HALF_WIDTH_M)
    roads = snapshot.graph.road[pieces]
    half = snapshot.road_width[roads] / 2
    lanes = shapely.buffer(snapshot.graph.lines[pieces], half, cap_style="flat")
    frame = SideFrame.of(side)
    beside = shapely.box(0.0, -within - TOLERANCE_M, frame.length, 0.0)
    parts = shapely.get_parts(shapely.intersection(frame.into(lanes), beside))
    parts = parts[shapely.area(parts) > 0]
    return 100 * _union_length(shapely.bounds(parts)[:, [0, 2]]) / frame.length


def _union_length(spans: Floats) -> float:
    """Return the length of the union of (k, 2) spans."""
    total, end = 0.0, -np.inf
    for low, high in spans[np.argsort(spans[:, 0])].tolist():
        total += max(high - max(low, end), 0.0)
        end = max(end, high)
    return total


def check_lane_spacing(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of buildings between lanes that lie too far apart.

    They stand in a circle without a lane, enclosed by lanes, that is wider than the spacing.

    Parameters
    ----------
    only
        (k,) int64 rows of the buildings to check; all by default.
    """
    figure = rules.figure("lane_spacing")
    openings, widths = _openings(snapshot, rules)
    rows = np.arange(len(snapshot.walls)) if only is None else only
    tree = shapely.STRtree(snapshot.walls[rows])
    opening, near = tree.query(openings, predicate="intersects")
    widest: dict[int, float] = {}
    for k, row in zip(opening.tolist(), rows[near].tolist(), strict=True):
        widest[row] = max(widest.get(row, 0.0), float(widths[k]))
    return [
        Finding(
            "lane_spacing",
            rules["lane_spacing"].severity,
            "building",
            str(snapshot.codes[row]),
            snapshot.walls[row],
            measured=width,
            required=figure,
            detail={"kind": "apart"},
        )
        for row, width in sorted(widest.items())
    ]


def _openings(snapshot: CitySnapshot, rules: Rules) -> tuple[Geometries, Floats]:
    """Return the ground between lanes that are too far apart, computed once for each road graph.

    Returns
    -------
    openings
        (k,) polygons: all circles as wide as the spacing that hold no lane and are enclosed by
        ground nearer to lanes.
    widths
        (k,) diameter of the largest circle without a lane in each, metres.
    """
    vehicle, figure = vehicle_from_settings(rules), rules.figure("lane_spacing")
    cache = snapshot.graph.__dict__.setdefault("openings", {})
    if (vehicle, figure) not in cache:
        cache[vehicle, figure] = _find_openings(snapshot, rules)
    openings: tuple[Geometries, Floats] = cache[vehicle, figure]
    return openings


def _find_openings(snapshot: CitySnapshot, rules: Rules) -> tuple[Geometries, Floats]:
    radius = rules.figure("lane_spacing") / 2
    is_lane = is_free(classify_obstacles(snapshot.road, vehicle_from_settings(rules)))
    lines = snapshot.road.geometry.to_numpy()[is_lane]
    near = shapely.get_parts(
        shapely.union_all(shapely.buffer(lines, radius, quad_segs=_QUADRANT_SEGMENTS))
    )
    rings = [ring for polygon in near for ring in polygon.interiors]
    holes = np.array([shapely.Polygon(ring) for ring in rings], dtype=object)
    inner = shapely.length([shapely.maximum_inscribed_circle(hole, 0.01) for hole in holes])
    wide = inner > 2 * TOLERANCE_M
    openings = shapely.buffer(holes[wide], radius, quad_segs=_QUADRANT_SEGMENTS)
    return openings, 2 * (radius + inner[wide])
