"""Where jobs are done: a thread that takes them from the queue, a process that does them.

There is one for drawings and one for imports, so that an import does not wait for a drawing.

The queue is a table, so that every worker of the server sees it, and a restart loses nothing. Who
works on a job holds an advisory lock on its number: a running job that nobody holds was broken off,
and is begun again, once.
"""

import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, NullPool, RowMapping, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from api.core.caller import ACT_AS, KEEPER
from geo import locks
from geo.locks import Lock
from geo.model.job import JobKind

ATTEMPTS = 2
DEBOUNCE_S = 5.0
"""Without an edit, before a plan is scored anew."""

PAUSE_S, POLL_INTERVAL_S = 1.0, 0.2

_log = logging.getLogger(__name__)

_ORPHANS = text("SELECT id FROM job WHERE status = 'running' ORDER BY id")
_AGAIN = text(
    "UPDATE job SET status = CASE WHEN attempts < :most THEN 'queued' ELSE 'failed' END, "
    "finished_at = CASE WHEN attempts < :most THEN NULL ELSE now() END, "
    "problem = CASE WHEN attempts < :most THEN NULL ELSE CAST(:problem AS jsonb) END, "
    "upload = CASE WHEN attempts < :most THEN upload END "
    "WHERE id = :id AND status = 'running'"
)
_CLAIM = text(
    "UPDATE job SET status = 'running', attempts = attempts + 1, started_at = now() WHERE id = ("
    "SELECT id FROM job WHERE status = 'queued' AND kind = ANY (:kinds) "
    "AND (kind <> 'score' OR created_at < now() - make_interval(secs => :rest)) "
    "ORDER BY kind = 'score', id LIMIT 1 FOR UPDATE SKIP LOCKED) "
    "RETURNING id, kind, community_code, caller, parameters"
)
_PROGRESS = text(
    "UPDATE job SET step = :step, done = :done, total = :total "
    "WHERE id = :id AND status = 'running'"
)
_FAIL = text(
    "UPDATE job SET status = 'failed', problem = CAST(:problem AS jsonb), finished_at = now(), "
    "upload = NULL WHERE id = :id AND status = 'running'"
)
_STATUS = text("SELECT status FROM job WHERE id = :id")


class JobWorker:
    """Does the jobs of some kinds, one at a time, until it is closed.

    It has a connection of its own, beside those of the requests.

    Parameters
    ----------
    module
        What its process runs (:mod:`api.background.job_process`).
    """

    def __init__(self, engine: Engine, kinds: Iterable[JobKind], module: str) -> None:
        self._engine = create_engine(
            engine.url,
            poolclass=NullPool,
            connect_args={"connect_timeout": 5, "application_name": "gridatlas jobs"},
        )
        self._module = module
        self._kinds = [kind.value for kind in kinds]
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._process: _WorkerProcess | None = None
        self._thread = threading.Thread(target=self._work, name="workshop", daemon=True)

    def open(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now: a job was added or cancelled."""
        self._wake.set()

    def close(self) -> None:
        """Stop; a job that is being done goes back to the queue."""
        self._closing.set()
        self._wake.set()
        self._thread.join(10)

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                with self._engine.connect() as session:
                    self._attend(session)
            except SQLAlchemyError as error:
                _log.warning("the queue of jobs can't be read: %s", error)
                self._closing.wait(PAUSE_S)
        if self._process is not None:
            self._process.end()

    def _attend(self, session: Connection) -> None:
        """Do jobs in one session, whose advisory locks end with it."""
        try:
            while not self._closing.is_set():
                _return_orphans(session)
                job = _claim_job(session, self._kinds)
                if job is None:
                    self._wake.wait(PAUSE_S)
                    self._wake.clear()
                    continue
                self._do(session, job)
        finally:
            session.invalidate()  # and with it the locks

    def _do(self, session: Connection, job: dict[str, Any]) -> None:
        if self._process is not None and not self._process.alive():
            self._process.end()
            self._process = None
        if self._process is None:
            self._process = _WorkerProcess(self._engine.url, self._module)
        self._process.give(job)
        while not self._closing.is_set():
            said = self._process.said(POLL_INTERVAL_S)
            if said is None and not self._process.alive():
                said = {"failed": {"key": "job_broken_off", "values": {"job": job["id"]}}}
            if said is not None and "step" in said:
                _run(session, _PROGRESS, id=job["id"], **said)
            if said is not None and "failed" in said:
                _run(session, _FAIL, id=job["id"], problem=orjson.dumps(said["failed"]).decode())
            if said is not None and ("failed" in said or "finished" in said):
                break
            if said is None and _status(session, job["id"]) != "running":
                self._process.end()
                break
        _release(session, job["id"])


class _WorkerProcess:
    """The process that does the jobs, and what it says."""

    def __init__(self, url: URL, module: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", module, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.give({"url": url.render_as_string(hide_password=False)})

    def _read(self) -> None:
        assert self._child.stdout is not None  # noqa: S101
        for line in self._child.stdout:
            self._lines.put(line)

    def give(self, what: dict[str, Any]) -> None:
        """Give a job."""
        assert self._child.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):  # its end is noticed where its answers are awaited
            self._child.stdin.write(orjson.dumps(what) + b"\n")
            self._child.stdin.flush()

    def said(self, wait_s: float) -> dict[str, Any] | None:
        """Return the next thing it says, None if it says nothing for a while."""
        try:
            found: dict[str, Any] = orjson.loads(self._lines.get(timeout=wait_s))
        except queue.Empty:
            return None
        return found

    def alive(self) -> bool:
        """Return whether it runs."""
        return self._child.poll() is None

    def end(self) -> None:
        """End it at once: what it had not committed is as if it had never been."""
        self._child.kill()
        self._child.wait()
        self._reader.join(1)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _run(session: Connection, statement: Any, **values: Any) -> Sequence[RowMapping]:
    """Run a statement in a transaction of its own, as the keeper of the queue."""
    with session.begin():
        session.execute(ACT_AS, KEEPER.settings())
        result = session.execute(statement, values)
        return result.mappings().all() if result.returns_rows else []


def _claim_job(session: Connection, kinds: list[str]) -> dict[str, Any] | None:
    """Take the next job, and the lock that says who works on it."""
    with session.begin():
        session.execute(ACT_AS, KEEPER.settings())
        found = session.execute(_CLAIM, {"rest": DEBOUNCE_S, "kinds": kinds}).mappings().first()
        if found is None:
            return None
        locks.acquire_for_session(session, Lock.JOB, found["id"])
        return dict(found)


def _return_orphans(session: Connection) -> None:
    """Put back what was broken off: running jobs on which nobody holds the lock."""
    problem = orjson.dumps({"key": "job_broken_off", "values": {}}).decode()
    for row in _run(session, _ORPHANS):
        with session.begin():
            is_orphan = locks.try_acquire_for_session(session, Lock.JOB, row["id"])
        if is_orphan:
            _run(session, _AGAIN, id=row["id"], most=ATTEMPTS, problem=problem)
            _release(session, row["id"])


def _release(session: Connection, job: int) -> None:
    with session.begin():
        locks.release(session, Lock.JOB, job)


def _status(session: Connection, job: int) -> str:
    found = _run(session, _STATUS, id=job)
    return str(found[0]["status"]) if found else "gone"
