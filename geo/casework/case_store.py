"""Cases in the database: filing, steps, and what follows when time passes.

Every function works in the transaction of its connection, under a role whose rows row-level
security limits: cases are filed and followed up under the service role, steps of accounts are taken
under the account's.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from geo.casework.actors import Actor
from geo.casework.case_routing import route_case
from geo.casework.confidential import seal_contact
from geo.casework.deadlines import deadline_after
from geo.casework.kinds import Catalogue, case_kinds
from geo.casework.request_keys import digest_request, find_earlier_case, store_key
from geo.casework.workflow import (
    ADMIN,
    TRANSITIONS,
    Action,
    CaseStatus,
    Step,
    Transition,
    action_name,
    apply_step,
    check_required,
    find_transition,
    level_of,
    start_status,
)
from geo.db.views import GRIDS
from geo.errors import ConflictError, InputError, NotAllowedError, NotFoundError, StaleError
from geo.model import CaseContact, CaseEvent, CasePhoto, Region, ServiceCase
from geo.model.casework import CaseState, Channel, Flow
from geo.settings import settings

NUMBER_ATTEMPTS = 8
UNLISTED_KIND_DAYS = 5
"""Working days of a kind that the file of kinds no longer lists."""


@dataclass(frozen=True)
class Filing:
    """A case to file: what, where (degrees, CGCS2000) and how it came."""

    kind: str
    description: str
    lon: float
    lat: float
    channel: Channel
    address: str = ""
    contact: str = ""
    photos: Sequence[bytes] = ()
    key: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepRequest:
    """A step that an actor asks for; ``revision`` is the case's that the actor saw, if given."""

    action: Action
    note: str = ""
    kind: str = ""
    to: str = ""
    department: str = ""
    rating: int | None = None
    photos: Sequence[bytes] = ()
    key: str = ""
    revision: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


def file_case(connection: Connection, filing: Filing, actor: Actor) -> str:
    """File a case; return its number.

    With an idempotency key that the actor used for the same case before, nothing is filed and the
    number of that case is returned.

    Raises
    ------
    InputError, NotFoundError
        If the place is outside the city, or there is no such kind.
    ConflictError
        If the key was used for another request.
    """
    digest = digest_request(vars(filing), filing.photos)
    if number := find_earlier_case(connection, actor, filing.key, digest):
        return number
    kind = case_kinds().kind(filing.kind)
    route = route_case(connection, filing.lon, filing.lat, kind.first_level)
    now: datetime = connection.execute(select(func.now())).scalar_one()
    codes = dict.fromkeys([route.region, *([route.grid] if route.grid else []), route.handler])
    data = {
        "kind": kind.key,
        "flow": kind.flow.value,
        "channel": filing.channel.value,
        "to": route.handler,
        "department": kind.department,
        "involved": list(codes),
        "region": route.region,
        "grid": route.grid,
        "plan": route.plan,
        **due_values(now, kind.days),
        **filing.data,
    }
    step = Step(Action.FILE, now, data)
    status = start_status(step)
    row = _status_columns(status) | {
        "channel": filing.channel,
        "description": filing.description,
        "address": filing.address,
        "geom": f"SRID=4490;POINT({filing.lon!r} {filing.lat!r})",
        "region_code": route.region,
        "grid_code": route.grid,
        "plan_id": route.plan,
    }
    case, number = _insert_case(connection, row, now)
    _add_event(connection, case, step, status.state, actor, "", filing.photos)
    if filing.contact:
        sealed = {"case_id": case, "sealed": seal_contact(filing.contact)}
        connection.execute(insert(CaseContact).inline(), sealed)
    store_key(connection, actor, filing.key, digest, case)
    return number


def _insert_case(connection: Connection, row: dict[str, Any], now: datetime) -> tuple[int, str]:
    """Insert a case under a number that nobody can guess from another; return id and number."""
    from sqlalchemy.dialects.postgresql import insert as upsert

    for _ in range(NUMBER_ATTEMPTS):
        day = now.astimezone(settings().time_zone)
        number = f"{day:%Y%m%d}{secrets.randbelow(10**8):08d}"
        statement = upsert(ServiceCase).on_conflict_do_nothing(index_elements=["number"])
        added = connection.execute(
            statement.returning(ServiceCase.id), row | {"number": number}
        ).scalar()
        if added is not None:
            return int(added), number
    raise ConflictError("case_numbers_used_up")


def take_step(connection: Connection, number: str, request: StepRequest, actor: Actor) -> None:
    """Take a step of a case: check it against the table of transitions, add the event.

    Raises
    ------
    NotFoundError
        If there is no such case, or the role may not see it.
    ConflictError
        If the state forbids the step, or the personal data of the case were removed.
    InputError, NotAllowedError
        If a value is not valid, or the role forbids it.
    StaleError
        If the case has changed since the revision that the actor saw.
    """
    digest = digest_request(vars(request) | {"number": number}, request.photos)
    if find_earlier_case(connection, actor, request.key, digest):
        return
    row = lock_case(connection, number)
    status = status_of(row)
    transition = find_transition(status.flow, status.state, request.action, actor.role)
    if request.revision is not None and request.revision != row.revision:
        raise StaleError("case_stale", number=number, revision=row.revision)
    _check_responsible(transition, status, actor)
    if row.anonymized_at is not None and (request.note or request.photos):
        raise ConflictError("case_anonymized", number=number)
    now: datetime = connection.execute(select(func.now())).scalar_one()
    data = _step_data(connection, transition, row, request, now)
    apply_to_case(connection, row, Step(request.action, now, data), actor, request)
    store_key(connection, actor, request.key, digest, row.id)


def lock_case(connection: Connection, number: str) -> Row[Any]:
    """Return a case, locked until the transaction ends.

    Raises
    ------
    NotFoundError
        If there is no such case, or the role may not see it.
    """
    case = ServiceCase.__table__
    row = connection.execute(select(case).where(case.c.number == number).with_for_update()).first()
    if row is None:
        raise NotFoundError("case_unknown", number=number[:40])
    return row


def apply_to_case(
    connection: Connection,
    row: Row[Any],
    step: Step,
    actor: Actor,
    request: StepRequest | None = None,
) -> None:
    """Add an event to a locked case and set what follows from it."""
    status = apply_step(status_of(row), step)
    changes = _status_columns(status) | {"changed_at": step.at}
    connection.execute(update(ServiceCase).where(ServiceCase.id == row.id).values(changes))
    note, photos = (request.note, request.photos) if request else ("", ())
    _add_event(connection, row.id, step, status.state, actor, note, photos)


def _check_responsible(transition: Transition, status: CaseStatus, actor: Actor) -> None:
    """Refuse a step that is another's business."""
    if transition.by == "anyone":
        return
    if transition.by == "offered":
        if status.offered is None:
            raise ConflictError("case_not_offered", action=action_name(transition.action))
        if not actor.answers_for(status.offered):
            raise NotAllowedError("case_of_another", handler=status.offered)
    elif transition.by == "superior":
        if actor.role != ADMIN and not actor.is_above(status.handler):
            raise NotAllowedError("case_not_below", handler=status.handler)
    elif not actor.answers_for(status.handler):
        raise NotAllowedError("case_of_another", handler=status.handler)


def possible_transitions(status: CaseStatus, actor: Actor) -> list[Transition]:
    """Return the transitions that an actor may take of a case, in the order of the table."""
    possible = []
    for transition in TRANSITIONS:
        if status.flow not in transition.flows or status.state not in transition.sources:
            continue
        if actor.role not in transition.roles or _is_void(transition.action, status):
            continue
        try:
            _check_responsible(transition, status, actor)
        except (ConflictError, NotAllowedError):
            continue
        possible.append(transition)
    return possible


def _is_void(action: Action, status: CaseStatus) -> bool:
    """Return whether a step would change nothing, or be refused whoever takes it."""
    match action:
        case Action.RATE:
            return status.rating is not None
        case Action.RELEASE:
            listed = {kind.key: kind.visibility for kind in case_kinds().kinds}
            return status.released_at is not None or listed.get(status.kind) != "public"
        case Action.RETRACT:
            return status.released_at is None
    return False


def _step_data(
    connection: Connection,
    transition: Transition,
    row: Row[Any],
    request: StepRequest,
    now: datetime,
) -> dict[str, Any]:
    """Return the values that a step sets, checked."""
    kinds = case_kinds()
    to = request.to or (row.handler_code if request.department else "")
    values = {"note": request.note, "kind": request.kind, "to": to, "rating": request.rating}
    check_required(transition, values)
    data: dict[str, Any] = dict(request.data)
    match transition.action:
        case Action.REGISTER:
            kind = kinds.kind(request.kind)
            if kind.flow != row.flow:
                raise InputError("case_kind_of_other_flow", kind=kind.text())
            data |= {"kind": kind.key, "department": kind.department}
            data["is_private"] = kind.visibility == "private"
            data |= due_values(row.filed_at, kind.days)
        case Action.TRANSFER:
            _check_target(connection, kinds, row, to, request.department)
            data |= {"to": to, "department": request.department}
        case Action.RATE:
            if row.rating is not None:
                raise ConflictError("case_rated", number=row.number)
            data["rating"] = request.rating
        case Action.RELEASE:
            if kinds.kind(row.kind).visibility == "private":
                raise NotAllowedError("case_kind_private", kind=kinds.kind_name(row.kind))
        case Action.REWORK:
            data |= due_values(now, kind_days(kinds, row.kind))
    return data


def _check_target(
    connection: Connection, kinds: Catalogue, row: Row[Any], to: str, department: str
) -> None:
    """Refuse a hand-over to the handler itself, or to a grid, division or department unknown."""
    if to == row.handler_code and department in ("", row.department):
        raise InputError("case_transfer_to_self", handler=to)
    if department and department not in kinds.departments:
        raise InputError("case_department_unknown", department=department[:40])
    column = GRIDS.c.code if len(to) == 15 else Region.code
    if connection.execute(select(column).where(column == to)).first() is None:
        raise InputError("case_target_unknown", to=to[:40])


def kind_days(kinds: Catalogue, key: str) -> int:
    """Return the working days of a kind."""
    return next((kind.days for kind in kinds.kinds if kind.key == key), UNLISTED_KIND_DAYS)


def due_values(start: datetime, days: int) -> dict[str, Any]:
    """Return the deadline some working days after a day, as an event holds it."""
    deadline = deadline_after(start, days)
    return {
        "due_at": deadline.at.isoformat(),
        "is_provisional": deadline.is_provisional,
        "due_from": start.isoformat(),
        "due_days": days,
    }


def status_of(row: Row[Any]) -> CaseStatus:
    """Return the status that a row of ``service_case`` holds."""
    return CaseStatus(
        kind=row.kind,
        flow=Flow(row.flow),
        state=CaseState(row.state),
        handler=row.handler_code,
        department=row.department,
        due_at=row.due_at,
        involved=tuple(row.involved),
        is_provisional=row.is_provisional,
        offered=row.offered_code,
        offered_department=row.offered_department,
        reported_at=row.reported_at,
        closed_at=row.closed_at,
        supervised_at=row.supervised_at,
        released_at=row.released_at,
        escalations=row.escalations,
        reworks=row.reworks,
        rating=row.rating,
        revision=row.revision,
    )


def _status_columns(status: CaseStatus) -> dict[str, Any]:
    """Return the columns of ``service_case`` that a status sets."""
    return {
        "kind": status.kind,
        "flow": status.flow,
        "state": status.state,
        "handler_code": status.handler,
        "level": level_of(status.handler),
        "department": status.department,
        "offered_code": status.offered,
        "offered_department": status.offered_department,
        "involved": list(status.involved),
        "due_at": status.due_at,
        "is_provisional": status.is_provisional,
        "reported_at": status.reported_at,
        "closed_at": status.closed_at,
        "supervised_at": status.supervised_at,
        "released_at": status.released_at,
        "escalations": status.escalations,
        "reworks": status.reworks,
        "rating": status.rating,
        "revision": status.revision,
    }


def _add_event(
    connection: Connection,
    case: int,
    step: Step,
    state: CaseState,
    actor: Actor,
    note: str,
    photos: Sequence[bytes],
) -> None:
    row = {
        "case_id": case,
        "at": step.at,
        "actor": actor.name,
        "role": actor.role,
        "action": step.action,
        "state": state,
        "note": note,
        "data": step.data,
    }
    event = connection.execute(insert(CaseEvent).returning(CaseEvent.id), row).scalar_one()
    for photo in photos:
        values = {"case_id": case, "event_id": event, "photo": photo}
        connection.execute(insert(CasePhoto).inline(), values)


def read_steps(connection: Connection, case: int) -> list[Step]:
    """Return the events of a case as steps, the oldest first."""
    columns = CaseEvent.action, CaseEvent.at, CaseEvent.data
    rows = connection.execute(
        select(*columns).where(CaseEvent.case_id == case).order_by(CaseEvent.id)
    )
    return [Step(Action(action), at, data) for action, at, data in rows]
