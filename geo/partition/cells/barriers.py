"""What cuts a community: walls, alleys, streets, arterials, railways and rivers.

Barriers cut the community into *rooms*: faces that one crosses without crossing a barrier.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.geometry.shared_borders import clip
from geo.types import Floats, Ints, Polygons

LOOSE_END_M = 8.0
"""A street's loose end this near to another barrier is joined to it: a digitising gap."""

OVERSHOOT_M = 0.01

ON_BARRIER_M = 0.02
"""A border segment whose middle is this near to a barrier lies on it."""


class Kind(IntEnum):
    """What lies on a border, from the weakest barrier to the strongest."""

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
"""Kind of barrier by ``road.road_class``; internal roads and paths cut nothing."""


@dataclass(frozen=True)
class Barriers:
    """Barrier lines in metres with their kinds, and the water surfaces.

    Attributes
    ----------
    lines
        (m,) LineStrings.
    kinds
        (m,) values of :class:`Kind`.
    water
        (w,) polygons of rivers, canals and lakes: land of no building.
    """

    lines: Polygons
    kinds: NDArray[np.int8]
    water: Polygons

    @classmethod
    def none(cls) -> "Barriers":
        """Return no barriers."""
        return cls(np.empty(0, object), np.empty(0, np.int8), np.empty(0, object))


def clip_barriers(barriers: Barriers, area: shapely.Geometry) -> Barriers:
    """Return the barriers cut to an area, as single LineStrings, loose ends joined."""
    shapely.prepare(area)
    touched = np.flatnonzero(shapely.intersects(area, barriers.lines))
    cut = clip(barriers.lines[touched], area)
    parts, of = shapely.get_parts(cut, return_index=True)
    is_line = (shapely.get_dimensions(parts) == 1) & (shapely.length(parts) > 0)
    lines, kinds = parts[is_line], barriers.kinds[touched[of[is_line]]]
    lines, kinds = _overshot(*_join_loose_ends(lines, kinds, area))
    water = barriers.water[shapely.intersects(area, barriers.water)]
    return Barriers(lines, kinds, shapely.intersection(water, area))


def _join_loose_ends(
    lines: Polygons, kinds: NDArray[np.int8], area: shapely.Geometry
) -> tuple[Polygons, NDArray[np.int8]]:
    """Add a piece from each loose end to the nearest other barrier within LOOSE_END_M."""
    if len(lines) == 0:
        return lines, kinds
    outline = _pieces(shapely.boundary(area))
    ends = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    of = np.tile(np.arange(len(lines)), 2)
    tree = shapely.STRtree(np.append(lines, outline))
    at, hit = tree.query(ends, predicate="dwithin", distance=LOOSE_END_M)
    other = hit != of[at]
    at, hit = at[other], hit[other]
    distance = shapely.distance(ends[at], tree.geometries[hit])
    touching = np.zeros(len(ends), dtype=bool)
    touching[at[distance < 1e-6]] = True
    loose = ~touching[at]
    at, hit, distance = at[loose], hit[loose], distance[loose]
    order = np.lexsort((distance, at))
    first = order[np.unique(at[order], return_index=True)[1]]
    added = shapely.shortest_line(ends[at[first]], tree.geometries[hit[first]])
    return np.append(lines, added), np.append(kinds, kinds[of[at[first]]])


def _pieces(line: shapely.Geometry) -> Polygons:
    """Return the segments of a line, each a geometry: near to few ends, so soon ruled out."""
    coords, part = shapely.get_coordinates(shapely.get_parts(line), return_index=True)
    inner = np.flatnonzero(part[1:] == part[:-1])
    pieces: Polygons = np.asarray(
        shapely.linestrings(np.stack([coords[inner], coords[inner + 1]], axis=1)), dtype=object
    )
    return pieces.reshape(-1)


def _overshot(lines: Polygons, kinds: NDArray[np.int8]) -> tuple[Polygons, NDArray[np.int8]]:
    """Take on each end that no other line shares a little, so that it crosses what it reaches.

    An end cut to a border, or digitised onto another street, lies a rounding error before or
    behind it, and two lines that don't quite meet are not noded.
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
    """Return what lies at each of (n, 2) points: the strongest barrier there, else open ground."""
    from geo.geometry.point_bins import (
        find_strongest_kinds,  # and with it a compiler, only where one draws
    )

    coords, line = shapely.get_coordinates(barriers.lines, return_index=True)
    inner = np.flatnonzero(line[1:] == line[:-1])
    ends = np.stack([coords[inner], coords[inner + 1]], axis=1)
    kinds = barriers.kinds[line[inner]].astype(np.int64)
    strongest: NDArray[np.int8] = find_strongest_kinds(points, ends, kinds, ON_BARRIER_M).astype(
        np.int8
    )
    return strongest


def build_rooms(area: shapely.Geometry, barriers: Barriers) -> Polygons:
    """Return the faces that barriers cut an area into."""
    from geo.geometry.planar_faces import build_faces_within, node_lines  # and with it a compiler

    outline = np.asarray(shapely.boundary(area), dtype=object)
    return build_faces_within(node_lines(np.append(barriers.lines, outline)), area).polygons


def locate_buildings(buildings: Polygons, faces: Polygons) -> Ints:
    """Return for each building the face that holds most of its footprint (-1 for none)."""
    found = np.full(len(buildings), -1, dtype=np.int64)
    face, building = shapely.STRtree(buildings).query(faces, predicate="intersects")
    hits = np.bincount(building, minlength=len(buildings))
    found[building[hits[building] == 1]] = face[hits[building] == 1]
    several = hits[building] > 1
    building, face = building[several], face[several]
    area = shapely.area(shapely.intersection(buildings[building], faces[face]))
    order = np.lexsort((face, -area, building))
    building, first = np.unique(building[order], return_index=True)
    found[building] = face[order][first]
    return found
