"""The database of an installation: connections, migrations, roles, views, backup."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geo.db.engine import (
        MIN_POSTGIS,
        MIN_POSTGRESQL,
        alembic_config,
        api_engine,
        api_url,
        database_url,
        downgrade,
        ensure_login,
        forbid_server_start,
        get_engine,
        is_conflict,
        is_current,
        is_current_on,
        is_known_revision,
        login_password,
        migrate,
        printable_url,
        reset_engine,
        retry_conflicts,
        revision_of,
        run_in_savepoint,
        run_in_transaction,
        upgrade,
    )


def __getattr__(name: str) -> Any:
    """Return what :mod:`geo.db.engine` offers, loaded when it is first asked for.

    It takes half a second, for which the command line need not wait before it knows its command.
    """
    return getattr(import_module("geo.db.engine"), name)
