"""Voronoi borders between building outlines, each site kept to a room of its own."""

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit
from scipy.spatial import Delaunay, cKDTree

from geo.partition.coverage import Floats, Ints, Polygons

SHRINK_M = 0.4
"""Outlines are drawn in by this before sampling, so that a shared wall has two sides."""

TOLERANCE_M = 0.2
"""How far a border may stray from the true middle between two outlines."""

CANDIDATE_M = 1.2
FARTHEST_M = 6.0
"""Spacing of sample points: where outlines nearly touch, and where nothing is near."""

STIR_M = 1e-4

WALL_GAP_M = 0.2
"""A gap up to this is a shared wall: the border follows the outlines, samples mark its ends."""


def sample_outlines(footprints: Polygons) -> tuple[Floats, Ints]:
    """Return points along the outlines of footprints, and the footprint each is of.

    The spacing follows the gap to the nearest other footprint: the border between two rows of
    points a gap ``d`` apart strays from the middle by at most ``s**2 / (8 d)`` at spacing ``s``.

    Parameters
    ----------
    footprints
        (n,) valid polygons in metres.

    Returns
    -------
    points, owner
        (m, 2) coordinates and (m,) indices of footprints.
    """
    drawn_in = shapely.buffer(footprints, -SHRINK_M, join_style="mitre")
    drawn_in = np.where(shapely.is_empty(drawn_in), footprints, drawn_in)
    points, owner, corner_m = _candidates(shapely.simplify(drawn_in, TOLERANCE_M / 2))
    gap = np.maximum(_gaps_between(points, owner), _gaps(drawn_in)[owner])
    spacing = np.clip(np.sqrt(8 * TOLERANCE_M * gap), CANDIDATE_M, FARTHEST_M)
    steps = np.floor(np.cumsum(CANDIDATE_M / spacing) + 0.5)
    kept = np.diff(steps, prepend=-1.0) > 0
    kept &= (gap > 2 * SHRINK_M + WALL_GAP_M) | (corner_m < 2 * CANDIDATE_M)
    kept |= corner_m == 0
    return points[kept], owner[kept]


def _candidates(polygons: Polygons) -> tuple[Floats, Ints, Floats]:
    """Return points every CANDIDATE_M along outlines, their polygon, metres to a corner."""
    rings, polygon_of_ring = shapely.get_rings(shapely.get_parts(polygons), return_index=True)
    _, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    coords, ring = shapely.get_coordinates(rings, return_index=True)
    inside = np.flatnonzero(ring[1:] == ring[:-1])
    start, along = coords[inside], coords[inside + 1] - coords[inside]
    length = np.hypot(*along.T)
    pieces = np.maximum(np.ceil(length / CANDIDATE_M), 1).astype(np.int64)
    edge = np.repeat(np.arange(len(inside)), pieces)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = step / pieces[edge]
    corner_m = np.minimum(share, 1 - share) * length[edge]
    owner = polygon_of_part[polygon_of_ring[ring[inside]]][edge]
    return start[edge] + along[edge] * share[:, None], owner.astype(np.int64), corner_m


def _gaps_between(points: Floats, owner: Ints) -> Floats:
    """Return about how far each point is from the nearest point of another owner.

    Looks among the few nearest candidates, then, where all are its owner's, among every fifth.
    """
    gap = _nearest_other(points, owner, points, owner)
    wide = np.flatnonzero(np.isinf(gap))
    coarse = slice(None, None, 5)
    gap[wide] = _nearest_other(points[wide], owner[wide], points[coarse], owner[coarse])
    return np.minimum(gap, FARTHEST_M**2 / (8 * TOLERANCE_M))


def _nearest_other(points: Floats, owner: Ints, among: Floats, among_owner: Ints) -> Floats:
    if len(points) == 0:
        return np.empty(0)
    distance, index = cKDTree(among).query(points, k=min(8, len(among)))
    distance = np.asarray(distance).reshape(len(points), -1)
    index = np.asarray(index).reshape(len(points), -1)
    other = among_owner[index] != owner[:, None]
    nearest: Floats = np.where(other, distance, np.inf).min(axis=1)
    return nearest


def _gaps(polygons: Polygons) -> Floats:
    """Return a lower bound of each polygon's distance to the nearest other one."""
    reach = FARTHEST_M**2 / (8 * TOLERANCE_M)
    bounds = shapely.bounds(polygons)
    boxes = np.asarray(shapely.box(*bounds.T), dtype=object)
    one, other = shapely.STRtree(boxes).query(boxes, predicate="dwithin", distance=reach)
    pairs = one != other
    gaps = np.full(len(polygons), reach)
    np.minimum.at(gaps, one[pairs], shapely.distance(boxes[one[pairs]], boxes[other[pairs]]))
    return gaps


@dataclass(frozen=True)
class Sites:
    """Sample points of footprints, room by room.

    Attributes
    ----------
    points, owner, room
        (n, 2) coordinates in metres, (n,) footprint and (n,) room of each point, in the order
        of rooms. A footprint may have points in several rooms.
    """

    points: Floats
    owner: Ints
    room: Ints

    def rooms(self) -> list[slice]:
        """Return the range of points of each room that has any."""
        starts = np.flatnonzero(np.diff(self.room, prepend=-1))
        stops = np.append(starts[1:], len(self.room))
        return [slice(a, b) for a, b in zip(starts, stops, strict=True)]


def ridges(sites: Sites) -> tuple[Polygons, Ints]:
    """Return the Voronoi borders between different footprints of one room as lines.

    Returns
    -------
    lines
        (m,) LineStrings, each between the same two footprints all along.
    room
        (m,) room of each line.
    """
    found = [_room_ridges(sites.points[at], sites.owner[at]) for at in sites.rooms()]
    if not found:
        return np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
    lines = np.concatenate([drawn for drawn, _ in found])
    ends = np.cumsum([count for _, count in found])
    room = np.repeat([sites.room[at.start] for at in sites.rooms()], np.diff(ends, prepend=0))
    return lines, room.astype(np.int64)


def _room_ridges(points: Floats, owner: Ints) -> tuple[Polygons, int]:
    """Return the borders between the footprints of one room, and how many there are."""
    if (owner == owner[0]).all():
        return np.empty(0, dtype=object), 0
    # Points far around close every cell; their borders lie outside any room.
    origin = points.mean(axis=0)
    # Even rows of houses put many points on one circle, which triangulation is slow at: stir them.
    local = points - origin + np.random.default_rng(0).uniform(-STIR_M, STIR_M, points.shape)
    angle = np.arange(8) * (np.pi / 4) + 0.1
    fence = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (20 * np.abs(local).max() + 1000)
    every = np.concatenate([local, fence])
    owner = np.concatenate([owner, np.full(len(fence), -1)])
    triangles = Delaunay(every)
    corners, beyond = triangles.simplices, triangles.neighbors
    centre = _circumcentres(every[corners]) + origin
    order, line = _chains(owner[corners].astype(np.int64), beyond.astype(np.int64))
    if len(order) == 0:
        return np.empty(0, dtype=object), 0
    drawn: Polygons = np.asarray(shapely.linestrings(centre[order], indices=line), dtype=object)
    return drawn, len(drawn)


@njit(cache=True, nogil=True)
def _chains(owner: Ints, beyond: Ints) -> tuple[Ints, Ints]:
    """Walk from triangle to triangle over the edges between the same two owners.

    Where a triangle's corners are of two owners, the border between them enters over one edge and
    leaves over the other; where they are of three, three borders end.

    Parameters
    ----------
    owner
        (t, 3) owner of each corner, -1 for the fence.
    beyond
        (t, 3) triangle across the edge opposite each corner, -1 for none.

    Returns
    -------
    triangle, line
        (m,) triangles in the order of the lines, and the line of each.
    """
    walked = np.zeros(owner.shape, np.bool_)
    triangle = np.empty(owner.size * 2, np.int64)
    line = np.empty(owner.size * 2, np.int64)
    count, lines = 0, 0
    for ends_only in (True, False):
        for t in range(len(owner)):
            three = owner[t, 0] != owner[t, 1] != owner[t, 2] != owner[t, 0]
            fenced = owner[t, 0] < 0 or owner[t, 1] < 0 or owner[t, 2] < 0
            if ends_only and not three and not fenced:
                continue  # begin where lines end; what is left afterwards are rings
            for side in range(3):
                a, b = owner[t, (side + 1) % 3], owner[t, (side + 2) % 3]
                if a == b or a < 0 or b < 0 or walked[t, side] or beyond[t, side] < 0:
                    continue
                at, out = t, side
                triangle[count], line[count] = at, lines
                count += 1
                while out >= 0:
                    walked[at, out] = True
                    into = beyond[at, out]
                    back = 0
                    while beyond[into, back] != at:
                        back += 1
                    walked[into, back] = True
                    triangle[count], line[count] = into, lines
                    count += 1
                    at, out = into, -1
                    for k in range(3):
                        x, y = owner[into, (k + 1) % 3], owner[into, (k + 2) % 3]
                        same = (x == a and y == b) or (x == b and y == a)
                        if same and k != back and not walked[into, k] and beyond[into, k] >= 0:
                            out = k
                lines += 1
    return triangle[:count], line[:count]


def _circumcentres(triangles: Floats) -> Floats:
    """Return the (t, 2) centres of the circles through (t, 3, 2) corners."""
    first = triangles[:, 0]
    p, q = triangles[:, 1] - first, triangles[:, 2] - first
    twice = 2 * (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])
    pp, qq = (p**2).sum(axis=1), (q**2).sum(axis=1)
    x = (q[:, 1] * pp - p[:, 1] * qq) / twice
    y = (p[:, 0] * qq - q[:, 0] * pp) / twice
    centres: Floats = first + np.stack([x, y], axis=1)
    return centres


def nearest(sites: Sites, points: Floats, room: Ints) -> Ints:
    """Return the footprint of its room that is nearest to each of (m, 2) points."""
    found = np.empty(len(points), dtype=np.int64)
    order = np.argsort(room, kind="stable")
    for at in sites.rooms():
        here = sites.room[at.start]
        asked = order[slice(*np.searchsorted(room[order], [here, here + 1]))]
        if len(asked):
            _, index = cKDTree(sites.points[at]).query(points[asked])
            found[asked] = sites.owner[at][index]
    return found
