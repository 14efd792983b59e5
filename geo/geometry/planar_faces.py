"""Faces of noded lines, and which line lies between which: the planar graph behind the cells.

Every line has two sides, and each side one next side around the face on its left (a doubly
connected edge list: de Berg et al., Computational Geometry, 2.2). Faces that are merged are faces
of fewer lines, so that merging copies coordinates and can't move any.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numba import njit

from geo.geometry.compile import COMPILED
from geo.geometry.shared_borders import inner_points
from geo.types import Bools, Floats, Ints, Polygons


@dataclass(frozen=True)
class NodedLines:
    """Lines that meet in their ends only.

    Attributes
    ----------
    coords
        (c, 2) coordinates of all lines, one after the other.
    first
        (m + 1,) first coordinate of each line, and c.
    """

    coords: Floats
    first: Ints

    @cached_property
    def ends(self) -> Ints:
        """Return the (m, 2) nodes in which each line begins and ends."""
        at = self.coords[np.stack([self.first[:-1], self.first[1:] - 1], axis=1)] + 0.0
        flat = np.ascontiguousarray(at).view(np.complex128).ravel()
        return np.unique(flat, return_inverse=True)[1].reshape(-1, 2)

    @cached_property
    def bearings(self) -> Floats:
        """Return the (m, 2) directions in which a line leaves its ends, in radians."""
        begin, end = self.first[:-1], self.first[1:] - 1
        out = self.coords[begin + 1] - self.coords[begin]
        back = self.coords[end - 1] - self.coords[end]
        return np.stack(
            [np.arctan2(out[:, 1], out[:, 0]), np.arctan2(back[:, 1], back[:, 0])], axis=1
        )

    def lengths(self) -> Floats:
        """Return the (m,) lengths."""
        steps = np.zeros(len(self.coords))
        steps[1:] = np.hypot(*np.diff(self.coords, axis=0).T)
        steps[self.first[:-1]] = 0.0
        return np.add.reduceat(steps, self.first[:-1])

    def midpoints(self) -> Floats:
        """Return the (m, 2) middle of a segment half-way along each line."""
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
        (m,) face on either side of each line; -1 for none. A line that bounds no face has none
        on either side.
    """

    polygons: Polygons
    left: Ints
    right: Ints


def build_faces_within(lines: NodedLines, area: shapely.Geometry) -> Faces:
    """Return the faces of lines that lie within an area whose outline is among the lines."""
    found = build_faces(lines)
    shapely.prepare(area)
    inside = shapely.contains(area, inner_points(found.polygons))
    number = np.append(np.where(inside, np.cumsum(inside) - 1, -1), -1)
    return Faces(found.polygons[inside], number[found.left], number[found.right])


def merge_faces(lines: NodedLines, parts: Faces, label: Ints) -> Polygons:
    """Return the union of the faces of each label, without the lines between them.

    Parameters
    ----------
    lines, parts
        Lines and their faces.
    label
        (f,) number of the polygon that each face becomes part of, from 0 with none left out.

    Returns
    -------
    Polygons or, where faces of a label don't touch along a line, multipolygons.
    """
    label = np.append(label, -1)
    left, right = label[parts.left], label[parts.right]
    whole = build_faces(lines, left != right)
    of = np.empty(len(whole.polygons), dtype=np.int64)
    for side, named in ((whole.left, left), (whole.right, right)):
        of[side[side >= 0]] = named[side >= 0]
    land = of >= 0  # a hole of the area is a face too
    found, of = whole.polygons[land], of[land]
    found = found[np.argsort(of, kind="stable")]
    count = np.bincount(of)
    first = np.cumsum(count) - count
    polygons: Polygons = found[first]
    for one in np.flatnonzero(count > 1):
        polygons[one] = shapely.multipolygons(found[first[one] : first[one] + count[one]])
    return polygons


def node_lines(geometries: Polygons) -> NodedLines:
    """Return lines cut wherever they meet."""
    parts = shapely.get_parts(shapely.union_all(geometries))
    coords, line = shapely.get_coordinates(parts, return_index=True)
    first = np.append(np.flatnonzero(np.diff(line, prepend=-1)), len(coords))
    return NodedLines(coords, first)


def build_faces(lines: NodedLines, kept: Bools | None = None) -> Faces:
    """Return the faces of lines, or of some of them.

    Parameters
    ----------
    lines
        Lines that meet in their ends only.
    kept
        (m,) whether a line is there.
    """
    kept = np.ones(len(lines.first) - 1, dtype=bool) if kept is None else kept.copy()
    _drop_dangles(lines.ends, kept)
    following = _following(lines, kept)
    loop = _loops(following)
    bridge = kept & (loop[0::2] == loop[1::2])
    if bridge.any():
        kept &= ~bridge
        following = _following(lines, kept)
        loop = _loops(following)
    if not kept.any():
        none = np.full(len(kept), -1, dtype=np.int64)
        return Faces(np.empty(0, dtype=object), none, none.copy())
    ring = _rings(following, loop, lines.ends.ravel())
    coords, ring_of_coord, area, one_side = _trace_rings(following, ring, lines.coords, lines.first)
    rings = np.asarray(shapely.linearrings(coords, indices=ring_of_coord), dtype=object)
    face_of_ring, polygons = _with_holes(rings.reshape(-1), area, loop[one_side])
    face_of_side = np.where(ring >= 0, np.append(face_of_ring, -1)[ring], -1)
    return Faces(polygons, face_of_side[0::2], face_of_side[1::2])


@njit(**COMPILED)
def _drop_dangles(ends: Ints, kept: Bools) -> None:
    """Take away lines that end in nothing, and those that then do."""
    degree = np.zeros(ends.max() + 1 if len(ends) else 0, np.int64)
    for line in np.flatnonzero(kept):
        degree[ends[line, 0]] += 1
        degree[ends[line, 1]] += 1
    found = True
    while found:
        found = False
        for line in np.flatnonzero(kept):
            if degree[ends[line, 0]] == 1 or degree[ends[line, 1]] == 1:
                kept[line], found = False, True
                degree[ends[line, 0]] -= 1
                degree[ends[line, 1]] -= 1


def _following(lines: NodedLines, kept: Bools) -> Ints:
    """Return the (2m,) side that follows each side around its face, -1 where there is none.

    Side 2k runs along line k, side 2k + 1 against it; each leaves the node it begins in. The one
    that follows is the next clockwise from the way back.
    """
    sides = np.flatnonzero(np.repeat(kept, 2))
    node, bearing = lines.ends.ravel()[sides], lines.bearings.ravel()[sides]
    order = sides[np.lexsort((bearing, node))]
    node = lines.ends.ravel()[order]
    before = np.roll(order, 1)
    begins = np.flatnonzero(np.diff(node, prepend=-1))
    stops = np.append(begins[1:], len(order))[: len(begins)]
    before[begins] = order[stops - 1]
    following = np.full(2 * len(kept), -1, dtype=np.int64)
    following[order ^ 1] = before
    return following


@njit(**COMPILED)
def _loops(following: Ints) -> Ints:
    """Return the loop of each side, -1 for none."""
    loop = np.full(len(following), -1, np.int64)
    count = 0
    for start in range(len(following)):
        if following[start] < 0 or loop[start] >= 0:
            continue
        side = start
        while loop[side] < 0:
            loop[side] = count
            side = following[side]
        count += 1
    return loop


@njit(**COMPILED)
def _rings(following: Ints, loop: Ints, node: Ints) -> Ints:
    """Divide loops where they pass a node again; return the ring of each side.

    ``following`` is changed so that it leads around the ring.
    """
    ring = np.full(len(following), -1, np.int64)
    last_at = np.full(node.max() + 1 if len(node) else 0, -1, np.int64)
    path = np.empty(len(following), np.int64)
    done = np.zeros(len(following), np.bool_)
    count = 0
    for start in range(len(following)):
        if loop[start] < 0 or done[start]:
            continue
        depth, side = 0, start
        while True:
            here = node[side]
            if last_at[here] >= 0:  # been here: what was walked since is a ring
                begin = last_at[here]
                for k in range(begin, depth):
                    ring[path[k]] = count
                    last_at[node[path[k]]] = -1
                    following[path[k]] = path[k + 1] if k + 1 < depth else path[begin]
                count += 1
                depth = begin
            if done[side]:
                break
            done[side] = True
            last_at[here] = depth
            path[depth] = side
            depth += 1
            side = following[side]
    return ring


@njit(**COMPILED)
def _trace_rings(
    following: Ints, ring: Ints, coords: Floats, first: Ints
) -> tuple[Floats, Ints, Floats, Ints]:
    """Return the closed coordinates of rings, the ring of each, areas, and a side of each ring.

    The area is positive where the ring goes counter-clockwise: around its face.
    """
    rings = ring.max() + 1 if len(ring) else 0
    size = 0
    one_side = np.full(rings, -1, np.int64)
    for side in range(len(ring)):
        if ring[side] >= 0:
            size += first[side // 2 + 1] - first[side // 2] - 1
            one_side[ring[side]] = side
    traced = np.empty((size + rings, 2))
    of = np.empty(size + rings, np.int64)
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
                traced[count], of[count] = coords[at], here
                count += 1
            side = following[side]
            if side == start:
                break
        traced[count], of[count] = traced[begin], here
        count += 1
        x, y = traced[begin, 0], traced[begin, 1]
        for k in range(begin, count - 1):
            ax, ay = traced[k, 0] - x, traced[k, 1] - y
            bx, by = traced[k + 1, 0] - x, traced[k + 1, 1] - y
            area[here] += (ax * by - bx * ay) / 2
    return traced[:count], of[:count], area, one_side


def _with_holes(rings: Polygons, area: Floats, loop: Ints) -> tuple[Ints, Polygons]:
    """Return the face of each ring (-1 outside of all), and the faces.

    A clockwise ring is a hole of the face whose loop it is of, or the outline of an island: a
    hole of the smallest face that it lies in.
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
    for one in np.unique(face[holes[face[holes] >= 0]]):
        polygons[one] = shapely.polygons(rings[shells[one]], rings[holes[face[holes] == one]])
    return face, polygons
