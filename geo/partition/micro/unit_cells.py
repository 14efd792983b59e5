"""The cells of a grid with the cells of large buildings divided among their stairwell units."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import shapely
from shapely import coverage_clean  # type: ignore[attr-defined]

from geo.partition.cells.atoms import apportion
from geo.types import Floats, Ints, Polygons, Strings

DIVIDED_ABOVE = 25
"""A building with more households is divided into its units: half of what a part has at least."""

MIN_UNIT_SPACING_M = 1.0
"""Units nearer to each other than this are spread evenly over their building."""


@dataclass(frozen=True)
class UnitCells:
    """Cells of a grid, which are nodes, and what stands on them.

    Attributes
    ----------
    polygons
        (n,) coverage in metres.
    node
        (a,) int64 cell of each building or unit.
    households
        (a,) int64
    building, unit
        (a,) codes; unit is None where a building is not divided.
    """

    polygons: Polygons
    node: Ints
    households: Ints
    building: Strings
    unit: Strings

    def names(self) -> Strings:
        """Return (a,) the code of the unit or building of each atom."""
        whole = np.array([unit is None for unit in self.unit], dtype=bool)
        return np.where(whole, self.building, self.unit)


@dataclass(frozen=True)
class _Member:
    """A member of a grid: a building or unit, or None, with its cell."""

    building: str | None
    unit: str | None
    households: int
    cell: shapely.Geometry
    footprint: shapely.Geometry


def divide_cells(members: pd.DataFrame, units: dict[str, pd.DataFrame]) -> UnitCells:
    """Divide the cells of a grid among the units of its large buildings.

    Parameters
    ----------
    members
        ``building_code``, ``unit_code``, ``households``, ``geom`` (the cell in metres, empty where
        another building has it) and ``footprint``, None for a cell without a building.
    units
        ``code``, ``households`` and ``geom`` (point in metres) of the units, by building.
    """
    polygons: list[shapely.Geometry] = []
    atoms: list[tuple[int, int, str, str | None]] = []
    landless: list[_Member] = []
    columns = ("building_code", "unit_code", "households", "geom", "footprint")
    names = members[["building_code", "unit_code"]].astype(object)
    members = members.assign(**names.where(names.notna(), None))  # pandas reads NULL as NaN
    for member in map(_Member, *(members[name] for name in columns)):
        if shapely.is_empty(member.cell):
            landless.append(member)
            continue
        first = len(polygons)
        stairs = _units_to_divide(member, units)
        if stairs is None:
            polygons.append(member.cell)
            if member.building is not None:
                atoms.append((first, member.households, member.building, member.unit))
            continue
        pieces, order, rest = _cut_across_axis(
            member.cell, member.footprint, _positions_along_axis(stairs, member.footprint)
        )
        shares = apportion(member.households, stairs["households"].to_numpy()[order])
        codes = stairs["code"].to_numpy()[order]
        atoms += [
            (first + number, share, str(member.building), str(code))
            for number, (share, code) in enumerate(zip(shares, codes, strict=True))
        ]
        polygons += [*pieces, *rest]
    cells = np.array(polygons, dtype=object)
    for member in landless:
        node = int(shapely.STRtree(cells).nearest(shapely.centroid(member.footprint)))
        atoms.append((node, member.households, str(member.building), member.unit))
    nodes, households, buildings, unit_codes = zip(*atoms, strict=True) if atoms else ((),) * 4
    return UnitCells(
        coverage_clean(cells),
        np.array(nodes, dtype=np.int64),
        np.array(households, dtype=np.int64),
        np.array(buildings, dtype=object),
        np.array(unit_codes, dtype=object),
    )


def _units_to_divide(member: _Member, units: dict[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Return the units of a member's building, None if it stays whole."""
    stairs = units.get(member.building or "") if member.unit is None else None
    if stairs is None or len(stairs) < 2 or member.households <= DIVIDED_ABOVE:
        return None
    return stairs


def _positions_along_axis(stairs: pd.DataFrame, footprint: shapely.Geometry) -> Floats:
    """Return (u,) how far along the long axis of its footprint each unit is."""
    axis = _long_axis(footprint)
    along: Floats = shapely.get_coordinates(stairs["geom"].to_numpy()) @ axis
    if np.diff(np.sort(along)).min() >= MIN_UNIT_SPACING_M:
        return along
    corners = shapely.get_coordinates(footprint) @ axis
    places = np.linspace(corners.min(), corners.max(), 2 * len(along) + 1)[1::2]
    spread = np.empty(len(along))
    spread[np.argsort(along, kind="stable")] = places
    return spread


def _long_axis(footprint: shapely.Geometry) -> Floats:
    corners = shapely.get_coordinates(shapely.oriented_envelope(footprint))
    if len(corners) < 3:
        return np.array([1.0, 0.0])
    sides = np.diff(corners[:3], axis=0)
    longest = sides[np.hypot(*sides.T).argmax()]
    axis: Floats = longest / np.hypot(*longest)
    return axis


def _cut_across_axis(
    cell: shapely.Geometry, footprint: shapely.Geometry, along: Floats
) -> tuple[list[shapely.Geometry], Ints, list[shapely.Geometry]]:
    """Cut a cell across the long axis of its building, midway between the units.

    Returns
    -------
    pieces, order, rest
        The land of each unit in one piece, (u,) the units in the order of the pieces, and land cut
        off from its unit.
    """
    axis = _long_axis(footprint)
    across = np.array([-axis[1], axis[0]])
    order: Ints = np.argsort(along, kind="stable").astype(np.int64)
    corners = shapely.get_coordinates(cell)
    low, high = float((corners @ axis).min()) - 1.0, float((corners @ axis).max()) + 1.0
    left, right = float((corners @ across).min()) - 1.0, float((corners @ across).max()) + 1.0
    middles = (along[order][1:] + along[order][:-1]) / 2
    pieces: list[shapely.Geometry] = []
    rest: list[shapely.Geometry] = []
    for start, end in pairwise([low, *middles, high]):
        frame = [(start, left), (end, left), (end, right), (start, right)]
        box = shapely.Polygon([axis * a + across * b for a, b in frame])
        parts = shapely.get_parts(shapely.intersection(cell, box))
        parts = parts[shapely.get_dimensions(parts) == 2]
        if len(parts) == 0:
            pieces.append(shapely.Polygon())
            continue
        largest = int(shapely.area(parts).argmax())
        pieces.append(parts[largest])
        rest += [part for number, part in enumerate(parts) if number != largest]
    return pieces, order, rest
