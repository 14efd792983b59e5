"""Jobs of imports: approving, rolling back and replaying runs outside the time of a request.

The audit trail and the end of the job are written in the transaction that publishes.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from fastapi import Request
from sqlalchemy import Connection, Engine, text
from starlette.concurrency import run_in_threadpool

from api.background import job_process
from api.core.caller import Caller, acting
from api.plans import jobs
from etl.runs.approve import approve
from etl.runs.quarantine import replay
from etl.runs.rollback import roll_back
from geo import db, errors
from geo.errors import GridatlasError, InputError
from geo.messages import Language
from geo.model.job import JobKind
from geo.progress import Progress
from geo.settings import settings

WAIT_S = 10.0
"""For a job to end within the request that asks for it."""

POLL_INTERVAL_S = 0.1

_ADD_RUN = text("UPDATE job SET runs = runs || CAST(:run AS bigint) WHERE id = :job")
_FINISH = text(
    "UPDATE job SET status = 'done', finished_at = now(), problem = NULL, upload = NULL "
    "WHERE id = :job"
)
_STATE = text("SELECT runs, upload FROM job WHERE id = :job")
_NOTHING_LEFT = ("quarantine_empty", "quarantine_not_waiting")
_OUTCOME = text("SELECT status, runs, problem FROM job WHERE id = :job")


async def submit(
    request: Request,
    caller: Caller,
    lang: Language,
    kind: JobKind,
    parameters: dict[str, Any],
    upload: bytes | None = None,
) -> jobs.JobResponse:
    """Put a job of an import into the queue and wait a little for its end; return it as it stands.

    Raises
    ------
    GridatlasError
        What made the job fail, or :class:`ConflictError` if the caller has too many jobs.
    """
    engine = request.app.state.engine

    def add() -> int:
        with acting(engine, caller) as connection:
            return int(jobs.enqueue_job(connection, caller, kind, "", parameters, upload)["id"])

    def look() -> jobs.JobResponse:
        with acting(engine, caller, readonly=True) as connection:
            row = connection.execute(_OUTCOME, {"job": number}).mappings().one()
            if row["status"] == "failed":
                raise _error_of(row["problem"])
            return jobs.read_job(connection, number, lang)

    number = await run_in_threadpool(add)
    request.app.state.import_workshop.wake()
    deadline = time.monotonic() + WAIT_S
    while True:
        job = await run_in_threadpool(look)
        if job.status not in jobs.OPEN_STATUSES or time.monotonic() > deadline:
            return job
        await asyncio.sleep(POLL_INTERVAL_S)


def _error_of(problem: dict[str, Any]) -> GridatlasError:
    """Return the error that a failed job stored."""
    kind = getattr(errors, problem.get("error", ""), errors.SetupError)
    error: GridatlasError = kind(problem["key"], **problem["values"])
    return error


def run_job(_: str, job: dict[str, Any], progress: Progress) -> None:
    """Do a job in sessions of the database's owner, as the command line does."""
    engine, number, parameters = db.get_engine(), job["id"], job["parameters"]
    how: dict[str, Any] = {"actor": job["caller"]["name"], "progress": progress}

    def finish(connection: Connection, run: int) -> None:
        connection.execute(_ADD_RUN, {"run": run, "job": number})
        connection.execute(_FINISH, {"job": number})

    match job["kind"]:
        case JobKind.APPROVE:
            approve(engine, parameters["run"], on_finish=finish, **how)
        case JobKind.ROLL_BACK:
            how |= {"with_later": parameters["with_later"]}
            roll_back(engine, parameters["run"], on_finish=finish, **how)
        case JobKind.REPLAY:
            _replay(engine, number, parameters, how)


def _replay(engine: Engine, number: int, parameters: dict[str, Any], how: dict[str, Any]) -> None:
    """Replay refused features: several runs, after which the job is over."""
    with engine.connect() as connection:
        row = connection.execute(_STATE, {"job": number}).one()

    def add_run(connection: Connection, run: int) -> None:
        connection.execute(_ADD_RUN, {"run": run, "job": number})

    with tempfile.TemporaryDirectory(prefix="gridatlas-quarantine-") as folder:
        file = None
        if row.upload is not None:
            file = Path(folder) / f"quarantine{parameters['ending']}"
            file.write_bytes(row.upload)
        try:
            run = parameters["run"]
            replay(engine, settings(), run=run, file=file, on_finish=add_run, **how)
        except InputError as error:
            # Begun again because its process ended: all may have been replayed before.
            if not (row.runs and error.key in _NOTHING_LEFT):
                raise
    with engine.begin() as connection:
        connection.execute(_FINISH, {"job": number})


if __name__ == "__main__":
    job_process.serve(run_job)
