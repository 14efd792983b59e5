"""Gas pipes under and beside buildings (GB 50028-2006, 6.3.3)."""

from collections.abc import Sequence

import numpy as np
import shapely

from geo.network import depths
from geo.network.clearance import TOLERANCE_M, is_buried, pressure_steps
from geo.network.pipe_findings import PipeFinding
from geo.network.pipe_rules import BUILDING_SOURCE, STANDARD_RULES, PipeRules
from geo.network.pipes import PipeGraph
from geo.types import Bools, Geometries, Ints

UNDER_M = 0.5
"""A pipe that reaches no farther under a footprint lies beside it: surveys are not finer."""

SERVED_M = 1.0
"""A service pipe serves the building in which, or this close to which, it ends."""


def find_pipes_at_buildings(
    gas: PipeGraph,
    codes: Sequence[str],
    footprints: Geometries,
    rules: PipeRules = STANDARD_RULES,
) -> list[PipeFinding]:
    """Return where gas pipes pass under buildings, or closer to them than they may.

    A service pipe may come up to the building that it supplies.

    Parameters
    ----------
    codes, footprints
        (b,) buildings, metric.
    """
    required = np.array(rules.building)[pressure_steps(gas)]
    radii = np.nan_to_num(depths.diameters(gas)) / 2
    reach = float((required + radii).max(initial=0.0))
    rows, buildings = shapely.STRtree(footprints).query(
        gas.lines, predicate="dwithin", distance=reach
    )
    is_judged = is_buried(gas)[rows] & ~_is_service_of(gas, footprints, rows, buildings)
    rows, buildings = rows[is_judged], buildings[is_judged]
    lines, walls = gas.lines[rows], footprints[buildings]
    under = shapely.intersection(lines, walls)
    lengths = shapely.length(under)
    measured = np.maximum(shapely.distance(lines, walls) - radii[rows], 0.0)
    is_under = lengths > UNDER_M
    is_close = ~is_under & (measured < required[rows] - TOLERANCE_M)
    between = shapely.shortest_line(lines, walls)
    return [
        PipeFinding(
            "under_building" if is_under[k] else "building",
            "high" if is_under[k] else "medium",
            (gas.network,),
            (str(gas.segment_codes[rows[k]]), codes[int(buildings[k])]),
            under[k] if is_under[k] else between[k],
            float(lengths[k] if is_under[k] else measured[k]),
            0.0 if is_under[k] else float(required[rows[k]]),
            BUILDING_SOURCE,
        )
        for k in np.flatnonzero(is_under | is_close).tolist()
    ]


def _is_service_of(gas: PipeGraph, footprints: Geometries, rows: Ints, buildings: Ints) -> Bools:
    """Return (k,) whether each segment ends at a consumer at, or in, the building."""
    is_consumer = gas.is_kind("consumer")
    serves = np.zeros(len(rows), dtype=bool)
    for side in (0, 1):
        nodes = gas.ends[rows, side]
        ends = shapely.points(gas.xy[nodes])
        serves |= is_consumer[nodes] & shapely.dwithin(ends, footprints[buildings], SERVED_M)
    return serves
