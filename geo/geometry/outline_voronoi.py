"""Voronoi borders between building outlines, room by room."""

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.geometry.delaunay import triangulate
from geo.geometry.point_bins import find_nearest_in_room, measure_gaps
from geo.geometry.shared_borders import split_into_segments
from geo.types import Floats, Ints, Polygons

SHRINK_M = 0.4
"""Outlines are shrunk by this before sampling, so that a shared wall has two sides."""

TOLERANCE_M = 0.2
"""How far a border may stray from the true middle between two outlines."""

CANDIDATE_M = 1.2
FARTHEST_M = 6.0
"""Spacing of sample points: where outlines nearly touch, and where nothing is near."""

JITTER_M = 1e-4
"""Points are moved at random by at most this: collinear and cocircular points cause errors."""

NARROWS = 0.9
"""A border gets a point where it comes this much nearer to the outlines than its ends suggest."""

WALL_GAP_M = 0.2
"""A gap up to this is a shared wall: the border follows the outlines, samples mark its ends."""


def sample_outlines(footprints: Polygons, room: Ints) -> tuple[Floats, Ints]:
    """Return points along the outlines of footprints, and the footprint of each.

    The spacing follows the gap to the nearest other footprint of the room: the border between two
    rows of points a gap ``d`` apart strays from the middle by at most ``s**2 / (8 d)`` at spacing
    ``s``.

    Parameters
    ----------
    footprints
        (n,) valid polygons in metres.
    room
        (n,) int64 room in which each lies.

    Returns
    -------
    points, owner
        (m, 2) float64 coordinates in metres and (m,) int64 indices of footprints.
    """
    shrunk = shapely.buffer(footprints, -SHRINK_M, join_style="mitre")
    shrunk = np.where(shapely.is_empty(shrunk), footprints, shrunk)
    simple = shapely.simplify(shrunk, TOLERANCE_M / 2, preserve_topology=False)
    # Nothing is left of a kiosk: its own corners are used.
    points, owner, corner_m = _candidate_points(np.where(shapely.is_empty(simple), shrunk, simple))
    enough, reach = (spacing**2 / (8 * TOLERANCE_M) for spacing in (CANDIDATE_M, FARTHEST_M))
    gap = measure_gaps(points, owner, room[owner], enough, reach)
    spacing = np.clip(np.sqrt(8 * TOLERANCE_M * gap), CANDIDATE_M, FARTHEST_M)
    steps = np.floor(np.cumsum(CANDIDATE_M / spacing) + 0.5)
    chosen = np.diff(steps, prepend=-1.0) > 0
    chosen &= (gap > 2 * SHRINK_M + WALL_GAP_M) | (corner_m < 2 * CANDIDATE_M)
    chosen |= corner_m == 0
    return points[chosen], owner[chosen]


def _candidate_points(polygons: Polygons) -> tuple[Floats, Ints, Floats]:
    """Return points every CANDIDATE_M along outlines, their polygon, and metres to a corner."""
    rings, polygon_of_ring = shapely.get_rings(shapely.get_parts(polygons), return_index=True)
    _, polygon_of_part = shapely.get_parts(polygons, return_index=True)
    ends, ring = split_into_segments(rings)
    start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
    length = np.hypot(*along.T)
    pieces = np.maximum(np.ceil(length / CANDIDATE_M), 1).astype(np.int64)
    edge = np.repeat(np.arange(len(ends)), pieces)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = step / pieces[edge]
    corner_m = np.minimum(share, 1 - share) * length[edge]
    owner = polygon_of_part[polygon_of_ring[ring]][edge]
    return start[edge] + along[edge] * share[:, None], owner.astype(np.int64), corner_m


@dataclass(frozen=True)
class Sites:
    """Sample points of footprints, room by room.

    Attributes
    ----------
    points, owner, room
        (n, 2) float64 coordinates in metres, (n,) int64 footprint and (n,) int64 room of each
        point, ordered by room. A footprint may have points in several rooms.
    """

    points: Floats
    owner: Ints
    room: Ints


@dataclass(frozen=True)
class Ridges:
    """Voronoi borders, each between the same two footprints of one room all along.

    Attributes
    ----------
    coords, line
        (c, 2) float64 coordinates in metres and (c,) int64 border of each, one after the other.
        Borders that meet have equal coordinates there.
    clearance_m
        (c,) float64 distance to the nearest footprint, or less.
    room
        (m,) int64 room of each border.
    """

    coords: Floats
    line: Ints
    clearance_m: Floats
    room: Ints


def trace_ridges(sites: Sites) -> Ridges:
    """Trace the Voronoi borders between different footprints of one room."""
    starts = np.append(np.flatnonzero(np.diff(sites.room, prepend=-1)), len(sites.room))
    jittered = sites.points + np.random.default_rng(0).uniform(
        -JITTER_M, JITTER_M, sites.points.shape
    )
    circle, line, room_of_line = _trace_borders(jittered, sites.owner, starts)
    circle, line = _add_narrowest_points(circle, line)
    return Ridges(
        circle[:, :2], line, _least_distance(circle[:, 2]), sites.room[starts[room_of_line]]
    )


def _add_narrowest_points(circle: Floats, line: Ints) -> tuple[Floats, Ints]:
    """Add the point nearest to the footprints where that lies well between two points of a line."""
    inside = np.flatnonzero(line[:-1] == line[1:])
    (x0, y0, r0), (x1, y1, r1) = circle[inside].T, circle[inside + 1].T
    length = np.maximum(np.hypot(x1 - x0, y1 - y0), 1e-9)
    share = (r0**2 - r1**2 + length**2) / (2 * length**2)  # of the foot of the perpendicular
    least = np.sqrt(np.maximum(r0**2 - (share * length) ** 2, 0.0))
    narrow = (share > 0) & (share < 1) & (least < NARROWS * ((1 - share) * r0 + share * r1))
    between = np.stack([x0 + share * (x1 - x0), y0 + share * (y1 - y0), least], axis=1)[narrow]
    at = inside[narrow] + 1
    return np.insert(circle, at, between, axis=0), np.insert(line, at, line[at])


def _least_distance(radius: Floats) -> Floats:
    """Return the least distance to an outline whose sample points are a radius away."""
    spacing = np.clip(np.sqrt(8 * TOLERANCE_M * 2 * radius), CANDIDATE_M, FARTHEST_M)
    nearest: Floats = np.sqrt(np.maximum(radius**2 - (spacing / 2) ** 2, 0.0)) - SHRINK_M
    return nearest


@kernel(**COMPILED)
def _trace_borders(points: Floats, owner: Ints, starts: Ints) -> tuple[Floats, Ints, Ints]:
    """Return the borders of every room.

    Parameters
    ----------
    points, owner
        (n, 2) coordinates and (n,) footprints, in the order of rooms.
    starts
        (r + 1,) first point of each room, and n.

    Returns
    -------
    circle, line
        (m, 3) coordinates along the borders with their distance to the nearest points, and the
        border of each.
    room
        Room of each border, as an index of ``starts``.
    """
    circle = np.empty((12 * len(points) + 24 * len(starts), 3))
    line = np.empty(len(circle), np.int64)
    room_of_line = np.empty(len(circle), np.int64)
    count, lines = 0, 0
    for room in range(len(starts) - 1):
        first, stop = starts[room], starts[room + 1]
        if not _has_two(owner, first, stop):
            continue
        enclosed, origin = _add_outer_square(points[first:stop])
        corners, beyond = triangulate(enclosed)
        owners = np.full(len(enclosed), -1, np.int64)
        for k in range(stop - first):
            owners[k] = owner[first + k]
        order, of_line = _trace_chains(corners, beyond, owners)
        for k in range(len(order)):
            x, y = _circumcentre(enclosed, corners[order[k]])
            corner = enclosed[corners[order[k], 0]]
            circle[count, 0], circle[count, 1] = x + origin[0], y + origin[1]
            circle[count, 2] = np.hypot(x - corner[0], y - corner[1])
            line[count] = lines + of_line[k]
            count += 1
        if len(order):
            for _ in range(of_line[-1] + 1):
                room_of_line[lines] = room
                lines += 1
    return circle[:count], line[:count], room_of_line[:lines]


@njit(**INLINED)
def _has_two(owner: Ints, first: int, stop: int) -> bool:
    """Return whether points from ``first`` to ``stop`` have different owners."""
    k = first + 1
    while k < stop and owner[k] == owner[first]:
        k += 1
    return k < stop


@njit(**COMPILED)
def _add_outer_square(points: Floats) -> tuple[Floats, Floats]:
    """Return points relative to their centroid with corners of a large square, and the centroid.

    The square closes every cell; its own borders lie outside any room.
    """
    count, far = len(points), 0.0
    origin, enclosed = np.zeros(2), np.empty((count + 4, 2))
    for axis in range(2):
        for k in range(count):
            origin[axis] += points[k, axis]
        origin[axis] /= count
        for k in range(count):
            enclosed[k, axis] = points[k, axis] - origin[axis]
            far = max(far, abs(enclosed[k, axis]))
    far = 20.0 * far + 1000.0
    for k in range(4):
        enclosed[count + k, 0] = far if k in (1, 2) else -far
        enclosed[count + k, 1] = far if k in (2, 3) else -far
    return enclosed, origin


@njit(**COMPILED)
def _trace_chains(corners: Ints, beyond: Ints, owners: Ints) -> tuple[Ints, Ints]:
    """Trace borders from triangle to triangle over the edges between the same two owners.

    Where the corners of a triangle have two owners, the border between them enters over one edge
    and leaves over the other; where they have three, three borders end.

    Parameters
    ----------
    corners, beyond
        As :func:`~geo.geometry.delaunay.triangulate` returns them.
    owners
        (n,) owner of each point, -1 for the square.

    Returns
    -------
    triangle, line
        (m,) triangles in the order of the lines, and the line of each.
    """
    owner = np.empty(corners.shape, np.int64)
    for t in range(len(corners)):
        for k in range(3):
            owner[t, k] = owners[corners[t, k]]
    walked = np.zeros(owner.shape, np.bool_)
    triangle = np.empty(owner.size * 2, np.int64)
    line = np.empty(owner.size * 2, np.int64)
    count, lines = 0, 0
    for ends_only in (True, False):
        for t in range(len(owner)):
            three = owner[t, 0] != owner[t, 1] != owner[t, 2] != owner[t, 0]
            enclosed = owner[t, 0] < 0 or owner[t, 1] < 0 or owner[t, 2] < 0
            if ends_only and not three and not enclosed:
                continue  # start at ends of lines; the rest are rings
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


@njit(**INLINED)
def _circumcentre(points: Floats, corners: Ints) -> tuple[float, float]:
    """Return the centre of the circle through a triangle's corners."""
    x, y = points[corners[0], 0], points[corners[0], 1]
    px, py = points[corners[1], 0] - x, points[corners[1], 1] - y
    qx, qy = points[corners[2], 0] - x, points[corners[2], 1] - y
    twice = 2 * (px * qy - py * qx)
    pp, qq = px * px + py * py, qx * qx + qy * qy
    return x + (qy * pp - py * qq) / twice, y + (px * qq - qx * pp) / twice


def find_nearest_footprints(sites: Sites, points: Floats, room: Ints) -> Ints:
    """Return (m,) int64 the nearest footprint in the (m,) room of each of (m, 2) float64 points."""
    footprint: Ints = sites.owner[find_nearest_in_room(sites.points, sites.room, points, room)]
    return footprint
