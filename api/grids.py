"""``/grids``: the grids of the plans in force, and the one at a place."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased
from starlette.responses import Response

from api import problems
from api.plans import Shown, Status, plans_shown
from api.regions import geojson, sides, simplified
from api.requests import Bbox, Box, Connection, Page, Paging, Rows
from api.responses import Collection, collection, feature
from geo.errors import InputError, NotFoundError
from geo.model import Grid, GridMember, Region
from geo.model.base import STORAGE_SRID
from geo.model.grid import GridKind, PlanStatus

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
    wanted = _wanted(community, bbox, at)
    if at:
        page = Page(1, 0)
    totals = connection.execute(_totals(wanted, status)).mappings().one()
    if at and totals["matched"] == 0:
        raise NotFoundError("no_grid_here", lon=at[0], lat=at[1])
    rows = connection.execute(page.of(_grids(wanted, simplify, status))).mappings()
    colours = request.app.state.colourings.grids(connection, status).by_key()
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
    community: str | None, bbox: Box | None, at: tuple[float, float] | None
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if community is not None:
        wanted.append(Grid.code.startswith(community))
    if bbox is not None:
        wanted.append(func.ST_Intersects(Grid.geom, func.ST_MakeEnvelope(*bbox, STORAGE_SRID)))
    if at is not None:
        place = func.ST_SetSRID(func.ST_MakePoint(*at), STORAGE_SRID)
        wanted.append(func.ST_Intersects(Grid.geom, place))
    return wanted


def _totals(wanted: list[ColumnElement[bool]], status: Status) -> Rows:
    plan = plans_shown(status)
    count = select(func.count().label("matched"), *sides(func.ST_Extent(Grid.geom)))
    return count.select_from(Grid).join(plan, plan.c.id == Grid.plan_id).where(*wanted)


def _grids(wanted: list[ColumnElement[bool]], simplify: float, status: Status) -> Rows:
    plan = plans_shown(status)
    community, street = aliased(Region), aliased(Region)
    return (
        select(
            Grid.id,
            Grid.code,
            Grid.name,
            Grid.kind,
            Grid.households,
            _buildings().label("buildings"),
            plan.c.community_code,
            func.coalesce(community.name, "").label("community"),
            func.coalesce(street.name, "").label("street"),
            plan.c.id.label("plan"),
            plan.c.version,
            plan.c.status,
            geojson(simplified(Grid.geom, simplify)),
            *sides(Grid.geom),
        )
        .join(plan, plan.c.id == Grid.plan_id)
        .outerjoin(community, community.code == plan.c.community_code)
        .outerjoin(street, street.code == community.parent_code)
        .where(*wanted)
        .order_by(Grid.code)
    )


def _buildings() -> ColumnElement[int]:
    """Return the number of buildings that stand in a grid, in whole or with some units."""
    return (
        select(func.count(GridMember.building_code.distinct()))
        .where(GridMember.grid_id == Grid.id)
        .correlate(Grid)
        .scalar_subquery()
    )
