"""``/register``: counts of dwellings and organisations by area, and the rows of a building."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import text
from starlette.responses import Response

from api.core import problems
from api.core.caller import CurrentCaller, allow
from api.core.parameters import ONE_LINE, Connection, PageParameter
from api.core.problems import require_found
from api.core.read_audit import audit_reads
from api.core.responses import JSON, Listing, etag_response, listing
from api.register.register_responses import (
    AreaCountsResponse,
    BuildingRowsResponse,
    DwellingResponse,
    EntityResponse,
    PublicCountsResponse,
    PublicListResponse,
    UnitCountsResponse,
    UnitListResponse,
    WithoutBuildingListResponse,
    WithoutBuildingResponse,
)
from geo.db.access_rules import ROLES, RULES
from geo.errors import NotAllowedError
from geo.register import counts
from geo.register.counts import Area, Selection

router = APIRouter(prefix="/register", tags=["register"])

READERS = frozenset(RULES["entity"].read) & frozenset(ROLES)
ROW_READERS = frozenset(RULES["dwelling"].read) & frozenset(ROLES)
UNIT_READERS = ("fire", "importer", "admin")

Region = Annotated[str, Query(pattern="^[0-9]{0,12}$", description="code or its first digits")]
BuildingCode = Annotated[str, Query(min_length=1, max_length=80, pattern=ONE_LINE)]


@router.get("/communities", responses={200: {"model": PublicListResponse}})
def communities(request: Request, connection: Connection, region: Region = "") -> Response:
    """List what everybody may see: sums of communities, figures of 1 or 2 left out."""
    rows = counts.read_public_counts(connection, region)
    listed = PublicListResponse(items=[PublicCountsResponse(**row) for row in rows])
    return etag_response(request, listed.model_dump_json().encode(), JSON)


@router.get(
    "/counts/{area}",
    dependencies=[allow(*READERS), audit_reads("dwelling")],
    responses=problems.protected_response(Listing[AreaCountsResponse]),
)
def area_counts(
    request: Request,
    connection: Connection,
    caller: CurrentCaller,
    page: PageParameter,
    area: Area,
    region: Region = "",
) -> Response:
    """List the sums of the buildings, grids or divisions that the caller answers for.

    Raises
    ------
    NotAllowedError
        If a grid manager asks for more than the own grids.
    """
    is_manager = caller.role == "grid_manager"
    if is_manager and area is not Area.GRID:
        raise NotAllowedError("register_own_grids")
    scope = caller.scope if caller.role in ("planner", "office") else ""
    selection = Selection(area, region, scope, caller.grids if is_manager else None)
    rows, matched = counts.read_counts(connection, selection, caller.role, *page)
    return listing(request, [AreaCountsResponse(**row) for row in rows], page, matched)


@router.get(
    "/units",
    dependencies=[allow(*UNIT_READERS), audit_reads("dwelling")],
    responses=problems.PROTECTED,
)
def unit_counts(
    connection: Connection, caller: CurrentCaller, building: BuildingCode
) -> UnitListResponse:
    """List the sums of the units of a building."""
    rows = counts.read_unit_counts(connection, building, caller.role)
    return UnitListResponse(items=[UnitCountsResponse(**row) for row in rows])


@router.get(
    "/buildings/{code}",
    dependencies=[allow(*READERS), audit_reads("dwelling", "entity")],
    responses=problems.PROTECTED,
)
def building_rows(
    connection: Connection,
    caller: CurrentCaller,
    code: Annotated[str, Path(max_length=80, pattern=ONE_LINE)],
) -> BuildingRowsResponse:
    """Return the dwellings and organisations of a building that the caller may see."""
    known = connection.execute(text("SELECT FROM building WHERE code = :code"), {"code": code})
    require_found("no_such_building", known.first(), code=code)
    dwellings = None
    if caller.role in ROW_READERS:
        found = counts.read_rows(connection, "dwelling", code)
        dwellings = [DwellingResponse(**row) for row in found]
    entities = [EntityResponse(**row) for row in counts.read_rows(connection, "entity", code)]
    return BuildingRowsResponse(code=code, dwellings=dwellings, entities=entities)


@router.get(
    "/without-building",
    dependencies=[allow("importer", "admin"), audit_reads("dwelling", "entity")],
    responses=problems.PROTECTED,
)
def without_building(connection: Connection) -> WithoutBuildingListResponse:
    """List the buildings that the register names and that are not on record (any more)."""
    rows = counts.list_without_building(connection)
    return WithoutBuildingListResponse(items=[WithoutBuildingResponse(**row) for row in rows])
