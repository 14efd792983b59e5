"""Restore of the whole database from the file of a backup, in one transaction."""

import time
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from geo import db, locks
from geo.db import backup_archive, security
from geo.db.backup_archive import (
    Manifest,
    TableEntry,
    archived_tables,
    copy_statement,
    list_tables,
    sequence_values,
)
from geo.errors import ConflictError, InputError, SetupError
from geo.locks import Lock
from geo.messages import LANGUAGES
from geo.messages import text as message
from geo.model import Base, ImportRun, LayerChange
from geo.model.history import HISTORY  # noqa: F401  (its tables belong to the metadata)
from geo.model.run import STAGING_SCHEMA, RunStatus

LOCK_TIMEOUT_S = 30
_LOCK_PAUSE_S = 0.2
_LOCK_ATTEMPT = "800ms"
"""Shorter than PostgreSQL's deadlock_timeout of 1 s, so that no other session is cancelled."""


def restore(file: Path, *, replace: bool = False) -> None:
    """Replace the contents of the database by those of a file, in one transaction.

    The file is read and its digest verified before the database is changed. The database keeps its
    rows until the commit, even if this process or the server is killed.

    Parameters
    ----------
    replace
        Whether to replace rows; otherwise the tables must be empty.

    Raises
    ------
    InputError
        If the file is missing, damaged or not written by :func:`backup`, or the tables hold rows.
    ConflictError
        If an import, drawing or long request uses the tables.
    SetupError
        If the database refuses the rows.
    """
    with backup_archive.open_archive(file) as archive:
        manifest = backup_archive.read_manifest(archive, file)
        engine = db.get_engine()
        db.upgrade(engine)
        try:
            with engine.begin() as connection:
                _replace_rows(connection, archive, manifest, file, replace=replace)
        except (psycopg.Error, DBAPIError) as error:
            _raise_restore_error(error, file)


def _raise_restore_error(error: psycopg.Error | DBAPIError, file: Path) -> NoReturn:
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None)
    is_lost = isinstance(cause, psycopg.OperationalError) and (code or "57P").startswith("57P")
    key = "restore_interrupted" if is_lost else "restore_failed"
    raise SetupError(key, file=file, said=" ".join(str(cause).split())[:500]) from error


def _replace_rows(
    connection: Connection,
    archive: zipfile.ZipFile,
    manifest: Manifest,
    file: Path,
    *,
    replace: bool,
) -> None:
    """Empty the tables, migrate them to the archive's revision, load, and migrate to the newest."""
    connection.execute(_RESTORE_SESSION)
    _lock_migrations(connection)
    _lock_tables(connection)
    _refuse_running_work(connection)
    if not replace and _has_rows(connection):
        raise InputError("restore_not_empty")
    sequences, changes = sequence_values(connection), _layer_changes(connection)
    _empty_tables(connection)
    db.migrate(connection, manifest.revision)
    _refuse_incomplete(connection, manifest, file)
    _load_tables(connection, archive, manifest, file)
    db.migrate(connection, "head")
    _continue_sequences(connection, sequences, manifest.sequences)
    _continue_layer_changes(connection, changes)
    _close_held_runs(connection)
    security.apply_rules(connection)
    connection.execute(text(f"ANALYZE {list_tables(archived_tables())}"))


_RESTORE_SESSION = text(
    "SELECT set_config('gridatlas.owner', 'on', true), "
    "set_config('maintenance_work_mem', '256MB', true), "
    # The server keeps the locks of a killed process until it checks the connection.
    "set_config('client_connection_check_interval', '2s', true)"
)


def _lock_migrations(connection: Connection) -> None:
    """Keep out migrations until the transaction ends; wait for :data:`LOCK_TIMEOUT_S` at most."""
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            locks.acquire(connection, Lock.MIGRATION)
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        holders = connection.execute(_WORKERS, {"namespaces": [int(Lock.MIGRATION)]})
        raise _in_use(holders.all()) from error
    connection.execute(text("SET LOCAL lock_timeout = 0"))


def _lock_tables(connection: Connection) -> None:
    """Lock all tables exclusively, or none; wait for :data:`LOCK_TIMEOUT_S` at most."""
    tables = list_tables(Base.metadata.sorted_tables)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            with connection.begin_nested():
                connection.execute(text(f"SET LOCAL statement_timeout = '{_LOCK_ATTEMPT}'"))
                connection.execute(text(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            return
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg.errors.QueryCanceled):
                raise
            if time.monotonic() > deadline:
                raise _in_use(connection.execute(_TABLE_USERS)) from error
        time.sleep(_LOCK_PAUSE_S)


def _refuse_running_work(connection: Connection) -> None:
    """Refuse while a run or job that lasts longer than one transaction holds its lock."""
    if sessions := connection.execute(_WORKERS, {"namespaces": [*map(int, _LONG_LOCKS)]}).all():
        raise _in_use(sessions)


def _in_use(sessions: Iterable[Any]) -> ConflictError:
    listed = ", ".join(f"{pid} ({name})" for pid, name in sessions)
    return ConflictError("restore_in_use", sessions=listed or "-")


_SESSIONS = (
    "SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), a.usename, '') "
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "LEFT JOIN pg_class c ON c.oid = l.relation "
    "WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND l.pid <> pg_backend_pid() AND l.granted AND "
)


_TABLE_USERS = text(f"{_SESSIONS} c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace")
_WORKERS = text(f"{_SESSIONS} l.locktype = 'advisory' AND l.classid::bigint = ANY(:namespaces)")
_LONG_LOCKS = [Lock.IMPORT_RUN, Lock.DRAW_RUN, Lock.JOB, Lock.LAYER]
"""Locks that are held for longer than a transaction."""


def _has_rows(connection: Connection) -> bool:
    tables = (t.name for t in archived_tables() if t.name != LayerChange.__tablename__)
    condition = " OR ".join(f"EXISTS (SELECT FROM public.{name})" for name in tables)
    return bool(connection.execute(text(f"SELECT {condition}")).scalar())


def _layer_changes(connection: Connection) -> dict[str, int]:
    rows = connection.execute(text("SELECT layer, changes FROM layer_change"))
    return {row.layer: row.changes for row in rows}


def _empty_tables(connection: Connection) -> None:
    """Remove rights, staged rows and all rows; create the indexes that an import had dropped."""
    security.withdraw_rights(connection)
    staged = text("SELECT tablename FROM pg_tables WHERE schemaname = :schema")
    for name in connection.scalars(staged, {"schema": STAGING_SCHEMA}).all():
        connection.exec_driver_sql(f'DROP TABLE {STAGING_SCHEMA}."{name}"')
    left_off = connection.scalars(text("SELECT definition FROM index_left_off")).all()
    connection.execute(text(f"TRUNCATE {list_tables(Base.metadata.sorted_tables)}"))
    for definition in left_off:
        connection.exec_driver_sql(definition)


def _refuse_incomplete(connection: Connection, manifest: Manifest, file: Path) -> None:
    """Refuse an archive that lacks a table of its revision, or has an unknown one."""
    existing = set(connection.scalars(_EXISTING).all())
    expected = {table.name for table in archived_tables() if table.name in existing}
    listed = {table.name for table in manifest.tables}
    if wrong := sorted(expected - listed | listed - existing):
        raise InputError("backup_damaged", file=file, said=", ".join(wrong))


_EXISTING = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")


def _load_tables(
    connection: Connection, archive: zipfile.ZipFile, manifest: Manifest, file: Path
) -> None:
    """Load the rows of all tables, without triggers, and compare their counts."""
    names = [table.name for table in manifest.tables]
    for name in names:
        connection.exec_driver_sql(
            f"ALTER TABLE public.{name} DISABLE ROW LEVEL SECURITY, DISABLE TRIGGER USER"
        )
    indexes = connection.execute(_INDEXES, {"tables": names}).all()
    for index, _ in indexes:
        connection.exec_driver_sql(f"DROP INDEX {index}")
    for table in manifest.tables:
        _load_table(connection, archive, table, file)
    connection.exec_driver_sql(
        "SET CONSTRAINTS ALL IMMEDIATE"
    )  # pending deferred checks would block CREATE INDEX
    for _, definition in indexes:
        connection.exec_driver_sql(definition)
    for name in names:
        connection.exec_driver_sql(f"ALTER TABLE public.{name} ENABLE TRIGGER USER")


_INDEXES = text(
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
    "JOIN pg_class ON pg_class.oid = indrelid WHERE NOT indisunique "
    "AND relnamespace = 'public'::regnamespace AND relname = ANY (:tables)"
)


def _load_table(
    connection: Connection, archive: zipfile.ZipFile, table: TableEntry, file: Path
) -> None:
    driver_connection: Any = connection.connection.driver_connection
    statement = copy_statement(table.name, table.columns, "FROM STDIN")
    with driver_connection.cursor() as cursor, cursor.copy(statement) as rows:
        chunks = backup_archive.read_chunks(archive, table)
        while True:
            with backup_archive.report_damage(file):
                chunk = next(chunks, b"")
            if not chunk:
                break
            rows.write(chunk)
    count = connection.execute(text(f"SELECT count(*) FROM public.{table.name}")).scalar()  # noqa: S608 (a table that exists)
    if count != table.rows:
        said = f"{table.name}: {count} / {table.rows}"
        raise InputError("backup_damaged", file=file, said=said)


def _continue_sequences(
    connection: Connection, live: Mapping[str, int], restored: Mapping[str, int]
) -> None:
    """Restart sequences after all used values; unlike setval, RESTART can be rolled back."""
    existing = set(connection.scalars(_SEQUENCE_NAMES).all())
    for name in existing & (live.keys() | restored.keys()):
        last = max(live.get(name, 0), restored.get(name, 0))
        connection.exec_driver_sql(f'ALTER SEQUENCE public."{name}" RESTART WITH {last + 1}')


_SEQUENCE_NAMES = text("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")


def _continue_layer_changes(connection: Connection, live: Mapping[str, int]) -> None:
    """Set each layer's count of changes to an unused value: ETags are made from it."""
    for layer, changes in live.items():
        connection.execute(_RAISE_CHANGES, {"layer": layer, "changes": changes + 1})


_RAISE_CHANGES = text(
    "INSERT INTO layer_change AS restored (layer, changes) VALUES (:layer, :changes) "
    "ON CONFLICT (layer) DO UPDATE SET changes = greatest(restored.changes + 1, excluded.changes)"
)


def _close_held_runs(connection: Connection) -> None:
    """Mark held import runs as failed: archives do not hold their staged rows."""
    suffixes = {"en": "", "zh": "_zh"}
    report = {
        f"failure{suffixes[lang]}": message("backup.held_run", lang=lang) for lang in LANGUAGES
    }
    connection.execute(
        ImportRun.__table__.update()  # type: ignore[attr-defined]
        .where(ImportRun.status == RunStatus.HELD)
        .values(status=RunStatus.FAILED, report=ImportRun.report.concat(report))
    )
