"""The data that a plan is drawn from, and whether they changed before the plan was stored."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Text,
    bindparam,
    cast,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from geo.model import BuildingUnit, Grid, GridMember, GridPlan, LayerRevision, Region
from geo.plans.community_layers import community_buildings

_LAYERS = ("region", "building", "building_unit")


@dataclass(frozen=True)
class DataState:
    """What a drawing reads of a community.

    Attributes
    ----------
    border
        Digest of the border.
    buildings
        Households and digest of each building with its units, by code.
    """

    border: str
    buildings: dict[str, tuple[int, str]]


def read_data_state(connection: Connection, community: str) -> DataState:
    """Return the state of the data of a community, as the transaction sees them."""
    values = {"code": community}
    border = connection.execute(_BORDER, values).scalar_one_or_none()
    rows = connection.execute(_BUILDINGS, values)
    return DataState(border or "", {row.code: (row.households, row.digest) for row in rows})


def mark_if_data_changed(
    connection: Connection, plan: int, community: str, drawn_from: DataState
) -> bool:
    """Mark a stored plan as stale if its data are no longer those that it was drawn from.

    The caller holds the lock of the community's plans: an import that publishes later marks the
    plan itself.

    Returns
    -------
    bool
        Whether the data changed.
    """
    now = read_data_state(connection, community)
    if now == drawn_from:
        return False
    before, after = drawn_from.buildings, now.buildings
    changed = {code for code in before.keys() & after.keys() if before[code] != after[code]}
    touched = [*changed, *(before.keys() ^ after.keys())]
    members = select(Grid.code).distinct().join(GridMember, GridMember.grid_id == Grid.id)
    grids = members.where(Grid.plan_id == plan, GridMember.building_code.in_(touched))
    run = select(func.max(LayerRevision.run_id)).where(LayerRevision.layer.in_(_LAYERS))
    stale: dict[str, Any] = {
        "run": connection.execute(run).scalar(),
        "buildings_added": len(after.keys() - before.keys()),
        "buildings_removed": len(before.keys() - after.keys()),
        "buildings_changed": len(changed),
        "households": sum(h for h, _ in after.values()) - sum(h for h, _ in before.values()),
        "grids": sorted(connection.scalars(grids)),
    }
    connection.execute(update(GridPlan).where(GridPlan.id == plan).values(stale=stale))
    return True


def _query_buildings() -> Any:
    buildings = community_buildings().subquery()
    unit: ColumnElement[str] = BuildingUnit.code + ":" + cast(BuildingUnit.households, Text)
    in_order = aggregate_order_by(literal(","), BuildingUnit.code)
    units = (
        select(func.string_agg(unit, in_order))
        .where(BuildingUnit.building_code == buildings.c.code)
        .scalar_subquery()
    )
    parts = (buildings.c.compound_code, func.encode(buildings.c.geom, "hex"), units)
    return select(
        buildings.c.code,
        buildings.c.households,
        func.md5(func.concat_ws("|", *parts)).label("digest"),
    )


_BORDER = select(func.md5(func.ST_AsBinary(Region.geom, type_=LargeBinary))).where(
    Region.code == bindparam("code", type_=Text), Region.level == "community"
)
_BUILDINGS = _query_buildings()
