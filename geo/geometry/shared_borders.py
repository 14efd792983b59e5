"""Polygons that divide an area: shared borders, clipping, points inside, overlaps."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.types import Bools, Floats, Ints, Lines, Polygons

SPIKE_M = 1e-6
"""Half the width of a part of a polygon that is only rounding."""


@dataclass(frozen=True)
class Borders:
    """The segments between polygons of a coverage.

    Attributes
    ----------
    left, right
        (n,) int64 indices of the polygons on either side, ``left < right``; ``left`` is -1 where
        there is a polygon on one side only.
    ends
        (n, 2, 2) float64 coordinates of the ends of each segment.
    length
        (n,) float64 lengths in the unit of the coordinates.
    """

    left: Ints
    right: Ints
    ends: Floats
    length: Floats

    def midpoints(self) -> Floats:
        """Return the (n, 2) float64 middle of each segment."""
        middles: Floats = self.ends.mean(axis=1)
        return middles

    def select(self, rows: Bools) -> "Borders":
        """Return the segments that (n,) bool ``rows`` select."""
        return Borders(self.left[rows], self.right[rows], self.ends[rows], self.length[rows])


def clip(geometries: Polygons, area: shapely.Geometry) -> Polygons:
    """Return (n,) geometries clipped to an area, of (n,); those inside it are unchanged."""
    shapely.prepare(area)
    cut = geometries.copy()
    beyond = ~shapely.contains_properly(area, geometries)
    cut[beyond] = shapely.intersection(geometries[beyond], area)
    return cut


def inner_points(polygons: Polygons) -> Polygons:
    """Return (n,) points, one inside each of (n,) polygons.

    The point of :func:`shapely.point_on_surface` lies on the outline where it falls into a spike
    of rounding width; there the centroid of the largest triangle is returned.
    """
    points: Polygons = shapely.point_on_surface(polygons)
    for polygon in np.flatnonzero(shapely.dwithin(shapely.boundary(polygons), points, SPIKE_M)):
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(polygons[polygon]))
        if len(triangles):
            points[polygon] = shapely.centroid(triangles[shapely.area(triangles).argmax()])
    return points


def split_into_segments(lines: Lines) -> tuple[Floats, Ints]:
    """Return (s, 2, 2) float64 the ends of all segments, and (s,) int64 the line of each.

    Parameters
    ----------
    lines
        (n,) LineStrings or LinearRings.
    """
    coords, line = shapely.get_coordinates(lines, return_index=True)
    start = np.flatnonzero(line[1:] == line[:-1])
    return np.stack([coords[start], coords[start + 1]], axis=1), line[start]


def _ring_segments(polygons: Polygons) -> tuple[Floats, Ints]:
    """Return every ring segment with its ends in a canonical order, and the polygon it is of."""
    parts, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    ends, ring = split_into_segments(rings)
    owner = polygon_of_part[part_of_ring[ring]]
    start, end = ends[:, 0], ends[:, 1]
    turned = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    ends[turned] = ends[turned][:, ::-1]
    return ends, owner.astype(np.int64)


def _hash_segments(ends: Floats) -> NDArray[np.uint64]:
    """Return a hash of each segment, equal where both ends are equal."""
    bits = (np.ascontiguousarray(ends.reshape(-1, 4)) + 0.0).view(np.uint64)
    factors = np.array(
        [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5],
        dtype=np.uint64,
    )
    mixed = (bits ^ (bits >> np.uint64(29))) * factors
    total: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64)
    return total


def find_borders(polygons: Polygons) -> Borders:
    """Find the segments that polygons of a coverage share, and those on its outline.

    Parameters
    ----------
    polygons
        (n,) polygons or multipolygons that meet in identical segments, as
        :func:`shapely.coverage_is_valid` asks. A segment between two parts of one polygon is
        left out.
    """
    ends, owner = _ring_segments(polygons)
    order = np.argsort(_hash_segments(ends), kind="stable")
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
    between = low != high
    ends = ends[between]
    length = np.hypot(*(ends[:, 1] - ends[:, 0]).T)
    return Borders(low[between], high[between], ends, length)


def locate_by_overlap(geometries: Polygons, areas: Polygons) -> Ints:
    """Return (n,) int64 the area that shares most land with each geometry, -1 for none.

    Parameters
    ----------
    geometries
        (n,) polygons; most of them intersect one area only.
    areas
        (k,) polygons. Of areas that share equally much the first is returned.
    """
    location = np.full(len(geometries), -1, dtype=np.int64)
    area, geometry = shapely.STRtree(geometries).query(areas, predicate="intersects")
    several = np.bincount(geometry, minlength=len(geometries))[geometry] > 1
    location[geometry[~several]] = area[~several]
    area, geometry = area[several], geometry[several]
    shared_m2 = shapely.area(shapely.intersection(geometries[geometry], areas[area]))
    order = np.lexsort((-area, shared_m2))
    location[geometry[order]] = area[order]
    return location
