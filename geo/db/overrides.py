"""Manual overrides of imported values.

Imports do not write an overridden field, and report the value they would have written. Once the
override is cleared, the next import writes the field again.
"""

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from geoalchemy2 import Geometry
from psycopg.errors import LockNotAvailable
from sqlalchemy import Column, Connection, Float, Table, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError, IntegrityError, InternalError, OperationalError

from geo import locks
from geo.errors import ConflictError, InputError, NotFoundError
from geo.locks import Lock
from geo.messages import text as text_of
from geo.model import LAYERS, STORAGE_SRID, AuditEvent, Base, Correction, LayerRevision
from geo.model.run import REVISIONS

LOCK_TIMEOUT_S = 10
"""How long to wait for a publication of the layer."""

_MANAGED_COLUMNS = {"code", "source", "valid_from", "valid_to", "revision", "geom_3857"}


def set_override(
    connection: Connection, layer: str, code: str, fields: Mapping[str, str | None], actor: str
) -> None:
    """Set columns of a live feature and protect them from imports.

    Parameters
    ----------
    fields
        Values as text, None for null; geometry as EWKT.
    actor
        Account that sets them.

    Raises
    ------
    InputError
        If there is no such layer or column, or a value is not allowed.
    NotFoundError
        If there is no such feature.
    ConflictError
        If the layer is being published.
    """
    table = _table_of_layer(layer)
    _refuse_unknown(table, fields)
    _lock_layer(connection, layer)
    if connection.execute(select(table.c.code).where(table.c.code == code)).first() is None:
        raise NotFoundError("no_such_feature", layer=layer, code=code)
    revision = connection.execute(select(REVISIONS.next_value())).scalar_one()
    for field, value in fields.items():
        _write_value(connection, table, code, field, value, revision)
        is_same = Correction.layer == layer, Correction.code == code, Correction.field == field
        connection.execute(delete(Correction).where(*is_same))
        connection.execute(
            insert(Correction).values(layer=layer, code=code, field=field, value=value, actor=actor)
        )
    _set_revision(connection, layer, revision)
    detail = {"fields": dict(fields), "revision": revision}
    _insert_audit_event(connection, actor, "correct", layer, code, detail)


def clear_override(connection: Connection, layer: str, code: str, actor: str) -> list[str]:
    """Clear the overrides of a feature; return the names of their columns.

    Raises
    ------
    InputError
        If there is no such layer.
    NotFoundError
        If the feature has no overrides.
    ConflictError
        If the layer is being published.
    """
    _table_of_layer(layer)
    _lock_layer(connection, layer)
    fields = connection.scalars(
        delete(Correction)
        .where(Correction.layer == layer, Correction.code == code)
        .returning(Correction.field)
    ).all()
    if not fields:
        raise NotFoundError("no_such_feature", layer=layer, code=code)
    # The new revision makes the next import of an unchanged file read it again.
    _set_revision(
        connection, layer, connection.execute(select(REVISIONS.next_value())).scalar_one()
    )
    _insert_audit_event(connection, actor, "release", layer, code, {"fields": sorted(fields)})
    return sorted(fields)


def _table_of_layer(layer: str) -> Table:
    if layer not in LAYERS:
        raise InputError("no_such_layer", layer=layer, layers=", ".join(LAYERS))
    return Base.metadata.tables[layer]


def _lock_layer(connection: Connection, layer: str) -> None:
    """Wait for a publication of the layer, which would overwrite a concurrent change."""
    timeout = func.set_config("lock_timeout", f"{LOCK_TIMEOUT_S}s", True)
    try:
        with connection.begin_nested():
            connection.execute(select(timeout))
            for key in locks.layer_keys([layer]):
                locks.acquire(connection, Lock.LAYER, key)
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise ConflictError("layer_busy", layer=layer, seconds=LOCK_TIMEOUT_S) from error


def _refuse_unknown(table: Table, fields: Mapping[str, str | None]) -> None:
    columns = [column.name for column in table.columns if column.name not in _MANAGED_COLUMNS]
    for field in fields:
        if field not in columns:
            listed = ", ".join(columns)
            raise InputError("no_such_column", layer=table.name, column=field, columns=listed)


def _write_value(
    connection: Connection, table: Table, code: str, field: str, value: str | None, revision: int
) -> None:
    """Write a value, which the database's constraints check."""
    column = table.c[field]
    _refuse_unstorable(column, code, value)
    kind = (
        "geometry"
        if isinstance(column.type, Geometry)
        else column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    )
    try:
        with connection.begin_nested():
            connection.execute(
                update(table)
                .where(table.c.code == code)
                .values({field: text(f"CAST(:value AS {kind})"), "revision": revision}),
                {"value": value},
            )
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # check references now
            connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
            if isinstance(column.type, Geometry):
                _refuse_invalid_geometry(connection, column, code)
    except (DataError, IntegrityError, InternalError) as error:
        said = " ".join(str(error.orig).split())[:200]
        raise InputError(
            "correction_refused", layer=table.name, code=code, column=field, value=value, said=said
        ) from error


def _refuse_unstorable(column: Column[Any], code: str, value: str | None) -> None:
    """Refuse control characters, NaN and infinity, which PostgreSQL accepts and imports do not."""
    if value is None:
        return
    is_unstorable = not value.isprintable()
    if isinstance(column.type, Float):
        with suppress(ValueError):  # the database reports what is wrong
            is_unstorable |= not math.isfinite(float(value))
    if is_unstorable:
        said = text_of("problem.value_unfit")
        shown = value.encode("utf-8", "backslashreplace").decode()[:80]
        where = {"layer": column.table.name, "code": code, "column": column.name}
        raise InputError("correction_refused", value=repr(shown), said=said, **where)


def _refuse_invalid_geometry(connection: Connection, column: Column[Any], code: str) -> None:
    """Refuse a geometry that is empty, invalid or outside the earth."""
    west, south, east, north = -180.0, -89.0, 180.0, 89.0
    world = func.ST_MakeEnvelope(west, south, east, north, STORAGE_SRID)
    is_valid = ~func.ST_IsEmpty(column) & func.ST_IsValid(column) & func.ST_CoveredBy(column, world)
    is_feature = column.table.c.code == code
    if not connection.execute(select(func.coalesce(is_valid, True)).where(is_feature)).scalar():
        where = {"layer": column.table.name, "code": code, "column": column.name}
        said = text_of("problem.geometry_unfit")
        raise InputError("correction_refused", value="", said=said, **where)


def _set_revision(connection: Connection, layer: str, revision: int) -> None:
    result = connection.execute(
        update(LayerRevision)
        .where(LayerRevision.layer == layer)
        .values(revision=revision, published_at=func.now())
    )
    if result.rowcount == 0:
        connection.execute(insert(LayerRevision).values(layer=layer, revision=revision))


def _insert_audit_event(
    connection: Connection,
    actor: str,
    action: str,
    layer: str,
    code: str,
    detail: dict[str, object],
) -> None:
    connection.execute(
        insert(AuditEvent).values(
            actor=actor, action=action, object_type=layer, object_code=code, detail=detail
        )
    )
