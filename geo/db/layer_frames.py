"""Layers and query results as data frames."""

from datetime import datetime
from functools import cache
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from geopandas.array import GeometryArray
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    Table,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute

from geo import crs as systems
from geo.codes import code_prefix
from geo.errors import InputError, NotFoundError
from geo.model import LAYERS, STORAGE_SRID, Base, Grid, GridPlan, Region
from geo.model.history import as_of as rows_as_of
from geo.model.region import Level

LEVELS = {level.value: level.value for level in Level}
"""Layers that hold the regions of one level."""

NAMES = (*LAYERS, *LEVELS, "grid")
"""Names of all layers that can be read."""

_INTERNAL = {"geom_3857"}


def read_layer(
    connection: Connection,
    layer: str,
    *,
    region: str | None = None,
    as_of: datetime | None = None,
) -> gpd.GeoDataFrame:
    """Return a layer as it is now, or as it was at a past time.

    Parameters
    ----------
    layer
        One of :data:`NAMES`.
    region
        Code of a region, or its first digits: features that belong to it or touch its area.
    as_of
        A past time; for grids, those in force then.

    Raises
    ------
    InputError
        If there is no such layer.
    NotFoundError
        If there is no such region.
    """
    if layer not in NAMES:
        raise InputError("no_such_layer", layer=layer, layers=", ".join(NAMES))
    source = _layer_source(layer, as_of)
    statement = select(*_select_columns(source))
    if layer in LEVELS:
        statement = statement.where(source.c.level == layer)
    if region:
        statement = _limit_to_region(connection, statement, source, region)
    return read_frame(connection, statement.order_by(source.c.code))


def read_frame(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    system: pyproj.CRS | None = None,
    **values: Any,
) -> gpd.GeoDataFrame:
    """Return the rows of a query whose column ``geom`` is WKB in the storage system.

    Parameters
    ----------
    system
        Coordinate system of the result, by default the storage system.
    **values
        Values of the query's parameters.
    """
    columns: dict[str, Any] = _read_columns(connection, statement, values)
    geometry = shapely.from_wkb(np.array(columns.pop("geom"), dtype=object))
    if system is not None:
        geometry = systems.transform(geometry, systems.STORAGE, system)
    # Built without copies: a community is read as eight frames.
    columns["geom"] = GeometryArray(geometry, crs=system or _storage_crs())
    return gpd.GeoDataFrame(columns, geometry="geom")


def read_table(connection: Connection, statement: Select[*tuple[Any, ...]]) -> pd.DataFrame:
    """Return the rows of a query without geometry."""
    values = _read_columns(connection, statement)
    return pd.DataFrame({name: pd.Series(column) for name, column in values.items()})


def _read_columns(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    values: dict[str, Any] | None = None,
) -> dict[str, tuple[Any, ...]]:
    """Return the values of each column of a query's result, by the column's name."""
    result = connection.execute(statement, values)
    names = list(result.keys())
    rows = result.fetchall()
    return dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))


@cache
def _storage_crs() -> pyproj.CRS:
    return pyproj.CRS.from_user_input(systems.STORAGE)


def wkb(column: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return a geometry column as WKB, for :func:`read_frame`."""
    return func.ST_AsBinary(column, type_=LargeBinary).label("geom")


def intersects_area(
    column: ColumnElement[Any] | InstrumentedAttribute[Any],
    area: shapely.Geometry,
    system: pyproj.CRS,
) -> ColumnElement[bool]:
    """Return the condition that a geometry column intersects an area in another system."""
    degrees = shapely.to_wkb(systems.transform(area, system, systems.STORAGE))
    return func.ST_Intersects(column, func.ST_GeomFromWKB(degrees, STORAGE_SRID), type_=Boolean)


def _select_columns(source: FromClause) -> list[ColumnElement[Any]]:
    return [
        wkb(column) if column.name == "geom" else column
        for column in source.c
        if column.name not in _INTERNAL
    ]


def _layer_source(layer: str, when: datetime | None) -> FromClause:
    """Return the table, or the rows of a past time, of a layer."""
    if layer == "grid":
        return _grids_at(when)
    name = "region" if layer in LEVELS else layer
    if when is None:
        table: Table = Base.metadata.tables[name]
        return table
    return rows_as_of(name, when).subquery(name)


def _grids_at(when: datetime | None) -> FromClause:
    """Return the grids in force at a time; by default now, else of the newest drafts."""
    plan = select(GridPlan)
    if when is None:
        plan = plan.where(GridPlan.status != "archived")
        plan = plan.ext(distinct_on(GridPlan.community_code))
        plan = plan.order_by(
            GridPlan.community_code,
            (GridPlan.status == "published").desc(),
            GridPlan.version.desc(),
        )
    plans = plan.subquery("plan")
    columns = [column for column in Grid.__table__.c if column.name not in _INTERNAL]
    statement = select(*columns, plans.c.community_code, plans.c.status, plans.c.version).join(
        plans, plans.c.id == Grid.plan_id
    )
    if when is not None:
        ends = or_(Grid.valid_to.is_(None), Grid.valid_to > when)
        statement = statement.where(Grid.valid_from <= when, ends)
    return statement.subquery("grid")


def _limit_to_region(
    connection: Connection, statement: Select[*tuple[Any, ...]], source: FromClause, region: str
) -> Select[*tuple[Any, ...]]:
    """Return a query limited to a region: by code where features have one, else by area."""

    def is_below(column: ColumnElement[Any]) -> ColumnElement[bool]:
        return column.startswith(code_prefix(region), autoescape=True)

    if "parent_code" in source.c:
        return statement.where(is_below(source.c.code))
    if "community_code" in source.c:
        return statement.where(is_below(source.c.community_code))
    if "storeys" in source.c:  # a unit is where its building is
        building = Base.metadata.tables["building"]
        inside = select(building.c.code).where(_is_in(building, region))
        return statement.where(source.c.building_code.in_(inside))
    if "region_code" not in source.c:
        _refuse_unknown(connection, region)
    return statement.where(_is_in(source, region))


def _is_in(source: FromClause, region: str) -> ColumnElement[bool]:
    """Return the condition that a feature belongs to a region, or touches it if it has no code."""
    inside: ColumnElement[bool] = func.ST_Intersects(source.c.geom, _area_of(region))
    if "region_code" not in source.c:
        return inside
    code = source.c.region_code
    return code.startswith(code_prefix(region), autoescape=True) | (code.is_(None) & inside)


def _area_of(region: str) -> ColumnElement[Any]:
    """Return the area of a region as an expression: its own border, else the union of its parts."""
    whole = select(Region.geom).where(Region.code == region.ljust(12, "0")).scalar_subquery()
    parts = Region.code.startswith(code_prefix(region), autoescape=True) & Region.geom.is_not(None)
    return func.coalesce(whole, select(func.ST_Union(Region.geom)).where(parts).scalar_subquery())


def _refuse_unknown(connection: Connection, region: str) -> None:
    parts = Region.code.startswith(code_prefix(region), autoescape=True) & Region.geom.is_not(None)
    if connection.execute(select(Region.code).where(parts).limit(1)).first() is None:
        raise NotFoundError("no_such_region", region=region)
