"""The workflow of cases: one table of transitions, and what an event changes.

Services: 受理-登记分类-办理/代办/转办-督办-反馈-评议-归档;
disputes: 受理-办理/转交-督办-反馈-评议-归档 (the city's programme of 2011). A case's state is what
its events, applied in order, lead to.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from geo.codes import DIGITS
from geo.errors import ConflictError, InputError, NotAllowedError
from geo.messages import text
from geo.model import Role
from geo.model.casework import CaseLevel, CaseState, Flow

S = CaseState

SYSTEM, REPORTER = "system", "reporter"
"""Roles of events that no account causes: the deadline, and who filed the case."""


class Action(StrEnum):
    """What an event does."""

    FILE = "file"
    ACCEPT = "accept"
    DECLINE = "decline"
    REGISTER = "register"
    HANDLE = "handle"
    ACT_FOR = "act_for"
    TRANSFER = "transfer"
    ACCEPT_TRANSFER = "accept_transfer"
    REFUSE_TRANSFER = "refuse_transfer"
    SUPERVISE = "supervise"
    REPORT_BACK = "report_back"
    REWORK = "rework"
    RATE = "rate"
    ARCHIVE = "archive"
    NOTE = "note"
    RELEASE = "release"
    RETRACT = "retract"
    ESCALATE = "escalate"
    REROUTE = "reroute"
    RECOUNT = "recount"


MANAGER, OFFICE, ADMIN = Role.GRID_MANAGER.value, Role.OFFICE.value, Role.ADMIN.value
HANDLERS = (MANAGER, OFFICE, ADMIN)
OFFICES = (OFFICE, ADMIN)
BOTH = (Flow.SERVICE, Flow.DISPUTE)
RUNNING = (S.FILED, S.ACCEPTED, S.REGISTERED, S.HANDLING)
"""States in which the deadline counts."""

CLOSED = (S.ARCHIVED, S.DECLINED)


@dataclass(frozen=True)
class Transition:
    """A step that a role may take in some states.

    Attributes
    ----------
    target
        The state that follows; None if the state stays.
    required
        Fields that the step must have.
    by
        Whose business it is: ``handler``, ``offered`` (to whom the case is being handed over),
        ``superior`` (an office above the handler), or ``anyone`` who sees the case.
    """

    action: Action
    flows: tuple[Flow, ...]
    sources: tuple[CaseState, ...]
    target: CaseState | None
    roles: tuple[str, ...]
    required: tuple[str, ...] = ()
    by: str = "handler"


SERVICE, DISPUTE = (Flow.SERVICE,), (Flow.DISPUTE,)
A = Action
_OWNED = (S.ACCEPTED, S.REGISTERED, S.HANDLING)
_UNCLOSED = (*RUNNING, S.REPORTED, S.RATED)

TRANSITIONS: tuple[Transition, ...] = (
    Transition(A.ACCEPT, BOTH, (S.FILED,), S.ACCEPTED, HANDLERS),
    Transition(A.DECLINE, BOTH, (S.FILED,), S.DECLINED, OFFICES, ("note",)),
    Transition(A.REGISTER, SERVICE, (S.ACCEPTED,), S.REGISTERED, HANDLERS, ("kind",)),
    Transition(A.HANDLE, SERVICE, (S.REGISTERED,), S.HANDLING, HANDLERS),
    Transition(A.ACT_FOR, SERVICE, (S.REGISTERED,), S.HANDLING, HANDLERS),
    Transition(A.HANDLE, DISPUTE, (S.ACCEPTED,), S.HANDLING, HANDLERS),
    Transition(A.TRANSFER, BOTH, _OWNED, None, HANDLERS, ("note", "to")),
    Transition(A.ACCEPT_TRANSFER, BOTH, _OWNED, None, HANDLERS, by="offered"),
    Transition(A.REFUSE_TRANSFER, BOTH, _OWNED, None, HANDLERS, ("note",), by="offered"),
    Transition(A.SUPERVISE, BOTH, RUNNING, None, OFFICES, ("note",), by="superior"),
    Transition(A.REPORT_BACK, BOTH, (S.HANDLING,), S.REPORTED, HANDLERS, ("note",)),
    Transition(A.REWORK, BOTH, (S.REPORTED, S.RATED), S.HANDLING, OFFICES, ("note",)),
    Transition(A.RATE, BOTH, (S.REPORTED,), S.RATED, (REPORTER, *OFFICES), ("rating",)),
    Transition(A.RATE, BOTH, (S.ARCHIVED,), None, (REPORTER, *OFFICES), ("rating",)),
    Transition(A.ARCHIVE, BOTH, (S.REPORTED, S.RATED), S.ARCHIVED, (*OFFICES, SYSTEM)),
    Transition(A.ARCHIVE, BOTH, RUNNING, S.ARCHIVED, (SYSTEM,)),
    Transition(A.NOTE, BOTH, _UNCLOSED, None, (REPORTER, *HANDLERS), ("note",), by="anyone"),
    Transition(A.RELEASE, BOTH, (*_UNCLOSED, S.ARCHIVED), None, OFFICES),
    Transition(A.RETRACT, BOTH, (*_UNCLOSED, S.ARCHIVED), None, OFFICES),
    Transition(A.ESCALATE, BOTH, RUNNING, None, (SYSTEM,)),
    Transition(A.REROUTE, BOTH, RUNNING, None, (SYSTEM,)),
    Transition(A.RECOUNT, BOTH, RUNNING, None, (SYSTEM,)),
)
"""Every step of both flows."""


@dataclass(frozen=True)
class CaseStatus:
    """What the events of a case lead to.

    Attributes
    ----------
    handler
        Code of the grid or division that is responsible.
    offered
        Code to which the case is being handed over, None if to nobody.
    involved
        Codes of the place and of all who were responsible or were asked to be.
    """

    kind: str
    flow: Flow
    state: CaseState
    handler: str
    department: str
    due_at: datetime
    involved: tuple[str, ...]
    is_provisional: bool = False
    offered: str | None = None
    offered_department: str = ""
    reported_at: datetime | None = None
    closed_at: datetime | None = None
    supervised_at: datetime | None = None
    released_at: datetime | None = None
    escalations: int = 0
    reworks: int = 0
    rating: int | None = None
    revision: int = 1


@dataclass(frozen=True)
class Step:
    """An event of a case: the action with the values that it sets.

    Attributes
    ----------
    data
        By action: ``kind`` and ``is_private`` (register: a private kind ends the release), ``to``
        and ``department`` (transfer, escalate, reroute), ``due_at`` and ``is_provisional`` (file,
        escalate, rework, recount), ``rating`` (rate).
    """

    action: Action
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)


def level_of(code: str) -> CaseLevel:
    """Return the level of a handler's code."""
    if len(code) == 15:
        return CaseLevel.GRID
    digits = next(digits for digits in DIGITS.values() if not code[digits:].strip("0"))
    return CaseLevel(next(level for level, count in DIGITS.items() if count == digits).value)


def find_transition(flow: Flow, state: CaseState, action: Action, role: str) -> Transition:
    """Return the transition that a step takes.

    Raises
    ------
    ConflictError
        If the state does not allow the action.
    NotAllowedError
        If the role may not take it.
    """
    of_action = [
        transition
        for transition in TRANSITIONS
        if transition.action is action and flow in transition.flows
    ]
    possible = [
        transition
        for transition in of_action
        if state in transition.sources and role in transition.roles
    ]
    if of_action and not any(role in transition.roles for transition in of_action):
        raise NotAllowedError("case_role_may_not", action=action_name(action), role=role)
    if not possible:
        allowed = allowed_actions(flow, state, role)
        raise ConflictError(
            "case_state_forbids",
            action=action_name(action),
            state=state_name(state),
            allowed=", ".join(map(action_name, allowed)) or text("case_action.none"),
        )
    return possible[0]


def allowed_actions(flow: Flow, state: CaseState, role: str) -> list[Action]:
    """Return the actions that a role may take in a state, in the order of the table."""
    return [
        transition.action
        for transition in TRANSITIONS
        if flow in transition.flows and state in transition.sources and role in transition.roles
    ]


def check_required(transition: Transition, values: dict[str, Any]) -> None:
    """Refuse a step that lacks a field.

    Raises
    ------
    InputError
        If a required field is missing or empty.
    """
    for name in transition.required:
        if values.get(name) in (None, ""):
            raise InputError(
                "case_field_missing",
                action=action_name(transition.action),
                field=text(f"case_field.{name}"),
            )


def apply_step(status: CaseStatus, step: Step) -> CaseStatus:
    """Return the status after a step; whether it is allowed has been checked before."""
    target = next(
        transition.target
        for transition in TRANSITIONS
        if transition.action is step.action
        and status.flow in transition.flows
        and status.state in transition.sources
    )
    changed = replace(status, state=target or status.state, revision=status.revision + 1)
    return replace(changed, **_fields_of_step(changed, step))


def _fields_of_step(status: CaseStatus, step: Step) -> dict[str, Any]:
    """Return the fields that a step sets beside the state."""
    data = step.data
    match step.action:
        case A.REGISTER:
            retracted = {"released_at": None} if data.get("is_private") else {}
            kind = {"kind": data["kind"], "department": data["department"]}
            return kind | retracted | _deadline_fields(data)
        case A.TRANSFER:
            return {
                "offered": data["to"],
                "offered_department": data.get("department", ""),
                "involved": _add_code(status.involved, data["to"]),
            }
        case A.ACCEPT_TRANSFER:
            return {
                "handler": status.offered,
                "department": status.offered_department or status.department,
            } | _NO_OFFER
        case A.REFUSE_TRANSFER:
            return dict(_NO_OFFER)
        case A.SUPERVISE:
            return {"supervised_at": step.at}
        case A.REPORT_BACK:
            return {"reported_at": step.at} | _NO_OFFER
        case A.REWORK:
            return {
                "reworks": status.reworks + 1,
                "reported_at": None,
                "rating": None,
            } | _deadline_fields(data)
        case A.RATE:
            return {"rating": data["rating"]}
        case A.ARCHIVE | A.DECLINE:
            return {"closed_at": step.at}
        case A.RELEASE:
            return {"released_at": step.at}
        case A.RETRACT:
            return {"released_at": None}
        case A.ESCALATE | A.REROUTE:
            is_escalated = step.action is A.ESCALATE
            return {
                "handler": data["to"],
                "involved": _add_code(status.involved, data["to"]),
                "escalations": status.escalations + is_escalated,
            } | (_deadline_fields(data) | _NO_OFFER if is_escalated else {})
        case A.RECOUNT:
            return _deadline_fields(data)
    return {}


_NO_OFFER: dict[str, Any] = {"offered": None, "offered_department": ""}


def _deadline_fields(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "due_at": datetime.fromisoformat(data["due_at"]),
        "is_provisional": data.get("is_provisional", False),
    }


def _add_code(codes: tuple[str, ...], code: str) -> tuple[str, ...]:
    return codes if code in codes else (*codes, code)


def start_status(step: Step) -> CaseStatus:
    """Return the status after a case is filed."""
    data = step.data
    return CaseStatus(
        kind=data["kind"],
        flow=Flow(data["flow"]),
        state=S.FILED,
        handler=data["to"],
        department=data["department"],
        involved=tuple(data["involved"]),
        **_deadline_fields(data),
    )


def action_name(action: Action) -> str:
    """Return the name of an action in the current language."""
    return text(f"case_action.{action}")


def state_name(state: CaseState) -> str:
    """Return the name of a state in the current language."""
    return text(f"case_state.{state}")
