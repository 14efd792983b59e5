"""The database of an installation: its engine and its migrations."""

import hmac
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, create_engine, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError

from geo import access, cluster
from geo.errors import SetupError
from geo.secrets import secret
from geo.settings import settings

if TYPE_CHECKING:
    from alembic.config import Config  # a third of a second, for the few who migrate

_HERE = Path(__file__).resolve().parent
MIGRATIONS = next(
    place for place in (_HERE / "migrations", _HERE.parent / "alembic") if place.is_dir()
)
"""In an installed package they lie beside this module, in a checkout at the top."""
LEAST_POSTGRESQL = cluster.LEAST_MAJOR
LEAST_POSTGIS = (3, 3)
_INSUFFICIENT_PRIVILEGE = "42501"
_LOCK = 4206_0002  # advisory lock of migrations: a number of our own


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
        return cluster.ensure(settings().home)
    url = _configured(configured)
    options = f"{url.query.get('options', '')} -c gridatlas.owner=on".strip()
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def _configured(configured: str) -> URL:
    try:
        url = make_url(configured)
    except ArgumentError:
        raise SetupError("database_url_malformed") from None
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise SetupError("database_url_malformed")
    return url.set(drivername="postgresql+psycopg")


@cache
def engine() -> Engine:
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
        return _configured(settings().api_database_url)
    owner = owner or make_url(database_url())
    query = {name: value for name, value in owner.query.items() if name != "options"}
    login = owner.set(username=access.LOGIN, query=query)
    return login.set(password=login_password()) if owner.password else login


def login_password() -> str:
    """Return the password of the API's login role, made from the installation's secret."""
    return hmac.digest(secret(), b"database login", "sha256").hex()


def api_engine(url: URL | None = None) -> Engine:
    """Return an engine that signs in as the API does: bounded in connections and time."""
    limits = (
        f"-c statement_timeout={settings().statement_timeout_s}s -c lock_timeout=5s "
        "-c idle_in_transaction_session_timeout=60s"
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
        sql.Identifier(access.LOGIN), sql.Literal(url.password)
    )
    try:
        with engine().begin() as connection:
            connection.connection.driver_connection.execute(statement)  # type: ignore[union-attr]
    except (psycopg.Error, DBAPIError) as error:
        raise SetupError(
            "login_refused", role=access.LOGIN, said=" ".join(str(error).split())
        ) from error


def forget() -> None:
    """Forget engine and settings, so that they are read anew from the environment."""
    if engine.cache_info().currsize:
        engine().dispose()
    engine.cache_clear()
    settings.cache_clear()


def upgrade(bind: Engine | None = None, revision: str = "head") -> None:
    """Bring a database's tables to a revision of the history.

    Two processes at once are safe: the second waits, and finds nothing left to do.

    Raises
    ------
    SetupError
        If the server can't be reached, is too old, has no PostGIS, or refuses the tables.
    """
    bind = bind or engine()
    shown = bind.url.render_as_string()
    try:
        with bind.begin() as connection:
            _check_server(connection, shown)
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            _refuse_future(connection, shown)
            if revision != "head" or not _is_at_head(connection):
                _alembic("upgrade", connection, revision)
            if _is_at_head(connection):
                access.apply(connection)
    except OperationalError as error:
        raise SetupError("database_unreachable", url=shown, said=_line(error)) from error
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise SetupError("database_right_missing", url=shown, said=_line(error)) from error


def downgrade(bind: Engine, revision: str) -> None:
    """Take a database's tables back to a revision of the history."""
    with bind.begin() as connection:
        access.withdraw(connection)
        _alembic("downgrade", connection, revision)


def is_current(bind: Engine) -> bool:
    """Return whether a database is at the head of the history."""
    with bind.connect() as connection:
        return _is_at_head(connection)


def is_current_on(connection: Connection) -> bool:
    """Return whether the database of a connection is at the head of the history."""
    return _is_at_head(connection)


def _is_at_head(connection: Connection) -> bool:
    return _revisions(connection) == (max(_known_revisions()),)


def _revisions(connection: Connection) -> tuple[str, ...]:
    """Return where in the history a database stands."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return ()
    return tuple(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


@cache
def _known_revisions() -> frozenset[str]:
    """Return the revisions of the history, which the names of its files begin with."""
    return frozenset(file.name[:4] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _refuse_future(connection: Connection, url: str) -> None:
    """Refuse tables that a newer Gridatlas made: this one would misread them."""
    for revision in _revisions(connection):
        if revision not in _known_revisions():
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
    if version < LEAST_POSTGRESQL * 10_000:
        raise SetupError("server_too_old", url=url, version=version // 10_000)
    if encoding != "UTF8":
        raise SetupError("database_encoding", url=url, encoding=encoding)
    postgis = connection.execute(
        text("SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'")
    ).scalar()
    if postgis is None or tuple(map(int, postgis.split(".")[:2])) < LEAST_POSTGIS:
        raise SetupError("server_without_postgis", packages=cluster.PACKAGES)


def _line(error: DBAPIError) -> str:
    """Return what the server said, in one line."""
    return " ".join(str(error.orig).split())
