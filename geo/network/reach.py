"""What is reached of a road graph within a limit, as land: isochrones as clean nested polygons."""

import numpy as np
import shapely

from geo.network.noding import Floats, Geometries, substrings
from geo.network.roads import RoadGraph

BESIDE_M = 45.0
"""How far beside a road land counts as reached from it: the depth of a row of plots."""

HOLE_M2 = 20_000.0
"""Gaps within reached land that are smaller than this are closed: blocks between its streets."""

_GRID_M = 0.01


def stretches(graph: RoadGraph, cost: Floats, limit: float, pace: Floats) -> Geometries:
    """Return the parts of pieces that are reached within a limit.

    Parameters
    ----------
    cost
        (n,) cost of reaching each node.
    pace
        (e,) cost of a metre of each piece; infinite where it can't be passed.
    """
    rest = np.nan_to_num(np.clip(limit - cost[graph.ends], 0.0, None), neginf=0.0)
    left = np.minimum(rest / pace[:, None], graph.length[:, None])
    whole = left.sum(axis=1) >= graph.length
    from_start = np.flatnonzero(~whole & (left[:, 0] > 0.1))
    from_end = np.flatnonzero(~whole & (left[:, 1] > 0.1))
    return np.concatenate(
        [
            graph.lines[whole],
            substrings(graph.lines, from_start, np.zeros(len(from_start)), left[from_start, 0]),
            substrings(
                graph.lines,
                from_end,
                graph.length[from_end] - left[from_end, 1],
                graph.length[from_end],
            ),
        ]
    )


def land(
    graph: RoadGraph, cost: Floats, limit: float, pace: Floats | None = None
) -> shapely.Geometry:
    """Return the land beside what is reached within a limit, small holes closed."""
    pace = np.ones(len(graph.ends)) if pace is None else pace
    return around(stretches(graph, cost, limit, pace))


def around(lines: Geometries) -> shapely.Geometry:
    """Return the land beside lines as one clean polygon or several."""
    if not len(lines):
        return shapely.Polygon()
    joined = shapely.line_merge(shapely.multilinestrings(list(lines)))
    beside = shapely.buffer(shapely.get_parts(joined), BESIDE_M, quad_segs=3)
    whole = shapely.union_all(beside, grid_size=_GRID_M)
    parts = [_closed(part) for part in shapely.get_parts(whole)]
    return shapely.multipolygons(parts) if len(parts) > 1 else parts[0]


def _closed(polygon: shapely.Polygon) -> shapely.Polygon:
    """Return a polygon without its small holes."""
    rings = shapely.get_rings(polygon)
    holes = [ring for ring in rings[1:] if shapely.Polygon(ring).area >= HOLE_M2]
    return shapely.Polygon(rings[0], holes)


def nested(areas: list[shapely.Geometry]) -> list[shapely.Geometry]:
    """Return areas in growing order, each with the ones before it."""
    found: list[shapely.Geometry] = []
    for area in areas:
        whole = area if not found else shapely.union(found[-1], area, grid_size=_GRID_M)
        found.append(whole)
    return found
