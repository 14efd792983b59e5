"""Barriers of a community: walls, alleys, streets, arterials, railways and rivers.

Barriers cut the community into *rooms*: areas that can be crossed without crossing a barrier.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.geometry.shared_borders import clip, split_into_segments
from geo.types import Floats, Lines, Points, Polygons

DANGLING_END_M = 8.0
"""A dangling end of a barrier within this distance of another one is joined to it."""

OVERSHOOT_M = 0.01

ON_BARRIER_M = 0.02
"""A border segment whose midpoint is within this distance of a barrier lies on it."""


class Kind(IntEnum):
    """What lies on a border. Where several do, the highest number counts.

    The cost is ``geo.partition.cells.graph.CUT_FACTOR``, not this order.
    """

    OPEN = 0
    WALL = 1
    ALLEY = 2
    STREET = 3
    ARTERIAL = 4
    RAILWAY = 5
    RIVER = 6


ROAD_KIND = {
    "expressway": Kind.ARTERIAL,
    "arterial": Kind.ARTERIAL,
    "secondary": Kind.STREET,
    "local": Kind.STREET,
    "alley": Kind.ALLEY,
}
"""Kind of barrier by ``road.road_class``; internal roads and paths are no barriers."""


@dataclass(frozen=True)
class Barriers:
    """Barrier lines in metres with their kinds, and the water surfaces.

    Attributes
    ----------
    lines
        (m,) LineStrings.
    kinds
        (m,) int8 values of :class:`Kind`.
    water
        (w,) polygons of rivers, canals and lakes, where no building stands.
    strips, strip_kinds
        (s,) polygons between parallel barriers (the median of a dual carriageway), and (s,) int8
        their kinds: a border within a strip lies on the barrier.
    """

    lines: Lines
    kinds: NDArray[np.int8]
    water: Polygons
    strips: Polygons = field(default_factory=lambda: np.empty(0, dtype=object))
    strip_kinds: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, dtype=np.int8))


def clip_barriers(barriers: Barriers, area: shapely.Geometry) -> Barriers:
    """Return the barriers within an area as single LineStrings, with dangling ends joined."""
    shapely.prepare(area)
    touched = np.flatnonzero(shapely.intersects(area, barriers.lines))
    cut = clip(barriers.lines[touched], area)
    parts, barrier = shapely.get_parts(cut, return_index=True)
    is_line = (shapely.get_dimensions(parts) == 1) & (shapely.length(parts) > 0)
    lines, kinds = parts[is_line], barriers.kinds[touched[barrier[is_line]]]
    lines, kinds = _extend_free_ends(*_join_dangling_ends(lines, kinds, area))
    water = barriers.water[shapely.intersects(area, barriers.water)]
    return Barriers(lines, kinds, shapely.intersection(water, area))


def _join_dangling_ends(
    lines: Lines, kinds: NDArray[np.int8], area: shapely.Geometry
) -> tuple[Lines, NDArray[np.int8]]:
    """Add a line from each dangling end to the nearest other barrier within DANGLING_END_M."""
    if len(lines) == 0:
        return lines, kinds
    # Segment by segment, so that the tree rules most of them out.
    segments, _ = split_into_segments(shapely.get_parts(shapely.boundary(area)))
    outline = np.asarray(shapely.linestrings(segments), dtype=object).reshape(-1)
    ends = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    line_of_end = np.tile(np.arange(len(lines)), 2)
    tree = shapely.STRtree(np.append(lines, outline))
    at, hit = tree.query(ends, predicate="dwithin", distance=DANGLING_END_M)
    other = hit != line_of_end[at]
    at, hit = at[other], hit[other]
    distance = shapely.distance(ends[at], tree.geometries[hit])
    touching = np.zeros(len(ends), dtype=bool)
    touching[at[distance < 1e-6]] = True
    dangling = ~touching[at]
    at, hit, distance = at[dangling], hit[dangling], distance[dangling]
    order = np.lexsort((distance, at))
    first = order[np.unique(at[order], return_index=True)[1]]
    added = shapely.shortest_line(ends[at[first]], tree.geometries[hit[first]])
    return np.append(lines, added), np.append(kinds, kinds[line_of_end[at[first]]])


def _extend_free_ends(lines: Lines, kinds: NDArray[np.int8]) -> tuple[Lines, NDArray[np.int8]]:
    """Extend each end that no other line shares by OVERSHOOT_M, so that it crosses its target.

    An end clipped to a border, or digitised onto another street, misses it by a rounding error,
    and two lines that don't quite meet are not noded.
    """
    if len(lines) == 0:
        return lines, kinds
    ends = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    inner = np.concatenate([shapely.get_point(lines, 1), shapely.get_point(lines, -2)])
    at, before = shapely.get_coordinates(ends), shapely.get_coordinates(inner)
    _, number, count = np.unique(at, axis=0, return_inverse=True, return_counts=True)
    alone = count[number.ravel()] == 1
    outward = (at - before)[alone]
    outward /= np.maximum(np.hypot(*outward.T), 1e-12)[:, None]
    pieces = np.stack([at[alone], at[alone] + OVERSHOOT_M * outward], axis=1)
    added = np.asarray(shapely.linestrings(pieces), dtype=object).reshape(-1)
    return np.append(lines, added), np.append(kinds, np.tile(kinds, 2)[alone])


def find_barrier_kinds(points: Floats, barriers: Barriers) -> NDArray[np.int8]:
    """Return (n,) int8 the strongest barrier kind at (n, 2) float64 points, OPEN where none is."""
    # Imported late: it loads a compiler, which only drawings need.
    from geo.geometry.point_bins import (
        find_strongest_kinds,
    )

    ends, line = split_into_segments(barriers.lines)
    kinds = barriers.kinds[line].astype(np.int64)
    strongest: NDArray[np.int8] = find_strongest_kinds(points, ends, kinds, ON_BARRIER_M).astype(
        np.int8
    )
    if len(barriers.strips):
        located: Points = np.asarray(shapely.points(points), dtype=object)
        strip, point = shapely.STRtree(located).query(barriers.strips, predicate="intersects")
        np.maximum.at(strongest, point, barriers.strip_kinds[strip])
    return strongest


def build_rooms(area: shapely.Geometry, barriers: Barriers) -> Polygons:
    """Return (r,) the rooms that barriers cut an area into."""
    # Imported late: it loads a compiler, which only drawings need.
    from geo.geometry.planar_faces import build_faces_within, node_lines

    outline = np.asarray(shapely.boundary(area), dtype=object)
    return build_faces_within(node_lines(np.append(barriers.lines, outline)), area).polygons
