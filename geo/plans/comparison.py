"""Comparison of two plans of a community: households moved, borders added and removed."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, select

from geo import crs
from geo.db.layer_frames import read_frame, wkb
from geo.model import Grid, GridMember

BORDER_TOLERANCE_M = 0.5
"""Borders this near to each other are the same: every drawing computes its cells again."""


@dataclass(frozen=True)
class Comparison:
    """The differences of a plan from another plan, called the previous one.

    Attributes
    ----------
    atoms
        Atoms of the plan: ``id``, ``building_code``, ``unit_code``, ``households``, ``grid``,
        ``before`` (code of the previous grid, None for a building the previous plan lacks) and
        the cell as geometry.
    grids
        ``code``, households ``before`` and ``after``, households ``gained`` and ``lost``.
    added_m, removed_m
        Length of the borders between grids that only the plan, or only the previous one, has.
    """

    atoms: gpd.GeoDataFrame
    grids: pd.DataFrame
    added_m: float
    removed_m: float

    def moved_atoms(self) -> gpd.GeoDataFrame:
        """Return the atoms whose grid differs from the previous one."""
        before = self.atoms["before"]
        return self.atoms[before.notna() & (before != self.atoms["grid"])]


def compare_plans(connection: Connection, plan: int, other: int) -> Comparison:
    """Compare a plan with another plan of its community.

    Grids are matched by code: a grid has the code of the previous grid from which most of its
    households come (:mod:`geo.partition.previous_plan`).
    """
    atoms, before = _read_atoms(connection, plan), _read_atoms(connection, other)
    atoms["before"] = previous_grids(atoms, before)
    added_m, removed_m = _border_changes(
        _read_grids(connection, plan), _read_grids(connection, other)
    )
    return Comparison(atoms, _count_households(atoms, before), added_m, removed_m)


def _read_atoms(connection: Connection, plan: int) -> gpd.GeoDataFrame:
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


def previous_grids(atoms: pd.DataFrame, before: pd.DataFrame) -> pd.Series:
    """Return the previous grid of each atom: that of its unit, else of its building, else None.

    Parameters
    ----------
    atoms
        ``building_code`` and ``unit_code``.
    before
        The atoms of the previous plan: these, ``households`` and ``grid``.
    """
    units = before[before["unit_code"].notna()].drop_duplicates("unit_code")
    buildings = before.sort_values("households").drop_duplicates("building_code", keep="last")
    by_unit = atoms["unit_code"].map(units.set_index("unit_code")["grid"])
    by_building = atoms["building_code"].map(buildings.set_index("building_code")["grid"])
    grids = by_unit.astype(object).where(by_unit.notna(), by_building)
    return grids.where(grids.notna(), None)


def _count_households(atoms: gpd.GeoDataFrame, before: gpd.GeoDataFrame) -> pd.DataFrame:
    moved = atoms[atoms["before"].notna() & (atoms["before"] != atoms["grid"])]
    columns = {
        "before": before.groupby("grid")["households"].sum(),
        "after": atoms.groupby("grid")["households"].sum(),
        "gained": moved.groupby("grid")["households"].sum(),
        "lost": moved.groupby("before")["households"].sum(),
    }
    table = pd.DataFrame(columns).fillna(0).astype(int).rename_axis("code")
    return table.sort_index().reset_index()


def _read_grids(connection: Connection, plan: int) -> gpd.GeoDataFrame:
    statement = select(Grid.code, wkb(Grid.geom)).where(Grid.plan_id == plan)
    frame = read_frame(connection, statement)
    return frame.to_crs(crs.metric_crs_of(frame)) if len(frame) else frame


def _border_changes(grids: gpd.GeoDataFrame, previous: gpd.GeoDataFrame) -> tuple[float, float]:
    """Return the metres of inner border that were added and removed."""
    if grids.empty or previous.empty:
        return 0.0, 0.0
    now, before = _inner_borders(grids), _inner_borders(previous)
    added = shapely.difference(now, shapely.buffer(before, BORDER_TOLERANCE_M))
    removed = shapely.difference(before, shapely.buffer(now, BORDER_TOLERANCE_M))
    return float(shapely.length(added)), float(shapely.length(removed))


def _inner_borders(grids: gpd.GeoDataFrame) -> shapely.Geometry:
    """Return the borders between grids as lines."""
    polygons = np.asarray(grids.geometry.to_numpy(), dtype=object)
    outline = shapely.boundary(shapely.union_all(polygons))
    lines = shapely.union_all(shapely.boundary(polygons))
    return shapely.difference(lines, shapely.buffer(outline, BORDER_TOLERANCE_M))
