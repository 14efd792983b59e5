"""``/jobs``: drawings and publications of imports: their progress, and stopping them."""

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
from api.core.caller import Asker, Caller, acting, allow
from api.core.parameters import Connection, Lang, Paging, Writing, retry_conflicts
from api.core.responses import JSON, Listing, etag_response, listing
from geo.errors import ConflictError, NotFoundError
from geo.messages import Language, catalogue, text
from geo.model import Job
from geo.model.job import IMPORT_KINDS, PLAN_KINDS, JobKind, JobStatus

router = APIRouter(tags=["jobs"], dependencies=[allow("planner", "importer", "admin")])

POLL_INTERVAL_S = 0.25
"""Between two looks at a job whose progress is followed."""

MAX_OPEN_JOBS = 20
"""Jobs that one account may have in the queue."""

OPEN_STATUSES = ("queued", "running")

COLUMNS = tuple(column for column in Job.__table__.c if column.name != "upload")

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class JobProblemResponse(BaseModel):
    """Why nothing came of a job."""

    title: str
    detail: str


class JobResponse(BaseModel):
    """A job: ``done`` of ``total`` steps, the one it is at, and the plans or runs that it made.

    ``wanted`` is how many drawings were asked for; there are fewer ``plans`` where no more good
    ones were found that differ.
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
    asked: dict[str, Any],
    upload: bytes | None = None,
) -> Any:
    """Put a job into the queue; return its row.

    Parameters
    ----------
    community
        Code of the community, empty for jobs of imports.
    upload
        A file that the job reads.

    Raises
    ------
    ConflictError
        If the account has too many in it.
    """
    mine = Job.caller["account"].as_integer() == caller.account
    waiting = select(func.count()).where(
        mine, Job.status.in_(OPEN_STATUSES), Job.kind != JobKind.SCORE
    )
    if connection.execute(waiting).scalar_one() >= MAX_OPEN_JOBS:
        raise ConflictError("too_many_jobs", most=MAX_OPEN_JOBS)
    row: dict[str, Any] = {"kind": kind, "community_code": community, "parameters": asked}
    row |= {"caller": caller_record(caller), "upload": upload}
    made = connection.execute(insert(Job).values(row).returning(*COLUMNS)).mappings().one()
    if kind in PLAN_KINDS:  # what is done to a run is recorded when it is done
        record(connection, caller, f"ask_{kind}", "community", community, asked)
    return made


_RESCORE = sql(
    "UPDATE job SET created_at = now() WHERE kind = 'score' AND status = 'queued' "
    "AND parameters @> CAST(:asked AS jsonb) RETURNING id"
)


def enqueue_rescoring(connection: Database, caller: Caller, community: str, plan: int) -> None:
    """Have a plan scored anew a while after its last edit: one job, however many edits."""
    asked = {"plan": plan}
    if connection.execute(_RESCORE, {"asked": orjson.dumps(asked).decode()}).first() is None:
        row = {"kind": JobKind.SCORE, "community_code": community, "parameters": asked}
        connection.execute(insert(Job).inline(), row | {"caller": caller_record(caller)})


def caller_record(caller: Caller) -> dict[str, Any]:
    """Return whose rights a job works under, as its row keeps it."""
    return {
        "role": caller.role,
        "scope": caller.scope,
        "networks": list(caller.networks),
        "name": caller.name,
        "account": caller.account,
    }


@router.get(
    "/jobs",
    response_class=Response,
    responses={200: {"model": Listing[JobResponse]}, **problems.PROTECTED},
)
def jobs(request: Request, connection: Connection, page: Paging, lang: Lang) -> Response:
    """List the jobs that were asked for, the newest first."""
    asked = Job.kind != JobKind.SCORE
    matched = connection.execute(select(func.count()).select_from(Job).where(asked)).scalar_one()
    newest = select(*COLUMNS).where(asked).order_by(Job.id.desc())
    rows = connection.execute(page.of(newest)).mappings()
    return listing(request, [describe_job(row, lang) for row in rows], page, matched)


@router.get(
    "/jobs/{number}",
    response_class=Response,
    responses={200: {"model": JobResponse}, **problems.PROTECTED},
)
def job(request: Request, connection: Connection, number: Number, lang: Lang) -> Response:
    """Return a job."""
    found = describe_job(_get_job(connection, number), lang)
    return etag_response(request, found.model_dump_json().encode(), JSON)


@router.delete(
    "/jobs/{number}", status_code=202, responses=problems.problem_responses(403, 404, 409)
)
@retry_conflicts
def cancel(
    request: Request, connection: Writing, asker: Asker, number: Number, lang: Lang
) -> JobResponse:
    """Stop a job; what it would have made is not stored.

    A job of an import can be stopped until it begins: then it publishes in one transaction.
    """
    _get_job(connection, number)
    stop = {"status": "cancelled", "finished_at": func.now(), "upload": None}
    can_stop = (Job.status == "queued") | ((Job.status == "running") & Job.kind.in_(PLAN_KINDS))
    stopped = update(Job).where(Job.id == number, can_stop).values(stop)
    row = connection.execute(stopped.returning(*COLUMNS)).mappings().first()
    if row is None:
        is_running = _get_job(connection, number)["status"] == "running"
        raise ConflictError("job_publishing" if is_running else "job_over", job=number)
    record(connection, asker, "cancel", "job", str(number))
    request.app.state.workshop.wake()
    return describe_job(row, lang)


@router.get(
    "/jobs/{number}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problems.PROTECTED,
    },
)
async def events(request: Request, asker: Asker, number: Number, lang: Lang) -> Response:
    """Follow a job: events ``progress``, and at the end ``done``, ``failed`` or ``cancelled``."""
    first = await run_in_threadpool(_look, request, asker, number, lang)
    return EventSourceResponse(_follow_job(request, asker, number, lang, first), ping=15)


async def _follow_job(
    request: Request, caller: Caller, number: int, lang: Language, first: JobResponse
) -> AsyncIterator[ServerSentEvent]:
    now, said = first, ""
    while True:
        data = now.model_dump_json()
        over = now.status not in OPEN_STATUSES
        if data != said:
            said = data
            yield ServerSentEvent(data, event=now.status if over else "progress")
        if over:
            return
        await asyncio.sleep(POLL_INTERVAL_S)
        now = await run_in_threadpool(_look, request, caller, number, lang)


def _look(request: Request, caller: Caller, number: int, lang: Language) -> JobResponse:
    with acting(request.app.state.engine, caller, readonly=True) as connection:
        return read_job(connection, number, lang)


def read_job(connection: Database, number: int, lang: Language) -> JobResponse:
    """Return a job as the caller may see it.

    Raises
    ------
    NotFoundError
        If there is none, or it is not the caller's to see.
    """
    return describe_job(_get_job(connection, number), lang)


def _get_job(connection: Database, number: int) -> Any:
    row = connection.execute(select(*COLUMNS).where(Job.id == number)).mappings().first()
    if row is None:
        raise NotFoundError("no_such_job", job=number)
    return row


def describe_job(row: Any, lang: Language) -> JobResponse:
    """Return a job as it is told, its problem in the caller's language."""
    problem = None
    if row["problem"] is not None:
        key = row["problem"]["key"]
        known = key if f"error.{key}" in catalogue(lang) else "job_failed"
        detail = problems.message_text(
            known, lang, **{"job": row["id"], **row["problem"]["values"]}
        )
        title = "problem.import_job" if row["kind"] in IMPORT_KINDS else "problem.job"
        problem = JobProblemResponse(title=text(title, lang=lang), detail=detail)
    wanted = row["parameters"].get("alternatives", 1)
    return JobResponse.model_validate({**row, "wanted": wanted, "problem": problem})
