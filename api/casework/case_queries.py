"""Queries of cases: filters, pages by key, one case with its events."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, tuple_
from sqlalchemy.orm import aliased

from api.casework.case_responses import (
    CaseResponse,
    CaseSummary,
    describe_actions,
    describe_event,
    summary_values,
)
from api.core.caller import Caller
from api.core.parameters import Bbox, Box
from api.core.problems import require_found
from geo.casework.actors import Actor
from geo.casework.kinds import Group, case_kinds
from geo.casework.workflow import RUNNING
from geo.clock import city_time_to_utc
from geo.codes import code_prefix
from geo.errors import InputError
from geo.model import CaseEvent, CasePhoto, Region, ServiceCase
from geo.model.casework import CaseLevel, CaseState, Channel

CASE: Any = ServiceCase.__table__
_REGION, _HANDLER = aliased(Region), aliased(Region)
COLUMNS = (
    *(column for column in CASE.c if column.name != "geom"),
    func.ST_X(CASE.c.geom).label("lon"),
    func.ST_Y(CASE.c.geom).label("lat"),
    _REGION.name.label("region_name"),
    _HANDLER.name.label("handler_place"),
)
Order = Literal["newest", "due"]


@dataclass(frozen=True)
class CaseFilter:
    """Which cases a list holds; ``box`` is the condition of a map's view beside the others."""

    others: tuple[ColumnElement[bool], ...]
    box: ColumnElement[bool] | None

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """All conditions."""
        return self.others if self.box is None else (*self.others, self.box)


@dataclass(frozen=True)
class CaseParameters:
    """The parameters of a request by which cases are filtered."""

    state: Annotated[list[CaseState] | None, Query(description="any of these states")] = None
    kind: Annotated[list[str] | None, Query(max_length=100, description="any of these")] = None
    group: Annotated[Group | None, Query(description="group of kinds")] = None
    level: CaseLevel | None = None
    channel: Channel | None = None
    region: Annotated[str, Query(pattern="^[0-9]{0,12}$", description="code or its digits")] = ""
    grid: Annotated[str, Query(pattern="^([0-9]{15})?$", description="at filing")] = ""
    handler: Annotated[str, Query(pattern="^([0-9]{12}|[0-9]{15})?$")] = ""
    overdue: Annotated[bool, Query(description="only running cases past their deadline")] = False
    running: Annotated[bool, Query(description="only cases whose deadline counts")] = False
    supervised: bool = False
    q: Annotated[
        str, Query(max_length=100, description="number, or words of description or address")
    ] = ""
    filed_from: Annotated[date | None, Query(description="first day, in the city")] = None
    filed_to: Annotated[date | None, Query(description="last day, in the city")] = None


def _case_filter(bbox: Bbox, by: Annotated[CaseParameters, Depends()]) -> CaseFilter:
    case = CASE.c
    conditions: list[ColumnElement[bool]] = []
    if by.state:
        conditions.append(case.state.in_(by.state))
    if by.kind:
        conditions.append(case.kind.in_(by.kind))
    if by.group:
        kinds = [kind.key for kind in case_kinds().kinds if kind.group == by.group]
        conditions.append(case.kind.in_(kinds))
    if by.level:
        conditions.append(case.level == by.level)
    if by.channel:
        conditions.append(case.channel == by.channel)
    if by.region:
        conditions.append(func.starts_with(case.region_code, code_prefix(by.region)))
    if by.grid:
        conditions.append(case.grid_code == by.grid)
    if by.handler:
        conditions.append(case.handler_code == by.handler)
    if by.running or by.overdue:
        conditions.append(case.state.in_(RUNNING))
    if by.overdue:
        conditions.append(case.due_at <= func.now())
    if by.supervised:
        conditions.append(case.supervised_at.is_not(None))
    if by.q:
        conditions.append(_matches(by.q))
    conditions += _filing_conditions(by.filed_from, by.filed_to)
    return CaseFilter(tuple(conditions), _inside(bbox) if bbox else None)


def _matches(words: str) -> ColumnElement[bool]:
    case = CASE.c
    return or_(
        case.number.startswith(words, autoescape=True),
        *(_contains(column, words) for column in (case.description, case.address)),
    )


def _contains(column: Any, words: str) -> ColumnElement[bool]:
    """Return the condition that a text contains words, in upper or lower case.

    Words without letters that have cases, such as Chinese, are sought without lowering each text,
    which takes most of the time.
    """
    if words.lower() == words.upper():
        found: ColumnElement[bool] = func.strpos(column, words) > 0
        return found
    lowered: ColumnElement[bool] = column.icontains(words, autoescape=True)
    return lowered


def _filing_conditions(first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    """Return the conditions that a case was filed in days of the city."""
    conditions = []
    if first:
        conditions.append(CASE.c.filed_at >= _midnight(first))
    if last:
        if last == date.max:
            raise InputError("case_date_unfit", date=last)
        conditions.append(CASE.c.filed_at < _midnight(last + timedelta(days=1)))
    return conditions


def _midnight(day: date) -> datetime:
    try:
        return city_time_to_utc(datetime(day.year, day.month, day.day))
    except OverflowError:
        raise InputError("case_date_unfit", date=day) from None


def _inside(box: Box) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = CASE.c.geom.op("&&")(func.ST_MakeEnvelope(*box, 4490))
    return condition


Cases = Annotated[CaseFilter, Depends(_case_filter)]


def select_cases(filters: CaseFilter | None = None) -> Select[Any]:
    """Return the query of cases with the names of their places."""
    handler = func.rpad(func.substr(CASE.c.handler_code, 1, 12), 12, "0")
    statement = (
        select(*COLUMNS)
        .outerjoin(_REGION, _REGION.code == CASE.c.region_code)
        .outerjoin(_HANDLER, _HANDLER.code == handler)
    )
    return statement.where(*filters.conditions) if filters else statement


def read_page(
    connection: Connection, filters: CaseFilter, order: Order, after: str, limit: int
) -> tuple[list[Any], str | None]:
    """Return a page of cases, and the key after which the next begins."""
    case = CASE.c
    statement = select_cases(filters)
    if order == "newest":
        statement = statement.order_by(case.id.desc())
        if after:
            statement = statement.where(case.id < _parse_key(after)[1])
    else:
        statement = statement.order_by(case.due_at, case.id)
        if after:
            moment, number = _parse_key(after)
            statement = statement.where(tuple_(case.due_at, case.id) > tuple_(moment, number))
    rows = connection.execute(statement.limit(limit + 1)).mappings().all()
    page = list(rows[:limit])
    if len(rows) <= limit:
        return page, None
    return page, f"{page[-1]['due_at'].isoformat()}_{page[-1]['id']}"


def _parse_key(after: str) -> tuple[datetime, int]:
    moment, _, number = after.partition("_")
    try:
        key = datetime.fromisoformat(moment), int(number)
    except ValueError:
        raise InputError("case_page_unknown", after=after[:40]) from None
    if key[0].tzinfo is None or not 0 < key[1] < 2**63:
        raise InputError("case_page_unknown", after=after[:40])
    return key


def summarize(row: Any) -> CaseSummary:
    """Return a row as lists show it."""
    return CaseSummary.model_validate(summary_values(row))


def find_case(connection: Connection, number: str) -> Any:
    """Return the row of a case.

    Raises
    ------
    NotFoundError
        If there is no such case, or the caller may not see it.
    """
    row = connection.execute(select_cases().where(CASE.c.number == number)).first()
    return require_found("case_unknown", row, number=number)


def read_events(connection: Connection, case: int) -> list[Any]:
    """Return the events of a case, the oldest first."""
    statement = select(CaseEvent.__table__).where(CaseEvent.case_id == case)
    return list(connection.execute(statement.order_by(CaseEvent.id)).mappings())


def read_case(connection: Connection, caller: Caller, number: str) -> CaseResponse:
    """Return a case with its events.

    Raises
    ------
    NotFoundError
        If there is no such case, or the caller may not see it.
    """
    row = find_case(connection, number)
    columns = CasePhoto.event_id, CasePhoto.id
    listed = connection.execute(
        select(*columns).where(CasePhoto.case_id == row.id).order_by(CasePhoto.id)
    ).all()
    events = [
        describe_event(
            {**event, "number": number},
            [photo.id for photo in listed if photo.event_id == event["id"]],
        )
        for event in read_events(connection, row.id)
    ]
    actor = Actor(caller.name, caller.role, caller.scope, caller.grids)
    return CaseResponse.model_validate(
        {
            **summary_values(row._mapping),
            "events": events,
            "actions": describe_actions(row, actor),
            "can_read_contact": is_handler(caller, row.handler_code),
        }
    )


def is_handler(caller: Caller, code: str) -> bool:
    """Return whether a caller is responsible for a case itself, not as an office above."""
    if caller.role == "grid_manager":
        return code in caller.grids
    return caller.role == "office" and code == caller.scope.ljust(12, "0")


def count_cases(connection: Connection) -> list[Any]:
    """Return the number of cases, and of those past their deadline, by state and grid."""
    case = CASE.c
    late = func.count().filter(case.due_at <= func.now())
    groups = case.state, case.grid_code
    statement = select(*groups, func.count().label("cases"), late.label("late")).group_by(*groups)
    return list(connection.execute(statement).mappings())
