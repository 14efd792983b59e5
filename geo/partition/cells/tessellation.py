"""Cells: the land of each building, which together tile the community exactly.

The lines of the barriers, the Voronoi borders between buildings and, where these touch a building,
its outline are noded into one arrangement of lines; its faces are assigned to buildings and merged.
All cells come from one arrangement, so neighbours share their vertices and no gap is left.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.geometry.outline_voronoi import (
    Sites,
    find_nearest_footprints,
    sample_outlines,
    trace_ridges,
)
from geo.geometry.planar_faces import Faces, NodedLines, build_faces_within, merge_faces, node_lines
from geo.geometry.shared_borders import Borders, clip, find_borders, inner_points, locate_by_overlap
from geo.geometry.straight_ridges import straighten_ridges
from geo.partition.cells.barriers import (
    Barriers,
    build_rooms,
    clip_barriers,
    find_barrier_kinds,
)
from geo.partition.cells.strips import THIN_ROOM_M, Strips, concatenate_ranges, find_strips
from geo.types import Bools, Floats, Ints, Lines, Polygons

TRACE_M2 = 1e-3
"""A piece of a footprint that is smaller than this goes with the land around it."""

SLIVER_M2 = 50.0
"""Land without buildings that is smaller than this joins a neighbour's."""

RIDGE_SIMPLIFY_M = 0.3
"""Borders between buildings are drawn this exactly."""

STRAIGHTEN_M = 4.0
"""In open ground a border may lie this far from the middle between buildings to be straight."""

OVERSHOOT_M = 0.05
"""Voronoi borders extend this far beyond their room, so that they cross its outline."""


@dataclass(frozen=True)
class Cells:
    """Cells of a community.

    Attributes
    ----------
    polygons
        (n,) polygons in metres that together tile the community.
    cell_of_atom
        (a,) int64 cell on which each atom stands. Two atoms share a cell where one
        footprint lies within the other. -1 where a footprint lies outside the community.
    room
        (n,) int64 room of a cell's building, or, without one, that in which most of the cell lies;
        see :mod:`geo.partition.cells.barriers`.
    water
        (n,) bool, whether a cell is a water surface.
    barriers
        The barriers, clipped to the community, with the strips between parallel ones.
    """

    polygons: Polygons
    cell_of_atom: Ints
    room: Ints
    water: Bools
    barriers: Barriers

    @cached_property
    def borders(self) -> tuple[Borders, NDArray[np.int8]]:
        """The borders between cells and (s,) int8 the kind of barrier on each segment."""
        shared = find_borders(self.polygons)
        return shared, find_barrier_kinds(shared.midpoints(), self.barriers)


def build_cells(
    community: shapely.Geometry,
    footprints: Polygons,
    barriers: Barriers,
    straighten_m: float = STRAIGHTEN_M,
) -> Cells:
    """Divide the land of a community among its buildings.

    Parameters
    ----------
    community
        Polygon or multipolygon in metres.
    footprints
        (b,) valid polygons in metres.
    barriers
        Barriers in and around the community.
    straighten_m
        How far from the middle between two buildings their border may lie to be straight.

    Returns
    -------
    Cells
        A valid coverage of the community in which no footprint is cut.
    """
    barriers = clip_barriers(barriers, community)
    feet, foot_of_building = _resolve_overlaps(clip(footprints, community))
    rooms = build_rooms(community, barriers)
    is_water = _lie_in_any(rooms, barriers.water)
    home = locate_by_overlap(feet, rooms)
    strips = find_strips(home, rooms, is_water, barriers)
    sites, has_site = _sample_sites(feet, home, rooms, strips)
    ridges = _clip_ridges(
        *straighten_ridges(trace_ridges(sites), RIDGE_SIMPLIFY_M, straighten_m), rooms
    )
    lines = _node_arrangement(community, barriers, ridges, feet)
    pieces = build_faces_within(lines, community)
    label, room, has_foot = _label_pieces(pieces.polygons, feet, rooms, sites, has_site)
    label = _make_labels_connected(
        lines, pieces, label, room, has_foot, len(feet), is_water, barriers
    )
    barriers = replace(barriers, strips=rooms[strips.rooms], strip_kinds=strips.kinds)
    return _merge_pieces(lines, pieces, label, room, home, foot_of_building, is_water, barriers)


def _resolve_overlaps(footprints: Polygons) -> tuple[Polygons, Ints]:
    """Return footprints without overlaps (the larger one keeps them), and that of each building."""
    feet = footprints.copy()
    foot_of = np.arange(len(feet))
    area = shapely.area(feet)
    foot_of[area == 0] = -1
    one, other = shapely.STRtree(feet).query(feet, predicate="intersects")
    ranked = (area[one] > area[other]) | ((area[one] == area[other]) & (one < other))
    one, other = one[ranked & (area[other] > 0)], other[ranked & (area[other] > 0)]
    overlap = shapely.area(shapely.intersection(feet[one], feet[other])) > 1e-6
    for big, small in sorted(
        zip(one[overlap], other[overlap], strict=True), key=lambda p: -area[p[0]]
    ):
        parts = shapely.get_parts(shapely.difference(feet[small], feet[big]))
        rest = parts[shapely.area(parts).argmax()] if len(parts) else shapely.Polygon()
        if shapely.area(rest) < 1.0:
            foot_of[small] = big
        else:
            feet[small] = rest
    for building in np.flatnonzero(foot_of != np.arange(len(feet))):
        while foot_of[building] >= 0 and foot_of[foot_of[building]] != foot_of[building]:
            foot_of[building] = foot_of[foot_of[building]]
    own = foot_of == np.arange(len(feet))
    number = np.cumsum(own) - 1
    return feet[own], np.where(foot_of >= 0, number[foot_of], -1)


def _lie_in_any(rooms: Polygons, areas: Polygons) -> Bools:
    """Return which rooms lie within one of some areas."""
    inside = np.zeros(len(rooms), dtype=bool)
    points = inner_points(rooms)
    inside[shapely.STRtree(areas).query(points, predicate="within")[0]] = True
    return inside


def _sample_sites(
    feet: Polygons, home: Ints, rooms: Polygons, strips: Strips
) -> tuple[Sites, Bools]:
    """Return sample points of the buildings that divide each room, and which rooms have any.

    Parameters
    ----------
    home
        (f,) int64 room of each footprint.
    """
    thin_room, foot = strips.footprints(home)
    near = _are_near(rooms[thin_room], feet[foot], thin_room)
    thin_room, foot = thin_room[near], foot[near]
    points, owner = sample_outlines(feet, home)
    start = np.searchsorted(owner, foot)
    count = np.searchsorted(owner, foot, side="right") - start
    again = concatenate_ranges(start, count)
    room = np.concatenate([home[owner], np.repeat(thin_room, count)])
    points, owner = np.concatenate([points, points[again]]), np.concatenate([owner, owner[again]])
    has_site = np.zeros(len(rooms), dtype=bool)
    has_site[room] = True
    order = np.argsort(room, kind="stable")
    return Sites(points[order], owner[order], room[order]), has_site


def _are_near(rooms: Polygons, feet: Polygons, room: Ints) -> Bools:
    """Return which footprints are near enough to be the nearest to a part of their room."""
    distance = shapely.distance(rooms, feet)
    least = np.full(room.max(initial=-1) + 1, np.inf)
    np.minimum.at(least, room, distance)
    near: Bools = distance <= least[room] + 2 * THIN_ROOM_M
    return near


def _clip_ridges(lines: Lines, room: Ints, rooms: Polygons) -> Lines:
    """Return the borders between buildings clipped to their rooms."""
    if len(lines) == 0:
        return lines
    # Clipped beyond the room, so that each line crosses its outline and is noded there.
    reach = shapely.buffer(rooms, OVERSHOOT_M, join_style="mitre")
    shapely.prepare(reach)
    outside = ~shapely.contains_properly(reach[room], lines)
    # All lines of a room are clipped at once: its outline is traversed once, not for each line.
    crossed, number = np.unique(room[outside], return_inverse=True)
    order = np.argsort(number, kind="stable")
    beyond = shapely.multilinestrings(lines[outside][order], indices=number[order])
    cut = shapely.intersection(np.asarray(beyond, dtype=object).reshape(-1), reach[crossed])
    clipped: Lines = np.append(lines[~outside], cut[~shapely.is_empty(cut)])
    return clipped


def _node_arrangement(
    community: shapely.Geometry, barriers: Barriers, ridge_lines: Lines, feet: Polygons
) -> NodedLines:
    """Return all lines noded together."""
    lines = np.concatenate([barriers.lines, ridge_lines])
    crossed = shapely.STRtree(lines).query(feet, predicate="intersects")[0]
    # Between two buildings that share a wall the wall may be the only border.
    one, other = shapely.STRtree(feet).query(feet, predicate="intersects")
    touched = np.union1d(crossed, one[one != other])
    outlines = shapely.boundary(feet[touched])
    return node_lines(np.concatenate([lines, outlines, [shapely.boundary(community)]]))


def _label_pieces(
    pieces: Polygons, feet: Polygons, rooms: Polygons, sites: Sites, has_site: Bools
) -> tuple[Ints, Ints, Bools]:
    """Return the label and room of each piece, and whether it contains a footprint or lies in one.

    The label is the building, or the number of buildings + the room.
    """
    inner = inner_points(pieces)
    room = np.full(len(pieces), -1, dtype=np.int64)
    # The few large polygons are passed as query: GEOS prepares what is passed.
    within, piece = shapely.STRtree(inner).query(rooms, predicate="intersects")
    room[piece] = within
    missed = room < 0
    room[missed] = shapely.STRtree(rooms).nearest(inner[missed])
    label = room + len(feet)
    served = has_site[room]
    label[served] = find_nearest_footprints(
        sites, shapely.get_coordinates(inner[served]), room[served]
    )
    has_foot = np.zeros(len(pieces), dtype=bool)
    foot, piece = shapely.STRtree(inner).query(feet, predicate="contains")
    # Where outlines touch, noding leaves slits without area, which may be disconnected.
    label[piece], has_foot[piece] = foot, shapely.area(pieces[piece]) > TRACE_M2
    foot, piece = shapely.STRtree(pieces).query(inner_points(feet), predicate="within")
    alone = ~has_foot[piece]
    label[piece[alone]], has_foot[piece[alone]] = foot[alone], True
    return label, room, has_foot


def _make_labels_connected(
    lines: NodedLines,
    pieces: Faces,
    label: Ints,
    room: Ints,
    has_foot: Bools,
    feet: int,
    is_water: Bools,
    barriers: Barriers,
) -> Ints:
    """Assign pieces not connected to their building, and slivers, to the adjacent label.

    Each goes to the neighbour with which it shares most border. A dead-end street or a wall
    within a room disconnects the pieces on both sides of it.
    """
    inner = (pieces.left >= 0) & (pieces.right >= 0)
    one, other, length = pieces.left[inner], pieces.right[inner], lines.lengths()[inner]
    kind = find_barrier_kinds(lines.midpoints()[inner], barriers)
    barred = (kind > 0) & (room[one] == room[other]) & ~(has_foot[one] & has_foot[other])
    area = shapely.area(pieces.polygons)
    total = np.bincount(label, weights=area)
    rooted = np.zeros(len(area), dtype=bool)
    rooted[_find_largest_pieces(np.where(has_foot, area, 0.0), label)] = True
    rooted &= has_foot
    empty = label >= feet
    largest = np.zeros(len(total))
    np.maximum.at(largest, label, area)
    wet = np.zeros(len(area), dtype=bool)
    wet[empty] = is_water[label[empty] - feet]
    rooted |= empty & (area == largest[label]) & ((total[label] >= SLIVER_M2) | wet)
    if not rooted.any():
        rooted[:] = True
    across = 1e-2 / (1.0 + kind)  # rather over a wall than over an arterial
    weight = length * np.where(barred, 1e-3, 1.0) * np.where(room[one] == room[other], 1.0, across)
    while True:
        _spread_roots(rooted, label, one, other, barred)
        edge = rooted[one] != rooted[other]
        if not edge.any():
            return label
        orphan = np.where(rooted[one[edge]], other[edge], one[edge])
        host = np.where(rooted[one[edge]], one[edge], other[edge])
        claim, number = np.unique(
            np.stack([orphan, label[host]], axis=1), axis=0, return_inverse=True
        )
        strength = np.bincount(number.ravel(), weights=weight[edge])
        order = np.lexsort((claim[:, 1], -strength, claim[:, 0]))
        orphan, first = np.unique(claim[order, 0], return_index=True)
        label[orphan] = claim[order, 1][first]
        rooted[orphan] = True


def _find_largest_pieces(area: Floats, label: Ints) -> Ints:
    """Return the largest piece of each label, ordered by label."""
    by_area = np.lexsort((-area, label))
    largest: Ints = by_area[np.unique(label[by_area], return_index=True)[1]]
    return largest


def _spread_roots(rooted: Bools, label: Ints, one: Ints, other: Ints, barred: Bools) -> None:
    """Mark every piece connected to a rooted one of the same label as rooted."""
    open_edge = (label[one] == label[other]) & ~barred
    one, other = one[open_edge], other[open_edge]
    while True:
        grows = rooted[one] != rooted[other]
        if not grows.any():
            return
        rooted[one[grows]] = True
        rooted[other[grows]] = True


def _merge_pieces(
    lines: NodedLines,
    pieces: Faces,
    label: Ints,
    room: Ints,
    home: Ints,
    foot_of_building: Ints,
    is_water: Bools,
    barriers: Barriers,
) -> Cells:
    """Return the cells: the union of the pieces of each label."""
    labels, cell = np.unique(label, return_inverse=True)
    polygons = merge_faces(lines, pieces, cell)
    area = shapely.area(pieces.polygons)
    main = _find_largest_pieces(area, cell)
    feet = int(foot_of_building.max(initial=-1)) + 1
    cell_of_foot = np.where(
        np.isin(np.arange(feet), labels), np.searchsorted(labels, np.arange(feet)), -1
    )
    cell_of_atom = np.append(cell_of_foot, -1)[foot_of_building]
    empty = labels >= feet
    water = np.zeros(len(labels), dtype=bool)
    water[empty] = is_water[labels[empty] - feet]
    room_of_cell = room[main]
    has_home = ~empty
    has_home[~empty] = home[labels[~empty]] >= 0
    room_of_cell[has_home] = home[labels[has_home]]
    return Cells(polygons, cell_of_atom, room_of_cell, water, barriers)
