"""``/grids/{code}``: one grid in force with its manager and service station."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from sqlalchemy import func, or_, select, text
from starlette.responses import Response

from api.core import problems
from api.core.caller import PUBLIC_CALLER
from api.core.parameters import Connection
from api.core.problems import require_found
from api.core.responses import GEOJSON, Feature, GeoJson, etag_response, feature
from api.public.grid_staff import ManagerResponse
from api.public.grids import GridResponse
from api.public.regions import bounds_columns, geojson_column
from geo.db.views import GRIDS
from geo.model import STORAGE_SRID, Facility, Region
from geo.model.facility import Category
from geo.plans.micro_grids import list_micro_grids

router = APIRouter(tags=["grids"])

Code = Annotated[str, Path(pattern="^[0-9]{15}$")]

_GRID_COLUMNS = (
    "id",
    "code",
    "name",
    "kind",
    "households",
    "buildings",
    "community_code",
    "community",
    "street",
    "plan",
    "version",
    "status",
)


class StationResponse(BaseModel):
    """The service station of a community."""

    name: str
    phone: str
    address: str


class GridPartResponse(BaseModel):
    """A micro-grid: its households, and its whole buildings and stairwell units of others."""

    serial: int
    households: int
    buildings: int
    units: int


class GridDetailResponse(GridResponse):
    """A grid in force with its manager, its community's service station, and its micro-grids."""

    micro_grids: list[GridPartResponse]
    manager: ManagerResponse | None
    station: StationResponse | None


@router.get(
    "/grids/{code}",
    response_class=GeoJson,
    responses=problems.ok_response(Feature[GridDetailResponse]),
)
def grid(request: Request, connection: Connection, code: Code) -> Response:
    """Return a grid in force with its manager and its community's service station."""
    grid = GRIDS.c
    columns = (grid[name] for name in _GRID_COLUMNS)
    statement = select(*columns, geojson_column(grid.geom), *bounds_columns(grid.geom))
    row = connection.execute(statement.where(grid.code == code)).mappings().first()
    row = require_found("no_such_grid", row, grid=code)
    colours = request.app.state.colourings.grids(connection, "published", PUBLIC_CALLER).by_key
    properties = GridDetailResponse.model_validate(
        {
            **row,
            "serial": int(code[-3:]),
            "colour": colours.get(row["id"], 0),
            "manager": _manager(connection, code),
            "station": _station(connection, row["community_code"]),
            "micro_grids": _parts(connection, row["plan"], code),
        }
    ).model_dump()
    return etag_response(request, orjson.dumps(feature(row, properties, id=code)), GEOJSON)


@router.get(
    "/grids/{code}/manager/photo",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}, "image/png": {}}}, **problems.DOCUMENTED},
)
def photo(request: Request, connection: Connection, code: Code) -> Response:
    """Return the photo that the contact card of a grid shows."""
    statement = select(func.published.card_photo(code))
    picture = connection.execute(statement).scalar()
    picture = require_found("no_photo", picture, grid=code)
    return etag_response(
        request,
        bytes(picture),
        "image/png" if bytes(picture).startswith(b"\x89PNG") else "image/jpeg",
        max_age=300,
    )


def _parts(connection: Connection, plan: int, code: str) -> list[GridPartResponse]:
    """Return the micro-grids of a grid."""
    return [
        GridPartResponse(
            serial=part["serial"],
            households=part["households"],
            buildings=len(part["buildings"]),
            units=len(part["units"]),
        )
        for part in list_micro_grids(connection, plan, code)
    ]


def _manager(connection: Connection, code: str) -> dict[str, Any] | None:
    card = text("SELECT name, phone, tasks, duties, has_photo FROM published.contact_card(:code)")
    row = connection.execute(card, {"code": code}).mappings().first()
    if row is None:
        return None
    photo = f"/grids/{code}/manager/photo" if row["has_photo"] else None
    return {**row, "photo": photo}


def _station(connection: Connection, community: str) -> dict[str, Any] | None:
    """Return the service station registered for a community, else one that lies inside it."""
    land = select(Region.geom).where(Region.code == community).scalar_subquery()
    is_registered = Facility.region_code == community
    nowhere = func.ST_GeomFromText("POINT EMPTY", STORAGE_SRID)
    is_inside = func.ST_Intersects(Facility.geom, func.coalesce(land, nowhere))
    statement = (
        select(Facility.name, Facility.phone, Facility.address)
        .where(Facility.category == Category.SERVICE_STATION, or_(is_registered, is_inside))
        .order_by(is_registered.desc().nulls_last(), Facility.code)
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    return dict(row) if row else None
