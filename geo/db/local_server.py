"""The private PostGIS cluster of an installation, created on first use, with a Unix socket.

It lives in ``GRIDATLAS_HOME/pg`` and keeps running between commands. When root runs it, the server
runs as the system's user ``postgres``; if that user can't enter the home directory, the data lie in
``/var/lib/gridatlas`` and ``GRIDATLAS_HOME/pg`` is a link to them.

Whether a server runs is decided by its answers, its socket and ``pg_ctl status``. Its pid file is
never removed: a running PostgreSQL without the file shuts down.
"""

import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import make_conninfo

from geo.errors import SetupError
from geo.messages import text

PACKAGES = "postgresql-15-postgis-3"
MIN_MAJOR = 15
POSTGIS = "postgis-3"
SERVER_USER = "postgres"
DATABASE = "gridatlas"
UTC_SESSION = "-c TimeZone=UTC"
"""Connection option: times are in UTC, whatever the time zone of the server's machine."""

PORT = 5432

INSTALLED = Path("/usr/lib/postgresql")
_OUTSIDE_HOME = Path("/var/lib/gridatlas")
_SOCKET_PATH_LIMIT = 107  # bytes of sun_path in <sys/un.h>, less the final zero
_SOCKET_NAME = f".s.PGSQL.{PORT}"
_READY = "gridatlas.ready"
_STOPPED = "gridatlas.stopped"
_PID_FILE, _PID_FILE_LINES = "postmaster.pid", 7  # the last of them names the shared memory
_IN_USE = "pre-existing shared memory block"
_SLOW = "did not start in time"

TIMEOUT_S = 25.0
"""Limit of a wait; for a recovering server, between two reports of progress."""

NOTICE_AFTER_S = 1.5
"""Time after which a wait is reported."""

_POLL_INTERVAL_S = 0.2
_SETTLE_S = 3.0
"""How long a state that is normally brief must last before it is acted on."""

_CONNECT_TIMEOUT_S, _PATIENT_CONNECT_TIMEOUT_S = 2, 10
_MIN_SHARED_MEMORY_BYTES = 512 * 2**20
_UTC_SERVER = ("-c", "timezone=UTC", "-c", "log_timezone=UTC")  # initdb takes the machine's zone

_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
shared_buffers = 512MB
work_mem = 32MB
maintenance_work_mem = 256MB
effective_cache_size = 4GB
max_wal_size = 4GB
max_connections = 100
random_page_cost = 1.1
jit = off
log_min_messages = warning
"""

_log = logging.getLogger(__name__)


class _Answer(Enum):
    """State of the cluster's server by its answer."""

    ACCEPTS = auto()
    RECOVERS = auto()
    STOPS = auto()
    SILENT = auto()
    """A process listens but does not answer."""
    NOBODY = auto()


def data_directory(home: Path) -> Path:
    """Return the data directory of an installation's cluster."""
    return home.absolute() / "pg"


def url(home: Path, database: str = DATABASE) -> str:
    """Return the SQLAlchemy URL of a database in the private cluster."""
    where = {"host": os.fspath(socket_directory(home)), "port": PORT, "options": UTC_SESSION}
    return (
        f"postgresql+psycopg://{_server_user(home)}@/{database}?{urlencode(where, quote_via=quote)}"
    )


def socket_directory(home: Path) -> Path:
    """Return the directory of the socket: that of the data, or one in /tmp if its path is too long.

    The server creates its socket by a relative path in its working directory, the data directory.
    So the server of a deleted home can't remove the socket of a new cluster at the same path.
    """
    data = data_directory(home).resolve()
    if len(os.fsencode(data / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
        return data
    return Path("/tmp") / f"gridatlas-{_hash(data)}"  # noqa: S108  (its owner is checked)


def is_running(home: Path) -> bool:
    """Return whether the cluster's server accepts sessions, even if all are in use."""
    return _exists(home) and _answer(home, _PATIENT_CONNECT_TIMEOUT_S) is _Answer.ACCEPTS


def ensure_running(home: Path) -> str:
    """Create the cluster if it is missing, start it if it does not run; return its URL.

    Raises
    ------
    SetupError
        If PostgreSQL or PostGIS is not installed, the cluster is another user's, or the server
        does not start.
    """
    _binaries()
    with _lock(home):
        if not _exists(home):
            _create(home)
        (data_directory(home) / _STOPPED).unlink(missing_ok=True)
        _start(home)
        if not (data_directory(home) / _READY).exists():
            _create_database(home)
    return url(home)


def restart_if_dead(home: Path) -> None:
    """Start the cluster's server again if it died, unless :func:`stop` stopped it.

    Raises
    ------
    SetupError
        If the cluster is gone, or the server does not start.
    """
    if not _exists(home):
        raise SetupError("cluster_gone", directory=data_directory(home))
    if _answer(home, _PATIENT_CONNECT_TIMEOUT_S) in {_Answer.ACCEPTS, _Answer.RECOVERS}:
        return
    with _lock(home):
        if not (data_directory(home) / _STOPPED).exists():
            _start(home)


def stop(home: Path) -> bool:
    """Stop the cluster; return whether it was running.

    Raises
    ------
    SetupError
        If the server does not stop in time, or its pid file names a living process that does not
        listen at the cluster's socket.
    """
    if not _exists(home):
        return False
    with _lock(home):
        (data_directory(home) / _STOPPED).touch()
        if not _has_process(home):
            return False
        _stop_server(home)
    return True


def _binaries() -> Path:
    """Return the programs of the newest supported PostgreSQL with PostGIS."""
    versions = []
    for initdb in INSTALLED.glob("*/bin/initdb"):
        major = initdb.parts[-3]
        control = Path(f"/usr/share/postgresql/{major}/extension/postgis.control")
        if major.isdigit() and int(major) >= MIN_MAJOR and control.exists():
            versions.append((int(major), initdb.parent))
    if not versions:
        raise SetupError("postgis_missing", packages=PACKAGES)
    return max(versions)[1]


def _binaries_of(home: Path) -> Path:
    """Return the programs of the version that created the cluster."""
    major = (data_directory(home) / "PG_VERSION").read_text(encoding="ascii").strip()
    programs = INSTALLED / major / "bin"
    if not (programs / "pg_ctl").exists():
        raise SetupError("cluster_version_gone", major=major, directory=data_directory(home))
    return programs


def _exists(home: Path) -> bool:
    """Return whether there is a cluster; refuse that of another user."""
    try:
        exists = (data_directory(home) / "PG_VERSION").exists()
    except PermissionError:
        raise _not_yours(data_directory(home)) from None
    if exists and os.geteuid() not in (0, data_directory(home).stat().st_uid):
        raise _not_yours(data_directory(home))
    return exists


def _not_yours(place: Path) -> SetupError:
    return SetupError("cluster_not_yours", directory=place, user=pwd.getpwuid(os.geteuid()).pw_name)


def _server_user(home: Path) -> str:
    """Return the owner of the data, who runs the server and is its superuser."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    data = data_directory(home)
    return pwd.getpwuid(data.stat().st_uid).pw_name if data.exists() else SERVER_USER


def _run(user: str, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as the server's user, in a directory that it may enter."""
    words = [os.fspath(word) for word in command]
    switch = ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []
    # PGPORT, PGDATA and similar are meant for another server.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PG")}
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"  # has runuser
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.run(
            switch + words,
            cwd="/",
            env=environment | {"LC_ALL": "C.UTF-8", "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,  # a file: the server keeps it open, a pipe would never end
            stderr=output,
        )
        output.seek(0)
        text_output = output.read().strip()
    if check and process.returncode != 0:
        raise SetupError("cluster_failed", command=Path(words[0]).name, said=text_output[-500:])
    return subprocess.CompletedProcess(words, process.returncode, text_output, "")


def _pg_ctl(
    home: Path, action: str, *options: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    data = data_directory(home).resolve()
    program = _binaries_of(home) / "pg_ctl"
    return _run(_server_user(home), program, action, "-D", data, *options, check=check)


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


class _Wait:
    """A limited wait that reports its reason."""

    def __init__(self, home: Path) -> None:
        self._server_log = _server_log(home)
        self._begin = time.monotonic()
        self._end = self._begin + TIMEOUT_S
        self._log_read = self._server_log.stat().st_size if self._server_log.exists() else 0
        self._notices: set[str] = set()

    def pause(self, notice: str, refusal: SetupError, *, recovers: bool = False) -> None:
        """Wait a moment.

        Parameters
        ----------
        notice
            Text for people: what is waited for.
        refusal
            Raised when the limit is reached.
        recovers
            Whether the server is recovering: progress in its log, which it reports every 10 s
            (``log_startup_progress_interval``), restarts the limit.
        """
        now = time.monotonic()
        if recovers and self._has_progressed():
            self._end = now + TIMEOUT_S
        if now >= self._end:
            raise refusal
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
def _lock(home: Path) -> Iterator[None]:
    """Hold the lock for creating, starting and stopping the cluster."""
    _exists(home)  # refuses another user's
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
    wait = _Wait(home)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "?"
            wait.pause(
                text("waiting.cluster_lock", directory=data_directory(home), pid=holder),
                SetupError("cluster_locked", directory=data_directory(home), pid=holder),
                recovers=_exists(home) and _answer(home) is _Answer.RECOVERS,
            )
        else:
            return


def _server_log(home: Path) -> Path:
    return data_directory(home).resolve() / "server.log"


def _create(home: Path) -> None:
    """Run initdb in a temporary directory and rename it, so that no partial cluster is used."""
    for partial in home.glob("pg-new-*"):
        shutil.rmtree(partial)
    data = _empty_directory(home)
    try:
        # Only root and the server's user can enter the directory of the socket.
        _run(
            pwd.getpwuid(data.stat().st_uid).pw_name,
            _binaries() / "initdb",
            *("-D", data, "-E", "UTF8", "--lc-ctype=C.UTF-8", "--lc-collate=C"),
            *("--auth-local=trust", "--auth-host=reject"),
        )
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION + _shared_memory_setting())
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    place = data_directory(home)
    place.unlink(missing_ok=True)  # a link to deleted data
    if data.parent == place.parent:
        data.rename(place)
    else:
        place.symlink_to(data)


def _shared_memory_setting() -> str:
    """Return the setting for parallel queries' shared memory: containers have a small /dev/shm."""
    shm = Path("/dev/shm")  # noqa: S108
    if shm.exists() and shutil.disk_usage(shm).total >= _MIN_SHARED_MEMORY_BYTES:
        return ""
    return "dynamic_shared_memory_type = mmap\n"


def _empty_directory(home: Path) -> Path:
    """Create a directory owned by the server's user, in the home if that user can enter it."""
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix="pg-new-", dir=home.absolute()))
    server = pwd.getpwnam(SERVER_USER)
    if _run(SERVER_USER, "test", "-x", home.absolute(), check=False).returncode == 0:
        data = Path(tempfile.mkdtemp(prefix="pg-new-", dir=home.absolute()))
    else:
        _OUTSIDE_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Always a new name: a moved home may still link to an old one.
        data = Path(tempfile.mkdtemp(prefix=f"{_hash(home.absolute())}-", dir=_OUTSIDE_HOME))
    os.chown(data, server.pw_uid, server.pw_gid)
    return data


def _answer(home: Path, connect_timeout_s: int = _CONNECT_TIMEOUT_S) -> _Answer:
    """Return the state of the cluster's server; one with too many clients counts as accepting."""
    where = make_conninfo(
        host=os.fspath(socket_directory(home)),
        port=PORT,
        user=_server_user(home),
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
            client.connect(os.fspath(socket_directory(home) / _SOCKET_NAME))
        except (BlockingIOError, TimeoutError):
            return True  # its backlog is full
        except OSError:
            return False
    return True


def _start(home: Path) -> None:
    """Start the server unless it runs; wait for one that starts or stops."""
    wait, unchanged_since, before = _Wait(home), time.monotonic(), None
    is_launched = False
    while (answer := _answer(home)) is not _Answer.ACCEPTS:
        if answer is not before:
            unchanged_since, before = time.monotonic(), answer
        is_settled = time.monotonic() - unchanged_since >= _SETTLE_S
        if answer is _Answer.NOBODY:
            _link_socket(home)
        if answer is _Answer.NOBODY and not _has_process(home):
            if not is_launched or is_settled or _IN_USE in _tail(_server_log(home)):
                _launch(home, again=is_launched)
                is_launched = True
        elif answer is _Answer.NOBODY and is_settled:
            _launch_despite_pid_file(home)
            unchanged_since = time.monotonic()
        elif answer is _Answer.STOPS and is_settled:
            # A smart shutdown waits for its clients, a server's pool among them.
            _pg_ctl(home, "stop", "-m", "fast", "-W", check=False)
        wait.pause(*_explain(home, answer), recovers=answer is _Answer.RECOVERS)


def _explain(home: Path, answer: _Answer) -> tuple[str, SetupError]:
    """Return the notice of a wait in a state, and the error when the limit is reached."""
    where: dict[str, Any] = {
        "directory": data_directory(home),
        "socket": socket_directory(home) / _SOCKET_NAME,
        "file": data_directory(home) / _PID_FILE,
        "pid": _recorded_pid(home) or "?",
    }
    if answer is _Answer.RECOVERS:
        return text("waiting.cluster_recovery", **where), SetupError("cluster_recovering", **where)
    if answer is _Answer.STOPS:
        return text("waiting.cluster_stop", **where), SetupError("cluster_stopping", **where)
    if answer is _Answer.NOBODY and not _has_process(home):
        user = _server_user(home)
        return (
            text("waiting.cluster_processes", **where),
            SetupError("cluster_in_use", user=user, **where),
        )
    return text("waiting.cluster_start", **where), SetupError("cluster_silent", **where)


def _launch(home: Path, *, again: bool) -> None:
    """Start a server where none runs; return when it accepts sessions, or after a second.

    Raises
    ------
    SetupError
        If it ends at once, except because processes of a killed server still run: they end by
        themselves, and a new server starts only then.
    """
    log = _server_log(home)
    if again and _IN_USE not in _tail(log):
        raise SetupError("cluster_failed", command="postgres", said=_tail(log))
    options = " ".join(_options(home))
    command = ("start", "-w", "-t", "1", "-l", os.fspath(log), "-o", options)
    started = _pg_ctl(home, *command, check=False)
    has_ended = started.returncode != 0 and _SLOW not in started.stdout
    if has_ended and _IN_USE not in _tail(log):
        raise SetupError("cluster_failed", command="pg_ctl", said=_tail(log) or started.stdout)


def _launch_despite_pid_file(home: Path) -> None:
    """Start a server though its pid file names a running process, if nobody listens at the socket.

    That process may be an unrelated one of the same user, after a restart of the machine, or the
    server as a zombie in a container without an init. PostgreSQL ignores a pid file that names its
    grandparent, which pg_ctl passes in ``PG_GRANDPARENT_PID``. It then checks the shared memory
    block that the file also names: beside a running server it refuses to start and changes nothing.
    """
    pid, lines = _recorded_pid(home), _lines(data_directory(home) / _PID_FILE)
    if pid is None or (lines and len(lines) < _PID_FILE_LINES):
        return  # no shared memory is named: PostgreSQL could not decide
    postgres, data = _binaries_of(home) / "postgres", data_directory(home).resolve()
    _run(
        _server_user(home),
        *("setsid", "--fork", "sh", "-c", 'exec "$@" >>"$0" 2>&1', os.fspath(_server_log(home))),
        *("env", f"PG_GRANDPARENT_PID={pid}"),
        postgres,
        "-D",
        data,
        *_options(home),
    )


def _stop_server(home: Path) -> None:
    """Stop the server that the pid file names, once its socket shows that it is the cluster's."""
    wait, begin, is_stopping = _Wait(home), time.monotonic(), False
    while _has_process(home):
        notice, refusal = _explain(home, _Answer.STOPS)
        if not is_stopping and _is_listening(home):
            _pg_ctl(home, "stop", "-m", "fast", "-W", check=False)
            is_stopping = True
        elif not is_stopping and time.monotonic() - begin >= _SETTLE_S:
            raise _explain(home, _Answer.SILENT)[1]
        wait.pause(notice, refusal)


def _options(home: Path) -> list[str]:
    """Return the server's options; its socket lies in its working directory, the data directory."""
    return ["-k", ".", "-p", str(PORT), *_UTC_SERVER, *_preload_option(home)]


def _preload_option(home: Path) -> list[str]:
    """Return the options with which the server preloads PostGIS: 11 ms less for each connection."""
    library = _binaries_of(home).parent / "lib" / f"{POSTGIS}.so"
    return ["-c", f"shared_preload_libraries={POSTGIS}"] if library.exists() else []


def _tail(log: Path) -> str:
    """Return the last lines of the server's log, joined to one."""
    if not log.exists():
        return ""
    return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])


def _has_process(home: Path) -> bool:
    """Return whether the process that the pid file names runs, a server or not."""
    return _pg_ctl(home, "status", check=False).returncode == 0


def _recorded_pid(home: Path) -> int | None:
    """Return the process id in the files that a server keeps while it runs."""
    for name in (_PID_FILE, f"{_SOCKET_NAME}.lock"):
        lines = _lines(data_directory(home) / name)
        if lines and lines[0].strip().isdigit():
            return int(lines[0])
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _link_socket(home: Path) -> None:
    """Create the link in /tmp to a socket whose own path is too long."""
    place, data = socket_directory(home), data_directory(home).resolve()
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
    link = place / _SOCKET_NAME
    if not link.is_symlink():
        link.unlink(missing_ok=True)
        link.symlink_to(data / _SOCKET_NAME)


def _create_database(home: Path) -> None:
    """Create the installation's database; the migrations create its extensions."""
    user, socket = _server_user(home), os.fspath(socket_directory(home))
    createdb = _binaries_of(home) / "createdb"
    result = _run(user, createdb, "-h", socket, "-p", str(PORT), "-U", user, DATABASE, check=False)
    if result.returncode != 0 and "already exists" not in result.stdout:
        raise SetupError("cluster_failed", command="createdb", said=result.stdout[-500:])
    (data_directory(home) / _READY).touch()
