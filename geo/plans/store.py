"""Plans in the database: reading a community, keeping a drawing, publishing it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from geo import crs, locks
from geo.db.layer_frames import read_frame, wkb
from geo.errors import InputError, NotFoundError
from geo.locks import Lock
from geo.model import STORAGE_SRID, Base, Building, BuildingUnit, Grid, GridMember, GridPlan, Region
from geo.partition.community import Community

if TYPE_CHECKING:  # the search and its compiler stay out of a server that only shows plans
    from geo.partition.draw import Drawing
    from geo.partition.previous_plan import PreviousPlan

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
    found = read_frame(connection, _REGION, code=code)
    if found.empty:
        raise NotFoundError("no_such_community", code=code)
    name, (border,) = found["name"].iloc[0], found.geometry.to_numpy()
    if border is None:
        raise InputError("community_without_border", code=code, name=name)
    metric = crs.metric_crs_of(found)
    polygon = crs.transform(border, crs.STORAGE, metric)
    around = crs.transform(shapely.buffer(polygon, AROUND_M, quad_segs=16), metric, crs.STORAGE)
    place = shapely.to_wkb(shapely.set_srid(around, STORAGE_SRID), hex=True, include_srid=True)

    def own(statement: Select[*tuple[Any, ...]]) -> gpd.GeoDataFrame:
        return read_frame(connection, statement, metric, code=code)

    def near(layer: str) -> gpd.GeoDataFrame:
        return read_frame(connection, _NEAR[layer], metric, place=place)

    return Community(
        code,
        name,
        polygon,
        own(_BUILDINGS),
        own(_UNITS),
        near("compound"),
        near("road"),
        near("railway"),
        near("water"),
        near("facility"),
    )


_CODE = bindparam("code", type_=Text)

_REGION = select(Region.code, Region.name, wkb(Region.geom)).where(
    Region.code == _CODE, Region.level == "community"
)


def _buildings() -> Select[*tuple[Any, ...]]:
    land = select(Region.geom).where(Region.code == _CODE).scalar_subquery()
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
        .where((Building.region_code == _CODE) | lies)
        .order_by(Building.code)
    )


_BUILDINGS = _buildings()


def _units() -> Select[*tuple[Any, ...]]:
    buildings = _BUILDINGS.subquery()
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


_UNITS = _units()


def _near(layer: str, *columns: str) -> Select[*tuple[Any, ...]]:
    table = Base.metadata.tables[layer]
    inside = func.ST_Intersects(table.c.geom, bindparam("place", type_=table.c.geom.type))
    named = (table.c[name] for name in columns)
    return select(table.c.code, *named, wkb(table.c.geom)).where(inside).order_by(table.c.code)


_NEAR = {
    "compound": _near("compound", "gated"),
    "road": _near("road", "road_class", "tunnel"),
    "railway": _near("railway", "tunnel"),
    "water": _near("water", "kind", "covered"),
    "facility": _near("facility", "category", "name"),
}


def communities_at(connection: Connection, polygons: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Return ``code``, ``name`` and border of the communities that may touch some polygons.

    Parameters
    ----------
    polygons
        In longitude and latitude of the storage system.
    """
    around = from_shape(shapely.box(*polygons.total_bounds), srid=STORAGE_SRID)
    return read_frame(
        connection,
        select(Region.code, Region.name, wkb(Region.geom))
        .where(Region.level == "community", func.ST_Intersects(Region.geom, around))
        .order_by(Region.code),
    )


def before(connection: Connection, community: Community, plan: int | None) -> "PreviousPlan | None":
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
    if community_of(connection, number) != community.code:
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
    from geo.partition.previous_plan import PreviousPlan

    return PreviousPlan(
        grids.to_crs(community.buildings.crs), pd.DataFrame(members, columns=columns), number
    )


def community_of(connection: Connection, plan: int) -> str | None:
    """Return the code of a plan's community, None if there is no plan of this number."""
    owner = select(GridPlan.community_code).where(GridPlan.id == plan)
    return connection.execute(owner).scalar()


def lock_community(connection: Connection, community: str) -> None:
    """Wait until nobody else writes plans of a community; lock them until the transaction ends.

    Whoever writes plans calls this first, and then reads what it rests on.
    """
    locks.acquire_shared(connection, Lock.PLANS)
    locks.acquire(connection, Lock.COMMUNITY, community)


def lock_all(connection: Connection) -> None:
    """Wait until nobody else writes plans; lock those of all communities."""
    locks.acquire(connection, Lock.PLANS)


def store(
    connection: Connection, drawing: "Drawing", author: str = "", run: int | None = None
) -> int:
    """Keep a drawing as a draft; return the number of its plan.

    Parameters
    ----------
    run
        The run it belongs to, which keeps one plan a community (:func:`of_run`).
    """
    lock_community(connection, drawing.community)
    newest = connection.execute(
        select(func.max(GridPlan.version)).where(GridPlan.community_code == drawing.community)
    ).scalar()
    plan: int = connection.execute(
        insert(GridPlan)
        .values(
            community_code=drawing.community,
            version=(newest or 0) + 1,
            parameters=asdict(drawing.constraints),
            score=drawing.score.as_json(),
            author=author,
            parent_id=_parent(connection, drawing),
            run_id=run,
        )
        .returning(GridPlan.id)
    ).scalar_one()
    grids = drawing.grids
    rows = [
        {
            "plan_id": plan,
            "code": code,
            "name": name,
            "kind": kind,
            "households": int(households),
            "geom": shape.hex(),
        }
        for code, name, kind, households, shape in zip(
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


def _parent(connection: Connection, drawing: "Drawing") -> int | None:
    """Return the plan that a drawing goes on from, unless it was deleted meanwhile."""
    if drawing.parent is None:
        return in_force(connection, drawing.community)
    return connection.execute(select(GridPlan.id).where(GridPlan.id == drawing.parent)).scalar()


def _store_members(
    connection: Connection, plan: int, grid: dict[str, int], members: gpd.GeoDataFrame
) -> None:
    columns = {
        "grids": [grid[code] for code in members["grid"]],
        "buildings": members["building_code"].tolist(),
        "units": members["unit_code"].tolist(),
        "households": members["households"].tolist(),
        "shapes": _ewkb(members),
    }
    connection.execute(_INSERT_MEMBERS, columns | {"plan": plan})


_INSERT_MEMBERS = text(  # COPY does not go with row-level security
    "INSERT INTO grid_member (plan_id, grid_id, building_code, unit_code, households, geom) "
    "SELECT :plan, grid, building, unit, households, ST_GeomFromEWKB(shape) FROM unnest("
    "CAST(:grids AS bigint[]), CAST(:buildings AS text[]), CAST(:units AS text[]), "
    "CAST(:households AS integer[]), CAST(:shapes AS bytea[])"
    ") AS member (grid, building, unit, households, shape)"
)


def _ewkb(frame: gpd.GeoDataFrame) -> list[bytes]:
    """Return multipolygons as the geometry columns take them."""
    shapes = crs.transform(frame.geometry.to_numpy(), frame.crs, crs.STORAGE)
    parts, of = shapely.get_parts(shapes, return_index=True)
    multi = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    shapely.multipolygons(parts, indices=of, out=multi)
    return list(shapely.to_wkb(shapely.set_srid(multi, STORAGE_SRID), include_srid=True))


def in_force(connection: Connection, community: str) -> int | None:
    """Return the number of a community's published plan."""
    return connection.execute(
        select(GridPlan.id).where(
            GridPlan.community_code == community, GridPlan.status == "published"
        )
    ).scalar()


@dataclass(frozen=True)
class Card:
    """The number of a plan, the name of its community, and its score card."""

    plan: int
    name: str
    score: dict[str, Any]


def cards_in_force(connection: Connection, region: str = "") -> dict[str, Card]:
    """Return the plan in force of each community whose code begins with some digits."""
    return _cards(connection, region, GridPlan.status == "published")


def cards_of_run(connection: Connection, run: int, region: str = "") -> dict[str, Card]:
    """Return the plans that a run has kept of communities whose code begins with some digits."""
    return _cards(connection, region, GridPlan.run_id == run)


def _cards(connection: Connection, region: str, which: ColumnElement[bool]) -> dict[str, Card]:
    rows = connection.execute(
        select(GridPlan.community_code, GridPlan.id, Region.name, GridPlan.score)
        .join(Region, Region.code == GridPlan.community_code)
        .where(which, GridPlan.community_code.startswith(region, autoescape=True))
    )
    return {row.community_code: Card(row.id, row.name, row.score) for row in rows}


def publish(connection: Connection, plan: int) -> int | None:
    """Put a draft in force; the plan in force before is archived in the same transaction.

    Returns
    -------
    int or None
        The number of the plan that was in force before.

    Raises
    ------
    NotFoundError
        If there is no such draft.
    """
    community = community_of(connection, plan)
    if community is None:
        raise NotFoundError("no_such_draft", plan=plan)
    lock_community(connection, community)
    draft = select(GridPlan.id).where(GridPlan.id == plan, GridPlan.status == "draft")
    if connection.execute(draft).first() is None:
        raise NotFoundError("no_such_draft", plan=plan)
    # Not the time at which the transaction began: it may have waited for another publication.
    moment = connection.execute(select(func.clock_timestamp())).scalar_one()
    before = in_force(connection, community)
    if before is not None:
        connection.execute(
            update(GridPlan)
            .where(GridPlan.id == before)
            .values(status="archived", archived_at=moment)
        )
        connection.execute(update(Grid).where(Grid.plan_id == before).values(valid_to=moment))
    connection.execute(
        update(GridPlan).where(GridPlan.id == plan).values(status="published", published_at=moment)
    )
    connection.execute(update(Grid).where(Grid.plan_id == plan).values(valid_from=moment))
    return before
