"""Finding things: by words over everything that has a name, and a grid with who looks after it."""

import math
import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from sqlalchemy import FromClause, Select, case, func, literal, or_, select, text, union_all
from sqlalchemy.orm import InstrumentedAttribute
from starlette.responses import Response

from api import problems
from api.access import ANYONE
from api.grids import GridProperties
from api.regions import geojson, sides
from api.requests import Connection
from api.responses import GEOJSON, Feature, GeoJson, feature, kept
from geo.errors import NotFoundError
from geo.model import STORAGE_SRID, Compound, Facility, Region, Road
from geo.model.facility import Category
from geo.published import GRIDS, OUTLINES

router = APIRouter(tags=["find"])

MOST_WORDS = 5
"""Words of a question that are looked for; all must be there."""

MOST_PIECES, MOST_SIGNS = 12, 24
LEAST_SHARE = 0.7
"""Of the question's signs that a name or address must hold to fit in part."""

Kind = Literal["region", "grid", "building", "facility", "road", "compound"]
Code = Annotated[str, Path(pattern="^[0-9]{15}$")]


class Found(BaseModel):
    """A thing found: where it is, and the grid in force there."""

    kind: Kind
    code: str
    name: str
    address: str
    grid: str | None
    grid_name: str | None
    community: str | None
    lon: float
    lat: float
    bbox: tuple[float, float, float, float]
    rank: int


class FoundList(BaseModel):
    """What was found, the best first."""

    numberReturned: int  # noqa: N815 (as in the other lists)
    items: list[Found]


class Manager(BaseModel):
    """Who looks after a grid, as its contact card prints it."""

    name: str
    phone: str
    duties: str
    photo: str | None


class Station(BaseModel):
    """The service station of a community."""

    name: str
    phone: str
    address: str


class GridWithPeople(GridProperties):
    """A grid in force with its manager and its community's service station."""

    manager: Manager | None
    station: Station | None


@router.get("/search", response_class=Response, responses={200: {"model": FoundList}})
@router.get("/grids/search", response_class=Response, responses={200: {"model": FoundList}})
def search(
    request: Request,
    connection: Connection,
    q: Annotated[str, Query(min_length=1, max_length=100)],
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Response:
    """Find regions, grids, buildings, facilities, roads and compounds by name or address.

    All words must be in the name or the address. Names that are the question come first, then
    those that begin with it, then the shortest. Where nothing has them all, the question is cut
    into runs of digits and of other signs, in whatever order they stand; and where that finds
    nothing, most of the signs are enough, and every number.
    """
    sources = [rows for name, rows in _sources().items() if kind in (None, name)]
    everything = union_all(*sources).subquery("everything")
    items: list[dict[str, Any]] = []
    for asked, least in _readings(q):
        best = _best(everything, asked, limit, least).subquery("best")
        items = [_found(row) for row in connection.execute(_placed(best)).mappings()]
        if items:
            break
    body = {"numberReturned": len(items), "items": items}
    return kept(request, orjson.dumps(body), "application/json")


@router.get(
    "/grids/{code}",
    response_class=GeoJson,
    responses={200: {"model": Feature[GridWithPeople]}, **problems.DOCUMENTED},
)
def grid(request: Request, connection: Connection, code: Code) -> Response:
    """Return a grid in force with its manager and its community's service station."""
    shown = GRIDS.c
    columns = [*(shown[name] for name in _OF_GRID), geojson(shown.geom), *sides(shown.geom)]
    row = connection.execute(select(*columns).where(shown.code == code)).mappings().first()
    if row is None:
        raise NotFoundError("no_such_grid", grid=code)
    colours = request.app.state.colourings.grids(connection, "published", ANYONE).by_key
    people = {"manager": _manager(connection, code), "station": _station(connection, row)}
    own = {"serial": int(code[-3:]), "colour": colours.get(row["id"], 0)}
    properties = GridWithPeople.model_validate({**row, **own, **people}).model_dump()
    return kept(request, orjson.dumps(feature(row, properties, id=code)), GEOJSON)


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
    return kept(request, bytes(picture), _image_type(bytes(picture)), max_age=300)


def pieces(question: str) -> list[str]:
    """Return the runs of digits, of Latin letters and of other signs, half-width.

    >>> pieces("胜利街１２号 3单元")
    ['胜利街', '12', '号', '3', '单元']
    """
    plain = unicodedata.normalize("NFKC", question).lower()
    return re.findall(r"[0-9]+|[a-z]+|[^\W0-9a-z_]+", plain)


def _readings(question: str) -> Iterator[tuple[list[str], int | None]]:
    """Yield ways to read a question, the strictest first: words, and how many must be there."""
    yield question.split()[:MOST_WORDS], None
    if set(question) & set("_%\\"):  # signs that nobody types by mistake
        return
    runs = pieces(question)[:MOST_PIECES]
    if runs:
        yield runs, None
    signs = list(dict.fromkeys(sign for run in runs if not run.isdigit() for sign in run))
    if len(signs) > 1:
        numbers = [run for run in runs if run.isdigit()]
        yield [*numbers, *signs[:MOST_SIGNS]], len(numbers)


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


def _sources() -> dict[str, Select[Any]]:
    """Return kind, code, name, address and shape of everything that has a name."""
    building, shown = OUTLINES.c, GRIDS.c

    def named(kind: str, table: Any, address: Any = None) -> Select[Any]:
        address = literal("") if address is None else address
        return _row(kind, table.code, table.name, address, table.geom).where(table.name != "")

    regions = _row("region", Region.code, Region.name, literal(""), Region.geom)
    grids = _row("grid", shown.code, _grid_name(), literal(""), shown.geom)
    address = func.coalesce(building.address, "")
    buildings = _row("building", building.code, building.name, address, building.geom)
    return {
        "region": regions.where(Region.geom.is_not(None)),
        "grid": grids,
        "building": buildings,
        "facility": named("facility", Facility, Facility.address),
        "road": named("road", Road),
        "compound": named("compound", Compound),
    }


def _grid_name() -> Any:
    """Return what people call a grid: its community and its name or number."""
    number = func.concat("第", func.ltrim(func.right(GRIDS.c.code, 3), "0"), "网格")
    own = func.coalesce(func.nullif(GRIDS.c.name, ""), number)
    return func.concat(GRIDS.c.community, own)


def _row(
    kind: str, code: Any, name: Any, address: Any, geom: InstrumentedAttribute[Any] | Any
) -> Select[Any]:
    columns = code.label("code"), name.label("name"), address.label("address"), geom.label("geom")
    return select(literal(kind).label("kind"), *columns)


def _best(
    everything: FromClause, asked: list[str], limit: int, least: int | None = None
) -> Select[Any]:
    """Return what holds every word; with ``least``, the first so many and most of the others."""
    row = everything.c
    whole = " ".join(asked)
    said = func.concat(row.name, " ", row.address, " ", row.code)
    rank = case(
        (or_(row.name == whole, row.code == whole, row.address == whole), 0),
        (row.name.istartswith(whole, autoescape=True), 1),
        (row.name.icontains(whole, autoescape=True), 2),
        else_=3,
    ).label("rank")
    # A street comes in many pieces: one is enough.
    once = func.row_number().over(
        partition_by=(row.kind, case((row.kind == "road", row.name), else_=row.code)),
        order_by=row.code,
    )
    wanted = select(everything, rank, once.label("once"))
    held = [said.icontains(word, autoescape=True) for word in asked]
    for condition in held[:least]:
        wanted = wanted.where(condition)
    if least is not None:
        rest: Any = sum((case((one, 1), else_=0) for one in held[least:]), literal(0))
        rank = (10 - rest).label("rank")
        wanted = select(everything, rank, once.label("once")).where(*held[:least])
        wanted = wanted.where(rest >= math.ceil(LEAST_SHARE * len(held[least:])))
    found = wanted.subquery("wanted")
    order = found.c.rank, func.length(found.c.name + found.c.address), found.c.name, found.c.code
    return select(found).where(found.c.once == 1).order_by(*order).limit(limit)


def _placed(best: FromClause) -> Select[Any]:
    """Return what was found with its place and the grid in force there."""
    place = func.ST_PointOnSurface(best.c.geom)
    here = (
        select(GRIDS.c.code, GRIDS.c.name, GRIDS.c.community)
        .where(func.ST_Intersects(GRIDS.c.geom, place), best.c.kind.not_in(["region"]))
        .limit(1)
        .lateral("here")
    )
    order = best.c.rank, func.length(best.c.name + best.c.address), best.c.name, best.c.code
    shown = [best.c[name] for name in ("kind", "code", "name", "address", "rank")]
    return (
        select(
            *shown,
            here.c.code.label("grid"),
            here.c.name.label("grid_name"),
            here.c.community,
            func.ST_X(place).label("lon"),
            func.ST_Y(place).label("lat"),
            *sides(best.c.geom),
        )
        .outerjoin(here, literal(True))
        .order_by(*order)
    )


def _found(row: Any) -> dict[str, Any]:
    box = [round(row[side], 7) for side in ("west", "south", "east", "north")]
    return Found.model_validate({**row, "bbox": box}).model_dump()


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
