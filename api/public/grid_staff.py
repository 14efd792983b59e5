"""Grid managers and informants, their photos, and where there are too few or too many."""

import io
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, File, Path, Query, Request, Response, UploadFile
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database
from sqlalchemy import delete, func, insert, select, text, update

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, Asker, allow
from api.core.parameters import ONE_LINE, Connection, Number, Paging, Writing, retry_conflicts
from api.core.responses import JSON, Listing, etag_response, listing
from geo import locks
from geo.codes import stem
from geo.errors import InputError, NotFoundError, TooLargeError
from geo.locks import Lock
from geo.model import Grid, GridInformant, GridManager, GridPlan
from geo.model.grid import PlanStatus

router = APIRouter(tags=["people"])

STAFF = allow("planner", "fire", "admin")

FEWEST, MOST = 6, 8
"""Informants of a grid (the city's programme of 2011)."""

FEWEST_HOUSEHOLDS, MOST_HOUSEHOLDS = 50, 100
"""Households under one informant's care (the same)."""

PHOTO_BYTES, PHOTO_PIXELS, PHOTO_SIDE = 5_000_000, 40_000_000, 800
"""What is taken of a photo, and how large it is kept."""

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP")

Code15 = Annotated[str, Path(pattern="^[0-9]{15}$")]
Phone = Annotated[str, Field(max_length=40, pattern=r"^[0-9+()\- ]*$")]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=ONE_LINE)]


class ManagerResponse(BaseModel):
    """What the contact card of a grid prints."""

    name: str
    phone: str
    duties: str
    photo: str | None


class ManagerRequest(BaseModel):
    """The one manager of a grid."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    phone: Phone = ""
    duties: Annotated[str, Field(max_length=2000)] = ""


class InformantRequest(BaseModel):
    """An informant, with the households under their care."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    phone: Phone = ""
    households: int = Field(0, ge=0, le=10_000)


class InformantResponse(InformantRequest):
    """An informant with their number."""

    model_config = ConfigDict(extra="ignore")

    id: int
    grid_code: str


class StaffingBreachResponse(BaseModel):
    """Where a grid's people are not as the programme asks."""

    kind: Literal[
        "no_manager",
        "too_few_informants",
        "too_many_informants",
        "too_few_households",
        "too_many_households",
    ]
    grid: str
    informant: str | None
    figure: int
    limit: int


@router.get(
    "/grids/{code}/manager",
    dependencies=[STAFF],
    response_class=Response,
    responses={200: {"model": ManagerResponse}, **problems.PROTECTED},
)
def manager(request: Request, connection: Connection, asker: Asker, code: Code15) -> Response:
    """Return the manager of a grid."""
    columns = GridManager.name, GridManager.phone, GridManager.duties
    has_photo = GridManager.photo.is_not(None).label("has_photo")
    current = (GridManager.grid_code == code, GridManager.valid_to.is_(None))
    row = connection.execute(select(*columns, has_photo).where(*current)).first()
    if row is None:
        raise NotFoundError("no_manager", grid=code)
    record(connection, asker, "read", "grid_manager", code)
    picture = f"/grids/{code}/manager/photo" if row.has_photo else None
    found = ManagerResponse(name=row.name, phone=row.phone, duties=row.duties, photo=picture)
    return etag_response(request, found.model_dump_json().encode(), JSON)


@router.put(
    "/grids/{code}/manager",
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def put_manager(
    connection: Writing, asker: Asker, code: Code15, given: Annotated[ManagerRequest, Body()]
) -> ManagerRequest:
    """Give a grid its manager; the one before is kept in the past."""
    locks.acquire(connection, Lock.STAFF, code)
    ended = update(GridManager).where(GridManager.grid_code == code, GridManager.valid_to.is_(None))
    connection.execute(ended.values(valid_to=func.now()))
    row = {"grid_code": code, **given.model_dump()}
    connection.execute(insert(GridManager).inline(), row)
    _check_grid(connection, code)
    record(connection, asker, "appoint", "grid_manager", code, {"name": given.name})
    return given


@router.delete(
    "/grids/{code}/manager",
    status_code=204,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def end_manager(connection: Writing, asker: Asker, code: Code15) -> None:
    """End a manager's term."""
    current = (GridManager.grid_code == code, GridManager.valid_to.is_(None))
    ended = connection.execute(update(GridManager).where(*current).values(valid_to=func.now()))
    if ended.rowcount == 0:
        raise NotFoundError("no_manager", grid=code)
    record(connection, asker, "dismiss", "grid_manager", code)


@router.put(
    "/grids/{code}/manager/photo",
    status_code=204,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 413),
)
@retry_conflicts
def put_photo(
    connection: Writing, asker: Asker, code: Code15, photo: Annotated[UploadFile, File()]
) -> None:
    """Give a manager a photo; it is checked and made anew, so that nothing rides along in it."""
    photo.file.seek(0)
    given = photo.file.read(PHOTO_BYTES + 1)
    if len(given) > PHOTO_BYTES:
        raise TooLargeError("photo_too_large", most=PHOTO_BYTES // 1_000_000)
    current = (GridManager.grid_code == code, GridManager.valid_to.is_(None))
    made = reencode_photo(given)
    changed = connection.execute(update(GridManager).where(*current).values(photo=made))
    if changed.rowcount == 0:
        raise NotFoundError("no_manager", grid=code)
    record(connection, asker, "photo", "grid_manager", code, {"bytes": len(made)})


def _check_grid(connection: Database, code: str) -> None:
    """Refuse people for a grid that stands in no plan which the caller may see.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    known = (
        select(Grid.code)
        .join(GridPlan, GridPlan.id == Grid.plan_id)
        .where(Grid.code == code, GridPlan.status != PlanStatus.ARCHIVED)
    )
    if connection.execute(known.limit(1)).first() is None:
        raise NotFoundError("no_grid_to_staff", grid=code)


def reencode_photo(given: bytes) -> bytes:
    """Return a photo as a JPEG of our own making, upright and no larger than is printed.

    Raises
    ------
    InputError, TooLargeError
        If it is no picture of a kind that is taken, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(given), formats=PHOTO_FORMATS) as picture:
            if picture.width * picture.height > PHOTO_PIXELS:
                raise TooLargeError("photo_pixels", most=PHOTO_PIXELS // 1_000_000)
            picture.draft("RGB", (PHOTO_SIDE, PHOTO_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            upright.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
            upright.info.clear()
            out = io.BytesIO()
            upright.save(out, "JPEG", quality=85)
            return out.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise InputError("photo_unreadable", formats=", ".join(PHOTO_FORMATS)) from None


@router.get(
    "/grids/{code}/informants",
    response_class=Response,
    dependencies=[PLANNERS],
    responses={200: {"model": Listing[InformantResponse]}, **problems.PROTECTED},
)
def informants(
    request: Request, connection: Connection, asker: Asker, code: Code15, page: Paging
) -> Response:
    """List the informants of a grid."""
    current = (GridInformant.grid_code == code, GridInformant.valid_to.is_(None))
    count = select(func.count()).select_from(GridInformant).where(*current)
    matched = connection.execute(count).scalar_one()
    statement = select(*_INFORMANT).where(*current).order_by(GridInformant.id)
    rows = connection.execute(page.of(statement)).mappings()
    record(connection, asker, "read", "grid_informant", code)
    return listing(request, [InformantResponse.model_validate(row) for row in rows], page, matched)


_INFORMANT = (
    GridInformant.id,
    GridInformant.grid_code,
    GridInformant.name,
    GridInformant.phone,
    GridInformant.households,
)


@router.post(
    "/grids/{code}/informants",
    status_code=201,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def add_informant(
    connection: Writing, asker: Asker, code: Code15, given: Annotated[InformantRequest, Body()]
) -> InformantResponse:
    """Add an informant to a grid."""
    row = {"grid_code": code, **given.model_dump()}
    made = connection.execute(insert(GridInformant).returning(*_INFORMANT), row).mappings().one()
    _check_grid(connection, code)
    record(connection, asker, "appoint", "grid_informant", str(made["id"]), {"grid": code})
    return InformantResponse.model_validate(made)


@router.put(
    "/informants/{number}", dependencies=[PLANNERS], responses=problems.problem_responses(403, 404)
)
@retry_conflicts
def put_informant(
    connection: Writing, asker: Asker, number: Number, given: Annotated[InformantRequest, Body()]
) -> InformantResponse:
    """Change an informant."""
    changed = update(GridInformant).where(GridInformant.id == number).values(given.model_dump())
    row = connection.execute(changed.returning(*_INFORMANT)).mappings().first()
    if row is None:
        raise NotFoundError("no_informant", informant=number)
    record(connection, asker, "change", "grid_informant", str(number))
    return InformantResponse.model_validate(row)


@router.delete(
    "/informants/{number}",
    status_code=204,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def remove_informant(connection: Writing, asker: Asker, number: Number) -> None:
    """Remove an informant."""
    gone = connection.execute(delete(GridInformant).where(GridInformant.id == number))
    if gone.rowcount == 0:
        raise NotFoundError("no_informant", informant=number)
    record(connection, asker, "dismiss", "grid_informant", str(number))


@router.get(
    "/people/breaches",
    response_class=Response,
    dependencies=[PLANNERS],
    responses={200: {"model": Listing[StaffingBreachResponse]}, **problems.PROTECTED},
)
def breaches(
    request: Request,
    connection: Connection,
    asker: Asker,
    page: Paging,
    region: Annotated[str, Query(pattern="^[0-9]{0,12}$")] = "",
) -> Response:
    """List where the grids in force have too few or too many people, or these households."""
    asked = {
        "stem": stem(region),
        "scope": asker.scope,
        "fewest": FEWEST,
        "most": MOST,
        "low": FEWEST_HOUSEHOLDS,
        "high": MOST_HOUSEHOLDS,
    }
    found = connection.execute(_BREACHES, asked).mappings().all()
    shown = [StaffingBreachResponse.model_validate(row) for row in found]
    record(connection, asker, "read", "grid_informant", region, {"breaches": len(shown)})
    part = shown[page.offset : page.offset + page.limit]
    return listing(request, part, page, len(shown))


_BREACHES: Any = text(
    """
    WITH wanted AS (
        SELECT code FROM published.grid
        WHERE kind = 'general' AND starts_with(code, :stem) AND starts_with(code, :scope)
    ), own AS (
        SELECT grid_code, name, households FROM grid_informant WHERE valid_to IS NULL
    ), counted AS (
        SELECT wanted.code, count(own.grid_code)::integer AS people
        FROM wanted LEFT JOIN own ON own.grid_code = wanted.code GROUP BY wanted.code
    )
    SELECT 'no_manager' AS kind, code AS grid, NULL AS informant, 0 AS figure, 1 AS limit
    FROM wanted WHERE NOT EXISTS (
        SELECT FROM grid_manager m WHERE m.grid_code = wanted.code AND m.valid_to IS NULL)
    UNION ALL
    SELECT 'too_few_informants', code, NULL, people, :fewest FROM counted WHERE people < :fewest
    UNION ALL
    SELECT 'too_many_informants', code, NULL, people, :most FROM counted WHERE people > :most
    UNION ALL
    SELECT 'too_few_households', grid_code, name, households, :low
    FROM own JOIN wanted ON wanted.code = own.grid_code WHERE households < :low
    UNION ALL
    SELECT 'too_many_households', grid_code, name, households, :high
    FROM own JOIN wanted ON wanted.code = own.grid_code WHERE households > :high
    ORDER BY grid, kind, informant
    """
)
