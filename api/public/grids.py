"""``/grids``: the grids of the plans in force, and the grid at a point."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Double, FromClause, RowMapping, bindparam, func, select
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.core import problems
from api.core.caller import Caller, CurrentCaller, transaction_as
from api.core.connection_pool import PreparedQuery, prepare_query
from api.core.parameters import Bbox, Box, Page, PageParameter, Rows, StatusParameter
from api.core.problems import require_found
from api.core.responses import Collection, GeoJson, collection, feature
from api.public.regions import bounds_columns, geojson_column, simplify_column
from geo.db.views import Status, grids_by_status
from geo.errors import InputError, NotFoundError
from geo.model.base import STORAGE_SRID
from geo.model.grid import GridKind, PlanStatus

router = APIRouter(tags=["grids"])


class GridResponse(BaseModel):
    """Properties of a grid; ``colour`` is its index in the palette of the style."""

    code: str
    serial: int
    name: str
    kind: GridKind
    households: int
    buildings: int
    colour: int
    community_code: str
    community: str
    street: str
    plan: int
    version: int
    status: PlanStatus


_COLUMNS = {"id", *GridResponse.model_fields} - {"serial", "colour"}

Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)]
Community = Annotated[str | None, Query(pattern="^[0-9]{12}$")]


async def _point(
    bbox: Bbox, community: Community = None, lon: Longitude = None, lat: Latitude = None
) -> tuple[float, float] | None:
    if lon is None and lat is None:
        return None
    if lon is None or lat is None or bbox is not None or community is not None:
        raise InputError("lon_lat_together")
    return lon, lat


@router.get(
    "/grids", response_class=GeoJson, responses=problems.ok_response(Collection[GridResponse])
)
async def grids(
    request: Request,
    caller: CurrentCaller,
    bbox: Bbox,
    page: PageParameter,
    point: Annotated[tuple[float, float] | None, Depends(_point)],
    community: Community = None,
    simplify: Annotated[
        float, Query(ge=0, le=10_000, allow_inf_nan=False, description="metres")
    ] = 0,
    status: StatusParameter = "published",
) -> Response:
    """List grids ordered by code, or return the grid that contains a point.

    With ``lon`` and ``lat`` the list has one grid; a point in no grid answers 404.

    Raises
    ------
    NotFoundError
        If no grid in force contains the point.
    """
    if point is not None and status == "published" and not simplify:
        return await _published_grid_at(request, caller, point)
    shown = grids_by_status(status)
    conditions = _filter_conditions(shown, community, bbox, point)
    page = Page(1, 0) if point else page
    rows, matched, extent, colours = await run_in_threadpool(
        _read,
        request,
        caller,
        status,
        _grids(conditions, simplify, shown),
        _totals(conditions, shown),
        page,
    )
    if point and not rows:
        raise NotFoundError("no_grid_here", lon=point[0], lat=point[1])
    features = [_feature(row, colours) for row in rows]
    return collection(request, features, page, 1 if point else matched, extent)


async def _published_grid_at(
    request: Request, caller: Caller, point: tuple[float, float]
) -> Response:
    """Return the grid in force at a point.

    This is the most frequent query, so it runs in the event loop instead of a thread.
    """
    query = _grid_at_point_query()
    state = request.app.state
    colours = await state.colourings.in_force(state.engine, await state.layer_state.now())
    async with state.pool.transaction_as(caller) as connection:
        row = await connection.fetchrow(query.sql, *query.arguments(lon=point[0], lat=point[1]))
    row = require_found("no_grid_here", row, lon=point[0], lat=point[1])
    features = [_feature(row, colours.grids.by_key)]
    return collection(request, features, Page(1, 0), 1, row)


@cache
def _grid_at_point_query() -> PreparedQuery:
    """Return the query for the grid in force at ``lon`` and ``lat``."""
    shown = grids_by_status("published")
    point = func.ST_MakePoint(bindparam("lon", 0.0, Double), bindparam("lat", 0.0, Double))
    contains_point = func.ST_Intersects(shown.c.geom, func.ST_SetSRID(point, STORAGE_SRID))
    return prepare_query(_grids([contains_point], 0, shown).limit(1))


def _read(
    request: Request, caller: Caller, status: Status, grids: Rows, totals: Rows, page: Page
) -> tuple[Sequence[RowMapping], int, RowMapping, dict[Any, int]]:
    """Return a page of rows, the number of all matches, their extent, and colours by grid id."""
    with transaction_as(request.app.state.engine, caller, readonly=True) as connection:
        summary = connection.execute(totals).mappings().one()
        if not summary["matched"]:  # the public may not read members of drafts for the colours
            return [], 0, summary, {}
        rows = connection.execute(page.of(grids)).mappings().all()
        colours = request.app.state.colourings.grids(connection, status, caller).by_key
    return rows, summary["matched"], summary, colours


def _feature(row: Any, colours: dict[Any, int]) -> dict[str, Any]:
    code, colour = row["code"], colours.get(row["id"], 0)
    grid = GridResponse.model_validate({**row, "colour": colour, "serial": int(code[-3:])})
    return feature(row, grid.model_dump(), id=code)


def _filter_conditions(
    grids: FromClause, community: str | None, bbox: Box | None, point: tuple[float, float] | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if community is not None:
        conditions.append(grids.c.community_code == community)
    if bbox is not None:
        conditions.append(
            func.ST_Intersects(grids.c.geom, func.ST_MakeEnvelope(*bbox, STORAGE_SRID))
        )
    if point is not None:
        location = func.ST_SetSRID(func.ST_MakePoint(*point), STORAGE_SRID)
        conditions.append(func.ST_Intersects(grids.c.geom, location))
    return conditions


def _totals(conditions: list[ColumnElement[bool]], grids: FromClause) -> Rows:
    count = select(func.count().label("matched"), *bounds_columns(func.ST_Extent(grids.c.geom)))
    return count.select_from(grids).where(*conditions)


def _grids(conditions: list[ColumnElement[bool]], simplify: float, grids: FromClause) -> Rows:
    """Return the query of the grids that meet some conditions."""
    columns = [column for column in grids.c if column.name in _COLUMNS]
    return (
        select(
            *columns,
            geojson_column(simplify_column(grids.c.geom, simplify)),
            *bounds_columns(grids.c.geom),
        )
        .where(*conditions)
        .order_by(grids.c.code)
    )
