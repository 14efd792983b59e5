"""Backup of the whole database into one file; :mod:`geo.db.restore` reads it.

The form of the file is in :mod:`geo.db.backup_archive`. The migrations make the tables.
Why: ``docs/decisions/backup-as-rows.md``.
"""

import hashlib
import os
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, text

from geo import db
from geo.db import backup_archive
from geo.db.backup_archive import (
    Manifest,
    TableEntry,
    archived_tables,
    copy_statement,
    list_tables,
    sequence_values,
)
from geo.errors import InputError
from geo.model.history import HISTORY  # noqa: F401  (its tables belong to the metadata)

_COMPRESSION_LEVEL = 1


def backup(file: Path) -> int:
    """Write the rows of all tables into a file atomically.

    Staged rows of running and held imports are left out.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    InputError
        If the file can't be written.
    """
    db.upgrade()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".gridatlas-") as folder:
            partial = Path(folder) / "backup"
            with partial.open("x+b") as target:
                with zipfile.ZipFile(
                    target, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION_LEVEL
                ) as archive:
                    archive.comment = bytes(backup_archive.DIGEST_BYTES)
                    _write_archive(archive, db.get_engine())
                digest = backup_archive.digest_of(target)
                target.seek(-backup_archive.DIGEST_BYTES, os.SEEK_END)
                target.write(digest)
                target.flush()
                os.fsync(target.fileno())
            partial.replace(file)
        return file.stat().st_size
    except OSError as error:
        raise InputError("backup_unwritable", file=file, said=error.strerror) from error


def _write_archive(archive: zipfile.ZipFile, engine: Engine) -> None:
    archive.writestr(backup_archive.MARKER, str(backup_archive.FORMAT_VERSION), zipfile.ZIP_STORED)
    with engine.execution_options(isolation_level="REPEATABLE READ").begin() as connection:
        # Before the snapshot: a TRUNCATE between snapshot and lock would be seen as no rows.
        locked = f"{list_tables(archived_tables())}, public.alembic_version"
        connection.execute(text(f"LOCK TABLE {locked} IN ACCESS SHARE MODE"))
        connection.execute(_SESSION)
        revision = db.revision_of(connection)
        tables = [_write_table(archive, connection, table) for table in archived_tables()]
        postgresql, postgis = connection.execute(_VERSIONS).one()
        manifest = Manifest(
            version=backup_archive.FORMAT_VERSION,
            revision=revision,
            written_at=datetime.now(UTC),
            postgresql=postgresql,
            postgis=postgis,
            tables=tables,
            sequences=sequence_values(connection),
        )
        archive.writestr(backup_archive.MANIFEST, manifest.model_dump_json(indent=1))


_SESSION = text(
    "SELECT set_config('gridatlas.owner', 'on', true), set_config('datestyle', 'ISO', true), "
    "set_config('intervalstyle', 'postgres', true), set_config('extra_float_digits', '1', true)"
)
_VERSIONS = text("SELECT current_setting('server_version'), postgis_lib_version()")


def _write_table(archive: zipfile.ZipFile, connection: Connection, table: Table) -> TableEntry:
    columns = [column.name for column in table.columns if column.computed is None]
    digest = hashlib.sha256()
    driver_connection: Any = connection.connection.driver_connection
    with (
        driver_connection.cursor() as cursor,
        archive.open(backup_archive.member_name(table.name), "w", force_zip64=True) as member,
    ):
        with cursor.copy(copy_statement(table.name, columns, "TO STDOUT")) as rows:
            for row in rows:
                digest.update(row)
                member.write(row)
        count = cursor.rowcount
    return TableEntry(name=table.name, columns=columns, rows=count, sha256=digest.hexdigest())
