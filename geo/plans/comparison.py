"""Two plans of a community side by side: who moves, which borders go and come."""

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, select

from geo import crs
from geo.db.layer_frames import read_frame, wkb
from geo.model import Grid, GridMember

BORDER_TOLERANCE_M = 0.5
"""Borders this near to each other are one: cells are computed anew for every drawing."""


@dataclass(frozen=True)
class Comparison:
    """A plan compared with another.

    Attributes
    ----------
    atoms
        Those of the plan: ``id``, ``building_code``, ``unit_code``, ``households``, ``grid``,
        ``before`` (code of the other's grid, None where it did not know the building) and cells.
    grids
        ``code``, households ``before`` and ``after``, and how many were ``gained`` and ``lost``.
    added_m, removed_m
        Metres of border between grids that only this plan, only the other has.
    """

    atoms: gpd.GeoDataFrame
    grids: pd.DataFrame
    added_m: float
    removed_m: float

    def moved(self) -> gpd.GeoDataFrame:
        """Return the atoms that are in another grid than in the other plan."""
        before = self.atoms["before"]
        return self.atoms[before.notna() & (before != self.atoms["grid"])]


def compare_plans(connection: Connection, plan: int, other: int) -> Comparison:
    """Compare a plan with another of its community.

    Grids are told by their codes: a grid goes on under the code of the one from which it has most
    households (:mod:`geo.partition.previous_plan`).
    """
    atoms, before = _atoms(connection, plan), _atoms(connection, other)
    atoms["before"] = _grid_before(atoms, before)
    added, removed = _borders(_grids(connection, plan), _grids(connection, other))
    return Comparison(atoms, _balance(atoms, before), added, removed)


def _atoms(connection: Connection, plan: int) -> gpd.GeoDataFrame:
    columns = (
        GridMember.id,
        GridMember.building_code,
        GridMember.unit_code,
        GridMember.households,
        Grid.code.label("grid"),
        wkb(GridMember.geom),
    )
    statement = select(*columns).join(Grid, Grid.id == GridMember.grid_id)
    return read_frame(
        connection,
        statement.where(GridMember.plan_id == plan, GridMember.building_code.is_not(None)).order_by(
            GridMember.id
        ),
    )


def _grid_before(atoms: gpd.GeoDataFrame, before: gpd.GeoDataFrame) -> Any:
    """Return the grid in which the other plan had each atom: its unit, else its building."""
    of_unit = before[before["unit_code"].notna()].drop_duplicates("unit_code")
    most = before.sort_values("households").drop_duplicates("building_code", keep="last")
    by_unit = atoms["unit_code"].map(of_unit.set_index("unit_code")["grid"])
    by_building = atoms["building_code"].map(most.set_index("building_code")["grid"])
    found = by_unit.astype(object).where(by_unit.notna(), by_building)
    return found.where(found.notna(), None)


def _balance(atoms: gpd.GeoDataFrame, before: gpd.GeoDataFrame) -> pd.DataFrame:
    moved = atoms[atoms["before"].notna() & (atoms["before"] != atoms["grid"])]
    columns = {
        "before": before.groupby("grid")["households"].sum(),
        "after": atoms.groupby("grid")["households"].sum(),
        "gained": moved.groupby("grid")["households"].sum(),
        "lost": moved.groupby("before")["households"].sum(),
    }
    table = pd.DataFrame(columns).fillna(0).astype(int).rename_axis("code")
    return table.sort_index().reset_index()


def _grids(connection: Connection, plan: int) -> gpd.GeoDataFrame:
    statement = select(Grid.code, wkb(Grid.geom)).where(Grid.plan_id == plan)
    frame = read_frame(connection, statement)
    return frame.to_crs(crs.metric_crs_of(frame)) if len(frame) else frame


def _borders(one: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> tuple[float, float]:
    if one.empty or other.empty:
        return 0.0, 0.0
    mine, theirs = _inner(one), _inner(other)
    added = shapely.difference(mine, shapely.buffer(theirs, BORDER_TOLERANCE_M))
    removed = shapely.difference(theirs, shapely.buffer(mine, BORDER_TOLERANCE_M))
    return float(shapely.length(added)), float(shapely.length(removed))


def _inner(grids: gpd.GeoDataFrame) -> shapely.Geometry:
    """Return the borders between grids as lines."""
    polygons = np.asarray(grids.geometry.to_numpy(), dtype=object)
    outline = shapely.boundary(shapely.union_all(polygons))
    lines = shapely.union_all(shapely.boundary(polygons))
    return shapely.difference(lines, shapely.buffer(outline, BORDER_TOLERANCE_M))
