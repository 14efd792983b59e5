"""Podiums: low footprints that belong to the high-rise which they adjoin or carry."""

import numpy as np
import shapely

from geo.fire.rules import HIGH_RISE_M
from geo.fire.snapshot import CitySnapshot
from geo.types import Bools, Floats, Ints

MAX_HEIGHT_M = HIGH_RISE_M["other"]
"""A podium is no higher than this (GB 50016-2014, 2.1.2)."""

_ADJOINING_M = 0.1
_SHARED_WALL_M = 4.0
_CARRIED_SHARE = 0.5


def find_podiums(snapshot: CitySnapshot, height: Floats, high: Bools) -> Ints:
    """Return the podiums of high-rises.

    A low footprint is a podium if it carries at least half of the high-rise's own, or if it adjoins
    that along 4 m and records name both alike or place them in one compound.

    Parameters
    ----------
    height
        (b,) float64 metres, NaN where unknown.
    high
        (b,) whether each building is a high-rise by its height, or on record.

    Returns
    -------
    ndarray of int
        (k, 2) rows of podiums and of their high-rises.
    """
    walls = snapshot.walls
    is_low = height <= MAX_HEIGHT_M
    towers = np.flatnonzero(high & ~is_low)
    at, low = snapshot.wall_tree.query(walls[towers], predicate="dwithin", distance=_ADJOINING_M)
    tower, low = towers[at][is_low[low]], low[is_low[low]]
    carried = shapely.area(shapely.intersection(walls[tower], walls[low]))
    is_carrying = carried >= _CARRIED_SHARE * shapely.area(walls[tower])
    near = shapely.buffer(walls[tower], 2 * _ADJOINING_M, join_style="mitre")
    shared = shapely.length(shapely.intersection(shapely.boundary(walls[low]), near))
    is_joined = (shared >= _SHARED_WALL_M) & _is_one_place(snapshot, tower, low)
    podiums: Ints = np.column_stack([low, tower])[is_carrying | is_joined]
    return podiums


def _is_one_place(snapshot: CitySnapshot, tower: Ints, low: Ints) -> Bools:
    """Return (k,) whether records give two buildings one name or one compound."""
    frame = snapshot.building
    same = np.zeros(len(tower), dtype=bool)
    for column in ("name", "compound_code"):
        values = frame[column].to_numpy(dtype=object)
        is_known = np.array(
            [isinstance(value, str) and bool(value) for value in values], dtype=bool
        )
        same |= is_known[tower] & (values[tower] == values[low])
    return same
