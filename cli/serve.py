"""``gridatlas serve``: the web map and the API."""

import gc
import multiprocessing
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import console
from geo import db
from geo.errors import InputError
from geo.settings import settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy import Engine

SHUTDOWN_TIMEOUT_S = 10
"""For requests that are being answered when the server is stopped."""

DATABASE_CHECK_INTERVAL_S = 1.0

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    workers: Annotated[
        int,
        typer.Option(help="Number of worker processes.", min=1, max=64, envvar="GRIDATLAS_WORKERS"),
    ] = 1,
    log: Annotated[
        bool, typer.Option(help="Log each request as a line of JSON to standard error.")
    ] = False,
) -> None:
    """Serve the web map and the API until Ctrl+C."""
    run(host, port, workers=workers, log=log)


def run(host: str, port: int, *, workers: int = 1, log: bool = False) -> None:
    """Serve until interrupted or terminated; pending requests are answered first."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from api.auth import identity_provider
    from api.core.protocol import TimeLimitedProtocol
    from geo.casework.kinds import case_kinds
    from geo.secrets import secret
    from maps import build

    listener = _listen(host, port)
    with console.progress() as progress:
        build.build(progress)
    secret()  # warns of a weak secret before anything is served
    identity_provider.check_settings()
    case_kinds()  # refuses a file with mistakes
    db.upgrade()
    db.ensure_login()
    db.forbid_server_start()
    _allow_many_connections()
    os.environ["GRIDATLAS_LOG"] = "1" if log else ""
    from api.middleware import request_log

    request_log.configure_logging(access=log)

    config = uvicorn.Config(
        "cli.serve:create_worker_app" if workers > 1 else _load_app(),
        factory=workers > 1,
        http=TimeLimitedProtocol,
        loop="uvloop",
        access_log=False,  # api.middleware.request_log writes more
        workers=workers,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        backlog=4096,
    )
    server = uvicorn.Server(config)
    console.print_text("serve.ready", url=_url(listener, host))
    with suppress(KeyboardInterrupt):  # uvicorn has shut down in order by then
        if workers == 1:
            with _supervised_database(lambda: server.should_exit):
                server.run(sockets=[listener])
        else:
            supervisor = Multiprocess(config, sockets=[listener])
            with _supervised_database(supervisor.should_exit.is_set):
                _run_workers(supervisor)


def create_worker_app() -> "FastAPI":
    """Return the application of one of several workers, which ends with its parent process.

    A replaced worker does not start the private database: it may have been stopped on purpose.
    The parent process restarts it if it died.
    """
    from api.background import orphan_guard

    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        orphan_guard.end_with_parent(parent.pid)
    from sqlalchemy import make_url

    from geo.db import cluster

    is_private = not (settings().database_url or settings().api_database_url)
    owner = make_url(cluster.url(settings().home)) if is_private else None
    return _load_app(db.api_engine(db.api_url(owner)))


def _load_app(engine: "Engine | None" = None) -> "FastAPI":
    """Import and create the application.

    No garbage is collected meanwhile, which would take a quarter of the time. What is loaded then
    stays for good and is exempt from later collections.
    """
    gc.disable()
    try:
        from api.app import create_served_app

        return create_served_app(engine)
    finally:
        gc.enable()
        gc.freeze()


@contextmanager
def _supervised_database(is_stopping: Callable[[], bool]) -> Iterator[None]:
    """Restart the private database if its server dies, until this server stops."""
    from api.background.periodic import PeriodicTask
    from geo.db import local_server

    if settings().database_url:
        yield
        return

    def check(_: object) -> None:
        if not is_stopping():
            local_server.restart_if_dead(settings().home)

    checks = PeriodicTask("database", DATABASE_CHECK_INTERVAL_S, check)
    checks.open()
    try:
        yield
    finally:
        checks.close()


def _run_workers(supervisor: Any) -> None:
    """Run several workers; their metrics are combined in a temporary folder."""
    folder = tempfile.mkdtemp(prefix="gridatlas-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        supervisor.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft < limit:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _listen(host: str, port: int) -> socket.socket:
    """Bind the address before anything else, so that a used port is reported at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(4096)
    except OSError:
        raise InputError("port_taken", host=host, port=port) from None
    return listener


def _url(listener: socket.socket, host: str) -> str:
    name = f"[{host}]" if listener.family == socket.AF_INET6 else host
    return f"http://{name}:{listener.getsockname()[1]}/"
