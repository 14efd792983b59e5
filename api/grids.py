"""``/grids``: the grids of the plans in force, and the one at a place."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, FromClause, func, select
from starlette.responses import Response

from api import problems
from api.access import Asker
from api.regions import geojson, sides, simplified
from api.requests import Bbox, Box, Connection, Page, Paging, Rows, Shown
from api.responses import Collection, collection, feature
from geo.errors import InputError, NotFoundError
from geo.model.base import STORAGE_SRID
from geo.model.grid import GridKind, PlanStatus
from geo.published import grids_shown

router = APIRouter(tags=["grids"])


class GridProperties(BaseModel):
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


_SHOWN = {"id", *GridProperties.model_fields} - {"serial", "colour"}

Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)]


@router.get(
    "/grids",
    response_class=Response,
    responses={200: {"model": Collection[GridProperties]}, **problems.DOCUMENTED},
)
def grids(
    request: Request,
    connection: Connection,
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
    shown = grids_shown(status)
    wanted = _wanted(shown, community, bbox, at)
    if at:
        page = Page(1, 0)
    totals = connection.execute(_totals(wanted, shown)).mappings().one()
    if at and totals["matched"] == 0:
        raise NotFoundError("no_grid_here", lon=at[0], lat=at[1])
    rows = connection.execute(page.of(_grids(wanted, simplify, shown))).mappings()
    colours = request.app.state.colourings.grids(connection, status, asker).by_key()
    features = [
        feature(row, _properties(row, colours.get(row["id"], 0)), id=row["code"]) for row in rows
    ]
    return collection(request, features, page, 1 if at else totals["matched"], totals)


def _place(
    lon: float | None, lat: float | None, bbox: Box | None, community: str | None
) -> tuple[float, float] | None:
    if lon is None and lat is None:
        return None
    if lon is None or lat is None or bbox is not None or community is not None:
        raise InputError("lon_lat_together")
    return lon, lat


def _properties(row: Any, colour: int) -> dict[str, Any]:
    own = GridProperties.model_validate({**row, "colour": colour, "serial": int(row["code"][-3:])})
    return own.model_dump()


def _wanted(
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
    count = select(func.count().label("matched"), *sides(func.ST_Extent(grids.c.geom)))
    return count.select_from(grids).where(*wanted)


def _grids(wanted: list[ColumnElement[bool]], simplify: float, grids: FromClause) -> Rows:
    shown = [column for column in grids.c if column.name in _SHOWN]
    return (
        select(*shown, geojson(simplified(grids.c.geom, simplify)), *sides(grids.c.geom))
        .where(*wanted)
        .order_by(grids.c.code)
    )
