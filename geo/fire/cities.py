"""Which city a code or a place belongs to, and the box that a city's data is read in.

A city is named by the four digits that the codes of its regions begin with, or by an empty string
where no region is known.
"""

from typing import Any

import pyproj
from sqlalchemy import Connection, func, select

from geo import crs as systems
from geo.errors import NotFoundError
from geo.model import STORAGE_SRID, Base, Building, Region

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

MARGIN_DEGREES = 0.03
"""How far beyond a city's border its layers are read: about 3 km."""

STATION_MARGIN_DEGREES = 0.1
"""How far outside a fire station and the roads from it may serve a city: about 10 km."""


def city_of_code(connection: Connection, code: str) -> str:
    """Return the city of a region, grid or building by its code."""
    regions = select(Region.code).where(Region.code == f"{code[:4]}00000000").limit(1)
    if code[:4].isdecimal() and connection.execute(regions).first():
        return code[:4]
    of_building = select(Building.region_code).where(Building.code == code)
    region = connection.execute(of_building).scalar()
    return region[:4] if region else ""


def city_at(connection: Connection, lon: float, lat: float) -> str:
    """Return the city that contains a place, or the nearest one."""
    point = func.ST_SetSRID(func.ST_MakePoint(lon, lat), STORAGE_SRID)
    nearest = (
        select(Region.code)
        .where(Region.geom.is_not(None), Region.level == "city")
        .order_by(Region.geom.op("<->")(point))
        .limit(1)
    )
    code = connection.execute(nearest).scalar()
    return code[:4] if code else ""


def list_cities(connection: Connection) -> list[str]:
    """Return the codes of the cities whose outline is on record; an empty code if there is none."""
    statement = select(Region.code).where(Region.level == "city", Region.geom.is_not(None))
    codes = connection.execute(statement.order_by(Region.code)).scalars()
    return [code[:4] for code in codes] or [""]


def city_extent(connection: Connection, city: str, margin: float = MARGIN_DEGREES) -> Box:
    """Return the box that a city is read in: its regions, else all buildings, else all roads.

    Parameters
    ----------
    margin
        How far it leads beyond them, degrees.

    Raises
    ------
    NotFoundError
        If there are no regions, buildings or roads.
    """
    land = Region.geom.is_not(None) & Region.code.startswith(city or "#")
    bounds = _read_bounds(connection, select(func.ST_Extent(Region.geom).label("box")).where(land))
    for table in (Building.__table__, Base.metadata.tables["road"]):
        if bounds is None:
            bounds = _read_bounds(connection, select(func.ST_Extent(table.c.geom).label("box")))
    if bounds is None:
        raise NotFoundError("city_without_data", city=city or "*")
    west, south, east, north = bounds
    return west - margin, south - margin, east + margin, north + margin


def city_crs(connection: Connection, city: str) -> pyproj.CRS:
    """Return the metric system in which a city is read."""
    west, south, east, north = city_extent(connection, city)
    return systems.metric_crs((west + east) / 2, (south + north) / 2)


def _read_bounds(connection: Connection, extent: Any) -> Box | None:
    box = extent.subquery("extent").c.box
    sides = func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box)
    row = connection.execute(select(*sides)).one()
    return None if row[0] is None else tuple(row)
