"""The private PostGIS cluster of an installation: its directories, its programs, its creation.

It lives in ``GRIDATLAS_HOME/pg`` and listens at a Unix socket. When root runs it, the server runs
as the system's user ``postgres``; if that user can't enter the home directory, the data lie in
``/var/lib/gridatlas`` and ``GRIDATLAS_HOME/pg`` is a link to them.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote, urlencode

from geo.errors import SetupError

PACKAGES = "postgresql-15-postgis-3"
MIN_MAJOR = 15
POSTGIS = "postgis-3"
SERVER_USER = "postgres"
DATABASE = "gridatlas"
UTC_SESSION = "-c TimeZone=UTC"
"""Connection option: times are in UTC, whatever the time zone of the server's machine."""

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
READY = "gridatlas.ready"
"""File in the data directory once the installation's database exists."""

INSTALLED = Path("/usr/lib/postgresql")
_OUTSIDE_HOME = Path("/var/lib/gridatlas")
_SOCKET_PATH_LIMIT = 107  # bytes of sun_path in <sys/un.h>, less the final zero
_MIN_SHARED_MEMORY_BYTES = 512 * 2**20

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


def data_directory(home: Path) -> Path:
    """Return the data directory of an installation's cluster."""
    return home.absolute() / "pg"


def url(home: Path, database: str = DATABASE) -> str:
    """Return the SQLAlchemy URL of a database in the private cluster."""
    where = {"host": os.fspath(socket_directory(home)), "port": PORT, "options": UTC_SESSION}
    return (
        f"postgresql+psycopg://{server_user(home)}@/{database}?{urlencode(where, quote_via=quote)}"
    )


def socket_directory(home: Path) -> Path:
    """Return the directory of the socket: that of the data, or one in /tmp if its path is too long.

    The server creates its socket by a relative path in its working directory, the data directory.
    So the server of a deleted home can't remove the socket of a new cluster at the same path.
    """
    data = data_directory(home).resolve()
    if len(os.fsencode(data / SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
        return data
    return Path("/tmp") / f"gridatlas-{_hash_file(data)}"  # noqa: S108  (its owner is checked)


def newest_programs() -> Path:
    """Return the programs of the newest supported PostgreSQL with PostGIS.

    Raises
    ------
    SetupError
        If there are none.
    """
    versions = []
    for initdb in INSTALLED.glob("*/bin/initdb"):
        major = initdb.parts[-3]
        control = Path(f"/usr/share/postgresql/{major}/extension/postgis.control")
        if major.isdigit() and int(major) >= MIN_MAJOR and control.exists():
            versions.append((int(major), initdb.parent))
    if not versions:
        raise SetupError("postgis_missing", packages=PACKAGES)
    return max(versions)[1]


def programs_of(home: Path) -> Path:
    """Return the programs of the version that created the cluster.

    Raises
    ------
    SetupError
        If they are no longer installed.
    """
    major = (data_directory(home) / "PG_VERSION").read_text(encoding="ascii").strip()
    programs = INSTALLED / major / "bin"
    if not (programs / "pg_ctl").exists():
        raise SetupError("cluster_version_gone", major=major, directory=data_directory(home))
    return programs


def exists(home: Path) -> bool:
    """Return whether there is a cluster.

    Raises
    ------
    SetupError
        If it is another user's.
    """
    directory = data_directory(home)
    try:
        exists = (directory / "PG_VERSION").exists()
        is_readable = not exists or os.geteuid() in (0, directory.stat().st_uid)
    except PermissionError:
        is_readable = False
    if not is_readable:
        user = pwd.getpwuid(os.geteuid()).pw_name
        raise SetupError("cluster_not_yours", directory=directory, user=user)
    return exists


def server_user(home: Path) -> str:
    """Return the owner of the data, who runs the server and is its superuser."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    data = data_directory(home)
    return pwd.getpwuid(data.stat().st_uid).pw_name if data.exists() else SERVER_USER


def run_as_server(
    user: str, *command: str | Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command as the server's user, in a directory that it may enter.

    Raises
    ------
    SetupError
        If it fails and ``check`` is set.
    """
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


def run_pg_ctl(
    home: Path, action: str, *options: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run ``pg_ctl`` on the cluster as the server's user."""
    data = data_directory(home).resolve()
    program = programs_of(home) / "pg_ctl"
    return run_as_server(server_user(home), program, action, "-D", data, *options, check=check)


def _hash_file(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def server_log(home: Path) -> Path:
    """Return the file of the server's log."""
    return data_directory(home).resolve() / "server.log"


def create(home: Path) -> None:
    """Run initdb in a temporary directory and rename it, so that no partial cluster is used."""
    for partial in home.glob("pg-new-*"):
        shutil.rmtree(partial)
    data = _empty_directory(home)
    try:
        # Only root and the server's user can enter the directory of the socket.
        run_as_server(
            pwd.getpwuid(data.stat().st_uid).pw_name,
            newest_programs() / "initdb",
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
    if run_as_server(SERVER_USER, "test", "-x", home.absolute(), check=False).returncode == 0:
        data = Path(tempfile.mkdtemp(prefix="pg-new-", dir=home.absolute()))
    else:
        _OUTSIDE_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        # Always a new name: a moved home may still link to an old one.
        data = Path(tempfile.mkdtemp(prefix=f"{_hash_file(home.absolute())}-", dir=_OUTSIDE_HOME))
    os.chown(data, server.pw_uid, server.pw_gid)
    return data


def create_database(home: Path) -> None:
    """Create the installation's database; the migrations create its extensions.

    Raises
    ------
    SetupError
        If PostgreSQL refuses.
    """
    user, socket = server_user(home), os.fspath(socket_directory(home))
    result = run_as_server(
        user,
        *(programs_of(home) / "createdb", "-h", socket, "-p", str(PORT), "-U", user, DATABASE),
        check=False,
    )
    if result.returncode != 0 and "already exists" not in result.stdout:
        raise SetupError("cluster_failed", command="createdb", said=result.stdout[-500:])
    (data_directory(home) / READY).touch()
