"""Divide the grids of a stored plan into micro-grids, and store these."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, delete, insert, select, update

from geo import crs
from geo.db.layer_frames import read_frame, wkb
from geo.model import STORAGE_SRID, Grid, GridMember, GridPlan, MicroGrid
from geo.partition.cells.barriers import Barriers
from geo.partition.community import Community, build_barriers
from geo.partition.micro import MAX_HOUSEHOLDS, MIN_HOUSEHOLDS
from geo.partition.micro.divide import MicroGrids, divide_grid
from geo.partition.micro.unit_cells import UnitCells, divide_cells
from geo.plans import community_layers
from geo.plans.micro_grids import SERIAL_DIGITS, has_micro_grids, list_micro_grids
from geo.plans.plan_draft import lock_community_of
from geo.types import Lines, Polygons

NEAR_GRID_M = 5.0


@dataclass(frozen=True)
class MicroSummary:
    """Micro-grids of a plan: how many, how many within the limits, and reasons by grid code."""

    plan: int
    grids: int
    parts: int
    within: int
    reasons: tuple[tuple[str, dict[str, Any]], ...]


def divide_plan(connection: Connection, plan: int, previous: int | None = None) -> MicroSummary:
    """Divide the general grids of a plan into micro-grids and store them in place of earlier ones.

    Parameters
    ----------
    previous
        Number of the plan whose micro-grids are kept as far as possible; the plan itself by
        default.

    Raises
    ------
    NotFoundError
        If there is no such plan.
    """
    community = community_layers.read_community(connection, lock_community_of(connection, plan))
    members = _read_members(connection, plan, community)
    units = _units_by_building(community)
    before = _previous_parts(connection, previous or plan)
    barriers, ways = build_barriers(community), community.roads.geometry.to_numpy()
    connection.execute(delete(MicroGrid).where(MicroGrid.plan_id == plan))
    parts, within = 0, 0
    reasons: list[tuple[str, dict[str, Any]]] = []
    for grid_code, rows in members.groupby("grid", sort=True):
        grid_code, grid_id = str(grid_code), int(rows["grid_id"].iloc[0])
        cells = divide_cells(rows, units)
        near, near_ways = _clip_around(cells.polygons, barriers, ways)
        drawn = divide_grid(cells, near, near_ways, before.get(grid_code))
        _store_parts(connection, plan, grid_id, grid_code, cells, drawn, community)
        parts += len(drawn.serials)
        within += int(
            ((drawn.households >= MIN_HOUSEHOLDS) & (drawn.households <= MAX_HOUSEHOLDS)).sum()
        )
        reasons += [(key, {"grid": grid_code} | fields) for key, fields in drawn.reasons]
    grids = members["grid"].nunique()
    return MicroSummary(plan, grids, parts, within, tuple(reasons))


def continue_micro_grids(connection: Connection, plan: int) -> MicroSummary | None:
    """Divide the grids of a new plan if those of its parent are divided; None if they are not."""
    parent = connection.execute(select(GridPlan.parent_id).where(GridPlan.id == plan)).scalar()
    if parent is None or not has_micro_grids(connection, parent):
        return None
    return divide_plan(connection, plan, parent)


def _read_members(connection: Connection, plan: int, community: Community) -> pd.DataFrame:
    """Return the cells of the general grids of a plan in metres, with footprints."""
    statement = (
        select(
            Grid.id.label("grid_id"),
            Grid.code.label("grid"),
            GridMember.building_code,
            GridMember.unit_code,
            GridMember.households,
            wkb(GridMember.geom),
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .where(GridMember.plan_id == plan, Grid.kind == "general")
        .order_by(Grid.code, GridMember.id)
    )
    members = pd.DataFrame(read_frame(connection, statement, community.buildings.crs))
    footprint = dict(zip(community.buildings["code"], community.buildings.geometry, strict=True))
    known = members["building_code"].map(footprint).astype(object)
    return members.assign(footprint=known.where(known.notna(), members["geom"]))


def _units_by_building(community: Community) -> dict[str, pd.DataFrame]:
    units = community.units
    inhabited = pd.DataFrame(units[units["households"] > 0])
    return {str(code): rows for code, rows in inhabited.groupby("building_code")}


def _previous_parts(connection: Connection, plan: int) -> dict[str, dict[str, int]]:
    """Return the serial of the part of each building and unit, by grid code."""
    parts: dict[str, dict[str, int]] = {}
    for row in list_micro_grids(connection, plan):
        codes = dict.fromkeys((*row["buildings"], *row["units"]), row["serial"])
        parts.setdefault(row["grid"], {}).update(codes)
    return parts


def _clip_around(cells: Polygons, barriers: Barriers, ways: Lines) -> tuple[Barriers, Lines]:
    """Return the barriers and ways in and around some cells."""
    box = shapely.box(*shapely.total_bounds(cells))
    is_near = shapely.dwithin(barriers.lines, box, NEAR_GRID_M)
    near = Barriers(barriers.lines[is_near], barriers.kinds[is_near], barriers.water)
    return near, ways[shapely.dwithin(ways, box, NEAR_GRID_M)]


def _store_parts(
    connection: Connection,
    plan: int,
    grid_id: int,
    grid: str,
    cells: UnitCells,
    drawn: MicroGrids,
    community: Community,
) -> None:
    shapes = crs.transform(drawn.polygons, community.buildings.crs, crs.STORAGE)
    names, is_unit = cells.names(), np.array([code is not None for code in cells.unit], dtype=bool)
    rows = []
    for number, (serial, shape) in enumerate(zip(drawn.serials, shapes, strict=True)):
        inside = drawn.part == number
        multi = shapely.multipolygons(shapely.get_parts(shape))
        rows.append(
            {
                "plan_id": plan,
                "grid_id": grid_id,
                "code": f"{grid}{serial:0{SERIAL_DIGITS}d}",
                "households": int(drawn.households[number]),
                "buildings": sorted(names[inside & ~is_unit]),
                "units": sorted(names[inside & is_unit]),
                "geom": shapely.to_wkb(
                    shapely.set_srid(multi, STORAGE_SRID), hex=True, include_srid=True
                ),
            }
        )
    connection.execute(insert(MicroGrid).inline(), rows)
    reasons = [[key, fields] for key, fields in drawn.reasons]
    connection.execute(update(Grid).where(Grid.id == grid_id).values(micro_reasons=reasons))
