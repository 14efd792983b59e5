"""The card of a grid: the grid in force, who looks after it, and its service station."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from sqlalchemy import func, or_, select, text
from starlette.responses import Response

from api.core import problems
from api.core.caller import ANYONE
from api.core.parameters import Connection
from api.core.responses import GEOJSON, Feature, GeoJson, etag_response, feature
from api.public.grids import GridResponse
from api.public.regions import bounds_columns, geojson_column
from geo.db.views import GRIDS
from geo.errors import NotFoundError
from geo.model import STORAGE_SRID, Facility, Region
from geo.model.facility import Category

router = APIRouter(tags=["grids"])

Code = Annotated[str, Path(pattern="^[0-9]{15}$")]

_OF_GRID = (
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


class ManagerResponse(BaseModel):
    """Who looks after a grid, as its contact card prints it."""

    name: str
    phone: str
    duties: str
    photo: str | None


class StationResponse(BaseModel):
    """The service station of a community."""

    name: str
    phone: str
    address: str


class GridDetailResponse(GridResponse):
    """A grid in force with its manager and its community's service station."""

    manager: ManagerResponse | None
    station: StationResponse | None


@router.get(
    "/grids/{code}",
    response_class=GeoJson,
    responses={200: {"model": Feature[GridDetailResponse]}, **problems.DOCUMENTED},
)
def grid(request: Request, connection: Connection, code: Code) -> Response:
    """Return a grid in force with its manager and its community's service station."""
    shown = GRIDS.c
    columns = [
        *(shown[name] for name in _OF_GRID),
        geojson_column(shown.geom),
        *bounds_columns(shown.geom),
    ]
    row = connection.execute(select(*columns).where(shown.code == code)).mappings().first()
    if row is None:
        raise NotFoundError("no_such_grid", grid=code)
    colours = request.app.state.colourings.grids(connection, "published", ANYONE).by_key
    people = {"manager": _manager(connection, code), "station": _station(connection, row)}
    own = {"serial": int(code[-3:]), "colour": colours.get(row["id"], 0)}
    properties = GridDetailResponse.model_validate({**row, **own, **people}).model_dump()
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
    if picture is None:
        raise NotFoundError("no_photo", grid=code)
    return etag_response(request, bytes(picture), _image_type(bytes(picture)), max_age=300)


def _manager(connection: Connection, code: str) -> dict[str, Any] | None:
    card = text("SELECT name, phone, duties, has_photo FROM published.contact_card(:code)")
    row = connection.execute(card, {"code": code}).mappings().first()
    if row is None:
        return None
    photo = f"/grids/{code}/manager/photo" if row["has_photo"] else None
    return {"name": row["name"], "phone": row["phone"], "duties": row["duties"], "photo": photo}


def _station(connection: Connection, grid: Any) -> dict[str, Any] | None:
    """Return the service station that says it is the community's, else the one on its land."""
    land = select(Region.geom).where(Region.code == grid["community_code"]).scalar_subquery()
    own = Facility.region_code == grid["community_code"]
    there = func.ST_Intersects(Facility.geom, func.coalesce(land, _nowhere()))
    statement = (
        select(Facility.name, Facility.phone, Facility.address)
        .where(Facility.category == Category.SERVICE_STATION, or_(own, there))
        .order_by(own.desc().nulls_last(), Facility.code)
        .limit(1)
    )
    row = connection.execute(statement).mappings().first()
    return dict(row) if row else None


def _nowhere() -> Any:
    return func.ST_GeomFromText("POINT EMPTY", STORAGE_SRID)


def _image_type(picture: bytes) -> str:
    return "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
