"""The application on a real socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from sqlalchemy import Engine

from api.app import create_app, warm_up
from api.core import connection_pool
from api.core.protocol import TimeLimitedProtocol
from api.imports import import_jobs
from api.middleware import concurrency
from api.tiles import tile_archive
from geo import db
from geo.db import engine as database_engine
from geo.settings import settings
from tests.waiting import TIMEOUT_S, wait_until


@contextmanager
def serving(
    engine: Engine, host: str = "127.0.0.1", *, timeout_s: float = TIMEOUT_S
) -> Iterator[str]:
    """Serve a database on a free port with the API's login; yield the address on the loopback.

    The server waits for connections, locks and jobs as long as is said: however busy the machine
    is, nothing is refused for that.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile_archive, "POLL_INTERVAL_S", 600.0)  # its tests build it themselves
        for module in (concurrency, connection_pool, import_jobs):
            patch.setattr(module, "TIMEOUT_S", timeout_s)
        patch.setattr(database_engine, "API_TIMEOUT_S", round(timeout_s))
        patch.setattr(settings(), "statement_timeout_s", round(timeout_s))
        with _running(engine, host) as address:
            yield address


@contextmanager
def _running(engine: Engine, host: str) -> Iterator[str]:
    signed_in = db.api_engine(db.api_url(engine.url))
    app = create_app(signed_in)
    warm_up(app)
    listening = socket.create_server((host, 0))
    config = uvicorn.Config(app, log_level="warning", http=TimeLimitedProtocol, loop="uvloop")
    config.timeout_graceful_shutdown = 5
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the server")
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)
        listening.close()
        signed_in.dispose()
        assert not thread.is_alive(), "the server does not stop"
