"""The database of an installation: its engine and its migrations."""

import os
from functools import cache
from pathlib import Path

from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from geo import cluster
from geo.errors import SetupError
from geo.settings import settings

MIGRATIONS = Path(__file__).resolve().parent.parent / "alembic"
LEAST_POSTGIS = (3, 3)


def database_url() -> str:
    """Return the URL of the database: ``DATABASE_URL``, else the private cluster, started."""
    configured = settings().database_url
    if not configured:
        return cluster.ensure(settings().home)
    url = make_url(configured)
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


@cache
def engine() -> Engine:
    """Return the engine of the installation's database, made once a process."""
    return create_engine(database_url(), pool_pre_ping=True)


def forget() -> None:
    """Forget engine and settings, so that they are read anew from the environment."""
    if engine.cache_info().currsize:
        engine().dispose()
    engine.cache_clear()
    settings.cache_clear()


def upgrade(bind: Engine | None = None, revision: str = "head") -> None:
    """Bring a database's tables to a revision of the history.

    Raises
    ------
    SetupError
        If the server can't be reached, or has no PostGIS.
    """
    bind = bind or engine()
    try:
        with bind.begin() as connection:
            _check_postgis(connection)
            _alembic("upgrade", connection, revision)
    except OperationalError as error:
        raise SetupError(
            "database_unreachable", url=bind.url.render_as_string(), said=error.orig
        ) from error


def downgrade(bind: Engine, revision: str) -> None:
    """Take a database's tables back to a revision of the history."""
    with bind.begin() as connection:
        _alembic("downgrade", connection, revision)


def is_current(bind: Engine) -> bool:
    """Return whether a database is at the head of the history."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with bind.connect() as connection:
        heads = MigrationContext.configure(connection).get_current_heads()
    return set(heads) == set(ScriptDirectory(os.fspath(MIGRATIONS)).get_heads())


def _alembic(command: str, connection: Connection, revision: str) -> None:
    from alembic import command as commands

    getattr(commands, command)(alembic_config(connection), revision)


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration, working on an open connection."""
    config = Config()
    config.set_main_option("script_location", os.fspath(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _check_postgis(connection: Connection) -> None:
    """Refuse a server without the extensions."""
    asked = text("SELECT default_version FROM pg_available_extensions WHERE name = :name")
    found = connection.execute(asked, {"name": "postgis"}).scalar()
    routing = connection.execute(asked, {"name": "pgrouting"}).scalar()
    new_enough = found is not None and tuple(map(int, found.split(".")[:2])) >= LEAST_POSTGIS
    if not new_enough or routing is None:
        raise SetupError("server_without_postgis", packages=cluster.PACKAGES)
