"""Checks of ladder operating areas: free rectangles on the ground beside high-rises.

GB 50016-2014, 7.2.1 and 7.2.2: along one long side, or a quarter of the perimeter that is no
shorter than a long side; 15 x 10 m at least (20 x 10 m above 50 m), the near edge 5 to 10 m from
the wall; no podium deeper than 4 m between area and wall; joined to a lane that an engine reaches;
no steeper than 3 %. Up to 50 m of height it may be in pieces no more than 30 m apart that are as
long together and serve the whole side (GB 55037-2022, 3.4.6): a truck reaches half of a gap to
either side, so that they may extend as far beyond the ends.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import shapely

from geo.fire import separation, vehicle_access
from geo.fire.finding import Finding
from geo.fire.ladder_spans import (
    Requirement,
    find_blocked_spans,
    find_longest_spans,
    has_third_of_side,
    usable_length,
)
from geo.fire.rules import TOLERANCE_M, Rules, Severity
from geo.fire.side_frame import LONG_SIDE_SHARE, SideFrame
from geo.fire.snapshot import CitySnapshot
from geo.fire.vehicle_access import MAX_HALF_WIDTH_M, VehicleReach
from geo.types import Geometries, Ints

_STEP_M = 1.0


@dataclass(frozen=True)
class LadderAreas:
    """The ladder areas of one building.

    Attributes
    ----------
    required, found
        Metres along the wall: what the code requires, and what there is on the best side.
    rectangles
        The free rectangles, metres.
    reason
        Why they do not suffice: ``blocked``, ``too_short``, ``podium`` (one too deep lies between
        them and the wall), ``no_lane`` (no engine drives onto them) or ``slope``; None if they do.
    blocked_by
        Rows of up to five buildings in the way.
    side
        The side with the longest areas.
    slope
        The steepest slope on record of a road through the areas, percent; 0 for none.
    """

    required: float
    found: float
    rectangles: list[shapely.Polygon]
    reason: str | None
    blocked_by: list[int]
    side: shapely.LineString
    slope: float = 0.0


_REASONS = (None, "slope", "no_lane", "podium")
"""Reasons by how little has to be done about them; after them the longest areas count."""


def check_ladder_areas(
    snapshot: CitySnapshot,
    rules: Rules,
    only: Ints | None = None,
    reach: VehicleReach | None = None,
) -> list[Finding]:
    """Return findings of high-rises without the ladder operating areas that the code requires.

    Parameters
    ----------
    only
        (k,) int64 rows of buildings; all by default.
    reach
        Where the engine gets to; that of the settings' engine by default.
    """
    properties = separation.fire_properties(snapshot)
    rows = np.flatnonzero(properties.high) if only is None else only[properties.high[only]]
    if not len(rows):
        return []
    reach = reach or vehicle_access.find_vehicle_reach(
        snapshot, vehicle_access.vehicle_from_settings(rules)
    )
    findings = []
    for row in rows.tolist():
        height = properties.height[row]
        if np.isnan(height):
            findings.append(_finding_without_height(snapshot, row))
            continue
        tall = bool(height > rules.figure("ladder_tall"))
        areas = find_best_ladder_areas(snapshot, rules, reach, row, tall=tall)
        if areas.reason is not None:
            findings.append(_finding(snapshot, rules, row, areas, tall=tall))
    return findings


def _finding(
    snapshot: CitySnapshot, rules: Rules, row: int, areas: LadderAreas, *, tall: bool
) -> Finding:
    """Return the finding of a high-rise whose best ladder areas do not suffice."""
    rule = {
        "podium": "ladder_podium",
        "no_lane": "ladder_lane",
        "slope": "ladder_slope",
    }.get(areas.reason or "", "ladder_area_tall" if tall else "ladder_area")
    measured: float | None = areas.found
    required: float | None = areas.required
    if areas.reason == "slope":
        measured, required = areas.slope, rules.figure(rule)
    elif areas.reason == "podium":
        measured, required = None, rules.figure(rule)
    elif areas.reason == "no_lane":
        measured = required = None
    others = [str(snapshot.codes[other]) for other in areas.blocked_by]
    return Finding(
        rule,
        rules[rule].severity,
        "building",
        str(snapshot.codes[row]),
        areas.side,
        measured,
        required,
        other=others[0] if others else None,
        detail={"kind": areas.reason, "blocked_by": others},
    )


def _finding_without_height(snapshot: CitySnapshot, row: int) -> Finding:
    return Finding(
        "ladder_area",
        Severity.MISSING,
        "building",
        str(snapshot.building["code"].iloc[row]),
        snapshot.walls[row],
        detail={"kind": "no_height"},
    )


def find_best_ladder_areas(
    snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, row: int, *, tall: bool
) -> LadderAreas:
    """Return the best ladder areas along any side of a building.

    Parameters
    ----------
    reach
        Where the engine gets to.
    tall
        Whether the building is over 50 m high.
    """
    wall = snapshot.walls[row]
    sides = _hull_sides(wall)
    least = rules.figure("ladder_area_tall" if tall else "ladder_area")
    # A quarter of the perimeter exceeds the longest side only where no side is a long one.
    quarter = sum(side.length for side in sides) / 4
    required = max(sides[0].length, quarter, least)
    if required == sides[0].length:  # an area beside a short side does not serve a long one
        sides = [side for side in sides if side.length >= LONG_SIDE_SHARE * required]
    requirement = Requirement(required, least, rules.figure("ladder_gap"), in_pieces=not tall)
    best: LadderAreas | None = None
    for side in sides:
        areas = _find_areas_beside(snapshot, rules, row, side, requirement)
        if areas.reason is None:
            areas = _check_ground(snapshot, rules, reach, areas, requirement)
        if best is None or _rank(areas) < _rank(best):
            best = areas
        if best.reason is None:
            break
    assert best is not None  # noqa: S101  (a polygon has sides)
    return best


def _rank(areas: LadderAreas) -> tuple[int, float]:
    """Return what ladder areas are sorted by, the best first."""
    if areas.reason in _REASONS:
        return _REASONS.index(areas.reason), 0.0
    return len(_REASONS), -round(areas.found, 1)


def _check_ground(
    snapshot: CitySnapshot,
    rules: Rules,
    reach: VehicleReach,
    areas: LadderAreas,
    requirement: Requirement,
) -> LadderAreas:
    """Return areas that are long enough with what is wrong about their lane or slope, if any."""
    joined = [area for area in areas.rectangles if _is_joined(snapshot, rules, reach, area)]
    frame = SideFrame.of(areas.side)
    bounds = (shapely.bounds(frame.into(np.array([area], dtype=object))[0]) for area in joined)
    spans = sorted((float(box[0]), float(box[2])) for box in bounds)
    usable = usable_length(spans, requirement)
    if usable < areas.required - 0.1 or not has_third_of_side(spans, frame.length):
        return replace(areas, reason="no_lane")
    slope = _steepest_slope(snapshot, joined)
    if slope > rules.figure("ladder_slope") + 1e-9:
        return replace(areas, reason="slope", slope=slope)
    return areas


def _is_joined(
    snapshot: CitySnapshot, rules: Rules, reach: VehicleReach, area: shapely.Polygon
) -> bool:
    """Return whether a lane that the engine drives along passes through or beside an area.

    What lies between the edge of the lane and the area must be open.
    """
    within = rules.figure("ladder_lane_within")
    graph = snapshot.graph
    pieces = vehicle_access.reached_pieces(snapshot, reach, area, within + MAX_HALF_WIDTH_M)
    half = snapshot.road_width[graph.road[pieces]] / 2
    lines = graph.lines[pieces]
    gaps = shapely.distance(lines, area)
    if (gaps == 0.0).any():
        return True
    lines = lines[gaps <= within + half + 1e-6]
    for way in shapely.shortest_line(lines, area):
        walls = snapshot.wall_tree.query(way, predicate="intersects")
        if not len(walls) and not len(snapshot.barrier_tree.query(way, predicate="intersects")):
            return True
    return False


def _steepest_slope(snapshot: CitySnapshot, areas: list[shapely.Polygon]) -> float:
    """Return the steepest slope on record of the roads through areas, percent; 0 for none."""
    graph = snapshot.graph
    _, pieces = graph.tree.query(np.array(areas, dtype=object), predicate="intersects")
    slopes = snapshot.road["slope_percent"].to_numpy(dtype=float)[graph.road[pieces]]
    return float(np.nan_to_num(np.abs(slopes)).max(initial=0.0))


def _hull_sides(wall: shapely.Geometry) -> list[shapely.LineString]:
    """Return the sides of a building's convex hull, the longest first.

    An engine stands outside the hull: a re-entrant corner has no room for a ladder.
    """
    hull = shapely.simplify(shapely.convex_hull(wall), 1.0)
    ring = shapely.get_coordinates(shapely.orient_polygons(hull))
    sides = [shapely.LineString(pair) for pair in pairwise(ring)]
    return sorted(sides, key=lambda side: -side.length)


def _find_areas_beside(
    snapshot: CitySnapshot,
    rules: Rules,
    row: int,
    side: shapely.LineString,
    requirement: Requirement,
) -> LadderAreas:
    """Return the free rectangles along one side at the best distance from it."""
    frame = SideFrame.of(side)
    around = shapely.buffer(side, rules.figure("ladder_far") + rules.figure("ladder_width") + 1.0)
    rows = snapshot.wall_tree.query(around, predicate="intersects")
    rows = rows[rows != row]
    walls = frame.into(snapshot.walls[rows])
    fixed = snapshot.barriers[snapshot.barrier_tree.query(around, predicate="intersects")]
    hard = np.concatenate([walls, frame.into(fixed)])
    areas, in_way = _find_longest_areas(rules, hard, len(rows), side, requirement)
    if areas.reason is None:
        return areas
    blocked_by = [int(rows[k]) for k in dict.fromkeys(in_way)][:5]
    beyond, _ = _find_longest_areas(rules, hard, len(rows), side, requirement, podium=False)
    reason = "podium" if beyond.reason is None else areas.reason
    return replace(areas, reason=reason, blocked_by=blocked_by)


def _find_longest_areas(
    rules: Rules,
    hard: Geometries,
    buildings: int,
    side: shapely.LineString,
    requirement: Requirement,
    *,
    podium: bool = True,
) -> tuple[LadderAreas, list[int]]:
    """Return the longest areas along a side, and which of the first buildings are in the way.

    Parameters
    ----------
    podium
        Whether a building that is too deep may not lie between the wall and the area either.
    """
    frame = SideFrame.of(side)
    near, far = rules.figure("ladder_near"), rules.figure("ladder_far")
    width, depth = rules.figure("ladder_width"), rules.figure("ladder_podium")
    best = LadderAreas(requirement.total, 0.0, [], "blocked", [], side)
    in_way: list[int] = []
    # The farthest first: it is the nearest to the lane.
    for offset in np.arange(near, far + 0.01, _STEP_M)[::-1].tolist():
        start = min(depth + TOLERANCE_M, offset) if podium else offset
        taken, blockers = find_blocked_spans(hard, frame.length, offset, width, buildings, start)
        in_way += blockers
        spans, usable = find_longest_spans(taken, frame.length, requirement)
        if usable > best.found + 1e-6:
            rectangles = [frame.back(shapely.box(a, -offset - width, b, -offset)) for a, b in spans]
            best = replace(best, found=usable, rectangles=rectangles, reason="too_short")
        if best.found >= requirement.total - 0.1:
            return replace(best, reason=None), in_way
    return best, in_way
