"""Deletion of personal information when its retention period ends (PIPL, article 47).

An anonymized case or visit still counts in the assessment. It has its kind, steps, days, grid and a
rounded place, and nothing that identifies a person.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

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
_ANONYMIZE_CASES = text(
    """
    UPDATE service_case SET description = '', address = '', anonymized_at = now(),
        geom = ST_ReducePrecision(geom, :step), revision = revision + 1
    WHERE id IN (
        SELECT id FROM service_case WHERE closed_at < :before AND anonymized_at IS NULL
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING id
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
        anonymized_at = now()
    WHERE id IN (
        SELECT id FROM visit WHERE visited_at < :before AND anonymized_at IS NULL
        ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)


def remove_expired(connection: Connection, now: datetime | None = None) -> None:
    """Delete expired contacts, keys and counts, and anonymize cases and visits after years.

    Parameters
    ----------
    now
        By default the time of the database's clock.
    """
    now = now or connection.execute(select(func.now())).scalar_one()
    _delete_older(connection, _DELETE_CONTACTS, now, settings().case_contact_days)
    _delete_older(connection, _DELETE_KEYS, now, KEY_DAYS)
    _delete_older(connection, _DELETE_COUNTS, now, COUNT_DAYS)
    _anonymize_cases(connection, _years_before(now, settings().case_years))
    before = _years_before(now, settings().visit_years)
    connection.execute(_ANONYMIZE_VISITS, {"before": before, "limit": BATCH_ROWS})


def _delete_older(connection: Connection, statement: Any, now: datetime, days: int) -> None:
    connection.execute(statement, {"before": now - timedelta(days=days)})


def _anonymize_cases(connection: Connection, before: datetime) -> None:
    """Remove texts, photos, contact and exact place of cases that were closed before a time."""
    values: Mapping[str, Any] = {"before": before, "limit": BATCH_ROWS, "step": PLACE_STEP_DEGREES}
    cases = list(connection.execute(_ANONYMIZE_CASES, values).scalars())
    if cases:
        for statement in (_CLEAR_NOTES, *_DELETE_CASE_ROWS):
            connection.execute(statement, {"cases": cases})


def _years_before(now: datetime, years: int) -> datetime:
    """Return a time some years earlier; 29 February becomes 28 February."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)
