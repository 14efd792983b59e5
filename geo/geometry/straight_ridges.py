"""Straight borders in place of Voronoi borders, which zigzag where buildings are staggered.

At a junction of three borders the two that turn least run on; together they form a *stroke*. Each
stroke is tightened like a rubber band whose points stay near the Voronoi border, then simplified
(Douglas and Peucker, Cartographica 10, 1973); borders that end on a stroke follow it.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numba import njit

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.geometry.outline_voronoi import Ridges
from geo.types import Bools, Floats, Ints, Lines

CLEARANCE_SHARE = 0.45
"""Share of the distance to the nearest footprint by which a border may move: two moves, of the
border and of an end of it, touch no footprint."""

BEARING_M = 5.0
"""The bearing of a border at a junction is that of a point this far along it."""

BAND_SHARE = 0.8
"""Share of the tolerance in which a stroke is tightened; the rest is left to its simplification."""

STRIDES = (32, 16, 8, 4, 2, 1)
"""A point is drawn to the line between the points so many places before and after it."""

SWEEPS = 3

END_ROUNDS = 3
"""Times that ends follow the strokes on which they lie."""


def straighten_ridges(ridges: Ridges, least_m: float, most_m: float) -> tuple[Lines, Ints]:
    """Return ridges as straight lines as far as the clearance allows.

    Parameters
    ----------
    ridges
        Voronoi borders.
    least_m, most_m
        A point moves at most ``CLEARANCE_SHARE`` of its clearance, but by up to ``least_m`` in any
        case, and not more than ``most_m``.

    Returns
    -------
    lines
        (s,) LineStrings that meet at the same junctions as the ridges.
    room
        (s,) int64 room of each line.
    """
    if len(ridges.room) == 0:
        return np.empty(0, dtype=object), np.empty(0, dtype=np.int64)
    strokes = _find_strokes(ridges)
    tolerance = np.clip(CLEARANCE_SHARE * ridges.clearance_m[strokes.vertex], least_m, most_m)
    coords = _straighten_lines(
        ridges.coords[strokes.vertex], strokes.is_end, BAND_SHARE * tolerance
    )
    kept = _simplify(coords, strokes.is_end, (1.0 - BAND_SHARE) * tolerance)
    farthest = np.maximum(2 * CLEARANCE_SHARE * ridges.clearance_m[strokes.vertex], least_m)
    coords, drawn = _move_junctions_within(
        coords, ridges.coords[strokes.vertex], strokes, kept, farthest
    )
    lines = shapely.linestrings(coords[drawn], indices=strokes.stroke[drawn])
    return np.asarray(lines, dtype=object).reshape(-1), strokes.room


@dataclass(frozen=True)
class _Strokes:
    """Strokes, vertex by vertex.

    Attributes
    ----------
    vertex, stroke
        (v,) int64 row of the ridges' coordinates, and the stroke, one after the other.
    node
        (v,) int64 junction or free end at a vertex, -1 for none.
    is_end
        (v,) whether a stroke begins or ends there.
    room
        (s,) int64 room of each stroke.
    """

    vertex: Ints
    stroke: Ints
    node: Ints
    is_end: Bools
    room: Ints


def _find_strokes(ridges: Ridges) -> _Strokes:
    """Link ridges that run on through a junction."""
    first = np.flatnonzero(np.diff(ridges.line, prepend=-1))
    last = np.append(first[1:], len(ridges.line)) - 1
    row_of_end = np.stack([first, last], axis=1).ravel()
    places = np.ascontiguousarray(ridges.coords[row_of_end] + 0.0).view(np.complex128).ravel()
    node_of_end = np.unique(places, return_inverse=True)[1].ravel()
    end, chain = _ridge_chains(_pair_ends(ridges, row_of_end, node_of_end))
    line, turned = end // 2, end % 2 == 1
    follows = np.append(False, np.diff(chain) == 0)  # its first vertex is the last one before it
    count = last[line] - first[line] + 1 - follows
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - follows, count)
    start, direction = np.where(turned, last[line], first[line]), np.where(turned, -1, 1)
    vertex = np.repeat(start, count) + np.repeat(direction, count) * step
    stroke = np.repeat(chain, count)
    node_of_row = np.full(len(ridges.line), -1, dtype=np.int64)
    node_of_row[row_of_end] = node_of_end
    changes = np.diff(stroke) != 0
    is_end = np.append(True, changes) | np.append(changes, True)
    return _Strokes(vertex, stroke, node_of_row[vertex], is_end, ridges.room[line[~follows]])


def _pair_ends(ridges: Ridges, row: Ints, node: Ints) -> Ints:
    """Return (2m,) int64 the end with which each end of a ridge runs on, -1 for none.

    Parameters
    ----------
    row, node
        (2m,) row of the coordinates, and junction, of the first and the last end of each ridge.
    """
    way = _points_near_ends(ridges.coords, row) - ridges.coords[row]
    way /= np.maximum(np.hypot(*way.T), 1e-9)[:, None]
    order = np.argsort(node, kind="stable")
    count = np.bincount(node)
    start = (np.cumsum(count) - count)[count == 3]
    three = order[start[:, None] + np.arange(3)]
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    cosine = (way[three[:, pairs[:, 0]]] * way[three[:, pairs[:, 1]]]).sum(axis=2)
    straightest = cosine.argmin(axis=1)
    chosen = np.take_along_axis(three, pairs[straightest], axis=1)
    partner = np.full(len(node), -1, dtype=np.int64)
    partner[chosen] = chosen[:, ::-1]
    return partner


def _points_near_ends(coords: Floats, row: Ints) -> Floats:
    """Return (2m, 2) the point BEARING_M along each line from either end, or its other end."""
    steps = np.hypot(*np.diff(coords, axis=0, prepend=coords[:1]).T)
    steps[row[::2]] = 0.0
    along = np.cumsum(steps)
    begin, end = along[row[::2]], along[row[1::2]]
    at = np.stack([np.minimum(begin + BEARING_M, end), np.maximum(end - BEARING_M, begin)], axis=1)
    at = at.ravel()
    after = np.clip(np.searchsorted(along, at), np.repeat(row[::2] + 1, 2), np.repeat(row[1::2], 2))
    share = (at - along[after - 1]) / np.maximum(steps[after], 1e-12)
    points: Floats = coords[after - 1] + share[:, None] * (coords[after] - coords[after - 1])
    return points


def _ridge_chains(partner: Ints) -> tuple[Ints, Ints]:
    """Return the ends by which each stroke enters its ridges, in order, and their strokes."""
    next_end, visited = partner.tolist(), [False] * (len(partner) // 2)
    ends: list[int] = []
    strokes: list[int] = []
    stroke = 0
    for end in [*np.flatnonzero(partner < 0).tolist(), *range(len(partner))]:
        stroke += not visited[end // 2]
        while end >= 0 and not visited[end // 2]:
            visited[end // 2] = True
            ends.append(end)
            strokes.append(stroke - 1)
            end = next_end[end ^ 1]
    return np.array(ends, dtype=np.int64), np.array(strokes, dtype=np.int64)


@kernel(**COMPILED)
def _straighten_lines(coords: Floats, is_end: Bools, reach_m: Floats) -> Floats:
    """Return (v, 2) lines that are as straight as their points may be within their reach.

    Parameters
    ----------
    is_end, reach_m
        (v,) whether a line begins or ends at a vertex, and (v,) how far the vertex may move.
    """
    count = len(coords)
    along, begin, end = np.zeros(count), np.zeros(count, np.int64), np.zeros(count, np.int64)
    for k in range(1, count):
        step = np.hypot(coords[k, 0] - coords[k - 1, 0], coords[k, 1] - coords[k - 1, 1])
        along[k] = along[k - 1] + step
        begin[k] = k if is_end[k] else begin[k - 1]
    for k in range(count - 1, -1, -1):
        end[k] = k if is_end[k] or k == count - 1 else end[k + 1]
    tight, tighter = coords.copy(), coords.copy()
    for stride in STRIDES:
        for _ in range(SWEEPS):
            for k in range(count):
                if is_end[k]:
                    continue
                before, after = max(k - stride, begin[k]), min(k + stride, end[k])
                share = (along[k] - along[before]) / max(along[after] - along[before], 1e-9)
                x, y = tight[before, 0], tight[before, 1]
                x += share * (tight[after, 0] - x)
                y += share * (tight[after, 1] - y)
                x = (tight[k, 0] + x) / 2 - coords[k, 0]
                y = (tight[k, 1] + y) / 2 - coords[k, 1]
                shorten = min(1.0, reach_m[k] / max(np.hypot(x, y), 1e-9))
                tighter[k, 0] = coords[k, 0] + shorten * x
                tighter[k, 1] = coords[k, 1] + shorten * y
            tight, tighter = tighter, tight
    return tight


@kernel(**COMPILED)
def _simplify(coords: Floats, is_end: Bools, tolerance: Floats) -> Bools:
    """Return (v,) which vertices of lines stay, so that the others are within their tolerance.

    Parameters
    ----------
    is_end, tolerance
        (v,) whether a line begins or ends at a vertex, and (v,) its tolerance in metres.
    """
    kept, ends, first = is_end.copy(), np.empty(len(coords), np.int64), 0
    for last in range(len(coords)):
        if not is_end[last]:
            continue
        ends[0], queued = last, 1  # ends of chords that begin at ``first``, the nearest one last
        while queued:
            worst, at, end = 1.0, -1, ends[queued - 1]
            for k in range(first + 1, end):
                x, y = _nearest_on_chord(coords, first, end, k)
                away = np.hypot(coords[k, 0] - x, coords[k, 1] - y) / tolerance[k]
                if away > worst:
                    worst, at = away, k
            if at < 0:
                first, queued = end, queued - 1
            else:
                kept[at], ends[queued], queued = True, at, queued + 1
    return kept


@njit(**INLINED)
def _nearest_on_chord(coords: Floats, start: int, end: int, vertex: int) -> tuple[float, float]:
    """Return the point nearest to a vertex on the chord between two others."""
    x, y = coords[start, 0], coords[start, 1]
    along_x, along_y = coords[end, 0] - x, coords[end, 1] - y
    square = max(along_x * along_x + along_y * along_y, 1e-12)
    share = ((coords[vertex, 0] - x) * along_x + (coords[vertex, 1] - y) * along_y) / square
    share = min(max(share, 0.0), 1.0)
    return x + share * along_x, y + share * along_y


@kernel(**COMPILED)
def _project_on_chords(coords: Floats, kept: Bools) -> Floats:
    """Return (v, 2) the nearest point to each vertex on the chord between its kept neighbours."""
    projected, start = coords.copy(), 0
    for end in range(len(coords)):
        if kept[end]:
            for k in range(start + 1, end):
                projected[k] = _nearest_on_chord(coords, start, end, k)
            start = end
    return projected


def _move_junctions_within(
    coords: Floats, origin: Floats, strokes: _Strokes, kept: Bools, farthest_m: Floats
) -> tuple[Floats, Bools]:
    """Move junctions and ends, keeping more vertices where a line would leave its clearance.

    An end in open ground may move by more than the building beside the middle of its line allows.

    Parameters
    ----------
    origin, farthest_m
        (v, 2) vertices of the ridges, and (v,) how far from each its line may pass.

    Returns
    -------
    coords, drawn
        (v, 2) moved vertices, and (v,) which of them the lines have.
    """
    while True:
        moved = _move_junctions(coords, strokes, kept)
        drawn = kept | (strokes.node >= 0)
        away = np.hypot(*(origin - _project_on_chords(moved, drawn)).T)
        too_far = ~kept & (away > farthest_m)
        if not too_far.any():
            return moved, drawn
        kept = kept | too_far


def _move_junctions(coords: Floats, strokes: _Strokes, kept: Bools) -> Floats:
    """Return (v, 2) coordinates in which junctions lie on straight strokes, ends on junctions."""
    passes = ~strokes.is_end & (strokes.node >= 0)
    at = np.zeros((int(strokes.node.max(initial=-1)) + 1, 2))
    at[strokes.node[strokes.node >= 0]] = coords[strokes.node >= 0]
    moved = coords.copy()
    for _ in range(END_ROUNDS):
        on_chord = passes & ~kept
        moved[on_chord] = _project_on_chords(np.where(kept[:, None], moved, coords), kept)[on_chord]
        at[strokes.node[passes]] = moved[passes]
        moved[strokes.is_end] = at[strokes.node[strokes.is_end]]
    return moved
