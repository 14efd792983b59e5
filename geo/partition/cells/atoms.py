"""Atoms, the smallest units of a plan: buildings, or units of buildings over the upper limit."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo.types import Floats, Ints, Polygons, Strings


@dataclass(frozen=True)
class Atoms:
    """The atoms of a community.

    Attributes
    ----------
    footprints
        (a,) polygons in metres: of a building, or of a unit's share of one.
    households
        (a,) int64 households.
    size
        (a,) int64 what the grids are to have equal shares of: households or workload.
    building, unit
        (a,) codes; unit is None where the building is not split.
    compound
        (a,) int64 number of the residential compound, -1 for none.
    """

    footprints: Polygons
    households: Ints
    size: Ints
    building: Strings
    unit: Strings
    compound: Ints

    def names(self) -> Strings:
        """Return (a,) the code of the unit or building of each atom."""
        whole = np.array([unit is None for unit in self.unit], dtype=bool)
        return np.where(whole, self.building, self.unit)


def build_atoms(
    buildings: gpd.GeoDataFrame, units: gpd.GeoDataFrame, upper: int, balance: str = "households"
) -> Atoms:
    """Build the atoms of a community's buildings.

    Parameters
    ----------
    buildings
        ``code``, ``households``, ``compound_code`` and footprints in metres.
    units
        ``code``, ``building_code``, ``households`` and points in metres.
    upper
        A building with a larger size than this is split into its units with households, if it has
        any; its footprint is divided across its long axis in proportion to them.
    balance
        Column of ``buildings`` that is the size.
    """
    codes, people = buildings["code"].to_numpy(), buildings["households"].to_numpy()
    sizes = buildings[balance].to_numpy()
    polygons, compound = buildings.geometry.to_numpy(), pd.factorize(buildings["compound_code"])[0]
    points, counts = units.geometry.to_numpy(), units["households"].to_numpy(dtype=np.int64)
    units_of = _find_units(units["building_code"].to_numpy(), counts, set(codes[sizes > upper]))
    split = np.array([code in units_of for code in codes], dtype=bool)
    row = [*np.flatnonzero(~split)]
    footprints, unit = [*polygons[row]], [None] * len(row)
    households, size = [*people[row]], [*sizes[row]]
    for building in np.flatnonzero(split):
        units_inside = units_of[codes[building]]
        at, shares = shapely.get_coordinates(points[units_inside]), counts[units_inside]
        pieces, order = divide_footprint(polygons[building], at, shares)
        footprints += [*pieces]
        households += apportion(int(people[building]), shares[order])
        size += apportion(int(sizes[building]), shares[order])
        unit += [*units["code"].to_numpy()[units_inside][order]]
        row += [building] * len(units_inside)
    return Atoms(
        np.array(footprints, dtype=object),
        np.array(households, dtype=np.int64),
        np.array(size, dtype=np.int64),
        codes[row].astype(object),
        np.array(unit, dtype=object),
        compound[row].astype(np.int64),
    )


def _find_units(building: Strings, households: Ints, large: set[str]) -> dict[str, list[int]]:
    """Return the units with households of each large building that has such units."""
    units: dict[str, list[int]] = {}
    for unit in np.flatnonzero(households > 0) if large else ():
        if building[unit] in large:
            units.setdefault(building[unit], []).append(int(unit))
    return units


def apportion(total: int, counts: Ints) -> list[int]:
    """Distribute households or workload of a building over its units in whole numbers.

    Parameters
    ----------
    counts
        (u,) int64 shares of the units.
    """
    exact = np.cumsum(counts) * (total / counts.sum())
    return [int(n) for n in np.diff(np.round(exact), prepend=0)]


def divide_footprint(
    footprint: shapely.Geometry, points: Floats, shares: Ints
) -> tuple[Polygons, Ints]:
    """Divide a footprint across its long axis in proportion to shares.

    Parameters
    ----------
    footprint
        Polygon in metres.
    points
        (k, 2) float64 positions of the units, metres; they are served in order along the axis.
    shares
        (k,) int64 positive weights.

    Returns
    -------
    pieces, order
        (k,) polygons along the axis, and (k,) int64 the unit of each. A footprint without area is
        not divided: each unit gets all of it.
    """
    if shapely.area(footprint) == 0:
        return np.full(len(points), footprint, dtype=object), np.arange(len(points))
    corners = shapely.get_coordinates(shapely.oriented_envelope(footprint))[:3]
    sides = np.diff(corners, axis=0)
    axis = sides[np.hypot(*sides.T).argmax()]
    axis = axis / np.hypot(*axis)
    order = np.argsort(points @ axis, kind="stable")
    along = shapely.get_coordinates(footprint) @ axis
    reach = float(np.hypot(*np.diff(corners[[0, 2]], axis=0)[0])) + 1.0
    middle = shapely.get_coordinates(shapely.centroid(footprint))[0]
    across = np.array([-axis[1], axis[0]])
    goal = np.cumsum(shares[order]) / shares.sum() * shapely.area(footprint)

    def strip(low: float, high: float) -> shapely.Geometry:
        base = middle - axis * (middle @ axis)
        corner = [base + axis * a + across * r * reach for a, r in ((low, -1), (high, -1))]
        corner += [base + axis * a + across * r * reach for a, r in ((high, 1), (low, 1))]
        piece: shapely.Geometry = shapely.intersection(footprint, shapely.polygons(corner))
        return piece

    low, high = float(along.min()) - 1.0, float(along.max()) + 1.0
    cuts = [low, *(_find_cut(strip, low, high, g) for g in goal[:-1]), high]
    pieces = [strip(a, b) for a, b in pairwise(cuts)]
    return np.array(pieces, dtype=object), order


def _find_cut(
    strip: Callable[[float, float], shapely.Geometry], low: float, high: float, area: float
) -> float:
    """Return how far along the axis the strip from ``low`` has an area, to a millimetre."""
    near, far = low, high
    while far - near > 1e-3:
        middle = (near + far) / 2
        near, far = (middle, far) if shapely.area(strip(low, middle)) < area else (near, middle)
    return (near + far) / 2
