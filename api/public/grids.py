"""``/grids``: the grids of the plans in force, and the one at a place."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Double, FromClause, RowMapping, bindparam, func, select
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.core import problems
from api.core.caller import Asker, Caller, acting
from api.core.connection_pool import Prepared, prepare
from api.core.parameters import Bbox, Box, Page, Paging, Rows, Shown
from api.core.responses import Collection, GeoJson, collection, feature
from api.public.regions import bounds_columns, geojson_column, simplify_column
from geo.db.views import Status, grids_shown
from geo.errors import InputError, NotFoundError
from geo.model.base import STORAGE_SRID
from geo.model.grid import GridKind, PlanStatus

router = APIRouter(tags=["grids"])


class GridResponse(BaseModel):
    """What is told of a grid; ``colour`` is its index in the palette of the style."""

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


_SHOWN = {"id", *GridResponse.model_fields} - {"serial", "colour"}

Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)]


@router.get(
    "/grids",
    response_class=GeoJson,
    responses={200: {"model": Collection[GridResponse]}, **problems.DOCUMENTED},
)
async def grids(
    request: Request,
    asker: Asker,
    bbox: Bbox,
    page: Paging,
    community: Annotated[str | None, Query(pattern="^[0-9]{12}$")] = None,
    lon: Longitude = None,
    lat: Latitude = None,
    simplify: Annotated[
        float, Query(ge=0, le=10_000, allow_inf_nan=False, description="metres")
    ] = 0,
    status: Shown = "published",
) -> Response:
    """List grids in the order of their codes, or tell which grid a place is in.

    With ``lon`` and ``lat`` the list has one grid, and a place without one answers 404.
    """
    at = _place(lon, lat, bbox, community)
    if at is not None and status == "published" and not simplify:
        return await _in_force_at(request, asker, at)
    shown = grids_shown(status)
    wanted = _filter_conditions(shown, community, bbox, at)
    page = Page(1, 0) if at else page
    rows, matched, extent, colours = await run_in_threadpool(
        _read, request, asker, status, _grids(wanted, simplify, shown), _totals(wanted, shown), page
    )
    if at and not rows:
        raise NotFoundError("no_grid_here", lon=at[0], lat=at[1])
    features = [_feature(row, colours) for row in rows]
    return collection(request, features, page, 1 if at else matched, extent)


async def _in_force_at(request: Request, asker: Caller, at: tuple[float, float]) -> Response:
    """Answer which grid in force a place is in: asked most often, so without a thread."""
    query = _at_place()
    here = request.app.state
    colours = await here.colourings.in_force(here.engine, await here.state.now())
    async with here.pool.acting(asker) as connection:
        row = await connection.fetchrow(query.sql, *query.arguments(lon=at[0], lat=at[1]))
    if row is None:
        raise NotFoundError("no_grid_here", lon=at[0], lat=at[1])
    found = [_feature(row, colours.grids.by_key)]
    return collection(request, found, Page(1, 0), 1, row)


@cache
def _at_place() -> Prepared:
    shown = grids_shown("published")
    place = func.ST_MakePoint(bindparam("lon", 0.0, Double), bindparam("lat", 0.0, Double))
    wanted = func.ST_Intersects(shown.c.geom, func.ST_SetSRID(place, STORAGE_SRID))
    return prepare(_grids([wanted], 0, shown).limit(1))


def _read(
    request: Request, asker: Caller, status: Status, grids: Rows, totals: Rows, page: Page
) -> tuple[Sequence[RowMapping], int, RowMapping, dict[Any, int]]:
    """Return a page of rows, how many there are, over what extent, and the colours."""
    with acting(request.app.state.engine, asker, readonly=True) as connection:
        whole = connection.execute(totals).mappings().one()
        if not whole["matched"]:  # of drafts the public may not even read the members
            return [], 0, whole, {}
        rows = connection.execute(page.of(grids)).mappings().all()
        colours = request.app.state.colourings.grids(connection, status, asker).by_key
    return rows, whole["matched"], whole, colours


def _feature(row: Any, colours: dict[Any, int]) -> dict[str, Any]:
    return feature(row, _properties(row, colours.get(row["id"], 0)), id=row["code"])


def _place(
    lon: float | None, lat: float | None, bbox: Box | None, community: str | None
) -> tuple[float, float] | None:
    if lon is None and lat is None:
        return None
    if lon is None or lat is None or bbox is not None or community is not None:
        raise InputError("lon_lat_together")
    return lon, lat


def _properties(row: Any, colour: int) -> dict[str, Any]:
    own = GridResponse.model_validate({**row, "colour": colour, "serial": int(row["code"][-3:])})
    return own.model_dump()


def _filter_conditions(
    grids: FromClause, community: str | None, bbox: Box | None, at: tuple[float, float] | None
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if community is not None:
        wanted.append(grids.c.community_code == community)
    if bbox is not None:
        wanted.append(func.ST_Intersects(grids.c.geom, func.ST_MakeEnvelope(*bbox, STORAGE_SRID)))
    if at is not None:
        place = func.ST_SetSRID(func.ST_MakePoint(*at), STORAGE_SRID)
        wanted.append(func.ST_Intersects(grids.c.geom, place))
    return wanted


def _totals(wanted: list[ColumnElement[bool]], grids: FromClause) -> Rows:
    count = select(func.count().label("matched"), *bounds_columns(func.ST_Extent(grids.c.geom)))
    return count.select_from(grids).where(*wanted)


def _grids(wanted: list[ColumnElement[bool]], simplify: float, grids: FromClause) -> Rows:
    shown = [column for column in grids.c if column.name in _SHOWN]
    return (
        select(
            *shown,
            geojson_column(simplify_column(grids.c.geom, simplify)),
            *bounds_columns(grids.c.geom),
        )
        .where(*wanted)
        .order_by(grids.c.code)
    )
