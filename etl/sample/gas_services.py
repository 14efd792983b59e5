"""Courses of the sample city's gas services: clear of other buildings and of other pipes."""

from collections.abc import Iterable

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo.types import Bools, Floats, Geometries, Ints

FROM_BUILDING_M = 1.1
"""What a service keeps from a building that it does not supply: 1 m and its half width."""

FROM_WATER_M = 0.65
"""What it keeps from a water pipe beside it; it may cross one, far above it."""

FROM_DRAIN_M = 2.1
"""What it keeps from the middle of a drain beside it."""

LEAST_SINE = 0.3
"""It crosses other pipes at 17 degrees or more."""

FROM_GAS_M = 0.7
STEP_M = 2.0
FARTHEST_M = 60.0
"""How far along the main from the building's front a service may begin."""


def _sines(lines: Geometries, others: Geometries) -> Floats:
    """Return (k, n) the sine of the angle between straight lines and others."""

    def directions(shapes: Geometries) -> Floats:
        first, last = (shapely.get_coordinates(shapely.get_point(shapes, at)) for at in (0, -1))
        reach: Floats = last - first
        unit: Floats = reach / np.hypot(*reach.T)[:, None]
        return unit

    one, other = directions(lines), directions(others)
    sines: Floats = np.abs(np.outer(one[:, 0], other[:, 1]) - np.outer(one[:, 1], other[:, 0]))
    return sines


def _tree_of_drains(drains: list[BaseGeometry]) -> shapely.STRtree:
    """Return the index of drains, each in one piece through its manholes."""
    merged = shapely.line_merge(shapely.multilinestrings(drains))
    return shapely.STRtree(shapely.get_parts(merged))


class ServiceRouter:
    """Finds straight services, each clear of those found before."""

    def __init__(
        self,
        footprints: dict[str, BaseGeometry],
        water: list[BaseGeometry],
        drains: list[BaseGeometry],
    ) -> None:
        self.codes = list(footprints)
        self.footprints = np.array(list(footprints.values()), dtype=object)
        self.tree = shapely.STRtree(self.footprints)
        self.pipes = [
            (shapely.STRtree(water), FROM_WATER_M),
            (_tree_of_drains(drains), FROM_DRAIN_M),
        ]
        self.laid: list[shapely.LineString] = []

    def find_line(
        self,
        course: shapely.LineString,
        footprint: BaseGeometry,
        front: float,
        taken: Iterable[float],
    ) -> shapely.LineString | None:
        """Return the service that begins nearest to a front, from main to wall.

        None if all are blocked.

        Parameters
        ----------
        front
            Metres along the main.
        taken
            Where along the main other branches begin.
        """
        low, high = max(front - FARTHEST_M, 10.0), min(front + FARTHEST_M, course.length - 10.0)
        starts = np.arange(low, high, STEP_M) if high > low else np.array([])
        beginnings = np.array([*taken], dtype=float)
        if len(beginnings):
            apart = np.abs(starts[:, None] - beginnings).min(axis=1)
            starts = starts[apart > FROM_GAS_M]
        if not len(starts):
            return None
        starts = starts[np.argsort(np.abs(starts - front), kind="stable")]
        points = shapely.line_interpolate_point(course, starts)
        lines = shapely.shortest_line(points, footprint)
        clear = lines[self._are_clear(lines, footprint)]
        if not len(clear):
            return None
        line: shapely.LineString = clear[0]
        self.laid.append(line)
        return line

    def is_clear_of_pipes(self, line: shapely.LineString, *, drains: bool = True) -> bool:
        """Return whether a service keeps its distance from other pipes, and from drains."""
        return bool(self._are_clear_of_pipes(np.array([line], dtype=object), drains=drains)[0])

    def others_near(self, line: BaseGeometry, footprint: BaseGeometry, metres: float) -> Ints:
        """Return the rows of the buildings near a line, without the one that is supplied.

        int64 of shape (k,).
        """
        near = self.tree.query(line, predicate="dwithin", distance=metres)
        others: Ints = near[~shapely.equals(self.footprints[near], footprint)]
        return others

    def _are_clear(self, lines: Geometries, footprint: BaseGeometry) -> Bools:
        whole = shapely.multilinestrings(list(lines))
        near = self.others_near(shapely.convex_hull(whole), footprint, FROM_BUILDING_M)
        others = self.footprints[near]
        clear = ~np.asarray(shapely.dwithin(lines[:, None], others, FROM_BUILDING_M)).any(axis=1)
        return clear & self._are_clear_of_pipes(lines)

    def _are_clear_of_pipes(self, lines: Geometries, *, drains: bool = True) -> Bools:
        whole = shapely.convex_hull(shapely.multilinestrings(list(lines)))
        clear = np.ones(len(lines), dtype=bool)
        for tree, metres in self.pipes[: 2 if drains else 1]:
            near = tree.geometries[tree.query(whole, predicate="dwithin", distance=metres)]
            apart = shapely.distance(lines[:, None], near)
            is_crossing = (apart == 0) & (_sines(lines, near) > LEAST_SINE)
            clear &= ((apart >= metres) | is_crossing).all(axis=1)
        laid = [line for line in self.laid if shapely.dwithin(line, whole, FROM_GAS_M)]
        if laid:
            clear &= ~shapely.dwithin(lines[:, None], np.array(laid), FROM_GAS_M).any(axis=1)
        return clear
