"""Clearances between underground pipes, and what is dangerous to dig near."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from geo.model.pipe import Network
from geo.network import depths
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import (
    CLEARANCES,
    NOT_BURIED,
    STANDARD_RULES,
    STEP_OF_CLASS,
    Clearance,
    PipeRules,
    figures_by_laying,
)
from geo.network.pipes import PipeGraph
from geo.types import Bools, Floats, Geometries, Ints

HIGH_DANGER_NETWORKS = (Network.GAS, Network.POWER)
WIDE_MAIN_MM = 300.0
"""A water or heat main of this diameter floods or scalds when it is hit."""

TOLERANCE_M = 1e-6

CROSSING_SPAN = 8.0
"""Within this many times the required distance of a crossing, pipes count as crossing: those that
cross at 7 degrees or more are not beside each other."""


def pairs_of_networks() -> list[tuple[Network, Network]]:
    """Return the pairs of networks that keep a clearance."""
    return list(dict.fromkeys((row.first, row.other) for row in CLEARANCES))


def find_conflicts(
    first: PipeGraph, other: PipeGraph, rules: PipeRules = STANDARD_RULES
) -> list[PipeFinding]:
    """Return where two networks come closer than they may, or where data to judge is missing."""
    rows = [
        row for row in rules.clearances if (row.first, row.other) == (first.network, other.network)
    ]
    widest = max((max(row.horizontal) for row in rows), default=0.0)
    reach = widest + sum(
        float(np.nan_to_num(depths.diameters(g)).max(initial=0.0) / 2) for g in (first, other)
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
    """Return (s,) int64 the step of each pipe's pressure: 0 (low, or unknown) to 4 (sub-high A).

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
    return _findings_of_pairs("crossing", first, other, rows, (one, two), measured, figures, places)


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
    is_crossing = apart == 0.0
    crossings = _Crossings.of(first, other, one[is_crossing], two[is_crossing])
    radii = sum(
        np.nan_to_num(depths.diameters(graph))[row] / 2
        for graph, row in ((first, one), (other, two))
    )
    figures = np.array([np.array(row.horizontal)[pressure_steps(first)[one]] for row in rows])
    _, most, _ = figures_by_laying(rows, other.words("laying")[two].tolist(), figures)
    is_close = apart - radii < most - TOLERANCE_M
    is_close &= ~(is_crossing & _cross_at_once(first.lines[one], other.lines[two]))
    close = np.flatnonzero(is_close)
    one, two, radii, figures = one[close], two[close], np.asarray(radii)[close], figures[:, close]
    pieces = crossings.pieces_beside((first, other), (one, two), most[close] + radii)
    others = other.lines[two]
    measured = np.maximum(shapely.distance(pieces, others) - radii, 0.0)  # NaN of an empty piece
    beside = np.flatnonzero(~np.isnan(measured))
    places = shapely.shortest_line(pieces[beside], others[beside])
    pairs = one[beside], two[beside]
    return _findings_of_pairs(
        "parallel", first, other, rows, pairs, measured[beside], figures[:, beside], places
    )


def _cross_at_once(lines: Geometries, others: Geometries) -> Bools:
    """Return (k,) whether two straight pipes that cross are nowhere beside each other."""
    is_straight = (shapely.get_num_points(lines) == 2) & (shapely.get_num_points(others) == 2)
    one, two = (
        shapely.get_coordinates(shapely.get_point(shapes, -1))
        - shapely.get_coordinates(shapely.get_point(shapes, 0))
        for shapes in (lines, others)
    )
    lengths = np.hypot(*one.T) * np.hypot(*two.T)
    sines = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    at_once: Bools = is_straight & (sines * CROSSING_SPAN >= lengths)
    return at_once


@dataclass(frozen=True)
class _Crossings:
    """(c,) where two networks cross, and (c, 2) the nodes of both pipes there."""

    points: Geometries
    first_ends: Ints
    other_ends: Ints

    @classmethod
    def of(cls, first: PipeGraph, other: PipeGraph, one: Ints, two: Ints) -> "_Crossings":
        """Return the crossings of some pairs of pipes."""
        return cls(_crossing_points(first, other, one, two), first.ends[one], other.ends[two])

    def pieces_beside(
        self, graphs: tuple[PipeGraph, PipeGraph], rows: tuple[Ints, Ints], reach: Floats
    ) -> Geometries:
        """Return (k,) what of each pipe comes within reach of another away from their crossings.

        A pipe that crosses another is split at every branch, so its next piece begins beside it.
        """
        pieces = graphs[0].lines[rows[0]].copy()
        if not len(self.points):
            return pieces
        tree = shapely.STRtree(self.points)
        for k, (one, two, metres) in enumerate(zip(*rows, reach, strict=True)):
            other = graphs[1].lines[two]
            near = tree.query(other, predicate="dwithin", distance=float(metres))
            is_joined = np.isin(self.first_ends[near], graphs[0].ends[one]).any(axis=1)
            is_joined &= np.isin(self.other_ends[near], graphs[1].ends[two]).any(axis=1)
            if is_joined.any():
                close = shapely.intersection(pieces[k], shapely.buffer(other, metres))
                points = shapely.multipoints(self.points[near[is_joined]])
                around = shapely.buffer(points, CROSSING_SPAN * metres)
                pieces[k] = shapely.difference(close, around)
        return pieces


def _findings_of_pairs(
    kind: str,
    first: PipeGraph,
    other: PipeGraph,
    rows: Sequence[Clearance],
    pairs: tuple[Ints, Ints],
    measured: Floats,
    figures: np.ndarray,
    places: Geometries,
) -> list[PipeFinding]:
    """Return findings of pairs of pipes that are too close, or lack data to tell."""
    one, two = pairs
    least, most, chosen = figures_by_laying(rows, other.words("laying")[two].tolist(), figures)
    is_unknown = np.isnan(measured) & ~np.isnan(least)
    is_close = measured < least - TOLERANCE_M
    depends_on_laying = ~is_close & (measured < most - TOLERANCE_M)
    findings = []
    for k in np.flatnonzero(is_unknown | is_close | depends_on_laying).tolist():
        reason = "no_depth" if is_unknown[k] else "no_laying" if depends_on_laying[k] else ""
        findings.append(
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
    return findings


def digging_danger(network: str, diameter_mm: float | None, pressure_mpa: float | None) -> str:
    """Return how dangerous it is to dig near a pipe: high, medium or low."""
    if network in HIGH_DANGER_NETWORKS:
        return "high"
    wide = diameter_mm is not None and diameter_mm >= WIDE_MAIN_MM
    if network in {Network.HEAT, Network.WATER} and (wide or pressure_mpa is not None):
        return "medium"
    return "low"
