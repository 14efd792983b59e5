"""Waiting for conditions, and forced interleavings of threads and database sessions."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, Engine, text

from geo import locks
from geo.locks import Lock

TIMEOUT_S = 600.0
"""After which a test fails: nothing takes so long, however busy the machine is."""

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def wait_until(
    is_so: Callable[[], Any], what: str = "the condition", interval_s: float = 0.02
) -> Any:
    """Wait until a function returns something true; return that."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"{what} does not come about"
        time.sleep(interval_s)
    return found


def wait_for_job(client: httpx.Client, job: str, *statuses: str) -> dict[str, Any]:
    """Wait until a job of the API has one of some statuses; return the job."""

    def job_if_so() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(job).json()
        return found if found["status"] in statuses else None

    found: dict[str, Any] = wait_until(job_if_so, f"{job}: {statuses}", 0.1)
    return found


def is_alive(process: int) -> bool:
    """Return whether a process runs; one that ended and is not asked for its end does not."""
    with suppress(OSError):
        state = Path(f"/proc/{process}/stat").read_text()
        return state.rpartition(")")[2].split()[0] != "Z"
    return False


def wait_for_end(process: int) -> None:
    """Wait until a process ended, be it asked for its end or not."""
    wait_until(lambda: not is_alive(process), f"the end of process {process}")


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
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        wait_until(
            lambda: connection.execute(_WAITING).scalar_one() >= sessions,
            f"{sessions} waiting sessions",
        )


@contextmanager
def holding_layer(engine: Engine, layer: str) -> Iterator[Connection]:
    """Hold the lock of a layer in a transaction, as a publication does."""
    with engine.begin() as connection:
        for key in locks.layer_keys([layer]):
            locks.acquire(connection, Lock.LAYER, key)
        yield connection
