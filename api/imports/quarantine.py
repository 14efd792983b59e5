"""``/imports/quarantine``: rejected features, their export, and their replay.

They are read under the caller's role; a replay is a job (:mod:`api.imports.import_jobs`).
"""

import json
import tempfile
from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from api.core import problems
from api.core.caller import Caller, CurrentCaller, allow, transaction_as
from api.core.parameters import Connection, Lang, PageParameter
from api.core.read_audit import audit_reads
from api.core.responses import JSON, Geometry, Listing, file_response, listing
from api.imports.import_jobs import accepted_response, submit
from api.imports.run_schemas import ACCEPTED, RunResponse, describe_run, explain_rejection
from api.plans.jobs import JobResponse
from etl.runs import quarantine as quarantine_runs
from geo import db
from geo.disk import require_room
from geo.errors import InputError, TooLargeError
from geo.model import Quarantine
from geo.model.job import JobKind, JobStatus

router = APIRouter(prefix="/imports", tags=["imports"], dependencies=[allow("importer", "admin")])

MAX_UPLOAD_BYTES = 64 * 2**20
"""Size of a corrected file that is replayed."""

MEDIA_TYPES = {
    "gpkg": "application/geopackage+sqlite3",
    "geojson": "application/geo+json",
    "csv": "text/csv; charset=utf-8",
}

RunNumber = Annotated[int | None, Query(ge=1, le=2**53)]
Word = Annotated[str, Query(max_length=200)]


class RunsResponse(BaseModel):
    """Runs of a replay."""

    runs: list[RunResponse]


class QuarantineResponse(BaseModel):
    """A feature that waits in quarantine."""

    id: int
    run: int
    layer: str
    code: str | None
    reason: str
    said: str
    detail: dict[str, Any]
    properties: dict[str, Any]
    geometry: Geometry | None


@router.get(
    "/quarantine",
    dependencies=[audit_reads("quarantine")],
    responses=problems.protected_response(Listing[QuarantineResponse]),
)
def quarantine(
    request: Request,
    connection: Connection,
    page: PageParameter,
    run: RunNumber = None,
    layer: Word = "",
) -> Response:
    """List quarantined features."""
    chosen = quarantine_runs.run_or_layer_condition(run, layer)
    matched = connection.scalar(select(func.count()).select_from(Quarantine).where(chosen)) or 0
    rows = connection.execute(
        select(
            Quarantine.id,
            Quarantine.run_id.label("run"),
            Quarantine.layer,
            Quarantine.code,
            Quarantine.reason,
            Quarantine.detail,
            Quarantine.properties,
            func.ST_AsGeoJSON(Quarantine.geom, 7).label("geometry"),
        )
        .where(chosen)
        .order_by(Quarantine.id)
        .limit(page.limit)
        .offset(page.offset)
    )
    items = [
        QuarantineResponse(
            **{
                **row._mapping,
                "geometry": json.loads(row.geometry) if row.geometry else None,
                "said": explain_rejection(row.reason, row.detail),
            }
        )
        for row in rows
    ]
    return listing(request, items, page, matched)


@router.get(
    "/quarantine/export",
    dependencies=[audit_reads("quarantine")],
    response_class=Response,
    responses={
        200: {"content": {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()}},
        **problems.PROTECTED,
    },
)
def export(
    format: Annotated[Literal["gpkg", "geojson", "csv"], Query()] = "gpkg",
    run: RunNumber = None,
    layer: Word = "",
) -> Response:
    """Download quarantined features, to be corrected and replayed."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-quarantine-") as folder:
        file = File(folder) / f"quarantine.{format}"
        with require_room(File(folder)):
            quarantine_runs.export(db.get_engine(), file, run=run, layer=layer)
        content = file.read_bytes()
    return file_response(content, MEDIA_TYPES[format], file.name)


@router.post(
    "/quarantine/replay",
    response_model=RunsResponse,
    responses=ACCEPTED | problems.problem_responses(403, 404, 409, 413, 507),
    openapi_extra={
        "requestBody": {
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": {"run": {"type": "integer"}}}
                },
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
            }
        }
    },
)
async def replay(request: Request, caller: CurrentCaller, lang: Lang) -> Response:
    """Import quarantined features again, as delivered or corrected in an exported file."""
    media_type = request.headers.get("content-type", "")
    run, upload, ending = None, None, ""
    if media_type.startswith("multipart/form-data"):
        upload, ending = await _upload_in_form(request)
    else:
        run = await _run_in_body(request)
        await run_in_threadpool(_check_waiting, request, caller, run)
    parameters = {"run": run, "ending": ending}
    job = await submit(request, caller, lang, JobKind.REPLAY, parameters, upload)
    return await run_in_threadpool(_runs_or_job, request, caller, job)


def _check_waiting(request: Request, caller: Caller, run: int | None) -> None:
    with transaction_as(request.app.state.engine, caller) as connection:
        if not quarantine_runs.count_waiting(connection, run=run):
            raise InputError("quarantine_empty")


async def _upload_in_form(request: Request) -> tuple[bytes, str]:
    """Return the file of a form, in a supported size and format, and the suffix of its name."""
    async with request.form(max_files=1, max_fields=1) as form:
        upload = form.get("file")
        if not isinstance(upload, UploadFile):
            raise InputError("upload_missing")
        content = await upload.read(MAX_UPLOAD_BYTES + 1)
        name = upload.filename or ""
    if len(content) > MAX_UPLOAD_BYTES:
        raise TooLargeError("upload_too_large", limit=MAX_UPLOAD_BYTES // 2**20)
    ending = File(name).suffix.lower()
    if ending not in quarantine_runs.ENDINGS:
        raise InputError("file_format", file=name[:80], formats=", ".join(quarantine_runs.ENDINGS))
    return content, ending


async def _run_in_body(request: Request) -> int | None:
    try:
        body = json.loads(await request.body() or b"{}")
        number: Any = body.get("run")
    except (ValueError, AttributeError, RecursionError):
        raise InputError("replay_malformed") from None
    is_number = isinstance(number, int) and not isinstance(number, bool)
    if not (number is None or (is_number and 1 <= number <= 2**53)):
        raise InputError("replay_malformed")
    return None if number is None else int(number)


def _runs_or_job(request: Request, caller: Caller, job: JobResponse) -> Response:
    if job.status != JobStatus.DONE:
        return accepted_response(job)
    with transaction_as(request.app.state.engine, caller) as connection:
        runs = RunsResponse(runs=[describe_run(connection, number) for number in job.runs])
    return Response(runs.model_dump_json(), media_type=JSON)
