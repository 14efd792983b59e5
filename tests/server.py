"""The application on a real socket."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from sqlalchemy import Engine

from api.app import create_app, warm_up
from api.core.protocol import TimeLimitedProtocol
from api.tiles import tile_archive
from geo import db


@contextmanager
def serving(engine: Engine, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve a database on a free port with the API's login; yield the address on the loopback."""
    tile_archive.POLL_INTERVAL_S = 600.0  # tests of the tile archive build it themselves
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
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        signed_in.dispose()
        assert not thread.is_alive(), "the server does not stop"
