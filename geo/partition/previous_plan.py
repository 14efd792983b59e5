"""The previous plan: the grids of atoms and nodes in it, and the grids that changed since."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo.partition.cells.atoms import Atoms
from geo.partition.matching import match_grids
from geo.partition.scoring.numbering import serial_of
from geo.types import Bools, Ints, Points, Polygons


@dataclass(frozen=True)
class PreviousPlan:
    """A plan to start from: the one in force, an unfinished draft, or polygons from a file.

    Attributes
    ----------
    grids
        ``code``, ``name``, ``kind`` and polygons in the community's metres.
    members
        ``grid`` (its code), ``building_code``, ``unit_code`` and ``households`` at that time;
        no rows where only polygons are known.
    number
        Number of the plan in the database.
    """

    grids: gpd.GeoDataFrame
    members: pd.DataFrame
    number: int | None = None

    def is_general(self) -> Bools:
        """Return (g,) bool, which grids are general, that is, not dedicated."""
        general: Bools = (self.grids["kind"] == "general").to_numpy(dtype=bool)
        return general


@dataclass(frozen=True)
class AtomLocations:
    """The grids of the previous plan in which today's atoms lie.

    Attributes
    ----------
    grid
        (a,) int64 row of the previous grid, -1 for none.
    known
        (a,) bool, whether the plan lists the atom; otherwise its position decides.
    households
        (a,) int64 previous households, today's where those are unknown.
    """

    grid: Ints
    known: Bools
    households: Ints


def locate_atoms(plan: PreviousPlan, atoms: Atoms) -> AtomLocations:
    """Find the previous grid of each atom: that of its unit, its building, or its position."""
    row = {code: number for number, code in enumerate(plan.grids["code"])}
    members = plan.members[plan.members["building_code"].notna()]
    members = members.assign(row=members["grid"].map(row))
    of_unit = members[members["unit_code"].notna()].set_index("unit_code")
    largest = members.sort_values("households", kind="stable").drop_duplicates(
        "building_code", keep="last"
    )
    of_building = largest.set_index("building_code")
    total = members.groupby("building_code")["households"].sum()
    unit, building = pd.Series(atoms.unit), pd.Series(atoms.building)
    grid = unit.map(of_unit["row"]).fillna(building.map(of_building["row"])).fillna(-1)
    households = unit.map(of_unit["households"]).where(unit.notna(), building.map(total))
    households = households.fillna(pd.Series(atoms.households))
    known = grid.to_numpy(dtype=np.int64) >= 0
    at_position = locate_points(plan.grids.geometry.to_numpy(), shapely.centroid(atoms.footprints))
    return AtomLocations(
        np.where(known, grid.to_numpy(dtype=np.int64), at_position),
        known if len(members) else at_position >= 0,
        households.to_numpy(dtype=np.int64),
    )


def locate_points(polygons: Polygons, points: Points) -> Ints:
    """Return (n,) int64 the one of (g,) polygons in which each of (n,) points lies, -1 for none."""
    location = np.full(len(points), -1, dtype=np.int64)
    point, polygon = shapely.STRtree(polygons).query(points, predicate="intersects")
    location[point[::-1]] = polygon[::-1]
    return location


def locate_nodes(
    plan: PreviousPlan, locations: AtomLocations, atoms: Atoms, node: Ints, points: Points
) -> tuple[Ints, Bools]:
    """Find (n,) the previous grid of each node, and whether leaving it counts as a move.

    Parameters
    ----------
    node
        (a,) int64 node of each atom, -1 for none.
    points
        (n,) a point of each node.
    """
    label = locate_points(plan.grids.geometry.to_numpy(), points)
    counted = np.zeros(len(points), dtype=bool)
    order = np.lexsort((atoms.households, locations.known))
    order = order[(node[order] >= 0) & (locations.grid[order] >= 0)]
    label[node[order]] = locations.grid[order]
    counted[node[order]] = locations.known[order]
    return label, counted


def find_changed_grids(plan: PreviousPlan, locations: AtomLocations, atoms: Atoms) -> Bools:
    """Return (g,) bool, in which grids a building was added, removed, or changed households."""
    is_changed = np.zeros(len(plan.grids), dtype=bool)
    changed = (locations.grid >= 0) & (
        ~locations.known | (locations.households != atoms.households)
    )
    is_changed[locations.grid[changed]] = True
    removed = ~plan.members["building_code"].isin(atoms.building)
    removed &= plan.members["building_code"].notna()
    is_changed[plan.grids["code"].isin(plan.members.loc[removed, "grid"]).to_numpy()] = True
    return is_changed


def count_moved_households(locations: AtomLocations, households: Ints, row: Ints) -> int:
    """Return the households that are in another grid than in the previous plan.

    Parameters
    ----------
    row
        (a,) int64 row of each atom's grid in the previous plan, -1 for a new grid.
    """
    counted = locations.known & (locations.grid >= 0) & (locations.grid != row)
    return int(households[counted].sum())


def match_to_previous_grids(
    plan: PreviousPlan,
    locations: AtomLocations,
    households: Ints,
    grid: Ints,
    dedicated: Bools,
) -> Ints:
    """Match grids to those of the previous plan with which they share most households.

    Parameters
    ----------
    grid
        (a,) int64 grid of each atom, numbered from 0.
    dedicated
        (g,) bool, which grids are dedicated; they match dedicated ones only.

    Returns
    -------
    rows
        (g,) int64 rows of ``plan.grids``, -1 for a new grid; no row twice.
    """
    common = locations.grid >= 0
    common[common] = dedicated[grid[common]] != plan.is_general()[locations.grid[common]]
    one, other, shared = match_grids(
        grid[common],
        locations.grid[common],
        households[common] + 1e-3,
        (len(dedicated), len(plan.grids)),
    )
    rows = np.full(len(dedicated), -1, dtype=np.int64)
    rows[one] = np.where(shared > 0, other, -1)
    return rows


def previous_serials(plan: PreviousPlan, rows: Ints, community: str) -> Ints:
    """Return (k,) int64 the serials of grids in (k,) rows of the previous plan, 0 for none."""
    serial = np.array([serial_of(code, community) for code in plan.grids["code"]], dtype=np.int64)
    return np.where(rows >= 0, np.append(serial, 0)[rows], 0)
