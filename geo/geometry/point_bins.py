"""Neighbours of points, found with square bins, compiled.

Own code because with SciPy's cKDTree and shapely's STRtree the whole drawing of a community takes
63 % more processor time (four communities of Monaco with 103 to 160 buildings: 0.76 s instead of
0.46 s; the same drawings).
"""

from typing import Any

import numpy as np
from numba import njit

from geo.geometry.compile import COMPILED, INLINED, kernel
from geo.types import Floats, Ints

MIN_SIDE_M = 9.0
MAX_BINS = 4_000_000


@njit(**COMPILED)
def _lay_out_bins(points: Floats) -> tuple[Floats, Any, float]:
    """Return the origin of the bins, their columns and rows, and their side in metres."""
    low, span = np.empty(2), np.empty(2)
    for axis in range(2):
        least, most = np.inf, -np.inf
        for p in range(len(points)):
            least, most = min(least, points[p, axis]), max(most, points[p, axis])
        low[axis], span[axis] = least, most - least
    side = max(MIN_SIDE_M, np.sqrt((span[0] + MIN_SIDE_M) * (span[1] + MIN_SIDE_M) / MAX_BINS))
    shape = np.empty(2, np.int64)
    for axis in range(2):
        shape[axis] = np.int64(span[axis] / side) + 1
    return low, shape, side


@njit(**COMPILED)
def _find_bins(points: Floats, low: Floats, side: float) -> Ints:
    """Return (n, 2) int64 the column and the row of the bin of each point."""
    bins = np.empty((len(points), 2), np.int64)
    for p in range(len(points)):
        for axis in range(2):
            bins[p, axis] = np.int64(np.floor((points[p, axis] - low[axis]) / side))
    return bins


@njit(**COMPILED)
def _sort_into_bins(bins: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the first entry of each bin, and the entries ordered by bin."""
    first = np.zeros(count + 2, np.int64)
    for entry in range(len(bins)):
        first[bins[entry] + 2] += 1
    for bin_ in range(1, count + 1):
        first[bin_ + 1] += first[bin_]
    entries = np.empty(len(bins), np.int64)
    for entry in range(len(bins)):
        entries[first[bins[entry] + 1]] = entry
        first[bins[entry] + 1] += 1
    return first, entries


@njit(**COMPILED)
def _sort_points(points: Floats, low: Floats, shape: Ints, side: float) -> tuple[Ints, Ints]:
    """Return the first point of each bin, row by row, and the points ordered by bin."""
    bins = _find_bins(points, low, side)
    number = np.empty(len(points), np.int64)
    for p in range(len(points)):
        number[p] = bins[p, 1] * shape[0] + bins[p, 0]
    return _sort_into_bins(number, shape[0] * shape[1])


@kernel(**COMPILED)
def measure_gaps(points: Floats, owner: Ints, room: Ints, enough: float, reach: float) -> Floats:
    """Return the distance of each point to the nearest of another owner in its room.

    Parameters
    ----------
    points, owner, room
        (n, 2) float64 coordinates in metres, (n,) int64 owner and (n,) int64 room of each.
    enough, reach
        Metres: below ``enough`` any distance may be returned instead of the least one; distances
        above ``reach`` are returned as ``reach``.

    Returns
    -------
    gap
        (n,) float64 metres.
    """
    gap = np.full(len(points), reach)
    if len(points) == 0:
        return gap
    low, shape, side = _lay_out_bins(points)
    bins = _find_bins(points, low, side)
    first, entries = _sort_points(points, low, shape, side)
    rings = int(np.ceil(reach / side))
    for p in range(len(points)):
        column, row, best = bins[p, 0], bins[p, 1], reach * reach
        for ring in range(rings + 1):
            nearest = max(ring - 1, 0) * side  # no bin of this ring is nearer
            if best <= max(nearest, enough) ** 2:
                break
            for y in range(max(row - ring, 0), min(row + ring + 1, shape[1])):
                step = 1 if abs(y - row) == ring or ring == 0 else 2 * ring
                for x in range(column - ring, column + ring + 1, step):
                    if x < 0 or x >= shape[0]:
                        continue
                    bin_ = y * shape[0] + x
                    for k in range(first[bin_], first[bin_ + 1]):
                        q = entries[k]
                        if owner[q] != owner[p] and room[q] == room[p]:
                            dx, dy = points[q, 0] - points[p, 0], points[q, 1] - points[p, 1]
                            best = min(best, dx * dx + dy * dy)
        gap[p] = np.sqrt(best)
    return gap


@kernel(**COMPILED)
def find_nearest_in_room(points: Floats, room: Ints, queries: Floats, query_room: Ints) -> Ints:
    """Return the nearest point of the same room for each query point.

    Parameters
    ----------
    points, room
        (n, 2) float64 coordinates in metres and (n,) int64 room of each.
    queries, query_room
        (m, 2) float64 coordinates and (m,) int64 room of each, which must have a point.

    Returns
    -------
    nearest
        (m,) int64 indices of points.
    """
    closest = np.full(len(queries), -1)
    if len(points) == 0:
        return closest
    low, shape, side = _lay_out_bins(points)
    first, entries = _sort_points(points, low, shape, side)
    bins = _find_bins(queries, low, side)
    for p in range(len(queries)):
        at_x, at_y = bins[p, 0], bins[p, 1]
        best, ring = np.inf, 0
        while ring <= max(abs(at_x), abs(at_y)) + max(shape[0], shape[1]):
            nearest = max(ring - 1, 0) * side  # no bin of this ring is nearer
            if ring and nearest * nearest >= best:
                break
            for y in range(max(at_y - ring, 0), min(at_y + ring + 1, shape[1])):
                step = 1 if abs(y - at_y) == ring or ring == 0 else 2 * ring
                for x in range(at_x - ring, at_x + ring + 1, step):
                    if x < 0 or x >= shape[0]:
                        continue
                    bin_ = y * shape[0] + x
                    for k in range(first[bin_], first[bin_ + 1]):
                        q = entries[k]
                        if room[q] == query_room[p]:
                            dx, dy = points[q, 0] - queries[p, 0], points[q, 1] - queries[p, 1]
                            if dx * dx + dy * dy < best:
                                best, closest[p] = dx * dx + dy * dy, q
            ring += 1
    return closest


@kernel(**COMPILED)
def find_strongest_kinds(points: Floats, ends: Floats, kinds: Ints, near: float) -> Ints:
    """Return the highest kind of the segments near each point, 0 where there is none.

    Parameters
    ----------
    points
        (n, 2) float64 coordinates in metres.
    ends, kinds
        (m, 2, 2) float64 ends of segments and (m,) int64 their kinds, above 0.
    near
        Metres.

    Returns
    -------
    strongest
        (n,) int64 kinds.
    """
    strongest = np.zeros(len(points), np.int64)
    if len(points) == 0 or len(ends) == 0:
        return strongest
    low, shape, side = _lay_out_bins(points)
    place, segment = _bins_along(ends, low, shape, side)
    first, entries = _sort_into_bins(place, shape[0] * shape[1])
    for p in range(len(points)):
        x = np.int64((points[p, 0] - low[0]) / side)
        y = np.int64((points[p, 1] - low[1]) / side)
        bin_ = y * shape[0] + x
        for k in range(first[bin_], first[bin_ + 1]):
            s = segment[entries[k]]
            if kinds[s] > strongest[p] and _is_near(points, p, ends, s, near):
                strongest[p] = kinds[s]
    return strongest


@njit(**COMPILED)
def _bins_along(ends: Floats, low: Floats, shape: Ints, side: float) -> tuple[Ints, Ints]:
    """Return the bins through or next to which segments run, and the segment of each."""
    steps, total = np.empty(len(ends), np.int64), 0
    for s in range(len(ends)):
        length = np.hypot(ends[s, 1, 0] - ends[s, 0, 0], ends[s, 1, 1] - ends[s, 0, 1])
        steps[s] = np.int64(length / side) + 1
        total += steps[s]
    place = np.empty(9 * total, np.int64)
    segment = np.empty(len(place), np.int64)
    count = 0
    for s in range(len(ends)):
        for step in range(steps[s]):
            low_x, high_x = _bin_range(ends[s, :, 0], step, steps[s], low[0], side)
            low_y, high_y = _bin_range(ends[s, :, 1], step, steps[s], low[1], side)
            for y in range(max(low_y, 0), min(high_y + 1, shape[1])):
                for x in range(max(low_x, 0), min(high_x + 1, shape[0])):
                    place[count], segment[count] = y * shape[0] + x, s
                    count += 1
    return place[:count], segment[:count]


@njit(**INLINED)
def _bin_range(ends: Floats, step: int, steps: int, low: float, side: float) -> tuple[Any, Any]:
    """Return the first and last column (or row) that a piece of a segment touches."""
    a = ends[0] + (ends[1] - ends[0]) * step / steps - low
    b = ends[0] + (ends[1] - ends[0]) * (step + 1) / steps - low
    margin = 0.05 * side
    return (
        np.int64(np.floor((min(a, b) - margin) / side)),
        np.int64(np.floor((max(a, b) + margin) / side)),
    )


@njit(**INLINED)
def _is_near(points: Floats, p: int, ends: Floats, s: int, near: float) -> bool:
    """Return whether a point is within ``near`` metres of a segment."""
    x, y = points[p, 0] - ends[s, 0, 0], points[p, 1] - ends[s, 0, 1]
    along_x, along_y = ends[s, 1, 0] - ends[s, 0, 0], ends[s, 1, 1] - ends[s, 0, 1]
    length = along_x * along_x + along_y * along_y
    share = 0.0
    if length > 0:
        share = min(max((x * along_x + y * along_y) / length, 0.0), 1.0)
    x, y = x - share * along_x, y - share * along_y
    return x * x + y * y <= near * near
