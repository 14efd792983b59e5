"""What can happen at night: afterwards live data are all old or all new, and life goes on."""

import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import NullPool, create_engine, text

from etl.pipeline.run import Request, import_file
from etl.runs.rollback import roll_back
from geo import db
from geo.db import cluster, local_server
from geo.errors import InputError, SetupError
from geo.settings import Settings
from tests.conftest import open_folder
from tests.etl import killed
from tests.etl.delivery import bring, frame, houses, mapping, rows, write
from tests.etl.proxy import wire

pytestmark = pytest.mark.usefixtures("english")

ROOT = Path(__file__).parents[3]
ALL = mapping(guard={"changed_percent": 100})


def names(engine) -> set[str]:
    return {name for (name,) in rows(engine, "SELECT DISTINCT name FROM building")}


def named(name: str, folder: Path, count: int = 30) -> Path:
    return write(houses(count, name=[name] * count), folder / f"{name}.gpkg")


def test_killed_importer_leaves_all_or_nothing(database, tmp_path):
    url = database.url.render_as_string(hide_password=False)
    environment = os.environ | {"PYTHONPATH": os.fspath(ROOT)}
    command = [sys.executable, "-m", "tests.etl.killed", url, os.fspath(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["wrong"] == []
    assert seen["boundaries"] >= 20
    assert seen["firsts"] >= 15
    assert seen["killed"] == killed.RANDOM_KILLS
    assert (seen["left"], seen["running"]) == ([], 0)


@pytest.fixture(scope="module")
def own_cluster():
    """Return the home of a cluster that may be killed."""
    with open_folder() as home:
        local_server.ensure_running(home)
        db.upgrade(create_engine(cluster.url(home), poolclass=NullPool))
        yield home
        local_server.stop(home)


def postmaster(home: Path) -> int:
    return int((cluster.data_directory(home) / "postmaster.pid").read_text().split("\n")[0])


def kill_server(home: Path) -> None:
    """Kill the server and its backends, of which one might still commit."""
    main = postmaster(home)
    backends = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    for process in (main, *map(int, backends)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def largest_file(home: Path, size: str) -> None:
    """Limit the files that the server may write, as its own user may."""
    owner = cluster.data_directory(home).owner()
    switch = ["runuser", "-u", owner, "--"] if os.geteuid() == 0 else []
    limit = ["prlimit", "--pid", str(postmaster(home)), f"--fsize={size}:"]
    subprocess.run([*switch, *limit], check=True)


def emptied(engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE building, building_history, import_run CASCADE"))


def test_server_killed_during_a_first_delivery_leaves_nothing_of_it(own_cluster, tmp_path):
    """Its features are written while they are read."""
    engine = create_engine(cluster.url(own_cluster), poolclass=NullPool)
    emptied(engine)

    def kill(step: str, done: int, total: int) -> None:
        if step == "stage" and done == total:
            kill_server(own_cluster)

    request = Request("building", named("new", tmp_path), ALL)
    with pytest.raises(SetupError, match="The connection to the database was lost"):
        import_file(engine, request, Settings(), kill)
    local_server.ensure_running(own_cluster)
    assert names(engine) == set()
    assert bring(engine, "building", named("new", tmp_path), ALL).status == "published"
    assert names(engine) == {"new"}


@pytest.mark.parametrize("moment", ["stage", "publish"])
def test_server_killed_in_the_middle_comes_back_with_the_old_state(own_cluster, tmp_path, moment):
    engine = create_engine(cluster.url(own_cluster), poolclass=NullPool)
    emptied(engine)
    bring(engine, "building", named("old", tmp_path), ALL)

    def kill(step: str, done: int, total: int) -> None:
        if step == moment and done == total:
            kill_server(own_cluster)

    request = Request("building", named("new", tmp_path), ALL)
    with pytest.raises(SetupError, match="The connection to the database was lost"):
        import_file(engine, request, Settings(), kill)
    local_server.ensure_running(own_cluster)
    assert names(engine) == {"old"}
    assert bring(engine, "building", named("new", tmp_path), ALL).status == "published"
    assert names(engine) == {"new"}
    states = rows(engine, "SELECT status FROM import_run ORDER BY id")
    assert states == [("published",), ("failed",), ("published",)]


@contextmanager
def little_room(home: Path, engine):
    """Have new tables lie on a disk of 8 MB.

    Where nobody may mount one, no file may grow past 17 MB, which PostgreSQL takes for a full disk
    too; segments of its log stay below.
    """
    disk = Path(tempfile.mkdtemp(prefix="gridatlas-disk-"))
    owner = pwd.getpwnam(cluster.data_directory(home).owner())
    held = f"size=8m,mode=700,uid={owner.pw_uid},gid={owner.pw_gid}"
    mount = ["mount", "-t", "tmpfs", "-o", held, "tmpfs", os.fspath(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        disk.rmdir()
        largest_file(home, "17825792")
        yield "no file may grow"
        largest_file(home, "unlimited")
        return
    admin = engine.execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE TABLESPACE little LOCATION '{disk}'"))
        connection.execute(text("ALTER DATABASE gridatlas SET default_tablespace = little"))
    try:
        yield "the disk is full"
    finally:
        with admin.connect() as connection:
            connection.execute(text("ALTER DATABASE gridatlas RESET default_tablespace"))
            connection.execute(text("DROP TABLESPACE little"))
        subprocess.run(["umount", os.fspath(disk)], check=True)
        disk.rmdir()


def test_full_disk_at_staging_changes_nothing(own_cluster, tmp_path):
    engine = create_engine(cluster.url(own_cluster), poolclass=NullPool)
    emptied(engine)
    bring(engine, "building", named("old", tmp_path), ALL)
    turn = np.linspace(0, 2 * np.pi, 12_000, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)]) * 1e-3
    shapes = [shapely.Polygon(circle + np.array([112.2 + i / 300, 32.1])) for i in range(160)]
    large = write(frame(shapes, code=[f"c{i}" for i in range(160)]), tmp_path / "large.gpkg")
    with little_room(own_cluster, engine) as how:
        with pytest.raises(SetupError, match="The database has run out of space") as error:
            bring(engine, "building", large, ALL)
        if how == "the disk is full":
            assert "No space left on device" in str(error.value)
        assert names(engine) == {"old"}
        assert rows(engine, "SELECT tablename FROM pg_tables WHERE schemaname = 'staging'") == []
        assert bring(engine, "building", named("new", tmp_path), ALL).status == "published"
    assert names(engine) == {"new"}


@pytest.mark.parametrize("cut", ["before", "after"])
def test_connection_lost_at_commit_is_found_out(database, home, tmp_path, cut):
    bring(database, "building", named("old", tmp_path), ALL)
    server = cluster.socket_directory(home) / ".s.PGSQL.5432"
    with tempfile.TemporaryDirectory() as here, wire(server, Path(here)) as line:
        url = database.url.update_query_dict({"host": here})
        engine = create_engine(url, poolclass=NullPool)

        def arm(step: str, done: int, total: int) -> None:
            if step == "publish" and done == total:
                line.cut = cut

        request = Request("building", named("new", tmp_path), ALL)
        if cut == "after":
            assert import_file(engine, request, Settings(), arm).status == "published"
        else:
            with pytest.raises(SetupError, match="The connection to the database was lost"):
                import_file(engine, request, Settings(), arm)
        assert line.cut is None
    assert names(database) == ({"new"} if cut == "after" else {"old"})
    assert bring(database, "building", named("newer", tmp_path), ALL).status == "published"


def test_importers_at_once_come_one_after_the_other(database, tmp_path):
    files = [named(name, tmp_path) for name in ("a", "b")]
    road = frame(
        [shapely.LineString([(112.14, 32.04), (112.15, 32.05)])], code=["r"], road_class=["alley"]
    )
    lane = write(road, tmp_path / "road.gpkg")
    jobs = [("building", files[0], ALL), ("building", files[1], ALL), ("road", lane, None)] * 2
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda job: bring(database, *job), jobs))
    assert {outcome.status for outcome in outcomes} <= {"published", "unchanged"}
    assert len(names(database)) == 1
    revisions = rows(database, "SELECT revision FROM import_run WHERE revision IS NOT NULL")
    assert len(set(revisions)) == len(revisions)
    assert rows(database, "SELECT count(*) FROM building, road") == [(30,)]


def test_readers_see_all_or_nothing_and_never_wait(database, tmp_path):
    bring(database, "building", named("a", tmp_path), ALL)
    seen: set[int] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.add(rows(database, "SELECT count(DISTINCT name) FROM building")[0][0])

    reader = threading.Thread(target=read)
    reader.start()
    for name in "bcd":
        bring(database, "building", named(name, tmp_path), ALL)
    over.set()
    reader.join()
    assert seen == {1}


def test_file_that_changes_while_it_is_read_is_not_published(database, tmp_path):
    bring(database, "building", named("old", tmp_path), ALL)
    file = named("new", tmp_path)

    def rewrite(step: str, done: int, total: int) -> None:
        if step == "stage":
            write(houses(30, name=["newer"] * 30), file)

    with pytest.raises(InputError) as refused:
        import_file(database, Request("building", file, ALL), Settings(), rewrite)
    assert refused.value.message("en") == (
        f"{file} changed while it was being read, so it is probably still being written. "
        "Nothing was published; run the import again when it is complete."
    )
    assert names(database) == {"old"}
    assert bring(database, "building", file, ALL).status == "published"


CHILD = """
import sys
from pathlib import Path
from sqlalchemy import NullPool, create_engine
from tests.conftest import open_folder
from tests.etl import killed
from tests.etl.delivery import ANYTHING, bring, mapping
engine = create_engine(sys.argv[1], poolclass=NullPool)
print(bring(engine, "building", Path(sys.argv[2]), mapping(guard=ANYTHING)).status)
"""


def imported(engine, file: Path) -> str:
    """Import a file in a process of its own, which has the clock of the environment."""
    url = engine.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, url, os.fspath(file)],
        env=os.environ | {"PYTHONPATH": os.fspath(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def clock(own_cluster, monkeypatch):
    """Set the clock of the server and of new processes back by days."""
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")

    def back(days: int) -> None:
        local_server.stop(own_cluster)
        monkeypatch.setenv("LD_PRELOAD", os.fspath(library))
        monkeypatch.setenv("FAKETIME", f"-{days}d")
        monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        local_server.ensure_running(own_cluster)

    yield back
    monkeypatch.undo()
    local_server.stop(own_cluster)
    local_server.ensure_running(own_cluster)


def test_clock_that_goes_backwards_breaks_nothing(own_cluster, clock, tmp_path):
    database = create_engine(cluster.url(own_cluster), poolclass=NullPool)
    emptied(database)
    data = houses(30, name=["a"] * 30)
    data.loc[29, "households"] = -1
    bring(database, "building", write(data, tmp_path / "a.gpkg"), ALL)
    first = bring(database, "building", named("b", tmp_path, 29), ALL)
    clock(1)
    assert rows(database, "SELECT max(started_at) > now() FROM import_run") == [(True,)]
    assert imported(database, named("b", tmp_path, 29)) == "unchanged"
    assert imported(database, named("c", tmp_path)) == "published"
    [(second,)] = rows(database, "SELECT max(id) FROM import_run")
    [(backwards,)] = rows(
        database,
        "SELECT started_at < (SELECT started_at FROM import_run WHERE id = :first) "
        "FROM import_run WHERE id = :second",
        first=first.run,
        second=second,
    )
    assert backwards
    wrong = rows(
        database,
        "SELECT count(*) FROM building_history h JOIN building b USING (code) "
        "WHERE h.valid_from >= h.valid_to OR h.valid_to > b.valid_from",
    )
    assert wrong == [(0,)]
    [(revision, later)] = rows(
        database,
        "SELECT revision, revision > (SELECT max(revision) FROM building_history) "
        "FROM layer_revision WHERE layer = 'building'",
    )
    assert (revision, later) == (rows(database, "SELECT max(revision) FROM building")[0][0], True)
    assert rows(database, "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL") == [(0,)]
    roll_back(database, second)
    assert names(database) == {"b"}
    assert bring(database, "building", named("d", tmp_path), ALL).status == "published"
