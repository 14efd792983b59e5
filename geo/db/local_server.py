"""The server of the private PostGIS cluster, started on first use.

It keeps running between commands. Whether it runs is decided by its answers, its socket and
``pg_ctl status``. Its pid file is never removed: a running PostgreSQL without the file shuts down.
"""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from geo.db import cluster
from geo.errors import SetupError
from geo.messages import text

_STOPPED = "gridatlas.stopped"
_PID_FILE, _PID_FILE_LINES = "postmaster.pid", 7  # the last of them names the shared memory
_IN_USE = "pre-existing shared memory block"
_SLOW = "did not start in time"

TIMEOUT_S = 25.0
"""Limit of a wait; for a recovering server, between two reports of progress."""

NOTICE_AFTER_S = 1.5
"""Time after which a wait is reported."""

_POLL_INTERVAL_S = 0.2
_SETTLED_AFTER_S = 3.0
"""How long a state that is normally brief must last before it is acted on."""

_CONNECT_TIMEOUT_S, _LONG_CONNECT_TIMEOUT_S = 2, 10
_UTC_SERVER = ("-c", "timezone=UTC", "-c", "log_timezone=UTC")  # initdb takes the machine's zone

_log = logging.getLogger(__name__)


class _Answer(Enum):
    """State of the cluster's server by its answer."""

    ACCEPTS = auto()
    RECOVERS = auto()
    STOPS = auto()
    SILENT = auto()
    """A process listens but does not answer."""
    NOBODY = auto()


def is_running(home: Path) -> bool:
    """Return whether the cluster's server accepts sessions, even if all are in use."""
    return cluster.exists(home) and _probe_server(home, _LONG_CONNECT_TIMEOUT_S) is _Answer.ACCEPTS


def ensure_running(home: Path) -> str:
    """Create the cluster if it is missing, start it if it does not run; return its URL.

    Raises
    ------
    SetupError
        If PostgreSQL or PostGIS is not installed, the cluster is another user's, or the server
        does not start.
    """
    cluster.newest_programs()
    with _lock_cluster(home):
        if not cluster.exists(home):
            cluster.create(home)
        (cluster.data_directory(home) / _STOPPED).unlink(missing_ok=True)
        _start_server(home)
        if not (cluster.data_directory(home) / cluster.READY).exists():
            cluster.create_database(home)
    return cluster.url(home)


def restart_if_dead(home: Path) -> None:
    """Start the cluster's server again if it died, unless :func:`stop` stopped it.

    Raises
    ------
    SetupError
        If the cluster is gone, or the server does not start.
    """
    if not cluster.exists(home):
        raise SetupError("cluster_gone", directory=cluster.data_directory(home))
    if _probe_server(home, _LONG_CONNECT_TIMEOUT_S) in {_Answer.ACCEPTS, _Answer.RECOVERS}:
        return
    with _lock_cluster(home):
        if not (cluster.data_directory(home) / _STOPPED).exists():
            _start_server(home)


def stop(home: Path) -> bool:
    """Stop the cluster; return whether it was running.

    Raises
    ------
    SetupError
        If the server does not stop in time, or its pid file names a living process that does not
        listen at the cluster's socket.
    """
    if not cluster.exists(home):
        return False
    with _lock_cluster(home):
        (cluster.data_directory(home) / _STOPPED).touch()
        if not _has_process(home):
            return False
        _stop_server(home)
    return True


class _LimitedWait:
    """A limited wait that reports its reason."""

    def __init__(self, home: Path) -> None:
        self._server_log = cluster.server_log(home)
        self._begin = time.monotonic()
        self._end = self._begin + TIMEOUT_S
        self._log_read = self._server_log.stat().st_size if self._server_log.exists() else 0
        self._notices: set[str] = set()

    def pause(self, notice: str, error: SetupError, *, recovers: bool = False) -> None:
        """Wait a moment.

        Parameters
        ----------
        notice
            Text for people: what is waited for.
        error
            Raised when the limit is reached.
        recovers
            Whether the server is recovering: progress in its log, which it reports every 10 s
            (``log_startup_progress_interval``), restarts the limit.
        """
        now = time.monotonic()
        if recovers and self._has_progressed():
            self._end = now + TIMEOUT_S
        if now >= self._end:
            raise error
        if now - self._begin >= NOTICE_AFTER_S and notice not in self._notices:
            self._notices.add(notice)
            _log.warning("%s", notice)
        time.sleep(_POLL_INTERVAL_S)

    def _has_progressed(self) -> bool:
        """Return whether the server logged anything but refused clients since the last call."""
        if not self._server_log.exists():
            return False
        with self._server_log.open("rb") as log:
            log.seek(self._log_read)
            lines = log.read()
        self._log_read += len(lines)
        return b" LOG:  " in lines


@contextmanager
def _lock_cluster(home: Path) -> Iterator[None]:
    """Hold the lock for creating, starting and stopping the cluster."""
    cluster.exists(home)  # refuses another user's
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "pg.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SetupError("home_unwritable", home=home.absolute(), said=error.strerror) from error
    try:
        _wait_for_lock(home, lock)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(lock)


def _wait_for_lock(home: Path, lock: int) -> None:
    wait = _LimitedWait(home)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "?"
            wait.pause(
                text("waiting.cluster_lock", directory=cluster.data_directory(home), pid=holder),
                SetupError("cluster_locked", directory=cluster.data_directory(home), pid=holder),
                recovers=cluster.exists(home) and _probe_server(home) is _Answer.RECOVERS,
            )
        else:
            return


def _probe_server(home: Path, connect_timeout_s: int = _CONNECT_TIMEOUT_S) -> _Answer:
    """Return the state of the cluster's server; one with too many clients counts as accepting."""
    where = make_conninfo(
        host=os.fspath(cluster.socket_directory(home)),
        port=cluster.PORT,
        user=cluster.server_user(home),
        dbname="postgres",
        connect_timeout=connect_timeout_s,
    )
    match psycopg.pq.PGconn.ping(where.encode()):
        case psycopg.pq.Ping.OK:
            return _Answer.ACCEPTS
        case psycopg.pq.Ping.REJECT:
            try:
                psycopg.connect(where).close()
            except psycopg.OperationalError as error:
                return _Answer.STOPS if "shutting down" in str(error) else _Answer.RECOVERS
            return _Answer.ACCEPTS
    return _Answer.SILENT if _is_listening(home) else _Answer.NOBODY


def _is_listening(home: Path) -> bool:
    """Return whether a process listens at the cluster's socket, even if it does not answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_CONNECT_TIMEOUT_S)
        try:
            client.connect(os.fspath(cluster.socket_directory(home) / cluster.SOCKET_NAME))
        except (BlockingIOError, TimeoutError):
            return True  # its backlog is full
        except OSError:
            return False
    return True


def _start_server(home: Path) -> None:
    """Start the server unless it runs; wait for one that starts or stops."""
    wait, unchanged_since, before = _LimitedWait(home), time.monotonic(), None
    is_launched = False
    while (answer := _probe_server(home)) is not _Answer.ACCEPTS:
        if answer is not before:
            unchanged_since, before = time.monotonic(), answer
        is_settled = time.monotonic() - unchanged_since >= _SETTLED_AFTER_S
        if answer is _Answer.NOBODY:
            _link_socket(home)
        if answer is _Answer.NOBODY and not _has_process(home):
            if not is_launched or is_settled or _IN_USE in _log_tail(cluster.server_log(home)):
                _launch_server(home, again=is_launched)
                is_launched = True
        elif answer is _Answer.NOBODY and is_settled:
            _launch_despite_pid_file(home)
            unchanged_since = time.monotonic()
        elif answer is _Answer.STOPS and is_settled:
            # A smart shutdown waits for its clients, a server's pool among them.
            cluster.run_pg_ctl(home, "stop", "-m", "fast", "-W", check=False)
        wait.pause(*_describe_wait(home, answer), recovers=answer is _Answer.RECOVERS)


def _describe_wait(home: Path, answer: _Answer) -> tuple[str, SetupError]:
    """Return the notice of a wait in a state, and the error when the limit is reached."""
    where: dict[str, Any] = {
        "directory": cluster.data_directory(home),
        "socket": cluster.socket_directory(home) / cluster.SOCKET_NAME,
        "file": cluster.data_directory(home) / _PID_FILE,
        "pid": _recorded_pid(home) or "?",
    }
    if answer is _Answer.RECOVERS:
        return text("waiting.cluster_recovery", **where), SetupError("cluster_recovering", **where)
    if answer is _Answer.STOPS:
        return text("waiting.cluster_stop", **where), SetupError("cluster_stopping", **where)
    if answer is _Answer.NOBODY and not _has_process(home):
        user = cluster.server_user(home)
        return (
            text("waiting.cluster_processes", **where),
            SetupError("cluster_in_use", user=user, **where),
        )
    return text("waiting.cluster_start", **where), SetupError("cluster_silent", **where)


def _launch_server(home: Path, *, again: bool) -> None:
    """Start a server where none runs; return when it accepts sessions, or after a second.

    Raises
    ------
    SetupError
        If it ends at once, except because processes of a killed server still run: they end by
        themselves, and a new server starts only then.
    """
    log = cluster.server_log(home)
    if again and _IN_USE not in _log_tail(log):
        raise SetupError("cluster_failed", command="postgres", said=_log_tail(log))
    options = " ".join(_server_options(home))
    command = ("start", "-w", "-t", "1", "-l", os.fspath(log), "-o", options)
    started = cluster.run_pg_ctl(home, *command, check=False)
    has_ended = started.returncode != 0 and _SLOW not in started.stdout
    if has_ended and _IN_USE not in _log_tail(log):
        raise SetupError("cluster_failed", command="pg_ctl", said=_log_tail(log) or started.stdout)


def _launch_despite_pid_file(home: Path) -> None:
    """Start a server though its pid file names a running process, if nobody listens at the socket.

    That process may be an unrelated one of the same user, after a restart of the machine, or the
    server as a zombie in a container without an init. PostgreSQL ignores a pid file that names its
    grandparent, which pg_ctl passes in ``PG_GRANDPARENT_PID``. It then checks the shared memory
    block that the file also names: beside a running server it refuses to start and changes nothing.
    """
    pid, lines = _recorded_pid(home), _read_lines(cluster.data_directory(home) / _PID_FILE)
    if pid is None or (lines and len(lines) < _PID_FILE_LINES):
        return  # no shared memory is named: PostgreSQL could not decide
    postgres, data = cluster.programs_of(home) / "postgres", cluster.data_directory(home).resolve()
    cluster.run_as_server(
        cluster.server_user(home),
        *(
            "setsid",
            "--fork",
            "sh",
            "-c",
            'exec "$@" >>"$0" 2>&1',
            os.fspath(cluster.server_log(home)),
        ),
        *("env", f"PG_GRANDPARENT_PID={pid}"),
        postgres,
        "-D",
        data,
        *_server_options(home),
    )


def _stop_server(home: Path) -> None:
    """Stop the server that the pid file names, once its socket shows that it is the cluster's."""
    wait, begin, is_stopping = _LimitedWait(home), time.monotonic(), False
    while _has_process(home):
        notice, error = _describe_wait(home, _Answer.STOPS)
        if not is_stopping and _is_listening(home):
            cluster.run_pg_ctl(home, "stop", "-m", "fast", "-W", check=False)
            is_stopping = True
        elif not is_stopping and time.monotonic() - begin >= _SETTLED_AFTER_S:
            raise _describe_wait(home, _Answer.SILENT)[1]
        wait.pause(notice, error)


def _server_options(home: Path) -> list[str]:
    """Return the server's options; its socket lies in its working directory, the data directory."""
    return ["-k", ".", "-p", str(cluster.PORT), *_UTC_SERVER, *_preload_option(home)]


def _preload_option(home: Path) -> list[str]:
    """Return the options with which the server preloads PostGIS: 11 ms less for each connection."""
    library = cluster.programs_of(home).parent / "lib" / f"{cluster.POSTGIS}.so"
    return ["-c", f"shared_preload_libraries={cluster.POSTGIS}"] if library.exists() else []


def _log_tail(log: Path) -> str:
    """Return the last lines of the server's log, joined to one."""
    if not log.exists():
        return ""
    return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])


def _has_process(home: Path) -> bool:
    """Return whether the process that the pid file names runs, a server or not."""
    return cluster.run_pg_ctl(home, "status", check=False).returncode == 0


def _recorded_pid(home: Path) -> int | None:
    """Return the process id in the files that a server keeps while it runs."""
    for name in (_PID_FILE, f"{cluster.SOCKET_NAME}.lock"):
        lines = _read_lines(cluster.data_directory(home) / name)
        if lines and lines[0].strip().isdigit():
            return int(lines[0])
    return None


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _link_socket(home: Path) -> None:
    """Create the link in /tmp to a socket whose own path is too long."""
    place, data = cluster.socket_directory(home), cluster.data_directory(home).resolve()
    if place == data:
        return
    owner = data.stat()
    try:
        place.mkdir(mode=0o700)
        os.chown(place, owner.st_uid, owner.st_gid)
    except FileExistsError:
        status = place.lstat()
        if status.st_uid != owner.st_uid or status.st_mode & 0o077 or place.is_symlink():
            raise SetupError("socket_not_ours", directory=place) from None
    link = place / cluster.SOCKET_NAME
    if not link.is_symlink():
        link.unlink(missing_ok=True)
        link.symlink_to(data / cluster.SOCKET_NAME)
