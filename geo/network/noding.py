"""Noding of road centrelines: cut where roads meet at grade, not where a bridge passes over.

Two lines that cross are joined if neither is a bridge or a tunnel; those are joined only at their
ends. An end that stops short of a line, inside that road's carriageway, is joined by a link.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from geo.types import Bools, Floats, Geometries, Ints

SAME_M = 0.05
"""Two points closer than this are one node."""

SNAP_M = 0.5
"""An end this close to a line is joined to it, however narrow the road."""


@dataclass(frozen=True)
class NodedLines:
    """Pieces of lines between their nodes.

    Attributes
    ----------
    xy
        (n, 2) nodes, metres.
    ends
        (e, 2) nodes at the start and the end of each piece.
    lines
        (e,) the pieces, metres; links come last.
    parent
        (e,) index of the line that each piece is part of; for a link, of the line it extends.
    links
        How many of the pieces are links.
    dropped
        (d,) indices of lines without length.
    """

    xy: Floats
    ends: Ints
    lines: Geometries
    parent: Ints
    links: int
    dropped: Ints


def node_lines(lines: Geometries, raised: Bools, reach: Floats) -> NodedLines:
    """Cut lines at their nodes.

    Parameters
    ----------
    lines
        (n,) line strings in metres.
    raised
        (n,) whether a line is a bridge or a tunnel.
    reach
        (n,) float64 half the width of each road, metres.
    """
    has_length = shapely.length(lines) > SAME_M
    whole = np.flatnonzero(has_length)
    kept_lines = lines[whole]
    links, extended = _find_links(kept_lines, raised[whole], np.maximum(reach[whole], SNAP_M))
    cuts = np.concatenate(
        [
            _find_crossings(kept_lines, raised[whole]),
            _find_touches(kept_lines, raised[whole], links),
        ]
    )
    pieces, parent = _pieces_between_cuts(kept_lines, cuts)
    pieces = np.concatenate([pieces, links])
    parent = np.concatenate([parent, extended])
    xy, ends = _merge_end_points(pieces)
    loop = (ends[:, 0] == ends[:, 1]) & (shapely.length(pieces) <= SAME_M)
    dropped = np.flatnonzero(~has_length)
    kept_links = int((~loop[len(loop) - len(links) :]).sum()) if len(links) else 0
    return NodedLines(xy, ends[~loop], pieces[~loop], whole[parent[~loop]], kept_links, dropped)


def _find_links(lines: Geometries, raised: Bools, reach: Floats) -> tuple[Geometries, Ints]:
    """Return (k,) links from ends that stop short of a road, and the line of each end."""
    owner = np.repeat(np.arange(len(lines)), 2)
    ends = shapely.get_point(lines[owner], np.tile([0, -1], len(lines)))
    tree = shapely.STRtree(lines)
    end, near = tree.query(ends, predicate="dwithin", distance=float(reach.max(initial=SNAP_M)))
    apart = shapely.distance(ends[end], lines[near])
    near_end = shapely.distance(ends[end], shapely.boundary(lines[near])) <= apart + SAME_M
    meets = (near != owner[end]) & (apart <= reach[near]) & (~raised[near] | near_end)
    met = np.zeros(len(ends), dtype=bool)
    met[end[meets & (apart <= SAME_M)]] = True
    short = np.flatnonzero(meets & ~met[end])
    short = short[np.lexsort((apart[short], end[short]))]
    _, first = np.unique(end[short], return_index=True)
    chosen = short[first]
    links: Geometries = shapely.shortest_line(ends[end[chosen]], lines[near[chosen]])
    return links, owner[end[chosen]]


def _find_crossings(lines: Geometries, raised: Bools) -> Floats:
    """Return (k, 2) line and offset of the places where two lines cross at grade."""
    at_grade = np.flatnonzero(~raised)
    one, other = shapely.STRtree(lines[at_grade]).query(lines[at_grade], predicate="intersects")
    apart = one < other
    one, other = at_grade[one[apart]], at_grade[other[apart]]
    points, pair = shapely.get_coordinates(
        shapely.intersection(lines[one], lines[other]), return_index=True
    )
    at = np.asarray(shapely.points(points), dtype=object)
    return np.concatenate(
        [_locate_cuts(lines, one[pair], at), _locate_cuts(lines, other[pair], at)]
    )


def _find_touches(lines: Geometries, raised: Bools, links: Geometries) -> Floats:
    """Return (k, 2) line and offset of the places where ends or links touch a line."""
    ends = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    ends = np.concatenate([ends, shapely.get_point(links, -1)])
    end, near = shapely.STRtree(lines).query(ends, predicate="dwithin", distance=SAME_M)
    cuts = _locate_cuts(lines, near, ends[end])
    length = shapely.length(lines[near])
    inner = (cuts[:, 1] > SAME_M) & (cuts[:, 1] < length - SAME_M)
    keep: Floats = cuts[inner & ~raised[near]]
    return keep


def _locate_cuts(lines: Geometries, line: Ints, at: Geometries) -> Floats:
    return np.column_stack([line, shapely.line_locate_point(lines[line], at)])


def _pieces_between_cuts(lines: Geometries, cuts: Floats) -> tuple[Geometries, Ints]:
    """Return (e,) pieces of lines between cuts, in order, and the index of the line of each."""
    length = shapely.length(lines)
    line = cuts[:, 0].astype(np.int64)
    inner = (cuts[:, 1] > SAME_M) & (cuts[:, 1] < length[line] - SAME_M)
    every = np.arange(len(lines))
    line = np.concatenate([every, line[inner], every])
    offset = np.concatenate([np.zeros(len(lines)), cuts[inner, 1], length])
    order = np.lexsort((offset, line))
    line, offset = line[order], offset[order]
    keep = np.ones(len(line), dtype=bool)
    keep[1:] = (line[1:] != line[:-1]) | (np.diff(offset) > SAME_M)
    line, offset = line[keep], offset[keep]
    same = line[1:] == line[:-1]
    parent = line[:-1][same]
    return substrings(lines, parent, offset[:-1][same], offset[1:][same]), parent


def substrings(lines: Geometries, line: Ints, start: Floats, end: Floats) -> Geometries:
    """Return (k,) parts of lines between two offsets.

    Parameters
    ----------
    lines
        (n,) line strings.
    line
        (k,) int64 index of the line of each part.
    start, end
        (k,) float64 offsets along it, start before end; metres.
    """
    parts = np.empty(len(line), dtype=object)
    straight = (shapely.get_num_coordinates(lines) == 2)[line]
    parts[straight] = _parts_of_segments(lines[line[straight]], start[straight], end[straight])
    coords, owner = shapely.get_coordinates(lines, return_index=True)
    first = np.searchsorted(owner, np.arange(len(lines) + 1))
    for k in np.flatnonzero(~straight).tolist():
        points = coords[first[line[k]] : first[line[k] + 1]]
        parts[k] = shapely.LineString(_cut_line(points, float(start[k]), float(end[k])))
    return parts


def _parts_of_segments(lines: Geometries, start: Floats, end: Floats) -> Geometries:
    """Return the parts of lines of two points."""
    coords = shapely.get_coordinates(lines).reshape(-1, 2, 2)
    along = coords[:, 1] - coords[:, 0]
    share = np.column_stack([start, end]) / np.hypot(*along.T)[:, None]
    parts = coords[:, :1] + share[:, :, None] * along[:, None, :]
    return np.asarray(shapely.linestrings(parts), dtype=object)


def _cut_line(points: Floats, low: float, high: float) -> Floats:
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    inner = (along > low) & (along < high)
    ends = [[np.interp(at, along, points[:, axis]) for axis in (0, 1)] for at in (low, high)]
    return np.concatenate([[ends[0]], points[inner], [ends[1]]])


def _merge_end_points(pieces: Geometries) -> tuple[Floats, Ints]:
    """Return (n, 2) nodes at the ends of pieces, and (e, 2) the nodes of each piece."""
    count = len(pieces)
    points = np.concatenate(
        [
            shapely.get_coordinates(shapely.get_point(pieces, 0)),
            shapely.get_coordinates(shapely.get_point(pieces, -1)),
        ]
    )
    if not count:
        return np.empty((0, 2)), np.empty((0, 2), dtype=np.int64)
    pairs = cKDTree(points).query_pairs(SAME_M, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(2 * count, 2 * count))
    _, label = connected_components(links, directed=False)
    _, first, number = np.unique(label, return_index=True, return_inverse=True)
    ends = np.column_stack([number[:count], number[count:]]).astype(np.int64)
    return points[first], ends
