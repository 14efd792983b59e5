"""Checks of lanes through long buildings and into inner courts (GB 50016-2014, 7.1.1 and 7.1.4)."""

import numpy as np
import shapely

from geo.fire import lane_coverage, vehicle_access
from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules
from geo.fire.snapshot import CitySnapshot
from geo.fire.vehicle_access import VehicleReach, vehicle_from_settings
from geo.network.roads import WIDE_CLASSES
from geo.types import Floats, Geometries, Ints

STREET_DISTANCE_M = 15.0
"""A wall runs along a street up to this distance from its edge."""

_ALONG_DEGREES = 30.0
"""A wall runs along a street up to this angle between them."""


def check_passages(
    snapshot: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    reach: VehicleReach | None = None,
) -> list[Finding]:
    """Return findings of long buildings and of inner courts that no engine gets through or into.

    Parameters
    ----------
    only
        (k,) int64 rows of buildings; all by default.
    reach
        Where the engine gets to; that of the settings' engine by default.
    """
    rows = np.arange(len(snapshot.walls)) if only is None else only
    walls = snapshot.walls[rows]
    parts, owner = shapely.get_parts(walls, return_index=True)
    with_court = rows[np.unique(owner[shapely.get_num_interior_rings(parts) > 0])]
    # No wall is longer along a street than half of the outline.
    half_outline = shapely.length(walls) / 2
    least = min(rules.figure("lane_through_street"), rules.figure("lane_through_total"))
    long = rows[half_outline > least]
    if not len(with_court) and not len(long):
        return []
    reach = reach or vehicle_access.find_vehicle_reach(snapshot, vehicle_from_settings(rules))
    through = (_check_through(snapshot, rules, reach, row) for row in long.tolist())
    return [
        *(finding for finding in through if finding is not None),
        *(
            finding
            for row in with_court.tolist()
            for finding in _check_courts(snapshot, rules, reach, row)
        ),
    ]


def _check_through(
    snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, row: int
) -> Finding | None:
    """Return the finding of a long building without a lane through it or a ring of lanes."""
    wall = snapshot.walls[row]
    street, total = street_length(snapshot, row), equivalent_length(wall)
    for name, measured in (("lane_through_street", street), ("lane_through_total", total)):
        required = rules.figure(name)
        if measured <= required + TOLERANCE_M:
            continue
        if _is_crossed_by_lane(snapshot, reach, wall) or _is_ringed(snapshot, rules, reach, row):
            return None
        return Finding(
            name,
            rules[name].severity,
            "building",
            str(snapshot.codes[row]),
            wall,
            measured=measured,
            required=required,
            detail={"kind": "long"},
        )
    return None


def street_length(snapshot: CitySnapshot, row: int) -> float:
    """Return the longest stretch of a building's outer wall along streets to one side, metres.

    It is made of the parts of the outline within 15 m of the edge of a street, parallel to it, with
    no part of the building between. Parts to different sides of the building are not added.
    """
    parts = shapely.get_parts(snapshot.walls[row])
    body = shapely.orient_polygons(parts[int(shapely.area(parts).argmax())])
    coords = shapely.get_coordinates(shapely.simplify(shapely.get_exterior_ring(body), 0.1))
    sides = _lines_between(coords)
    is_street = snapshot.road["road_class"].isin(WIDE_CLASSES).to_numpy()
    near = snapshot.graph.tree.query(
        snapshot.walls[row],
        predicate="dwithin",
        distance=STREET_DISTANCE_M + vehicle_access.MAX_HALF_WIDTH_M,
    )
    near = near[is_street[snapshot.graph.road[near]]]
    half = snapshot.road_width[snapshot.graph.road[near]] / 2
    lines = snapshot.graph.lines[near]
    base = _direction_degrees(lane_coverage.rectangle_sides(body)[0])
    lengths = np.zeros(4)
    for side in sides:
        quarter = round((_direction_degrees(side) - base) / 90.0) % 4
        lengths[quarter] += _length_along(side, snapshot.walls[row], lines, half)
    return float(lengths.max())


def _lines_between(coords: Floats) -> Geometries:
    """Return the lines between each two successive of (k, 2) places."""
    lines = shapely.linestrings(np.stack([coords[:-1], coords[1:]], axis=1))
    return np.atleast_1d(np.asarray(lines, dtype=object))


def _direction_degrees(line: shapely.LineString) -> float:
    """Return the direction of a line from its start to its end."""
    (x0, y0), *_, (x1, y1) = shapely.get_coordinates(line)
    return float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))


def _length_along(
    side: shapely.LineString, wall: shapely.Geometry, lines: np.ndarray, half: Floats
) -> float:
    """Return the metres of a side of a building that run along lines of streets."""
    beside = []
    for line, width in zip(lines.tolist(), half.tolist(), strict=True):
        strip = shapely.buffer(line, width + STREET_DISTANCE_M, cap_style="flat")
        part = shapely.intersection(side, strip)
        if part.is_empty or part.length < TOLERANCE_M or not _is_parallel(side, line):
            continue
        middle = shapely.line_interpolate_point(side, 0.5, normalized=True)
        way = shapely.shortest_line(middle, line)
        if shapely.length(shapely.intersection(way, wall)) < 1.0:
            beside.append(part)
    return float(shapely.length(shapely.union_all(beside))) if beside else 0.0


def _is_parallel(side: shapely.LineString, line: shapely.LineString) -> bool:
    """Return whether the nearest stretch of a line runs along a side."""
    coords = shapely.get_coordinates(line)
    stretches = _lines_between(coords)
    nearest = stretches[int(shapely.distance(stretches, side).argmin())]
    between = (_direction_degrees(side) - _direction_degrees(nearest)) % 180.0
    return min(between, 180.0 - between) <= _ALONG_DEGREES


def equivalent_length(wall: shapely.Geometry) -> float:
    """Return the length of the rectangle with the perimeter and area of an outline, metres.

    Of a rectangle it is the long side, of an L, U or closed ring about the length along its wings.
    """
    half, area = float(shapely.length(wall)) / 2, float(shapely.area(wall))
    return float((half + np.sqrt(max(half**2 - 4 * area, 0.0))) / 2)


def _is_crossed_by_lane(
    snapshot: CitySnapshot, reach: VehicleReach, wall: shapely.Geometry
) -> bool:
    """Return whether a lane that the engine drives along passes through an outline."""
    pieces = vehicle_access.reached_pieces(snapshot, reach, wall, 0.0)
    inside = shapely.intersection(snapshot.graph.lines[pieces], wall)
    return bool((shapely.length(inside) > 1.0).any())


def _is_ringed(snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, row: int) -> bool:
    """Return whether lanes run along all four sides of the rectangle around a building."""
    required = rules.figure("lane_along_share")
    return all(
        lane_coverage.share_beside_lanes(snapshot, rules, reach, side) >= required - 1e-6
        for side in lane_coverage.rectangle_sides(snapshot.walls[row])
    )


def _check_courts(
    snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, row: int
) -> list[Finding]:
    """Return findings of the wide inner courts of a building that no lane leads into."""
    rule, figure = rules["lane_court"], rules.figure("lane_court")
    findings = []
    rings = (ring for part in shapely.get_parts(snapshot.walls[row]) for ring in part.interiors)
    for ring in rings:
        court = shapely.Polygon(ring)
        sides = [side.length for side in lane_coverage.rectangle_sides(court)]
        if min(sides) <= figure + TOLERANCE_M or _is_crossed_by_lane(snapshot, reach, court):
            continue
        findings.append(
            Finding(
                rule.id,
                rule.severity,
                "building",
                str(snapshot.codes[row]),
                court,
                measured=min(sides),
                required=figure,
                detail={"kind": "court"},
            )
        )
    return findings
