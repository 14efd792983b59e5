"""Joins of roads whose data leaves a gap: an end beside another road, a road inside a gate.

A road end that stops a few metres short of another road's carriageway is joined to it. Where a
compound's roads reach no other road, the end that lies at the compound's boundary nearest to a road
outside is taken for its gate. Each join is a fault of the data, to be reported.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geo.network.noding import SAME_M
from geo.network.roads import RoadGraph, road_widths
from geo.types import Bools, Floats, Geometries, Ints

AT_BOUNDARY_M = 5.0
"""An end this close to the boundary of a compound may be at a gate."""


@dataclass(frozen=True)
class RoadJoin:
    """A gap in the data between a road's end and another road.

    Attributes
    ----------
    road, other
        Rows of the roads.
    line
        From the end to the other road's centreline, metres.
    gap_m
        From the end to the other road's carriageway.
    at_gate
        Whether the gap is taken for a gate.
    """

    road: int
    other: int
    line: shapely.LineString
    gap_m: float
    at_gate: bool


@dataclass(frozen=True)
class _Ends:
    """The (d,) ends at which one piece of road stops: node, piece, point."""

    node: Ints
    piece: Ints
    point: Geometries


@dataclass(frozen=True)
class _Gaps:
    """(k,) gaps: index of the end, piece of the other road, metres to its carriageway."""

    end: Ints
    piece: Ints
    metres: Floats


def find_road_joins(
    graph: RoadGraph, boundaries: Geometries, beside_m: float, gate_m: float
) -> list[RoadJoin]:
    """Return the joins of a road graph.

    Parameters
    ----------
    boundaries
        (c,) boundaries of the compounds, metres.
    beside_m
        Widest gap between an end and another road's carriageway.
    gate_m
        Widest gap between a road of a compound and the carriageway outside its gate.
    """
    ends = _loose_ends(graph)
    beside = _gaps_beside(graph, ends, beside_m)
    gates = _gaps_at_gates(graph, ends, beside, boundaries, gate_m)
    joins = [
        *_build_joins(graph, ends, beside, at_gate=False),
        *_build_joins(graph, ends, gates, at_gate=True),
    ]
    distinct: dict[tuple[int, int, float], RoadJoin] = {}
    for join in joins:  # two ends that face each other are one gap
        pair = min(join.road, join.other), max(join.road, join.other)
        distinct.setdefault((*pair, round(join.gap_m, 2)), join)
    return list(distinct.values())


def _loose_ends(graph: RoadGraph) -> _Ends:
    degree = np.bincount(graph.ends.ravel(), minlength=graph.nodes)
    piece, side = np.nonzero(degree[graph.ends] == 1)
    at_grade = ~_is_raised(graph)[piece]
    piece, side = piece[at_grade], side[at_grade]
    node = graph.ends[piece, side]
    return _Ends(node, piece, np.asarray(shapely.points(graph.xy[node]), dtype=object))


def _is_raised(graph: RoadGraph) -> Bools:
    """Return (e,) whether each piece is part of a bridge or a tunnel."""
    raised = (graph.roads["bridge"] | graph.roads["tunnel"]).to_numpy(dtype=bool)
    return np.asarray(raised[graph.road])


def _gaps_beside(graph: RoadGraph, ends: _Ends, beside_m: float) -> _Gaps:
    """Return the smallest gap of each end to a road that is not its own."""
    half = (road_widths(graph.roads) / 2)[graph.road]
    reach = beside_m + float(half.max(initial=0.0))
    end, near = graph.tree.query(ends.point, predicate="dwithin", distance=reach)
    distance = shapely.distance(ends.point[end], graph.lines[near])
    road_piece = ends.piece[end]
    fits = (distance - half[near] <= beside_m) & (distance > SAME_M)
    fits &= (graph.road[near] != graph.road[road_piece]) & ~_is_raised(graph)[near]
    fits &= ~_is_stub(graph, ends, end, near, reach)
    end, near, metres = end[fits], near[fits], np.maximum(distance - half[near], 0.0)[fits]
    return _select_smallest_gaps(end, _Gaps(end, near, metres))


def _is_stub(graph: RoadGraph, ends: _Ends, end: Ints, near: Ints, reach: float) -> Bools:
    """Return (k,) whether each end only overshoots the road near it, which it already meets."""
    road_piece = ends.piece[end]
    other_node = graph.ends[road_piece].sum(axis=1) - ends.node[end]
    start = np.asarray(shapely.points(graph.xy[other_node]), dtype=object)
    meets = shapely.distance(start, graph.lines[near]) <= SAME_M
    return np.asarray(meets & (graph.length[road_piece] <= 2 * reach))


def _gaps_at_gates(
    graph: RoadGraph, ends: _Ends, beside: _Gaps, boundaries: Geometries, gate_m: float
) -> _Gaps:
    """Return the smallest gap of each isolated part of the network at a compound's boundary."""
    part = _parts_after_joins(graph, ends, beside)
    lengths = np.bincount(part[graph.ends[:, 0]], weights=graph.length)
    is_main = part[graph.ends[:, 0]] == lengths.argmax() if len(lengths) else np.zeros(0, bool)
    target = np.flatnonzero(is_main & ~_is_raised(graph))
    at_boundary = np.unique(
        shapely.STRtree(boundaries).query(ends.point, "dwithin", distance=AT_BOUNDARY_M)[0]
    )
    isolated = at_boundary[~is_main[ends.piece[at_boundary]]]
    if not (len(target) and len(isolated)):
        return _Gaps(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0))
    half = (road_widths(graph.roads) / 2)[graph.road]
    reach = gate_m + float(half.max())
    end, near = shapely.STRtree(graph.lines[target]).query(
        ends.point[isolated], predicate="dwithin", distance=reach
    )
    end, near = isolated[end], target[near]
    metres = shapely.distance(ends.point[end], graph.lines[near]) - half[near]
    fits = metres <= gate_m
    gaps = _Gaps(end[fits], near[fits], np.maximum(metres[fits], 0.0))
    return _select_smallest_gaps(part[ends.node[gaps.end]], gaps)


def _parts_after_joins(graph: RoadGraph, ends: _Ends, joined: _Gaps) -> Ints:
    """Return (n,) the connected part of each node, after some joins."""
    links = np.column_stack([ends.node[joined.end], graph.ends[joined.piece, 0]])
    pairs = np.concatenate([graph.ends, links])
    matrix = coo_array((np.ones(len(pairs)), pairs.T), shape=(graph.nodes, graph.nodes))
    return np.asarray(connected_components(matrix, directed=False)[1], dtype=np.int64)


def _select_smallest_gaps(group: Ints, gaps: _Gaps) -> _Gaps:
    """Return the smallest gap of each group."""
    order = np.lexsort((gaps.metres, group))
    _, first = np.unique(group[order], return_index=True)
    chosen = order[first]
    return _Gaps(gaps.end[chosen], gaps.piece[chosen], gaps.metres[chosen])


def _build_joins(graph: RoadGraph, ends: _Ends, gaps: _Gaps, *, at_gate: bool) -> list[RoadJoin]:
    lines = shapely.shortest_line(ends.point[gaps.end], graph.lines[gaps.piece])
    roads = graph.road[ends.piece[gaps.end]].tolist()
    others = graph.road[gaps.piece].tolist()
    columns = zip(roads, others, lines, gaps.metres.tolist(), strict=True)
    return [RoadJoin(road, other, line, gap, at_gate) for road, other, line, gap in columns]


def extend_roads(lines: Geometries, joins: list[RoadJoin]) -> Geometries:
    """Return (r,) lines of roads: the (r,) lines, each extended by the joins of its ends."""
    extended = lines.copy()
    for join in joins:
        points = shapely.get_coordinates(extended[join.road])
        start, target = shapely.get_coordinates(join.line)
        distances = np.hypot(*(points[[0, -1]] - start).T)
        whole = [target, *points] if distances[0] < distances[1] else [*points, target]
        extended[join.road] = shapely.LineString(whole)
    return extended
