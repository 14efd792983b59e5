"""What a map sheet of one community shows, read from the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import geopandas as gpd
import shapely
from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from geo.codes import stem
from geo.db.layer_frames import read_frame, wkb
from geo.model import (
    STORAGE_SRID,
    Building,
    Compound,
    Facility,
    Grid,
    GridMember,
    GridPlan,
    Railway,
    Region,
    Road,
    Water,
)

SURROUNDINGS_DEG = 0.0008
"""How much of the surroundings a sheet shows beyond its community: some 80 m."""

DEFAULT_LOWER_HOUSEHOLDS, DEFAULT_UPPER_HOUSEHOLDS = 300, 500
"""Households of a grid where a plan has no limits of its own."""

LANDMARKS = (
    "service_station",
    "government",
    "school",
    "kindergarten",
    "university",
    "hospital",
    "clinic",
    "elderly_care",
    "police",
    "fire_station",
    "market",
)
"""Facilities named on a sheet."""

Rows = Select[*tuple[Any, ...]]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class AtlasEntry:
    """A community that has grids, and the plan of it that is shown: the one in force, else the
    newest draft."""

    code: str
    name: str
    street_code: str
    street: str
    city: str
    plan: int
    version: int
    status: str
    dated: datetime
    score: dict[str, Any]
    lower: int
    upper: int
    grids: int
    households: int
    land: shapely.Geometry


@dataclass(frozen=True)
class Sheet:
    """A community and its surroundings; every frame in longitude and latitude.

    Attributes
    ----------
    entry
        The community and its plan.
    grids
        ``code``, ``kind``, ``name``, ``households``, ``buildings`` (their number).
    buildings
        Buildings on the sheet; ``grids`` lists the codes of the grids that each belongs to, None
        beyond the community.
    roads, railways, waters, parks
        What lies on the sheet, cut at its edge.
    walls, neighbours
        Gated compounds and other communities that reach into it, whole.
    facilities
        Named places that people look for: ``code``, ``category``, ``name``.
    edge
        West, south, east, north of the sheet.
    """

    entry: AtlasEntry
    edge: Bounds
    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    railways: gpd.GeoDataFrame
    waters: gpd.GeoDataFrame
    walls: gpd.GeoDataFrame
    parks: gpd.GeoDataFrame
    neighbours: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame


def read_entries(
    connection: Connection, region: str | None = None, chosen: int | None = None
) -> list[AtlasEntry]:
    """Return the communities with grids in the order of their codes.

    Parameters
    ----------
    region
        Code of a region, or the digits it begins with; everything by default.
    chosen
        Number of a plan to show instead.
    """
    plan, figures = _shown_plans(chosen), _figures()
    community, street = aliased(Region), aliased(Region)
    statement = (
        select(
            community.code,
            community.name,
            func.coalesce(street.code, "").label("street_code"),
            func.coalesce(street.name, "").label("street"),
            _city(community.code).label("city"),
            plan.c.id.label("plan"),
            plan.c.version,
            plan.c.status,
            func.coalesce(plan.c.published_at, plan.c.created_at).label("dated"),
            plan.c.score,
            _limit(plan.c.parameters, "lower", DEFAULT_LOWER_HOUSEHOLDS),
            _limit(plan.c.parameters, "upper", DEFAULT_UPPER_HOUSEHOLDS),
            figures.c.grids,
            figures.c.households,
            wkb(community.geom).label("land"),
        )
        .join(plan, plan.c.community_code == community.code)
        .join(figures, figures.c.plan_id == plan.c.id)
        .outerjoin(street, street.code == community.parent_code)
        .where(community.code.startswith(stem(region or ""), autoescape=True))
        .where(community.geom.is_not(None))
        .order_by(community.code)
    )
    return [_entry(row) for row in connection.execute(statement)]


def read_sheet(connection: Connection, entry: AtlasEntry, edge: Bounds | None = None) -> Sheet:
    """Return what the sheet of a community shows.

    Parameters
    ----------
    edge
        West, south, east, north of the sheet in degrees; a little more than the community by
        default.
    """
    around = shapely.buffer(entry.land, SURROUNDINGS_DEG)
    wanted = shapely.box(*edge) if edge else around
    edge = edge or tuple(shapely.bounds(around).tolist())
    box = func.ST_MakeEnvelope(*edge, STORAGE_SRID)

    def whole(statement: Rows, geometry: Any) -> gpd.GeoDataFrame:
        return read_frame(connection, statement.where(geometry.op("&&")(box)))

    def near(statement: Rows, geometry: Any) -> gpd.GeoDataFrame:
        return _cut(whole(statement, geometry), edge)

    roads = select(Road.code, Road.road_class, Road.name, Road.bridge, wkb(Road.geom))
    rails = select(Railway.code, Railway.name, wkb(Railway.geom))
    waters = select(Water.code, Water.kind, Water.name, Water.width_m, wkb(Water.geom))
    walls = select(Compound.code, Compound.name, Compound.gated, wkb(Compound.geom))
    parks = select(Facility.code, Facility.category, Facility.name, wkb(Facility.geom))
    others = select(Region.code, Region.name, wkb(Region.geom))
    return Sheet(
        entry,
        edge,
        read_frame(connection, _grids(entry.plan)),
        _missing_as_none(_only_in(near(_buildings(entry.plan), Building.geom), wanted)),
        near(roads.where(~Road.tunnel).order_by(Road.code), Road.geom),
        near(rails.where(~Railway.tunnel).order_by(Railway.code), Railway.geom),
        near(waters.where(~Water.covered).order_by(Water.code), Water.geom),
        whole(walls.where(Compound.gated.is_(True)).order_by(Compound.code), Compound.geom),
        near(parks.where(_is_grounds()).order_by(Facility.code), Facility.geom),
        whole(others.where(_is_other(entry.code)).order_by(Region.code), Region.geom),
        near(parks.where(_is_landmark()).order_by(Facility.code), Facility.geom),
    )


def _shown_plans(chosen: int | None) -> Any:
    """Return the plan shown of each community."""
    if chosen is not None:
        return select(GridPlan).where(GridPlan.id == chosen).subquery("plan")
    in_force = (GridPlan.status == "published").desc()
    return (
        select(GridPlan)
        .where(GridPlan.status != "archived")
        .ext(distinct_on(GridPlan.community_code))
        .order_by(GridPlan.community_code, in_force, GridPlan.version.desc())
        .subquery("plan")
    )


def _limit(parameters: Any, name: str, usual: int) -> ColumnElement[int]:
    """Return a limit of a plan, the usual one where the plan does not say."""
    own = parameters["limits"][name].as_integer()
    return func.coalesce(own, usual).label(name)


def _figures() -> Any:
    return (
        select(
            Grid.plan_id,
            func.count().label("grids"),
            func.sum(Grid.households).label("households"),
        )
        .group_by(Grid.plan_id)
        .subquery("figures")
    )


def _city(code: Any) -> ColumnElement[str]:
    """Return the name of the city that a code belongs to."""
    city = aliased(Region)
    of_it = (city.level == "city") & (func.left(city.code, 4) == func.left(code, 4))
    return select(func.coalesce(func.max(city.name), "")).where(of_it).scalar_subquery()


def _entry(row: Row[*tuple[Any, ...]]) -> AtlasEntry:
    return AtlasEntry(**{**row._mapping, "land": shapely.from_wkb(row.land)})


def _grids(plan: int) -> Rows:
    buildings = func.count(GridMember.building_code.distinct()).label("buildings")
    return (
        select(Grid.code, Grid.kind, Grid.name, Grid.households, buildings, wkb(Grid.geom))
        .outerjoin(GridMember, GridMember.grid_id == Grid.id)
        .where(Grid.plan_id == plan)
        .group_by(Grid.id)
        .order_by(Grid.code)
    )


def _buildings(plan: int) -> Rows:
    """Return buildings with the codes of the plan's grids that they belong to."""
    member = (
        select(GridMember.building_code, func.array_agg(Grid.code.distinct()).label("grids"))
        .join(Grid, Grid.id == GridMember.grid_id)
        .where(GridMember.plan_id == plan, GridMember.building_code.is_not(None))
        .group_by(GridMember.building_code)
        .subquery("member")
    )
    return (
        select(
            Building.code,
            Building.name,
            Building.address,
            Building.use,
            Building.structure,
            Building.storeys_above,
            Building.households,
            (Building.households_source == "estimated").label("estimated"),
            member.c.grids,
            wkb(Building.geom),
        )
        .outerjoin(member, member.c.building_code == Building.code)
        .order_by(Building.code)
    )


def _is_grounds() -> ColumnElement[bool]:
    green = Facility.category.in_(["park", "sport"])
    return case((func.ST_Dimension(Facility.geom) == 2, green), else_=False)


def _is_landmark() -> ColumnElement[bool]:
    return Facility.category.in_(LANDMARKS) & (Facility.name != "")


def _is_other(community: str) -> ColumnElement[bool]:
    return (Region.level == "community") & (Region.code != community) & Region.geom.is_not(None)


def _cut(frame: gpd.GeoDataFrame, edge: Any) -> gpd.GeoDataFrame:
    """Cut what crosses the sheet's edge; what only touched the box goes."""
    geometry = frame.geometry.to_numpy()
    crossing = ~shapely.covers(shapely.box(*edge), geometry)
    geometry[crossing] = shapely.clip_by_rect(geometry[crossing], *edge)
    return frame.set_geometry(geometry, crs=frame.crs)[~shapely.is_empty(geometry)]


def _only_in(buildings: gpd.GeoDataFrame, wanted: shapely.Geometry) -> gpd.GeoDataFrame:
    """Keep the community's buildings and those in the wanted surroundings."""
    shapely.prepare(wanted)
    there = shapely.intersects(wanted, buildings.geometry.to_numpy())
    return buildings[there | buildings["grids"].notna().to_numpy()]


def _missing_as_none(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a frame where None, and nothing else, stands for what is not known."""
    attributes = buildings.drop(columns="geom").astype(object)
    known = attributes.where(attributes.notna(), None)
    return gpd.GeoDataFrame(known.assign(geom=buildings["geom"]), geometry="geom")
