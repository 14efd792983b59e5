"""Backup and restore: a restored database equals the original; a failed restore changes nothing."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from geo import db
from geo.db import backup as db_backup
from geo.db import cluster, restore
from geo.errors import ConflictError, GridatlasError, InputError
from geo.locks import Lock
from tests import town as t
from tests.cli import killed_restores
from tests.cli.killed_restores import contents, engine_of
from tests.command import gridatlas
from tests.conftest import on_server
from tests.server import serving
from tests.waiting import TIMEOUT_S

KILLS = 4


@pytest.fixture
def empty(home):
    name = f"restored_{os.getpid()}"
    on_server(home, f'CREATE DATABASE "{name}"')
    yield cluster.url(home, name)
    on_server(home, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def city(database, tmp_path):
    """Return a backup; the database has other rows since."""
    t.build(database)
    file = tmp_path / "city.backup"
    db_backup.backup(file)
    with database.begin() as connection:
        connection.execute(text("UPDATE building SET name = 'since'"))
    return file


def test_restored_database_equals_the_original(database, empty, tmp_path):
    t.build(database)
    url = os.environ["DATABASE_URL"]
    file = tmp_path / "city.backup"
    written = gridatlas("backup", file, DATABASE_URL=url)
    assert written.returncode == 0, written.stderr
    restored = gridatlas("restore", file, DATABASE_URL=empty)
    assert restored.returncode == 0, restored.stderr
    assert contents(engine_of(empty)) == contents(engine_of(url))
    again = gridatlas("restore", file, DATABASE_URL=empty)
    assert again.returncode == 2
    assert "--replace" in again.stderr
    assert gridatlas("restore", file, "--replace", DATABASE_URL=empty).returncode == 0
    assert contents(engine_of(empty)) == contents(engine_of(url))


def rewritten(file, change=lambda manifest: None, replaced=None, left_out=()):
    """Return an archive whose manifest or members differ, with a digest of its own."""
    result = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(result, "w") as target:
        for name in source.namelist():
            content = (replaced or {}).get(name, source.read(name))
            if name == "manifest.json":
                manifest = json.loads(content)
                change(manifest)
                content = json.dumps(manifest)
            if name not in left_out:
                target.writestr(name, content)
        target.comment = bytes(64)
    content = result.getvalue()[:-64]
    return content + hashlib.sha256(content).hexdigest().encode()


def flipped(content, share):
    place = int(len(content) * share)
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


def zipped(**members):
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    return result.getvalue()


def tarred(content):
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w:gz") as target:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        target.addfile(member, io.BytesIO(content))
    return result.getvalue()


def pg_dump(url, form):
    given = make_url(url)
    server = ("-h", given.query["host"], "-p", given.query["port"], "-U", given.username)
    command = (shutil.which("pg_dump"), *server, f"-F{form}", given.database)
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture
def foreign(home):
    """Return the URL of a database of something else."""
    name = f"foreign_{os.getpid()}"
    on_server(home, f'CREATE DATABASE "{name}"')
    url = cluster.url(home, name)
    other = create_engine(url)
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE region AS SELECT 1 AS code"))
    other.dispose()
    yield url
    on_server(home, f'DROP DATABASE "{name}" WITH (FORCE)')


def damaged_archives(file, foreign, own):
    content = file.read_bytes()
    yield from {
        "half": content[: len(content) // 2],
        "99.9 %": content[: int(len(content) * 0.999)],
        "less 10 bytes": content[:-10],
        "less one byte": content[:-1],
        "a piece missing": content[:5000] + content[6000:],
        "empty": b"",
        "text": b"not a dump",
        "another zip": zipped(readme="hello", **{"manifest.json": "{}"}),
        "tar": tarred(b"{}"),
        "foreign dump": pg_dump(foreign, "c"),
        "foreign dump as tar": pg_dump(foreign, "t"),
        "foreign dump as SQL": pg_dump(foreign, "p"),
        "own dump by pg_dump": pg_dump(own, "c"),
        "no manifest": rewritten(file, left_out=("manifest.json",)),
        "no rows of a table": rewritten(file, left_out=("tables/building",)),
        "other rows": rewritten(file, replaced={"tables/building": b"\\.\n"}),
        "a table not in the manifest": rewritten(file, lambda m: m["tables"].pop(3)),
        "other count": rewritten(file, lambda m: m["tables"][3].update(rows=10**6)),
        "foreign table": rewritten(file, lambda m: m["tables"][3].update(name="pg_authid")),
        "newer format": rewritten(file, lambda m: m.update(version=2)),
        "newer tables": rewritten(file, lambda m: m.update(revision="9999")),
        "manifest of nothing": rewritten(file, replaced={"manifest.json": b'{"version": 1}'}),
    }.items()
    for share in (0.001, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99):
        yield f"a bit flipped at {share}", flipped(content, share)


def test_damaged_or_foreign_archive_changes_nothing(database, city, foreign):
    before = contents(database)
    assert zipfile.is_zipfile(city)
    wrong = []
    for kind, content in damaged_archives(city, foreign, os.environ["DATABASE_URL"]):
        bad = city.with_name("bad")
        bad.write_bytes(content)
        try:
            restore.restore(bad, replace=True)
            wrong.append(f"{kind}: restored")
        except GridatlasError as error:
            if "Nothing was changed" not in error.message("en"):
                wrong.append(f"{kind}: {error.message('en')}")
        if contents(database) != before:
            wrong.append(f"{kind}: changed")
            break
    assert wrong == []


def test_file_that_is_not_a_backup_is_refused_in_one_line(database, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(b"not a dump")
    for file in (bad, tmp_path / "missing"):
        done = gridatlas("restore", file, "--replace", DATABASE_URL=os.environ["DATABASE_URL"])
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1


def test_killed_restore_leaves_all_old_or_all_new_rows(database, tmp_path):
    program = (sys.executable, "-m", killed_restores.__name__)
    report = subprocess.run(
        [*program, os.environ["DATABASE_URL"], tmp_path, str(KILLS)],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(report.stdout)
    assert seen["lost"] == []
    assert seen["old"] + seen["new"] == KILLS


# All of tables that hold no rows here.
COLUMNS_SINCE_0026 = {
    "hydrant_inspection": ("grid_code", "device_at", "key", "request"),
    "job": ("result",),
    "service_case": ("anonymized_at",),
    "session": ("rotated_at",),
    "visit": ("device_at", "anonymized_at"),
}
TABLES_SINCE_0026 = {
    *("plan_comment", "assessment_month", "assessment_measure", "dwelling_verification")
}


def test_backup_of_older_tables_is_migrated(database, city):
    older = city.with_name("older")

    def as_of_0026(manifest):
        manifest["revision"] = "0026"
        manifest["tables"] = [
            table for table in manifest["tables"] if table["name"] not in TABLES_SINCE_0026
        ]
        for table in manifest["tables"]:
            later = COLUMNS_SINCE_0026.get(table["name"], ())
            table["columns"] = [name for name in table["columns"] if name not in later]

    older.write_bytes(rewritten(city, as_of_0026))
    restore.restore(city, replace=True)
    expected = contents(database)
    with database.begin() as connection:
        connection.execute(text("UPDATE building SET name = 'since'"))
    restore.restore(older, replace=True)
    assert db.is_current(database)
    assert contents(database) == expected


def test_restore_is_refused_with_the_sessions_that_use_the_database(database, city):
    before = contents(database)
    with database.connect() as working:
        working.execute(
            text(
                f"SELECT pg_advisory_lock({int(Lock.LAYER)}, 1), "
                "set_config('application_name', 'night', false)"
            )
        )
        working.commit()
        with pytest.raises(ConflictError, match="night"):
            restore.restore(city, replace=True)
        assert contents(database) == before
        working.execute(text("SELECT pg_advisory_unlock_all()"))
    restore.restore(city, replace=True)


def test_restore_gives_up_on_tables_that_stay_locked(database, city, monkeypatch):
    monkeypatch.setattr(restore, "LOCK_TIMEOUT_S", 0)
    before = contents(database)
    with database.connect() as reader:
        reader.execute(text("SELECT count(*) FROM road"))
        with pytest.raises(ConflictError):
            restore.restore(city, replace=True)
    assert contents(database) == before


def test_api_serves_the_restored_data(database, city):
    with serving(database) as address, httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
        client.get("/regions").raise_for_status()
        with database.begin() as connection:
            connection.execute(text("UPDATE region SET name = 'since' WHERE level = 'street'"))
        changes = text("SELECT changes FROM layer_change WHERE layer = 'region'")
        with database.connect() as connection:
            before = connection.scalar(changes)
        restore.restore(city, replace=True)
        answer = client.get("/regions")
        assert answer.status_code == 200
        assert "since" not in answer.text
        with database.connect() as connection:  # or a tile of other rows could have the same tag
            assert connection.scalar(changes) > before


def test_api_reports_that_it_is_busy_during_a_restore(database, city):
    with serving(database, timeout_s=1) as address, database.connect() as restoring:
        restoring.execute(text("LOCK TABLE region IN ACCESS EXCLUSIVE MODE"))
        answer = httpx.get(f"{address}/regions", timeout=TIMEOUT_S)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_sequences_do_not_repeat_numbers_used_since_the_backup(database, city):
    insert = text(
        "INSERT INTO audit_event (actor, action, object_type) VALUES ('x', 'y', 'z') RETURNING id"
    )
    with database.begin() as connection:
        last = max(connection.scalar(insert) for _ in range(3))
    restore.restore(city, replace=True)
    with database.begin() as connection:
        assert connection.scalar(insert) > last


def test_refused_restore_leaves_sequences_unchanged(database, city):
    numbers = text("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
    with database.connect() as connection:
        before = connection.execute(numbers).all()
    bad = city.with_name("bad")
    bad.write_bytes(rewritten(city, lambda m: m["tables"][-1].update(rows=10**6)))
    with pytest.raises(InputError):
        restore.restore(bad, replace=True)
    with database.connect() as connection:
        assert connection.execute(numbers).all() == before


def test_held_run_is_closed_with_a_reason(database, tmp_path):
    run = "INSERT INTO import_run (layer, source, status) VALUES ('road', 'x', 'held')"
    with database.begin() as connection:
        connection.execute(text(run))
    db_backup.backup(tmp_path / "city.backup")
    restore.restore(tmp_path / "city.backup", replace=True)
    with database.connect() as connection:
        status, report = connection.execute(text("SELECT status, report FROM import_run")).one()
    assert status == "failed"
    assert "again" in report["failure"]
    assert "重新" in report["failure_zh"]
