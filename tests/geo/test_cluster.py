"""The private cluster: made once, started when needed, found again after a crash."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from geo import cluster, db
from geo.errors import SetupError


@pytest.fixture
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    yield folder
    cluster.stop(folder)


def answer(place: Path) -> int:
    engine = create_engine(cluster.url(place))
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT 6 * 7")).scalar_one()
    engine.dispose()
    return found


def test_cluster_is_made_started_stopped_and_found_again(place):
    assert not cluster.is_running(place)
    cluster.ensure(place)
    assert answer(place) == 42
    assert cluster.stop(place)
    assert not cluster.stop(place)
    cluster.ensure(place)
    assert answer(place) == 42


def test_two_processes_may_ask_at_once(place):
    threads = [threading.Thread(target=cluster.ensure, args=(place,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answer(place) == 42


def test_cluster_comes_back_after_it_was_killed(place):
    cluster.ensure(place)
    pid = int((cluster.directory(place) / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
    cluster.ensure(place)
    assert answer(place) == 42


@pytest.mark.skipif(os.geteuid() != 0, reason="a server's user who may not enter: root only")
def test_home_that_the_server_may_not_enter(tmp_path):
    tmp_path.chmod(0o700)
    try:
        cluster.ensure(tmp_path)
        assert cluster.directory(tmp_path).is_symlink()
        assert answer(tmp_path) == 42
    finally:
        cluster.stop(tmp_path)
        subprocess.run(["rm", "-rf", os.fspath(cluster.directory(tmp_path).resolve())], check=True)


def test_long_path_gets_its_socket_elsewhere(place):
    deep = place / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    cluster.ensure(deep)
    assert answer(deep) == 42
    cluster.stop(deep)


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    with pytest.raises(SetupError) as refused:
        cluster.ensure(tmp_path / "nowhere")
    assert "postgresql-15-postgis-3 postgresql-15-pgrouting" in str(refused.value)
    assert "DATABASE_URL" in str(refused.value)


def test_server_that_does_not_answer_is_said():
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(SetupError) as refused:
        db.upgrade(engine)
    assert refused.value.key == "database_unreachable"


def test_server_without_postgis_is_said(home, monkeypatch):
    engine = create_engine(cluster.url(home, "postgres"))
    monkeypatch.setattr(db, "LEAST_POSTGIS", (99, 0))
    with pytest.raises(SetupError) as refused:
        db.upgrade(engine)
    engine.dispose()
    assert refused.value.key == "server_without_postgis"


def test_migrations_run_from_any_directory(home, tmp_path):
    root = Path(db.__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "db", "url"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.fspath(root), "GRIDATLAS_HOME": os.fspath(home)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("postgresql+psycopg://"), done.stderr
