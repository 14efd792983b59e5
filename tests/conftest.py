"""A PostGIS cluster for the tests, and new migrated databases.

Under pytest-xdist the first worker makes the cluster and the last one stops and removes it.
"""

import fcntl
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine, text

from geo import db
from geo import settings as installation
from geo.db import cluster, local_server
from tests.waiting import TIMEOUT_S

if TYPE_CHECKING:
    from tests.identity import Identity

TEMPLATE = "gridatlas_template"

local_server.TIMEOUT_S = TIMEOUT_S
# The machine may be busy; the same examples each time, unless --hypothesis-profile=explore.
settings.register_profile("explore", deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("repeat", settings.get_profile("explore"), derandomize=True)
settings.load_profile("repeat")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let ``-m locale`` import only the modules that have such tests."""
    if config.option.markexpr != "locale":
        return None
    modules = collection_path.rglob("test_*.py") if collection_path.is_dir() else [collection_path]
    has_some = any("mark.locale" in module.read_text(encoding="utf-8") for module in modules)
    return None if has_some else True


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while all modules are loaded, and exempt them from later collections.

    It took a third of that time, and a tenth of that of the tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture
def public_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the servers of a test a public address, to which their links lead."""
    site = "https://grid.example"
    monkeypatch.setenv("GRIDATLAS_SITE", site)
    installation.settings.cache_clear()
    yield site
    monkeypatch.undo()
    installation.settings.cache_clear()


@contextmanager
def open_folder(mode: int = 0o755) -> Iterator[Path]:
    """Make a directory that the database's user may enter; other runs of pytest close pytest's."""
    with tempfile.TemporaryDirectory(prefix="gridatlas-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(mode)
        yield Path(name)


@contextmanager
def locked(path: Path) -> Iterator[Path]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path


@pytest.fixture(scope="session")
def home(testrun_uid: str) -> Iterator[Path]:
    """Return a GRIDATLAS_HOME with a running cluster, shared by all workers of a test run."""
    place = Path(tempfile.gettempdir()) / f"gridatlas-test-{testrun_uid[:12]}"
    lock = place.parent / f"gridatlas-test-{os.geteuid()}.lock"
    users = place / "users"
    with locked(lock):
        if not users.exists():
            make_cluster(place)
        users.mkdir(exist_ok=True)
        (users / str(os.getpid())).touch()
    yield place
    with locked(lock):
        (users / str(os.getpid())).unlink()
        if not any(users.iterdir()):
            local_server.stop(place)
            shutil.rmtree(place)


def make_cluster(place: Path) -> None:
    place.mkdir(mode=0o755)
    local_server.ensure_running(place)
    # A power cut may end a test, and no database lives long enough to be vacuumed.
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
        on_server(place, f"ALTER SYSTEM SET {setting} = off")
    on_server(place, "SELECT pg_reload_conf()")
    make_template(place)


def make_template(place: Path) -> None:
    on_server(place, f'CREATE DATABASE "{TEMPLATE}"')
    engine = create_engine(cluster.url(place, TEMPLATE))
    db.upgrade(engine)
    engine.dispose()


def on_server(place: Path, statement: str) -> None:
    server = create_engine(cluster.url(place, "postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(statement))
    server.dispose()


@contextmanager
def fresh_database(place: Path) -> Iterator[Engine]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with locked(place / "template.lock"):
        on_server(place, f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY FILE_COPY')
    before = {key: os.environ.get(key) for key in ("DATABASE_URL", "GRIDATLAS_HOME")}
    os.environ |= {
        "DATABASE_URL": cluster.url(place, name),
        "GRIDATLAS_HOME": os.fspath(place),
    }
    db.reset_engine()
    engine = db.get_engine()
    try:
        yield engine
    finally:
        engine.dispose()
        db.reset_engine()
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
        on_server(place, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(home: Path) -> Iterator[Engine]:
    """Return an empty, migrated database; the installation's settings point at it."""
    with fresh_database(home) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared_database(home: Path) -> Iterator[Engine]:
    """Return a database that the tests of a module share."""
    with fresh_database(home) as engine:
        yield engine


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have messages in English, whatever the machine's language."""
    monkeypatch.setenv("GRIDATLAS_LANG", "en")


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator["Identity"]:
    """Return a real identity provider, which the installation's settings name."""
    from api.auth import identity_provider
    from geo.settings import settings
    from tests.identity import providing

    monkeypatch.setattr(identity_provider, "TIMEOUT_S", TIMEOUT_S)
    with providing() as identity:
        monkeypatch.setattr(settings(), "oidc_issuer", identity.issuer)
        monkeypatch.setattr(settings(), "oidc_client_id", "gridatlas")
        yield identity
