"""``/jobs``: queue, progress and cancellation of background jobs (drawings, imports)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel
from sqlalchemy import Connection as Database
from sqlalchemy import func, insert, select, update
from sqlalchemy import text as sql
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.core import problems
from api.core.audit import record
from api.core.caller import Caller, CurrentCaller, allow, transaction_as
from api.core.parameters import Connection, Lang, PageParameter, WritableConnection, retry_conflicts
from api.core.problems import require_found
from api.core.responses import JSON, Listing, etag_response, listing
from geo.errors import ConflictError
from geo.messages import Language, catalogue, text
from geo.model import Job
from geo.model.job import IMPORT_KINDS, PLAN_KINDS, JobKind, JobStatus

router = APIRouter(tags=["jobs"], dependencies=[allow("planner", "importer", "admin")])

POLL_INTERVAL_S = 0.25
"""Interval at which the event stream reads a job."""

MAX_OPEN_JOBS = 20
"""Jobs that an account may have queued or running."""

OPEN_STATUSES = ("queued", "running")

COLUMNS = tuple(column for column in Job.__table__.c if column.name not in ("upload", "result"))
"""Columns of a job but those that may be large."""

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class JobProblemResponse(BaseModel):
    """Why a job failed."""

    title: str
    detail: str


class JobResponse(BaseModel):
    """A job: ``done`` of ``total`` steps, the current step, and the plans or runs it created.

    ``wanted`` is the number of alternatives requested; there are fewer ``plans`` if no further good
    alternatives exist.
    """

    id: int
    kind: JobKind
    status: JobStatus
    step: str
    done: int
    total: int
    community_code: str
    plans: list[int]
    runs: list[int]
    wanted: int
    problem: JobProblemResponse | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def enqueue_job(
    connection: Database,
    caller: Caller,
    kind: JobKind,
    community: str,
    parameters: dict[str, Any],
    upload: bytes | None = None,
) -> Any:
    """Add a job to the queue and return its row.

    Parameters
    ----------
    community
        Code of the community, empty for import jobs.
    upload
        A file that the job reads.

    Raises
    ------
    ConflictError
        If the account has :data:`MAX_OPEN_JOBS` open jobs.
    """
    is_own = Job.caller["account"].as_integer() == caller.account
    open_jobs = select(func.count()).where(
        is_own, Job.status.in_(OPEN_STATUSES), Job.kind != JobKind.SCORE
    )
    if connection.execute(open_jobs).scalar_one() >= MAX_OPEN_JOBS:
        raise ConflictError("too_many_jobs", most=MAX_OPEN_JOBS)
    row: dict[str, Any] = {"kind": kind, "community_code": community, "parameters": parameters}
    row |= {"caller": caller_record(caller), "upload": upload}
    job = connection.execute(insert(Job).values(row).returning(*COLUMNS)).mappings().one()
    if kind in PLAN_KINDS:  # import jobs are recorded when they are done
        record(connection, caller, f"ask_{kind}", "community", community, parameters)
    return job


_POSTPONE_SCORING = sql(
    "UPDATE job SET created_at = now() WHERE kind = 'score' AND status = 'queued' "
    "AND parameters @> CAST(:parameters AS jsonb) RETURNING id"
)


def enqueue_rescoring(connection: Database, caller: Caller, community: str, plan: int) -> None:
    """Queue one job that scores a plan some time after its last edit.

    A job already queued for the plan is postponed instead.
    """
    parameters = {"plan": plan}
    postponed = connection.execute(
        _POSTPONE_SCORING, {"parameters": orjson.dumps(parameters).decode()}
    )
    if postponed.first() is None:
        row = {"kind": JobKind.SCORE, "community_code": community, "parameters": parameters}
        connection.execute(insert(Job).inline(), row | {"caller": caller_record(caller)})


def caller_record(caller: Caller) -> dict[str, Any]:
    """Return the caller under whose rights a job runs, as stored in its row."""
    return {
        "role": caller.role,
        "scope": caller.scope,
        "networks": list(caller.networks),
        "name": caller.name,
        "account": caller.account,
    }


@router.get("/jobs", responses=problems.protected_response(Listing[JobResponse]))
def jobs(request: Request, connection: Connection, page: PageParameter, lang: Lang) -> Response:
    """List the jobs that users started, the newest first."""
    is_listed = Job.kind != JobKind.SCORE
    matched = connection.execute(
        select(func.count()).select_from(Job).where(is_listed)
    ).scalar_one()
    newest = select(*COLUMNS).where(is_listed).order_by(Job.id.desc())
    rows = connection.execute(page.of(newest)).mappings()
    return listing(request, [describe_job(row, lang) for row in rows], page, matched)


@router.get("/jobs/{number}", responses=problems.protected_response(JobResponse))
def job(request: Request, connection: Connection, number: Number, lang: Lang) -> Response:
    """Return a job."""
    body = read_job(connection, number, lang)
    return etag_response(request, body.model_dump_json().encode(), JSON)


@router.delete(
    "/jobs/{number}", status_code=202, responses=problems.problem_responses(403, 404, 409)
)
@retry_conflicts
def cancel(
    request: Request,
    connection: WritableConnection,
    caller: CurrentCaller,
    number: Number,
    lang: Lang,
) -> JobResponse:
    """Cancel a job; its result is not stored.

    An import job can be cancelled only before it starts, since it publishes in one transaction.

    Raises
    ------
    ConflictError
        If the job is over, or publishes an import.
    """
    _get_job(connection, number)
    changes = {"status": "cancelled", "finished_at": func.now(), "upload": None}
    can_cancel = (Job.status == "queued") | ((Job.status == "running") & Job.kind.in_(PLAN_KINDS))
    cancelled = update(Job).where(Job.id == number, can_cancel).values(changes)
    row = connection.execute(cancelled.returning(*COLUMNS)).mappings().first()
    if row is None:
        is_running = _get_job(connection, number)["status"] == "running"
        raise ConflictError("job_publishing" if is_running else "job_over", job=number)
    record(connection, caller, "cancel", "job", str(number))
    request.app.state.plan_worker.wake()
    return describe_job(row, lang)


@router.get(
    "/jobs/{number}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problems.PROTECTED,
    },
)
async def events(request: Request, caller: CurrentCaller, number: Number, lang: Lang) -> Response:
    """Stream a job: events ``progress``, then one of ``done``, ``failed`` or ``cancelled``."""
    first = await run_in_threadpool(_read_current, request, caller, number, lang)
    return EventSourceResponse(_follow_job(request, caller, number, lang, first), ping=15)


async def _follow_job(
    request: Request, caller: Caller, number: int, lang: Language, first: JobResponse
) -> AsyncIterator[ServerSentEvent]:
    job, sent = first, ""
    while True:
        data = job.model_dump_json()
        is_finished = job.status not in OPEN_STATUSES
        if data != sent:
            sent = data
            yield ServerSentEvent(data, event=job.status if is_finished else "progress")
        if is_finished:
            return
        await asyncio.sleep(POLL_INTERVAL_S)
        job = await run_in_threadpool(_read_current, request, caller, number, lang)


def _read_current(request: Request, caller: Caller, number: int, lang: Language) -> JobResponse:
    with transaction_as(request.app.state.engine, caller, readonly=True) as connection:
        return read_job(connection, number, lang)


def read_job(connection: Database, number: int, lang: Language) -> JobResponse:
    """Return a job.

    Raises
    ------
    NotFoundError
        If there is none, or the caller may not see it.
    """
    return describe_job(_get_job(connection, number), lang)


def _get_job(connection: Database, number: int) -> Any:
    row = connection.execute(select(*COLUMNS).where(Job.id == number)).mappings().first()
    return require_found("no_such_job", row, job=number)


def describe_job(row: Any, lang: Language) -> JobResponse:
    """Return the response for a row, with the problem in the caller's language."""
    problem = None
    if row["problem"] is not None:
        key = row["problem"]["key"]
        message_key = key if f"error.{key}" in catalogue(lang) else "job_failed"
        detail = problems.message_text(
            message_key, lang, **{"job": row["id"], **row["problem"]["values"]}
        )
        title = "problem.import_job" if row["kind"] in IMPORT_KINDS else "problem.job"
        problem = JobProblemResponse(title=text(title, lang=lang), detail=detail)
    wanted = row["parameters"].get("alternatives", 1)
    return JobResponse.model_validate({**row, "wanted": wanted, "problem": problem})
