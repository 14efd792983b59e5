"""The private PostGIS cluster of an installation: made on first use, reached by a Unix socket.

It lives in ``GRIDATLAS_HOME/pg`` and keeps running between commands. When root runs it, the server
runs as the system's user ``postgres``; if that user can't enter the home directory, the data go to
``/var/lib/gridatlas/<hash>`` and ``GRIDATLAS_HOME/pg`` is a link to them.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geo.errors import SetupError

PACKAGES = "postgresql-15-postgis-3 postgresql-15-pgrouting"
LEAST_MAJOR = 15
SERVER_USER = "postgres"
DATABASE = "gridatlas"

_SOCKET_PATH_LIMIT = 107  # bytes of sun_path in <sys/un.h>, less the final zero
_SOCKET_NAME = ".s.PGSQL.5432"

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
    return f"postgresql+psycopg://{_server_user()}@/{database}?host={socket_directory(home)}"


def socket_directory(home: Path) -> Path:
    """Return where the socket is: in the cluster, or under /tmp if that path is too long."""
    data = directory(home).resolve()
    if len(os.fsencode(data / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
        return data
    return Path(tempfile.gettempdir()) / f"gridatlas-{_hash(home)}"


def is_running(home: Path) -> bool:
    """Return whether the cluster's server answers."""
    if not (directory(home) / "PG_VERSION").exists():
        return False
    return _pg_ctl(home, "status", check=False).returncode == 0


def ensure(home: Path) -> str:
    """Make the cluster if it is not there, start it if it does not run; return its URL.

    Raises
    ------
    SetupError
        If PostgreSQL or PostGIS is not installed, or the server does not start.
    """
    _binaries()
    home.mkdir(parents=True, exist_ok=True)
    with _lock(home):
        if not (directory(home) / "PG_VERSION").exists():
            _create(home)
        if not is_running(home):
            _start(home)
        if not (directory(home) / "gridatlas.ready").exists():
            _create_database(home)
    return url(home)


def stop(home: Path) -> bool:
    """Stop the cluster; return whether it was running."""
    if not is_running(home):
        return False
    _pg_ctl(home, "stop", "-m", "fast", "-w")
    return True


def _binaries() -> Path:
    """Return the directory of the newest PostgreSQL that is new enough and has PostGIS."""
    found = []
    for initdb in Path("/usr/lib/postgresql").glob("*/bin/initdb"):
        major = initdb.parts[-3]
        control = Path(f"/usr/share/postgresql/{major}/extension")
        needed = [control / f"{name}.control" for name in ("postgis", "pgrouting")]
        if major.isdigit() and int(major) >= LEAST_MAJOR and all(file.exists() for file in needed):
            found.append((int(major), initdb.parent))
    if not found:
        raise SetupError("postgis_missing", packages=PACKAGES)
    return max(found)[1]


def _server_user() -> str:
    return SERVER_USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _as_server(*command: str | Path) -> list[str]:
    """Return a command as the server's user runs it."""
    words = [os.fspath(word) for word in command]
    return ["runuser", "-u", SERVER_USER, "--", *words] if os.geteuid() == 0 else words


def _run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as the server's user, from a directory that it may enter."""
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            _as_server(*command), cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        output.seek(0)
        said = output.read()
    if check and done.returncode != 0:
        raise SetupError("cluster_failed", command=Path(command[0]).name, said=said.strip()[-500:])
    return subprocess.CompletedProcess(done.args, done.returncode, said, "")


def _pg_ctl(
    home: Path, action: str, *options: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    data = directory(home).resolve()
    return _run(_binaries() / "pg_ctl", action, "-D", data, *options, check=check)


def _hash(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:12]


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Keep two processes from making or starting the cluster at once."""
    with (home / "pg.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create(home: Path) -> None:
    """Run initdb; leave nothing behind if it fails."""
    data = _place(home)
    initdb: list[str | Path] = [
        _binaries() / "initdb",
        "-D",
        data,
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    try:
        _run(*initdb, "--auth-local=trust", "--auth-host=reject", "--no-sync")
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION)
    except SetupError:
        shutil.rmtree(data, ignore_errors=True)
        raise


def _place(home: Path) -> Path:
    """Return an empty directory of the server's user for the cluster."""
    data = directory(home)
    if os.geteuid() != 0:
        data.mkdir(mode=0o700, exist_ok=True)
        return data
    server = pwd.getpwnam(SERVER_USER)
    if _run("test", "-x", home.absolute(), check=False).returncode != 0:
        elsewhere = Path("/var/lib/gridatlas") / _hash(home)
        elsewhere.mkdir(parents=True, exist_ok=True)
        elsewhere.parent.chmod(0o755)
        data.unlink(missing_ok=True)
        data.symlink_to(elsewhere)
        data = elsewhere
    data.mkdir(mode=0o700, exist_ok=True)
    os.chown(data, server.pw_uid, server.pw_gid)
    data.chmod(0o700)
    return data


def _start(home: Path) -> None:
    """Start the server and wait for it."""
    socket = socket_directory(home)
    if socket != directory(home).resolve():
        socket.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            server = pwd.getpwnam(SERVER_USER)
            os.chown(socket, server.pw_uid, server.pw_gid)
    log = directory(home).resolve() / "server.log"
    _pg_ctl(home, "start", "-w", "-t", "60", "-l", os.fspath(log), "-o", f"-k '{socket}'")


def _create_database(home: Path) -> None:
    """Make the installation's database; extensions come with the migrations."""
    socket = os.fspath(socket_directory(home))
    made = _run(_binaries() / "createdb", "-h", socket, "-U", _server_user(), DATABASE, check=False)
    if made.returncode != 0 and "already exists" not in made.stdout:
        raise SetupError("cluster_failed", command="createdb", said=made.stdout.strip()[-500:])
    (directory(home) / "gridatlas.ready").touch()
