"""Advisory locks have one place, and transactions that lose against another are repeated."""

import logging
import re
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from geo import db, locks
from geo.db import engine
from geo.db.engine import CONFLICT_ATTEMPTS
from geo.errors import SetupError
from geo.locks import Lock
from tests.waiting import TIMEOUT_S, Task, wait_for_waiting

ROOT = Path(__file__).resolve().parents[2]
CODE = ("geo", "etl", "api", "maps", "cli", "alembic", "bench", "deploy")


def test_namespaces_differ():
    names = Counter(member.value for member in Lock.__members__.values())
    assert len(names) == len(Lock.__members__) >= 11


def test_no_other_module_takes_an_advisory_lock():
    files = [
        file
        for folder in CODE
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".sql", ".sh", ".toml"} and "node_modules" not in file.parts
    ]
    assert len(files) > 200
    taking = {
        file.relative_to(ROOT).as_posix()
        for file in files
        if re.search(r"pg_(try_)?advisory", file.read_text(encoding="utf-8"))
    }
    assert taking == {"geo/locks.py"}


def test_no_function_of_the_database_takes_an_advisory_lock(database):
    with database.connect() as connection:
        taking = connection.scalars(
            text(
                "SELECT p.oid::regprocedure::text FROM pg_proc p "
                "JOIN pg_namespace n ON n.oid = p.pronamespace "
                "WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') "
                "AND p.prosrc ~ 'pg_(try_)?advisory' AND NOT EXISTS ("
                "SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
            )
        ).all()
    assert taking == []


def test_migration_gives_up_waiting_for_another(database, monkeypatch):
    monkeypatch.setattr(engine, "MIGRATION_LOCK_TIMEOUT_S", 1)
    with database.begin() as other:
        locks.acquire(other, Lock.MIGRATION)
        with pytest.raises(SetupError) as refused:
            db.upgrade(database)
    assert refused.value.key == "database_locked"
    assert "within 1 s" in refused.value.message("en")
    db.upgrade(database)


@pytest.mark.parametrize("key", [7, 2**40, "420602001001"])
def test_lock_of_one_namespace_is_free_in_another(database, key):
    with database.begin() as one, database.begin() as other:
        locks.acquire(one, Lock.IMPORT_RUN, key)
        assert not locks.try_acquire(other, Lock.IMPORT_RUN, key)
        assert locks.try_acquire(other, Lock.JOB, key)


def crossing(database, run):
    """Do two transactions that write the same two rows, the second in the opposite order."""
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE crossed (name text PRIMARY KEY, n int)"))
        connection.execute(text("INSERT INTO crossed VALUES ('a', 0), ('b', 0)"))
    add = text("UPDATE crossed SET n = n + 1 WHERE name = :name")
    has_written = threading.Event()
    with database.begin() as first:
        first.execute(text("SET LOCAL deadlock_timeout = '1min'"))  # so that the other is ended
        first.execute(add, {"name": "a"})

        def work(connection):
            connection.execute(text("SET LOCAL deadlock_timeout = '1ms'"))
            connection.execute(add, {"name": "b"})
            if not has_written.is_set():
                has_written.set()
                wait_for_waiting(database)
            connection.execute(add, {"name": "a"})

        second = Task(lambda: run(work))
        assert has_written.wait(TIMEOUT_S)
        first.execute(add, {"name": "b"})
    second.end()
    with database.connect() as connection:
        return dict(connection.execute(text("SELECT name, n FROM crossed")).all())


def test_deadlocked_transaction_is_repeated(database, caplog):
    caplog.set_level(logging.INFO, "geo.db")
    found = crossing(database, lambda work: db.run_in_transaction(database, work))
    assert found == {"a": 2, "b": 2}
    assert "deadlock detected" in caplog.text


def test_deadlocked_savepoint_is_repeated_in_its_transaction(database):
    def run(work):
        with database.begin() as connection:
            connection.execute(text("CREATE TEMPORARY TABLE mine (n int) ON COMMIT DROP"))
            db.run_in_savepoint(connection, lambda: work(connection))
            connection.execute(text("SELECT n FROM mine"))

    assert crossing(database, run) == {"a": 2, "b": 2}


def test_conflict_that_does_not_end_is_raised_after_some_attempts(database):
    attempts = 0

    def lose(connection):
        nonlocal attempts
        attempts += 1
        connection.execute(text("DO $$ BEGIN RAISE serialization_failure; END $$"))

    with pytest.raises(DBAPIError):
        db.run_in_transaction(database, lose)
    assert attempts == CONFLICT_ATTEMPTS


def test_other_errors_are_raised_at_once(database):
    attempts = 0

    def fail(connection):
        nonlocal attempts
        attempts += 1
        connection.execute(text("SELECT 1 / 0"))

    with pytest.raises(DBAPIError):
        db.run_in_transaction(database, fail)
    assert attempts == 1
