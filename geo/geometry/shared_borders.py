"""Polygon coverages: who borders whom, exactly, by the segments they share."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.types import Floats, Ints, Polygons

HAIR_M = 1e-6
"""Half the width of what is no land but rounding."""


@dataclass(frozen=True)
class Borders:
    """The segments between polygons of a coverage.

    Attributes
    ----------
    left, right
        (n,) indices of the polygons on either side, ``left < right``; ``left`` is -1 where
        nothing lies on one side.
    ends
        (n, 2, 2) coordinates of the segments' ends.
    length
        (n,) lengths in the coordinates' unit.
    """

    left: Ints
    right: Ints
    ends: Floats
    length: Floats

    def midpoints(self) -> Floats:
        """Return the (n, 2) middle of each segment."""
        middles: Floats = self.ends.mean(axis=1)
        return middles


def clip(geometries: Polygons, area: shapely.Geometry) -> Polygons:
    """Return (n,) geometries cut to an area; most lie within it and are left as they are."""
    shapely.prepare(area)
    cut = geometries.copy()
    beyond = ~shapely.contains_properly(area, geometries)
    cut[beyond] = shapely.intersection(geometries[beyond], area)
    return cut


def inner_points(polygons: Polygons) -> Polygons:
    """Return a point inside each of (n,) polygons.

    The point of :func:`shapely.point_on_surface` lies on the outline where it falls into a hair
    of the polygon; there the middle of the largest triangle stands for it.
    """
    points: Polygons = shapely.point_on_surface(polygons)
    for one in np.flatnonzero(shapely.dwithin(shapely.boundary(polygons), points, HAIR_M)):
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(polygons[one]))
        if len(triangles):
            points[one] = shapely.centroid(triangles[shapely.area(triangles).argmax()])
    return points


def _segments(polygons: Polygons) -> tuple[Floats, Ints]:
    """Return every ring segment, its ends in a canonical order, and the polygon it is of."""
    parts, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    coords, ring = shapely.get_coordinates(rings, return_index=True)
    inside = ring[1:] == ring[:-1]
    ends = np.stack([coords[:-1][inside], coords[1:][inside]], axis=1)
    owner = polygon_of_part[part_of_ring[ring[1:][inside]]]
    start, end = ends[:, 0], ends[:, 1]
    turned = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    ends[turned] = ends[turned][:, ::-1]
    return ends, owner.astype(np.int64)


def _hashes(ends: Floats) -> NDArray[np.uint64]:
    """Return one number a segment, equal where both ends are equal."""
    bits = (np.ascontiguousarray(ends.reshape(-1, 4)) + 0.0).view(np.uint64)
    factors = np.array(
        [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5],
        dtype=np.uint64,
    )
    mixed = (bits ^ (bits >> np.uint64(29))) * factors
    total: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64)
    return total


def find_borders(polygons: Polygons) -> Borders:
    """Return the segments that polygons of a coverage share, and those on its outline.

    Parameters
    ----------
    polygons
        (n,) polygons or multipolygons that meet in identical segments, as
        :func:`shapely.coverage_is_valid` asks. A segment between two parts of one polygon is
        left out.
    """
    ends, owner = _segments(polygons)
    order = np.argsort(_hashes(ends), kind="stable")
    ends, owner = ends[order], owner[order]
    same = (ends[1:] == ends[:-1]).all(axis=(1, 2))
    second = np.zeros(len(ends), dtype=bool)
    second[1:] = same
    first = np.zeros(len(ends), dtype=bool)
    first[:-1] = same
    alone = ~(first | second)
    pair = np.flatnonzero(first)
    low = np.concatenate([np.minimum(owner[pair], owner[pair + 1]), np.full(alone.sum(), -1)])
    high = np.concatenate([np.maximum(owner[pair], owner[pair + 1]), owner[alone]])
    ends = np.concatenate([ends[pair], ends[alone]])
    kept = low != high
    ends = ends[kept]
    length = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    return Borders(low[kept], high[kept], ends, length)
