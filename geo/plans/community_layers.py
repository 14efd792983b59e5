"""Communities in the database, and their layers as frames in metres."""

from typing import Any

import geopandas as gpd
import shapely
from geoalchemy2.shape import from_shape
from sqlalchemy import (
    Connection,
    Select,
    Text,
    bindparam,
    case,
    func,
    select,
)

from geo import crs
from geo.db.layer_frames import read_frame, wkb
from geo.errors import InputError, NotFoundError
from geo.model import STORAGE_SRID, Base, Building, BuildingUnit, Region
from geo.partition.community import BARRIER_SEARCH_M, Community
from geo.partition.scoring.objective import Balance
from geo.register.workload import read_workload
from geo.settings import settings


def list_communities(connection: Connection, region: str = "") -> list[tuple[str, str]]:
    """Return code and name of the communities with a border whose code starts with ``region``."""
    rows = connection.execute(
        select(Region.code, Region.name)
        .where(Region.level == "community", Region.geom.is_not(None))
        .where(Region.code.startswith(region, autoescape=True))
        .order_by(Region.code)
    )
    return [(row.code, row.name) for row in rows]


def read_community(
    connection: Connection, code: str, balance: Balance = Balance.HOUSEHOLDS
) -> Community:
    """Return a community with its layers, projected to metres.

    Its buildings are those that name it, and those that name no community and have their
    representative point in it.

    Parameters
    ----------
    balance
        What its grids are to have equal shares of: the workload is read only where it is needed.

    Raises
    ------
    NotFoundError
        If there is no community of this code.
    InputError
        If the community has no border.
    """
    region = read_frame(connection, _REGION, code=code)
    if region.empty:
        raise NotFoundError("no_such_community", code=code)
    name, (border,) = region["name"].iloc[0], region.geometry.to_numpy()
    if border is None:
        raise InputError("community_without_border", code=code, name=name)
    metric = crs.metric_crs_of(region)
    polygon = crs.transform(border, crs.STORAGE, metric)
    around = crs.transform(
        shapely.buffer(polygon, BARRIER_SEARCH_M, quad_segs=16), metric, crs.STORAGE
    )
    search_area = shapely.to_wkb(
        shapely.set_srid(around, STORAGE_SRID), hex=True, include_srid=True
    )

    def read_inside(statement: Select[*tuple[Any, ...]]) -> gpd.GeoDataFrame:
        return read_frame(connection, statement, metric, code=code)

    def read_near(layer: str) -> gpd.GeoDataFrame:
        return read_frame(connection, _NEAR[layer], metric, search_area=search_area)

    buildings = read_inside(_BUILDINGS)
    if balance is Balance.WORKLOAD:
        buildings["workload"] = read_workload(connection, buildings, settings())
    return Community(
        code,
        name,
        polygon,
        buildings,
        read_inside(_UNITS),
        read_near("compound"),
        read_near("road"),
        read_near("railway"),
        read_near("water"),
        read_near("facility"),
    )


DWELLING_USES = ("residential", "mixed")
"""Uses of buildings in which people live."""


_CODE = bindparam("code", type_=Text)
_REGION = select(Region.code, Region.name, wkb(Region.geom)).where(
    Region.code == _CODE, Region.level == "community"
)


def community_buildings() -> Select[*tuple[Any, ...]]:
    """Return the query for the buildings of the community of the parameter ``code``."""
    border = select(Region.geom).where(Region.code == _CODE).scalar_subquery()
    is_inside = Building.region_code.is_(None) & func.ST_Within(
        func.ST_PointOnSurface(Building.geom), border
    )
    # A building without a number has 0, the column's default, and no source of the number.
    has_number = (Building.households > 0) | Building.households_source.is_not(None)
    of_units = (
        select(func.sum(BuildingUnit.households))
        .where(BuildingUnit.building_code == Building.code)
        .scalar_subquery()
    )
    households = case((has_number, Building.households), else_=func.coalesce(of_units, 0))
    is_dwelling = Building.use.is_(None) | Building.use.in_(DWELLING_USES)
    return (
        select(
            Building.code,
            Building.name,
            households.label("households"),
            Building.compound_code,
            (~has_number & is_dwelling & (households == 0)).label("households_unknown"),
            wkb(Building.geom),
        )
        .where((Building.region_code == _CODE) | is_inside)
        .order_by(Building.code)
    )


_BUILDINGS = community_buildings()


def _query_units() -> Select[*tuple[Any, ...]]:
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


_UNITS = _query_units()


def _query_near(layer: str, *columns: str) -> Select[*tuple[Any, ...]]:
    table = Base.metadata.tables[layer]
    search_area = bindparam("search_area", type_=table.c.geom.type)
    return (
        select(table.c.code, *(table.c[name] for name in columns), wkb(table.c.geom))
        .where(func.ST_Intersects(table.c.geom, search_area))
        .order_by(table.c.code)
    )


_NEAR = {
    "compound": _query_near("compound", "gated", "name"),
    "road": _query_near("road", "road_class", "tunnel", "name"),
    "railway": _query_near("railway", "tunnel", "name"),
    "water": _query_near("water", "kind", "covered", "name"),
    "facility": _query_near("facility", "category", "name"),
}


def communities_near(connection: Connection, polygons: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Return ``code``, ``name`` and border of the communities in the bounding box of polygons.

    Parameters
    ----------
    polygons
        Polygons in degrees of EPSG:4490.
    """
    bounding_box = from_shape(shapely.box(*polygons.total_bounds), srid=STORAGE_SRID)
    return read_frame(
        connection,
        select(Region.code, Region.name, wkb(Region.geom))
        .where(Region.level == "community", func.ST_Intersects(Region.geom, bounding_box))
        .order_by(Region.code),
    )
