"""The whole database as one file, and back (``pg_dump`` and ``pg_restore``)."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, Engine, text

from geo import access, cluster, db
from geo.errors import InputError, SetupError


def backup(file: Path) -> int:
    """Write everything into a file, which is there whole or not at all; return its bytes.

    Raises
    ------
    InputError
        If the file can't be written.
    SetupError
        If ``pg_dump`` fails.
    """
    db.upgrade()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".gridatlas-") as folder:
            whole = Path(folder) / "dump"
            _run(db.engine().url, "pg_dump", "-Fc", "--enable-row-security", "-f", whole)
            whole.replace(file)
        return file.stat().st_size
    except OSError as error:
        raise InputError("backup_unwritable", file=file, said=error.strerror) from error


def restore(file: Path, *, replace: bool = False) -> None:
    """Bring a backup into the database in one transaction.

    Parameters
    ----------
    replace
        Whether to remove what is there; otherwise the database must be empty.

    Raises
    ------
    InputError
        If there is no such file, or the database is not empty.
    SetupError
        If the file is no backup, or ``pg_restore`` fails; nothing is changed then, unless
        ``replace`` has emptied the database.
    """
    if not file.is_file():
        raise InputError("backup_missing", file=file)
    engine = db.engine()
    _run(engine.url, "pg_restore", "--list", file, connect=False)  # a file that is none, at once
    if not replace and _has_tables(engine):
        raise InputError("restore_not_empty")
    with engine.begin() as connection:
        if replace:
            access.withdraw(connection)
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("DROP SCHEMA IF EXISTS staging CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
            connection.execute(text("GRANT USAGE ON SCHEMA public TO PUBLIC"))
        access.make_roles(connection)
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--if-exists", "--clean")
    _run(engine.url, "pg_restore", *options, "-d", str(engine.url.database), file)
    with engine.begin() as connection:
        access.withdraw(connection)  # owners and rights are those of this server
    db.upgrade(engine)


def _has_tables(engine: Engine) -> bool:
    known = text("SELECT to_regclass('public.region') IS NOT NULL")
    with engine.connect() as connection:
        return bool(connection.execute(known).scalar())


def _run(url: URL, program: str, *words: str | Path, connect: bool = True) -> None:
    """Run one of PostgreSQL's programs on the database."""
    given = {name: str(url.query.get(key, "")) for name, key in _BY_QUERY.items()}
    given |= {"PGHOST": url.host or given["PGHOST"], "PGUSER": url.username or ""}
    given |= {"PGPASSWORD": url.password or "", "PGDATABASE": url.database or ""}
    given |= {"PGPORT": str(url.port or given["PGPORT"] or 5432)}
    given |= {"PGOPTIONS": "-c gridatlas.owner=on"}
    environment = os.environ | {name: value for name, value in given.items() if value}
    command: Sequence[str] = [_program(program), *(os.fspath(word) for word in words)]
    if not connect:
        environment = dict(os.environ)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-500:]
        raise SetupError("backup_failed", program=program, said=said)


_BY_QUERY = {"PGHOST": "host", "PGPORT": "port"}


def _program(name: str) -> str:
    """Return a program of the newest PostgreSQL that is installed, else the one on the path."""
    found = sorted(cluster.INSTALLED.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return os.fspath(found[-1]) if found else name
