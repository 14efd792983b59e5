"""Deferred indexes: drop those of an empty layer, and build them after its first delivery.

Building an index at once costs the server a quarter of what maintaining it row by row does, and an
empty layer is searched as fast without any. They are built in the transaction that publishes the
rows. The table ``index_left_off`` records what was dropped, so that the next run that locks the
layer restores the indexes if this one dies.
"""

from collections.abc import Sequence

from psycopg.errors import InsufficientPrivilege, LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from etl.input.feature_batch import BATCH_ROWS

MIN_ROWS = BATCH_ROWS
"""A smaller delivery gains nothing."""

_LOCK_TIMEOUT_MS = 500
"""Others queue behind the lock that this waits for, so it does not wait longer."""

_CANNOT_DROP = (LockNotAvailable, InsufficientPrivilege)
"""Another session is reading, or another role owns the table: the indexes stay."""

_RECORD_INDEXES = text(
    "INSERT INTO index_left_off (name, layer, definition) "
    "SELECT indexrelid::regclass, indrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index "
    "WHERE indrelid = CAST(:layer AS regclass) AND NOT indisunique RETURNING name"
)


def drop_indexes(connection: Connection, layer: str) -> None:
    """Drop the indexes of a layer if it is empty, its lock is free, and the role may drop them.

    The caller holds the advisory lock of the layer, and has no transaction open.

    Raises
    ------
    DBAPIError
        If a statement fails for another reason.
    """
    is_empty = text(f"SELECT NOT EXISTS (SELECT FROM {layer})")
    try:
        with connection.begin():
            if not connection.execute(is_empty).scalar():
                return
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
            connection.execute(text(f"LOCK TABLE {layer} IN ACCESS EXCLUSIVE MODE"))
            if connection.execute(is_empty).scalar():
                for name in connection.scalars(_RECORD_INDEXES, {"layer": layer}).all():
                    connection.execute(text(f"DROP INDEX {name}"))
    except DBAPIError as error:
        if not isinstance(error.orig, _CANNOT_DROP):
            raise


def restore_indexes(connection: Connection, layers: Sequence[str]) -> None:
    """Build the dropped indexes in the open transaction; readers are not blocked."""
    definitions = connection.scalars(
        text("DELETE FROM index_left_off WHERE layer = ANY (:layers) RETURNING definition"),
        {"layers": list(layers)},
    ).all()
    if definitions:
        connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    for definition in definitions:
        connection.exec_driver_sql(definition)
