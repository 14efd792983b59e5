"""``/imports``: runs and their reports, quarantined features, and manual corrections.

Runs are read under the caller's role. Approval, rollback and replay are jobs
(:mod:`api.imports.import_jobs`) in sessions of the owner, as on the command line; the run and the
audit trail record who requested them.
"""

import json
import tempfile
from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection as Database
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from api.core import problems
from api.core.caller import Caller, CurrentCaller, allow, transaction_as
from api.core.parameters import Connection, Lang, Paging
from api.core.read_audit import audit_reads
from api.core.responses import JSON, DescribedBy, Geometry, Listing, etag_response, listing
from api.imports.import_jobs import submit
from api.plans.jobs import JobResponse
from etl.runs import approve as approval
from etl.runs import quarantine as quarantine_runs
from etl.runs.report import concern_text, html_page, reason_text, run_report
from geo import db
from geo.db import overrides
from geo.disk import require_room
from geo.errors import ConflictError, InputError, NotFoundError, TooLargeError
from geo.model import Correction, ImportRun, Quarantine
from geo.model.job import JobKind, JobStatus
from geo.model.run import RunStatus

IMPORTERS = allow("importer", "admin")

router = APIRouter(prefix="/imports", tags=["imports"], dependencies=[IMPORTERS])

MAX_UPLOAD_BYTES = 64 * 2**20
"""Size of a corrected file that is replayed."""

MEDIA_TYPES = {
    "gpkg": "application/geopackage+sqlite3",
    "geojson": "application/geo+json",
    "csv": "text/csv; charset=utf-8",
}

Number = Annotated[int, Path(ge=1, le=2**53)]
RunNumber = Annotated[int | None, Query(ge=1, le=2**53)]
Word = Annotated[str, Query(max_length=200)]


class ConcernResponse(BaseModel):
    """A reason why a run is held."""

    key: str
    said: str
    values: dict[str, Any]


class RunResponse(BaseModel):
    """A run of an import."""

    id: int
    layer: str
    source: str
    status: RunStatus
    started_at: str
    finished_at: str | None
    counts: dict[str, dict[str, int]]
    timings: dict[str, float]
    revision: int | None
    file: str | None
    concerns: list[ConcernResponse]
    rejected: dict[str, int]
    waiting: int
    failure: str | None


class RefusedResponse(BaseModel):
    """A rejected feature in a run's report."""

    id: int
    layer: str
    code: str | None
    reason: str
    detail: dict[str, Any]
    said: str


Change = Literal["added", "changed", "removed"]


class DifferenceResponse(BaseModel):
    """A feature that a run adds, changes or removes; ``columns`` are those that change."""

    code: str
    fate: Change
    columns: list[str] | None
    shape: Geometry | None


class DensityCellResponse(BaseModel):
    """Number of differences of one kind in a square, given by its south-western corner."""

    lon: float
    lat: float
    fate: Change
    count: int


class DensityResponse(BaseModel):
    """Differences counted in squares; ``cell`` is their side in degrees."""

    cell: float
    cells: list[DensityCellResponse]


class PipeSpotResponse(BaseModel):
    """A place where a pipe network is inconsistent."""

    code: str
    lon: float
    lat: float
    near: str | None = None


class PipeNetworkResponse(BaseModel):
    """Number of nodes created for pipes without nodes, and inconsistent pipes and valves."""

    made: int = 0
    loose_ends: list[PipeSpotResponse] = []
    near_misses: list[PipeSpotResponse] = []
    reversed: list[PipeSpotResponse] = []
    far_ends: list[PipeSpotResponse] = []
    doubles: list[PipeSpotResponse] = []
    parallels: list[PipeSpotResponse] = []
    loose_valves: list[PipeSpotResponse] = []


class MovedBuildingResponse(BaseModel):
    """A building that lies in another community since a border changed."""

    code: str
    old: str | None
    new: str


class RemovedUnitResponse(BaseModel):
    """A stairwell unit removed together with its building."""

    code: str
    building: str
    households: int
    source: str


class LoosenedPipeResponse(BaseModel):
    """A pipe whose node at an end was removed."""

    code: str
    source: str


class StalePlanResponse(BaseModel):
    """A plan whose community changed, with the affected grids."""

    plan: int
    community: str
    version: int
    households: int
    grids: list[str]


class KeptCorrectionResponse(BaseModel):
    """A corrected value that an import did not overwrite."""

    layer: str
    code: str
    field: str
    value: Any
    delivered: Any
    actor: str


class BreachResponse(BaseModel):
    """A gap or overlap between regions."""

    kind: str
    codes: list[str]
    area_m2: float
    lon: float
    lat: float


class TopologyResponse(BaseModel):
    """Gaps and overlaps between regions."""

    breaches: list[BreachResponse] = []


class RunReportResponse(BaseModel):
    """Report of a run: its differences and their consequences; it may have further members."""

    differences: dict[str, list[DifferenceResponse]] = {}
    density: dict[str, DensityResponse] = {}
    passed_over: dict[str, int] = {}
    timings_until_held: dict[str, float] = {}
    moved: list[MovedBuildingResponse] = []
    moved_count: int = 0
    units_removed: list[RemovedUnitResponse] = []
    units_removed_count: int = 0
    ends_loosened: list[LoosenedPipeResponse] = []
    ends_loosened_count: int = 0
    network: PipeNetworkResponse = PipeNetworkResponse()
    topology: TopologyResponse = TopologyResponse()
    stale: list[StalePlanResponse] = []
    corrections_kept: list[KeptCorrectionResponse] = []


class RunDetailResponse(RunResponse):
    """A run with its report and the first of its rejected features."""

    report: Annotated[dict[str, Any], DescribedBy(RunReportResponse)]
    refused: list[RefusedResponse]


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


class CorrectionResponse(BaseModel):
    """A value that a person set in place of the imported one."""

    layer: str
    code: str
    field: str
    value: str | None
    actor: str
    at: str


class RollbackRequest(BaseModel):
    """Options of a rollback."""

    model_config = ConfigDict(extra="forbid")

    with_later: bool = False


@router.get(
    "/runs",
    response_class=Response,
    responses={200: {"model": Listing[RunResponse]}, **problems.PROTECTED},
)
def runs(
    request: Request,
    connection: Connection,
    page: Paging,
    status: Annotated[RunStatus | None, Query()] = None,
    layer: Word = "",
    source: Word = "",
) -> Response:
    """List runs, the newest first."""
    chosen = [ImportRun.status == status] if status else []
    chosen += [ImportRun.layer == layer] if layer else []
    chosen += [ImportRun.source == source] if source else []
    matched = connection.scalar(select(func.count()).select_from(ImportRun).where(*chosen)) or 0
    numbers = connection.scalars(
        select(ImportRun.id)
        .where(*chosen)
        .order_by(ImportRun.id.desc())
        .limit(page.limit)
        .offset(page.offset)
    )
    return listing(
        request, [describe_run(connection, number) for number in numbers.all()], page, matched
    )


@router.get(
    "/runs/{number}",
    dependencies=[audit_reads("quarantine")],
    response_class=Response,
    responses={200: {"model": RunDetailResponse}, **problems.PROTECTED},
)
def run(request: Request, connection: Connection, number: Number) -> Response:
    """Return a run with its report."""
    report = run_report(connection, number)
    values = describe_run(connection, number).model_dump(mode="json")
    body = values | {"report": report["report"], "refused": report["refused"]}
    return etag_response(request, json.dumps(body, ensure_ascii=False, default=str).encode(), JSON)


@router.get(
    "/runs/{number}/report",
    dependencies=[audit_reads("quarantine")],
    response_class=Response,
    responses={200: {"content": {"text/html": {}}}, **problems.PROTECTED},
)
def report(request: Request, connection: Connection, number: Number) -> Response:
    """Return a run's report as a page that loads nothing else."""
    return etag_response(
        request, html_page(connection, number).encode(), "text/html; charset=utf-8"
    )


ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": JobResponse, "description": "It takes longer: the job to follow"}
}


@router.post(
    "/runs/{number}/approve",
    response_model=RunResponse,
    responses=ACCEPTED | problems.problem_responses(403, 404, 409, 507),
)
async def approve(request: Request, caller: CurrentCaller, lang: Lang, number: Number) -> Response:
    """Publish a held run; the response is a job if that takes longer than ten seconds."""
    await run_in_threadpool(_check_status, request, caller, number, RunStatus.HELD)
    job = await submit(request, caller, lang, JobKind.APPROVE, {"run": number})
    return await run_in_threadpool(_run_or_job, request, caller, job, number)


@router.post("/runs/{number}/dismiss", responses=problems.problem_responses(403, 404, 409))
def dismiss(request: Request, caller: CurrentCaller, number: Number) -> RunResponse:
    """Reject a held run."""
    approval.reject(db.get_engine(), number, actor=caller.name)
    with transaction_as(request.app.state.engine, caller) as connection:
        return describe_run(connection, number)


@router.post(
    "/runs/{number}/rollback",
    response_model=RunResponse,
    responses=ACCEPTED | problems.problem_responses(403, 404, 409, 507),
)
async def rollback(
    request: Request,
    caller: CurrentCaller,
    lang: Lang,
    number: Number,
    options: Annotated[RollbackRequest | None, Body()] = None,
) -> Response:
    """Roll a published run back; the response is the new run, or a job if it takes long."""
    await run_in_threadpool(_check_status, request, caller, number, RunStatus.PUBLISHED)
    parameters = {"run": number, "with_later": options is not None and options.with_later}
    job = await submit(request, caller, lang, JobKind.ROLL_BACK, parameters)
    return await run_in_threadpool(_run_or_job, request, caller, job, None)


def _check_status(request: Request, caller: Caller, number: int, status: RunStatus) -> None:
    """Refuse at once what the job would refuse.

    Raises
    ------
    NotFoundError, ConflictError
        If there is no such run, or it has another status.
    """
    with transaction_as(request.app.state.engine, caller) as connection:
        run = describe_run(connection, number)
    if run.status is not status:
        key = "run_not_held" if status is RunStatus.HELD else "run_not_published"
        raise ConflictError(key, run=number, status=run.status.value)


def _run_or_job(request: Request, caller: Caller, job: JobResponse, number: int | None) -> Response:
    """Return a run after a job, by default the run of the job, or the job if it is not done."""
    if job.status != JobStatus.DONE:
        return _accepted_response(job)
    with transaction_as(request.app.state.engine, caller) as connection:
        run = describe_run(connection, job.runs[-1] if number is None else number)
    return Response(run.model_dump_json(), media_type=JSON)


def _accepted_response(job: JobResponse) -> Response:
    headers = {"Location": f"/jobs/{job.id}"}
    return Response(job.model_dump_json(), 202, headers, JSON)


@router.get(
    "/quarantine",
    dependencies=[audit_reads("quarantine")],
    response_class=Response,
    responses={200: {"model": Listing[QuarantineResponse]}, **problems.PROTECTED},
)
def quarantine(
    request: Request, connection: Connection, page: Paging, run: RunNumber = None, layer: Word = ""
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
                "said": reason_text(row.reason, row.detail),
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
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=MEDIA_TYPES[format], headers=headers)


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
    """Return the file of a form and the suffix of its name.

    Raises
    ------
    InputError, TooLargeError
        If there is none, it is too large, or its format is not supported.
    """
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
        return _accepted_response(job)
    with transaction_as(request.app.state.engine, caller) as connection:
        runs = RunsResponse(runs=[describe_run(connection, number) for number in job.runs])
    return Response(runs.model_dump_json(), media_type=JSON)


@router.get(
    "/corrections",
    dependencies=[audit_reads("correction")],
    response_class=Response,
    responses={200: {"model": Listing[CorrectionResponse]}, **problems.PROTECTED},
)
def corrections(
    request: Request, connection: Connection, page: Paging, layer: Word = ""
) -> Response:
    """List manual corrections."""
    chosen = [Correction.layer == layer] if layer else []
    matched = connection.scalar(select(func.count()).select_from(Correction).where(*chosen)) or 0
    rows = connection.execute(
        select(Correction.__table__)
        .where(*chosen)
        .order_by(Correction.layer, Correction.code, Correction.field)
        .limit(page.limit)
        .offset(page.offset)
    )
    items = [CorrectionResponse(**{**row._mapping, "at": row.at.isoformat()}) for row in rows]
    return listing(request, items, page, matched)


@router.put("/corrections/{layer}/{code}", responses=problems.problem_responses(403, 404, 409))
def correct(
    caller: CurrentCaller,
    layer: Annotated[str, Path(max_length=60)],
    code: Annotated[str, Path(max_length=200)],
    columns: Annotated[dict[str, str | int | float | bool | None], Body()],
) -> list[CorrectionResponse]:
    """Set columns of a feature; imports no longer overwrite them."""
    values = {name: None if value is None else str(value) for name, value in columns.items()}

    def set_override(connection: Database) -> list[CorrectionResponse]:
        overrides.set_override(connection, layer, code, values, caller.name)
        rows = connection.execute(
            select(Correction.__table__).where(Correction.layer == layer, Correction.code == code)
        )
        return [CorrectionResponse(**{**row._mapping, "at": row.at.isoformat()}) for row in rows]

    return db.run_in_transaction(db.get_engine(), set_override)


@router.delete(
    "/corrections/{layer}/{code}",
    status_code=204,
    responses=problems.problem_responses(403, 404, 409),
)
def release(
    caller: CurrentCaller,
    layer: Annotated[str, Path(max_length=60)],
    code: Annotated[str, Path(max_length=200)],
) -> None:
    """Remove the corrections of a feature; the next import writes its columns again."""
    db.run_in_transaction(
        db.get_engine(),
        lambda connection: overrides.clear_override(connection, layer, code, caller.name),
    )


def describe_run(connection: Database, number: int) -> RunResponse:
    """Return a run.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    waiting = select(func.count()).where(
        Quarantine.run_id == ImportRun.id, Quarantine.resolved_at.is_(None)
    )
    row = connection.execute(
        select(ImportRun.__table__, waiting.scalar_subquery().label("waiting")).where(
            ImportRun.id == number
        )
    ).first()
    if row is None:
        raise NotFoundError("no_such_run", run=number)
    report = row.report
    return RunResponse(
        id=row.id,
        layer=row.layer,
        source=row.source,
        status=RunStatus(row.status),
        started_at=row.started_at.isoformat(),
        finished_at=row.finished_at.isoformat() if row.finished_at else None,
        counts=row.counts,
        timings=row.timings,
        revision=row.revision,
        file=report.get("file"),
        concerns=[
            ConcernResponse(**concern, said=concern_text(concern))
            for concern in report.get("concerns", [])
        ],
        rejected=report.get("rejected", {}),
        waiting=row.waiting,
        failure=report.get("failure"),
    )
