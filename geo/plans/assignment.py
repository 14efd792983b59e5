"""The grid of each building, as a table that leaves a plan and comes back edited."""

from typing import Any

import numpy as np
import pandas as pd
import shapely
from sqlalchemy import Connection, func, select

from geo.db.layer_frames import read_frame, wkb
from geo.errors import InputError
from geo.geometry.shared_borders import locate_by_overlap
from geo.model import Building, Grid, GridMember
from geo.partition.scoring.numbering import SERIAL_DIGITS, grid_codes
from geo.plans.plan_draft import Draft
from geo.types import Polygons, Strings

COLUMNS = (
    *("building_code", "unit_code", "name", "address"),
    *("households", "grid_code", "grid_name"),
)


def read_assignment(connection: Connection, plan: int) -> list[dict[str, Any]]:
    """Return the buildings and units of a plan with their grids, by :data:`COLUMNS`."""
    statement = (
        select(
            GridMember.building_code,
            func.coalesce(GridMember.unit_code, "").label("unit_code"),
            func.coalesce(Building.name, "").label("name"),
            func.coalesce(Building.address, "").label("address"),
            GridMember.households,
            Grid.code.label("grid_code"),
            Grid.name.label("grid_name"),
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .outerjoin(Building, Building.code == GridMember.building_code)
        .where(GridMember.plan_id == plan, GridMember.building_code.is_not(None))
        .order_by(Grid.code, GridMember.building_code, GridMember.unit_code)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def targets_from_table(connection: Connection, draft: Draft, rows: pd.DataFrame) -> dict[int, str]:
    """Return the grid code of each atom that a table names; rows without a grid are left out.

    Parameters
    ----------
    rows
        ``building_code``, ``unit_code`` and ``grid_code`` as texts, empty where unknown. A row
        without a unit is for all units of its building. A grid code may be the serial alone.

    Raises
    ------
    InputError
        If a building or unit is not in the plan, is in two grids, or a grid code is malformed.
    """
    members = _read_members(connection, draft.number)
    by_building = members.groupby("building_code")["atom"].apply(list).to_dict()
    by_unit = members[members["unit_code"] != ""].set_index("unit_code")["atom"].to_dict()
    targets: dict[int, str] = {}
    for number, row in enumerate(rows.itertuples(index=False), 2):
        building, unit, grid = (
            str(value).strip() for value in (row.building_code, row.unit_code, row.grid_code)
        )
        if not grid or not (building or unit):
            continue
        atoms = [by_unit[unit]] if unit in by_unit else by_building.get(building, [])
        if not atoms or (unit and unit not in by_unit):
            raise InputError("assignment_unknown", row=number, code=unit or building)
        code = _grid_code(draft.community, grid, number)
        for atom in atoms:
            if targets.setdefault(atom, code) != code:
                raise InputError("assignment_twice", row=number, code=unit or building)
    return targets


def targets_from_polygons(
    connection: Connection, draft: Draft, polygons: Polygons, codes: Strings, names: Strings
) -> tuple[dict[int, str], dict[str, str]]:
    """Return the grid code of each atom that lies in one of the polygons, and names by code.

    A building is in the polygon that has most of its footprint, a unit or empty cell in the one
    that has most of its land.

    Parameters
    ----------
    polygons, codes, names
        (g,) polygons in degrees of EPSG:4490, their grid codes or serials, and their names, empty
        for none: polygons without a code get the first free serials.

    Raises
    ------
    InputError
        If a code is malformed, or no atom lies in any polygon.
    """
    stated = [
        _grid_code(draft.community, str(code), row) if code else ""
        for row, code in enumerate(codes, 1)
    ]
    serials = np.arange(1, 2 * len(stated) + 1)
    free = (code for code in grid_codes(draft.community, serials) if code not in stated)
    numbered = [code or next(free) for code in stated]
    atoms = _read_shapes(connection, draft.number)
    shapes = atoms.geometry.to_numpy()
    grid = locate_by_overlap(shapes, polygons)
    located = grid >= 0
    located[located] = (
        shapely.area(shapely.intersection(shapes[located], polygons[grid[located]])) > 0
    )
    if not located.any():
        raise InputError("assignment_elsewhere")
    targets = {
        int(atom): numbered[index]
        for atom, index in zip(atoms["id"][located], grid[located], strict=True)
    }
    return targets, {code: str(name) for code, name in zip(numbered, names, strict=True) if name}


def _grid_code(community: str, stated: str, row: int) -> str:
    """Return the grid code that a code or serial names."""
    if stated.isascii() and stated.isdigit():
        if len(stated) <= SERIAL_DIGITS and int(stated) > 0:
            return grid_codes(community, np.array([int(stated)]))[0]
        if len(stated) == len(community) + SERIAL_DIGITS and stated.startswith(community):
            return stated
    raise InputError("assignment_grid", row=row, code=stated, community=community)


def _read_members(connection: Connection, plan: int) -> pd.DataFrame:
    statement = select(
        GridMember.id.label("atom"),
        GridMember.building_code,
        func.coalesce(GridMember.unit_code, "").label("unit_code"),
    ).where(GridMember.plan_id == plan, GridMember.building_code.is_not(None))
    return pd.DataFrame(
        connection.execute(statement).all(), columns=["atom", "building_code", "unit_code"]
    )


def _read_shapes(connection: Connection, plan: int) -> Any:
    """Return ``id`` and the footprint of each atom with a building, else its cell."""
    shape = func.coalesce(Building.geom, GridMember.geom)
    statement = (
        select(GridMember.id, wkb(shape))
        .outerjoin(
            Building,
            (Building.code == GridMember.building_code) & GridMember.unit_code.is_(None),
        )
        .where(GridMember.plan_id == plan)
        .order_by(GridMember.id)
    )
    return read_frame(connection, statement)
