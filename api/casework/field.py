"""``/field``: what the phones of grid managers hold; verifications and hydrant inspections.

Visits and duties are in :mod:`api.casework.ledger`.
"""

import base64
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from api.casework.case_forms import (
    DeviceTime,
    IdempotencyKey,
    Words,
    actor_of,
    refuse_markup,
    refuse_unfit_time,
)
from api.casework.field_bundle import (
    BundleResponse,
    DwellingResponse,
    HydrantResponse,
    read_bundle,
)
from api.core import problems
from api.core.audit import record
from api.core.caller import CurrentCaller, allow
from api.core.parameters import ONE_LINE, Connection, WritableConnection, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import JSON, StrictModel, etag_response
from api.tiles.tile_archive import MEDIA_TYPE as PMTILES
from api.tiles.tile_extract import extract_map
from geo.casework.verification import Verification, device_key, verify_dwelling
from geo.fire.grid_inspections import GridInspection, describe_hydrant, inspect_hydrant
from geo.model.register import MAX_RESIDENTS, Occupancy

router = APIRouter(prefix="/field", tags=["casework"], dependencies=[allow("grid_manager")])

Count = Annotated[int | None, Field(ge=0, le=MAX_RESIDENTS)]
Code = Annotated[str, Path(min_length=1, max_length=80, pattern=ONE_LINE)]


class Counts(StrictModel):
    """What was found different: only the fields that are given are set; null is unknown."""

    occupancy: Occupancy | None = None
    residents: Count = None
    registered: Count = None
    floating: Count = None
    age_0_6: Count = None
    age_7_17: Count = None
    age_18_59: Count = None
    age_60_79: Count = None
    age_80_up: Count = None
    alone_60_up: Count = None
    need_help: Count = None


class VerificationRequest(StrictModel):
    """A verification of a dwelling.

    ``seen`` is the ``version`` of the dwelling that it was compared with. ``verified_at`` is when,
    corrected to the server's clock; ``device_at`` is what the device's clock showed then.
    """

    seen: AwareDatetime
    verified_at: AwareDatetime
    device_at: DeviceTime | None = None
    changes: Counts = Counts()


class GridInspectionRequest(StrictModel):
    """An inspection of a hydrant.

    ``seen`` is the ``inspection`` of the hydrant that the manager knew, null if there was none.
    ``inspected_at`` is when, corrected to the server's clock; ``device_at`` is what the device's
    clock showed then. One that failed needs a ``reason``.
    """

    seen: Annotated[int | None, Field(ge=1, le=2**53)]
    inspected_at: AwareDatetime
    device_at: DeviceTime | None = None
    passed: bool
    reason: Annotated[Words, Field(max_length=1000)] = ""
    flow_l_s: Annotated[float | None, Field(ge=0, le=10_000, allow_inf_nan=False)] = None


@router.get(
    "/bundle",
    dependencies=[audit_reads("dwelling", "service_case", "visit", "hydrant_inspection")],
    responses=problems.protected_response(BundleResponse),
)
def bundle(request: Request, connection: Connection, caller: CurrentCaller) -> Response:
    """Return what a phone needs without a connection: the caller's grids and all that is in them.

    ``device_key`` encrypts what a device has not sent yet.
    """
    key = base64.b64encode(device_key(caller.account or 0)).decode()
    body = read_bundle(connection, caller, key).model_dump_json().encode()
    return etag_response(request, body, JSON)


@router.get(
    "/map.pmtiles",
    response_class=Response,
    responses={
        200: {"content": {PMTILES: {"schema": {"type": "string", "format": "binary"}}}},
        204: {"description": "The map is being made"},
        **problems.PROTECTED,
    },
)
def map_tiles(request: Request, connection: Connection, caller: CurrentCaller) -> Response:
    """Return the public map around the caller's grids as a PMTiles file, for use offline."""
    tiles = extract_map(connection, caller.grids)
    return etag_response(request, tiles, PMTILES) if tiles else Response(status_code=204)


@router.post(
    "/dwellings/{code}/verification", responses=problems.problem_responses(403, 404, 409, 412)
)
@retry_conflicts
def verify(
    connection: WritableConnection,
    caller: CurrentCaller,
    code: Code,
    requested: Annotated[VerificationRequest, Body()],
    key: IdempotencyKey = "",
) -> DwellingResponse:
    """Confirm a dwelling of an own grid, or correct its counts; return it as it is then.

    If it has changed since the version that was seen, nothing is changed (412); the problem
    document holds the dwelling as it is as ``current``.
    """
    refuse_unfit_time(requested.verified_at)
    verification = Verification(
        dwelling=code,
        seen=requested.seen,
        verified_at=requested.verified_at,
        device_at=requested.device_at,
        changes=requested.changes.model_dump(mode="json", exclude_unset=True),
    )
    row = verify_dwelling(connection, verification, actor_of(caller), key)
    return DwellingResponse.model_validate(row)


@router.post(
    "/hydrants/{code}/inspection", responses=problems.problem_responses(403, 404, 409, 412)
)
@retry_conflicts
def inspect(
    connection: WritableConnection,
    caller: CurrentCaller,
    code: Code,
    requested: Annotated[GridInspectionRequest, Body()],
    key: IdempotencyKey = "",
) -> HydrantResponse:
    """Record an inspection of a hydrant in an own grid; return the hydrant as it is then.

    If somebody has inspected it since the inspection that was seen, nothing is recorded (412); the
    problem document holds the hydrant as it is as ``current``.
    """
    refuse_unfit_time(requested.inspected_at)
    refuse_markup(requested.reason)
    inspection = GridInspection(hydrant=code, **requested.model_dump())
    row, is_new = inspect_hydrant(connection, inspection, actor_of(caller), key)
    if is_new:
        record(connection, caller, "inspect", "pipe_node", code, {"passed": requested.passed})
    return HydrantResponse.model_validate(describe_hydrant(row))
