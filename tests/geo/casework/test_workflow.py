"""No sequence of steps leads where the two flows of the programme do not go."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.casework.workflow import (
    CLOSED,
    RUNNING,
    TRANSITIONS,
    Action,
    Step,
    allowed_actions,
    apply_step,
    check_required,
    find_transition,
    level_of,
    start_status,
)
from geo.errors import ConflictError, InputError, NotAllowedError
from geo.model.casework import CaseLevel, CaseState, Flow

pytestmark = pytest.mark.usefixtures("english")

NOW = datetime(2026, 3, 2, tzinfo=UTC)
GRID, COMMUNITY, STREET = "420602001001003", "420602001001", "420602001000"
ROLES = ("system", "reporter", "grid_manager", "office", "admin", "public", "planner")
NEXT = {
    Flow.SERVICE: {
        "filed": {"accepted", "declined"},
        "accepted": {"registered"},
        "registered": {"handling"},
        "handling": {"reported"},
        "reported": {"rated", "archived", "handling"},
        "rated": {"archived", "handling"},
        "archived": set(),
        "declined": set(),
    },
    Flow.DISPUTE: {
        "filed": {"accepted", "declined"},
        "accepted": {"handling"},
        "handling": {"reported"},
        "reported": {"rated", "archived", "handling"},
        "rated": {"archived", "handling"},
        "archived": set(),
        "declined": set(),
    },
}
"""States that may follow a state, independent of the table."""


def replay(steps):
    """Return the status to which the events of a case lead, the first of which files it."""
    first, *others = steps
    status = start_status(first)
    for step in others:
        status = apply_step(status, step)
    return status


def filing(flow):
    data = {
        "kind": "burst_pipe",
        "flow": flow.value,
        "to": GRID,
        "department": "water",
        "involved": [COMMUNITY, GRID],
        "due_at": (NOW + timedelta(days=1)).isoformat(),
        "is_provisional": False,
    }
    return Step(Action.FILE, NOW, data)


def data_of(action):
    due = {"due_at": (NOW + timedelta(days=9)).isoformat(), "is_provisional": True}
    return {
        Action.REGISTER: {"kind": "flooding", "department": "water"} | due,
        Action.TRANSFER: {"to": STREET, "department": ""},
        Action.ESCALATE: {"to": COMMUNITY} | due,
        Action.REROUTE: {"to": COMMUNITY},
        Action.REWORK: due,
        Action.RECOUNT: due,
        Action.RATE: {"rating": 4},
    }.get(action, {})


@given(
    flow=st.sampled_from(Flow),
    asked=st.lists(st.tuples(st.sampled_from(list(Action)[1:]), st.sampled_from(ROLES))),
)
def test_no_sequence_of_steps_leaves_the_flow(flow, asked):
    steps = [filing(flow)]
    status = start_status(steps[0])
    for number, (action, role) in enumerate(asked):
        before = status.state
        try:
            transition = find_transition(flow, before, action, role)
        except (ConflictError, NotAllowedError):
            assert action not in allowed_actions(flow, before, role)
            continue
        if action in (Action.ACCEPT_TRANSFER, Action.REFUSE_TRANSFER) and status.offered is None:
            continue
        step = Step(action, NOW + timedelta(hours=number), data_of(action))
        status = apply_step(status, step)
        steps.append(step)
        assert role in transition.roles
        assert status.state == before or status.state in NEXT[flow][before]
        assert status.state in NEXT[flow]
        assert status.handler in status.involved
        assert status.revision == len(steps)
        assert (status.closed_at is not None) == (status.state in CLOSED)
    assert replay(steps) == status


def test_every_state_of_a_flow_is_reached_and_every_open_one_is_left():
    for flow, following in NEXT.items():
        reached = {one.target for one in TRANSITIONS if flow in one.flows and one.target}
        assert reached | {CaseState.FILED} == set(following)
        for state in following:
            moves = {
                one.target for one in TRANSITIONS if flow in one.flows and state in one.sources
            } - {None}
            assert moves == following[state]


def test_first_asked_stays_responsible_until_another_accepts():
    steps = [filing(Flow.DISPUTE), Step(Action.ACCEPT, NOW)]
    offered = [*steps, Step(Action.TRANSFER, NOW, {"to": STREET, "department": "justice"})]
    assert (replay(offered).handler, replay(offered).offered) == (GRID, STREET)
    accepted = replay([*offered, Step(Action.ACCEPT_TRANSFER, NOW)])
    assert (accepted.handler, accepted.department, accepted.offered) == (STREET, "justice", None)
    refused = replay([*offered, Step(Action.REFUSE_TRANSFER, NOW)])
    assert (refused.handler, refused.department, refused.offered) == (GRID, "water", None)


@pytest.mark.parametrize("state", list(RUNNING))
@pytest.mark.parametrize("role", ["public", "planner", "fire", "reporter", "system"])
def test_roles_without_casework_take_no_step_of_a_handler(state, role):
    with pytest.raises(NotAllowedError, match=f"The role {role} may not do “report back”"):
        find_transition(Flow.SERVICE, state, Action.REPORT_BACK, role)


def test_refusal_says_what_is_possible():
    with pytest.raises(ConflictError, match=r"“archive” is not possible while the case is “filed”"):
        find_transition(Flow.SERVICE, CaseState.FILED, Action.ARCHIVE, "office")


def test_step_without_its_field_is_refused():
    transition = find_transition(
        Flow.SERVICE, CaseState.HANDLING, Action.REPORT_BACK, "grid_manager"
    )
    with pytest.raises(InputError, match="“report back” requires a note"):
        check_required(transition, {"note": ""})


def test_level_of_a_code():
    levels = {
        GRID: CaseLevel.GRID,
        COMMUNITY: CaseLevel.COMMUNITY,
        STREET: CaseLevel.STREET,
        "420602000000": CaseLevel.DISTRICT,
        "420600000000": CaseLevel.CITY,
    }
    assert {code: level_of(code) for code in levels} == levels
