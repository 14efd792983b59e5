"""Periodic work of casework: deadlines, monthly assessment, deletion of expired information."""

import threading

from sqlalchemy import Engine

from api.core.caller import SERVICE_CALLER, transaction_as
from geo.casework import assessment, escalation, retention

POLL_INTERVAL_S = 30.0


def process_deadlines(engine: Engine, closing: threading.Event) -> None:
    """Do everything that is due; workers that do so at the same time share the cases."""
    for work in (
        escalation.recount_provisional,
        escalation.reroute_orphans,
        escalation.escalate_overdue,
        escalation.archive_unrated,
        retention.remove_expired,
        assessment.close_months,
    ):
        if not closing.is_set():
            with transaction_as(engine, SERVICE_CALLER) as connection:
                work(connection)
