"""Atoms: what is never cut. Buildings; the units of a building above the upper limit."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo.partition.coverage import Floats, Ints, Polygons


@dataclass(frozen=True)
class Atoms:
    """The atoms of a community.

    Attributes
    ----------
    footprints
        (a,) polygons in metres: of a building, or of a unit's share of one.
    households
        (a,) households.
    building, unit
        (a,) codes; unit is None where the building is whole.
    compound
        (a,) number of the residential compound, -1 for none.
    """

    footprints: Polygons
    households: Ints
    building: Polygons
    unit: Polygons
    compound: Ints

    def names(self) -> Polygons:
        """Return what to call each atom: the code of its unit or building."""
        whole = np.array([unit is None for unit in self.unit], dtype=bool)
        return np.where(whole, self.building, self.unit)


def atoms_of(buildings: gpd.GeoDataFrame, units: gpd.GeoDataFrame, upper: int) -> Atoms:
    """Return the atoms of a community's buildings.

    Parameters
    ----------
    buildings
        ``code``, ``households``, ``compound_code`` and footprints in metres.
    units
        ``code``, ``building_code``, ``households`` and points in metres.
    upper
        A building with more households than this is split into its units, where it has any with
        households; its footprint is divided across its long axis in proportion to them.
    """
    codes = buildings["code"]
    large = codes[buildings["households"] > upper]
    of_large = units[units["building_code"].isin(large) & (units["households"] > 0)]
    is_split = codes.isin(large[large.isin(of_large["building_code"])])
    split, whole = buildings[is_split], buildings[~is_split]
    compound = pd.factorize(buildings["compound_code"])[0]
    number = dict(zip(codes, compound, strict=True))
    footprints, households = [*whole.geometry.to_numpy()], [*whole["households"]]
    building, unit = [*whole["code"]], [None] * len(whole)
    for row in split.itertuples():
        own = of_large[of_large["building_code"] == row.code]
        shares, order = divided(row.geom, shapely.get_coordinates(own.geometry), _counts(own))
        footprints += [*shares]
        households += _spread(int(row.households), _counts(own)[order])
        building += [row.code] * len(own)
        unit += [*own["code"].to_numpy()[order]]
    return Atoms(
        np.array(footprints, dtype=object),
        np.array(households, dtype=np.int64),
        np.array(building, dtype=object),
        np.array(unit, dtype=object),
        np.array([number[code] for code in building], dtype=np.int64),
    )


def _counts(units: gpd.GeoDataFrame) -> Ints:
    counts: Ints = units["households"].to_numpy(dtype=np.int64)
    return counts


def _spread(total: int, counts: Ints) -> list[int]:
    """Return the building's households over its units, in whole numbers that add up to it."""
    exact = np.cumsum(counts) * (total / counts.sum())
    return [int(n) for n in np.diff(np.round(exact), prepend=0)]


def divided(footprint: shapely.Geometry, points: Floats, shares: Ints) -> tuple[Polygons, Ints]:
    """Divide a footprint across its long axis in proportion to shares.

    Parameters
    ----------
    footprint
        Polygon in metres.
    points
        (k, 2) where the units are; they are served in order along the axis.
    shares
        (k,) positive weights.

    Returns
    -------
    pieces, order
        (k,) polygons along the axis, and which unit each is of. A footprint without area is
        not divided: each unit has all of it.
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
    cuts = [low, *(_position(strip, low, high, g) for g in goal[:-1]), high]
    pieces = [strip(a, b) for a, b in pairwise(cuts)]
    return np.array(pieces, dtype=object), order


def _position(
    strip: Callable[[float, float], shapely.Geometry], low: float, high: float, area: float
) -> float:
    """Return how far along the axis the strip from ``low`` holds an area, to a millimetre."""
    near, far = low, high
    while far - near > 1e-3:
        middle = (near + far) / 2
        near, far = (middle, far) if shapely.area(strip(low, middle)) < area else (near, middle)
    return (near + far) / 2
