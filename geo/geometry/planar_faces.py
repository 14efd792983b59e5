"""Faces of noded lines, and the faces on both sides of each line: the planar graph of the cells.

Every line has two sides, and each side one next side around the face on its left (a doubly
connected edge list: de Berg et al., Computational Geometry, 2.2). Merged faces are the faces of
fewer lines, so that merging only copies coordinates.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from geo.geometry.compile import COMPILED, kernel
from geo.geometry.shared_borders import inner_points
from geo.types import Bools, Floats, Ints, Polygons


@dataclass(frozen=True)
class NodedLines:
    """Lines that meet only at their ends.

    Attributes
    ----------
    coords
        (c, 2) float64 coordinates of all lines, one after the other.
    first
        (m + 1,) int64 first coordinate of each line, and c.
    """

    coords: Floats
    first: Ints

    @cached_property
    def ends(self) -> Ints:
        """Return (m, 2) int64 nodes at which each line begins and ends."""
        at = self.coords[np.stack([self.first[:-1], self.first[1:] - 1], axis=1)] + 0.0
        flat = np.ascontiguousarray(at).view(np.complex128).ravel()
        return np.unique(flat, return_inverse=True)[1].reshape(-1, 2)

    @cached_property
    def bearings(self) -> Floats:
        """Return (m, 2) float64 directions in which a line leaves its ends, in radians."""
        begin, end = self.first[:-1], self.first[1:] - 1
        out = self.coords[begin + 1] - self.coords[begin]
        back = self.coords[end - 1] - self.coords[end]
        return np.stack(
            [np.arctan2(out[:, 1], out[:, 0]), np.arctan2(back[:, 1], back[:, 0])], axis=1
        )

    def lengths(self) -> Floats:
        """Return (m,) float64 lengths."""
        steps = np.zeros(len(self.coords))
        steps[1:] = np.hypot(*np.diff(self.coords, axis=0).T)
        steps[self.first[:-1]] = 0.0
        return np.add.reduceat(steps, self.first[:-1])

    def midpoints(self) -> Floats:
        """Return (m, 2) float64 the midpoint of a segment half-way along each line."""
        one = (self.first[:-1] + self.first[1:] - 1) // 2
        middles: Floats = (self.coords[one] + self.coords[one + 1]) / 2
        return middles


@dataclass(frozen=True)
class Faces:
    """Faces of lines.

    Attributes
    ----------
    polygons
        (f,) polygons.
    left, right
        (m,) int64 face on either side of each line; -1 for none. A line that bounds no face has
        none on either side.
    """

    polygons: Polygons
    left: Ints
    right: Ints


def build_faces_within(lines: NodedLines, area: shapely.Geometry) -> Faces:
    """Build the faces of lines within an area whose outline is among the lines."""
    faces = build_faces(lines)
    shapely.prepare(area)
    inside = shapely.contains(area, inner_points(faces.polygons))
    number = np.append(np.where(inside, np.cumsum(inside) - 1, -1), -1)
    return Faces(faces.polygons[inside], number[faces.left], number[faces.right])


def merge_faces(lines: NodedLines, parts: Faces, label: Ints) -> Polygons:
    """Return the union of the faces of each label, without the lines between them.

    Parameters
    ----------
    lines, parts
        Lines and their faces.
    label
        (f,) int64 number of the polygon that each face becomes part of, from 0 without gaps.

    Returns
    -------
    polygons
        (k,) polygons, or multipolygons where the faces of a label are not adjacent.
    """
    label = np.append(label, -1)
    left, right = label[parts.left], label[parts.right]
    merged = build_faces(lines, left != right)
    label_of = np.empty(len(merged.polygons), dtype=np.int64)
    for side, named in ((merged.left, left), (merged.right, right)):
        label_of[side[side >= 0]] = named[side >= 0]
    land = label_of >= 0  # a hole of the area is a face too
    parts_of, label_of = merged.polygons[land], label_of[land]
    parts_of = parts_of[np.argsort(label_of, kind="stable")]
    count = np.bincount(label_of)
    first = np.cumsum(count) - count
    polygons: Polygons = parts_of[first]
    for number in np.flatnonzero(count > 1):
        several = parts_of[first[number] : first[number] + count[number]]
        polygons[number] = shapely.multipolygons(several)
    return polygons


def node_lines(geometries: Polygons) -> NodedLines:
    """Return the lines of (n,) geometries, cut wherever they meet."""
    parts = shapely.get_parts(shapely.union_all(geometries))
    coords, line = shapely.get_coordinates(parts, return_index=True)
    first = np.append(np.flatnonzero(np.diff(line, prepend=-1)), len(coords))
    return NodedLines(coords, first)


def build_faces(lines: NodedLines, kept: Bools | None = None) -> Faces:
    """Build the faces of lines, or of some of them.

    Parameters
    ----------
    lines
        Lines that meet only at their ends.
    kept
        (m,) bool, the lines to use; all by default.
    """
    kept = np.ones(len(lines.first) - 1, dtype=bool) if kept is None else kept.copy()
    _drop_dangles(lines.ends, kept, np.bincount(lines.ends[kept].ravel()))
    next_side = _next_sides(lines, kept)
    loop = _label_loops(next_side)
    bridge = kept & (loop[0::2] == loop[1::2])
    if bridge.any():
        kept &= ~bridge
        next_side = _next_sides(lines, kept)
        loop = _label_loops(next_side)
    if not kept.any():
        none = np.full(len(kept), -1, dtype=np.int64)
        return Faces(np.empty(0, dtype=object), none, none.copy())
    ring = _split_loops(next_side, loop, lines.ends.ravel())
    coords, ring_of_coord, area, one_side = _trace_rings(
        next_side, ring, int(ring.max()) + 1, lines.coords, lines.first
    )
    rings = np.asarray(shapely.linearrings(coords, indices=ring_of_coord), dtype=object)
    face_of_ring, polygons = _assign_holes(rings.reshape(-1), area, loop[one_side])
    face_of_side = np.where(ring >= 0, np.append(face_of_ring, -1)[ring], -1)
    return Faces(polygons, face_of_side[0::2], face_of_side[1::2])


@kernel(**COMPILED)
def _drop_dangles(ends: Ints, kept: Bools, degree: Ints) -> None:
    """Remove lines with a dangling end, and then those that dangle without them.

    ``degree`` has the number of lines that are kept at each node.
    """
    has_dangles = True
    while has_dangles:
        has_dangles = False
        for line in range(len(kept)):
            if kept[line] and (degree[ends[line, 0]] == 1 or degree[ends[line, 1]] == 1):
                kept[line], has_dangles = False, True
                degree[ends[line, 0]] -= 1
                degree[ends[line, 1]] -= 1


def _next_sides(lines: NodedLines, kept: Bools) -> Ints:
    """Return (2m,) the next side around the face of each side, -1 where there is none.

    Side 2k runs along line k, side 2k + 1 against it. The next side is the first one clockwise
    from the opposite side of the line.
    """
    sides = np.flatnonzero(np.repeat(kept, 2))
    node, bearing = lines.ends.ravel()[sides], lines.bearings.ravel()[sides]
    order = sides[np.lexsort((bearing, node))]
    node = lines.ends.ravel()[order]
    before = np.roll(order, 1)
    begins = np.flatnonzero(np.diff(node, prepend=-1))
    stops = np.append(begins[1:], len(order))[: len(begins)]
    before[begins] = order[stops - 1]
    next_side = np.full(2 * len(kept), -1, dtype=np.int64)
    next_side[order ^ 1] = before
    return next_side


@kernel(**COMPILED)
def _label_loops(next_side: Ints) -> Ints:
    """Return (2m,) the loop of each side, -1 for none."""
    loop = np.full(len(next_side), -1, np.int64)
    count = 0
    for start in range(len(next_side)):
        if next_side[start] < 0 or loop[start] >= 0:
            continue
        side = start
        while loop[side] < 0:
            loop[side] = count
            side = next_side[side]
        count += 1
    return loop


@kernel(**COMPILED)
def _split_loops(next_side: Ints, loop: Ints, node: Ints) -> Ints:
    """Split loops that pass a node more than once into rings; return the ring of each side.

    ``next_side`` is changed in place so that it leads around the ring.
    """
    ring = np.full(len(next_side), -1, np.int64)
    last_at = np.full(len(node), -1, np.int64)
    path = np.empty(len(next_side), np.int64)
    done = np.zeros(len(next_side), np.bool_)
    count = 0
    for start in range(len(next_side)):
        if loop[start] < 0 or done[start]:
            continue
        depth, side = 0, start
        while True:
            here = node[side]
            if last_at[here] >= 0:  # visited before: the path since then is a ring
                begin = last_at[here]
                for k in range(begin, depth):
                    ring[path[k]] = count
                    last_at[node[path[k]]] = -1
                    next_side[path[k]] = path[k + 1] if k + 1 < depth else path[begin]
                count += 1
                depth = begin
            if done[side]:
                break
            done[side] = True
            last_at[here] = depth
            path[depth] = side
            depth += 1
            side = next_side[side]
    return ring


@kernel(**COMPILED)
def _trace_rings(
    next_side: Ints, ring: Ints, rings: int, coords: Floats, first: Ints
) -> tuple[Floats, Ints, Floats, Ints]:
    """Return the closed coordinates of rings, the ring of each, areas, and a side of each ring.

    The area is positive where the ring is counter-clockwise, that is, around its face.
    """
    size = 0
    one_side = np.full(rings, -1, np.int64)
    for side in range(len(ring)):
        if ring[side] >= 0:
            size += first[side // 2 + 1] - first[side // 2] - 1
            one_side[ring[side]] = side
    traced = np.empty((size + rings, 2))
    ring_of = np.empty(size + rings, np.int64)
    area = np.zeros(rings)
    count = 0
    for here in range(rings):
        begin, start = count, one_side[here]
        side = start
        while True:
            line = side // 2
            length = first[line + 1] - first[line] - 1
            for k in range(length):
                at = first[line] + k if side % 2 == 0 else first[line + 1] - 1 - k
                traced[count, 0], traced[count, 1] = coords[at, 0], coords[at, 1]
                ring_of[count] = here
                count += 1
            side = next_side[side]
            if side == start:
                break
        x, y = traced[begin, 0], traced[begin, 1]
        traced[count, 0], traced[count, 1], ring_of[count] = x, y, here
        count += 1
        for k in range(begin, count - 1):
            ax, ay = traced[k, 0] - x, traced[k, 1] - y
            bx, by = traced[k + 1, 0] - x, traced[k + 1, 1] - y
            area[here] += (ax * by - bx * ay) / 2
    return traced[:count], ring_of[:count], area, one_side


def _assign_holes(rings: Polygons, area: Floats, loop: Ints) -> tuple[Ints, Polygons]:
    """Return the face of each ring (-1 outside all faces), and the faces as polygons.

    A clockwise ring is a hole of the face of its loop, or the outline of an island: a hole of the
    smallest face around it.
    """
    shells = np.flatnonzero(area > 0)
    polygons: Polygons = np.asarray(shapely.polygons(rings[shells]), dtype=object).reshape(-1)
    face = np.full(len(rings), -1, dtype=np.int64)
    face[shells] = np.arange(len(shells))
    holes = np.flatnonzero(area <= 0)
    if len(holes) == 0:
        return face, polygons
    shell_of_loop = np.full(loop.max() + 1, -1, dtype=np.int64)
    by_area = np.argsort(area[shells], kind="stable")
    shell_of_loop[loop[shells[by_area]]] = by_area
    face[holes] = shell_of_loop[loop[holes]]
    islands = holes[face[holes] < 0]
    points = shapely.points(shapely.get_coordinates(shapely.get_point(rings[islands], 0)))
    island, around = shapely.STRtree(polygons).query(points, predicate="within")
    order = np.lexsort((area[shells[around]], island))
    island, least = np.unique(island[order], return_index=True)
    face[islands[island]] = around[order][least]
    for number in np.unique(face[holes[face[holes] >= 0]]):
        own_holes = rings[holes[face[holes] == number]]
        polygons[number] = shapely.polygons(rings[shells[number]], own_holes)
    return face, polygons
