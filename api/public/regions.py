"""``/regions``: cities, districts, streets and communities with their borders."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, case, func, select
from starlette.responses import Response

from api.core import problems
from api.core.parameters import Bbox, Box, Connection, PageParameter, Rows, StatusParameter
from api.core.responses import Collection, GeoJson, collection, feature
from geo.db.views import Status, grids_by_status
from geo.model import GridPlan, Region
from geo.model.base import STORAGE_SRID
from geo.model.region import Level

router = APIRouter(tags=["regions"])

METRES_PER_DEGREE = 111_320.0
"""Along a meridian; exact enough for a simplification tolerance."""

COORDINATE_DECIMALS = 7
"""Decimals of degrees in responses: about a centimetre."""


class RegionResponse(BaseModel):
    """Properties of a region; ``grids`` and ``households`` are null without a plan.

    ``stale`` tells whether its data changed since the plan was drawn.
    """

    code: str
    name: str
    level: Level
    parent_code: str | None
    grids: int | None
    households: int | None
    stale: bool


@router.get(
    "/regions", response_class=GeoJson, responses=problems.ok_response(Collection[RegionResponse])
)
def regions(
    request: Request,
    connection: Connection,
    bbox: Bbox,
    page: PageParameter,
    level: Level | None = None,
    parent: Annotated[str | None, Query(pattern="^[0-9]{12}$")] = None,
    simplify: Annotated[
        float, Query(ge=0, le=10_000, allow_inf_nan=False, description="metres")
    ] = 0,
    status: StatusParameter = "published",
) -> Response:
    """List regions ordered by code."""
    conditions = _filter_conditions(level, parent, bbox)
    totals = connection.execute(_totals(conditions)).mappings().one()
    rows = connection.execute(page.of(_regions(conditions, simplify, status))).mappings()
    features = [
        feature(row, RegionResponse.model_validate(row).model_dump(), id=row["code"])
        for row in rows
    ]
    return collection(request, features, page, totals["matched"], totals)


def _filter_conditions(
    level: Level | None, parent: str | None, bbox: Box | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if level is not None:
        conditions.append(Region.level == level)
    if parent is not None:
        conditions.append(Region.parent_code == parent)
    if bbox is not None:
        conditions.append(Region.geom.op("&&")(func.ST_MakeEnvelope(*bbox, STORAGE_SRID)))
        conditions.append(
            func.ST_Intersects(Region.geom, func.ST_MakeEnvelope(*bbox, STORAGE_SRID))
        )
    return conditions


def _totals(conditions: list[ColumnElement[bool]]) -> Rows:
    extent = func.ST_Extent(Region.geom)
    return select(func.count().label("matched"), *bounds_columns(extent)).where(*conditions)


def _regions(conditions: list[ColumnElement[bool]], simplify: float, status: Status) -> Rows:
    """Return the query of regions with the figures of their plans."""
    figures = _plan_figures(status).subquery("figures")
    stale_plans = select(GridPlan.community_code).where(
        GridPlan.status == status, GridPlan.stale.is_not(None)
    )
    return (
        select(
            Region.code,
            Region.name,
            Region.level,
            Region.parent_code,
            figures.c.grids,
            figures.c.households,
            Region.code.in_(stale_plans).label("stale"),
            geojson_column(simplify_column(Region.geom, simplify)),
            *bounds_columns(Region.geom),
        )
        .outerjoin(figures, figures.c.community_code == Region.code)
        .where(*conditions)
        .order_by(Region.code)
    )


def _plan_figures(status: Status) -> Rows:
    """Return the query for the number of grids and households of each community with a plan."""
    grid = grids_by_status(status).c
    return select(
        grid.community_code,
        func.count().label("grids"),
        func.sum(grid.households).label("households"),
    ).group_by(grid.community_code)


def simplify_column(geometry: Any, metres: float) -> Any:
    """Return a geometry column simplified to a tolerance in metres."""
    if metres == 0:
        return geometry
    return func.ST_SimplifyPreserveTopology(geometry, metres / METRES_PER_DEGREE)


def geojson_column(geometry: Any) -> ColumnElement[str]:
    """Return a geometry column as GeoJSON text, with polygons oriented as RFC 7946 asks."""
    polygonal = case(
        (func.ST_Dimension(geometry) == 2, func.ST_ForcePolygonCCW(geometry)), else_=geometry
    )
    return func.ST_AsGeoJSON(polygonal, COORDINATE_DECIMALS, 0).label("geojson")


def bounds_columns(geometry: Any) -> list[ColumnElement[float]]:
    """Return the bounding box of a geometry as columns ``west``, ``south``, ``east``, ``north``."""
    return [
        func.ST_XMin(geometry).label("west"),
        func.ST_YMin(geometry).label("south"),
        func.ST_XMax(geometry).label("east"),
        func.ST_YMax(geometry).label("north"),
    ]
