"""What can happen at night: afterwards live data are all old or all new, and life goes on."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import shapely
from sqlalchemy import NullPool, create_engine, text

from etl.imports import Request, import_file
from etl.rollback import roll_back
from geo import cluster, db
from geo.errors import InputError, SetupError
from geo.settings import Settings
from tests.etl.delivery import bring, frame, houses, mapping, rows, write
from tests.etl.proxy import wire

ROOT = Path(__file__).parents[2]
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
    assert seen["random"] >= 50
    assert seen["killed"] >= 20
    assert (seen["left"], seen["running"]) == ([], 0)


@pytest.fixture(scope="module")
def own_cluster():
    """Return the home of a cluster that may be killed."""
    home = Path(tempfile.mkdtemp(prefix="gridatlas-faults-"))
    home.chmod(0o755)
    cluster.ensure(home)
    engine = create_engine(cluster.url(home), poolclass=NullPool)
    db.upgrade(engine)
    yield home
    cluster.stop(home)
    subprocess.run(
        ["rm", "-rf", os.fspath(home), os.fspath(cluster.directory(home).resolve())], check=True
    )


def postmaster(home: Path) -> int:
    return int((cluster.directory(home) / "postmaster.pid").read_text().split("\n")[0])


def largest_file(home: Path, size: str) -> None:
    """Limit the files that the server may write, as its own user may."""
    owner = cluster.directory(home).owner()
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
            os.kill(postmaster(own_cluster), signal.SIGKILL)

    request = Request("building", named("new", tmp_path), ALL)
    with pytest.raises(SetupError, match="The connection to the database broke"):
        import_file(engine, request, Settings(), kill)
    cluster.ensure(own_cluster)
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
            os.kill(postmaster(own_cluster), signal.SIGKILL)

    request = Request("building", named("new", tmp_path), ALL)
    with pytest.raises(SetupError, match="The connection to the database broke"):
        import_file(engine, request, Settings(), kill)
    cluster.ensure(own_cluster)
    assert names(engine) == {"old"}
    assert bring(engine, "building", named("new", tmp_path), ALL).status == "published"
    assert names(engine) == {"new"}
    states = rows(engine, "SELECT status FROM import_run ORDER BY id")
    assert states == [("published",), ("failed",), ("published",)]


def test_full_disk_at_staging_changes_nothing(own_cluster, tmp_path):
    """PostgreSQL takes a file that may not grow for a full disk; segments of its log stay below."""
    engine = create_engine(cluster.url(own_cluster), poolclass=NullPool)
    emptied(engine)
    bring(engine, "building", named("old", tmp_path), ALL)
    turn = np.linspace(0, 2 * np.pi, 12_000, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)]) * 1e-3
    shapes = [shapely.Polygon(circle + np.array([112.2 + i / 300, 32.1])) for i in range(160)]
    large = write(frame(shapes, code=[f"c{i}" for i in range(160)]), tmp_path / "large.gpkg")
    largest_file(own_cluster, "17825792")
    try:
        with pytest.raises(SetupError, match="The database has no room left"):
            bring(engine, "building", large, ALL)
    finally:
        largest_file(own_cluster, "unlimited")
    assert names(engine) == {"old"}
    assert rows(engine, "SELECT tablename FROM pg_tables WHERE schemaname = 'staging'") == []
    assert bring(engine, "building", named("new", tmp_path), ALL).status == "published"


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
            with pytest.raises(SetupError, match="The connection to the database broke"):
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
    slowest = [0.0]
    over = threading.Event()

    def read() -> None:
        import time

        while not over.is_set():
            began = time.monotonic()
            seen.add(rows(database, "SELECT count(DISTINCT name) FROM building")[0][0])
            slowest[0] = max(slowest[0], time.monotonic() - began)

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
        f"{file} changed while it was read: somebody is still writing it. Nothing was published; "
        "run the import again when it is complete."
    )
    assert names(database) == {"old"}
    assert bring(database, "building", file, ALL).status == "published"


TIMES = """
SELECT c.table_name, c.column_name FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
  AND c.data_type = 'timestamp with time zone'
"""


def set_ahead(engine) -> None:
    """Leave everything as a server would have written it whose clock was a day ahead."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table, column in connection.execute(text(TIMES)).all():
            later = f"UPDATE {table} SET {column} = {column} + interval '1 day'"
            connection.execute(text(later))


def test_clock_that_goes_backwards_breaks_nothing(database, tmp_path):
    data = houses(30, name=["a"] * 30)
    data.loc[29, "households"] = -1
    bring(database, "building", write(data, tmp_path / "a.gpkg"), ALL)
    first = bring(database, "building", named("b", tmp_path, 29), ALL)
    set_ahead(database)
    again = bring(database, "building", named("b", tmp_path, 29), ALL)
    second = bring(database, "building", named("c", tmp_path), ALL)
    assert (again.status, second.status) == ("unchanged", "published")
    assert first.run < again.run < second.run
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
    roll_back(database, second.run)
    assert names(database) == {"b"}
    assert bring(database, "building", named("d", tmp_path), ALL).status == "published"
