"""What is reached of a road graph within a limit, as land: isochrones as clean nested polygons."""

import numpy as np
import shapely

from geo.network.noding import Bools, Floats, Geometries, substrings
from geo.network.roads import RoadGraph

BESIDE_M = 45.0
"""How far beside a road land counts as reached from it: the depth of a row of plots."""

HOLE_M2 = 20_000.0
"""Gaps within reached land that are smaller than this are closed: blocks between its streets."""

_SIMPLE_M = 0.5
_NOTHING = shapely.Polygon()


def reached_stretches(
    graph: RoadGraph, cost: Floats, limit: float, pace: Floats, without: Bools | None = None
) -> tuple[Geometries, Bools]:
    """Return the parts of pieces that are reached within a limit.

    Parameters
    ----------
    cost
        (n,) cost of reaching each node.
    pace
        (e,) cost of a metre of each piece; infinite where it can't be passed.
    without
        (e,) pieces to leave out.

    Returns
    -------
    lines
        The parts.
    whole
        (e,) pieces that are reached in their whole length.
    """
    rest = np.nan_to_num(np.clip(limit - cost[graph.ends], 0.0, None), neginf=0.0)
    left = np.minimum(rest / pace[:, None], graph.length[:, None])
    whole = left.sum(axis=1) >= graph.length
    wanted = np.ones(len(whole), dtype=bool) if without is None else ~without
    from_start = np.flatnonzero(wanted & ~whole & (left[:, 0] > 0.1))
    from_end = np.flatnonzero(wanted & ~whole & (left[:, 1] > 0.1))
    lines = [
        graph.lines[wanted & whole],
        substrings(graph.lines, from_start, np.zeros(len(from_start)), left[from_start, 0]),
        substrings(
            graph.lines,
            from_end,
            graph.length[from_end] - left[from_end, 1],
            graph.length[from_end],
        ),
    ]
    return np.concatenate(lines), whole


def reached_land(
    graph: RoadGraph, cost: Floats, limit: float, pace: Floats | None = None
) -> shapely.Geometry:
    """Return the land beside what is reached within a limit, small holes closed."""
    pace = np.ones(len(graph.ends)) if pace is None else pace
    return land_beside(reached_stretches(graph, cost, limit, pace)[0])


def land_beside(lines: Geometries, before: shapely.Geometry = _NOTHING) -> shapely.Geometry:
    """Return the land beside lines, with the land that was reached before, as clean polygons."""
    joined = shapely.line_merge(shapely.MultiLineString(list(lines)))
    courses = shapely.simplify(shapely.get_parts(joined), _SIMPLE_M)
    beside = shapely.buffer(courses, BESIDE_M, quad_segs=2)
    whole = shapely.union_all(np.append(beside, shapely.get_parts(before)))
    parts = [_fill_small_holes(part) for part in shapely.get_parts(whole)]
    if not parts:
        return _NOTHING
    return shapely.multipolygons(parts) if len(parts) > 1 else parts[0]


def _fill_small_holes(polygon: shapely.Polygon) -> shapely.Polygon:
    """Return a polygon without its small holes."""
    rings = shapely.get_rings(polygon)
    holes = [ring for ring in rings[1:] if shapely.Polygon(ring).area >= HOLE_M2]
    return shapely.Polygon(rings[0], holes)
