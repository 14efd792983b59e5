"""The queue of jobs: a thread claims them, a process of its own runs them.

Each server worker has one for drawings and one for imports, so that an import does not wait for a
drawing. The queue is a table, which all server workers share and a restart keeps. The worker of a
job holds an advisory lock on its number: a running job whose lock is free was interrupted, and is
started again once.
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

from api.core.caller import ACT_AS, SERVICE_CALLER
from geo import locks
from geo.locks import Lock
from geo.model.job import JobKind

ATTEMPTS = 2
DEBOUNCE_S = 1.5
"""Time without an edit before a plan is scored again."""

QUEUE_POLL_INTERVAL_S, JOB_POLL_INTERVAL_S = 1.0, 0.2

_log = logging.getLogger(__name__)

_RUNNING_JOBS = text("SELECT id FROM job WHERE status = 'running' ORDER BY id")
_RETRY = text(
    "UPDATE job SET status = CASE WHEN attempts < :most THEN 'queued' ELSE 'failed' END, "
    "finished_at = CASE WHEN attempts < :most THEN NULL ELSE now() END, "
    "problem = CASE WHEN attempts < :most THEN NULL ELSE CAST(:problem AS jsonb) END, "
    "upload = CASE WHEN attempts < :most THEN upload END "
    "WHERE id = :id AND status = 'running'"
)
_CLAIM = text(
    "UPDATE job SET status = 'running', attempts = attempts + 1, started_at = now() WHERE id = ("
    "SELECT id FROM job WHERE status = 'queued' AND kind = ANY (:kinds) "
    "AND (kind <> 'score' OR created_at < now() - make_interval(secs => :debounce)) "
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
    """Run the jobs of some kinds, one at a time, until it is closed.

    Parameters
    ----------
    engine
        Engine of the API; the worker opens one connection of its own to the same database.
    kinds
        Kinds of jobs to run.
    module
        Module that the job process runs, a user of :mod:`api.background.job_process`.
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
        self._process: JobProcess | None = None
        self._thread = threading.Thread(target=self._work, name=f"jobs of {module}", daemon=True)

    def open(self) -> None:
        """Start to claim jobs."""
        self._thread.start()

    def wake(self) -> None:
        """Read the queue now, because a job was added or cancelled."""
        self._wake.set()

    def close(self) -> None:
        """Stop; a job that runs goes back to the queue."""
        self._closing.set()
        self._wake.set()
        self._thread.join(10)

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                with self._engine.connect() as session:
                    self._work_in(session)
            except SQLAlchemyError as error:
                _log.warning("the queue of jobs can't be read: %s", error)
                self._closing.wait(QUEUE_POLL_INTERVAL_S)
        if self._process is not None:
            self._process.end()

    def _work_in(self, session: Connection) -> None:
        """Claim and run jobs in one session, which holds their advisory locks."""
        try:
            while not self._closing.is_set():
                _return_orphans(session)
                job = _claim_job(session, self._kinds)
                if job is None:
                    self._wake.wait(QUEUE_POLL_INTERVAL_S)
                    self._wake.clear()
                    continue
                self._run_job(session, job)
        finally:
            session.invalidate()  # frees the locks

    def _run_job(self, session: Connection, job: dict[str, Any]) -> None:
        if self._process is not None and not self._process.is_alive():
            self._process.end()
            self._process = None
        if self._process is None:
            self._process = JobProcess(self._engine.url, self._module)
        self._process.send(job)
        while not self._closing.is_set():
            message = self._process.receive(JOB_POLL_INTERVAL_S)
            if message is None and not self._process.is_alive():
                message = {"failed": {"key": "job_broken_off", "values": {"job": job["id"]}}}
            if message is None:
                if _status(session, job["id"]) != "running":  # it was cancelled
                    self._process.end()
                    break
            elif "step" in message:
                _run(session, _PROGRESS, id=job["id"], **message)
            elif "failed" in message:
                problem = orjson.dumps(message["failed"]).decode()
                _run(session, _FAIL, id=job["id"], problem=problem)
                break
            elif "finished" in message:
                break
        _release(session, job["id"])


class JobProcess:
    """The process that runs the jobs, and its messages."""

    def __init__(self, url: URL, module: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", module, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.send({"url": url.render_as_string(hide_password=False)})

    def _read(self) -> None:
        assert self._child.stdout is not None  # noqa: S101
        for line in self._child.stdout:
            self._lines.put(line)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, such as a job."""
        assert self._child.stdin is not None  # noqa: S101
        with suppress(BrokenPipeError):  # that it ended is noticed by is_alive
            self._child.stdin.write(orjson.dumps(message) + b"\n")
            self._child.stdin.flush()

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next message, None if there is none in time."""
        try:
            message: dict[str, Any] = orjson.loads(self._lines.get(timeout=timeout_s))
        except queue.Empty:
            return None
        return message

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._child.pid

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self._child.poll() is None

    def end(self) -> None:
        """Kill the process; the database rolls back what it had not committed."""
        self._child.kill()
        self._child.wait()
        self._reader.join(1)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _run(session: Connection, statement: Any, **values: Any) -> Sequence[RowMapping]:
    """Execute a statement in a transaction of its own under the role of the queue."""
    with session.begin():
        session.execute(ACT_AS, SERVICE_CALLER.settings())
        result = session.execute(statement, values)
        return result.mappings().all() if result.returns_rows else []


def _claim_job(session: Connection, kinds: list[str]) -> dict[str, Any] | None:
    """Claim the next job and acquire its lock; return None if there is none."""
    with session.begin():
        session.execute(ACT_AS, SERVICE_CALLER.settings())
        job = session.execute(_CLAIM, {"debounce": DEBOUNCE_S, "kinds": kinds}).mappings().first()
        if job is None:
            return None
        locks.acquire_for_session(session, Lock.JOB, job["id"])
        return dict(job)


def _return_orphans(session: Connection) -> None:
    """Put running jobs whose lock nobody holds back into the queue: they were interrupted."""
    problem = orjson.dumps({"key": "job_broken_off", "values": {}}).decode()
    for row in _run(session, _RUNNING_JOBS):
        with session.begin():
            is_orphan = locks.try_acquire_for_session(session, Lock.JOB, row["id"])
        if is_orphan:
            _run(session, _RETRY, id=row["id"], most=ATTEMPTS, problem=problem)
            _release(session, row["id"])


def _release(session: Connection, job: int) -> None:
    with session.begin():
        locks.release(session, Lock.JOB, job)


def _status(session: Connection, job: int) -> str:
    rows = _run(session, _STATUS, id=job)
    return str(rows[0]["status"]) if rows else "gone"
