"""The fire routes over HTTP: requests to one worker, one after the other.

The times are a client's: from the request's first byte to the answer's last.
"""

import http.client
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Connection, Engine, delete

from geo.db import accounts
from geo.model import Account

NAME = "bench-fire"

READY_S = 10.0
"""What a fresh server is given to read the city in the background."""


class Caller:
    """A persistent connection of a signed-in account."""

    def __init__(self, base: str, password: str) -> None:
        parts = urlsplit(base)
        self._http = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        form = {"grant_type": "password", "username": NAME, "password": password}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        body = self._asked("POST", "/auth/token", urlencode(form), kind)
        token = re.search(rb'"access_token":"([^"]+)"', body)
        assert token is not None
        self._signed = {"Authorization": f"Bearer {token[1].decode()}"}

    def rest(self, seconds: float) -> None:
        """Ask nothing for a while; the server drops an idle connection."""
        self._http.close()
        time.sleep(seconds)

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        return self._asked("GET", path, None, self._signed)

    def _asked(self, verb: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
        self._http.request(verb, path, body, headers)
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {said[:200]!r}")
        return said


@contextmanager
def caller(engine: Engine) -> Iterator[Caller]:
    """Serve with one worker and sign in as a fire account made for the while."""
    password = secrets.token_hex(16)
    with engine.begin() as connection:
        _forget(connection)
        accounts.add_account(connection, NAME, "fire", password)
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        said = re.search(r"http://\S+?:\d+", running.stdout.readline())
        assert said is not None
        yield Caller(_answering(said[0]), password)
    finally:
        running.terminate()
        running.wait(30)
        with engine.begin() as connection:
            _forget(connection)


def _forget(connection: Connection) -> None:
    connection.execute(delete(Account).where(Account.name == NAME))


def _answering(base: str) -> str:
    """Return the address once something answers there."""
    parts = urlsplit(base)
    for _ in range(300):
        try:
            asking = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
            asking.request("GET", "/health")
            asking.getresponse().read()
            return base
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"no answer from {base}")
