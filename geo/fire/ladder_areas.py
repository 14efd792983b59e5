"""Checks of ladder operating areas: free rectangles on the ground beside high-rises.

GB 50016-2014, 7.2.1 and 7.2.2: along one long side, or a quarter of the perimeter that is no
shorter than a long side; 15 x 10 m at least (20 x 10 m above 50 m), the near edge 5 to 10 m from
the wall; up to 50 m of height in pieces no more than 30 m apart.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from geo.fire import separation
from geo.fire.finding import Finding
from geo.fire.rules import Rules, Severity
from geo.fire.snapshot import CitySnapshot
from geo.types import Floats, Geometries, Ints

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
        Why they do not suffice: ``too_short`` or ``blocked``; None where they do.
    blocked_by
        Rows of up to five buildings in the way.
    side
        The side with the longest areas.
    """

    required: float
    found: float
    rectangles: list[shapely.Polygon]
    reason: str | None
    blocked_by: list[int]
    side: shapely.LineString


def check_ladder_areas(
    snapshot: CitySnapshot, rules: Rules, only: Ints | None = None
) -> list[Finding]:
    """Return findings of high-rises without the ladder operating areas that the code requires."""
    properties = separation.fire_properties(snapshot)
    rows = np.flatnonzero(properties.high) if only is None else only[properties.high[only]]
    found = []
    codes = snapshot.building["code"].to_numpy()
    for row in rows:
        tall = bool(np.nan_to_num(properties.height[row]) > rules.figure("ladder_tall"))
        if np.isnan(properties.height[row]):
            found.append(_unknown(snapshot, int(row)))
            continue
        areas = find_best_ladder_areas(snapshot, rules, int(row), tall=tall)
        if areas.reason is None:
            continue
        others = [str(codes[other]) for other in areas.blocked_by]
        found.append(
            Finding(
                "ladder_area_tall" if tall else "ladder_area",
                Severity.HIGH,
                "building",
                str(codes[row]),
                areas.side,
                measured=areas.found,
                required=areas.required,
                shortfall=areas.required - areas.found,
                other=others[0] if others else None,
                detail={"kind": areas.reason, "blocked_by": others},
            )
        )
    return found


def _unknown(snapshot: CitySnapshot, row: int) -> Finding:
    return Finding(
        "ladder_area",
        Severity.MISSING,
        "building",
        str(snapshot.building["code"].iloc[row]),
        snapshot.walls[row],
        detail={"kind": "no_height"},
    )


def find_best_ladder_areas(
    snapshot: CitySnapshot, rules: Rules, row: int, *, tall: bool
) -> LadderAreas:
    """Return the longest ladder areas along any side of a building.

    Parameters
    ----------
    tall
        Whether the building is over 50 m high.
    """
    wall = snapshot.walls[row]
    sides = _sides(wall)
    least = rules.figure("ladder_area_tall" if tall else "ladder_area")
    # A quarter of the perimeter exceeds the longest side only where no side is a long one.
    quarter = sum(side.length for side in sides) / 4
    required = max(sides[0].length, quarter, least)
    best: LadderAreas | None = None
    for side in sides:
        areas = _beside(snapshot, rules, row, side, required, least, tall=tall)
        if best is None or areas.found > best.found + 0.1:
            best = areas
        if best.reason is None:
            break
    assert best is not None  # noqa: S101  (a polygon has sides)
    return best


def _sides(wall: shapely.Geometry) -> list[shapely.LineString]:
    """Return the sides of a building's convex hull, the longest first.

    An engine stands outside the hull: a re-entrant corner has no room for a ladder.
    """
    hull = shapely.simplify(shapely.convex_hull(wall), 1.0)
    ring = shapely.get_coordinates(shapely.orient_polygons(hull))
    sides = [shapely.LineString(pair) for pair in pairwise(ring)]
    return sorted(sides, key=lambda side: -side.length)


def _beside(
    snapshot: CitySnapshot,
    rules: Rules,
    row: int,
    side: shapely.LineString,
    required: float,
    least: float,
    *,
    tall: bool,
) -> LadderAreas:
    """Return the free rectangles along one side at the best distance from it."""
    near, far = rules.figure("ladder_near"), rules.figure("ladder_far")
    width = rules.figure("ladder_width")
    frame = _Frame.of(side)
    around = shapely.buffer(side, far + width + 1.0)
    rows = snapshot.wall_tree.query(around, predicate="intersects")
    rows = rows[rows != row]
    walls = frame.into(snapshot.walls[rows])
    fixed = snapshot.barriers[snapshot.barrier_tree.query(around, predicate="intersects")]
    hard = np.concatenate([walls, frame.into(fixed)])
    best = LadderAreas(required, 0.0, [], "blocked", [], side)
    in_way: list[int] = []
    for offset in np.arange(near, far + 0.01, _STEP_M):
        taken, blockers = _blocked_spans(hard, frame.length, float(offset), width, len(rows))
        in_way += [int(rows[k]) for k in blockers]
        spans = _free(taken, frame.length, required, least)
        found = _usable_length(spans, rules.figure("ladder_gap"), tall=tall)
        if found > best.found + 1e-6:
            rectangles = [frame.back(shapely.box(a, -offset - width, b, -offset)) for a, b in spans]
            best = LadderAreas(required, found, rectangles, "too_short", [], side)
        if best.found >= required - 0.1:
            return LadderAreas(required, best.found, best.rectangles, None, [], side)
    blocked_by = list(dict.fromkeys(in_way))[:5]
    return LadderAreas(required, best.found, best.rectangles, best.reason, blocked_by, side)


@dataclass(frozen=True)
class _Frame:
    """Axes along a side: x along it, y towards the building."""

    origin: Floats
    axes: Floats
    length: float

    @classmethod
    def of(cls, side: shapely.LineString) -> "_Frame":
        (x0, y0), (x1, y1) = shapely.get_coordinates(side)
        length = float(side.length)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        # The ring runs counter-clockwise, so the building lies to the left: y > 0.
        return cls(np.array([x0, y0]), np.array([[ux, -uy], [uy, ux]]), length)

    def into(self, shapes: Geometries) -> Geometries:
        moved: Geometries = shapely.transform(shapes, lambda xy: (xy - self.origin) @ self.axes)
        return moved

    def back(self, shape: shapely.Geometry) -> Any:
        moved: Any = shapely.transform(shape, lambda xy: xy @ self.axes.T + self.origin)
        return moved


def _blocked_spans(
    hard: Geometries, length: float, offset: float, width: float, buildings: int
) -> tuple[list[tuple[float, float]], list[int]]:
    """Return the blocked spans along a side at an offset, and the buildings that block them.

    The strip extends beyond both ends of the side, as an area may.
    """
    strip = shapely.box(-length, -offset - width, 2 * length, -offset)
    cut = shapely.intersection(hard, strip)
    taken, blockers = [], []
    for index, part in enumerate(cut):
        if part.is_empty:
            continue
        west, _, east, _ = shapely.bounds(part)
        taken.append((float(west), float(east)))
        if index < buildings:
            blockers.append(index)
    return sorted(taken), blockers


def _free(
    taken: list[tuple[float, float]], length: float, required: float, least: float
) -> list[tuple[float, float]]:
    """Return the free spans between blocked ones, of at least a length.

    An area longer than the side may extend beyond it: it is centred on the side.
    """
    over = max(0.0, (max(required, least) - length) / 2)
    at, end = -over, length + over
    free = []
    for low, high in taken:
        if low > at:
            free.append((at, min(low, end)))
        at = max(at, high)
    if at < end:
        free.append((at, end))
    return [(a, b) for a, b in free if b - a >= least - 1e-6]


def _usable_length(spans: list[tuple[float, float]], gap: float, *, tall: bool) -> float:
    """Return the usable metres: one span for tall buildings, else spans with small gaps."""
    if tall or not spans:
        return max((b - a for a, b in spans), default=0.0)
    best = total = spans[0][1] - spans[0][0]
    for (_, end), (start, stop) in pairwise(spans):
        total = total + stop - start if start - end <= gap else stop - start
        best = max(best, total)
    return best
