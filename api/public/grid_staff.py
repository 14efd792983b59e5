"""Managers and informants of grids: appointments, photos, and staffing breaches."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, File, Path, Query, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection as Database
from sqlalchemy import delete, func, insert, select, text, update

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, CurrentCaller, allow
from api.core.parameters import (
    ONE_LINE,
    Connection,
    Number,
    PageParameter,
    WritableConnection,
    retry_conflicts,
)
from api.core.problems import require_found
from api.core.responses import JSON, Listing, StrictModel, etag_response, listing
from etl.photos import MAX_PHOTO_BYTES, reencode_photo
from geo.codes import code_prefix
from geo.errors import TooLargeError
from geo.model import Grid, GridInformant, GridManager, GridPlan
from geo.model.grid import PlanStatus
from geo.partition.micro import FEWEST_PARTS, MAX_HOUSEHOLDS, MIN_HOUSEHOLDS, MOST_PARTS
from geo.staff import (
    MAX_DUTIES_LENGTH,
    MAX_NAME_LENGTH,
    MAX_PHONE_LENGTH,
    PHONE,
    Manager,
    appoint_manager,
)

router = APIRouter(tags=["people"])

STAFF = allow("planner", "fire", "grid_manager", "office", "admin")
INFORMANT_READERS = allow("planner", "grid_manager", "office", "admin")

Code15 = Annotated[str, Path(pattern="^[0-9]{15}$")]
Phone = Annotated[str, Field(max_length=MAX_PHONE_LENGTH, pattern=PHONE)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=ONE_LINE)]


Duties = Annotated[str, Field(max_length=MAX_DUTIES_LENGTH)]


class ManagerResponse(BaseModel):
    """The manager of a grid as the contact card prints it."""

    name: str
    phone: str
    tasks: str
    duties: str
    photo: str | None


class ManagerRequest(StrictModel):
    """The manager to appoint for a grid; a grid has one."""

    name: Name
    phone: Phone = ""
    tasks: Duties = ""
    duties: Duties = ""


class InformantRequest(BaseModel):
    """An informant, with the number of households they are responsible for."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    phone: Phone = ""
    households: int = Field(0, ge=0, le=10_000)
    buildings: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=500)] = []
    micro_grid: int | None = Field(None, ge=1, le=99, description="serial of their micro-grid")


class InformantResponse(InformantRequest):
    """An informant with their number."""

    model_config = ConfigDict(extra="ignore")

    id: int
    grid_code: str


class StaffingBreachResponse(BaseModel):
    """A grid or informant outside the staffing limits of the programme."""

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
    responses=problems.protected_response(ManagerResponse),
)
def manager(
    request: Request, connection: Connection, caller: CurrentCaller, code: Code15
) -> Response:
    """Return the manager of a grid."""
    columns = GridManager.name, GridManager.phone, GridManager.tasks, GridManager.duties
    has_photo = GridManager.photo.is_not(None).label("has_photo")
    current = (GridManager.grid_code == code, GridManager.valid_to.is_(None))
    row = connection.execute(select(*columns, has_photo).where(*current)).first()
    row = require_found("no_manager", row, grid=code)
    record(connection, caller, "read", "grid_manager", code)
    picture = f"/grids/{code}/manager/photo" if row.has_photo else None
    body = ManagerResponse(
        name=row.name, phone=row.phone, tasks=row.tasks, duties=row.duties, photo=picture
    )
    return etag_response(request, body.model_dump_json().encode(), JSON)


@router.put(
    "/grids/{code}/manager",
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def put_manager(
    connection: WritableConnection,
    caller: CurrentCaller,
    code: Code15,
    manager: Annotated[ManagerRequest, Body()],
) -> ManagerRequest:
    """Appoint the manager of a grid, or change their details.

    The term of a previous manager ends and stays on record.
    """
    appoint_manager(connection, Manager(code, **manager.model_dump()))
    _check_grid(connection, code)
    record(connection, caller, "appoint", "grid_manager", code, {"name": manager.name})
    return manager


@router.delete(
    "/grids/{code}/manager",
    status_code=204,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def end_manager(connection: WritableConnection, caller: CurrentCaller, code: Code15) -> None:
    """End the term of a grid's manager."""
    current = (GridManager.grid_code == code, GridManager.valid_to.is_(None))
    ended = connection.execute(update(GridManager).where(*current).values(valid_to=func.now()))
    require_found("no_manager", ended.rowcount > 0, grid=code)
    record(connection, caller, "dismiss", "grid_manager", code)


@router.put(
    "/grids/{code}/manager/photo",
    status_code=204,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404, 413),
)
@retry_conflicts
def put_photo(
    connection: WritableConnection,
    caller: CurrentCaller,
    code: Code15,
    photo: Annotated[UploadFile, File()],
) -> None:
    """Set the photo of a manager; it is re-encoded, which removes metadata and embedded files.

    Raises
    ------
    TooLargeError
        If the picture is too large.
    """
    photo.file.seek(0)
    upload = photo.file.read(MAX_PHOTO_BYTES + 1)
    if len(upload) > MAX_PHOTO_BYTES:
        raise TooLargeError("photo_too_large", most=MAX_PHOTO_BYTES // 1_000_000)
    current = (GridManager.grid_code == code, GridManager.valid_to.is_(None))
    stored = reencode_photo(upload)
    changed = connection.execute(update(GridManager).where(*current).values(photo=stored))
    require_found("no_manager", changed.rowcount > 0, grid=code)
    record(connection, caller, "photo", "grid_manager", code, {"bytes": len(stored)})


def _check_grid(connection: Database, code: str) -> None:
    """Require that a grid is in a plan that the caller may see."""
    grids = (
        select(Grid.code)
        .join(GridPlan, GridPlan.id == Grid.plan_id)
        .where(Grid.code == code, GridPlan.status != PlanStatus.ARCHIVED)
    )
    require_found("no_grid_to_staff", connection.execute(grids.limit(1)).first(), grid=code)


@router.get(
    "/grids/{code}/informants",
    dependencies=[INFORMANT_READERS],
    responses=problems.protected_response(Listing[InformantResponse]),
)
def informants(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    code: Code15,
    page: PageParameter,
) -> Response:
    """List the informants of a grid."""
    current = (GridInformant.grid_code == code, GridInformant.valid_to.is_(None))
    count = select(func.count()).select_from(GridInformant).where(*current)
    matched = connection.execute(count).scalar_one()
    statement = select(*_INFORMANT).where(*current).order_by(GridInformant.id)
    rows = connection.execute(page.of(statement)).mappings()
    record(connection, caller, "read", "grid_informant", code)
    return listing(request, [InformantResponse.model_validate(row) for row in rows], page, matched)


_INFORMANT = (
    GridInformant.id,
    GridInformant.grid_code,
    GridInformant.name,
    GridInformant.phone,
    GridInformant.households,
    GridInformant.buildings,
    GridInformant.micro_grid,
)


@router.post(
    "/grids/{code}/informants",
    status_code=201,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def add_informant(
    connection: WritableConnection,
    caller: CurrentCaller,
    code: Code15,
    informant: Annotated[InformantRequest, Body()],
) -> InformantResponse:
    """Add an informant to a grid."""
    row = {"grid_code": code, **informant.model_dump()}
    added = connection.execute(insert(GridInformant).returning(*_INFORMANT), row).mappings().one()
    _check_grid(connection, code)
    record(connection, caller, "appoint", "grid_informant", str(added["id"]), {"grid": code})
    return InformantResponse.model_validate(added)


@router.put(
    "/informants/{number}", dependencies=[PLANNERS], responses=problems.problem_responses(403, 404)
)
@retry_conflicts
def put_informant(
    connection: WritableConnection,
    caller: CurrentCaller,
    number: Number,
    informant: Annotated[InformantRequest, Body()],
) -> InformantResponse:
    """Change an informant."""
    changed = update(GridInformant).where(GridInformant.id == number).values(informant.model_dump())
    row = connection.execute(changed.returning(*_INFORMANT)).mappings().first()
    row = require_found("no_informant", row, informant=number)
    record(connection, caller, "change", "grid_informant", str(number))
    return InformantResponse.model_validate(row)


@router.delete(
    "/informants/{number}",
    status_code=204,
    dependencies=[PLANNERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def remove_informant(connection: WritableConnection, caller: CurrentCaller, number: Number) -> None:
    """Remove an informant."""
    deleted = connection.execute(delete(GridInformant).where(GridInformant.id == number))
    require_found("no_informant", deleted.rowcount > 0, informant=number)
    record(connection, caller, "dismiss", "grid_informant", str(number))


@router.get(
    "/people/breaches",
    dependencies=[PLANNERS],
    responses=problems.protected_response(Listing[StaffingBreachResponse]),
)
def breaches(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    page: PageParameter,
    region: Annotated[str, Query(pattern="^[0-9]{0,12}$")] = "",
) -> Response:
    """List grids in force without a manager or outside the limits for informants."""
    parameters = {
        "region": code_prefix(region),
        "scope": caller.scope,
        "min_informants": FEWEST_PARTS,
        "max_informants": MOST_PARTS,
        "min_households": MIN_HOUSEHOLDS,
        "max_households": MAX_HOUSEHOLDS,
    }
    rows = connection.execute(_BREACHES, parameters).mappings().all()
    record(connection, caller, "read", "grid_informant", region, {"breaches": len(rows)})
    part = rows[page.offset : page.offset + page.limit]
    items = [StaffingBreachResponse.model_validate(row) for row in part]
    return listing(request, items, page, len(rows))


_BREACHES: Any = text(
    """
    WITH grid AS (
        SELECT code FROM published.grid
        WHERE kind = 'general' AND starts_with(code, :region) AND starts_with(code, :scope)
    ), informant AS (
        SELECT grid_code, name, households FROM grid_informant WHERE valid_to IS NULL
    ), counted AS (
        SELECT grid.code, count(informant.grid_code)::integer AS informants
        FROM grid LEFT JOIN informant ON informant.grid_code = grid.code GROUP BY grid.code
    )
    SELECT 'no_manager' AS kind, code AS grid, NULL AS informant, 0 AS figure, 1 AS limit
    FROM grid WHERE NOT EXISTS (
        SELECT FROM grid_manager m WHERE m.grid_code = grid.code AND m.valid_to IS NULL)
    UNION ALL
    SELECT 'too_few_informants', code, NULL, informants, :min_informants
    FROM counted WHERE informants < :min_informants
    UNION ALL
    SELECT 'too_many_informants', code, NULL, informants, :max_informants
    FROM counted WHERE informants > :max_informants
    UNION ALL
    SELECT 'too_few_households', grid_code, name, households, :min_households
    FROM informant JOIN grid ON grid.code = informant.grid_code
    WHERE households < :min_households
    UNION ALL
    SELECT 'too_many_households', grid_code, name, households, :max_households
    FROM informant JOIN grid ON grid.code = informant.grid_code
    WHERE households > :max_households
    ORDER BY grid, kind, informant
    """
)
