"""Audit events, written in the transaction whose change or read they record."""

from typing import Any

import asyncpg
from sqlalchemy import Connection, insert

from api.core.caller import Caller
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


async def record_async(
    connection: asyncpg.Connection,
    caller: Caller,
    action: str,
    object_type: str,
    code: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Record the same on a connection of :class:`api.core.connection_pool.AsyncPool`."""
    await connection.execute(
        "INSERT INTO audit_event (actor, action, object_type, object_code, detail) "
        "VALUES ($1, $2, $3, $4, $5)",
        caller.name,
        action,
        object_type,
        code,
        detail or {},
    )
