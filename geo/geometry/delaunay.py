"""Delaunay triangulation of points in a plane, compiled.

Points are added one at a time (Lawson 1977): the triangle that contains a point is found by
walking from the last one and divided, and edges are flipped until every circumcircle is empty.
They are added in rounds, each twice as dense as the previous one (Amenta, Choi and Rote 2003), so
that walks are short and no round meets the worst case of points in a row.

Own code because with :class:`scipy.spatial.Delaunay`, called room by room, the whole drawing of a
community takes 20 % more processor time (four communities of Monaco with 103 to 160 buildings:
0.56 s instead of 0.46 s; the same drawings).
"""

import numpy as np
from numba import njit

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.types import Floats, Ints

COARSEST = 16
"""The first round adds every sixteenth point."""

ROUNDING = 1e-15
"""An edge is flipped only where rounding can't have decided it, so that flips end."""


@kernel(**COMPILED)
def triangulate(points: Floats) -> tuple[Ints, Ints]:
    """Triangulate points within a square.

    Parameters
    ----------
    points
        (n + 4, 2) float64 coordinates; the last four are the square's corners,
        counter-clockwise, and all others lie within.

    Returns
    -------
    corners
        (t, 3) int64 points of each triangle, counter-clockwise.
    beyond
        (t, 3) int64 triangle across the edge opposite each corner, -1 for none.
    """
    inner = len(points) - 4
    corners = np.empty((2 * inner + 2, 3), np.int64)
    beyond = np.full((2 * inner + 2, 3), -1, np.int64)
    corners[0, 0], corners[0, 1], corners[0, 2] = inner, inner + 1, inner + 2
    corners[1, 0], corners[1, 1], corners[1, 2] = inner, inner + 2, inner + 3
    beyond[0, 1], beyond[1, 2] = 1, 0
    open_edges = np.empty(4 * inner + 8, np.int64)
    count, at, first, step = 2, 0, 0, COARSEST
    while True:
        for point in range(first, inner, step):
            at = _find_triangle(points, corners, beyond, count, at, point)
            _divide_triangle(corners, beyond, count, at, point)
            open_edges[0], open_edges[1], open_edges[2] = at, count, count + 1
            count += 2
            _flip_edges(points, corners, beyond, open_edges, 3)
        if first == 1:
            break
        first = first // 2 if first else COARSEST // 2
        step = 2 * first
    return corners, beyond


@njit(**INLINED)
def _signed_area(points: Floats, a: int, b: int, c: int) -> float:
    """Return twice the area of a triangle, positive where it is counter-clockwise."""
    ux, uy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
    vx, vy = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1]
    return ux * vy - uy * vx


@njit(**INLINED)
def _find_triangle(
    points: Floats, corners: Ints, beyond: Ints, count: int, start: int, point: int
) -> int:
    """Return the triangle that contains a point, walking from another one."""
    at = start
    for _ in range(count + 8):
        out = -1
        for k in range(3):
            a, b = corners[at, (k + 1) % 3], corners[at, (k + 2) % 3]
            if beyond[at, k] >= 0 and _signed_area(points, a, b, point) < 0:
                out = beyond[at, k]
                break
        if out < 0:
            return at
        at = out
    return _find_triangle_exhaustively(
        points, corners, count, point
    )  # rounding made the walk circular


@njit(**INLINED)
def _find_triangle_exhaustively(points: Floats, corners: Ints, count: int, point: int) -> int:
    """Return the triangle that contains a point, or is nearest to that."""
    best, nearest = -np.inf, 0
    for at in range(count):
        least = np.inf
        for k in range(3):
            turn = _signed_area(points, corners[at, (k + 1) % 3], corners[at, (k + 2) % 3], point)
            least = min(least, turn)
        if least > best:
            best, nearest = least, at
    return nearest


@njit(**INLINED)
def _divide_triangle(corners: Ints, beyond: Ints, count: int, at: int, point: int) -> None:
    """Divide a triangle into three at a point, which becomes the last corner of each."""
    a, b, c = corners[at, 0], corners[at, 1], corners[at, 2]
    over_a, over_b, over_c = beyond[at, 0], beyond[at, 1], beyond[at, 2]
    second, third = count, count + 1
    _write_triangle(corners, beyond, at, (a, b, point), (second, third, over_c))
    _write_triangle(corners, beyond, second, (b, c, point), (third, at, over_a))
    _write_triangle(corners, beyond, third, (c, a, point), (at, second, over_b))
    _replace_neighbour(beyond, over_a, at, second)
    _replace_neighbour(beyond, over_b, at, third)


@njit(**INLINED)
def _write_triangle(
    corners: Ints,
    beyond: Ints,
    at: int,
    points: tuple[int, int, int],
    neighbours: tuple[int, int, int],
) -> None:
    """Write the corners of a triangle and the triangles opposite to them."""
    corners[at, 0], corners[at, 1], corners[at, 2] = points
    beyond[at, 0], beyond[at, 1], beyond[at, 2] = neighbours


@njit(**INLINED)
def _replace_neighbour(beyond: Ints, at: int, before: int, now: int) -> None:
    """Replace a neighbour of a triangle by another one."""
    if at >= 0:
        for k in range(3):
            if beyond[at, k] == before:
                beyond[at, k] = now
                return


@njit(**INLINED)
def _flip_edges(
    points: Floats, corners: Ints, beyond: Ints, open_edges: Ints, open_count: int
) -> None:
    """Flip edges opposite the last corner of triangles until every circumcircle is empty."""
    while open_count:
        open_count -= 1
        at = open_edges[open_count]
        over = beyond[at, 2]
        if over < 0:
            continue
        k = 0
        while beyond[over, k] != at:
            k += 1
        far = corners[over, k]
        x, y, point = corners[at, 0], corners[at, 1], corners[at, 2]
        if not _in_circle(points, x, y, point, far):
            continue
        over_x, over_y = beyond[at, 0], beyond[at, 1]
        far_x, far_y = beyond[over, (k + 1) % 3], beyond[over, (k + 2) % 3]
        _write_triangle(corners, beyond, at, (x, far, point), (over, over_y, far_x))
        _write_triangle(corners, beyond, over, (far, y, point), (over_x, at, far_y))
        _replace_neighbour(beyond, far_x, over, at)
        _replace_neighbour(beyond, over_x, at, over)
        open_edges[open_count], open_edges[open_count + 1] = at, over
        open_count += 2


@njit(**INLINED)
def _in_circle(points: Floats, a: int, b: int, c: int, d: int) -> bool:
    """Return whether a point is certainly within the circle through three others."""
    ax, ay = points[a, 0] - points[d, 0], points[a, 1] - points[d, 1]
    bx, by = points[b, 0] - points[d, 0], points[b, 1] - points[d, 1]
    cx, cy = points[c, 0] - points[d, 0], points[c, 1] - points[d, 1]
    aa, bb, cc = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    ab, bc, ca = ax * by - ay * bx, bx * cy - by * cx, cx * ay - cy * ax
    size = (
        aa * (abs(bx * cy) + abs(by * cx))
        + bb * (abs(cx * ay) + abs(cy * ax))
        + cc * (abs(ax * by) + abs(ay * bx))
    )
    return aa * bc + bb * ca + cc * ab > ROUNDING * size
