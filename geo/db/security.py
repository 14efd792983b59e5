"""Enforcement of the access rights by the database: roles, row-level security and public views.

:func:`apply_rules` makes the database enforce :data:`geo.db.access_rules.RULES`. It runs after the
migrations, whenever the rules or the rights in the database's catalogue have changed: a table that
a migration creates has none. Row-level security is forced: even a table's owner sees no rows
without the setting ``gridatlas.owner``, which sessions of the command line have.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from geo.db.access_rules import ROLES, RULES, Rule
from geo.db.register_views import register_triggers, register_views
from geo.model import LAYERS, Base
from geo.model.run import REVISIONS

LOGIN = "gridatlas_api"
"""Role of the API's connections: it may switch to the others and nothing else."""

SERVICE_CALLER = "gridatlas_keeper"
"""Role that reads and writes accounts, sessions and the queue of jobs."""

PUBLISHER = "gridatlas_publisher"
"""Role that owns the public views."""

_SQL = Path(__file__).with_name("security.sql")
_PART_SEPARATOR = "-- next --\n"
_CURRENT_RIGHTS = Path(__file__).with_name("current_rights.sql").read_text(encoding="utf-8")
_OWNER_RIGHTS = text(Path(__file__).with_name("owner_rights.sql").read_text(encoding="utf-8"))
_FUNCTIONS = {
    "lies_in_scope": "geometry",
    "in_scope": "text",
    "gridatlas_scope": "",
    "own_grids": "",
    "count_change": "",
}
"""Functions that the rules use, with the types of their arguments, dependent ones first."""

EXTENSIONS = ("postgis", "pg_trgm", "btree_gist")


def database_role(role: str) -> str:
    """Return the database role of a caller's role."""
    return f"gridatlas_{role}"


def apply_rules(connection: Connection) -> bool:
    """Make the database enforce the rules, unless it does already.

    Returns
    -------
    bool
        Whether the database had to be changed.
    """
    script = ";\n".join(_all_statements())
    applied = connection.exec_driver_sql(
        "SELECT obj_description(to_regnamespace('published'), 'pg_namespace')"
    ).scalar()
    if applied == _digest_rights(connection, script):
        return False
    withdraw_rights(connection)
    session: Any = connection.connection.driver_connection
    session.execute(script)
    session.execute(f"COMMENT ON SCHEMA published IS '{_digest_rights(connection, script)}'")
    return True


def _digest_rights(connection: Connection, script: str) -> str:
    """Return a digest of the rules and of the rights in the database's catalogue."""
    rights = current_rights(connection)
    return hashlib.blake2b(f"{script}\n{rights}".encode(), digest_size=16).hexdigest()


def current_rights(connection: Connection) -> str:
    """Return the rights in the database's catalogue, one line each."""
    return str(connection.exec_driver_sql(_CURRENT_RIGHTS).scalar())


def missing_owner_rights(connection: Connection) -> list[tuple[str, str, str]]:
    """Return what the session's role lacks to own and migrate the tables.

    Returns
    -------
    list[tuple[str, str, str]]
        Key of the text (section ``owner`` of the catalogues), names of what is missing, and the
        statements with which an administrator of the server grants it.
    """
    rows = connection.execute(
        _OWNER_RIGHTS,
        {
            "extensions": list(EXTENSIONS),
            "tables": [*Base.metadata.tables, REVISIONS.name, "alembic_version"],
            "functions": list(_FUNCTIONS),
            "roles": [*map(database_role, ROLES), SERVICE_CALLER, PUBLISHER, LOGIN],
            "login": LOGIN,
            "publisher": PUBLISHER,
        },
    )
    return [(key, names, statement) for key, names, statement in rows]


def withdraw_rights(connection: Connection) -> None:
    """Remove views, policies and triggers, so that the tables can be changed."""
    connection.exec_driver_sql("DROP SCHEMA IF EXISTS published CASCADE")
    policies = connection.exec_driver_sql(
        "SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'public' "
        "AND starts_with(policyname, 'gridatlas ')"
    )
    for policy, table in policies.all():
        connection.exec_driver_sql(f'DROP POLICY "{policy}" ON "{table}"')
    for name, arguments in _FUNCTIONS.items():
        connection.exec_driver_sql(f"DROP FUNCTION IF EXISTS {name}({arguments}) CASCADE")


def _all_statements() -> Iterator[str]:
    """Yield the statements that create roles, row-level security and views."""
    roles, functions, views = _SQL.read_text(encoding="utf-8").split(_PART_SEPARATOR)
    yield roles
    yield functions
    for name in Base.metadata.tables:
        yield from _table_statements(name, RULES.get(name, Rule()))
    yield from _counter_statements()
    yield views
    yield register_views()
    yield from register_triggers()


def _table_statements(name: str, rule: Rule) -> Iterator[str]:
    """Yield the statements that enforce a rule."""
    names = ", ".join(map(database_role, (*ROLES, "keeper", "publisher")))
    yield f"REVOKE ALL ON {name} FROM PUBLIC, {names}"
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
    is_owner = "current_setting('gridatlas.owner', true) = 'on'"
    yield f'CREATE POLICY "gridatlas owner" ON {name} TO CURRENT_USER USING ({is_owner})'
    for role, condition in rule.read.items():
        yield _policy_statement(name, role, "SELECT", f"USING ({condition})")
        yield f"GRANT SELECT ON {name} TO {database_role(role)}"
    for role, condition in rule.write.items():
        yield _policy_statement(name, role, "INSERT", f"WITH CHECK ({condition})")
        yield _policy_statement(
            name, role, "UPDATE", f"USING ({condition}) WITH CHECK ({condition})"
        )
        yield _policy_statement(name, role, "DELETE", f"USING ({condition})")
        yield f"GRANT INSERT, UPDATE, DELETE ON {name} TO {database_role(role)}"
    for role, condition in rule.add.items():
        yield _policy_statement(name, role, "INSERT", f"WITH CHECK ({condition})")
        yield f"GRANT INSERT ON {name} TO {database_role(role)}"
    for role, condition in rule.change.items():
        yield _policy_statement(
            name, role, "UPDATE", f"USING ({condition}) WITH CHECK ({condition})"
        )
        yield f"GRANT UPDATE ON {name} TO {database_role(role)}"


def _policy_statement(table: str, role: str, command: str, condition: str) -> str:
    return (
        f'CREATE POLICY "gridatlas {role} {command.lower()}" ON {table} FOR {command} '
        f"TO {database_role(role)} {condition}"
    )


def _counter_statements() -> Iterator[str]:
    """Yield the triggers that count changes of layers, and of plans if they are published."""
    for layer in LAYERS:
        yield (
            f"CREATE OR REPLACE TRIGGER count_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE "
            f"ON {layer} FOR EACH STATEMENT EXECUTE FUNCTION count_change('{layer}')"
        )
    for event, condition in (
        ("UPDATE", "OLD IS DISTINCT FROM NEW AND 'published' IN (OLD.status, NEW.status)"),
        ("INSERT", "NEW.status = 'published'"),
        ("DELETE", "OLD.status = 'published'"),
    ):
        yield (
            f"CREATE OR REPLACE TRIGGER count_{event.lower()} AFTER {event} ON grid_plan "
            f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION count_change('grid')"
        )
