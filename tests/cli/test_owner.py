"""A database owner without superuser rights, with the grants of deploy/owner.sql."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from geo import db
from geo.db import cluster, local_server, security
from geo.errors import SetupError
from tests import town as t
from tests.cli import killed_restores
from tests.command import gridatlas
from tests.conftest import on_server, open_folder
from tests.server import serving
from tests.waiting import TIMEOUT_S

GRANTS = Path(__file__).parents[2] / "deploy" / "owner.sql"
KILLS = 2


@pytest.fixture(scope="module")
def server():
    """Return the home of a cluster on which an administrator ran the documented grants."""
    with new_home() as home:
        local_server.ensure_running(home)
        admin = make_url(cluster.url(home, "postgres"))
        psql = ("psql", "-q", "-d", "postgres", "-h", admin.query["host"], "-U", admin.username)
        subprocess.run([*psql, "-v", "owner=city", "-v", "database=city", "-f", GRANTS], check=True)
        yield home


@contextmanager
def new_home():
    with open_folder() as home:
        try:
            yield home
        finally:
            local_server.stop(home)


def url_of(server, user="city", database="city"):
    url = make_url(cluster.url(server, database)).set(username=user)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def owner(server, monkeypatch):
    """Return the URL of the owner's database; the installation's settings point at it."""
    monkeypatch.setenv("DATABASE_URL", url_of(server))
    monkeypatch.setenv("GRIDATLAS_HOME", os.fspath(server))
    db.reset_engine()
    yield url_of(server)
    db.reset_engine()


def test_owner_with_the_documented_grants_can_back_up_and_restore(owner, server, tmp_path):
    program = (sys.executable, "-m", killed_restores.__name__)
    report = subprocess.run(
        [*program, owner, tmp_path, str(KILLS), "500", server],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(report.stdout)
    assert seen["lost"] == []
    assert seen["server_kills"] == KILLS // 2
    with db.get_engine().connect() as connection:
        assert security.missing_owner_rights(connection) == []
        assert not connection.scalar(
            text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
        )
        assert connection.scalar(text("SELECT postgis_lib_version()"))


def test_api_answers_from_the_owners_database(owner):
    db.upgrade()
    with db.get_engine().begin() as connection:
        if not connection.scalar(text("SELECT count(*) FROM region")):
            connection.commit()
            t.build(db.get_engine())
    with serving(db.get_engine()) as address:
        answer = httpx.get(f"{address}/regions", timeout=TIMEOUT_S)
    assert answer.status_code == 200
    assert t.NORTH_GATE in answer.text


def test_each_missing_right_is_reported_with_its_grant_statement(server):
    on_server(server, "CREATE ROLE bare LOGIN")
    on_server(server, "CREATE DATABASE bare")
    refused = gridatlas("db", "upgrade", DATABASE_URL=url_of(server, "bare", "bare"))
    assert refused.returncode == 1
    lines = refused.stderr.strip().splitlines()
    assert len(lines) == 1 + 4  # extensions, database, schema, publisher
    administrator = create_engine(cluster.url(server, "bare"), isolation_level="AUTOCOMMIT")
    with administrator.connect() as connection:
        for line in lines[1:]:
            for statement in line.split(": ", 1)[1].split("; "):
                connection.execute(text(statement))
    administrator.dispose()
    accepted = gridatlas("db", "upgrade", DATABASE_URL=url_of(server, "bare", "bare"))
    assert accepted.returncode == 0, accepted.stderr


def test_missing_roles_and_foreign_tables_are_named(home, database):
    """The cluster's roles are not removed for this: what is asked for is another role's view."""
    role = f"plain_{uuid.uuid4().hex[:8]}"
    on_server(home, f"CREATE ROLE {role} LOGIN")
    url = database.url.set(username=role)
    engine = create_engine(url)
    try:
        with pytest.raises(SetupError) as refused:
            db.upgrade(engine)
        message = refused.value.message("en")
        assert f"ALTER TABLE public.building OWNER TO {role};" in message
        assert f"ALTER FUNCTION count_change() OWNER TO {role};" in message
        assert f"GRANT gridatlas_publisher TO {role};" in message
    finally:
        engine.dispose()
        on_server(home, f"DROP ROLE {role}")


def test_owner_with_createrole_needs_no_roles_created():
    """On a cluster without our roles: they are made by the first migration."""
    with new_home() as home:
        local_server.ensure_running(home)
        on_server(home, "CREATE ROLE plain LOGIN")
        on_server(home, "CREATE ROLE maker LOGIN CREATEROLE")
        for name in ("plain", "maker"):
            on_server(home, f"CREATE DATABASE {name} OWNER {name}")
            administrator = create_engine(cluster.url(home, name), isolation_level="AUTOCOMMIT")
            with administrator.connect() as connection:
                for extension in security.EXTENSIONS:
                    connection.execute(text(f"CREATE EXTENSION {extension}"))
            administrator.dispose()
        refused = gridatlas("db", "upgrade", DATABASE_URL=url_of(home, "plain", "plain"))
        assert len(refused.stderr.strip().splitlines()) == 1 + 3  # roles, members, publisher
        assert "CREATE ROLE gridatlas_api LOGIN NOINHERIT;" in refused.stderr
        accepted = gridatlas("db", "upgrade", DATABASE_URL=url_of(home, "maker", "maker"))
        assert accepted.returncode == 0, accepted.stderr
