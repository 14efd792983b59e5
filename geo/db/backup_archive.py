"""The file of a backup.

It is a zip archive: a marker, the rows of each table as ``COPY`` writes them, a manifest with the
revision of the tables and each table's row count and SHA-256, and last, as the archive's comment,
the SHA-256 of all before it.
"""

import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from psycopg import sql
from pydantic import BaseModel
from sqlalchemy import Connection, Table, text

from geo import db
from geo.errors import InputError
from geo.model import Base, IndexLeftOff
from geo.model.history import HISTORY  # noqa: F401  (its tables belong to the metadata)

FORMAT_VERSION = 1
MARKER = "gridatlas-backup"
"""Name of the first member of the archive."""

MANIFEST = "manifest.json"
DIGEST_BYTES = 64
"""Length of the SHA-256 at the end, in hexadecimal digits."""

_PG_DUMP_MAGIC = b"PGDMP"
_MARKER_OFFSET_BYTES = 30  # of a name in a zip archive's first local header
_CHUNK_BYTES = 2**20

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""Errors that :mod:`zipfile` raises for a damaged archive."""


class TableEntry(BaseModel):
    """A table in an archive: its columns, number of rows, and digest of their text."""

    name: str
    columns: list[str]
    rows: int
    sha256: str


class Manifest(BaseModel):
    """Contents of an archive; tables are in the order in which they can be loaded."""

    version: int
    revision: str
    written_at: datetime
    postgresql: str
    postgis: str
    tables: list[TableEntry]
    sequences: dict[str, int]


def member_name(table: str) -> str:
    """Return the name of the archive's member with a table's rows."""
    return f"tables/{table}"


@contextmanager
def open_archive(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a backup after checking that it is one of ours, complete and undamaged.

    Raises
    ------
    InputError
        If the file is missing, foreign, damaged or truncated.
    """
    if not file.is_file():
        raise InputError("backup_missing", file=file)
    with report_damage(file):
        with file.open("rb") as source:
            head = source.read(_MARKER_OFFSET_BYTES + len(MARKER))
        if head.startswith(_PG_DUMP_MAGIC):
            raise InputError("backup_by_pg_dump", file=file)
        if not head.endswith(MARKER.encode()):
            raise InputError("backup_foreign", file=file)
        with file.open("rb") as source:
            if digest_of(source) != source.read():
                raise InputError("backup_damaged", file=file, said="SHA-256")
        archive = zipfile.ZipFile(file)
    with archive:
        yield archive


def digest_of(source: BinaryIO) -> bytes:
    """Return the digest of a file without its last bytes, which hold a digest and are read next."""
    remaining = source.seek(0, os.SEEK_END) - DIGEST_BYTES
    source.seek(0)
    digest = hashlib.sha256()
    while remaining > 0 and (chunk := source.read(min(remaining, _CHUNK_BYTES))):
        digest.update(chunk)
        remaining -= len(chunk)
    return digest.hexdigest().encode()


@contextmanager
def report_damage(file: Path) -> Iterator[None]:
    """Turn the errors of reading a damaged archive into one that names its file.

    Raises
    ------
    InputError
        If the archive is damaged.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise InputError("backup_damaged", file=file, said=str(error) or repr(error)) from error


def read_manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    """Return the manifest.

    Raises
    ------
    InputError
        If it is damaged or of a newer version.
    """
    with report_damage(file):
        content = json.loads(archive.read(MANIFEST))
        if content["version"] > FORMAT_VERSION or not db.is_known_revision(content["revision"]):
            raise InputError("backup_from_the_future", file=file)
        return Manifest.model_validate(content)


def read_chunks(archive: zipfile.ZipFile, table: TableEntry) -> Iterator[bytes]:
    """Yield the text of a table's rows.

    Raises
    ------
    ValueError
        At its end, if the digest differs.
    """
    digest = hashlib.sha256()
    with archive.open(member_name(table.name)) as member:
        while chunk := member.read(_CHUNK_BYTES):
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != table.sha256:
        raise ValueError(member_name(table.name))


def archived_tables() -> list[Table]:
    """Return the tables that an archive holds, referenced ones first.

    ``index_left_off`` describes the indexes of one database, not its data.
    """
    return [t for t in Base.metadata.sorted_tables if t.name != IndexLeftOff.__tablename__]


def list_tables(tables: Iterable[Table]) -> str:
    """Return tables as a list in SQL."""
    return ", ".join(f"public.{table.name}" for table in tables)


_SEQUENCES = text(
    "SELECT sequencename, last_value FROM pg_sequences "
    "WHERE schemaname = 'public' AND last_value IS NOT NULL"
)


def sequence_values(connection: Connection) -> dict[str, int]:
    """Return the last value of each sequence that was used."""
    return {row.sequencename: row.last_value for row in connection.execute(_SEQUENCES)}


def copy_statement(table: str, columns: list[str], direction: str) -> sql.Composed:
    """Return the ``COPY`` statement for the rows of a table.

    Parameters
    ----------
    direction
        ``TO STDOUT`` or ``FROM STDIN``.
    """
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    words = sql.SQL("COPY {} ({}) {} (ENCODING 'UTF8')")
    return words.format(sql.Identifier("public", table), listed, sql.SQL(direction))
