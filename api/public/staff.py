"""``/staff``: the staff of all grids of a planner, and appointments by workbook."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from pydantic import BaseModel

from api.core import problems
from api.core.audit import record
from api.core.caller import PLANNERS, CurrentCaller
from api.core.parameters import Connection, PageParameter, WritableConnection, retry_conflicts
from api.core.responses import Listing, file_response, listing
from api.public.grid_staff import InformantRequest, ManagerResponse
from api.public.prints import XLSX
from etl.staff import import_staff, staff_workbook
from geo.errors import TooLargeError
from geo.staff import GridStaff, list_staff

router = APIRouter(prefix="/staff", tags=["people"], dependencies=[PLANNERS])

MAX_UPLOAD_BYTES = 200 * 2**20

Region = Annotated[str, Query(pattern="^[0-9]{0,12}$", description="code or its first digits")]


class GridStaffResponse(BaseModel):
    """A grid in force with its staff; ``manager`` is null where the post is vacant."""

    grid: str
    community: str
    households: int
    manager: ManagerResponse | None
    informants: list[InformantRequest]


class RowProblemResponse(BaseModel):
    """What is wrong in a row of a workbook, and what to do."""

    row: int
    message: str


class StaffImportResponse(BaseModel):
    """What a workbook appoints. With ``problems`` nothing was written."""

    managers: int
    informants: int
    vacant: int
    changed: int
    problems: list[RowProblemResponse]


@router.get("", responses=problems.protected_response(Listing[GridStaffResponse]))
def staff(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    page: PageParameter,
    region: Region = "",
    vacant: Annotated[bool, Query(description="only grids without a manager")] = False,
) -> Response:
    """List the grids in force with their managers and informants."""
    rows = list_staff(connection, region, caller.scope, vacant=vacant)
    record(connection, caller, "read", "grid_manager", region)
    part = rows[page.offset : page.offset + page.limit]
    return listing(request, [_response(row) for row in part], page, len(rows))


@router.get("/workbook.xlsx", response_class=Response, responses=problems.PROTECTED)
def workbook(connection: Connection, caller: CurrentCaller, region: Region = "") -> Response:
    """Return the grids in force with their staff as a workbook, to be filled in and imported."""
    content = staff_workbook(connection, region, caller.scope)
    record(connection, caller, "read", "grid_manager", region)
    return file_response(content, XLSX, "staff.xlsx")


@router.post("/import", responses=problems.problem_responses(403, 413))
@retry_conflicts
def import_workbook(
    connection: WritableConnection,
    caller: CurrentCaller,
    workbook: Annotated[UploadFile, File()],
    photos: Annotated[UploadFile | None, File()] = None,
    dry_run: Annotated[bool, Query(description="check only")] = False,
) -> StaffImportResponse:
    """Appoint the managers and informants of a workbook; nobody if a row has a problem."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-staff-") as folder:
        file = _store(workbook, Path(folder) / "staff.xlsx")
        archive = _store(photos, Path(folder) / "photos.zip") if photos else None
        result = import_staff(connection, file, archive, scope=caller.scope, dry_run=dry_run)
    if result.changed:
        record(connection, caller, "appoint", "grid_manager", "", {"changed": result.changed})
    return StaffImportResponse(
        managers=len(result.managers),
        informants=len(result.informants),
        vacant=len(result.vacant),
        changed=result.changed,
        problems=[
            RowProblemResponse(row=problem.row, message=problem.message())
            for problem in result.problems
        ],
    )


def _store(upload: UploadFile, path: Path) -> Path:
    upload.file.seek(0)
    content = upload.file.read(MAX_UPLOAD_BYTES + 1)
    if len(content) > MAX_UPLOAD_BYTES:
        raise TooLargeError("upload_too_large", limit=MAX_UPLOAD_BYTES // 2**20)
    path.write_bytes(content)
    return path


def _response(row: GridStaff) -> GridStaffResponse:
    photo = f"/grids/{row.grid}/manager/photo" if row.has_photo else None
    manager = row.manager and asdict(row.manager) | {"photo": photo}
    informants = [
        InformantRequest.model_validate(informant, from_attributes=True)
        for informant in row.informants
    ]
    values = {"manager": manager, "informants": informants}
    return GridStaffResponse.model_validate(vars(row) | values)
