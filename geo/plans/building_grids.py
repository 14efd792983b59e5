"""The grids in force that buildings belong to, with their managers."""

from typing import Any

from sqlalchemy import ARRAY, Connection, Text, any_, cast, func, select

from geo.model import Grid, GridManager, GridMember, GridPlan, Region


def grids_of_buildings(connection: Connection, codes: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the grids in force of some buildings with their managers, by building code.

    A building whose units belong to several grids is listed in each, with the households there.
    """
    statement = (
        select(
            GridMember.building_code,
            Grid.code,
            Grid.name,
            func.max(Region.name).label("community"),
            func.sum(GridMember.households).label("households"),
            func.max(GridManager.name).label("manager"),
            func.max(GridManager.phone).label("phone"),
        )
        .join(Grid, Grid.id == GridMember.grid_id)
        .join(GridPlan, (GridPlan.id == Grid.plan_id) & (GridPlan.status == "published"))
        .outerjoin(Region, Region.code == GridPlan.community_code)
        .outerjoin(
            GridManager, (GridManager.grid_code == Grid.code) & GridManager.valid_to.is_(None)
        )
        .where(GridMember.building_code == any_(cast(codes, ARRAY(Text))))
        .group_by(GridMember.building_code, Grid.code, Grid.name)
        .order_by(GridMember.building_code, Grid.code)
    )
    grids: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(statement).mappings():
        grid = dict(row)
        grids.setdefault(grid.pop("building_code"), []).append(grid)
    return grids
