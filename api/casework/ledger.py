"""``/casework/visits`` and ``/casework/duties``: the ledger of visits and the monthly duties."""

from calendar import monthrange
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.casework.case_forms import (
    DeviceTime,
    IdempotencyKey,
    Key,
    Words,
    actor_of,
    refuse_markup,
    refuse_unfit_time,
)
from api.core import problems
from api.core.caller import CurrentCaller, allow
from api.core.parameters import ONE_LINE, Connection, WritableConnection, retry_conflicts
from api.core.read_audit import audit_reads
from api.core.responses import StrictModel
from geo.casework.kinds import case_kinds
from geo.casework.ledger import VisitEntry, list_duties, list_visits, record_duty, record_visit
from geo.clock import today
from geo.errors import InputError
from geo.model.casework import VisitTopic

READERS = allow("grid_manager", "office", "admin")
WRITERS = allow("grid_manager", "admin")
router = APIRouter(prefix="/casework", tags=["casework"], dependencies=[READERS])


class VisitRequest(StrictModel):
    """A visit to a dwelling: about what, what was said, what was advised, what came of it.

    ``device_at`` is what the device's clock showed, where that is not ``visited_at``.
    """

    dwelling: Annotated[str, Field(min_length=1, max_length=80, pattern=ONE_LINE)]
    visited_at: AwareDatetime
    topic: VisitTopic
    said: Words = ""
    advice: Words = ""
    result: Words = ""
    case: str = Field(default="", pattern="^([0-9]{16})?$")
    device_at: DeviceTime | None = None


class VisitResponse(BaseModel):
    """An entry of the ledger; ``case`` is the number of the case that it led to."""

    id: int
    grid_code: str
    dwelling_code: str
    visited_at: datetime
    topic: VisitTopic
    said: str
    advice: str
    result: str
    case: str | None
    device_at: datetime | None
    visitor: str
    recorded_at: datetime


class VisitsResponse(BaseModel):
    """A page of the ledger; ``next`` is the value of ``before`` for the next, null on the last."""

    items: list[VisitResponse]
    next: int | None


class RecordedResponse(BaseModel):
    """The number of the entry."""

    id: int


class DutyRequest(StrictModel):
    """A monthly duty that was done."""

    grid: str = Field(pattern="^[0-9]{15}$")
    duty: Key
    done_on: date
    note: Annotated[Words, Field(max_length=500)] = ""


class DoneResponse(BaseModel):
    """When a grid's duty was done."""

    grid_code: str
    duty: str
    done_on: date
    note: str


class DutyKindResponse(BaseModel):
    """A monthly duty, and the day by which it is due in the month."""

    key: str
    name: str
    due_on: date


class DutiesResponse(BaseModel):
    """The duties of a month, and which grids have done them."""

    month: date
    duties: list[DutyKindResponse]
    done: list[DoneResponse]


@router.get("/visits", dependencies=[audit_reads("visit")], responses=problems.PROTECTED)
def visits(
    connection: Connection,
    grid: Annotated[str, Query(pattern="^([0-9]{15})?$")] = "",
    dwelling: Annotated[str, Query(max_length=80)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> VisitsResponse:
    """List the ledger of visits, the newest first."""
    rows = list_visits(connection, grid, dwelling, before, limit + 1)
    items = [VisitResponse.model_validate(row) for row in rows[:limit]]
    return VisitsResponse(items=items, next=items[-1].id if len(rows) > limit else None)


@router.post(
    "/visits",
    status_code=201,
    dependencies=[WRITERS],
    responses=problems.problem_responses(403, 404, 409),
)
@retry_conflicts
def add_visit(
    connection: WritableConnection,
    caller: CurrentCaller,
    visit: Annotated[VisitRequest, Body()],
    key: IdempotencyKey = "",
) -> RecordedResponse:
    """Enter a visit to a dwelling of an own grid; an entry is never changed."""
    refuse_markup(visit.said, visit.advice, visit.result)
    refuse_unfit_time(visit.visited_at)
    entry = VisitEntry(**visit.model_dump())
    return RecordedResponse(id=record_visit(connection, entry, actor_of(caller), key))


@router.get("/duties", dependencies=[audit_reads("duty_record")], responses=problems.PROTECTED)
def duties(
    connection: Connection,
    month: Annotated[
        str, Query(pattern="^(20[0-9]{2}-(0[1-9]|1[0-2]))?$", description="YYYY-MM, by default now")
    ] = "",
) -> DutiesResponse:
    """List the duties of a month and what has been done."""
    first = date.fromisoformat(f"{month}-01") if month else today().replace(day=1)
    return describe_duties(connection, first)


def describe_duties(connection: Connection, first: date) -> DutiesResponse:
    """Return the duties of the month that begins with a day, and what has been done."""
    last_day = monthrange(first.year, first.month)[1]
    kinds = [
        DutyKindResponse(
            key=duty.key, name=duty.text(), due_on=first.replace(day=min(duty.day, last_day))
        )
        for duty in case_kinds().duties
    ]
    done = [DoneResponse.model_validate(row) for row in list_duties(connection, first)]
    return DutiesResponse(month=first, duties=kinds, done=done)


@router.put(
    "/duties",
    status_code=204,
    dependencies=[WRITERS],
    responses=problems.problem_responses(403, 404),
)
@retry_conflicts
def put_duty(
    connection: WritableConnection, caller: CurrentCaller, duty: Annotated[DutyRequest, Body()]
) -> None:
    """Record that a duty was done, or correct the record of its month.

    Raises
    ------
    InputError
        If the date is before 2000 or in the future.
    """
    refuse_markup(duty.note)
    if not date(2000, 1, 1) <= duty.done_on <= today():
        raise InputError("duty_date_unfit", date=duty.done_on)
    actor = actor_of(caller)
    record_duty(connection, duty.grid, duty.duty, duty.done_on, duty.note, actor)
