"""Responses of casework, with names in the caller's language."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema

from api.core.responses import Link, Point, StrictModel
from geo.casework.actors import Actor
from geo.casework.case_store import possible_transitions, status_of
from geo.casework.kinds import Catalogue, Kind, case_kinds
from geo.casework.workflow import RUNNING, Action, Transition, action_name, level_of, state_name
from geo.messages import text
from geo.model.casework import CaseLevel, CaseState, Channel, Flow


class KindResponse(BaseModel):
    """A kind of case, with what the service guide shows."""

    key: str
    name: str
    group: str
    group_name: str
    flow: Flow
    days: int
    level: CaseLevel
    visibility: Literal["public", "private"]
    department: str
    department_name: str
    class_code: str
    documents: list[str]
    steps: list[str]
    place: str


class DepartmentResponse(BaseModel):
    """A department."""

    key: str
    name: str


class KindsResponse(BaseModel):
    """All kinds of cases and departments."""

    kinds: list[KindResponse]
    departments: list[DepartmentResponse]


class CaseName(BaseModel):
    """What every view of a case shows: its number, kind and state."""

    number: str
    kind: str
    kind_name: str
    state: CaseState
    state_name: str


class CaseOutline(CaseName):
    """What staff and the reporter both see of a case."""

    description: str
    address: str
    lon: float
    lat: float
    handler_name: str
    filed_at: datetime
    due_at: datetime
    is_provisional: bool
    is_overdue: bool
    rating: int | None


class FiledResponse(CaseName):
    """A case that was filed: ``number`` and ``secret`` follow it up."""

    secret: str
    due_at: datetime
    is_provisional: bool


class ActionResponse(BaseModel):
    """A step that the caller may take, with the fields it needs."""

    action: Action
    name: str
    required: list[str]


class CaseSummary(CaseOutline):
    """A case as lists show it.

    ``handler`` is the code of the grid or division that is responsible, ``offered`` the one to
    which the case is being handed over. ``is_provisional`` means that the deadline falls in a year
    whose holidays were not known; ``plan`` and ``grid`` are those in force at filing.
    """

    revision: int
    group: str
    flow: Flow
    channel: Channel
    region: str
    region_name: str
    grid: str | None
    plan: int | None
    level: CaseLevel
    handler: str
    department: str
    department_name: str
    offered: str | None
    offered_department: str
    changed_at: datetime
    reported_at: datetime | None
    closed_at: datetime | None
    supervised_at: datetime | None
    released_at: datetime | None
    anonymized_at: datetime | None
    escalations: int
    reworks: int


class FollowUpEvent(BaseModel):
    """A step of a case as its reporter sees it: without names of staff and inner notes."""

    at: datetime
    action: Action
    action_name: str
    state: CaseState
    state_name: str
    note: str


class EventResponse(FollowUpEvent):
    """A step of a case; ``data`` holds the values that it set."""

    id: int
    actor: str
    role: str
    data: dict[str, Any]
    photos: list[str]


class CaseResponse(CaseSummary):
    """A case with its events, the oldest first, and the steps that the caller may take."""

    events: list[EventResponse]
    actions: list[ActionResponse]
    can_read_contact: bool


class CasesResponse(BaseModel):
    """A page of cases; ``next`` is the value of ``after`` for the next page, null on the last."""

    items: list[CaseSummary]
    next: str | None


class GridCount(BaseModel):
    """Running cases of a grid."""

    grid: str
    running: int
    overdue: int


class CaseMapFeature(StrictModel):
    """A case, or without ``id`` a cluster of ``point_count`` cases."""

    type: Literal["Feature"]
    id: str | SkipJsonSchema[None] = None
    geometry: Point
    properties: dict[str, Any]


class CaseMap(StrictModel):
    """Cases on a map; ``numberMatched`` counts all, ``grids`` those of each grid."""

    type: Literal["FeatureCollection"]
    numberMatched: int  # noqa: N815
    numberReturned: int  # noqa: N815
    links: list[Link]
    features: list[CaseMapFeature]
    grids: dict[str, int] | SkipJsonSchema[None] = None


class SummaryResponse(BaseModel):
    """How many cases there are: by state, running and overdue in all and by grid."""

    states: dict[CaseState, int]
    running: int
    overdue: int
    grids: list[GridCount]


class ContactResponse(BaseModel):
    """The contact that the reporter gave, null if none was given or it has been deleted."""

    contact: str | None


class FollowUpResponse(CaseOutline):
    """A case as its reporter sees it."""

    can_rate: bool
    can_add_note: bool
    events: list[FollowUpEvent]


class NearbyCase(CaseName):
    """A released case: what, when, and roughly where (to a thousandth of a degree)."""

    group: str
    filed_on: date
    closed_on: date | None
    lon: float
    lat: float


class NearbyResponse(BaseModel):
    """Released cases around a place, the newest first."""

    items: list[NearbyCase]


VISIBLE_NOTES = {Action.DECLINE, Action.REPORT_BACK}
"""Steps whose notes are meant for the reporter."""


def describe_kinds() -> KindsResponse:
    """Return all kinds in the caller's language."""
    catalogue = case_kinds()
    return KindsResponse(
        kinds=[_describe_kind(catalogue, kind) for kind in catalogue.kinds],
        departments=[
            DepartmentResponse(key=key, name=name.text())
            for key, name in catalogue.departments.items()
        ],
    )


def _describe_kind(catalogue: Catalogue, kind: Kind) -> KindResponse:
    return KindResponse(
        key=kind.key,
        name=kind.text(),
        group=kind.group,
        group_name=text(f"case_group.{kind.group}"),
        flow=kind.flow,
        days=kind.days,
        level=kind.first_level,
        visibility=kind.visibility,
        department=kind.department,
        department_name=catalogue.department_name(kind.department),
        class_code=kind.class_code,
        documents=[document.text() for document in kind.documents],
        steps=[step.text() for step in kind.steps],
        place=kind.place.text() if kind.place else "",
    )


def is_overdue(row: Any) -> bool:
    """Return whether a running case is past its deadline."""
    return row["state"] in RUNNING and row["due_at"] <= datetime.now(UTC)


def handler_name(row: Any) -> str:
    """Return the name of who is responsible: the division's, for a grid its serial after it."""
    name = row["handler_place"] or row["handler_code"][:12]
    if level_of(row["handler_code"]) is CaseLevel.GRID:
        return text("case.grid_of", community=name, serial=row["handler_code"][12:])
    return str(name)


def kind_group(key: str) -> str:
    """Return the group of a kind, empty if the kind is no longer listed."""
    return next((kind.group for kind in case_kinds().kinds if kind.key == key), "")


def summary_values(row: Any) -> dict[str, Any]:
    """Return the fields of :class:`CaseSummary` from a row of :mod:`api.casework.case_queries`."""
    kinds = case_kinds()
    return {
        **{name: row[name] for name in _COPIED},
        "kind_name": kinds.kind_name(row["kind"]),
        "group": kind_group(row["kind"]),
        "state_name": state_name(CaseState(row["state"])),
        "region": row["region_code"],
        "region_name": row["region_name"] or "",
        "grid": row["grid_code"],
        "plan": row["plan_id"],
        "handler": row["handler_code"],
        "handler_name": handler_name(row),
        "department_name": kinds.department_name(row["department"]),
        "offered": row["offered_code"],
        "is_overdue": is_overdue(row),
    }


_COPIED = (
    *("number", "revision", "kind", "flow", "channel", "state", "description", "address"),
    *("lon", "lat", "level", "department", "offered_department", "filed_at", "changed_at"),
    *("due_at", "is_provisional", "reported_at", "closed_at", "supervised_at", "released_at"),
    *("anonymized_at", "escalations", "reworks", "rating"),
)


def describe_counts(rows: Sequence[Any]) -> SummaryResponse:
    """Return the counts of cases by state and grid as sums."""
    states: dict[CaseState, int] = {}
    grids: dict[str, GridCount] = {}
    running = overdue = 0
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + row["cases"]
        if row["state"] not in RUNNING:
            continue
        running += row["cases"]
        overdue += row["late"]
        if row["grid_code"] is not None:
            grid = grids.setdefault(
                row["grid_code"], GridCount(grid=row["grid_code"], running=0, overdue=0)
            )
            grid.running += row["cases"]
            grid.overdue += row["late"]
    counts = [grids[code] for code in sorted(grids)]
    return SummaryResponse(states=states, running=running, overdue=overdue, grids=counts)


def describe_actions(row: Any, actor: Actor) -> list[ActionResponse]:
    """Return the steps that an actor may take of a case."""
    return [_describe_action(step) for step in possible_transitions(status_of(row), actor)]


def _describe_action(transition: Transition) -> ActionResponse:
    name = action_name(transition.action)
    return ActionResponse(action=transition.action, name=name, required=list(transition.required))


def describe_event(row: Any, photos: list[int]) -> EventResponse:
    """Return an event with the addresses of its photos."""
    return EventResponse(
        **{name: row[name] for name in ("id", "at", "actor", "role", "action", "state", "note")},
        data=row["data"],
        action_name=action_name(Action(row["action"])),
        state_name=state_name(CaseState(row["state"])),
        photos=[f"/casework/cases/{row['number']}/photos/{photo}" for photo in photos],
    )


def describe_follow_up(row: Any, events: list[Any], *, can_rate: bool) -> FollowUpResponse:
    """Return a case as its reporter sees it."""
    names = ("number", "kind", "state", "description", "address", "lon", "lat", "filed_at")
    return FollowUpResponse(
        **{name: row[name] for name in (*names, "due_at", "is_provisional", "rating")},
        kind_name=case_kinds().kind_name(row["kind"]),
        state_name=state_name(CaseState(row["state"])),
        handler_name=handler_name(row),
        is_overdue=is_overdue(row),
        can_rate=can_rate,
        can_add_note=row["closed_at"] is None,
        events=[
            FollowUpEvent(
                at=event["at"],
                action=event["action"],
                action_name=action_name(Action(event["action"])),
                state=event["state"],
                state_name=state_name(CaseState(event["state"])),
                note=event["note"] if _is_for_reporter(event) else "",
            )
            for event in events
        ],
    )


def _is_for_reporter(event: Any) -> bool:
    return Action(event["action"]) in VISIBLE_NOTES or event["role"] == "reporter"
