"""Forced interleavings of threads and database sessions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text

from geo import locks
from geo.locks import Lock

TIMEOUT_S = 60.0
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Task(threading.Thread):
    """A thread that keeps the result of its function, or the exception that it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:
            self.error = error

    def end(self) -> Any:
        """Wait for the end; return the result or raise the exception."""
        self.join(TIMEOUT_S)
        assert not self.is_alive(), "the work does not end"
        if self.error is not None:
            raise self.error
        return self.result


def wait_for_waiting(engine: Engine, sessions: int = 1) -> None:
    """Wait until a number of sessions wait for a lock."""
    deadline = time.monotonic() + TIMEOUT_S
    with engine.connect() as connection:
        while connection.execute(_WAITING).scalar_one() < sessions:
            connection.rollback()
            assert time.monotonic() < deadline, f"no {sessions} sessions wait"
            time.sleep(0.01)


@contextmanager
def holding_layer(engine: Engine, layer: str) -> Iterator[Connection]:
    """Hold the lock of a layer in a transaction, as a publication does."""
    with engine.begin() as connection:
        for key in locks.layer_keys([layer]):
            locks.acquire(connection, Lock.LAYER, key)
        yield connection
