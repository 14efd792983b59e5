"""``gridatlas serve``: the API and the map page."""

import socket
from contextlib import suppress
from typing import Annotated

import typer

from cli import console
from geo.errors import InputError
from geo.messages import text


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def serve(
        host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    ) -> None:
        """Serve the map page and the API until Ctrl+C."""
        run(host, port)


def run(host: str, port: int) -> None:
    """Serve until interrupted."""
    import uvicorn

    from api.app import create_app
    from geo import db
    from maps import build

    listening = _listen(host, port)
    with console.progress() as progress:
        build.build(progress)
    db.upgrade()
    db.ensure_login()
    app = create_app()
    console.out.print(text("serve.ready", url=_url(listening, host)), highlight=False)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with suppress(KeyboardInterrupt):  # uvicorn has shut down in order by then
        server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Take the address before anything else, so that a port in use is said at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError:
        raise InputError("port_taken", host=host, port=port) from None
    return listening


def _url(listening: socket.socket, host: str) -> str:
    shown = f"[{host}]" if listening.family == socket.AF_INET6 else host
    return f"http://{shown}:{listening.getsockname()[1]}/"
