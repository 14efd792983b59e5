"""Clearances between underground pipes, and what is dangerous to dig near.

Figures: GB 50028-2006, tables 6.3.3-1 (horizontal, by the gas's pressure) and 6.3.3-2 (vertical),
for cables and heat pipes laid in the ground; GB 50289-2016, tables 4.1.9 and 4.1.14, for heat and
power (not verified: see ``docs/decisions/clauses-of-the-fire-rules.md``). Depth is that of a pipe's
top (CJJ 61-2017), so a pipe reaches down by its diameter.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from geo.model.pipe import Network
from geo.network.pipes import PipeGraph
from geo.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Clearance:
    """What two networks keep between them, metres.

    Attributes
    ----------
    horizontal
        Between pipes side by side: up to 0.4 MPa of the first network's pressure, up to 0.8 MPa,
        and above.
    vertical
        Between pipes that cross.
    """

    horizontal: tuple[float, float, float]
    vertical: float
    standard: str
    clause: str


CLEARANCES: dict[tuple[str, str], Clearance] = {
    (Network.GAS, Network.POWER): Clearance((0.5, 1.0, 1.5), 0.5, "GB 50028-2006", "6.3.3"),
    (Network.GAS, Network.HEAT): Clearance((1.0, 1.5, 2.0), 0.15, "GB 50028-2006", "6.3.3"),
    (Network.HEAT, Network.POWER): Clearance(
        (2.0, 2.0, 2.0), 0.5, "GB 50289-2016", "4.1.9, 4.1.14"
    ),
}
"""Pairs that are dangerous to each other: what burns or heats, and what sparks."""

HIGH_DANGER_NETWORKS = (Network.GAS, Network.POWER)
WIDE_MAIN_MM = 300.0
"""A water or heat main of this diameter floods or scalds when it is hit."""


@dataclass(frozen=True)
class Conflicts:
    """Places where two networks come too close.

    Attributes
    ----------
    one, other
        (k,) rows of the segments in the first and the second network.
    crossing
        (k,) whether they cross, else they run side by side.
    measured
        (k,) metres between their outsides, NaN where a depth is not on record.
    required
        (k,) metres.
    places
        (k,) the crossing, or the shortest line between them.
    """

    one: Ints
    other: Ints
    crossing: Bools
    measured: Floats
    required: Floats
    places: np.ndarray


def find_conflicts(first: PipeGraph, second: PipeGraph, clearance: Clearance) -> Conflicts:
    """Return where two networks come closer than they may, or where depths are not on record."""
    one, other = second.tree.query(
        first.lines, predicate="dwithin", distance=max(clearance.horizontal) + 1.0
    )
    apart = shapely.distance(first.lines[one], second.lines[other])
    crossing = apart == 0.0
    radii = (_diameter(first)[one] + _diameter(second)[other]) / 2
    measured = np.where(crossing, _vertical(first, second, one, other), apart - radii)
    beside = np.array(clearance.horizontal)[_pressure_step(first)][one]
    required = np.where(crossing, clearance.vertical, beside)
    keep = np.flatnonzero(np.isnan(measured) | (measured < required - 1e-6))
    one, other, crossing = one[keep], other[keep], crossing[keep]
    lines = shapely.shortest_line(first.lines[one], second.lines[other])
    met = shapely.intersection(first.lines[one], second.lines[other])
    places = np.where(crossing, shapely.point_on_surface(met), lines)
    return Conflicts(one, other, crossing, measured[keep], required[keep], places)


def _pressure_step(graph: PipeGraph) -> Ints:
    """Return 0, 1 or 2 for pipes up to 0.4 MPa (or of unknown pressure), up to 0.8 MPa, above."""
    pressure = np.nan_to_num(graph.segments["pressure_mpa"].to_numpy(dtype=float))
    step: Ints = np.searchsorted(_PRESSURES_MPA, pressure, side="left")
    return step


_PRESSURES_MPA = np.array([0.4, 0.8])


def _diameter(graph: PipeGraph) -> Floats:
    """Return diameters in metres, nought where none is on record."""
    metres: Floats = graph.segments["diameter_mm"].to_numpy(dtype=float) / 1000
    return np.nan_to_num(metres)


def _vertical(first: PipeGraph, second: PipeGraph, one: Ints, other: Ints) -> Floats:
    """Return the metres of earth between two pipes that cross, never below nought."""
    top_a = first.segments["burial_depth_m"].to_numpy(dtype=float)[one]
    top_b = second.segments["burial_depth_m"].to_numpy(dtype=float)[other]
    upper_size = np.where(top_a <= top_b, _diameter(first)[one], _diameter(second)[other])
    between: Floats = np.abs(top_a - top_b) - upper_size
    return np.maximum(between, 0.0)


def digging_danger(network: str, diameter_mm: float | None, pressure_mpa: float | None) -> str:
    """Return how dangerous it is to dig near a pipe: high, medium or low."""
    if network in HIGH_DANGER_NETWORKS:
        return "high"
    wide = diameter_mm is not None and diameter_mm >= WIDE_MAIN_MM
    if network in {Network.HEAT, Network.WATER} and (wide or pressure_mpa is not None):
        return "medium"
    return "low"
