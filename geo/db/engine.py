"""The database of an installation: its engine and its migrations."""

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
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError

from geo import locks
from geo.db import local_server, security
from geo.errors import SetupError
from geo.locks import Lock
from geo.messages import text as message
from geo.secrets import secret
from geo.settings import settings

if TYPE_CHECKING:
    from alembic.config import Config  # a third of a second, for the few who migrate

_HERE = Path(__file__).resolve().parents[1]
MIGRATIONS = next(
    place for place in (_HERE / "migrations", _HERE.parent / "alembic") if place.is_dir()
)
"""In an installed package they lie beside this module, in a checkout at the top."""
MIN_POSTGRESQL = local_server.MIN_MAJOR
MIN_POSTGIS = (3, 3)
_INSUFFICIENT_PRIVILEGE = "42501"

CONFLICTS = frozenset({"40001", "40P01"})
"""States of SQL in which a transaction lost against another: the same one may pass next time."""
CONFLICT_ATTEMPTS = 8
CONFLICT_WAIT_S, CONFLICT_LONGEST_WAIT_S = 0.02, 1.0

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


def database_url() -> str:
    """Return the owner's URL of the database: ``DATABASE_URL``, else the private cluster, started.

    Its sessions say that they are the owner's, whom row-level security lets see everything.

    Raises
    ------
    SetupError
        If ``DATABASE_URL`` is no URL, or the private cluster can't be made or started.
    """
    configured = settings().database_url
    if not configured:
        return local_server.ensure_running(settings().home)
    url = _to_url(configured)
    own = str(url.query.get("options", "")).replace(local_server.UTC_SESSION, "").strip()
    options = f"{own} -c gridatlas.owner=on {local_server.UTC_SESSION}".strip()
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def printable_url(url: URL) -> str:
    """Return a URL as it is shown to people: without password and session options."""
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
    """Return the engine of the installation's database, made once a process."""
    return create_engine(database_url(), pool_pre_ping=True)


def api_url(owner: URL | None = None) -> URL:
    """Return the URL by which the API signs in, as the role that can only switch to others.

    Parameters
    ----------
    owner
        The owner's URL; by default the installation's.
    """
    if owner is None and settings().api_database_url:
        return _to_url(settings().api_database_url)
    owner = owner or make_url(database_url())
    query = {**owner.query, "options": local_server.UTC_SESSION}
    login = owner.set(username=security.LOGIN, query=query)
    return login.set(password=login_password()) if owner.password else login


def login_password() -> str:
    """Return the password of the API's login role, made from the installation's secret."""
    return hmac.digest(secret(), b"database login", "sha256").hex()


def api_engine(url: URL | None = None) -> Engine:
    """Return an engine that signs in as the API does: bounded in connections and time."""
    limits = (
        f"-c statement_timeout={settings().statement_timeout_s}s -c lock_timeout=5s "
        f"-c idle_in_transaction_session_timeout=60s {local_server.UTC_SESSION}"
    )
    return create_engine(
        url or api_url(),
        pool_pre_ping=True,
        pool_size=settings().connections,
        max_overflow=0,
        pool_timeout=5,
        connect_args={"options": limits, "connect_timeout": 5, "application_name": "gridatlas"},
    )


def ensure_login() -> None:
    """Give the API's login role its password, where a server asks for one.

    Raises
    ------
    SetupError
        If the owner may not set it.
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
    """Forget engine and settings, so that they are read anew from the environment."""
    if get_engine.cache_info().currsize:
        get_engine().dispose()
    get_engine.cache_clear()
    settings.cache_clear()


def run_in_transaction(bind: Engine, work: Callable[[Connection], _Result]) -> _Result:
    """Do some work in a transaction of its own; repeat it if it loses against another."""

    def attempt() -> _Result:
        with bind.begin() as connection:
            return work(connection)

    return retry_conflicts(attempt)


def run_in_savepoint(connection: Connection, work: Callable[[], _Result]) -> _Result:
    """Do some work within the transaction that is open; repeat it if it loses against another.

    Locks that the work took are given back with its savepoint, and what the database would check
    at the end of the transaction is checked at the end of the work.
    """

    def attempt() -> _Result:
        with connection.begin_nested():
            result = work()
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        return result

    return retry_conflicts(attempt)


def retry_conflicts(attempt: Callable[[], _Result]) -> _Result:
    """Repeat a transaction or a savepoint that the database ended in favour of another.

    Parameters
    ----------
    attempt
        Begins the transaction or savepoint and ends it.

    Raises
    ------
    DBAPIError
        If it lost every time.
    """
    for number in range(1, CONFLICT_ATTEMPTS):
        try:
            return attempt()
        except DBAPIError as error:
            if not is_conflict(error):
                raise
            _log.info("transaction lost against another (%d): %s", number, _line(error))
        longest = min(CONFLICT_LONGEST_WAIT_S, CONFLICT_WAIT_S * 2**number)
        time.sleep(random.uniform(0.0, longest))
    return attempt()


def is_conflict(error: DBAPIError) -> bool:
    """Return whether a transaction was ended in favour of another."""
    return getattr(error.orig, "sqlstate", None) in CONFLICTS


def upgrade(bind: Engine | None = None, revision: str = "head") -> None:
    """Bring a database's tables to a revision of the history.

    Two processes at once are safe: the second waits, and finds nothing left to do.

    Raises
    ------
    SetupError
        If the server can't be reached, is too old, has no PostGIS, or refuses the tables.
    """
    bind = bind or get_engine()
    shown = printable_url(bind.url)

    def work(connection: Connection) -> None:
        _check_server(connection, shown)
        _check_owner(connection, shown)
        locks.acquire(connection, Lock.MIGRATION)
        _refuse_future(connection, shown)
        if revision != "head" or not _is_at_head(connection):
            _alembic("upgrade", connection, revision)
        if _is_at_head(connection):
            security.apply_rules(connection)

    try:
        run_in_transaction(bind, work)
    except OperationalError as error:
        raise SetupError("database_unreachable", url=shown, said=_line(error)) from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise SetupError("database_right_missing", url=shown, said=_line(error)) from error


def downgrade(bind: Engine, revision: str) -> None:
    """Take a database's tables back to a revision of the history."""
    with bind.begin() as connection:
        security.withdraw_rights(connection)
        _alembic("downgrade", connection, revision)


def migrate(connection: Connection, revision: str) -> None:
    """Take the tables to a revision, older or newer, in the open transaction.

    The rights must have been withdrawn (:func:`geo.db.security.withdraw_rights`).
    """
    is_older = revision < revision_of(connection) if revision != "head" else False
    _alembic("downgrade" if is_older else "upgrade", connection, revision)


def revision_of(connection: Connection) -> str:
    """Return the revision of the tables, empty if there are none."""
    return max(_revisions(connection), default="")


def is_known_revision(revision: str) -> bool:
    """Return whether a revision belongs to this version's history."""
    return revision in _revision_ids()


def is_current(bind: Engine) -> bool:
    """Return whether a database is at the head of the history."""
    with bind.connect() as connection:
        return _is_at_head(connection)


def is_current_on(connection: Connection) -> bool:
    """Return whether the database of a connection is at the head of the history."""
    return _is_at_head(connection)


def _is_at_head(connection: Connection) -> bool:
    return _revisions(connection) == (max(_revision_ids()),)


def _revisions(connection: Connection) -> tuple[str, ...]:
    """Return where in the history a database stands."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return ()
    return tuple(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@cache
def _revision_ids() -> frozenset[str]:
    """Return the revisions of the history, which the names of its files begin with."""
    return frozenset(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _refuse_future(connection: Connection, url: str) -> None:
    """Refuse tables that a newer Gridatlas made: this one would misread them."""
    for revision in _revisions(connection):
        if revision not in _revision_ids():
            raise SetupError("database_from_the_future", url=url, revision=revision)


def _alembic(command: str, connection: Connection, revision: str) -> None:
    from alembic import command as commands

    getattr(commands, command)(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> "Config":
    """Return Alembic's configuration, working on an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", os.fspath(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _check_server(connection: Connection, url: str) -> None:
    """Refuse a server that can't hold the tables."""
    version, encoding = connection.execute(
        text(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
        )
    ).one()
    if version < MIN_POSTGRESQL * 10_000:
        raise SetupError("server_too_old", url=url, version=version // 10_000)
    if encoding != "UTF8":
        raise SetupError("database_encoding", url=url, encoding=encoding)
    postgis = connection.execute(
        text("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'")
    ).scalar()
    if postgis is None or tuple(map(int, postgis.split(".")[:2])) < MIN_POSTGIS:
        raise SetupError("server_without_postgis", packages=local_server.PACKAGES)


def _check_owner(connection: Connection, url: str) -> None:
    """Refuse a role that can't own the tables: one line for each right that it lacks."""
    if missing := security.missing_owner_rights(connection):
        lines = (
            message(f"owner.{key}", names=names, statement=statement)
            for key, names, statement in missing
        )
        raise SetupError("owner_rights_missing", url=url, lines="\n".join(lines))


def _line(error: DBAPIError) -> str:
    """Return what the server said, in one line."""
    return " ".join(str(error.orig).split())
