"""Bridges and paths that link parts of a graph that share no border."""

from dataclasses import replace

import numpy as np
import shapely

from geo.partition.cells.graph import Graph, merge_parallel_edges
from geo.types import Floats, Ints, Lines, Polygons


def join_islands_by_ways(graph: Graph, cells: Polygons, ways: Lines) -> Graph:
    """Return the graph with its components joined where a bridge or path connects them.

    Parameters
    ----------
    cells
        (n,) polygons of the nodes.
    ways
        (w,) lines of roads, bridges and paths. Cells of different components that a line enters
        one after the other become adjacent, without border. In one grid they cost the length of
        the way between them, so that a grid does not lie in distant pieces.
    """
    pairs, length = find_way_links(graph.components()[1], cells, ways)
    zeros = np.zeros(len(pairs))
    return replace(
        graph,
        edges=np.concatenate([graph.edges, pairs]),
        cut=np.append(graph.cut, zeros),
        inside=np.append(graph.inside, length),
        length=np.append(graph.length, zeros),
    )


def find_way_links(part: Ints, cells: Polygons, ways: Lines) -> tuple[Ints, Floats]:
    """Find the cells of different components that a way links.

    Parameters
    ----------
    part
        (n,) int64 component of each cell.
    cells, ways
        (n,) polygons, and (w,) lines of roads, bridges and paths.

    Returns
    -------
    pairs, length
        (p, 2) int64 cells that a way enters one after the other, each pair once, and (p,) float64
        metres of the shortest way between them.
    """
    if len(ways) == 0 or (part == part[:1]).all():
        return np.empty((0, 2), dtype=np.int64), np.empty(0)
    islands = cells[part != np.bincount(part).argmax()]
    ways = ways[np.unique(shapely.STRtree(ways).query(islands, predicate="intersects")[1])]
    way, cell = shapely.STRtree(cells).query(ways, predicate="intersects")
    lowest, highest = np.full(len(ways), len(part)), np.full(len(ways), -1)
    np.minimum.at(lowest, way, part[cell])
    np.maximum.at(highest, way, part[cell])
    links = lowest[way] < highest[way]
    way, cell = way[links], cell[links]
    within = shapely.intersection(ways[way], cells[cell])
    along = shapely.line_locate_point(ways[way], shapely.point_on_surface(within))
    order = np.lexsort((along, way))
    way, cell = way[order], cell[order]
    leads = np.flatnonzero((way[1:] == way[:-1]) & (part[cell[1:]] != part[cell[:-1]]))
    line, within = ways[way[leads]], within[order]
    leaves, enters = _farthest_along(line, within[leads]), _nearest_along(line, within[leads + 1])
    one, other = cell[leads], cell[leads + 1]
    between = np.maximum(enters - leaves, shapely.distance(cells[one], cells[other]))
    pairs, number = merge_parallel_edges(np.stack([one, other], axis=1))
    length = np.full(len(pairs), np.inf)
    np.minimum.at(length, number, between)
    return pairs, length


def _farthest_along(lines: Lines, parts: Lines) -> Floats:
    """Return (k,) how far along each line a part of it ends."""
    coords, part = shapely.get_coordinates(parts, return_index=True)
    farthest = np.zeros(len(lines))
    np.maximum.at(farthest, part, shapely.line_locate_point(lines[part], shapely.points(coords)))
    return farthest


def _nearest_along(lines: Lines, parts: Lines) -> Floats:
    """Return (k,) how far along each line a part of it begins."""
    nearest: Floats = shapely.length(lines) - _farthest_along(shapely.reverse(lines), parts)
    return nearest
