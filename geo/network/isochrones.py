"""Isochrones: the area reached on a road graph within a limit, as valid nested polygons."""

import numpy as np
import shapely

from geo.network.noding import substrings
from geo.network.roads import RoadGraph
from geo.types import Bools, Floats, Geometries

BESIDE_M = 45.0
"""Land up to this far beside a reached road counts as reached: the depth of a row of plots."""

HOLE_M2 = 20_000.0
"""Holes smaller than this are filled: they are blocks between reached streets."""

_SIMPLE_M = 0.5
_NOTHING = shapely.Polygon()


def reached_stretches(
    graph: RoadGraph, cost: Floats, limit: float, pace: Floats, without: Bools | None = None
) -> tuple[Geometries, Bools]:
    """Return the parts of the graph's pieces that are reached within a limit.

    Parameters
    ----------
    cost
        (n,) float64 cost of reaching each node.
    pace
        (e,) float64 cost of a metre of each piece; infinite where it can't be passed.
    without
        (e,) bool which pieces to leave out.

    Returns
    -------
    lines
        (k,) the parts, metres.
    whole
        (e,) whether each piece is reached in its whole length.
    """
    remaining = np.nan_to_num(np.clip(limit - cost[graph.ends], 0.0, None), neginf=0.0)
    reached_length = np.minimum(remaining / pace[:, None], graph.length[:, None])
    whole = reached_length.sum(axis=1) >= graph.length
    is_included = np.ones(len(whole), dtype=bool) if without is None else ~without
    from_start = np.flatnonzero(is_included & ~whole & (reached_length[:, 0] > 0.1))
    from_end = np.flatnonzero(is_included & ~whole & (reached_length[:, 1] > 0.1))
    lines = [
        graph.lines[is_included & whole],
        substrings(
            graph.lines, from_start, np.zeros(len(from_start)), reached_length[from_start, 0]
        ),
        substrings(
            graph.lines,
            from_end,
            graph.length[from_end] - reached_length[from_end, 1],
            graph.length[from_end],
        ),
    ]
    return np.concatenate(lines), whole


def reached_land(graph: RoadGraph, cost: Floats, limit: float) -> shapely.Geometry:
    """Return the area beside the pieces reached within a limit, small holes filled.

    Parameters
    ----------
    cost
        (n,) float64 metres to each node.
    """
    return land_beside(reached_stretches(graph, cost, limit, np.ones(len(graph.ends)))[0])


def land_beside(lines: Geometries, previous: shapely.Geometry = _NOTHING) -> shapely.Geometry:
    """Return the area beside (k,) lines in metres, joined with a previous area."""
    joined = shapely.line_merge(shapely.MultiLineString(list(lines)))
    simplified = shapely.simplify(shapely.get_parts(joined), _SIMPLE_M)
    beside = shapely.buffer(simplified, BESIDE_M, quad_segs=2)
    whole = shapely.union_all(np.append(beside, shapely.get_parts(previous)))
    parts = [_fill_small_holes(part) for part in shapely.get_parts(whole)]
    if not parts:
        return _NOTHING
    return shapely.multipolygons(parts) if len(parts) > 1 else parts[0]


def _fill_small_holes(polygon: shapely.Polygon) -> shapely.Polygon:
    """Return a polygon without its small holes."""
    rings = shapely.get_rings(polygon)
    holes = [ring for ring in rings[1:] if shapely.Polygon(ring).area >= HOLE_M2]
    return shapely.Polygon(rings[0], holes)
