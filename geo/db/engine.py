"""The database of an installation: URLs, engines, transactions and migrations."""

import hmac
import logging
import os
import random
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, create_engine, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError

from geo import locks
from geo.db import cluster, local_server, security
from geo.errors import SetupError
from geo.locks import Lock
from geo.messages import text as message
from geo.secrets import secret
from geo.settings import settings

if TYPE_CHECKING:
    from alembic.config import Config  # takes 0.3 s, needed for migrations only

_HERE = Path(__file__).resolve().parents[1]
MIGRATIONS = next(
    place for place in (_HERE / "migrations", _HERE.parent / "alembic") if place.is_dir()
)
"""Beside the package in an installation, at the top of a checkout."""
MIN_POSTGRESQL = cluster.MIN_MAJOR
MIN_POSTGIS = (3, 3)
_INSUFFICIENT_PRIVILEGE, _LOCK_NOT_AVAILABLE = "42501", "55P03"
_NO_START = "GRIDATLAS_NO_SERVER_START"
"""Environment variable of processes that must not start the private cluster."""

API_TIMEOUT_S = 5
"""How long a request waits for a connection, or for a lock."""

MIGRATION_LOCK_TIMEOUT_S = 60
"""How long a migration waits for another one, or for work on the tables that it changes."""

CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATEs of serialization failures and deadlocks: the transaction may succeed when repeated."""
CONFLICT_ATTEMPTS = 8
CONFLICT_MIN_WAIT_S, CONFLICT_MAX_WAIT_S = 0.02, 1.0

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


def database_url() -> str:
    """Return the owner's URL of the database: ``DATABASE_URL``, else the private cluster, started.

    Its sessions set ``gridatlas.owner``, with which row-level security shows the owner all rows.

    Raises
    ------
    SetupError
        If ``DATABASE_URL`` is malformed, or the private cluster can't be created or started.
    """
    configured = settings().database_url
    if not configured:
        may_start = _NO_START not in os.environ
        return (local_server.ensure_running if may_start else cluster.url)(settings().home)
    url = _to_url(configured)
    options = str(url.query.get("options", "")).replace(cluster.UTC_SESSION, "").strip()
    options = f"{options} -c gridatlas.owner=on {cluster.UTC_SESSION}".strip()
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def forbid_server_start() -> None:
    """Keep this process and its children from starting the private cluster.

    A server calls it once the cluster runs: later it may have been stopped on purpose.
    """
    os.environ[_NO_START] = "1"


def printable_url(url: URL) -> str:
    """Return a URL for messages, without password and session options."""
    return url.difference_update_query(["options"]).render_as_string()


def _to_url(configured: str) -> URL:
    try:
        url = make_url(configured)
    except ArgumentError:
        raise SetupError("database_url_malformed") from None
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise SetupError("database_url_malformed")
    return url.set(drivername="postgresql+psycopg")


@cache
def get_engine() -> Engine:
    """Return the engine of the installation's database, created once a process."""
    return create_engine(database_url(), pool_pre_ping=True)


def api_url(owner: URL | None = None) -> URL:
    """Return the URL with which the API connects, as a role that can only switch to others.

    Parameters
    ----------
    owner
        The owner's URL; by default the installation's.
    """
    if owner is None and settings().api_database_url:
        return _to_url(settings().api_database_url)
    owner = owner or make_url(database_url())
    query = {**owner.query, "options": cluster.UTC_SESSION}
    login = owner.set(username=security.LOGIN, query=query)
    return login.set(password=login_password()) if owner.password else login


def login_password() -> str:
    """Return the password of the API's login role, derived from the installation's secret."""
    return hmac.digest(secret(), b"database login", "sha256").hex()


def api_engine(url: URL | None = None) -> Engine:
    """Return the engine of the API, with limits of connections and statement time."""
    limits = (
        f"-c statement_timeout={settings().statement_timeout_s}s "
        f"-c lock_timeout={API_TIMEOUT_S}s "
        f"-c idle_in_transaction_session_timeout=60s {cluster.UTC_SESSION}"
    )
    return create_engine(
        url or api_url(),
        pool_pre_ping=True,
        pool_size=settings().connections,
        max_overflow=0,
        pool_timeout=API_TIMEOUT_S,
        connect_args={"options": limits, "connect_timeout": 5, "application_name": "gridatlas"},
    )


def ensure_login() -> None:
    """See that the API's role can sign in: set its password where the server refuses it.

    Raises
    ------
    SetupError
        If the owner lacks the right to set it.
    """
    url = api_url()
    if settings().api_database_url or not url.password:
        return
    try:
        with create_engine(url).connect():
            return
    except OperationalError:
        pass
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
        sql.Identifier(security.LOGIN), sql.Literal(url.password)
    )
    try:
        with get_engine().begin() as connection:
            connection.connection.driver_connection.execute(statement)  # type: ignore[union-attr]
    except (psycopg.Error, DBAPIError) as error:
        raise SetupError(
            "login_refused", role=security.LOGIN, said=" ".join(str(error).split())
        ) from error


def reset_engine() -> None:
    """Discard engine and settings, so that they are read from the environment again."""
    if get_engine.cache_info().currsize:
        get_engine().dispose()
    get_engine.cache_clear()
    settings.cache_clear()


def run_in_transaction(bind: Engine, work: Callable[[Connection], _Result]) -> _Result:
    """Run a function in a transaction of its own; repeat it after a conflict with another."""

    def attempt() -> _Result:
        with bind.begin() as connection:
            return work(connection)

    return retry_conflicts(attempt)


def run_in_savepoint(connection: Connection, work: Callable[[], _Result]) -> _Result:
    """Run a function in a savepoint of the open transaction; repeat it after a conflict.

    Rolling back the savepoint releases the locks that the function took. Deferred constraints are
    checked when the function returns.
    """

    def attempt() -> _Result:
        with connection.begin_nested():
            result = work()
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        return result

    return retry_conflicts(attempt)


def retry_conflicts(attempt: Callable[[], _Result]) -> _Result:
    """Repeat a transaction or savepoint after a deadlock or serialization failure.

    Parameters
    ----------
    attempt
        Runs the whole transaction or savepoint.

    Raises
    ------
    DBAPIError
        If every attempt conflicted, or for any other error.
    """
    for number in range(1, CONFLICT_ATTEMPTS):
        try:
            return attempt()
        except DBAPIError as error:
            if not is_conflict(error):
                raise
            _log.info(
                "transaction conflicted with another (%d): %s", number, _one_line_message(error)
            )
        max_wait_s = min(CONFLICT_MAX_WAIT_S, CONFLICT_MIN_WAIT_S * 2**number)
        time.sleep(random.uniform(0.0, max_wait_s))
    return attempt()


def is_conflict(error: DBAPIError) -> bool:
    """Return whether a transaction failed by a deadlock or serialization failure."""
    return getattr(error.orig, "sqlstate", None) in CONFLICTS


def upgrade(bind: Engine | None = None) -> None:
    """Migrate a database's tables to the newest revision, and apply the rights.

    It is safe to run in two processes at once: the second waits, and has nothing left to do.

    Raises
    ------
    SetupError
        If the server can't be reached, is too old, lacks PostGIS, or refuses to create the tables,
        or if other work holds them longer than :data:`MIGRATION_LOCK_TIMEOUT_S`.
    ProgrammingError
        If a migration fails otherwise.
    """
    bind = bind or get_engine()
    url = printable_url(bind.url)

    def work(connection: Connection) -> None:
        _check_server(connection, url)
        _check_owner(connection, url)
        timeout = f"{MIGRATION_LOCK_TIMEOUT_S}s"
        connection.execute(select(func.set_config("lock_timeout", timeout, True)))
        locks.acquire(connection, Lock.MIGRATION)
        _refuse_newer_revision(connection, url)
        if not is_current_on(connection):
            _run_alembic("upgrade", connection, "head")
        security.apply_rules(connection)

    try:
        run_in_transaction(bind, work)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            seconds = MIGRATION_LOCK_TIMEOUT_S
            raise SetupError("database_locked", url=url, seconds=seconds) from error
        raise SetupError("database_unreachable", url=url, said=_one_line_message(error)) from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise SetupError(
            "database_right_missing", url=url, said=_one_line_message(error)
        ) from error


def downgrade(bind: Engine, revision: str) -> None:
    """Migrate a database's tables down to a revision."""
    with bind.begin() as connection:
        security.withdraw_rights(connection)
        _run_alembic("downgrade", connection, revision)


def migrate(connection: Connection, revision: str) -> None:
    """Migrate the tables up or down to a revision in the open transaction.

    The rights must have been withdrawn (:func:`geo.db.security.withdraw_rights`).
    """
    is_older = revision < revision_of(connection) if revision != "head" else False
    _run_alembic("downgrade" if is_older else "upgrade", connection, revision)


def revision_of(connection: Connection) -> str:
    """Return the revision of the tables, empty if there are none."""
    return max(_read_revisions(connection), default="")


def is_known_revision(revision: str) -> bool:
    """Return whether this version has a migration of a revision."""
    return revision in _revision_ids()


def is_current(bind: Engine) -> bool:
    """Return whether a database is at the newest revision."""
    with bind.connect() as connection:
        return is_current_on(connection)


def is_current_on(connection: Connection) -> bool:
    """Return whether the database of a connection is at the newest revision."""
    return _read_revisions(connection) == (max(_revision_ids()),)


def _read_revisions(connection: Connection) -> tuple[str, ...]:
    """Return the revisions that Alembic has recorded, none in an empty database."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return ()
    return tuple(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@cache
def _revision_ids() -> frozenset[str]:
    """Return the revisions of all migrations, the first digits of their file names."""
    return frozenset(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _refuse_newer_revision(connection: Connection, url: str) -> None:
    """Refuse tables that a newer Gridatlas migrated: this version would misread them."""
    for revision in _read_revisions(connection):
        if revision not in _revision_ids():
            raise SetupError("database_from_the_future", url=url, revision=revision)


def _run_alembic(command: str, connection: Connection, revision: str) -> None:
    """Upgrade or downgrade the tables to a revision, by the name of Alembic's command."""
    from alembic import command as commands

    getattr(commands, command)(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> "Config":
    """Return Alembic's configuration for an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", os.fspath(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _check_server(connection: Connection, url: str) -> None:
    """Refuse a server that is too old, not in UTF-8 or without PostGIS."""
    version, encoding = connection.exec_driver_sql(
        "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
    ).one()
    if version < MIN_POSTGRESQL * 10_000:
        raise SetupError("server_too_old", url=url, version=version // 10_000)
    if encoding != "UTF8":
        raise SetupError("database_encoding", url=url, encoding=encoding)
    postgis = connection.exec_driver_sql(
        "SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'"
    ).scalar()
    if postgis is None or tuple(map(int, postgis.split(".")[:2])) < MIN_POSTGIS:
        raise SetupError("server_without_postgis", packages=cluster.PACKAGES)


def _check_owner(connection: Connection, url: str) -> None:
    """Refuse a role that can't own the tables, with one line for each missing right."""
    if missing := security.missing_owner_rights(connection):
        lines = (
            message(f"owner.{key}", names=names, statement=statement)
            for key, names, statement in missing
        )
        raise SetupError("owner_rights_missing", url=url, lines="\n".join(lines))


def _one_line_message(error: DBAPIError) -> str:
    """Return the server's message in one line."""
    return " ".join(str(error.orig).split())
