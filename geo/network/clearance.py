"""Clearances between underground pipes, and what is dangerous to dig near."""

from collections.abc import Sequence

import numpy as np
import shapely

from geo.model.pipe import Network
from geo.network import depths
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import (
    CLEARANCES,
    NOT_BURIED,
    STEP_OF_CLASS,
    Clearance,
    figures_by_laying,
)
from geo.network.pipes import PipeGraph
from geo.types import Bools, Floats, Geometries, Ints

HIGH_DANGER_NETWORKS = (Network.GAS, Network.POWER)
WIDE_MAIN_MM = 300.0
"""A water or heat main of this diameter floods or scalds when it is hit."""

TOLERANCE_M = 1e-6

CROSSING_SPAN = 3.0
"""Within this many times the required distance of a crossing, pipes count as crossing."""


def pairs_of_networks() -> list[tuple[Network, Network]]:
    """Return the pairs of networks that keep a clearance."""
    return list(dict.fromkeys((row.first, row.other) for row in CLEARANCES))


def find_conflicts(first: PipeGraph, other: PipeGraph) -> list[PipeFinding]:
    """Return where two networks come closer than they may, or where data to judge is missing."""
    rows = [row for row in CLEARANCES if (row.first, row.other) == (first.network, other.network)]
    steps = pressure_steps(first)
    widest = max((row.horizontal[int(steps.max(initial=0))] for row in rows), default=0.0)
    reach = widest + sum(
        float(np.nan_to_num(depths.diameters(g)).max() / 2) for g in (first, other)
    )
    one, two = other.tree.query(first.lines, predicate="dwithin", distance=reach)
    is_judged = is_buried(first)[one] & is_buried(other)[two]
    one, two = one[is_judged], two[is_judged]
    apart = shapely.distance(first.lines[one], other.lines[two])
    is_crossing = apart == 0.0
    return [
        *_check_crossings(first, other, rows, one[is_crossing], two[is_crossing]),
        *_check_parallels(first, other, rows, one, two, apart),
    ]


def is_buried(graph: PipeGraph) -> Bools:
    """Return (s,) whether each segment lies in the ground, as far as is known."""
    return ~np.isin(graph.words("laying"), [method.value for method in NOT_BURIED])


def pressure_steps(graph: PipeGraph) -> Ints:
    """Return (s,) the step of each pipe's pressure: 0 (low, or unknown) to 4 (sub-high A).

    Of a pressure and a class that differ the higher counts.
    """
    pressure = np.nan_to_num(graph.figures("pressure_mpa"))
    low, *others = (0.01, 0.2, 0.4, 0.8)
    by_pressure = (pressure >= low).astype(np.int64)
    by_pressure += sum((pressure > limit).astype(np.int64) for limit in others)
    by_class = [STEP_OF_CLASS.get(word, 0) for word in graph.words("pressure_class")]
    steps: Ints = np.maximum(by_pressure, np.array(by_class, dtype=np.int64))
    return steps


def _check_crossings(
    first: PipeGraph, other: PipeGraph, rows: Sequence[Clearance], one: Ints, two: Ints
) -> list[PipeFinding]:
    places = _crossing_points(first, other, one, two)
    along = [
        shapely.line_locate_point(graph.lines[row], places, normalized=True)
        for graph, row in ((first, one), (other, two))
    ]
    measured = depths.find_gap_between(first, other, (one, two), (along[0], along[1]))
    figures = np.array([np.full(len(one), row.vertical) for row in rows])
    return _findings("crossing", first, other, rows, (one, two), measured, figures, places)


def _crossing_points(first: PipeGraph, other: PipeGraph, one: Ints, two: Ints) -> Geometries:
    met = shapely.intersection(first.lines[one], other.lines[two])
    points: Geometries = shapely.point_on_surface(met)
    return points


def _check_parallels(
    first: PipeGraph,
    other: PipeGraph,
    rows: Sequence[Clearance],
    one: Ints,
    two: Ints,
    apart: Floats,
) -> list[PipeFinding]:
    """Return findings of pipes side by side, away from where the two networks cross."""
    crossings = _crossing_points(first, other, one[apart == 0.0], two[apart == 0.0])
    is_apart = apart > 0.0
    one, two, apart = one[is_apart], two[is_apart], apart[is_apart]
    radii = sum(
        np.nan_to_num(depths.diameters(graph))[row] / 2
        for graph, row in ((first, one), (other, two))
    )
    figures = np.array([np.array(row.horizontal)[pressure_steps(first)[one]] for row in rows])
    measured = np.maximum(apart - radii, 0.0)
    _, most, _ = figures_by_laying(rows, other.words("laying")[two].tolist(), figures)
    close = np.flatnonzero(measured < most - TOLERANCE_M)
    one, two, measured, figures = one[close], two[close], measured[close], figures[:, close]
    reach = most[close] + np.asarray(radii)[close]
    is_beside = _runs_beside(first.lines[one], other.lines[two], reach, crossings)
    one, two, measured = one[is_beside], two[is_beside], measured[is_beside]
    places = shapely.shortest_line(first.lines[one], other.lines[two])
    return _findings(
        "parallel", first, other, rows, (one, two), measured, figures[:, is_beside], places
    )


def _runs_beside(
    lines: Geometries, others: Geometries, reach: Floats, crossings: Geometries
) -> Bools:
    """Return (k,) whether a pipe comes within reach of another away from where networks cross.

    A pipe that crosses another is split at every branch, so its next piece begins beside it.
    """
    if not len(crossings):
        return np.ones(len(lines), dtype=bool)
    tree = shapely.STRtree(crossings)
    beside = np.ones(len(lines), dtype=bool)
    for k, (line, other, metres) in enumerate(zip(lines, others, reach, strict=True)):
        near = tree.query(other, predicate="dwithin", distance=float(metres))
        if not len(near):
            continue
        close = shapely.intersection(line, shapely.buffer(other, metres))
        around = shapely.buffer(shapely.multipoints(crossings[near]), CROSSING_SPAN * metres)
        beside[k] = not shapely.is_empty(shapely.difference(close, around))
    return beside


def _findings(
    kind: str,
    first: PipeGraph,
    other: PipeGraph,
    rows: Sequence[Clearance],
    pairs: tuple[Ints, Ints],
    measured: Floats,
    figures: np.ndarray,
    places: Geometries,
) -> list[PipeFinding]:
    one, two = pairs
    least, most, chosen = figures_by_laying(rows, other.words("laying")[two].tolist(), figures)
    is_unknown = np.isnan(measured) & ~np.isnan(least)
    is_close = measured < least - TOLERANCE_M
    depends_on_laying = ~is_close & (measured < most - TOLERANCE_M)
    found = []
    for k in np.flatnonzero(is_unknown | is_close | depends_on_laying).tolist():
        reason = "no_depth" if is_unknown[k] else "no_laying" if depends_on_laying[k] else ""
        found.append(
            PipeFinding(
                kind,
                "missing" if reason else "medium",
                (first.network, other.network),
                (str(first.segment_codes[one[k]]), str(other.segment_codes[two[k]])),
                places[k],
                None if is_unknown[k] else float(measured[k]),
                float(most[k] if depends_on_laying[k] else least[k]),
                rows[int(chosen[k])].source,
                reason,
            )
        )
    return found


def digging_danger(network: str, diameter_mm: float | None, pressure_mpa: float | None) -> str:
    """Return how dangerous it is to dig near a pipe: high, medium or low."""
    if network in HIGH_DANGER_NETWORKS:
        return "high"
    wide = diameter_mm is not None and diameter_mm >= WIDE_MAIN_MM
    if network in {Network.HEAT, Network.WATER} and (wide or pressure_mpa is not None):
        return "medium"
    return "low"
