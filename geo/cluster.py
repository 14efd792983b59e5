"""The private PostGIS cluster of an installation: made on first use, reached by a Unix socket.

It lives in ``GRIDATLAS_HOME/pg`` and keeps running between commands. When root runs it, the server
runs as the system's user ``postgres``; if that user can't enter the home directory, the data go to
a directory of their own in ``/var/lib/gridatlas`` and ``GRIDATLAS_HOME/pg`` is a link to it.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from geo.errors import SetupError

PACKAGES = "postgresql-15-postgis-3"
LEAST_MAJOR = 15
POSTGIS = "postgis-3"
SERVER_USER = "postgres"
DATABASE = "gridatlas"
PORT = 5432

INSTALLED = Path("/usr/lib/postgresql")
_BEYOND_HOME = Path("/var/lib/gridatlas")
_SOCKET_PATH_LIMIT = 107  # bytes of sun_path in <sys/un.h>, less the final zero
_SOCKET_NAME = f".s.PGSQL.{PORT}"
_READY = "gridatlas.ready"
_LINGERING = "pre-existing shared memory block"
_PAUSE_S = 0.2
_PATIENCE_S = 300  # a server that was killed may replay up to max_wal_size
_LEAST_SHARED_MEMORY = 512 * 2**20

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


def directory(home: Path) -> Path:
    """Return where the cluster of an installation lies."""
    return home.absolute() / "pg"


def url(home: Path, database: str = DATABASE) -> str:
    """Return the SQLAlchemy URL of a database in the private cluster."""
    where = f"host={socket_directory(home)}&port={PORT}"
    return f"postgresql+psycopg://{_server_user(home)}@/{database}?{where}"


def socket_directory(home: Path) -> Path:
    """Return where the socket is: in the cluster, or under /tmp if that path is too long."""
    data = directory(home).resolve()
    if len(os.fsencode(data / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
        return data
    return Path("/tmp") / f"gridatlas-{_hash(data)}"  # noqa: S108  (its owner is checked)


def is_running(home: Path) -> bool:
    """Return whether the cluster's server answers."""
    if not _exists(home):
        return False
    try:
        psycopg.connect(
            host=os.fspath(socket_directory(home)),
            port=PORT,
            user=_server_user(home),
            dbname="postgres",
            connect_timeout=10,
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure(home: Path) -> str:
    """Make the cluster if it is not there, start it if it does not run; return its URL.

    Raises
    ------
    SetupError
        If PostgreSQL or PostGIS is not installed, the cluster is another user's, or the server
        does not start.
    """
    _binaries()
    with _alone(home):
        if not _exists(home):
            _create(home)
        if not is_running(home):
            _start(home)
        if not (directory(home) / _READY).exists():
            _create_database(home)
    return url(home)


def stop(home: Path) -> bool:
    """Stop the cluster; return whether it was running."""
    if not _exists(home):
        return False
    with _alone(home):
        _forget_dead_server(home)
        if not _has_server(home):
            return False
        _pg_ctl(home, "stop", "-m", "fast", "-w")
    return True


def _binaries() -> Path:
    """Return the directory of the newest PostgreSQL that is new enough and has PostGIS."""
    found = []
    for initdb in INSTALLED.glob("*/bin/initdb"):
        major = initdb.parts[-3]
        control = Path(f"/usr/share/postgresql/{major}/extension/postgis.control")
        if major.isdigit() and int(major) >= LEAST_MAJOR and control.exists():
            found.append((int(major), initdb.parent))
    if not found:
        raise SetupError("postgis_missing", packages=PACKAGES)
    return max(found)[1]


def _binaries_of(home: Path) -> Path:
    """Return the programs of the version that the cluster was made with."""
    major = (directory(home) / "PG_VERSION").read_text(encoding="ascii").strip()
    programs = INSTALLED / major / "bin"
    if not (programs / "pg_ctl").exists():
        raise SetupError("cluster_version_gone", major=major, directory=directory(home))
    return programs


def _exists(home: Path) -> bool:
    """Return whether there is a cluster; refuse one that is another user's."""
    try:
        found = (directory(home) / "PG_VERSION").exists()
    except PermissionError:
        raise _not_yours(directory(home)) from None
    if found and os.geteuid() not in (0, directory(home).stat().st_uid):
        raise _not_yours(directory(home))
    return found


def _not_yours(place: Path) -> SetupError:
    return SetupError("cluster_not_yours", directory=place, user=pwd.getpwuid(os.geteuid()).pw_name)


def _server_user(home: Path) -> str:
    """Return who runs the server, and is its superuser: the owner of the data."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    data = directory(home)
    return pwd.getpwuid(data.stat().st_uid).pw_name if data.exists() else SERVER_USER


def _run(user: str, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as the server's user, from a directory that it may enter."""
    words = [os.fspath(word) for word in command]
    switch = ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []
    # PGPORT, PGDATA and their like are meant for another server.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PG")}
    path = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"  # where runuser is
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(
            switch + words,
            cwd="/",
            env=environment | {"LC_ALL": "C.UTF-8", "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,  # a file: the server keeps it open, a pipe would never end
            stderr=output,
        )
        output.seek(0)
        said = output.read().strip()
    if check and done.returncode != 0:
        raise SetupError("cluster_failed", command=Path(words[0]).name, said=said[-500:])
    return subprocess.CompletedProcess(words, done.returncode, said, "")


def _pg_ctl(
    home: Path, action: str, *options: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    data = directory(home).resolve()
    program = _binaries_of(home) / "pg_ctl"
    return _run(_server_user(home), program, action, "-D", data, *options, check=check)


def _hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep two processes from making, starting or stopping the cluster at once."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = os.open(home / "pg.lock", os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError as error:
        raise SetupError("home_unwritable", home=home.absolute(), said=error.strerror) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _create(home: Path) -> None:
    """Run initdb beside the place and move it there whole: a half-made cluster is never taken."""
    for left in home.glob("pg-new-*"):
        shutil.rmtree(left)
    data = _empty_directory(home)
    try:
        # Whoever reaches the socket is the server's user or root: its directory lets in no other.
        _run(
            pwd.getpwuid(data.stat().st_uid).pw_name,
            _binaries() / "initdb",
            *("-D", data, "-E", "UTF8", "--lc-ctype=C.UTF-8", "--lc-collate=C"),
            *("--auth-local=trust", "--auth-host=reject"),
        )
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION + _shared_memory())
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    place = directory(home)
    place.unlink(missing_ok=True)  # a link to data that are gone
    if data.parent == place.parent:
        data.rename(place)
    else:
        place.symlink_to(data)


def _shared_memory() -> str:
    """Return where parallel queries share memory: /dev/shm is 64 MB in many containers."""
    shm = Path("/dev/shm")  # noqa: S108
    if shm.exists() and shutil.disk_usage(shm).total >= _LEAST_SHARED_MEMORY:
        return ""
    return "dynamic_shared_memory_type = mmap\n"


def _empty_directory(home: Path) -> Path:
    """Return a new directory of the server's user, in the home if that user can enter it."""
    if os.geteuid() != 0:
        return Path(tempfile.mkdtemp(prefix="pg-new-", dir=home.absolute()))
    server = pwd.getpwnam(SERVER_USER)
    if _run(SERVER_USER, "test", "-x", home.absolute(), check=False).returncode == 0:
        data = Path(tempfile.mkdtemp(prefix="pg-new-", dir=home.absolute()))
    else:
        _BEYOND_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Never a name that was used before: a home that was moved may still link to it.
        data = Path(tempfile.mkdtemp(prefix=f"{_hash(home.absolute())}-", dir=_BEYOND_HOME))
    os.chown(data, server.pw_uid, server.pw_gid)
    return data


def _start(home: Path) -> None:
    """Start the server, or wait for one that is still starting."""
    log = directory(home).resolve() / "server.log"
    options = f"-k '{_made_socket_directory(home)}' -p {PORT}{_preloaded(home)}"
    end = time.monotonic() + _PATIENCE_S
    while not is_running(home):
        _forget_dead_server(home)
        if not _has_server(home):
            started = _pg_ctl(
                home,
                *("start", "-w", "-t", str(_PATIENCE_S), "-l", os.fspath(log), "-o", options),
                check=False,
            )
            # The processes of a killed server need a moment to notice and end.
            lingering = _LINGERING in _tail(log)
            if started.returncode != 0 and (not lingering or time.monotonic() > end):
                raise SetupError("cluster_failed", command="pg_ctl", said=_tail(log))
        elif time.monotonic() > end:
            raise SetupError("cluster_failed", command="pg_ctl", said=_tail(log))
        time.sleep(_PAUSE_S)


def _preloaded(home: Path) -> str:
    """Return the option by which the server loads PostGIS once, not anew for each connection.

    It takes a connection 11 ms of a processor.
    """
    library = _binaries_of(home).parent / "lib" / f"{POSTGIS}.so"
    return f" -c shared_preload_libraries={POSTGIS}" if library.exists() else ""


def _tail(log: Path) -> str:
    """Return the last lines of the server's log."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])


def _has_server(home: Path) -> bool:
    """Return whether a server process holds the cluster, answering or not."""
    return _pg_ctl(home, "status", check=False).returncode == 0


def _forget_dead_server(home: Path) -> None:
    """Remove the marks of a server that is gone though a process has its number.

    PostgreSQL takes that process for its own if it has the same user, as it often has after a
    restart of a small machine, or if nobody has asked for the dead one's end (a container without
    an init). Two servers on the same data stay impossible: shared memory guards them too.
    """
    data = directory(home).resolve()
    for mark in (data / "postmaster.pid", socket_directory(home) / f"{_SOCKET_NAME}.lock"):
        if mark.exists():
            process = Path("/proc") / mark.read_text(encoding="utf-8").split("\n", 1)[0].strip()
            if process.exists() and not _serves(process, data):
                mark.unlink(missing_ok=True)


def _serves(process: Path, data: Path) -> bool:
    """Return whether a process is the living server of a cluster: one that works in its directory.

    A process that ended, but that its parent has not asked about, has no directory.
    """
    try:
        return (process / "comm").read_text().strip() == "postgres" and (
            process / "cwd"
        ).readlink() == data
    except OSError:
        return False


def _made_socket_directory(home: Path) -> Path:
    """Return the socket's directory, made if it lies outside the cluster; only the server's own."""
    socket = socket_directory(home)
    if socket == directory(home).resolve():
        return socket
    owner = directory(home).stat()
    try:
        socket.mkdir(mode=0o700)
        os.chown(socket, owner.st_uid, owner.st_gid)
    except FileExistsError:
        found = socket.lstat()
        if found.st_uid != owner.st_uid or found.st_mode & 0o077 or socket.is_symlink():
            raise SetupError("socket_not_ours", directory=socket) from None
    return socket


def _create_database(home: Path) -> None:
    """Make the installation's database; extensions come with the migrations."""
    user, socket = _server_user(home), os.fspath(socket_directory(home))
    createdb = _binaries_of(home) / "createdb"
    made = _run(user, createdb, "-h", socket, "-p", str(PORT), "-U", user, DATABASE, check=False)
    if made.returncode != 0 and "already exists" not in made.stdout:
        raise SetupError("cluster_failed", command="createdb", said=made.stdout[-500:])
    (directory(home) / _READY).touch()
