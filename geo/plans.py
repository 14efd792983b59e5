"""Plans in the database: reading a community, keeping a drawing, publishing it."""

from dataclasses import asdict, dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy import Connection, func, insert, select, update

from geo import crs
from geo.errors import InputError, NotFoundError
from geo.layers import read_frame, wkb
from geo.model import STORAGE_SRID, Base, Building, BuildingUnit, Grid, GridMember, GridPlan, Region
from geo.partition.community import Community
from geo.partition.plan import Drawing
from geo.partition.redraw import PlanBefore

AROUND_M = 50.0
"""Barriers this far beyond a community's border still count: a border runs along a street."""


def communities(connection: Connection, region: str = "") -> list[tuple[str, str]]:
    """Return code and name of the communities with a border whose code begins with some digits."""
    rows = connection.execute(
        select(Region.code, Region.name)
        .where(Region.level == "community", Region.geom.is_not(None))
        .where(Region.code.startswith(region, autoescape=True))
        .order_by(Region.code)
    )
    return [(row.code, row.name) for row in rows]


def read_community(connection: Connection, code: str) -> Community:
    """Return a community with its layers in metres.

    Its buildings are those that name it, and those that name none and lie mostly on its land.

    Raises
    ------
    NotFoundError
        If there is no community of this code.
    InputError
        If it has no border.
    """
    found = read_frame(
        connection,
        select(Region.code, Region.name, wkb(Region.geom)).where(
            Region.code == code, Region.level == "community"
        ),
    )
    if found.empty:
        raise NotFoundError("no_such_community", code=code)
    if found.geometry.isna().any():
        raise InputError("community_without_border", code=code, name=found["name"].iloc[0])
    metric = crs.metric_crs_of(found)
    land = select(Region.geom).where(Region.code == code).scalar_subquery()
    buildings = read_frame(connection, _buildings(code, land)).to_crs(metric)
    polygon = found.to_crs(metric).geometry
    around = from_shape(polygon.buffer(AROUND_M).to_crs(crs.STORAGE).iloc[0], srid=STORAGE_SRID)

    def near(layer: str) -> gpd.GeoDataFrame:
        return read_frame(connection, _near(layer, around)).to_crs(metric)

    return Community(
        code,
        found["name"].iloc[0],
        polygon.iloc[0],
        buildings,
        read_frame(connection, _units(code, land)).to_crs(metric),
        near("compound"),
        near("road"),
        near("railway"),
        near("water"),
        near("facility"),
    )


def _buildings(code: str, land: Any) -> Any:
    own = Building.region_code == code
    lies = Building.region_code.is_(None) & func.ST_Within(
        func.ST_PointOnSurface(Building.geom), land
    )
    return (
        select(
            Building.code,
            Building.name,
            Building.households,
            Building.compound_code,
            wkb(Building.geom),
        )
        .where(own | lies)
        .order_by(Building.code)
    )


def _units(code: str, land: Any) -> Any:
    buildings = _buildings(code, land).subquery()
    return (
        select(
            BuildingUnit.code,
            BuildingUnit.building_code,
            BuildingUnit.households,
            wkb(BuildingUnit.geom),
        )
        .join(buildings, buildings.c.code == BuildingUnit.building_code)
        .order_by(BuildingUnit.code)
    )


def _near(layer: str, around: Any) -> Any:
    table = Base.metadata.tables[layer]
    columns = [column for column in table.c if column.name not in {"geom", "geom_3857"}]
    inside = func.ST_Intersects(table.c.geom, around)
    return select(*columns, wkb(table.c.geom)).where(inside).order_by(table.c.code)


def before(connection: Connection, community: Community, plan: int | None) -> PlanBefore | None:
    """Return the plan that a drawing goes on from.

    Parameters
    ----------
    plan
        Its number; None for the plan in force.

    Returns
    -------
    PlanBefore or None
        In the community's metres; None where no plan is in force.

    Raises
    ------
    NotFoundError
        If the community has no plan of this number.
    """
    number = plan if plan is not None else in_force(connection, community.code)
    if number is None:
        return None
    owner = select(GridPlan.community_code).where(GridPlan.id == number)
    if connection.execute(owner).scalar() != community.code:
        raise NotFoundError("no_such_plan", plan=number, community=community.code)
    grids = read_frame(
        connection,
        select(Grid.code, Grid.name, Grid.kind, wkb(Grid.geom))
        .where(Grid.plan_id == number)
        .order_by(Grid.code),
    )
    members = connection.execute(
        select(Grid.code, GridMember.building_code, GridMember.unit_code, GridMember.households)
        .join(Grid, Grid.id == GridMember.grid_id)
        .where(GridMember.plan_id == number)
        .order_by(GridMember.id)
    ).all()
    columns = ["grid", "building_code", "unit_code", "households"]
    return PlanBefore(
        grids.to_crs(community.buildings.crs), pd.DataFrame(members, columns=columns), number
    )


def store(connection: Connection, drawing: Drawing, author: str = "") -> int:
    """Keep a drawing as a draft; return the number of its plan."""
    newest = connection.execute(
        select(func.max(GridPlan.version)).where(GridPlan.community_code == drawing.community)
    ).scalar()
    wishes = asdict(drawing.wishes)
    plan: int = connection.execute(
        insert(GridPlan)
        .values(
            community_code=drawing.community,
            version=(newest or 0) + 1,
            parameters=wishes,
            score=drawing.score.as_json(),
            author=author,
            parent_id=drawing.parent or in_force(connection, drawing.community),
        )
        .returning(GridPlan.id)
    ).scalar_one()
    grids = drawing.grids.to_crs(crs.STORAGE)
    rows = [
        {
            "plan_id": plan,
            "code": code,
            "name": name,
            "kind": kind,
            "households": int(households),
            "geom": geom,
        }
        for code, name, kind, households, geom in zip(
            grids["code"],
            grids["name"],
            grids["kind"],
            grids["households"],
            _ewkb(grids),
            strict=True,
        )
    ]
    made = connection.execute(insert(Grid).returning(Grid.code, Grid.id), rows).all()
    _store_members(connection, plan, {row.code: row.id for row in made}, drawing.members)
    return plan


def _store_members(
    connection: Connection, plan: int, grid: dict[str, int], members: gpd.GeoDataFrame
) -> None:
    placed = members.to_crs(crs.STORAGE)
    rows = [
        {
            "plan_id": plan,
            "grid_id": grid[code],
            "building_code": building,
            "unit_code": unit,
            "households": int(households),
            "geom": geom,
        }
        for code, building, unit, households, geom in zip(
            placed["grid"],
            placed["building_code"],
            placed["unit_code"],
            placed["households"],
            _ewkb(placed),
            strict=True,
        )
    ]
    connection.execute(insert(GridMember), rows)


def _ewkb(frame: gpd.GeoDataFrame) -> list[str]:
    """Return multipolygons as the geometry columns take them."""
    geometry = frame.geometry.to_numpy()
    multi = np.array([shapely.multipolygons(shapely.get_parts(g)) for g in geometry], dtype=object)
    return list(shapely.to_wkb(shapely.set_srid(multi, STORAGE_SRID), hex=True, include_srid=True))


def in_force(connection: Connection, community: str) -> int | None:
    """Return the number of a community's published plan."""
    return connection.execute(
        select(GridPlan.id).where(
            GridPlan.community_code == community, GridPlan.status == "published"
        )
    ).scalar()


@dataclass(frozen=True)
class CardInForce:
    """The number of a plan in force, and its score card."""

    plan: int
    score: dict[str, Any]


def cards_in_force(connection: Connection, region: str = "") -> dict[str, CardInForce]:
    """Return the plan in force of each community whose code begins with some digits."""
    rows = connection.execute(
        select(GridPlan.community_code, GridPlan.id, GridPlan.score).where(
            GridPlan.status == "published",
            GridPlan.community_code.startswith(region, autoescape=True),
        )
    )
    return {row.community_code: CardInForce(row.id, row.score) for row in rows}


def publish(connection: Connection, plan: int) -> None:
    """Put a draft in force; the plan in force before is archived in the same transaction.

    Raises
    ------
    NotFoundError
        If there is no such draft.
    """
    community = connection.execute(
        select(GridPlan.community_code).where(GridPlan.id == plan, GridPlan.status == "draft")
    ).scalar()
    if community is None:
        raise NotFoundError("no_such_draft", plan=plan)
    before = in_force(connection, community)
    if before is not None:
        connection.execute(
            update(GridPlan)
            .where(GridPlan.id == before)
            .values(status="archived", archived_at=func.now())
        )
        connection.execute(update(Grid).where(Grid.plan_id == before).values(valid_to=func.now()))
    connection.execute(
        update(GridPlan)
        .where(GridPlan.id == plan)
        .values(status="published", published_at=func.now())
    )
    connection.execute(update(Grid).where(Grid.plan_id == plan).values(valid_from=func.now()))
