"""Indexes of a layer that holds nothing: left off, and put up once its first delivery is in.

Built at once an index costs the server a quarter of what it costs row by row. A layer without a row
is searched as fast without indexes, so nobody misses them: they are put up in the transaction that
publishes the rows. What was left off is written down in the transaction that leaves it off;
whoever next locks the layer puts up what a run that died did not.
"""

from collections.abc import Sequence

from psycopg.errors import InsufficientPrivilege, LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from etl.input.feature_batch import BATCH_ROWS

FEWEST_ROWS = BATCH_ROWS
"""A smaller delivery gains nothing."""

_PATIENCE = "500ms"
"""So long, at most, others wait behind the lock for which this waits."""

_THEY_STAY = (LockNotAvailable, InsufficientPrivilege)
"""Somebody reads on, or another owns the table."""

_LEAVE_OFF = text(
    "INSERT INTO index_left_off (name, layer, definition) "
    "SELECT indexrelid::regclass, indrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index "
    "WHERE indrelid = CAST(:layer AS regclass) AND NOT indisunique RETURNING name"
)


def leave_off(connection: Connection, layer: str) -> None:
    """Drop the indexes of a layer, if it is empty, its lock to be had, and they may be dropped.

    To be called outside a transaction, by who holds the layer's advisory lock.
    """
    is_empty = text(f"SELECT NOT EXISTS (SELECT FROM {layer})")
    try:
        with connection.begin():
            if not connection.execute(is_empty).scalar():
                return
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
            connection.execute(text(f"LOCK TABLE {layer} IN ACCESS EXCLUSIVE MODE"))
            if connection.execute(is_empty).scalar():
                for name in connection.scalars(_LEAVE_OFF, {"layer": layer}).all():
                    connection.execute(text(f"DROP INDEX {name}"))
    except DBAPIError as error:
        if not isinstance(error.orig, _THEY_STAY):
            raise


def put_up(connection: Connection, layers: Sequence[str]) -> None:
    """Build the indexes that were left off, in the transaction that is open.

    Readers go on meanwhile.
    """
    definitions = connection.scalars(
        text("DELETE FROM index_left_off WHERE layer = ANY (:layers) RETURNING definition"),
        {"layers": list(layers)},
    ).all()
    if definitions:
        connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    for definition in definitions:
        connection.exec_driver_sql(definition)
