"""Checks of bends: whether an engine turns where a lane bends between walls, fences or water.

GB 50016-2014, 7.1.8: the turning radius of lanes suits fire engines. The engine's radius is that of
the settings. It turns where a ring as wide as the lane it needs, of its radius, leads from one leg
of the bend to the other and holds no wall, fence or water.
"""

import numpy as np
import shapely

from geo.fire.finding import Finding
from geo.fire.rules import TOLERANCE_M, Rules
from geo.fire.snapshot import CitySnapshot
from geo.fire.turning_places import obstacles_around
from geo.fire.vehicle_access import classify_obstacles, is_free, vehicle_from_settings
from geo.types import Floats, Geometries, Ints

_LEAST_BEND_DEGREES = 30.0
_SIMPLIFY_M = 1.0
"""Bends are those of the line that runs within this distance of the recorded one."""

_STEP_M = 0.5
_ARC_SEGMENTS = 24


def check_bends(snapshot: CitySnapshot, rules: Rules, rows: Ints) -> list[Finding]:
    """Return findings of bends that the engine cannot turn.

    Parameters
    ----------
    rows
        (k,) int64 rows of the lanes to check.
    """
    vehicle = vehicle_from_settings(rules)
    rule = rules["lane_radius"]
    radius = rules.figure("lane_radius") or vehicle.turning_radius_m
    passes = is_free(classify_obstacles(snapshot.road.iloc[rows], vehicle))
    findings = []
    for row in rows[passes].tolist():
        for corner, before, after in _find_corners(snapshot.road.geometry.iloc[row]):
            width = float(snapshot.road_width[row])
            widths = vehicle.lane_m, width
            fits = _largest_radius(snapshot, corner, (before, after), widths, radius)
            if fits >= radius:
                continue
            road = snapshot.road.iloc[row]
            findings.append(
                Finding(
                    rule.id,
                    rule.severity,
                    "road",
                    str(road["code"]),
                    shapely.Point(corner),
                    measured=fits,
                    required=radius,
                    detail={"kind": "bend", "name": road["name"]},
                )
            )
    return findings


def _find_corners(line: shapely.LineString) -> list[tuple[Floats, Floats, Floats]]:
    """Return the corners of a line, with the directions from each along its two legs."""
    coords = shapely.get_coordinates(shapely.simplify(line, _SIMPLIFY_M))
    bends = []
    for previous, corner, following in zip(coords[:-2], coords[1:-1], coords[2:], strict=True):
        before, after = (
            (end - corner) / np.hypot(*(end - corner)) for end in (previous, following)
        )
        turn = 180.0 - np.degrees(np.arccos(np.clip(before @ after, -1.0, 1.0)))
        if turn >= _LEAST_BEND_DEGREES:
            bends.append((corner, before, after))
    return bends


def _largest_radius(
    snapshot: CitySnapshot,
    corner: Floats,
    legs: tuple[Floats, Floats],
    widths: tuple[float, float],
    needed: float,
) -> float:
    """Return the largest radius that fits at a corner, up to the needed one; 0 for none.

    Parameters
    ----------
    legs
        Unit vectors from the corner along each leg, (2,) each.
    widths
        Width of the ring that the engine sweeps, and of the lane, metres.
    """
    swept, width = widths
    obstacles = obstacles_around(snapshot, corner, 2 * needed + width)
    if not len(obstacles):
        return needed
    for radius in np.arange(needed, swept, -_STEP_M).tolist():
        rings = _turning_rings(corner, legs, radius, swept, width)
        blocked = [bool(shapely.intersects(obstacles, ring).any()) for ring in rings]
        if not all(blocked):
            return float(radius)
    return 0.0


def _turning_rings(
    corner: Floats, legs: tuple[Floats, Floats], radius: float, swept: float, width: float
) -> Geometries:
    """Return the rings in which an engine may turn: from the lane's outer edge inwards.

    The outer edge of a ring touches the outer edges of both legs of the lane, or cuts the corner by
    up to the width that the lane has beyond the ring's.
    """
    bisector = legs[0] + legs[1]
    half = (
        float(np.arccos(np.clip(legs[0] @ legs[1], -1.0, 1.0))) / 2
    )  # between a leg and the bisector
    bisector = bisector / np.hypot(*bisector)
    rings = []
    for inset in np.unique([*np.arange(0.0, max(width - swept, 0.0), _STEP_M), 0.0]).tolist():
        # The centre is as far from the outer edge of each leg as the radius and the inset.
        from_axis = radius + inset - width / 2
        centre = corner + bisector * from_axis / np.sin(half)
        rings.append(_ring_sector(centre, bisector, radius, swept, np.pi / 2 - half))
    return np.array(rings, dtype=object)


def _ring_sector(
    centre: Floats, bisector: Floats, radius: float, swept: float, spread: float
) -> shapely.Polygon:
    """Return the part of a ring from one leg to the other.

    Parameters
    ----------
    spread
        Radians to each side of the line from the centre to the corner.
    """
    middle = np.arctan2(-bisector[1], -bisector[0])
    angles = np.linspace(middle - spread, middle + spread, _ARC_SEGMENTS)
    rays = np.column_stack([np.cos(angles), np.sin(angles)])
    # A wall at the very edge of the lane is only touched.
    outer = centre + rays * (radius - TOLERANCE_M)
    inner = centre + rays * (radius - swept + TOLERANCE_M)
    return shapely.Polygon(np.concatenate([outer, inner[::-1]]))
