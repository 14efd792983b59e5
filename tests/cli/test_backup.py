"""Backup and restore: what comes back is what was there."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import create_engine, text

from geo import cluster
from tests import town as t
from tests.conftest import on_server

TABLES = ("region", "building", "grid_plan", "grid", "grid_member", "account")


def gridatlas(*words, url):
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *map(str, words)],
        env=os.environ | {"DATABASE_URL": url, "GRIDATLAS_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def contents(url):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table: connection.execute(
                text(f"SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM {table} row")
            ).scalar()
            for table in TABLES
        }
        policies = connection.execute(text("SELECT count(*) FROM pg_policies")).scalar()
        shown = connection.execute(text("SELECT count(*) FROM published.grid")).scalar()
    engine.dispose()
    return found, policies, shown


@pytest.fixture
def empty(home):
    name = f"restored_{os.getpid()}"
    on_server(home, f'CREATE DATABASE "{name}"')
    yield cluster.url(home, name)
    on_server(home, f'DROP DATABASE "{name}" WITH (FORCE)')


def test_what_is_restored_is_what_was_backed_up(database, empty, tmp_path):
    t.build(database)
    url = os.environ["DATABASE_URL"]
    file = tmp_path / "city.backup"
    written = gridatlas("backup", file, url=url)
    assert written.returncode == 0, written.stderr
    restored = gridatlas("restore", file, url=empty)
    assert restored.returncode == 0, restored.stderr
    assert contents(empty) == contents(url)
    again = gridatlas("restore", file, url=empty)
    assert again.returncode == 2
    assert "--replace" in again.stderr
    assert gridatlas("restore", file, "--replace", url=empty).returncode == 0
    assert contents(empty) == contents(url)


def test_file_that_is_no_backup_is_refused_and_nothing_is_lost(database, tmp_path):
    t.build(database)
    url = os.environ["DATABASE_URL"]
    before = contents(url)
    bad = tmp_path / "bad"
    bad.write_bytes(b"not a dump")
    for file in (bad, tmp_path / "missing"):
        done = gridatlas("restore", file, "--replace", url=url)
        assert done.returncode in (1, 2)
        assert len(done.stderr.strip().splitlines()) == 1
    assert contents(url) == before
