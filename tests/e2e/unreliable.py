"""A connection that fails: a proxy that refuses, loses answers or delivers requests twice."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["open", "refuse", "lose answers", "deliver twice", "another page"]
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class UnreliableProxy:
    """Forwards to a server in one of the modes; counts what it sent to the client.

    ``lose answers`` and ``deliver twice`` concern requests that change something; answers of the
    others arrive. ``another page`` answers everything with a page of its own, as a proxy may do.
    """

    def __init__(self, upstream: str) -> None:
        self.mode: Mode = "open"
        self.sent_bytes = 0
        self.writes: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                changes = self.command in ("POST", "PUT") and not self.path.startswith("/auth")
                mode = proxy.mode  # until the answer
                if mode == "refuse":
                    self.close_connection = True
                    return
                if mode == "another page":
                    self.send_response_only(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if changes:
                    proxy.writes.append(self.path)
                for _ in range(2 if changes and mode == "deliver twice" else 1):
                    response, content = self.forward(body)
                if changes and mode == "lose answers":
                    self.close_connection = True
                    return
                self.answer(response, content)

            def forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
                server = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=60)
                server.request(self.command, self.path, body, dict(self.headers))
                response = server.getresponse()
                content = response.read()
                server.close()
                return response, content

            def answer(self, response: http.client.HTTPResponse, content: bytes) -> None:
                headers = [
                    (name, value)
                    for name, value in response.getheaders()
                    if name.lower() not in _HOP_BY_HOP
                ]
                self.send_response_only(response.status, response.reason)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(ConnectionError):  # the page was closed meanwhile
                    self.wfile.write(content)
                proxy.sent_bytes += len(content) + sum(len(n) + len(v) + 4 for n, v in headers)

            do_GET = do_POST = do_PUT = do_HEAD = handle_request  # noqa: N815 (names of http.server)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def unreliable(upstream: str) -> Iterator[UnreliableProxy]:
    """Run a proxy in front of a server."""
    proxy = UnreliableProxy(upstream)
    thread = threading.Thread(target=proxy.server.serve_forever, daemon=True)
    thread.start()
    yield proxy
    proxy.server.shutdown()
    proxy.server.server_close()
