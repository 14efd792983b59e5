"""``/casework``: cases of grid managers and offices, their steps, photos, contacts and events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from sqlalchemy import select
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.casework.case_export import (
    MAX_MAP_CASES,
    case_points,
    case_view,
    write_csv,
    write_workbook,
)
from api.casework.case_feed import RESET, CaseFeed
from api.casework.case_forms import (
    MULTIPART,
    CaseNumber,
    FilingForm,
    IdempotencyKey,
    StepForm,
    actor_of,
    read_photos,
    refuse_markup,
)
from api.casework.case_queries import (
    CASE,
    Cases,
    Order,
    count_cases,
    find_case,
    is_handler,
    read_case,
    read_page,
    select_cases,
    summarize,
)
from api.casework.case_responses import (
    CaseMap,
    CaseResponse,
    CasesResponse,
    ContactResponse,
    FiledResponse,
    KindsResponse,
    SummaryResponse,
    describe_counts,
    describe_kinds,
)
from api.casework.filing import file_as_service
from api.core import problems
from api.core.audit import record
from api.core.caller import Caller, CurrentCaller, allow, transaction_as
from api.core.parameters import Connection, WritableConnection, retry_conflicts
from api.core.problems import require_found
from api.core.read_audit import audit_reads
from api.core.responses import JSON, GeoJson, etag_response, file_response
from api.public.prints import XLSX
from geo.casework.case_store import StepRequest, take_step
from geo.casework.confidential import open_contact
from geo.errors import NotAllowedError
from geo.messages import Language, use_language
from geo.model import CaseContact, CasePhoto
from geo.model.casework import Channel
from geo.settings import settings

router = APIRouter(
    prefix="/casework",
    tags=["casework"],
    dependencies=[allow("grid_manager", "office", "admin")],
)

AUDITED = [audit_reads("service_case")]
PING_INTERVAL_S = 15
PhotoNumber = Annotated[int, Path(ge=1, le=2**53)]


@router.get("/kinds", responses=problems.protected_response(KindsResponse))
def kinds(request: Request) -> Response:
    """List the kinds of cases and the departments."""
    return etag_response(request, describe_kinds().model_dump_json().encode(), JSON)


@router.get("/cases", dependencies=AUDITED, responses=problems.PROTECTED)
def cases(
    connection: Connection,
    filters: Cases,
    order: Order = "newest",
    after: Annotated[str, Query(max_length=100, description="``next`` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> CasesResponse:
    """List cases that the caller may see, the newest or the first due first."""
    rows, following = read_page(connection, filters, order, after, limit)
    return CasesResponse(items=[summarize(row) for row in rows], next=following)


@router.get("/summary", dependencies=AUDITED, responses=problems.PROTECTED)
def summary(connection: Connection) -> SummaryResponse:
    """Count the cases that the caller may see."""
    return describe_counts(count_cases(connection))


@router.get(
    "/map",
    dependencies=AUDITED,
    response_class=GeoJson,
    responses=problems.protected_response(CaseMap),
)
def case_map(
    connection: Connection,
    filters: Cases,
    zoom: Annotated[
        float | None, Query(ge=0, le=24, allow_inf_nan=False, description="of a web map")
    ] = None,
) -> Response:
    """Return cases as points: the newest 20,000; ``numberMatched`` counts all.

    With ``zoom`` what a map shows: up to 2,000 cases as points, more as clusters with
    ``point_count``, those in ``bbox`` only; ``grids`` counts cases by grid.
    """
    if zoom is None:
        return GeoJson(case_points(connection, filters, MAX_MAP_CASES))
    return GeoJson(case_view(connection, filters, zoom))


@router.get(
    "/export.csv",
    dependencies=AUDITED,
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **problems.problem_responses(403, 404, 413)},
)
def export_csv(connection: Connection, caller: CurrentCaller, filters: Cases) -> Response:
    """Return cases as CSV, with the columns in the caller's language."""
    content = write_csv(connection, filters)
    record(connection, caller, "export", "service_case")
    return file_response(content, "text/csv; charset=utf-8", "cases.csv")


@router.get(
    "/export.xlsx",
    dependencies=AUDITED,
    response_class=Response,
    responses={200: {"content": {XLSX: {}}}, **problems.problem_responses(403, 404, 413)},
)
def export_xlsx(connection: Connection, caller: CurrentCaller, filters: Cases) -> Response:
    """Return cases as a workbook, with the columns in the caller's language."""
    content = write_workbook(connection, filters)
    record(connection, caller, "export", "service_case")
    return file_response(content, XLSX, "cases.xlsx")


@router.post("/cases", status_code=201, responses=problems.problem_responses(403, 404, 409, 413))
def file(
    request: Request,
    caller: CurrentCaller,
    form: Annotated[FilingForm, Form(media_type=MULTIPART)],
    key: IdempotencyKey = "",
) -> FiledResponse:
    """File a case that somebody told a grid manager or an office, or that they found."""
    return file_as_service(
        request.app.state.engine, form, Channel(form.channel), key, actor_of(caller)
    )


@router.get("/cases/{number}", dependencies=AUDITED, responses=problems.PROTECTED)
def case(connection: Connection, caller: CurrentCaller, number: CaseNumber) -> CaseResponse:
    """Return a case with its events and the steps that the caller may take."""
    return read_case(connection, caller, number)


@router.post("/cases/{number}/steps", responses=problems.problem_responses(403, 404, 409, 412, 413))
@retry_conflicts
def step(
    connection: WritableConnection,
    caller: CurrentCaller,
    number: CaseNumber,
    form: Annotated[StepForm, Form(media_type=MULTIPART)],
    key: IdempotencyKey = "",
) -> CaseResponse:
    """Take a step of a case; with ``revision`` only if nobody has changed it meanwhile (412)."""
    refuse_markup(form.note)
    values = form.model_dump(exclude={"photos"})
    step_request = StepRequest(**values, photos=read_photos(form.photos), key=key)
    take_step(connection, number, step_request, actor_of(caller))
    return read_case(connection, caller, number)


@router.get(
    "/cases/{number}/photos/{photo}",
    dependencies=AUDITED,
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problems.PROTECTED},
)
def photo(
    request: Request, connection: Connection, number: CaseNumber, photo: PhotoNumber
) -> Response:
    """Return a photo of a case."""
    case = find_case(connection, number)
    statement = select(CasePhoto.__table__.c.photo).where(
        CasePhoto.id == photo, CasePhoto.case_id == case.id
    )
    content = connection.execute(statement).scalar()
    content = require_found("case_photo_unknown", content, photo=photo, number=number)
    return etag_response(request, content, "image/jpeg")


@router.get("/cases/{number}/contact", responses=problems.PROTECTED)
def contact(connection: Connection, caller: CurrentCaller, number: CaseNumber) -> ContactResponse:
    """Return the reporter's contact, to who is responsible for the case only; it is audited.

    Raises
    ------
    NotAllowedError
        If the caller is not the handler of the case.
    """
    case = find_case(connection, number)
    if not is_handler(caller, case.handler_code):
        raise NotAllowedError("case_contact_of_handler", handler=case.handler_code)
    statement = select(CaseContact.sealed).where(CaseContact.case_id == case.id)
    sealed = connection.execute(statement).scalar()
    record(connection, caller, "read", "case_contact", number)
    return ContactResponse(contact=open_contact(sealed) if sealed else None)


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problems.PROTECTED,
    },
)
async def events(request: Request, caller: CurrentCaller) -> Response:
    """Stream changes of cases that the caller may see.

    The event ``case`` holds a case as in the list; ``reset`` comes first, and whenever changes may
    have been missed: read the list again. The stream ends when an access token would; connect again
    with a new one.
    """
    lang = problems.preferred_language(request)
    return EventSourceResponse(_stream_changes(request, caller, lang), ping=PING_INTERVAL_S)


async def _stream_changes(
    request: Request, caller: Caller, lang: Language
) -> AsyncIterator[ServerSentEvent]:
    feed: CaseFeed = request.app.state.case_feed
    end = time.monotonic() + settings().token_minutes * 60
    async with feed.subscribe() as queue:
        yield ServerSentEvent("{}", event="reset")
        while (left_s := end - time.monotonic()) > 0:
            try:
                changed = {await asyncio.wait_for(queue.get(), left_s)}
            except TimeoutError:
                return
            while not queue.empty():
                changed.add(queue.get_nowait())
            if RESET in changed:
                yield ServerSentEvent("{}", event="reset")
                continue
            for data in await run_in_threadpool(_read_changed, request, caller, changed, lang):
                yield ServerSentEvent(data, event="case")


def _read_changed(request: Request, caller: Caller, changed: set[int], lang: Language) -> list[str]:
    """Return those of some cases that a caller may see, as JSON."""
    statement = select_cases().where(CASE.c.id.in_(changed)).order_by(CASE.c.changed_at)
    with transaction_as(request.app.state.engine, caller, readonly=True) as connection:
        rows = connection.execute(statement).mappings().all()
    if rows:
        request.app.state.read_audit.note(caller, ["service_case"])
    with use_language(lang):
        return [summarize(row).model_dump_json() for row in rows]
