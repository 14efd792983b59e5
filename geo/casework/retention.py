"""Deletion of personal information when its retention period ends (PIPL, article 47).

An anonymized case, visit or verification still counts in the assessment. It has its kind, steps,
days, grid and a rounded place, and nothing that identifies a person. Which columns hold personal
information, and how long, is listed in :mod:`geo.model.personal_data`.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, TextClause, func, select, text

from geo.casework.actors import SYSTEM_ACTOR
from geo.casework.case_store import apply_to_case
from geo.casework.workflow import Action, Step
from geo.model import ServiceCase
from geo.model.history import HAS_COUNTS
from geo.model.register import VERIFIED_COLUMNS
from geo.settings import settings

KEY_DAYS = 90
"""Days for which idempotency keys are stored: a phone may be offline for a long time."""

COUNT_DAYS = 1
"""Days for which counts of requests by address and device are stored."""

BATCH_ROWS = 1_000
"""Most cases or visits that one run anonymizes, so that it holds its locks for a short time."""

PLACE_STEP_DEGREES = 0.001
"""Step to which the place of an anonymized case is rounded: about 100 m."""

_DELETE_CONTACTS = text(
    "DELETE FROM case_contact USING service_case c WHERE c.id = case_id AND c.closed_at < :before"
)
_DELETE_KEYS = text("DELETE FROM case_key WHERE at < :before")
_DELETE_COUNTS = text("DELETE FROM report_count WHERE minute < :before")
_DELETE_SIGN_INS = tuple(
    text(f"DELETE FROM {table} WHERE {column} < now() - interval '1 day'")  # noqa: S608  (our own)
    for table, column in (("sign_in_attempt", "at"), ("session", "expires_at"))
)
_ANONYMIZE_CASES = text(
    """
    UPDATE service_case SET description = '', address = '', anonymized_at = now(),
        geom = ST_ReducePrecision(geom, :step), revision = revision + 1
    WHERE id = ANY (:cases)
    """
)
_CLEAR_NOTES = text("UPDATE case_event SET note = '' WHERE case_id = ANY (:cases) AND note <> ''")
_DELETE_CASE_ROWS = tuple(
    text(f"DELETE FROM {table} WHERE case_id = ANY (:cases)")  # noqa: S608  (our own names)
    for table in ("case_photo", "case_contact", "case_key")
)
_ANONYMIZE_VISITS = text(
    """
    UPDATE visit SET dwelling_code = '', said = '', advice = '', result = '', case_id = NULL,
        key = 'removed ' || id, anonymized_at = now()
    WHERE id IN (
        SELECT id FROM visit WHERE visited_at < :before AND anonymized_at IS NULL
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)
_ANONYMIZE_VERIFICATIONS = text(
    """
    UPDATE dwelling_verification SET dwelling_code = '', changes = '{}', request = '',
        key = 'removed ' || id
    WHERE id IN (
        SELECT id FROM dwelling_verification WHERE verified_at < :before AND dwelling_code <> ''
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)
_REMOVE_EARLIER_COUNTS = text(
    f"""
    UPDATE dwelling_history SET {", ".join(f"{column} = NULL" for column in VERIFIED_COLUMNS)}
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM dwelling_history WHERE valid_to < :before AND {HAS_COUNTS}
        ORDER BY valid_to LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
    """  # noqa: S608  (our own names)
)
_DELETE_PHOTOS = text(
    "UPDATE grid_manager SET photo = NULL WHERE valid_to < :before AND photo IS NOT NULL"
)
_DELETE_APPOINTMENTS = tuple(
    text(f"DELETE FROM {table} WHERE valid_to < :before")  # noqa: S608  (our own names)
    for table in ("grid_manager", "grid_informant")
)


def remove_expired(connection: Connection, now: datetime | None = None) -> None:
    """Delete and anonymize what has been stored for its period.

    Parameters
    ----------
    now
        By default the time of the database's clock.
    """
    now = now or connection.execute(select(func.now())).scalar_one()
    contacts_before = now - timedelta(days=settings().case_contact_days)
    connection.execute(_DELETE_CONTACTS, {"before": contacts_before})
    connection.execute(_DELETE_KEYS, {"before": now - timedelta(days=KEY_DAYS)})
    connection.execute(_DELETE_COUNTS, {"before": now - timedelta(days=COUNT_DAYS)})
    for statement in _DELETE_SIGN_INS:
        connection.execute(statement)
    _anonymize_cases(connection, _years_before(now, settings().case_years))
    _anonymize_register(connection, _years_before(now, settings().visit_years))
    connection.execute(_DELETE_PHOTOS, {"before": now})
    for statement in _DELETE_APPOINTMENTS:
        connection.execute(statement, {"before": _years_before(now, settings().staff_years)})


def _anonymize_cases(connection: Connection, before: datetime) -> None:
    """Remove texts, photos, contact and exact place of cases that were closed before a time.

    A case that nobody closed and that had no step since then is closed first.
    """
    case = ServiceCase.__table__
    is_expired = (case.c.closed_at < before) | (
        case.c.closed_at.is_(None) & (case.c.changed_at < before)
    )
    statement = select(case).where(is_expired, case.c.anonymized_at.is_(None)).order_by(case.c.id)
    locked = statement.limit(BATCH_ROWS).with_for_update(skip_locked=True)
    rows = connection.execute(locked).all()
    if not rows:
        return
    now = connection.execute(select(func.now())).scalar_one()
    for row in rows:
        if row.closed_at is None:
            apply_to_case(connection, row, Step(Action.ARCHIVE, now), SYSTEM_ACTOR)
    cases = [row.id for row in rows]
    connection.execute(_ANONYMIZE_CASES, {"cases": cases, "step": PLACE_STEP_DEGREES})
    for removal in (_CLEAR_NOTES, *_DELETE_CASE_ROWS):
        connection.execute(removal, {"cases": cases})


def _anonymize_register(connection: Connection, before: datetime) -> None:
    """Remove what visits, verifications and earlier versions of dwellings say of residents."""
    statements: tuple[TextClause, ...] = (
        _ANONYMIZE_VISITS,
        _ANONYMIZE_VERIFICATIONS,
        _REMOVE_EARLIER_COUNTS,
    )
    for statement in statements:
        connection.execute(statement, {"before": before, "limit": BATCH_ROWS})


def _years_before(now: datetime, years: int) -> datetime:
    """Return a time some years earlier; 29 February becomes 28 February."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)
