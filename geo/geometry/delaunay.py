"""Delaunay triangulation of points in a plane, compiled.

Points are added one at a time (Lawson 1977): the triangle that holds a point is found by walking
from the last one, divided, and edges are exchanged until every circle is empty. They are added in
rounds, each twice as dense as the one before (Amenta, Choi and Rote 2003), so that walks are
short and no round meets the worst case of points in a row.
"""

import numpy as np
from numba import njit

from geo.geometry.compile import COMPILED, INLINED
from geo.types import Floats, Ints

COARSEST = 16
"""The first round adds every sixteenth point."""

ROUNDING = 1e-15
"""An edge is exchanged only where rounding can't have decided it, so that exchanges end."""


@njit(**COMPILED)
def triangulate(points: Floats) -> tuple[Ints, Ints]:
    """Triangulate points within a square.

    Parameters
    ----------
    points
        (n + 4, 2) coordinates; the last four are the square's corners, counter-clockwise, and all
        others lie within.

    Returns
    -------
    corners
        (t, 3) points of each triangle, counter-clockwise.
    beyond
        (t, 3) triangle across the edge opposite each corner, -1 for none.
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
            at = _holding(points, corners, beyond, count, at, point)
            _divide(corners, beyond, count, at, point)
            open_edges[0], open_edges[1], open_edges[2] = at, count, count + 1
            count += 2
            _exchange(points, corners, beyond, open_edges, 3)
        if first == 1:
            break
        first = first // 2 if first else COARSEST // 2
        step = 2 * first
    return corners, beyond


@njit(**INLINED)
def _turn(points: Floats, a: int, b: int, c: int) -> float:
    """Return twice the area of a triangle, positive where it is counter-clockwise."""
    ux, uy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
    vx, vy = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1]
    return ux * vy - uy * vx


@njit(**INLINED)
def _holding(
    points: Floats, corners: Ints, beyond: Ints, count: int, start: int, point: int
) -> int:
    """Return the triangle that holds a point, walking from another one."""
    at = start
    for _ in range(count + 8):
        out = -1
        for k in range(3):
            a, b = corners[at, (k + 1) % 3], corners[at, (k + 2) % 3]
            if beyond[at, k] >= 0 and _turn(points, a, b, point) < 0:
                out = beyond[at, k]
                break
        if out < 0:
            return at
        at = out
    return _holding_of_all(points, corners, count, point)  # rounding led in a circle


@njit(**INLINED)
def _holding_of_all(points: Floats, corners: Ints, count: int, point: int) -> int:
    """Return the triangle that holds a point, or is least beside it."""
    best, found = -np.inf, 0
    for at in range(count):
        least = np.inf
        for k in range(3):
            turn = _turn(points, corners[at, (k + 1) % 3], corners[at, (k + 2) % 3], point)
            least = min(least, turn)
        if least > best:
            best, found = least, at
    return found


@njit(**INLINED)
def _divide(corners: Ints, beyond: Ints, count: int, at: int, point: int) -> None:
    """Divide a triangle into three at a point, which becomes the last corner of each."""
    a, b, c = corners[at, 0], corners[at, 1], corners[at, 2]
    over_a, over_b, over_c = beyond[at, 0], beyond[at, 1], beyond[at, 2]
    second, third = count, count + 1
    _set(corners, beyond, at, a, b, point, second, third, over_c)
    _set(corners, beyond, second, b, c, point, third, at, over_a)
    _set(corners, beyond, third, c, a, point, at, second, over_b)
    _point_back(beyond, over_a, at, second)
    _point_back(beyond, over_b, at, third)


@njit(**INLINED)
def _set(
    corners: Ints,
    beyond: Ints,
    at: int,
    a: int,
    b: int,
    c: int,
    over_a: int,
    over_b: int,
    over_c: int,
) -> None:
    corners[at, 0], corners[at, 1], corners[at, 2] = a, b, c
    beyond[at, 0], beyond[at, 1], beyond[at, 2] = over_a, over_b, over_c


@njit(**INLINED)
def _point_back(beyond: Ints, at: int, before: int, now: int) -> None:
    """Let a triangle know that another one lies across the edge to one before."""
    if at >= 0:
        for k in range(3):
            if beyond[at, k] == before:
                beyond[at, k] = now
                return


@njit(**INLINED)
def _exchange(
    points: Floats, corners: Ints, beyond: Ints, open_edges: Ints, open_count: int
) -> None:
    """Exchange edges opposite the last corner of triangles until every circle is empty."""
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
        _set(corners, beyond, at, x, far, point, over, over_y, far_x)
        _set(corners, beyond, over, far, y, point, over_x, at, far_y)
        _point_back(beyond, far_x, over, at)
        _point_back(beyond, over_x, at, over)
        open_edges[open_count], open_edges[open_count + 1] = at, over
        open_count += 2


@njit(**INLINED)
def _in_circle(points: Floats, a: int, b: int, c: int, d: int) -> bool:
    """Return whether a point lies surely within the circle through three others."""
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
