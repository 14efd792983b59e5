"""``/imports/runs``: runs and their reports, approval and rollback.

Runs are read under the caller's role. Approval, rollback and replay are jobs
(:mod:`api.imports.import_jobs`) in sessions of the owner, as on the command line; the run and the
audit trail record who requested them.
"""

import json
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response
from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from api.core import problems
from api.core.caller import Caller, CurrentCaller, allow, transaction_as
from api.core.parameters import Connection, Lang, PageParameter
from api.core.read_audit import audit_reads
from api.core.responses import JSON, Listing, StrictModel, etag_response, listing
from api.imports.import_jobs import accepted_response, submit
from api.imports.run_schemas import ACCEPTED, RunDetailResponse, RunResponse, describe_run
from api.plans.jobs import JobResponse
from etl.runs import approve as approval
from etl.runs.report import html_page, run_report
from geo import db
from geo.errors import ConflictError, NotAllowedError
from geo.model import ImportRun, Role
from geo.model.job import JobKind, JobStatus
from geo.model.run import RunStatus

router = APIRouter(prefix="/imports", tags=["imports"], dependencies=[allow("importer", "admin")])

Number = Annotated[int, Path(ge=1, le=2**53)]
Word = Annotated[str, Query(max_length=200)]


class RollbackRequest(StrictModel):
    """Options of a rollback."""

    with_later: bool = False


@router.get("/runs", responses=problems.protected_response(Listing[RunResponse]))
def runs(
    request: Request,
    connection: Connection,
    page: PageParameter,
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
    responses=problems.protected_response(RunDetailResponse),
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


@router.post(
    "/runs/{number}/approve",
    response_model=RunResponse,
    responses=ACCEPTED | problems.problem_responses(403, 404, 409, 507),
)
async def approve(request: Request, caller: CurrentCaller, lang: Lang, number: Number) -> Response:
    """Publish a held run; the response is a job if that takes longer than ten seconds.

    What a clerk uploaded an administrator approves.

    Raises
    ------
    NotAllowedError
        If the file was uploaded, and the caller is not an administrator.
    """
    held = await run_in_threadpool(_check_status, request, caller, number, RunStatus.HELD)
    if held.uploaded_by and caller.role != Role.ADMIN:
        raise NotAllowedError("upload_approved_by_admin", run=number)
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


def _check_status(request: Request, caller: Caller, number: int, status: RunStatus) -> RunResponse:
    """Return a run; refuse at once what the job would refuse."""
    with transaction_as(request.app.state.engine, caller) as connection:
        run = describe_run(connection, number)
    if run.status is not status:
        key = "run_not_held" if status is RunStatus.HELD else "run_not_published"
        raise ConflictError(key, run=number, status=run.status.value)
    return run


def _run_or_job(request: Request, caller: Caller, job: JobResponse, number: int | None) -> Response:
    """Return a run after a job, by default the run of the job, or the job if it is not done."""
    if job.status != JobStatus.DONE:
        return accepted_response(job)
    with transaction_as(request.app.state.engine, caller) as connection:
        run = describe_run(connection, job.runs[-1] if number is None else number)
    return Response(run.model_dump_json(), media_type=JSON)
