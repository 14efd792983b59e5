"""The audit trail: who did or saw what, written in the transaction that does it."""

from typing import Any

from sqlalchemy import Connection, insert

from api.access import Caller
from geo.model import AuditEvent


def record(
    connection: Connection,
    caller: Caller,
    action: str,
    object_type: str,
    code: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Record a change, or a read of a protected layer.

    Parameters
    ----------
    action
        A verb: ``read``, ``draw``, ``edit``, ``publish``, ...
    """
    event = {
        "actor": caller.name,
        "action": action,
        "object_type": object_type,
        "object_code": code,
        "detail": detail or {},
    }
    connection.execute(insert(AuditEvent).inline(), event)
