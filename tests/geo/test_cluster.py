"""The private cluster: made once, started when needed, whatever state it was left in."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from geo import cluster
from geo.errors import SetupError


@contextmanager
def folder(mode: int = 0o755) -> Iterator[Path]:
    """Make a directory outside pytest's own, which only the user may enter."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-test-") as name:
        Path(name).chmod(mode)
        yield Path(name)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return an installation of this module's own, for its tests to maltreat."""
    with folder() as place:
        yield place
        cluster.stop(place)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """Return the place of an installation that is yet to be made."""
    with folder() as place:
        yield place / "home"
        cluster.stop(place / "home")


def answer(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        said: str = connection.execute(text("SELECT current_database()")).scalar_one()
    engine.dispose()
    return said


def server(home: Path) -> int:
    """Return the number of the server's process."""
    return int((cluster.directory(home) / "postmaster.pid").read_text().split()[0])


def test_cluster_is_made_started_and_stopped(home: Path):
    url = cluster.ensure(home)
    assert answer(url) == "gridatlas"
    assert cluster.is_running(home)
    assert cluster.stop(home)
    assert not cluster.is_running(home)
    assert not cluster.stop(home)
    assert cluster.ensure(home) == url
    assert answer(url) == "gridatlas"


def test_nobody_reaches_it_by_network(home: Path):
    engine = create_engine(cluster.ensure(home))
    with engine.connect() as connection:
        listening = connection.execute(text("SHOW listen_addresses")).scalar_one()
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    engine.dispose()
    assert (listening, encoding) == ("", "UTF8")
    assert cluster.directory(home).stat().st_mode & 0o077 == 0


def test_connections_find_postgis_loaded(home: Path):
    """Loading it takes 11 ms of a processor: whoever connects is not to pay them."""
    engine = create_engine(cluster.ensure(home))
    with engine.connect() as connection:
        maps = Path(
            f"/proc/{connection.execute(text('SELECT pg_backend_pid()')).scalar_one()}/maps"
        )
        loaded = "postgis-3.so" in maps.read_text(encoding="ascii")
    engine.dispose()
    assert loaded


def test_processes_that_come_at_once_share_one_cluster(new_home: Path):
    code = "import sys; from pathlib import Path; from geo import cluster;"
    code += "print(cluster.ensure(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, os.fspath(new_home)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    urls = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(urls) == 1
    assert answer(urls.pop()) == "gridatlas"


def test_killed_server_is_started_again(home: Path):
    url = cluster.ensure(home)
    os.kill(server(home), signal.SIGKILL)
    assert cluster.ensure(home) == url
    assert answer(url) == "gridatlas"


def test_mark_of_a_dead_server_does_not_keep_it_from_starting(home: Path):
    url = cluster.ensure(home)
    mark = cluster.directory(home) / "postmaster.pid"
    left = mark.read_text()
    cluster.stop(home)
    command = ["sleep", "60"]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "postgres", "--clear-groups", *command]
    other = subprocess.Popen(command)
    try:
        mark.write_text(left.replace(left.split()[0], str(other.pid), 1))
        os.chown(mark, *owner(cluster.directory(home)))
        assert not cluster.is_running(home)
        assert cluster.ensure(home) == url
        assert answer(url) == "gridatlas"
    finally:
        other.kill()
        other.wait()


def owner(place: Path) -> tuple[int, int]:
    return place.stat().st_uid, place.stat().st_gid


def test_variables_meant_for_another_server_are_ignored(home: Path, monkeypatch):
    cluster.stop(home)
    for name, value in {"PGPORT": "6543", "PGDATA": "/nowhere", "PGUSER": "who"}.items():
        monkeypatch.setenv(name, value)
    assert answer(cluster.ensure(home)) == "gridatlas"


def test_home_with_a_long_path_has_its_socket_elsewhere(new_home: Path):
    home = new_home.parent / ("long" * 30) / "home"
    url = cluster.ensure(home)
    socket = Path(str(make_url(url).query["host"]))
    try:
        assert answer(url) == "gridatlas"
        assert socket.parent.name == "tmp"
        assert socket.stat().st_mode & 0o077 == 0
        cluster.stop(home)
        socket.chmod(0o755)
        with pytest.raises(SetupError, match=r"open to others|对他人开放"):
            cluster.ensure(home)
    finally:
        cluster.stop(home)
        shutil.rmtree(socket)


def test_home_that_the_server_may_not_enter():
    with folder(mode=0o700) as closed:
        url = cluster.ensure(closed / "home")
        data = cluster.directory(closed / "home").resolve()
        try:
            assert answer(url) == "gridatlas"
            assert data.is_relative_to("/var/lib/gridatlas" if os.geteuid() == 0 else closed)
        finally:
            cluster.stop(closed / "home")
            shutil.rmtree(data)


def test_half_made_cluster_is_made_anew(new_home: Path):
    (new_home / "pg-new-killed").mkdir(parents=True)
    (new_home / "pg-new-killed" / "PG_VERSION").write_text("15\n")
    (new_home / "pg").symlink_to(new_home / "gone")
    assert answer(cluster.ensure(new_home)) == "gridatlas"
    assert sorted(path.name for path in new_home.iterdir()) == ["pg", "pg.lock"]


def test_missing_packages_are_named(home: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cluster, "INSTALLED", tmp_path)
    with pytest.raises(SetupError, match=r"the package postgresql-15-postgis-3 "):
        cluster.ensure(home)


def test_home_that_is_a_file_is_said(tmp_path: Path):
    (tmp_path / "home").write_text("")
    with pytest.raises(SetupError, match="GRIDATLAS_HOME"):
        cluster.ensure(tmp_path / "home")


def test_the_server_does_not_run_as_root(home: Path):
    engine = create_engine(cluster.ensure(home))
    with engine.connect() as connection:
        who = connection.execute(text("SELECT current_user")).scalar_one()
    engine.dispose()
    expected = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    assert who == expected
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=cluster.PORT, user=who, connect_timeout=2).close()
