"""The plan before: which of its grids a node was in, and which of them something has changed."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.partition.cells.atoms import Atoms
from geo.partition.scoring.numbering import serial_of
from geo.types import Floats, Ints, Polygons


@dataclass(frozen=True)
class PreviousPlan:
    """A plan to start from: the one in force, a draft half done, or polygons from a file.

    Attributes
    ----------
    grids
        ``code``, ``name``, ``kind`` and polygons in the community's metres.
    members
        ``grid`` (its code), ``building_code``, ``unit_code`` and ``households`` when it was
        drawn; no rows where only polygons are known.
    number
        Number of the plan in the database.
    """

    grids: gpd.GeoDataFrame
    members: pd.DataFrame
    number: int | None = None

    def general(self) -> NDArray[np.bool_]:
        """Return which grids hold households on purpose."""
        general: NDArray[np.bool_] = (self.grids["kind"] == "general").to_numpy(dtype=bool)
        return general


@dataclass(frozen=True)
class AtomLocations:
    """Where the plan before had the atoms of today.

    Attributes
    ----------
    grid
        (a,) row of the grid before, -1 where it had none.
    known
        (a,) whether the plan named the atom; else it lies on the grid's land.
    households
        (a,) households it had then, today's where that is not known.
    """

    grid: Ints
    known: NDArray[np.bool_]
    households: Ints


def locate_atoms(plan: PreviousPlan, atoms: Atoms) -> AtomLocations:
    """Return the grid before of each atom: that of its unit, its building, or its place."""
    row = {code: number for number, code in enumerate(plan.grids["code"])}
    members = plan.members[plan.members["building_code"].notna()]
    members = members.assign(row=members["grid"].map(row))
    of_unit = members[members["unit_code"].notna()].set_index("unit_code")
    main = members.sort_values("households", kind="stable").drop_duplicates(
        "building_code", keep="last"
    )
    of_building = main.set_index("building_code")
    total = members.groupby("building_code")["households"].sum()
    unit, building = pd.Series(atoms.unit), pd.Series(atoms.building)
    grid = unit.map(of_unit["row"]).fillna(building.map(of_building["row"])).fillna(-1)
    before = unit.map(of_unit["households"])
    before = before.where(unit.notna(), building.map(total)).fillna(pd.Series(atoms.households))
    known = grid.to_numpy(dtype=np.int64) >= 0
    lies = locate_points(plan.grids.geometry.to_numpy(), shapely.centroid(atoms.footprints))
    return AtomLocations(
        np.where(known, grid.to_numpy(dtype=np.int64), lies),
        known if len(members) else lies >= 0,
        before.to_numpy(dtype=np.int64),
    )


def locate_points(polygons: Polygons, points: Polygons) -> Ints:
    """Return which of some polygons each point lies in, -1 for none."""
    found = np.full(len(points), -1, dtype=np.int64)
    point, polygon = shapely.STRtree(polygons).query(points, predicate="intersects")
    found[point[::-1]] = polygon[::-1]
    return found


def locate_nodes(
    plan: PreviousPlan, where: AtomLocations, atoms: Atoms, node: Ints, points: Polygons
) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the grid before of each node, and whether leaving it counts as a move.

    Parameters
    ----------
    node
        (a,) node of each atom, -1 for none.
    points
        (n,) a point of each node.
    """
    label = locate_points(plan.grids.geometry.to_numpy(), points)
    counted = np.zeros(len(points), dtype=bool)
    order = np.lexsort((atoms.households, where.known))
    order = order[(node[order] >= 0) & (where.grid[order] >= 0)]
    label[node[order]] = where.grid[order]
    counted[node[order]] = where.known[order]
    return label, counted


def find_changed_grids(plan: PreviousPlan, where: AtomLocations, atoms: Atoms) -> NDArray[np.bool_]:
    """Return in which grids before a building is new, gone, or has other households."""
    found = np.zeros(len(plan.grids), dtype=bool)
    changed = (where.grid >= 0) & (~where.known | (where.households != atoms.households))
    found[where.grid[changed]] = True
    gone = ~plan.members["building_code"].isin(atoms.building)
    gone &= plan.members["building_code"].notna()
    found[plan.grids["code"].isin(plan.members.loc[gone, "grid"]).to_numpy()] = True
    return found


def count_moved_households(where: AtomLocations, households: Ints, same: Ints) -> int:
    """Return the households that are in another grid than before.

    Parameters
    ----------
    same
        (a,) row of the grid before that each atom's grid goes on from, -1 for a new grid.
    """
    counted = where.known & (where.grid >= 0) & (where.grid != same)
    return int(households[counted].sum())


def match_to_previous_grids(
    plan: PreviousPlan,
    where: AtomLocations,
    households: Ints,
    grid: Ints,
    dedicated: NDArray[np.bool_],
) -> Ints:
    """Return the grid before that each grid goes on from: the one it shares most households with.

    Parameters
    ----------
    grid
        (a,) grid of each atom, numbered from 0.
    dedicated
        (g,) which grids are dedicated; these go on from dedicated ones.

    Returns
    -------
    rows
        (g,) rows of ``plan.grids``, -1 for a new grid; no row twice.
    """
    shared: Floats = np.zeros((len(dedicated), len(plan.grids)))
    inside = where.grid >= 0
    np.add.at(shared, (grid[inside], where.grid[inside]), households[inside] + 1e-3)
    shared[dedicated[:, None] == plan.general()[None]] = 0.0
    from scipy.optimize import linear_sum_assignment  # a third of a second to import

    one, other = linear_sum_assignment(-shared)
    rows = np.full(len(dedicated), -1, dtype=np.int64)
    rows[one] = np.where(shared[one, other] > 0, other, -1)
    return rows


def previous_serials(plan: PreviousPlan, rows: Ints, community: str) -> Ints:
    """Return the serial of the grid before at each row, 0 for none."""
    serial = np.array([serial_of(code, community) for code in plan.grids["code"]], dtype=np.int64)
    return np.where(rows >= 0, np.append(serial, 0)[rows], 0)
