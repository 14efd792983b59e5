"""The private cluster: made once, started when needed, whatever state it was left in."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from geo.db import cluster, local_server
from geo.errors import SetupError
from tests.conftest import open_folder
from tests.waiting import TIMEOUT_S, wait_for_end, wait_until

pytestmark = pytest.mark.usefixtures("english")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return an installation of this module's own, for its tests to maltreat."""
    with open_folder() as place:
        yield place
        local_server.stop(place)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """Return the place of an installation that is yet to be made."""
    with open_folder() as place:
        yield place / "home"
        local_server.stop(place / "home")


def answer(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        said: str = connection.execute(text("SELECT current_database()")).scalar_one()
    engine.dispose()
    return said


def pid_file(home: Path) -> Path:
    return cluster.data_directory(home) / "postmaster.pid"


def server(home: Path) -> int:
    """Return the number of the server's process."""
    return int(pid_file(home).read_text().split()[0])


def connect(home: Path) -> psycopg.Connection:
    where = os.fspath(cluster.socket_directory(home))
    user = cluster.data_directory(home).owner()
    return psycopg.connect(host=where, port=cluster.PORT, user=user, dbname="postgres")


def can_connect(home: Path) -> bool:
    try:
        connect(home).close()
    except psycopg.OperationalError:
        return False
    return True


def test_cluster_is_made_started_and_stopped(home: Path):
    url = local_server.ensure_running(home)
    assert answer(url) == "gridatlas"
    assert local_server.is_running(home)
    assert local_server.stop(home)
    assert not local_server.is_running(home)
    assert not local_server.stop(home)
    assert local_server.ensure_running(home) == url
    assert answer(url) == "gridatlas"


def test_nobody_reaches_it_by_network(home: Path):
    engine = create_engine(local_server.ensure_running(home))
    with engine.connect() as connection:
        listening = connection.execute(text("SHOW listen_addresses")).scalar_one()
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    engine.dispose()
    assert (listening, encoding) == ("", "UTF8")
    assert cluster.data_directory(home).stat().st_mode & 0o077 == 0


def test_connections_find_postgis_loaded(home: Path):
    """Loading it takes 11 ms of a processor: whoever connects is not to pay them."""
    engine = create_engine(local_server.ensure_running(home))
    with engine.connect() as connection:
        maps = Path(
            f"/proc/{connection.execute(text('SELECT pg_backend_pid()')).scalar_one()}/maps"
        )
        loaded = "postgis-3.so" in maps.read_text(encoding="ascii")
    engine.dispose()
    assert loaded


ENSURE = "import sys; from pathlib import Path; from geo.db import cluster, local_server; "
ENSURE += "local_server.TIMEOUT_S = 600; print(local_server.ensure_running(Path(sys.argv[1])))"


def test_processes_that_come_at_once_share_one_cluster(new_home: Path):
    command = [sys.executable, "-c", ENSURE, os.fspath(new_home)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    urls = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(urls) == 1
    assert answer(urls.pop()) == "gridatlas"


def test_killed_server_is_started_again(home: Path):
    url = local_server.ensure_running(home)
    os.kill(server(home), signal.SIGKILL)
    assert local_server.ensure_running(home) == url
    assert answer(url) == "gridatlas"


def test_server_of_a_deleted_home_leaves_the_socket_of_the_new_one(new_home: Path):
    local_server.ensure_running(new_home)
    orphan = server(new_home)
    while new_home.exists():  # the server may write a file meanwhile
        subprocess.run(["rm", "-rf", os.fspath(new_home)], check=False)
    url = local_server.ensure_running(new_home)
    os.kill(orphan, signal.SIGQUIT)  # as it does to itself when it misses its pid file
    wait_for_end(orphan)
    assert answer(url) == "gridatlas"


WITHOUT_PTRACE = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"]


def test_living_server_keeps_its_pid_file_when_no_connection_is_free(home: Path):
    """Root in a container may not look into the processes of others."""
    url = local_server.ensure_running(home)
    before = pid_file(home).read_text()
    command = [sys.executable, "-c", ENSURE, os.fspath(home)]
    with taken_connections(home) as taken:
        assert len(taken) >= 90
        switch = WITHOUT_PTRACE if os.geteuid() == 0 else []
        done = subprocess.run([*switch, *command], capture_output=True, text=True)
        assert done.stdout.strip() == url, done.stderr
        assert local_server.is_running(home)
        assert pid_file(home).read_text() == before
    assert local_server.stop(home)


@contextmanager
def taken_connections(home: Path) -> Iterator[list[psycopg.Connection]]:
    """Take all connections that the server has."""
    taken: list[psycopg.Connection] = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                taken.append(connect(home))
        yield taken
    finally:
        for connection in taken:
            connection.close()


@contextmanager
def refused_soon(match: str) -> Iterator[pytest.ExceptionInfo[SetupError]]:
    """Expect that the server does not answer, and wait for it for a short time only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_server, "TIMEOUT_S", 4.0)
        patch.setattr(local_server, "NOTICE_AFTER_S", 0.5)
        with pytest.raises(SetupError, match=match) as refused:
            yield refused


def test_server_that_does_not_answer_is_named_with_its_process(home: Path, caplog):
    url = local_server.ensure_running(home)
    process, before = server(home), pid_file(home).read_text()
    os.kill(process, signal.SIGSTOP)
    try:
        with refused_soon(rf"kill -QUIT {process}\b") as refused:
            local_server.ensure_running(home)
        assert os.fspath(pid_file(home)) in str(refused.value)
        assert pid_file(home).read_text() == before
    finally:
        os.kill(process, signal.SIGCONT)
    assert [record.message for record in caplog.records if f"(process {process})" in record.message]
    assert answer(url) == "gridatlas"


def test_living_server_without_its_socket_is_not_disturbed(home: Path):
    local_server.ensure_running(home)
    process, before = server(home), pid_file(home).read_text()
    with connect(home) as connection:
        (cluster.socket_directory(home) / ".s.PGSQL.5432").unlink()
        for refuse in (local_server.ensure_running, local_server.stop):
            with refused_soon(rf"kill -QUIT {process}\b"):
                refuse(home)
        assert pid_file(home).read_text() == before
        assert connection.execute("SELECT 1").fetchone() == (1,)
    os.kill(process, signal.SIGINT)
    wait_for_end(process)
    assert answer(local_server.ensure_running(home)) == "gridatlas"


def test_processes_of_a_killed_server_are_waited_for(home: Path, caplog):
    url = local_server.ensure_running(home)
    connection = connect(home)
    worker = connection.info.backend_pid

    def compute() -> None:
        with suppress(psycopg.Error):
            connection.execute("SELECT count(*) FROM generate_series(1, 100000000000)")

    busy = threading.Thread(target=compute)
    busy.start()
    with connect(home) as observer:
        observer.autocommit = True  # a transaction would see the same activity again
        is_computing = f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {worker}"
        wait_until(lambda: observer.execute(is_computing).fetchone() == (True,))
    os.kill(server(home), signal.SIGKILL)
    try:
        with refused_soon("ps -u"):
            local_server.ensure_running(home)
        assert any(
            os.fspath(cluster.data_directory(home)) in record.message for record in caplog.records
        )
    finally:
        os.kill(worker, signal.SIGINT)
        busy.join()
        connection.close()
        wait_for_end(worker)
    assert local_server.ensure_running(home) == url
    assert answer(url) == "gridatlas"


def recover_slowly(home: Path, command: str) -> None:
    """Have the next start recover with a command of ours for each file of the log."""
    local_server.ensure_running(home)
    local_server.stop(home)
    settings = cluster.data_directory(home) / "postgresql.auto.conf"
    settings.write_text(f"restore_command = '{command}'\n")
    (cluster.data_directory(home) / "recovery.signal").touch()


def test_recovery_that_makes_progress_is_waited_for(new_home: Path, monkeypatch, caplog):
    monkeypatch.setattr(local_server, "TIMEOUT_S", 4.0)
    steps = 'for i in 1 2 3 4 5 6 7 8 9; do echo " LOG:  redo in progress"; sleep 0.5; done; false'
    recover_slowly(new_home, f"{{ {steps}; }} >&2")
    assert answer(local_server.ensure_running(new_home)) == "gridatlas"
    assert any("recovering" in record.message for record in caplog.records)


def test_recovery_that_stands_still_is_given_up(new_home: Path, monkeypatch):
    monkeypatch.setattr(local_server, "TIMEOUT_S", 3.0)
    recover_slowly(new_home, "sleep 20; false")
    with pytest.raises(SetupError, match=r"server\.log"):
        local_server.ensure_running(new_home)
    os.kill(server(new_home), signal.SIGQUIT)


def test_process_that_holds_the_cluster_is_named(home: Path, caplog):
    local_server.ensure_running(home)
    process = server(home)
    os.kill(process, signal.SIGSTOP)
    holder = subprocess.Popen([sys.executable, "-c", ENSURE, os.fspath(home)])
    try:
        wait_until(lambda: (home / "pg.lock").read_text().strip() == str(holder.pid))
        with refused_soon(rf"\b{holder.pid}\b"):
            local_server.ensure_running(home)
        assert any(str(holder.pid) in record.message for record in caplog.records)
    finally:
        os.kill(process, signal.SIGCONT)
        assert holder.wait(TIMEOUT_S) == 0
    local_server.ensure_running(home)


def test_dead_server_is_restarted_and_a_stopped_one_is_left(home: Path):
    url = local_server.ensure_running(home)
    for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = server(home)
        os.kill(process, end)
        wait_for_end(process)
        local_server.restart_if_dead(home)
        assert answer(url) == "gridatlas"
    local_server.stop(home)
    local_server.restart_if_dead(home)
    assert not local_server.is_running(home)
    local_server.ensure_running(home)


def test_server_process_does_not_start_a_cluster_that_was_stopped(home: Path):
    local_server.ensure_running(home)
    local_server.stop(home)
    code = "from geo import db; db.forbid_server_start(); db.get_engine().connect()"
    environment = os.environ | {"GRIDATLAS_HOME": os.fspath(home), "DATABASE_URL": ""}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert ended.returncode != 0
    assert "OperationalError" in ended.stderr
    assert not local_server.is_running(home)
    local_server.ensure_running(home)


def test_server_that_waits_for_its_clients_to_leave_is_restarted(home: Path):
    url = local_server.ensure_running(home)
    with connect(home):
        os.kill(server(home), signal.SIGTERM)
        wait_until(lambda: not can_connect(home))
        local_server.restart_if_dead(home)
        assert answer(url) == "gridatlas"


def test_restart_makes_no_new_cluster_where_the_home_is_gone(new_home: Path):
    with pytest.raises(SetupError, match="gone"):
        local_server.restart_if_dead(new_home)
    assert not new_home.exists()


SUBREAPER = """
import ctypes, sys, time
from pathlib import Path
from geo.db import cluster, local_server
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become ours, as init's
local_server.ensure_running(Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(600)
"""


def test_killed_server_is_started_again_where_nobody_asks_for_its_end(new_home: Path):
    """A container without an init: the dead server stays in the list of processes."""
    command = [sys.executable, "-c", SUBREAPER, os.fspath(new_home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as init:
        try:
            assert init.stdout is not None
            assert init.stdout.readline() == "ready\n"
            dead = server(new_home)
            os.kill(dead, signal.SIGKILL)
            wait_for_end(dead)
            assert Path(f"/proc/{dead}").exists()
            assert answer(local_server.ensure_running(new_home)) == "gridatlas"
            assert server(new_home) != dead
        finally:
            init.kill()


def test_mark_of_a_dead_server_does_not_keep_it_from_starting(home: Path):
    url = local_server.ensure_running(home)
    mark = pid_file(home)
    left = mark.read_text()
    local_server.stop(home)
    command = ["sleep", "6000"]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "postgres", "--clear-groups", *command]
    other = subprocess.Popen(command)
    try:
        mark.write_text(left.replace(left.split()[0], str(other.pid), 1))
        os.chown(mark, *owner(cluster.data_directory(home)))
        assert not local_server.is_running(home)
        assert local_server.ensure_running(home) == url
        assert answer(url) == "gridatlas"
    finally:
        other.kill()
        other.wait()


def owner(place: Path) -> tuple[int, int]:
    return place.stat().st_uid, place.stat().st_gid


def test_variables_meant_for_another_server_are_ignored(home: Path, monkeypatch):
    local_server.stop(home)
    for name, value in {"PGPORT": "6543", "PGDATA": "/nowhere", "PGUSER": "who"}.items():
        monkeypatch.setenv(name, value)
    assert answer(local_server.ensure_running(home)) == "gridatlas"


def test_home_with_a_long_path_has_its_socket_elsewhere(new_home: Path):
    home = new_home.parent / ("long" * 30) / "home"
    url = local_server.ensure_running(home)
    socket = Path(str(make_url(url).query["host"]))
    try:
        assert answer(url) == "gridatlas"
        assert socket.parent.name == "tmp"
        assert socket.stat().st_mode & 0o077 == 0
        local_server.stop(home)
        socket.chmod(0o755)
        with pytest.raises(SetupError, match=r"open to others|对他人开放"):
            local_server.ensure_running(home)
    finally:
        local_server.stop(home)
        shutil.rmtree(socket)


def test_home_that_the_server_may_not_enter():
    with open_folder(mode=0o700) as closed:
        url = local_server.ensure_running(closed / "home")
        data = cluster.data_directory(closed / "home").resolve()
        try:
            assert answer(url) == "gridatlas"
            assert data.is_relative_to("/var/lib/gridatlas" if os.geteuid() == 0 else closed)
        finally:
            local_server.stop(closed / "home")
            shutil.rmtree(data)


def test_half_made_cluster_is_made_anew(new_home: Path):
    (new_home / "pg-new-killed").mkdir(parents=True)
    (new_home / "pg-new-killed" / "PG_VERSION").write_text("15\n")
    (new_home / "pg").symlink_to(new_home / "gone")
    assert answer(local_server.ensure_running(new_home)) == "gridatlas"
    assert sorted(path.name for path in new_home.iterdir()) == ["pg", "pg.lock"]


def test_missing_packages_are_named(home: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(cluster, "INSTALLED", tmp_path)
    with pytest.raises(SetupError, match=r"the package postgresql-15-postgis-3,"):
        local_server.ensure_running(home)


def test_home_that_is_a_file_is_said(tmp_path: Path):
    (tmp_path / "home").write_text("")
    with pytest.raises(SetupError, match="GRIDATLAS_HOME"):
        local_server.ensure_running(tmp_path / "home")


def test_the_server_does_not_run_as_root(home: Path):
    engine = create_engine(local_server.ensure_running(home))
    with engine.connect() as connection:
        who = connection.execute(text("SELECT current_user")).scalar_one()
    engine.dispose()
    expected = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    assert who == expected
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=cluster.PORT, user=who, connect_timeout=2).close()
