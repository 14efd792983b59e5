"""Periodic work on cases: escalation, new routes, deadlines, closing of those reported back."""

from datetime import timedelta

from sqlalchemy import Connection, exists, func, literal, select, text

from geo.casework.actors import SYSTEM_ACTOR
from geo.casework.case_routing import superior_division
from geo.casework.case_store import apply_to_case, due_values, kind_days, read_steps
from geo.casework.deadlines import deadline_after
from geo.casework.kinds import case_kinds
from geo.casework.workflow import RUNNING, Action, Step
from geo.model import GridManager, ServiceCase
from geo.model.casework import CaseLevel, CaseState
from geo.settings import settings

BATCH_CASES = 200
_CASE = ServiceCase.__table__


def escalate_overdue(connection: Connection) -> int:
    """Hand every overdue case to the level above, with a new deadline; return their number.

    Cases that another process works on are left to it.
    """
    overdue = (
        select(_CASE)
        .where(
            _CASE.c.state.in_(RUNNING),
            _CASE.c.due_at <= func.now(),
            _CASE.c.level != CaseLevel.CITY,
        )
        .order_by(_CASE.c.due_at)
        .limit(BATCH_CASES)
        .with_for_update(skip_locked=True)
    )
    now = connection.execute(select(func.now())).scalar_one()
    kinds, count = case_kinds(), 0
    for row in connection.execute(overdue).all():
        above = superior_division(row.handler_code)
        if above is None:
            continue
        data = {"to": above, **due_values(now, kind_days(kinds, row.kind))}
        apply_to_case(connection, row, Step(Action.ESCALATE, now, data), SYSTEM_ACTOR)
        count += 1
    return count


def reroute_orphans(connection: Connection) -> int:
    """Hand cases of grids that no longer have a manager to the community; return their number."""
    has_manager = exists().where(
        GridManager.grid_code == _CASE.c.handler_code, GridManager.valid_to.is_(None)
    )
    grid_in_force = text(
        "EXISTS (SELECT FROM grid g JOIN grid_plan p ON p.id = g.plan_id "
        "AND p.status = 'published' WHERE g.code = service_case.handler_code)"
    )
    orphans = (
        select(_CASE)
        .where(_CASE.c.state.in_(RUNNING), _CASE.c.level == CaseLevel.GRID)
        .where(~(has_manager & grid_in_force))
        .limit(BATCH_CASES)
        .with_for_update(skip_locked=True)
    )
    now = connection.execute(select(func.now())).scalar_one()
    rows = connection.execute(orphans).all()
    for row in rows:
        step = Step(Action.REROUTE, now, {"to": row.handler_code[:12]})
        apply_to_case(connection, row, step, SYSTEM_ACTOR)
    return len(rows)


def archive_unrated(connection: Connection) -> int:
    """Close cases that were reported back and had no step for days; return their number."""
    now = connection.execute(select(func.now())).scalar_one()
    unrated = (
        select(_CASE)
        .where(
            _CASE.c.closed_at.is_(None),
            _CASE.c.anonymized_at.is_(None),  # with the line above, an index
            _CASE.c.state.in_((CaseState.REPORTED, CaseState.RATED)),
            _CASE.c.changed_at < now - timedelta(days=settings().case_rating_days),
        )
        .order_by(_CASE.c.id)
        .limit(BATCH_CASES)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(unrated).all()
    for row in rows:
        apply_to_case(connection, row, Step(Action.ARCHIVE, now), SYSTEM_ACTOR)
    return len(rows)


def recount_provisional(connection: Connection) -> int:
    """Count provisional deadlines again where the calendar is known by now; return their number."""
    provisional = (
        select(_CASE)
        .where(_CASE.c.state.in_(RUNNING), _CASE.c.is_provisional == literal(value=True))
        .order_by(_CASE.c.due_at)
        .limit(BATCH_CASES)
        .with_for_update(skip_locked=True)
    )
    now, count = connection.execute(select(func.now())).scalar_one(), 0
    for row in connection.execute(provisional).all():
        data = next(
            step.data for step in reversed(read_steps(connection, row.id)) if "due_at" in step.data
        )
        start = type(now).fromisoformat(data["due_from"])
        if deadline_after(start, data["due_days"]).is_provisional:
            continue
        changed = due_values(start, data["due_days"])
        apply_to_case(connection, row, Step(Action.RECOUNT, now, changed), SYSTEM_ACTOR)
        count += 1
    return count
