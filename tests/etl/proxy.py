"""A wire between client and server that can be cut at a commit."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Cut = Literal["before", "after"]


class Wire:
    """Passes bytes on; once armed, it is cut at the next commit."""

    def __init__(self, server: Path, here: Path) -> None:
        self.server = server
        self.cut: Cut | None = None
        self.threads: list[threading.Thread] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(here / ".s.PGSQL.5432"))
        self.listener.listen()
        self.threads.append(threading.Thread(target=self._accept))
        self.threads[-1].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.server))
            for one, other, is_client in ((client, server, True), (server, client, False)):
                arguments = (one, other, is_client)
                self.threads.append(threading.Thread(target=self._pass, args=arguments))
                self.threads[-1].start()

    def _pass(self, one: socket.socket, other: socket.socket, is_client: bool) -> None:
        with one, suppress(OSError):
            while data := one.recv(65536):
                if is_client and self.cut and b"COMMIT" in data:
                    self._sever(one, other, data)
                    break
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def _sever(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        how, self.cut = self.cut, None
        client.shutdown(socket.SHUT_RDWR)
        if how == "after":
            server.sendall(data)
            server.settimeout(10)
            with suppress(OSError):
                server.recv(65536)  # the server's word that it is done, which nobody hears


@contextmanager
def wire(server: Path, here: Path) -> Iterator[Wire]:
    made = Wire(server, here)
    try:
        yield made
    finally:
        with suppress(OSError):
            made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
        for thread in list(made.threads):
            thread.join(10)
