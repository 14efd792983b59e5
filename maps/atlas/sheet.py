"""Read the contents of a community's map sheet from the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import geopandas as gpd
import shapely
from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from geo.codes import code_prefix
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
"""Width of the surroundings shown around a community: about 80 m."""

DEFAULT_LOWER_HOUSEHOLDS, DEFAULT_UPPER_HOUSEHOLDS = 300, 500
"""Limits on the households of a grid, for plans that store none."""

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
"""Categories of facility labelled on a sheet."""

Rows = Select[*tuple[Any, ...]]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class AtlasEntry:
    """A community with grids, and its plan to show: the one in force, else the newest draft."""

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
    """Contents of a map sheet: a community and its surroundings, in longitude and latitude.

    Attributes
    ----------
    entry
        The community and its plan.
    grids
        Grids with ``code``, ``kind``, ``name``, ``households``, ``buildings`` (count).
    buildings
        Buildings on the sheet; ``grids`` lists the codes of their grids, None outside the
        community.
    roads, railways, waters, parks
        Features clipped to the bounds of the sheet.
    walls, compounds, neighbours
        Gated compounds, named compounds and other communities on the sheet, not clipped.
    facilities
        Landmarks with ``code``, ``category``, ``name``.
    bounds
        West, south, east, north of the sheet.
    """

    entry: AtlasEntry
    bounds: Bounds
    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    railways: gpd.GeoDataFrame
    waters: gpd.GeoDataFrame
    walls: gpd.GeoDataFrame
    compounds: gpd.GeoDataFrame
    parks: gpd.GeoDataFrame
    neighbours: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame


def read_entries(
    connection: Connection, region: str | None = None, plan: int | None = None
) -> list[AtlasEntry]:
    """Return the communities with grids, ordered by code.

    Parameters
    ----------
    region
        Code of a region or its first digits; all regions by default.
    plan
        Number of the only plan to include.
    """
    plans, figures = _shown_plans(plan), _figures()
    community, street = aliased(Region), aliased(Region)
    statement = (
        select(
            community.code,
            community.name,
            func.coalesce(street.code, "").label("street_code"),
            func.coalesce(street.name, "").label("street"),
            _city(community.code).label("city"),
            plans.c.id.label("plan"),
            plans.c.version,
            plans.c.status,
            func.coalesce(plans.c.published_at, plans.c.created_at).label("dated"),
            plans.c.score,
            _limit(plans.c.parameters, "lower", DEFAULT_LOWER_HOUSEHOLDS),
            _limit(plans.c.parameters, "upper", DEFAULT_UPPER_HOUSEHOLDS),
            figures.c.grids,
            figures.c.households,
            wkb(community.geom).label("land"),
        )
        .join(plans, plans.c.community_code == community.code)
        .join(figures, figures.c.plan_id == plans.c.id)
        .outerjoin(street, street.code == community.parent_code)
        .where(community.code.startswith(code_prefix(region or ""), autoescape=True))
        .where(community.geom.is_not(None))
        .order_by(community.code)
    )
    return [_entry(row) for row in connection.execute(statement)]


def read_sheet(connection: Connection, entry: AtlasEntry, bounds: Bounds | None = None) -> Sheet:
    """Return the contents of a community's sheet.

    Parameters
    ----------
    bounds
        West, south, east, north of the sheet in degrees; by default the community with
        :data:`SURROUNDINGS_DEG` around it.
    """
    around = shapely.buffer(entry.land, SURROUNDINGS_DEG)
    area = shapely.box(*bounds) if bounds else around
    bounds = bounds or tuple(shapely.bounds(around).tolist())
    box = func.ST_MakeEnvelope(*bounds, STORAGE_SRID)

    def read_whole(statement: Rows, geometry: Any) -> gpd.GeoDataFrame:
        return read_frame(connection, statement.where(geometry.op("&&")(box)))

    def read_clipped(statement: Rows, geometry: Any) -> gpd.GeoDataFrame:
        return _clip(read_whole(statement, geometry), bounds)

    roads = select(Road.code, Road.road_class, Road.name, Road.bridge, wkb(Road.geom))
    rails = select(Railway.code, Railway.name, wkb(Railway.geom))
    waters = select(Water.code, Water.kind, Water.name, Water.width_m, wkb(Water.geom))
    walls = select(Compound.code, Compound.name, Compound.gated, wkb(Compound.geom))
    parks = select(Facility.code, Facility.category, Facility.name, wkb(Facility.geom))
    others = select(Region.code, Region.name, wkb(Region.geom))
    return Sheet(
        entry,
        bounds,
        read_frame(connection, _grids(entry.plan)),
        _missing_as_none(_buildings_in(read_clipped(_buildings(entry.plan), Building.geom), area)),
        read_clipped(roads.where(~Road.tunnel).order_by(Road.code), Road.geom),
        read_clipped(rails.where(~Railway.tunnel).order_by(Railway.code), Railway.geom),
        read_clipped(waters.where(~Water.covered).order_by(Water.code), Water.geom),
        read_whole(walls.where(Compound.gated.is_(True)).order_by(Compound.code), Compound.geom),
        read_whole(walls.where(Compound.name != "").order_by(Compound.code), Compound.geom),
        read_clipped(parks.where(_is_grounds()).order_by(Facility.code), Facility.geom),
        read_whole(others.where(_is_other(entry.code)).order_by(Region.code), Region.geom),
        read_clipped(parks.where(_is_landmark()).order_by(Facility.code), Facility.geom),
    )


def _shown_plans(number: int | None) -> Any:
    """Return the plan to show for each community, or only the one with a number."""
    if number is not None:
        return select(GridPlan).where(GridPlan.id == number).subquery("plan")
    in_force = (GridPlan.status == "published").desc()
    return (
        select(GridPlan)
        .where(GridPlan.status != "archived")
        .ext(distinct_on(GridPlan.community_code))
        .order_by(GridPlan.community_code, in_force, GridPlan.version.desc())
        .subquery("plan")
    )


def _limit(parameters: Any, name: str, default: int) -> ColumnElement[int]:
    """Return a limit of a plan, or the default if the plan stores none."""
    return func.coalesce(parameters["limits"][name].as_integer(), default).label(name)


def _figures() -> Any:
    """Return the subquery of the number of grids and households of each plan."""
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
    """Return the name of the city of a region."""
    city = aliased(Region)
    is_parent = (city.level == "city") & (func.left(city.code, 4) == func.left(code, 4))
    return select(func.coalesce(func.max(city.name), "")).where(is_parent).scalar_subquery()


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
    """Return the query for buildings with the codes of their grids in a plan."""
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


def _clip(frame: gpd.GeoDataFrame, bounds: Any) -> gpd.GeoDataFrame:
    """Clip features to the bounds of a sheet; drop those that only touch them."""
    geometry = frame.geometry.to_numpy()
    crossing = ~shapely.covers(shapely.box(*bounds), geometry)
    geometry[crossing] = shapely.clip_by_rect(geometry[crossing], *bounds)
    return frame.set_geometry(geometry, crs=frame.crs)[~shapely.is_empty(geometry)]


def _buildings_in(buildings: gpd.GeoDataFrame, area: shapely.Geometry) -> gpd.GeoDataFrame:
    """Return the buildings of the community and those that intersect an area."""
    shapely.prepare(area)
    is_inside = shapely.intersects(area, buildings.geometry.to_numpy())
    return buildings[is_inside | buildings["grids"].notna().to_numpy()]


def _missing_as_none(buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a frame in which every missing attribute is None."""
    attributes = buildings.drop(columns="geom").astype(object)
    with_none = attributes.where(attributes.notna(), None)
    return gpd.GeoDataFrame(with_none.assign(geom=buildings["geom"]), geometry="geom")
