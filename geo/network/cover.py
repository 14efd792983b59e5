"""Depth of cover over pipes: under carriageways, beside them, and elsewhere."""

from collections.abc import Sequence

import numpy as np
import shapely

from geo.network import depths
from geo.network.clearance import TOLERANCE_M, is_buried
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import STANDARD_RULES, ZONES, Cover, PipeRules, figures_by_laying
from geo.network.pipes import PipeGraph
from geo.types import Floats, Geometries, Ints

ROADSIDE_M = 3.0
"""Cycleways and pavements reach about this far from a carriageway."""

CARRIAGEWAY_CLASSES = ("expressway", "arterial", "secondary", "local", "internal")
"""Classes of road on which motor vehicles drive."""

ROADSIDE_CLASSES = ("alley", "path")


def find_shallow_pipes(
    graph: PipeGraph,
    lines: Geometries,
    widths: Floats,
    classes: Sequence[str],
    rules: PipeRules = STANDARD_RULES,
) -> list[PipeFinding]:
    """Return the pipes with less cover than they must have, each at its worst place.

    A pipe without a depth on record is in no finding; ``PipeGraph.missing_counts`` counts those.

    Parameters
    ----------
    lines, widths, classes
        (r,) centrelines of roads on the ground, metric; (r,) float64 their widths in metres, NaN
        where unknown; and their classes.
    """
    rows = [row for row in rules.covers if row.network == graph.network]
    worst: dict[int, PipeFinding] = {}
    for zone, areas in zip(ZONES, _road_zones(lines, widths, np.array(classes)), strict=True):
        for row, finding in _check_zone(graph, rows, zone, areas):
            if row not in worst or (finding.shortfall or 0.0) > (worst[row].shortfall or 0.0):
                worst[row] = finding
    return list(worst.values())


def _road_zones(
    lines: Geometries, widths: Floats, classes: np.ndarray
) -> tuple[Geometries, Geometries, None]:
    """Return the areas of carriageways and roadsides; None stands for everywhere."""
    is_driven = np.isin(classes, CARRIAGEWAY_CLASSES) & ~np.isnan(widths)
    is_walked = np.isin(classes, ROADSIDE_CLASSES) & ~np.isnan(widths)
    driven = shapely.buffer(lines[is_driven], widths[is_driven] / 2, cap_style="flat")
    beside = shapely.buffer(lines[is_driven], widths[is_driven] / 2 + ROADSIDE_M, cap_style="flat")
    walked = shapely.buffer(lines[is_walked], widths[is_walked] / 2, cap_style="flat")
    return driven, np.concatenate([beside, walked]), None


def _check_zone(
    graph: PipeGraph, rows: Sequence[Cover], zone: str, areas: Geometries | None
) -> list[tuple[int, PipeFinding]]:
    """Return the row of each pipe that lies too shallow in a zone, with its finding."""
    if not rows:
        return []
    segments, pieces = _find_buried_pieces(graph, areas)
    measured, places = _least_cover(graph, segments, pieces)
    figures = np.array([np.full(len(segments), getattr(row, zone)) for row in rows])
    laying = graph.words("laying")[segments].tolist()
    least, most, chosen = figures_by_laying(rows, laying, figures)
    is_shallow = measured < least - TOLERANCE_M
    depends = ~is_shallow & (measured < most - TOLERANCE_M)
    return [
        (
            int(segments[k]),
            PipeFinding(
                "cover",
                "missing" if depends[k] else "medium",
                (graph.network,),
                (str(graph.segment_codes[segments[k]]),),
                places[k],
                float(measured[k]),
                float(most[k] if depends[k] else least[k]),
                rows[int(chosen[k])].source,
                "no_laying" if depends[k] else "",
                zone,
            ),
        )
        for k in np.flatnonzero(is_shallow | depends).tolist()
    ]


def _find_buried_pieces(graph: PipeGraph, areas: Geometries | None) -> tuple[Ints, Geometries]:
    """Return (k,) the buried segments in some areas and the pieces of them there."""
    buried = np.flatnonzero(is_buried(graph))
    if areas is None:
        return buried, graph.lines[buried]
    at, area = shapely.STRtree(areas).query(graph.lines[buried], predicate="intersects")
    pieces = shapely.intersection(graph.lines[buried[at]], areas[area])
    is_long = shapely.length(pieces) > 0
    return buried[at[is_long]], pieces[is_long]


def _least_cover(graph: PipeGraph, segments: Ints, pieces: Geometries) -> tuple[Floats, Geometries]:
    """Return (k,) the least depth of each segment's top on a piece of it, and where that is.

    A depth changes evenly along a segment, so it is least at an end of the piece.
    """
    corners, piece = shapely.get_coordinates(pieces, return_index=True)
    places = np.asarray(shapely.points(corners), dtype=object)
    along = shapely.line_locate_point(graph.lines[segments[piece]], places, normalized=True)
    top = depths.depths_of_top(graph, segments[piece], along)
    order = np.lexsort((np.nan_to_num(top, nan=np.inf), piece))
    _, first = np.unique(piece[order], return_index=True)
    least = order[first]
    return top[least], places[least]
