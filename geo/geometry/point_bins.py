"""What lies near points, found through square bins, compiled.

As quick as a tree of geometries is general: points stay rows of arrays, and no geometry is made
for any of them.
"""

from typing import Any

import numpy as np
from numba import njit

from geo.geometry.compile import COMPILED, INLINED
from geo.types import Floats, Ints

FEWEST_M = 9.0
MOST_BINS = 4_000_000


@njit(**COMPILED)
def _layout(points: Floats) -> tuple[Floats, Any, float]:
    """Return where bins begin, how many columns and rows they are, and the metres of a side."""
    low = np.array([points[:, 0].min(), points[:, 1].min()])
    span = np.array([points[:, 0].max(), points[:, 1].max()]) - low
    side = max(FEWEST_M, np.sqrt((span[0] + FEWEST_M) * (span[1] + FEWEST_M) / MOST_BINS))
    shape = np.array([np.int64(span[0] / side) + 1, np.int64(span[1] / side) + 1])
    return low, shape, side


@njit(**COMPILED)
def _sort_into_bins(bins: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the first entry of each bin and the entries in the order of bins."""
    first = np.zeros(count + 1, np.int64)
    for one in bins:
        first[one + 1] += 1
    for one in range(count):
        first[one + 1] += first[one]
    filled = first.copy()
    entries = np.empty(len(bins), np.int64)
    for entry in range(len(bins)):
        entries[filled[bins[entry]]] = entry
        filled[bins[entry]] += 1
    return first, entries


@njit(**COMPILED)
def measure_gaps(points: Floats, owner: Ints, room: Ints, enough: float, reach: float) -> Floats:
    """Return how far each point is from the nearest of another owner in its room.

    Parameters
    ----------
    points, owner, room
        (n, 2) coordinates in metres, (n,) owner and (n,) room of each.
    enough, reach
        In metres: what is found nearer need not be the nearest; what is farther counts as so far.

    Returns
    -------
    (n,) metres.
    """
    found = np.full(len(points), reach)
    if len(points) == 0:
        return found
    low, shape, side = _layout(points)
    column = ((points[:, 0] - low[0]) / side).astype(np.int64)
    row = ((points[:, 1] - low[1]) / side).astype(np.int64)
    first, entries = _sort_into_bins(row * shape[0] + column, shape[0] * shape[1])
    rings = int(np.ceil(reach / side))
    for p in range(len(points)):
        best = reach * reach
        for ring in range(rings + 1):
            nearest = max(ring - 1, 0) * side  # no bin of this ring is nearer
            if best <= max(nearest, enough) ** 2:
                break
            for y in range(max(row[p] - ring, 0), min(row[p] + ring + 1, shape[1])):
                step = 1 if abs(y - row[p]) == ring or ring == 0 else 2 * ring
                for x in range(column[p] - ring, column[p] + ring + 1, step):
                    if x < 0 or x >= shape[0]:
                        continue
                    bin_ = y * shape[0] + x
                    for k in range(first[bin_], first[bin_ + 1]):
                        q = entries[k]
                        if owner[q] != owner[p] and room[q] == room[p]:
                            dx, dy = points[q, 0] - points[p, 0], points[q, 1] - points[p, 1]
                            best = min(best, dx * dx + dy * dy)
        found[p] = np.sqrt(best)
    return found


@njit(**COMPILED)
def find_nearest_in_room(points: Floats, room: Ints, asked: Floats, asked_room: Ints) -> Ints:
    """Return which point of its room is nearest to each place asked for.

    Parameters
    ----------
    points, room
        (n, 2) coordinates in metres and (n,) room of each.
    asked, asked_room
        (m, 2) places and the (m,) room of each, which has a point.

    Returns
    -------
    (m,) indices of points.
    """
    found = np.full(len(asked), -1)
    if len(points) == 0:
        return found
    low, shape, side = _layout(points)
    column = ((points[:, 0] - low[0]) / side).astype(np.int64)
    row = ((points[:, 1] - low[1]) / side).astype(np.int64)
    first, entries = _sort_into_bins(row * shape[0] + column, shape[0] * shape[1])
    asked_column = np.floor((asked[:, 0] - low[0]) / side).astype(np.int64)
    asked_row = np.floor((asked[:, 1] - low[1]) / side).astype(np.int64)
    for p in range(len(asked)):
        at_x, at_y = asked_column[p], asked_row[p]
        best, ring = np.inf, 0
        while ring <= max(abs(at_x), abs(at_y)) + shape.max():
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
                        if room[q] == asked_room[p]:
                            dx, dy = points[q, 0] - asked[p, 0], points[q, 1] - asked[p, 1]
                            if dx * dx + dy * dy < best:
                                best, found[p] = dx * dx + dy * dy, q
            ring += 1
    return found


@njit(**COMPILED)
def find_strongest_kinds(points: Floats, ends: Floats, kinds: Ints, near: float) -> Ints:
    """Return the highest kind of the segments that run near each point, 0 where none does.

    Parameters
    ----------
    points
        (n, 2) coordinates in metres.
    ends, kinds
        (m, 2, 2) ends of segments and (m,) their kinds, above 0.
    near
        Metres.

    Returns
    -------
    (n,) kinds.
    """
    found = np.zeros(len(points), np.int64)
    if len(points) == 0 or len(ends) == 0:
        return found
    low, shape, side = _layout(points)
    place, segment = _bins_along(ends, low, shape, side)
    first, entries = _sort_into_bins(place, shape[0] * shape[1])
    for p in range(len(points)):
        x = np.int64((points[p, 0] - low[0]) / side)
        y = np.int64((points[p, 1] - low[1]) / side)
        bin_ = y * shape[0] + x
        for k in range(first[bin_], first[bin_ + 1]):
            s = segment[entries[k]]
            if kinds[s] > found[p] and _is_near(points, p, ends, s, near):
                found[p] = kinds[s]
    return found


@njit(**COMPILED)
def _bins_along(ends: Floats, low: Floats, shape: Ints, side: float) -> tuple[Ints, Ints]:
    """Return the bins that segments run through, or beside, and the segment of each."""
    steps = np.empty(len(ends), np.int64)
    for s in range(len(ends)):
        length = np.hypot(ends[s, 1, 0] - ends[s, 0, 0], ends[s, 1, 1] - ends[s, 0, 1])
        steps[s] = np.int64(length / side) + 1
    place = np.empty(9 * steps.sum(), np.int64)
    segment = np.empty(len(place), np.int64)
    count = 0
    for s in range(len(ends)):
        for step in range(steps[s]):
            low_x, high_x = _piece(ends[s, :, 0], step, steps[s], low[0], side)
            low_y, high_y = _piece(ends[s, :, 1], step, steps[s], low[1], side)
            for y in range(max(low_y, 0), min(high_y + 1, shape[1])):
                for x in range(max(low_x, 0), min(high_x + 1, shape[0])):
                    place[count], segment[count] = y * shape[0] + x, s
                    count += 1
    return place[:count], segment[:count]


@njit(**INLINED)
def _piece(ends: Floats, step: int, steps: int, low: float, side: float) -> tuple[Any, Any]:
    """Return the first and last column (or row) that one of the pieces of a segment is beside."""
    a = ends[0] + (ends[1] - ends[0]) * step / steps - low
    b = ends[0] + (ends[1] - ends[0]) * (step + 1) / steps - low
    margin = 0.05 * side
    return (
        np.int64(np.floor((min(a, b) - margin) / side)),
        np.int64(np.floor((max(a, b) + margin) / side)),
    )


@njit(**INLINED)
def _is_near(points: Floats, p: int, ends: Floats, s: int, near: float) -> bool:
    """Return whether a point lies near a segment."""
    x, y = points[p, 0] - ends[s, 0, 0], points[p, 1] - ends[s, 0, 1]
    along_x, along_y = ends[s, 1, 0] - ends[s, 0, 0], ends[s, 1, 1] - ends[s, 0, 1]
    length = along_x * along_x + along_y * along_y
    share = 0.0
    if length > 0:
        share = min(max((x * along_x + y * along_y) / length, 0.0), 1.0)
    x, y = x - share * along_x, y - share * along_y
    return x * x + y * y <= near * near
