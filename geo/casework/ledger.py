"""The ledger of visits (民情台账) and the monthly duties of grid managers."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from geo import locks
from geo.casework.actors import Actor
from geo.casework.confidential import key_digest
from geo.casework.kinds import case_kinds
from geo.db.views import GRIDS
from geo.errors import ConflictError, InputError, NotFoundError
from geo.locks import Lock
from geo.model import DutyRecord, ServiceCase, Visit
from geo.model.casework import VisitTopic

_GRID_OF_DWELLING = text(
    """
    SELECT g.code FROM dwelling d
    JOIN grid_member m ON m.building_code = d.building_code
        AND (m.unit_code IS NULL OR m.unit_code = d.unit_code)
    JOIN grid g ON g.id = m.grid_id
    JOIN grid_plan p ON p.id = g.plan_id AND p.status = 'published'
    WHERE d.code = :dwelling ORDER BY g.code LIMIT 1
    """
)


@dataclass(frozen=True)
class VisitEntry:
    """A visit to enter: when, to which dwelling, about what, what was said, advised and done.

    ``device_at`` is what the clock of the visitor's device showed, if it was entered there.
    """

    dwelling: str
    visited_at: datetime
    topic: VisitTopic
    said: str = ""
    advice: str = ""
    result: str = ""
    case: str = ""
    device_at: datetime | None = None


def grid_of_dwelling(connection: Connection, dwelling: str) -> str:
    """Return the code of the grid in force of a dwelling that the role may see.

    Raises
    ------
    NotFoundError
        If the dwelling is in no grid of the caller's.
    """
    grid = connection.execute(_GRID_OF_DWELLING, {"dwelling": dwelling}).scalar()
    if grid is None:
        raise NotFoundError("visit_dwelling_unknown", dwelling=dwelling)
    return str(grid)


def record_visit(connection: Connection, entry: VisitEntry, actor: Actor, key: str) -> int:
    """Enter a visit; return its number, the earlier one's if the key was used before.

    Raises
    ------
    NotFoundError
        If the dwelling is in no grid of the actor's, or there is no such case.
    ConflictError
        If the key was used for another visit.
    """
    digest = key_digest(f"visit {actor.name}", key or secrets.token_hex())
    locks.acquire(connection, Lock.CASE_KEY, digest)
    row = {
        "grid_code": grid_of_dwelling(connection, entry.dwelling),
        "dwelling_code": entry.dwelling,
        "visited_at": entry.visited_at,
        "device_at": entry.device_at,
        "topic": entry.topic.value,
        "said": entry.said,
        "advice": entry.advice,
        "result": entry.result,
        "case_id": _case_id(connection, entry.case),
        "visitor": actor.name,
        "key": digest,
    }
    table = Visit.__table__
    earlier = connection.execute(select(table).where(table.c.key == digest)).mappings().first()
    if earlier is None:
        return int(connection.execute(insert(Visit).returning(Visit.id), row).scalar_one())
    if any(earlier[name] != value for name, value in row.items() if name != "grid_code"):
        raise ConflictError("case_key_reused")
    return int(earlier["id"])


def _case_id(connection: Connection, number: str) -> int | None:
    if not number:
        return None
    case = select(ServiceCase.id).where(ServiceCase.number == number)
    case_id = connection.execute(case).scalar()
    if case_id is None:
        raise NotFoundError("case_unknown", number=number)
    return int(case_id)


def list_visits(
    connection: Connection, grid: str, dwelling: str, before: int | None, limit: int
) -> Sequence[RowMapping]:
    """Return entries of the ledger, the newest first.

    Parameters
    ----------
    grid, dwelling
        Codes, empty for all that the role may see.
    before
        Number of the entry before which the page begins.
    """
    hidden = {"key", "case_id", "anonymized_at"}
    columns = (column for column in Visit.__table__.c if column.name not in hidden)
    statement = (
        select(*columns, ServiceCase.number.label("case"))
        .select_from(Visit)
        .outerjoin(ServiceCase, ServiceCase.id == Visit.case_id)
        .where(Visit.anonymized_at.is_(None))
        .order_by(Visit.id.desc())
        .limit(limit)
    )
    if grid:
        statement = statement.where(Visit.grid_code == grid)
    if dwelling:
        statement = statement.where(Visit.dwelling_code == dwelling)
    if before is not None:
        statement = statement.where(Visit.id < before)
    return connection.execute(statement).mappings().all()


def record_duty(
    connection: Connection, grid: str, duty: str, done_on: date, note: str, actor: Actor
) -> None:
    """Record that a duty of the month was done, or correct the record.

    Raises
    ------
    InputError
        If there is no such duty.
    NotFoundError
        If the grid is not in force, or not the actor's.
    """
    if duty not in {known.key for known in case_kinds().duties}:
        raise InputError("duty_unknown", duty=duty[:40])
    is_in_force = connection.execute(select(GRIDS.c.code).where(GRIDS.c.code == grid)).first()
    if not actor.answers_for(grid) or is_in_force is None:
        raise NotFoundError("no_grid_of_code", grid=grid)
    values: dict[str, Any] = {"done_on": done_on, "note": note, "recorded_by": actor.name}
    row = values | {"grid_code": grid, "duty": duty, "month": done_on.replace(day=1)}
    statement = upsert(DutyRecord).values(row)
    key = ["grid_code", "duty", "month"]
    changes = values | {"recorded_at": func.now()}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changes))


def list_duties(connection: Connection, month: date) -> Sequence[RowMapping]:
    """Return the duties that were done in a month, given by its first day."""
    columns = DutyRecord.grid_code, DutyRecord.duty, DutyRecord.done_on, DutyRecord.note
    statement = select(*columns).where(DutyRecord.month == month)
    return connection.execute(statement.order_by(*columns[:2])).mappings().all()
